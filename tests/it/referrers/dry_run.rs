//! What a dry run says of what refers to images: what is listed, and what would keep it from coming.

use super::{APP, BUILD, about, between, built, step};
use crate::support::artifacts::{ATTESTATION, Artifact, BUNDLE, COSIGN, attach, list_tag};
use crate::support::client::Client;
use crate::support::referrers_api::ReferrersApi;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;

/// Signed by digest and by a tag; with an attestation.
async fn signed() -> Scene {
    let (scene, image) = built().await;
    let list = [&about(BUNDLE, &image), &about(ATTESTATION, &image)];
    attach(&scene.client, BUILD, &image.digest(), &list).await;
    let tag = format!("{}.sig", list_tag(&image.digest()));
    Artifact::tagged(COSIGN, "cosign").push(&scene.client, BUILD, &tag).await;
    scene
}

#[tokio::test]
async fn it_says_what_would_come_along_and_writes_nothing() {
    let scene = signed().await;
    let place = scene.full_name(APP);
    let kinds = format!("{BUNDLE}, {ATTESTATION}, cosign signature");
    for (attestations, what) in [
        ("keep", format!("1 image, 3 referrers ({kinds})")),
        // One of them is a part of the index.
        ("discover", format!("2 images, 2 referrers ({BUNDLE}, cosign signature)")),
    ] {
        let run = || step(&scene).input("dry-run", "true").input("attestations", attestations);
        let ran = run().run().await.ok();
        let line = format!("dry run  would copy {what} into {place}, unless already there");
        assert!(ran.stdout.contains(&line), "{line}: {}", ran.stdout);
        let line = format!("Would copy {what} into `{place}`, unless already there.");
        assert!(ran.summary().contains(&line), "{line}: {}", ran.summary());
        // What is left behind is said as after a real run.
        let ran = run().input("referrers", "leave").run().await.ok();
        let images = what.split(',').next().unwrap_or_default();
        let line = format!("would copy {images} into {place}");
        assert!(ran.stdout.contains(&line), "{line}: {}", ran.stdout);
        let from = scene.full_name(BUILD);
        let line = format!("signatures and other referrers are not copied; they remain in {from}");
        assert!(ran.stdout.contains(&line), "{line}: {}", ran.stdout);
    }
    let reads = |method: &str| matches!(method, "GET" | "HEAD");
    let log = scene.proxy.log();
    assert!(log.iter().all(|entry| reads(&entry.method)), "{}", scene.proxy.log_text());
    assert_eq!(scene.client.tags(APP).await.len(), 0);
}

/// Where the images are there already, what was signed since still comes along.
#[tokio::test]
async fn it_says_what_comes_along_with_images_that_are_there() {
    let (from, image) = built().await;
    let to = Scene::empty().await;
    ReferrersApi::of(&from.proxy);
    between(&from, &to).run().await.ok();
    about(BUNDLE, &image).push(&Client::new(&from.proxy.host()), BUILD, "").await;
    let tags = format!("{0}:1\n{0}:2", to.full_name(APP));
    let ran = between(&from, &to).input("tags", &tags).input("dry-run", "true").run().await.ok();
    let line = format!("1 referrer ({BUNDLE}) into {}, unless already there", to.full_name(APP));
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    // Within a repository nothing comes along.
    let tag = from.full_name(&format!("{BUILD}:1"));
    let ran = between(&from, &to).input("tags", &tag).input("dry-run", "true").run().await.ok();
    assert!(!ran.stdout.contains("referrer"), "{}", ran.stdout);
}

/// It fails where the real run would: nobody knows what there is.
#[tokio::test]
async fn it_fails_where_the_list_cannot_be_had() {
    let scene = signed().await;
    let list = format!("/v2/{BUILD}/referrers/*");
    scene.proxy.rule(Rule::on("GET", &list).then(Fault::Status(500)));
    let ran = step(&scene).input("dry-run", "true").run().await.fails(7);
    assert!(ran.stdout.contains("cannot list what refers to"), "{}", ran.stdout);
    assert!(ran.stdout.contains("`referrers: leave`"), "{}", ran.stdout);
}
