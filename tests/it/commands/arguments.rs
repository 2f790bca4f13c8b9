//! Flags of every command: before or after it; help whose examples run.

use super::Stocked;
use crate::support::step::Step;
use serde_json::{Value, json};

#[tokio::test]
async fn flags_stand_before_or_after_the_command() {
    let stocked = Stocked::start().await;
    for arguments in [
        ["--debug", "inspect", "{}/acme/app:image"],
        ["inspect", "--debug", "{}/acme/app:image"],
        ["inspect", "{}/acme/app:image", "--debug"],
    ] {
        let ran = stocked.run(&arguments).await.ok();
        assert!(ran.stderr.contains("debug: {} GET /v2/acme/app/manifests/image → 200"), "{}", ran.stderr);
    }
    for arguments in [["--json", "diff"], ["diff", "--json"]] {
        let both = ["{}/acme/app:image", "{}/acme/app:image"];
        let ran = stocked.run(&[&arguments[..], &both].concat()).await.ok();
        assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok(), "{}", ran.stdout);
    }
    for arguments in [["--quiet", "wait"], ["wait", "--quiet"]] {
        let ran = stocked.run(&[&arguments[..], &["{}/acme/app:image"]].concat()).await.ok();
        assert_eq!(ran.stderr, "");
    }
    let ran = Step::new().args(["--debug"]).run().await.fails(2);
    assert!(ran.stderr.contains("need a command") && ran.stdout.is_empty(), "{}", ran.stderr);
}

#[tokio::test]
async fn wrong_arguments_are_reported_in_json_too() {
    for (arguments, what) in [
        (vec!["--json"], "these flags need a command"),
        (vec!["--json", "inspect"], "the following required arguments were not provided: <REF>"),
        (vec!["inspect", "a", "--raw", "--json"], "the argument '--raw' cannot be used with '--json'"),
        (vec!["annotate", "--json", "r.example/a:1", "linux/amd64"], "nothing to change"),
        (vec!["diff", "r.example/a", "R/ /x", "--json"], "the arguments are wrong; nothing was contacted"),
    ] {
        let ran = Step::new().args(arguments).run().await.fails(2);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.everything()));
        assert_eq!((&document["version"], &document["status"], &document["exit"]), (&json!(1), &json!("failed"), &json!(2)));
        assert!(document["error"]["what"].as_str().is_some_and(|text| text.starts_with(what)), "{document:#}");
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn flags_are_trimmed_as_variables_are() {
    let stocked = Stocked::start().await;
    let ran = stocked
        .run(&["create", " {}/acme/app:new ", "{}/acme/app:image", "--format", " oci ", "--wait", " 0 ", "--platforms", "  "])
        .await
        .ok();
    assert!(ran.stdout.starts_with("{}/acme/app:new@sha256:"), "{}", ran.everything());
}

#[tokio::test]
async fn create_reports_a_failure_in_json_too() {
    let stocked = Stocked::start().await;
    for arguments in [
        ["--json", "create", "{}/acme/app:new", "{}/acme/app:nowhere"],
        ["create", "{}/acme/app:new", "{}/acme/app:nowhere", "--json"],
    ] {
        let ran = stocked.run(&arguments).await.fails(3);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.everything()));
        assert_eq!((&document["version"], &document["exit"]), (&json!(1), &json!(3)));
        assert_eq!(document["error"]["details"][0], json!("missing: {}/acme/app:nowhere"));
    }
    let ran = stocked.run(&["create", "{}/acme/app", "{}/acme/app:image", "--json"]).await.fails(2);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["exit"], json!(2));
}
