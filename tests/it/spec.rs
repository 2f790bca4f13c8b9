//! Many lists in one run: the input `spec`.

use crate::support::images::Image;
use crate::support::scene::{REPO, Scene};
use crate::support::step::Step;
use crate::support::token::TokenServer;
use serde_json::{Value, json};
use std::path::Path;

/// A file of lists with templates, one for every name.
fn lists(host: &str, names: &[&str]) -> String {
    let list = |name: &&str| {
        format!("  - tags: {host}/acme/app:{name}\n    sources: {host}/acme/app:{name}-{{arch}}\n")
    };
    format!("indexes:\n{}", names.iter().map(list).collect::<String>())
}

/// The step that publishes the lists of this file, for two platforms where they do not say.
fn step_of_lists(file: &str) -> Step {
    Step::new()
        .github()
        .file("lists.yaml", file)
        .input("spec", "lists.yaml")
        .input("platforms", "linux/amd64,linux/arm64")
        .input("wait", "0")
}

#[tokio::test]
async fn every_form_of_a_list_is_published() {
    let scene = Scene::with_pairs(&["a", "b", "c"]).await;
    let host = scene.proxy.host();
    let b_amd64 = scene.digest("b-amd64").await.unwrap();
    let file = format!(
        r#"# three lists
indexes:
  - tags: [{host}/acme/app:a, {host}/acme/app:latest]
    sources:
      - linux/amd64={host}/acme/app:a-amd64   # as a sequence
      - {host}/acme/app:a-arm64
    annotations:
      org.opencontainers.image.version: 1.10
      "manifest-descriptor[linux/arm64]:note": "a, b: c"
  - tags: {host}/acme/app:b
    digests:
      linux/amd64: {b_amd64}
    platforms: linux/amd64
    format: docker
    overwrite: no
    wait: 5
  - tags: |
      {host}/acme/app:c
    sources: "{host}/acme/app:c-{{arch}}"
    annotations: |
      k=v
    dry-run: true
"#
    );
    let file = file.replace("    format: docker\n", "    format: oci\n");
    let ran = step_of_lists(&file).input("json-file", "report.json").run().await.ok();
    let a = scene.at("a").await;
    assert_eq!(a.json()["annotations"], json!({"org.opencontainers.image.version": "1.10"}));
    assert_eq!(a.json()["manifests"][1]["annotations"], json!({"note": "a, b: c"}));
    assert_eq!(scene.digest("latest").await.as_ref(), Some(&a.digest));
    let b = scene.at("b").await;
    assert_eq!(b.json()["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(scene.digest("c").await, None, "a dry run of one list");

    let outputs = ran.outputs();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["changed", "images", "indexes", "refs"]);
    assert_eq!(outputs["changed"], "true");
    let indexes: Value = serde_json::from_str(&outputs["indexes"]).unwrap();
    assert_eq!(indexes[format!("{host}/acme/app:a")], json!(a.digest));
    assert_eq!(indexes.as_object().unwrap().len(), 3);
    let images: Vec<&str> = outputs["images"].lines().collect();
    assert_eq!(images.len(), 4);
    assert_eq!(images[1], format!("{host}/acme/app:latest@{}", a.digest));

    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    assert_eq!(
        (&report["version"], &report["status"], &report["exit"]),
        (&json!(1), &json!("published"), &json!(0))
    );
    let statuses: Vec<&str> = report["lists"]
        .as_array()
        .unwrap()
        .iter()
        .map(|list| list["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["published", "published", "dry-run"]);
    assert_eq!(report["lists"][1]["name"], json!(format!("{host}/acme/app:b")));
    let summary = ran.summary();
    assert!(summary.contains("3 of 3 indexes published"), "{summary}");
    assert_eq!(summary.lines().filter(|line| line.starts_with("| ")).count(), 1 + 3, "{summary}");
    assert!(ran.stdout.contains(&format!("{host}/acme/app:b | found")), "{}", ran.stdout);
    assert!(ran.stdout.contains("done     3 of 3 indexes"), "{}", ran.stdout);

    // The same again: nothing to do.
    let again = step_of_lists(&file).run().await.ok();
    assert_eq!(
        again.output("changed").as_deref(),
        Some("true"),
        "the dry run's tag is still to come"
    );
}

#[tokio::test]
async fn one_list_in_the_file_has_all_outputs() {
    let scene = Scene::with_pairs(&["a"]).await;
    let ran = step_of_lists(&lists(&scene.proxy.host(), &["a"])).run().await.ok();
    let published = scene.digest("a").await.unwrap();
    assert_eq!(ran.output("digest"), Some(published.clone()));
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64,linux/arm64"));
    let indexes = json!({format!("{}/acme/app:a", scene.proxy.host()): published});
    assert_eq!(serde_json::from_str::<Value>(&ran.output("indexes").unwrap()).unwrap(), indexes);
    assert!(!ran.stdout.contains(" | "), "{}", ran.stdout);
    let again = step_of_lists(&lists(&scene.proxy.host(), &["a"])).run().await.ok();
    assert_eq!(again.output("changed").as_deref(), Some("false"));
}

#[tokio::test]
async fn all_problems_of_a_file_at_once_each_with_its_place() {
    let scene = Scene::empty().await;
    let host = scene.proxy.host();
    let file = format!(
        r"indexes:
  - tags: {host}/acme/app:a
    sources: {host}/acme/app:{{arch}}
    wait: soon
    fromat: oci
    password: hunter2222
  - sources: [{host}/acme/app:x, '']
    platforms: [linux/amd64, amd64]
  - tags: {host}/acme/app:a
    sources:
      - {host}/acme/app:y
      - {host}/acme/app:y
  - just a text
  - tags: {host}/acme/app:d
    sources: {host}/acme/app:a
    wait: [1, 2]
other: 1
"
    );
    let ran = Step::new()
        .github()
        .file("lists.yaml", file)
        .input("spec", "lists.yaml")
        .input("tags", "x/y:1")
        .input("wait-interval", "never")
        .run()
        .await
        .fails(2);
    let expected = [
        "tags: cannot be combined with spec: set it for each entry in lists.yaml".to_owned(),
        format!(
            "lists.yaml, line 4, column 11: index 1 ({host}/acme/app:a): wait: \"soon\" is not a duration"
        ),
        format!(
            "lists.yaml, line 5, column 5: index 1 ({host}/acme/app:a): spec: there is no input \"fromat\"; did you mean format?"
        ),
        format!(
            "lists.yaml, line 6, column 5: index 1 ({host}/acme/app:a): password: applies to the whole run"
        ),
        format!(
            "lists.yaml, line 3, column 14: index 1 ({host}/acme/app:a): sources, line 1: {host}/acme/app:{{arch}} has placeholders, but platforms is not set"
        ),
        "lists.yaml, line 7, column 5: index 2: tags is required".to_owned(),
        "index 2: sources: an item is empty".to_owned(),
        "lists.yaml, line 8, column 30: index 2: platforms: \"amd64\" is not a platform".to_owned(),
        format!(
            "lists.yaml, line 12, column 9: index 3 ({host}/acme/app:a): sources: {host}/acme/app:y is already given"
        ),
        format!(
            "lists.yaml, line 9, column 11: index 3 ({host}/acme/app:a): tags: {host}/acme/app:a is also published by index 1"
        ),
        "lists.yaml, line 13, column 5: index 4: spec: must be a mapping of inputs".to_owned(),
        format!("index 5 ({host}/acme/app:d): wait: must be one value, not a list"),
        format!(
            "index 5 ({host}/acme/app:d): sources: {host}/acme/app:a is published by index 1, and indexes are composed at the same time"
        ),
        "lists.yaml, line 17, column 1: spec: unknown key \"other\"".to_owned(),
        "wait-interval: \"never\" is not a duration".to_owned(),
    ];
    for line in &expected {
        assert!(ran.stdout.contains(line.as_str()), "no {line}\n{}", ran.stdout);
    }
    assert!(
        ran.stdout.contains(&format!("{} problems with the inputs", expected.len())),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("hunter2222"), "{}", ran.stdout);
    assert_eq!(scene.proxy.requests(), 0);
    scene.proxy.finish();
}

#[tokio::test]
async fn a_file_that_is_no_file_of_lists_is_refused() {
    for (file, why) in [
        ("", "must contain `indexes:`"),
        ("indexes: []\n", "contains no entry"),
        ("indexes: {}\n", "must contain `indexes:`"),
        ("indexes:\n  - tags: &a x/y:1\n    sources: *a\n", "line 2, column 11: spec: an anchor"),
        ("indexes:\n  - tags: [x\n", "is not valid YAML"),
        (
            "indexes:\n  - tags: x/y:1\n    tags: x/y:2\n",
            "line 3, column 5: spec: \"tags\" is given twice, first in line 2",
        ),
    ] {
        let ran = step_of_lists(file).run().await.fails(2);
        assert!(ran.stdout.contains(why), "{file}: {}", ran.stdout);
    }
    let many = format!("indexes:\n{}", "- {}\n".repeat(1001));
    assert!(
        step_of_lists(&many)
            .run()
            .await
            .fails(2)
            .stdout
            .contains("1001 entries; the limit is 1000")
    );
    let large = format!("indexes:\n{}", "# a comment\n".repeat(90_000));
    assert!(step_of_lists(&large).run().await.fails(2).stdout.contains("is larger than 1.0 MiB"));
    let absent = Step::new().input("spec", "nowhere.yaml").run().await.fails(2);
    assert!(absent.stdout.contains("spec: nowhere.yaml: cannot be read"), "{}", absent.stdout);
}

#[tokio::test]
async fn a_list_that_fails_stops_no_other_and_the_highest_status_counts() {
    let scene = Scene::with_pairs(&["a", "b", "c", "d"]).await;
    let host = scene.proxy.host();
    let more = format!(
        "  - tags: {host}/acme/app:x\n    sources: {host}/acme/app:missing-{{arch}}\n  - tags: {host}/acme/app:d-amd64\n    sources: {host}/acme/app:a-{{arch}}\n    overwrite: false\n"
    );
    let file = [lists(&host, &["a", "b", "c"]), more].concat();
    let ran = step_of_lists(&file)
        .input("together", "false")
        .input("json-file", "report.json")
        .input("results-dir", "results")
        .run()
        .await
        .fails(5);
    for tag in ["a", "b", "c"] {
        assert!(scene.digest(tag).await.is_some(), "{tag}");
    }
    assert_eq!(scene.digest("x").await, None);
    assert_eq!(ran.raw_output_file().as_deref(), Some(""), "no output on failure");
    assert!(ran.file("results/indexes").is_none());
    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    assert_eq!(
        (&report["status"], &report["exit"], &report["changed"]),
        (&json!("failed"), &json!(5), &json!(true))
    );
    let exits: Vec<u64> = report["lists"]
        .as_array()
        .unwrap()
        .iter()
        .map(|list| list["exit"].as_u64().unwrap())
        .collect();
    assert_eq!(exits, [0, 0, 0, 3, 5]);
    assert_eq!(report["lists"][3]["tags"][0]["state"], json!("left"));
    assert!(
        ran.stdout.contains(&format!("error: {host}/acme/app:x: 2 of 2 images not found")),
        "{}",
        ran.stdout
    );
    let last = ran.stdout.lines().last().expect("a last line");
    assert!(last.starts_with("failed   2 of 5 indexes  in "), "{last}");
    assert!(last.ends_with(&format!(": {host}/acme/app:x, {host}/acme/app:d-amd64")), "{last}");
    assert_eq!(ran.commands().iter().filter(|command| command.name == "error").count(), 2);
    let summary = ran.summary();
    assert!(
        summary.starts_with(
            "### ❌ 3 of 5 indexes published\n\n| Index | Result | Platforms | Digest |"
        ),
        "{summary}"
    );
    // Why and what to do, of each that failed.
    let why = format!(
        "\n**`{host}/acme/app:x`:** 2 of 2 images not found: `missing-amd64`, `missing-arm64`\\\n**What to do:** "
    );
    assert!(summary.contains(&why), "{why}: {summary}");
    assert_eq!(summary.matches("**What to do:** ").count(), 2, "{summary}");
}

#[tokio::test]
async fn the_summary_names_what_a_list_lacks_and_whole_digests() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let host = scene.proxy.host();
    let file = format!(
        "{}    platforms: linux/amd64,linux/arm64,linux/s390x\n",
        lists(&host, &["a", "b"])
    );
    let ran = step_of_lists(&file).input("missing", "skip").run().await.ok();
    let rows: Vec<String> = ran
        .summary()
        .lines()
        .filter(|line| line.contains("| published"))
        .map(str::to_owned)
        .collect();
    let row = |tag: &str, digest: &str, more: &str| {
        format!(
            "| `{host}/acme/app:{tag}` | published | linux/amd64, linux/arm64{more} | `{}` |",
            &digest[..19]
        )
    };
    let (a, b) = (scene.digest("a").await.unwrap(), scene.digest("b").await.unwrap());
    assert_eq!(rows, [row("a", &a, ""), row("b", &b, "<br>⚠️ without linux/s390x")]);
    for whole in [format!("app:a` `{a}`"), format!("app:b` `{b}`")] {
        assert!(ran.summary().contains(&whole), "{whole}: {}", ran.summary());
    }
}

#[tokio::test]
async fn what_lists_have_in_common_is_read_once() {
    let scene = Scene::with_pairs(&["base", "a", "b", "c"]).await;
    let host = scene.proxy.host();
    let list = |name: &str| {
        format!(
            "  - tags: {host}/acme/app:{name}\n    sources: [{host}/acme/app:base-amd64, {host}/acme/app:{name}-arm64]\n"
        )
    };
    let file = format!("indexes:\n{}", ["a", "b", "c"].map(list).concat());
    step_of_lists(&file).run().await.ok();
    assert_eq!(scene.proxy.count("GET", "*/manifests/base-amd64"), 1, "{}", scene.proxy.log_text());
    // One manifest and one config in common, one of each for every list; each tag looked at, put
    // and read back, each index put by digest before.
    assert_eq!(scene.proxy.requests(), 2 + 3 * 2 + 3 * 4, "{}", scene.proxy.log_text());
    scene.proxy.finish();
}

#[tokio::test]
async fn lists_of_one_repository_share_a_token() {
    let tokens = TokenServer::new().user("ci", "s3cret-s3cret").start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    for name in ["a", "b", "c"] {
        for arch in ["amd64", "arm64"] {
            Image::oci(&format!("linux/{arch}"))
                .label("list", name)
                .push(&scene.client, REPO, &format!("{name}-{arch}"))
                .await;
        }
    }
    let step = step_of_lists(&lists(&scene.proxy.host(), &["a", "b", "c"]))
        .input("username", "ci")
        .input("password", "s3cret-s3cret");
    step.run().await.ok().never_says("s3cret-s3cret");
    assert_eq!(tokens.requests().len(), 1, "{:?}", tokens.requests());
}

#[tokio::test]
async fn a_list_that_waits_makes_room_for_others() {
    for (together, how_far) in [("false", "done"), ("true", "compose")] {
        let scene = Scene::with_pairs(&["b"]).await;
        let host = scene.proxy.host();
        let running = step_of_lists(&lists(&host, &["a", "b"]))
            .input("together", together)
            .input("wait", "30s")
            .input("wait-interval", "1s")
            .input("concurrency", "1")
            .spawn()
            .await;
        running.wait_for_line(&format!("{host}/acme/app:b | {how_far}")).await;
        assert!(running.so_far().contains(&format!("{host}/acme/app:a | wait")));
        for arch in ["amd64", "arm64"] {
            let image = Image::oci(&format!("linux/{arch}")).seed(9);
            scene.push(&image, &format!("a-{arch}")).await;
        }
        running.wait().await.ok();
        assert!(scene.digest("a").await.is_some());
    }
}

#[tokio::test]
async fn a_signal_says_how_many_lists_were_published() {
    let scene = Scene::with_pairs(&["b"]).await;
    let host = scene.proxy.host();
    let running = step_of_lists(&lists(&host, &["a", "b"]))
        .input("together", "false")
        .input("wait", "30s")
        .input("json-file", "report.json")
        .spawn()
        .await;
    running.wait_for_line(&format!("{host}/acme/app:b | done")).await;
    running.signal("TERM").await;
    let ran = running.wait().await.fails(143);
    assert!(
        ran.stdout.contains("stopped by SIGTERM: 1 of 2 indexes were published"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("of 2 lists  in"), "said once: {}", ran.stdout);
    let report: Value = serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
    assert_eq!(report["exit"], json!(143));
    assert_eq!(
        (&report["lists"][0]["status"], &report["lists"][1]["status"]),
        (&json!("failed"), &json!("published"))
    );
}

#[tokio::test]
async fn the_command_line_takes_a_file_instead_of_a_list() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let host = scene.proxy.host();
    let create = || {
        Step::new().file("lists.yaml", lists(&host, &["a", "b"])).args([
            "create",
            "--spec",
            "lists.yaml",
            "--platforms",
            "linux/amd64,linux/arm64",
        ])
    };
    let ran = create().run().await.ok();
    let mut expected = String::new();
    for tag in ["a", "b"] {
        expected += &format!("{host}/acme/app:{tag}@{}\n", scene.digest(tag).await.unwrap());
    }
    assert_eq!(ran.stdout, expected);
    let ran = create().args(["--json"]).run().await.ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["status"], json!("unchanged"));
    let ran = create().args([&format!("{host}/acme/app:z")]).run().await.fails(2);
    assert!(ran.stderr.contains("LIST: cannot be combined with --spec"), "{}", ran.stderr);
    Step::new().args(["create"]).run().await.fails(2);
}

#[tokio::test]
async fn a_bar_moves_on_a_terminal_only() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let command = format!(
        "{} create --spec lists.yaml --platforms linux/amd64,linux/arm64",
        env!("CARGO_BIN_EXE_manifest-action")
    );
    let on_terminal = || {
        let step = Step::new()
            .file("lists.yaml", lists(&scene.proxy.host(), &["a", "b"]))
            .env("TERM", "xterm");
        // Part of Debian's essential `bsdutils`: runs a command on a terminal of its own.
        step.args(["-qec", &command, "/dev/null"])
    };
    let script = Path::new("/usr/bin/script");
    let moving = on_terminal().spawn_program(script).await.wait().await.ok();
    assert!(
        moving.stdout.contains("\n\u{1b}[?7l[               ")
            && moving.stdout.contains("0/2\u{1b}[?7h\r\u{1b}[K"),
        "{:?}",
        moving.stdout
    );
    assert!(moving.stdout.contains("] 1/2"), "{:?}", moving.stdout);
    let still = on_terminal().env("NO_COLOR", "1").spawn_program(script).await.wait().await.ok();
    assert!(
        !still.stdout.contains('\u{1b}') && !still.stdout.contains("1/2"),
        "{:?}",
        still.stdout
    );
}
