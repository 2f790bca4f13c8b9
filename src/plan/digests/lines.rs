//! A digest in a line.

use crate::inputs::places::Places;
use crate::oci::{Digest, Platform, Reference, Repository, slip};

pub(super) type Parsed = (Option<Platform>, Option<Repository>, Digest);

/// `[PLATFORM=]DIGEST` or `[PLATFORM=]REF@DIGEST`; `None` when the text is not meant as a digest.
pub(super) fn parse(text: &str) -> Option<Result<Parsed, String>> {
    let (platform, rest) = match text.split_once('=') {
        Some((front, rest)) => (Some(front.trim()), rest.trim()),
        None => (None, text),
    };
    let meant = ["sha256:", "sha512:"]
        .iter()
        .any(|algorithm| rest.starts_with(algorithm) || rest.contains(&format!("@{algorithm}")));
    if !meant {
        return None;
    }
    let parse = || {
        let platform =
            platform.map(str::parse::<Platform>).transpose().map_err(|error| error.to_string())?;
        if !rest.contains('@') {
            return Ok((
                platform,
                None,
                rest.parse::<Digest>().map_err(|error| error.to_string())?,
            ));
        }
        let reference = rest.parse::<Reference>().map_err(|error| error.to_string())?;
        let digest = reference.digest.ok_or_else(|| "no digest after @".to_owned())?;
        Ok((platform, Some(reference.repository), digest))
    };
    Some(parse())
}

/// Why a text is neither a digest nor a file.
pub(super) fn not_there(shown: &str, places: &Places) -> String {
    const WHAT: &str = "not a digest, and no such file or folder";
    if let Some(why) = slip::of_any_text(shown) {
        why
    } else if shown.ends_with('=') {
        "the digest is empty: is the variable set?".to_owned()
    } else if let Some(digest) = Digest::from_file_name(shown) {
        format!("{WHAT}: if it is a digest, write {digest}")
    } else if shown.starts_with('~') {
        format!("{WHAT}: ~ is not replaced, write the whole path")
    } else {
        format!("{WHAT}{}", places.hint(shown))
    }
}
