//! Waits for every source under one deadline, and learns what each one brings.
//!
//! The first look is a GET, because mostly all is there; later ones are HEADs, which registries do
//! not count as pulls. "Not yet" is not "never": what may still come is waited for, what cannot get
//! right ends the run at once.

pub mod arrived;
mod end;
mod labels;
mod learn;
mod state;
mod story;
pub mod table;
mod watch;

use crate::backoff::Backoff;
use crate::error::advice::{Access, Surroundings};
use crate::error::{Error, Exit};
use crate::jobs::Jobs;
use crate::join;
use crate::oci::{Manifest, Reference};
use crate::pipeline::progress::Progress;
use crate::pipeline::targets;
use crate::plan::{Plan, Source};
use crate::registry::{self, Kind, Registry};
use crate::text;
use arrived::{Arrived, Skipped};
use futures_util::future::join_all;
use state::{NotYet, Over};
use std::future::pending;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::watch::Sender;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{info, warn};
use watch::Watch;

/// How long "denied" may still mean "not there yet": some registries answer so before the first
/// push.
const DENIED_GRACE: Duration = Duration::from_secs(60);

/// All sources, in the order of the plan, and whether anything had to be waited for.
#[derive(Debug)]
pub struct Resolved {
    /// What arrived.
    pub arrived: Vec<Arrived>,
    /// For each source, when it was there: `None` at the first look.
    pub after: Vec<Option<Duration>>,
    /// What did not arrive and is left out, because `missing: skip` says so.
    pub skipped: Vec<Skipped>,
    /// How long that took.
    pub elapsed: Duration,
}

impl Resolved {
    /// Whether anything was not there at the first look.
    pub fn waited(&self) -> bool {
        self.after.iter().any(Option::is_some) || !self.skipped.is_empty()
    }
}

/// How one look ended when the source is not there.
enum Stop {
    NotYet(NotYet),
    Fatal(Box<Error>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fatal(Box::new(error))
    }
}

/// A source that did not come.
struct Absent {
    /// Its place in the plan.
    at: usize,
    source: Source,
    why: NotYet,
}

impl Absent {
    fn skipped(self) -> Skipped {
        let Self { source, why, .. } = self;
        Skipped { name: source.name, platform: source.stands_for, word: why.word() }
    }
}

/// Waits for all sources. `jobs`: those of the CI system, where the plan watches some.
pub async fn sources(
    registry: &Registry,
    plan: &Plan,
    jobs: Option<&Jobs>,
    surroundings: &Surroundings,
    progress: &Progress,
) -> Result<Resolved, Error> {
    let started = Instant::now();
    let (over, deadline, somebody_waits) = (Sender::new(None), started + plan.wait, Notify::new());
    let wait = Wait {
        registry,
        plan,
        surroundings,
        progress,
        started,
        deadline,
        somebody_waits,
        over: &over,
    };
    let watched = jobs.filter(|_| !plan.watch_jobs.is_empty());
    let watch = watched.map(|jobs| Watch::new(jobs, plan, progress, &over, started));
    progress.expect(plan.sources.iter().map(|source| source.name.clone()));
    let outcomes = wait.outcomes(watch.as_ref()).await?;
    let (mut arrived, mut after, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok((source, when)) => {
                arrived.push(source);
                after.push(when);
            }
            Err(missing) => absent.push(missing),
        }
    }
    if let Some(watch) = &watch {
        // Jobs that were looked at while something was waited for may have failed since.
        let waited = after.iter().any(Option::is_some) || !absent.is_empty();
        watch.last_look(waited.then(Instant::now)).await?;
    }
    if !absent.is_empty() && (!plan.skip_missing || arrived.is_empty()) {
        return Err(wait.gave_up(
            &absent,
            &arrived,
            &after,
            watch.as_ref().map(Watch::said).unwrap_or_default(),
        ));
    }
    if let Some(unknown) = absent.iter().find(|absent| !absent.why.is_known()) {
        return Err(wait.cannot_leave_out(unknown));
    }
    if let Some(watch) = &watch {
        watch.warn_of_earlier_attempts();
        watch.warn_of_names_that_are_not_listed();
    }
    for Absent { at, source, why } in &absent {
        let early = over.borrow().as_ref().map(|Over(why)| format!(", {why}")).unwrap_or_default();
        warn!("{} is left out, as `missing: skip` says: {}{early}", source.name, why.state());
        progress.left_out(*at, why.word());
    }
    let elapsed = started.elapsed();
    Ok(Resolved {
        arrived,
        after,
        elapsed,
        skipped: absent.into_iter().map(Absent::skipped).collect(),
    })
}

/// After a wait: warns of source tags that were moved since they were accepted. The accepted images
/// are published all the same, because they are what was checked.
pub async fn tell_what_moved(registry: &Registry, arrived: &[Arrived]) -> Result<(), Error> {
    let by_tag = arrived.iter().filter(|arrived| arrived.source.reference.digest.is_none());
    let looks = by_tag.map(|arrived| async move {
        (arrived, registry.look(&arrived.source.reference, None).await)
    });
    for (arrived, look) in join_all(looks).await {
        if let Ok(head) = look
            && head.digest != arrived.manifest.digest
        {
            let (accepted, now) = (&arrived.manifest.digest, head.digest);
            warn!(
                "{} was moved during the wait: it is {now} now, published is {accepted}, which was accepted and checked",
                arrived.source.name
            );
        }
    }
    Ok(())
}

struct Wait<'a> {
    registry: &'a Registry,
    plan: &'a Plan,
    surroundings: &'a Surroundings,
    progress: &'a Progress,
    started: Instant,
    deadline: Instant,
    somebody_waits: Notify,
    /// Told when waiting has no sense any more.
    over: &'a Sender<Option<Over>>,
}

type Outcome = Result<(Arrived, Option<Duration>), Absent>;

impl Wait<'_> {
    /// All sources, until each is there or waiting ends; a watched job that fails ends the run.
    async fn outcomes(&self, watch: Option<&Watch<'_>>) -> Result<Vec<Outcome>, Error> {
        let all = join::all(
            self.plan.sources.iter().enumerate().map(|(at, source)| self.source(at, source)),
        );
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
    async fn source(&self, at: usize, source: &Source) -> Result<Outcome, Error> {
        let mut backoff = Backoff::new(self.plan.wait_interval);
        let mut denied_since: Option<Instant> = None;
        let mut last: Option<NotYet> = None;
        let mut seen: Option<Manifest> = None;
        let mut is_sure = !self.plan.skip_missing;
        let mut first = true;
        let mut over = self.over.subscribe();
        loop {
            // Known before the look that may be the last one.
            let is_over = over.borrow_and_update().is_some();
            // Boxed, so that all that a look needs is not held between two of them, by hundreds of
            // sources.
            let why = match Box::pin(self.look(source, last.as_ref(), &mut seen)).await {
                Ok(arrived) => return Ok(Ok(self.arrived(at, arrived, first))),
                Err(Stop::Fatal(error)) => return Err(*error),
                Err(Stop::NotYet(why)) => why,
            };
            let now = Instant::now();
            // Whether a source is there must be known to go on without it.
            let is_last = now >= self.deadline
                || (is_over && (why.is_known() || matches!(why, NotYet::Denied(_))));
            self.stop_early(source, &why, is_last, &mut denied_since)?;
            if is_last && !is_sure && !why.is_known() {
                // The last look may have been cut off by the end of the wait alone.
                is_sure = true;
                continue;
            }
            if is_last {
                return Ok(Err(Absent { at, source: source.clone(), why }));
            }
            if first {
                self.somebody_waits.notify_one();
            }
            self.progress.waits_for(at, why.word());
            let state = why.state();
            if last.as_ref().map(NotYet::state).as_ref() != Some(&state) {
                info!("{}", story::waiting(&source.name, &state, self.deadline - now));
            }
            (first, last) = (false, Some(why));
            let again =
                denied_since.map_or(self.deadline, |since| self.deadline.min(since + DENIED_GRACE));
            tokio::select! {
                () = sleep_until((now + backoff.next(fastrand::f64())).min(again)) => {}
                Ok(_) = over.wait_for(Option::is_some), if !is_over => {}
            }
        }
    }

    fn arrived(&self, at: usize, arrived: Arrived, first: bool) -> (Arrived, Option<Duration>) {
        let after = (!first).then(|| self.started.elapsed());
        self.progress.arrived(at, after);
        info!("{}", story::found(&arrived, after));
        (arrived, after)
    }

    /// One look: the manifest, and all that it names. `last`: how the look before ended; `seen`:
    /// the manifest that was read last, which is not read again as long as the tag names it.
    async fn look(
        &self,
        source: &Source,
        last: Option<&NotYet>,
        seen: &mut Option<Manifest>,
    ) -> Result<Arrived, Stop> {
        if self.plan.wait.is_zero() {
            return self.read(source, None, None, seen).await;
        }
        // A look that hangs must not outlive the deadline, be it the first; and at least a moment,
        // for the last look happens at the deadline itself.
        let end = self.deadline.max(Instant::now() + Duration::from_secs(1));
        let look = self.read(source, Some(self.deadline), last, seen);
        timeout_at(end, look).await.unwrap_or(Err(Stop::NotYet(NotYet::Silent)))
    }

    async fn read(
        &self,
        source: &Source,
        deadline: Option<Instant>,
        last: Option<&NotYet>,
        seen: &mut Option<Manifest>,
    ) -> Result<Arrived, Stop> {
        if let Some(last) = last {
            let head = self.registry.look(&source.reference, deadline).await;
            let head = head.map_err(|error| self.sort(&error, source, false))?;
            *seen = seen.take().filter(|seen| seen.digest == head.digest);
            // The image that was stale a moment ago still is.
            if seen.is_some() && matches!(last, NotYet::Stale { .. }) {
                return Err(Stop::NotYet(last.clone()));
            }
        }
        let manifest = match seen.clone() {
            Some(manifest) => manifest,
            None => self.manifest(&source.reference, source, deadline).await?,
        };
        // From here on the source is its digest: a tag that moves later changes nothing.
        let entries = learn::entries(self, source, manifest.clone(), deadline).await;
        if matches!(entries, Err(Stop::NotYet(_))) {
            *seen = Some(manifest);
        }
        entries
    }

    async fn manifest(
        &self,
        reference: &Reference,
        source: &Source,
        deadline: Option<Instant>,
    ) -> Result<Manifest, Stop> {
        // At the first look, lists of one run may share what they read; later ones want to know
        // what is there now.
        let manifest = match deadline {
            None => self.registry.shared_manifest(reference).await,
            Some(_) => self.registry.manifest(reference, deadline).await,
        };
        manifest.map_err(|error| self.sort(&error, source, false))
    }

    /// Whether an error may pass by waiting. `part`: it is about something that the source's
    /// manifest names.
    fn sort(&self, error: &registry::Error, source: &Source, part: bool) -> Stop {
        let known = self.registry.has_answered(&error.host);
        match &error.kind {
            Kind::NotFound if part => {
                Stop::NotYet(NotYet::Incomplete(format!("{} is not there", error.request)))
            }
            Kind::NotFound => Stop::NotYet(NotYet::Missing),
            Kind::Denied => Stop::NotYet(NotYet::Denied(Box::new(error.clone()))),
            // A registry that never answered is more likely misspelt than late; one that asks for a
            // pause that is too long would be asked again in vain.
            Kind::Server
            | Kind::Timeout
            | Kind::Unreachable(_)
            | Kind::Truncated(_)
            | Kind::UnknownHost
            | Kind::Throttled { retry_after: None }
                if known && !self.plan.wait.is_zero() =>
            {
                Stop::NotYet(NotYet::Trouble(Box::new(error.clone())))
            }
            _ => self.error(error, &source.name).into(),
        }
    }

    fn error(&self, error: &registry::Error, name: &str) -> Error {
        Error::of_registry(error, &format!("read {name}"), Access::Pull, self.surroundings)
    }

    /// With `missing: skip` too: what may be there is not left out.
    fn cannot_leave_out(&self, Absent { source, why, .. }: &Absent) -> Error {
        let error = match why {
            NotYet::Trouble(error) => self.error(error, &source.name),
            _ => Error::new(
                Exit::Registry,
                format!("cannot tell whether {} is there: {}", source.name, why.state()),
            ),
        };
        let details =
            vec!["`missing: skip` leaves out only what is known not to be there".to_owned()];
        error.with_details(details)
    }

    /// Ends the run where more waiting makes no sense.
    fn stop_early(
        &self,
        source: &Source,
        why: &NotYet,
        is_over: bool,
        denied_since: &mut Option<Instant>,
    ) -> Result<(), Error> {
        let NotYet::Denied(error) = why else {
            *denied_since = None;
            return Ok(());
        };
        let now = Instant::now();
        let since = *denied_since.get_or_insert(now);
        if !is_over && now.duration_since(since) < DENIED_GRACE {
            return Ok(());
        }
        let mut error = self.error(error, &source.name);
        error
            .details
            .push("some registries answer so for an image that is not there yet".to_owned());
        Err(error)
    }

    /// Ends when something has to be waited for and there is no use in that, because the targets
    /// may not be pushed to.
    async fn refused(&self) -> Error {
        self.somebody_waits.notified().await;
        match targets::preflight(self.registry, self.plan, self.surroundings).await {
            Ok(()) => pending().await,
            Err(error) => error,
        }
    }

    /// Tells once a minute what is waited for; never ends.
    async fn tell(&self) -> ! {
        loop {
            sleep(text::INTERVAL).await;
            let left = self.deadline.saturating_duration_since(Instant::now());
            // Of many lists, one line tells how far all of them are; the end speaks for itself.
            if self.progress.waits() > 0 && !left.is_zero() && !self.progress.among_others() {
                info!(
                    "{}",
                    story::still_waiting(&self.progress.sources(), self.started.elapsed(), left)
                );
            }
        }
    }
}
