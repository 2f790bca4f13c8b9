//! Waiting for images: when it looks, when it stops, and what it leaves behind.

use crate::support::client::{Client, OCI_INDEX};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, amd64, arm64, manifest};
use std::time::Duration;

#[tokio::test]
async fn a_late_image_is_found_within_one_pause_of_its_arrival() {
    for (interval, pause, answers) in [("300ms", 300, 4), ("1s", 1000, 2)] {
        let scene = Scene::with_amd64().await;
        let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
        let running = scene.waiting_step().input("wait-interval", interval).spawn().await;
        looks.wait_for_answers(answers).await;
        scene.push_arm64().await;
        let before = looks.hits();
        let ran = running.wait().await.ok();
        // The next look finds it; after the wait, one more tells whether the tag was moved since.
        assert!(looks.hits() <= before + 2, "{}", scene.proxy.log_text());
        let looks = scene.proxy.entries("HEAD", &manifest("arm64"));
        let last = looks.iter().position(|look| look.status == 200).expect("a look finds it");
        // A machine that is held up makes single gaps longer: the shortest tells the pause.
        let gaps = looks[..=last].windows(2).map(|pair| pair[1].at - pair[0].at);
        let shortest = gaps.min().expect("several looks");
        assert!(shortest < Duration::from_millis(pause + 250), "{shortest:?}");
        assert_eq!(ran.output("digest"), scene.digest("1").await);
        assert!(
            ran.summary().contains("after"),
            "the summary says that it was late:\n{}",
            ran.summary()
        );
    }
}

#[tokio::test]
async fn the_first_look_is_a_get_and_later_ones_are_heads() {
    let scene = Scene::with_amd64().await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = scene.waiting_step().input("wait-interval", "100ms").spawn().await;
    looks.wait_for_answers(3).await;
    scene.push_arm64().await;
    running.wait().await.ok();
    let methods: Vec<String> = scene
        .proxy
        .entries("*", &manifest("arm64"))
        .into_iter()
        .map(|entry| entry.method)
        .collect();
    let (first, rest) = methods.split_first().unwrap();
    // Found, it is read once; when all waiting is over, one more look tells whether the tag was
    // moved since.
    let [looks @ .., last, again] = rest else { panic!("{methods:?}") };
    assert_eq!(
        (first.as_str(), last.as_str(), again.as_str()),
        ("GET", "GET", "HEAD"),
        "{methods:?}"
    );
    assert!(looks.iter().all(|method| method == "HEAD") && looks.len() >= 3, "{methods:?}");
    let there: Vec<String> = scene
        .proxy
        .entries("*", &manifest("amd64"))
        .into_iter()
        .map(|entry| entry.method)
        .collect();
    assert_eq!(
        there,
        ["GET", "HEAD"],
        "what is there is not looked at while others are waited for"
    );
}

#[tokio::test]
async fn a_missing_image_is_named_and_nothing_moves() {
    let scene = Scene::with_amd64().await;
    let ran = scene
        .waiting_step()
        .input("wait", "1s")
        .input("wait-interval", "200ms")
        .run()
        .await
        .fails(3);
    assert!(ran.stdout.contains("1 of 2 images did not arrive within 1 s"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(&format!("not found: {}", scene.reference("arm64"))),
        "{}",
        ran.stdout
    );
    assert!(
        ran.elapsed >= Duration::from_secs(1) && ran.elapsed < Duration::from_secs(10),
        "{:?}",
        ran.elapsed
    );
    assert_eq!(ran.raw_output_file().as_deref(), Some(""), "no output at all");
    let summary = ran.summary();
    let error = format!(
        "### ❌ `{}` not published: 1 of 2 images did not arrive within 1 s\n\nNo tag was moved.\n\n",
        scene.reference("1")
    );
    for part in [
        error,
        format!("| `{}` | ✅ at once |\n", scene.reference("amd64")),
        format!("| `{}` | ❌ not found |\n\n", scene.reference("arm64")),
        "**What to do:** look at the builds of these images&#58; ".to_owned(),
    ] {
        assert!(summary.contains(&part), "no {part}: {summary}");
    }
    assert!(!summary.contains("| Tag |"), "no tag has a row: {summary}");
    assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
    // Whether pushing is allowed was tested, and nothing of that is left.
    let counts = ["PUT", "POST", "DELETE"].map(|method| scene.proxy.count(method, "*"));
    assert_eq!(counts, [0, 1, 1], "{}", scene.proxy.log_text());
    assert_eq!(ran.commands().iter().filter(|command| command.name == "error").count(), 1);
}

#[tokio::test]
async fn without_waiting_it_looks_once() {
    let scene = Scene::with_amd64().await;
    let ran = scene.waiting_step().input("wait", "0").run().await.fails(3);
    assert_eq!(scene.proxy.count("*", &manifest("arm64")), 1, "{}", scene.proxy.log_text());
    assert!(ran.stdout.contains("1 of 2 images not found"), "{}", ran.stdout);
    assert!(ran.elapsed < Duration::from_secs(20), "{:?}", ran.elapsed);
    assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
}

#[tokio::test]
async fn what_a_source_names_is_waited_for_too() {
    let index = BuiltIndex::new(vec![arm64()]).attestations(true);
    let config = crate::support::client::sha256(&arm64().config());
    let (child, blob) = (arm64().digest(), format!("/v2/{REPO}/blobs/{config}"));
    for (case, method, path, why) in [
        (
            "a child",
            "HEAD",
            manifest(&child),
            format!("its entry for linux/arm64 is not in the registry: {child}"),
        ),
        ("the config of an image", "GET", blob.clone(), format!("GET {blob}: not found")),
    ] {
        let scene = Scene::with_amd64().await;
        match method {
            "HEAD" => index.push(&scene.client, REPO, "arm64").await,
            _ => arm64().push(&scene.client, REPO, "arm64").await,
        };
        scene.proxy.rule(Rule::on(method, &path).first(2).then(Fault::Status(404)));
        if method == "HEAD" {
            scene.proxy.rule(Rule::on("GET", &path).first(2).then(Fault::Status(404)));
        }
        let ran = scene.waiting_step().input("wait-interval", "100ms").run().await.ok();
        assert!(ran.stdout.contains(&format!("incomplete: {why}")), "{case}: {}", ran.stdout);
        // Only what was lacking is asked for again.
        assert_eq!(
            scene.proxy.count("GET", &manifest("arm64")),
            1,
            "{case}: {}",
            scene.proxy.log_text()
        );
        assert_eq!(scene.proxy.count(method, &path), 3, "{case}: {}", scene.proxy.log_text());
        assert!(ran.output("platforms").unwrap().contains("linux/arm64"), "{case}");
        scene.proxy.finish();
    }
}

#[tokio::test]
async fn an_index_that_stays_incomplete_is_never_published() {
    let scene = Scene::with_amd64().await;
    let index = BuiltIndex::new(vec![arm64()]);
    index.push(&scene.client, REPO, "arm64").await;
    for method in ["HEAD", "GET"] {
        let child = manifest(&arm64().digest());
        scene.proxy.rule(Rule::on(method, &child).then(Fault::Status(404)));
    }
    let ran = scene
        .waiting_step()
        .input("wait", "2s")
        .input("wait-interval", "100ms")
        .run()
        .await
        .fails(3);
    assert!(ran.stdout.contains(&arm64().digest()), "the missing child is named: {}", ran.stdout);
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn a_source_by_digest_may_come_late() {
    let scene = Scene::with_amd64().await;
    let late = arm64().digest();
    let looks = scene.proxy.gate("HEAD", &manifest(&late));
    let sources = format!("{}\n{}/{REPO}@{late}", scene.reference("amd64"), scene.proxy.host());
    let running = scene
        .waiting_step()
        .input("sources", &sources)
        .input("wait-interval", "100ms")
        .spawn()
        .await;
    looks.wait_for_answers(1).await;
    arm64().push(&scene.client, REPO, "").await;
    let ran = running.wait().await.ok();
    let digests: serde_json::Value = serde_json::from_str(&ran.output("digests").unwrap()).unwrap();
    assert_eq!(digests["linux/arm64"], late);
}

#[tokio::test]
async fn what_was_accepted_stays_pinned_though_its_tag_moves_while_waiting() {
    let scene = Scene::with_amd64().await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = scene.waiting_step().input("wait-interval", "100ms").spawn().await;
    looks.wait_for_answers(1).await;
    let moved = amd64().seed(2).push(&scene.client, REPO, "amd64").await;
    scene.push_arm64().await;
    let ran = running.wait().await.ok();
    let warned = format!("it is {moved} now; what is published is {}", amd64().digest());
    assert!(
        ran.commands().iter().any(|c| c.name == "warning" && c.data.contains(&warned)),
        "{}",
        ran.stdout
    );
    let digests: serde_json::Value = serde_json::from_str(&ran.output("digests").unwrap()).unwrap();
    assert_eq!(digests["linux/amd64"], amd64().digest(), "the one that was checked");
}

/// Somebody else publishes the target while a step waits.
async fn target_taken_while_waiting(
    overwrite: &str,
) -> (Scene, crate::support::running::Ran, String) {
    let scene = Scene::with_amd64().await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = scene
        .waiting_step()
        .input("wait-interval", "100ms")
        .input("overwrite", overwrite)
        .spawn()
        .await;
    looks.wait_for_answers(1).await;
    let other = Image::oci("linux/riscv64").push(&scene.client, REPO, "1").await;
    scene.push_arm64().await;
    let ran = running.wait().await;
    assert!(scene.proxy.count("HEAD", &manifest("1")) >= 2, "looked at before and after waiting");
    (scene, ran, other)
}

#[tokio::test]
async fn targets_are_looked_at_again_after_waiting() {
    let (scene, ran, other) = target_taken_while_waiting("false").await;
    let ran = ran.fails(5);
    assert!(
        ran.stdout.contains(&format!("{} points to {other}", scene.reference("1"))),
        "{}",
        ran.stdout
    );
    assert_eq!(scene.digest("1").await, Some(other), "left alone");

    let (scene, ran, other) = target_taken_while_waiting("true").await;
    let ran = ran.ok();
    let warned = ran.commands().into_iter().any(|c| c.name == "warning" && c.data.contains(&other));
    assert!(warned, "moving it all the same is worth a warning: {}", ran.stdout);
    assert_eq!(scene.digest("1").await, ran.output("digest"));
}

#[tokio::test]
async fn a_registry_in_trouble_does_not_end_the_wait() {
    let scene = Scene::with_amd64().await;
    // More than all tries of one look; told to come back at once, so that the test need not wait.
    let busy = || Fault::Status(503).header("Retry-After", "0");
    scene.proxy.rule(Rule::on("HEAD", &manifest("arm64")).first(8).then(busy()));
    for nth in 2..=7 {
        scene.proxy.rule(Rule::on("GET", &manifest("arm64")).nth(nth).then(busy()));
    }
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = scene.waiting_step().input("wait-interval", "100ms").spawn().await;
    looks.wait_for_answers(9).await;
    scene.push_arm64().await;
    let ran = running.wait().await.ok();
    assert!(ran.stdout.contains("tried 6 times"), "the log says what is going on: {}", ran.stdout);
    scene.proxy.finish();
}

#[tokio::test]
async fn a_registry_that_restarts_does_not_end_the_wait() {
    let mut scene = Scene::with_amd64().await;
    let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
    let running = scene.waiting_step().input("wait-interval", "100ms").spawn().await;
    looks.wait_for_answers(1).await;
    scene.registry.stop().await;
    looks.wait_for_answers(looks.hits() + 2).await;
    scene.registry.restart().await;
    scene.push_arm64().await;
    running.wait().await.ok();
    assert!(scene.digest("1").await.is_some());
}

#[tokio::test]
async fn denied_may_mean_not_there_yet() {
    for status in [401, 403] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(
            Rule::on("*", &manifest("arm64"))
                .first(3)
                .then(Fault::Status(status).error("DENIED", "no")),
        );
        let ran = scene.waiting_step().input("wait-interval", "100ms").run().await.ok();
        assert!(ran.stdout.contains("denied (or not pushed yet)"), "{status}: {}", ran.stdout);
        scene.proxy.finish();
    }
}

#[tokio::test]
async fn denied_to_the_end_is_a_denial() {
    for status in [401, 403] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(
            Rule::on("*", &manifest("arm64"))
                .then(Fault::Status(status).error("DENIED", "no such access")),
        );
        let ran = scene
            .waiting_step()
            .input("wait", "2s")
            .input("wait-interval", "100ms")
            .run()
            .await
            .fails(6);
        assert!(
            ran.stdout
                .contains("some registries answer like this for an image that does not exist yet"),
            "{}",
            ran.stdout
        );
        assert!(ran.elapsed < Duration::from_secs(10), "{:?}", ran.elapsed);
        assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
        scene.proxy.finish();
    }
}

#[tokio::test]
async fn the_deadline_holds_though_the_registry_hangs() {
    for (case, rule, exit, said) in [
        ("at the first look", Rule::on("GET", &manifest("arm64")), 7, "no response in time"),
        ("at a later look", Rule::on("HEAD", &manifest("arm64")).from(2), 3, "not found"),
    ] {
        let scene = Scene::with_amd64().await;
        scene.proxy.rule(rule.then(Fault::Hang));
        let ran = scene
            .waiting_step()
            .input("wait", "2s")
            .input("wait-interval", "200ms")
            .run()
            .await
            .fails(exit);
        assert!(ran.elapsed < Duration::from_secs(8), "{case}: {:?}", ran.elapsed);
        assert!(ran.stdout.contains(said), "{case}: {}", ran.stdout);
        assert_eq!(scene.client.tags(REPO).await, ["amd64"], "{case}");
        scene.proxy.finish();
    }
    // What was never seen is not known to be missing.
    let scene = Scene::with_amd64().await;
    scene.proxy.rule(Rule::on("GET", &manifest("arm64")).then(Fault::Hang));
    let ran =
        scene.waiting_step().input("wait", "1s").input("missing", "skip").run().await.fails(7);
    assert!(ran.stdout.contains("leaves out only what is known not to exist"), "{}", ran.stdout);
    assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
}

#[tokio::test]
async fn a_wrong_image_ends_the_wait_at_once() {
    let scene = Scene::with_amd64().await;
    let client: &Client = &scene.client;
    client
        .put_manifest(
            REPO,
            "arm64",
            OCI_INDEX,
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        )
        .await;
    let ran = scene.waiting_step().run().await.fails(5);
    assert!(ran.elapsed < Duration::from_secs(20), "{:?}", ran.elapsed);
    assert_eq!(scene.proxy.count("*", &manifest("arm64")), 1, "{}", scene.proxy.log_text());
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn a_push_that_is_denied_is_known_before_the_first_pause_is_over() {
    let uploads = format!("/v2/{REPO}/blobs/uploads/");
    for status in [401, 403] {
        let scene = Scene::with_amd64().await;
        scene.proxy.rule(
            Rule::on("POST", &uploads).then(Fault::Status(status).error("DENIED", "read only")),
        );
        let ran = scene.waiting_step().input("wait-interval", "30s").run().await.fails(6);
        assert!(ran.elapsed < Duration::from_secs(20), "{status}: {:?}", ran.elapsed);
        // A machine that is held up may get to a second look, which the test of pushing precedes.
        let tests = scene.proxy.entries("POST", &uploads);
        let looks = scene.proxy.entries("HEAD", &manifest("arm64"));
        assert!(
            looks.len() <= 1 && looks.iter().all(|look| tests[0].at < look.at),
            "{status}: {}",
            scene.proxy.log_text()
        );
        assert!(
            ran.stdout.contains(&format!("cannot push to {}", scene.reference("1"))),
            "{status}: {}",
            ran.stdout
        );
        assert!(ran.stdout.contains("read only"), "{status}: {}", ran.stdout);
        assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
    }
}

/// Every repository is tested once; what is no denial may be over when the wait is.
#[tokio::test]
async fn a_test_of_pushing_that_tells_nothing_does_not_end_the_wait() {
    for status in [404, 500] {
        let scene = Scene::with_amd64().await;
        scene.proxy.rule(Rule::on("POST", "*/blobs/uploads/").then(Fault::Status(status)));
        scene.proxy.rule(Rule::on("DELETE", "*").then(Fault::Status(405)).optional());
        let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
        let tags = format!("{}\n{}", scene.reference("1"), scene.reference("1.2"));
        let running =
            scene.waiting_step().input("tags", &tags).input("wait-interval", "100ms").spawn().await;
        looks.wait_for_answers(2).await;
        scene.push_arm64().await;
        running.wait().await.ok();
        if status < 500 {
            assert_eq!(
                scene.proxy.count("POST", "*"),
                1,
                "once for a repository: {}",
                scene.proxy.log_text()
            );
        }
    }
}

#[tokio::test]
async fn pushing_is_not_tested_where_nothing_is_waited_for_or_written() {
    let scene = Scene::with_both().await;
    scene.waiting_step().run().await.ok();
    let waiting = Scene::with_amd64().await;
    waiting.waiting_step().input("wait", "0").run().await.fails(3);
    waiting.waiting_step().input("wait", "1s").input("dry-run", "true").run().await.fails(3);
    assert_eq!((scene.proxy.count("POST", "*"), waiting.proxy.count("POST", "*")), (0, 0));
}
