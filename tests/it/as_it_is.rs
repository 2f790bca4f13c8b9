//! `prefer-index: false`: one image as it is, byte for byte, in place of an index of it.

use crate::support::client::{OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::running::Ran;
use crate::support::scene::{BOTH, REPO, Scene, amd64, arm64};
use crate::support::step::Step;
use serde_json::{Value, json};

/// The step that publishes this source at these tags, as it is.
fn step(scene: &Scene, tags: &[&str], source: &str) -> Step {
    let step = scene.step_of(&[source]).input("tags", &scene.references(tags));
    step.input("prefer-index", "false").input("json-file", "report.json")
}

pub fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.file("report.json").expect("a report")).expect("JSON")
}

/// What was written, in order: what was done, and the tag or digest.
pub fn writes(ran: &Ran) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let report = report(ran);
    let writes = report["writes"].as_array().expect("writes").iter();
    writes
        .map(|write| {
            let place = text(&write["where"]);
            let name = place.rsplit_once(['@']).or(place.rsplit_once(':')).map_or("", |(_, n)| n);
            format!("{} {name}", text(&write["action"]))
        })
        .collect()
}

#[tokio::test]
async fn one_image_keeps_its_bytes_and_its_digest() {
    for image in [Image::oci("linux/arm64/v8"), Image::docker("linux/arm/v6")] {
        let scene = Scene::empty().await;
        let digest = scene.push(&image, "built").await;
        let ran = step(&scene, &["1.2", "latest"], "built").run().await.ok();
        for tag in ["1.2", "latest"] {
            let found = scene.at(tag).await;
            assert_eq!((found.bytes, &*found.media_type), (image.manifest(), image.media_type()));
        }
        assert_eq!(writes(&ran), ["move-tag 1.2", "move-tag latest"]);
        let platform = if image.is_docker() { "linux/arm/v6" } else { "linux/arm64" };
        let manifest: Value = serde_json::from_slice(&image.manifest()).unwrap();
        for (output, value) in [
            ("digest", digest.clone()),
            ("media-type", image.media_type().to_owned()),
            ("size", image.manifest().len().to_string()),
            ("image", format!("{}@{digest}", scene.full_name(REPO))),
            ("platforms", platform.to_owned()),
            ("digests", json!({platform: digest}).to_string()),
            ("manifest", manifest.to_string()),
            ("changed", "true".to_owned()),
        ] {
            assert_eq!(ran.output(output), Some(value), "{output}");
        }
        let (report, summary) = (report(&ran), ran.summary());
        assert_eq!((&report["digest"], &report["manifest"]), (&json!(digest), &manifest));
        let kind = if image.is_docker() { "Docker" } else { "OCI" };
        let composed = format!("compose  {kind} image manifest for {platform} as it is");
        assert!(ran.stdout.contains(&composed), "{}", ran.stdout);
        assert!(summary.contains(&format!("1 platform, {kind} image manifest")), "{summary}");
        for text in [&ran.stdout, &summary] {
            assert!(!text.contains("index"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_second_run_writes_nothing_and_without_the_input_it_is_an_index() {
    let scene = Scene::with_amd64().await;
    let changed = async |step: Step| step.run().await.ok().output("changed").unwrap();
    assert_eq!(changed(step(&scene, &["1"], "amd64")).await, "true");
    let before = scene.proxy.requests();
    assert_eq!(changed(step(&scene, &["1"], "amd64")).await, "false");
    let log = scene.proxy.log();
    assert!(log[before..].iter().all(|entry| !entry.writes()), "{}", scene.proxy.log_text());
    for value in ["true", ""] {
        changed(step(&scene, &["1"], "amd64").input("prefer-index", value)).await;
        assert_eq!(scene.at("1").await.media_type, OCI_INDEX, "{value:?}");
    }
}

#[tokio::test]
async fn of_more_than_one_source_it_means_nothing() {
    let scene = Scene::with_both().await;
    let ran = scene.step_of(&BOTH).input("prefer-index", "false").run().await.ok();
    assert_eq!(scene.entries("1").await.len(), 2);
    // Also where only one of them has come, and with what needs an index.
    let step = scene.step_of(&["amd64", "never"]).input("prefer-index", "false");
    let step = step.input("missing", "skip").input("annotations", "a=b");
    let alone = step.run().await.ok();
    assert_eq!(scene.entries("1").await.len(), 1);
    assert_ne!(alone.output("digest"), ran.output("digest"));
}

#[tokio::test]
async fn an_index_stays_an_index_and_a_platform_in_front_picks_an_image() {
    let scene = Scene::empty().await;
    let plain = BuiltIndex::new(vec![amd64(), arm64()]);
    plain.push(&scene.client, REPO, "plain").await;
    let alone = BuiltIndex::new(vec![arm64()]).attestations(true);
    alone.push(&scene.client, REPO, "alone").await;
    for (source, extra, digest) in [
        ("plain", None, plain.digest()),
        ("alone", None, alone.digest()),
        ("linux/arm64=plain", None, arm64().digest()),
        // With its attestations it is more than an image.
        ("linux/arm64=alone", None, alone.digest()),
        ("linux/arm64=alone", Some(("attestations", "drop")), arm64().digest()),
    ] {
        let mut step = step(&scene, &["1"], source);
        if let Some((name, value)) = extra {
            step = step.input(name, value);
        }
        let ran = step.run().await.ok();
        let found = scene.at("1").await;
        assert_eq!(
            (ran.output("digest"), found.digest),
            (Some(digest.clone()), digest),
            "{source}"
        );
    }
}

#[tokio::test]
async fn it_is_brought_into_other_repositories_and_registries() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let image = amd64().layer_size(50_000);
    let digest = from.push(&image, "built").await;
    BuiltIndex::new(vec![image.clone(), arm64()]).push(&from.client, REPO, "both").await;
    for (at, source) in ["built", "linux/amd64=both"].into_iter().enumerate() {
        let names = ["acme/mirror:1", "acme/mirror:latest"];
        let names = names.map(|name| name.replace("mirror", &format!("mirror{at}")));
        let tags = [from.full_name(&names[0]), to.full_name(&names[0]), to.full_name(&names[1])];
        let ran = step(&from, &[], source).input("tags", &tags.join("\n")).run().await.ok();
        let repository = names[0].trim_end_matches(":1");
        for (scene, tag) in [(&from, "1"), (&to, "1"), (&to, "latest")] {
            let found = scene.client.get_manifest(repository, tag).await.expect("a tag");
            assert_eq!((found.bytes, &found.digest), (image.manifest(), &digest), "{tag}");
            assert!(scene.client.holds(repository, &image).await);
        }
        let deeds = writes(&ran);
        let first = deeds.iter().position(|deed| deed.starts_with("move-tag")).unwrap();
        assert!(deeds[first..].iter().all(|deed| deed.starts_with("move-tag")), "{deeds:?}");
        assert_eq!(deeds.last().map(String::as_str), Some("move-tag latest"));
        assert!(!deeds.iter().any(|deed| deed.starts_with("push-index")), "{deeds:?}");
    }
}

#[tokio::test]
async fn what_needs_an_index_is_refused_before_any_request() {
    let scene = Scene::with_amd64().await;
    let told = |name: &str| {
        format!(
            "false publishes a single image as it is, without an index for {name}: leave out one of them"
        )
    };
    let all = step(&scene, &["1"], "amd64").input("annotations", "a=b");
    let ran = all.input("append", "true").input("format", "oci").run().await.fails(2);
    for name in ["annotations", "append", "format"] {
        assert!(ran.stdout.contains(&format!("prefer-index: {}", told(name))), "{}", ran.stdout);
    }
    let arguments = ["create", "--prefer-index=false", "--format", "docker"];
    let ran = Step::new().args(arguments).args([scene.reference("1"), scene.reference("amd64")]);
    let said = ran.run().await.fails(2).stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(&format!("--prefer-index: {}", told("--format"))), "{said}");
    let lists = format!(
        "indexes:\n  - tags: {}\n    sources: {}\n    prefer-index: no\n    annotations:\n      a: b\n",
        scene.reference("1"),
        scene.reference("amd64")
    );
    let ran = Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml");
    let ran = ran.run().await.fails(2);
    assert!(ran.stdout.contains("lists.yaml, line 4, column 19: index 1"), "{}", ran.stdout);
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn it_is_checked_as_any_image() {
    let scene = Scene::with_amd64().await;
    let taken = scene.push(&arm64(), "1").await;
    let refused = [
        ("platforms", "linux/arm64", 5),
        ("overwrite", "false", 5),
        ("expect-labels", "commit=new", 3),
    ];
    for (input, value, exit) in refused {
        step(&scene, &["1"], "amd64").input(input, value).run().await.fails(exit);
        assert_eq!(scene.digest("1").await.as_ref(), Some(&taken), "{input}");
    }
    let dry = step(&scene, &["1", "2"], "amd64").input("dry-run", "true").run().await.ok();
    let expected = (Some(amd64().digest()), Some("true".to_owned()));
    assert_eq!((dry.output("digest"), dry.output("changed")), expected);
    assert_eq!((scene.digest("1").await, scene.digest("2").await), (Some(taken), None));
    step(&scene, &["1"], "amd64").input("platforms", "linux/amd64").run().await.ok();
    assert_eq!(scene.at("1").await.digest, sha256(&amd64().manifest()));
}

/// A wrong variant is not left out, since nothing is written anew.
#[tokio::test]
async fn a_variant_of_another_architecture_is_told() {
    let scene = Scene::empty().await;
    let digest = scene.push(&Image::oci("linux/amd64/v8"), "built").await;
    let ran = step(&scene, &["1"], "built").run().await.ok();
    let warning = "which only ARM has, so no client takes it; build it again for linux/amd64";
    assert!(ran.stdout.contains(warning), "{}", ran.stdout);
    assert_eq!(ran.output("digest"), Some(digest));
}

#[tokio::test]
async fn on_the_command_line_and_in_a_file() {
    let scene = Scene::with_amd64().await;
    let digest = amd64().digest();
    let arguments = ["create", "--prefer-index=false"].map(str::to_owned);
    let step = Step::new().args(arguments).args([scene.reference("1"), scene.reference("amd64")]);
    let printed = format!("{}@{digest}\n", scene.reference("1"));
    assert_eq!(step.run().await.ok().stdout, printed);
    let lists = format!(
        "indexes:\n  - tags: {}\n    sources: {source}\n  - tags: {}\n    sources: {source}\n    prefer-index: true\n",
        scene.reference("2"),
        scene.reference("3"),
        source = scene.reference("amd64"),
    );
    let step = Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml");
    step.input("prefer-index", "off").input("wait", "0").run().await.ok();
    assert_eq!(scene.at("2").await.digest, digest);
    assert_eq!(scene.at("3").await.media_type, OCI_INDEX);
}
