//! The output files that inputs name: complete on success, the report alone on failure, never a
//! half of anything.

use crate::support::images::Image;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};
use crate::support::step::Step;
use serde_json::{Value, json};

/// One image at `a`, and a step that publishes it with all three kinds of files.
async fn scene() -> Scene {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/arm64/v8"), "a").await;
    scene
}

fn with_files(step: Step) -> Step {
    step.input("dotenv-file", "out.env")
        .input("results-dir", "results")
        .input("json-file", "report.json")
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.file("report.json").expect("the report")).expect("JSON")
}

/// Neither outputs nor anything of ours beside their places.
fn holds_only(ran: &Ran, names: &[&str]) {
    let mut left = Vec::new();
    for folder in [ran.workdir(), ran.workdir().join("results")] {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        left.extend(
            entries
                .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()),
        );
    }
    left.retain(|name| name != "results");
    left.sort();
    assert_eq!(left, names);
}

#[tokio::test]
async fn on_success_each_form_holds_the_outputs_exactly() {
    let scene = scene().await;
    // Nothing is left of what was there.
    let step = with_files(scene.step_of(&["a"])).file("out.env", "OLD=1\n".repeat(1000));
    let ran = step.run().await.ok();
    let list = scene.at("1").await;
    let image = format!("{}/{REPO}@{}", scene.proxy.host(), list.digest);
    let size = list.bytes.len();
    assert_eq!(
        ran.file("out.env").expect("a dotenv file"),
        format!(
            "MANIFEST_DIGEST={}\nMANIFEST_IMAGE={image}\nMANIFEST_MEDIA_TYPE={}\nMANIFEST_SIZE={size}\nMANIFEST_PLATFORMS=linux/arm64\nMANIFEST_CHANGED=true\n",
            list.digest, list.media_type
        )
    );
    let outputs = ran.outputs();
    assert_eq!(outputs.len(), 12);
    for (name, value) in &outputs {
        assert_eq!(
            ran.file(&format!("results/{name}")).as_ref(),
            Some(value),
            "byte for byte, without a line end: {name}"
        );
    }
    let report = report(&ran);
    for (pointer, expected) in [
        ("/version", json!(1)),
        ("/status", json!("published")),
        ("/exit", json!(0)),
        ("/digest", json!(list.digest)),
        ("/image", json!(image)),
        ("/changed", json!(true)),
        ("/tags/0/reference", json!(scene.reference("1"))),
        ("/tags/0/state", json!("created")),
        ("/tags/0/was", json!(null)),
        ("/platforms/0/platform", json!("linux/arm64")),
        ("/manifest", list.json()),
    ] {
        assert_eq!(report.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[tokio::test]
async fn on_failure_there_is_the_report_and_nothing_else() {
    let scene = scene().await;
    for (source, wait, status, what) in [
        ("missing", "0", 3, "1 of 1 image not found"),
        ("a", "soon", 2, "1 problem with the inputs; nothing was sent to a registry"),
        ("linux/amd64=a", "0", 5, ""),
    ] {
        let ran =
            with_files(scene.step_of(&[source]).input("wait", wait)).run().await.fails(status);
        let report = report(&ran);
        assert_eq!(
            (&report["version"], &report["status"], &report["exit"], &report["changed"]),
            (&json!(1), &json!("failed"), &json!(status), &json!(false))
        );
        assert!(
            report["error"]["what"].as_str().is_some_and(|text| text.starts_with(what)),
            "{report:#}"
        );
        holds_only(&ran, &["report.json"]);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_named_before_any_request() {
    let scene = scene().await;
    for (input, path) in
        [("dotenv-file", "no/folder/x"), ("json-file", "folder"), ("results-dir", "plain")]
    {
        let step = scene.step_of(&["a"]).file("plain", "").file("folder/x", "").input(input, path);
        let ran = step.run().await.fails(2);
        assert!(
            ran.stdout.contains(&format!("cannot write {input} ({path}): "))
                && ran.stdout.contains("; nothing was sent"),
            "{}",
            ran.stdout
        );
        assert!(
            !ran.stdout.contains(".manifest-action-"),
            "no name that we made up: {}",
            ran.stdout
        );
        assert_eq!(
            ran.stdout.contains("create the folder first"),
            path.contains('/'),
            "{}",
            ran.stdout
        );
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn outputs_that_cannot_be_written_are_all_missing_and_the_report_says_so() {
    let scene = scene().await;
    let ran =
        with_files(scene.step_of(&["a"])).env("GITHUB_OUTPUT", "/dev/full").run().await.fails(8);
    let list = scene.at("1").await;
    assert!(
        ran.stdout.contains("published, but the outputs could not be written"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains(&format!("digest: {}", list.digest)), "{}", ran.stdout);
    assert!(ran.stdout.contains("fix:   free space there; then run it again"), "{}", ran.stdout);
    let report = report(&ran);
    for (pointer, expected) in [
        ("/status", json!("failed")),
        ("/exit", json!(8)),
        (
            "/error/what",
            json!(
                "published, but the outputs could not be written: GITHUB_OUTPUT (/dev/full): no space left on device"
            ),
        ),
        ("/digest", json!(list.digest)),
        ("/changed", json!(true)),
        ("/tags/0/state", json!("created")),
    ] {
        assert_eq!(report.pointer(pointer), Some(&expected), "{pointer}: {report:#}");
    }
    holds_only(&ran, &["report.json"]);
}

#[tokio::test]
async fn create_tells_of_outputs_that_could_not_be_written() {
    let scene = scene().await;
    let (list, late) = (scene.reference("1"), scene.reference("late"));
    let step = Step::new().args([
        "create",
        &list,
        &late,
        "--json",
        "--dotenv-file",
        "out.env",
        "--wait",
        "30s",
    ]);
    let place = step.workdir().join("out.env");
    let running = step.spawn().await;
    running.wait_for_line("not found yet; checking for up to").await;
    std::fs::create_dir_all(&place).expect("a folder in the file's place");
    scene.push(&Image::oci("linux/amd64"), "late").await;
    let ran = running.wait().await.fails(8);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&report["status"], &report["exit"], &report["digest"]),
        (&json!("failed"), &json!(8), &json!(scene.at("1").await.digest))
    );
    assert_eq!(report["error"]["what"], json!("published, but the outputs could not be written"));
}

#[tokio::test]
async fn on_gitlab_there_is_a_dotenv_report_unasked() {
    let scene = scene().await;
    let outside = |step: Step| {
        ["GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"]
            .into_iter()
            .fold(step, Step::without)
    };
    for (value, names) in [("true", vec!["manifest.env"]), ("false", vec![])] {
        let ran = outside(scene.step_of(&["a"])).env("GITLAB_CI", value).run().await.ok();
        holds_only(&ran, &names);
    }
    let elsewhere = outside(scene.step_of(&["a"]))
        .env("GITLAB_CI", "true")
        .input("dotenv-file", "build.env")
        .run()
        .await
        .ok();
    holds_only(&elsewhere, &["build.env"]);
    let failed = outside(scene.step_of(&["missing"])).env("GITLAB_CI", "true").run().await.fails(3);
    holds_only(&failed, &[]);
}

#[tokio::test]
async fn the_report_has_the_documented_shape() {
    let scene = scene().await;
    let list = |tag: &str| {
        format!("- tags: {}\n  sources: {}\n", scene.reference(tag), scene.reference("a"))
    };
    let several = format!("indexes:\n{}{}", list("2"), list("3"));
    let file = Step::new()
        .github()
        .file("lists.yaml", several)
        .input("spec", "lists.yaml")
        .input("json-file", "report.json");
    let reports = [
        report(&with_files(scene.step_of(&["a"])).run().await.ok()),
        report(&with_files(scene.step_of(&["missing"])).run().await.fails(3)),
        report(&file.run().await.ok()),
    ];
    let fields: Vec<&String> =
        reports.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys).collect();
    let documentation = include_str!("../../docs/report-json.md");
    for field in &fields {
        assert!(
            documentation.contains(&format!("| `{field}` |")),
            "docs/report-json.md lacks {field}"
        );
    }
    let (of_lists, _) = documentation.split_once("## Of `annotate`").expect("a heading");
    let rows = of_lists.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for row in rows.filter(|row| !row.contains('.')) {
        assert!(fields.iter().any(|field| *field == row), "{row} is documented, and nowhere");
    }
}
