//! `inspect --referrers`: what refers to a reference, and to all that it names.

use super::{APP, about};
use crate::support::artifacts::{Artifact, BUNDLE, COSIGN, SPDX, attach, list_tag};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::Scene;
use crate::support::step::Step;
use serde_json::{Value, json};
use std::time::Duration;

const NOTARY: &str = "application/vnd.cncf.notary.signature";

/// Two images with an attestation each, at `acme/app:1`.
fn index() -> BuiltIndex {
    BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64")]).attestations(true)
}

async fn published() -> Scene {
    let scene = Scene::empty().await;
    index().push(&scene.client, APP, "1").await;
    scene
}

async fn inspect(scene: &Scene, more: &[&str]) -> Ran {
    let name = scene.full_name(&format!("{APP}:1"));
    Step::new().args(["inspect", &name, "--referrers"]).args(more.iter().copied()).run().await
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// The block of referrers in what it printed.
fn block(ran: &Ran) -> &str {
    let at = ran.stdout.find(" referrers\n").or_else(|| ran.stdout.find(" referrer\n"));
    let at = at.unwrap_or_else(|| panic!("no referrers: {}", ran.everything()));
    let start = ran.stdout[..at].rfind('\n').expect("a line before");
    &ran.stdout[start + 1..]
}

/// As cosign 2 signs: a layer for each signature.
async fn sign(scene: &Scene, image: &Image) -> (String, Vec<u8>) {
    let payload = Artifact::tagged(COSIGN, "payload");
    payload.push(&scene.client, APP, "").await;
    let mut manifest: Value = serde_json::from_slice(&payload.manifest()).unwrap();
    let layer = manifest["layers"][0].clone();
    let signed = |annotations: Value| {
        let mut layer = layer.clone();
        layer["annotations"] = annotations;
        layer
    };
    manifest["layers"] = json!([
        signed(json!({"dev.cosignproject.cosign/signature": "MEUC"})),
        signed(json!({
            "dev.cosignproject.cosign/signature": "MEQC",
            "dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----",
        })),
    ]);
    manifest.as_object_mut().unwrap().remove("artifactType");
    let bytes = manifest.to_string().into_bytes();
    let tag = format!("{}.sig", list_tag(&image.digest()));
    scene.client.put_manifest(APP, &tag, OCI_MANIFEST, &bytes).await;
    (tag, bytes)
}

#[tokio::test]
async fn of_the_index_its_images_and_attestations_by_every_way_there_is() {
    let scene = published().await;
    let amd64 = index().images()[0].clone();
    let whole = Artifact::about(BUNDLE, OCI_INDEX, &index().bytes());
    let sbom = about(SPDX, &amd64);
    let of_sbom = Artifact::about(NOTARY, OCI_MANIFEST, &sbom.manifest());
    let attestation = index().attestation_digests()[1].clone();
    let attested = scene.client.get_manifest(APP, &attestation).await.unwrap();
    let of_attestation = Artifact::about(BUNDLE, OCI_MANIFEST, &attested.bytes);
    for (subject, artifact) in [
        (index().digest(), &whole),
        (amd64.digest(), &sbom),
        (sbom.digest(), &of_sbom),
        (attestation, &of_attestation),
    ] {
        attach(&scene.client, APP, &subject, &[artifact]).await;
    }
    let (tag, signature) = sign(&scene, &amd64).await;
    let ran = inspect(&scene, &[]).await.ok();
    let size = |artifact: &Artifact| artifact.manifest().len();
    let expected = format!(
        "5 referrers

of the index
  {BUNDLE}, {} bytes
    {}

of linux/amd64
  SBOM, {SPDX}, {} bytes
    {}
    signature, {NOTARY}, {} bytes
      {}
  cosign signature, {} bytes
    {tag}
    {}
    signed with a certificate, a key (unverified)

of attestation of linux/arm64
  {BUNDLE}, {} bytes
    {}
",
        size(&whole),
        whole.digest(),
        size(&sbom),
        sbom.digest(),
        size(&of_sbom),
        of_sbom.digest(),
        signature.len(),
        crate::support::client::sha256(&signature),
        size(&of_attestation),
        of_attestation.digest(),
    );
    assert_eq!(block(&ran), expected);
    let all = document(&inspect(&scene, &["--json"]).await.ok());
    let all = all["referrers"].as_array().unwrap();
    let of: Vec<&str> = all.iter().map(|one| one["of"].as_str().unwrap()).collect();
    let images = ["the index", "linux/amd64", "what refers to linux/amd64", "linux/amd64"];
    assert_eq!(of, [&images[..], &["attestation of linux/arm64"]].concat());
    assert_eq!((&all[1]["kind"], &all[1]["artifactType"]), (&json!("SBOM"), &json!(SPDX)));
    assert_eq!(all[2]["subject"], json!(sbom.digest()));
    assert_eq!((&all[3]["tag"], &all[3]["kind"]), (&json!(tag), &json!("cosign signature")));
    let with: Vec<&Value> =
        all[3]["signedWith"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(with, [&json!("key"), &json!("certificate")]);
}

/// The list of the API tells all: no referrer is read.
#[tokio::test]
async fn with_the_api_one_request_a_manifest_side_by_side() {
    let scene = published().await.with_distance(Duration::from_millis(150));
    let digest = index().digest();
    let entry = json!({
        "mediaType": OCI_MANIFEST, "digest": digest, "size": 7, "artifactType": BUNDLE,
        "annotations": {
            "dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1",
            "dev.sigstore.bundle.content": "dsse-envelope",
            "org.opencontainers.image.created": "2026-05-01T12:00:00Z",
            "io.cncf.notary.x509chain.thumbprint#S256": format!("[\"{}\"]", "ab".repeat(32)),
        },
    });
    let list = |manifests: Value| {
        let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
        Fault::Status(200).header("Content-Type", OCI_INDEX).body(list.to_string())
    };
    let of_image = format!("/v2/{APP}/referrers/{}", index().images()[0].digest());
    scene.proxy.rule(Rule::on("GET", &format!("/v2/{APP}/referrers/*")).then(list(json!([]))));
    scene.proxy.rule(Rule::on("GET", &of_image).then(list(json!([entry]))));
    let plain = document(&inspect(&scene, &["--json"]).await.ok());
    let first = &plain["referrers"][0];
    assert_eq!(plain["referrers"].as_array().map(Vec::len), Some(1), "{plain:#}");
    assert_eq!(
        (&first["kind"], &first["created"]),
        (&json!("provenance"), &json!("2026-05-01T12:00:00Z"))
    );
    assert_eq!(first["signedWith"], json!([{"kind": "certificate", "sha256": "ab".repeat(32)}]));
    let (asked, listings) =
        (scene.proxy.count("GET", "*/referrers/*"), scene.proxy.count("GET", "*/tags/list"));
    // The index, two images and two attestations; the referrer is one of them here.
    assert_eq!((asked, listings), (5, 1), "{}", scene.proxy.log_text());
    assert_eq!(scene.proxy.max_in_flight(), 5 + 1, "{}", scene.proxy.log_text());
    assert_eq!(scene.proxy.count("GET", &format!("/v2/{APP}/manifests/sha256-*")), 0);
    assert_eq!(scene.proxy.count("HEAD", "*"), 0, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn of_an_image_and_of_an_entry_that_was_picked() {
    let scene = published().await;
    let amd64 = index().images()[0].clone();
    let whole = Artifact::about(BUNDLE, OCI_INDEX, &index().bytes());
    attach(&scene.client, APP, &index().digest(), &[&whole]).await;
    attach(&scene.client, APP, &amd64.digest(), &[&about(SPDX, &amd64)]).await;
    let picked = document(&inspect(&scene, &["--platform=linux/amd64", "--json"]).await.ok());
    let of = |document: &Value| -> Vec<Value> {
        document["referrers"].as_array().unwrap().iter().map(|one| one["of"].clone()).collect()
    };
    assert_eq!(of(&picked), [json!("the image"), json!("its index")]);
    let other = inspect(&scene, &["--platform=linux/arm64"]).await.ok();
    assert!(block(&other).starts_with("1 referrer\n\nof its index\n  "), "{}", other.stdout);
    let name = format!("{}@{}", scene.full_name(APP), index().images()[1].digest());
    let ran = Step::new().args(["inspect", &name, "--referrers"]).run().await.ok();
    assert!(ran.stdout.ends_with("\n\nno referrers\n"), "{}", ran.stdout);
    let ran = Step::new().args(["inspect", &name, "--json"]).run().await.ok();
    assert_eq!(document(&ran)["referrers"], json!(null), "not asked for");
    inspect(&scene, &["--raw"]).await.fails(2);
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    // A denial may hide something.
    let scene = published().await;
    let amd64 = index().images()[0].clone();
    attach(&scene.client, APP, &amd64.digest(), &[&about(SPDX, &amd64)]).await;
    scene.proxy.rule(Rule::on("GET", "*/referrers/*").then(Fault::Status(403)));
    let ran = inspect(&scene, &[]).await.ok();
    assert!(ran.stderr.contains("the registry denies its list of referrers"), "{}", ran.stderr);
    assert!(ran.stdout.contains(SPDX), "{}", ran.stdout);
    // A tag that goes meanwhile.
    let scene = published().await;
    let (tag, _) = sign(&scene, &amd64).await;
    let gone = Rule::on("GET", &format!("/v2/{APP}/manifests/{tag}")).then(Fault::Status(404));
    scene.proxy.rule(gone);
    let ran = inspect(&scene, &[]).await.ok();
    let line = format!("  cosign signature, not read: not in the registry\n    {tag}\n");
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    // Trouble ends it.
    let scene = published().await;
    scene.proxy.rule(Rule::on("GET", "*/referrers/*").then(Fault::Status(500)));
    let ran = inspect(&scene, &[]).await.fails(7);
    assert!(ran.stderr.contains("cannot list what refers to"), "{}", ran.stderr);
    assert!(
        !ran.stderr.contains("`referrers: leave`") && !ran.stderr.contains("--referrers leave")
    );
}

#[tokio::test]
async fn what_refers_in_a_circle_or_without_end_is_bounded() {
    let scene = published().await;
    let amd64 = index().images()[0].clone();
    let entry = |digest: &str| json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 7});
    let list = |manifests: Value| {
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).to_string()
    };
    // A list that names what it is about, and others.
    let (subject, other) = (amd64.digest(), index().images()[1].digest());
    let circle = list(json!([entry(&subject), entry(&other)]));
    let list_of = |digest: &str| format!("/v2/{APP}/referrers/{digest}");
    let answer = |body: String| Fault::Status(200).header("Content-Type", OCI_INDEX).body(body);
    scene.proxy.rule(Rule::on("GET", &list_of(&subject)).then(answer(circle)));
    let ran = inspect(&scene, &[]).await.ok();
    assert!(ran.stdout.contains("\n2 referrers\n"), "{}", ran.stdout);
    // More than anybody reads.
    let scene = published().await;
    let many: Vec<Value> = (0..257)
        .map(|n| entry(&crate::support::client::sha256(format!("{n}").as_bytes())))
        .collect();
    scene.proxy.rule(Rule::on("GET", &list_of(&subject)).then(answer(list(json!(many)))));
    let ran = inspect(&scene, &[]).await.fails(5);
    assert!(ran.stderr.contains("more than 256"), "{}", ran.stderr);
}

#[tokio::test]
async fn no_escape_of_a_referrer_reaches_the_terminal() {
    let scene = published().await;
    let amd64 = index().images()[0].clone();
    let odd = about("x\u{1b}]0;owned\u{7}\n::error::x", &amd64);
    attach(&scene.client, APP, &amd64.digest(), &[&odd]).await;
    for more in [&[][..], &["--json"]] {
        let ran = inspect(&scene, more).await.ok();
        assert!(ran.stdout.contains("owned"), "{}", ran.stdout);
        let is_unsafe = |c: char| c.is_control() && c != '\n';
        assert!(!ran.stdout.contains(is_unsafe) && !ran.stdout.contains("\n::error"), "{more:?}");
    }
}
