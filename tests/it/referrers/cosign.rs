//! What cosign stores under tags of its own.

use super::{APP, BUILD, built, deeds, report, step, tags};
use crate::support::artifacts::{Artifact, COSIGN, list_tag};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;

const LIST: &str = "/v2/acme/build/tags/list";

fn tag(image: &Image, ending: &str) -> String {
    format!("{}.{ending}", list_tag(&image.digest()))
}

/// Signs as cosign 2 does: a manifest without a subject under a tag.
async fn sign(scene: &Scene, repo: &str, image: &Image, ending: &str, text: &str) -> Artifact {
    let artifact = Artifact::tagged(COSIGN, text);
    artifact.push(&scene.client, repo, &tag(image, ending)).await;
    artifact
}

async fn held(scene: &Scene, repo: &str, tag: &str) -> Option<String> {
    scene.client.get_manifest(repo, tag).await.map(|manifest| manifest.digest)
}

#[tokio::test]
async fn signatures_attestations_and_sboms_come_along_under_their_tags() {
    let (scene, image) = built().await;
    let mut artifacts = Vec::new();
    for ending in ["sig", "att", "sbom"] {
        artifacts.push((ending, sign(&scene, BUILD, &image, ending, ending).await));
    }
    // Of another image, which the list does not hold.
    sign(&scene, BUILD, &Image::oci("linux/s390x"), "sig", "other").await;
    let ran = step(&scene).run().await.ok();
    for (ending, artifact) in &artifacts {
        assert_eq!(held(&scene, APP, &tag(&image, ending)).await, Some(artifact.digest()));
        assert!(artifact.is_in(&scene.client, APP).await);
    }
    assert_eq!(scene.client.tags(APP).await.len(), 4);
    let kinds = "3 referrers (cosign SBOM, cosign attestation, cosign signature)";
    assert!(ran.stdout.contains(kinds), "{}", ran.stdout);
    let referrers = report(&ran)["copied"][0]["referrers"].as_array().cloned().unwrap();
    assert!(referrers.iter().any(|referred| referred["tag"] == tag(&image, "sig").as_str()));
    let deeds = deeds(&ran);
    assert_eq!(deeds.iter().filter(|deed| *deed == "push-referrer-tag").count(), 3, "{deeds:?}");
    assert_eq!(deeds.last().unwrap(), "move-tag");
    assert_eq!(scene.proxy.count("GET", LIST), 1);
}

#[tokio::test]
async fn a_tag_that_holds_another_digest_is_left_with_a_warning_that_names_both() {
    let (scene, image) = built().await;
    let ours = sign(&scene, BUILD, &image, "sig", "ours").await;
    let theirs = sign(&scene, APP, &image, "sig", "theirs").await;
    let same = sign(&scene, BUILD, &image, "att", "same").await;
    sign(&scene, APP, &image, "att", "same").await;
    let ran = step(&scene).run().await.ok();
    let tag = tag(&image, "sig");
    assert_eq!(held(&scene, APP, &tag).await, Some(theirs.digest()));
    let warning = format!(
        "{}:{tag} points to {} and is left as it is; {}:{tag} points to {}",
        scene.full_name(APP),
        theirs.digest(),
        scene.full_name(BUILD),
        ours.digest()
    );
    assert!(ran.stdout.contains(&warning), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 referrer already there"), "{}", ran.stdout);
    assert!(same.is_in(&scene.client, APP).await);
}

#[tokio::test]
async fn where_tags_are_not_listed_each_is_looked_for() {
    let listed_forever = Fault::Status(200)
        .header("Content-Type", "application/json")
        .header("Link", "</v2/acme/build/tags/list?n=1000&last=x>; rel=\"next\"")
        .body(r#"{"tags":["x"]}"#);
    for (case, fault, pages) in [
        ("refused", Fault::Status(403), 1),
        ("missing", Fault::Status(404), 1),
        ("fails", Fault::Status(500), 1),
        ("no list", Fault::Status(200).body("<html>"), 1),
        ("never ends", listed_forever, 2),
    ] {
        let (scene, image) = built().await;
        let signature = sign(&scene, BUILD, &image, "sig", "x").await;
        scene.proxy.rule(Rule::on("GET", LIST).then(fault));
        step(&scene).run().await.ok();
        let there = held(&scene, APP, &tag(&image, "sig")).await;
        assert_eq!(there, Some(signature.digest()), "{case}");
        assert_eq!(scene.proxy.count("GET", LIST), pages, "{case}");
        let heads = scene.proxy.count("HEAD", &format!("/v2/{BUILD}/manifests/sha256-*"));
        assert_eq!(heads, 4, "{case}: {}", scene.proxy.log_text());
    }
}

#[tokio::test]
async fn a_signature_that_is_listed_and_cannot_be_read_moves_no_tag() {
    for (status, exit) in [(404, 7), (403, 6)] {
        let (scene, image) = built().await;
        sign(&scene, BUILD, &image, "sig", "x").await;
        let place = format!("/v2/{BUILD}/manifests/{}", tag(&image, "sig"));
        scene.proxy.rule(Rule::on("GET", &place).then(Fault::Status(status)));
        let ran = step(&scene).run().await.fails(exit);
        assert!(ran.stdout.contains("`referrers: leave`"), "{}", ran.stdout);
        assert!(tags(&scene).await.is_empty());
    }
}

/// Images that were waited for may have been signed since the first listing.
#[tokio::test]
async fn after_a_wait_tags_are_listed_anew() {
    let scene = Scene::empty().await;
    let (late, image) = (Image::oci("linux/arm64"), Image::oci("linux/amd64"));
    image.push(&scene.client, BUILD, "a").await;
    let sources = format!("{0}:a\n{0}:late", scene.full_name(BUILD));
    let list = scene.proxy.gate("GET", LIST);
    let running = step(&scene).input("sources", &sources).input("wait", "1m").spawn().await;
    list.wait_for_answers(1).await;
    sign(&scene, BUILD, &late, "sig", "late").await;
    late.push(&scene.client, BUILD, "late").await;
    running.wait().await.ok();
    assert!(held(&scene, APP, &tag(&late, "sig")).await.is_some());
    assert_eq!(scene.proxy.count("GET", LIST), 2);
}
