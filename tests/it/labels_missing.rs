//! `expect-labels` where builders set no such label: said at once, with how they set it.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::scene::{REPO, Scene, amd64, arm64, manifest};
use crate::support::step::Step;

const KEY: &str = "org.opencontainers.image.revision";
const HOW: &str = "builders set it with `--label org.opencontainers.image.revision=new`, docker/build-push-action with `labels:`; an annotation is no label";

fn asks(step: Step) -> Step {
    step.input("expect-labels", &format!("{KEY}=new")).input("wait-interval", "100ms")
}

#[tokio::test]
async fn the_first_wait_line_says_how_builders_set_it() {
    let scene = Scene::with_both().await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = asks(scene.waiting_step()).spawn().await;
    looks.wait_for_answers(2).await;
    scene.push(&amd64().label(KEY, "new"), "amd64").await;
    scene.push(&arm64().label(KEY, "new"), "arm64").await;
    let ran = running.wait().await.ok();
    let line = format!("stale: label {KEY} is missing, expected \"new\" ({HOW}); checking for");
    let lines: Vec<&str> =
        ran.stdout.lines().filter(|line| line.contains("is missing, expected")).collect();
    assert!(lines.len() == 2 && lines[0].contains(&line), "{}", ran.stdout);
    assert!(!lines[1].contains("builders"), "said once: {}", ran.stdout);
}

/// In the error too: of a tag, of an index, of a digest, on a command line.
#[tokio::test]
async fn the_error_says_how_builders_set_it() {
    let scene = Scene::with_both().await;
    let fix =
        format!("the label is missing: {HOW}. Build again with it, or correct `expect-labels`");
    let ran = asks(scene.step_of(&["amd64", "arm64"])).run().await.fails(3);
    assert!(ran.stdout.contains(&fix), "{}", ran.stdout);
    let images = vec![amd64().label(KEY, "new"), Image::oci("linux/s390x")];
    BuiltIndex::new(images).attestations(true).push(&scene.client, REPO, "built").await;
    let ran = asks(scene.step_of(&["built"])).run().await.fails(3);
    assert!(ran.stdout.contains(&fix), "{}", ran.stdout);
    assert!(ran.stdout.contains("linux/s390x: label"), "{}", ran.stdout);
    let digest = amd64().digest();
    let ran = asks(scene.step_of(&[&digest])).run().await.fails(5);
    assert!(ran.stdout.contains(&format!("{HOW}. What a digest names")), "{}", ran.stdout);
    let reference = scene.reference("amd64");
    let arguments = ["wait", "--wait", "0", "--expect-labels", &format!("{KEY}=new"), &reference];
    let ran = Step::new().args(arguments).run().await.fails(3);
    assert!(ran.stderr.contains("correct --expect-labels"), "{}", ran.stderr);
}

/// An image with another value is of another build, as before.
#[tokio::test]
async fn another_value_is_another_build() {
    let scene = Scene::empty().await;
    scene.push(&amd64().label(KEY, "old"), "amd64").await;
    let ran = asks(scene.step_of(&["amd64"])).run().await.fails(3);
    assert!(ran.stdout.contains("the image is from another build"), "{}", ran.stdout);
    assert!(!ran.everything().contains("builders set it"), "{}", ran.stdout);
}
