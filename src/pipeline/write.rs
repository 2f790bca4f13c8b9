//! Everything that is written of an index: what it names, then its tags.

use super::compose::Composed;
use super::lost;
use super::lots::{self, Beside, Lot, Single};
use super::publish;
use super::referrers;
use super::targets::{self, Targets};
use super::together::Stage;
use super::transfer::{self, Origins};
use super::work::Work;
use crate::error::Error;

/// What is published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goods<'a> {
    pub(super) composed: &'a Composed,
    pub(super) stock: Stock<'a>,
}

/// What is known before the index is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stock<'a> {
    /// The platforms under tags of their own.
    pub(super) singles: &'a [Single],
    /// Where images and attestations come from.
    pub(super) origins: &'a Origins,
}

/// What was found right before the tags were moved.
#[derive(Debug)]
pub(super) struct Written {
    /// What the tags of the index pointed to.
    pub(super) targets: Targets,
    /// Whether a tag of a platform was moved; in a dry run, would be.
    pub(super) is_moved: bool,
}

/// Completes the repositories of the targets, then moves their tags, together with those of other
/// lists; in a dry run only refuses what a real one would. `look_again` is asked after anything that
/// took its time, and may say that the index is not wanted any more: then nothing moved, and there
/// is nothing to return. Else what the targets pointed to right before they were moved.
pub(super) async fn to_targets(
    work: &Work<'_>,
    Goods { composed, stock: Stock { singles, origins } }: Goods<'_>,
    mut targets: Targets,
    look_again: impl AsyncFnOnce(&Targets) -> Result<Option<Targets>, Error>,
) -> Result<Option<Written>, Error> {
    let mut beside = Box::pin(Beside::check(work, singles)).await?;
    let mut lots = beside.and(composed, &targets);
    refuse_overwriting(work, &lots)?;
    if work.plan.dry_run {
        let is_moved = !beside.all_hold();
        return Ok(Some(Written { targets, is_moved }));
    }
    // Lists that go together rest here, and may be hundreds: what is over, and what follows, takes
    // no room meanwhile.
    let has_copied = Box::pin(bring(work, &lots, origins)).await?;
    if has_copied {
        work.seat.took_time();
    }
    work.seat.reached(Stage::Complete);
    work.seat.all_have(Stage::Complete).await;
    if has_copied || work.seat.others_took_time() {
        let Some(now) = Box::pin(look_again(&targets)).await? else { return Ok(None) };
        targets = now;
        beside = Box::pin(Beside::check(work, singles)).await?;
        lots = beside.and(composed, &targets);
        refuse_overwriting(work, &lots)?;
    }
    let tags = Box::pin(publish::tags(work, &lots));
    let lost = Box::pin(lost::tell(work, &targets, composed));
    let (published, ()) = tokio::join!(tags, lost);
    published?;
    let is_moved = !beside.all_hold();
    Ok(Some(Written { targets, is_moved }))
}

/// Completes the repositories of the targets. Says whether any bytes had to go through this process.
async fn bring(work: &Work<'_>, lots: &[Lot<'_>], origins: &Origins) -> Result<bool, Error> {
    let needs = lots::needs(lots);
    let (has_copied, referrers) = tokio::try_join!(
        transfer::children(work, &needs, origins),
        referrers::find(work, lots, origins),
    )?;
    publish::by_digest(work, lots, |digest| referrers.are_of(digest)).await?;
    Ok(referrers.bring(work).await? || has_copied)
}

/// Refuses to move tags that may not be moved.
pub(super) fn refuse_overwriting(work: &Work<'_>, lots: &[Lot<'_>]) -> Result<(), Error> {
    let all = lots.iter().map(|lot| (lot.targets, &lot.composed.digest));
    targets::refuse_overwriting(work.plan, all)
}
