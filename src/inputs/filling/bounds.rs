//! How much a template may hold, and how deep it may go: the parser and the engine call themselves for
//! every level.

use crate::inputs::yaml::{Fault, Place};

/// Blocks within blocks, each `{{else if}}` counted as one.
const DEEPEST: usize = 20;
/// Brackets in one tag.
const BRACKETS: usize = 20;
/// Tags in all: the time to read them grows faster than their number.
const TAGS: usize = 2_000;

/// Refuses what goes deeper than anybody needs.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    // Of each open block, how many levels it takes.
    let mut open: Vec<usize> = Vec::new();
    for (number, (at, _)) in text.match_indices("{{").enumerate() {
        let tag = &text[at + 2..];
        let tag = tag.split_once("}}").map_or(tag, |(tag, _)| tag);
        let word = tag.trim_start_matches(['{', '~']).trim_start();
        let too_much = |what: &str| {
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            let column = before[start..].chars().count() + 1;
            Fault { place: Place { line, column }, text: what.to_owned() }
        };
        if number >= TAGS {
            return Err(too_much("has more {{ than can be read"));
        }
        if tag.matches(['(', '[', '{']).count() > BRACKETS {
            return Err(too_much("has more brackets in one {{ }} than can be read"));
        }
        if word.starts_with(['#', '^']) {
            open.push(1);
        } else if word.starts_with("else") {
            if let Some(last) = open.last_mut() {
                *last += 1;
            }
        } else if word.starts_with('/') {
            open.pop();
        }
        if open.iter().sum::<usize>() > DEEPEST {
            return Err(too_much(
                "is nested deeper than can be read: blocks within blocks, or {{else if}} after {{else if}}",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_too_deep() {
        let nested =
            |levels: usize| format!("{}{}", "{{#if a}}\n".repeat(levels), "{{/if}}".repeat(levels));
        let chain =
            |links: usize| format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}".repeat(links));
        let brackets =
            |count: usize| format!("é\n {{{{x {}{}}}}}", "(".repeat(count), ")".repeat(count));
        for (text, expected) in [
            (nested(20), None),
            (nested(21), Some("line 21, column 1: is nested deeper")),
            (chain(19), None),
            (chain(20), Some("line 1, column 257: is nested deeper")),
            (brackets(20), None),
            (brackets(21), Some("line 2, column 2: has more brackets")),
            ("{{#if a}}{{/if}}".repeat(100), None),
            ("{{a}} {b} (c)".repeat(100), None),
            ("{{a}}".repeat(2_000), None),
            ("{{a}}".repeat(2_001), Some("line 1, column 10001: has more {{")),
            ("{{".repeat(30), Some("line 1, column 1: has more brackets")),
        ] {
            let told = check(&text).err().map(|fault| format!("{}: {}", fault.place, fault.text));
            assert_eq!(told.is_some(), expected.is_some(), "{told:?} {text}");
            assert!(told.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{text}");
        }
    }
}
