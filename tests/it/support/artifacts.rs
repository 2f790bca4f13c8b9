//! What refers to images, as `oras attach`, cosign and GitHub's attestations push it.

use super::client::{Client, OCI_INDEX, OCI_MANIFEST, sha256};
use serde_json::{Value, json};
use std::path::Path;

/// The empty config of an artifact.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A bundle of cosign 3 and of GitHub's attestations.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// A signature of cosign 2.
pub const COSIGN: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Provenance or an SBOM of `BuildKit`, as an OCI artifact.
pub const ATTESTATION: &str = "application/vnd.docker.attestation.manifest.v1+json";
/// An SBOM.
pub const SPDX: &str = "application/spdx+json";

/// An artifact that exists only here until it is pushed.
#[derive(Debug, Clone)]
pub struct Artifact {
    kind: String,
    blob: Vec<u8>,
    subject: Option<Value>,
}

impl Artifact {
    /// An artifact of this type about the manifest with these bytes.
    pub fn about(kind: &str, media_type: &str, manifest: &[u8]) -> Self {
        let subject =
            json!({"mediaType": media_type, "digest": sha256(manifest), "size": manifest.len()});
        let blob = format!("{kind} of {}", sha256(manifest)).into_bytes();
        Self { kind: kind.to_owned(), blob, subject: Some(subject) }
    }

    /// What cosign stores under a tag: it names no subject.
    pub fn tagged(kind: &str, text: &str) -> Self {
        Self { kind: kind.to_owned(), blob: text.as_bytes().to_vec(), subject: None }
    }

    /// Another one about the same.
    pub fn with(mut self, number: usize) -> Self {
        self.blob.extend_from_slice(number.to_string().as_bytes());
        self
    }

    /// The manifest.
    pub fn manifest(&self) -> Vec<u8> {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.kind,
            "config": {"mediaType": EMPTY, "digest": sha256(b"{}"), "size": 2},
            "layers": [{"mediaType": self.kind, "digest": sha256(&self.blob), "size": self.blob.len()}],
            "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
        });
        if let Some(subject) = &self.subject {
            manifest["subject"] = subject.clone();
        }
        manifest.to_string().into_bytes()
    }

    /// Its digest.
    pub fn digest(&self) -> String {
        sha256(&self.manifest())
    }

    /// The bytes of its blobs.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        vec![b"{}".to_vec(), self.blob.clone()]
    }

    /// Its entry in a list of referrers.
    pub fn descriptor(&self) -> Value {
        json!({
            "mediaType": OCI_MANIFEST,
            "digest": self.digest(),
            "size": self.manifest().len(),
            "artifactType": self.kind,
        })
    }

    /// Adds it to the OCI layout in a folder, as one of its roots.
    pub fn add_to(&self, folder: &Path) {
        let manifest = self.manifest();
        for bytes in [&manifest, &self.blob, b"{}".as_slice()] {
            let name = sha256(bytes).replace(':', "/");
            std::fs::write(folder.join("blobs").join(name), bytes).expect("a blob");
        }
        let index = folder.join("index.json");
        let mut roots: Value =
            serde_json::from_slice(&std::fs::read(&index).expect("an index")).expect("JSON");
        roots["manifests"].as_array_mut().expect("roots").push(self.descriptor());
        std::fs::write(index, roots.to_string()).expect("an index");
    }

    /// Pushes blobs and manifest, by digest when `tag` is empty; lists it nowhere.
    pub async fn push(&self, client: &Client, repo: &str, tag: &str) -> String {
        client.put_blob(repo, b"{}").await;
        client.put_blob(repo, &self.blob).await;
        client.put_manifest(repo, tag, OCI_MANIFEST, &self.manifest()).await
    }

    /// Whether manifest and blobs are there, byte for byte.
    pub async fn is_in(&self, client: &Client, repo: &str) -> bool {
        let manifest = client.get_manifest(repo, &self.digest()).await;
        manifest.is_some_and(|manifest| manifest.bytes == self.manifest())
            && client.get_blob(repo, &sha256(&self.blob)).await.as_ref() == Some(&self.blob)
            && client.get_blob(repo, &sha256(b"{}")).await.is_some()
    }
}

/// The tag that lists what refers to a digest.
pub fn list_tag(subject: &str) -> String {
    subject.replace(':', "-")
}

/// An index of these, as a list of referrers is one.
pub fn listing(artifacts: &[&Artifact]) -> Vec<u8> {
    let manifests: Vec<Value> = artifacts.iter().map(|artifact| artifact.descriptor()).collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
        .to_string()
        .into_bytes()
}

/// Pushes artifacts about a digest, and the tag that lists them, as clients do for a registry
/// without an API.
pub async fn attach(client: &Client, repo: &str, subject: &str, artifacts: &[&Artifact]) {
    for artifact in artifacts {
        artifact.push(client, repo, "").await;
    }
    client.put_manifest(repo, &list_tag(subject), OCI_INDEX, &listing(artifacts)).await;
}

/// The digests that the tag lists, none where it is not there.
pub async fn listed(client: &Client, repo: &str, subject: &str) -> Vec<String> {
    let Some(list) = client.get_manifest(repo, &list_tag(subject)).await else {
        return Vec::new();
    };
    let entries = list.json()["manifests"].as_array().cloned().expect("a list");
    entries.iter().map(|entry| entry["digest"].as_str().expect("a digest").to_owned()).collect()
}
