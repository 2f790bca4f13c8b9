//! Manifests that refer to another one, their subject: signatures, SBOMs, provenance (image spec,
//! manifest.md; distribution spec, "Listing Referrers").

use super::descriptor::{ATTESTATION_MANIFEST, PREDICATE_TYPES, REFERENCE_DIGEST, REFERENCE_TYPE};
use super::json::{or_absent, or_absent_texts};
use super::{Annotations, Descriptor, Digest, Invalid, Manifest, Platform, json, media_type};
use serde::Deserialize;

/// What cosign puts behind the tag of a digest, and what people call what is there.
const COSIGN: [(&str, &str); 3] =
    [(".sig", "cosign signature"), (".att", "cosign attestation"), (".sbom", "cosign SBOM")];
/// The artifact type of provenance and SBOMs that `BuildKit` pushes for an image (`oci-artifact`).
pub(crate) const ATTESTATION: &str = "application/vnd.docker.attestation.manifest.v1+json";
/// Characters that the referrers tag takes of a digest's hex.
const MOST_OF_HEX: usize = 64;
/// Longest name of a media type (RFC 6838, section 4.2): two parts of 127 characters.
const LONGEST_TYPE: usize = 255;

/// The tag under which a digest's referrers are listed where the registry has no API for it.
pub(crate) fn tag(subject: &Digest) -> String {
    let hex = subject.hex();
    format!("{}-{}", subject.algorithm(), hex.get(..MOST_OF_HEX).unwrap_or(hex))
}

/// The tags that cosign gives to what belongs to a digest, with what each holds.
pub(crate) fn cosign_tags(subject: &Digest) -> [(String, &'static str); 3] {
    COSIGN
        .map(|(ending, kind)| (format!("{}-{}{ending}", subject.algorithm(), subject.hex()), kind))
}

/// Whether a tag can be one of those above.
pub(crate) fn is_tag_of_digest(name: &str) -> bool {
    name.starts_with("sha256-") || name.starts_with("sha512-")
}

/// What kind of artifact it is, where its type is one that can be shown as it is.
pub(crate) fn kind(artifact_type: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/!#$&-^_.+".contains(&byte);
    let is_shown = !artifact_type.is_empty()
        && artifact_type.len() <= LONGEST_TYPE
        && artifact_type.bytes().all(is_plain);
    if is_shown { artifact_type } else { "of another type" }
}

/// The key with the certificate that a signature of cosign's was made with, PEM.
const COSIGN_CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// The key with a signature of cosign's; empty of an attestation, which holds its own.
const COSIGN_SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What a Sigstore bundle holds.
const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
/// The key with the SHA-256 digests of the certificates that a Notary Project signature was made
/// with, the signer's first: a JSON array of hex.
const THUMBPRINTS: &str = "io.cncf.notary.x509chain.thumbprint#S256";
/// RFC 3339 (image spec, annotations.md).
pub(crate) const CREATED: &str = "org.opencontainers.image.created";
/// Types of artifacts that have a short name.
const KINDS: [(&str, &str); 5] = [
    ("application/vnd.cncf.notary.signature", "signature"),
    ("application/vnd.dev.cosign.artifact.sig.v1+json", "signature"),
    ("application/spdx+json", "SBOM"),
    ("text/spdx", "SBOM"),
    ("application/vnd.cyclonedx", "SBOM"),
];
/// Characters of an annotation that is kept of a listed referrer.
const LONGEST_TOLD: usize = 512;

/// With what something was signed, as its annotations say. Nobody has verified that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signer {
    /// A certificate, with the SHA-256 digest of it, in hex, where that is said.
    Certificate(Option<String>),
    /// A key without a certificate.
    Key,
}

/// With what it was signed, by the annotations of its manifest, or of a layer where cosign keeps
/// one for each signature.
pub(crate) fn signer(annotations: &Annotations) -> Option<Signer> {
    let said = |key: &str| annotations.get(key).map(|value| value.trim());
    if said(COSIGN_CERTIFICATE).is_some_and(|certificate| !certificate.is_empty()) {
        return Some(Signer::Certificate(None));
    }
    if said(COSIGN_SIGNATURE).is_some() {
        return Some(Signer::Key);
    }
    let thumbprints: Vec<String> = serde_json::from_str(said(THUMBPRINTS)?).ok()?;
    let is_digest = |hex: &String| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    thumbprints.into_iter().next().filter(is_digest).map(|hex| Signer::Certificate(Some(hex)))
}

/// A short name of what a listed referrer is, where it says so: what it states, else its type.
pub(crate) fn short_kind(entry: &Descriptor) -> Option<&str> {
    let by_type = || {
        let known = |(start, _): &&(&str, &str)| entry.artifact_type.starts_with(start);
        KINDS.iter().find(known).map(|(_, name)| *name)
    };
    let by_content = || {
        let content = entry.annotations.get(BUNDLE_CONTENT)?;
        (content == "message-signature").then_some("signature")
    };
    entry.statement().or_else(by_type).or_else(by_content)
}

/// A listed referrer with its type, and of its annotations those that are read here: of hundreds
/// of them others may have made the rest large.
pub(crate) fn told(entry: &Descriptor) -> Descriptor {
    let mut told = Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size);
    if entry.artifact_type.len() <= LONGEST_TYPE {
        told.artifact_type.clone_from(&entry.artifact_type);
    }
    let is_read = |key: &str| {
        PREDICATE_TYPES.contains(&key) || [BUNDLE_CONTENT, THUMBPRINTS, CREATED].contains(&key)
    };
    let annotations = entry.annotations.iter();
    let kept = annotations.filter(|(key, value)| is_read(key) && value.len() <= LONGEST_TOLD);
    told.annotations = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    told
}

/// The fields of a manifest that make it a referrer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_absent")]
    artifact_type: String,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_absent_texts")]
    annotations: Annotations,
}

/// What a manifest refers to, and how it is listed there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Referring {
    /// Digest of the manifest that it refers to, if to any.
    pub(crate) subject: Option<Digest>,
    /// Its entry in the list of that one's referrers.
    pub(crate) entry: Descriptor,
}

impl Referring {
    /// Reads it from a manifest that was checked.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, Invalid> {
        let Fields { subject, artifact_type, config, annotations } =
            serde_json::from_slice(&manifest.bytes)
                .map_err(|error| Invalid::new(format!("not a referrer: {}", json::told(&error))))?;
        let mut entry = manifest.descriptor();
        entry.artifact_type = match config {
            Some(config) if artifact_type.is_empty() => config.media_type.clone(),
            _ => artifact_type,
        };
        entry.annotations = annotations;
        Ok(Self { subject: subject.map(|subject| subject.digest.clone()), entry })
    }

    /// Its entry in an index beside the image that it refers to, if it is an attestation: as buildx
    /// writes it, so with the manifest's annotations and without its type.
    pub(crate) fn attestation(self) -> Option<Descriptor> {
        let Self { subject: Some(subject), mut entry } = self else { return None };
        if entry.artifact_type != ATTESTATION || !media_type::is_image(&entry.media_type) {
            return None;
        }
        entry.artifact_type.clear();
        entry.platform = Some(Platform::unknown());
        for (key, value) in
            [(REFERENCE_TYPE, ATTESTATION_MANIFEST), (REFERENCE_DIGEST, subject.as_str())]
        {
            entry.annotations.insert(key.to_owned(), value.to_owned());
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, spoilt};
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn parsed(document: &[u8]) -> Option<Referring> {
        let bytes = Bytes::copy_from_slice(document);
        let digest = Digest::of(&bytes);
        let manifest = Manifest::parse(bytes, "", digest).ok()?;
        Referring::of(&manifest).ok()
    }

    fn whole() -> Value {
        let blob = json!({"mediaType": "a/config", "digest": Digest::of(b"{}"), "size": 2});
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_MANIFEST,
            "artifactType": "a/b",
            "config": blob,
            "layers": [blob],
            "subject": blob,
            "annotations": {"k": "v"},
        })
    }

    #[test]
    fn how_a_referrer_is_listed() {
        let mut document = whole();
        let one = parsed(document.to_string().as_bytes()).unwrap();
        assert_eq!(one.subject, Some(Digest::of(b"{}")));
        assert_eq!(
            (one.entry.artifact_type.as_str(), one.entry.annotations["k"].as_str()),
            ("a/b", "v")
        );
        document["artifactType"] = Value::Null;
        document["subject"] = Value::Null;
        let other = parsed(document.to_string().as_bytes()).unwrap();
        assert_eq!((other.subject, other.entry.artifact_type.as_str()), (None, "a/config"));
        assert_eq!(other.entry.size, document.to_string().len() as u64);
    }

    #[test]
    fn the_entry_of_an_attestation() {
        let mut document = whole();
        let entry = |document: &Value| parsed(document.to_string().as_bytes())?.attestation();
        assert_eq!(entry(&document), None, "it is of another type");
        document["artifactType"] = json!(ATTESTATION);
        document["annotations"]["vnd.docker.reference.digest"] = json!("sha256:of another");
        let found = entry(&document).unwrap();
        let subject = Digest::of(b"{}");
        assert_eq!(found.attests(), Some(subject.as_str()));
        assert_eq!(
            serde_json::to_value(&found).unwrap(),
            json!({
                "mediaType": media_type::OCI_MANIFEST,
                "digest": Digest::of(document.to_string().as_bytes()),
                "size": document.to_string().len(),
                "annotations": {
                    "k": "v",
                    "vnd.docker.reference.digest": subject,
                    "vnd.docker.reference.type": "attestation-manifest",
                },
                "platform": {"architecture": "unknown", "os": "unknown"},
            })
        );
        document["subject"] = Value::Null;
        assert_eq!(entry(&document), None, "it refers to nothing");
    }

    #[test]
    fn tags_of_a_digest() {
        let digest = Digest::of(b"x");
        let hex = digest.hex().to_owned();
        assert_eq!(tag(&digest), format!("sha256-{hex}"));
        let cosign = cosign_tags(&digest).map(|(tag, _)| tag);
        assert_eq!(cosign, [".sig", ".att", ".sbom"].map(|end| format!("sha256-{hex}{end}")));
        assert!(
            cosign.iter().all(|tag| crate::oci::reference::is_tag(tag) && is_tag_of_digest(tag))
        );
        let long: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
        assert_eq!(tag(&long), format!("sha512-{}", "ab".repeat(32)), "the spec cuts it");
        assert!(!is_tag_of_digest("1.2"));
    }

    #[test]
    fn a_kind_is_shown_only_as_a_media_type() {
        let spdx = "application/spdx+json";
        assert_eq!(kind(spdx), spdx);
        for odd in ["", "a b", "::error::x", "a/<b>", "a\nb", &"x".repeat(256)] {
            assert_eq!(kind(odd), "of another type", "{odd}");
        }
    }

    fn listed(artifact_type: &str, annotations: &[(&str, &str)]) -> Descriptor {
        let mut entry = Descriptor::new(media_type::OCI_MANIFEST, Digest::of(b"x"), 7);
        artifact_type.clone_into(&mut entry.artifact_type);
        entry.annotations =
            annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        entry
    }

    #[test]
    fn what_a_listed_referrer_is() {
        const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let predicate = |kind| [("dev.sigstore.bundle.predicateType", kind)];
        for (artifact_type, annotations, expected) in [
            (BUNDLE, &predicate("https://slsa.dev/provenance/v1")[..], Some("provenance")),
            (BUNDLE, &predicate("https://sigstore.dev/cosign/sign/v1")[..], Some("signature")),
            (BUNDLE, &predicate("https://x.example/v1")[..], Some("https://x.example/v1")),
            (BUNDLE, &[(BUNDLE_CONTENT, "message-signature")][..], Some("signature")),
            (BUNDLE, &[(BUNDLE_CONTENT, "dsse-envelope")][..], None),
            ("application/spdx+json", &[][..], Some("SBOM")),
            ("application/vnd.cyclonedx+json", &[][..], Some("SBOM")),
            ("application/vnd.cncf.notary.signature", &[][..], Some("signature")),
            ("a/b", &[][..], None),
        ] {
            let entry = told(&listed(artifact_type, annotations));
            assert_eq!(short_kind(&entry), expected, "{artifact_type} {annotations:?}");
        }
        let long = "x".repeat(600);
        let kept = told(&listed(&long, &[("a", "b"), (CREATED, &long), (BUNDLE_CONTENT, "c")]));
        assert_eq!((kept.artifact_type.as_str(), kept.annotations.len()), ("", 1));
    }

    #[test]
    fn with_what_it_was_signed() {
        let hex = "ab".repeat(32);
        let thumbprints = format!("[\"{hex}\",\"{}\"]", "cd".repeat(32));
        for (annotations, expected) in [
            (&[(COSIGN_SIGNATURE, "MEUC")][..], Some(Signer::Key)),
            (
                &[(COSIGN_SIGNATURE, ""), (COSIGN_CERTIFICATE, "-----BEGIN")],
                Some(Signer::Certificate(None)),
            ),
            (&[(COSIGN_SIGNATURE, "x"), (COSIGN_CERTIFICATE, " ")], Some(Signer::Key)),
            (&[(THUMBPRINTS, &thumbprints)], Some(Signer::Certificate(Some(hex)))),
            (&[(THUMBPRINTS, "[]")], None),
            (&[(THUMBPRINTS, "[\"ab\"]")], None),
            (&[(THUMBPRINTS, "{")], None),
            (&[("a", "b")], None),
        ] {
            let entry = listed("a/b", annotations);
            assert_eq!(signer(&entry.annotations), expected, "{annotations:?}");
        }
    }

    #[test]
    fn survives_any_referrer() {
        let mut random = fastrand::Rng::with_seed(1);
        let whole = whole();
        let mut accepted = 0;
        for _ in 0..3_000 {
            let rarity = *chosen(&mut random, &[6, 60]);
            let Some(one) = parsed(&spoilt(&mut random, &whole, rarity)) else { continue };
            accepted += 1;
            assert!(one.entry.size > 0);
            let told = told(&one.entry);
            let _ = (signer(&told.annotations), short_kind(&told));
        }
        assert!(accepted > 300, "{accepted}");
    }
}
