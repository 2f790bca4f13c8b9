//! The lists of a run, a few at a time: one that only waits makes room for others. Of lists that go
//! together, the first that fails ends the waits of all; of others it stops none.

use crate::console::Console;
use crate::console::log;
use crate::error::{Error, Exit};
use crate::pipeline::outcome::{Awaited, Listed, Report, Run};
use crate::pipeline::progress::{NO_TAG_MOVED, NO_TAG_OF_ANY_MOVED, Progress, RUN_AGAIN, Tagged};
use crate::pipeline::together::{Seat, Stage, Together};
use crate::plan::Plan;
use crate::text::{self, duration, gauge, some};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::cell::OnceCell;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tracing::{Instrument as _, Level, Span, enabled, info};

/// More lists at work would only hold more in memory: requests are bounded for all of them.
const MOST_AT_WORK: usize = 16;
/// After a list failed: time for the others to end their first look, or a wait that ends now as
/// well, so that all that is wrong is told.
const GRACE: Duration = Duration::from_secs(2);

/// One list: what it shall be, and how far it has come.
#[derive(Debug)]
pub(crate) struct List {
    plan: Plan,
    progress: Progress,
    seat: Seat,
    started: OnceCell<Instant>,
    ended: OnceCell<Result<Report, Error>>,
}

impl List {
    /// Its first tag.
    pub(crate) fn name(&self) -> String {
        self.plan.targets.first().map(ToString::to_string).unwrap_or_default()
    }

    fn sources(&self) -> Vec<Awaited> {
        let states = self.progress.sources().into_iter();
        states
            .zip(&self.plan.sources)
            .map(|((name, state), source)| Awaited {
                name,
                platform: source.stands_for.clone(),
                state,
            })
            .collect()
    }

    /// Keeps how it ended, which others that go together with it hear of.
    fn ends(&self, ended: Result<Report, Error>) {
        match &ended {
            Ok(_) => self.seat.reached(Stage::Over),
            Err(_) => self.seat.fail(),
        }
        // Each list ends once.
        let _ = self.ended.set(ended);
    }

    fn is_under_way(&self) -> bool {
        self.started.get().is_some() && self.ended.get().is_none()
    }

    fn has_failed(&self) -> bool {
        matches!(self.ended.get(), Some(Err(_)))
    }

    /// How it failed.
    fn exit(&self) -> Exit {
        let failed = self.ended.get().and_then(|ended| ended.as_ref().err());
        failed.map_or(Exit::Defect, |error| error.exit)
    }

    /// What is said of it if only another one, which failed so, stopped it.
    fn held_back(&self, (name, exit): &(String, Exit)) -> Error {
        let moved = self.progress.has_moved();
        let state = if moved { "published in part" } else { "not published" };
        Error::new(*exit, format!("{state}, because {name} failed"))
    }

    /// Whether it is about to say how its sources stand.
    fn soon_tells(&self, end: Instant) -> bool {
        let waits_until = self.started.get().map(|started| *started + self.plan.wait);
        self.progress.is_looking()
            || (self.progress.waits() > 0 && waits_until.is_some_and(|until| until <= end))
    }
}

/// The lists of a run, in the order of the plan.
#[derive(Debug)]
pub(crate) struct Lists {
    all: Vec<List>,
    together: bool,
    somebody_waits: Arc<Notify>,
    started: Instant,
}

impl Lists {
    /// Lists that nothing was done for. `together`: no tag of any moves before all are complete.
    pub(crate) fn new(plans: Vec<Plan>, together: bool) -> Self {
        let somebody_waits = Arc::new(Notify::new());
        let several = plans.len() > 1;
        let seats = if together {
            Together::seats(plans.len(), &somebody_waits)
        } else {
            plans.iter().map(|_| Seat::alone()).collect()
        };
        let list = |(plan, seat): (Plan, Seat)| {
            let progress = if several {
                Progress::among(Arc::clone(&somebody_waits))
            } else {
                Progress::default()
            };
            progress.start(&plan.targets);
            List { plan, progress, seat, started: OnceCell::new(), ended: OnceCell::new() }
        };
        let all = plans.into_iter().zip(seats).map(list).collect();
        Self { all, together: together && several, somebody_waits, started: Instant::now() }
    }

    /// Whether there is more than one.
    pub(crate) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Since the start of the run.
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Carries out all of them. `concurrency`: how many requests can be under way at once.
    pub(crate) async fn carry_out(
        &self,
        concurrency: usize,
        console: &Console,
        run: impl AsyncFn(&Plan, &Progress, &Seat) -> Result<Report, Error>,
    ) {
        let mut waiting_lists = self.all.iter();
        let mut under_way = FuturesUnordered::new();
        let mut minute = interval_at(Instant::now() + text::INTERVAL, text::INTERVAL);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed_at = None;
        loop {
            while failed_at.is_none()
                && self.at_work(under_way.len()) < concurrency.min(MOST_AT_WORK)
            {
                let Some(list) = waiting_lists.next() else { break };
                let _ = list.started.set(Instant::now());
                let span =
                    if self.are_several() { log::span_of(&list.name()) } else { Span::none() };
                let run = &run;
                under_way.push(
                    async move { (list, run(&list.plan, &list.progress, &list.seat).await) }
                        .instrument(span),
                );
            }
            self.draw(console);
            let end_of_grace = failed_at.map(|failed| failed + GRACE);
            if end_of_grace.is_some_and(|end| !self.is_anything_to_be_heard(end)) {
                break;
            }
            tokio::select! {
                ended = under_way.next() => {
                    let Some((list, ended)) = ended else { break };
                    if ended.is_err() && self.together {
                        failed_at.get_or_insert_with(Instant::now);
                    }
                    list.ends(ended);
                }
                () = self.somebody_waits.notified() => {}
                () = until(end_of_grace) => {}
                _ = minute.tick(), if self.are_several() && !console.is_moving() => {
                    info!("{}", self.standing());
                }
            }
        }
        console.bar("");
    }

    /// After a failure: whether a list that goes on has something to say, by the `end` of the time
    /// for it, or is moving tags, which must not be left half done.
    fn is_anything_to_be_heard(&self, end: Instant) -> bool {
        self.all
            .iter()
            .filter(|list| list.is_under_way() && !list.seat.is_resting())
            .any(|list| list.seat.tags_may_move() || (Instant::now() < end && list.soon_tells(end)))
    }

    /// How every list ended; `stopped`: those that did not, if it was no other list that failed. What
    /// is known of each is handed over, not copied: there may be a thousand.
    pub(crate) fn ended(self, stopped: &Error) -> Run {
        let first = self.all.iter().find(|list| list.has_failed()).filter(|_| self.together);
        let failed = first.map(|list| (list.name(), list.exit()));
        let (together, have_moved, elapsed) = (self.together, self.have_moved(), self.elapsed());
        let listed = |mut list: List| {
            let ended = list.ended.take();
            let held_back = failed.is_some() && ended.is_none();
            let undone = || match &failed {
                Some(failed) => list.held_back(failed),
                None => stopped.clone(),
            };
            let tags = list.progress.tags();
            let told = Told { together, have_moved, held_back, tags: &tags };
            let ended = ended.unwrap_or_else(|| Err(undone())).map_err(|error| told.of(error));
            let (name, sources, writes) = (list.name(), list.sources(), list.progress.writes());
            Listed { name, given: list.plan.name, tags, sources, writes, held_back, ended }
        };
        Run { lists: self.all.into_iter().map(listed).collect(), elapsed }
    }

    /// Whether any tag of any list was moved, or may have been.
    fn have_moved(&self) -> bool {
        self.all.iter().any(|list| list.progress.has_moved())
    }

    /// One line that says what was left undone.
    pub(crate) fn left_undone(&self) -> String {
        if let [list] = self.all.as_slice() {
            return list.progress.left_undone();
        }
        if self.together && !self.have_moved() {
            return NO_TAG_OF_ANY_MOVED.to_owned();
        }
        let (done, failed) = self.done();
        let between =
            self.all.iter().filter(|list| list.ended.get().is_none() && list.progress.has_moved());
        let mut text = format!("{} of {} indexes were published", done - failed, self.all.len());
        for list in between {
            text += &format!("; {}", list.progress.left_undone());
        }
        text
    }

    fn at_work(&self, under_way: usize) -> usize {
        let rests = |list: &&List| list.progress.waits() > 0 || list.seat.is_resting();
        let resting = self.all.iter().filter(|list| list.ended.get().is_none()).filter(rests);
        under_way.saturating_sub(resting.count())
    }

    /// How many have ended, and how many of them badly.
    fn done(&self) -> (usize, usize) {
        let ended = self.all.iter().filter_map(|list| list.ended.get());
        ended.fold((0, 0), |(done, failed), ended| (done + 1, failed + usize::from(ended.is_err())))
    }

    fn waited_for(&self) -> Vec<String> {
        self.all
            .iter()
            .filter(|list| list.ended.get().is_none())
            .flat_map(|list| list.progress.waiting_for())
            .collect()
    }

    /// How many have all that they need, and wait for others before their tags move.
    fn complete(&self) -> usize {
        self.all.iter().filter(|list| list.is_under_way() && list.seat.is_resting()).count()
    }

    /// How far all are.
    fn standing(&self) -> String {
        let ((done, failed), complete) = (self.done(), self.complete());
        let mut text = format!("indexes  {done} of {} done", self.all.len());
        for (number, what) in [(complete, "complete"), (failed, "failed")] {
            if number > 0 {
                text += &format!(", {number} {what}");
            }
        }
        text += &format!(" after {}", duration(self.elapsed()));
        let waiting = self.waited_for();
        if !waiting.is_empty() {
            text += &format!("; waiting for {}", some(&waiting));
        }
        text
    }

    fn draw(&self, console: &Console) {
        if self.are_several() && console.is_moving() && enabled!(Level::INFO) {
            let (done, failed) = self.done();
            let done = done + self.complete();
            console.bar(&bar(done, failed, self.all.len(), self.waited_for().len()));
        }
    }
}

/// Whoever reads of a failure asks first what has become of the tags.
struct Told<'a> {
    together: bool,
    /// Whether any tag of any list was moved, or may have been.
    have_moved: bool,
    held_back: bool,
    /// Those of the list that failed.
    tags: &'a [Tagged],
}

impl Told<'_> {
    fn of(&self, mut error: Error) -> Error {
        let moves_none = matches!(
            error.exit,
            Exit::NotArrived | Exit::JobFailed | Exit::Refused | Exit::Denied | Exit::Registry
        );
        let has_moved = || self.tags.iter().any(|tagged| tagged.state.may_have_moved());
        match (self.together, self.have_moved) {
            (true, true) if moves_none || self.held_back => {
                error.exit = Exit::Partial;
                error.details.extend(self.tags.iter().map(Tagged::line));
                error.then = Some(RUN_AGAIN);
            }
            (true, false) if moves_none => error.details.push(NO_TAG_OF_ANY_MOVED.to_owned()),
            (false, _) if moves_none && !has_moved() => {
                error.details.push(NO_TAG_MOVED.to_owned());
            }
            _ => {}
        }
        error
    }
}

/// Waits for an end that is still to come.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) if Instant::now() < end => sleep_until(end).await,
        _ => pending().await,
    }
}

/// How far a run of several lists is, as a bar, which fits a narrow terminal; `waiting`: the images
/// that are waited for.
fn bar(done: usize, failed: usize, all: usize, waiting: usize) -> String {
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let waiting = if waiting > 0 { format!(", waiting for {waiting}") } else { String::new() };
    format!("{} {done}/{all}{failed}{waiting}", gauge(done, all, 30))
}
