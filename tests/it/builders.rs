//! What builders really push: images that are not what their names say.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;

/// The platforms of the index at `1`, as its entries say them.
async fn published(scene: &Scene) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let platform = |entry: &serde_json::Value| {
        let platform = &entry["platform"];
        let parts = [&platform["os"], &platform["architecture"], &platform["variant"]].map(text);
        parts.join("/").trim_end_matches('/').to_owned()
    };
    scene.entries("1").await.iter().map(platform).collect()
}

fn says(ran: &Ran, lines: &[String]) {
    for line in lines {
        assert!(ran.stdout.contains(line), "no {line:?}:\n{}", ran.stdout);
    }
}

/// Podman on a Mac writes its own variant into the config of whatever it builds.
#[tokio::test]
async fn a_variant_of_another_architecture_is_left_out_with_a_warning() {
    for (config, listed) in [
        ("linux/amd64/v8", "linux/amd64"),
        ("linux/s390x/v8", "linux/s390x"),
        ("linux/amd64/v8.2", "linux/amd64"),
        ("linux/386/v7", "linux/386"),
    ] {
        let scene = Scene::empty().await;
        scene.push(&Image::oci(config), "a").await;
        for step in [
            scene.step_of(&["a"]),
            scene.step_of(&["a"]).input("platforms", listed),
            scene.step_of(&[format!("{listed}=a")]),
        ] {
            let ran = step.run().await.ok();
            let variant = config.rsplit('/').next().unwrap();
            let warning = format!(
                "{}: its config says variant {variant}, which only ARM has; it goes into the index as {listed}",
                scene.reference("a")
            );
            assert_eq!(ran.stdout.matches(&warning).count(), 1, "{}", ran.stdout);
            assert_eq!(published(&scene).await, [listed]);
            assert_eq!(ran.output("platforms").as_deref(), Some(listed));
        }
    }
}

#[tokio::test]
async fn all_other_variants_stay() {
    for platform in [
        "linux/arm64/v8.2",
        "linux/arm64/v9",
        "linux/arm/v5",
        "linux/arm/v8",
        "linux/amd64/v3",
        "linux/riscv64/rva22u64",
        "linux/ppc64le/power9",
        "linux/s390x/z13",
    ] {
        let scene = Scene::empty().await;
        scene.push(&Image::oci(platform), "a").await;
        let ran = scene.step_of(&["a"]).run().await.ok();
        assert!(!ran.stdout.contains("only ARM has"), "{}", ran.stdout);
        assert_eq!(published(&scene).await, [platform]);
    }
}

#[tokio::test]
async fn a_variant_that_the_inputs_contradict_is_named() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64/v8"), "a").await;
    let ran = scene.step_of(&["a"]).input("platforms", "linux/arm64").run().await.fails(5);
    says(&ran, &["(its config says variant v8, which only ARM has)".to_owned()]);
    let ran = scene.step_of(&["linux/arm64/v8=a"]).run().await.fails(5);
    let a = scene.reference("a");
    says(&ran, &[format!("{a} is for linux/amd64/v8, but the inputs say linux/arm64")]);
    // An index cannot be asked for what no client takes.
    let ran = scene.step_of(&["a"]).input("platforms", "linux/amd64/v8").run().await.fails(5);
    says(
        &ran,
        &[
            "linux/amd64/v8: only ARM has a variant v8; did you mean linux/amd64?".to_owned(),
            "missing:    linux/amd64/v8".to_owned(),
        ],
    );
}

/// An entry of an index is copied as it stands, so a warning is all that can be done.
#[tokio::test]
async fn an_entry_with_a_variant_of_another_architecture_is_told() {
    let scene = Scene::empty().await;
    let images = ["linux/amd64/v8", "linux/arm64/v8"].map(Image::oci);
    let built = BuiltIndex::new(images.to_vec()).attestations(true);
    let digest = built.push(&scene.client, REPO, "built").await;
    let ran = scene.step_of(&["built"]).run().await.ok();
    let built = scene.reference("built");
    let warning = format!(
        "{built} has an entry for linux/amd64/v8, but only ARM has a variant v8, so no client takes it; build it again for linux/amd64"
    );
    assert_eq!(ran.stdout.matches("only ARM").count(), 1, "{}", ran.stdout);
    says(&ran, &[warning]);
    assert_eq!(scene.digest("1").await, Some(digest));
}

/// What the tag to append to holds is one image too.
#[tokio::test]
async fn a_variant_of_the_image_that_is_appended_to_is_left_out() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64/v8"), "1").await;
    scene.push(&Image::oci("linux/arm64/v8"), "a").await;
    let ran = scene.step_of(&["a"]).input("append", "true").run().await.ok();
    let warning = format!("{}: its config says variant v8", scene.reference("1"));
    says(&ran, &[warning]);
    assert_eq!(published(&scene).await, ["linux/amd64", "linux/arm64"]);
}

/// Images for amd64 under these tags, each a build of its own; the step that combines them.
async fn all_amd64(tags: &[&str]) -> (Scene, Step) {
    let scene = Scene::empty().await;
    for (seed, tag) in tags.iter().enumerate() {
        scene.push(&amd64().seed(seed as u64), tag).await;
    }
    let step = scene.step_of(tags);
    (scene, step)
}

/// Exit status 5, and these lines: the error and what it says, a line each.
async fn is_told(scene: &Scene, step: Step, lines: &[String]) {
    let before = scene.state().await;
    let ran = step.run().await.fails(5);
    says(&ran, lines);
    assert!(!ran.stdout.contains("remove one of them"), "{}", ran.stdout);
    assert_eq!(scene.state().await, before, "no tag moved");
}

/// The job for arm64 built for its own machine.
#[tokio::test]
async fn an_image_that_is_not_what_its_name_says_is_named() {
    for tags in [
        ["1-amd64", "1-arm64"],
        ["1-arm64", "1-amd64"],
        ["edge-x86_64", "edge-aarch64"],
        ["linux-amd64", "arm64v8-linux"],
    ] {
        let (scene, step) = all_amd64(&tags).await;
        let arm64 = scene.reference(
            tags.iter().find(|tag| tag.contains("arm64") || tag.contains("aarch64")).unwrap(),
        );
        let lines = [
            format!("{arm64} is for linux/amd64, not for linux/arm64 as its name says"),
            "missing:    linux/arm64".to_owned(),
            "wrong:      linux/amd64 sha256:".to_owned(),
            "ok:         linux/amd64 sha256:".to_owned(),
            "build with `--platform linux/arm64`".to_owned(),
        ];
        is_told(&scene, step.input("platforms", "linux/amd64,linux/arm64"), &lines).await;
        is_told(&scene, scene.step_of(&tags), &lines).await;
    }
}

#[tokio::test]
async fn a_template_says_what_its_images_are_for() {
    let (scene, step) = all_amd64(&["1-one", "1-two", "1-three"]).await;
    for (seed, tag) in ["1-arm64", "1-amd64", "1-s390x"].iter().enumerate() {
        scene.push(&amd64().seed(seed as u64), tag).await;
    }
    let step = step
        .input("sources", &scene.reference("1-{arch}"))
        .input("platforms", "linux/amd64,linux/arm64,linux/s390x");
    let lines = [
        "2 images are not for the platforms that their names say".to_owned(),
        "missing:    linux/arm64".to_owned(),
        "missing:    linux/s390x".to_owned(),
        "ok:         linux/amd64 ".to_owned(),
        format!("from {}", scene.reference("1-s390x")),
    ];
    is_told(&scene, step, &lines).await;
}

/// One image alone, an index with its attestations, a repository for each platform, and a variant.
#[tokio::test]
async fn other_places_that_say_what_an_image_is_for() {
    let scene = Scene::empty().await;
    scene.push(&amd64(), "1-arm64").await;
    let step = scene.step_of(&["1-arm64"]).input("platforms", "linux/arm64");
    let (one, missing) = (scene.reference("1-arm64"), "missing:    linux/arm64".to_owned());
    let what = format!("{one} is for linux/amd64, not for linux/arm64 as its name says");
    is_told(&scene, step, &[what.clone(), missing.clone()]).await;

    let built = BuiltIndex::new(vec![amd64()]).attestations(true);
    built.push(&scene.client, REPO, "1-arm64").await;
    scene.push(&amd64().seed(1), "1-amd64").await;
    is_told(&scene, scene.step_of(&["1-amd64", "1-arm64"]), &[what, missing]).await;

    for (seed, name) in ["acme/app-amd64", "acme/app-arm64"].iter().enumerate() {
        amd64().seed(seed as u64).push(&scene.client, name, "1").await;
    }
    let sources = ["acme/app-amd64:1", "acme/app-arm64:1"].map(|name| scene.full_name(name));
    let step = scene.step("1").input("sources", &sources.join("\n"));
    let what = format!("{} is for linux/amd64, not for linux/arm64", sources[1]);
    is_told(&scene, step, &[what]).await;

    scene.push(&Image::oci("linux/arm/v7"), "1-armv7").await;
    scene.push(&Image::oci("linux/arm/v7").seed(1), "1-armv6").await;
    let what = "is for linux/arm/v7, not for linux/arm/v6 as its name says".to_owned();
    is_told(&scene, scene.step_of(&["1-armv7", "1-armv6"]), &[what]).await;
}

/// Digests that jobs passed on are called after the outputs.
#[tokio::test]
async fn an_output_of_a_job_says_what_its_image_is_for() {
    let scene = Scene::empty().await;
    let one = scene.push(&amd64(), "a").await;
    let two = scene.push(&amd64().seed(1), "b").await;
    // `toJSON(needs.build.outputs)`
    let outputs = serde_json::json!({"digest-amd64": one, "digest-arm64": two}).to_string();
    let step = scene.step("1").input("digests", &outputs);
    let what = format!(
        "{} from digest-arm64 is for linux/amd64, not for linux/arm64 as its name says",
        &two[..19]
    );
    is_told(&scene, step, &[what, "missing:    linux/arm64".to_owned()]).await;
}

/// Where no name tells, what is missing is told all the same.
#[tokio::test]
async fn what_is_missing_beside_two_images_for_one_platform_is_told() {
    let (scene, step) = all_amd64(&["a", "b"]).await;
    let step = step.input("platforms", "linux/amd64,linux/arm64");
    let lines = ["two images for linux/amd64".to_owned(), "missing:    linux/arm64".to_owned()];
    is_told(&scene, step, &lines).await;
    let ran = scene.step_of(&["a", "b"]).run().await.fails(5);
    says(&ran, &["remove one of them: clients only ever see the first".to_owned()]);
}

/// A name is no rule: what is right as it is is published, whatever it is called.
#[tokio::test]
async fn a_name_alone_refuses_nothing() {
    let scene = Scene::empty().await;
    scene.push(&arm64(), "1-amd64").await;
    scene.push(&amd64(), "1-arm64").await;
    scene.step_of(&["1-amd64", "1-arm64"]).run().await.ok();
    assert_eq!(published(&scene).await, ["linux/arm64", "linux/amd64"]);
    // Of two that meet, the one whose name is right is not blamed.
    scene.push(&amd64().seed(2), "other").await;
    let ran = scene.step_of(&["1-amd64", "1-arm64", "other"]).run().await.fails(5);
    says(&ran, &[format!("{} is for linux/amd64, not for", scene.reference("1-arm64"))]);
}
