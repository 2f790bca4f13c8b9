//! Images that a target's registry does not take though all was brought to it.

use super::step_with_report;
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::registry::Manner;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use std::time::Duration;

const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

fn windows() -> Image {
    let url = "https://mcr.example/layer";
    Image::docker("windows(10.0.20348.2700)/amd64").foreign_layer(FOREIGN, url, b"elsewhere")
}

/// Distribution does not take `urls` by default, and says 500 of it; others name the blob.
#[tokio::test]
async fn foreign_layers_that_a_registry_does_not_take_are_told_at_once() {
    let unknown = Fault::Status(404).error("BLOB_UNKNOWN", "Blob asset not found");
    let invalid = Fault::Status(400).error("MANIFEST_INVALID", "invalid URL on layer");
    for (case, fault) in
        [("distribution", None), ("unknown", Some(unknown)), ("invalid", Some(invalid))]
    {
        let (from, mut to) = (Scene::empty().await, Scene::empty().await);
        from.push(&windows(), "w").await;
        match fault {
            None => to.registry.restart_as(Manner::NoUrls).await,
            Some(fault) => to.proxy.rule(Rule::on("PUT", "*/manifests/sha256:*").then(fault)),
        }
        let step = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:w"));
        let ran = step.run().await.fails(7);
        for part in ["foreign layers", "windows(10.0.20348.2700)/amd64", "urls.allow"] {
            assert!(ran.stdout.contains(part), "{case}: {part}\n{}", ran.stdout);
        }
        for part in ["run it again", "create the repository first", "kind of index"] {
            assert!(!ran.stdout.contains(part), "{case}: {part}\n{}", ran.stdout);
        }
        let puts = to.proxy.count("PUT", "*/manifests/*");
        assert_eq!(puts, 1, "{case}: {}", to.proxy.log_text());
    }
}

/// Trouble that passes is no word on foreign layers.
#[tokio::test]
async fn foreign_layers_survive_trouble_that_passes() {
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Reset] {
        let (from, to) = (Scene::empty().await, Scene::empty().await);
        from.push(&windows(), "w").await;
        to.proxy.rule(Rule::on("PUT", "*/manifests/sha256:*").nth(1).then(fault));
        let step = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:w"));
        step.run().await.ok();
    }
}

/// A registry with one store shows in every repository what any has, and takes it in none but the
/// one that has it.
#[tokio::test]
async fn blobs_that_were_only_shown_are_uploaded() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let image = Image::oci("linux/amd64").layer_size(10_000);
    from.push(&image, "a").await;
    to.proxy.rule(Rule::on("HEAD", "*/blobs/*").then(Fault::Status(200)));
    let step = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"));
    let ran = step.run().await.ok();
    assert!(to.client.holds("acme/app", &image).await, "{}", ran.everything());
    let puts = to.proxy.count("PUT", &format!("*/manifests/{}", image.digest()));
    assert_eq!(puts, 2, "{}", to.proxy.log_text());
}

/// What the registry failed over is not uploaded again.
#[tokio::test]
async fn blobs_are_not_uploaded_again_for_trouble_of_the_registry() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    from.push(&Image::oci("linux/amd64"), "a").await;
    let failing = Fault::Status(500).header("Retry-After", "0").error("UNKNOWN", "unknown error");
    to.proxy.rule(Rule::on("PUT", "*/manifests/*").then(failing));
    to.proxy.rule(Rule::on("HEAD", "*/blobs/*").then(Fault::Status(200)));
    let step = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"));
    step.run().await.fails(7);
    assert_eq!(to.proxy.count("POST", "*"), 0, "{}", to.proxy.log_text());
}

/// An image that is refused for good is what the error is about, not the index.
#[tokio::test]
async fn an_image_that_is_refused_is_what_the_error_is_about() {
    for is_there in [true, false] {
        let (from, to) = (Scene::empty().await, Scene::empty().await);
        from.push(&Image::oci("linux/amd64"), "a").await;
        let refused = Fault::Status(400).error("MANIFEST_INVALID", "no");
        to.proxy.rule(Rule::on("PUT", "*/manifests/*").then(refused));
        if is_there {
            to.proxy.rule(Rule::on("HEAD", "*/blobs/*").then(Fault::Status(200)));
        }
        let step = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"));
        let ran = step.run().await.fails(7);
        assert!(ran.stdout.contains("the image for linux/amd64"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("kind of index"), "{}", ran.stdout);
        let puts = to.proxy.count("PUT", "*/manifests/*");
        assert_eq!(puts, if is_there { 2 } else { 1 }, "{}", to.proxy.log_text());
    }
}

/// Cloudflare's registry refuses a manifest whose subject it does not have.
#[tokio::test]
async fn what_refers_to_an_image_comes_after_it() {
    let scene = Scene::empty().await;
    let images = vec![Image::oci("linux/amd64").layer_size(50_000), Image::oci("linux/arm64")];
    let digests: Vec<String> = images.iter().map(Image::digest).collect();
    let index = BuiltIndex::new(images).attestations(true);
    index.push(&scene.client, "acme/build", "built").await;
    let to = Scene::empty().await;
    // The images are let in when all blobs are stored, and are slow then: only who waits for them
    // comes after them.
    let mut images = Vec::new();
    for digest in &digests {
        let path = format!("*/manifests/{digest}");
        let slow = Fault::Delay(Duration::from_millis(300));
        to.proxy.rule(Rule::on("PUT", &path).then(slow));
        let image = to.proxy.gate("PUT", &path);
        image.hold();
        images.push(image);
    }
    let uploads = to.proxy.gate("PUT", "*/blobs/uploads/*");
    let step = step_with_report(&to.full_name("acme/app:1"), &scene.full_name("acme/build:built"));
    let running = step.spawn().await;
    // A config and a layer of each image and of each attestation.
    uploads.wait_for_answers(8).await;
    for image in &images {
        image.release();
    }
    running.wait().await.ok();
    let puts = to.proxy.entries("PUT", "*/manifests/sha256:*");
    assert_eq!(puts.len(), 4, "{}", to.proxy.log_text());
    let is_image = |path: &str| digests.iter().any(|digest| path.ends_with(digest));
    let stored = puts.iter().filter(|put| is_image(&put.path)).filter_map(|put| put.until).max();
    let others = puts.iter().filter(|put| !is_image(&put.path));
    assert!(others.clone().count() == 2 && others.clone().all(|put| Some(put.at) >= stored));
    // Only the manifests wait.
    let blobs = to.proxy.entries("PUT", "*/blobs/uploads/*");
    assert!(!blobs.is_empty() && blobs.iter().all(|put| Some(put.at) < stored));
    // No fallback tag is made for an entry of the index.
    assert_eq!(to.client.tags("acme/app").await, ["1"]);
}
