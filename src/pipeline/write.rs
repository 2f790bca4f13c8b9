//! Everything that is written of an index: what it names, then its tags.

use super::compose::Composed;
use super::lost;
use super::publish;
use super::targets::Targets;
use super::together::Stage;
use super::transfer::{self, Origins};
use super::work::Work;
use crate::error::Error;

/// Completes the repositories of the targets, then moves their tags, together with those of other
/// lists; in a dry run only refuses what a real one would. `look_again` is asked after anything that
/// took its time, and may say that the index is not wanted any more: then nothing moved, and there
/// is nothing to return. Else what the targets pointed to right before they were moved.
pub(super) async fn to_targets(
    work: &Work<'_>,
    composed: &Composed,
    origins: &Origins,
    mut targets: Targets,
    look_again: impl AsyncFnOnce(&Targets) -> Result<Option<Targets>, Error>,
) -> Result<Option<Targets>, Error> {
    targets.refuse_overwriting(work.plan, &composed.digest)?;
    if work.plan.dry_run {
        return Ok(Some(targets));
    }
    let has_copied = transfer::children(work, composed, &targets, origins).await?;
    if has_copied {
        work.seat.took_time();
    }
    publish::by_digest(work, composed, &targets).await?;
    work.seat.reached(Stage::Complete);
    work.seat.all_have(Stage::Complete).await;
    if has_copied || work.seat.others_took_time() {
        let Some(now) = look_again(&targets).await? else { return Ok(None) };
        targets = now;
        targets.refuse_overwriting(work.plan, &composed.digest)?;
    }
    let tags = publish::tags(work, composed, &targets);
    let lost = lost::tell(work, &targets, composed);
    let (published, ()) = tokio::join!(tags, lost);
    published?;
    Ok(Some(targets))
}
