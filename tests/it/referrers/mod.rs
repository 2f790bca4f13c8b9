//! Signatures, SBOMs and whatever else refers to images: brought along into another repository,
//! complete before any tag moves.

mod api;
mod artifacts;
mod attestations;
mod checked;
mod cosign;
mod cost;
mod dry_run;
mod faults;
mod killed;
mod shown;
mod threats;
mod travel;
mod ways;

use crate::support::artifacts::Artifact;
use crate::support::images::Image;
use crate::support::running::Ran;
use crate::support::scene::Scene;
use crate::support::step::Step;
use serde_json::Value;

/// Where images come from.
const BUILD: &str = "acme/build";
/// Where they go.
const APP: &str = "acme/app";

/// An image of these, as others refer to it.
fn about(kind: &str, image: &Image) -> Artifact {
    Artifact::about(kind, image.media_type(), &image.manifest())
}

/// A registry with the amd64 image where images come from, at `a`.
async fn built() -> (Scene, Image) {
    let scene = Scene::empty().await;
    let image = Image::oci("linux/amd64");
    image.push(&scene.client, BUILD, "a").await;
    (scene, image)
}

/// The step that publishes `a` elsewhere in the same registry, and leaves a report.
fn step(scene: &Scene) -> Step {
    between(scene, scene)
}

/// The step that publishes `a` in another registry, and leaves a report.
fn between(from: &Scene, to: &Scene) -> Step {
    Step::new()
        .github()
        .input("tags", &to.full_name(&format!("{APP}:1")))
        .input("sources", &from.full_name(&format!("{BUILD}:a")))
        .input("wait", "0")
        .input("json-file", "report.json")
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.file("report.json").expect("a report")).expect("the report is JSON")
}

/// What the run wrote, in its order.
fn deeds(ran: &Ran) -> Vec<String> {
    let writes = report(ran)["writes"].as_array().cloned().expect("writes");
    writes.iter().map(|write| write["action"].as_str().expect("a deed").to_owned()).collect()
}

/// The tags of the target that people use.
async fn tags(scene: &Scene) -> Vec<String> {
    let tags = scene.client.tags(APP).await;
    tags.into_iter().filter(|tag| !tag.starts_with("sha256-")).collect()
}
