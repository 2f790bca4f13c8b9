//! `diff`: entry by entry.

use super::{Stocked, built, classic, fits_80_columns, log};
use crate::support::client::{OCI_INDEX, sha256};
use crate::support::images::{Image, pretty};
use crate::support::indexes::BuiltIndex;
use serde_json::{Value, json};

#[tokio::test]
async fn the_same_is_0() {
    let stocked = Stocked::start().await;
    let ran = stocked.run(&["diff", "{}/acme/app:built", "{}/acme/app:built"]).await.ok();
    assert_eq!(ran.stdout, format!("the same: {}\n", built().digest()));
    // Written down in another way, it is the same to every client.
    let compact = serde_json::to_vec(&built().json()).unwrap();
    stocked.client.put_manifest("acme/app", "compact", OCI_INDEX, &compact).await;
    let ran = stocked.run(&["diff", "{}/acme/app:built", "{}/acme/app:compact"]).await.ok();
    assert!(
        ran.stdout.ends_with(
            "\nsame entries and annotations; only the way they are written down differs\n"
        )
    );
    let ran = stocked.run(&["diff", "{}/acme/app:image", "{}/acme/app:image", "--json"]).await.ok();
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["same"], json!(true));
}

#[tokio::test]
async fn what_differs_is_1() {
    let stocked = Stocked::start().await;
    let index = BuiltIndex::new(vec![
        Image::oci("linux/amd64").seed(2),
        built().images()[1].clone(),
        Image::oci("linux/riscv64"),
    ])
    .annotation("org.opencontainers.image.version", "1.3")
    .annotation("new", "n");
    index.push(&stocked.client, "acme/app", "next").await;
    let ran = stocked.run(&["diff", "{}/acme/app:built", "{}/acme/app:next"]).await.fails(1);
    let (old, attestations) = (built(), built().attestation_digests());
    let removed: String = attestations
        .iter()
        .zip(["amd64", "arm64", "arm/v7"])
        .map(|(digest, of)| format!("- attestation of linux/{of}\n  - {digest}\n"))
        .collect();
    let expected = format!(
        "- {{}}/acme/app:built
  - {}
+ {{}}/acme/app:next
  + {}

~ annotations.org.opencontainers.image.version
  - 1.2
  + 1.3
~ annotations.new
  + n
~ linux/amd64
  - {}
  + {}
+ linux/riscv64
  + {}
- linux/arm/v7
  - {}
{removed}",
        old.digest(),
        index.digest(),
        old.images()[0].digest(),
        index.images()[0].digest(),
        index.images()[2].digest(),
        old.images()[2].digest(),
    );
    assert_eq!(ran.stdout, expected);
    assert_eq!(log(&ran), "");
    fits_80_columns(&ran.stdout);
    let ran =
        stocked.run(&["diff", "{}/acme/app:built", "{}/acme/app:next", "--json"]).await.fails(1);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&document["version"], &document["same"]), (&json!(1), &json!(false)));
    assert_eq!(document["fields"][1], json!({"name": "annotations.new", "old": null, "new": "n"}));
    let first = json!({
        "change": "replaced", "entry": "linux/amd64", "old": old.images()[0].digest(), "new": index.images()[0].digest(), "fields": [],
    });
    assert_eq!(document["entries"][0], first);
}

#[tokio::test]
async fn type_order_and_what_is_said_of_an_entry_count() {
    let stocked = Stocked::start().await;
    let client = &stocked.client;
    let mut list = classic().bytes();
    list = String::from_utf8(list)
        .unwrap()
        .replace("docker.distribution.manifest.list.v2+json", "oci.image.index.v1+json")
        .into();
    let digest = client.put_manifest("acme/app", "oci", OCI_INDEX, &list).await;
    let ran = stocked.run(&["diff", "{}/acme/app:classic", "{}/acme/app:oci"]).await.fails(1);
    let change = "\n~ mediaType\n  - application/vnd.docker.distribution.manifest.list.v2+json\n  + application/vnd.oci.image.index.v1+json\n";
    assert!(ran.stdout.ends_with(change), "{}", ran.stdout);
    let mut value: Value = serde_json::from_slice(&list).unwrap();
    value["manifests"].as_array_mut().unwrap().reverse();
    client.put_manifest("acme/app", "turned", OCI_INDEX, &pretty(&value)).await;
    let ran = stocked
        .run(&["diff", &format!("{{}}/acme/app@{digest}"), "{}/acme/app:turned"])
        .await
        .fails(1);
    assert!(ran.stdout.ends_with("\n~ the order of the entries\n"), "{}", ran.stdout);
    value["manifests"][0]["annotations"] = json!({"k": "v"});
    client.put_manifest("acme/app", "said", OCI_INDEX, &pretty(&value)).await;
    let ran = stocked.run(&["diff", "{}/acme/app:turned", "{}/acme/app:said"]).await.fails(1);
    let of = classic().images()[2].digest();
    let change =
        format!("\n~ windows(10.0.20348.2700+win32k)/amd64\n  {of}\n  ~ annotations.k\n    + v\n");
    assert!(ran.stdout.ends_with(&change), "{}", ran.stdout);
    assert_ne!(sha256(&list), classic().digest());
}

#[tokio::test]
async fn an_image_is_held_against_its_entry() {
    let stocked = Stocked::start().await;
    let index = BuiltIndex::new(vec![built().images()[0].clone()]);
    index.push(&stocked.client, "acme/app", "alone").await;
    let ran = stocked.run(&["diff", "{}/acme/app:image", "{}/acme/app:alone"]).await.fails(1);
    let change = "\n~ mediaType\n  - application/vnd.oci.image.manifest.v1+json\n  + application/vnd.oci.image.index.v1+json\n";
    assert!(ran.stdout.ends_with(change), "the image is the same: {}", ran.stdout);
    stocked.run(&["diff", "{}/acme/app:image", "{}/acme/app:nowhere"]).await.fails(7);
}
