//! One index, from its sources to verified tags: the order of the stages, and the only file that
//! knows it.
//!
//! ```text
//! targets ─┐
//! resolve ─┴→ check → compose → transfer → referrers → publish → verify → outcome
//! ```
//!
//! A stage knows those before it, never one after it. `lots` is what goes out together: the index,
//! and platforms under tags of their own. `write` is all from transfer to publish, and before tags
//! move lists that go together wait for each other; with `append` everything from compose to publish
//! goes round in `edit`.

mod append;
mod carry;
pub mod check;
pub mod compose;
pub mod edit;
mod image;
mod lost;
pub mod lots;
mod one_pass;
pub mod outcome;
mod preview;
pub mod progress;
mod publish;
pub mod record;
mod referrers;
pub mod resolve;
pub mod targets;
pub mod together;
pub mod transfer;
mod verify;
pub mod work;
mod write;

use crate::error::{Error, Exit};
use crate::jobs::Jobs;
use append::Append;
use check::Checked;
use edit::Edited;
use outcome::{Report, SourceReport};
use resolve::arrived::Arrived;
use resolve::{Resolved, table};
use std::time::Duration;
use targets::{Target, Targets};
use tokio::time::Instant;
use tracing::{info, warn};
use transfer::Origins;
use work::Work;
use write::{Goods, Stock, Written};

/// Publishes one index. `jobs`: those of the CI system, where the plan watches some.
pub async fn run(work: &Work<'_>, jobs: Option<&Jobs>) -> Result<Report, Error> {
    let started = Instant::now();
    let Work { plan, progress, .. } = *work;
    work.group("Sources");
    let (resolved, targets) = tokio::try_join!(
        Box::pin(table::shown(work.console, progress, plan.wait, resolve::sources(work, jobs))),
        Box::pin(first_check(work))
    )?;
    if resolved.waited() {
        work.seat.took_time();
    }
    let targets = match targets {
        Some(targets) if !resolved.waited() => targets,
        before => Box::pin(check_again(work, before.as_ref(), &resolved.arrived)).await?,
    };
    let checked = check::sources(plan, &resolved.arrived, &resolved.skipped)?;
    for warning in &checked.warnings {
        warn!("{warning}");
    }
    work.group("Publish");
    let origins = &Origins::of(&resolved.arrived);
    // What follows is apart, so that lists that wait, which may be hundreds, hold no room for it.
    let singles = &Box::pin(lots::singles(work, &resolved.arrived, &checked)).await?;
    let stock = Stock { singles, origins };
    let Edited { composed, targets, changed } = if plan.append {
        let append = Append { plan, checked: &checked, stock };
        Box::pin(edit::until_settled(work, &append)).await?
    } else {
        Box::pin(publish(work, checked, stock, targets, &resolved)).await?
    };
    let dry_run = if plan.dry_run {
        let goods = Goods { composed: &composed, stock };
        Some(Box::pin(preview::left_undone(work, goods, &targets)).await?)
    } else {
        None
    };
    let changed = changed || (plan.dry_run && !targets.all_hold(&composed.digest));
    let copied = progress.copied();
    let coming = dry_run.iter().flat_map(|dry_run| &dry_run.copies);
    let from = copied.iter().flat_map(|copied| &copied.from);
    let left = from.chain(coming.flat_map(|coming| &coming.from)).filter(|_| !plan.copy_referrers);
    let referrers_left_in = left.cloned().collect();
    let report = Report {
        composed,
        tags: progress.tags(),
        referrers_left_in,
        copied,
        dry_run,
        changed,
        waited: if resolved.waited() { resolved.elapsed } else { Duration::ZERO },
        sources: resolved.arrived.into_iter().map(SourceReport::from).collect(),
        skipped: resolved.skipped,
        elapsed: started.elapsed(),
    };
    if !report.referrers_left_in.is_empty() {
        info!("{}", record::referrers_stay(&report.referrers_left_in));
    }
    Ok(report)
}

/// Composes the index and publishes it in place of what its targets point to.
async fn publish(
    work: &Work<'_>,
    checked: Checked,
    stock: Stock<'_>,
    targets: Targets,
    resolved: &Resolved,
) -> Result<Edited, Error> {
    let picked =
        Box::pin(image::picked(work.registry, work.plan, &resolved.arrived, &checked)).await?;
    let checked = Checked { unchanged: picked.or(checked.unchanged), ..checked };
    let composed = compose::index(work.plan, checked)?;
    compose::tell(&composed);
    // What is told of sources is told once.
    let unwatched: &[Arrived] = if resolved.waited() { &[] } else { &resolved.arrived };
    let again = async |before: &Targets| check_again(work, Some(before), unwatched).await.map(Some);
    let goods = Goods { composed: &composed, stock };
    let written = write::to_targets(work, goods, targets, again).await?;
    let Some(Written { targets, is_moved }) = written else {
        return Err(Error::defect("targets were given up"));
    };
    let changed = is_moved || !targets.all_hold(&composed.digest);
    if !work.plan.dry_run {
        Box::pin(verify::tags(work.registry, &composed, work.progress)).await?;
    }
    Ok(Edited { composed, targets, changed })
}

/// What the targets point to, or nothing where the registry cannot be asked just now: a wait
/// outlasts that, and ends with a check.
async fn first_check(work: &Work<'_>) -> Result<Option<Targets>, Error> {
    match Targets::check(work).await {
        Err(error) if error.exit == Exit::Registry && !work.plan.wait.is_zero() => {
            info!("targets  {}; will check again after the wait", error.what);
            Ok(None)
        }
        targets => targets.map(Some),
    }
}

/// After a wait, or a transfer that took its time, what targets and sources point to may be old
/// news. `before`: as far as it is known.
async fn check_again(
    work: &Work<'_>,
    before: Option<&Targets>,
    arrived: &[Arrived],
) -> Result<Targets, Error> {
    let (now, ()) =
        tokio::try_join!(Targets::check(work), resolve::tell_what_moved(work.registry, arrived))?;
    for Target { tag, held, .. } in before.iter().flat_map(|before| now.changed_since(before)) {
        let held = held.as_ref().map_or_else(
            || "does not exist now".to_owned(),
            |held| format!("points to {held} now"),
        );
        warn!("{tag} was changed by somebody else in the meantime; it {held}");
    }
    Ok(now)
}
