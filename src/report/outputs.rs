//! The outputs of a step: names and values, DESIGN section 4. Every format takes them from here.

use super::Report;
use crate::oci::json;
use serde_json::{Map, Value};

/// Names and what they hold, in the order in which they are written.
pub const OUTPUTS: &[(&str, &str)] = &[
    ("digest", "digest of the index"),
    ("media-type", "media type of the index"),
    ("size", "size of the index in bytes"),
    ("image", "REPOSITORY@DIGEST of the first tag, ready to sign or attest"),
    ("images", "REPOSITORY:TAG@DIGEST, one line for every tag"),
    ("platforms", "platforms of the index, comma-separated, in order"),
    ("digests", "JSON object: platform to digest of its image manifest"),
    ("manifest", "the index, JSON on one line"),
    ("changed", "true when a tag moved (in a dry run: would move), else false"),
    ("indexes", "JSON object: first tag of each list to digest of its index"),
];

/// The values of all outputs.
pub fn values(report: &Report) -> Vec<(&'static str, String)> {
    OUTPUTS.iter().map(|(name, _)| (*name, value(report, name))).collect()
}

fn value(report: &Report, name: &str) -> String {
    let composed = &report.composed;
    let platforms = report.platforms();
    match name {
        "digest" => composed.digest.to_string(),
        "media-type" => composed.media_type.clone(),
        "size" => composed.bytes.len().to_string(),
        "image" => report.image(),
        "images" => report.tags.iter().map(|(tag, _)| format!("{tag}@{}", composed.digest)).collect::<Vec<_>>().join("\n"),
        "platforms" => platforms.into_iter().map(|(platform, _)| platform).collect::<Vec<_>>().join(","),
        "digests" => one_line(&Value::Object(
            platforms.into_iter().map(|(platform, digest)| (platform, Value::from(digest))).collect::<Map<_, _>>(),
        )),
        "manifest" => serde_json::from_slice::<Value>(&composed.bytes).map(|index| one_line(&index)).unwrap_or_default(),
        "changed" => report.changed.to_string(),
        "indexes" => {
            let first = report.tags.first().map(|(tag, _)| (tag.to_string(), Value::from(composed.digest.as_str())));
            one_line(&Value::Object(first.into_iter().collect()))
        }
        _ => String::new(),
    }
}

fn one_line(value: &Value) -> String {
    json::compact(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
