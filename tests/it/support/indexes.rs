//! Lists of images as others push them: `BuildKit`'s OCI index with provenance entries, and
//! Docker's manifest list.

use super::client::{Client, DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, sha256};
use super::images::{Image, OCI_CONFIG, pretty};
use serde_json::{Value, json};

const PREDICATE: &str = "https://slsa.dev/provenance/v0.2";

/// An OCI index in `BuildKit`'s form: all images in order, then their attestations in the same
/// order.
#[derive(Debug, Clone)]
pub struct BuiltIndex {
    images: Vec<Image>,
    attested: bool,
    is_unnamed: bool,
    annotations: Vec<(String, String)>,
}

struct Attestation {
    config: Vec<u8>,
    layer: Vec<u8>,
    manifest: Vec<u8>,
    of: String,
}

impl BuiltIndex {
    /// An index of these images, without attestations; platforms are written as the images have
    /// them.
    pub fn new(images: Vec<Image>) -> Self {
        Self { images, attested: false, is_unnamed: false, annotations: Vec::new() }
    }

    /// Whether every image gets a provenance entry.
    pub fn attestations(mut self, attested: bool) -> Self {
        self.attested = attested;
        self
    }

    /// With provenance as of a build that was given no name: it has no subject, so that of every
    /// image may be one and the same manifest.
    pub fn unnamed(mut self) -> Self {
        self.attested = true;
        self.is_unnamed = true;
        self
    }

    /// Adds an annotation to the index itself.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.push((key.to_owned(), value.to_owned()));
        self
    }

    fn attested(&self) -> Vec<Attestation> {
        if self.attested {
            self.images.iter().map(|image| attest(&image.digest(), !self.is_unnamed)).collect()
        } else {
            Vec::new()
        }
    }

    /// The index as JSON.
    pub fn json(&self) -> Value {
        let mut entries: Vec<Value> = self.images.iter().map(Image::descriptor).collect();
        entries.extend(self.attested().iter().map(|a| {
            json!({
                "mediaType": OCI_MANIFEST,
                "digest": sha256(&a.manifest),
                "size": a.manifest.len(),
                "annotations": {
                    "vnd.docker.reference.digest": a.of,
                    "vnd.docker.reference.type": "attestation-manifest",
                },
                "platform": {"architecture": "unknown", "os": "unknown"},
            })
        }));
        let mut index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        for (key, value) in &self.annotations {
            index["annotations"][key] = json!(value);
        }
        index
    }

    /// The index's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        pretty(&self.json())
    }

    /// The index's digest.
    pub fn digest(&self) -> String {
        sha256(&self.bytes())
    }

    /// The digests of the attestation manifests, in the order of the images.
    pub fn attestation_digests(&self) -> Vec<String> {
        self.attested().iter().map(|a| sha256(&a.manifest)).collect()
    }

    /// The images inside.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The bytes of all that it names: blobs and manifests.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let images = self.images.iter();
        let mut parts: Vec<Vec<u8>> =
            images.flat_map(|image| [image.parts(), vec![image.manifest()]].concat()).collect();
        for Attestation { config, layer, manifest, .. } in self.attested() {
            parts.extend([config, layer, manifest]);
        }
        parts
    }

    /// Pushes the images and attestations by digest, then the index at a tag, or by digest when
    /// `reference` is empty.
    pub async fn push(&self, client: &Client, repo: &str, reference: &str) -> String {
        for image in &self.images {
            image.push(client, repo, "").await;
        }
        for attestation in self.attested() {
            client.put_blob(repo, &attestation.layer).await;
            client.put_blob(repo, &attestation.config).await;
            client.put_manifest(repo, "", OCI_MANIFEST, &attestation.manifest).await;
        }
        client.put_manifest(repo, reference, OCI_INDEX, &self.bytes()).await
    }
}

fn attest(digest: &str, is_named: bool) -> Attestation {
    let hex = digest.trim_start_matches("sha256:");
    let subject = json!({"name": "pkg:docker/acme/app", "digest": {"sha256": hex}});
    let layer = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": PREDICATE,
        "subject": is_named.then_some(subject).as_slice(),
        "predicate": {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1"},
    })
    .to_string()
    .into_bytes();
    let config = json!({
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
    })
    .to_string()
    .into_bytes();
    let manifest = pretty(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(&config), "size": config.len()},
        "layers": [{
            "mediaType": "application/vnd.in-toto+json",
            "digest": sha256(&layer),
            "size": layer.len(),
            "annotations": {"in-toto.io/predicate-type": PREDICATE},
        }],
    }));
    Attestation { config, layer, manifest, of: digest.to_owned() }
}

/// A Docker manifest list, as `docker manifest push` leaves one (three spaces, no final newline).
#[derive(Debug, Clone)]
pub struct DockerList {
    images: Vec<Image>,
}

impl DockerList {
    /// A list of Docker images. Panics on an OCI image: Docker would never list one.
    pub fn new(images: Vec<Image>) -> Self {
        assert!(
            images.iter().all(Image::is_docker),
            "a Docker manifest list holds Docker images only"
        );
        Self { images }
    }

    /// The list's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        // Docker's own order of fields in an entry: media type, size, digest.
        let entry = |image: &Image| {
            json!({
                "mediaType": image.media_type(),
                "size": image.manifest().len(),
                "digest": image.digest(),
                "platform": image.platform_json(),
            })
        };
        let entries: Vec<Value> = self.images.iter().map(entry).collect();
        let list =
            pretty(&json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries}));
        let text = String::from_utf8(list).expect("JSON is UTF-8");
        let indented = text.lines().map(|line| {
            let depth = line.len() - line.trim_start().len();
            format!("{}{}", "   ".repeat(depth / 2), line.trim_start())
        });
        indented.collect::<Vec<_>>().join("\n").into_bytes()
    }

    /// The list's digest.
    pub fn digest(&self) -> String {
        sha256(&self.bytes())
    }

    /// The images inside.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Pushes the images by digest, then the list at a tag, or by digest when `reference` is empty.
    pub async fn push(&self, client: &Client, repo: &str, reference: &str) -> String {
        for image in &self.images {
            image.push(client, repo, "").await;
        }
        client.put_manifest(repo, reference, DOCKER_LIST, &self.bytes()).await
    }
}
