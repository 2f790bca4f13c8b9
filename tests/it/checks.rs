//! What does not belong together is refused before anything is written; wrong inputs before
//! anything is asked.

use crate::support::images::Image;
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

const WINDOWS: &str = "windows(10.0.20348.2700)/amd64";

/// amd64 and arm64 at `amd64` and `arm64`, and an older image at the tag `1`.
async fn scene() -> Scene {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "amd64").await;
    scene.push(&Image::oci("linux/arm64/v8"), "arm64").await;
    scene.push(&Image::oci("linux/amd64").seed(7), "1").await;
    scene
}

/// Exit status 5 with these words, tags where they were, no outputs; what was said.
async fn refused(scene: &Scene, sources: &[&str], platforms: &str, words: &[&str]) -> Ran {
    let before = scene.state().await;
    let tags = format!("{}\n{}", scene.reference("1"), scene.reference("latest"));
    let step = scene.step_of(sources).input("tags", &tags).input("platforms", platforms);
    let ran = step.run().await.fails(5);
    for word in words {
        assert!(ran.stdout.contains(word), "{word:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(scene.state().await, before, "no tag moved");
    assert_eq!(scene.proxy.count("PUT", "*"), 0, "nothing was written");
    assert_eq!(ran.raw_output_file().as_deref(), Some(""));
    let start = format!("### ❌ `{}` not published: ", scene.reference("1"));
    assert!(ran.summary().starts_with(&start), "{}", ran.summary());
    assert!(ran.summary().contains("\n\nNo tag was moved.\n\n"), "{}", ran.summary());
    let errors = ran.commands().into_iter().filter(|command| command.name == "error").count();
    assert_eq!(errors, 1, "{}", ran.stdout);
    ran
}

#[tokio::test]
async fn a_platform_that_is_missing_is_named() {
    let platforms = "linux/amd64,linux/arm64,linux/arm/v7";
    let ran =
        refused(&scene().await, &["amd64", "arm64"], platforms, &["missing:    linux/arm/v7"])
            .await;
    assert!(!ran.stdout.contains("unexpected:"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_platform_that_is_too_many_is_named_with_its_source() {
    let scene = scene().await;
    let from = format!("from {}", scene.reference("arm64"));
    let ran =
        refused(&scene, &["amd64", "arm64"], "linux/amd64", &["unexpected: linux/arm64 ", &from])
            .await;
    assert!(!ran.stdout.contains("missing:"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_platform_in_place_of_another_is_both() {
    let words = ["missing:    linux/s390x", "unexpected: linux/arm64", "ok:         linux/amd64"];
    refused(&scene().await, &["amd64", "arm64"], "linux/amd64,linux/s390x", &words).await;
}

#[tokio::test]
async fn attestations_are_no_platforms() {
    let scene = scene().await;
    BuiltIndex::new(vec![Image::oci("linux/386")])
        .attestations(true)
        .push(&scene.client, REPO, "built")
        .await;
    scene.step_of(&["amd64", "built"]).input("platforms", "linux/386,linux/amd64").run().await.ok();
    assert_eq!(scene.entries("1").await.len(), 3);
}

#[tokio::test]
async fn platforms_are_compared_by_meaning() {
    let scene = Scene::empty().await;
    for (config, asked) in [
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/v8", "linux/aarch64"),
        ("linux/amd64", "linux/x86_64"),
        ("linux/amd64", "Linux/AMD64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v7", "linux/armhf"),
        (WINDOWS, "windows/amd64"),
        (WINDOWS, WINDOWS),
    ] {
        scene.push(&Image::oci(config), "a").await;
        let ran = scene.step_of(&["a"]).input("platforms", asked).run().await;
        assert_eq!(ran.status, 0, "{config} answers {asked}:\n{}", ran.everything());
    }
}

#[tokio::test]
async fn what_only_looks_alike_does_not_answer() {
    for (config, asked) in [
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/amd64/v3", "linux/amd64"),
        (WINDOWS, "windows(10.0.17763.6293)/amd64"),
        ("windows/amd64", WINDOWS),
        ("linux/arm64", "linux/arm64/v9"),
    ] {
        let scene = Scene::empty().await;
        scene.push(&Image::oci(config), "a").await;
        let (missing, too_many) = (format!("missing:    {asked}"), format!("unexpected: {config}"));
        refused(&scene, &["a"], asked, &[&missing, &too_many]).await;
    }
}

#[tokio::test]
async fn one_entry_answers_one_platform_only() {
    // Asked for beside each other, the exact one takes its entry and the open one finds none.
    let scene = Scene::empty().await;
    let images = [WINDOWS, "windows(10.0.17763.6293)/amd64"].map(Image::docker);
    DockerList::new(images.to_vec()).push(&scene.client, REPO, "both").await;
    scene.push(&images[0], "one").await;
    let platforms = format!("windows/amd64,{WINDOWS}");
    refused(&scene, &["one"], &platforms, &["missing:    windows/amd64"]).await;
    scene.step_of(&["both"]).input("platforms", &platforms).run().await.ok();
}

#[tokio::test]
async fn two_images_for_one_platform_are_refused_with_both_digests() {
    let scene = scene().await;
    let (one, two) = (
        Image::oci("linux/arm64/v8").digest(),
        scene.push(&Image::oci("linux/arm64").seed(2), "other").await,
    );
    let words =
        ["two images for linux/arm64", &one[..19], &two[..19], "acme/app:arm64", "acme/app:other"];
    refused(&scene, &["arm64", "amd64", "other"], "", &words).await;
}

#[tokio::test]
async fn two_images_for_one_platform_inside_an_index_are_refused_too() {
    let scene = Scene::empty().await;
    let images = [1, 2].map(|seed| Image::docker("linux/amd64").seed(seed));
    DockerList::new(images.to_vec()).push(&scene.client, REPO, "list").await;
    refused(&scene, &["list"], "", &["two images for linux/amd64"]).await;
}

#[tokio::test]
async fn one_digest_from_two_sources_is_a_lost_architecture() {
    let scene = scene().await;
    // Both jobs pushed the same tag: the one that came last is there twice.
    scene.push(&Image::oci("linux/amd64"), "again").await;
    let digest = Image::oci("linux/amd64").digest();
    let words = [
        "two sources are the same image",
        &digest,
        "acme/app:amd64",
        "acme/app:again",
        "its own tag",
    ];
    refused(&scene, &["amd64", "again"], "", &words).await;
}

#[tokio::test]
async fn a_contradiction_moves_no_tag() {
    let scene = scene().await;
    refused(
        &scene,
        &["linux/arm64=amd64"],
        "",
        &["is for linux/amd64, but the inputs say linux/arm64"],
    )
    .await;
}

#[tokio::test]
async fn all_that_is_wrong_is_told_in_one_run_before_any_request() {
    let scene = scene().await;
    let host = scene.proxy.host();
    let ran = scene
        .step("1")
        .input("tags", &format!("{host}/{REPO}:1\n{host}/{REPO}\n{host}/{REPO}@sha256:{}\nUpper/Case:1", "0".repeat(64)))
        .input(
            "sources",
            &format!("# fine:\n{host}/{REPO}:amd64\nlinux={host}/{REPO}:x\n{host}/{REPO}:{{arc}}\n{host}/{REPO}:amd64"),
        )
        .input("platforms", "linux/amd64\nlinux/x86_64\namd64")
        .input("annotations", "ok=1\nnovalue\n=nokey")
        .input("format", "docker")
        .input("attestations", "perhaps")
        .input("wait", "10 parsecs")
        .input("wait-interval", "0")
        .input("overwrite", "some times")
        .input("dry-run", "maybe")
        .input("concurrency", "0")
        .input("log-level", "loud")
        .input("ca-file", "none.pem")
        .run()
        .await
        .fails(2);
    for problem in [
        "tags, line 2: ",
        "tags, line 3: ",
        "tags, line 4: ",
        "sources, line 3: ",
        "sources, line 4: ",
        "sources, line 5: ",
        "platforms, line 2: linux/x86_64 and linux/amd64 are the same platform",
        "platforms, line 3: ",
        "annotations, line 2: ",
        "annotations, line 3: ",
        "format: docker: a Docker manifest list cannot have annotations",
        "attestations: must be keep, drop or discover, not \"perhaps\"",
        "wait: \"10 parsecs\"",
        "wait-interval: ",
        "overwrite, line 1: \"some times\" cannot match a tag: ",
        "dry-run: must be true or false, not \"maybe\"",
        "concurrency: must be a number from 1 to 256, not \"0\"",
        "log-level: must be error, warn, info, debug or trace, not \"loud\"",
        "ca-file: ",
        "19 problems with the inputs; nothing was sent to a registry",
    ] {
        assert!(ran.stdout.contains(problem), "{problem:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
    assert_eq!(ran.raw_output_file().as_deref(), Some(""));
    assert!(
        ran.summary().contains("### ❌ Not published: 19 problems with the inputs; nothing was"),
        "{}",
        ran.summary()
    );
}

#[tokio::test]
async fn what_is_needed_and_what_excludes_each_other_is_named() {
    let scene = scene().await;
    let source = scene.reference("amd64");
    let digest = Image::oci("linux/amd64").digest();
    for (inputs, words) in [
        (vec![("tags", "")], "tags is required"),
        (vec![], "sources or digests is required"),
        (
            vec![("sources", source.as_str()), ("digests", &digest)],
            "  give either sources or digests, not both",
        ),
        (vec![("sources", "# nothing but a remark")], "sources: contains no reference"),
        (
            vec![("sources", "{platform}")],
            "sources, line 1: {platform} has placeholders, but platforms is not set",
        ),
        (
            vec![("sources", &source), ("format", "docker"), ("annotations", "a=b")],
            "format: docker",
        ),
        (
            vec![("sources", &source), ("annotations", "a=1\na=2")],
            "annotations, line 2: a has two values",
        ),
        (
            vec![("sources", &source), ("annotations", "manifest[linux/amd64]:a=1")],
            "annotations, line 1: manifest[linux/amd64]:",
        ),
    ] {
        let step =
            inputs.iter().fold(scene.step("1"), |step, (name, value)| step.input(name, value));
        let ran = step.run().await.fails(2);
        assert!(ran.stdout.contains(words), "{words:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn a_template_is_expanded_over_the_platforms_as_written() {
    let scene = Scene::empty().await;
    for (tag, platform) in [
        ("1-linux-amd64", "linux/amd64"),
        ("1-linux-arm64-v8", "linux/arm64/v8"),
        ("1-linux-arm-v7", "linux/arm"),
    ] {
        scene.push(&Image::oci(platform), tag).await;
    }
    let platforms = "linux/arm64/v8,linux/amd64,linux/arm/v7";
    for template in ["1-{platform}", "1-{os}-{arch}-{variant}"] {
        let ran = scene.step_of(&[template]).input("platforms", platforms).run().await.ok();
        assert_eq!(
            ran.output("platforms").as_deref(),
            Some("linux/arm64,linux/amd64,linux/arm/v7"),
            "{template}"
        );
    }
    let ran = scene
        .step_of(&["1-{arch}"])
        .input("platforms", "linux/arm/v6,linux/arm/v7")
        .run()
        .await
        .fails(2);
    assert!(ran.stdout.contains("linux/arm/v6 and linux/arm/v7 both give"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_value_that_is_no_text_is_refused_and_not_left_out() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    let odd = OsStr::from_bytes(b"linux/amd64\xff");
    let ran =
        scene.step_of(&["a"]).env("INPUT_PLATFORMS", odd).env("ELSE", odd).run().await.fails(2);
    assert!(ran.stdout.contains("\n  platforms: is not valid UTF-8\n"), "{}", ran.stdout);
}
