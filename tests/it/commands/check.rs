//! `check`: whether what was published is still whole.

use super::{Stocked, built, classic, log};
use crate::support::client::{Client, OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};
use crate::support::step::Step;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const BUILT: &str = "{}/acme/app:built";

impl Stocked {
    /// Deletes a blob from the repository.
    async fn delete_blob(&self, digest: &str) {
        let target = format!("/v2/acme/app/blobs/{digest}");
        assert_eq!(self.client.request("DELETE", &target, &[], &[]).await.status, 202, "{digest}");
    }

    /// Where the registry keeps the bytes of this digest.
    fn stored(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.registry.storage().join("docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

/// What it printed in JSON, its only reference's problems: kind, entry, part, digest.
fn problems(ran: &Ran) -> Vec<(String, String, String, String)> {
    let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let problems = document["references"][0]["problems"].as_array().expect("problems").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    problems
        .iter()
        .map(|p| (text(&p["kind"]), text(&p["entry"]), text(&p["part"]), text(&p["digest"])))
        .collect()
}

/// Of its config and its layer.
fn bytes_of(image: &Image) -> usize {
    image.config().len() + image.layer_blob().len()
}

#[tokio::test]
async fn what_is_whole_is_a_line_each() {
    let stocked = Stocked::start().await;
    let ran = stocked.run(&["check", "{}/acme/app:classic", BUILT, "{}/acme/app:image"]).await.ok();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let image = built().images()[0].clone();
    let bytes: usize = classic().images().iter().map(bytes_of).sum();
    assert_eq!(lines.len(), 3, "{}", ran.stdout);
    assert!(
        lines[0].starts_with(&format!(
            "{{}}/acme/app:classic@{}  whole: 3 platforms, 6 blobs, {}.",
            classic().digest(),
            bytes / 1000
        )),
        "{}",
        ran.stdout
    );
    // Three images and three attestations, whose configs and layers differ.
    let start = format!("{BUILT}@{}  whole: 3 platforms, 12 blobs, ", built().digest());
    assert!(lines[1].starts_with(&start), "{}", ran.stdout);
    let start = format!("{{}}/acme/app:image@{}  whole: 2 blobs, ", image.digest());
    assert!(lines[2].starts_with(&start), "{}", ran.stdout);
    assert!(
        log(&ran).contains(&format!("check    {BUILT} {}\n", built().digest())),
        "{}",
        ran.stderr
    );
    let ran = stocked.run(&["check", "--quiet", "--json", BUILT]).await.ok();
    assert_eq!(ran.stderr, "");
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let reference = &document["references"][0];
    assert_eq!((&document["exit"], &document["whole"]), (&json!(0), &json!(true)));
    assert_eq!(reference["image"], json!(format!("{BUILT}@{}", built().digest())));
    assert_eq!(reference["platforms"], json!(["linux/amd64", "linux/arm64", "linux/arm/v7"]));
    assert_eq!((&reference["problems"], &reference["error"]), (&json!([]), &json!(null)));
}

#[tokio::test]
async fn every_part_that_is_gone_is_named() {
    let arm64 = built().images()[1].clone();
    let attestation = &built().attestation_digests()[0];
    let name = format!("linux/arm64 {}", arm64.digest());
    for (part, digest, line) in [
        ("config", arm64.blobs()[0].clone(), format!("{name}: config {}", arm64.blobs()[0])),
        ("layer", arm64.blobs()[1].clone(), format!("{name}: layer {}", arm64.blobs()[1])),
        ("manifest", arm64.digest(), name.clone()),
        ("manifest", attestation.clone(), format!("attestation of linux/amd64 {attestation}")),
    ] {
        let stocked = Stocked::start().await;
        if part == "manifest" {
            stocked.client.delete_manifest("acme/app", &digest).await;
        } else {
            stocked.delete_blob(&digest).await;
        }
        let ran = stocked.run(&["check", BUILT, "{}/acme/app:image"]).await.fails(5);
        let told = format!("error: {BUILT} is not whole\n  {line} is gone\n  fix:   clean-up jobs");
        assert!(ran.stderr.contains(&told), "{told}\n{}", ran.stderr);
        let index = format!("{BUILT}@{}  not whole: 1 problem\n", built().digest());
        assert!(ran.stdout.starts_with(&index), "{}", ran.stdout);
        assert!(ran.stdout.contains("/acme/app:image@") && ran.stdout.contains("  whole: 2 blobs"));
        let ran = stocked.run(&["check", BUILT, "--json"]).await.fails(5);
        let entry = line.split(" sha256:").next().unwrap().to_owned();
        assert_eq!(problems(&ran), [("gone".into(), entry, part.into(), digest)]);
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_in_one_run() {
    let stocked = Stocked::start().await;
    let images = built();
    stocked.client.delete_manifest("acme/app", &images.images()[1].digest()).await;
    stocked.client.delete_manifest("acme/app", &images.attestation_digests()[1]).await;
    for blob in images.images()[2].blobs() {
        stocked.delete_blob(&blob).await;
    }
    let ran = stocked.run(&["check", BUILT]).await.fails(5);
    assert_eq!(ran.stderr.matches(" is gone\n").count(), 4, "{}", ran.stderr);
    assert!(ran.stdout.ends_with("  not whole: 4 problems\n"), "{}", ran.stdout);
}

/// And both images are named when it is gone.
#[tokio::test]
async fn a_blob_that_two_images_need_is_looked_up_once() {
    let scene = Scene::empty().await;
    let shared = b"shared by both".to_vec();
    let images = ["linux/amd64", "linux/arm64"].map(|p| Image::oci(p).more_layer(shared.clone()));
    BuiltIndex::new(images.to_vec()).push(&scene.client, REPO, "1").await;
    let one = scene.reference("1");
    let ran = Step::new().args(["check", &one]).run().await.ok();
    assert!(ran.stdout.contains("whole: 2 platforms, 5 blobs, "), "{}", ran.stdout);
    assert_eq!(scene.proxy.count("HEAD", "*/blobs/*"), 5, "{}", scene.proxy.log_text());
    let target = format!("/v2/{REPO}/blobs/{}", sha256(&shared));
    scene.client.request("DELETE", &target, &[], &[]).await;
    let ran = Step::new().args(["check", &one]).run().await.fails(5);
    for platform in ["linux/amd64", "linux/arm64"] {
        assert!(ran.stderr.contains(&format!("  {platform} sha256:")), "{}", ran.stderr);
    }
    scene.proxy.finish();
}

#[tokio::test]
async fn sizes_are_those_that_are_stated() {
    let stocked = Stocked::start().await;
    let arm64 = built().images()[1].clone();
    // A layer that is cut off.
    let layer = &arm64.blobs()[1];
    let stored = stocked.stored(layer);
    let whole = fs::read(&stored).unwrap();
    fs::write(&stored, &whole[..whole.len() - 1]).unwrap();
    let ran = stocked.run(&["check", BUILT]).await.fails(5);
    let line = format!(
        "linux/arm64 {}: layer {layer} has {} bytes, but the manifest says {}\n  fix:   build and publish",
        arm64.digest(),
        whole.len() - 1,
        whole.len()
    );
    assert!(ran.stderr.contains(&line), "{line}\n{}", ran.stderr);
    let ran = stocked.run(&["check", BUILT, "--json"]).await.fails(5);
    let (kind, .., digest) = problems(&ran).remove(0);
    assert_eq!((kind.as_str(), &digest), ("altered", layer));
    // An entry whose manifest has another size.
    fs::write(&stored, &whole).unwrap();
    let mut index: Value = serde_json::from_slice(&built().bytes()).unwrap();
    index["manifests"][1]["size"] = json!(7);
    let bytes = serde_json::to_vec(&index).unwrap();
    stocked.client.put_manifest("acme/app", "wrong", OCI_INDEX, &bytes).await;
    let ran = stocked.run(&["check", "{}/acme/app:wrong"]).await.fails(5);
    let size = arm64.manifest().len();
    let line =
        format!("linux/arm64 {}: it has {size} bytes, but the index says 7\n", arm64.digest());
    assert!(ran.stderr.contains(&line), "{line}\n{}", ran.stderr);
}

/// As a broken disk or a proxy leaves it: the bytes are not those of the digest.
#[tokio::test]
async fn a_manifest_with_other_bytes_is_not_whole() {
    let scene = Scene::empty().await;
    built().push(&scene.client, REPO, "built").await;
    let arm64 = built().images()[1].digest();
    let spoil = Fault::alter(|body| String::from_utf8(body).unwrap().replace("tar", "TAR").into());
    scene.proxy.rule(Rule::on("GET", &format!("*/manifests/{arm64}")).then(spoil));
    let ran = Step::new().args(["check", &scene.reference("built")]).run().await.fails(5);
    assert!(ran.stderr.contains(&format!("  linux/arm64 {arm64}: ")), "{}", ran.stderr);
    assert!(ran.stderr.contains("  fix:   build and publish it again"), "{}", ran.stderr);
    scene.proxy.finish();
}

#[tokio::test]
async fn what_no_registry_says_is_not_judged() {
    let scene = Scene::empty().await;
    let foreign = Image::docker("windows(10.0.20348.2700)/amd64").foreign_layer(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "https://layers.example/1",
        b"elsewhere",
    );
    foreign.push(&scene.client, REPO, "1").await;
    let silent = Rule::on("HEAD", "*/blobs/*").then(Fault::DropHeader("Content-Length"));
    scene.proxy.rule(silent);
    let ran = Step::new().args(["check", &scene.reference("1")]).run().await.ok();
    assert!(ran.stdout.contains("whole: 2 blobs, "), "{}", ran.stdout);
    scene.proxy.finish();
}

#[tokio::test]
async fn platforms_are_exact() {
    let stocked = Stocked::start().await;
    let all = "linux/amd64,linux/arm64/v8,linux/arm/v7";
    stocked.run(&["check", BUILT, "--platforms", all]).await.ok();
    let image = ["check", "{}/acme/app:image", "--platforms"];
    stocked.run(&[&image[..], &["linux/amd64"]].concat()).await.ok();
    let ran = stocked.run(&[&image[..], &["linux/s390x"]].concat()).await.fails(5);
    let lines = "  missing:    linux/s390x\n  unexpected: linux/amd64\n  fix:   publish it again with these platforms, or correct --platforms\n";
    assert!(ran.stderr.contains(lines), "{}", ran.stderr);
    let ran = stocked
        .run(&["check", BUILT, "--json", "--platforms=linux/amd64", "--platforms=linux/s390x"])
        .await
        .fails(5);
    let found: Vec<(String, String)> =
        problems(&ran).into_iter().map(|(kind, entry, ..)| (kind, entry)).collect();
    let expected = [
        ("missing-platform", "linux/s390x"),
        ("unexpected-platform", "linux/arm64"),
        ("unexpected-platform", "linux/arm/v7"),
    ];
    assert_eq!(found, expected.map(|(kind, entry)| (kind.to_owned(), entry.to_owned())));
    // What tells the platform of a single image may be what is gone.
    stocked.delete_blob(&built().images()[0].blobs()[0]).await;
    let ran = stocked.run(&[&image[..], &["linux/amd64"]].concat()).await.fails(5);
    let gone = format!("  config {} is gone\n", built().images()[0].blobs()[0]);
    assert!(ran.stderr.contains(&gone), "{}", ran.stderr);
    let ran = stocked.run(&["check", BUILT, "Not A Ref", "--platforms", "linux"]).await.fails(2);
    assert!(ran.stderr.contains("2 problems with the arguments"), "{}", ran.stderr);
    for part in ["REF", "--platforms"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn nested_indexes_are_followed_as_deep_as_everywhere() {
    let stocked = Stocked::start().await;
    let wrap = async |tag: &str, inner: &[u8]| {
        let entry = json!({"mediaType": OCI_INDEX, "digest": sha256(inner), "size": inner.len()});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
        let bytes = serde_json::to_vec(&index).unwrap();
        stocked.client.put_manifest("acme/app", tag, OCI_INDEX, &bytes).await;
        bytes
    };
    let mut bytes = built().bytes();
    for depth in 1..=4 {
        bytes = wrap(&format!("deep{depth}"), &bytes).await;
    }
    let three = "{}/acme/app:deep3";
    let ran = stocked.run(&["check", three]).await.ok();
    assert!(ran.stdout.contains("  whole: 3 platforms, 12 blobs, "), "{}", ran.stdout);
    let ran = stocked.run(&["check", "{}/acme/app:deep4"]).await.fails(5);
    assert!(ran.stderr.contains("indexes inside indexes, more than 3 deep"), "{}", ran.stderr);
    let arm64 = built().images()[1].digest();
    stocked.client.delete_manifest("acme/app", &arm64).await;
    let ran = stocked.run(&["check", three]).await.fails(5);
    assert!(ran.stderr.contains(&format!("  linux/arm64 {arm64} is gone\n")), "{}", ran.stderr);
    stocked.client.delete_manifest("acme/app", &built().digest()).await;
    let ran = stocked.run(&["check", three]).await.fails(5);
    let line = format!("  no platform {} is gone\n", built().digest());
    assert!(ran.stderr.contains(&line), "{}", ran.stderr);
}

#[tokio::test]
async fn what_is_not_there_or_denied_is_no_fault_of_the_index() {
    let stocked = Stocked::start().await;
    let ran = stocked.run(&["check", "{}/acme/app:nowhere", BUILT]).await.fails(7);
    assert!(ran.stdout.starts_with("{}/acme/app:nowhere  not found\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  whole: 3 platforms, "), "{}", ran.stdout);
    assert!(ran.stderr.contains("error: cannot read {}/acme/app:nowhere: "), "{}", ran.stderr);
    let ran = stocked.run(&["check", "--json", "{}/acme/app:nowhere"]).await.fails(7);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["references"][0]["digest"], json!(null));
    assert!(document["references"][0]["error"]["where"].is_string(), "{document:#}");
    for (status, exit, state) in [(403, 6, "denied"), (500, 7, "500")] {
        let scene = Scene::empty().await;
        built().push(&scene.client, REPO, "built").await;
        let config = built().images()[1].blobs().remove(0);
        let rule = Rule::on("HEAD", &format!("*/blobs/{config}"));
        scene.proxy.rule(rule.then(Fault::Status(status)));
        let ran = Step::new().args(["check", &scene.reference("built")]).run().await.fails(exit);
        assert!(ran.stderr.contains(&config) && ran.stderr.contains(state), "{}", ran.stderr);
        assert!(ran.stdout.ends_with("acme/app:built  not checked\n"), "{}", ran.stdout);
        scene.proxy.finish();
    }
}

async fn with_spec(stocked: &Stocked, spec: &str, more: &[&str]) -> Ran {
    let host = stocked.registry.host();
    let step = Step::new().file("x.yaml", spec.replace("{}", &host));
    let mut ran = step.args([&["check", "--spec", "x.yaml"], more].concat()).run().await;
    ran.stdout = ran.stdout.replace(&host, "{}");
    ran.stderr = ran.stderr.replace(&host, "{}");
    ran
}

/// The file is that of the step which published; its sources may be gone since.
#[tokio::test]
async fn all_indexes_of_a_file_are_checked() {
    let stocked = Stocked::start().await;
    built().push(&stocked.client, "acme/app", "latest").await;
    built().push(&stocked.client, "acme/other", "built").await;
    let spec = "indexes:\n  - tags: '{}/acme/app:built, {}/acme/other:built, {}/acme/app:latest'\n    platforms: linux/amd64, linux/arm64, linux/arm/v7\n    digests: gone/*\n  - tags: '{}/acme/app:classic'\n    sources: '{}/acme/app:gone'\n";
    let ran = with_spec(&stocked, spec, &[]).await.ok();
    let lines: Vec<&str> = ran.stdout.lines().map(|l| l.split('@').next().unwrap()).collect();
    let expected = ["app:built", "app:latest", "other:built", "app:classic"];
    assert_eq!(lines, expected.map(|name| format!("{{}}/acme/{name}")));
    // Gone in one repository only.
    stocked.client.delete_manifest("acme/other", &built().images()[0].digest()).await;
    let ran = with_spec(&stocked, spec, &[]).await.fails(5);
    assert!(ran.stderr.contains("error: {}/acme/other:built is not whole\n"), "{}", ran.stderr);
    assert_eq!(ran.stdout.matches("  whole: ").count(), 3, "{}", ran.stdout);
    // Gone for two tags: told once.
    stocked.delete_blob(&built().images()[1].blobs()[1]).await;
    let ran = with_spec(&stocked, spec, &[]).await.fails(5);
    let told = "error: {}/acme/app:built, also 1 other tag is not whole\n";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(ran.stdout.matches("  not whole: 1 problem\n").count(), 3, "{}", ran.stdout);
}

#[tokio::test]
async fn tags_of_one_index_have_one_digest_and_are_there() {
    let stocked = Stocked::start().await;
    let spec =
        "indexes:\n  - tags: '{}/acme/app:built, {}/acme/app:classic, {}/acme/app:nowhere'\n";
    let ran = with_spec(&stocked, spec, &[]).await.fails(5);
    let line = format!(
        "error: {{}}/acme/app:classic is not whole\n  it points to {}, but {BUILT} to {}\n  fix:   publish it again under all its tags\n",
        classic().digest(),
        built().digest()
    );
    assert!(ran.stderr.contains(&line), "{line}\n{}", ran.stderr);
    assert!(ran.stderr.contains("error: cannot read {}/acme/app:nowhere: "), "{}", ran.stderr);
    let ran = with_spec(&stocked, spec, &["--json"]).await.fails(5);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["references"][1]["problems"][0]["kind"], json!("other-digest"));
    // The first that is there is what the others are held against.
    let spec = "indexes:\n  - tags: '{}/acme/app:nowhere, {}/acme/app:built'\n";
    let ran = with_spec(&stocked, spec, &[]).await.fails(5);
    assert!(ran.stdout.contains(&format!("{BUILT}@")) && ran.stdout.contains("  whole: "));
    let wrong =
        "indexes:\n  - tags: '{}/acme/app@sha256:x'\n  - platforms: linux\n    tags: a/b:1\n";
    let ran = with_spec(&stocked, wrong, &[]).await.fails(2);
    assert!(
        ran.stderr.contains("x.yaml, line 2") && ran.stderr.contains("x.yaml, line 3"),
        "{}",
        ran.stderr
    );
    let ran = stocked.run(&["check", BUILT, "--spec", "x.yaml"]).await.fails(2);
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    stocked.run(&["check"]).await.fails(2);
}

/// Connection set-up (2), the index, its entries, their blobs; and over HTTP/1.1 set-up again (2) of the
/// connections that are opened for the entries, and for the blobs if these need more.
#[tokio::test]
async fn it_costs_3_round_trips_and_one_for_each_16_entries_and_blobs() {
    for (count, attested, trips) in
        [(3, true, 3 + 1 + 1 + 4), (8, false, 3 + 1 + 1 + 4), (8, true, 3 + 1 + 2 + 2)]
    {
        let scene = Scene::empty().await.with_distance(Duration::from_millis(150));
        let platforms = crate::support::images::PLATFORMS;
        let images = platforms[..count].iter().map(|platform| Image::oci(platform)).collect();
        let index = BuiltIndex::new(images).attestations(attested);
        index.push(&scene.client, REPO, "1").await;
        Step::new().args(["check", &scene.reference("1")]).run().await.ok();
        let entries = if attested { 2 * count } else { count };
        let proxy = scene.proxy;
        let log = proxy.log_text();
        assert_eq!(proxy.round_trips(), trips, "{log}");
        assert_eq!(proxy.count("GET", "*/manifests/*"), 1 + entries, "{log}");
        assert_eq!(proxy.count("HEAD", "*/blobs/*"), 2 * entries, "{log}");
        assert_eq!(proxy.requests(), 1 + entries + 2 * entries, "{log}");
        proxy.finish();
    }
}

#[tokio::test]
async fn tags_of_one_digest_read_its_parts_once() {
    let scene = Scene::empty().await;
    for tag in ["1", "1.2", "latest"] {
        built().push(&scene.client, REPO, tag).await;
    }
    let tags = scene.references(&["1", "1.2", "latest"]);
    Step::new().args(["check"].into_iter().chain(tags.lines())).run().await.ok();
    let log = scene.proxy.log_text();
    assert_eq!(scene.proxy.count("GET", "*/manifests/*"), 3 + 6, "{log}");
    assert_eq!(scene.proxy.count("HEAD", "*/blobs/*"), 12, "{log}");
    let spec = format!("indexes:\n  - tags: '{}'\n", tags.replace('\n', ", "));
    let step = Step::new().file("x.yaml", spec).args(["check", "--spec", "x.yaml"]);
    step.run().await.ok();
    let log = scene.proxy.log_text();
    assert_eq!(scene.proxy.count("GET", "*/manifests/*"), 9 + 1 + 6, "{log}");
    assert_eq!(scene.proxy.count("HEAD", "*/manifests/*"), 2, "{log}");
    scene.proxy.finish();
}

/// What the contract allows, and what the debug build of the tests takes more.
#[tokio::test]
async fn an_index_of_200_layers_takes_little_memory() {
    let registry = Registry::in_memory().await;
    let client = Client::new(&registry.host());
    let mut image = Image::oci("linux/amd64");
    for layer in 0..199 {
        image = image.more_layer(format!("layer {layer}"));
    }
    BuiltIndex::new(vec![image]).push(&client, REPO, "1").await;
    let name = format!("{}/{REPO}:1", registry.host());
    let ran = Step::new().args(["check", &name]).run().await.ok();
    assert!(ran.stdout.contains("whole: 1 platform, 201 blobs, "), "{}", ran.stdout);
    assert!(ran.max_rss_kib < (32 + 8) << 10, "{} KiB", ran.max_rss_kib);
}

/// Each points to the image of its platform, or to an index with it; and is whole itself.
#[tokio::test]
async fn platform_tags_of_a_file_are_checked_too() {
    let stocked = Stocked::start().await;
    let classic = classic();
    let [_, old, _] = classic.images() else { panic!("three images") };
    let spec = "indexes:\n  - tags: '{}/acme/app:built'\n    platform-tags: '{}/acme/app:1-{arch}{variant}'\n";
    for (image, tag) in built().images().iter().zip(["1-amd64", "1-arm64", "1-armv7"]) {
        image.push(&stocked.client, "acme/app", tag).await;
    }
    let ran = with_spec(&stocked, spec, &[]).await.ok();
    let names = |ran: &Ran| -> Vec<String> {
        let name = |line: &str| line.split('@').next().unwrap().replace("{}/acme/app:", "");
        ran.stdout.lines().map(name).collect()
    };
    assert_eq!(names(&ran), ["built", "1-amd64", "1-arm64", "1-armv7"], "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("  whole: ").count(), 4, "{}", ran.stdout);
    // As a builder pushed it: an index of that platform alone.
    let arm64 = built().images()[1].clone();
    let alone = BuiltIndex::new(vec![arm64.clone()]).attestations(true);
    alone.push(&stocked.client, "acme/app", "1-arm64").await;
    with_spec(&stocked, spec, &[]).await.ok();
    // Another image, and a tag that is gone.
    old.push(&stocked.client, "acme/app", "1-arm64").await;
    let tags = "docker/registry/v2/repositories/acme/app/_manifests/tags";
    fs::remove_dir_all(stocked.registry.storage().join(tags).join("1-armv7")).unwrap();
    let ran = with_spec(&stocked, spec, &[]).await.fails(5);
    let line = format!(
        "error: {{}}/acme/app:1-arm64 is not whole\n  it points to {}, without the image of linux/arm64, {}\n  fix:   publish it again under all its tags\n",
        old.digest(),
        arm64.digest()
    );
    assert!(ran.stderr.contains(&line), "{line}\n{}", ran.stderr);
    assert!(ran.stderr.contains("error: cannot read {}/acme/app:1-armv7: "), "{}", ran.stderr);
    let ran = with_spec(&stocked, spec, &["--json"]).await.fails(5);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["references"][2]["problems"][0]["kind"], json!("other-digest"));
    // The platforms of a run that adds are not those of the index.
    let adds = spec.replace("platform-tags", "append: true\n    platform-tags");
    let ran = with_spec(&stocked, &adds, &[]).await.ok();
    assert_eq!(names(&ran), ["built"], "{}", ran.stdout);
    // The platforms may be given; what is wrong with a template is told before any request.
    let given = spec.replace(
        "    platform-tags",
        "    platforms: linux/amd64, linux/arm64, linux/arm/v7\n    platform-tags",
    );
    with_spec(&stocked, &given, &[]).await.fails(5);
    let wrong = spec.replace("1-{arch}", "1-{arch");
    with_spec(&stocked, &wrong, &[]).await.fails(2);
}
