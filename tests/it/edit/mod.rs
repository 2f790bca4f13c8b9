//! Changing a list that is in a registry: append, annotate, remove.

mod races;

use crate::support::client::{DOCKER_LIST, OCI_INDEX};
use crate::support::images::Image;
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64, manifest, reference_at};
use crate::support::step::Step;
use crate::support::wait::until;
use serde_json::Value;

const PLATFORMS: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/s390x"];

async fn run(arguments: &[&str]) -> Ran {
    Step::new().args(arguments.iter().copied()).run().await
}

fn platform(entry: &Value) -> String {
    let part = |name: &str| entry["platform"][name].as_str().unwrap_or_default().to_owned();
    let mut text = format!("{}/{}", part("os"), part("architecture"));
    for (before, name) in [("/", "variant"), (" ", "os.version")] {
        if !part(name).is_empty() {
            text = format!("{text}{before}{}", part(name));
        }
    }
    text
}

async fn platforms(scene: &Scene, tag: &str) -> Vec<String> {
    scene.entries(tag).await.iter().map(platform).collect()
}

#[tokio::test]
async fn append_replaces_in_place_adds_behind_and_takes_attestations_along() {
    let scene = Scene::empty().await;
    let (amd, arm) = (Image::oci("linux/amd64"), Image::oci("linux/arm64"));
    BuiltIndex::new(vec![amd.clone(), arm.clone()])
        .attestations(true)
        .push(&scene.client, REPO, "1")
        .await;
    let newer = BuiltIndex::new(vec![Image::oci("linux/amd64").seed(2)]).attestations(true);
    newer.push(&scene.client, REPO, "amd64").await;
    scene.push(&Image::oci("linux/s390x"), "s390x").await;
    let image = |tag: &str| scene.reference(tag);
    let step = || {
        Step::new()
            .input("tags", &image("1"))
            .input("sources", &format!("{}\n{}", image("s390x"), image("amd64")))
            .input("platforms", "linux/amd64,linux/s390x")
            .input("append", "true")
            .github()
    };
    let dry = step().input("dry-run", "true").run().await.ok();
    let ran = step().run().await.ok();
    assert_eq!(ran.output("changed").as_deref(), Some("true"));
    let old = (amd.digest(), newer.images()[0].digest());
    for (ran, label) in [(&ran, "edit     "), (&dry, "         ")] {
        let line = format!("\n{label}~ linux/amd64  {} → {}\n", old.0, old.1);
        assert!(ran.stdout.contains(&line), "{line}\n{}", ran.stdout);
        let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix(label));
        let mut told: Vec<&str> = lines.filter_map(|line| line.split("  ").next()).collect();
        told.sort();
        let expected = ["+ linux/s390x", "~ attestation of linux/amd64", "~ linux/amd64"];
        assert_eq!(told, expected, "each once: {}", ran.stdout);
    }
    let list = scene.entries("1").await;
    let shown: Vec<String> = list.iter().map(platform).collect();
    assert_eq!(
        shown,
        ["linux/amd64", "linux/arm64", "unknown/unknown", "linux/s390x", "unknown/unknown"]
    );
    assert_eq!(list[0]["digest"], newer.images()[0].digest(), "replaced in its place");
    let attested = |at: usize| {
        list[at]["annotations"]["vnd.docker.reference.digest"].as_str().map(str::to_owned)
    };
    assert_eq!(
        (attested(2), attested(4)),
        (Some(arm.digest()), Some(newer.images()[0].digest())),
        "the old one's attestation went"
    );
    let fetched = scene.at("1").await;
    assert_eq!(ran.output("digest"), Some(fetched.digest.clone()));

    let again =
        run(&["create", &image("1"), &image("s390x"), &image("amd64"), "--amend"]).await.ok();
    assert_eq!(
        again.stdout.trim(),
        format!("{}@{}", image("1"), fetched.digest),
        "a second time changes nothing"
    );
}

/// What others wrote there would be in outputs and files of later steps.
#[tokio::test]
async fn entries_with_odd_platforms_are_not_written_again() {
    let scene = Scene::with_both().await;
    for odd in ["s390x,linux/riscv64", "$(id)", "a\nb", "\u{1b}[31m", &"x".repeat(65)] {
        let mut index = BuiltIndex::new(vec![amd64(), arm64()]).json();
        index["manifests"][1]["platform"]["architecture"] = odd.into();
        scene.put("1", OCI_INDEX, &serde_json::to_vec(&index).unwrap()).await;
        let before = scene.state().await;
        let (list, source) = (scene.reference("1"), scene.reference("amd64"));
        for arguments in [
            vec!["create", &list, &source, "--append"],
            vec!["annotate", &list, "linux/amd64", "--variant", "v3"],
            vec!["remove", &list, "linux/amd64"],
        ] {
            let ran = run(&arguments).await.fails(5);
            assert!(ran.stderr.contains("which is not allowed"), "{}", ran.everything());
        }
        let step = scene.step("1").input("append", "true").input("sources", &source);
        step.run().await.fails(5);
        assert_eq!(scene.state().await, before, "{odd:?}");
    }
}

#[tokio::test]
async fn append_starts_a_list_from_nothing_and_from_one_image() {
    let scene = Scene::empty().await;
    scene.push(&Image::docker("linux/amd64"), "one").await;
    scene.push(&Image::docker("linux/arm64"), "arm64").await;
    let image = |tag: &str| scene.reference(tag);
    let ran = run(&["create", &image("new"), &image("arm64"), "--append"]).await.ok();
    assert!(
        ran.stderr.contains(&format!("append   {} does not exist yet; creating it", image("new"))),
        "{}",
        ran.stderr
    );
    assert_eq!(platforms(&scene, "new").await, ["linux/arm64"]);
    run(&["create", &image("one"), &image("arm64"), "--append"]).await.ok();
    assert_eq!(platforms(&scene, "one").await, ["linux/amd64", "linux/arm64"]);
    assert_eq!(scene.at("one").await.media_type, DOCKER_LIST);
}

#[tokio::test]
async fn another_architecture_has_no_variant_of_the_old_one_and_what_the_image_says_is_not_kept_quiet()
 {
    let scene = Scene::empty().await;
    BuiltIndex::new(vec![Image::oci("linux/arm64/v8"), Image::oci("linux/s390x")])
        .push(&scene.client, REPO, "1")
        .await;
    let list = scene.reference("1");
    let ran = run(&["annotate", &list, "linux/arm64", "--arch", "amd64"]).await.ok();
    assert_eq!(platforms(&scene, "1").await, ["linux/amd64", "linux/s390x"], "no v8 is left");
    let says = "warning: the image was built for linux/arm64; clients that ask for linux/amd64 will get it anyway";
    assert!(ran.stderr.contains(says) && ran.stderr.contains("edit     "), "{}", ran.stderr);
    let ran = run(&["inspect", &list, "--platform", "linux/amd64"]).await.ok();
    assert!(
        ran.stdout.contains("listed   as linux/amd64: the index contradicts the image's config"),
        "{}",
        ran.stdout
    );
    let ran = run(&["inspect", &list, "--platform", "linux/amd64", "--json"]).await.ok();
    let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&document["platform"], &document["entryPlatform"]),
        (&"linux/arm64".into(), &"linux/amd64".into())
    );
    let ran = run(&["annotate", &list, "linux/s390x", "--os", "bogus"]).await.ok();
    assert!(
        ran.stderr.contains("warning: unknown platform bogus/s390x: no client will choose it"),
        "{}",
        ran.stderr
    );
    let ran = run(&["annotate", &list, "linux/amd64", "--arch", "arm64"]).await.ok();
    assert!(!ran.stderr.contains("warning"), "back to what it is: {}", ran.stderr);
}

#[tokio::test]
async fn append_makes_no_docker_list_of_what_none_can_hold() {
    let scene = Scene::empty().await;
    let images = ["linux/amd64", "linux/arm64"].map(Image::docker);
    let noted = BuiltIndex::new(vec![images[0].clone()]).annotation("kept", "yes");
    let mut subject = BuiltIndex::new(vec![images[0].clone()]).json();
    subject["subject"] = images[0].descriptor();
    scene.push(&images[1], "arm64").await;
    noted.push(&scene.client, REPO, "noted").await;
    scene.put("subject", OCI_INDEX, &crate::support::images::pretty(&subject)).await;
    let image = |tag: &str| scene.reference(tag);
    for (tag, why) in [("noted", "annotations"), ("subject", "a subject")] {
        let before = scene.at(tag).await.digest;
        let ran = run(&["create", &image(tag), &image("arm64"), "--append", "--format", "docker"])
            .await
            .fails(5);
        assert!(ran.stderr.contains(&format!("  the index: {why}\n")), "{}", ran.stderr);
        assert_eq!(scene.at(tag).await.digest, before);
        run(&["create", &image(tag), &image("arm64"), "--append"]).await.ok();
        assert_eq!(scene.at(tag).await.media_type, OCI_INDEX);
    }
}

#[tokio::test]
async fn append_in_a_dry_run_tells_and_writes_nothing() {
    let scene = Scene::empty().await;
    let digest =
        BuiltIndex::new(vec![Image::oci("linux/amd64")]).push(&scene.client, REPO, "1").await;
    scene.push(&Image::oci("linux/arm64"), "arm64").await;
    let image = |tag: &str| scene.reference(tag);
    let ran = run(&["create", &image("1"), &image("arm64"), "--append", "--dry-run"]).await.ok();
    assert!(ran.stderr.contains("+ linux/arm64"), "{}", ran.stderr);
    assert_eq!(scene.at("1").await.digest, digest);
    let planned = ran.stdout.trim().rsplit_once('@').expect("a digest").1.to_owned();
    run(&["create", &image("1"), &image("arm64"), "--append"]).await.ok();
    assert_eq!(scene.at("1").await.digest, planned);
}

#[tokio::test]
async fn annotate_changes_each_part_of_one_entry() {
    let scene = Scene::empty().await;
    let (amd, windows) = (Image::oci("linux/amd64"), Image::oci("windows/amd64"));
    BuiltIndex::new(vec![amd.clone(), windows.clone()])
        .annotation("kept", "yes")
        .push(&scene.client, REPO, "1")
        .await;
    scene.push(&amd, "amd64").await;
    let list = scene.reference("1");
    let (by_reference, by_digest) = (scene.reference("amd64"), windows.digest());
    for (entry, flags) in [
        (by_reference.as_str(), ["--variant", "v3"]),
        (by_digest.as_str(), ["--os-version", "10.0.20348.2700"]),
        ("windows/amd64", ["--os-features", "win32k,other"]),
        ("linux/amd64/v3", ["--annotation", "org.example.key=a=b"]),
        ("windows/amd64", ["--arch", "arm64"]),
        ("linux/amd64/v3", ["--os", "freebsd"]),
    ] {
        let ran = run(&["annotate", &list, entry, flags[0], flags[1]]).await.ok();
        let now = scene.at("1").await;
        assert_eq!(ran.stdout.trim(), format!("{list}@{}", now.digest), "{flags:?}");
    }
    let fetched = scene.at("1").await;
    assert_eq!(fetched.json()["annotations"]["kept"], "yes", "what is not about the entry stays");
    let list = scene.entries("1").await;
    assert_eq!(
        list.iter().map(platform).collect::<Vec<_>>(),
        ["freebsd/amd64/v3", "windows/arm64 10.0.20348.2700"]
    );
    assert_eq!(list[0]["annotations"]["org.example.key"], "a=b");
    assert_eq!(list[1]["platform"]["os.features"], serde_json::json!(["win32k", "other"]));
    assert_eq!(
        (&list[0]["digest"], &list[1]["digest"]),
        (&Value::from(amd.digest()), &Value::from(windows.digest())),
        "children are never rewritten"
    );
}

#[tokio::test]
async fn annotate_clears_with_an_empty_value() {
    let scene = Scene::empty().await;
    BuiltIndex::new(vec![Image::oci("linux/arm/v6")]).push(&scene.client, REPO, "1").await;
    let list = scene.reference("1");
    run(&["annotate", &list, "linux/arm/v6", "--variant", "", "--annotation", "a=b"]).await.ok();
    assert_eq!(platforms(&scene, "1").await, ["linux/arm"]);
    run(&["annotate", &list, "linux/arm", "--annotation", "a="]).await.ok();
    assert_eq!(scene.entries("1").await[0].get("annotations"), None);
}

#[tokio::test]
async fn what_annotate_and_remove_refuse() {
    let scene = Scene::empty().await;
    let windows = ["windows(10.0.17763.1)/amd64", "windows(10.0.20348.1)/amd64"].map(Image::docker);
    DockerList::new([vec![Image::docker("linux/amd64")], windows.to_vec()].concat())
        .push(&scene.client, REPO, "1")
        .await;
    scene.push(&Image::oci("linux/amd64"), "image").await;
    let image = |tag: &str| scene.reference(tag);
    let before = scene.at("1").await.digest;
    let (list, plain, absent) = (image("1"), image("image"), image("absent"));
    let no_tag = scene.full_name(REPO);
    let by_digest = format!("{list}@{before}");
    for (arguments, status, why) in [
        (
            vec!["annotate", &list, "linux/amd64", "--annotation", "a=b"],
            5,
            "cannot have annotations",
        ),
        (
            vec!["annotate", &list, "linux/s390x", "--variant", "v1"],
            5,
            "entry: windows(10.0.17763.1)/amd64",
        ),
        (vec!["annotate", &list, "windows/amd64", "--variant", "v1"], 5, "2 entries"),
        (
            vec![
                "annotate",
                &list,
                "linux/amd64",
                "--os",
                "windows",
                "--os-version",
                "10.0.17763.1",
            ],
            5,
            "already",
        ),
        (vec!["annotate", &list, "linux/amd64"], 2, "nothing to change"),
        (
            vec!["annotate", &plain, "linux/amd64", "--variant", "v2"],
            5,
            "single image, not an index",
        ),
        (vec!["annotate", &absent, "linux/amd64", "--variant", "v2"], 7, "does not exist"),
        (vec!["remove", &list, "linux/s390x"], 5, "no entry for linux/s390x"),
        (
            vec![
                "remove",
                &list,
                "linux/amd64",
                "windows(10.0.17763.1)/amd64",
                "windows(10.0.20348.1)/amd64",
            ],
            5,
            "remove the last entry",
        ),
        (vec!["remove", &absent, "linux/amd64"], 7, "does not exist"),
        (vec!["remove", "Not A Reference", "linux/amd64"], 2, "LIST"),
        (vec!["remove", &no_tag, "linux/amd64"], 2, "app has no tag: write "),
        (
            vec!["annotate", &by_digest, "linux/amd64", "--variant", "v2"],
            2,
            "a tag to publish cannot contain a digest",
        ),
        (vec!["annotate", &list, "linux/amd64", "--arch", ""], 2, "--arch: cannot be empty"),
        (vec!["annotate", &list, "linux/amd64", "--os", " "], 2, "--os: cannot be empty"),
        (
            vec!["annotate", &list, "linux/amd64", "--variant", "v 2"],
            2,
            "--variant: \"v 2\" cannot be part of a platform",
        ),
        (
            vec!["annotate", &list, "linux/amd64", "--os-features", "a,b\u{1b}"],
            2,
            "--os-features: \"b\\u{1b}\"",
        ),
        (
            vec!["annotate", &list, "linux/amd64", "--annotation", "a=1", "--annotation", "a=2"],
            2,
            "--annotation: a has two values",
        ),
        (
            vec!["annotate", &list, "linux/amd64", "--annotation", "a"],
            2,
            "--annotation: not KEY=VALUE",
        ),
    ] {
        let ran = run(&arguments).await.fails(status);
        assert!(ran.stderr.contains(why) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(scene.at("1").await.digest, before);
}

#[tokio::test]
async fn remove_takes_entries_out_with_their_attestations() {
    let scene = Scene::empty().await;
    let images: Vec<Image> = PLATFORMS.iter().map(|platform| Image::oci(platform)).collect();
    BuiltIndex::new(images.clone()).attestations(true).push(&scene.client, REPO, "1").await;
    let list = scene.reference("1");
    let ran = run(&["remove", &list, "linux/amd64", &images[2].digest(), "--json"]).await.ok();
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((report["version"].as_u64(), report["changed"].as_bool()), (Some(1), Some(true)));
    assert_eq!(platforms(&scene, "1").await, ["linux/arm64", "unknown/unknown"]);
}

#[tokio::test]
async fn annotate_refuses_when_the_tag_moves_meanwhile() {
    let scene = Scene::empty().await;
    BuiltIndex::new(vec![Image::oci("linux/amd64")]).push(&scene.client, REPO, "1").await;
    let look = scene.proxy.gate("HEAD", &manifest("1"));
    look.hold();
    let list = scene.reference("1");
    let running =
        Step::new().args(["annotate", &list, "linux/amd64", "--variant", "v2"]).spawn().await;
    look.wait_for_hits(1).await;
    let other = BuiltIndex::new(vec![Image::oci("linux/amd64").seed(9)])
        .push(&scene.client, REPO, "1")
        .await;
    look.release();
    let ran = running.wait().await.fails(5);
    assert!(ran.stderr.contains("moved by somebody else"), "{}", ran.stderr);
    assert_eq!(scene.at("1").await.digest, other);
    assert_eq!(scene.proxy.count("PUT", "*"), 0);
}

#[tokio::test]
async fn append_merges_with_what_another_writer_did_meanwhile() {
    let scene = Scene::empty().await;
    let images: Vec<Image> = PLATFORMS.iter().map(|platform| Image::oci(platform)).collect();
    BuiltIndex::new(vec![images[0].clone()]).push(&scene.client, REPO, "1").await;
    scene.push(&images[2], "s390x").await;
    let put = scene.proxy.gate("PUT", &manifest("1"));
    put.hold();
    let (list, source) = (scene.reference("1"), scene.reference("s390x"));
    let running = Step::new().args(["create", &list, &source, "--append"]).spawn().await;
    put.wait_for_hits(1).await;
    // The other writer goes past the proxy. Its push arrives first and is overwritten by ours; it
    // will look again, as ours does.
    scene.push(&images[1], "arm64").await;
    let [other, arm64] = ["1", "arm64"].map(|tag| reference_at(&scene.registry.host(), tag));
    let rival = Step::new().args(["create", &other, &arm64, "--append"]).spawn().await;
    until("the rival's push", || async { platforms(&scene, "1").await.len() == 2 }).await;
    put.release();
    running.wait().await.ok();
    rival.wait().await.ok();
    let mut shown = platforms(&scene, "1").await;
    shown.sort();
    assert_eq!(shown, PLATFORMS);
}
