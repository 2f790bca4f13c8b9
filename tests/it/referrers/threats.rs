//! Lists of referrers that are meant to do harm.

use super::{APP, BUILD, about, built, step, tags};
use crate::support::artifacts::{Artifact, BUNDLE, SPDX, attach, listed, listing};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use serde_json::json;

fn list_of(digest: &str) -> String {
    format!("/v2/{BUILD}/referrers/{digest}")
}

fn answer(body: impl Into<Vec<u8>>) -> Fault {
    Fault::Status(200).header("Content-Type", OCI_INDEX).body(body)
}

async fn refused(scene: &Scene, why: &str) {
    let ran = step(scene).run().await.fails(5);
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    assert!(ran.stdout.contains("`referrers: leave`"), "{}", ran.stdout);
    assert!(tags(scene).await.is_empty());
}

#[tokio::test]
async fn a_list_of_referrers_without_end() {
    let (scene, image) = built().await;
    let list = list_of(&image.digest());
    let link = |at: &str| format!("<{list}?at={at}>; rel=\"next\"");
    let rule = |at: &str, to: &str| {
        let page = answer(listing(&[])).header("Link", &link(to));
        scene.proxy.rule(Rule::on("GET", &format!("{list}?at={at}")).then(page));
    };
    rule("a", "b");
    rule("b", "a");
    let first = answer(listing(&[])).header("Link", &link("a"));
    scene.proxy.rule(Rule::on("GET", &list).nth(1).then(first));
    refused(&scene, "the list of referrers has more than 32 pages").await;
    assert_eq!(scene.proxy.count("GET", &list), 32);
    // One that leads to itself.
    let (scene, image) = built().await;
    let list = list_of(&image.digest());
    let page = answer(listing(&[])).header("Link", &format!("<{list}?at=a>; rel=\"next\""));
    scene.proxy.rule(Rule::on("GET", &list).then(page));
    refused(&scene, "the list of referrers has more than 32 pages").await;
}

#[tokio::test]
async fn more_referrers_than_anybody_signs_with() {
    let entry = |at: usize| json!({"mediaType": OCI_MANIFEST, "digest": sha256(at.to_string().as_bytes()), "size": 9});
    let many = |count: usize| -> Vec<u8> {
        let entries: Vec<_> = (0..count).map(entry).collect();
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
            .to_string()
            .into_bytes()
    };
    let (scene, image) = built().await;
    scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(answer(many(257))));
    refused(&scene, "more than 256 referrers are listed").await;
    // By a tag, and of two images together.
    let scene = Scene::empty().await;
    for platform in ["linux/amd64", "linux/arm64"] {
        Image::oci(platform).push(&scene.client, BUILD, &platform[6..]).await;
    }
    scene.proxy.rule(Rule::on("GET", &list_of("*")).then(answer(many(129))));
    let sources = format!("{0}:amd64\n{0}:arm64", scene.full_name(BUILD));
    let ran = step(&scene).input("sources", &sources).run().await.fails(5);
    let why = "more than 256 signatures and other referrers";
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    assert!(tags(&scene).await.is_empty());
}

#[tokio::test]
async fn referrers_that_refer_to_each_other() {
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    bundle.push(&scene.client, BUILD, "").await;
    // The lists say what no digests can: the image refers to what refers to it.
    let own = json!({
        "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": image.manifest().len(),
    });
    let back = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [own, bundle.descriptor()]});
    scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(answer(listing(&[&bundle]))));
    scene.proxy.rule(Rule::on("GET", &list_of(&bundle.digest())).then(answer(back.to_string())));
    let ran = step(&scene).run().await.ok();
    assert_eq!(scene.proxy.count("GET", &list_of("*")), 2, "{}", scene.proxy.log_text());
    assert!(ran.stdout.contains("does not refer to it; it is not copied"), "{}", ran.stdout);
    assert_eq!(listed(&scene.client, APP, &image.digest()).await, [bundle.digest()]);
    assert!(listed(&scene.client, APP, &bundle.digest()).await.is_empty());
}

/// Whoever may write a tag that lists referrers cannot have anything else brought along.
#[tokio::test]
async fn what_is_listed_and_does_not_refer_to_the_image_stays() {
    let (scene, image) = built().await;
    let (good, stray) = (about(BUNDLE, &image), about(SPDX, &Image::oci("linux/s390x")));
    let without = Artifact::tagged(SPDX, "no subject");
    attach(&scene.client, BUILD, &image.digest(), &[&good, &stray, &without]).await;
    let ran = step(&scene).run().await.ok();
    assert_eq!(listed(&scene.client, APP, &image.digest()).await, [good.digest()]);
    for other in [&stray, &without] {
        assert!(!other.is_in(&scene.client, APP).await);
        let warning = format!("@{} is listed under {}", other.digest(), image.digest());
        assert!(ran.stdout.contains(&warning), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn an_entry_that_says_something_else_than_the_referrer_is() {
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    bundle.push(&scene.client, BUILD, "").await;
    let mut entry = bundle.descriptor();
    entry["size"] = json!(bundle.manifest().len() + 1);
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(answer(list.to_string())));
    refused(&scene, "is not what is listed").await;
}

/// What stands at the tag that would list referrers, and is no list, is not written over.
#[tokio::test]
async fn a_tag_that_holds_something_else_is_not_written_over() {
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&bundle]).await;
    let tag = crate::support::artifacts::list_tag(&image.digest());
    let theirs = Image::oci("linux/s390x");
    theirs.push(&scene.client, APP, &tag).await;
    refused(&scene, "holds an image").await;
    let there = scene.client.get_manifest(APP, &tag).await.unwrap();
    assert_eq!(there.digest, theirs.digest());
}

#[tokio::test]
async fn types_of_referrers_are_shown_only_as_types() {
    let (scene, image) = built().await;
    let odd = about("\n::error::x</details>", &image);
    attach(&scene.client, BUILD, &image.digest(), &[&odd]).await;
    let ran = step(&scene).run().await.ok();
    assert!(ran.stdout.contains("1 referrer (of another type)"), "{}", ran.stdout);
    assert!(!ran.everything().contains("::error::x"), "{}", ran.everything());
    assert!(odd.is_in(&scene.client, APP).await);
}
