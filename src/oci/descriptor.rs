//! Descriptors: media type, digest and size of something stored (image spec, descriptor.md).

use super::json::{or_absent, or_absent_texts};
use super::{Annotations, Digest, Invalid, Platform, media_type, shown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The annotation that says what kind of entry it is; `BuildKit` writes `attestation-manifest`.
pub(crate) const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// What that annotation says of an attestation.
pub(crate) const ATTESTATION_MANIFEST: &str = "attestation-manifest";
/// The annotation with the digest of the image that an attestation describes.
pub(crate) const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The annotations that say what an attestation states: `BuildKit`'s, on its layers; of a Sigstore
/// bundle; cosign's, on its layers.
pub(super) const PREDICATE_TYPES: [&str; 3] =
    ["in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType", "predicateType"];
/// What addresses start with, a version behind it, and what people call it.
const STATEMENTS: [(&str, &str); 4] = [
    ("https://slsa.dev/provenance", "provenance"),
    ("https://spdx.dev/Document", "SBOM"),
    ("https://cyclonedx.org/bom", "SBOM"),
    ("https://sigstore.dev/cosign/sign", "signature"),
];

/// A descriptor. A clone shares its fields until one of the two is changed: each stage of a run has
/// its own list of entries, and there may be megabytes in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Descriptor(Arc<DescriptorFields>);

/// The fields, in the order of the spec's Go structs, so that other tools write the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescriptorFields {
    /// Type of what is described.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Other places to get it from; kept, never fetched.
    #[serde(default, deserialize_with = "or_absent", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Key and value pairs about it.
    #[serde(
        default,
        deserialize_with = "or_absent_texts",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: Annotations,
    /// The content itself, base64, if it was embedded.
    #[serde(default, deserialize_with = "or_absent", skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Type of the artifact.
    #[serde(default, deserialize_with = "or_absent", skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// Fields that the spec does not name, kept as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Deref for Descriptor {
    type Target = DescriptorFields;

    fn deref(&self) -> &DescriptorFields {
        &self.0
    }
}

impl DerefMut for Descriptor {
    fn deref_mut(&mut self) -> &mut DescriptorFields {
        Arc::make_mut(&mut self.0)
    }
}

impl Descriptor {
    /// A descriptor with the three required fields.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self(Arc::new(DescriptorFields {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: Annotations::new(),
            data: String::new(),
            platform: None,
            artifact_type: String::new(),
            extra: BTreeMap::new(),
        }))
    }

    /// Refuses a size that clients in Go cannot read, and embedded content of another digest.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let DescriptorFields { digest, size, data, .. } = &**self;
        if i64::try_from(*size).is_err() {
            return Err(Invalid::new(format!("{digest} has size {size}, larger than any")));
        }
        if data.is_empty() {
            return Ok(());
        }
        let bytes = STANDARD
            .decode(data)
            .map_err(|_| Invalid::new(format!("the data embedded for {digest} is not base64")))?;
        if bytes.len() as u64 != *size || !digest.matches(&bytes) {
            return Err(Invalid::new(format!("the data embedded for {digest} is other bytes")));
        }
        Ok(())
    }

    /// What it says that is not so, as far as the registry tells about what it describes.
    /// `media_type`: empty where it does not tell; `size`: in bytes, `None` where it does not.
    pub(crate) fn contradicted_by(&self, media_type: &str, size: Option<u64>) -> Option<String> {
        let is_manifest = media_type::is_manifest(media_type);
        match size {
            _ if is_manifest && media_type != self.media_type => {
                let (ours, theirs) = (shown(media_type), shown(&self.media_type));
                Some(format!("its type is {ours}, but the index says {theirs}"))
            }
            Some(size) if size != self.size => {
                Some(format!("it has {size} bytes, but the index says {}", self.size))
            }
            _ => None,
        }
    }

    /// The digest of the image that this entry describes, if it is an attestation written by
    /// `BuildKit`.
    pub fn attests(&self) -> Option<&str> {
        let kind = self.annotations.get(REFERENCE_TYPE)?;
        if kind == ATTESTATION_MANIFEST {
            Some(self.annotations.get(REFERENCE_DIGEST).map_or("", String::as_str))
        } else {
            None
        }
    }

    /// What it states about an image, if its annotations say so: provenance, SBOM, else the address
    /// of that kind of statement (in-toto's `predicateType`).
    pub fn statement(&self) -> Option<&str> {
        let kind = PREDICATE_TYPES.iter().find_map(|key| self.annotations.get(*key))?;
        let known = STATEMENTS.iter().find(|(address, _)| kind.starts_with(address));
        Some(known.map_or(kind, |(_, name)| name))
    }

    /// The platform, if this entry is an image and its platform is known.
    pub fn known_platform(&self) -> Option<&Platform> {
        self.platform.as_ref().filter(|platform| platform.is_known() && self.attests().is_none())
    }

    /// Whether it has anything that a Docker manifest list cannot contain (image spec,
    /// media-types.md, compatibility matrix).
    pub fn needs_oci(&self) -> bool {
        !media_type::is_docker(&self.media_type)
            || !self.annotations.is_empty()
            || !self.data.is_empty()
            || !self.artifact_type.is_empty()
    }

    /// What this entry is, for people.
    pub fn title(&self) -> String {
        match (self.known_platform(), self.attests()) {
            (Some(platform), _) => platform.to_string(),
            (None, Some(_)) => "attestation".to_owned(),
            (None, None) if !self.artifact_type.is_empty() => "artifact".to_owned(),
            (None, None) => "no platform".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(media_type: &str, platform: Option<&str>, annotations: &[(&str, &str)]) -> Descriptor {
        let mut entry = Descriptor::new(media_type, Digest::of(b""), 1);
        entry.platform = platform.map(|text| text.parse().unwrap());
        entry.annotations =
            annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        entry
    }

    #[test]
    fn what_an_attestation_states() {
        for (kind, expected) in [
            ("https://slsa.dev/provenance/v0.2", "provenance"),
            ("https://slsa.dev/provenance/v1", "provenance"),
            ("https://spdx.dev/Document", "SBOM"),
            ("https://cyclonedx.org/bom/v1.6", "SBOM"),
            ("https://openvex.dev/ns/v0.2.0", "https://openvex.dev/ns/v0.2.0"),
        ] {
            let entry = entry(media_type::OCI_MANIFEST, None, &[(PREDICATE_TYPES[0], kind)]);
            assert_eq!(entry.statement(), Some(expected));
        }
        assert_eq!(entry(media_type::OCI_MANIFEST, None, &[]).statement(), None);
    }

    #[test]
    fn what_an_entry_is() {
        const KIND: (&str, &str) = (REFERENCE_TYPE, "attestation-manifest");
        const OF: (&str, &str) = (REFERENCE_DIGEST, "sha256:0");
        for (platform, annotations, title, attests) in [
            (Some("linux/arm64/v8"), &[][..], "linux/arm64", None),
            (Some("unknown/unknown"), &[][..], "no platform", None),
            (None, &[][..], "no platform", None),
            (Some("unknown/unknown"), &[KIND, OF][..], "attestation", Some("sha256:0")),
            (Some("linux/amd64"), &[KIND, OF][..], "attestation", Some("sha256:0")),
            (None, &[KIND][..], "attestation", Some("")),
            (Some("linux/amd64"), &[OF][..], "linux/amd64", None),
            (Some("linux/amd64"), &[(REFERENCE_TYPE, "other"), OF][..], "linux/amd64", None),
        ] {
            let entry = entry(media_type::OCI_MANIFEST, platform, annotations);
            assert_eq!((entry.title().as_str(), entry.attests()), (title, attests));
            assert_eq!(entry.known_platform().is_some(), title.contains('/'), "{title}");
        }
    }

    #[test]
    fn what_the_registry_knows_better() {
        let entry = entry(media_type::OCI_MANIFEST, Some("linux/amd64"), &[]);
        for (media_type, size, is_contradicted) in [
            (media_type::OCI_MANIFEST, Some(1), false),
            ("", None, false),
            ("", Some(1), false),
            ("application/json", Some(1), false),
            (media_type::OCI_MANIFEST, Some(2), true),
            ("", Some(2), true),
            (media_type::DOCKER_MANIFEST, None, true),
            (media_type::OCI_INDEX, Some(1), true),
        ] {
            let contradicted = entry.contradicted_by(media_type, size);
            assert_eq!(contradicted.is_some(), is_contradicted, "{media_type} {size:?}");
        }
        let long = Descriptor::new(&"x".repeat(4000), Digest::of(b""), 1);
        let told = long.contradicted_by(media_type::OCI_INDEX, Some(1)).unwrap();
        assert!(told.ends_with("but the index says a text of 4000 bytes"), "{told}");
    }

    #[test]
    fn embedded_content_is_what_the_digest_names() {
        let of = |bytes: &[u8], size: u64, data: &str| {
            let mut descriptor = Descriptor::new("a/b", Digest::of(bytes), size);
            descriptor.data = data.into();
            descriptor
        };
        for (descriptor, is_good) in [
            (of(b"{}", 2, "e30="), true),
            (of(b"{}", 2, ""), true),
            (of(b"{}", 3, "e30="), false),
            (of(b"[]", 2, "e30="), false),
            (of(b"{}", 2, "e30"), false),
            (of(b"{}", 2, "e3 0="), false),
            (of(b"{}", i64::MAX.unsigned_abs(), ""), true),
            (of(b"{}", i64::MAX.unsigned_abs() + 1, ""), false),
        ] {
            assert_eq!(descriptor.check().is_ok(), is_good, "{descriptor:?}");
        }
    }

    #[test]
    fn what_a_docker_list_cannot_contain() {
        let docker = || entry(media_type::DOCKER_MANIFEST, Some("linux/amd64"), &[]);
        let with = |change: fn(&mut Descriptor)| {
            let mut entry = docker();
            change(&mut entry);
            entry
        };
        for (entry, needs_oci) in [
            (docker(), false),
            (entry(media_type::OCI_MANIFEST, None, &[]), true),
            (entry(media_type::DOCKER_MANIFEST, None, &[("k", "v")]), true),
            (with(|entry| entry.data = "e30=".into()), true),
            (with(|entry| entry.artifact_type = "x".into()), true),
            (with(|entry| entry.urls = vec!["https://example.com".into()]), false),
        ] {
            assert_eq!(entry.needs_oci(), needs_oci, "{entry:?}");
        }
    }

    #[test]
    fn fields_are_written_in_the_order_of_the_spec_and_unknown_ones_are_kept() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"mediaType":"a/b","digest":"{digest}","size":1,"urls":["u"],"annotations":{{"k":"v"}},"data":"e30=","platform":{{"architecture":"amd64","os":"linux","os.version":"1","os.features":["f"],"variant":"v2","x":1}},"artifactType":"c/d","y":[2]}}"#
        );
        let entry: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        let least = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
        let entry: Descriptor = serde_json::from_str(&least).unwrap();
        assert_eq!(entry, Descriptor::new("a/b", digest, 1));
        assert_eq!(serde_json::to_string(&entry).unwrap(), least);
    }
}
