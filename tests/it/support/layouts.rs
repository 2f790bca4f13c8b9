//! Images in files: OCI layouts as `BuildKit`, `docker save` and oras write them, and archives of
//! `docker save` before Docker 25.

use super::artifacts::Artifact;
use super::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use super::images::Image;
use super::indexes::BuiltIndex;
use super::step::Step;
use super::tars::Tar;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the spec.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The name that containerd gives.
pub const FULL_NAME: &str = "io.containerd.image.name";

/// Where a layout has a blob.
pub fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// An OCI layout that exists only here until it is written.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    entries: Vec<Value>,
    more: BTreeMap<String, Vec<u8>>,
}

impl Layout {
    /// A layout of one image without a name.
    pub fn of(image: &Image) -> Self {
        Self::default().image(image, &[])
    }

    /// Adds an image with these annotations.
    pub fn image(self, image: &Image, annotations: &[(&str, &str)]) -> Self {
        let entry = json!({
            "mediaType": image.media_type(),
            "digest": image.digest(),
            "size": image.manifest().len(),
        });
        self.blobs(image.parts()).blobs([image.manifest()]).entry(entry, annotations)
    }

    /// Adds an index, all images and attestations in it, with these annotations.
    pub fn index(self, index: &BuiltIndex, annotations: &[(&str, &str)]) -> Self {
        let size = index.bytes().len();
        let entry = json!({"mediaType": OCI_INDEX, "digest": index.digest(), "size": size});
        self.blobs(index.parts()).blobs([index.bytes()]).entry(entry, annotations)
    }

    /// Adds what refers to an image, named in `index.json` as oras does.
    pub fn artifact(self, artifact: &Artifact) -> Self {
        self.blobs(artifact.parts()).blobs([artifact.manifest()]).entry(artifact.descriptor(), &[])
    }

    /// Adds blobs.
    pub fn blobs(mut self, blobs: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.blobs.extend(blobs.into_iter().map(|bytes| (blob(&sha256(&bytes)), bytes)));
        self
    }

    /// Adds an entry to `index.json`.
    pub fn entry(mut self, mut entry: Value, annotations: &[(&str, &str)]) -> Self {
        for (key, value) in annotations {
            entry["annotations"][key] = json!(value);
        }
        self.entries.push(entry);
        self
    }

    /// Adds a file beside, or in place of, what a layout has.
    pub fn with(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.more.insert(name.to_owned(), content.into());
        self
    }

    /// Leaves a file out.
    pub fn without(mut self, name: &str) -> Self {
        self.blobs.remove(name);
        self
    }

    /// All files by their names.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries});
        let mut files = self.blobs.clone();
        files.insert("index.json".to_owned(), index.to_string().into_bytes());
        files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        files.extend(self.more.clone());
        files
    }

    /// An archive of it.
    pub fn tar(&self) -> Vec<u8> {
        Tar::default().files(&self.files()).end()
    }

    /// Writes it into the work folder of a step.
    pub fn put(&self, step: Step, folder: &str) -> Step {
        let write = |step: Step, (name, content): (&String, &Vec<u8>)| {
            step.file(&format!("{folder}/{name}"), content)
        };
        self.files().iter().fold(step, write)
    }

    /// Writes it into a folder.
    pub fn write(&self, folder: &Path) {
        for (name, content) in self.files() {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
    }
}

/// What `docker save` of Docker 25 and later writes: a layout with layers as they are unpacked, and
/// `manifest.json` beside it.
pub fn docker_save_of_today(name: &str, seed: u64) -> (Layout, String) {
    let image = Image::oci("linux/amd64").seed(seed);
    let (config, layer) = (image.config(), image.layer_tar());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": sha256(&config),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": sha256(&layer),
            "size": layer.len(),
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = sha256(&manifest);
    let tag = name.rsplit(':').next().expect("a tag").to_owned();
    let entry = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": manifest.len()});
    let items = json!([{
        "Config": blob(&sha256(&config)),
        "RepoTags": [name],
        "Layers": [blob(&sha256(&layer))],
    }]);
    let layout = Layout::default()
        .blobs([config, layer, manifest])
        .entry(entry, &[(FULL_NAME, name), (REF_NAME, &tag)])
        .with("manifest.json", items.to_string());
    (layout, digest)
}

/// An image in an archive of `docker save` as it was before Docker 25.
#[derive(Debug, Clone)]
pub struct Saved {
    /// Its names.
    pub tags: Vec<String>,
    /// The uncompressed layers, by the names of their members.
    pub layers: Vec<(String, Vec<u8>)>,
    /// Its architecture.
    pub architecture: String,
}

impl Saved {
    /// An image with these layers, which are tar archives.
    pub fn new(architecture: &str, tags: &[&str], layers: Vec<Vec<u8>>) -> Self {
        let name = |bytes: &Vec<u8>| format!("{}/layer.tar", sha256(bytes).replace("sha256:", ""));
        Self {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            layers: layers.into_iter().map(|bytes| (name(&bytes), bytes)).collect(),
            architecture: architecture.to_owned(),
        }
    }

    /// Its config.
    pub fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|(_, bytes)| sha256(bytes)).collect();
        json!({
            "architecture": self.architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        })
        .to_string()
        .into_bytes()
    }

    /// The member of its config.
    pub fn config_name(&self) -> String {
        format!("{}.json", sha256(&self.config()).replace("sha256:", ""))
    }

    /// What `manifest.json` says of it.
    pub fn item(&self) -> Value {
        let layers: Vec<&String> = self.layers.iter().map(|(name, _)| name).collect();
        json!({"Config": self.config_name(), "RepoTags": self.tags, "Layers": layers})
    }
}

/// The archive of these images, without its end.
pub fn docker_archive(images: &[Saved]) -> Tar {
    let mut tar = Tar::default();
    let mut names = Vec::new();
    for image in images {
        for (name, bytes) in &image.layers {
            if !names.contains(&name) {
                tar = tar.file(name, bytes);
                names.push(name);
            }
        }
        tar = tar.file(&image.config_name(), &image.config());
    }
    let items: Vec<Value> = images.iter().map(Saved::item).collect();
    tar.file("manifest.json", json!(items).to_string().as_bytes())
}
