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
    let ran = Step::new().args(["--json"]).run().await.fails(2);
    assert!(ran.stderr.contains("need a command"), "{}", ran.stderr);
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
