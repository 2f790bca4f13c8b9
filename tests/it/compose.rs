//! What sources make what list: its type, its entries and their order, annotations; and what is
//! refused as no image.

use crate::support::client::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::{Image, OCI_CONFIG, pretty};
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn warnings(ran: &Ran) -> String {
    let warnings = ran.commands().into_iter().filter(|command| command.name == "warning");
    warnings.map(|command| command.data).collect::<Vec<_>>().join("\n")
}

fn index_of(entries: &[Value]) -> Vec<u8> {
    pretty(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}))
}

fn entries_of(index: &BuiltIndex) -> Vec<Value> {
    index.json()["manifests"].as_array().cloned().expect("an index has entries")
}

/// Refused with this status and these words, and nothing written.
async fn refused<S: AsRef<str>>(
    scene: &Scene,
    sources: &[S],
    inputs: &[(&str, &str)],
    status: i32,
    words: &[&str],
) {
    let before = scene.state().await;
    let step =
        inputs.iter().fold(scene.step_of(sources), |step, (name, value)| step.input(name, value));
    let ran = step.run().await.fails(status);
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(scene.state().await, before);
    assert_eq!(scene.proxy.count("PUT", "*"), 0);
    assert_eq!(ran.raw_output_file().as_deref(), Some(""));
}

#[tokio::test]
async fn docker_sources_give_a_docker_list_and_all_others_an_index() {
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"];
    for (images, media_type, mixed) in [
        ([Image::docker(amd64), Image::docker(arm64)], DOCKER_LIST, false),
        ([Image::oci(amd64), Image::oci(arm64)], OCI_INDEX, false),
        ([Image::docker(amd64), Image::oci(arm64)], OCI_INDEX, true),
    ] {
        let scene = Scene::empty().await;
        let ran = scene.step_of(&scene.push_all(&images).await).run().await.ok();
        let list = scene.at("1").await;
        assert_eq!(
            (list.media_type.as_str(), list.json()["mediaType"].as_str()),
            (media_type, Some(media_type))
        );
        assert_eq!(ran.output("media-type").as_deref(), Some(media_type));
        assert_eq!(scene.entries("1").await, images.map(|image| image.descriptor()));
        assert_eq!(warnings(&ran).contains("Quay"), mixed, "{}", ran.stdout);
    }
}

#[tokio::test]
async fn builders_indexes_are_flattened_with_their_attestations_in_their_places() {
    let scene = Scene::empty().await;
    let two = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/386")])
        .attestations(true);
    let one = BuiltIndex::new(vec![Image::oci("linux/arm64/v8")]).attestations(true);
    two.push(&scene.client, REPO, "two").await;
    one.push(&scene.client, REPO, "one").await;
    // The order inside a source is its builder's business, an attestation first included.
    let mut reversed = entries_of(&two);
    reversed.reverse();
    scene.put("reversed", OCI_INDEX, &index_of(&reversed)).await;
    for (tag, first) in [("two", entries_of(&two)), ("reversed", reversed)] {
        scene.step_of(&[tag, "one"]).run().await.ok();
        assert_eq!(scene.entries("1").await, [first, entries_of(&one)].concat(), "{tag}");
    }
}

/// `BuildKit` writes that where it builds to a file: one manifest attests both images.
#[tokio::test]
async fn one_attestation_of_several_images_stays_with_each() {
    let scene = Scene::empty().await;
    let [amd64, arm64] = ["linux/amd64", "linux/arm64"].map(Image::oci);
    let both = BuiltIndex::new(vec![amd64.clone(), arm64.clone()]).unnamed();
    assert_eq!(both.attestation_digests()[0], both.attestation_digests()[1]);
    both.push(&scene.client, REPO, "both").await;
    scene.step_of(&["both"]).run().await.ok();
    assert_eq!(scene.at("1").await.digest, both.digest());

    // So it does when each image comes from a build of its own, and when one is added later.
    let entries = both.json()["manifests"].as_array().expect("entries").clone();
    let in_turn = [0, 2, 1, 3].map(|at| entries[at].clone());
    for (tag, image) in [("amd64", amd64), ("arm64", arm64)] {
        BuiltIndex::new(vec![image]).unnamed().push(&scene.client, REPO, tag).await;
    }
    scene.step_of(&["amd64", "arm64"]).run().await.ok();
    assert_eq!(scene.entries("1").await, in_turn);
    scene.step_of(&["amd64"]).run().await.ok();
    scene.step_of(&["arm64"]).input("append", "true").run().await.ok();
    assert_eq!(scene.entries("1").await, in_turn);
}

#[tokio::test]
async fn dropped_attestations_leave_the_images() {
    let scene = Scene::empty().await;
    let images = [Image::oci("linux/amd64"), Image::oci("linux/arm64")];
    let index = BuiltIndex::new(images.to_vec()).attestations(true);
    index.push(&scene.client, REPO, "built").await;
    let ran = scene.step_of(&["built"]).input("attestations", "drop").run().await.ok();
    assert_eq!(scene.entries("1").await, images.map(|image| image.descriptor()));
    assert_ne!(ran.output("digest"), Some(index.digest()));
}

#[tokio::test]
async fn an_attestation_without_its_image_is_left_out_with_a_warning() {
    let scene = Scene::empty().await;
    let [one, two] = ["linux/amd64", "linux/arm64"]
        .map(|platform| BuiltIndex::new(vec![Image::oci(platform)]).attestations(true));
    one.push(&scene.client, REPO, "one").await;
    two.push(&scene.client, REPO, "two").await;
    scene
        .put(
            "orphan",
            OCI_INDEX,
            &index_of(&[entries_of(&one)[0].clone(), entries_of(&two)[1].clone()]),
        )
        .await;
    scene.push(&Image::oci("linux/386"), "plain").await;
    let ran = scene.step_of(&["orphan", "plain"]).run().await.ok();
    assert_eq!(
        scene.entries("1").await,
        [entries_of(&one)[0].clone(), Image::oci("linux/386").descriptor()]
    );
    assert!(warnings(&ran).contains("an attestation is left out"), "{}", ran.stdout);
}

#[tokio::test]
async fn windows_entries_with_two_os_versions_keep_them() {
    let versions = ["windows(10.0.17763.6293)/amd64", "windows(10.0.20348.2700)/amd64"];
    let images = versions.map(|platform| Image::docker(platform).os_feature("win32k"));
    let expected: Vec<Value> = images.iter().map(Image::descriptor).collect();
    assert_eq!(expected[1]["platform"]["os.version"], "10.0.20348.2700");
    let names =
        "windows(10.0.17763.6293+win32k)/amd64,windows(10.0.20348.2700+win32k)/amd64,linux/amd64";

    let scene = Scene::empty().await;
    scene.push(&Image::docker("linux/amd64"), "linux").await;
    scene.push_all(&images).await;
    DockerList::new(images.to_vec()).push(&scene.client, REPO, "list").await;
    scene.put("index", OCI_INDEX, &index_of(&expected)).await;
    for sources in [vec!["s0", "s1", "linux"], vec!["list", "linux"], vec!["index", "linux"]] {
        let ran = scene.step_of(&sources).run().await.ok();
        assert_eq!(scene.entries("1").await[..2], expected, "{sources:?}");
        assert_eq!(ran.output("platforms").as_deref(), Some(names), "{sources:?}");
    }
}

#[tokio::test]
async fn a_nested_index_is_flattened_and_never_emitted() {
    let scene = Scene::empty().await;
    let inner = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/386")])
        .attestations(true);
    inner.push(&scene.client, REPO, "").await;
    let last = Image::oci("linux/arm64");
    scene.push(&last, "last").await;
    let entry = |bytes: &[u8]| json!({"mediaType": OCI_INDEX, "digest": sha256(bytes), "size": bytes.len()});
    let outer = index_of(&[entry(&inner.bytes()), last.descriptor()]);
    scene.put("outer", OCI_INDEX, &outer).await;
    scene.put("outermost", OCI_INDEX, &index_of(&[entry(&outer)])).await;
    for source in ["outer", "outermost"] {
        scene.step_of(&[source]).run().await.ok();
        assert_eq!(
            scene.entries("1").await,
            [entries_of(&inner), vec![last.descriptor()]].concat(),
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_platform_before_an_index_picks_that_entry_with_its_attestation() {
    let scene = Scene::empty().await;
    let index = BuiltIndex::new(vec![
        Image::oci("linux/amd64"),
        Image::oci("linux/arm64/v8"),
        Image::oci("linux/arm/v7"),
    ]);
    let index = index.attestations(true);
    index.push(&scene.client, REPO, "built").await;
    let all = entries_of(&index);
    // By meaning: the entry says `arm64/v8` and the other one `arm/v7`.
    scene.step_of(&["linux/arm=built", "linux/arm64=built"]).run().await.ok();
    let expected = [&all[2], &all[5], &all[1], &all[4]].map(Value::clone);
    assert_eq!(scene.entries("1").await, expected);
}

#[tokio::test]
async fn a_platform_before_an_index_that_fits_no_entry_or_two_is_refused() {
    let scene = Scene::empty().await;
    let images =
        ["linux/amd64", "windows(10.0.1)/amd64", "windows(10.0.2)/amd64"].map(Image::docker);
    DockerList::new(images.to_vec()).push(&scene.client, REPO, "list").await;
    refused(
        &scene,
        &["linux/s390x=list"],
        &[],
        5,
        &["has no entry for linux/s390x", "entry: linux/amd64"],
    )
    .await;
    let words =
        ["has 2 entries for windows/amd64", "windows(10.0.1)/amd64", "windows(10.0.2)/amd64"];
    refused(&scene, &["windows/amd64=list"], &[], 5, &words).await;
}

#[tokio::test]
async fn a_platform_before_an_image_fills_what_its_config_leaves_open() {
    for (config, stated, written) in [
        (
            "linux/arm",
            "linux/arm/v6",
            json!({"architecture": "arm", "os": "linux", "variant": "v6"}),
        ),
        ("linux/arm", "linux/arm", json!({"architecture": "arm", "os": "linux", "variant": "v7"})),
        ("", "linux/riscv64", json!({"architecture": "riscv64", "os": "linux"})),
        ("linux/arm64/v8", "linux/arm64", json!({"architecture": "arm64", "os": "linux"})),
        (
            "windows/amd64",
            "windows(10.0.20348.2700)/amd64",
            json!({"architecture": "amd64", "os": "windows", "os.version": "10.0.20348.2700"}),
        ),
    ] {
        let scene = Scene::empty().await;
        scene.push(&Image::oci(config), "a").await;
        scene.step_of(&[format!("{stated}=a")]).run().await.ok();
        assert_eq!(scene.entries("1").await[0]["platform"], written, "{config} {stated}");
    }
}

#[tokio::test]
async fn a_platform_that_contradicts_the_config_is_refused() {
    for (config, stated) in [
        ("linux/amd64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v6"),
        ("windows(10.0.1)/amd64", "windows(10.0.2)/amd64"),
        ("linux/amd64", "windows/amd64"),
    ] {
        let scene = Scene::empty().await;
        scene.push(&Image::oci(config), "a").await;
        let words = format!("is for {config}, but the inputs say {stated}");
        refused(&scene, &[format!("{stated}=a")], &[], 5, &[&words, &scene.reference("a")]).await;
    }
}

#[tokio::test]
async fn a_config_without_a_platform_is_refused_when_none_is_stated() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci(""), "a").await;
    refused(&scene, &["a"], &[], 5, &["does not say which platform", "PLATFORM="]).await;
}

#[tokio::test]
async fn the_format_asked_for_is_written() {
    for (image, format, media_type) in [
        (Image::docker("linux/amd64"), "oci", OCI_INDEX),
        (Image::docker("linux/amd64"), "docker", DOCKER_LIST),
        (Image::oci("linux/amd64"), "oci", OCI_INDEX),
        (Image::docker("linux/amd64"), "AUTO", DOCKER_LIST),
    ] {
        let scene = Scene::empty().await;
        scene.push(&image, "a").await;
        scene.step_of(&["a"]).input("format", format).run().await.ok();
        let list = scene.at("1").await;
        assert_eq!(
            (list.media_type.as_str(), list.json()["mediaType"].as_str()),
            (media_type, Some(media_type)),
            "{format}"
        );
    }
    // An index in the other format is written anew.
    let scene = Scene::empty().await;
    let list = DockerList::new(vec![Image::docker("linux/amd64")]);
    list.push(&scene.client, REPO, "list").await;
    scene.step_of(&["list"]).input("format", "oci").run().await.ok();
    assert_eq!(scene.at("1").await.media_type, OCI_INDEX);
}

#[tokio::test]
async fn a_docker_list_is_refused_where_it_has_no_place_for_something() {
    let scene = Scene::empty().await;
    scene.push(&Image::docker("linux/amd64"), "docker").await;
    scene.push(&Image::oci("linux/arm64"), "oci").await;
    let docker = ("format", "docker");
    refused(
        &scene,
        &["docker", "oci"],
        &[docker],
        5,
        &["Docker manifest list cannot contain", "linux/arm64", "OCI image manifest"],
    )
    .await;

    let image = Image::docker("linux/amd64");
    let provenance = json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest()});
    let mut attestation = Image::docker("linux/386").descriptor();
    attestation["annotations"] = provenance;
    scene.push(&Image::docker("linux/386"), "").await;
    scene.put("attested", OCI_INDEX, &index_of(&[image.descriptor(), attestation])).await;
    refused(&scene, &["attested"], &[docker], 5, &["attestation"]).await;

    let mut noted = image.descriptor();
    noted["annotations"] = json!({"a": "b"});
    scene.put("noted", OCI_INDEX, &index_of(&[noted])).await;
    refused(&scene, &["noted"], &[docker], 5, &["linux/amd64", "it has annotations"]).await;

    let requests = scene.proxy.requests();
    refused(
        &scene,
        &["docker"],
        &[docker, ("annotations", "a=b")],
        2,
        &["format: docker", "cannot have annotations"],
    )
    .await;
    assert_eq!(scene.proxy.requests(), requests, "found before any request");

    scene
        .step_of(&["attested"])
        .input("format", "docker")
        .input("attestations", "drop")
        .run()
        .await
        .ok();
    assert_eq!(
        (scene.at("1").await.media_type.as_str(), scene.entries("1").await),
        (DOCKER_LIST, vec![image.descriptor()])
    );
}

#[tokio::test]
async fn annotations_reach_their_levels_with_sorted_keys() {
    let scene = Scene::empty().await;
    let built = BuiltIndex::new(vec![Image::oci("linux/arm64/v8")]).attestations(true);
    built.push(&scene.client, REPO, "built").await;
    scene.push(&Image::docker("linux/amd64"), "plain").await;
    let annotations = "zeta=last\nindex:alpha=a=b, c\nmanifest:mid=<1>\nindex,manifest:both=x\n\
                       manifest-descriptor:every=entry\nmanifest-descriptor[linux/arm64]:one=only\nindex-descriptor:none=x";
    let ran = scene.step_of(&["plain", "built"]).input("annotations", annotations).run().await.ok();

    let list = scene.at("1").await;
    assert_eq!(list.media_type, OCI_INDEX);
    let keys =
        |value: &Value| value.as_object().expect("annotations").keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        list.json()["annotations"],
        json!({"alpha": "a=b, c", "both": "x", "mid": "<1>", "zeta": "last"})
    );
    assert_eq!(keys(&list.json()["annotations"]), ["alpha", "both", "mid", "zeta"]);
    let entries = scene.entries("1").await;
    assert_eq!(entries[0]["annotations"], json!({"every": "entry"}));
    assert_eq!(entries[1]["annotations"], json!({"every": "entry", "one": "only"}));
    assert_eq!(
        keys(&entries[2]["annotations"]),
        ["every", "vnd.docker.reference.digest", "vnd.docker.reference.type"]
    );
    assert!(
        warnings(&ran).contains("annotation index-descriptor:none is ignored"),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn an_annotation_for_an_entry_that_is_not_there_is_refused() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    let annotations = [("annotations", "manifest-descriptor[linux/arm64]:a=b")];
    refused(
        &scene,
        &["a"],
        &annotations,
        5,
        &["no entry for linux/arm64", "the entries are linux/amd64"],
    )
    .await;
}

const HELM: &str = "application/vnd.cncf.helm.config.v1+json";

async fn push_artifact(scene: &Scene, tag: &str) -> String {
    let config = br#"{"name": "app", "version": "1.0.0"}"#;
    let digest = scene.client.put_blob(REPO, config).await;
    let manifest = pretty(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": HELM, "digest": digest, "size": config.len()},
        "layers": [],
    }));
    scene.put(tag, OCI_MANIFEST, &manifest).await
}

#[tokio::test]
async fn an_artifact_is_refused_unless_its_platform_is_stated() {
    let scene = Scene::empty().await;
    push_artifact(&scene, "chart").await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    refused(
        &scene,
        &["a", "chart"],
        &[],
        5,
        &["acme/app:chart is not an image but an artifact", HELM, "fix:"],
    )
    .await;
    scene.step_of(&["a", "linux/wasm=chart"]).run().await.ok();
    assert_eq!(
        scene.entries("1").await[1]["platform"],
        json!({"architecture": "wasm", "os": "linux"})
    );
}

#[tokio::test]
async fn a_schema_1_manifest_is_refused_alone_and_in_an_index() {
    const SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let scene = Scene::empty().await;
    let old = Fault::Status(200)
        .header("Content-Type", SIGNED)
        .body(r#"{"schemaVersion": 1, "name": "acme/app", "tag": "old"}"#);
    scene.proxy.rule(Rule::on("GET", "*/manifests/old").then(old));
    refused(&scene, &["old"], &[], 5, &["acme/app:old", "Docker schema 1"]).await;

    let image = Image::docker("linux/amd64");
    scene.push(&image, "").await;
    let mut entry = image.descriptor();
    entry["mediaType"] = json!(SIGNED);
    scene.put("index", OCI_INDEX, &index_of(&[entry])).await;
    refused(&scene, &["index"], &[], 5, &["acme/app:index", &image.digest(), "schema 1"]).await;
}

#[tokio::test]
async fn an_empty_index_is_refused() {
    let scene = Scene::empty().await;
    scene.put("empty", OCI_INDEX, &index_of(&[])).await;
    refused(&scene, &["empty"], &[], 5, &["acme/app:empty", "without entries"]).await;
}

#[tokio::test]
async fn an_entry_without_a_platform_is_copied_as_it_stands_and_answers_no_platform() {
    let scene = Scene::empty().await;
    let image = Image::oci("linux/amd64");
    scene.push(&image, "").await;
    let chart = push_artifact(&scene, "").await;
    let bytes = scene.at(&chart).await.bytes;
    let bare = json!({
        "mediaType": OCI_MANIFEST, "digest": chart, "size": bytes.len(), "annotations": {"a": "b"},
        "data": STANDARD.encode(bytes), "artifactType": HELM, "x-own": [1],
    });
    scene.put("index", OCI_INDEX, &index_of(&[bare.clone(), image.descriptor()])).await;
    scene.push(&Image::oci("linux/arm64"), "arm64").await;
    let ran = scene.step_of(&["index", "arm64"]).run().await.ok();
    assert_eq!(scene.entries("1").await[..2], [bare, image.descriptor()]);
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64,linux/arm64"));
    assert!(ran.stdout.contains("index of artifact, linux/amd64, linux/arm64, "), "{}", ran.stdout);

    let platforms = [("platforms", "linux/amd64,linux/arm64,linux/386")];
    let scene_requests = scene.proxy.count("PUT", "*");
    let ran = scene
        .step("2")
        .input("sources", &scene.references(&["index", "arm64"]))
        .input(platforms[0].0, platforms[0].1);
    let ran = ran.run().await.fails(5);
    assert!(
        ran.stdout.contains("missing:    linux/386") && ran.stdout.contains("artifact"),
        "{}",
        ran.stdout
    );
    assert_eq!(scene.proxy.count("PUT", "*"), scene_requests);
}

#[tokio::test]
async fn the_same_image_twice_is_merged_only_when_an_index_brings_it() {
    let scene = Scene::empty().await;
    let [amd64, arm64] = ["linux/amd64", "linux/arm64/v8"].map(Image::oci);
    let one = BuiltIndex::new(vec![amd64.clone(), arm64.clone()]).attestations(true);
    let two = BuiltIndex::new(vec![arm64.clone(), Image::oci("linux/386")]).attestations(true);
    one.push(&scene.client, REPO, "one").await;
    two.push(&scene.client, REPO, "two").await;
    scene.push(&arm64, "plain").await;
    scene.push(&arm64, "again").await;

    refused(
        &scene,
        &["plain", "again"],
        &[],
        5,
        &["two sources are the same image", "acme/app:plain", "acme/app:again"],
    )
    .await;

    scene.step_of(&["one", "two"]).run().await.ok();
    let (first, second) = (entries_of(&one), entries_of(&two));
    // The other's arm64 and its attestation are there already.
    assert_eq!(
        scene.entries("1").await,
        [first.clone(), vec![second[1].clone(), second[3].clone()]].concat()
    );

    scene.step_of(&["one", "plain"]).run().await.ok();
    assert_eq!(scene.entries("1").await, first, "one platform, whether it says v8 or not");
}

#[tokio::test]
async fn docker_configs_and_oci_configs_are_read_alike() {
    // Some tools push an OCI config in a Docker manifest, and the other way round.
    let scene = Scene::empty().await;
    let image = Image::docker("linux/s390x");
    scene.push(&image, "").await;
    let mut manifest: Value =
        serde_json::from_slice(&image.manifest()).expect("a manifest is JSON");
    manifest["config"]["mediaType"] = json!(OCI_CONFIG);
    scene.put("odd", DOCKER_MANIFEST, &pretty(&manifest)).await;
    scene.step_of(&["odd"]).run().await.ok();
    assert_eq!(
        scene.entries("1").await[0]["platform"],
        json!({"architecture": "s390x", "os": "linux"})
    );
}
