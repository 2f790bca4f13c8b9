//! Headers of a CI system's API: rate limits.

use crate::registry::http::{Answer, parse_retry_after};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where neither says how long to stay away (GitHub's advice for its secondary limits).
const USUAL: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// How long to stay away when the API says that it is asked too much; `None`: it says something
/// else.
pub(super) fn asked_too_much(answer: &Answer, now: SystemTime) -> Option<Duration> {
    let after = parse_retry_after(answer.header("retry-after"), now);
    // Of its secondary limits GitHub may tell in words only.
    let used_up = remaining(answer) == Some(0)
        || String::from_utf8_lossy(&answer.body).to_lowercase().contains("rate limit");
    match answer.status {
        429 => {}
        403 if after.is_some() || used_up => {}
        _ => return None,
    }
    let pause = after.or_else(|| until_reset(answer, now)).unwrap_or(USUAL);
    Some(pause.clamp(Duration::from_secs(1), LONGEST))
}

/// The pause after which what is left of the allowance lasts until there is a new one.
pub(super) fn gentle(answer: &Answer, now: SystemTime) -> Option<Duration> {
    let (left, reset) = (remaining(answer)?, until_reset(answer, now)?);
    Some((reset / left.max(1)).min(LONGEST))
}

/// GitHub's name for it, and GitLab's.
fn either<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.header(&format!("x-{name}"));
    if value.is_empty() { answer.header(name) } else { value }
}

fn remaining(answer: &Answer) -> Option<u32> {
    either(answer, "ratelimit-remaining").parse().ok()
}

fn until_reset(answer: &Answer, now: SystemTime) -> Option<Duration> {
    let seconds: u64 = either(answer, "ratelimit-reset").parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, mixed};
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn pauses_by_table() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let answer = |status: u16, headers: &[(&str, &str)]| {
            let pairs = headers
                .iter()
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
            let (headers, body) = (pairs.collect::<HeaderMap>(), bytes::Bytes::new());
            let from = "https://api.example".parse().unwrap();
            Answer::new(status, headers, body, from)
        };
        let seconds = |pause: Option<Duration>| pause.map(|pause| pause.as_secs());
        for (status, headers, expected) in [
            (429, &[][..], Some(60)),
            (429, &[("retry-after", "7")], Some(7)),
            (429, &[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], Some(10)),
            (429, &[("retry-after", "99999")], Some(3600)),
            (429, &[("retry-after", "0")], Some(1)),
            (403, &[("retry-after", "7")], Some(7)),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "784111807")], Some(30)),
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], Some(60)),
            (429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "784111807")], Some(30)),
            (403, &[("x-ratelimit-remaining", "12")], None),
            (403, &[], None),
            (404, &[("retry-after", "7")], None),
        ] {
            assert_eq!(
                seconds(asked_too_much(&answer(status, headers), now)),
                expected,
                "{status} {headers:?}"
            );
        }
        let words = |text: &'static str| Answer { body: text.into(), ..answer(403, &[]) };
        let secondary = words(
            r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}"#,
        );
        assert_eq!(seconds(asked_too_much(&secondary, now)), Some(60));
        assert_eq!(
            asked_too_much(&words(r#"{"message":"Resource not accessible by integration"}"#), now),
            None
        );
        for (left, reset, expected) in
            [("60", "784115377", Some(60)), ("0", "784111787", Some(10)), ("x", "784111787", None)]
        {
            let headers = [("x-ratelimit-remaining", left), ("x-ratelimit-reset", reset)];
            assert_eq!(seconds(gentle(&answer(200, &headers), now)), expected, "{left} {reset}");
        }
    }

    #[test]
    fn survives_any_pause() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let pieces = [
            "0",
            "1",
            "9",
            "784111807",
            "18446744073709551615",
            "-",
            ".",
            " ",
            "rate limit",
            "é",
            "\"",
        ];
        let names = [
            "retry-after",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "ratelimit-remaining",
            "ratelimit-reset",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let mut headers = HeaderMap::new();
            for name in names {
                let value = HeaderValue::from_str(&mixed(&mut random, &pieces, 3));
                headers.extend(value.ok().map(|value| (HeaderName::from_static(name), value)));
            }
            let body = mixed(&mut random, &pieces, 3).into_bytes().into();
            let from = "https://api.example".parse().unwrap();
            let answer = Answer::new(*chosen(&mut random, &[200, 403, 429]), headers, body, from);
            assert!(asked_too_much(&answer, now) <= Some(LONGEST), "{answer:?}");
            assert!(gentle(&answer, now) <= Some(LONGEST), "{answer:?}");
        }
    }
}
