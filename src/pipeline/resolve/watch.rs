//! Watches the jobs that build the sources while these are waited for.

use super::lines;
use super::state::Over;
use crate::error::words::setting;
use crate::error::{Error, Exit};
use crate::inputs::table::names;
use crate::jobs::verdict::{self, GRACE, Known, Verdict};
use crate::jobs::{Job, Jobs, Listing, Look, State};
use crate::pattern::Pattern;
use crate::pipeline::progress::Progress;
use crate::plan::Plan;
use crate::text::{brief, duration};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

/// How long a run whose sources are all there waits for an API that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks at an API in trouble before a run whose sources are all there goes on.
const LOOKS_IN_TROUBLE: u32 = 3;
/// How late a registry may show what a job that is done has pushed.
const LAG: Duration = Duration::from_secs(10);
/// Between two looks at the sources, not at the API.
const MOMENT: Duration = Duration::from_secs(1);
/// More than these are counted, not listed.
const MOST_LISTED: usize = 20;

pub(super) struct Watch<'a> {
    jobs: &'a Jobs,
    plan: &'a Plan,
    progress: &'a Progress,
    started: Instant,
    over: &'a watch::Sender<Option<Over>>,
    looked: watch::Sender<bool>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    /// The watched jobs at the last look.
    watched: Vec<Job>,
    /// The names of all jobs.
    names: Vec<String>,
    known: bool,
}

impl Last {
    /// The names that no watched job has.
    fn unmet<'p>(&self, patterns: &'p [Pattern]) -> impl Iterator<Item = &'p Pattern> {
        patterns.iter().filter(|pattern| {
            self.known && !self.watched.iter().any(|job| Known::is_for(pattern, job))
        })
    }

    /// That no job has this name, with those that there are.
    fn no_job(&self, pattern: &Pattern) -> String {
        let names: Vec<String> =
            self.names.iter().take(MOST_LISTED).map(|name| brief(name)).collect();
        let more = self.names.len().saturating_sub(MOST_LISTED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "no job is called {:?}; the jobs of this run are {}{more}",
            pattern.text(),
            names.join(", ")
        )
    }
}

/// What a look means.
enum Judged {
    GoOn,
    Failed(Box<Error>),
    Done { skipped: usize },
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        jobs: &'a Jobs,
        plan: &'a Plan,
        progress: &'a Progress,
        over: &'a watch::Sender<Option<Over>>,
        started: Instant,
    ) -> Self {
        Self {
            jobs,
            plan,
            progress,
            started,
            over,
            looked: watch::Sender::new(false),
            last: Mutex::default(),
        }
    }

    /// Looks again and again; ends only with a failure. Where there is nothing to wait for any
    /// more, says so.
    pub(super) async fn run(&self) -> Error {
        let mut done_since: Option<Instant> = None;
        loop {
            let look = self.jobs.look(None).await;
            let judged = self.judge(&look);
            self.looked.send_replace(true);
            let now = Instant::now();
            let next = match judged {
                Judged::Failed(error) => return *error,
                Judged::GoOn => {
                    done_since = None;
                    // What counts after a minute is judged then, by what is known.
                    let minute = self.started + GRACE;
                    if now < minute { look.next.min(minute) } else { look.next }
                }
                Judged::Done { skipped } => {
                    let since = *done_since.get_or_insert(now);
                    if let Some(over) = self.over(skipped, now - since) {
                        self.over.send_replace(Some(over));
                    }
                    look.next.min(now + MOMENT)
                }
            };
            sleep_until(next).await;
        }
    }

    /// Whether there is nothing to wait for any more, `since` all watched jobs are done.
    fn over(&self, skipped: usize, since: Duration) -> Option<Over> {
        let missing = self.progress.waits();
        if self.progress.is_looking() || missing == 0 || self.over.borrow().is_some() {
            return None;
        }
        // As many skipped jobs as sources: there is no image on its way any more, but for one that
        // a registry shows late.
        if skipped >= missing && since >= LAG {
            return Some(Over("as their jobs were skipped".to_owned()));
        }
        (since >= GRACE)
            .then(|| Over(format!("though all watched jobs were done {} ago", duration(since))))
    }

    /// Returns when a look is over, however it ended.
    pub(super) async fn has_looked(&self) {
        // The sender is our own, so it is there.
        let _ = timeout(PATIENCE, self.looked.subscribe().wait_for(|looked| *looked)).await;
    }

    /// When the wait is over: whether a job failed all the same. `since`: an older look does not
    /// count.
    pub(super) async fn last_look(&self, since: Option<Instant>) -> Result<(), Error> {
        let looks = async {
            for _ in 0..LOOKS_IN_TROUBLE {
                let look = self.jobs.look(since).await;
                if let Judged::Failed(error) = self.judge(&look) {
                    return Err(*error);
                }
                let far = look.next > Instant::now() + PATIENCE;
                if far || look.is_fresh || matches!(look.listing, Listing::Closed) {
                    break;
                }
                sleep_until(look.next).await;
            }
            Ok(())
        };
        timeout(PATIENCE, looks).await.unwrap_or(Ok(()))
    }

    /// Failures that a newer attempt may have made good, where nothing is waited for any more.
    pub(super) fn warn_of_earlier_attempts(&self) {
        for job in
            self.lock().watched.iter().filter(|job| job.attempt < self.jobs.system().attempt())
        {
            if verdict::is_bad(job.state, self.plan.skip_missing) {
                let state = job.state.word();
                warn!(
                    "job {} {state} in an earlier attempt of this run; all images have arrived, so this run continues",
                    job.name
                );
            }
        }
    }

    /// Names that no job of the run has, though all images are there: nobody was watched under
    /// them.
    pub(super) fn warn_of_names_that_are_not_listed(&self) {
        let last = self.lock();
        for pattern in last.unmet(&self.plan.watch_jobs) {
            if self.jobs.is_news(pattern.text()) {
                warn!("watch-jobs: {}", last.no_job(pattern));
            }
        }
    }

    /// The same in the middle of a wait, so that nobody waits to its end for a slip.
    fn warn_of_names_that_stay_unlisted(&self, known: &Known<'_>) {
        if known.watched < GRACE {
            return;
        }
        let late = "; it may still be listed when others end";
        let yet = if known.may_list_more() { late } else { "" };
        let last = self.lock();
        for pattern in last.unmet(&self.plan.watch_jobs) {
            if self.jobs.is_news(pattern.text()) {
                warn!("watch-jobs: after {}, {}{yet}", duration(GRACE), last.no_job(pattern));
            }
        }
    }

    fn judge(&self, look: &Look) -> Judged {
        let Listing::Jobs(jobs) = &look.listing else { return Judged::GoOn };
        let system = self.jobs.system();
        let known = Known {
            patterns: &self.plan.watch_jobs,
            jobs,
            own: system.own(jobs),
            attempt: system.attempt(),
            watched: self.started.elapsed(),
            skip: self.plan.skip_missing,
            lists_late: system.lists_late(),
        };
        self.tell(&verdict::watched(&known), jobs);
        self.warn_of_names_that_stay_unlisted(&known);
        match verdict::decide(&known) {
            Verdict::GoOn => Judged::GoOn,
            Verdict::Done { skipped } => Judged::Done { skipped },
            Verdict::Failed(failed) => Judged::Failed(Box::new(self.failure(&failed))),
        }
    }

    /// One line for what there is to watch, then one for each change.
    fn tell(&self, watched: &[&Job], all: &[Job]) {
        let mut last = self.lock();
        let is_told =
            |job: &Job| last.watched.iter().any(|old| (old.id, old.state) == (job.id, job.state));
        let changed: Vec<&&Job> = watched.iter().filter(|job| !is_told(job)).collect();
        if !self.progress.among_others() {
            if !last.known || changed.len() > MOST_LISTED {
                info!("{}", watching(watched));
            } else {
                for job in changed {
                    info!("{}", told(job));
                }
            }
        }
        last.known = true;
        last.watched = watched.iter().map(|job| (*job).clone()).collect();
        last.names = all.iter().map(|job| job.name.clone()).collect();
        self.progress.jobs(watching(watched));
    }

    fn failure(&self, failed: &[&Job]) -> Error {
        let what = match failed {
            [job] => format!("job {} {}", brief(&job.name), job.state.word()),
            jobs => format!("{} watched jobs did not succeed", jobs.len()),
        };
        let mut details = all_said(failed.iter().copied());
        details.extend(self.progress.sources().iter().map(lines::stands));
        let fix = if failed.iter().all(|job| job.state == State::Skipped) {
            format!(
                "find out why it was skipped; if its image is not needed, use {}",
                setting(names::missing, "skip")
            )
        } else {
            "see its log (link above) and re-run the failed jobs; this step will wait for them again"
                .to_owned()
        };
        Error::new(Exit::JobFailed, what).with_details(details).with_fix(fix)
    }

    /// What the jobs said, for a run that gives up.
    pub(super) fn said(&self) -> Vec<String> {
        let last = self.lock();
        let mut lines = all_said(last.watched.iter());
        let unmet = last.unmet(&self.plan.watch_jobs);
        lines.extend(unmet.map(|pattern| format!("job: {}", last.no_job(pattern))));
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watched jobs, counted.
fn watching(jobs: &[&Job]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for job in jobs {
        match counts.iter_mut().find(|(word, _)| *word == job.state.word()) {
            Some((_, count)) => *count += 1,
            None => counts.push((job.state.word(), 1)),
        }
    }
    let counts: Vec<String> =
        counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let rest = if counts.is_empty() {
        ", none is listed yet".to_owned()
    } else {
        format!(": {}", counts.join(", "))
    };
    format!("jobs     {} watched{rest}", jobs.len())
}

/// A watched job has changed.
fn told(job: &Job) -> String {
    format!("job      {}  {}", brief(&job.name), job.state.word())
}

/// Watched jobs, as an error shows them.
fn all_said<'j>(jobs: impl ExactSizeIterator<Item = &'j Job>) -> Vec<String> {
    let more = jobs.len().saturating_sub(MOST_LISTED);
    let mut lines: Vec<String> = jobs.take(MOST_LISTED).map(said).collect();
    lines.extend((more > 0).then(|| format!("job: and {more} more")));
    lines
}

/// A watched job, as an error shows it.
fn said(job: &Job) -> String {
    let link = if job.link.is_empty() { String::new() } else { format!(" {}", job.link) };
    format!("job: {} {}{link}", brief(&job.name), job.state.word())
}
