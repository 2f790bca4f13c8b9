//! Tiny real images: a config, one layer, a manifest, in the OCI or the Docker format. Any registry
//! client can read them.
//!
//! The platform is written `os(version)/arch/variant`, and goes into the config exactly as written:
//! `linux/arm` has no variant, `linux/arm64/v8` has `v8`. `""` makes a config without any platform.

use super::client::{Client, DOCKER_MANIFEST, OCI_MANIFEST, sha256};
use super::layer::{Layer, layer};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// As many platforms as anybody builds for.
pub const PLATFORMS: [&str; 8] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
];

/// The config of an OCI image.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The config of a Docker image.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// An image that exists only here until it is pushed.
#[derive(Debug, Clone)]
pub struct Image {
    docker: bool,
    platform: Platform,
    labels: Vec<(String, String)>,
    os_features: Vec<String>,
    seed: u64,
    layer_size: usize,
    more_layers: Vec<More>,
}

/// A further layer, its bytes as they are.
#[derive(Debug, Clone)]
struct More {
    media_type: String,
    /// Where to get it; empty for a layer in the registry.
    url: String,
    bytes: Arc<[u8]>,
}

/// What the platform text says, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `10.0.20348.2700`, or empty.
    pub os_version: String,
    /// `arm64`.
    pub architecture: String,
    /// `v8`, or empty.
    pub variant: String,
}

impl Platform {
    /// Takes `os(version)/arch/variant` apart and changes nothing.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let (os, architecture, variant) = (next(), next(), next());
        let (os, os_version) = match os.split_once('(') {
            Some((os, version)) => (os.to_owned(), version.trim_end_matches(')').to_owned()),
            None => (os, String::new()),
        };
        Self { os, os_version, architecture, variant }
    }

    /// The object of a descriptor, fields in the specs' order.
    pub fn json(&self, os_features: &[String]) -> Value {
        let mut object = Map::new();
        object.insert("architecture".to_owned(), json!(self.architecture));
        object.insert("os".to_owned(), json!(self.os));
        self.rest(os_features, &mut object);
        Value::Object(object)
    }

    fn rest(&self, os_features: &[String], object: &mut Map<String, Value>) {
        if !self.os_version.is_empty() {
            object.insert("os.version".to_owned(), json!(self.os_version));
        }
        if !os_features.is_empty() {
            object.insert("os.features".to_owned(), json!(os_features));
        }
        if !self.variant.is_empty() {
            object.insert("variant".to_owned(), json!(self.variant));
        }
    }
}

impl Image {
    /// In the OCI format.
    pub fn oci(platform: &str) -> Self {
        let platform = Platform::parse(platform);
        Self {
            docker: false,
            platform,
            labels: Vec::new(),
            os_features: Vec::new(),
            seed: 0,
            layer_size: 0,
            more_layers: Vec::new(),
        }
    }

    /// In the Docker format, schema 2.
    pub fn docker(platform: &str) -> Self {
        Self { docker: true, ..Self::oci(platform) }
    }

    /// Adds a label to the config.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds to the config's `os.features`.
    pub fn os_feature(mut self, feature: &str) -> Self {
        self.os_features.push(feature.to_owned());
        self
    }

    /// Another number makes other bytes: layer, config and manifest differ.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the layer hold a file of this many bytes more.
    pub fn layer_size(mut self, bytes: usize) -> Self {
        self.layer_size = bytes;
        self
    }

    /// Adds a layer with these bytes, above the others.
    pub fn more_layer(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        let media_type = if self.docker { DOCKER_LAYER } else { OCI_LAYER }.to_owned();
        self.more_layers.push(More {
            media_type,
            url: String::new(),
            bytes: Arc::from(bytes.into()),
        });
        self
    }

    /// Adds a layer that is got from elsewhere, and is in no registry.
    pub fn foreign_layer(mut self, media_type: &str, url: &str, bytes: &[u8]) -> Self {
        self.more_layers.push(More {
            media_type: media_type.to_owned(),
            url: url.to_owned(),
            bytes: Arc::from(bytes),
        });
        self
    }

    /// The digests of all blobs: config, then layers.
    pub fn blobs(&self) -> Vec<String> {
        let more = self.more_layers.iter().map(|more| sha256(&more.bytes));
        [sha256(&self.config()), sha256(&self.layer_blob())].into_iter().chain(more).collect()
    }

    /// The platform object of a descriptor for this image.
    pub fn platform_json(&self) -> Value {
        self.platform.json(&self.os_features)
    }

    /// Whether it is in the Docker format.
    pub fn is_docker(&self) -> bool {
        self.docker
    }

    fn layer(&self) -> Layer {
        let mut content = format!("image {} of {:?}\n", self.seed, self.platform).into_bytes();
        content.resize(content.len() + self.layer_size, b'x');
        layer("hello.txt", &content)
    }

    /// The layer's blob.
    pub fn layer_blob(&self) -> Vec<u8> {
        self.layer().gzip
    }

    /// The layer's bytes as they are unpacked.
    pub fn layer_tar(&self) -> Vec<u8> {
        self.layer().tar
    }

    /// The bytes of all blobs: config, then layers.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let own = self.more_layers.iter().filter(|more| more.url.is_empty());
        let more = own.map(|more| more.bytes.to_vec());
        [self.config(), self.layer_blob()].into_iter().chain(more).collect()
    }

    /// The config's bytes.
    pub fn config(&self) -> Vec<u8> {
        let mut config = Map::new();
        if self.platform != Platform::default() {
            config.insert("architecture".to_owned(), json!(self.platform.architecture));
            config.insert("os".to_owned(), json!(self.platform.os));
        }
        self.platform.rest(&self.os_features, &mut config);
        let labels: Map<String, Value> =
            self.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let mut run = json!({"Env": ["PATH=/bin"], "Cmd": ["/hello"]});
        if !labels.is_empty() {
            run["Labels"] = Value::Object(labels);
        }
        let created = "2026-01-01T00:00:00Z";
        config.insert("created".to_owned(), json!(created));
        config.insert("config".to_owned(), run);
        config.insert(
            "rootfs".to_owned(),
            json!({"type": "layers", "diff_ids": [sha256(&self.layer().tar)]}),
        );
        config.insert(
            "history".to_owned(),
            json!([{"created": created, "created_by": format!("seed {}", self.seed)}]),
        );
        Value::Object(config).to_string().into_bytes()
    }

    /// The manifest's bytes.
    pub fn manifest(&self) -> Vec<u8> {
        let (config, layer) = (self.config(), self.layer_blob());
        let (config_type, layer_type) =
            if self.docker { (DOCKER_CONFIG, DOCKER_LAYER) } else { (OCI_CONFIG, OCI_LAYER) };
        let mut layers =
            vec![json!({"mediaType": layer_type, "digest": sha256(&layer), "size": layer.len()})];
        for More { media_type, url, bytes } in &self.more_layers {
            let mut layer =
                json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()});
            if !url.is_empty() {
                layer["urls"] = json!([url]);
            }
            layers.push(layer);
        }
        pretty(&json!({
            "schemaVersion": 2,
            "mediaType": self.media_type(),
            "config": {"mediaType": config_type, "digest": sha256(&config), "size": config.len()},
            "layers": layers,
        }))
    }

    /// The manifest's media type.
    pub fn media_type(&self) -> &'static str {
        if self.docker { DOCKER_MANIFEST } else { OCI_MANIFEST }
    }

    /// The manifest's digest.
    pub fn digest(&self) -> String {
        sha256(&self.manifest())
    }

    /// The entry of a list: media type, digest, size, platform.
    pub fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.media_type(),
            "digest": self.digest(),
            "size": self.manifest().len(),
            "platform": self.platform_json(),
        })
    }

    /// Uploads config and layer, then the manifest at a tag, or by digest alone when `reference` is
    /// empty; its digest.
    pub async fn push(&self, client: &Client, repo: &str, reference: &str) -> String {
        client.put_blob(repo, &self.layer_blob()).await;
        client.put_blob(repo, &self.config()).await;
        for more in self.more_layers.iter().filter(|more| more.url.is_empty()) {
            client.put_blob(repo, &more.bytes).await;
        }
        client.put_manifest(repo, reference, self.media_type(), &self.manifest()).await
    }
}

/// JSON as `BuildKit` writes it: two spaces, keys in the order given, no final newline.
pub fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("a JSON value can be written")
}
