//! `expect-labels`: yesterday's image under today's name is not there yet.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::scene::{REPO, Scene, amd64, arm64, manifest};
use crate::support::step::Step;
use std::time::Duration;

const REVISION: &str = "org.opencontainers.image.revision";

fn of(image: Image, revision: &str) -> Image {
    image.label(REVISION, revision)
}

/// Both images of `old`, and a step that wants those of `new`.
async fn stale() -> (Scene, Step) {
    let scene = Scene::with_amd64().await;
    of(amd64(), "new").push(&scene.client, REPO, "amd64").await;
    of(arm64(), "old").push(&scene.client, REPO, "arm64").await;
    let step = scene
        .waiting_step()
        .input("expect-labels", &format!("{REVISION}=new"))
        .input("wait-interval", "100ms");
    (scene, step)
}

#[tokio::test]
async fn an_image_of_another_commit_is_waited_out() {
    let (scene, step) = stale().await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = step.spawn().await;
    looks.wait_for_answers(3).await;
    assert_eq!(
        scene.proxy.count("GET", &manifest("arm64")),
        1,
        "what is known to be stale is not read again"
    );
    let digest = of(arm64(), "new").push(&scene.client, REPO, "arm64").await;
    let ran = running.wait().await.ok();
    let line = format!(
        "wait     {}  stale: label {REVISION} is \"old\", expected \"new\"; checking",
        scene.reference("arm64")
    );
    assert_eq!(ran.stdout.matches(&line).count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("built 2026-01-01T00:00:00Z from new  after "), "{}", ran.stdout);
    assert!(ran.output("digests").unwrap().contains(&digest));
    assert_eq!(scene.proxy.count("GET", &manifest("arm64")), 2, "{}", scene.proxy.log_text());
    assert!(!ran.stdout.contains("warning"), "{}", ran.stdout);
}

#[tokio::test]
async fn stale_to_the_end_is_named_and_nothing_moves() {
    for (image, said) in [
        (
            of(arm64(), "old"),
            "label org.opencontainers.image.revision is \"old\", expected \"new\"",
        ),
        (arm64(), "label org.opencontainers.image.revision is missing, expected \"new\""),
        // Whatever else is wrong with it, the one to come may be right.
        (of(amd64().seed(9), "old"), "is \"old\", expected \"new\""),
    ] {
        let (scene, step) = stale().await;
        image.push(&scene.client, REPO, "arm64").await;
        let ran = step.input("wait", "2s").run().await.fails(3);
        assert!(
            ran.stdout.contains(&format!("stale: {} (", scene.reference("arm64"))),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stdout.contains(said) && ran.stdout.contains("no tag was moved"),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stdout.contains(&format!("found: {} sha256:", scene.reference("amd64"))),
            "{}",
            ran.stdout
        );
        assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
        let ran = scene
            .waiting_step()
            .input("expect-labels", &format!("{REVISION}=new"))
            .input("wait", "0")
            .input("missing", "skip");
        let ran = ran.run().await.ok();
        assert_eq!(
            ran.output("platforms").as_deref(),
            Some("linux/amd64"),
            "skipped like one that is missing"
        );
    }
}

#[tokio::test]
async fn a_digest_with_the_wrong_label_is_refused_at_once() {
    let (scene, step) = stale().await;
    let digest = of(arm64(), "old").digest();
    let sources = format!("{}\n{}/{REPO}@{digest}", scene.reference("amd64"), scene.proxy.host());
    let ran = step.input("sources", &sources).run().await.fails(5);
    assert!(
        ran.stdout.contains("is not the image that `expect-labels` asks for"),
        "{}",
        ran.stdout
    );
    assert!(ran.elapsed < Duration::from_secs(10), "{:?}", ran.elapsed);
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn every_picked_platform_of_an_index_is_held_against_them() {
    let (scene, step) = stale().await;
    let index = |revision: &str| {
        let images = vec![of(arm64(), revision), of(Image::oci("linux/riscv64"), "old")];
        BuiltIndex::new(images).attestations(true)
    };
    index("old").push(&scene.client, REPO, "arm64").await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let (all, one) =
        (scene.reference("arm64"), format!("linux/arm64={}", scene.reference("arm64")));
    let running =
        step.input("sources", &format!("{}\n{one}", scene.reference("amd64"))).spawn().await;
    looks.wait_for_answers(1).await;
    // It lacks the platform, but it is of another commit: the one to come may have it.
    BuiltIndex::new(vec![of(amd64(), "old")]).push(&scene.client, REPO, "arm64").await;
    running.wait_for_line("stale: linux/amd64: label").await;
    index("new").push(&scene.client, REPO, "arm64").await;
    let ran = running.wait().await.ok();
    assert!(ran.stdout.contains("stale: linux/arm64: label"), "{}", ran.stdout);
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64,linux/arm64"));
    // Without a platform in front all of them are picked, and one is of the old commit.
    let labels = format!("{{\"{REVISION}\": \"new\"}}");
    let ran = scene
        .waiting_step()
        .input("sources", &all)
        .input("expect-labels", &labels)
        .input("wait", "0")
        .run()
        .await
        .fails(3);
    assert!(
        ran.stdout.contains("stale: ") && ran.stdout.contains("linux/riscv64: label"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn without_them_two_commits_are_a_warning_and_no_request() {
    let (scene, _) = stale().await;
    let ran = scene.waiting_step().input("json-file", "report.json").run().await.ok();
    let warnings: Vec<_> =
        ran.commands().into_iter().filter(|command| command.name == "warning").collect();
    let [warned] = warnings.as_slice() else { panic!("one warning: {}", ran.stdout) };
    let (one, other) = (scene.reference("amd64"), scene.reference("arm64"));
    let expected = format!(
        "the images were built from different commits: {one} from new, {other} from old; `expect-labels` can prevent that"
    );
    assert_eq!(warned.data, expected);
    assert!(
        ran.summary()
            .contains("\n> [!WARNING]\n> - the images were built from different commits&#58; "),
        "{}",
        ran.summary()
    );
    assert!(ran.stdout.contains("built 2026-01-01T00:00:00Z from old"), "{}", ran.stdout);
    let report: serde_json::Value =
        serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    assert_eq!(report["warnings"], serde_json::json!([expected]));
    assert_eq!(report["sources"][1]["revisions"], serde_json::json!(["old"]));
    assert_eq!(report["sources"][1]["created"], "2026-01-01T00:00:00Z");
    // 2N + 3, as ever.
    assert_eq!(scene.proxy.requests(), 7, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn they_are_flags() {
    let (scene, _) = stale().await;
    let (amd64, arm64, list) =
        (scene.reference("amd64"), scene.reference("arm64"), scene.reference("2"));
    let label = |value: &str| format!("--expect-labels={REVISION}={value}");
    let run = |arguments: Vec<String>| async move { Step::new().args(arguments).run().await };
    let ran = run(vec!["wait".into(), amd64.clone(), label("new"), "--wait=0".into()]).await.ok();
    assert!(ran.stdout.starts_with(&format!("{amd64}@sha256:")), "{}", ran.stdout);
    let ran =
        run(vec!["wait".into(), arm64.clone(), label("new"), "--wait=0".into()]).await.fails(3);
    assert!(ran.stderr.contains("stale: "), "{}", ran.stderr);
    run(vec!["wait".into(), arm64.clone(), label("new"), label("old")]).await.fails(2);
    run(vec!["wait".into(), arm64.clone(), "--expect-labels=x".into()]).await.fails(2);
    run(vec!["create".into(), list.clone(), amd64.clone(), arm64.clone(), label("new")])
        .await
        .fails(3);
    assert_eq!(scene.digest("2").await, None);
    run(vec!["create".into(), list, amd64, label("new")]).await.ok();
    let ran = scene.waiting_step().input("expect-labels", "a=\nb").run().await.fails(2);
    assert!(ran.stdout.contains("expect-labels, line 1: a has no value"), "{}", ran.stdout);
    assert!(ran.stdout.contains("expect-labels, line 2: not KEY=VALUE"), "{}", ran.stdout);
}
