//! Everything that is written of an index: what it names, then its tags.

use super::compose::Composed;
use super::lost;
use super::publish;
use super::targets::Targets;
use super::transfer::{self, Origins};
use super::work::Work;
use crate::error::Error;

/// Completes the repositories of the targets, then moves their tags; in a dry run only refuses what
/// a real one would. `look_again` is asked after a transfer that took its time, and may say that
/// the index is not wanted any more: then nothing moved, and there is nothing to return. Else what
/// the targets pointed to right before they were moved.
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
    if transfer::children(work, composed, &targets, origins).await? {
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
