//! `copy` of what is no image: as it is, byte for byte, with what refers to it.

use super::{APP, BUILD};
use crate::support::artifacts::{Artifact, BUNDLE, COSIGN, SPDX, attach, list_tag, listed};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::Image;
use crate::support::running::Ran;
use crate::support::scene::Scene;
use crate::support::step::Step;
use serde_json::{Value, json};

const CHART: &str = "application/vnd.cncf.helm.config.v1+json";

/// An artifact at `a`, as `oras push --artifact-type` leaves it, and a signature of it.
async fn pushed(scene: &Scene) -> (Artifact, Artifact) {
    let artifact = Artifact::tagged("application/vnd.acme.rules", "the rules");
    artifact.push(&scene.client, BUILD, "a").await;
    let signature = Artifact::about(BUNDLE, OCI_MANIFEST, &artifact.manifest());
    attach(&scene.client, BUILD, &artifact.digest(), &[&signature]).await;
    (artifact, signature)
}

async fn copy(from: &Scene, to: &Scene, more: &[&str]) -> Ran {
    let source = from.full_name(&format!("{BUILD}:a"));
    let list = to.full_name(&format!("{APP}:1"));
    Step::new().args(["copy", &source, &list]).args(more.iter().copied()).run().await
}

#[tokio::test]
async fn an_artifact_keeps_its_bytes_and_what_refers_to_it() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let (artifact, signature) = pushed(&from).await;
    let ran = copy(&from, &to, &[]).await.ok();
    let list = to.full_name(&format!("{APP}:1"));
    assert_eq!(ran.stdout, format!("{list}@{}\n", artifact.digest()));
    assert!(artifact.is_in(&to.client, APP).await && signature.is_in(&to.client, APP).await);
    let there = to.client.get_manifest(APP, "1").await.unwrap();
    assert_eq!(there.bytes, artifact.manifest());
    assert_eq!(listed(&to.client, APP, &artifact.digest()).await, [signature.digest()]);
    let line = "compose  artifact (application/vnd.acme.rules) as it is, ";
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
    assert!(!ran.stderr.contains("no platform"), "{}", ran.stderr);
    // Again: nothing is written.
    let ran = copy(&from, &to, &["--json"]).await.ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["changed"], json!(false), "{report:#}");
    Step::new().args(["check", &list, "--referrers"]).run().await.ok();
}

#[tokio::test]
async fn its_report_is_of_what_was_copied() {
    let scene = Scene::empty().await;
    let (artifact, signature) = pushed(&scene).await;
    let ran = copy(&scene, &scene, &["--json"]).await.ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["status"], &report["changed"]), (&json!("published"), &json!(true)));
    assert_eq!(report["digest"], json!(artifact.digest()), "{report:#}");
    assert_eq!(report["mediaType"], json!(OCI_MANIFEST));
    assert_eq!(report["platforms"], json!([]));
    let referrer = &report["copied"][0]["referrers"][0];
    assert_eq!(
        (&referrer["digest"], &referrer["kind"]),
        (&json!(signature.digest()), &json!(BUNDLE))
    );
}

#[tokio::test]
async fn referrers_leave_is_a_flag() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let (artifact, signature) = pushed(&from).await;
    let ran = copy(&from, &to, &["--referrers", "leave"]).await.ok();
    assert!(artifact.is_in(&to.client, APP).await && !signature.is_in(&to.client, APP).await);
    let note = "signatures and other referrers are not copied; they remain in";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    assert_eq!(from.proxy.count("GET", "*/referrers/*"), 0);
    let ran = copy(&from, &to, &["--referrers=some"]).await.fails(2);
    assert!(ran.stderr.contains("--referrers"), "{}", ran.stderr);
    // Of an image, too.
    let image = Image::oci("linux/amd64");
    image.push(&from.client, BUILD, "a").await;
    let sbom = super::about(SPDX, &image);
    attach(&from.client, BUILD, &image.digest(), &[&sbom]).await;
    copy(&from, &to, &["--referrers=leave"]).await.ok();
    assert!(!sbom.is_in(&to.client, APP).await);
    let ran = copy(&from, &to, &["--referrers=copy", "--json"]).await.ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["changed"], json!(false), "that counts tags alone");
    assert!(sbom.is_in(&to.client, APP).await, "signed since: looked for though no tag moves");
    // A dry run brings none.
    let other = to.full_name("acme/other:1");
    let source = from.full_name(&format!("{BUILD}:a"));
    Step::new().args(["copy", "--dry-run", &source, &other]).run().await.ok();
    assert!(!sbom.is_in(&to.client, "acme/other").await);
}

/// A chart, what cosign keeps under a tag, an image whose config says nothing, an index of artifacts.
#[tokio::test]
async fn whatever_it_is_it_keeps_its_bytes() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let blob = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()});
    let layer = b"a layer".to_vec();
    let manifest = |config: Value| {
        let layers = [blob("application/octet-stream", b"a layer")];
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})
            .to_string()
            .into_bytes()
    };
    let part = Artifact::tagged("a/part", "part");
    part.push(&from.client, BUILD, "").await;
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "artifactType": "a/whole",
        "manifests": [part.descriptor()],
    });
    for (case, media_type, bytes) in [
        ("chart", OCI_MANIFEST, manifest(blob(CHART, b"{}"))),
        (
            "no platform",
            OCI_MANIFEST,
            manifest(blob("application/vnd.oci.image.config.v1+json", b"{}")),
        ),
        ("index", OCI_INDEX, index.to_string().into_bytes()),
    ] {
        from.client.put_blob(BUILD, &layer).await;
        from.client.put_blob(BUILD, b"{}").await;
        let digest = from.client.put_manifest(BUILD, "a", media_type, &bytes).await;
        copy(&from, &to, &[]).await.ok();
        let there = to.client.get_manifest(APP, "1").await.unwrap();
        assert_eq!((&there.digest, &there.bytes), (&digest, &bytes), "{case}");
        let list = to.full_name(&format!("{APP}:1"));
        Step::new().args(["check", &list]).run().await.ok();
    }
    // One of cosign's tags, under a tag of the user's.
    let signature = Artifact::tagged(COSIGN, "x");
    signature.push(&from.client, BUILD, &format!("{}.sig", list_tag(&sha256(b"x")))).await;
    let tag = format!("{BUILD}:{}.sig", list_tag(&sha256(b"x")));
    let (source, list) = (from.full_name(&tag), to.full_name("acme/signatures:1"));
    Step::new().args(["copy", &source, &list]).run().await.ok();
    assert!(signature.is_in(&to.client, "acme/signatures").await);
}

/// In an index it would stand for an image that runs.
#[tokio::test]
async fn an_index_of_it_is_refused_and_so_is_one_for_a_platform() {
    let scene = Scene::empty().await;
    pushed(&scene).await;
    let (source, list) = (scene.full_name(&format!("{BUILD}:a")), scene.full_name("acme/app:1"));
    let step =
        || Step::new().github().input("tags", &list).input("sources", &source).input("wait", "0");
    let ran = step().run().await.fails(5);
    assert!(ran.stdout.contains("is not an image but an artifact of type"), "{}", ran.stdout);
    let single = || step().input("prefer-index", "false");
    single().input("platforms", "linux/amd64").run().await.fails(5);
    let ran = single().run().await.ok();
    assert_eq!(
        (ran.output("platforms"), ran.output("digests")),
        (Some(String::new()), Some("{}".to_owned())),
        "{}",
        ran.everything()
    );
}
