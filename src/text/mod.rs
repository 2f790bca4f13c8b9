//! Text for people and for the systems that show it: escaped, counted, shortened, wrapped.

pub(crate) mod escape;
pub(crate) mod style;

use bytesize::ByteSize;
use std::time::{Duration, SystemTime};

/// How often a state that does not change is reported.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// Its words, with one space between them and no line break.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `1234 bytes`, `3.2 MB`: exact if short, because people compare sizes.
pub(crate) fn exact(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{bytes} bytes") } else { size(bytes) }
}

/// `3.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}

/// Foreign text, cut to fit a line.
pub(crate) fn brief(text: &str) -> String {
    const LONGEST: usize = 64;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        text.chars().take(LONGEST).chain(['…']).collect()
    }
}

/// A name cut in its middle to so many columns: its end, where the architecture is, tells it from
/// others.
pub(crate) fn shortened(name: &str, columns: usize) -> String {
    let long = name.chars().count();
    if long <= columns {
        return name.to_owned();
    }
    let kept = columns.saturating_sub(1);
    // The end tells more than the start, which is often the same for all.
    let start = kept / 3;
    let cut = name.chars().take(start).chain(['…']).chain(name.chars().skip(long + start - kept));
    cut.take(columns).collect()
}

/// `1 image`, `2 images`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `0.4 s`, `42 s`, `3m 20s`.
pub(crate) fn duration(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (duration + Duration::from_millis(500)).as_secs();
    if seconds < 60 {
        format!("{seconds} s")
    } else {
        humantime::format_duration(Duration::from_secs(seconds)).to_string()
    }
}

/// `3 days ago`; nothing for the future, nor for the dates of long ago that reproducible builds have.
pub(crate) fn ago(then: SystemTime, now: SystemTime) -> Option<String> {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const MONTH: u64 = 30 * DAY;
    const YEAR: u64 = 365 * DAY;
    let seconds = now.duration_since(then).ok()?.as_secs();
    let (unit, noun) = match seconds {
        0..MINUTE => return Some("less than a minute ago".to_owned()),
        MINUTE..HOUR => (MINUTE, "minute"),
        HOUR..DAY => (HOUR, "hour"),
        DAY..MONTH => (DAY, "day"),
        MONTH..YEAR => (MONTH, "month"),
        _ if seconds < 30 * YEAR => (YEAR, "year"),
        _ => return None,
    };
    let number = usize::try_from(seconds / unit).ok()?;
    Some(format!("{} ago", count(number, noun)))
}

/// The first few of many names.
pub(crate) fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN {
        format!(" and {} more", names.len() - SHOWN)
    } else {
        String::new()
    };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

pub(crate) fn gauge(done: usize, all: usize, width: usize) -> String {
    let full = (done * width / all.max(1)).min(width);
    format!("[{}{}]", "=".repeat(full), " ".repeat(width - full))
}

#[cfg(test)]
pub(crate) mod documented;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn durations() {
        for (milliseconds, text) in [
            (0, "0 s"),
            (400, "0.4 s"),
            (5_300, "5.3 s"),
            (2_980, "3 s"),
            (9_970, "10 s"),
            (42_000, "42 s"),
            (59_700, "1m"),
            (200_000, "3m 20s"),
            (600_000, "10m"),
            (5_400_000, "1h 30m"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn how_long_ago() {
        const DAY: u64 = 86_400;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * DAY);
        for (seconds, expected) in [
            (0, Some("less than a minute ago")),
            (60, Some("1 minute ago")),
            (7_300, Some("2 hours ago")),
            (DAY - 1, Some("23 hours ago")),
            (3 * DAY, Some("3 days ago")),
            (30 * DAY, Some("1 month ago")),
            (364 * DAY, Some("12 months ago")),
            (800 * DAY, Some("2 years ago")),
            (20_000 * DAY, None),
        ] {
            let then = now - Duration::from_secs(seconds);
            assert_eq!(ago(then, now).as_deref(), expected, "{seconds}");
        }
        assert_eq!(ago(now + Duration::from_secs(1), now), None);
    }

    #[test]
    fn numbers_and_names() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (31_400_000, "31.4 MB")]
        {
            assert_eq!(size(bytes), text);
        }
        for (number, text) in [(0, "0 images"), (1, "1 image"), (2, "2 images")] {
            assert_eq!(count(number, "image"), text);
        }
        let names: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        for (number, text) in
            [(0, ""), (1, "1"), (5, "1, 2, 3, 4, 5"), (7, "1, 2, 3, 4, 5 and 2 more")]
        {
            assert_eq!(some(&names[..number]), text);
        }
        assert_eq!(brief("short"), "short");
        assert_eq!(brief(&"ä".repeat(65)), format!("{}…", "ä".repeat(64)));
    }

    #[test]
    fn names_are_cut_in_the_middle() {
        let name = "ghcr.io/acme/app:1.4.0-linux-arm64";
        for (columns, expected) in [
            (34, name),
            (33, "ghcr.io/ac…/app:1.4.0-linux-arm64"),
            (16, "ghcr.…inux-arm64"),
            (2, "…4"),
            (1, "…"),
            (0, ""),
        ] {
            assert_eq!(shortened(name, columns), expected);
            assert!(shortened(name, columns).chars().count() <= columns);
        }
        assert_eq!(shortened(&"ä".repeat(9), 4), "ä…ää");
    }

    #[test]
    fn bars() {
        for (done, all, bar) in [
            (0, 4, "[    ]"),
            (1, 4, "[=   ]"),
            (4, 4, "[====]"),
            (9, 4, "[====]"),
            (0, 0, "[    ]"),
        ] {
            assert_eq!(gauge(done, all, 4), bar);
        }
    }

    /// The time that a builder wrote.
    #[test]
    fn survives_any_time() {
        let pieces = [
            "2026-05-01",
            "T",
            "12:00:00",
            "Z",
            "9999",
            "-",
            ":",
            ".",
            "0",
            "+",
            "é",
            " ",
            "00",
            "60",
            "999999999",
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_777_777_777);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let text = mixed(&mut random, &pieces, 7);
            if let Ok(then) = humantime::parse_rfc3339(&text) {
                ago(then, now);
            }
            assert!(shortened(&text, 9).chars().count() <= 9, "{text}");
            assert!(brief(&text.repeat(9)).chars().count() <= 65, "{text}");
        }
    }
}
