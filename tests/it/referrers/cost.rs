//! What the question costs: nothing within a repository, and no round trip beside the copies.

use super::{APP, BUILD, built, step};
use crate::support::images::{Image, PLATFORMS};
use crate::support::scene::Scene;
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
