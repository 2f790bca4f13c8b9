//! The file of manifest-tool, read as it is.

use crate::support::client::OCI_INDEX;
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;
use serde_json::json;

fn step() -> Step {
    Step::new().github().input("wait", "0")
}

/// A file of manifest-tool for the images of a host.
fn file(host: &str) -> String {
    format!(
        "\
image: {host}/acme/app:1.2.0
tags: ['1.2', latest]
manifests:
  - image: {host}/acme/app:amd64
    platform:
      architecture: amd64
      os: linux
  -
    image: {host}/acme/app:arm64
    platform:
      architecture: arm64
      os: linux
      variant: v8
"
    )
}

#[tokio::test]
async fn a_file_or_the_text_of_it() {
    let scene = Scene::with_both().await;
    let text = file(&scene.proxy.host());
    for (spec, is_file) in [("manifest.yaml", true), (&*text, false)] {
        let step = step().input("spec", spec);
        let step = if is_file { step.file("manifest.yaml", &text) } else { step };
        let ran = step.run().await.ok();
        let index = scene.at("1.2.0").await;
        let platforms: Vec<_> = index.json()["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["platform"].clone())
            .collect();
        assert_eq!(
            platforms,
            [
                json!({"architecture": "amd64", "os": "linux"}),
                json!({"architecture": "arm64", "os": "linux"})
            ]
        );
        for tag in ["1.2", "latest"] {
            assert_eq!(scene.digest(tag).await.as_ref(), Some(&index.digest), "{tag}");
        }
        assert_eq!(ran.output("changed").as_deref(), Some(if is_file { "true" } else { "false" }));
        // One list: the outputs of one are there.
        assert_eq!(ran.output("digest").as_ref(), Some(&index.digest));
    }
}

#[tokio::test]
async fn its_annotations_and_the_inputs_beside_it() {
    let scene = Scene::with_amd64().await;
    let text = format!("{}annotations:\n  org.example.key: a b\n", file(&scene.proxy.host()));
    let ran = step().input("spec", &text).input("missing", "skip").run().await.ok();
    let index = scene.at("1.2.0").await;
    assert_eq!(index.media_type, OCI_INDEX);
    assert_eq!(index.json()["annotations"], json!({"org.example.key": "a b"}));
    assert_eq!(index.json()["manifests"].as_array().unwrap().len(), 1, "{}", ran.everything());
}

#[tokio::test]
async fn a_platform_fills_in_and_a_contradiction_is_refused() {
    let scene = Scene::empty().await;
    scene.push(&amd64(), "amd64").await;
    scene.push(&Image::oci("linux/arm/v7"), "arm64").await;
    let host = scene.proxy.host();
    let ran = step().input("spec", &file(&host)).run().await;
    assert_eq!(ran.status, 5, "{}", ran.everything());
    assert!(ran.everything().contains("linux/arm64"), "{}", ran.everything());
    assert_eq!(scene.digest("1.2.0").await, None);
    // A variant that the config leaves open.
    scene.push(&Image::oci("linux/arm"), "arm64").await;
    let text = file(&host).replace("architecture: arm64", "architecture: arm").replace("v8", "v6");
    step().input("spec", &text).run().await.ok();
    let index = scene.at("1.2.0").await.json();
    assert_eq!(
        index["manifests"][1]["platform"],
        json!({"architecture": "arm", "os": "linux", "variant": "v6"})
    );
}

#[tokio::test]
async fn a_platform_picks_the_entry_of_an_index() {
    let scene = Scene::empty().await;
    BuiltIndex::new(vec![amd64(), arm64()]).push(&scene.client, REPO, "both").await;
    let text =
        file(&scene.proxy.host()).replace("app:amd64", "app:both").replace("app:arm64", "app:both");
    step().input("spec", &text).run().await.ok();
    let index = scene.at("1.2.0").await.json();
    let digests: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["digest"].clone())
        .collect();
    assert_eq!(digests, [json!(amd64().digest()), json!(arm64().digest())]);
}

#[tokio::test]
async fn all_that_is_wrong_in_one_run_and_nothing_is_asked() {
    let scene = Scene::with_both().await;
    let text = file(&scene.proxy.host())
        .replace("tags:", "tag:")
        .replace("variant: v8", "veriant: v8")
        .replace(":amd64", ":amd 64");
    let ran =
        step().file("m.yaml", &text).input("spec", "m.yaml").input("wait", "soon").run().await;
    assert_eq!(ran.status, 2, "{}", ran.everything());
    for told in [
        "m.yaml, line 2, column 1: spec: unknown key \"tag\": a file of manifest-tool has image, tags, manifests and annotations",
        "m.yaml, line 13, column 7: spec: unknown key \"veriant\": a platform has architecture, os, variant",
        "m.yaml, line 4, column 12: index 1 (",
        "wait: \"soon\" is not a duration",
    ] {
        assert!(ran.everything().contains(told), "{told}\n{}", ran.everything());
    }
    assert!(ran.everything().contains("4 problems"), "{}", ran.everything());
    assert_eq!(scene.proxy.log().len(), 0);
}
