//! Registries, and proxies before them, that answer HEAD wrongly while GET works.

use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, amd64, manifest};
use crate::support::step::Step;

const WRONG: [u16; 5] = [404, 401, 500, 501, 503];

/// Every HEAD of a manifest is answered with this status.
async fn without_heads(status: u16) -> Scene {
    let scene = Scene::empty().await;
    let wrong = Rule::on("HEAD", &format!("/v2/{REPO}/manifests/*"));
    scene.proxy.rule(wrong.then(Fault::Status(status)).optional());
    scene
}

fn two_tags(scene: &Scene) -> Step {
    scene.step_to(&["1", "2"]).input("sources", &scene.references(&["amd64", "arm64"]))
}

#[tokio::test]
async fn a_tag_that_must_not_move_is_not_moved() {
    for status in WRONG {
        let scene = without_heads(status).await;
        scene.push_both().await;
        let held = scene.push(&amd64(), "1").await;
        let ran = two_tags(&scene).input("overwrite", "false").run().await.fails(5);
        assert!(ran.stdout.contains("overwrite"), "{status}: {}", ran.stdout);
        assert_eq!(scene.digest("1").await, Some(held), "{status}");
        assert_eq!(scene.digest("2").await, None, "{status}");
    }
}

#[tokio::test]
async fn an_image_that_comes_late_is_found_before_it_is_given_up() {
    for status in WRONG {
        let scene = without_heads(status).await;
        scene.push_amd64().await;
        // It is missing at the first look, and there at all others.
        scene.push_arm64().await;
        let late = Rule::on("GET", &manifest("arm64")).nth(1).then(Fault::Status(404));
        scene.proxy.rule(late);
        let step = scene.waiting_step().input("wait", "2s").input("wait-interval", "100ms");
        let ran = step.run().await.ok();
        assert_eq!(scene.digest("1").await, ran.output("digest"), "{status}");
    }
}

/// The entries of an index that a builder made are looked at by HEAD alone.
#[tokio::test]
async fn an_index_of_a_builder_is_whole() {
    for status in WRONG {
        let scene = without_heads(status).await;
        scene.push_both().await;
        let both = scene.references(&["amd64", "arm64"]);
        let ran = scene.step_to(&["built"]).input("sources", &both).run().await.ok();
        let built = scene.reference("built");
        let again = scene.step_to(&["1", "2"]).input("sources", &built).run().await.ok();
        assert_eq!(again.output("digest"), ran.output("digest"), "{status}");
        assert_eq!(scene.digest("2").await, ran.output("digest"), "{status}");
    }
}

/// Only where something hangs on it: a plain run asks once.
#[tokio::test]
async fn a_plain_run_asks_for_its_tag_once() {
    let scene = Scene::with_both().await;
    scene.waiting_step().run().await.ok();
    assert_eq!(scene.proxy.count("HEAD", &manifest("1")), 1, "{}", scene.proxy.log_text());
    // To read it back.
    assert_eq!(scene.proxy.count("GET", &manifest("1")), 1, "{}", scene.proxy.log_text());
    let step = scene.step("2").input("sources", &scene.references(&["amd64", "arm64"]));
    step.input("overwrite", "false").run().await.ok();
    assert_eq!(scene.proxy.count("GET", &manifest("2")), 2, "{}", scene.proxy.log_text());
}

/// What is really missing costs one request more in all, at the end.
#[tokio::test]
async fn what_is_missing_costs_one_request_more() {
    let scene = Scene::with_amd64().await;
    let step = scene.waiting_step().input("wait", "1s").input("wait-interval", "200ms");
    step.run().await.fails(3);
    assert_eq!(scene.proxy.count("GET", &manifest("arm64")), 2, "{}", scene.proxy.log_text());
    scene.waiting_step().input("wait", "0").run().await.fails(3);
    assert_eq!(scene.proxy.count("GET", &manifest("arm64")), 3, "{}", scene.proxy.log_text());
}
