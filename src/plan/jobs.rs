//! Names of jobs to watch, from the input `watch-jobs`.

use crate::inputs::Findings;
use crate::inputs::table::Given;
use crate::pattern::Pattern;

/// Reads the input `watch-jobs`.
pub(super) fn read(input: Given<'_>, findings: &mut Findings) -> Vec<Pattern> {
    input.warn_of_crowded("name", parts_names, findings);
    input.items(findings).into_iter().map(|item| Pattern::from(item.text.as_str())).collect()
}

/// A comma between parentheses is a matrix job's own: `build (amd64, linux)`.
fn parts_names(before: &str, after: &str) -> bool {
    !after.is_empty() && before.matches('(').count() == before.matches(')').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;

    fn run(value: &str) -> (Vec<Pattern>, Findings) {
        let mut findings = Findings::default();
        let inputs = RawInputs { watch_jobs: Some(value.to_owned()), ..RawInputs::default() };
        (read(inputs.watch_jobs(), &mut findings), findings)
    }

    #[test]
    fn a_comma_between_names_is_told() {
        for (value, expected) in [
            ("build (amd64),build (arm64)", 1),
            ("build, lint", 1),
            ("build (amd64, linux)", 0),
            ("build (a (b), c)", 0),
            ("build,", 0),
            (r#"["build, lint"]"#, 0),
        ] {
            let (_, findings) = run(value);
            assert_eq!(findings.warnings.len(), expected, "{value}");
        }
    }

    #[test]
    fn lines_and_json() {
        let texts = |value: &str| {
            let (patterns, findings) = run(value);
            (
                patterns.into_iter().map(|pattern| pattern.text().to_owned()).collect::<Vec<_>>(),
                findings.problems.len(),
            )
        };
        assert_eq!(
            texts("build (a, b)\n# no\n\n x*"),
            (vec!["build (a, b)".to_owned(), "x*".to_owned()], 0)
        );
        assert_eq!(texts(r#"["build (a, b)"]"#), (vec!["build (a, b)".to_owned()], 0));
        assert_eq!(texts("[1]").1, 1);
    }
}
