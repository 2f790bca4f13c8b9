//! What each tag held before a run is told by log, report and summary: the way back.

use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{Scene, manifest};
use serde_json::{Value, json};

/// The tags of a scene and what its report says of each: state, and what it held.
fn tags(ran: &Ran) -> Vec<(String, Option<String>)> {
    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    let tags = report["tags"].as_array().unwrap().iter();
    let told = |tag: &Value| {
        (tag["state"].as_str().unwrap().to_owned(), tag["was"].as_str().map(str::to_owned))
    };
    tags.map(told).collect()
}

/// A scene in which `old` holds an image that no list has, and its digest.
async fn with_old() -> (Scene, String) {
    let scene = Scene::with_both().await;
    scene.push(&Image::oci("linux/s390x"), "old").await;
    let held = scene.digest("old").await.unwrap();
    (scene, held)
}

#[tokio::test]
async fn of_tags_that_are_created_moved_and_unchanged() {
    let (scene, held) = with_old().await;
    let step = || scene.step_to(&["new", "old"]).input("json-file", "report.json");
    let dry = step().input("dry-run", "true").run().await.ok();
    assert_eq!(tags(&dry), [("left".into(), None), ("left".into(), Some(held.clone()))]);
    let line = format!("dry run  would move {}  now {held}\n", scene.reference("old"));
    assert!(dry.stdout.contains(&line), "{}", dry.stdout);

    let ran = step().run().await.ok();
    assert_eq!(tags(&ran), [("created".into(), None), ("moved".into(), Some(held.clone()))]);
    let line = format!("tag      {}  moved, was {held}\n", scene.reference("old"));
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    let repository = scene.reference("old").trim_end_matches(":old").to_owned();
    let back = format!("- `{repository}:old` was `{repository}@{held}`\n");
    for part in
        ["| `new` | created |\n", &format!("| `old` | moved, was `{}` |\n", &held[..19]), &back]
    {
        assert!(ran.summary().contains(part), "no {part}: {}", ran.summary());
    }

    let published = ran.output("digest");
    let again = step().run().await.ok();
    assert_eq!(tags(&again), ["unchanged"; 2].map(|state| (state.to_owned(), published.clone())));
    assert!(!again.summary().contains(" was "), "{}", again.summary());
}

#[tokio::test]
async fn of_tags_that_a_failure_left_moved_or_failed() {
    let (scene, held) = with_old().await;
    let refusal = Fault::Status(400).error("TAG_INVALID", "the tag is immutable");
    scene.proxy.rule(Rule::on("PUT", &manifest("latest")).then(refusal));
    let step = scene.step_to(&["old", "latest"]).input("json-file", "report.json");
    let ran = step.run().await.fails(8);
    assert_eq!(tags(&ran), [("moved".into(), Some(held.clone())), ("failed".into(), None)]);
    let line = format!("  {}: moved, was {held}\n", scene.reference("old"));
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    assert!(ran.summary().contains(&format!("@{held}`\n")), "{}", ran.summary());

    let (scene, held) = with_old().await;
    let step = scene.step_to(&["old"]).input("json-file", "report.json");
    let ran = step.input("platforms", "linux/amd64").run().await.fails(5);
    assert_eq!(tags(&ran), [("left".to_owned(), Some(held))]);
}

/// A second round of `append` finds what the first wrote; before the run it was something else.
#[tokio::test]
async fn of_a_tag_that_is_added_to() {
    let (scene, held) = with_old().await;
    let step = scene.step_to(&["old"]).input("json-file", "report.json").input("append", "true");
    let ran = step.run().await.ok();
    assert_eq!(tags(&ran), [("moved".to_owned(), Some(held))]);
}

/// Some registries deny the look at what does not exist: nobody can say that a tag was created.
#[tokio::test]
async fn is_not_claimed_where_the_look_is_denied() {
    let scene = Scene::with_both().await;
    for method in ["HEAD", "GET"] {
        let denial = Fault::Status(403).error("DENIED", "no");
        scene.proxy.rule(Rule::on(method, &manifest("1")).nth(1).then(denial));
    }
    let ran = scene.step_to(&["1"]).input("json-file", "report.json").run().await.ok();
    assert_eq!(tags(&ran), [("moved".to_owned(), None)]);
    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    assert_eq!(report["tags"][0]["was"], json!(null));
}
