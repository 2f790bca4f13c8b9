//! What builders really push: images that are not what their names say.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};

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
