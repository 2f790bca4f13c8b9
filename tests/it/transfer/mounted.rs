//! Into another repository of the same registry.

use super::{report, step_with_report, tags_last, writes};
use crate::support::client::Client;
use crate::support::images::{Image, PLATFORMS};
use crate::support::indexes::BuiltIndex;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::skopeo;
use crate::support::token::TokenServer;
use std::time::Duration;

#[tokio::test]
async fn eight_platforms_are_mounted_in_nine_round_trips() {
    let scene = Scene::empty().await;
    let images: Vec<Image> =
        PLATFORMS.iter().map(|platform| Image::oci(platform).more_layer(*platform)).collect();
    for (at, image) in images.iter().enumerate() {
        image.push(&scene.client, "acme/build", &format!("s{at}")).await;
    }
    let scene = scene.with_distance(Duration::from_millis(150));
    let sources: Vec<String> =
        (0..8).map(|at| scene.full_name(&format!("acme/build:s{at}"))).collect();
    let ran = step_with_report(&scene.full_name("acme/app:1"), &sources.join("\n"))
        .input("concurrency", "32")
        .run()
        .await
        .ok();
    let log = scene.proxy.log_text();
    assert!(scene.proxy.round_trips() <= 9, "{} round trips\n{log}", scene.proxy.round_trips());
    let moved = scene.proxy.entries("*", "*/blobs/*");
    let configs: usize = images.iter().map(|image| image.config().len()).sum();
    assert_eq!(
        moved.iter().map(|entry| entry.request_bytes).sum::<usize>(),
        0,
        "no blob went up: {log}"
    );
    let down: usize =
        moved.iter().filter(|entry| entry.method == "GET").map(|entry| entry.response_bytes).sum();
    assert_eq!(down, configs, "nothing came down but the configs that are read anyway: {log}");
    for image in &images {
        assert!(scene.client.holds("acme/app", image).await);
    }
    assert_eq!(report(&ran)["copied"][0]["blobsMounted"], 24);
    assert!(tags_last(&ran) && writes(&ran).len() == 24 + 8 + 1, "{:?}", writes(&ran));
    assert!(
        ran.stdout.contains("copy     8 images into")
            && ran.stdout.contains("8 images, 24 blobs mounted"),
        "{}",
        ran.stdout
    );
    assert!(ran.summary().contains("24 blobs mounted"), "{}", ran.summary());
    let folder = tempfile::tempdir().unwrap();
    skopeo::copy_all(&format!("{}/acme/app:1", scene.registry.host()), folder.path()).await;
}

#[tokio::test]
async fn a_second_run_writes_nothing() {
    let scene = Scene::empty().await;
    Image::oci("linux/amd64").push(&scene.client, "acme/build", "a").await;
    let run =
        || step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a")).run();
    let first = run().await.ok();
    let before = scene.proxy.requests();
    let second = run().await.ok();
    assert_eq!(
        (first.output("changed").as_deref(), second.output("changed").as_deref()),
        (Some("true"), Some("false"))
    );
    assert!(
        scene.proxy.log()[before..]
            .iter()
            .all(|entry| matches!(entry.method.as_str(), "GET" | "HEAD"))
    );
    assert!(writes(&second).is_empty());
}

/// A run after one that moved only some tags of a repository: the list is whole there, and nothing
/// but tags is to be written.
#[tokio::test]
async fn a_healing_run_writes_the_tags_that_are_missing_and_nothing_else() {
    let scene = Scene::empty().await;
    Image::oci("linux/amd64").push(&scene.client, "acme/build", "a").await;
    let tags = format!("{}\n{}", scene.full_name("acme/app:1"), scene.full_name("acme/app:latest"));
    scene.proxy.rule(Rule::on("PUT", "*/manifests/latest").nth(1).then(Fault::Status(403)));
    let run = || step_with_report(&tags, &scene.full_name("acme/build:a")).run();
    run().await.fails(8);
    let healing = run().await.ok();
    assert_eq!(writes(&healing), [("move-tag".to_owned(), scene.full_name("acme/app:latest"))]);
}

#[tokio::test]
async fn what_is_there_already_is_left_alone() {
    let scene = Scene::empty().await;
    let (amd64, arm64) = (Image::oci("linux/amd64"), Image::oci("linux/arm64"));
    amd64.push(&scene.client, "acme/build", "a").await;
    arm64.push(&scene.client, "acme/build", "b").await;
    step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a"))
        .run()
        .await
        .ok();
    let before = scene.proxy.count("POST", "*");
    let sources =
        format!("{}\n{}", scene.full_name("acme/build:a"), scene.full_name("acme/build:b"));
    let ran = step_with_report(&scene.full_name("acme/app:1"), &sources).run().await.ok();
    assert_eq!(
        scene.proxy.count("POST", "*") - before,
        2,
        "only of the new image: {}",
        scene.proxy.log_text()
    );
    assert!(
        ran.stdout.contains("1 image, 1 image already there, 2 blobs mounted"),
        "{}",
        ran.stdout
    );
    assert!(scene.client.holds("acme/app", &arm64).await);
}

#[tokio::test]
async fn attestations_come_along_and_foreign_layers_stay() {
    const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let scene = Scene::empty().await;
    let index = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64")])
        .attestations(true);
    index.push(&scene.client, "acme/build", "built").await;
    let ran =
        step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:built"))
            .run()
            .await
            .ok();
    assert_eq!(
        scene.client.get_manifest("acme/app", "1").await.unwrap().bytes,
        index.bytes(),
        "byte for byte"
    );
    assert_eq!(report(&ran)["copied"][0]["images"], 4);
    let folder = tempfile::tempdir().unwrap();
    skopeo::copy_all(&format!("{}/acme/app:1", scene.registry.host()), folder.path()).await;

    let windows = Image::docker("windows(10.0.20348.2700)/amd64").foreign_layer(
        FOREIGN,
        "https://mcr.example/layer",
        b"windows",
    );
    windows.push(&scene.client, "acme/build", "windows").await;
    step_with_report(&scene.full_name("acme/app:win"), &scene.full_name("acme/build:windows"))
        .run()
        .await
        .ok();
    let foreign = windows.blobs().pop().unwrap();
    assert!(scene.client.get_manifest("acme/app", &windows.digest()).await.is_some());
    assert_eq!(
        scene.proxy.count("*", &format!("*{foreign}*")),
        0,
        "never asked for: {}",
        scene.proxy.log_text()
    );
    assert_eq!(scene.proxy.entries("*", "*mcr.example*").len(), 0);
}

#[tokio::test]
async fn a_refused_mount_becomes_an_upload() {
    for status in [400, 401, 403, 404, 405, 501] {
        let scene = Scene::empty().await;
        let image = Image::oci("linux/amd64");
        image.push(&scene.client, "acme/build", "a").await;
        scene.proxy.rule(
            Rule::on("POST", "/v2/acme/app/blobs/uploads/?mount=*").then(Fault::Status(status)),
        );
        let ran =
            step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a"))
                .run()
                .await
                .ok();
        assert!(scene.client.holds("acme/app", &image).await, "{status}");
        assert!(ran.stdout.contains("2 blobs uploaded"), "{status}: {}", ran.stdout);
    }
    // 202: the registry opened an upload instead, which is used.
    let scene = Scene::empty().await;
    let image = Image::oci("linux/amd64");
    image.push(&scene.client, "acme/build", "a").await;
    let session = scene.client.request("POST", "/v2/acme/app/blobs/uploads/", &[], &[]).await;
    let location =
        session.header("location").unwrap().replace(&scene.registry.host(), &scene.proxy.host());
    let opened = Fault::Status(202).header("Location", &location);
    scene.proxy.rule(Rule::on("POST", "/v2/acme/app/blobs/uploads/?mount=*").nth(1).then(opened));
    let ran = step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a"))
        .run()
        .await
        .ok();
    assert!(scene.client.holds("acme/app", &image).await);
    assert!(ran.stdout.contains("1 blob mounted, 1 blob uploaded"), "{}", ran.stdout);
    assert_eq!(
        scene.proxy.count("POST", "*"),
        2,
        "no further upload was opened: {}",
        scene.proxy.log_text()
    );
}

#[tokio::test]
async fn what_may_not_be_pushed_moves_no_tag() {
    let scene = Scene::empty().await;
    Image::oci("linux/amd64").push(&scene.client, "acme/build", "a").await;
    scene.proxy.rule(
        Rule::on("POST", "/v2/acme/app/*").then(Fault::Status(403).error("DENIED", "read only")),
    );
    let ran = step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a"))
        .run()
        .await
        .fails(6);
    assert!(
        ran.stdout.contains("cannot push") && ran.stdout.contains("read only"),
        "{}",
        ran.stdout
    );
    assert!(scene.client.tags("acme/app").await.is_empty());
    assert!(writes(&ran).is_empty());
}

/// To mount, a token must be good for both repositories; a server that grants one alone costs
/// uploads, not the list.
#[tokio::test]
async fn the_token_is_for_mounting_too() {
    for (most_scopes, how) in [(usize::MAX, "2 blobs mounted"), (1, "2 blobs uploaded")] {
        let tokens =
            TokenServer::new().user("ci", "correct-horse").anonymous_pull(false).start().await;
        tokens.change(|settings| settings.most_scopes = most_scopes);
        let registry = Registry::token(&tokens).await;
        let all = "repository:acme/build:pull,push repository:acme/app:pull,push";
        let client = Client::new(&registry.host()).bearer(&tokens.mint(all));
        let scene = Scene::of(registry, client).await;
        let image = Image::oci("linux/amd64");
        image.push(&scene.client, "acme/build", "a").await;
        let ran =
            step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a"))
                .input("username", "ci")
                .input("password", "correct-horse")
                .run()
                .await
                .ok();
        assert!(ran.stdout.contains(how), "{}", ran.stdout);
        assert!(scene.client.holds("acme/app", &image).await);
        let scopes: Vec<Vec<String>> =
            tokens.requests().into_iter().map(|request| request.scopes).collect();
        assert!(
            scopes
                .iter()
                .any(|scopes| *scopes
                    == ["repository:acme/app:pull,push", "repository:acme/build:pull"]),
            "{scopes:?}"
        );
        if most_scopes == usize::MAX {
            assert_eq!(scopes.len(), 2, "one token for each repository: {scopes:?}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_copied_and_copies_nothing() {
    let scene = Scene::empty().await;
    Image::oci("linux/amd64").push(&scene.client, "acme/build", "a").await;
    let run = |dry: &str| {
        step_with_report(&scene.full_name("acme/app:1"), &scene.full_name("acme/build:a"))
            .input("dry-run", dry)
            .run()
    };
    let dry = run("true").await.ok();
    assert!(dry.stdout.contains("dry run  would copy 1 image into"), "{}", dry.stdout);
    let copies = format!(
        "Would copy 1 image into `{}/acme/app`, unless already there.\n",
        scene.proxy.host()
    );
    assert!(dry.summary().contains(&copies), "{}", dry.summary());
    assert!(
        scene.proxy.log().iter().all(|entry| matches!(entry.method.as_str(), "GET" | "HEAD")),
        "{}",
        scene.proxy.log_text()
    );
    assert_eq!(dry.output("digest"), run("false").await.ok().output("digest"));
}
