//! The outputs of a step: names and values, README's section "Outputs". Every format takes them
//! from here.

use crate::oci::json;
use crate::pipeline::outcome::{Report, Run};
use serde_json::{Map, Value};

/// Names and what they hold, in the order in which they are written.
pub const OUTPUTS: &[(&str, &str)] = &[
    ("digest", "digest of the index"),
    ("media-type", "media type of the index"),
    ("size", "size of the index in bytes"),
    ("image", "REPOSITORY@DIGEST of the first tag, ready to sign or attest"),
    ("images", "REPOSITORY:TAG@DIGEST, one line per tag"),
    ("platforms", "platforms of the index, comma-separated, in index order"),
    ("digests", "JSON object: platform to digest of its image"),
    ("manifest", "the index as JSON on one line"),
    ("changed", "true if a tag moved (in a dry run: would move), else false"),
    ("indexes", "JSON object: first tag of each index to digest of that index"),
];

/// Those that a run of several lists has as well.
const OF_SEVERAL: [&str; 3] = ["images", "changed", "indexes"];

/// The values of all outputs that a run has: of one list all of them.
pub fn values(run: &Run) -> Vec<(&'static str, String)> {
    let alone = run.lists.len() == 1;
    let names =
        OUTPUTS.iter().map(|(name, _)| *name).filter(|name| alone || OF_SEVERAL.contains(name));
    names.map(|name| (name, of_all(run, name))).collect()
}

fn of_all(run: &Run, name: &str) -> String {
    match name {
        "changed" => run.reports().any(|report| report.changed).to_string(),
        "indexes" => {
            let first = |report: &Report| report.tags.first().map(|(tag, _)| tag.to_string());
            let indexes = run.reports().filter_map(|report| {
                Some((first(report)?, Value::from(report.composed.digest.as_str())))
            });
            one_line(&Value::Object(indexes.collect()))
        }
        _ => run.reports().map(|report| value(report, name)).collect::<Vec<_>>().join("\n"),
    }
}

fn value(report: &Report, name: &str) -> String {
    let composed = &report.composed;
    let platforms = report.platforms();
    match name {
        "digest" => composed.digest.to_string(),
        "media-type" => composed.media_type.clone(),
        "size" => composed.bytes.len().to_string(),
        "image" => report.image(),
        "images" => report
            .tags
            .iter()
            .map(|(tag, _)| format!("{tag}@{}", composed.digest))
            .collect::<Vec<_>>()
            .join("\n"),
        "platforms" => {
            platforms.into_iter().map(|(platform, _)| platform).collect::<Vec<_>>().join(",")
        }
        "digests" => one_line(&Value::Object(
            platforms
                .into_iter()
                .map(|(platform, digest)| (platform, Value::from(digest)))
                .collect::<Map<_, _>>(),
        )),
        "manifest" => serde_json::from_slice::<Value>(&composed.bytes)
            .map(|index| one_line(&index))
            .unwrap_or_default(),
        _ => String::new(),
    }
}

fn one_line(value: &Value) -> String {
    json::compact(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
