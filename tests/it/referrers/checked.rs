//! `check --referrers`: what is listed is there.

use super::{APP, about};
use crate::support::artifacts::{Artifact, BUNDLE, COSIGN, SPDX, attach, list_tag};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::Scene;
use crate::support::step::Step;
use serde_json::{Value, json};

fn index() -> BuiltIndex {
    BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64")]).attestations(true)
}

/// An index with a signature of itself, an SBOM of an image, and one of that SBOM.
struct Signed {
    scene: Scene,
    signature: Artifact,
    sbom: Artifact,
    of_sbom: Artifact,
}

async fn signed() -> Signed {
    let scene = Scene::empty().await;
    index().push(&scene.client, APP, "1").await;
    let amd64 = index().images()[0].clone();
    let signature = Artifact::about(BUNDLE, OCI_INDEX, &index().bytes());
    let sbom = about(SPDX, &amd64);
    let of_sbom = Artifact::about(BUNDLE, OCI_MANIFEST, &sbom.manifest());
    attach(&scene.client, APP, &index().digest(), &[&signature]).await;
    attach(&scene.client, APP, &amd64.digest(), &[&sbom]).await;
    attach(&scene.client, APP, &sbom.digest(), &[&of_sbom]).await;
    Signed { scene, signature, sbom, of_sbom }
}

impl Signed {
    async fn check(&self, more: &[&str]) -> Ran {
        let name = self.scene.full_name(&format!("{APP}:1"));
        Step::new().args(["check", &name]).args(more.iter().copied()).run().await
    }

    async fn delete_blob(&self, digest: &str) {
        let target = format!("/v2/{APP}/blobs/{digest}");
        let deleted = self.scene.client.request("DELETE", &target, &[], &[]).await;
        assert_eq!(deleted.status, 202, "{digest}");
    }
}

/// Its only problem: kind, entry, part and digest.
fn problem(ran: &Ran) -> [Value; 4] {
    let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let problems = document["references"][0]["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1, "{document:#}");
    ["kind", "entry", "part", "digest"].map(|name| problems[0][name].clone())
}

#[tokio::test]
async fn what_is_there_is_counted_and_without_the_flag_nothing_is_asked() {
    let signed = signed().await;
    let ran = signed.check(&[]).await.ok();
    assert!(ran.stdout.ends_with(" kB\n"), "{}", ran.stdout);
    let proxy = &signed.scene.proxy;
    assert_eq!(proxy.count("GET", "*/referrers/*") + proxy.count("GET", "*/tags/list"), 0);
    let ran = signed.check(&["--referrers"]).await.ok();
    // Four images and attestations; three artifacts with a config that they share.
    assert!(ran.stdout.contains("whole: 2 platforms, 12 blobs, "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(", 3 referrers\n"), "{}", ran.stdout);
    // The index and its four entries, and three referrers.
    assert_eq!(proxy.count("GET", "*/referrers/*"), 5 + 3, "{}", proxy.log_text());
    assert_eq!(proxy.count("GET", "*/tags/list"), 1);
    let ran = signed.check(&["--referrers", "--json"]).await.ok();
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["references"][0]["referrers"], json!(3));
    let image = format!("{}@{}", signed.scene.full_name(APP), index().images()[1].digest());
    let ran = Step::new().args(["check", &image, "--referrers"]).run().await.ok();
    assert!(ran.stdout.ends_with(", no referrers\n"), "{}", ran.stdout);
}

#[tokio::test]
async fn what_is_listed_and_gone_is_named() {
    for which in ["signature", "sbom", "of its sbom"] {
        let signed = signed().await;
        let (artifact, name) = match which {
            "signature" => (&signed.signature, format!("{BUNDLE} of the index")),
            "sbom" => (&signed.sbom, "SBOM of linux/amd64".to_owned()),
            _ => (&signed.of_sbom, format!("{BUNDLE} of what refers to linux/amd64")),
        };
        let digest = artifact.digest();
        signed.scene.client.delete_manifest(APP, &digest).await;
        signed.check(&[]).await.ok();
        let ran = signed.check(&["--referrers"]).await.fails(5);
        let line = format!("  {name} {digest} is gone\n  fix:   clean-up jobs");
        assert!(ran.stderr.contains(&line), "{which}: {}", ran.stderr);
        assert!(ran.stderr.contains("sign and attest again"), "{}", ran.stderr);
        let ran = signed.check(&["--referrers", "--json"]).await.fails(5);
        let expected = [json!("gone"), json!(name), json!("manifest"), json!(digest)];
        assert_eq!(problem(&ran), expected);
    }
}

#[tokio::test]
async fn blobs_of_referrers_and_their_sizes_count() {
    let signed = signed().await;
    let manifest: Value = serde_json::from_slice(&signed.sbom.manifest()).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    signed.delete_blob(&layer).await;
    let ran = signed.check(&["--referrers"]).await.fails(5);
    let sbom = signed.sbom.digest();
    let line = format!("  SBOM of linux/amd64 {sbom}: layer {layer} is gone\n");
    assert!(ran.stderr.contains(&line), "{}", ran.stderr);
    // A list that says something else than the referrer is.
    let mut entry = signed.signature.descriptor();
    entry["size"] = json!(7);
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let (tag, bytes) = (list_tag(&index().digest()), list.to_string());
    signed.scene.client.put_manifest(APP, &tag, OCI_INDEX, bytes.as_bytes()).await;
    let ran = signed.check(&["--referrers"]).await.fails(5);
    let line = format!("  {BUNDLE} of the index {}: it has ", signed.signature.digest());
    assert!(ran.stderr.contains(&line), "{}", ran.stderr);
}

#[tokio::test]
async fn by_the_api_and_by_cosigns_tags() {
    let signed = signed().await;
    let (scene, amd64) = (&signed.scene, index().images()[0].digest());
    // The API lists one that is not there.
    let digest = sha256(b"gone");
    let entry =
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 7, "artifactType": SPDX});
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let listed = Fault::Status(200).header("Content-Type", OCI_INDEX).body(list.to_string());
    scene.proxy.rule(Rule::on("GET", &format!("/v2/{APP}/referrers/{amd64}")).then(listed));
    let ran = signed.check(&["--referrers"]).await.fails(5);
    assert!(
        ran.stderr.contains(&format!("  SBOM of linux/amd64 {digest} is gone\n")),
        "{}",
        ran.stderr
    );
    // A tag that is listed and holds nothing, as a deletion by digest may leave it.
    let tag = format!("{}.sig", list_tag(&index().images()[1].digest()));
    Artifact::tagged(COSIGN, "x").push(&scene.client, APP, &tag).await;
    let place = format!("/v2/{APP}/manifests/{tag}");
    scene.proxy.rule(Rule::on("GET", &place).then(Fault::Status(404)));
    let ran = signed.check(&["--referrers"]).await.fails(5);
    let line = format!("  cosign signature of linux/arm64 {tag} is gone\n");
    assert!(ran.stderr.contains(&line), "{}", ran.stderr);
}

#[tokio::test]
async fn what_nobody_knows_is_no_fault_of_the_index() {
    for (path, status, exit) in
        [("*/referrers/*", 500, 7), ("manifest", 403, 6), ("manifest", 500, 7)]
    {
        let signed = signed().await;
        let path = match path {
            "manifest" => format!("/v2/{APP}/manifests/{}", signed.sbom.digest()),
            path => path.to_owned(),
        };
        signed.scene.proxy.rule(Rule::on("GET", &path).then(Fault::Status(status)));
        let ran = signed.check(&["--referrers"]).await.fails(exit);
        assert!(ran.stdout.ends_with("  not checked\n"), "{path} {status}: {}", ran.stdout);
    }
}
