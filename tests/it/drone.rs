//! Steps of Drone's and Woodpecker's `plugins/manifest`, of which only the image has changed.

use crate::support::images::Image;
use crate::support::registry::{Auth, Registry};
use crate::support::running::Ran;
use crate::support::scene::{Scene, amd64, arm64};
use crate::support::step::Step;
use serde_json::json;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// As in the pipelines of large projects: one template for several images, whose name is the target
/// that nothing else needs; on a tag its version, else branch and commit.
fn template(host: &str) -> String {
    let image = format!(
        "{host}/acme/{{{{config.target}}}}:{{{{#if build.tag}}}}{{{{trimPrefix \"v\" build.tag}}}}{{{{else}}}}{{{{build.branch}}}}-{{{{substr 0 7 build.commit}}}}{{{{/if}}}}"
    );
    format!(
        "\
image: {image}
tags:
  - main
{{{{#if build.tag}}}}
  - latest
{{{{/if}}}}
{{{{#if build.tags}}}}
{{{{#each build.tags}}}}
  - {{{{this}}}}
{{{{/each}}}}
{{{{/if}}}}
manifests:
  - image: {image}-amd64
    platform:
      architecture: amd64
      os: linux
  - image: {image}-arm64
    platform:
      architecture: arm64
      os: linux
      variant: v8
"
    )
}

/// A step of Drone in a build of `main`.
fn drone() -> Step {
    Step::new()
        .env("CI", "true")
        .env("DRONE", "true")
        .env("DRONE_COMMIT_SHA", COMMIT)
        .env("DRONE_COMMIT_REF", "refs/heads/main")
        .env("DRONE_COMMIT_BRANCH", "main")
        .env("DRONE_REPO_BRANCH", "main")
        .env("DRONE_BUILD_EVENT", "push")
        .env("PLUGIN_WAIT", "0")
}

/// A step of Woodpecker in a build of the tag `v1.2.3`.
fn woodpecker() -> Step {
    Step::new()
        .env("CI", "woodpecker")
        .env("CI_COMMIT_SHA", COMMIT)
        .env("CI_COMMIT_REF", "refs/tags/v1.2.3")
        .env("CI_COMMIT_TAG", "v1.2.3")
        .env("CI_REPO_DEFAULT_BRANCH", "main")
        .env("CI_PIPELINE_EVENT", "tag")
        .env("PLUGIN_WAIT", "0")
}

async fn scene(name: &str) -> Scene {
    let scene = Scene::empty().await;
    scene.push(&amd64(), &format!("{name}-amd64")).await;
    scene.push(&arm64(), &format!("{name}-arm64")).await;
    scene
}

/// The platforms that a tag holds.
async fn platforms(scene: &Scene, tag: &str) -> Vec<String> {
    let of = |entry: &serde_json::Value| {
        let platform = &entry["platform"];
        format!("{}/{}", platform["os"], platform["architecture"]).replace('"', "")
    };
    scene.entries(tag).await.iter().map(of).collect()
}

const BOTH: [&str; 2] = ["linux/amd64", "linux/arm64"];

fn says(ran: &Ran, part: &str) {
    assert!(ran.everything().contains(part), "{part}\n{}", ran.everything());
}

#[tokio::test]
async fn a_template_in_a_build_of_a_branch() {
    let scene = scene("main-0123456").await;
    drone()
        .file(".drone/docker-manifest.tmpl", template(&scene.proxy.host()))
        .env("PLUGIN_SPEC", ".drone/docker-manifest.tmpl")
        .env("PLUGIN_TARGET", "app")
        .env("PLUGIN_IGNORE_MISSING", "false")
        .run()
        .await
        .ok();
    assert_eq!(platforms(&scene, "main-0123456").await, BOTH);
    let digest = scene.digest("main-0123456").await;
    assert_eq!((scene.digest("main").await, scene.digest("latest").await), (digest, None));
}

#[tokio::test]
async fn a_template_in_a_build_of_a_tag_with_tags_of_its_own() {
    let scene = scene("1.2.3").await;
    let text = template(&scene.proxy.host());
    for (setting, auto) in [("PLUGIN_TAGS", false), ("PLUGIN_AUTO_TAG", true)] {
        let ran = woodpecker()
            .env("PLUGIN_SPEC", &text)
            .env("PLUGIN_TARGET", "app")
            .env(setting, if auto { "true" } else { "1,extra" })
            .env("PLUGIN_JSON_FILE", "report.json")
            .run()
            .await
            .ok();
        let digest = scene.digest("1.2.3").await;
        let tags =
            if auto { ["main", "latest", "1", "1.2"] } else { ["main", "latest", "1", "extra"] };
        for tag in tags {
            assert_eq!(scene.digest(tag).await, digest, "{tag}\n{}", ran.everything());
        }
        assert!(!ran.everything().contains("warning"), "{}", ran.everything());
    }
    assert_eq!(platforms(&scene, "1.2.3").await, BOTH);
}

#[tokio::test]
async fn what_is_wrong_in_a_template_is_told_at_once_and_nothing_is_asked() {
    let scene = scene("1.2.3").await;
    let text = template(&scene.proxy.host())
        .replace("config.target", "config.targte")
        .replace("{{#each build.tags}}", "{{#each build.tegs}}")
        .replacen("trimPrefix", "trimPrefx", 1);
    let ran = woodpecker()
        .file("m.tmpl", text)
        .env("PLUGIN_SPEC", "m.tmpl")
        .env("PLUGIN_TARGET", "app")
        .run()
        .await;
    assert_eq!(ran.status, 2, "{}", ran.everything());
    says(
        &ran,
        "m.tmpl, line 1, column 64: spec: unknown helper \"trimPrefx\"; did you mean trimPrefix?",
    );
    says(
        &ran,
        "m.tmpl, line 8, column 1: spec: unknown name \"build.tegs\"; did you mean build.tags?",
    );
    // A setting may have any name, so that only filling in tells that it is not there.
    let text = template(&scene.proxy.host()).replace("config.target", "config.targte");
    let ran = woodpecker().env("PLUGIN_SPEC", text).run().await;
    assert_eq!(ran.status, 2, "{}", ran.everything());
    says(
        &ran,
        "spec, line 1, column 29: spec: config.targte has no value: the step has no setting targte",
    );
    // What only the filled-in text shows.
    let text = template(&scene.proxy.host()).replace("variant:", "variants:");
    let ran = woodpecker().env("PLUGIN_SPEC", text).env("PLUGIN_TARGET", "a b").run().await;
    assert_eq!(ran.status, 2, "{}", ran.everything());
    says(&ran, "spec, filled in, line 14, column 7: spec: unknown key \"variants\"");
    says(&ran, "spec, filled in, line 1, column 8: index 1 (");
    assert_eq!(scene.proxy.requests(), 0);
}

/// Nothing fills in what is not a setting of such a step.
#[tokio::test]
async fn braces_elsewhere_are_refused() {
    let scene = scene("1.2.3").await;
    let host = scene.proxy.host();
    let indexes =
        format!("indexes:\n  - tags: {host}/acme/app:{{{{build.tag}}}}\n    sources: x\n");
    for step in [
        woodpecker().env("INPUT_SPEC", template(&host)),
        woodpecker().env("MANIFEST_ACTION_SPEC", template(&host)),
        woodpecker().env("PLUGIN_SPEC", indexes),
    ] {
        let ran = step.run().await;
        assert_eq!(ran.status, 2, "{}", ran.everything());
        says(&ran, "contains {{, and nothing replaces it here");
    }
    assert_eq!(scene.proxy.requests(), 0);
}

#[tokio::test]
async fn settings_that_a_spec_does_not_ask_for() {
    let scene = scene("1.2.3").await;
    let host = scene.proxy.host();
    let text = template(&host)
        .replace("{{config.target}}", "app")
        .replace("build.tags", "build.tag")
        .replace("each build.tag", "if build.tag")
        .replace("/each", "/if")
        .replace("{{this}}", "{{build.tag}}");
    let ran = woodpecker()
        .env("PLUGIN_SPEC", text)
        .env("PLUGIN_TARGET", "app")
        .env("PLUGIN_TAGS", "extra")
        .run()
        .await
        .ok();
    says(&ran, "target has no effect: `spec` says what to publish, and config.target is not in it");
    says(&ran, "tags has no effect: `spec` says what to publish, and build.tags is not in it");
    assert_eq!(scene.digest("extra").await, None);
    // With indexes of ours they have no place.
    let indexes = format!(
        "indexes:\n  - tags: {host}/acme/app:x\n    sources: {host}/acme/app:1.2.3-amd64\n"
    );
    let ran = woodpecker()
        .env("PLUGIN_SPEC", indexes)
        .env("PLUGIN_TARGET", "app")
        .env("PLUGIN_AUTO_TAG", "true")
        .run()
        .await;
    assert_eq!(ran.status, 2, "{}", ran.everything());
    for told in [
        "target: cannot be combined with spec: its text has `indexes:`",
        "auto_tag: cannot be combined with spec: its text has `indexes:`",
        "tags: cannot be combined with spec: set it for each entry",
    ] {
        says(&ran, told);
    }
    assert_eq!(scene.digest("x").await, None);
}

#[tokio::test]
async fn no_login_reaches_a_template() {
    let scene = scene("1.2.3").await;
    let text = template(&scene.proxy.host()).replace("config.target", "config.password");
    let ran = woodpecker()
        .env("PLUGIN_SPEC", text)
        .env("PLUGIN_USERNAME", "acme")
        .env("PLUGIN_PASSWORD", "canary-password")
        .run()
        .await;
    assert_eq!(ran.status, 2, "{}", ran.everything());
    says(&ran, "config.password is not given to a template: it belongs to a login");
    ran.never_says("canary-password");
}

#[tokio::test]
async fn auto_tag_publishes_on_the_default_branch_and_on_tags_only() {
    let scene = scene("1").await;
    let host = scene.proxy.host();
    let step = |step: Step| {
        step.env("PLUGIN_TARGET", format!("{host}/acme/app:edge"))
            .env("PLUGIN_TEMPLATE", format!("{host}/acme/app:1-ARCH"))
            .env("PLUGIN_PLATFORMS", "linux/amd64,linux/arm64")
            .env("PLUGIN_AUTO_TAG", "true")
            .env("PLUGIN_JSON_FILE", "report.json")
            .env("PLUGIN_RESULTS_DIR", "results")
    };
    for (reference, reason) in [
        ("refs/heads/feature", "default branch (main), and this build is of refs/heads/feature"),
        ("refs/pull/7/head", "this build is of refs/pull/7/head"),
    ] {
        let ran = step(drone().env("DRONE_COMMIT_REF", reference)).run().await.ok();
        says(&ran, reason);
        assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.everything());
        assert_eq!((ran.file("report.json"), ran.file("results/digest")), (None, None));
        assert_eq!(scene.proxy.requests(), 0);
    }
    step(drone()).run().await.ok();
    assert_eq!(platforms(&scene, "latest").await, BOTH);
    assert_eq!(scene.digest("edge").await, scene.digest("latest").await);
    step(woodpecker()).run().await.ok();
    for tag in ["1", "1.2", "1.2.3"] {
        assert_eq!(scene.digest(tag).await, scene.digest("edge").await, "{tag}");
    }
}

#[tokio::test]
async fn the_platform_in_the_name_of_the_repository() {
    let scene = Scene::empty().await;
    for image in [amd64(), arm64()] {
        let architecture = image.platform_json()["architecture"].as_str().unwrap().to_owned();
        image.push(&scene.client, &format!("acme/app-{architecture}"), "v1").await;
        image.push(&scene.client, &format!("linux-{architecture}/app"), "v1").await;
    }
    let host = scene.proxy.host();
    for template in ["acme/app-ARCH:v1", "OS-ARCH/app:v1", "acme/app-ARCHVARIANT:v1"] {
        let ran = drone()
            .env("PLUGIN_TARGET", format!("{host}/acme/app:v1"))
            .env("PLUGIN_TEMPLATE", format!("{host}/{template}"))
            .env("PLUGIN_PLATFORMS", "linux/amd64,linux/arm64")
            .run()
            .await
            .ok();
        assert_eq!(platforms(&scene, "v1").await, BOTH, "{}", ran.everything());
    }
}

#[tokio::test]
async fn what_is_missing_is_ignored_without_a_wait() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "main-0123456-amd64").await;
    drone()
        .without("PLUGIN_WAIT")
        .env("PLUGIN_SPEC", template(&scene.proxy.host()))
        .env("PLUGIN_TARGET", "app")
        .env("PLUGIN_IGNORE_MISSING", "true")
        .run()
        .await
        .ok();
    assert_eq!(
        scene.at("main").await.json()["manifests"][0]["platform"],
        json!({"architecture": "amd64", "os": "linux"})
    );
}

/// A registry that speaks TLS is asked in plain HTTP, as the setting says.
#[tokio::test]
async fn insecure_is_of_the_registries_that_the_step_names() {
    let registry = Registry::launch(&Auth::Open, true).await;
    for (given, expected) in
        [("true", "plain HTTP"), ("false", "is from an authority that is not trusted")]
    {
        let ran = drone()
            .env("PLUGIN_INSECURE", given)
            .env("PLUGIN_SPEC", template(&registry.host()))
            .env("PLUGIN_TARGET", "app")
            .run()
            .await
            .fails(7);
        says(&ran, expected);
    }
}
