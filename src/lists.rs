//! The lists of a run, a few at a time: one that only waits for its sources makes room for others,
//! and one that fails stops no other.

use crate::console::Console;
use crate::console::log;
use crate::error::{Error, Exit};
use crate::pipeline::outcome::{Awaited, Listed, Report};
use crate::pipeline::progress::{NO_TAG_MOVED, Progress};
use crate::plan::Plan;
use crate::text::{self, duration, gauge, some};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{Instrument as _, Level, Span, enabled, info};

/// More lists at work would only hold more in memory: requests are bounded for all of them.
const MOST_AT_WORK: usize = 16;

/// One list: what it shall be, and how far it has come.
#[derive(Debug)]
pub(crate) struct List {
    plan: Plan,
    progress: Progress,
    ended: std::cell::OnceCell<Result<Report, Error>>,
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
}

/// The lists of a run, in the order of the plan.
#[derive(Debug)]
pub(crate) struct Lists {
    all: Vec<List>,
    somebody_waits: Arc<Notify>,
    started: Instant,
}

/// Whoever reads of a failure asks first what has become of the tags.
fn told(mut error: Error, progress: &Progress) -> Error {
    let moves_none = matches!(
        error.exit,
        Exit::NotArrived | Exit::JobFailed | Exit::Refused | Exit::Denied | Exit::Registry
    );
    if moves_none && !progress.has_moved() {
        error.details.push(NO_TAG_MOVED.to_owned());
    }
    error
}

impl Lists {
    /// Lists that nothing was done for.
    pub(crate) fn new(plans: Vec<Plan>) -> Self {
        let somebody_waits = Arc::new(Notify::new());
        let several = plans.len() > 1;
        let list = |plan: Plan| {
            let progress = if several {
                Progress::among(Arc::clone(&somebody_waits))
            } else {
                Progress::default()
            };
            progress.start(&plan.targets);
            List { plan, progress, ended: std::cell::OnceCell::new() }
        };
        Self { all: plans.into_iter().map(list).collect(), somebody_waits, started: Instant::now() }
    }

    /// Whether there is more than one.
    pub(crate) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Carries out all of them. `concurrency`: how many requests can be under way at once.
    pub(crate) async fn carry_out(
        &self,
        concurrency: usize,
        console: &Console,
        run: impl AsyncFn(&Plan, &Progress) -> Result<Report, Error>,
    ) {
        let mut waiting_lists = self.all.iter();
        let mut under_way = FuturesUnordered::new();
        let mut minute = interval_at(Instant::now() + text::INTERVAL, text::INTERVAL);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while self.at_work(under_way.len()) < concurrency.min(MOST_AT_WORK) {
                let Some(list) = waiting_lists.next() else { break };
                let span =
                    if self.are_several() { log::span_of(&list.name()) } else { Span::none() };
                let run = &run;
                under_way.push(
                    async move { (list, run(&list.plan, &list.progress).await) }.instrument(span),
                );
            }
            self.draw(console);
            tokio::select! {
                ended = under_way.next() => {
                    let Some((list, ended)) = ended else { break };
                    // Each list ends once.
                    let _ = list.ended.set(ended);
                }
                () = self.somebody_waits.notified() => {}
                _ = minute.tick(), if self.are_several() && !console.is_moving() => {
                    let (done, failed) = self.done();
                    info!("{}", standing(done, failed, self.all.len(), &self.waited_for(), self.elapsed()));
                }
            }
        }
        console.bar("");
    }

    /// How every list ended; `stopped`: those that did not.
    pub(crate) fn ended(&self, stopped: &Error) -> Vec<Listed> {
        let listed = |list: &List| Listed {
            name: list.name(),
            given: list.plan.name.clone(),
            tags: list.progress.tags(),
            sources: list.sources(),
            writes: list.progress.writes(),
            ended: list
                .ended
                .get()
                .cloned()
                .unwrap_or_else(|| Err(stopped.clone()))
                .map_err(|error| told(error, &list.progress)),
        };
        self.all.iter().map(listed).collect()
    }

    /// One line that says what was left undone.
    pub(crate) fn left_undone(&self) -> String {
        if let [list] = self.all.as_slice() {
            return list.progress.left_undone();
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
        let waiting = self
            .all
            .iter()
            .filter(|list| list.ended.get().is_none() && list.progress.waits() > 0)
            .count();
        under_way.saturating_sub(waiting)
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

    fn draw(&self, console: &Console) {
        if self.are_several() && console.is_moving() && enabled!(Level::INFO) {
            let (done, failed) = self.done();
            console.bar(&bar(done, failed, self.all.len(), self.waited_for().len()));
        }
    }
}

/// How far a run of several lists is; `waiting`: the images that are waited for.
fn standing(
    done: usize,
    failed: usize,
    all: usize,
    waiting: &[String],
    elapsed: Duration,
) -> String {
    let mut text = format!("indexes  {done} of {all} done");
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    text += &format!(" after {}", duration(elapsed));
    if !waiting.is_empty() {
        text += &format!("; waiting for {}", some(waiting));
    }
    text
}

/// The same as a bar, which fits a narrow terminal.
fn bar(done: usize, failed: usize, all: usize, waiting: usize) -> String {
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let waiting = if waiting > 0 { format!(", waiting for {waiting}") } else { String::new() };
    format!("{} {done}/{all}{failed}{waiting}", gauge(done, all, 30))
}
