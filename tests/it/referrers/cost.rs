//! What the question costs: nothing within a repository, and no round trip beside the copies.

use super::{APP, BUILD, about, built, step};
use crate::support::artifacts::{BUNDLE, SPDX, attach};
use crate::support::client::OCI_INDEX;
use crate::support::images::{Image, PLATFORMS};
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::step::Step;
use std::time::Duration;

fn asked(scene: &Scene) -> (usize, usize) {
    (scene.proxy.count("GET", "*/referrers/*"), scene.proxy.count("GET", "*/tags/list"))
}

#[tokio::test]
async fn within_a_repository_nothing_is_asked() {
    let (scene, _) = built().await;
    step(&scene).input("tags", &scene.full_name(&format!("{BUILD}:1"))).run().await.ok();
    assert_eq!(asked(&scene), (0, 0), "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn a_run_that_moves_no_tag_asks_for_nothing_and_a_dry_run_asks_what_the_real_one_asks() {
    let (scene, _) = built().await;
    step(&scene).input("dry-run", "true").run().await.ok();
    assert_eq!(asked(&scene), (1, 1), "{}", scene.proxy.log_text());
    step(&scene).run().await.ok();
    let first = asked(&scene);
    for dry in ["false", "true"] {
        step(&scene).input("dry-run", dry).run().await.ok();
    }
    assert_eq!((asked(&scene), first), ((2, 2), (2, 2)), "{}", scene.proxy.log_text());
}

/// One request a manifest, one listing a repository, and no round trip more: the copies come first
/// where not all requests can be under way at once.
#[tokio::test]
async fn where_there_is_nothing_the_question_takes_no_time() {
    for (images, concurrency) in [(4, "16"), (8, "32")] {
        let (copy, copy_trips) = cost(images, concurrency, "copy").await;
        let (leave, leave_trips) = cost(images, concurrency, "leave").await;
        assert_eq!(copy, leave + images + 1, "{images} images");
        assert_eq!(copy_trips, leave_trips, "{images} images");
    }
}

/// Requests and round trips of a list of so many images with three blobs each.
async fn cost(images: usize, concurrency: &str, referrers: &str) -> (usize, usize) {
    let scene = Scene::empty().await;
    let tags: Vec<String> = (0..images).map(|at| format!("s{at}")).collect();
    for (tag, platform) in tags.iter().zip(PLATFORMS) {
        Image::oci(platform).more_layer(platform).push(&scene.client, BUILD, tag).await;
    }
    let scene = scene.with_distance(Duration::from_millis(150));
    let sources: Vec<String> =
        tags.iter().map(|tag| scene.full_name(&format!("{BUILD}:{tag}"))).collect();
    step(&scene)
        .input("sources", &sources.join("\n"))
        .input("concurrency", concurrency)
        .input("referrers", referrers)
        .run()
        .await
        .ok();
    (scene.proxy.requests(), scene.proxy.round_trips())
}

/// What goes into two repositories is asked for once.
#[tokio::test]
async fn two_targets_ask_once() {
    let (scene, _) = built().await;
    let tags = format!("{0}:1\n{0}:2\n{1}:1", scene.full_name(APP), scene.full_name("acme/two"));
    step(&scene).input("tags", &tags).run().await.ok();
    assert_eq!(asked(&scene), (1, 1), "{}", scene.proxy.log_text());
}

/// Requests of `copy` of an image with two blobs and so many referrers with two blobs each, into
/// another repository. `by_api`: whether registries list referrers by themselves.
async fn copied(referrers: usize, by_api: bool) -> (usize, String) {
    let (scene, image) = built().await;
    let all = [about(BUNDLE, &image), about(SPDX, &image)];
    let all: Vec<_> = all.iter().take(referrers).collect();
    if referrers > 0 {
        attach(&scene.client, BUILD, &image.digest(), &all).await;
    }
    if by_api {
        let answer =
            |list: Vec<u8>| Fault::Status(200).header("Content-Type", OCI_INDEX).body(list);
        let none = answer(crate::support::artifacts::listing(&[]));
        scene.proxy.rule(Rule::on("GET", "*/referrers/*").then(none));
        let path = format!("/v2/{BUILD}/referrers/{}", image.digest());
        let list = crate::support::artifacts::listing(&all);
        scene.proxy.rule(Rule::on("GET", &path).then(answer(list)));
        for artifact in &all {
            let path = format!("/v2/{APP}/manifests/{}", artifact.digest());
            let told = Fault::SetHeader("OCI-Subject", image.digest());
            scene.proxy.rule(Rule::on("PUT", &path).then(told));
        }
    }
    let [source, list] =
        [format!("{BUILD}:a"), format!("{APP}:1")].map(|name| scene.full_name(&name));
    Step::new().args(["copy", &source, &list]).run().await.ok();
    (scene.proxy.requests(), scene.proxy.log_text())
}

#[tokio::test]
async fn a_copy_and_each_referrer_cost_what_the_contract_says() {
    let blobs = 2;
    let mut seen = Vec::new();
    for by_api in [true, false] {
        let (none, log) = copied(0, by_api).await;
        assert_eq!(none, 8 + blobs, "{log}");
        for referrers in [1, 2] {
            seen.push(copied(referrers, by_api).await.0 - none);
        }
    }
    // Of each: a list of its own referrers, a read, a push; its blobs, of which the config is the
    // same; and one list at the target. Without an API six for the tag that lists them.
    let of = |referrers: usize| 3 * referrers + (1 + referrers) + 1;
    let (one, two) = (of(1), of(2));
    let log = copied(1, false).await.1;
    assert_eq!(seen, [one, two, one + 6, two + 6], "{log}");
}
