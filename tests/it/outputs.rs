//! What later steps get: every output exactly, on success only; and the summary for people.

use crate::support::client::OCI_INDEX;
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::scene::{REPO, Scene};
use serde_json::{Value, json};

/// A builder's index, two plain images and a Windows one at `s0` to `s3`; their images' digests in
/// order.
async fn sources(scene: &Scene) -> [String; 4] {
    let images = ["linux/amd64", "linux/arm64/v8", "linux/arm", "windows(10.0.20348.2700)/amd64"]
        .map(Image::oci);
    BuiltIndex::new(vec![images[1].clone()])
        .attestations(true)
        .push(&scene.client, REPO, "s1")
        .await;
    for (tag, image) in [("s0", &images[0]), ("s2", &images[2]), ("s3", &images[3])] {
        scene.push(image, tag).await;
    }
    images.map(|image| image.digest())
}

const ALL: [&str; 4] = ["s0", "s1", "s2", "s3"];
const PLATFORMS: &str = "linux/amd64,linux/arm64,linux/arm/v7,windows(10.0.20348.2700)/amd64";

#[tokio::test]
async fn every_output_is_exact() {
    let scene = Scene::empty().await;
    let images = sources(&scene).await;
    let tags = ["1.2", "1", "latest"].map(|tag| scene.reference(tag));
    let ran = scene.step_of(&ALL).input("tags", &tags.join("\n")).run().await.ok();
    let list = scene.at("1.2").await;
    let names: Vec<&str> = PLATFORMS.split(',').collect();
    let digests: Value = names
        .iter()
        .zip(&images)
        .map(|(name, digest)| ((*name).to_owned(), json!(digest)))
        .collect();

    let mut outputs = ran.outputs();
    let manifest = outputs.remove("manifest").expect("the output manifest");
    let given = outputs.remove("digests").expect("the output digests");
    let expected = [
        ("changed", "true".to_owned()),
        ("digest", list.digest.clone()),
        ("image", format!("{}/{REPO}@{}", scene.proxy.host(), list.digest)),
        ("images", tags.clone().map(|tag| format!("{tag}@{}", list.digest)).join("\n")),
        ("indexes", json!({ tags[0].as_str(): list.digest }).to_string()),
        ("media-type", OCI_INDEX.to_owned()),
        ("platforms", PLATFORMS.to_owned()),
        ("refs", format!("{}/{REPO}@{}", scene.proxy.host(), list.digest)),
        ("repository", format!("{}/{REPO}", scene.proxy.host())),
        ("size", list.bytes.len().to_string()),
    ];
    assert_eq!(
        outputs.into_iter().collect::<Vec<_>>(),
        expected.map(|(name, value)| (name.to_owned(), value))
    );

    assert_eq!(serde_json::from_str::<Value>(&given).expect("JSON"), digests);
    // In index order, not in that of the alphabet.
    assert!(given.starts_with(r#"{"linux/amd64":"sha256:"#) && !given.contains('\n'), "{given}");
    let places: Vec<_> = names.iter().map(|name| given.find(name)).collect();
    assert!(places.is_sorted(), "{given}");

    assert_eq!(manifest.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&manifest).expect("JSON"), list.json());
}

#[tokio::test]
async fn platforms_are_spelled_normalised_whatever_the_entry_says() {
    let scene = Scene::empty().await;
    let index = BuiltIndex::new(vec![
        Image::oci("linux/arm64/v8"),
        Image::oci("linux/arm"),
        Image::oci("linux/amd64/v3"),
    ]);
    index.attestations(true).push(&scene.client, REPO, "built").await;
    let ran = scene.step_of(&["built"]).run().await.ok();
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/arm64,linux/arm/v7,linux/amd64/v3"));
    // The keys of `digests` are spelled the same way; `manifest` is the list as stored.
    let digests: Value =
        serde_json::from_str(&ran.output("digests").expect("an output")).expect("JSON");
    let keys: Vec<&String> = digests.as_object().expect("an object").keys().collect();
    assert_eq!(keys.len(), 3);
    assert!(digests["linux/arm64"].is_string() && digests["linux/arm/v7"].is_string(), "{digests}");
    let manifest: Value =
        serde_json::from_str(&ran.output("manifest").expect("an output")).expect("JSON");
    assert_eq!(manifest["manifests"][0]["platform"]["variant"], "v8");
    assert_eq!(manifest, scene.at("1").await.json());
}

#[tokio::test]
async fn a_manifest_with_line_ends_and_odd_fields_is_one_line_and_the_same_json() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "").await;
    let mut index = BuiltIndex::new(vec![Image::oci("linux/amd64")])
        .annotation("text", "two\nlines <b>\u{2028}")
        .json();
    index["x-own"] = json!({"number": 12345678901234567890_u64, "list": [null, true, -1]});
    scene.put("odd", OCI_INDEX, &crate::support::images::pretty(&index)).await;
    let ran = scene.step_of(&["odd"]).run().await.ok();
    let manifest = ran.output("manifest").expect("an output");
    assert_eq!((manifest.lines().count(), manifest.contains('\u{2028}')), (1, false), "{manifest}");
    assert_eq!(serde_json::from_str::<Value>(&manifest).expect("JSON"), index);
    assert_eq!(ran.output("size"), Some(scene.at("1").await.bytes.len().to_string()));
}

#[tokio::test]
async fn outputs_are_appended_to_what_is_there_on_success() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    let step = scene.step_of(&["a"]).file("output", "earlier=1\n").file("summary", "# earlier\n");
    let (output, summary) = (step.workdir().join("output"), step.workdir().join("summary"));
    let ran =
        step.env("GITHUB_OUTPUT", output).env("GITHUB_STEP_SUMMARY", summary).run().await.ok();
    assert_eq!((ran.output("earlier").as_deref(), ran.outputs().len()), (Some("1"), 13));
    assert!(ran.summary().starts_with("# earlier\n### "), "{}", ran.summary());
}

#[tokio::test]
async fn a_run_that_fails_writes_no_output_and_its_error_into_the_summary() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    for (source, wait, status, state) in [
        ("missing", "0", 3, "No tag was moved."),
        ("a", "soon", 2, "- wait&#58; \"soon\""),
        ("linux/arm64=a", "0", 5, "No tag was moved."),
    ] {
        let ran = scene.step_of(&[source]).input("wait", wait).run().await.fails(status);
        assert_eq!(ran.raw_output_file().as_deref(), Some(""));
        let said = ran.stdout.split_once("error: ").expect("an error").1;
        let name = match status {
            2 => "Not published".to_owned(),
            _ => format!("`{}` not published", scene.reference("1")),
        };
        let what = said.lines().next().expect("a line").replace(':', "&#58;");
        let start = format!("### ❌ {name}: {what}\n\n{state}");
        assert!(ran.summary().starts_with(&start), "{start}\n{}", ran.summary());
        let advice = ran.summary().contains("\n\n**What to do:** ");
        assert_eq!(advice, said.contains("\n  fix:   "), "{}", ran.summary());
    }
    assert_eq!(scene.client.tags(REPO).await, ["a"]);
}

#[tokio::test]
async fn an_output_file_that_cannot_be_opened_ends_the_run_before_any_request() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    for variable in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let step = scene.step_of(&["a"]);
        let path = step.workdir().join("not/mounted/file");
        let ran = step.env(variable, &path).run().await.fails(2);
        assert!(
            ran.stdout.contains(variable) && ran.stdout.contains(&path.display().to_string()),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stdout.contains("nothing was sent") && ran.stdout.contains("fix:"),
            "{}",
            ran.stdout
        );
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
    assert_eq!(scene.client.tags(REPO).await, ["a"]);
}

#[tokio::test]
async fn without_a_ci_system_there_are_no_files_and_no_commands() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    let mut step = scene.step_of(&["a"]);
    for name in ["GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        step = step.without(name);
    }
    let ran = step.run().await.ok();
    assert_eq!((ran.commands(), ran.stderr.as_str()), (vec![], ""));
    assert!(ran.stdout.contains(&format!("done     {}", scene.proxy.host())), "{}", ran.stdout);
}

#[tokio::test]
async fn the_summary_shows_image_platforms_and_tags() {
    let scene = Scene::empty().await;
    let images = sources(&scene).await;
    let tags = ["1.2", "latest"].map(|tag| scene.reference(tag));
    let step = || scene.step_of(&ALL).input("tags", &tags.join("\n"));
    let dry = step().input("dry-run", "true").run().await.ok();
    let first = step().run().await.ok();
    let again = step().run().await.ok();
    let image = first.output("image").expect("an output");
    for (ran, heading, state) in [
        (dry, "would be published (dry run)", "would be created"),
        (first, "published", "created"),
        (again, "already published, nothing to change", "unchanged"),
    ] {
        let summary = ran.summary();
        assert!(
            summary
                .lines()
                .next()
                .is_some_and(|line| line.ends_with(&format!(" `{}` {heading}", tags[0]))),
            "{summary}"
        );
        assert!(summary.contains(&image), "{summary}");
        for digest in &images {
            assert!(
                summary.lines().any(|line| line.starts_with('|') && line.contains(&digest[..19]))
                    && summary.lines().any(|line| line.starts_with("- ") && line.contains(digest)),
                "{digest}: {summary}"
            );
        }
        for tag in ["1.2", "latest"] {
            assert!(
                summary.contains(&format!("| `{tag}` | {state} |")),
                "{tag} {state}: {summary}"
            );
        }
        assert!(
            summary.contains(" 1 attestation (provenance, SBOM), OCI image index\n"),
            "{summary}"
        );
    }
}

#[tokio::test]
async fn a_full_disk_is_told_with_the_outputs_and_nothing_is_pushed_again() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "a").await;
    let ran = scene.step_of(&["a"]).env("GITHUB_OUTPUT", "/dev/full").run().await.fails(8);
    let digest = scene.at("1").await.digest;
    assert!(
        ran.stdout.contains("published, but the outputs could not be written"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains(&format!("digest: {digest}")),
        "the result is told all the same: {}",
        ran.stdout
    );
    let summary = ran.summary();
    assert!(
        summary.starts_with("### ❌ Outputs not written\n")
            && summary.contains(&format!("\n### ✅ `{}` published\n", scene.reference("1"))),
        "{summary}"
    );
    assert_eq!(scene.proxy.count("PUT", "*"), 1, "{}", scene.proxy.log_text());
}
