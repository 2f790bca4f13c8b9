//! When each image arrived, as a Mermaid diagram.

use super::prose::short;
use crate::pipeline::outcome::Report;
use crate::pipeline::progress::SourceState;
use std::fmt::Write as _;
use std::time::Duration;

/// From here on, the axis counts minutes.
const LONG: Duration = Duration::from_secs(3 * 60);
/// The longest axis that has a label for each second or minute.
const MOST_TICKS: u128 = 20;
/// More bars than this cannot be read.
const MOST_BARS: usize = 40;
/// A bar without length would be invisible, so it is one of so many parts of the longest.
const SLIVER: u128 = 333;

/// An image in the diagram.
struct Bar {
    label: String,
    look: &'static str,
    end: Duration,
}

impl Bar {
    /// `end`: when the wait ended, for an image that did not arrive.
    fn of(label: String, state: SourceState, end: Duration) -> Self {
        match state {
            SourceState::Found(None) => Self { label, look: "done", end: Duration::ZERO },
            SourceState::Found(Some(after)) => Self { label, look: "active", end: after },
            SourceState::Waiting(why) | SourceState::LeftOut(why) => {
                Self { label: format!("{label} ({why})"), look: "crit", end }
            }
            SourceState::Looking => Self { label, look: "crit", end },
        }
    }
}

/// The bar is as long as the wait for it, also for an image that never arrived. Empty if there was
/// no wait.
pub(super) fn of(report: &Report) -> String {
    let arrived = report.sources.iter().map(|source| {
        let platforms: Vec<String> = source.platforms.iter().map(ToString::to_string).collect();
        Bar::of(platforms.join(" "), SourceState::Found(source.after), report.waited)
    });
    let skipped = report.skipped.iter().map(|skipped| {
        Bar::of(short(&skipped.name), SourceState::LeftOut(skipped.word), report.waited)
    });
    drawn(&arrived.chain(skipped).collect::<Vec<_>>())
}

fn drawn(bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.end).max().unwrap_or_default();
    if longest.is_zero() {
        return String::new();
    }
    // Mermaid knows seconds since 1970 but no minutes since anything: a minute is drawn as a second.
    let (unit, scale) = if longest < LONG { ("seconds", 1) } else { ("minutes", 60) };
    let end = |bar: &Bar| {
        let least = (longest.as_millis() / scale / SLIVER).max(1);
        (bar.end.as_millis() / scale).max(least)
    };
    let mut text = format!(
        "```mermaid\ngantt\n    title When the images arrived ({unit})\n    dateFormat x\n    axisFormat %s\n"
    );
    // By default, Mermaid labels each unit of a short wait twice.
    if longest.as_millis() / scale <= MOST_TICKS * 1000 {
        text.push_str("    tickInterval 1second\n");
    }
    for bar in bars.iter().take(MOST_BARS) {
        let _ = writeln!(text, "    {} :{}, 0, {}", mermaid(&bar.label), bar.look, end(bar));
    }
    text.push_str("```\n\n");
    text
}

/// Text without the characters that Mermaid interprets.
fn mermaid(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric()
                || matches!(character, '/' | '.' | '_' | '-' | '(' | ')')
            {
                character
            } else {
                ' '
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_takes_names_for_nothing_but_names() {
        assert_eq!(mermaid("app:1.2;\n%%x#y"), "app 1.2    x y");
    }

    #[test]
    fn bars_are_exact_and_long_waits_in_minutes() {
        for (arrivals, unit, ticks, ends) in [
            (vec![], "", false, vec![]),
            (vec![None, None], "", false, vec![]),
            (vec![None, Some(6_700)], "seconds", true, vec![20, 6_700]),
            (vec![Some(1)], "seconds", true, vec![1]),
            (vec![None, Some(20_001)], "seconds", false, vec![60, 20_001]),
            (vec![Some(179_999)], "seconds", false, vec![179_999]),
            (vec![None, Some(180_000)], "minutes", true, vec![9, 3_000]),
            (vec![None, Some(2_394_000)], "minutes", false, vec![119, 39_900]),
        ] {
            let bar = |after: &Option<u64>| {
                let after = after.map(Duration::from_millis);
                Bar::of("a".to_owned(), SourceState::Found(after), Duration::ZERO)
            };
            let text = drawn(&arrivals.iter().map(bar).collect::<Vec<_>>());
            assert_eq!(text.contains(&format!("({unit})")), !unit.is_empty(), "{text}");
            assert_eq!(text.contains("tickInterval"), ticks, "{text}");
            let shown: Vec<u64> = text
                .lines()
                .filter_map(|line| line.split_once(", 0, "))
                .map(|(_, end)| end.parse().unwrap())
                .collect();
            assert_eq!(shown, ends, "{text}");
        }
    }
}
