//! Names of jobs: exact, or with `*` for any characters and `?` for one.

use wildmatch::WildMatch;

/// A name to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it matches the name of a job.
    pub fn matches(&self, name: &str) -> bool {
        WildMatch::new(&self.0).matches(name)
    }

    /// Whether it can match several jobs.
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
}
