//! What the tests of both formats show.

use crate::inspect::referrers::Referrer;
use crate::inspect::{Behind, Entry, Image, Inside, Inspected, Picked};
use crate::oci::descriptor::{REFERENCE_DIGEST, REFERENCE_TYPE};
use crate::oci::referrer::{CREATED, Signer};
use crate::oci::{Annotations, Descriptor, Digest, Manifest, media_type};

fn pairs(pairs: &[(&str, &str)]) -> Annotations {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn blob(media_type: &str, seed: &str, size: u64) -> Descriptor {
    Descriptor::new(media_type, Digest::of(seed.as_bytes()), size)
}

fn entry(platform: &str) -> Descriptor {
    let mut entry = blob(media_type::OCI_MANIFEST, platform, 480);
    entry.platform = platform.parse().ok();
    entry
}

fn attestation(of: &str) -> Descriptor {
    let mut entry = blob(media_type::OCI_MANIFEST, &format!("attests {of}"), 566);
    entry.platform = "unknown/unknown".parse().ok();
    entry.annotations = pairs(&[
        (REFERENCE_DIGEST, Digest::of(of.as_bytes()).as_str()),
        (REFERENCE_TYPE, "attestation-manifest"),
    ]);
    entry
}

/// As writers other than `BuildKit` have it.
fn provenance(of: &str) -> Descriptor {
    let mut entry = attestation(of);
    let kind = "https://slsa.dev/provenance/v1".to_owned();
    entry.annotations.insert("in-toto.io/predicate-type".to_owned(), kind);
    entry
}

fn manifest(media_type: &str) -> Manifest {
    let fields = match media_type {
        media_type::OCI_INDEX => r#""manifests":[]"#.to_owned(),
        _ => {
            let config = serde_json::to_string(&blob("x", "config", 2)).unwrap();
            format!(r#""config":{config},"layers":[]"#)
        }
    };
    let body = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}",{fields}}}"#);
    let digest = Digest::of(body.as_bytes());
    Manifest::parse(body.into(), media_type, digest).unwrap()
}

fn inspected(media_type: &str, inside: Inside) -> Inspected {
    Inspected {
        reference: "ghcr.io/acme/app:1.2".parse().unwrap(),
        picked: None,
        manifest: manifest(media_type),
        annotations: pairs(&[("org.opencontainers.image.version", "1.2")]),
        subject: None,
        inside,
        referrers: None,
    }
}

/// Two images with an attestation, Windows, a nested index, one that is not in the registry, and an
/// attestation of an image that is not in the index.
pub(super) fn index() -> Inspected {
    let mut windows = entry("windows(10.0.20348.2700+win32k)/amd64");
    windows.media_type = media_type::DOCKER_MANIFEST.to_owned();
    let mut arm = entry("linux/arm/v7");
    arm.annotations = pairs(&[("org.example.note", "built on a Raspberry Pi")]);
    let mut chart = blob(media_type::OCI_MANIFEST, "chart", 480);
    chart.artifact_type = "application/vnd.cncf.helm.config.v1+json".to_owned();
    let of = |descriptor, behind| Entry { descriptor, behind: Some(behind) };
    let image = |download, created: Option<&str>| Behind::Image {
        download,
        created: created.map(str::to_owned),
    };
    let stated = |statements: &[&str]| {
        Behind::Attestation(statements.iter().map(|&text| text.to_owned()).collect())
    };
    let entries = vec![
        of(entry("linux/amd64"), image(31_400_000, Some("2026-05-01T12:00:00Z"))),
        of(arm, image(28_900_000, None)),
        of(windows, image(120_000_000, None)),
        of(blob(media_type::OCI_INDEX, "nested", 1_234_567), Behind::Index(2)),
        of(chart, Behind::Unread("not in the registry".to_owned())),
        of(provenance("linux/amd64"), stated(&["SBOM", "provenance"])),
        of(attestation("linux/s390x"), stated(&[])),
    ];
    inspected(media_type::OCI_INDEX, Inside::Index(entries))
}

fn app() -> Image {
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    Image {
        platform: "linux/arm64/v8".parse().ok(),
        created: Some("2026-05-01T12:00:00Z".to_owned()),
        labels: pairs(&[
            ("org.opencontainers.image.revision", "0123456789abcdef0123456789abcdef01234567"),
            ("org.opencontainers.image.source", "https://github.com/acme/app"),
        ]),
        config: blob(media_type::OCI_CONFIG, "config", 1_200),
        layers: vec![blob(LAYER, "one", 30_000_000), blob(LAYER, "two", 1_400_000)],
        download: 31_401_200,
        artifact_type: None,
    }
}

/// An image.
pub(super) fn image() -> Inspected {
    inspected(media_type::OCI_MANIFEST, Inside::Image(Box::new(app())))
}

/// A signature of an image.
pub(super) fn artifact() -> Inspected {
    let signature = Image {
        platform: None,
        created: None,
        labels: Annotations::new(),
        config: blob("application/vnd.oci.empty.v1+json", "{}", 2),
        layers: vec![blob("application/vnd.dev.sigstore.bundle.v0.3+json", "signature", 1_500)],
        download: 1_502,
        artifact_type: Some("application/vnd.dev.sigstore.bundle.v0.3+json".to_owned()),
    };
    Inspected {
        subject: Some(entry("linux/arm64")),
        annotations: Annotations::new(),
        ..inspected(media_type::OCI_MANIFEST, Inside::Image(Box::new(signature)))
    }
}

/// What `BuildKit` says of an image, read by its digest.
pub(super) fn attesting() -> Inspected {
    let layer = |size, kind: &str| {
        let mut layer = blob("application/vnd.in-toto+json", kind, size);
        layer.annotations = pairs(&[("in-toto.io/predicate-type", kind)]);
        layer
    };
    let statements = Image {
        platform: None,
        created: None,
        labels: Annotations::new(),
        config: blob(media_type::OCI_CONFIG, "{}", 167),
        layers: vec![
            layer(9_500, "https://spdx.dev/Document"),
            layer(2_100, "https://slsa.dev/provenance/v1"),
            layer(400, "https://openvex.dev/ns/v0.2.0"),
        ],
        download: 12_167,
        artifact_type: None,
    };
    let inside = Inside::Image(Box::new(statements));
    Inspected { annotations: Annotations::new(), ..inspected(media_type::OCI_MANIFEST, inside) }
}

/// An image that the index calls one for another architecture.
pub(super) fn picked() -> Inspected {
    let mut entry = entry("linux/arm/v7");
    entry.annotations = pairs(&[("org.example.note", "built on a Raspberry Pi")]);
    let index = manifest(media_type::OCI_INDEX);
    let attestations = vec![Entry { descriptor: attestation("linux/arm/v7"), behind: None }];
    Inspected { picked: Some(Picked { index, entry, attestations }), ..image() }
}

/// Provenance of an index with a signature of it, and what cosign 2 keeps of an image: two
/// signatures, and a tag that is gone.
pub(super) fn referrers() -> Vec<Referrer> {
    let (subject, image) = (Digest::of(b"index"), Digest::of(b"linux/amd64"));
    let mut bundle = blob(media_type::OCI_MANIFEST, "bundle", 1_234);
    "application/vnd.dev.sigstore.bundle.v0.3+json".clone_into(&mut bundle.artifact_type);
    bundle.annotations = pairs(&[(CREATED, "2026-05-01T12:00:00Z")]);
    let mut notary = blob(media_type::OCI_MANIFEST, "notary", 700);
    "application/vnd.cncf.notary.signature".clone_into(&mut notary.artifact_type);
    let listed = |subject: &Digest, of: &str, depth, kind: &str, entry: Descriptor| Referrer {
        subject: subject.clone(),
        of: of.to_owned(),
        depth,
        tag: None,
        kind: Some(kind.to_owned()),
        entry: Some(entry),
        statements: Vec::new(),
        signers: Vec::new(),
        problem: None,
    };
    let bundle_digest = bundle.digest.clone();
    let mut provenance = listed(&subject, "the index", 1, "provenance", bundle);
    provenance.statements = vec!["provenance".to_owned()];
    let mut signature = listed(&bundle_digest, "what refers to the index", 2, "signature", notary);
    signature.signers = vec![Signer::Certificate(Some("ab".repeat(32)))];
    let manifest = blob(media_type::OCI_MANIFEST, "cosign", 900);
    let tag = |ending: &str| Some(format!("sha256-{}{ending}", image.hex()));
    let mut cosign = listed(&image, "linux/amd64", 1, "cosign signature", manifest);
    cosign.tag = tag(".sig");
    cosign.signers = vec![Signer::Certificate(None), Signer::Key];
    let gone = Referrer {
        tag: tag(".att"),
        kind: Some("cosign attestation".to_owned()),
        entry: None,
        signers: Vec::new(),
        problem: Some("not in the registry".to_owned()),
        ..cosign.clone()
    };
    vec![provenance, signature, cosign, gone]
}

/// An image with all of these.
pub(super) fn referred_to() -> Inspected {
    Inspected { referrers: Some(referrers()), ..image() }
}
