//! One list, from its sources to verified tags: the order of the stages, and the only file that
//! knows it.
//!
//! ```text
//! targets ─┐
//! resolve ─┴→ check → compose → transfer → publish → verify → outcome
//! ```
//!
//! A stage knows those before it, never one after it. With `append` the last ones go round in
//! `edit`.

pub mod check;
pub mod compose;
pub mod edit;
pub mod outcome;
mod preview;
pub mod progress;
pub mod publish;
pub mod record;
pub mod resolve;
pub mod targets;
pub mod transfer;
pub mod verify;
pub mod work;

use crate::console::Console;
use crate::entries::change;
use crate::error::advice::Surroundings;
use crate::error::{Error, Exit};
use crate::jobs::Jobs;
use crate::oci::Content;
use crate::plan::Plan;
use crate::registry::Registry;
use compose::Composed;
use edit::{Edited, Moved};
use outcome::{DryRun, Report, SourceReport};
use progress::Progress;
use resolve::Resolved;
use resolve::arrived::Arrived;
use resolve::table;
use std::time::Duration;
use targets::{Base, Held};
use tokio::time::Instant;
use tracing::{info, warn};
use transfer::Origins;
use work::Work;

/// The pipeline: resolve, check, compose, transfer, publish, verify. `alone`: where the log of a
/// lone list is parted into groups.
pub async fn run(
    plan: &Plan,
    registry: &Registry,
    jobs: Option<&Jobs>,
    surroundings: &Surroundings,
    alone: Option<&Console>,
    progress: &Progress,
) -> Result<Report, Error> {
    let started = Instant::now();
    let group = |title| alone.into_iter().for_each(|console| console.group(title));
    group("Sources");
    let (resolved, held) = tokio::try_join!(
        table::shown(
            alone,
            progress,
            plan.wait,
            resolve::sources(registry, plan, jobs, surroundings, progress)
        ),
        first_look_at_targets(registry, plan, surroundings)
    )?;
    let mut held = match held {
        Some(held) if !resolved.waited() => held,
        before => {
            look_again(registry, plan, surroundings, before.as_deref(), &resolved.arrived).await?
        }
    };
    let checked = check::sources(plan, &resolved.arrived, &resolved.skipped)?;
    checked.warnings.iter().for_each(|warning| warn!("{warning}"));
    group("Publish");
    let to = &Work { registry, plan, surroundings, progress };
    let origins = Origins::of(&resolved.arrived);
    let Edited { composed, held, changed } = if plan.append {
        let change = |base: &Base| {
            compose::onto(plan, base, change::append(&base.entries, &checked.entries))
        };
        let transfer = async |base: &Base, composed: &Composed, held: &[Held]| {
            let origins = plan
                .targets
                .iter()
                .take(1)
                .fold(origins.clone(), |origins, first| origins.and_base(first, base));
            transfer::children(to, composed, held, &origins, alone).await
        };
        let tell = |base: &Base, composed: &Composed| {
            if let (None, Some(first)) = (&base.manifest, plan.targets.first()) {
                info!("{}", targets::append_to_nothing(first));
            }
            tell_composed(composed);
        };
        edit::until_settled(to, Moved::Merge, tell, transfer, change).await?
    } else {
        let composed = compose::index(plan, checked)?;
        tell_composed(&composed);
        targets::refuse_overwriting(plan, &composed.digest, &held)?;
        if !plan.dry_run {
            if transfer::children(to, &composed, &held, &origins, alone).await? {
                // What is told of sources is told once.
                let unwatched: &[Arrived] = if resolved.waited() { &[] } else { &resolved.arrived };
                held = look_again(registry, plan, surroundings, Some(&held), unwatched).await?;
                targets::refuse_overwriting(plan, &composed.digest, &held)?;
            }
            publish::tags(to, &composed, &held).await?;
            verify::tags(registry, &composed, progress).await?;
        }
        let changed = held.iter().any(|held| held.as_ref() != Some(&composed.digest));
        Edited { composed, held, changed }
    };
    let dry_run = if plan.dry_run {
        Some(preview::left_undone(to, &composed, &held, &origins).await?)
    } else {
        None
    };
    let changed = changed
        || (plan.dry_run && held.iter().any(|held| held.as_ref() != Some(&composed.digest)));
    let report = report(resolved, composed, progress, dry_run, changed, started.elapsed());
    if !report.copied.is_empty() {
        info!("{}", record::referrers_stay(&report.copied_from()));
    }
    Ok(report)
}

fn tell_composed(composed: &Composed) {
    composed.warnings.iter().for_each(|warning| warn!("{warning}"));
    info!("{}", compose::composed(composed));
}

/// What the targets hold, or nothing where the registry cannot be asked just now: a wait outlasts
/// that, and ends with a look.
async fn first_look_at_targets(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<Option<Vec<Held>>, Error> {
    match targets::look_at_targets(registry, plan, surroundings).await {
        Err(error) if error.exit == Exit::Registry && !plan.wait.is_zero() => {
            info!("targets  {}; looking again when the sources are there", error.what);
            Ok(None)
        }
        held => held.map(Some),
    }
}

/// After a wait, or a transfer that took its time, what targets and sources hold may be old news.
/// `before`: as far as it is known.
async fn look_again(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings,
    before: Option<&[Held]>,
    arrived: &[Arrived],
) -> Result<Vec<Held>, Error> {
    let (now, ()) = tokio::try_join!(
        targets::look_at_targets(registry, plan, surroundings),
        resolve::tell_what_moved(registry, arrived)
    )?;
    for ((target, before), now) in plan.targets.iter().zip(before.unwrap_or(&now)).zip(&now) {
        if before != now {
            let shown = now.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            warn!("{target} was changed by somebody else meanwhile; it holds {shown} now");
        }
    }
    Ok(now)
}

fn report(
    resolved: Resolved,
    composed: Composed,
    progress: &Progress,
    dry_run: Option<DryRun>,
    changed: bool,
    elapsed: Duration,
) -> Report {
    let waited = if resolved.waited() { resolved.elapsed } else { Duration::ZERO };
    let sources = resolved.arrived.into_iter().zip(resolved.after);
    let sources = sources.map(|(arrived, after)| SourceReport {
        created: arrived.created().map(str::to_owned),
        revisions: arrived.revisions().into_iter().map(str::to_owned).collect(),
        name: arrived.source.name,
        digest: arrived.manifest.digest.to_string(),
        platforms: arrived
            .entries
            .iter()
            .filter_map(|entry| entry.known_platform().cloned())
            .collect(),
        download: match &arrived.manifest.content {
            Content::Image(image) => Some(image.download()),
            Content::Index(_) => None,
        },
        after,
    });
    let (tags, copied) = (progress.tags(), progress.copied());
    Report {
        composed,
        tags,
        sources: sources.collect(),
        copied,
        skipped: resolved.skipped,
        dry_run,
        changed,
        waited,
        elapsed,
    }
}
