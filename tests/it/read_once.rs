//! What several lists of one run read is read once: a tag, a digest, and the wait for what is not
//! there yet. What each list asks of it is judged for each.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, manifest};
use crate::support::step::Step;
use serde_json::Value;
use std::time::{Duration, Instant};

const PLATFORMS: [&str; 4] = ["linux/amd64", "linux/arm64", "linux/386", "linux/s390x"];

/// Lists under the tags `t0`, `t1`, … of these sources, each with more lines of its own.
fn lists(scene: &Scene, sources: &str, more: &[&str]) -> String {
    let host = scene.proxy.host();
    let list = |(at, more): (usize, &&str)| {
        format!("  - tags: {host}/acme/app:t{at}\n    sources: {sources}\n{more}")
    };
    format!("indexes:\n{}", more.iter().enumerate().map(list).collect::<String>())
}

/// So many with bytes of their own, as of lists in as many repositories: Debian's registry fails now
/// and then where the same index is written and read at the same time.
fn lists_of_their_own(scene: &Scene, sources: &str, count: usize) -> String {
    let own: Vec<String> =
        (0..count).map(|at| format!("    annotations: {{list: \"{at}\"}}\n")).collect();
    lists(scene, sources, &own.iter().map(String::as_str).collect::<Vec<_>>())
}

fn step_of(lists: String) -> Step {
    Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml")
}

/// Requests for this manifest, and how many of them asked whether it is there.
fn asked_for(scene: &Scene, reference: &str) -> (usize, usize) {
    let of = |method: &str| scene.proxy.count(method, &manifest(reference));
    (of("GET"), of("HEAD"))
}

/// What a list ended with, in the report.
fn ends(ran: &Ran) -> Vec<String> {
    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    let lists = report["lists"].as_array().unwrap().iter();
    lists.map(|list| list["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn twenty_lists_of_one_set_of_sources() {
    for (together, requests) in [("true", 88), ("false", 68)] {
        for wait in ["10m", "0"] {
            let scene = Scene::empty().await;
            let sources = scene.reference("s{arch}");
            for (at, platform) in PLATFORMS.iter().enumerate() {
                let arch = platform.split('/').nth(1).unwrap();
                scene.push(&Image::oci(platform).seed(at as u64), &format!("s{arch}")).await;
            }
            let step = step_of(lists_of_their_own(&scene, &sources, 20));
            let step = step.input("platforms", &PLATFORMS.join(",")).input("wait", wait);
            step.input("together", together).run().await.ok();
            let log = scene.proxy.log_text();
            assert_eq!(scene.proxy.requests(), requests, "{together}, {wait}: {log}");
            scene.proxy.finish();
        }
    }
}

#[tokio::test]
async fn digests_and_the_entries_of_an_index_too() {
    let scene = Scene::empty().await;
    let images = ["linux/amd64", "linux/arm64"].map(Image::oci).to_vec();
    BuiltIndex::new(images.clone()).push(&scene.client, REPO, "built").await;
    let other = Image::oci("linux/s390x");
    scene.push(&other, "other").await;
    let by_digest = format!("{}/{REPO}@{}", scene.proxy.host(), other.digest());
    let sources = format!("[\"{}\", \"{by_digest}\"]", scene.reference("built"));
    step_of(lists_of_their_own(&scene, &sources, 5)).run().await.ok();
    for (reference, expected) in [
        ("built", (1, 0)),
        (&*other.digest(), (1, 0)),
        (&*images[0].digest(), (0, 1)),
        (&*images[1].digest(), (0, 1)),
    ] {
        assert_eq!(asked_for(&scene, reference), expected, "{}", scene.proxy.log_text());
    }
    // The manifests and entries above, one config, and four requests for each list.
    assert_eq!(scene.proxy.requests(), 5 + 5 * 4, "{}", scene.proxy.log_text());
    scene.proxy.finish();
}

/// One list looks again for all, and all go on when it is there.
#[tokio::test]
async fn what_is_not_there_yet_is_waited_for_once() {
    let scene = Scene::with_amd64().await;
    let sources = scene.reference("{arch}");
    let step = step_of(lists(&scene, &sources, &[""; 12]));
    let step = step.input("platforms", "linux/amd64,linux/arm64").input("wait", "60s");
    let looked = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = step.input("wait-interval", "1s").spawn().await;
    for at in 0..12 {
        running.wait_for_line(&format!("app:t{at} | wait")).await;
    }
    looked.wait_for_answers(3).await;
    let before = asked_for(&scene, "arm64");
    scene.push_arm64().await;
    running.wait().await.ok();
    let after = asked_for(&scene, "arm64");
    let log = scene.proxy.log_text();
    assert_eq!(asked_for(&scene, "amd64").0, 1, "{log}");
    // A look that says no, and the image.
    assert_eq!((before.0, after.0), (1, 2), "{log}");
    // The one that finds it; one of a list that is on its way; then one that tells what moved.
    let finds = scene.proxy.entries("HEAD", &manifest("arm64"));
    let finds = finds.iter().filter(|look| look.status == 200).count();
    assert!(finds <= 3, "{finds} {log}");
    // Pauses grow to a second: twelve lists on their own would ask a dozen times as often.
    let looks = scene.proxy.entries("HEAD", &manifest("arm64"));
    let (first, last) = (looks.first().unwrap(), looks.last().unwrap());
    let seconds = (last.at - first.at).as_secs() as usize;
    assert!(after.1 <= 2 * seconds + 5, "{} in {seconds} s: {log}", after.1);
    scene.proxy.finish();
}

/// A label is asked for by one list only: the other publishes what is there.
#[tokio::test]
async fn labels_are_judged_for_each_list() {
    let scene = Scene::empty().await;
    let old = Image::oci("linux/amd64").label("rev", "old");
    scene.push(&old, "amd64").await;
    let label = |value: &str| format!("    expect-labels: rev={value}\n");
    let (new, any) = (label("new"), label("old"));
    let sources = scene.reference("amd64");
    let step = step_of(lists(&scene, &sources, &[&new, &any, "", &new]));
    let step = step.input("together", "false").input("wait", "60s").input("wait-interval", "100ms");
    let running = step.input("platforms", "linux/amd64").spawn().await;
    for at in [1, 2] {
        running.wait_for_line(&format!("app:t{at} | done")).await;
    }
    for at in [0, 3] {
        running.wait_for_line(&format!("app:t{at} | wait")).await;
    }
    let image = Image::oci("linux/amd64").label("rev", "new");
    scene.push(&image, "amd64").await;
    running.wait().await.ok();
    for (tag, image) in [("t0", &image), ("t1", &old), ("t2", &old), ("t3", &image)] {
        assert_eq!(scene.entries(tag).await[0]["digest"], image.digest(), "{tag}");
    }
    assert_eq!(asked_for(&scene, "amd64").0, 2, "{}", scene.proxy.log_text());
    scene.proxy.finish();
}

/// One question, and an error for each list.
/// Six lists would ask twelve times, each at its first check and at its last one. Their waits end as
/// far apart as they began: on a machine that is held up, one or two may come too late to share it.
#[tokio::test]
async fn what_does_not_come_is_told_of_each_list() {
    for (wait, gets) in [("0", 1..=1), ("1s", 2..=4)] {
        let scene = Scene::with_amd64().await;
        let step = step_of(lists(&scene, &scene.reference("{arch}"), &[""; 6]));
        let step = step.input("platforms", "linux/amd64,linux/arm64").input("wait", wait);
        let step = step.input("json-file", "report.json");
        let ran = step.input("together", "false").run().await.fails(3);
        assert_eq!(ends(&ran), vec!["failed"; 6]);
        for at in 0..6 {
            let told = format!("app:t{at}: 1 of 2 images");
            assert!(ran.stdout.contains(&told), "{told}: {}", ran.stdout);
        }
        let asked = asked_for(&scene, "arm64").0;
        assert!(gets.contains(&asked), "{wait}: {asked}, {}", scene.proxy.log_text());
        scene.proxy.finish();
    }
}

/// Whoever waited for an answer that did not come would wait as long again.
#[tokio::test]
async fn trouble_is_waited_for_once() {
    let scene = Scene::with_amd64().await;
    let failing = Fault::Status(503).header("Retry-After", "0");
    scene.proxy.rule(Rule::on("*", &manifest("amd64")).then(failing));
    let step = step_of(lists(&scene, &scene.reference("amd64"), &[""; 6]));
    let step = step.input("platforms", "linux/amd64").input("wait", "0");
    let step = step.input("json-file", "report.json");
    let ran = step.input("together", "false").run().await.fails(7);
    assert_eq!(ends(&ran), vec!["failed"; 6]);
    // A request and five more tries, of one list; a second one may have come too late to hear of it.
    let asked = asked_for(&scene, "amd64").0;
    assert!((6..=12).contains(&asked), "{asked}: {}", scene.proxy.log_text());
}

/// The check before writing asks anew: of targets each list its own, of sources one for all.
#[tokio::test]
async fn what_moved_meanwhile_is_seen() {
    let scene = Scene::with_amd64().await;
    let step = step_of(lists(&scene, &scene.reference("{arch}"), &[""; 3]));
    let step = step.input("platforms", "linux/amd64,linux/arm64").input("wait", "60s");
    let running = step.input("wait-interval", "100ms").limit(Duration::from_secs(60)).spawn().await;
    for at in 0..3 {
        running.wait_for_line(&format!("app:t{at} | wait")).await;
    }
    let accepted = Image::oci("linux/amd64").digest();
    let moved = Image::oci("linux/amd64").seed(5);
    scene.push(&moved, "amd64").await;
    scene.push(&Image::oci("linux/s390x"), "t1").await;
    scene.push_arm64().await;
    let ran = running.wait().await.ok();
    for at in 0..3 {
        let entries = scene.entries(&format!("t{at}")).await;
        assert_eq!(entries[0]["digest"], accepted, "t{at}: {entries:?}");
    }
    let told = format!("amd64 was moved during the wait: it is {} now", moved.digest());
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    assert!(ran.stdout.contains("app:t1 was changed by somebody else"), "{}", ran.stdout);
    scene.proxy.finish();
}

/// A list with more time asks and hears nothing: one with less does not wait for it any longer than
/// for its image.
#[tokio::test]
async fn who_has_less_time_is_not_held_up_by_who_has_more() {
    let scene = Scene::with_amd64().await;
    scene.proxy.rule(Rule::on("*", &manifest("amd64")).then(Fault::Hang));
    let waits = ["    wait: 10m\n", "    wait: 1s\n"];
    let step = step_of(lists(&scene, &scene.reference("amd64"), &waits));
    let step = step.input("platforms", "linux/amd64").input("json-file", "report.json");
    let asked = scene.proxy.gate("GET", &manifest("amd64"));
    let running = step.input("together", "false").spawn().await;
    let start = Instant::now();
    asked.wait_for_hits(2).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    running.signal("TERM").await;
    running.wait().await.fails(143);
}
