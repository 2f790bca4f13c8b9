//! Descriptors: media type, digest and size of something stored (image spec, descriptor.md).

use super::{Annotations, Digest, Platform, media_type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The annotation that says what an entry is for; `BuildKit` writes `attestation-manifest`.
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// The annotation that names the image which an attestation describes.
pub const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// A descriptor, field by field in the order of the spec's Go structs, so that written bytes equal
/// other tools'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Type of what is described.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Other places to get it from; kept, never fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Key and value pairs about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// The content itself, base64, if it was embedded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Type of the artifact.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// Fields that the spec does not name, kept as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Descriptor {
    /// A descriptor with the three fields that every one has.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: Annotations::new(),
            data: String::new(),
            platform: None,
            artifact_type: String::new(),
            extra: BTreeMap::new(),
        }
    }

    /// The image that this entry attests, if it is an attestation as `BuildKit` writes them.
    pub fn attests(&self) -> Option<&str> {
        let kind = self.annotations.get(REFERENCE_TYPE)?;
        if kind == "attestation-manifest" {
            Some(self.annotations.get(REFERENCE_DIGEST).map_or("", String::as_str))
        } else {
            None
        }
    }

    /// The platform, if this entry is an image for one.
    pub fn known_platform(&self) -> Option<&Platform> {
        self.platform.as_ref().filter(|platform| platform.is_known() && self.attests().is_none())
    }

    /// Whether it holds what a Docker manifest list has no place for (image spec, media-types.md,
    /// compatibility matrix).
    pub fn needs_oci(&self) -> bool {
        !media_type::is_docker(&self.media_type)
            || !self.annotations.is_empty()
            || !self.data.is_empty()
            || !self.artifact_type.is_empty()
    }

    /// What this entry is for, for people.
    pub fn title(&self) -> String {
        match (self.known_platform(), self.attests()) {
            (Some(platform), _) => platform.to_string(),
            (None, Some(_)) => "attestation".to_owned(),
            (None, None) => "no platform".to_owned(),
        }
    }
}
