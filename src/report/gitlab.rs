//! A dotenv report as GitLab reads it: plain single-line values without quotes or anything that a
//! later job would expand.

use crate::error::{Error, Exit};

/// Variables and the outputs they contain. Outputs that can have several lines are left out.
const VARIABLES: [(&str, &str); 6] = [
    ("MANIFEST_DIGEST", "digest"),
    ("MANIFEST_IMAGE", "image"),
    ("MANIFEST_MEDIA_TYPE", "media-type"),
    ("MANIFEST_SIZE", "size"),
    ("MANIFEST_PLATFORMS", "platforms"),
    ("MANIFEST_CHANGED", "changed"),
];

pub(crate) fn dotenv(values: &[(&'static str, String)]) -> Result<String, Error> {
    let mut text = String::new();
    for (variable, output) in VARIABLES {
        // A run of several indexes has no digest and no image of its own.
        let Some((_, value)) = values.iter().find(|(name, _)| *name == output) else { continue };
        // GitLab expands `$` in the jobs that read the file. All values consist of checked words.
        if value.contains(|c: char| c.is_control() || matches!(c, '$' | '"' | '\'' | '\\' | '`')) {
            return Err(Error::new(
                Exit::Partial,
                format!("{output} cannot be written to a dotenv file: {value:?}"),
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
        let text = dotenv(&values).unwrap();
        assert_eq!(
            text,
            "MANIFEST_DIGEST=sha256:0\nMANIFEST_PLATFORMS=linux/amd64,windows(10.0.1)/amd64\n"
        );
        for bad in ["a\nb", "$HOME", "a\"b"] {
            assert!(dotenv(&[("image", bad.to_owned())]).is_err(), "{bad}");
        }
    }
}
