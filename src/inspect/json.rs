//! What a reference is, in JSON, version 1; `docs/inspect-json.md` describes it. Fields may be
//! added within a version, never changed.

use crate::inspect::referrers::json::OfReferrer;
use crate::inspect::{Behind, Entry, Image, Inside, Inspected, Kind, Picked};
use crate::oci::{Annotations, Descriptor, Digest, Manifest, Platform};
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    version: u8,
    reference: String,
    kind: &'static str,
    media_type: &'a str,
    digest: &'a Digest,
    size: usize,
    annotations: &'a Annotations,
    subject: Option<&'a Digest>,
    referrers: Option<Vec<OfReferrer<'a>>>,
    #[serde(flatten)]
    content: Content<'a>,
    #[serde(flatten)]
    picked: Option<FromIndex<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Image(Box<OfImage<'a>>),
    Index { entries: Vec<OfEntry<'a>> },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfImage<'a> {
    #[serde(flatten)]
    platform: OfPlatform<'a>,
    artifact_type: Option<&'a str>,
    created: Option<&'a str>,
    revision: Option<&'a str>,
    labels: &'a Annotations,
    config: Stored<'a>,
    layers: Vec<Stored<'a>>,
    download_bytes: u64,
}

/// What the index says about an image that was picked from it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FromIndex<'a> {
    attestations: Vec<&'a Digest>,
    entry_annotations: &'a Annotations,
    entry_platform: Option<String>,
    index: Stored<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfEntry<'a> {
    kind: &'static str,
    #[serde(flatten)]
    platform: OfPlatform<'a>,
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
    artifact_type: Option<&'a str>,
    annotations: &'a Annotations,
    download_bytes: Option<u64>,
    created: Option<&'a str>,
    attests: Option<&'a str>,
    attestations: Vec<&'a Digest>,
    statements: Vec<&'a str>,
    problem: Option<&'a str>,
}

/// The canonical spelling, and the parts as they are in the registry.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfPlatform<'a> {
    platform: Option<String>,
    os: Option<&'a str>,
    architecture: Option<&'a str>,
    variant: Option<&'a str>,
    os_version: Option<&'a str>,
    os_features: &'a [String],
}

/// A blob or a manifest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
}

impl<'a> Document<'a> {
    pub(crate) fn of(inspected: &'a Inspected) -> Self {
        let (manifest, referrers) = (&inspected.manifest, inspected.referrers.as_ref());
        let (kind, content) = match &inspected.inside {
            Inside::Index(entries) => ("index", Content::of_index(entries)),
            Inside::Image(image) if image.artifact_type.is_some() => {
                ("artifact", Content::of_image(image))
            }
            Inside::Image(image) => ("image", Content::of_image(image)),
        };
        Self {
            version: 1,
            reference: inspected.reference.to_string(),
            kind,
            media_type: &manifest.media_type,
            digest: &manifest.digest,
            size: manifest.bytes.len(),
            annotations: &inspected.annotations,
            subject: inspected.subject.as_ref().map(|subject| &subject.digest),
            referrers: referrers.map(|all| all.iter().map(OfReferrer::of).collect()),
            content,
            picked: inspected.picked.as_ref().map(FromIndex::of),
        }
    }
}

impl<'a> Content<'a> {
    fn of_image(image: &'a Image) -> Self {
        Self::Image(Box::new(OfImage {
            platform: OfPlatform::of(image.platform.as_ref()),
            artifact_type: image.artifact_type.as_deref(),
            created: image.created.as_deref(),
            revision: image.revision(),
            labels: &image.labels,
            config: Stored::of(&image.config),
            layers: image.layers.iter().map(Stored::of).collect(),
            download_bytes: image.download,
        }))
    }

    fn of_index(entries: &'a [Entry]) -> Self {
        Self::Index { entries: entries.iter().map(|entry| OfEntry::of(entry, entries)).collect() }
    }
}

impl<'a> FromIndex<'a> {
    fn of(picked: &'a Picked) -> Self {
        Self {
            attestations: picked
                .attestations
                .iter()
                .map(|entry| &entry.descriptor.digest)
                .collect(),
            entry_annotations: &picked.entry.annotations,
            entry_platform: picked.entry.known_platform().map(ToString::to_string),
            index: Stored::of_manifest(&picked.index),
        }
    }
}

impl<'a> OfEntry<'a> {
    fn of(entry: &'a Entry, all: &'a [Entry]) -> Self {
        let descriptor = &entry.descriptor;
        let kind = match entry.kind() {
            Kind::Image => "image",
            Kind::Index => "index",
            Kind::Attestation => "attestation",
            Kind::Unknown => "unknown",
        };
        let (download_bytes, created) = match &entry.behind {
            Some(Behind::Image { download, created }) => (Some(*download), created.as_deref()),
            _ => (None, None),
        };
        let attestations = Inspected::attestations_of(all, descriptor.digest.as_str());
        Self {
            kind,
            platform: OfPlatform::of(descriptor.known_platform()),
            media_type: &descriptor.media_type,
            digest: &descriptor.digest,
            size: descriptor.size,
            artifact_type: some(&descriptor.artifact_type),
            annotations: &descriptor.annotations,
            download_bytes,
            created,
            attests: descriptor.attests(),
            attestations: attestations.map(|entry| &entry.descriptor.digest).collect(),
            statements: entry.statements(),
            problem: entry.problem(),
        }
    }
}

impl<'a> OfPlatform<'a> {
    fn of(platform: Option<&'a Platform>) -> Self {
        let Some(platform) = platform else { return Self::default() };
        Self {
            platform: Some(platform.to_string()),
            os: some(&platform.os),
            architecture: some(&platform.architecture),
            variant: some(&platform.variant),
            os_version: some(&platform.os_version),
            os_features: &platform.os_features,
        }
    }
}

impl<'a> Stored<'a> {
    fn of(blob: &'a Descriptor) -> Self {
        Self { media_type: &blob.media_type, digest: &blob.digest, size: blob.size }
    }

    fn of_manifest(manifest: &'a Manifest) -> Self {
        Self {
            media_type: &manifest.media_type,
            digest: &manifest.digest,
            size: manifest.bytes.len() as u64,
        }
    }
}

/// An empty text stands for a field that is absent.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::examples;
    use crate::text::documented::{fields, paths};
    use serde_json::{Value, json};

    const PAGE: &str = include_str!("../../docs/inspect-json.md");

    fn shown(inspected: &Inspected) -> Value {
        serde_json::to_value(Document::of(inspected)).unwrap()
    }

    #[test]
    fn every_field_is_documented_and_the_other_way_round() {
        let (all, image) = ("## Of everything", "## Of an image or artifact");
        for (inspected, headings) in [
            (examples::index(), vec![all, "## Of an index"]),
            (examples::image(), vec![all, image]),
            (examples::artifact(), vec![all, image]),
            (examples::referred_to(), vec![all, image, "## With `--referrers`"]),
            (examples::picked(), vec![all, image, "## Of an entry picked with `--platform`"]),
        ] {
            assert_eq!(paths(&shown(&inspected)), fields(PAGE, &headings));
        }
    }

    #[test]
    fn values() {
        let index = shown(&examples::index());
        let of_entries = |name: &str| -> Vec<Value> {
            index["entries"].as_array().unwrap().iter().map(|entry| entry[name].clone()).collect()
        };
        assert_eq!(
            of_entries("kind"),
            ["image", "image", "image", "index", "image", "attestation", "attestation"]
        );
        let windows = &index["entries"][2];
        for (name, value) in [
            ("platform", json!("windows(10.0.20348.2700+win32k)/amd64")),
            ("os", json!("windows")),
            ("variant", json!(null)),
            ("osVersion", json!("10.0.20348.2700")),
            ("osFeatures", json!(["win32k"])),
            ("downloadBytes", json!(120_000_000)),
            ("problem", json!(null)),
        ] {
            assert_eq!(windows[name], value, "{name}");
        }
        assert_eq!(index["entries"][4]["problem"], "not in the registry");
        assert_eq!(of_entries("created")[..2], [json!("2026-05-01T12:00:00Z"), json!(null)]);
        assert_eq!(index["entries"][5]["statements"], json!(["SBOM", "provenance"]));
        assert_eq!(index["entries"][5]["attests"], index["entries"][0]["digest"]);
        assert_eq!(index["entries"][0]["attestations"], json!([index["entries"][5]["digest"]]));
        let picked = shown(&examples::picked());
        assert_eq!(
            (&picked["platform"], &picked["variant"], &picked["entryPlatform"]),
            (&json!("linux/arm64"), &json!("v8"), &json!("linux/arm/v7"))
        );
        assert_eq!(shown(&examples::artifact())["kind"], "artifact");
    }
}
