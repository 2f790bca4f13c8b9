//! Registries that lag behind their own writes, and others who write meanwhile.

use super::in_process::{failure, inputs_to, run_fast};
use crate::support::client::OCI_INDEX;
use crate::support::images::{Image, pretty};
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, arm64, manifest};
use manifest_action::error::Exit;
use manifest_action::pipeline::progress::TagState;
use std::sync::Arc;
use std::time::Duration;

const TIMES: u32 = 50;
/// How long a registry may lag, and what the last look may take beyond.
const LAG: std::ops::Range<Duration> = Duration::from_secs(50)..Duration::from_secs(75);

#[tokio::test]
async fn a_registry_that_never_shows_what_was_pushed_is_told_and_the_next_run_heals() {
    // Nothing at `1`, another image at `2`: as things stood, they are shown for ever.
    let scene = Scene::with_both().await;
    Image::oci("linux/s390x").push(&scene.client, REPO, "2").await;
    scene.proxy.follow(Some(Arc::new(|request, _, nth| {
        match (request.method.as_str(), request.path().rsplit('/').next()) {
            ("GET", Some("1")) => vec![Fault::Stale],
            ("HEAD", Some("2")) if nth > 1 => vec![Fault::Stale],
            _ => Vec::new(),
        }
    })));
    let (ended, elapsed) = run_fast(TIMES, inputs_to(&scene, &["1", "2"])).await;
    let said = failure(&ended, Exit::Partial);
    assert!(
        said.contains("pushed, but the registry still shows another digest after 60 s"),
        "{said}"
    );
    for words in [
        "GET /v2/acme/app/manifests/1 → 404".to_owned(),
        format!("{} shows sha256:", scene.reference("2")),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert!(LAG.contains(&elapsed), "{elapsed:?}");
    assert_eq!(
        scene.proxy.count("PUT", "*"),
        3,
        "the index and each tag once: {}",
        scene.proxy.log_text()
    );
    assert!(
        ended.run.lists[0].tags.iter().all(|tagged| tagged.state == TagState::Moved),
        "{ended:?}"
    );

    scene.proxy.follow(None);
    let (ended, _) = run_fast(TIMES, inputs_to(&scene, &["1", "2"])).await;
    assert_eq!(
        (ended.exit, scene.proxy.count("PUT", "*")),
        (Exit::Done, 3),
        "nothing is left to do"
    );
}

#[tokio::test]
async fn who_loses_a_tag_to_another_writer_says_so() {
    let scene = Scene::with_both().await;
    let looks = scene.proxy.gate("GET", &manifest("1"));
    looks.hold();
    let running = tokio::spawn(run_fast(TIMES, inputs_to(&scene, &["1"])));
    looks.wait_for_hits(1).await;
    let other = Image::oci("linux/s390x").push(&scene.client, REPO, "1").await;
    looks.release();
    let (ended, _) = running.await.unwrap();
    let said = failure(&ended, Exit::Partial);
    assert!(said.contains(&format!("{} shows {other}", scene.reference("1"))), "{said}");
    assert!(said.contains("did anybody else push the same tag?"), "{said}");
    assert_eq!(
        (scene.digest("1").await, scene.proxy.count("PUT", "*")),
        (Some(other), 1),
        "the last writer wins"
    );
}

#[tokio::test]
async fn two_runs_that_publish_the_same_agree() {
    let scene = Scene::with_both().await;
    // Both have looked before either writes.
    let writes = scene.proxy.gate("PUT", "*");
    writes.hold();
    let (one, two) = (scene.waiting_step().spawn().await, scene.waiting_step().spawn().await);
    writes.wait_for_hits(2).await;
    writes.release();
    let (one, two) = tokio::join!(one.wait(), two.wait());
    let (one, two) = (one.ok().output("digest"), two.ok().output("digest"));
    assert_eq!((&one, &two), (&two, &scene.digest("1").await));
}

#[tokio::test]
async fn a_child_that_vanishes_before_the_push_is_named() {
    let scene = Scene::with_both().await;
    let push = scene.proxy.gate("PUT", &manifest("1"));
    push.hold();
    let running = tokio::spawn(run_fast(TIMES, inputs_to(&scene, &["1"])));
    push.wait_for_hits(1).await;
    scene.client.delete_manifest(REPO, &arm64().digest()).await;
    push.release();
    let (ended, elapsed) = running.await.unwrap();
    let said = failure(&ended, Exit::Registry);
    let missing = format!("no longer in the registry: linux/arm64 {}", arm64().digest());
    assert!(
        said.contains(&missing) && !said.contains("no longer in the registry: linux/amd64"),
        "{said}"
    );
    assert!(elapsed < LAG.end, "{elapsed:?}");
    assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
}

/// The wait sees a source late, its image later still; then the index, then the tags, one after the
/// other.
#[tokio::test]
async fn a_replica_that_lags_at_every_step_costs_time_and_nothing_else() {
    let scene = Scene::with_amd64().await;
    let index = BuiltIndex::new(vec![arm64()]);
    index.push(&scene.client, REPO, "arm64").await;
    let not_yet = || Fault::Status(404).error("MANIFEST_UNKNOWN", "not yet");
    for path in [manifest("arm64"), manifest(&arm64().digest()), manifest("1"), manifest("2")] {
        scene.proxy.rule(Rule::on("*", &path).first(2).then(not_yet()));
    }
    scene.proxy.rule(Rule::on("PUT", &manifest("sha256:*")).first(2).then(not_yet()));
    let mut inputs = inputs_to(&scene, &["1", "2"]);
    inputs.retain(|(name, _)| *name != "wait");
    let (ended, _) = run_fast(TIMES, inputs).await;
    assert_eq!(ended.exit, Exit::Done, "{ended:?}\n{}", scene.proxy.log_text());
    let published = scene.digest("1").await;
    assert_eq!((published.is_some(), &published), (true, &scene.digest("2").await));
}

#[tokio::test]
async fn a_tag_read_whose_bytes_are_spoilt_on_the_way_is_read_once_more() {
    let scene = Scene::with_both().await;
    let other =
        pretty(&serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}));
    scene.proxy.rule(
        Rule::on("GET", &manifest("amd64")).nth(1).then(Fault::alter(move |_| other.clone())),
    );
    let ran = scene.waiting_step().run().await.ok();
    assert_eq!(
        (scene.proxy.count("GET", &manifest("amd64")), ran.output("digest")),
        (2, scene.digest("1").await)
    );
}
