//! Names of jobs and tags: exact, or with `*` for any characters and `?` for one.

use wildmatch::WildMatch;

/// A name to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it matches the whole name; case counts.
    pub fn matches(&self, name: &str) -> bool {
        WildMatch::new(&self.0).matches(name)
    }

    /// Whether it can match several names.
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
    use crate::random::mixed;

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

    /// Names of jobs are others'; a pattern of many stars is looked for in them in time.
    #[test]
    fn survives_any_name() {
        let mut random = fastrand::Rng::with_seed(1);
        let pieces = ["*", "?", "a", "b", "é", "[", "${{", " / ", "\0"];
        for _ in 0..10_000 {
            let (pattern, name) = (mixed(&mut random, &pieces, 8), mixed(&mut random, &pieces, 8));
            let is_same = Pattern::from(&*pattern).matches(&name);
            assert!(is_same || pattern != name, "{pattern}");
        }
        let name = "a".repeat(4_000);
        assert!(!Pattern::from(&*format!("{}b", "*a".repeat(500))).matches(&name));
    }
}
