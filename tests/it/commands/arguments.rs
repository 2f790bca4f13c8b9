//! Global options: before or after it; help whose examples run.

use super::{Stocked, built};
use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::registry::{Auth, Registry};
use crate::support::step::Step;
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn flags_stand_before_or_after_the_command() {
    let stocked = Stocked::start().await;
    for arguments in [
        ["--debug", "inspect", "{}/acme/app:image"],
        ["inspect", "--debug", "{}/acme/app:image"],
        ["inspect", "{}/acme/app:image", "--debug"],
    ] {
        let ran = stocked.run(&arguments).await.ok();
        assert!(
            ran.stderr.contains("debug: {} GET /v2/acme/app/manifests/image → 200"),
            "{}",
            ran.stderr
        );
    }
    for arguments in [["--json", "diff"], ["diff", "--json"]] {
        let both = ["{}/acme/app:image", "{}/acme/app:image"];
        let ran = stocked.run(&[&arguments[..], &both].concat()).await.ok();
        assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok(), "{}", ran.stdout);
    }
    for arguments in [["--quiet", "wait"], ["wait", "--quiet"]] {
        let ran = stocked.run(&[&arguments[..], &["{}/acme/app:image"]].concat()).await.ok();
        assert_eq!(ran.stderr, "");
    }
    let ran = Step::new().args(["--debug"]).run().await.fails(2);
    assert!(ran.stderr.contains("need a command") && ran.stdout.is_empty(), "{}", ran.stderr);
}

#[tokio::test]
async fn wrong_arguments_are_reported_in_json_too() {
    for (arguments, what) in [
        (vec!["--json"], "flags need a command"),
        (vec!["--json", "inspect"], "the following required arguments were not provided: <REF>"),
        (
            vec!["inspect", "a", "--raw", "--json"],
            "the argument '--raw' cannot be used with '--json'",
        ),
        (vec!["annotate", "--json", "r.example/a:1", "linux/amd64"], "nothing to change"),
        (
            vec!["diff", "r.example/a", "R/ /x", "--json"],
            "1 problem with the arguments; nothing was sent to a registry",
        ),
    ] {
        let ran = Step::new().args(arguments).run().await.fails(2);
        let document: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", ran.everything()));
        assert_eq!(
            (&document["version"], &document["status"], &document["exit"]),
            (&json!(1), &json!("failed"), &json!(2))
        );
        assert!(
            document["error"]["what"].as_str().is_some_and(|text| text.starts_with(what)),
            "{document:#}"
        );
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn what_other_tools_call_a_command_is_pointed_at_ours() {
    for (arguments, here) in [
        (
            vec!["append", "r.example/a:1", "r.example/a:2"],
            "there is no command \"append\": use `manifest-action create LIST SOURCE… --append`",
        ),
        (
            vec!["spec", "lists.yaml"],
            "there is no command \"spec\": use `manifest-action create --spec FILE`",
        ),
        (vec!["inspekt"], "there is no command \"inspekt\": use `manifest-action inspect`"),
        (vec!["zzz"], "there is no command \"zzz\"\n"),
    ] {
        let ran = Step::new().args(arguments).run().await.fails(2);
        assert!(ran.stderr.contains(here), "{}", ran.stderr);
    }
}

/// Arguments are called what the help calls them, and nobody at a terminal has jobs.
#[tokio::test]
async fn mistakes_are_told_in_the_words_of_the_command() {
    let stocked = Stocked::start().await;
    let (list, image) = (stocked.name("new"), stocked.name("image"));
    for (arguments, told) in [
        (
            vec!["create", "A"],
            vec![
                "LIST: A is only a tag or only a repository",
                "  SOURCE or --digests is required: the images to combine",
            ],
        ),
        (
            vec!["create", &list, &image, &image, "--digests", "sha256:1"],
            vec!["SOURCE 2: ", "is already given in SOURCE 1", "  give either SOURCE or --digests"],
        ),
        (
            vec!["create", &list, "r.example/a:{arch}", "--registry", "r.example"],
            vec![
                "SOURCE 1: r.example/a:{arch} has placeholders, but --platforms is not set",
                "  --registry is set, but --username and --password are not",
            ],
        ),
        (vec!["create", &list, &image, "a b"], vec!["SOURCE 2: a b: one per line, or commas"]),
        (
            vec!["create", "-t", "r.example/a", &image, "a:"],
            vec!["--tags, value 1: r.example/a has no tag", "SOURCE 2: a:: the tag is empty"],
        ),
        (
            vec!["create", &list, &image, "--platforms", "amd64", "--username", "u"],
            vec!["--platforms, value 1: \"amd64\"", "--username is set, but --password is not"],
        ),
        (
            vec!["remove", "app", "linux/arm64"],
            vec!["LIST: app is only a tag or only a repository"],
        ),
        (
            vec!["inspect", "$IMAGE"],
            vec!["REF: $IMAGE: $IMAGE was not replaced: is the variable set?"],
        ),
        (
            vec!["wait", &image, "--expect-labels=- a=b"],
            vec!["leave out what is in front of KEY=VALUE"],
        ),
    ] {
        let ran = Step::new().args(&arguments).run().await.fails(2);
        for told in told {
            assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
        }
        for other in ["tags, line", "sources", "job", "inputs"] {
            assert!(!ran.stderr.contains(other), "{arguments:?}: {other}: {}", ran.stderr);
        }
    }
    let ran = stocked.run(&["create", "{}/acme/app:new", "{}/acme/app:nope"]).await.fails(3);
    assert!(
        ran.stderr
            .contains("check the names above; if their builds have not ended, set --wait 10m"),
        "{}",
        ran.stderr
    );
    // Not an image of Docker Hub, which nobody is asked for.
    let ran = stocked.run(&["remove", "{}/acme/app:built", "linux/amd46"]).await.fails(2);
    assert!(ran.stderr.contains("did you mean linux/amd64?"), "{}", ran.stderr);
}

/// With `-t`, as people type it after years of another tool, no source is ever taken for the list.
#[tokio::test]
async fn create_with_tags_takes_every_reference_for_a_source() {
    let stocked = Stocked::start().await;
    built().images()[1].push(&stocked.client, "acme/app", "arm64").await;
    let before = stocked.client.get_manifest("acme/app", "image").await.expect("there").digest;
    for names in
        [["-t", "{}/acme/app:new"], ["--tag", "{}/acme/app:new"], ["--tags", "{}/acme/app:new"]]
    {
        let ran = stocked
            .run(&[&["create"], &names[..], &["{}/acme/app:image", "{}/acme/app:arm64"]].concat())
            .await
            .ok();
        assert!(ran.stdout.starts_with("{}/acme/app:new@sha256:"), "{}", ran.stdout);
        let list = stocked.client.get_manifest("acme/app", "new").await.expect("there").json();
        assert_eq!(list["manifests"].as_array().map(Vec::len), Some(2), "{list}");
        assert_eq!(
            stocked.client.get_manifest("acme/app", "image").await.expect("there").digest,
            before
        );
    }
    stocked
        .run(&["create", "--tags", "{}/acme/app:new", "--sources", "{}/acme/app:image"])
        .await
        .ok();
}

#[tokio::test]
async fn flags_are_trimmed_as_variables_are() {
    let stocked = Stocked::start().await;
    let ran = stocked
        .run(&[
            "create",
            " {}/acme/app:new ",
            "{}/acme/app:image",
            "--format",
            " oci ",
            "--wait",
            " 0 ",
            "--platforms",
            "  ",
        ])
        .await
        .ok();
    assert!(ran.stdout.starts_with("{}/acme/app:new@sha256:"), "{}", ran.everything());
}

#[tokio::test]
async fn create_reports_a_failure_in_json_too() {
    let stocked = Stocked::start().await;
    for arguments in [
        ["--json", "create", "{}/acme/app:new", "{}/acme/app:nowhere"],
        ["create", "{}/acme/app:new", "{}/acme/app:nowhere", "--json"],
    ] {
        let ran = stocked.run(&arguments).await.fails(3);
        let document: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", ran.everything()));
        assert_eq!((&document["version"], &document["exit"]), (&json!(1), &json!(3)));
        assert_eq!(document["error"]["details"][0], json!("not found: {}/acme/app:nowhere"));
    }
    let ran = stocked.run(&["create", "{}/acme/app", "{}/acme/app:image", "--json"]).await.fails(2);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["exit"], json!(2));
}

#[tokio::test]
async fn logins_certificates_and_plain_http_are_for_every_command() {
    let registry =
        Registry::launch(&Auth::Basic("ci".to_owned(), "s3cret-canary".to_owned()), true).await;
    let client = Client::new(&registry.host()).tls(registry.ca_pem()).basic("ci", "s3cret-canary");
    built().push(&client, "acme/app", "1").await;
    Image::oci("linux/s390x").push(&client, "acme/app", "s390x").await;
    let name = |tag: &str| format!("{}/acme/app:{tag}", registry.host());
    let (list, image) = (name("1"), name("s390x"));
    // `ci:s3cret-canary`
    let login =
        json!({"auths": {registry.host(): {"auth": "Y2k6czNjcmV0LWNhbmFyeQ=="}}}).to_string();
    let step = || Step::new().file("ca.pem", registry.ca_pem()).file("login/config.json", &login);
    for command in [
        vec!["inspect", &list],
        vec!["wait", &list],
        vec!["diff", &list, &list],
        vec!["create", &list, &image, "--append"],
        vec!["annotate", &list, "linux/s390x", "--annotation", "a=b"],
        vec!["remove", &list, "linux/s390x"],
    ] {
        let flags = ["--cfg", "login", "--ca-file", "ca.pem"];
        let ran = match command[0] {
            "inspect" | "create" | "remove" => {
                step().args([&flags[..], &command].concat()).run().await.ok()
            }
            _ => step().args([&command[..], &flags].concat()).run().await.ok(),
        };
        ran.never_says("s3cret-canary");
        step().args([&command[..], &["--ca-file", "ca.pem"]].concat()).run().await.fails(6);
        let by_name =
            [&command[..], &["--ca-file=ca.pem", "--username=ci", "--password-stdin"]].concat();
        let named = step().args(by_name).stdin("s3cret-canary\n").run().await;
        assert!(matches!(named.status, 0 | 5), "{}", named.everything());
        named.never_says("s3cret-canary");
        // Plain HTTP, as asked for, is not what this registry speaks.
        let plain = step()
            .args([&command[..], &["--cfg=login", "--insecure", &registry.host()]].concat())
            .run()
            .await
            .fails(7);
        assert!(plain.stderr.contains("HTTPS"), "{}", plain.stderr);
    }
}

#[tokio::test]
async fn create_reads_flags_and_no_inputs_of_a_step() {
    let stocked = Stocked::start().await;
    let name = stocked.name("new");
    let step = Step::new()
        .github()
        .input("tags", &stocked.name("other"))
        .input("annotations", "a=b")
        .input("format", "nonsense")
        .env("DOCKER_METADATA_OUTPUT_TAGS", stocked.name("third"))
        .env("PLUGIN_TARGET", stocked.name("fourth"))
        .env("GITLAB_CI", "true");
    let ran = step.args(["create", &name, &stocked.name("image")]).run().await.ok();
    let list = stocked.client.get_manifest("acme/app", "new").await.expect("the tag is there");
    assert_eq!(
        (ran.stdout.as_str(), list.json().get("annotations")),
        (format!("{name}@{}\n", list.digest).as_str(), None)
    );
    assert_eq!((ran.raw_output_file().as_deref(), ran.file("manifest.env")), (Some(""), None));
    assert_eq!(stocked.client.tags("acme/app").await, ["built", "classic", "image", "new"]);
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_8_and_says_so() {
    let stocked = Stocked::start().await;
    let name = stocked.name("image");
    let script = format!("{} inspect {name} >/dev/full", env!("CARGO_BIN_EXE_manifest-action"));
    let ran = Step::new()
        .args(["-c", &script])
        .spawn_program(Path::new("/bin/bash"))
        .await
        .wait()
        .await
        .fails(8);
    assert!(
        ran.stderr.contains("\nerror: cannot write the result: No space left on device"),
        "{}",
        ran.stderr
    );
    // Who closes a pipe knows.
    let script = format!(
        "{} completions zsh | true; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_manifest-action")
    );
    let ran = Step::new()
        .args(["-c", &script])
        .spawn_program(Path::new("/bin/bash"))
        .await
        .wait()
        .await
        .ok();
    assert_eq!(ran.stderr, "");
}
