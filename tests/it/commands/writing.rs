//! What commands that write say, to the letter: the result on stdout, the log and failures on
//! stderr.

use super::{Stocked, VERSION, classic, log};
use crate::support::running::Ran;
use serde_json::{Value, json};

async fn digest(stocked: &Stocked, tag: &str) -> String {
    stocked.client.get_manifest("acme/app", tag).await.expect("the tag is there").digest
}

#[tokio::test]
async fn every_log_starts_with_the_version() {
    let stocked = Stocked::start().await;
    let (image, list) = ("{}/acme/app:image", "{}/acme/app:classic");
    let printed = stocked.run(&["--version"]).await.ok().stdout;
    assert_eq!(printed, VERSION);
    for command in [
        vec!["inspect", image],
        vec!["diff", image, image],
        vec!["wait", image],
        vec!["create", "{}/acme/app:new", image],
        vec!["annotate", list, "linux/amd64", "--variant", "v2"],
        vec!["remove", list, "linux/amd64/v2"],
    ] {
        let ran = stocked.run(&command).await.ok();
        assert!(ran.stderr.starts_with(VERSION), "{command:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches(VERSION).count(), 1, "{command:?}: {}", ran.stderr);
    }
    let ran = stocked.run(&["--quiet", "inspect", image]).await.ok();
    assert_eq!(ran.stderr, "");
}

/// How long it took is another thing each time.
fn without_time(log: &str) -> String {
    let line = |line: &str| {
        let before = line.rsplit_once("  in ").map(|(before, _)| format!("{before}  in TIME"));
        format!("{}\n", before.unwrap_or_else(|| line.to_owned()))
    };
    log.lines().map(line).collect()
}

#[track_caller]
fn says(ran: &Ran, stdout: &str, stderr: &str) {
    assert_eq!((ran.stdout.as_str(), without_time(log(ran)).as_str()), (stdout, stderr));
}

#[tokio::test]
async fn create() {
    let stocked = Stocked::start().await;
    let short = |digest: &str| digest[..19].to_owned();
    let ran = stocked
        .run(&[
            "create",
            "-t",
            "{}/acme/app:new",
            "--tag",
            "{}/acme/app:latest",
            "{}/acme/app:image",
        ])
        .await
        .ok();
    let (list, image) = (digest(&stocked, "new").await, digest(&stocked, "image").await);
    let log = format!(
        "found    {{}}/acme/app:image  linux/amd64  {image}  built 2026-01-01T00:00:00Z from 0123456789ab
compose  OCI image index of linux/amd64, 374 bytes, {short}
tag      {{}}/acme/app:new  created
tag      {{}}/acme/app:latest  created
verify   read back as pushed
done     {{}}/acme/app@{list}  in TIME
",
        image = short(&image),
        short = short(&list),
    );
    says(&ran, &format!("{{}}/acme/app:new@{list}\n"), &log);
    let ran =
        stocked.run(&["create", "{}/acme/app:new", "{}/acme/app:image", "--quiet"]).await.ok();
    says(&ran, &format!("{{}}/acme/app:new@{list}\n"), "");
    let ran = stocked
        .run(&["create", "{}/acme/app:new", "linux/arm64={}/acme/app:image", "--quiet"])
        .await
        .fails(5);
    says(
        &ran,
        "",
        "error: {}/acme/app:image is for linux/amd64, but the inputs say linux/arm64\n  no tag was moved\n  fix:   correct the platform in front of the image, or build it for that platform\n",
    );
}

#[tokio::test]
async fn annotate_and_remove() {
    let stocked = Stocked::start().await;
    let before = digest(&stocked, "classic").await;
    let ran = stocked
        .run(&["annotate", "{}/acme/app:classic", "linux/amd64", "--variant", "v2"])
        .await
        .ok();
    let annotated = digest(&stocked, "classic").await;
    assert_ne!(annotated, before);
    let image = classic().images()[0].digest();
    let log = format!(
        "edit     ~ linux/amd64  {image}  platform.variant set to v2\ntag      {{}}/acme/app:classic  moved, was {before}\nverify   read back as pushed\n"
    );
    says(&ran, &format!("{{}}/acme/app:classic@{annotated}\n"), &log);
    let ran = stocked
        .run(&["annotate", "{}/acme/app:classic", "linux/amd64/v2", "--variant", "v2", "--json"])
        .await
        .ok();
    assert_eq!(super::log(&ran), "keep     {}/acme/app:classic  already up to date\n");
    assert_eq!(
        serde_json::from_str::<Value>(&ran.stdout).expect("JSON"),
        json!({
            "version": 1,
            "image": format!("{{}}/acme/app:classic@{annotated}"),
            "digest": annotated,
            "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
            "size": stocked.client.get_manifest("acme/app", "classic").await.expect("there").bytes.len(),
            "changed": false,
        })
    );
    let entries: String = classic()
        .images()
        .iter()
        .zip([
            "linux/amd64/v2",
            "windows(10.0.17763.6293)/amd64",
            "windows(10.0.20348.2700+win32k)/amd64",
        ])
        .map(|(image, name)| format!("  entry: {name}  {}\n", image.digest()))
        .collect();
    for command in [
        vec!["annotate", "{}/acme/app:classic", "linux/arm64", "--variant", "v8"],
        vec!["remove", "{}/acme/app:classic", "linux/arm64"],
    ] {
        says(
            &stocked.run(&command).await.fails(5),
            "",
            &format!("error: {{}}/acme/app:classic has no entry for linux/arm64\n{entries}"),
        );
    }
    let ran = stocked
        .run(&["--quiet", "remove", "{}/acme/app:classic", "windows(10.0.17763.6293)/amd64"])
        .await
        .ok();
    says(&ran, &format!("{{}}/acme/app:classic@{}\n", digest(&stocked, "classic").await), "");
    assert_eq!(
        stocked
            .run(&["inspect", "--sizes", "{}/acme/app:classic"])
            .await
            .ok()
            .stdout
            .matches("to download")
            .count(),
        2
    );
}
