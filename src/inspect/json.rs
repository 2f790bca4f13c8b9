//! What a reference is, in JSON, version 1; `docs/inspect-json.md` describes it. Fields may be
//! added within a version, never changed.

use crate::inspect::{Behind, Entry, Image, Inside, Inspected};
use crate::oci::{Descriptor, Platform};
use serde_json::{Map, Value, json};

/// The whole document.
pub fn document(inspected: &Inspected) -> Value {
    let manifest = &inspected.manifest;
    let kind = match &inspected.inside {
        Inside::Index(_) => "index",
        Inside::Image(image) if image.artifact_type.is_some() => "artifact",
        Inside::Image(_) => "image",
    };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("version", json!(1));
    put("reference", json!(inspected.reference.to_string()));
    put("kind", json!(kind));
    put("mediaType", json!(manifest.media_type));
    put("digest", json!(manifest.digest));
    put("size", json!(manifest.bytes.len()));
    put("annotations", json!(inspected.annotations));
    put("subject", json!(inspected.subject.as_ref().map(|subject| &subject.digest)));
    match &inspected.inside {
        Inside::Image(image) => fields.extend(of_image(image)),
        Inside::Index(entries) => {
            put("entries", entries.iter().map(|entry| of_entry(entry, entries)).collect());
        }
    }
    if let Some(picked) = &inspected.picked {
        let digests: Vec<&str> =
            picked.attestations.iter().map(|entry| entry.digest.as_str()).collect();
        fields.insert("attestations".to_owned(), json!(digests));
        fields.insert("entryAnnotations".to_owned(), json!(picked.entry.annotations));
        fields.insert(
            "entryPlatform".to_owned(),
            json!(picked.entry.known_platform().map(ToString::to_string)),
        );
        fields.insert(
            "index".to_owned(),
            json!({"mediaType": picked.index.media_type, "digest": picked.index.digest, "size": picked.index.bytes.len()}),
        );
    }
    Value::Object(fields)
}

fn of_image(image: &Image) -> Map<String, Value> {
    let mut fields = of_platform(image.platform.as_ref());
    let blob = |blob: &Descriptor| json!({"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size});
    let rest = [
        ("artifactType", json!(image.artifact_type)),
        ("created", json!(image.created)),
        ("revision", json!(image.revision())),
        ("labels", json!(image.labels)),
        ("config", blob(&image.config)),
        ("layers", image.layers.iter().map(blob).collect()),
        ("downloadBytes", json!(image.download)),
    ];
    fields.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    fields
}

fn of_entry(entry: &Entry, all: &[Entry]) -> Value {
    let descriptor = &entry.descriptor;
    let (kind, bytes, problem) = match &entry.behind {
        Behind::Image(bytes) => ("image", Some(*bytes), None),
        Behind::Index(_) => ("index", None, None),
        Behind::Attestation => ("attestation", None, None),
        Behind::Unread(why) => ("unknown", None, Some(why)),
    };
    let digest = descriptor.digest.as_str();
    let attestations: Vec<&str> =
        Inspected::attestations_of(all, digest).map(|entry| entry.digest.as_str()).collect();
    let mut fields = Map::new();
    fields.insert("kind".to_owned(), json!(kind));
    fields.extend(of_platform(descriptor.known_platform()));
    let rest = [
        ("mediaType", json!(descriptor.media_type)),
        ("digest", json!(descriptor.digest)),
        ("size", json!(descriptor.size)),
        ("artifactType", json!(Some(&descriptor.artifact_type).filter(|kind| !kind.is_empty()))),
        ("annotations", json!(descriptor.annotations)),
        ("downloadBytes", json!(bytes)),
        ("attests", json!(descriptor.attests())),
        ("attestations", json!(attestations)),
        ("problem", json!(problem)),
    ];
    fields.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(fields)
}

/// The canonical spelling, and the parts as they stand in the registry.
fn of_platform(platform: Option<&Platform>) -> Map<String, Value> {
    let part =
        |part: fn(&Platform) -> &str| json!(platform.map(part).filter(|text| !text.is_empty()));
    let features: &[String] = platform.map_or(&[], |platform| &platform.os_features);
    let fields = [
        ("platform", json!(platform.map(ToString::to_string))),
        ("os", part(|platform| &platform.os)),
        ("architecture", part(|platform| &platform.architecture)),
        ("variant", part(|platform| &platform.variant)),
        ("osVersion", part(|platform| &platform.os_version)),
        ("osFeatures", json!(features)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
