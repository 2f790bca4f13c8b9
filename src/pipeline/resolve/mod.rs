//! Waits for every source under one deadline, and learns what each one brings.
//!
//! The first check is a GET, because mostly all is there; later ones are HEADs, which registries do
//! not count as pulls. "Not yet" is not "never": what may still come is waited for, what cannot get
//! right ends the run at once.

mod anywhere;
pub mod arrived;
mod discover;
mod end;
mod labels;
mod learn;
mod lines;
mod look;
mod near;
mod pattern;
mod state;
pub mod table;
mod waiting;
mod watch;

use super::targets;
use super::work::Work;
use crate::error::Error;
use crate::error::words::setting;
use crate::inputs::table::names;
use crate::jobs::Jobs;
use crate::join;
use crate::plan::Source;
use crate::registry::{News, Registry};
use crate::text;
use anywhere::Anywhere;
use arrived::{Arrived, Skipped};
use futures_util::future::join_all;
use look::Look;
use state::{NotYet, Over, Stop, WrongLabel};
use std::cell::Cell;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::watch::Sender;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};
use waiting::{Next, Waiting};
use watch::Watch;

/// How far apart waits of lists may end that began together.
const MOMENT: Duration = Duration::from_millis(250);

/// All sources, in the order of the plan, and whether anything had to be waited for.
#[derive(Debug)]
pub struct Resolved {
    /// What arrived.
    pub arrived: Vec<Arrived>,
    /// What did not arrive and is left out, because `missing: skip` says so.
    pub skipped: Vec<Skipped>,
    /// How long that took.
    pub elapsed: Duration,
}

impl Resolved {
    /// Whether anything was not there at the first check.
    pub fn waited(&self) -> bool {
        self.arrived.iter().any(|arrived| arrived.after.is_some()) || !self.skipped.is_empty()
    }
}

/// A source that did not come.
struct Absent {
    /// Its place in the plan.
    at: usize,
    source: Source,
    why: NotYet,
    /// Tags that come near, if it was not there at the first check.
    near: Vec<String>,
}

impl Absent {
    fn skipped(self) -> Skipped {
        let Self { source, why, .. } = self;
        Skipped { name: source.name, platform: source.stands_for, word: why.word() }
    }
}

type Outcome = Result<Arrived, Absent>;

/// Waits for all sources. `jobs`: those of the CI system, where the plan watches some.
pub async fn sources(work: &Work<'_>, jobs: Option<&Jobs>) -> Result<Resolved, Error> {
    let Work { plan, progress, .. } = *work;
    let started = Instant::now();
    let (over, deadline, somebody_waits) = (Sender::new(None), started + plan.wait, Notify::new());
    let has_told_of_labels = Cell::new(false);
    let wait = Wait { work, started, deadline, somebody_waits, over: &over, has_told_of_labels };
    let watched = jobs.filter(|_| !plan.watch_jobs.is_empty());
    let watch = watched.map(|jobs| Watch::new(jobs, plan, progress, &over, started));
    progress.expect(plan.sources.iter().map(|source| source.name.clone()));
    let (mut arrived, mut absent) = (Vec::new(), Vec::new());
    for outcome in wait.outcomes(watch.as_ref()).await?.into_iter().flatten() {
        match outcome {
            Ok(source) => arrived.push(source),
            Err(missing) => absent.push(missing),
        }
    }
    if let Some(watch) = &watch {
        // Jobs that were looked at while something was waited for may have failed since.
        let waited = arrived.iter().any(|arrived| arrived.after.is_some()) || !absent.is_empty();
        watch.last_look(waited.then(Instant::now)).await?;
    }
    if !absent.is_empty() && (!plan.skip_missing || arrived.is_empty()) {
        let jobs = watch.as_ref().map(Watch::said).unwrap_or_default();
        return Err(wait.gave_up(&absent, &arrived, jobs));
    }
    if let Some(unknown) = absent.iter().find(|absent| !absent.why.is_known()) {
        return Err(end::cannot_leave_out(unknown));
    }
    if let Some(watch) = &watch {
        watch.warn_of_earlier_attempts();
        watch.warn_of_names_that_are_not_listed();
    }
    wait.leave_out(&absent);
    let skipped = absent.into_iter().map(Absent::skipped).collect();
    Ok(Resolved { arrived, skipped, elapsed: started.elapsed() })
}

/// After a wait: warns of source tags that were moved since they were accepted. The accepted images
/// are published all the same, because they are what was checked.
pub async fn tell_what_moved(registry: &Registry, arrived: &[Arrived]) -> Result<(), Error> {
    let by_tag = arrived.iter().filter(|arrived| arrived.source.reference.digest.is_none());
    let news = News::since(Instant::now());
    let looks = by_tag.map(|arrived| async move {
        (arrived, registry.seen_head(&arrived.source.reference, news, None).await)
    });
    for (arrived, look) in join_all(looks).await {
        if let Ok(head) = look
            && head.digest != arrived.manifest.digest
        {
            let (accepted, now) = (&arrived.manifest.digest, head.digest);
            warn!(
                "{} was moved during the wait: it is {now} now; what is published is {accepted}, which was accepted and checked",
                arrived.source.name
            );
        }
    }
    Ok(())
}

/// The wait for all sources.
struct Wait<'a> {
    work: &'a Work<'a>,
    started: Instant,
    deadline: Instant,
    somebody_waits: Notify,
    /// Told when waiting makes no sense any more.
    over: &'a Sender<Option<Over>>,
    has_told_of_labels: Cell<bool>,
}

impl Wait<'_> {
    /// All sources, until each is there or waiting ends; a watched job that fails ends the run.
    async fn outcomes(&self, watch: Option<&Watch<'_>>) -> Result<Vec<Vec<Outcome>>, Error> {
        let sources = self.work.plan.sources.iter().enumerate();
        let all = join::all(sources.map(|(at, source)| self.source(at, source)));
        let Some(watch) = watch else {
            return tokio::select! {
                outcomes = all => outcomes,
                error = self.refused() => Err(error),
                never = self.tell() => never,
            };
        };
        let mut watching = pin!(watch.run());
        let outcomes = tokio::select! {
            outcomes = all => outcomes?,
            error = &mut watching => return Err(error),
            error = self.refused() => return Err(error),
            never = self.tell() => never,
        };
        // The first look at the jobs may still be under way.
        tokio::select! {
            error = &mut watching => Err(error),
            () = watch.has_looked() => Ok(outcomes),
        }
    }

    /// One source, until it is there or waiting ends. An error ends the run.
    async fn one(&self, at: usize, source: &Source) -> Result<Outcome, Error> {
        let Work { plan, progress, .. } = *self.work;
        let mut waiting = Waiting::new(self.deadline, plan.wait_interval, plan.skip_missing);
        let (mut last, mut near) = (None::<NotYet>, Vec::new());
        let mut anywhere = Anywhere::new(self, source);
        let mut over = self.over.subscribe();
        loop {
            // Known before the check that may be the last one.
            let is_over = over.borrow_and_update().is_some();
            let now = Instant::now();
            if last.is_some() && (is_over || now >= self.deadline) {
                // Waits that end together need one look; the end of a job counts to the moment.
                let moment = if is_over { Duration::ZERO } else { MOMENT };
                anywhere.last_check(now.checked_sub(moment).unwrap_or(now));
            }
            // Boxed, so that all that a check needs is not held between two of them, by hundreds of
            // sources.
            let why = match Box::pin(anywhere.look(last.as_ref())).await {
                Ok(arrived) => return Ok(Ok(self.arrived(at, arrived, last.is_none()))),
                Err(Stop::Fatal(error)) => return Err(*error),
                Err(Stop::NotYet(why)) => why,
            };
            let now = Instant::now();
            let next = waiting.after(&why, is_over, now, fastrand::f64());
            if last.is_none() {
                if matches!(next, Next::Again(_)) {
                    self.somebody_waits.notify_one();
                }
                near = Look::new(self, source).near(&why).await;
            }
            let again = match next {
                Next::Again(again) => again,
                Next::AtOnce => continue,
                next @ (Next::Enough | Next::Denied) => {
                    let surely = match last {
                        Some(_) => anywhere.look_by_get(why).await,
                        None => Err(why.into()),
                    };
                    return match surely {
                        Ok(arrived) => Ok(Ok(self.arrived(at, arrived, last.is_none()))),
                        Err(Stop::Fatal(error)) => Err(*error),
                        Err(Stop::NotYet(why @ NotYet::Denied(_))) if next == Next::Denied => {
                            Err(end::denied(&why, source))
                        }
                        Err(Stop::NotYet(why)) => {
                            Ok(Err(Absent { at, source: source.clone(), why, near }))
                        }
                    };
                }
            };
            progress.waits_for(at, why.word());
            if !last.as_ref().is_some_and(|last| last.is_as(&why)) {
                let left = self.deadline.saturating_duration_since(now);
                self.work.end_group();
                let near = lines::similar(&why, &near);
                let state = format!("{}{near}{}", why.state(), self.how_to_label(&why));
                info!("{}", lines::waiting(&source.name, &state, left));
            }
            last = Some(why);
            tokio::select! {
                () = sleep_until(again) => {}
                () = anywhere.news() => {}
                Ok(_) = over.wait_for(Option::is_some), if !is_over => {}
            }
        }
    }

    fn arrived(&self, at: usize, arrived: Arrived, first: bool) -> Arrived {
        let after = (!first).then(|| self.started.elapsed());
        let arrived = Arrived { after, ..arrived };
        self.work.progress.arrived(at, after);
        info!("{}", lines::found(&arrived));
        arrived
    }

    fn leave_out(&self, absent: &[Absent]) {
        let early = self.over.borrow().as_ref().map(|Over(why)| format!(", {why}"));
        for Absent { at, source, why, near } in absent {
            let (skip, early) =
                (setting(names::missing, "skip"), early.as_deref().unwrap_or_default());
            let (name, why_not) = (&source.name, why.left_out());
            let (near, place) = (lines::similar(why, near), lines::place(source));
            warn!("{name} is left out ({skip}): {why_not}{early}{near}{place}");
            self.work.progress.left_out(*at, why.word());
        }
    }

    /// Ends when something has to be waited for and there is no use in that, because the targets may
    /// not be pushed to.
    async fn refused(&self) -> Error {
        self.somebody_waits.notified().await;
        if self.is_unshortened() && !self.work.progress.among_others() {
            self.work.end_group();
            info!("wait     {}", lines::shorter());
        }
        match targets::preflight(self.work).await {
            Ok(()) => pending().await,
            Err(error) => error,
        }
    }

    /// How builders set the label that is missing; said once.
    fn how_to_label(&self, why: &NotYet) -> String {
        match why.label().and_then(WrongLabel::how_to_set) {
            Some(how) if !self.has_told_of_labels.replace(true) => format!(" ({how})"),
            _ => String::new(),
        }
    }

    /// Whether nobody said how long this may take, and no job is watched that ends it early.
    fn is_unshortened(&self) -> bool {
        let plan = self.work.plan;
        let is_for_jobs = |source: &Source| source.reference.digest.is_none();
        !plan.is_wait_asked && plan.watch_jobs.is_empty() && plan.sources.iter().any(is_for_jobs)
    }

    /// Tells once a minute what is waited for; never ends.
    async fn tell(&self) -> ! {
        let progress = self.work.progress;
        loop {
            sleep(text::INTERVAL).await;
            let left = self.deadline.saturating_duration_since(Instant::now());
            // Of many indexes, one line tells how far all of them are; the end speaks for itself.
            if progress.waits() > 0 && !left.is_zero() && !progress.among_others() {
                info!(
                    "{}",
                    lines::still_waiting(&progress.sources(), self.started.elapsed(), left)
                );
            }
        }
    }
}
