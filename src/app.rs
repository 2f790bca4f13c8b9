//! The order of the stages: the only file that knows it.

use crate::advice::{Access, Surroundings};
use crate::destinations::Destinations;
use crate::error::{Error, Exit};
use crate::inputs::{Environment, Problems};
use crate::plan::{self, Plan, Planned};
use crate::progress::{Progress, TagState};
use crate::publish::{self, Held};
use crate::registry::Registry;
use crate::report::console::{Console, Reader, Stream};
use crate::report::{Report, SourceReport, diff, story};
use crate::resolve::{self, Resolved};
use crate::{check, compose, logging, signals, verify};
use std::path::Path;
use std::sync::Arc;
use tokio::time::Instant;
use tracing::{info, warn};

/// Runs as a CI step: everything comes from the environment. Returns the exit status.
pub async fn step(environment: &Environment, folder: &Path) -> Exit {
    let github = environment.get("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let console = Arc::new(Console::new(if github { Reader::GitHub } else { Reader::Plain }, Stream::Stdout));
    let progress = Progress::default();
    let ended = tokio::select! {
        ended = prepare_and_run(environment, folder, github, &console, &progress) => ended,
        stopped = signals::stopped() => Err(stopped.error(&progress)),
    };
    match ended {
        Ok(()) => {
            console.end_group();
            Exit::Done
        }
        Err(error) => {
            console.failure(&error);
            error.exit
        }
    }
}

async fn prepare_and_run(
    environment: &Environment,
    folder: &Path,
    on_github: bool,
    console: &Arc<Console>,
    progress: &Progress,
) -> Result<(), Error> {
    let started = Instant::now();
    let Planned { plan, settings, warnings } = prepare(environment, folder, console)?;
    progress.start(&plan.targets);
    for warning in warnings {
        warn!("{warning}");
    }
    let destinations = Destinations::open(environment)?;
    let registry = Registry::new(settings).map_err(Error::defect)?;
    console.group("Sources");
    let surroundings = Surroundings { on_github, helper: None };
    let report = run(&registry, &plan, &surroundings, progress, console, started).await?;
    destinations.write(&report)?;
    console.end_group();
    info!("{}", story::done(&report.image(), report.changed, report.elapsed));
    Ok(())
}

/// Inputs to a plan: all problems in one run, and the log at its level before anything is logged.
fn prepare(environment: &Environment, folder: &Path, console: &Arc<Console>) -> Result<Planned, Error> {
    let mut problems = Problems::default();
    let read = crate::inputs::env::read(environment, &mut problems);
    let level = plan::log_level(&read.inputs, environment, &mut problems);
    logging::init(Arc::clone(console), level).map_err(Error::defect)?;
    info!("manifest-action {}", env!("CARGO_PKG_VERSION"));
    for warning in &read.warnings {
        warn!("{warning}");
    }
    match plan::make(&read.inputs, environment, folder) {
        Ok(planned) if problems.0.is_empty() => Ok(planned),
        Ok(_) => Err(wrong_inputs(problems)),
        Err(more) => {
            problems.0.extend(more.0);
            Err(wrong_inputs(problems))
        }
    }
}

fn wrong_inputs(problems: Problems) -> Error {
    let count = problems.0.len();
    let what = if count == 1 {
        "an input is wrong; nothing was contacted".to_owned()
    } else {
        format!("{count} inputs are wrong; nothing was contacted")
    };
    Error::new(Exit::Inputs, what).with_details(problems.0.iter().map(ToString::to_string).collect())
}

/// The pipeline: resolve, check, compose, publish, verify, report.
pub async fn run(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
    progress: &Progress,
    console: &Console,
    started: Instant,
) -> Result<Report, Error> {
    let (resolved, held) = tokio::try_join!(
        resolve::sources(registry, plan, surroundings, progress),
        publish::look_at_targets(registry, plan, surroundings)
    )?;
    let held = if resolved.waited() { look_again(registry, plan, surroundings, &held).await? } else { held };
    let checked = check::sources(plan, &resolved.arrived)?;
    let mut warnings = checked.warnings.clone();
    let composed = compose::index(plan, checked)?;
    warnings.extend(composed.warnings.clone());
    for warning in warnings {
        warn!("{warning}");
    }
    console.group("Publish");
    info!("{}", story::composed(&composed));
    publish::refuse_overwriting(plan, &composed.digest, &held)?;
    if plan.dry_run {
        tell_what_would_change(registry, plan, &composed, &held, surroundings, progress).await?;
    } else {
        publish::tags(registry, plan, &composed, &held, surroundings, progress).await?;
        verify::tags(registry, &composed, progress).await?;
    }
    let changed = held.iter().any(|held| held.as_ref() != Some(&composed.digest));
    Ok(Report {
        composed,
        tags: progress.tags(),
        sources: source_reports(resolved),
        dry_run: plan.dry_run,
        changed,
        elapsed: started.elapsed(),
    })
}

/// After a wait, what the targets hold may be old news.
async fn look_again(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
    before: &[Held],
) -> Result<Vec<Held>, Error> {
    let now = publish::look_at_targets(registry, plan, surroundings).await?;
    for ((target, before), now) in plan.targets.iter().zip(before).zip(&now) {
        if before != now {
            let shown = now.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            warn!("{target} was changed by somebody else while this run waited; it holds {shown} now");
        }
    }
    Ok(now)
}

async fn tell_what_would_change(
    registry: &Registry,
    plan: &Plan,
    composed: &compose::Composed,
    held: &[Held],
    surroundings: &Surroundings<'_>,
    progress: &Progress,
) -> Result<(), Error> {
    for (target, held) in plan.targets.iter().zip(held) {
        if held.as_ref() == Some(&composed.digest) {
            progress.tag(target, TagState::Unchanged);
            info!("{}", story::unchanged(target));
            continue;
        }
        info!("{}", story::would_move(target));
        let old = match held {
            None => Vec::new(),
            Some(_) => {
                let read = registry.manifest(target, None).await;
                let manifest =
                    read.map_err(|error| Error::of_registry(&error, &format!("read {target}"), Access::Pull, surroundings))?;
                diff::entries_of(&manifest)
            }
        };
        for change in diff::entries(&old, &composed.entries) {
            info!("         {}", change.line());
        }
    }
    Ok(())
}

fn source_reports(resolved: Resolved) -> Vec<SourceReport> {
    let all = resolved.arrived.into_iter().zip(resolved.after);
    all.map(|(arrived, after)| SourceReport {
        name: arrived.source.name,
        digest: arrived.manifest.digest.to_string(),
        platforms: arrived.entries.iter().filter_map(|entry| entry.known_platform().cloned()).collect(),
        after,
    })
    .collect()
}
