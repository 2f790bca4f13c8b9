//! How hard a host is asked: pauses, its own and those after a failure, shared by all tasks; less
//! at once after it said "too many"; one at a time after it failed, until it answers; and a budget
//! of repetitions.
//!
//! What is under way together fails together, when a registry restarts: that is one failure,
//! whatever it hit.

use super::retry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// Repetitions that every host is granted in a minute, beside one for every five requests: enough
/// for a bad minute, too few for a storm. By the minute, so that an outage during a long wait does
/// not use up what the push needs.
const GRANTED: u32 = 10;
const REQUESTS_PER_REPETITION: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// How often a host that failed is asked though one who asks has no answer yet.
const PROBE: Duration = Duration::from_secs(1);

/// The pace of every host that was asked.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Host>>);

#[derive(Debug, Default)]
struct Host {
    requests: u32,
    repetitions: u32,
    minute_began: Option<Instant>,
    paused_until: Option<Instant>,
    answered: bool,
    under_way: usize,
    asked_at: Option<Instant>,
    /// How many may be under way, once the host has said that there are too many.
    room: Option<usize>,
    good_in_a_row: usize,
    /// Failures in a row, each of all that was under way together.
    failures: u32,
    failed_at: Option<Instant>,
    freed: Arc<Notify>,
}

impl Host {
    fn pause(&self) -> Option<Instant> {
        self.paused_until.filter(|until| *until > Instant::now())
    }

    /// Whether one more may be under way.
    fn is_free(&self) -> bool {
        let has_room = self.room.is_none_or(|room| self.under_way < room);
        let is_probe =
            self.under_way == 0 || self.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= PROBE);
        has_room && (self.failures == 0 || is_probe)
    }

    fn in_this_minute(&mut self) -> &mut Self {
        let now = Instant::now();
        if self.minute_began.is_none_or(|began| now.duration_since(began) >= MINUTE) {
            (self.minute_began, self.requests, self.repetitions) = (Some(now), 0, 0);
        }
        self
    }
}

/// The right to ask a host one thing, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    host: &'a str,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.with(self.host, |host| {
            host.under_way -= 1;
            host.freed.notify_waiters();
        });
    }
}

impl Pace {
    /// Waits until the host may be asked, as far as is known before [`Pace::turn`].
    pub(super) async fn ready(&self, host: &str) {
        loop {
            let freed = self.with(host, |entry| Arc::clone(&entry.freed));
            // Made before looking, so that nothing that is freed in between is missed.
            let freed = freed.notified();
            match self.with(host, |entry| (entry.pause(), entry.is_free())) {
                (Some(until), _) => sleep_until(until).await,
                (None, false) => drop(timeout(PROBE, freed).await),
                (None, true) => return,
            }
        }
    }

    /// Counts a request, if the host may be asked now.
    pub(super) fn turn<'a>(&'a self, host: &'a str) -> Option<Turn<'a>> {
        let free = self.with(host, |entry| {
            let free = entry.pause().is_none() && entry.is_free();
            if free {
                entry.in_this_minute().requests += 1;
                entry.under_way += 1;
                entry.asked_at = Some(Instant::now());
            }
            free
        });
        free.then(|| Turn { pace: self, host })
    }

    /// Counts a request that rides along with one that has its turn, and waits until the host may
    /// be asked.
    pub(super) async fn pass(&self, host: &str) {
        while let Some(until) = self.with(host, |entry| entry.pause()) {
            sleep_until(until).await;
        }
        self.with(host, |entry| entry.in_this_minute().requests += 1);
    }

    /// Lets nobody ask the host for so long, and half as many at once afterwards: it said that it
    /// is asked too much.
    pub(super) fn pause(&self, host: &str, after: Duration) {
        let until = Instant::now() + after;
        self.with(host, |entry| {
            // Those that were under way together are told together: that counts once.
            if entry.pause().is_none() {
                entry.room =
                    Some((entry.room.unwrap_or(entry.under_way).min(entry.under_way) / 2).max(1));
                entry.good_in_a_row = 0;
            }
            entry.paused_until = Some(entry.paused_until.map_or(until, |old| old.max(until)));
        });
    }

    /// Whether a request that began then and failed may be made again. A failure that is not one
    /// with the last is counted; `down`: it looks as if nobody else would fare better now, so all
    /// make a pause, jittered by this random number from 0 to 1.
    pub(super) fn may_repeat(&self, host: &str, began: Instant, down: Option<f64>) -> bool {
        self.with(host, |entry| {
            if entry.pause().is_some()
                || entry.failed_at.is_some_and(|failed_at| began <= failed_at)
            {
                return true;
            }
            let now = Instant::now();
            entry.failed_at = Some(now);
            if let Some(chance) = down {
                entry.failures += 1;
                if entry.failures >= retry::TRIES {
                    return false;
                }
                entry.paused_until = Some(now + retry::pause(entry.failures, chance));
            }
            let entry = entry.in_this_minute();
            let within = entry.repetitions < GRANTED + entry.requests / REQUESTS_PER_REPETITION;
            entry.repetitions += u32::from(within);
            within
        })
    }

    /// Notes that the host answered something, and whether it did so willingly: then it may be
    /// asked a little more at once.
    pub(super) fn answered(&self, host: &str, willingly: bool) {
        self.with(host, |entry| {
            entry.answered = true;
            if willingly && entry.failures > 0 {
                entry.failures = 0;
                entry.freed.notify_waiters();
            }
            let Some(room) = entry.room.filter(|_| willingly) else { return };
            entry.good_in_a_row += 1;
            if entry.good_in_a_row > room {
                (entry.room, entry.good_in_a_row) = (Some(room + 1), 0);
            }
        });
    }

    /// Whether the host ever answered.
    pub(super) fn has_answered(&self, host: &str) -> bool {
        self.lock().get(host).is_some_and(|entry| entry.answered)
    }

    fn with<T>(&self, host: &str, act: impl FnOnce(&mut Host) -> T) -> T {
        act(self.lock().entry(host.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const HOST: &str = "r.example";

    async fn turn<'a>(pace: &'a Pace, host: &'a str) -> Turn<'a> {
        loop {
            pace.ready(host).await;
            if let Some(turn) = pace.turn(host) {
                return turn;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_shared_by_all_who_ask_the_host() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.pause(HOST, Duration::from_secs(2));
        pace.pause(HOST, Duration::from_secs(1));
        drop(turn(&pace, "other.example").await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::join!(async { drop(turn(&pace, HOST).await) }, async {
            drop(turn(&pace, HOST).await);
        });
        assert!(start.elapsed() >= Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn repetitions_are_bounded_by_the_minute() {
        let pace = Pace::default();
        let granted = async || {
            let mut granted = 0;
            for _ in 0..50 {
                tokio::time::advance(Duration::from_millis(1)).await;
                granted += usize::from(pace.may_repeat(HOST, Instant::now(), None));
            }
            granted
        };
        assert_eq!((granted().await, granted().await), (10, 0));
        for _ in 0..10 {
            drop(turn(&pace, HOST).await);
        }
        assert_eq!(granted().await, 2, "one for every five requests");
        tokio::time::advance(MINUTE).await;
        assert_eq!(granted().await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_together_fails_once_and_one_asks_for_all_until_there_is_an_answer()
    {
        let pace = Pace::default();
        let began = Instant::now();
        let turns: Vec<Turn<'_>> =
            futures_util::future::join_all((0..16).map(|_| turn(&pace, HOST))).await;
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!((0..16).all(|_| pace.may_repeat(HOST, began, Some(1.0))));
        assert_eq!(pace.with(HOST, |host| (host.failures, host.repetitions)), (1, 1));
        assert!(pace.turn(HOST).is_none(), "nor may who stood in line for a place");
        drop(turns);
        assert!(turn(&pace, HOST).now_or_never().is_none(), "a pause for all");
        tokio::time::advance(Duration::from_millis(500)).await;
        let probe = turn(&pace, HOST).now_or_never().expect("one may ask");
        assert!(turn(&pace, HOST).now_or_never().is_none(), "and no other");
        let start = Instant::now();
        drop(tokio::join!(turn(&pace, HOST), turn(&pace, HOST)));
        assert_eq!(start.elapsed(), 2 * PROBE, "one after the other, and not for ever");
        let next = turn(&pace, HOST);
        pace.answered(HOST, true);
        assert!(next.now_or_never().is_some(), "all may ask again");
        drop(probe);
        for failure in 1..=retry::TRIES {
            tokio::time::advance(MINUTE).await;
            assert_eq!(
                pace.may_repeat(HOST, Instant::now(), Some(0.0)),
                failure < retry::TRIES,
                "{failure} in a row"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_is_asked_too_much_is_asked_half_as_much_at_once_and_slowly_more_again() {
        let pace = Pace::default();
        let mut turns = Vec::new();
        for _ in 0..8 {
            turns.push(turn(&pace, HOST).await);
        }
        for _ in 0..3 {
            pace.pause(HOST, Duration::from_secs(1));
        }
        turns.clear();
        tokio::time::advance(Duration::from_secs(1)).await;
        while let Some(turn) = turn(&pace, HOST).now_or_never() {
            turns.push(turn);
        }
        assert_eq!(turns.len(), 4, "three were told at once, which counts once");
        let next = turn(&pace, HOST);
        turns.pop();
        turns.push(next.await);
        (0..5).for_each(|_| pace.answered(HOST, true));
        turns.push(turn(&pace, HOST).await);
        assert!(turn(&pace, HOST).now_or_never().is_none());
    }
}
