//! The scene of most tests: a real registry, a client that prepares it and looks at it, and a proxy
//! between it and our binary. The client goes past the proxy, so all that the proxy counts is ours.
//!
//! | name of a step                        | sources         | waits                                  |
//! |---------------------------------------|-----------------|----------------------------------------|
//! | [`Scene::step`]                       | none yet        | no                                     |
//! | [`Scene::step_of`], [`step_at`]       | as given        | no                                     |
//! | [`Scene::step_to`]                    | amd64 and arm64 | no                                     |
//! | [`Scene::waiting_step`]               | amd64 and arm64 | as long as the program does by default |
//! | [`waiting_step_at`], [`bare_step_at`] | as given        | as long as the program does by default |

use super::client::{Client, Fetched, sha256};
use super::images::Image;
use super::proxy::FaultProxy;
use super::registry::Registry;
use super::rules::{Fault, Rule};
use super::step::Step;
use super::token::TokenServer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The repository of sources and targets.
pub const REPO: &str = "acme/app";

/// The two usual sources; their tags are the names of their architectures.
pub const BOTH: [&str; 2] = ["amd64", "arm64"];

/// The image that is tagged `amd64`.
pub fn amd64() -> Image {
    Image::oci("linux/amd64")
}

/// The image that is tagged `arm64`.
pub fn arm64() -> Image {
    Image::oci("linux/arm64")
}

/// The path of a manifest in the usual repository; `*` in it stands for anything, as in all rules.
pub fn manifest(reference: &str) -> String {
    format!("/v2/{REPO}/manifests/{reference}")
}

/// `HOST/acme/app:TAG` or `HOST/acme/app@DIGEST`; `PLATFORM=` in front stays in front.
pub fn reference_at(host: &str, source: &str) -> String {
    let (platform, name) =
        source.split_once('=').map_or(("", source), |(platform, name)| (platform, name));
    let glue = if name.starts_with("sha256:") { '@' } else { ':' };
    let equals = if platform.is_empty() { "" } else { "=" };
    format!("{platform}{equals}{host}/{REPO}{glue}{name}")
}

/// A line for each tag or digest, as [`reference_at`] writes it.
pub fn references_at<S: AsRef<str>>(host: &str, sources: &[S]) -> String {
    sources.iter().map(|source| reference_at(host, source.as_ref())).collect::<Vec<_>>().join("\n")
}

/// The step on GitHub that publishes these sources at `1` and looks for them once. The host need
/// not be that of a scene.
pub fn step_at<S: AsRef<str>>(host: &str, sources: &[S]) -> Step {
    waiting_step_at(host, sources).input("wait", "0")
}

/// The same step without the input `wait`.
pub fn waiting_step_at<S: AsRef<str>>(host: &str, sources: &[S]) -> Step {
    bare_step_at(host, sources).github()
}

/// The same step outside of any CI system.
pub fn bare_step_at<S: AsRef<str>>(host: &str, sources: &[S]) -> Step {
    Step::new()
        .input("tags", &reference_at(host, "1"))
        .input("sources", &references_at(host, sources))
}

/// A registry, a client for it, and a proxy before it.
#[derive(Debug)]
pub struct Scene {
    /// The registry behind the proxy.
    pub registry: Registry,
    /// The client that goes past the proxy and may do all.
    pub client: Client,
    /// The proxy, which our binary takes for the registry.
    pub proxy: FaultProxy,
}

impl Scene {
    /// An open registry that holds nothing.
    pub async fn empty() -> Self {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        Self::of(registry, client).await
    }

    /// An open registry with the amd64 image; [`Scene::push_arm64`] brings the other one late.
    pub async fn with_amd64() -> Self {
        let scene = Self::empty().await;
        scene.push_amd64().await;
        scene
    }

    /// An open registry with the amd64 and the arm64 image.
    pub async fn with_both() -> Self {
        let scene = Self::empty().await;
        scene.push_both().await;
        scene
    }

    /// An open registry with the images `NAME-amd64` and `NAME-arm64` of every name, each with bytes
    /// of its own.
    pub async fn with_pairs(names: &[&str]) -> Self {
        let scene = Self::empty().await;
        for (seed, name) in names.iter().enumerate() {
            for arch in ["amd64", "arm64"] {
                let image = Image::oci(&format!("linux/{arch}")).seed(seed as u64);
                scene.push(&image, &format!("{name}-{arch}")).await;
            }
        }
        scene
    }

    /// An open registry with both images, whose blobs are redirected to `host`, signed with a secret.
    pub async fn with_storage_at(host: &str) -> Self {
        let scene = Self::with_both().await;
        let to = Fault::Redirect(format!("http://{host}/blob?signature=canary"));
        scene.proxy.rule(Rule::on("GET", &format!("/v2/{REPO}/blobs/*")).then(to));
        scene
    }

    /// A registry that asks for this Basic login, with both images.
    pub async fn with_login(user: &str, password: &str) -> Self {
        let registry = Registry::htpasswd(user, password).await;
        let client = Client::new(&registry.host()).basic(user, password);
        let scene = Self::of(registry, client).await;
        scene.push_both().await;
        scene
    }

    /// An empty registry that accepts the tokens of this server. Its challenges name the realm:
    /// [`TokenServer::realm`], or the address of a proxy before the server.
    pub async fn with_tokens(tokens: &TokenServer, realm: &str) -> Self {
        let registry = Registry::launch(&tokens.auth(realm), false).await;
        let token = tokens.mint("repository:acme/app:pull,push");
        let client = Client::new(&registry.host()).bearer(&token);
        Self::of(registry, client).await
    }

    /// A registry of the test's own, left as it is, and a client that may push to it.
    pub async fn of(registry: Registry, client: Client) -> Self {
        let proxy = FaultProxy::before(&registry).await;
        Self { registry, client, proxy }
    }

    /// The same scene behind a distant proxy, see [`FaultProxy::with_distance`].
    pub fn with_distance(self, distance: Duration) -> Self {
        Self { proxy: self.proxy.with_distance(distance), ..self }
    }

    /// Pushes the amd64 image at its tag.
    pub async fn push_amd64(&self) {
        self.push(&amd64(), "amd64").await;
    }

    /// Pushes the arm64 image at its tag.
    pub async fn push_arm64(&self) {
        self.push(&arm64(), "arm64").await;
    }

    /// Pushes both images, each at its tag.
    pub async fn push_both(&self) {
        self.push_amd64().await;
        self.push_arm64().await;
    }

    /// Pushes an image at a tag; returns its digest.
    pub async fn push(&self, image: &Image, tag: &str) -> String {
        image.push(&self.client, REPO, tag).await
    }

    /// Pushes images at `s0`, `s1`, …; returns the tags.
    pub async fn push_all(&self, images: &[Image]) -> Vec<String> {
        let mut tags = Vec::new();
        for (at, image) in images.iter().enumerate() {
            tags.push(format!("s{at}"));
            self.push(image, &tags[at]).await;
        }
        tags
    }

    /// Pushes the bytes of a manifest at a tag, or by digest when that is empty; returns its digest.
    pub async fn put(&self, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        self.client.put_manifest(REPO, tag, media_type, bytes).await
    }

    /// `HOST/NAME`, as our binary sees it: for repositories beside the usual one.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.proxy.host())
    }

    /// A tag or digest of the usual repository, as our binary sees it; see [`reference_at`].
    pub fn reference(&self, source: &str) -> String {
        reference_at(&self.proxy.host(), source)
    }

    /// A line for each tag or digest, as [`Scene::reference`] writes it.
    pub fn references<S: AsRef<str>>(&self, sources: &[S]) -> String {
        references_at(&self.proxy.host(), sources)
    }

    /// The step on GitHub that publishes at this tag and looks once; it has no sources yet.
    pub fn step(&self, tag: &str) -> Step {
        Step::new().github().input("tags", &self.reference(tag)).input("wait", "0")
    }

    /// The step on GitHub that publishes these sources at `1` and looks for them once.
    pub fn step_of<S: AsRef<str>>(&self, sources: &[S]) -> Step {
        step_at(&self.proxy.host(), sources)
    }

    /// The step on GitHub that publishes amd64 and arm64 at these tags and looks for them once.
    pub fn step_to<S: AsRef<str>>(&self, tags: &[S]) -> Step {
        self.step_of(&BOTH).input("tags", &self.references(tags))
    }

    /// The step on GitHub that publishes amd64 and arm64 at `1` and waits for them.
    pub fn waiting_step(&self) -> Step {
        waiting_step_at(&self.proxy.host(), &BOTH)
    }

    /// What stands at a tag; panics when nothing does.
    pub async fn at(&self, tag: &str) -> Fetched {
        let found = self.client.get_manifest(REPO, tag).await;
        found.unwrap_or_else(|| panic!("nothing at {tag}:\n{}", self.proxy.log_text()))
    }

    /// The digest behind a tag; `None` when nothing is there.
    pub async fn digest(&self, tag: &str) -> Option<String> {
        self.client.get_manifest(REPO, tag).await.map(|fetched| fetched.digest)
    }

    /// The entries of the list at a tag.
    pub async fn entries(&self, tag: &str) -> Vec<Value> {
        self.at(tag).await.json()["manifests"].as_array().cloned().expect("a list has entries")
    }

    /// Every tag with the digest behind it, to compare before and after.
    pub async fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        for tag in self.client.tags(REPO).await {
            let digest = sha256(&self.at(&tag).await.bytes);
            state.insert(tag, digest);
        }
        state
    }
}
