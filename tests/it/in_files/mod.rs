//! Images in files as sources: OCI layouts, their archives, those of `docker save`.

mod broken;
mod docker;
mod inputs;
mod random;
mod size;
mod tools;
mod waits;

use crate::support::scene::{REPO, Scene};
use crate::support::skopeo;
use crate::support::step::Step;
use serde_json::Value;

/// The step that publishes these files at `1`.
fn step(scene: &Scene, sources: &str) -> Step {
    scene.step("1").without("INPUT_WAIT").input("sources", sources)
}

/// The digest at a tag, when skopeo has read all that hangs on it.
async fn read_whole(scene: &Scene, tag: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let host = scene.registry.host();
    skopeo::copy_all(&format!("{host}/{REPO}:{tag}"), folder.path()).await;
    scene.digest(tag).await.expect("a tag")
}

/// The digests of the list at a tag, in its order.
async fn children(scene: &Scene, tag: &str) -> Vec<String> {
    digests(&scene.entries(tag).await)
}

fn digests(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}
