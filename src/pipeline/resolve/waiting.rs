//! The wait for one source: when to check it again. Pure.

use super::state::NotYet;
use crate::backoff::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// How long "denied" may still mean "not there yet": some registries answer so before the first
/// push.
const DENIED_GRACE: Duration = Duration::from_secs(60);

/// What follows after a check that did not find the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another check, at this time.
    Again(Instant),
    /// The same check once more.
    AtOnce,
    /// The wait is over.
    Enough,
    /// The wait is over, because a denial lasts.
    Denied,
}

/// How far the wait for one source is.
#[derive(Debug)]
pub(super) struct Waiting {
    deadline: Instant,
    backoff: Backoff,
    denied_since: Option<Instant>,
    /// Whether the last check counts even where it does not tell if the source is there.
    is_sure: bool,
}

impl Waiting {
    /// Until the deadline. `must_know`: whether the source may be left out, so that the last check
    /// has to tell whether it is there.
    pub(super) fn new(deadline: Instant, longest_pause: Duration, must_know: bool) -> Self {
        let backoff = Backoff::new(longest_pause);
        Self { deadline, backoff, denied_since: None, is_sure: !must_know }
    }

    /// What follows after a check that ended so at this time. `is_over`: whether it was known before
    /// it that waiting makes no sense any more; `chance`: a random number from 0 to 1.
    pub(super) fn after(&mut self, why: &NotYet, is_over: bool, now: Instant, chance: f64) -> Next {
        let is_denied = matches!(why, NotYet::Denied(_));
        let is_last = now >= self.deadline || (is_over && (why.is_known() || is_denied));
        let again = if is_denied {
            let since = *self.denied_since.get_or_insert(now);
            if is_last || now.duration_since(since) >= DENIED_GRACE {
                return Next::Denied;
            }
            self.deadline.min(since + DENIED_GRACE)
        } else {
            self.denied_since = None;
            self.deadline
        };
        if is_last && !self.is_sure && !why.is_known() {
            // It may have been cut off by the end of the wait alone.
            self.is_sure = true;
            return Next::AtOnce;
        }
        if is_last {
            Next::Enough
        } else {
            Next::Again((now + self.backoff.next(chance)).min(again))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Error, Kind};

    fn denied() -> NotYet {
        NotYet::Denied(Box::new(Error {
            kind: Kind::Denied,
            host: "r.example".into(),
            request: None,
            elsewhere: None,
            status: Some(403),
            said: None,
            tries: 1,
            spent: false,
            login: None,
            withheld: None,
            helper: None,
        }))
    }

    /// The seconds after the start at which checks end, each with what it found; what follows the
    /// last of them, in seconds after the start.
    fn follow(wait: u64, must_know: bool, checks: &[(u64, &NotYet, bool)]) -> String {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let mut waiting = Waiting::new(start + seconds(wait), seconds(10), must_know);
        let mut next = Next::Enough;
        for (at, why, is_over) in checks {
            next = waiting.after(why, *is_over, start + seconds(*at), 0.0);
        }
        match next {
            Next::Again(at) => format!("again at {}", (at - start).as_secs()),
            Next::AtOnce => "at once".to_owned(),
            Next::Enough => "enough".to_owned(),
            Next::Denied => "denied".to_owned(),
        }
    }

    #[test]
    fn by_table() {
        let silent = &NotYet::Silent("r.example".to_owned());
        let (missing, denied) = (&NotYet::Missing, &denied());
        for (case, wait, must_know, checks, expected) in [
            ("the first pause", 600, false, &[(0, missing, false)][..], "again at 1"),
            ("pauses grow", 600, false, &[(0, missing, false), (1, missing, false)], "again at 3"),
            (
                "never past the end",
                5,
                false,
                &[(0, missing, false), (4, missing, false)],
                "again at 5",
            ),
            ("the end", 5, false, &[(5, missing, false)], "enough"),
            ("nothing to wait for any more", 600, false, &[(5, missing, true)], "enough"),
            ("over, and nobody knows", 600, false, &[(5, silent, true)], "again at 6"),
            ("the end, and nobody knows", 5, false, &[(5, silent, false)], "enough"),
            ("the same where it must be known", 5, true, &[(5, silent, false)], "at once"),
            ("once", 5, true, &[(5, silent, false), (6, silent, false)], "enough"),
            ("known after all", 5, true, &[(5, silent, false), (6, missing, false)], "enough"),
            (
                "a denial may pass",
                600,
                false,
                &[(0, denied, false), (59, denied, false)],
                "again at 60",
            ),
            ("a denial lasts", 600, false, &[(0, denied, false), (60, denied, false)], "denied"),
            ("a denial at the end", 5, false, &[(5, denied, false)], "denied"),
            ("a denial when all is over", 600, false, &[(5, denied, true)], "denied"),
            (
                "a denial that passed is forgotten",
                600,
                false,
                &[(0, denied, false), (50, missing, false), (70, denied, false)],
                "again at 74",
            ),
        ] {
            assert_eq!(follow(wait, must_know, checks), expected, "{case}");
        }
    }
}
