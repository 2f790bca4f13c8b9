//! The order of the stages: the only file that knows it.

use crate::advice::{Access, Place, Surroundings};
use crate::check::Arrived;
use crate::compose::Composed;
use crate::destinations::Destinations;
use crate::edit::{self, Base, Edited, Moved};
use crate::error::{Error, Exit};
use crate::inputs::env::{self, Read};
use crate::inputs::{Environment, Problems};
use crate::jobs::Jobs;
use crate::lists::Lists;
use crate::oci::Content;
use crate::plan::{self, Plan, Planned};
use crate::progress::{Progress, TagState};
use crate::publish::{self, Held, Publishing};
use crate::registry::Registry;
use crate::report::console::{Console, Reader, Stream};
use crate::report::{DryRun, Listed, Report, Run, SourceReport, diff, live, story};
use crate::resolve::{self, Resolved};
use crate::transfer::{self, Origins};
use crate::{check, compose, logging, signals, verify};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// Who asks, and how the answer is given.
#[derive(Debug)]
pub struct Invocation {
    /// The inputs, and warnings about how they were given.
    pub read: Read,
    /// Problems that were met while reading them.
    pub problems: Problems,
    /// Whether this is a CI step, whose outputs go to the CI system's files.
    pub step: bool,
    /// Where the story goes.
    pub console: Arc<Console>,
}

impl Invocation {
    /// A CI step: everything comes from the environment.
    pub fn step(environment: &Environment) -> Self {
        let mut problems = Problems::default();
        let read = env::read(environment, &mut problems);
        Self { read, problems, step: true, console: console(environment, Stream::Stdout) }
    }

    /// The command `create`: flags only.
    pub fn create(pairs: Vec<(String, String)>, mut problems: Problems, environment: &Environment) -> Self {
        let read = Read { inputs: env::from_pairs(pairs.into_iter(), &mut problems), warnings: Vec::new() };
        Self { read, problems, step: false, console: console(environment, Stream::Stderr) }
    }
}

fn console(environment: &Environment, stream: Stream) -> Arc<Console> {
    let on_github = environment.get("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    with_bar(Console::new(if on_github { Reader::GitHub } else { Reader::Plain }, stream), environment)
}

/// The console of a command that is no step.
pub(crate) fn commands_console(environment: &Environment) -> Arc<Console> {
    with_bar(Console::new(Reader::Plain, Stream::Stderr), environment)
}

fn with_bar(console: Console, environment: &Environment) -> Arc<Console> {
    let still = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty())
        || environment.get("TERM").is_none_or(|terminal| terminal == "dumb");
    Arc::new(if still { console } else { console.with_bar() })
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; why it is not 0 was told.
    pub exit: Exit,
    /// The lists; one without a name when the run ended before it began.
    pub run: Run,
}

/// Composes and publishes all lists, from inputs to outputs.
pub async fn compose_lists(invocation: Invocation, environment: &Environment, folder: &Path) -> Ended {
    let Invocation { read, problems, step, console } = invocation;
    let opened = prepare(&read, problems, environment, folder, &console).and_then(|planned| {
        let destinations = Destinations::open(&read.inputs, environment, folder, step)?;
        for warning in &planned.warnings {
            warn!("{warning}");
        }
        let concurrency = planned.settings.concurrency;
        let certificates = planned.settings.certificates.clone();
        let jobs = planned.jobs.map(|system| Jobs::new(system, certificates.as_deref())).transpose().map_err(Error::defect)?;
        let registry = Registry::new(planned.settings).map_err(Error::defect)?;
        Ok((Lists::new(planned.plans), concurrency, registry, jobs, destinations))
    });
    let (lists, concurrency, registry, jobs, destinations) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            console.failure(&error);
            let exit = error.exit;
            let run = Run::that_never_began(error);
            if let Ok(destinations) = Destinations::open(&read.inputs, environment, folder, step) {
                destinations.write_failure(&run, exit, &console.warnings());
            }
            return Ended { exit, run };
        }
    };
    let place = match (step, console.reader()) {
        (_, Reader::GitHub) => Place::GitHub,
        (true, Reader::Plain) => Place::OtherSystem,
        (false, Reader::Plain) => Place::CommandLine,
    };
    let surroundings = &Surroundings { place, helper: None };
    let alone = (!lists.are_several()).then_some(&*console);
    if lists.are_several() {
        console.group("Lists");
    }
    let stopped = tokio::select! {
        () = lists.carry_out(concurrency, &console, async |list| {
            let ended = run(&list.plan, &registry, jobs.as_ref(), surroundings, alone, &list.progress).await;
            if alone.is_none() {
                tell_how_it_ended(&ended);
            }
            ended
        }) => None,
        stopped = signals::stopped() => Some(stopped.leaving(&lists.left_undone())),
    };
    console.bar("");
    finish(&lists, stopped, destinations, &console)
}

/// Outputs and the last words.
fn finish(lists: &Lists, stopped: Option<Error>, mut destinations: Destinations, console: &Console) -> Ended {
    let unfinished = stopped.clone().unwrap_or_else(|| Error::defect("a list did not end"));
    let run = Run { lists: lists.ended(&unfinished), elapsed: lists.elapsed() };
    let mut exit = stopped.as_ref().map_or(run.exit(), |stopped| stopped.exit);
    console.end_group();
    if exit == Exit::Done {
        if let Err(error) = destinations.write(&run, &console.warnings()) {
            console.failure(&error);
            exit = error.exit;
        }
    } else if let Some(error) = &stopped {
        console.failure(error);
        destinations.write_failure(&run, exit, &console.warnings());
    } else {
        for list in &run.lists {
            if let Err(error) = &list.ended {
                let what = if lists.are_several() { format!("{}: {}", list.name, error.what) } else { error.what.clone() };
                console.failure(&Error { what, ..error.clone() });
            }
        }
        destinations.write_failure(&run, exit, &console.warnings());
    }
    match run.lists.as_slice() {
        [Listed { ended: Ok(report), .. }] if exit == Exit::Done => {
            info!("{}", story::done(report));
        }
        [_] => {}
        // A signal's error has said it.
        _ if stopped.is_some() => {}
        _ => info!("{}", story::all_done(&run)),
    }
    Ended { exit, run }
}

/// Of one list among others, at once; all about a failure comes at the end.
fn tell_how_it_ended(ended: &Result<Report, Error>) {
    match ended {
        Ok(report) => info!("{}", story::done(report)),
        Err(error) => info!("failed   {}", error.what),
    }
}

/// Inputs to a plan: all problems in one run, and the log at its level before anything is logged.
fn prepare(
    read: &Read,
    mut problems: Problems,
    environment: &Environment,
    folder: &Path,
    console: &Arc<Console>,
) -> Result<Planned, Error> {
    let level = plan::log_level(&read.inputs, environment, &mut problems);
    logging::init(Arc::clone(console), level);
    info!("manifest-action {}", env!("CARGO_PKG_VERSION"));
    for warning in &read.warnings {
        warn!("{warning}");
    }
    match plan::all(&read.inputs, environment, folder) {
        Ok(planned) if problems.0.is_empty() => return Ok(planned),
        Ok(_) => {}
        Err(more) => problems.extend(more),
    }
    let count = problems.0.len();
    let what = if count == 1 { "an input is wrong".to_owned() } else { format!("{count} inputs are wrong") };
    let details = problems.0.iter().map(ToString::to_string).collect();
    Err(Error::new(Exit::Inputs, what + "; nothing was contacted").with_details(details))
}

/// The pipeline: resolve, check, compose, transfer, publish, verify. `alone`: where the log of a lone list is parted into groups.
async fn run(
    plan: &Plan,
    registry: &Registry,
    jobs: Option<&Jobs>,
    surroundings: &Surroundings<'_>,
    alone: Option<&Console>,
    progress: &Progress,
) -> Result<Report, Error> {
    let started = Instant::now();
    let group = |title| alone.into_iter().for_each(|console| console.group(title));
    group("Sources");
    let (resolved, held) = tokio::try_join!(
        live::shown(alone, progress, plan.wait, resolve::sources(registry, plan, jobs, surroundings, progress)),
        first_look_at_targets(registry, plan, surroundings)
    )?;
    let mut held = match held {
        Some(held) if !resolved.waited() => held,
        before => look_again(registry, plan, surroundings, before.as_deref(), &resolved.arrived).await?,
    };
    let checked = check::sources(plan, &resolved.arrived, &resolved.skipped)?;
    checked.warnings.iter().for_each(|warning| warn!("{warning}"));
    group("Publish");
    let to = &Publishing { registry, plan, surroundings, progress };
    let origins = Origins::of(&resolved.arrived);
    let Edited { composed, held, changed } = if plan.append {
        let change = |base: &Base| compose::onto(plan, base, edit::append(&base.entries, &checked.entries));
        let transfer = async |base: &Base, composed: &Composed, held: &[Held]| {
            let origins = plan.targets.iter().take(1).fold(origins.clone(), |origins, first| origins.and_base(first, base));
            transfer::children(to, composed, held, &origins, alone).await
        };
        let tell = |base: &Base, composed: &Composed| {
            if let (None, Some(first)) = (&base.manifest, plan.targets.first()) {
                info!("{}", story::append_to_nothing(first));
            }
            tell_composed(composed);
        };
        edit::until_settled(to, Moved::Merge, tell, transfer, change).await?
    } else {
        let composed = compose::index(plan, checked)?;
        tell_composed(&composed);
        publish::refuse_overwriting(plan, &composed.digest, &held)?;
        if !plan.dry_run {
            if transfer::children(to, &composed, &held, &origins, alone).await? {
                // What is told of sources is told once.
                let unwatched: &[Arrived] = if resolved.waited() { &[] } else { &resolved.arrived };
                held = look_again(registry, plan, surroundings, Some(&held), unwatched).await?;
                publish::refuse_overwriting(plan, &composed.digest, &held)?;
            }
            publish::tags(to, &composed, &held).await?;
            verify::tags(registry, &composed, progress).await?;
        }
        let changed = held.iter().any(|held| held.as_ref() != Some(&composed.digest));
        Edited { composed, held, changed }
    };
    let dry_run = if plan.dry_run { Some(left_undone(to, &composed, &held, &origins).await?) } else { None };
    let changed = changed || (plan.dry_run && held.iter().any(|held| held.as_ref() != Some(&composed.digest)));
    let report = report(resolved, composed, progress, dry_run, changed, started.elapsed());
    if !report.copied.is_empty() {
        info!("{}", story::referrers_stay(&report.copied_from()));
    }
    Ok(report)
}

fn tell_composed(composed: &Composed) {
    composed.warnings.iter().for_each(|warning| warn!("{warning}"));
    info!("{}", story::composed(composed));
}

/// What the targets hold, or nothing where the registry cannot be asked just now: a wait outlasts that, and ends with a look.
async fn first_look_at_targets(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Vec<Held>>, Error> {
    match publish::look_at_targets(registry, plan, surroundings).await {
        Err(error) if error.exit == Exit::Registry && !plan.wait.is_zero() => {
            info!("targets  {}; looking again when the sources are there", error.what);
            Ok(None)
        }
        held => held.map(Some),
    }
}

/// After a wait, or a transfer that took its time, what targets and sources hold may be old news. `before`: as far as it is
/// known.
async fn look_again(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
    before: Option<&[Held]>,
    arrived: &[Arrived],
) -> Result<Vec<Held>, Error> {
    let (now, ()) =
        tokio::try_join!(publish::look_at_targets(registry, plan, surroundings), resolve::tell_what_moved(registry, arrived))?;
    for ((target, before), now) in plan.targets.iter().zip(before.unwrap_or(&now)).zip(&now) {
        if before != now {
            let shown = now.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            warn!("{target} was changed by somebody else meanwhile; it holds {shown} now");
        }
    }
    Ok(now)
}

/// Of a dry run: looks and tells what a real one would do.
async fn left_undone(to: &Publishing<'_>, composed: &Composed, held: &[Held], origins: &Origins) -> Result<DryRun, Error> {
    let copies = transfer::would_be_copied(to.plan, composed, held, origins);
    for (repository, images) in &copies {
        info!("{}", story::would_copy(repository, *images));
    }
    let mut changes = Vec::new();
    for (target, held) in to.plan.targets.iter().zip(held) {
        if held.as_ref() == Some(&composed.digest) {
            to.progress.tag(target, TagState::Unchanged);
            info!("{}", story::unchanged(target));
            continue;
        }
        info!("{}", story::would_move(target));
        let old = match held {
            None => Vec::new(),
            Some(_) => {
                let read = to.registry.manifest(target, None).await;
                let manifest = read.map_err(|error| to.failed(&error, &format!("read {target}"), Access::Pull))?;
                diff::entries_of(&manifest)
            }
        };
        let changed = diff::entries(&old, &composed.entries);
        for change in &changed {
            info!("         {}", change.line());
        }
        changes.push((target.clone(), changed));
    }
    Ok(DryRun { copies, changes })
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
        platforms: arrived.entries.iter().filter_map(|entry| entry.known_platform().cloned()).collect(),
        download: match &arrived.manifest.content {
            Content::Image(image) => Some(image.download()),
            Content::Index(_) => None,
        },
        after,
    });
    let (tags, copied) = (progress.tags(), progress.copied());
    Report { composed, tags, sources: sources.collect(), copied, skipped: resolved.skipped, dry_run, changed, waited, elapsed }
}
