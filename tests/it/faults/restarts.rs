//! A registry, or our own process, that is killed in the middle of a publication: at every write,
//! before and after it. After each of these no tag names a list that is not complete, and the next
//! run completes.

use super::in_process::{failure, inputs_to, run_fast, run_fast_with_log};
use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene};
use crate::support::wait::until;
use manifest_action::error::Exit;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TAGS: [&str; 3] = ["1", "1.2", "latest"];
/// The index by its digest, then the tags.
const WRITES: usize = TAGS.len() + 1;

async fn scene() -> Scene {
    let scene = Scene::with_both().await;
    // One of the tags held something before.
    scene.push(&Image::oci("linux/s390x"), "1.2").await;
    scene
}

/// Every tag names nothing, what it named before, or a list all of whose images are there; the
/// digests of those lists.
async fn whole_lists(client: &Client) -> Vec<String> {
    let mut lists = Vec::new();
    for tag in TAGS {
        let Some(found) = client.get_manifest(REPO, tag).await else { continue };
        let children = found.json()["manifests"].as_array().cloned().unwrap_or_default();
        if children.is_empty() {
            assert_eq!((tag, &found.digest), ("1.2", &Image::oci("linux/s390x").digest()));
            continue;
        }
        for child in &children {
            let digest = child["digest"].as_str().unwrap_or_default();
            assert!(
                client.get_manifest(REPO, digest).await.is_some(),
                "{tag} names {digest}, which does not exist"
            );
        }
        lists.push(found.digest);
    }
    lists
}

/// The next run completes, and all that was there of the list before is the same list.
async fn completes(scene: &Scene, case: &str) {
    let before = whole_lists(&scene.client).await;
    let ran = scene.step_to(&TAGS).run().await.ok();
    let digest = ran.output("digest").unwrap();
    assert!(before.iter().all(|list| *list == digest), "{case}: {before:?} {digest}");
    assert_eq!(whole_lists(&scene.client).await, vec![digest.clone(); TAGS.len()], "{case}");
    let children: Vec<Value> = scene.entries("latest").await;
    let expected = ["linux/amd64", "linux/arm64"].map(|platform| Image::oci(platform).digest());
    assert_eq!(
        children.iter().map(|child| child["digest"].as_str().unwrap()).collect::<Vec<_>>(),
        expected,
        "{case}"
    );
}

/// How many writes the registry has done.
fn written(scene: &Scene) -> usize {
    scene
        .registry
        .log()
        .lines()
        .filter(|line| line.contains("\"PUT ") && line.contains("\" 201 "))
        .count()
}

#[tokio::test]
async fn our_process_killed_at_any_write_leaves_no_tag_on_half_a_list() {
    for nth in 1..=WRITES {
        for done in [false, true] {
            let case = format!(
                "at write {nth}, {}",
                if done { "when the registry has done it" } else { "before it gets there" }
            );
            let scene = scene().await;
            let before = written(&scene);
            let fault = if done { Fault::HangAfterForward } else { Fault::Hang };
            scene.proxy.rule(Rule::on("PUT", "*").nth(nth).then(fault));
            let writes = scene.proxy.gate("PUT", "*");
            // Several tags are under way at once: those after the one that is cut off must not come
            // through either.
            writes.hold_from(nth + 1);
            let running = scene.step_to(&TAGS).spawn().await;
            writes.wait_for_hits(nth).await;
            let expected = before + nth - usize::from(!done);
            until(&case, || async { written(&scene) >= expected }).await;
            running.signal("KILL").await;
            assert_eq!(running.wait().await.status, -9, "{case}");
            writes.release();
            assert_eq!(
                scene.client.tags(REPO).await.contains(&"latest".to_owned()),
                nth == WRITES && done,
                "{case}"
            );
            completes(&scene, &case).await;
        }
    }
}

#[tokio::test]
async fn a_registry_that_restarts_at_any_write_costs_a_moment() {
    for nth in 1..=WRITES {
        let mut scene = scene().await;
        let case = format!("at write {nth}");
        let writes = scene.proxy.gate("PUT", "*");
        writes.hold_from(nth);
        let running = scene.step_to(&TAGS).spawn().await;
        writes.wait_for_hits(nth).await;
        scene.registry.stop().await;
        writes.release();
        // It has noticed.
        let answers = scene.proxy.gate("*", "*");
        answers.wait_for_answers(1).await;
        scene.registry.restart().await;
        let ran = running.wait().await.ok();
        assert_eq!(
            whole_lists(&scene.client).await,
            vec![ran.output("digest").unwrap(); TAGS.len()],
            "{case}"
        );
        completes(&scene, &case).await;
    }
}

#[tokio::test]
async fn a_registry_that_stays_down_is_reported_truly_and_the_next_run_completes() {
    let mut scene = scene().await;
    let latest = scene.proxy.gate("PUT", "*/latest");
    latest.hold();
    let running = tokio::spawn(run_fast(20, inputs_to(&scene, &TAGS)));
    latest.wait_for_hits(1).await;
    scene.registry.stop().await;
    latest.release();
    let (ended, _) = running.await.unwrap();
    let said = failure(&ended, Exit::Partial);
    for (tag, state) in [("1", "created"), ("1.2", "moved, was sha256:"), ("latest", "unknown")] {
        let line = format!("{}: {state}", scene.reference(tag));
        assert!(said.contains(&line), "{line}: {said}");
    }
    scene.registry.restart().await;
    assert_eq!(whole_lists(&scene.client).await.len(), 2, "what was said");
    completes(&scene, "after it was down").await;
}

/// Seconds without the registry, by the clock of a run with as many copies under way as there may
/// be, and without it for good: one of them at a time finds out for all.
#[tokio::test]
async fn copies_under_way_outlast_seconds_without_the_registry_and_one_asks_for_all() {
    const FASTER: u32 = 10;
    const COPIES: usize = 6;
    const PROBES: usize = 6;
    let faults = [Fault::Reset, Fault::Status(503)];
    let outages = [(6, Exit::Done), (6, Exit::Done), (3600, Exit::Registry)];
    for (fault, (seconds, exit)) in
        faults.into_iter().flat_map(|fault| outages.map(|outage| (fault.clone(), outage)))
    {
        let case = format!("{fault:?} for {seconds} s");
        let (from, to) = (Scene::empty().await, Scene::empty().await);
        let images = ["linux/amd64", "linux/arm64", "linux/s390x", "linux/ppc64le"]
            .map(|platform| Image::oci(platform).layer_size(50_000).more_layer(platform));
        let mut sources = Vec::new();
        for (at, image) in images.iter().enumerate() {
            from.push(image, &format!("s{at}")).await;
            sources.push(from.reference(&format!("s{at}")));
        }
        let in_vain = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&in_vain);
        let began: Mutex<Option<Instant>> = Mutex::default();
        to.proxy.follow(Some(Arc::new(move |request, _, _| {
            let mut began = began.lock().expect("no panic while locked");
            if request.method == "PATCH" {
                began.get_or_insert_with(Instant::now);
            }
            let outage = Duration::from_secs(seconds) / FASTER;
            if began.is_none_or(|began| began.elapsed() >= outage) {
                return Vec::new();
            }
            counted.fetch_add(1, Ordering::SeqCst);
            vec![fault.clone()]
        })));
        let inputs = vec![
            ("tags", to.full_name("acme/app:1")),
            ("sources", sources.join("\n")),
            ("wait", "0".to_owned()),
        ];
        let (ended, _, log) = run_fast_with_log(FASTER, inputs).await;
        assert_eq!(ended.exit, exit, "{case}: {log}");
        for image in images.iter().filter(|_| exit == Exit::Done) {
            assert!(to.client.holds("acme/app", image).await, "{case}");
        }
        let in_vain = in_vain.load(Ordering::SeqCst);
        assert!(in_vain <= COPIES + PROBES, "{case}: {in_vain} requests\n{}", to.proxy.log_text());
    }
}
