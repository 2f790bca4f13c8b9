//! `wait`: until all are there.

use super::{Stocked, built, classic};
use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::step::Step;
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_there_is_pinned() {
    let stocked = Stocked::start().await;
    let digest = built().images()[0].digest();
    let by_digest = format!("{{}}/acme/app@{digest}");
    let ran = stocked
        .run(&["wait", "{}/acme/app:classic", "{}/acme/app:built", &by_digest, "{}/acme/app:built"])
        .await
        .ok();
    let expected = format!(
        "{{}}/acme/app:classic@{}\n{{}}/acme/app:built@{}\n{by_digest}\n",
        classic().digest(),
        built().digest()
    );
    assert_eq!(ran.stdout, expected);
    let ran = stocked.run(&["--quiet", "wait", "--json", "{}/acme/app:image"]).await.ok();
    assert_eq!(ran.stderr, "");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = json!({"version": 1, "images": [{
        "reference": "{}/acme/app:image",
        "image": format!("{{}}/acme/app:image@{digest}"),
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "platforms": ["linux/amd64"],
        "arrivedAfterSeconds": null,
    }]});
    assert_eq!(document, expected);
}

#[tokio::test]
async fn a_late_one_is_waited_for() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let name = format!("{}/acme/app:late", registry.host());
    let running = Step::new().args(["wait", &name, "--wait-interval", "100ms"]).spawn().await;
    running.wait_for_line("not found yet; checking").await;
    let digest = Image::oci("linux/amd64").push(&client, "acme/app", "late").await;
    let ran = running.wait().await.ok();
    assert_eq!(ran.stdout, format!("{name}@{digest}\n"));
    assert!(ran.stderr.contains("  after "), "{}", ran.stderr);
    // In words of a terminal, where there are no jobs.
    let shorter = "wait     if the builds of these images are done, set --wait 30s";
    assert!(ran.stderr.contains(shorter) && !ran.stderr.contains("job"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_missing_one_is_3() {
    let stocked = Stocked::start().await;
    let ran = stocked
        .run(&["wait", "{}/acme/app:image", "{}/acme/app:nowhere", "--wait", "0"])
        .await
        .fails(3);
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr
            .contains("error: 1 of 2 images not found\n  not found: {}/acme/app:nowhere\n  found: {}/acme/app:image sha256:"),
        "{}",
        ran.stderr
    );
    let ran = stocked.run(&["wait", "{}/acme/app:nowhere", "--wait=0", "--json"]).await.fails(3);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["exit"], json!(3));
    for wrong in [["--wait", "soon"], ["--wait-interval", "0"]] {
        stocked.run(&["wait", "{}/acme/app:image", wrong[0], wrong[1]]).await.fails(2);
    }
}

#[tokio::test]
async fn a_signal_ends_it_and_says_so() {
    let registry = Registry::start().await;
    let name = format!("{}/acme/app:never", registry.host());
    let running = Step::new().args(["wait", &name]).spawn().await;
    running.wait_for_line("not found yet; checking").await;
    running.signal("TERM").await;
    let ran = running.wait().await.fails(143);
    assert!(
        ran.stderr.ends_with(&format!("error: stopped by SIGTERM: still waiting for {name}\n")),
        "{}",
        ran.stderr
    );
}
