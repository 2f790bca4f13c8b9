//! How tags move: in which order, only when needed, all or none where possible; and what a registry
//! may do meanwhile.

use crate::support::client::{OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{BOTH, REPO, Scene, manifest};
use std::time::Duration;

/// What was put where, in order: tags and digests.
fn puts(scene: &Scene) -> Vec<String> {
    let puts = scene.proxy.entries("PUT", "*");
    puts.iter().map(|put| put.path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

fn digest(ran: &Ran) -> String {
    ran.output("digest").expect("an output")
}

fn changed(ran: &Ran) -> Option<bool> {
    ran.output("changed").and_then(|changed| changed.parse().ok())
}

#[tokio::test]
async fn one_tag_is_put_directly_even_when_it_is_named_twice() {
    let scene = Scene::with_both().await;
    let ran = scene.step_to(&["1", "1"]).run().await.ok();
    assert_eq!((puts(&scene), changed(&ran)), (vec!["1".to_owned()], Some(true)));
    assert_eq!(scene.at("1").await.digest, digest(&ran));
}

#[tokio::test]
async fn a_second_run_writes_nothing_and_says_so() {
    let scene = Scene::with_both().await;
    for tags in [&["1"][..], &["2", "2.0", "latest"]] {
        let first = scene.step_to(tags).run().await.ok();
        let writes = || {
            scene
                .proxy
                .log()
                .into_iter()
                .filter(|entry| !["GET", "HEAD"].contains(&entry.method.as_str()))
                .count()
        };
        let (before, state) = (writes(), scene.state().await);
        let second = scene.step_to(tags).run().await.ok();
        assert_eq!((changed(&first), changed(&second)), (Some(true), Some(false)));
        assert_eq!(
            (digest(&second), second.output("images")),
            (digest(&first), first.output("images"))
        );
        assert_eq!((writes(), scene.state().await), (before, state), "{}", scene.proxy.log_text());
        assert!(second.stdout.contains("nothing to change"), "{}", second.stdout);
    }
}

#[tokio::test]
async fn only_the_tag_that_holds_something_else_is_moved() {
    let scene = Scene::with_both().await;
    scene.step_to(&["1", "latest"]).run().await.ok();
    scene.push(&Image::oci("linux/s390x"), "latest").await;
    let before = puts(&scene).len();
    let ran = scene.step_to(&["1", "latest"]).run().await.ok();
    assert_eq!(
        (puts(&scene)[before..].to_vec(), changed(&ran)),
        (vec!["latest".to_owned()], Some(true))
    );
    assert_eq!(scene.at("latest").await.digest, digest(&ran));
}

#[tokio::test]
async fn several_tags_follow_the_index_and_latest_comes_last() {
    let scene = Scene::with_both().await;
    // However slow the ones before are: nothing arrives while they are under way.
    let slow = Duration::from_millis(80);
    for path in [manifest("sha256:*"), manifest("1*")] {
        scene.proxy.rule(Rule::on("PUT", &path).then(Fault::Delay(slow)));
    }
    let ran = scene.step_to(&["latest", "1", "1.2", "1.2.3"]).run().await.ok();
    let log = scene.proxy.entries("PUT", "*");
    let order: Vec<&str> =
        log.iter().map(|put| put.path.rsplit('/').next().unwrap_or_default()).collect();
    assert_eq!(
        (order[0], order[4], order.len()),
        (digest(&ran).as_str(), "latest", 5),
        "{order:?}"
    );
    let mut between = order[1..4].to_vec();
    between.sort_unstable();
    assert_eq!(between, ["1", "1.2", "1.2.3"]);
    assert!(
        log[1].at >= log[0].at + slow && log[4].at >= log[3].at + slow,
        "{}",
        scene.proxy.log_text()
    );
    // The outputs keep the order of the input.
    let images = ["latest", "1", "1.2", "1.2.3"]
        .map(|tag| format!("{}@{}", scene.reference(tag), digest(&ran)));
    assert_eq!(ran.output("images"), Some(images.join("\n")));
}

/// Their kin are used without looking too.
#[tokio::test]
async fn what_is_called_like_latest_comes_last_with_it() {
    let scene = Scene::with_both().await;
    let slow = Fault::Delay(Duration::from_millis(80));
    scene.proxy.rule(Rule::on("PUT", &manifest("1*")).then(slow));
    let tags = ["latest-alpine", "slim-latest", "latest", "latest2", "1-latest-x", "1"];
    scene.step_to(&tags).run().await.ok();
    let log = scene.proxy.entries("PUT", &manifest("*"));
    let order: Vec<&str> =
        log.iter().map(|put| put.path.rsplit('/').next().unwrap_or_default()).collect();
    let mut last = order[order.len() - 3..].to_vec();
    last.sort_unstable();
    assert_eq!(last, ["latest", "latest-alpine", "slim-latest"], "{order:?}");
}

fn immutable() -> Fault {
    Fault::Status(400).error("TAG_INVALID", "the tag is immutable")
}

/// The lines of the report that say what became of each tag.
fn tag_lines(scene: &Scene, ran: &Ran) -> Vec<String> {
    let start = format!("{}/{REPO}:", scene.proxy.host());
    ran.stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix(&start))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn after_the_first_tag_that_fails_no_other_is_started_and_latest_never_moves() {
    let scene = Scene::with_both().await;
    // The ones beside it are under way until the failure is known.
    let beside = ["t1", "t3", "t4"].map(|tag| scene.proxy.gate("PUT", &manifest(tag)));
    for gate in &beside {
        gate.hold();
    }
    scene.proxy.rule(Rule::on("PUT", &manifest("t2")).then(immutable()));
    let tags = ["latest", "t1", "t2", "t3", "t4", "t5", "t6"];
    let running = scene.step_to(&tags).input("log-level", "debug").spawn().await;
    running.wait_for_line("manifests/t2 → 400").await;
    for gate in &beside {
        gate.wait_for_hits(1).await;
        gate.release();
    }
    let ran = running.wait().await.fails(8);
    let moved = scene.client.tags(REPO).await;
    assert_eq!(moved, ["amd64", "arm64", "t1", "t3", "t4"]);
    let expected = [
        "latest: left",
        "t1: created",
        "t2: failed",
        "t3: created",
        "t4: created",
        "t5: left",
        "t6: left",
    ];
    assert_eq!(tag_lines(&scene, &ran), expected, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("TAG_INVALID") && ran.stdout.contains("the tag is immutable"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("then run it again"), "{}", ran.stdout);
    assert_eq!(ran.raw_output_file().as_deref(), Some(""));
    let (summary, row) = (ran.summary(), |tag: &str, state: &str| format!("| `{tag}` | {state} |"));
    for part in [
        &format!("### ❌ `{}` partly published: ", scene.reference("latest")),
        &row("t1", "created"),
        &row("t2", "failed"),
        &row("latest", "left"),
    ] {
        assert!(summary.contains(part), "no {part}: {summary}");
    }

    // Cured, a run moves the rest and no more.
    let ran = scene.step_to(&["latest", "t1", "t3", "t4", "t5", "t6"]).run().await.ok();
    assert_eq!(scene.at("latest").await.digest, digest(&ran));
    assert_eq!(scene.proxy.count("PUT", &manifest("t1")), 1, "it was there");
}

#[tokio::test]
async fn latest_stays_when_another_tag_fails_and_is_named_when_it_fails_itself() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("latest")).then(immutable()));
    let ran = scene.step_to(&["1", "latest"]).run().await.fails(8);
    assert_eq!(tag_lines(&scene, &ran), ["1: created", "latest: failed"], "{}", ran.stdout);
    assert_eq!(scene.client.tags(REPO).await, ["1", "amd64", "arm64"]);
}

#[tokio::test]
async fn when_every_tag_is_refused_nothing_is_published_in_part() {
    for (fault, status) in [(immutable(), 7), (Fault::Status(403).error("DENIED", "no"), 6)] {
        let scene = Scene::with_both().await;
        for tag in ["1", "2"] {
            scene.proxy.rule(
                Rule::on("PUT", &manifest(tag))
                    .then(Fault::Delay(Duration::from_millis(20)))
                    .then(fault.clone()),
            );
        }
        let ran = scene.step_to(&["1", "2"]).run().await.fails(status);
        assert_eq!(scene.client.tags(REPO).await, BOTH);
        assert_eq!(ran.raw_output_file().as_deref(), Some(""));
    }
}

#[tokio::test]
async fn no_tag_is_tried_when_the_index_itself_is_refused() {
    let scene = Scene::with_both().await;
    let invalid = Fault::Status(400).error("MANIFEST_INVALID", "no lists here");
    scene.proxy.rule(Rule::on("PUT", &manifest("sha256:*")).then(invalid));
    let ran = scene.step_to(&["1", "2"]).run().await.fails(7);
    assert_eq!(
        (puts(&scene).len(), scene.client.tags(REPO).await),
        (1, BOTH.map(str::to_owned).to_vec())
    );
    assert!(
        ran.stdout.contains("MANIFEST_INVALID") && ran.stdout.contains("format: oci"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn overwrite_false_moves_no_tag_that_holds_something_else() {
    let scene = Scene::with_both().await;
    let old = scene.push(&Image::oci("linux/s390x"), "1.0").await;
    let ran = scene.step_to(&["latest", "1.0"]).input("overwrite", "false").run().await.fails(5);
    let words = [
        "`overwrite` is false",
        &format!("{} points to {old}", scene.reference("1.0")),
        "publish under a new tag",
    ];
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(
        (puts(&scene).len(), scene.client.tags(REPO).await.contains(&"latest".to_owned())),
        (0, false)
    );
    assert_eq!(ran.raw_output_file().as_deref(), Some(""));

    // A tag that is free, and one that holds the very same, are no obstacle.
    for written in [true, false] {
        let ran = scene.step_to(&["1.1"]).input("overwrite", "false").run().await.ok();
        assert_eq!((changed(&ran), puts(&scene)), (Some(written), vec!["1.1".to_owned()]));
    }
}

#[tokio::test]
async fn a_dry_run_gives_the_real_digest_writes_nothing_and_shows_what_would_change() {
    let scene = Scene::with_both().await;
    let [gone, old] = [Image::oci("linux/s390x"), Image::oci("linux/arm64").seed(9)];
    let kept = Image::oci("linux/amd64");
    let held = BuiltIndex::new(vec![kept.clone(), old.clone(), gone.clone()]);
    held.push(&scene.client, REPO, "1").await;
    scene.push(&Image::oci("linux/386"), "c").await;
    let state = scene.state().await;
    let real =
        || scene.step_of(&["amd64", "arm64", "c"]).input("tags", &scene.references(&["1", "new"]));
    let dry = || real().input("dry-run", "true");

    let ran = dry().run().await.ok();
    assert_eq!(scene.state().await, state);
    let writes = scene
        .proxy
        .log()
        .into_iter()
        .filter(|entry| !["GET", "HEAD"].contains(&entry.method.as_str()))
        .count();
    assert_eq!((writes, changed(&ran)), (0, Some(true)), "{}", scene.proxy.log_text());
    let shown: Vec<&str> = ran
        .stdout
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(['+', '-', '~']))
        .collect();
    let (arm64, x86) = (Image::oci("linux/arm64").digest(), Image::oci("linux/386").digest());
    let expected = [
        format!("~ linux/arm64  {} → {arm64}", old.digest()),
        format!("+ linux/386  {x86}"),
        format!("- linux/s390x  {}", gone.digest()),
        // The other tag is new.
        format!("+ linux/amd64  {}", kept.digest()),
        format!("+ linux/arm64  {arm64}"),
        format!("+ linux/386  {x86}"),
    ];
    assert_eq!(shown, expected, "{}", ran.stdout);
    let summary = ran.summary();
    for (tag, changes) in [("1", &expected[..3]), ("new", &expected[3..])] {
        let shown = format!(
            "Changes to `{}`:\n\n```diff\n{}\n```\n\n",
            scene.reference(tag),
            changes.join("\n")
        );
        assert!(summary.contains(&shown), "no {shown}\nin {summary}");
    }

    let published = real().run().await.ok();
    assert_eq!((digest(&published), scene.at("1").await.digest), (digest(&ran), digest(&ran)));
    assert_eq!(published.output("manifest"), ran.output("manifest"));
    let again = dry().run().await.ok();
    assert_eq!((digest(&again), changed(&again)), (digest(&ran), Some(false)));
}

#[tokio::test]
async fn a_dry_run_refuses_what_the_real_run_refuses() {
    let scene = Scene::with_both().await;
    scene.push(&Image::oci("linux/s390x"), "1").await;
    scene.step_to(&["1"]).input("dry-run", "true").input("overwrite", "false").run().await.fails(5);
    scene
        .step_to(&["1"])
        .input("dry-run", "true")
        .input("platforms", "linux/amd64")
        .run()
        .await
        .fails(5);
}

#[tokio::test]
async fn a_registry_that_lags_behind_its_own_writes_is_given_time() {
    // As things stood before: an older image at `1`, nothing at `2`. By bytes for the first tag, by
    // digest for the next.
    let scene = Scene::with_both().await;
    scene.push(&Image::oci("linux/s390x"), "1").await;
    scene.proxy.rule(Rule::on("GET", &manifest("1")).first(2).then(Fault::Stale));
    scene.proxy.rule(Rule::on("HEAD", &manifest("2")).nth(2).then(Fault::Stale));
    scene.proxy.rule(Rule::on("GET", &manifest("2")).nth(1).then(Fault::Stale));
    let ran = scene.step_to(&["1", "2"]).run().await.ok();
    assert_eq!(
        (scene.proxy.count("GET", &manifest("1")), scene.proxy.count("HEAD", &manifest("2"))),
        (3, 3)
    );
    assert_eq!(
        (changed(&ran), puts(&scene).len()),
        (Some(true), 3),
        "looked at again, not written again"
    );
    assert_eq!(ran.stdout.matches("checking again").count(), 2, "one line each: {}", ran.stdout);
}

#[tokio::test]
async fn a_tag_that_is_not_found_right_after_the_push_is_looked_at_again() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(
        Rule::on("GET", &manifest("1"))
            .first(2)
            .then(Fault::Status(404).error("MANIFEST_UNKNOWN", "not yet")),
    );
    let ran = scene.step_to(&["1"]).run().await.ok();
    assert_eq!(
        (scene.proxy.count("GET", &manifest("1")), puts(&scene).len(), changed(&ran)),
        (3, 1, Some(true))
    );
}

#[tokio::test]
async fn bytes_that_are_not_those_pushed_are_no_confirmation() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(
        Rule::on("GET", &manifest("1"))
            .nth(1)
            .then(Fault::alter(|body| [body, b"\n".to_vec()].concat())),
    );
    let ran = scene.step_to(&["1"]).run().await.ok();
    assert_eq!(scene.proxy.count("GET", &manifest("1")), 2, "{}", ran.stdout);
}

#[tokio::test]
async fn a_push_that_nobody_answered_is_looked_at_and_not_repeated() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(Fault::ResetAfterForward));
    let ran = scene.step_to(&["1"]).run().await.ok();
    let after: Vec<String> =
        scene.proxy.log().iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
    let put =
        after.iter().position(|line| *line == format!("PUT {}", manifest("1"))).expect("a push");
    assert_eq!(
        after[put + 1..],
        ["HEAD", "GET"].map(|method| format!("{method} {}", manifest("1")))
    );
    assert_eq!((changed(&ran), scene.at("1").await.digest), (Some(true), digest(&ran)));
}

#[tokio::test]
async fn a_push_that_never_got_there_is_repeated() {
    for fault in [Fault::Reset, Fault::Status(500), Fault::Status(503).header("Retry-After", "0")] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(fault.clone()));
        let ran = scene.step_to(&["1"]).run().await.ok();
        assert_eq!(
            (puts(&scene).len(), scene.at("1").await.digest),
            (2, digest(&ran)),
            "{fault:?}"
        );
        assert_eq!(
            scene.proxy.count("HEAD", &manifest("1")),
            2,
            "{fault:?}: looked at before, and in between"
        );
    }
}

#[tokio::test]
async fn a_push_that_landed_unseen_and_is_refused_when_repeated_has_landed_all_the_same() {
    // The look in between meets a replica that lags, and the tag is immutable.
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(Fault::ResetAfterForward));
    scene.proxy.rule(Rule::on("HEAD", &manifest("1")).nth(2).then(Fault::Stale));
    scene.proxy.rule(Rule::on("GET", &manifest("1")).nth(1).then(Fault::Stale));
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(2).then(immutable()));
    let ran = scene.step_to(&["1"]).run().await.ok();
    assert_eq!((puts(&scene).len(), changed(&ran)), (2, Some(true)));
    assert_eq!(scene.at("1").await.digest, digest(&ran));
}

#[tokio::test]
async fn what_an_early_try_did_is_found_though_all_later_ones_fail_and_the_registry_lags() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(Fault::ResetAfterForward));
    scene.proxy.rule(Rule::on("HEAD", &manifest("1")).first(4).then(Fault::Stale));
    scene.proxy.rule(Rule::on("GET", &manifest("1")).first(2).then(Fault::Stale));
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).from(2).then(immutable()));
    let ran = scene.step_to(&["1", "latest"]).run().await.ok();
    assert_eq!((changed(&ran), scene.at("latest").await.digest), (Some(true), digest(&ran)));
}

#[tokio::test]
async fn a_tag_that_cannot_be_moved_is_said_to_be_immutable_however_the_registry_says_it() {
    for (fault, advice) in [
        (immutable(), true),
        (Fault::Status(409).error("CONFLICT", "tag exists"), true),
        (Fault::Status(412).error("PRECONDITION", "matched an immutable tag rule"), true),
        // Which may mean anything: the registry's own words have to do.
        (Fault::Status(403).error("DENIED", "the tag is immutable"), false),
    ] {
        let scene = Scene::with_both().await;
        let old = scene.push(&Image::oci("linux/s390x"), "1").await;
        let case = format!("{fault:?}");
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(fault));
        let ran = scene.step_to(&["1"]).run().await;
        assert!(matches!(ran.status, 6 | 7), "{case}: {}", ran.everything());
        let told =
            ran.stdout.contains("the tag is immutable in this registry: publish under another one");
        assert_eq!(told, advice, "{case}: {}", ran.stdout);
        assert!(advice || ran.stdout.contains("the tag is immutable"), "{case}: {}", ran.stdout);
        assert_eq!(
            (scene.at("1").await.digest, puts(&scene).len()),
            (old, 1),
            "{case}: asked once, and left alone"
        );
    }
}

#[tokio::test]
async fn a_registry_that_does_not_see_the_images_yet_is_asked_again() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(
        Rule::on("PUT", "*")
            .nth(1)
            .then(Fault::Status(404).error("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")),
    );
    let ran = scene.step_to(&["1", "2"]).run().await.ok();
    assert_eq!(puts(&scene).len(), 4, "the index twice, each tag once");
    assert!(ran.stdout.contains("does not see all images yet"), "{}", ran.stdout);
    assert_eq!(scene.at("1").await.digest, digest(&ran));
}

#[tokio::test]
async fn a_registry_that_says_it_stored_something_else_is_not_believed() {
    let other = sha256(b"something else");
    for (really, state) in [(false, "created"), (true, "unknown")] {
        let scene = Scene::with_both().await;
        let wrong_digest = || Fault::SetHeader("Docker-Content-Digest", other.clone());
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(wrong_digest()));
        if really {
            scene.proxy.rule(Rule::on("HEAD", &manifest("1")).from(2).then(wrong_digest()));
        }
        let ran = scene.step_to(&["1"]).run().await.fails(8);
        assert!(
            ran.stdout.contains(&format!("the registry stored {other} instead of sha256:")),
            "{}",
            ran.stdout
        );
        assert_eq!(tag_lines(&scene, &ran), [format!("1: {state}")], "{}", ran.stdout);
        assert_eq!((ran.raw_output_file().as_deref(), puts(&scene).len()), (Some(""), 1));
    }
}

#[tokio::test]
async fn a_registry_that_does_not_say_what_it_stored_is_read_back_all_the_same() {
    let scene = Scene::with_both().await;
    scene
        .proxy
        .rule(Rule::on("PUT", &manifest("1")).then(Fault::DropHeader("Docker-Content-Digest")));
    let ran = scene.step_to(&["1"]).run().await.ok();
    assert_eq!((scene.proxy.count("GET", &manifest("1")), changed(&ran)), (1, Some(true)));
}

#[tokio::test]
async fn a_head_that_tells_nothing_is_followed_by_a_get() {
    for fault in
        [Fault::DropHeader("Docker-Content-Digest"), Fault::Status(405), Fault::Status(403)]
    {
        let scene = Scene::with_both().await;
        let index = BuiltIndex::new(vec![Image::oci("linux/386")]);
        index.push(&scene.client, REPO, "c").await;
        // All HEADs: of targets, of an index's images, of the second tag when it is read back.
        scene.proxy.rule(Rule::on("HEAD", "*").then(fault.clone()));
        let run = || {
            scene
                .step_of(&["amd64", "arm64", "c"])
                .input("tags", &scene.references(&["1", "2"]))
                .run()
        };
        let (first, second) = (run().await.ok(), run().await.ok());
        assert_eq!(
            (changed(&first), changed(&second), digest(&first)),
            (Some(true), Some(false), digest(&second)),
            "{fault:?}"
        );
        assert_eq!(puts(&scene).len(), 3, "{fault:?}");
        let child = manifest(&Image::oci("linux/386").digest());
        assert_eq!(
            (scene.proxy.count("HEAD", &child), scene.proxy.count("GET", &child)),
            (2, 2),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn whatever_the_tag_held_is_replaced() {
    for held in [Image::docker("linux/amd64"), Image::oci("linux/amd64")] {
        let scene = Scene::with_both().await;
        scene.push(&held, "1").await;
        let ran = scene.step_to(&["1"]).run().await.ok();
        let now = scene.at("1").await;
        assert_eq!(
            (now.media_type.as_str(), &now.digest, changed(&ran)),
            (OCI_INDEX, &digest(&ran), Some(true))
        );
    }
}
