//! Pauses between two looks at one thing: short at first, growing, jittered so that many waiters
//! spread out.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
/// A pause is this part shorter at most; never longer, because `wait-interval` is a promise.
const JITTER: f64 = 0.1;

/// The pauses of one waiter.
#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// From a second to `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        Self::between(FIRST, longest)
    }

    /// From `first` to `longest`, each twice the one before.
    pub(crate) fn between(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest }
    }

    /// The next pause; `chance` is a random number from 0 to 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause.mul_f64(1.0 - JITTER * chance)
    }

    /// The next pause, unless it would last longer than what remains of somebody's patience.
    pub(crate) fn next_within(&mut self, remaining: Duration, chance: f64) -> Option<Duration> {
        (self.next <= remaining).then(|| self.next(chance))
    }

    /// Lets them grow longer.
    pub(crate) fn grow_to(&mut self, longest: Duration) {
        self.longest = self.longest.max(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grow_to_the_longest_and_never_beyond() {
        let mut pauses = Pauses::new(Duration::from_secs(10));
        let seconds: Vec<f64> = (0..6).map(|_| pauses.next(0.0).as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        let mut short = Pauses::new(Duration::from_millis(300));
        assert_eq!(
            (short.next(0.0), short.next(1.0)),
            (Duration::from_millis(300), Duration::from_millis(270))
        );
        // Ten minutes cost at most 70 looks, on average of the jitter.
        let mut pauses = Pauses::new(Duration::from_secs(10));
        let (mut time, mut looks) = (Duration::ZERO, 0);
        while time < Duration::from_secs(600) {
            time += pauses.next(0.5);
            looks += 1;
        }
        assert!(looks <= 70, "{looks}");
        let mut longer = Pauses::new(Duration::from_secs(2));
        longer.grow_to(Duration::from_secs(4));
        assert_eq!((0..4).map(|_| longer.next(0.0).as_secs()).collect::<Vec<_>>(), [1, 2, 4, 4]);
        assert_eq!(longer.next_within(Duration::from_secs(3), 1.0), None);
        assert_eq!(longer.next_within(Duration::from_secs(4), 0.0), Some(Duration::from_secs(4)));
    }
}
