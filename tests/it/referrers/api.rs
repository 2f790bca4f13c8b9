//! Registries with the referrers API: as sources, as targets, and beside others without it.

use super::{APP, BUILD, about, between, built, deeds, step, tags};
use crate::support::artifacts::{Artifact, BUNDLE, SPDX, listed, listing};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;

fn list_of(image: &Image) -> String {
    format!("/v2/{BUILD}/referrers/{}", image.digest())
}

/// What the API answers.
fn page(artifacts: &[&Artifact]) -> Fault {
    Fault::Status(200).header("Content-Type", OCI_INDEX).body(listing(artifacts))
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_to_its_end() {
    let (scene, image) = built().await;
    let artifacts = [BUNDLE, SPDX, "a/third"].map(|kind| about(kind, &image));
    for artifact in &artifacts {
        artifact.push(&scene.client, BUILD, "").await;
    }
    let path = list_of(&image);
    // A link elsewhere leads nowhere else: its query counts, at our own address.
    let next = |at: &str| format!("<http://evil.example/v2/x?last={at}>; rel=\"next\"");
    let rule = |pattern: &str, fault| scene.proxy.rule(Rule::on("GET", pattern).nth(1).then(fault));
    rule(&path, page(&[&artifacts[0]]).header("Link", &next("1")));
    rule(&format!("{path}?last=1"), page(&[&artifacts[1]]).header("Link", &next("2")));
    rule(
        &format!("{path}?last=2"),
        page(&[&artifacts[2]]).header("OCI-Filters-Applied", "artifactType"),
    );
    step(&scene).run().await.ok();
    for artifact in &artifacts {
        assert!(artifact.is_in(&scene.client, APP).await, "{artifact:?}");
    }
    assert_eq!(scene.proxy.entries("*", "*evil*").len(), 0);
}

/// From a registry with the API: its list counts, not the tag.
#[tokio::test]
async fn from_a_registry_with_the_api_into_one_without() {
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    bundle.push(&scene.client, BUILD, "").await;
    scene.proxy.rule(Rule::on("GET", &list_of(&image)).then(page(&[&bundle])));
    step(&scene).run().await.ok();
    assert_eq!(listed(&scene.client, APP, &image.digest()).await, [bundle.digest()]);
}

/// A registry that says `OCI-Subject` lists what refers to an image by itself.
#[tokio::test]
async fn into_a_registry_with_the_api_no_tag_is_written() {
    for (case, is_told) in [("told in the answer", true), ("the answer was lost", false)] {
        let (from, image) = built().await;
        let to = Scene::empty().await;
        let bundle = about(BUNDLE, &image);
        bundle.push(&from.client, BUILD, "").await;
        from.proxy.rule(Rule::on("GET", &list_of(&image)).then(page(&[&bundle])));
        let list = format!("/v2/{APP}/referrers/{}", image.digest());
        to.proxy.rule(Rule::on("GET", &list).nth(1).then(page(&[])));
        to.proxy.rule(Rule::on("GET", &list).from(2).then(page(&[&bundle])).optional());
        let put = format!("/v2/{APP}/manifests/{}", bundle.digest());
        if is_told {
            let subject = Fault::SetHeader("OCI-Subject", image.digest());
            to.proxy.rule(Rule::on("PUT", &put).then(subject));
        }
        let ran = between(&from, &to).run().await.ok();
        assert!(bundle.is_in(&to.client, APP).await, "{case}");
        assert_eq!(to.client.tags(APP).await, ["1"], "{case}: no tag lists anything");
        assert!(!deeds(&ran).contains(&"push-referrer-tag".to_owned()), "{case}");
    }
}

#[tokio::test]
async fn what_is_no_list_means_that_there_is_no_api() {
    let html = Fault::Status(200).header("Content-Type", "text/html").body("<html>not found");
    let json = Fault::Status(200).header("Content-Type", "application/json").body("{}");
    for (case, fault) in [
        ("400", Fault::Status(400)),
        ("404", Fault::Status(404)),
        ("405", Fault::Status(405)),
        ("501", Fault::Status(501)),
        ("a page", html),
        ("another document", json),
    ] {
        let (scene, image) = built().await;
        let bundle = about(BUNDLE, &image);
        crate::support::artifacts::attach(&scene.client, BUILD, &image.digest(), &[&bundle]).await;
        scene.proxy.rule(Rule::on("GET", &list_of(&image)).then(fault));
        let ran = step(&scene).run().await.ok();
        assert!(bundle.is_in(&scene.client, APP).await, "{case}");
        assert!(!ran.stdout.contains("warning"), "{case}: {}", ran.stdout);
    }
    // A denial may hide something, which is told.
    let (scene, image) = built().await;
    scene.proxy.rule(Rule::on("GET", &list_of(&image)).then(Fault::Status(403)));
    let ran = step(&scene).run().await.ok();
    assert!(ran.stdout.contains("the registry denies its list of referrers"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_list_that_cannot_be_had_moves_no_tag() {
    let wrong = Fault::Status(200).header("Content-Type", OCI_INDEX).body("{\"schemaVersion\":2");
    for (case, fault, exit) in [("fails", Fault::Status(500), 7), ("no JSON", wrong, 5)] {
        let (scene, image) = built().await;
        scene.proxy.rule(Rule::on("GET", &list_of(&image)).then(fault));
        let ran = step(&scene).run().await.fails(exit);
        assert!(ran.stdout.contains("cannot list what refers to"), "{case}: {}", ran.stdout);
        assert!(ran.stdout.contains("`referrers: leave`"), "{case}: {}", ran.stdout);
        assert!(tags(&scene).await.is_empty(), "{case}");
    }
}

/// Of a referrer that is an index, all parts come along.
#[tokio::test]
async fn an_artifact_that_is_an_index_is_whole() {
    let (scene, image) = built().await;
    let part = Artifact::tagged("a/part", "part");
    part.push(&scene.client, BUILD, "").await;
    let subject = serde_json::json!({
        "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": image.manifest().len(),
    });
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": "a/whole",
        "manifests": [part.descriptor()], "subject": subject,
    });
    let bytes = index.to_string();
    let digest = scene.client.put_manifest(BUILD, "", OCI_INDEX, bytes.as_bytes()).await;
    let entry = serde_json::json!({"mediaType": OCI_INDEX, "digest": digest, "size": bytes.len()});
    let list = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry],
    });
    let answer = Fault::Status(200).header("Content-Type", OCI_INDEX).body(list.to_string());
    scene.proxy.rule(Rule::on("GET", &list_of(&image)).then(answer));
    step(&scene).run().await.ok();
    assert!(part.is_in(&scene.client, APP).await);
    let there = scene.client.get_manifest(APP, &digest).await.expect("the index");
    assert_eq!(there.bytes, bytes.as_bytes());
    assert_eq!(listed(&scene.client, APP, &image.digest()).await, [digest]);
}
