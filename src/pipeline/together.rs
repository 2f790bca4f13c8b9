//! Lists that go together: no tag of any moves before all of them are complete, and the tags of a
//! wave before those of the next. What one list knows of the others, and nothing else, is here.

use std::sync::Arc;
use tokio::sync::watch::Sender;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// How many tags of one list move at a time: few, so that "no other is started" means something.
const TAGS_AT_ONCE: usize = 4;
/// The same of several lists, of which most have one tag.
const TAGS_OF_SEVERAL_AT_ONCE: usize = 16;

/// How far a list has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is looked at, waited for, composed, copied.
    AtWork,
    /// All that it names, and the index itself, is in every repository.
    Complete,
    /// The tags of this wave, counted from 0, are the next to move.
    Wave(usize),
    /// It has ended well.
    Over,
}

/// The lists that go together; one that goes alone is together with itself.
#[derive(Debug)]
pub struct Together {
    state: Sender<State>,
    tags: Semaphore,
    /// Told when a list begins to rest.
    somebody_rests: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    seats: Vec<(Stage, bool)>,
    has_failed: bool,
    took_time: bool,
}

impl State {
    fn least(&self) -> Stage {
        self.seats.iter().map(|(stage, _)| *stage).min().unwrap_or(Stage::Over)
    }
}

impl Together {
    /// A seat for each of so many lists; `somebody_rests` is told when one of them begins to rest.
    pub fn seats(lists: usize, somebody_rests: &Arc<Notify>) -> Vec<Seat> {
        let together = Self::of(lists, somebody_rests);
        (0..lists).map(|at| Seat { together: Arc::clone(&together), at }).collect()
    }

    fn of(lists: usize, somebody_rests: &Arc<Notify>) -> Arc<Self> {
        let at_once = if lists > 1 { TAGS_OF_SEVERAL_AT_ONCE } else { TAGS_AT_ONCE };
        let seats = vec![(Stage::AtWork, false); lists];
        let state = State { seats, has_failed: false, took_time: false };
        Arc::new(Self {
            state: Sender::new(state),
            tags: Semaphore::new(at_once),
            somebody_rests: Arc::clone(somebody_rests),
        })
    }
}

/// The place of one list among those that it goes together with.
#[derive(Debug)]
pub struct Seat {
    together: Arc<Together>,
    at: usize,
}

impl Seat {
    /// Of a list that goes alone.
    pub fn alone() -> Self {
        Self { together: Together::of(1, &Arc::default()), at: 0 }
    }

    /// Whether there are others.
    pub fn among_others(&self) -> bool {
        self.together.state.borrow().seats.len() > 1
    }

    /// Notes that this list has come so far.
    pub fn reached(&self, stage: Stage) {
        // Only the slowest is waited for.
        self.together.state.send_if_modified(|state| {
            let before = state.least();
            if let Some((reached, _)) = state.seats.get_mut(self.at) {
                *reached = stage.max(*reached);
            }
            state.least() != before
        });
    }

    /// Waits until all lists have come so far, for ever after one has failed: whoever carries out
    /// the lists gives up those that rest then.
    pub async fn all_have(&self, stage: Stage) {
        let is_so_far = |state: &State| !state.has_failed && state.least() >= stage;
        if is_so_far(&self.together.state.borrow()) {
            return;
        }
        self.rests(true);
        // The sender lives as long as this seat.
        let _ = self.together.state.subscribe().wait_for(is_so_far).await;
        self.rests(false);
    }

    fn rests(&self, rests: bool) {
        self.together.state.send_if_modified(|state| {
            if let Some((_, resting)) = state.seats.get_mut(self.at) {
                *resting = rests;
            }
            false
        });
        self.together.somebody_rests.notify_one();
    }

    /// Whether this list waits for others to come as far.
    pub fn is_resting(&self) -> bool {
        self.together.state.borrow().seats.get(self.at).is_some_and(|(_, resting)| *resting)
    }

    /// Whether tags may be moving: all lists are complete.
    pub fn tags_may_move(&self) -> bool {
        self.together.state.borrow().least() >= Stage::Wave(0)
    }

    /// Notes that a list has failed for good.
    pub fn fail(&self) {
        self.together.state.send_modify(|state| state.has_failed = true);
    }

    /// Waits for a turn to move a tag; `None`: one has failed, and no other is to be started.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        let permit = self.together.tags.acquire().await.ok()?;
        (!self.together.state.borrow().has_failed).then_some(permit)
    }

    /// Notes that something was waited for, or copied: what was looked at before may be old news.
    pub fn took_time(&self) {
        self.together.state.send_if_modified(|state| {
            state.took_time = true;
            false
        });
    }

    /// Whether any list took its time, and this one rested meanwhile.
    pub fn others_took_time(&self) -> bool {
        let state = self.together.state.borrow();
        state.took_time && state.seats.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn the_slowest_is_waited_for_and_after_a_failure_nobody_goes_on() {
        let rests = Arc::default();
        let seats = Together::seats(3, &rests);
        let [a, b, c] = [0, 1, 2].map(|at| &seats[at]);
        a.reached(Stage::Complete);
        let mut waits = Box::pin(a.all_have(Stage::Complete));
        assert!(waits.as_mut().now_or_never().is_none() && a.is_resting());
        rests.notified().await;
        b.reached(Stage::Over);
        assert!(waits.as_mut().now_or_never().is_none());
        c.reached(Stage::Wave(0));
        waits.await;
        assert!(!a.is_resting() && !a.tags_may_move());
        a.reached(Stage::Wave(1));
        a.reached(Stage::Complete);
        assert!(a.tags_may_move(), "nobody goes back");
        assert!(b.turn().await.is_some());
        c.fail();
        assert!(b.turn().await.is_none());
        assert!(a.all_have(Stage::Complete).now_or_never().is_none());
        let alone = Seat::alone();
        alone.reached(Stage::Complete);
        assert!(alone.all_have(Stage::Complete).now_or_never().is_some());
        assert!(!alone.among_others());
    }

    #[tokio::test]
    async fn what_took_time_is_of_interest_to_others_only() {
        let seats = Together::seats(2, &Arc::default());
        assert!(!seats[0].others_took_time());
        seats[1].took_time();
        assert!(seats[0].others_took_time() && seats[1].others_took_time());
        let alone = Seat::alone();
        alone.took_time();
        assert!(!alone.others_took_time());
    }
}
