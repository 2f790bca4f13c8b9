//! A tag that loses platforms is a warning, and costs one request more.

use crate::support::images::{Image, PLATFORMS};
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{BOTH, REPO, Scene, bare_step_at, manifest};
use crate::support::step::Step;
use std::time::Duration;

const WORDS: &str = "which the new index does not have";

/// A scene with the usual images, in which these tags point to one index of these platforms; its
/// digest.
async fn with_index(platforms: &[&str], tags: &[&str]) -> (Scene, String) {
    let scene = Scene::with_both().await;
    let images: Vec<Image> =
        platforms.iter().map(|platform| Image::oci(platform).seed(9)).collect();
    let index = BuiltIndex::new(images).attestations(true);
    for tag in tags {
        index.push(&scene.client, REPO, tag).await;
    }
    (scene, index.digest())
}

#[tokio::test]
async fn the_platforms_that_a_tag_loses_are_named() {
    let (scene, digest) = with_index(&PLATFORMS, &["latest", "1"]).await;
    let step = || scene.step_of(&["amd64"]).input("tags", &scene.references(&["1", "latest", "2"]));
    let warning = format!(
        "{}, {} had linux/arm64, linux/arm/v7, linux/arm/v6, linux/386, linux/ppc64le, linux/s390x, linux/riscv64, {WORDS}",
        scene.reference("1"),
        scene.reference("latest")
    );
    // In a dry run each tag is told with its changes.
    let dry = step().input("dry-run", "true").run().await.ok();
    assert_eq!(dry.stdout.matches(WORDS).count(), 2, "{}", dry.stdout);
    let ran = step().run().await.ok();
    assert_eq!(ran.stdout.matches(&warning).count(), 1, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches(WORDS).count(), 1, "{}", ran.stdout);
    // Once to read it, for both tags; the dry run reads them itself.
    assert_eq!(scene.proxy.count("GET", &manifest(&digest)), 1, "{}", scene.proxy.log_text());
    let again = step().run().await.ok();
    assert!(!again.stdout.contains(WORDS), "{}", again.stdout);
}

#[tokio::test]
async fn what_loses_nothing_is_no_warning() {
    let (scene, digest) = with_index(&["linux/amd64", "linux/arm64/v8"], &["1"]).await;
    let ran = scene.step_to(&["1"]).run().await.ok();
    assert!(!ran.stdout.contains(WORDS), "{}", ran.stdout);
    assert_eq!(scene.proxy.count("GET", &manifest(&digest)), 1);
    // What a tag held as one image is not read, and what is taken out on purpose is not told.
    let held = scene.push(&Image::oci("linux/s390x"), "2").await;
    let ran = scene.step_to(&["2"]).run().await.ok();
    assert!(!ran.stdout.contains(WORDS), "{}", ran.stdout);
    assert_eq!(scene.proxy.count("GET", &manifest(&held)), 0, "{}", scene.proxy.log_text());
    let ran = Step::new().args(["remove", &scene.reference("1"), "linux/arm64"]).run().await.ok();
    assert!(!ran.everything().contains(WORDS), "{}", ran.everything());
    // `append` keeps what is there.
    scene.step_of(&["arm64"]).input("append", "true").run().await.ok();
    let ran = scene.step_of(&["amd64"]).input("append", "true").run().await.ok();
    assert!(!ran.stdout.contains(WORDS), "{}", ran.stdout);
}

#[tokio::test]
async fn it_costs_one_request_and_no_round_trip() {
    let distance = Duration::from_millis(150);
    let (scene, _) = with_index(&["linux/amd64", "linux/s390x"], &["1"]).await;
    let scene = scene.with_distance(distance);
    let ran = bare_step_at(&scene.proxy.host(), &BOTH).run().await.ok();
    let warning = format!("{} had linux/s390x, {WORDS}", scene.reference("1"));
    assert!(ran.everything().contains(&warning), "{}", ran.everything());
    let counted = (scene.proxy.requests(), scene.proxy.round_trips());
    assert_eq!(counted, (2 * 2 + 3 + 1, 6), "{}", scene.proxy.log_text());
}

/// The next release with the same platforms.
#[tokio::test]
async fn a_release_like_the_last_one_pays_nothing() {
    let distance = Duration::from_millis(150);
    let scene = Scene::with_both().await;
    scene.step_to(&["1"]).run().await.ok();
    for platform in ["amd64", "arm64"] {
        scene.push(&Image::oci(&format!("linux/{platform}")).seed(9), platform).await;
    }
    let scene = scene.with_distance(distance);
    let counted = || (scene.proxy.requests(), scene.proxy.round_trips());
    let before = counted();
    let ran = bare_step_at(&scene.proxy.host(), &BOTH).run().await.ok();
    assert!(!ran.everything().contains(WORDS), "{}", ran.everything());
    let expected = (before.0 + 2 * 2 + 3, before.1 + 6);
    assert_eq!(counted(), expected, "{}", scene.proxy.log_text());
}

/// The old index is gone, is denied, breaks, or does not come.
#[tokio::test]
async fn what_cannot_be_read_is_no_error() {
    let faults = [
        Fault::Status(404),
        Fault::Status(403),
        Fault::Status(500),
        Fault::Status(200).header("Content-Type", "text/html").body("<html>"),
        Fault::AlterBody(|_| b"{}".to_vec()),
        Fault::Reset,
        Fault::Hang,
    ];
    for fault in faults {
        let (scene, digest) = with_index(&["linux/amd64", "linux/s390x"], &["1"]).await;
        scene.proxy.rule(Rule::on("GET", &manifest(&digest)).then(fault.clone()));
        let ran = scene.step_to(&["1"]).run().await.ok();
        assert!(!ran.stdout.contains(WORDS), "{fault:?}: {}", ran.stdout);
        // Its patience is three seconds; what hangs would take a minute.
        assert!(ran.elapsed < Duration::from_secs(15), "{fault:?}: {:?}", ran.elapsed);
    }
}
