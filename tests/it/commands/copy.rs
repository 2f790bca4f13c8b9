//! `copy`: one image or index as it is, under other names.

use super::{Stocked, built, classic};
use crate::support::client::Client;
use crate::support::registry::Registry;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};
use crate::support::step::Step;
use serde_json::{Value, json};

/// The digests that these tags point to.
async fn digests(client: &Client, repo: &str, tags: &[&str]) -> Vec<Option<String>> {
    let mut digests = Vec::new();
    for tag in tags {
        digests.push(client.get_manifest(repo, tag).await.map(|found| found.digest));
    }
    digests
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[tokio::test]
async fn images_and_indexes_keep_their_bytes_in_any_registry() {
    let stocked = Stocked::start().await;
    let other = Registry::start().await;
    let client = Client::new(&other.host());
    let image = built().images()[0].clone();
    for (tag, digest) in
        [("classic", classic().digest()), ("built", built().digest()), ("image", image.digest())]
    {
        let source = format!("{{}}/acme/app:{tag}");
        let lists = [
            "{}/acme/app:stable".to_owned(),
            format!("{}/acme/mirror:{tag}", other.host()),
            format!("{}/acme/mirror:latest", other.host()),
        ];
        let arguments = [&["copy", &source], &lists.each_ref().map(String::as_str)[..]].concat();
        let ran = stocked.run(&arguments).await.ok();
        let lines: String = lists.iter().map(|list| format!("{list}@{digest}\n")).collect();
        assert_eq!(ran.stdout, lines);
        let found = digests(&client, "acme/mirror", &[tag, "latest"]).await;
        assert_eq!(found, [Some(digest.clone()), Some(digest.clone())]);
        assert_eq!(digests(&stocked.client, "acme/app", &["stable"]).await, [Some(digest)]);
        // Nothing of it stays behind.
        Step::new().args(["check", &lists[1]]).run().await.ok();
    }
}

#[tokio::test]
async fn what_is_copied_already_is_not_copied_again() {
    let scene = Scene::with_amd64().await;
    let (source, list) = (scene.reference("amd64"), scene.reference("1"));
    let ran = Step::new().args(["copy", "--json", &source, &list]).run().await.ok();
    let report = document(&ran);
    assert_eq!((&report["status"], &report["changed"]), (&json!("published"), &json!(true)));
    let before = scene.proxy.requests();
    let ran = Step::new().args(["copy", "--json", &source, &list]).run().await.ok();
    assert_eq!(document(&ran)["changed"], json!(false));
    let log = scene.proxy.log();
    assert!(log[before..].iter().all(|entry| !entry.writes()), "{}", scene.proxy.log_text());
    // Read once, for however many names.
    let reads = scene.proxy.count("GET", "*/manifests/amd64");
    Step::new().args(["copy", &source, &list, &scene.reference("2")]).run().await.ok();
    assert_eq!(scene.proxy.count("GET", "*/manifests/amd64"), reads + 1);
    scene.proxy.finish();
}

#[tokio::test]
async fn a_part_of_an_index_is_a_new_one() {
    let stocked = Stocked::start().await;
    let part = "{}/acme/app:part";
    let two = ["--platforms", "linux/amd64,linux/arm/v7"];
    let ran = stocked.run(&[&["copy", "{}/acme/app:classic", part][..], &two].concat()).await;
    let ran = ran.fails(5);
    assert!(ran.stderr.contains("has no entry for linux/arm/v7"), "{}", ran.stderr);
    let ran = stocked.run(&[&["copy", "{}/acme/app:built", part][..], &two].concat()).await.ok();
    let told = "warning: only linux/amd64, linux/arm/v7 of {}/acme/app:built: a part of an index is a new index, with another digest";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let index = stocked.client.get_manifest("acme/app", "part").await.unwrap();
    assert_eq!(ran.stdout, format!("{part}@{}\n", index.digest));
    let index = index.json();
    let entries = index["manifests"].as_array().unwrap();
    // With their attestations.
    assert_eq!(entries.len(), 4, "{index:#}");
    stocked.run(&[&["check", part][..], &two].concat()).await.ok();
}

#[tokio::test]
async fn platforms_may_have_tags_of_their_own_beside_it() {
    let stocked = Stocked::start().await;
    let own = "--platform-tags={}/acme/app:stable-{arch}-{os}";
    let arguments = ["copy", "{}/acme/app:classic", "{}/acme/app:stable"];
    let only = ["--platforms", "linux/amd64", &own.replace("{}", &stocked.registry.host())];
    let ran = stocked.run(&[&arguments[..], &only].concat()).await.ok();
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    let image = classic().images()[0].digest();
    let found = digests(&stocked.client, "acme/app", &["stable-amd64-linux"]).await;
    assert_eq!(found, [Some(image)]);
}

#[tokio::test]
async fn a_source_that_does_not_exist_is_7_and_one_that_comes_late_is_waited_for() {
    let stocked = Stocked::start().await;
    let arguments = ["copy", "{}/acme/app:late", "{}/acme/app:1"];
    let ran = stocked.run(&arguments).await.fails(7);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("  not found: {}/acme/app:late\n"), "{}", ran.stderr);
    let ran = stocked.run(&[&arguments[..], &["--json"]].concat()).await.fails(7);
    assert_eq!(document(&ran)["exit"], json!(7));
    stocked.run(&[&arguments[..], &["--wait", "1s"]].concat()).await.fails(3);
    let names = arguments.map(|name| name.replace("{}", &stocked.registry.host()));
    let step = Step::new().args(names).args(["--wait", "5m", "--wait-interval", "100ms"]);
    let running = step.spawn().await;
    running.wait_for_line("not found yet; checking").await;
    let digest = built().images()[1].push(&stocked.client, "acme/app", "late").await;
    running.wait().await.ok();
    assert_eq!(digests(&stocked.client, "acme/app", &["1"]).await, [Some(digest)]);
}

#[tokio::test]
async fn tags_are_left_where_they_are_when_it_fails_or_is_dry() {
    let scene = Scene::with_both().await;
    let (amd64, arm64) = (scene.reference("amd64"), scene.reference("arm64"));
    let before = scene.state().await;
    let fresh = scene.reference("1");
    let ran = Step::new().args(["copy", &amd64, &fresh, &arm64, "--overwrite=false"]).run().await;
    assert!(ran.fails(5).stderr.contains("--overwrite"));
    let ran = Step::new().args(["copy", &amd64, &fresh, "--dry-run", "--json"]).run().await.ok();
    assert_eq!(document(&ran)["status"], json!("dry-run"));
    assert_eq!(scene.state().await, before);
    // All problems in one run, each with its argument.
    let wrong = ["copy", &amd64, "r.example/a@sha256:x", "R/x:1", "--wait=soon", "--platforms=x"];
    let ran = Step::new().args(wrong).run().await.fails(2);
    for part in ["LIST 1: ", "LIST 2: ", "--wait: ", "--platforms"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    for source in ["r.example/a:1,r.example/b:1", "linux/arm64=r.example/a:1", "r.example/a:{arch}"]
    {
        let ran = Step::new().args(["copy", source, &fresh]).run().await.fails(2);
        assert!(ran.stderr.contains("must be one reference"), "{}", ran.stderr);
    }
    assert_eq!(digests(&scene.client, REPO, &["1"]).await, [None]);
}

#[tokio::test]
async fn logins_are_those_of_create() {
    let scene = Scene::with_login("user", "secret-password").await;
    let names = [scene.reference("amd64"), scene.reference("1")];
    Step::new().args(["copy", &names[0], &names[1]]).run().await.fails(6);
    let login = ["copy", "--username", "user", "--password-stdin", &names[0], &names[1]];
    Step::new().args(login).stdin("secret-password\n").run().await.ok();
    scene.proxy.finish();
}
