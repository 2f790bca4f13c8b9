//! A dotenv report as GitLab reads it: plain single-line values without quotes or anything that a
//! later job would expand.

use crate::error::{Error, Exit};
use crate::inputs::list_names::variable;
use crate::pipeline::outcome::Run;

/// What GitLab takes from one report, unless its administrators allow more.
const MOST: usize = 20;

/// Variables and the outputs they contain. Outputs that can have several lines are left out.
const VARIABLES: [(&str, &str); 6] = [
    ("MANIFEST_DIGEST", "digest"),
    ("MANIFEST_IMAGE", "image"),
    ("MANIFEST_MEDIA_TYPE", "media-type"),
    ("MANIFEST_SIZE", "size"),
    ("MANIFEST_PLATFORMS", "platforms"),
    ("MANIFEST_CHANGED", "changed"),
];

/// Those of the lists that have names.
pub(crate) fn of_named(run: &Run) -> Vec<(String, String)> {
    let named = run.named().flat_map(|(name, report)| {
        let (start, digest) = (variable(name), report.composed.digest.to_string());
        [(format!("{start}_DIGEST"), digest), (format!("{start}_IMAGE"), report.image())]
    });
    named.collect()
}

/// What to hear of a report that GitLab may refuse as a whole.
pub(crate) fn warning(report: &str) -> Option<String> {
    let count = report.lines().count();
    (count > MOST).then(|| {
        format!(
            "the dotenv report has {count} variables, and GitLab accepts {MOST} unless its limit \
             is raised (it rejects the whole report): give fewer indexes a name"
        )
    })
}

pub(crate) fn dotenv(
    values: &[(&'static str, String)],
    named: &[(String, String)],
) -> Result<String, Error> {
    let mut text = String::new();
    // A run of several indexes has no digest and no image of its own.
    let own = VARIABLES.iter().filter_map(|(variable, output)| {
        let (_, value) = values.iter().find(|(name, _)| name == output)?;
        Some((*variable, value))
    });
    let named = named.iter().map(|(variable, value)| (variable.as_str(), value));
    for (variable, value) in own.chain(named) {
        // GitLab expands `$` in the jobs that read the file. All values consist of checked words.
        if value.contains(|c: char| c.is_control() || matches!(c, '$' | '"' | '\'' | '\\' | '`')) {
            return Err(Error::new(
                Exit::Partial,
                format!("{variable} cannot be written to a dotenv file: {value:?}"),
            ));
        }
        text.push_str(&format!("{variable}={value}\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_only() {
        let values = [
            ("digest", "sha256:0".to_owned()),
            ("platforms", "linux/amd64,windows(10.0.1)/amd64".to_owned()),
            ("images", "a\nb".to_owned()),
        ];
        let text = dotenv(&values, &[]).unwrap();
        assert_eq!(
            text,
            "MANIFEST_DIGEST=sha256:0\nMANIFEST_PLATFORMS=linux/amd64,windows(10.0.1)/amd64\n"
        );
        for bad in ["a\nb", "$HOME", "a\"b"] {
            assert!(dotenv(&[], &[("MANIFEST_A_IMAGE".to_owned(), bad.to_owned())]).is_err());
            assert!(dotenv(&[("image", bad.to_owned())], &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn more_than_gitlab_takes_is_warned_of() {
        for (count, is_warned) in [(0, false), (20, false), (21, true)] {
            assert_eq!(warning(&"A=b\n".repeat(count)).is_some(), is_warned, "{count}");
        }
    }
}
