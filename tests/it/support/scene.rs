//! The scene of most tests: a real registry with a repository, and a proxy before it through which
//! our binary goes. Preparing and looking happen behind the proxy's back, so that all it counts is
//! ours.

use super::client::{Client, Fetched, sha256};
use super::images::Image;
use super::proxy::FaultProxy;
use super::registry::Registry;
use super::step::Step;
use serde_json::Value;
use std::collections::BTreeMap;

/// The repository of sources and targets.
pub const REPO: &str = "acme/app";

/// A registry, a client to prepare it with, and a proxy before it.
#[derive(Debug)]
pub struct Scene {
    /// What the proxy leads to.
    pub registry: Registry,
    /// Goes past the proxy.
    pub client: Client,
    /// What our binary sees.
    pub proxy: FaultProxy,
}

impl Scene {
    /// An empty, anonymous registry.
    pub async fn new() -> Self {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        let proxy = FaultProxy::before(&registry).await;
        Self { registry, client, proxy }
    }

    /// Pushes an image at a tag; its digest.
    pub async fn push(&self, image: &Image, tag: &str) -> String {
        image.push(&self.client, REPO, tag).await
    }

    /// Pushes images at `s0`, `s1`, …; the tags.
    pub async fn push_all(&self, images: &[Image]) -> Vec<String> {
        let mut tags = Vec::new();
        for (at, image) in images.iter().enumerate() {
            tags.push(format!("s{at}"));
            self.push(image, &tags[at]).await;
        }
        tags
    }

    /// Pushes a manifest as it stands at a tag, or by digest when that is empty; its digest.
    pub async fn put(&self, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        self.client.put_manifest(REPO, tag, media_type, bytes).await
    }

    /// `HOST/acme/app:TAG`, or `HOST/acme/app@DIGEST`, as our binary sees it; `PLATFORM=` in front
    /// stays in front.
    pub fn reference(&self, source: &str) -> String {
        let (platform, name) =
            source.split_once('=').map_or(("", source), |(platform, name)| (platform, name));
        let glue = if name.starts_with("sha256:") { '@' } else { ':' };
        let equals = if platform.is_empty() { "" } else { "=" };
        format!("{platform}{equals}{}/{REPO}{glue}{name}", self.proxy.host())
    }

    /// The step as GitHub runs it, for one tag and without waiting; no sources yet.
    pub fn step(&self, tag: &str) -> Step {
        Step::new().github().input("tags", &self.reference(tag)).input("wait", "0")
    }

    /// The same that publishes these sources at `1`.
    pub fn step_of<S: AsRef<str>>(&self, sources: &[S]) -> Step {
        self.step("1").input("sources", &self.references(sources))
    }

    /// A line for each tag or digest, `PLATFORM=` in front allowed.
    pub fn references<S: AsRef<str>>(&self, names: &[S]) -> String {
        names.iter().map(|name| self.reference(name.as_ref())).collect::<Vec<_>>().join("\n")
    }

    /// What stands at a tag; panics when nothing does.
    pub async fn at(&self, tag: &str) -> Fetched {
        let found = self.client.get_manifest(REPO, tag).await;
        found.unwrap_or_else(|| panic!("nothing at {tag}:\n{}", self.proxy.log_text()))
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
