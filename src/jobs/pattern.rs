//! Names of jobs: exact, or with `*` for any characters and `?` for one.

use crate::inputs::{Problems, lists};

/// A name to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether a job of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        // Brackets are a matrix job's own, and more than one `*` is as good as one.
        let mut pattern = self.0.replace('[', "[[]");
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        glob::Pattern::new(&pattern).is_ok_and(|pattern| pattern.matches(name))
    }

    /// Whether it can be the name of several jobs.
    pub fn is_wild(&self) -> bool {
        self.text().contains(['*', '?'])
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Reads the input `watch-jobs`.
pub fn read(value: Option<&str>, problems: &mut Problems, warnings: &mut Vec<String>) -> Vec<Pattern> {
    const INPUT: &str = "watch-jobs";
    warnings.extend(value.iter().flat_map(|value| lists::crowded(INPUT, value, parts_names)));
    let items = value.map(|value| lists::items(value, false)).transpose();
    let items = problems.take(INPUT, None, items).flatten().unwrap_or_default();
    items.into_iter().map(|item| Pattern(item.text)).collect()
}

/// A comma between parentheses is a matrix job's own: `build (amd64, linux)`.
fn parts_names(before: &str, after: &str) -> bool {
    !after.is_empty() && before.matches('(').count() == before.matches(')').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        for (pattern, name, expected) in [
            ("build", "build", true),
            ("build", "build (linux/arm64)", false),
            ("build", "Build", false),
            ("build (*)", "build (linux/arm64)", true),
            ("build*", "build", true),
            ("* / build*", "caller / build (a, b)", true),
            ("build-?64", "build-x64", true),
            ("build-?64", "build-64", false),
            ("*64*x", "a64b64x", true),
            ("*64*x", "a64b64", false),
            ("*", "", true),
            ("build ***", "build (linux/arm64)", true),
            ("a/*", "a/.b/c", true),
            ("build [", "build [", true),
            ("build: [*]", "build: [arm64, linux]", true),
            ("b[u]ild", "build", false),
            ("b\u{e4}r?", "b\u{e4}r\u{1f43b}", true),
            (&"*a".repeat(50), &"a".repeat(49), false),
        ] {
            assert_eq!(Pattern::from(pattern).matches(name), expected, "{pattern} {name}");
        }
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
            let mut warnings = Vec::new();
            read(Some(value), &mut Problems::default(), &mut warnings);
            assert_eq!(warnings.len(), expected, "{value}");
        }
    }

    #[test]
    fn lines_and_json() {
        let texts = |value: &str| {
            let mut problems = Problems::default();
            let patterns = read(Some(value), &mut problems, &mut Vec::new());
            (patterns.into_iter().map(|pattern| pattern.0).collect::<Vec<_>>(), problems.0.len())
        };
        assert_eq!(texts("build (a, b)\n# no\n\n x*"), (vec!["build (a, b)".to_owned(), "x*".to_owned()], 0));
        assert_eq!(texts(r#"["build (a, b)"]"#), (vec!["build (a, b)".to_owned()], 0));
        assert_eq!(texts("[1]").1, 1);
    }
}
