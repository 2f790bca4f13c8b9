//! Into another repository of the same registry.

use super::{Place, report, step, tags_last, writes};
use crate::support::client::Client;
use crate::support::images::{Image, PLATFORMS};
use crate::support::indexes::BuiltIndex;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::skopeo;
use crate::support::token::TokenServer;
use std::time::Duration;

#[tokio::test]
async fn eight_platforms_are_mounted_in_ten_round_trips() {
    let mut place = Place::new().await;
    let images: Vec<Image> =
        PLATFORMS.iter().map(|platform| Image::oci(platform).more_layer(*platform)).collect();
    for (at, image) in images.iter().enumerate() {
        image.push(&place.client, "acme/build", &format!("s{at}")).await;
    }
    place.proxy = place.proxy.with_distance(Duration::from_millis(150));
    let sources: Vec<String> = (0..8).map(|at| place.name(&format!("acme/build:s{at}"))).collect();
    let ran = step(&place.name("acme/app:1"), &sources.join("\n"))
        .input("concurrency", "32")
        .run()
        .await
        .ok();
    let log = place.proxy.log_text();
    assert!(place.proxy.round_trips() <= 10, "{} round trips\n{log}", place.proxy.round_trips());
    let moved = place.proxy.entries("*", "*/blobs/*");
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
        assert!(place.holds("acme/app", image).await);
    }
    assert_eq!(report(&ran)["copied"][0]["blobsMounted"], 24);
    assert!(tags_last(&ran) && writes(&ran).len() == 24 + 8 + 1, "{:?}", writes(&ran));
    assert!(
        ran.stdout.contains("copy     8 images into")
            && ran.stdout.contains("8 images, 24 blobs mounted"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("signatures and other referrers of the images stay in"),
        "{}",
        ran.stdout
    );
    assert!(ran.summary().contains("24 blobs mounted"), "{}", ran.summary());
    let folder = tempfile::tempdir().unwrap();
    skopeo::copy_all(&format!("{}/acme/app:1", place.registry.host()), folder.path()).await;
}

#[tokio::test]
async fn a_second_run_writes_nothing() {
    let place = Place::new().await;
    Image::oci("linux/amd64").push(&place.client, "acme/build", "a").await;
    let run = || step(&place.name("acme/app:1"), &place.name("acme/build:a")).run();
    let first = run().await.ok();
    let before = place.proxy.requests();
    let second = run().await.ok();
    assert_eq!(
        (first.output("changed").as_deref(), second.output("changed").as_deref()),
        (Some("true"), Some("false"))
    );
    assert!(
        place.proxy.log()[before..]
            .iter()
            .all(|entry| matches!(entry.method.as_str(), "GET" | "HEAD"))
    );
    assert!(writes(&second).is_empty());
}

/// A run after one that moved only some tags of a repository: the list is whole there, and nothing
/// but tags is to be written.
#[tokio::test]
async fn a_healing_run_writes_the_tags_that_are_missing_and_nothing_else() {
    let place = Place::new().await;
    Image::oci("linux/amd64").push(&place.client, "acme/build", "a").await;
    let tags = format!("{}\n{}", place.name("acme/app:1"), place.name("acme/app:latest"));
    place.proxy.rule(Rule::on("PUT", "*/manifests/latest").nth(1).then(Fault::Status(403)));
    let run = || step(&tags, &place.name("acme/build:a")).run();
    run().await.fails(8);
    let healing = run().await.ok();
    assert_eq!(writes(&healing), [("move-tag".to_owned(), place.name("acme/app:latest"))]);
}

#[tokio::test]
async fn what_is_there_already_is_left_alone() {
    let place = Place::new().await;
    let (amd64, arm64) = (Image::oci("linux/amd64"), Image::oci("linux/arm64"));
    amd64.push(&place.client, "acme/build", "a").await;
    arm64.push(&place.client, "acme/build", "b").await;
    step(&place.name("acme/app:1"), &place.name("acme/build:a")).run().await.ok();
    let before = place.proxy.count("POST", "*");
    let sources = format!("{}\n{}", place.name("acme/build:a"), place.name("acme/build:b"));
    let ran = step(&place.name("acme/app:1"), &sources).run().await.ok();
    assert_eq!(
        place.proxy.count("POST", "*") - before,
        2,
        "only of the new image: {}",
        place.proxy.log_text()
    );
    assert!(
        ran.stdout.contains("1 image, 1 image there already, 2 blobs mounted"),
        "{}",
        ran.stdout
    );
    assert!(place.holds("acme/app", &arm64).await);
}

#[tokio::test]
async fn attestations_come_along_and_foreign_layers_stay() {
    const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let place = Place::new().await;
    let index = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64")])
        .attestations(true);
    index.push(&place.client, "acme/build", "built").await;
    let ran = step(&place.name("acme/app:1"), &place.name("acme/build:built")).run().await.ok();
    assert_eq!(
        place.client.get_manifest("acme/app", "1").await.unwrap().bytes,
        index.bytes(),
        "byte for byte"
    );
    assert_eq!(report(&ran)["copied"][0]["images"], 4);
    let folder = tempfile::tempdir().unwrap();
    skopeo::copy_all(&format!("{}/acme/app:1", place.registry.host()), folder.path()).await;

    let windows = Image::docker("windows(10.0.20348.2700)/amd64").foreign_layer(
        FOREIGN,
        "https://mcr.example/layer",
        b"windows",
    );
    windows.push(&place.client, "acme/build", "windows").await;
    step(&place.name("acme/app:win"), &place.name("acme/build:windows")).run().await.ok();
    let foreign = windows.blobs().pop().unwrap();
    assert!(place.client.get_manifest("acme/app", &windows.digest()).await.is_some());
    assert_eq!(
        place.proxy.count("*", &format!("*{foreign}*")),
        0,
        "never asked for: {}",
        place.proxy.log_text()
    );
    assert_eq!(place.proxy.entries("*", "*mcr.example*").len(), 0);
}

#[tokio::test]
async fn a_refused_mount_becomes_an_upload() {
    for status in [400, 401, 403, 404, 405, 501] {
        let place = Place::new().await;
        let image = Image::oci("linux/amd64");
        image.push(&place.client, "acme/build", "a").await;
        place.proxy.rule(
            Rule::on("POST", "/v2/acme/app/blobs/uploads/?mount=*").then(Fault::Status(status)),
        );
        let ran = step(&place.name("acme/app:1"), &place.name("acme/build:a")).run().await.ok();
        assert!(place.holds("acme/app", &image).await, "{status}");
        assert!(ran.stdout.contains("2 blobs uploaded"), "{status}: {}", ran.stdout);
    }
    // 202: the registry opened an upload instead, which is used.
    let place = Place::new().await;
    let image = Image::oci("linux/amd64");
    image.push(&place.client, "acme/build", "a").await;
    let session = place.client.request("POST", "/v2/acme/app/blobs/uploads/", &[], &[]).await;
    let location =
        session.header("location").unwrap().replace(&place.registry.host(), &place.proxy.host());
    let opened = Fault::Status(202).header("Location", &location);
    place.proxy.rule(Rule::on("POST", "/v2/acme/app/blobs/uploads/?mount=*").nth(1).then(opened));
    let ran = step(&place.name("acme/app:1"), &place.name("acme/build:a")).run().await.ok();
    assert!(place.holds("acme/app", &image).await);
    assert!(ran.stdout.contains("1 blob mounted, 1 blob uploaded"), "{}", ran.stdout);
    assert_eq!(
        place.proxy.count("POST", "*"),
        2,
        "no further upload was opened: {}",
        place.proxy.log_text()
    );
}

#[tokio::test]
async fn what_may_not_be_pushed_moves_no_tag() {
    let place = Place::new().await;
    Image::oci("linux/amd64").push(&place.client, "acme/build", "a").await;
    place.proxy.rule(
        Rule::on("POST", "/v2/acme/app/*").then(Fault::Status(403).error("DENIED", "read only")),
    );
    let ran = step(&place.name("acme/app:1"), &place.name("acme/build:a")).run().await.fails(6);
    assert!(
        ran.stdout.contains("cannot push") && ran.stdout.contains("read only"),
        "{}",
        ran.stdout
    );
    assert!(place.client.tags("acme/app").await.is_empty());
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
        let proxy = FaultProxy::before(&registry).await;
        let place = Place { registry, client, proxy };
        let image = Image::oci("linux/amd64");
        image.push(&place.client, "acme/build", "a").await;
        let ran = step(&place.name("acme/app:1"), &place.name("acme/build:a"))
            .input("username", "ci")
            .input("password", "correct-horse")
            .run()
            .await
            .ok();
        assert!(ran.stdout.contains(how), "{}", ran.stdout);
        assert!(place.holds("acme/app", &image).await);
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
    let place = Place::new().await;
    Image::oci("linux/amd64").push(&place.client, "acme/build", "a").await;
    let run = |dry: &str| {
        step(&place.name("acme/app:1"), &place.name("acme/build:a")).input("dry-run", dry).run()
    };
    let dry = run("true").await.ok();
    assert!(dry.stdout.contains("dry run  would copy 1 image into"), "{}", dry.stdout);
    let copies = format!(
        "Would copy 1 image into `{}/acme/app`, unless already there.\n",
        place.proxy.host()
    );
    assert!(dry.summary().contains(&copies), "{}", dry.summary());
    assert!(
        place.proxy.log().iter().all(|entry| matches!(entry.method.as_str(), "GET" | "HEAD")),
        "{}",
        place.proxy.log_text()
    );
    assert_eq!(dry.output("digest"), run("false").await.ok().output("digest"));
}
