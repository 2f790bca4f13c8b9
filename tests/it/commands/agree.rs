//! What `create` wrote is the same to `inspect`, docker, podman and skopeo.

use super::Stocked;
use crate::support::engines;
use crate::support::images::Image;
use crate::support::skopeo;
use serde_json::{Value, json};

/// What all of them tell of an entry.
fn entries(list: &Value) -> Vec<Value> {
    let of = |entry: &Value| json!({"digest": entry["digest"], "size": entry["size"], "platform": entry["platform"]});
    list["manifests"].as_array().expect("a list").iter().map(of).collect()
}

/// Holds what others read of a list against what we do.
async fn all_agree(stocked: &Stocked, list: &str) {
    let raw = stocked.run(&["inspect", "--raw", list]).await.ok().stdout;
    let name = list.replace("{}", &stocked.registry.host());
    assert_eq!(skopeo::inspect_raw(&name).await, raw);
    let ours: Value = serde_json::from_str(&raw).expect("JSON");
    assert_eq!(entries(&engines::docker_manifest(&name).await), entries(&ours), "docker, {list}");
    assert_eq!(entries(&engines::podman_manifest(&name).await), entries(&ours), "podman, {list}");
    let document: Value =
        serde_json::from_str(&stocked.run(&["inspect", "--json", list]).await.ok().stdout)
            .expect("JSON");
    let digests = |list: &Value| {
        list.as_array().map(|all| all.iter().map(|one| one["digest"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(digests(&document["entries"]), digests(&ours["manifests"]));
}

#[tokio::test]
async fn others_read_what_create_wrote() {
    let stocked = Stocked::start().await;
    for (at, image) in super::classic().images().iter().enumerate() {
        image.push(&stocked.client, "acme/app", &format!("docker{at}")).await;
    }
    Image::oci("linux/arm64/v8").push(&stocked.client, "acme/app", "oci1").await;
    for (list, sources) in [
        (
            "{}/acme/app:new-docker",
            vec!["{}/acme/app:docker0", "{}/acme/app:docker1", "{}/acme/app:docker2"],
        ),
        (
            "{}/acme/app:new-oci",
            vec!["{}/acme/app:image", "{}/acme/app:oci1", "{}/acme/app:docker1"],
        ),
        ("{}/acme/app:new-built", vec!["{}/acme/app:built"]),
    ] {
        stocked.run(&[&["create", list][..], &sources].concat()).await.ok();
        all_agree(&stocked, list).await;
    }
}

#[tokio::test]
async fn others_read_what_each_edit_wrote() {
    let stocked = Stocked::start().await;
    for (at, image) in super::classic().images().iter().enumerate() {
        image.push(&stocked.client, "acme/app", &format!("docker{at}")).await;
    }
    let list = "{}/acme/app:edited";
    stocked.run(&["create", list, "{}/acme/app:docker0", "{}/acme/app:docker1"]).await.ok();
    for edit in [
        vec!["create", list, "{}/acme/app:docker2", "--append"],
        vec!["annotate", list, "{}/acme/app:docker0", "--variant", "v2"],
        vec!["remove", list, "linux/amd64/v2"],
    ] {
        stocked.run(&edit).await.ok();
        all_agree(&stocked, list).await;
    }
}
