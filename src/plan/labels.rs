//! Labels that every image must carry, from the input `expect-labels`.

use crate::inputs::{Findings, values};
use std::collections::BTreeMap;

/// Label keys and the values that they must have.
pub type Labels = BTreeMap<String, String>;

const INPUT: &str = "expect-labels";

/// Reads the input.
pub(super) fn read(value: Option<&str>, findings: &mut Findings) -> Labels {
    let mut labels = Labels::new();
    findings
        .warnings
        .extend(value.iter().flat_map(|value| values::crowded(INPUT, value, values::parts_pairs)));
    let pairs = value.map(values::pairs).transpose();
    for (line, pair) in findings.take(INPUT, None, pairs).flatten().unwrap_or_default() {
        let Some((key, value)) = findings.take(INPUT, Some(line), pair) else { continue };
        match labels.get(&key) {
            Some(other) if *other != value => {
                findings.problem_at(
                    INPUT,
                    line,
                    format!("{key} has two values: {other:?} and {value:?}"),
                );
            }
            _ if value.is_empty() => {
                // Mostly a variable of the CI system that is not set there.
                findings.problem_at(INPUT, line, format!("{key} has no value"));
            }
            _ => {
                labels.insert(key, value);
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        let run = |value: &str| {
            let mut findings = Findings::default();
            let labels = read(Some(value), &mut findings);
            let pairs: Vec<String> =
                labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
            (
                pairs.join(" "),
                findings.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            )
        };
        let good = |text: &str| (text.to_owned(), String::new());
        assert_eq!(run("# which commit\na=1\n b = x=y,z \na=1"), good("a=1 b=x=y,z"));
        assert_eq!(run(r#"{"a": "1"}"#), good("a=1"));
        for (value, why) in [
            ("a=1\na=2", "expect-labels, line 2: a has two values"),
            ("a=", "expect-labels, line 1: a has no value"),
            ("a", "expect-labels, line 1: not KEY=VALUE"),
            (r#"{"a": 1}"#, "the value of \"a\" must be a text"),
        ] {
            assert!(run(value).1.contains(why), "{value}: {:?}", run(value));
        }
    }
}
