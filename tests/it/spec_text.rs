//! Many lists in one run, as text in the input `spec`, which the CI system can fill in.

use crate::support::scene::Scene;
use crate::support::step::Step;
use serde_json::{Value, json};

/// As GitHub, GitLab and Woodpecker hand it over.
#[tokio::test]
async fn the_input_the_variable_and_the_setting_hold_the_text() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let repository = format!("{}/acme/app", scene.proxy.host());
    let yaml = format!(
        "indexes:\n  - tags: {repository}:a\n    sources: {repository}:a-{{arch}}\n  - tags: {repository}:b\n    sources: {repository}:b-{{arch}}\n"
    );
    let json = format!(
        r#"{{"indexes":[{{"sources":"{repository}:a-{{arch}}","tags":["{repository}:a"]}},{{"sources":["{repository}:b-amd64","{repository}:b-arm64"],"tags":"{repository}:b","overwrite":true}}]}}"#
    );
    for (step, prefix, text, dotenv) in [
        (Step::new().github(), "INPUT_", &yaml, None),
        (
            Step::new().env("GITLAB_CI", "true"),
            "MANIFEST_ACTION_",
            &yaml,
            Some("MANIFEST_CHANGED=false\n"),
        ),
        (Step::new().env("CI", "woodpecker"), "PLUGIN_", &json, None),
    ] {
        let ran = step
            .env(&format!("{prefix}SPEC"), text)
            .env(&format!("{prefix}PLATFORMS"), "linux/amd64,linux/arm64")
            .env(&format!("{prefix}WAIT"), "0")
            .run()
            .await
            .ok();
        assert!(ran.stdout.contains("2 of 2 indexes"), "{prefix}: {}", ran.stdout);
        for name in ["a", "b"] {
            let entries = scene.at(name).await.json()["manifests"].as_array().unwrap().len();
            assert_eq!(entries, 2, "{prefix}: {name}");
        }
        assert_eq!(ran.file("manifest.env").as_deref(), dotenv, "{prefix}");
    }
}

#[tokio::test]
async fn a_text_with_problems_is_refused_at_their_places() {
    let scene = Scene::empty().await;
    let repository = format!("{}/acme/app", scene.proxy.host());
    for (text, place) in [
        (
            format!(
                "indexes:\n  - tags: {repository}:a\n    sources: {repository}:x\n    wait: soon\n"
            ),
            "spec, line 4, column 11: index 1",
        ),
        (
            format!("indexes:\n  - tags: {repository}:{{{{ tag }}}}\n    sources: x\n"),
            "nothing replaces it here",
        ),
    ] {
        let ran = Step::new().github().input("spec", &text).run().await;
        assert_eq!(ran.status, 2, "{}", ran.everything());
        assert!(ran.everything().contains(place), "{}", ran.everything());
    }
    assert_eq!(scene.digest("a").await, None);
}

#[tokio::test]
async fn a_name_is_the_key_of_what_later_jobs_look_for() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let repository = format!("{}/acme/app", scene.proxy.host());
    let text = format!(
        "indexes:\n  - name: app-1.x\n    tags: {repository}:a\n    sources: {repository}:a-{{arch}}\n  - tags: {repository}:b\n    sources: {repository}:b-{{arch}}\n"
    );
    let ran = Step::new()
        .github()
        .input("spec", &text)
        .input("platforms", "linux/amd64,linux/arm64")
        .input("wait", "0")
        .input("dotenv-file", "manifest.env")
        .input("json-file", "report.json")
        .run()
        .await
        .ok();
    let (a, b) = (scene.at("a").await.digest, scene.at("b").await.digest);
    let indexes: Value = serde_json::from_str(&ran.output("indexes").unwrap()).unwrap();
    assert_eq!(indexes, json!({"app-1.x": a, format!("{repository}:b"): b}));
    assert_eq!(
        ran.file("manifest.env").unwrap(),
        format!(
            "MANIFEST_CHANGED=true\nMANIFEST_APP_1_X_DIGEST={a}\nMANIFEST_APP_1_X_IMAGE={repository}@{a}\n"
        )
    );
    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    assert_eq!(report["lists"][0]["name"], "app-1.x");
    assert_eq!(report["lists"][1]["name"], json!(format!("{repository}:b")));
}
