//! The lists of a `spec` go together: every one is complete everywhere before the first tag of any
//! moves, and one that fails leaves all tags as they were.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, manifest};
use crate::support::step::Step;
use serde_json::{Value, json};
use std::time::Duration;

/// A list of the images `NAME-amd64` and `NAME-arm64`, under tags of the usual repository.
fn list(scene: &Scene, name: &str, tags: &[&str]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| scene.reference(tag)).collect();
    let sources = scene.reference(&format!("{name}-{{arch}}"));
    format!("  - tags: [{}]\n    sources: {sources}\n", tags.join(", "))
}

/// The step of these lists that looks once.
fn step_of(lists: &[String]) -> Step {
    Step::new()
        .github()
        .input("spec", &format!("indexes:\n{}", lists.concat()))
        .input("platforms", "linux/amd64,linux/arm64")
        .input("wait", "0")
        .input("json-file", "report.json")
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.file("report.json").unwrap()).unwrap()
}

/// `status` and `exit` of each list.
fn ends(ran: &Ran) -> Vec<(String, u64)> {
    let report = report(ran);
    let lists = report["lists"].as_array().unwrap().iter();
    let end = |list: &Value| {
        (list["status"].as_str().unwrap().to_owned(), list["exit"].as_u64().unwrap())
    };
    lists.map(end).collect()
}

fn end(status: &str, exit: u64) -> (String, u64) {
    (status.to_owned(), exit)
}

/// Manifests that were put, in order: tags and digests.
fn puts(scene: &Scene) -> Vec<String> {
    let puts = scene.proxy.entries("PUT", "*/manifests/*");
    puts.iter().map(|put| put.path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn says(ran: &Ran, part: &str) {
    assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
}

#[tokio::test]
async fn one_that_fails_leaves_the_tags_of_all_and_is_named() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let lists = [list(&scene, "a", &["a"]), list(&scene, "x", &["x"]), list(&scene, "b", &["b"])];
    let before = scene.state().await;
    let ran = step_of(&lists).run().await.fails(3);
    assert_eq!(scene.state().await, before);
    let x = scene.reference("x");
    says(&ran, &format!("error: {x}: 2 of 2 images not found"));
    says(&ran, "no tag of any index was moved");
    let held = end("held-back", 3);
    assert_eq!(ends(&ran), [held.clone(), end("failed", 3), held]);
    assert_eq!(
        (&report(&ran)["status"], &report(&ran)["changed"]),
        (&json!("failed"), &json!(false))
    );
    let why = &report(&ran)["lists"][0]["error"];
    assert_eq!(why["what"], json!(format!("not published, because {x} failed")), "{why}");
    assert_eq!(ran.commands().iter().filter(|command| command.name == "error").count(), 1);
    let last = ran.stdout.lines().last().unwrap();
    assert!(last.ends_with(&format!(": {x}; 2 others were held back")), "{last}");
    assert_eq!(ran.raw_output_file().as_deref(), Some(""));
    let summary = ran.summary();
    let row = format!("| `{x}` | ❌ failed |\n| `{}` | ⏸️ held back |", scene.reference("a"));
    assert!(summary.starts_with("### ❌ 0 of 3 indexes published\n"), "{summary}");
    assert!(summary.contains(&row), "{row}: {summary}");
    assert!(summary.contains("\nNo tag of any index was moved.\n"), "{summary}");
    assert_eq!(summary.matches("**What to do:** ").count(), 1, "{summary}");
}

#[tokio::test]
async fn one_that_fails_ends_the_waits_of_others_and_what_they_lack_is_told() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let lists = [
        list(&scene, "a", &["a"]),
        list(&scene, "late", &["late"]),
        format!("{}    platforms: linux/amd64\n", list(&scene, "b", &["b"]))
            .replace("b-{arch}", "b-arm64"),
    ];
    let ran = step_of(&lists).input("wait", "10m").limit(Duration::from_secs(30)).run().await;
    let ran = ran.fails(5);
    let late = scene.reference("late");
    let lacks = format!("{late}-amd64, {late}-arm64");
    says(&ran, &format!("left     {late}  was still waiting for {lacks}"));
    assert_eq!(ends(&ran), [end("held-back", 5), end("held-back", 5), end("failed", 5)]);
    let row = format!("| `{late}` | ⏸️ held back, waiting for 2 images |");
    assert!(ran.summary().contains(&row), "{}", ran.summary());
    for tag in ["a", "b", "late"] {
        assert_eq!(scene.digest(tag).await, None, "{tag}");
    }
}

/// What ends at the same time is told of each in full: mostly it is one build that failed.
#[tokio::test]
async fn waits_that_end_together_are_all_told() {
    let scene = Scene::with_pairs(&["a"]).await;
    let lists = [list(&scene, "x", &["x"]), list(&scene, "a", &["a"]), list(&scene, "y", &["y"])];
    let ran = step_of(&lists).input("wait", "1s").input("wait-interval", "100ms").run().await;
    let ran = ran.fails(3);
    for tag in ["x", "y"] {
        says(&ran, &format!("error: {}: 2 of 2 images did not arrive", scene.reference(tag)));
    }
    assert_eq!(ends(&ran), [end("failed", 3), end("held-back", 3), end("failed", 3)]);
    assert_eq!(scene.digest("a").await, None);
}

#[tokio::test]
async fn the_highest_status_counts_of_faults_that_are_known_by_then() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let lists = [
        list(&scene, "x", &["x"]),
        format!("{}    overwrite: false\n", list(&scene, "a", &["b-amd64"])),
    ];
    // The second is looked at until the first has failed.
    let slow = Fault::Delay(Duration::from_millis(300));
    scene.proxy.rule(Rule::on("*", &manifest("a-*")).then(slow));
    let ran = step_of(&lists).run().await.fails(5);
    says(&ran, &format!("error: {}: ", scene.reference("x")));
    assert_eq!(ends(&ran), [end("failed", 3), end("failed", 5)]);
}

#[tokio::test]
async fn no_tag_moves_where_one_index_cannot_be_stored() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let before = scene.state().await;
    let lists = |to: &str| {
        [
            list(&scene, "a", &["a"]),
            list(&scene, "b", &["b"]).replace("app:b]", &format!("{to}:b]")),
        ]
    };
    let denied = || Fault::Status(403).error("DENIED", "no");
    // At an upload, a push of an image, a push of an index.
    for (method, path) in
        [("POST", "/v2/acme/one/blobs/uploads/*"), ("PUT", "/v2/acme/two/manifests/*")]
    {
        scene.proxy.rule(Rule::on(method, path).then(denied()));
    }
    let own_index = scene.proxy.gate("PUT", &manifest("sha256:*"));
    for to in ["one", "two"] {
        let ran = step_of(&lists(to)).run().await.fails(6);
        says(&ran, "no tag of any index was moved");
        assert_eq!(ends(&ran), [end("held-back", 6), end("failed", 6)]);
    }
    assert_eq!(scene.state().await, before);
    assert!(own_index.hits() > 0, "the index of the other list was there before");
}

#[tokio::test]
async fn all_indexes_come_first_then_all_tags_then_latest() {
    let scene = Scene::with_pairs(&["a", "b", "c"]).await;
    let slow = |path: &str| {
        let delay = Fault::Delay(Duration::from_millis(150));
        scene.proxy.rule(Rule::on("PUT", &manifest(path)).nth(1).then(delay));
    };
    slow("sha256:*");
    slow("2");
    let lists = [
        list(&scene, "a", &["latest", "1"]),
        list(&scene, "b", &["2"]),
        list(&scene, "c", &["latest-c"]),
    ];
    let ran = step_of(&lists).run().await.ok();
    let order = puts(&scene);
    let (digests, tags) = order.split_at(3);
    assert!(digests.iter().all(|place| place.starts_with("sha256:")), "{order:?}");
    let sorted = |tags: &[String]| {
        let mut tags = tags.to_vec();
        tags.sort();
        tags
    };
    assert_eq!(
        (sorted(&tags[..2]), sorted(&tags[2..])),
        (vec!["1".to_owned(), "2".to_owned()], vec!["latest".to_owned(), "latest-c".to_owned()],)
    );
    let log = scene.proxy.entries("PUT", "*/manifests/*");
    assert!(
        log[..3].iter().all(|put| put.until.unwrap() <= log[3].at),
        "{}",
        scene.proxy.log_text()
    );
    assert!(
        log[3..5].iter().all(|put| put.until.unwrap() <= log[5].at),
        "{}",
        scene.proxy.log_text()
    );
    assert_eq!(ran.output("changed").as_deref(), Some("true"));
    let again = step_of(&lists).run().await.ok();
    assert_eq!((again.output("changed").as_deref(), puts(&scene).len()), (Some("false"), 7));
    scene.proxy.finish();
}

#[tokio::test]
async fn a_tag_that_fails_keeps_latest_of_all_lists_and_each_tag_is_named() {
    let scene = Scene::with_pairs(&["a", "b", "c"]).await;
    let moved = scene.proxy.gate("PUT", &manifest("1"));
    let denied = scene.proxy.gate("PUT", &manifest("2"));
    let immutable = Fault::Status(400).error("TAG_INVALID", "the tag is immutable");
    scene.proxy.rule(Rule::on("PUT", &manifest("2")).then(immutable));
    denied.hold();
    let lists =
        [list(&scene, "a", &["1", "latest"]), list(&scene, "b", &["2"]), list(&scene, "c", &["3"])];
    let running = step_of(&lists).spawn().await;
    moved.wait_for_answers(1).await;
    running.wait_for_line("app:3  created").await;
    denied.release();
    let ran = running.wait().await.fails(8);
    assert_eq!((scene.digest("latest").await, scene.digest("2").await), (None, None));
    let [one, two, latest] = ["1", "2", "latest"].map(|tag| scene.reference(tag));
    for part in [
        format!("error: {two}: cannot push to {two}"),
        format!("error: {one}: published in part, because {two} failed"),
        format!("{one}: created"),
        format!("{latest}: left"),
        format!("{two}: failed"),
        "finished tags are left alone".to_owned(),
    ] {
        says(&ran, &part);
    }
    assert_eq!(ends(&ran), [end("failed", 8), end("failed", 8), end("published", 0)]);
    let row = format!("| `{one}`<br>`…:latest` | ❌ partly published | | |");
    assert!(ran.summary().contains(&row), "{}", ran.summary());
}

#[tokio::test]
async fn the_first_tag_of_all_that_fails_is_a_failure_without_a_moved_tag() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    for tag in ["a", "b"] {
        let denied = Fault::Status(403).error("DENIED", "no");
        scene.proxy.rule(Rule::on("PUT", &manifest(tag)).then(denied));
    }
    let lists = [list(&scene, "a", &["a"]), list(&scene, "b", &["b"])];
    let ran = step_of(&lists).run().await.fails(6);
    says(&ran, "no tag of any index was moved");
    assert_eq!((scene.digest("a").await, scene.digest("b").await), (None, None));
}

/// While one list waits, the tags of another that was complete at once may be moved by others.
#[tokio::test]
async fn tags_are_looked_at_again_when_a_list_was_waited_for() {
    for overwrite in [false, true] {
        let scene = Scene::with_pairs(&["a"]).await;
        let lists = [
            format!("{}    overwrite: {overwrite}\n", list(&scene, "a", &["a"])),
            list(&scene, "late", &["late"]),
        ];
        let running =
            step_of(&lists).input("wait", "60s").input("wait-interval", "100ms").spawn().await;
        running.wait_for_line("app:a | compose").await;
        scene.push(&Image::oci("linux/s390x"), "a").await;
        for arch in ["amd64", "arm64"] {
            let image = Image::oci(&format!("linux/{arch}")).seed(7);
            scene.push(&image, &format!("late-{arch}")).await;
        }
        let ran = running.wait().await;
        if overwrite {
            let ran = ran.ok();
            says(&ran, &format!("{} was changed by somebody else", scene.reference("a")));
            assert!(scene.digest("late").await.is_some());
        } else {
            let ran = ran.fails(5);
            says(&ran, "`overwrite` is false, and a tag already points to another image");
            assert_eq!(scene.digest("late").await, None);
            assert_eq!(scene.digest("a").await, Some(Image::oci("linux/s390x").digest()));
        }
    }
}

#[tokio::test]
async fn what_others_appended_while_a_list_was_waited_for_is_kept() {
    let scene = Scene::with_pairs(&["a"]).await;
    let lists = [
        format!("{}    append: true\n", list(&scene, "a", &["a"])),
        list(&scene, "late", &["late"]),
    ];
    let running =
        step_of(&lists).input("wait", "60s").input("wait-interval", "100ms").spawn().await;
    running.wait_for_line("app:a | compose").await;
    let other = Image::oci("linux/s390x");
    other.push(&scene.client, REPO, "other").await;
    BuiltIndex::new(vec![other]).attestations(false).push(&scene.client, REPO, "a").await;
    for arch in ["amd64", "arm64"] {
        let image = Image::oci(&format!("linux/{arch}")).seed(7);
        scene.push(&image, &format!("late-{arch}")).await;
    }
    running.wait().await.ok();
    assert_eq!(scene.entries("a").await.len(), 3);
    assert!(scene.digest("late").await.is_some());
}

#[tokio::test]
async fn a_signal_while_some_are_complete_leaves_all_tags() {
    let scene = Scene::with_pairs(&["b"]).await;
    let lists = [list(&scene, "late", &["late"]), list(&scene, "b", &["b"])];
    let stored = scene.proxy.gate("PUT", &manifest("sha256:*"));
    let running = step_of(&lists).input("wait", "60s").spawn().await;
    stored.wait_for_answers(1).await;
    running.signal("TERM").await;
    let ran = running.wait().await.fails(143);
    says(&ran, "stopped by SIGTERM: no tag of any index was moved");
    assert_eq!(scene.digest("b").await, None);
}

#[tokio::test]
async fn a_dry_run_of_one_list_holds_back_the_others_when_it_fails() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let dry = |name: &str| format!("{}    dry-run: true\n", list(&scene, name, &["dry"]));
    let ran = step_of(&[list(&scene, "a", &["a"]), dry("x")]).run().await.fails(3);
    says(&ran, "no tag of any index was moved");
    assert_eq!(scene.digest("a").await, None);
    step_of(&[list(&scene, "a", &["a"]), dry("b")]).run().await.ok();
    assert!(scene.digest("a").await.is_some());
    assert_eq!(scene.digest("dry").await, None);
}

#[tokio::test]
async fn each_for_itself_where_that_is_asked() {
    let scene = Scene::with_pairs(&["a"]).await;
    let lists = [list(&scene, "x", &["x"]), list(&scene, "a", &["a"])];
    let ran = step_of(&lists).input("together", "false").run().await.fails(3);
    assert!(scene.digest("a").await.is_some());
    assert_eq!(puts(&scene), ["a"], "one tag is put directly");
    assert_eq!(ends(&ran), [end("failed", 3), end("published", 0)]);
    says(&ran, "no tag was moved");
    assert!(!ran.stdout.contains("no tag of any"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_signal_between_tags_says_which_moved() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let held = scene.proxy.gate("PUT", &manifest("2"));
    held.hold();
    let lists = [list(&scene, "a", &["1", "latest"]), list(&scene, "b", &["2"])];
    let running = step_of(&lists).spawn().await;
    running.wait_for_line("app:1  created").await;
    held.wait_for_hits(1).await;
    running.signal("TERM").await;
    let ran = running.wait().await.fails(143);
    let [one, two, latest] = ["1", "2", "latest"].map(|tag| scene.reference(tag));
    let left = format!("{one} created; {latest} left; {two} may or may not have moved");
    says(&ran, &format!("stopped by SIGTERM: 0 of 2 indexes were published; {left}"));
    assert_eq!(ends(&ran), [end("failed", 143), end("failed", 143)]);
}
