//! Trouble to the end of a wait: nobody knows whether the images exist, which is told as what it is,
//! and not as a build that came too late.

use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{Scene, manifest};

/// The lines about the source that is waited for.
fn wait_lines(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().filter(|line| line.starts_with("wait  ")).collect()
}

/// The wait for arm64, whose requests all end so, to its end.
async fn waited(fault: Fault) -> (Scene, Ran) {
    let scene = Scene::with_both().await;
    for method in ["GET", "HEAD"] {
        scene.proxy.rule(Rule::on(method, &manifest("arm64")).then(fault.clone()).optional());
    }
    let ran = scene.waiting_step().input("wait", "3s").input("wait-interval", "100ms").run().await;
    (scene, ran)
}

#[tokio::test]
async fn a_registry_in_trouble_to_the_end_is_not_an_image_that_is_missing() {
    let words = "the database is being moved";
    for (case, fault, parts) in [
        (
            "429",
            Fault::Status(429).error("TOOMANYREQUESTS", "slow down"),
            &["rate limited", "→ 429 TOOMANYREQUESTS", "slow down"][..],
        ),
        (
            "503",
            Fault::Status(503).error("UNAVAILABLE", words),
            &["the registry failed", "→ 503 UNAVAILABLE", words],
        ),
        ("silence", Fault::Hang, &["no response in time"]),
    ] {
        let (scene, ran) = waited(fault).await;
        let ran = ran.fails(7);
        assert!(
            ran.stdout.contains("cannot tell whether 1 of 2 images exists"),
            "{case}: {}",
            ran.stdout
        );
        for part in parts.iter().copied().chain([&*scene.proxy.host(), "unknown: ", "found: "]) {
            assert!(ran.stdout.contains(part), "{case}: {part}\n{}", ran.stdout);
        }
        assert!(!ran.stdout.contains("look at the jobs"), "{case}: {}", ran.stdout);
        assert!(wait_lines(&ran).len() <= 1, "one line a change, {case}: {}", ran.stdout);
        assert_eq!(scene.digest("1").await, None, "{case}");
    }
}

/// It was not there a moment ago, and now nobody knows: one line for each change.
#[tokio::test]
async fn trouble_after_an_honest_answer() {
    let scene = Scene::with_amd64().await;
    scene.proxy.rule(Rule::on("HEAD", &manifest("arm64")).then(Fault::Reset));
    let step = scene.waiting_step().input("wait", "3s").input("wait-interval", "100ms");
    let ran = step.run().await.fails(7);
    let lines = wait_lines(&ran);
    assert!(lines.len() <= 2 && lines[0].contains("not found yet"), "{lines:?}");
    assert!(ran.stdout.contains("connection"), "{}", ran.stdout);
}

/// What it said once is told, though the last tries had no answer.
#[tokio::test]
async fn the_last_words_of_a_registry_that_falls_silent() {
    let scene = Scene::with_both().await;
    let words = "closed for stocktaking";
    let path = manifest("arm64");
    scene.proxy.rule(Rule::on("GET", &path).nth(1).then(Fault::Status(503).error("BUSY", words)));
    scene.proxy.rule(Rule::on("GET", &path).from(2).then(Fault::Reset));
    let ran = scene.step_of(&["amd64", "arm64"]).run().await.fails(7);
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
}

/// One that is missing and one that nobody knows of: both are named, the status is the higher one.
#[tokio::test]
async fn both_ends_in_one_wait() {
    let scene = Scene::with_amd64().await;
    for method in ["GET", "HEAD"] {
        let fails = Rule::on(method, &manifest("s390x")).then(Fault::Status(503)).optional();
        scene.proxy.rule(fails);
    }
    let sources = scene.references(&["amd64", "arm64", "s390x"]);
    let step = scene.waiting_step().input("sources", &sources).input("wait", "2s");
    let ran = step.input("wait-interval", "100ms").run().await.fails(7);
    for (word, tag) in [("not found: ", "arm64"), ("unknown: ", "s390x"), ("found: ", "amd64")] {
        let line = format!("{word}{}", scene.reference(tag));
        assert!(ran.stdout.contains(&line), "{line}\n{}", ran.stdout);
    }
}

/// Where one request asks for all, the others know what it met, and it is not their own: each source
/// is told with a request of its own, or with the host alone.
#[tokio::test]
async fn no_image_is_told_with_the_request_of_another() {
    let tags = ["amd64", "arm64", "s390x", "ppc64le"];
    for fault in [Fault::Status(503).error("UNAVAILABLE", "back soon"), Fault::Reset] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("*", "*").from(tags.len() + 1).then(fault.clone()));
        let step = scene.waiting_step().input("sources", &scene.references(&tags));
        let ran = step.input("wait", "3s").input("wait-interval", "100ms").run().await.fails(7);
        let all = ran.everything();
        let mut unknown = 0;
        for line in ran.stdout.lines().filter(|line| line.contains("unknown: ")) {
            unknown += 1;
            let named = tags.iter().filter(|tag| line.contains(&manifest(tag))).count();
            let own = tags.iter().find(|tag| line.contains(&format!("{} ", scene.reference(tag))));
            let own = own.unwrap_or_else(|| panic!("{fault:?}: {line}\n{all}"));
            let is_own = line.contains(&manifest(own));
            assert_eq!(named, usize::from(is_own), "{fault:?}: {line}\n{all}");
            assert!(is_own || line.contains(&*scene.proxy.host()), "{fault:?}: {line}\n{all}");
        }
        assert!(unknown >= 2, "{fault:?}: {all}");
    }
}
