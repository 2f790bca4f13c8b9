//! `inspect`: each kind of reference, and what others say about it.

use super::{Stocked, built, classic, fits_80_columns, log};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::{Image, pretty};
use crate::support::indexes::BuiltIndex;
use crate::support::proxy::FaultProxy;
use crate::support::scene::Scene;
use crate::support::skopeo;
use crate::support::step::Step;
use crate::support::token::TokenServer;
use serde_json::{Value, json};

fn download(image: &Image) -> usize {
    image.config().len() + image.layer_blob().len()
}

#[tokio::test]
async fn the_classic_list_reads_well() {
    let stocked = Stocked::start().await;
    let ran = stocked.run(&["inspect", "{}/acme/app:classic", "--sizes"]).await.ok();
    let list = classic();
    let [linux, old, new] = list.images() else { panic!("three images") };
    let expected = format!(
        "{{}}/acme/app:classic
{{}}/acme/app@{}
type     Docker manifest list
size     {} bytes

3 Docker image manifests

linux/amd64                              {} to download
  {}
  manifest    {} bytes
  created     2026-01-01T00:00:00Z

windows(10.0.17763.6293)/amd64           {} to download
  {}
  manifest    {} bytes
  created     2026-01-01T00:00:00Z

windows(10.0.20348.2700+win32k)/amd64    {} to download
  {}
  manifest    {} bytes
  created     2026-01-01T00:00:00Z
",
        list.digest(),
        list.bytes().len(),
        shown(linux),
        linux.digest(),
        linux.manifest().len(),
        shown(old),
        old.digest(),
        old.manifest().len(),
        shown(new),
        new.digest(),
        new.manifest().len(),
    );
    assert_eq!(without_age(&ran.stdout), expected);
    assert_eq!(log(&ran), "");
    // All that the index says, in one request.
    let ran = stocked.run(&["inspect", "{}/acme/app:classic"]).await.ok();
    let of_entries = |line: &&str| line.contains(" to download") || line.contains("  created  ");
    let told = expected.lines().filter(|line| !line.starts_with("  created"));
    let told: String = told
        .map(|line| match line.split_once("  ") {
            Some((title, note)) if of_entries(&note) => format!("{title}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(ran.stdout, told);
    fits_80_columns(&ran.stdout);
}

#[tokio::test]
async fn an_index_of_buildkit_has_its_attestations_under_their_images() {
    let stocked = Stocked::start().await;
    let ran = stocked.run(&["inspect", "{}/acme/app:built", "--sizes"]).await.ok();
    let index = built();
    let [amd64, arm64, arm] = index.images() else { panic!("three images") };
    let attestations = index.attestation_digests();
    let expected = format!(
        "{{}}/acme/app:built
{{}}/acme/app@{}
type     OCI image index
size     {} bytes
annotations
  org.opencontainers.image.version: 1.2

3 OCI image manifests, 3 attestations

linux/amd64     {} to download
  {}
  manifest    {} bytes
  created     2026-01-01T00:00:00Z
  attestation, provenance, {} bytes
    {}

linux/arm64     {} to download
  {}
  manifest    {} bytes
  created     2026-01-01T00:00:00Z
  variant     v8
  attestation, provenance, {} bytes
    {}

linux/arm/v7    {} to download
  {}
  manifest    {} bytes
  created     2026-01-01T00:00:00Z
  attestation, provenance, {} bytes
    {}
",
        index.digest(),
        index.bytes().len(),
        shown(amd64),
        amd64.digest(),
        amd64.manifest().len(),
        size_of(&index.json(), 3),
        attestations[0],
        shown(arm64),
        arm64.digest(),
        arm64.manifest().len(),
        size_of(&index.json(), 4),
        attestations[1],
        shown(arm),
        arm.digest(),
        arm.manifest().len(),
        size_of(&index.json(), 5),
        attestations[2],
    );
    assert_eq!(without_age(&ran.stdout), expected);
    fits_80_columns(&ran.stdout);
}

/// As people read it: all test images are a few kilobytes.
fn shown(image: &Image) -> String {
    format!("{:.1} kB", download(image) as f64 / 1000.0)
}

fn shown_size(bytes: usize) -> String {
    if bytes < 1000 { format!("{bytes} B") } else { format!("{:.1} kB", bytes as f64 / 1000.0) }
}

/// Ages are of the day on which the test runs.
fn without_age(text: &str) -> String {
    let line = |line: &str| match line.split_once(" ago (") {
        Some((age, date)) => {
            let label = age.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == ' ');
            let width = age.len() - age.trim_start_matches(|c: char| !c.is_ascii_digit()).len();
            format!("{label}{}{}\n", &age[label.len()..width], date.trim_end_matches(')'))
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn size_of(index: &Value, entry: usize) -> u64 {
    index["manifests"][entry]["size"].as_u64().unwrap()
}

#[tokio::test]
async fn an_image_and_an_entry_of_a_list() {
    let stocked = Stocked::start().await;
    let index = built();
    let image = &index.images()[0];
    let lines = |name: &str, more: &str, tail: &str| {
        format!(
            "{{}}/acme/app:{name}
{{}}/acme/app@{}
type     OCI image manifest
size     {} bytes
{more}platform linux/amd64
download {}: config and 1 layer
created  2026-01-01T00:00:00Z
layers, lowest first
{:<9}{}
labels
  org.opencontainers.image.revision: 0123456789abcdef0123456789abcdef01234567
{tail}",
            image.digest(),
            image.manifest().len(),
            shown(image),
            shown_size(image.layer_blob().len()),
            sha256(&image.layer_blob()),
        )
    };
    let ran = stocked.run(&["inspect", "{}/acme/app:image"]).await.ok();
    assert_eq!(without_age(&ran.stdout), lines("image", "", ""));
    let ran =
        stocked.run(&["inspect", "{}/acme/app:built", "--platform", "linux/x86_64"]).await.ok();
    let more = format!("entry of OCI image index\n         {}\n", index.digest());
    let tail = format!(
        "\nattestation, {} bytes\n  {}\n",
        size_of(&index.json(), 3),
        index.attestation_digests()[0]
    );
    assert_eq!(without_age(&ran.stdout), lines("built", &more, &tail));
    fits_80_columns(&ran.stdout);
    let ran =
        stocked.run(&["inspect", "{}/acme/app:image", "--platform", "linux/arm64"]).await.fails(5);
    assert_eq!(
        log(&ran),
        "error: {}/acme/app:image is a single image for linux/amd64, not for linux/arm64\n"
    );
}

#[tokio::test]
async fn platforms_narrow_by_meaning() {
    let stocked = Stocked::start().await;
    let digest = built().images()[1].digest();
    let ran = stocked
        .run(&["inspect", "{}/acme/app:built", "--platform", "linux/arm64", "--raw"])
        .await
        .ok();
    assert_eq!(ran.stdout.as_bytes(), built().images()[1].manifest());
    for (platform, expected) in [
        ("linux/aarch64", &digest),
        ("windows(10.0.17763.6293)/amd64", &classic().images()[1].digest()),
    ] {
        let tag = if platform.starts_with("windows") {
            "{}/acme/app:classic"
        } else {
            "{}/acme/app:built"
        };
        let ran = stocked.run(&["inspect", tag, "--platform", platform, "--json"]).await.ok();
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(document["digest"], json!(expected));
    }
    let ran = stocked
        .run(&["inspect", "{}/acme/app:classic", "--platform", "windows/amd64"])
        .await
        .fails(5);
    let [_, old, new] =
        classic().images().to_vec().try_into().unwrap_or_else(|_| panic!("three images"));
    assert_eq!(
        log(&ran),
        format!(
            "error: {{}}/acme/app:classic has 2 entries for windows/amd64
  entry: windows(10.0.17763.6293)/amd64  {}
  entry: windows(10.0.20348.2700+win32k)/amd64  {}
  fix:   use its digest, or the platform including the OS version
",
            old.digest(),
            new.digest()
        )
    );
    let ran =
        stocked.run(&["inspect", "{}/acme/app:built", "--platform", "linux/s390x"]).await.fails(5);
    let entries: String = built()
        .images()
        .iter()
        .zip(["linux/amd64", "linux/arm64", "linux/arm/v7"])
        .map(|(image, name)| format!("  entry: {name}  {}\n", image.digest()))
        .collect();
    assert_eq!(
        log(&ran),
        format!("error: {{}}/acme/app:built has no entry for linux/s390x\n{entries}")
    );
}

#[tokio::test]
async fn raw_is_byte_for_byte_what_others_read() {
    let stocked = Stocked::start().await;
    for (tag, bytes) in [
        ("classic", classic().bytes()),
        ("built", built().bytes()),
        ("image", built().images()[0].manifest()),
    ] {
        let ran = stocked.run(&["inspect", "--raw", &format!("{{}}/acme/app:{tag}")]).await.ok();
        assert_eq!(ran.stdout.as_bytes(), bytes);
        assert_eq!(log(&ran), "");
        assert_eq!(skopeo::inspect_raw(&stocked.name(tag)).await.as_bytes(), bytes);
    }
}

#[tokio::test]
async fn json_has_the_documented_shape() {
    let stocked = Stocked::start().await;
    let document = |ran: &str| serde_json::from_str::<Value>(ran).unwrap();
    let index = document(
        &stocked.run(&["inspect", "{}/acme/app:built", "--json", "--sizes"]).await.ok().stdout,
    );
    let image =
        document(&stocked.run(&["inspect", "{}/acme/app:image", "--json"]).await.ok().stdout);
    let one = document(
        &stocked
            .run(&["inspect", "{}/acme/app:built", "--platform=linux/amd64", "--json"])
            .await
            .ok()
            .stdout,
    );
    let first = &built().images()[0].clone();
    assert_eq!(
        (&index["version"], &index["kind"], &image["kind"], &one["kind"]),
        (&json!(1), &json!("index"), &json!("image"), &json!("image"))
    );
    assert_eq!(index["digest"], json!(built().digest()));
    assert_eq!(index["annotations"], json!({"org.opencontainers.image.version": "1.2"}));
    let entry = &index["entries"][1];
    assert_eq!(
        (
            &entry["platform"],
            &entry["os"],
            &entry["architecture"],
            &entry["variant"],
            &entry["osFeatures"]
        ),
        (&json!("linux/arm64"), &json!("linux"), &json!("arm64"), &json!("v8"), &json!([]))
    );
    assert_eq!(entry["created"], json!("2026-01-01T00:00:00Z"));
    assert_eq!(index["entries"][3]["statements"], json!(["provenance"]));
    assert_eq!(index["entries"][0]["downloadBytes"], json!(download(first)));
    assert_eq!(index["entries"][0]["attestations"], json!([built().attestation_digests()[0]]));
    assert_eq!(
        (&index["entries"][3]["kind"], &index["entries"][3]["attests"]),
        (&json!("attestation"), &json!(first.digest()))
    );
    assert_eq!(
        image["labels"],
        json!({"org.opencontainers.image.revision": "0123456789abcdef0123456789abcdef01234567"})
    );
    assert_eq!(
        (&image["downloadBytes"], image["layers"].as_array().map(Vec::len)),
        (&json!(download(first)), Some(1))
    );
    assert_eq!(
        (&one["index"]["digest"], &one["digest"]),
        (&json!(built().digest()), &json!(first.digest()))
    );
    assert_eq!(one["attestations"], index["entries"][0]["attestations"]);
    // Every field is in the documentation, and the other way round.
    let documentation = include_str!("../../../docs/inspect-json.md");
    let keys =
        |object: &Value| object.as_object().unwrap().clone().into_iter().map(|(name, _)| name);
    let mut fields: Vec<String> = [&index, &image, &one].into_iter().flat_map(keys).collect();
    fields.extend(keys(entry).map(|name| format!("entries[].{name}")));
    for field in &fields {
        assert!(
            documentation.contains(&format!("| `{field}` |")),
            "docs/inspect-json.md lacks {field}"
        );
    }
    let rows = documentation.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for row in rows.filter(|row| !row.contains('.') || row.starts_with("entries[].")) {
        assert!(fields.iter().any(|field| *field == row), "{row} is documented, and nowhere");
    }
}

#[tokio::test]
async fn artifacts_nested_indexes_and_what_is_missing() {
    let stocked = Stocked::start().await;
    let client = &stocked.client;
    let config = b"{}";
    let config_digest = client.put_blob("acme/app", config).await;
    let manifest = pretty(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [],
        "annotations": {"org.opencontainers.image.title": "a chart"},
    }));
    let chart = client.put_manifest("acme/app", "chart", OCI_MANIFEST, &manifest).await;
    let ran = stocked.run(&["inspect", "{}/acme/app:chart"]).await.ok();
    assert_eq!(
        ran.stdout,
        format!(
            "{{}}/acme/app:chart
{{}}/acme/app@{chart}
type     OCI image manifest
size     {} bytes
artifact application/vnd.cncf.helm.config.v1+json
download 2 B: config and 0 layers
annotations
  org.opencontainers.image.title: a chart
",
            manifest.len()
        )
    );
    // An index that is ahead of one of its images, with another index inside, and no platform
    // anywhere.
    let gone = Image::oci("linux/riscv64").seed(7);
    let gone_digest = gone.push(client, "acme/app", "").await;
    let inner = built();
    let outer = pretty(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_INDEX, "digest": inner.digest(), "size": inner.bytes().len()},
        gone.descriptor(),
        {"mediaType": OCI_MANIFEST, "digest": chart, "size": manifest.len(), "annotations": {"title": "x".repeat(90)}},
    ]}));
    client.put_manifest("acme/app", "odd", OCI_INDEX, &outer).await;
    client.delete_manifest("acme/app", &gone_digest).await;
    let ran = stocked.run(&["inspect", "{}/acme/app:odd", "--sizes"]).await.ok();
    for part in [
        "\nindex            an index of 6 entries\n",
        "\nlinux/riscv64    not read: not in the registry\n",
        "\nno platform      2 B to download\n",
        &format!("  title:\n    {}\n", "x".repeat(90)),
    ] {
        assert!(ran.stdout.contains(part), "{part:?}\n{}", ran.stdout);
    }
    assert_eq!(
        log(&ran),
        format!("warning: entry {gone_digest} was not read: not in the registry\n")
    );
}

#[tokio::test]
async fn no_escape_of_a_registry_reaches_the_terminal() {
    let stocked = Stocked::start().await;
    let evil = "x\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\n::error::";
    let image = built().images()[0].clone().label(evil, evil);
    image.push(&stocked.client, "acme/app", "").await;
    let mut entry = image.descriptor();
    entry["annotations"] = json!({evil: evil});
    entry["platform"]["variant"] = json!(evil);
    entry["platform"]["os.version"] = json!(evil);
    entry["artifactType"] = json!(evil);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry], "annotations": {evil: evil}});
    stocked.client.put_manifest("acme/app", "evil", OCI_INDEX, &pretty(&index)).await;
    let digest = image.digest();
    for arguments in [
        vec!["inspect", "{}/acme/app:evil"],
        vec!["inspect", "{}/acme/app:evil", "--json"],
        vec!["inspect", &format!("{{}}/acme/app@{digest}")],
        vec!["inspect", &format!("{{}}/acme/app@{digest}"), "--json"],
        vec!["diff", "{}/acme/app:evil", "{}/acme/app:built"],
        vec!["diff", "{}/acme/app:evil", "{}/acme/app:built", "--json"],
    ] {
        let ran = stocked.run(&arguments).await;
        assert!(ran.stdout.contains("owned"), "{arguments:?}: {}", ran.everything());
        let unsafe_character = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(![ran.stdout, ran.stderr].concat().contains(unsafe_character), "{arguments:?}");
    }
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let stocked = Stocked::start().await;
    let ran = stocked.run(&["inspect", "{}/acme/app:nowhere"]).await.fails(7);
    assert_eq!(ran.stdout, "");
    assert!(log(&ran).starts_with("error: cannot read {}/acme/app:nowhere: not found\n  where: GET /v2/acme/app/manifests/nowhere → 404 MANIFEST_UNKNOWN"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("  fix:   check the name: was it pushed, and to this registry?\n"),
        "{}",
        ran.stderr
    );
    let ran = stocked.run(&["inspect", "{}/acme/app:nowhere", "--json"]).await.fails(7);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&document["status"], &document["exit"]), (&json!("failed"), &json!(7)));
    let ran = stocked.run(&["inspect", "{}/Acme/app"]).await.fails(2);
    assert!(
        ran.stderr.contains("REF: {}/Acme/app: repository names must be lowercase"),
        "{}",
        ran.stderr
    );
    let closed = crate::support::registry::Registry::htpasswd("u", "right").await;
    let name = format!("{}/acme/app:1", closed.host());
    Step::new().args(["inspect", &name]).run().await.fails(6);
    let wrong = Step::new()
        .args(["inspect", &name, "--username=u", "--password-stdin"])
        .stdin("mistaken")
        .run()
        .await
        .fails(6);
    wrong.never_says("mistaken");
    let warned = Step::new()
        .args(["inspect", &name, "--username=u", "--password=right"])
        .run()
        .await
        .fails(7);
    assert!(warned.stderr.contains("use --password-stdin"), "{}", warned.stderr);
    warned.never_says("right");
}

#[tokio::test]
async fn an_index_costs_one_request_and_sizes_two_for_each_image_and_one_for_each_attestation() {
    let stocked = Stocked::start().await;
    for (more, requests) in [
        (&[][..], 1),
        (&["--json"], 1),
        (&["--raw"], 1),
        (&["--sizes"], 1 + 2 * 3 + 3),
        (&["--sizes", "--json"], 1 + 2 * 3 + 3),
        (&["--platform=linux/amd64"], 3),
        (&["--platform=linux/amd64", "--sizes"], 3 + 1),
    ] {
        let proxy = FaultProxy::before(&stocked.registry).await;
        let name = format!("{}/acme/app:built", proxy.host());
        Step::new().args(["inspect", &name]).args(more).run().await.ok();
        assert_eq!(proxy.requests(), requests, "{more:?}: {}", proxy.log_text());
        proxy.finish();
    }
    Step::new().args(["inspect", "r.example/a:1", "--raw", "--sizes"]).run().await.fails(2);
}

#[tokio::test]
async fn with_a_token_server_an_index_costs_two_requests_and_the_token() {
    let tokens = TokenServer::new().start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    let index = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64")]);
    index.push(&scene.client, "acme/app", "1").await;
    let ran = Step::new().args(["inspect", &scene.reference("1"), "--json"]).run().await.ok();
    assert_eq!(scene.proxy.requests(), 2, "{}", scene.proxy.log_text());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let entry = &document["entries"][0];
    assert_eq!((&entry["kind"], &entry["downloadBytes"]), (&json!("image"), &json!(null)));
}

/// What is told of an entry does not hang on the registry having its config.
#[tokio::test]
async fn a_config_that_is_gone_hides_the_age_alone() {
    let stocked = Stocked::start().await;
    let config = built().images()[1].blobs().remove(0);
    let target = format!("/v2/acme/app/blobs/{config}");
    assert_eq!(stocked.client.request("DELETE", &target, &[], &[]).await.status, 202);
    let attestation = &built().attestation_digests()[1];
    stocked.client.delete_manifest("acme/app", attestation).await;
    let ran = stocked.run(&["inspect", "{}/acme/app:built", "--sizes", "--json"]).await.ok();
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let [_, image, _, _, attests, ..] = document["entries"].as_array().unwrap().as_slice() else {
        panic!("six entries: {document:#}")
    };
    assert_eq!(image["downloadBytes"], json!(download(&built().images()[1])));
    assert_eq!((&image["created"], &image["problem"]), (&json!(null), &json!(null)));
    let problem = json!("not in the registry");
    assert_eq!((&attests["kind"], &attests["problem"]), (&json!("attestation"), &problem));
    assert_eq!(
        log(&ran),
        format!("warning: entry {attestation} was not read: not in the registry\n")
    );
}
