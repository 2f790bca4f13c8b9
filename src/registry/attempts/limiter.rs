//! Host limiter, shared by all tasks: pauses that the host asks for and those after a failure; the
//! width of the host, see [`super::width`], and the line of those who wait for a place in it;
//! half-open after a failure, one probe at a time until the host answers; a retry budget.
//!
//! Requests in flight together fail together when a registry restarts: that counts as one failure,
//! however many it hit. The requests of a copy, which need no permit, are probes like any other.
//!
//! Nobody waits for ever. Requests stand in one line for each host and hold nothing meanwhile. A copy
//! stands in none: its share of the width is its own at once, others make room for it, and one
//! request beside copies may always be under way.

use super::retry;
use super::width::{Heard, Load, Width};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// Retry budget of a host in a minute, beside one for every five requests: enough for a bad minute,
/// too few for a storm. It is by the minute, so that an outage during a long wait does not use up
/// what the push needs.
const RETRIES_PER_MINUTE: u32 = 10;
const REQUESTS_PER_RETRY: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// Pauses that a host may ask for in a run, in all, beside those within a wait.
const MOST_ASKED: Duration = Duration::from_secs(300);
/// Time after which a probe without an answer is joined by another.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Limits by host.
#[derive(Debug)]
pub(super) struct Limiter {
    hosts: Mutex<HashMap<String, Host>>,
    /// Requests in flight to all hosts.
    most: usize,
}

#[derive(Debug)]
struct Host {
    requests: u32,
    retries: u32,
    minute_began: Option<Instant>,
    paused_until: Option<Instant>,
    /// Pauses that were asked for outside of waiting, in all.
    asked: Duration,
    answered: bool,
    told_at: Option<Instant>,
    /// Requests in flight that have a permit.
    permits: usize,
    /// The same of copies, as many as they may have.
    shares: usize,
    width: Width,
    /// Those who wait for a permit.
    line: VecDeque<Arc<Notify>>,
    /// When it was asked last, unless that is over.
    asked_at: Option<Instant>,
    /// Failures in a row, each one of all requests that were in flight together.
    failures: u32,
    failed_at: Option<Instant>,
    changed: Arc<Notify>,
}

impl Host {
    fn new(most: usize) -> Self {
        Self {
            requests: 0,
            retries: 0,
            minute_began: None,
            paused_until: None,
            asked: Duration::ZERO,
            answered: false,
            told_at: None,
            permits: 0,
            shares: 0,
            width: Width::new(most),
            line: VecDeque::new(),
            asked_at: None,
            failures: 0,
            failed_at: None,
            changed: Arc::default(),
        }
    }

    fn pause(&self) -> Option<Instant> {
        self.paused_until.filter(|until| *until > Instant::now())
    }

    /// Whether one more request may be in flight.
    fn is_free(&self) -> bool {
        self.has_room() && self.may_be_asked()
    }

    fn has_room(&self) -> bool {
        self.permits == 0 || self.in_flight() < self.width.now()
    }

    /// Becomes wider if those in line are a reason to.
    fn line_up(&mut self) {
        if !self.has_room() {
            self.width.line_up(self.line.len());
            if self.has_room() {
                self.wake();
            }
        }
    }

    /// Whether others have made room for the copies.
    fn holds_shares(&self) -> bool {
        self.in_flight() <= self.width.now().max(self.shares + 1)
    }

    fn in_flight(&self) -> usize {
        self.permits + self.shares
    }

    fn is_first(&self, turn: &Arc<Notify>) -> bool {
        self.line.front().is_some_and(|first| Arc::ptr_eq(first, turn))
    }

    /// Wakes whoever may go on now: of the line the first alone, who wakes the next.
    fn wake(&self) {
        self.changed.notify_waiters();
        if let Some(first) = self.line.front() {
            first.notify_one();
        }
    }

    /// Whether it answers as far as is known, or nobody else is finding that out.
    fn may_be_asked(&self) -> bool {
        self.failures == 0
            || self.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= PROBE_INTERVAL)
    }

    /// Counts a request that this lets through, unless there is a pause.
    fn ask_if(&mut self, lets: Lets) -> bool {
        let may = self.pause().is_none() && lets(self);
        if may {
            self.in_this_minute().requests += 1;
            self.asked_at = Some(Instant::now());
        }
        may
    }

    fn in_this_minute(&mut self) -> &mut Self {
        let now = Instant::now();
        if self.minute_began.is_none_or(|began| now.duration_since(began) >= MINUTE) {
            (self.minute_began, self.requests, self.retries) = (Some(now), 0, 0);
        }
        self
    }
}

/// What lets a request through.
type Lets = fn(&Host) -> bool;

/// The right to one request to a host, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    host: &'a str,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.limiter.with(self.host, |host| {
            host.permits -= 1;
            if host.permits == 0 {
                host.asked_at = None;
            }
            host.wake();
        });
    }
}

/// A place in the line for a permit, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    limiter: &'a Limiter,
    host: &'a str,
    turn: Arc<Notify>,
}

impl<'a> Place<'a> {
    /// Waits until [`Place::permit`] may succeed.
    pub(super) async fn ready(&self) {
        loop {
            let look = |host: &mut Host| {
                host.line_up();
                (host.is_first(&self.turn), host.pause(), host.is_free())
            };
            match self.limiter.with(self.host, look) {
                (false, ..) => self.turn.notified().await,
                (true, Some(until), _) => sleep_until(until).await,
                (true, None, false) => drop(timeout(PROBE_INTERVAL, self.turn.notified()).await),
                (true, None, true) => return,
            }
        }
    }

    /// A permit, if the host may be asked now; counts the request.
    pub(super) fn permit(&self) -> Option<Permit<'a>> {
        let is_free = self.limiter.with(self.host, |host| {
            let is_free = host.is_first(&self.turn) && host.ask_if(Host::is_free);
            host.permits += usize::from(is_free);
            is_free
        });
        is_free.then(|| Permit { limiter: self.limiter, host: self.host })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.with(self.host, |host| {
            host.line.retain(|turn| !Arc::ptr_eq(turn, &self.turn));
            host.wake();
        });
    }
}

/// What a copy may have in flight at a host, until it is dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    limiter: &'a Limiter,
    host: &'a str,
    requests: usize,
}

impl Share<'_> {
    /// Waits until others have made room for it: they get no more permits before, and what they
    /// have in flight ends.
    pub(super) async fn free(&self) {
        loop {
            let changed = self.limiter.with(self.host, |host| Arc::clone(&host.changed));
            // Registered before the look, so that no change in between is missed.
            let changed = changed.notified();
            if self.limiter.with(self.host, |host| host.holds_shares()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.limiter.with(self.host, |host| {
            host.shares -= self.requests;
            host.wake();
        });
    }
}

impl Limiter {
    /// `most`: requests in flight to all hosts.
    pub(super) fn new(most: usize) -> Self {
        Self { hosts: Mutex::default(), most }
    }

    /// A place at the end of the line for a permit.
    pub(super) fn stand_in_line<'a>(&'a self, host: &'a str) -> Place<'a> {
        let turn = Arc::new(Notify::new());
        self.with(host, |entry| entry.line.push_back(Arc::clone(&turn)));
        Place { limiter: self, host, turn }
    }

    /// A copy's share of the width, which need not be free yet.
    pub(super) fn share<'a>(&'a self, host: &'a str, requests: usize) -> Share<'a> {
        self.with(host, |entry| entry.shares += requests);
        Share { limiter: self, host, requests }
    }

    /// Waits until the host may be asked, and counts a request that rides on the permit of another.
    pub(super) async fn admit(&self, host: &str) {
        loop {
            let changed = self.with(host, |entry| Arc::clone(&entry.changed));
            // Registered before the look, so that no change in between is missed.
            let changed = changed.notified();
            let look = |entry: &mut Host| (entry.pause(), entry.ask_if(Host::may_be_asked));
            match self.with(host, look) {
                (_, true) => return,
                (Some(until), false) => sleep_until(until).await,
                (None, false) => drop(timeout(PROBE_INTERVAL, changed).await),
            }
        }
    }

    /// Whether the host may make a pause that it asks for where nobody waits for anything: all of
    /// them together are bounded. If so, it is counted.
    pub(super) fn may_pause(&self, host: &str, after: Duration) -> bool {
        let now = Instant::now();
        self.with(host, |entry| {
            let already = entry.pause().unwrap_or(now).duration_since(now);
            let longer = after.saturating_sub(already);
            let may = entry.asked.saturating_add(longer) <= MOST_ASKED;
            if may {
                entry.asked += longer;
            }
            may
        })
    }

    /// Whether something about the host may be told now, at most once in this time.
    pub(super) fn may_tell(&self, host: &str, interval: Duration) -> bool {
        self.with(host, |entry| {
            let now = Instant::now();
            // A little less, so that one who tells at each interval is always let.
            let is_due = entry.told_at.is_none_or(|at| at.elapsed() >= interval.mul_f64(0.9));
            if is_due {
                entry.told_at = Some(now);
            }
            is_due
        })
    }

    /// Pauses the host, which said that it is asked too much. Whether it made no pause before.
    pub(super) fn pause(&self, host: &str, after: Duration) -> bool {
        let until = Instant::now() + after;
        self.with(host, |entry| {
            let is_new = entry.pause().is_none();
            entry.paused_until = Some(entry.paused_until.map_or(until, |old| old.max(until)));
            is_new
        })
    }

    /// Whether a request that began then and failed may be retried. A failure that is not one with
    /// the last is counted. `down`: the host seems to be down, so it is paused for all, jittered by
    /// this random number from 0 to 1.
    pub(super) fn may_retry(&self, host: &str, began: Instant, down: Option<f64>) -> bool {
        self.with(host, |entry| {
            if entry.pause().is_some()
                || entry.failed_at.is_some_and(|failed_at| began <= failed_at)
            {
                return true;
            }
            let now = Instant::now();
            (entry.failed_at, entry.asked_at) = (Some(now), None);
            if let Some(chance) = down {
                entry.failures += 1;
                if entry.failures >= retry::TRIES {
                    return false;
                }
                entry.paused_until = Some(now + retry::pause_of_host(entry.failures, chance));
            }
            let entry = entry.in_this_minute();
            let within = entry.retries < RETRIES_PER_MINUTE + entry.requests / REQUESTS_PER_RETRY;
            entry.retries += u32::from(within);
            within
        })
    }

    /// Notes an answer of the host. A willing one ends the half-open state, unless its request was
    /// under way at the failure. Each may change the width.
    pub(super) fn answered(&self, host: &str, heard: Heard) {
        self.with(host, |entry| {
            entry.answered = true;
            let load = Load {
                under_way: entry.in_flight(),
                in_line: entry.line.len(),
                is_down: entry.failures > 0,
            };
            entry.width.hear(heard, load);
            // An answer that was on its way when the host went down says nothing of it.
            let is_news = entry.failed_at.is_none_or(|failed_at| heard.began > failed_at);
            if heard.is_willing() && is_news {
                entry.failures = 0;
            }
            entry.wake();
        });
    }

    /// Requests that may be under way to a host soon, if that was not told.
    pub(super) fn soon(&self, host: &str) -> Option<usize> {
        self.with(host, |entry| entry.width.soon())
    }

    /// Whether the host ever answered.
    pub(super) fn has_answered(&self, host: &str) -> bool {
        self.lock().get(host).is_some_and(|entry| entry.answered)
    }

    fn with<T>(&self, host: &str, act: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.lock();
        // No name is copied for a host that is known.
        if let Some(entry) = hosts.get_mut(host) {
            return act(entry);
        }
        act(hosts.entry(host.to_owned()).or_insert_with(|| Host::new(self.most)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const HOST: &str = "r.example";

    async fn permit<'a>(limiter: &'a Limiter, host: &'a str) -> Permit<'a> {
        let place = limiter.stand_in_line(host);
        loop {
            place.ready().await;
            if let Some(permit) = place.permit() {
                return permit;
            }
        }
    }

    fn hear(limiter: &Limiter, began: Instant, status: u16) {
        limiter.answered(HOST, Heard { status, began, took: None });
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_shared_by_all_who_ask_the_host() {
        let limiter = Limiter::new(32);
        let start = Instant::now();
        limiter.pause(HOST, Duration::from_secs(2));
        limiter.pause(HOST, Duration::from_secs(1));
        drop(permit(&limiter, "other.example").await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::join!(async { drop(permit(&limiter, HOST).await) }, async {
            drop(permit(&limiter, HOST).await);
        });
        assert!(start.elapsed() >= Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_that_are_asked_for_are_bounded_in_all() {
        let limiter = Limiter::new(32);
        let seconds = Duration::from_secs;
        for (asked, may) in [(100, true), (100, true), (150, true), (151, true), (302, false)] {
            // Those who are told together share a pause; only what is added to it counts.
            assert_eq!(limiter.may_pause(HOST, seconds(asked)), may, "{asked}");
            if may {
                limiter.pause(HOST, seconds(asked));
            }
        }
        tokio::time::advance(seconds(151)).await;
        assert!(limiter.may_pause(HOST, seconds(149)), "300 in all");
        assert!(!limiter.may_pause(HOST, seconds(1)));
        assert!(limiter.may_pause("other.example", seconds(300)));
        assert!(limiter.pause(HOST, seconds(1)) && !limiter.pause(HOST, seconds(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_bounded_by_the_minute() {
        let limiter = Limiter::new(32);
        let granted = async || {
            let mut granted = 0;
            for _ in 0..50 {
                tokio::time::advance(Duration::from_millis(1)).await;
                granted += usize::from(limiter.may_retry(HOST, Instant::now(), None));
            }
            granted
        };
        assert_eq!((granted().await, granted().await), (10, 0));
        for _ in 0..10 {
            drop(permit(&limiter, HOST).await);
        }
        assert_eq!(granted().await, 2, "one for every five requests");
        tokio::time::advance(MINUTE).await;
        assert_eq!(granted().await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_together_fails_once_and_one_asks_for_all_until_there_is_an_answer()
    {
        let limiter = Limiter::new(32);
        let began = Instant::now();
        let permits: Vec<Permit<'_>> =
            futures_util::future::join_all((0..16).map(|_| permit(&limiter, HOST))).await;
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!((0..16).all(|_| limiter.may_retry(HOST, began, Some(1.0))));
        assert_eq!(limiter.with(HOST, |host| (host.failures, host.retries)), (1, 1));
        assert!(limiter.stand_in_line(HOST).permit().is_none(), "nor may who stood in line");
        drop(permits);
        assert!(permit(&limiter, HOST).now_or_never().is_none(), "a pause for all");
        tokio::time::advance(Duration::from_millis(500)).await;
        let probe = permit(&limiter, HOST).now_or_never().expect("one may ask");
        assert!(permit(&limiter, HOST).now_or_never().is_none(), "and no other");
        let start = Instant::now();
        drop(tokio::join!(permit(&limiter, HOST), permit(&limiter, HOST)));
        assert_eq!(start.elapsed(), 2 * PROBE_INTERVAL, "one after the other, and not for ever");
        hear(&limiter, began, 200);
        assert!(permit(&limiter, HOST).now_or_never().is_none(), "an answer from before");
        let next = permit(&limiter, HOST);
        hear(&limiter, Instant::now(), 200);
        assert!(next.now_or_never().is_some(), "all may ask again");
        drop(probe);
        for failure in 1..=retry::TRIES {
            tokio::time::advance(MINUTE).await;
            assert_eq!(
                limiter.may_retry(HOST, Instant::now(), Some(0.0)),
                failure < retry::TRIES,
                "{failure} in a row"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_is_asked_too_much_is_asked_half_as_much_at_once_and_slowly_more_again() {
        let limiter = Limiter::new(32);
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(permit(&limiter, HOST).await);
        }
        for _ in 0..3 {
            hear(&limiter, Instant::now(), 429);
            limiter.pause(HOST, Duration::from_secs(1));
        }
        permits.clear();
        tokio::time::advance(Duration::from_secs(1)).await;
        while let Some(permit) = permit(&limiter, HOST).now_or_never() {
            permits.push(permit);
        }
        assert_eq!(permits.len(), 4, "three were told at once, which counts once");
        let mut line: Vec<_> = (0..6).map(|_| permit(&limiter, HOST).boxed_local()).collect();
        assert!(line.iter_mut().all(|next| next.now_or_never().is_none()));
        permits.pop();
        permits.push(line.remove(0).await);
        (0..4).for_each(|_| hear(&limiter, Instant::now(), 200));
        permits.push(line.remove(0).await);
        assert!(line.remove(0).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_first_goes_first_and_who_gives_up_is_no_hindrance() {
        let limiter = Limiter::new(1);
        let held = permit(&limiter, HOST).await;
        let mut line: Vec<_> = (0..4).map(|_| permit(&limiter, HOST).boxed_local()).collect();
        assert!(line.iter_mut().all(|next| next.now_or_never().is_none()));
        drop(held);
        assert!(line.iter_mut().skip(1).all(|next| next.now_or_never().is_none()), "no overtaking");
        // The first has had its turn and does not take it.
        drop(line.remove(0));
        drop(line.remove(1));
        drop(line.remove(0).await);
        drop(line.remove(0).await);
        assert!(limiter.with(HOST, |host| host.line.is_empty() && host.permits == 0));
    }

    #[tokio::test(start_paused = true)]
    async fn copies_have_their_share_as_soon_as_others_made_room_and_leave_one_permit() {
        let limiter = Limiter::new(32);
        let mut permits = Vec::new();
        while let Some(permit) = permit(&limiter, HOST).now_or_never() {
            permits.push(permit);
        }
        assert_eq!(permits.len(), 16);
        let copies: Vec<_> = (0..6).map(|_| limiter.share(HOST, 2)).collect();
        let mut next = permit(&limiter, HOST).boxed_local();
        while permits.len() > 4 {
            assert!(copies[5].free().now_or_never().is_none(), "{} in flight", permits.len() + 12);
            permits.pop();
            assert!((&mut next).now_or_never().is_none());
        }
        copies[5].free().await;
        permits.pop();
        permits.push(next.await);
        hear(&limiter, Instant::now(), 429);
        assert_eq!(limiter.with(HOST, |host| host.width.now()), 8);
        permits.clear();
        let one = permit(&limiter, HOST).await;
        assert!(permit(&limiter, HOST).now_or_never().is_none());
        copies[0].free().await;
        drop((one, copies));
        let all: Vec<_> = std::iter::from_fn(|| permit(&limiter, HOST).now_or_never()).collect();
        assert_eq!(all.len(), 8);
    }

    /// An outage ends what it may and no more, whatever the chances: it is one incident for all that
    /// is under way, copies too, whose requests need no permit.
    #[tokio::test(start_paused = true)]
    async fn an_outage_counts_once_for_all_copies_under_way() {
        for (seconds, survives) in [(0.2, true), (3.0, true), (6.0, true), (40.0, false)] {
            for seed in 0..40 {
                let (limiter, chances) =
                    (Limiter::new(32), Mutex::new(fastrand::Rng::with_seed(seed)));
                let chance = || chances.lock().unwrap().f64();
                let up_at = Instant::now() + Duration::from_secs_f64(seconds);
                let copy = async |delay: u64| {
                    for tries in 1..=retry::TRIES {
                        limiter.admit(HOST).await;
                        let began = Instant::now();
                        tokio::time::sleep(Duration::from_millis(delay)).await;
                        if Instant::now() >= up_at {
                            hear(&limiter, began, 200);
                            return true;
                        }
                        if !limiter.may_retry(HOST, began, Some(chance())) {
                            return false;
                        }
                        tokio::time::sleep(retry::pause(tries, chance())).await;
                    }
                    false
                };
                let ended = tokio::join!(copy(3), copy(20), copy(45), copy(7), copy(90), copy(1));
                let case = format!("{seconds} s, seed {seed}");
                let expected = (survives, survives, survives, survives, survives, survives);
                assert_eq!(ended, expected, "{case}");
                let asked = limiter.with(HOST, |host| host.requests);
                assert!(asked <= 6 + 6 + 6, "{case}: {asked} requests");
            }
        }
    }
}
