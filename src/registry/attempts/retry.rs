//! Retry decision: whether a request is tried again, and when. Pure; nothing here waits.
//!
//! Source: RFC 9110 sections 10.2.3 (`Retry-After`) and 15.

use crate::backoff::Backoff;
use crate::registry::http::{Broken, may_pass, parse_retry_after};
use std::time::{Duration, SystemTime};

/// Tries of one request.
pub(crate) const TRIES: u32 = 6;
/// Tries when the host name does not exist, and when the bytes were not those of the digest.
const TRIES_UNKNOWN_HOST: u32 = 3;
const TRIES_ALTERED: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A longer `Retry-After` is not waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// End of a try, as far as a retry depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    /// Status and `Retry-After`.
    Status(u16, Option<&'a str>),
    Broken(&'a Broken),
    /// An answer whose bytes have another digest.
    Altered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    GiveUp,
    /// Seconds of a pause that the server asks for and that is too long.
    TooLongToWait(u64),
    Again {
        after: Duration,
        /// Whether the pause is for the whole host: it said that it is asked too much.
        whole_host: bool,
        /// Whether the host itself named the pause.
        asked_for: bool,
    },
}

/// Decides after the `tries`-th try (the first is 1); `chance` is a random number from 0 to 1,
/// `now` the wall clock that a date in `Retry-After` is compared with, `remaining` the time until
/// the caller's deadline.
pub(super) fn decide(
    tries: u32,
    outcome: Outcome<'_>,
    chance: f64,
    now: SystemTime,
    remaining: Option<Duration>,
) -> Decision {
    let (limit, whole_host, asked) = match outcome {
        Outcome::Status(status @ (429 | 503), retry_after) => {
            (TRIES, status == 429, retry_after.and_then(|value| parse_retry_after(value, now)))
        }
        Outcome::Status(status, _) if may_pass(status) => (TRIES, false, None),
        Outcome::Status(..) => (0, false, None),
        Outcome::Broken(Broken::UnknownHost) => (TRIES_UNKNOWN_HOST, false, None),
        Outcome::Broken(broken) if broken.may_pass() => (TRIES, false, None),
        Outcome::Broken(_) => (0, false, None),
        Outcome::Altered => (TRIES_ALTERED, false, None),
    };
    if tries >= limit {
        return Decision::GiveUp;
    }
    if let Some(after) = asked {
        let too_long =
            after > LONGEST_RETRY_AFTER || remaining.is_some_and(|remaining| after > remaining);
        return if too_long {
            Decision::TooLongToWait(after.as_secs())
        } else {
            Decision::Again { after, whole_host: true, asked_for: !after.is_zero() }
        };
    }
    if remaining.is_some_and(|remaining| remaining.is_zero()) {
        return Decision::GiveUp;
    }
    let after = pause(tries, chance);
    // A pause that would outlast the caller ends with one last try.
    Decision::Again {
        after: remaining.map_or(after, |remaining| after.min(remaining)),
        whole_host,
        asked_for: false,
    }
}

/// Pause after so many failures, with full jitter.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    pause_between(0.0, failures, chance)
}

/// Pause of a whole host after so many failures in a row. At least half of it is certain, so that by
/// no chance a host is given up before it could have restarted.
pub(super) fn pause_of_host(failures: u32, chance: f64) -> Duration {
    pause_between(0.5, failures, chance)
}

fn pause_between(shortest: f64, failures: u32, chance: f64) -> Duration {
    let backoff = Backoff::between(FIRST_PAUSE, LONGEST_PAUSE).jittered(shortest, 1.0);
    backoff.skip(failures.saturating_sub(1)).next(chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::error::Kind;
    use crate::registry::http::{ProxyError, ProxyTrouble, TlsError, TlsTrouble};

    #[test]
    fn what_is_tried_again_ends_as_trouble_of_the_registry() {
        for status in 200..600 {
            let again = decide(1, Outcome::Status(status, None), 0.5, SystemTime::UNIX_EPOCH, None)
                != Decision::GiveUp;
            let kind = Kind::of_status(status);
            let is_trouble = matches!(kind, Kind::Server | Kind::Throttled { .. });
            assert_eq!(is_trouble, again || status > 500, "{status}: {kind:?}");
        }
    }

    fn again(seconds: f64, whole_host: bool) -> Decision {
        Decision::Again { after: Duration::from_secs_f64(seconds), whole_host, asked_for: false }
    }

    fn asked(seconds: u64) -> Decision {
        Decision::Again { after: Duration::from_secs(seconds), whole_host: true, asked_for: true }
    }

    #[test]
    fn decides_by_table() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let refused = Broken::Connection("refused".into());
        let host = || "r.example".to_owned();
        let tls = Broken::Tls(TlsError { host: host(), trouble: TlsTrouble::UnknownIssuer });
        let proxy = |trouble: ProxyTrouble| {
            let (proxy, variable) = ("p.example".to_owned(), "HTTPS_PROXY");
            Broken::Proxy(Box::new(ProxyError { proxy, variable, host: host(), trouble }))
        };
        let (no_login, refused_by_proxy) =
            (proxy(ProxyTrouble::Login), proxy(ProxyTrouble::Refused));
        for (tries, outcome, remaining, expected) in [
            (1, Outcome::Status(503, None), None, again(0.5, false)),
            (3, Outcome::Status(502, None), None, again(2.0, false)),
            (5, Outcome::Status(500, None), None, again(8.0, false)),
            (6, Outcome::Status(500, None), None, Decision::GiveUp),
            (1, Outcome::Status(429, None), None, again(0.5, true)),
            (1, Outcome::Status(429, Some("2")), None, asked(2)),
            (1, Outcome::Status(503, Some("Sun, 06 Nov 1994 08:49:47 GMT")), None, asked(10)),
            (
                1,
                Outcome::Status(503, Some("Sun, 06 Nov 1994 08:00:00 GMT")),
                None,
                again(0.0, true),
            ),
            (1, Outcome::Status(429, Some("soon")), None, again(0.5, true)),
            (1, Outcome::Status(429, Some("99999")), None, Decision::TooLongToWait(99999)),
            (
                1,
                Outcome::Status(429, Some("30")),
                Some(Duration::from_secs(20)),
                Decision::TooLongToWait(30),
            ),
            (1, Outcome::Status(500, Some("9")), None, again(0.5, false)),
            (3, Outcome::Status(500, None), Some(Duration::from_secs(1)), again(1.0, false)),
            (3, Outcome::Status(500, None), Some(Duration::ZERO), Decision::GiveUp),
            (1, Outcome::Status(404, None), None, Decision::GiveUp),
            (1, Outcome::Status(403, None), None, Decision::GiveUp),
            (1, Outcome::Status(200, None), None, Decision::GiveUp),
            (1, Outcome::Broken(&refused), None, again(0.5, false)),
            (1, Outcome::Broken(&Broken::Cut("eof".into())), None, again(0.5, false)),
            (1, Outcome::Broken(&tls), None, Decision::GiveUp),
            (1, Outcome::Broken(&no_login), None, Decision::GiveUp),
            (1, Outcome::Broken(&refused_by_proxy), None, again(0.5, false)),
            (2, Outcome::Broken(&Broken::UnknownHost), None, again(1.0, false)),
            (3, Outcome::Broken(&Broken::UnknownHost), None, Decision::GiveUp),
            (1, Outcome::Altered, None, again(0.5, false)),
            (2, Outcome::Altered, None, Decision::GiveUp),
        ] {
            assert_eq!(
                decide(tries, outcome, 1.0, now, remaining),
                expected,
                "{tries} {outcome:?}"
            );
        }
        assert_eq!(decide(4, Outcome::Status(500, None), 0.0, now, None), again(0.0, false));
    }

    #[test]
    fn a_host_is_not_given_up_before_it_could_have_restarted() {
        let patience = |chance| (1..TRIES).map(|failures| pause_of_host(failures, chance)).sum();
        let shortest: Duration = patience(0.0);
        let longest: Duration = patience(1.0);
        assert_eq!((shortest.as_secs_f64(), longest.as_secs_f64()), (7.75, 15.5));
    }
}
