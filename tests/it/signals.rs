//! SIGINT, SIGTERM and SIGHUP: a quick end, and one line that says what was left undone.

use crate::support::rules::{Fault, Rule};
use crate::support::running::{Ran, Running};
use crate::support::scene::{REPO, Scene, manifest};
use std::time::{Duration, Instant};

const SIGNALS: [(&str, i32); 3] = [("TERM", 143), ("INT", 130), ("HUP", 143)];

async fn stop(running: Running, signal: &str, status: i32) -> Ran {
    let start = Instant::now();
    running.signal(signal).await;
    let ran = running.wait().await.fails(status);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(ran.raw_output_file().as_deref(), Some(""), "no output");
    assert!(ran.summary().contains(&format!("stopped by SIG{signal}&#58; ")), "{}", ran.summary());
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "one line says it: {}", ran.stdout);
    assert!(lines[0].starts_with(&format!("error: stopped by SIG{signal}: ")), "{}", lines[0]);
    ran
}

#[tokio::test]
async fn while_waiting_nothing_is_moved() {
    for (signal, status) in SIGNALS {
        let scene = Scene::with_amd64().await;
        let running = scene.waiting_step().spawn().await;
        running.wait_for_line("checking for up to").await;
        let ran = stop(running, signal, status).await;
        let line = format!("still waiting for {}; no tag was moved", scene.reference("arm64"));
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
        assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
    }
}

#[tokio::test]
async fn during_a_push_the_tag_is_unknown() {
    for (signal, status) in SIGNALS {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(Fault::Hang));
        let push = scene.proxy.gate("PUT", &manifest("1"));
        let running = scene.waiting_step().spawn().await;
        push.wait_for_hits(1).await;
        let ran = stop(running, signal, status).await;
        assert!(
            ran.stdout.contains(&format!("{} may or may not have moved", scene.reference("1"))),
            "{}",
            ran.stdout
        );
        let row = "| `1` | unknown |";
        assert!(
            ran.summary().contains("partly published") && ran.summary().contains(row),
            "{}",
            ran.summary()
        );
    }
}

#[tokio::test]
async fn between_two_tags_each_is_accounted_for() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("latest")).then(Fault::Hang));
    let push = scene.proxy.gate("PUT", &manifest("latest"));
    let tags = [scene.reference("1"), scene.reference("latest")].join("\n");
    let running = scene.waiting_step().input("tags", &tags).spawn().await;
    push.wait_for_hits(1).await;
    let ran = stop(running, "TERM", 143).await;
    let line = format!(
        "{} created; {} may or may not have moved",
        scene.reference("1"),
        scene.reference("latest")
    );
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
}

#[tokio::test]
async fn while_a_registry_hangs_nothing_is_moved() {
    for (signal, status) in SIGNALS {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("GET", &manifest("*")).then(Fault::Hang));
        let look = scene.proxy.gate("GET", &manifest("*"));
        let running = scene.waiting_step().spawn().await;
        look.wait_for_hits(1).await;
        let ran = stop(running, signal, status).await;
        assert!(ran.stdout.contains("no tag was moved"), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn while_a_registry_asks_for_a_pause_nothing_is_moved() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(
        Rule::on("GET", &manifest("arm64")).then(Fault::Status(503).header("Retry-After", "60")),
    );
    let look = scene.proxy.gate("GET", &manifest("arm64"));
    let running = scene.waiting_step().spawn().await;
    look.wait_for_answers(1).await;
    let ran = stop(running, "TERM", 143).await;
    assert!(ran.stdout.contains("no tag was moved"), "{}", ran.stdout);
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn a_second_signal_changes_nothing() {
    for signals in [["TERM", "INT"], ["INT", "TERM"], ["TERM", "TERM"], ["HUP", "INT"]] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(Fault::Hang));
        let push = scene.proxy.gate("PUT", &manifest("1"));
        let running = scene.waiting_step().spawn().await;
        push.wait_for_hits(1).await;
        running.signals(&signals).await;
        let ran = running.wait().await;
        // Which of two that come at once is seen first is nobody's promise; that one of them ends
        // it properly is.
        assert!([130, 143].contains(&ran.status), "{signals:?}: {}", ran.everything());
        assert_eq!(
            ran.stdout.lines().filter(|line| line.starts_with("error: stopped by SIG")).count(),
            1,
            "{}",
            ran.stdout
        );
        assert_eq!(ran.raw_output_file().as_deref(), Some(""), "{signals:?}");
    }
}

#[tokio::test]
async fn a_hangup_that_was_to_be_ignored_is_ignored() {
    let scene = Scene::with_amd64().await;
    let step = scene.waiting_step().input("wait-interval", "100ms");
    // As `nohup` does it.
    let ignoring =
        step.args(["-c", "trap '' HUP; exec \"$0\"", env!("CARGO_BIN_EXE_manifest-action")]);
    let running = ignoring.spawn_program(std::path::Path::new("/bin/sh")).await;
    running.wait_for_line("checking for up to").await;
    running.signal("HUP").await;
    scene.push_arm64().await;
    running.wait().await.ok();
}
