//! Labels that every image must have, from the input `expect-labels`.

use crate::inputs::table::Given;
use crate::inputs::{Findings, slips, values};
use crate::oci::slip;
use std::collections::BTreeMap;

/// Label keys and the values that they must have.
pub type Labels = BTreeMap<String, String>;

/// Reads the input.
pub(super) fn read(input: Given<'_>, findings: &mut Findings) -> Labels {
    let mut labels = Labels::new();
    input.warn_of_crowded("KEY=VALUE", values::parts_pairs, findings);
    for (line, pair) in input.pairs(findings) {
        let Some((key, value)) = findings.take(input.name, Some(line), pair) else { continue };
        match labels.get(&key) {
            Some(other) if *other != value => {
                findings.problem_at(
                    input.name,
                    line,
                    format!("{key} has two values: {other:?} and {value:?}"),
                );
            }
            _ if value.is_empty() => {
                // Mostly a variable that the CI system did not set.
                findings.problem_at(input.name, line, format!("{key} has no value"));
            }
            _ => {
                // No builder writes them, so the wait would be for nothing.
                let slip = slip::left_over(&value).or_else(|| slip::unset(&value));
                if let Some(why) = slip {
                    findings.problem_at(input.name, line, format!("{key}: {why}"));
                } else if let Some(why) = slips::odd_value(&value) {
                    findings.warn(format!("label {key}: {why}"));
                }
                labels.insert(key, value);
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;

    #[test]
    fn by_table() {
        let run = |value: &str| {
            let mut findings = Findings::default();
            let inputs = RawInputs { expect_labels: Some(value.to_owned()), ..Default::default() };
            let labels = read(inputs.expect_labels(), &mut findings);
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
        assert_eq!(run("\"a=1\"\n\"b=say \"\"x\"\"\""), good("a=1 b=say \"x\""));
        for (value, why) in [
            ("a=1\na=2", "expect-labels, line 2: a has two values"),
            ("a=", "expect-labels, line 1: a has no value"),
            ("a", "expect-labels, line 1: not KEY=VALUE"),
            ("- a=1", "expect-labels, line 1: leave out what is in front of KEY=VALUE"),
            ("LABEL a=1", "expect-labels, line 1: a key cannot contain a space"),
            (
                "a=${{ github.sha }}",
                "expect-labels, line 1: a: ${{ github.sha }} was not replaced: workflow files of GitHub",
            ),
            ("a=$SHA", "expect-labels, line 1: a: $SHA was not replaced: is the variable set?"),
            ("a=undefined", "expect-labels, line 1: a: \"undefined\" stands for a missing value"),
            (r#"{"a": 1}"#, "the value of \"a\" must be a string"),
        ] {
            assert!(run(value).1.contains(why), "{value}: {:?}", run(value));
        }
    }
}
