//! Which tags may move, from the input `overwrite`: all, none, or those that match a pattern.

use crate::inputs::table::Given;
use crate::inputs::{Findings, values};
use crate::oci::Reference;
use crate::pattern::Pattern;

/// Which tags may move away from another digest. A tag that does not exist may always be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overwrite {
    /// All of them.
    All,
    /// None of them.
    Nothing,
    /// Those whose whole name matches one of these.
    Matching(Vec<Pattern>),
}

impl Overwrite {
    /// Whether this tag may move.
    pub fn allows(&self, tag: &Reference) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Matching(patterns) => {
                let tag = tag.tag.as_deref().unwrap_or_default();
                patterns.iter().any(|pattern| pattern.matches(tag))
            }
        }
    }

    /// What to write so that these may move as well; `None` where the user wants none to.
    pub(crate) fn with(&self, tags: &[&Reference]) -> Option<String> {
        let Self::Matching(patterns) = self else { return None };
        let mut all: Vec<&str> = patterns.iter().map(Pattern::text).collect();
        for tag in tags.iter().filter_map(|tag| tag.tag.as_deref()) {
            if !all.contains(&tag) {
                all.push(tag);
            }
        }
        let all = all.join(",");
        // A text that begins with a star is something else in YAML, and in a shell.
        Some(if all.contains(['*', '?']) { format!("\"{all}\"") } else { all })
    }
}

/// Reads the input `overwrite`.
pub(super) fn read(input: Given<'_>, findings: &mut Findings) -> Overwrite {
    let text = input.text.unwrap_or(input.default);
    if let Ok(all) = values::switch(text) {
        if let "0" | "1" = text {
            let what = if all { "every tag may move" } else { "no tag may move" };
            findings.warn(format!(
                "{}: {text} means {all}, so {what}; if only the tag {text} may, write [\"{text}\"]",
                input.name
            ));
        }
        return if all { Overwrite::All } else { Overwrite::Nothing };
    }
    let mut patterns = Vec::new();
    for item in input.some_items("pattern", findings) {
        let pattern = pattern(&item.text);
        patterns.extend(findings.take(input.name, Some(item.line), pattern));
    }
    Overwrite::Matching(patterns)
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Err(format!(
            "{text} is given beside others: write either true or false, or only patterns of the \
             tags that may move"
        ));
    }
    let is_of_a_tag = |b: u8| b.is_ascii_alphanumeric() || b"_.-*?".contains(&b);
    if text.bytes().all(is_of_a_tag) {
        return Ok(Pattern::from(text));
    }
    let tag = text.rsplit_once(':').map_or("", |(_, tag)| tag);
    let write = if !tag.is_empty() && tag.bytes().all(is_of_a_tag) && text.contains('/') {
        format!("leave out the repository: write {tag}")
    } else {
        "a tag contains letters, digits, _ . and -; * stands for any text, ? for one character"
            .to_owned()
    };
    Err(format!("{text:?} cannot match a tag: {write}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;

    fn run(value: Option<&str>) -> (Overwrite, Findings) {
        let mut findings = Findings::default();
        let inputs = RawInputs { overwrite: value.map(str::to_owned), ..RawInputs::default() };
        (read(inputs.overwrite(), &mut findings), findings)
    }

    #[test]
    fn which_tags_may_move() {
        for (value, may, may_not) in [
            (None, "1.0 latest", ""),
            (Some("yes"), "1.0 latest", ""),
            (Some("False"), "", "1.0 latest"),
            (Some("latest, edge, *-rc"), "latest edge 1.0-rc -rc", "1.0 Latest latest-1 1.0-rc1"),
            (Some("# only these\nlatest\n1.?"), "latest 1.0", "1.10 1."),
            (Some(r#"["1", "*"]"#), "1 2", ""),
            (Some(r#"["1"]"#), "1", "2 true"),
        ] {
            let (overwrite, findings) = run(value);
            assert_eq!((findings.problems, findings.warnings), (vec![], vec![]), "{value:?}");
            for (tags, expected) in [(may, true), (may_not, false)] {
                for tag in tags.split_whitespace() {
                    let mut reference: Reference = "r.example/app:x".parse().unwrap();
                    reference.tag = Some(tag.to_owned());
                    assert_eq!(overwrite.allows(&reference), expected, "{value:?} {tag}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_match_a_tag_is_told() {
        const LETTERS: &str =
            "a tag contains letters, digits, _ . and -; * stands for any text, ? for one character";
        for (value, expected) in [
            (
                "latest\nghcr.io/acme/app:edge",
                "overwrite, line 2: \"ghcr.io/acme/app:edge\" cannot match a tag: leave out the repository: write edge".to_owned(),
            ),
            (
                "latest, true",
                "overwrite, line 1: true is given beside others: write either true or false, or only patterns of the tags that may move".to_owned(),
            ),
            ("never ever", format!("overwrite, line 1: \"never ever\" cannot match a tag: {LETTERS}")),
            ("^v[0-9]+$", format!("overwrite, line 1: \"^v[0-9]+$\" cannot match a tag: {LETTERS}")),
            ("# none", "overwrite: contains no pattern".to_owned()),
            ("[1]", "overwrite: item 1 of the JSON array must be a non-empty string".to_owned()),
        ] {
            let (_, findings) = run(Some(value));
            let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
            assert_eq!(told, [expected]);
        }
        let (overwrite, findings) = run(Some("1"));
        assert_eq!(overwrite, Overwrite::All);
        assert_eq!(
            findings.warnings,
            [
                "overwrite: 1 means true, so every tag may move; if only the tag 1 may, write [\"1\"]"
            ]
        );
    }

    #[test]
    fn what_to_write_so_that_a_tag_may_move() {
        let tags: Vec<Reference> =
            ["r.example/a:1", "r.example/b:1"].map(|tag| tag.parse().unwrap()).into();
        let tags: Vec<&Reference> = tags.iter().collect();
        for (value, expected) in [
            ("true", None),
            ("false", None),
            ("latest", Some("latest,1")),
            ("*-rc, edge", Some("\"*-rc,edge,1\"")),
        ] {
            assert_eq!(run(Some(value)).0.with(&tags).as_deref(), expected);
        }
    }
}
