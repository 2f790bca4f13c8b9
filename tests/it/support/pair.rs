//! The usual scene: a registry with an image for amd64 and one for arm64 in `acme/app`, a proxy
//! before it, and a step that lists both under the tag `1`.

use super::client::Client;
use super::images::Image;
use super::proxy::FaultProxy;
use super::registry::Registry;
use super::step::Step;

/// The repository of the scene.
pub const REPO: &str = "acme/app";

/// The path of a manifest in the scene's repository.
pub fn manifest(reference: &str) -> String {
    format!("/v2/{REPO}/manifests/{reference}")
}

/// The image that is there from the start.
pub fn amd64() -> Image {
    Image::oci("linux/amd64")
}

/// The image that may come late.
pub fn arm64() -> Image {
    Image::oci("linux/arm64")
}

/// A registry, a proxy before it, and a client that goes past the proxy.
pub struct Pair {
    /// The registry itself.
    pub registry: Registry,
    /// Before it.
    pub proxy: FaultProxy,
    /// Goes to the registry directly, and may do all.
    pub client: Client,
}

impl Pair {
    /// An open registry with both images.
    pub async fn open() -> Self {
        let scene = Self::waiting().await;
        scene.push_arm64().await;
        scene
    }

    /// An open registry where the arm64 image is missing.
    pub async fn waiting() -> Self {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        Self::of(registry, client).await
    }

    /// This registry, with the amd64 image.
    pub async fn of(registry: Registry, client: Client) -> Self {
        amd64().push(&client, REPO, "amd64").await;
        let proxy = FaultProxy::before(&registry).await;
        Self { registry, proxy, client }
    }

    /// The late image arrives.
    pub async fn push_arm64(&self) {
        arm64().push(&self.client, REPO, "arm64").await;
    }

    /// `HOST/acme/app:TAG` through the proxy.
    pub fn name(&self, tag: &str) -> String {
        format!("{}/{REPO}:{tag}", self.proxy.host())
    }

    /// A step on GitHub that lists both images as `1`.
    pub fn step(&self) -> Step {
        self.step_for("1")
    }

    /// The same for another tag.
    pub fn step_for(&self, tag: &str) -> Step {
        let sources = format!("{}\n{}", self.name("amd64"), self.name("arm64"));
        Step::new().github().input("tags", &self.name(tag)).input("sources", &sources)
    }

    /// The digest behind a tag.
    pub async fn digest(&self, tag: &str) -> Option<String> {
        self.client.get_manifest(REPO, tag).await.map(|fetched| fetched.digest)
    }
}
