//! The outputs of a step: names and values (docs/inputs.md, section "Outputs"). Every format takes
//! them from here.

use crate::oci::json;
use crate::pipeline::outcome::{Report, Run};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Names and descriptions, in the order in which they are written.
pub const OUTPUTS: &[(&str, &str)] = &[
    ("digest", "digest of the index"),
    ("media-type", "media type of the index"),
    ("size", "size of the index in bytes"),
    ("image", "REPOSITORY@DIGEST of the first tag, ready to sign or attest"),
    ("images", "REPOSITORY:TAG@DIGEST, one line per tag"),
    ("repository", "repository of the first tag, without tag or digest"),
    ("refs", "REPOSITORY@DIGEST, one line per repository and digest: what to sign"),
    ("platforms", "platforms of the index, comma-separated, in index order"),
    ("digests", "JSON object: platform to digest of its image"),
    ("manifest", "the index as JSON on one line"),
    ("changed", "true if a tag moved (in a dry run: would move), else false"),
    ("indexes", "JSON object: name of each index (or else its first tag) to digest of that index"),
];

/// The outputs that a run of several indexes has, too.
const OF_SEVERAL: [&str; 4] = ["images", "refs", "changed", "indexes"];

/// Results that Tekton Chains looks for, to sign what they name (its documentation, "Type hinting"),
/// and the outputs that they are.
pub(super) const FOR_CHAINS: [(&str, &str); 3] =
    [("IMAGE_URL", "repository"), ("IMAGE_DIGEST", "digest"), ("IMAGES", "refs")];

/// Their values, of the outputs that a run has.
pub(super) fn for_chains(values: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let of = |output: &str| values.iter().find(|(name, _)| *name == output);
    let one_line = |value: &String| value.replace('\n', ",");
    let results = FOR_CHAINS.iter();
    results.filter_map(|(name, output)| Some((*name, one_line(&of(output)?.1)))).collect()
}

/// The values of the outputs that a run has. A run of one index has all of them.
pub(super) fn values(run: &Run) -> Vec<(&'static str, String)> {
    let alone = run.lists.len() == 1;
    let names =
        OUTPUTS.iter().map(|(name, _)| *name).filter(|name| alone || OF_SEVERAL.contains(name));
    names.map(|name| (name, of_all(run, name))).collect()
}

fn of_all(run: &Run, name: &str) -> String {
    match name {
        "changed" => run.reports().any(|report| report.changed).to_string(),
        "indexes" => {
            let indexes = run.lists.iter().filter_map(|list| {
                let digest = &list.ended.as_ref().ok()?.composed.digest;
                Some((list.called().to_owned(), Value::from(digest.as_str())))
            });
            one_line(&Value::Object(indexes.collect()))
        }
        // Two indexes may be the same one.
        "refs" => each_once(run.reports().flat_map(Report::refs)).join("\n"),
        _ => run.reports().map(|report| value(report, name)).collect::<Vec<_>>().join("\n"),
    }
}

fn each_once(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    all.filter(|one| seen.insert(one.clone())).collect()
}

fn value(report: &Report, name: &str) -> String {
    let composed = &report.composed;
    let platforms = || report.platforms().into_iter();
    match name {
        "digest" => composed.digest.to_string(),
        "media-type" => composed.media_type.clone(),
        "size" => composed.bytes.len().to_string(),
        "image" => report.image(),
        "images" => report
            .tags
            .iter()
            .map(|tagged| format!("{}@{}", tagged.tag, tagged.digest(&composed.digest)))
            .collect::<Vec<_>>()
            .join("\n"),
        "repository" => {
            let first = report.tags.first();
            first.map(|tagged| tagged.tag.repository.to_string()).unwrap_or_default()
        }
        "platforms" => platforms().map(|(platform, _)| platform).collect::<Vec<_>>().join(","),
        "digests" => one_line(&Value::Object(
            platforms()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, media_type};
    use crate::report::examples;

    #[test]
    fn one_index_has_all_outputs_in_their_order() {
        let run = examples::success();
        let report = run.reports().next().unwrap();
        let digest = report.composed.digest.as_str();
        let (amd64, arm64) = (Digest::of(b"linux/amd64"), Digest::of(b"linux/arm64"));
        let manifest: Value = serde_json::from_slice(&report.composed.bytes).unwrap();
        let expected = [
            ("digest", digest.to_owned()),
            ("media-type", media_type::OCI_INDEX.to_owned()),
            ("size", report.composed.bytes.len().to_string()),
            ("image", format!("ghcr.io/acme/app@{digest}")),
            ("images", format!("ghcr.io/acme/app:1.4.0@{digest}\nghcr.io/acme/app:1@{digest}")),
            ("repository", "ghcr.io/acme/app".to_owned()),
            ("refs", format!("ghcr.io/acme/app@{digest}")),
            ("platforms", "linux/amd64,linux/arm64".to_owned()),
            ("digests", format!(r#"{{"linux/amd64":"{amd64}","linux/arm64":"{arm64}"}}"#)),
            ("manifest", manifest.to_string()),
            ("changed", "true".to_owned()),
            ("indexes", format!(r#"{{"ghcr.io/acme/app:1.4.0":"{digest}"}}"#)),
        ];
        assert_eq!(values(&run), expected);
        assert!(values(&run).iter().map(|(name, _)| name).eq(OUTPUTS.iter().map(|(name, _)| name)));
        let results = [
            ("IMAGE_URL", "ghcr.io/acme/app".to_owned()),
            ("IMAGE_DIGEST", digest.to_owned()),
            ("IMAGES", format!("ghcr.io/acme/app@{digest}")),
        ];
        assert_eq!(for_chains(&values(&run)), results);
    }

    #[test]
    fn several_indexes_have_those_that_can_be_told_apart() {
        let run = examples::several();
        let digest = run.reports().next().unwrap().composed.digest.as_str();
        let tags = ["1.4.0", "1", "1.4.0-slim"];
        let images = tags.map(|tag| format!("ghcr.io/acme/app:{tag}@{digest}")).join("\n");
        let indexes = format!(
            r#"{{"ghcr.io/acme/app:1.4.0":"{digest}","ghcr.io/acme/app:1.4.0-slim":"{digest}"}}"#
        );
        let refs = format!("ghcr.io/acme/app@{digest}");
        let expected = [
            ("images", images),
            ("refs", refs.clone()),
            ("changed", "true".to_owned()),
            ("indexes", indexes),
        ];
        assert_eq!(values(&run), expected);
        assert_eq!(for_chains(&expected), [("IMAGES", refs)]);
        let many = [("refs", "r.example/a@1\nr.example/b@1".to_owned())];
        assert_eq!(for_chains(&many), [("IMAGES", "r.example/a@1,r.example/b@1".to_owned())]);
    }

    #[test]
    fn changed() {
        for (run, changed) in [
            (examples::success(), "true"),
            (examples::incomplete(), "true"),
            (examples::dry_run(), "true"),
            (examples::unchanged(), "false"),
        ] {
            assert_eq!(of_all(&run, "changed"), changed);
        }
    }
}
