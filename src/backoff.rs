//! Back-off with jitter: pauses that double from a first to a longest one, each varied by a random
//! number so that many waiters spread out. Pure: the random number is passed in.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// Without a jitter of its own, a pause is this part shorter at most; never longer, because
/// `wait-interval` is a promise.
const SHORTEST: f64 = 0.9;

/// The pauses of one waiter.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    /// The factors of a pause that the random numbers 0 and 1 stand for.
    jitter: (f64, f64),
}

impl Backoff {
    /// From a second to `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        Self::between(FIRST, longest)
    }

    /// From `first` to `longest`, each pause twice the one before.
    pub(crate) fn between(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest, jitter: (1.0, SHORTEST) }
    }

    /// A pause becomes `from` times as long at a random number of 0 and `to` times at 1: (0, 1) is
    /// full jitter, (1, 2) makes every pause longer.
    pub(crate) fn jittered(self, from: f64, to: f64) -> Self {
        Self { jitter: (from, to), ..self }
    }

    /// As it is after so many pauses.
    pub(crate) fn skip(self, pauses: u32) -> Self {
        let next = self.next.saturating_mul(2_u32.saturating_pow(pauses)).min(self.longest);
        Self { next, ..self }
    }

    /// The next pause; `chance` is a random number from 0 to 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        let (from, to) = self.jitter;
        pause.mul_f64(from + (to - from) * chance.clamp(0.0, 1.0))
    }

    /// The next pause, unless it would last longer than what remains of the caller's patience.
    pub(crate) fn next_within(&mut self, remaining: Duration, chance: f64) -> Option<Duration> {
        (self.next <= remaining).then(|| self.next(chance))
    }

    /// Lets pauses grow to `longest`, if that is longer than before.
    pub(crate) fn grow_to(&mut self, longest: Duration) {
        self.longest = self.longest.max(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_by_table() {
        let between = |first, longest| {
            Backoff::between(Duration::from_millis(first), Duration::from_millis(longest))
        };
        let full = || between(500, 30_000).jittered(0.0, 1.0);
        let longer = || between(500, 8_000).jittered(1.0, 2.0);
        for (name, backoff, chance, expected) in [
            ("doubles", Backoff::new(Duration::from_secs(10)), 0.0, [1000, 2000, 4000, 8000]),
            ("stops at the longest", between(250, 1000), 0.0, [250, 500, 1000, 1000]),
            ("starts with the longest", between(1000, 300), 0.0, [300, 300, 300, 300]),
            ("a tenth shorter", between(1000, 10_000), 1.0, [900, 1800, 3600, 7200]),
            ("full jitter, least", full(), 0.0, [0, 0, 0, 0]),
            ("full jitter, half", full(), 0.5, [250, 500, 1000, 2000]),
            ("full jitter, most", full(), 1.0, [500, 1000, 2000, 4000]),
            ("full jitter, skipped", full().skip(5), 1.0, [16_000, 30_000, 30_000, 30_000]),
            ("skipped without end", full().skip(u32::MAX), 1.0, [30_000; 4]),
            ("longer, least", longer(), 0.0, [500, 1000, 2000, 4000]),
            ("longer, most", longer().skip(3), 1.0, [8000, 16_000, 16_000, 16_000]),
            ("a number out of range", between(1000, 8000), 7.0, [900, 1800, 3600, 7200]),
        ] {
            let mut next = backoff;
            let pauses = expected.map(|_| next.next(chance).as_micros().div_ceil(1000));
            assert_eq!(pauses, expected, "{name}");
        }
    }

    #[test]
    fn grow_to_the_longest_and_never_beyond() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let seconds: Vec<f64> = (0..6).map(|_| backoff.next(0.0).as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        let mut short = Backoff::new(Duration::from_millis(300));
        assert_eq!(
            (short.next(0.0), short.next(1.0)),
            (Duration::from_millis(300), Duration::from_millis(270))
        );
        let mut longer = Backoff::new(Duration::from_secs(2));
        longer.grow_to(Duration::from_secs(4));
        assert_eq!((0..4).map(|_| longer.next(0.0).as_secs()).collect::<Vec<_>>(), [1, 2, 4, 4]);
        assert_eq!(longer.next_within(Duration::from_secs(3), 1.0), None);
        assert_eq!(longer.next_within(Duration::from_secs(4), 0.0), Some(Duration::from_secs(4)));
    }

    #[test]
    fn ten_minutes_cost_at_most_seventy_looks_on_average_of_the_jitter() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let (mut time, mut looks) = (Duration::ZERO, 0);
        while time < Duration::from_secs(600) {
            time += backoff.next(0.5);
            looks += 1;
        }
        assert!(looks <= 70, "{looks}");
    }
}
