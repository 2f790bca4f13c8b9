//! How hard a host is asked: pauses that it asked for, shared by all tasks, and a budget of repetitions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Repetitions that every host is granted, beside one for every five requests: enough for a bad minute, too few for
/// a storm.
const GRANTED: u32 = 10;
const REQUESTS_PER_REPETITION: u32 = 5;

/// The pace of every host that was asked.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<String, Host>>);

#[derive(Debug, Default, Clone, Copy)]
struct Host {
    requests: u32,
    repetitions: u32,
    paused_until: Option<Instant>,
    answered: bool,
}

impl Pace {
    /// Counts a request and waits until the host may be asked.
    pub(super) async fn turn(&self, host: &str) {
        let until = {
            let mut hosts = self.lock();
            let entry = hosts.entry(host.to_owned()).or_default();
            entry.requests += 1;
            entry.paused_until
        };
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Lets nobody ask the host before `until`.
    pub(super) fn pause(&self, host: &str, until: Instant) {
        let mut hosts = self.lock();
        let entry = hosts.entry(host.to_owned()).or_default();
        entry.paused_until = Some(entry.paused_until.map_or(until, |old| old.max(until)));
    }

    /// Whether one more repetition is within the budget; counts it if so.
    pub(super) fn may_repeat(&self, host: &str) -> bool {
        let mut hosts = self.lock();
        let entry = hosts.entry(host.to_owned()).or_default();
        let granted = GRANTED + entry.requests / REQUESTS_PER_REPETITION;
        let within = entry.repetitions < granted;
        entry.repetitions += u32::from(within);
        within
    }

    /// Notes that the host answered something.
    pub(super) fn answered(&self, host: &str) {
        self.lock().entry(host.to_owned()).or_default().answered = true;
    }

    /// Whether the host ever answered.
    pub(super) fn has_answered(&self, host: &str) -> bool {
        self.lock().get(host).is_some_and(|entry| entry.answered)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_shared_and_repetitions_are_bounded() {
        let pace = Pace::default();
        let start = Instant::now();
        pace.pause("r.example", start + Duration::from_secs(2));
        pace.pause("r.example", start + Duration::from_secs(1));
        pace.turn("other.example").await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::join!(pace.turn("r.example"), pace.turn("r.example"));
        assert!(start.elapsed() >= Duration::from_secs(2));
        assert_eq!((0..50).filter(|_| pace.may_repeat("r.example")).count(), 10);
    }
}
