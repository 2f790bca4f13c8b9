//! Archives of `docker save` before Docker 25, which have no manifest that a registry could store:
//! ours is the same every time.

use super::{children, read_whole, step};
use crate::support::client::sha256;
use crate::support::layer::{gzip, layer};
use crate::support::layouts::{Saved, docker_archive};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene};
use crate::support::tars::{Packed, Tar, kind};
use serde_json::json;

/// Of an image with two layers that never change: if it does, every archive that was published
/// before has another digest now.
const GOLDEN: &str = "sha256:5f52ac30dcbc8e03c708e8164618f0dca1acfb47b5ade7170e71d9c608695672";

fn saved() -> Saved {
    let layers = vec![layer("hello.txt", b"hello\n").tar, layer("more", &[b'x'; 100_000]).tar];
    Saved::new("amd64", &["acme/app:v1"], layers)
}

async fn publish(scene: &Scene, tar: Vec<u8>, name: &str) -> Ran {
    step(scene, &format!("docker-archive:app.tar{name}"))
        .file("app.tar", tar)
        .input("prefer-index", "false")
        .run()
        .await
}

#[tokio::test]
async fn the_digest_of_a_fixed_archive() {
    let tar = docker_archive(&[saved()]).end();
    for packed in Packed::ALL {
        for _ in 0..2 {
            let scene = Scene::empty().await;
            let ran = publish(&scene, packed.of(&tar), "").await.ok();
            assert_eq!(ran.output("digest").as_deref(), Some(GOLDEN), "{packed:?}");
            assert_eq!(read_whole(&scene, "1").await, GOLDEN);
            let manifest = scene.at("1").await.json();
            let config = manifest["config"]["digest"].as_str().unwrap();
            let config = scene.client.get_blob(REPO, config).await;
            assert_eq!(config.as_deref(), Some(&*saved().config()));
        }
    }
}

#[tokio::test]
async fn a_dry_run_has_the_same_digest() {
    let scene = Scene::empty().await;
    let ran = step(&scene, "docker-archive:app.tar")
        .file("app.tar", docker_archive(&[saved()]).end())
        .input("prefer-index", "false")
        .input("dry-run", "true")
        .run()
        .await
        .ok();
    assert_eq!(ran.output("digest").as_deref(), Some(GOLDEN));
    assert_eq!(scene.proxy.log().iter().filter(|entry| entry.writes()).count(), 0);
}

#[tokio::test]
async fn a_layer_that_is_not_the_one_of_the_config() {
    let image = saved();
    let wrong = layer("hello.txt", b"other\n").tar;
    for (case, bytes) in [
        ("other", wrong.clone()),
        ("other, in gzip", gzip(&wrong)),
        ("in zstd", Packed::Zstd.of(&wrong)),
        ("empty", Vec::new()),
    ] {
        let name = &image.layers[0].0;
        let tar = Tar::default()
            .file(name, &bytes)
            .file(&image.layers[1].0, &image.layers[1].1)
            .file(&image.config_name(), &image.config())
            .file("manifest.json", json!([image.item()]).to_string().as_bytes())
            .end();
        let scene = Scene::empty().await;
        let ran = publish(&scene, tar, "").await.fails(5);
        let told = format!("{name} is not the layer that the config names: it is sha256:");
        assert!(ran.stdout.contains(&told), "{case}: {}", ran.everything());
        assert!(ran.stdout.contains("docker-archive:app.tar"), "{case}: {}", ran.everything());
        assert_eq!(scene.client.tags(REPO).await, Vec::<String>::new(), "{case}");
    }
}

/// As kaniko writes them.
#[tokio::test]
async fn layers_that_are_compressed_already_are_taken_as_they_are() {
    let image = saved();
    let blobs: Vec<Vec<u8>> = image.layers.iter().map(|(_, bytes)| gzip(bytes)).collect();
    let names: Vec<String> =
        blobs.iter().map(|b| format!("{}.tar.gz", sha256(b).replace("sha256:", ""))).collect();
    let config = sha256(&image.config());
    let item = json!([{"Config": config, "RepoTags": ["acme/app:v1"], "Layers": names}]);
    let tar = Tar::default()
        .file(&config, &image.config())
        .files(names.iter().zip(&blobs))
        .file("manifest.json", item.to_string().as_bytes())
        .end();
    for packed in Packed::ALL {
        let scene = Scene::empty().await;
        publish(&scene, packed.of(&tar), "").await.ok();
        read_whole(&scene, "1").await;
        let manifest = scene.at("1").await.json();
        for (layer, blob) in manifest["layers"].as_array().unwrap().iter().zip(&blobs) {
            assert_eq!(layer["digest"], json!(sha256(blob)));
            assert_eq!(layer["size"], json!(blob.len()));
        }
    }
}

/// zstd is no part of Docker's images, so such layers are stored as all others.
#[tokio::test]
async fn layers_in_zstd_become_gzip() {
    let image = saved();
    let tar = Tar::default()
        .file(&image.layers[0].0, &Packed::Zstd.of(&image.layers[0].1))
        .file(&image.layers[1].0, &image.layers[1].1)
        .file(&image.config_name(), &image.config())
        .file("manifest.json", json!([image.item()]).to_string().as_bytes())
        .end();
    let scene = Scene::empty().await;
    let ran = publish(&scene, tar, "").await.ok();
    assert_eq!(ran.output("digest").as_deref(), Some(GOLDEN));
    read_whole(&scene, "1").await;
}

#[tokio::test]
async fn links_between_layers() {
    let image = saved();
    let [(first, bytes), (second, more)] = &image.layers[..] else { panic!("two layers") };
    let folder = |name: &str| name.split('/').next().unwrap().to_owned();
    let in_other = format!("../{}/layer.tar", folder(second));
    let rest = |tar: Tar| {
        tar.file(&image.config_name(), &image.config())
            .file("manifest.json", json!([image.item()]).to_string().as_bytes())
            .end()
    };
    for (case, tar) in [
        (
            "skopeo's",
            Tar::default()
                .file("0.tar", bytes)
                .link(kind::LINK, first, "../0.tar")
                .file(second, more),
        ),
        (
            "hard",
            Tar::default()
                .file("0.tar", bytes)
                .link(kind::HARD_LINK, first, "0.tar")
                .file(second, more),
        ),
        (
            "before what they lead to",
            Tar::default()
                .link(kind::LINK, first, "../0.tar")
                .file(second, more)
                .file("0.tar", bytes),
        ),
        (
            "to a link",
            Tar::default()
                .file("0.tar", bytes)
                .link(kind::LINK, "1.tar", "./0.tar")
                .link(kind::LINK, first, "../1.tar")
                .file(second, more),
        ),
    ] {
        for packed in Packed::ALL {
            let scene = Scene::empty().await;
            let ran = publish(&scene, packed.of(&rest(tar.clone())), "").await.ok();
            assert_eq!(ran.output("digest").as_deref(), Some(GOLDEN), "{case}");
        }
    }
    // The same layer twice in an image, once as a link: Docker does so.
    let twice = Saved {
        layers: vec![(first.clone(), more.clone()), (second.clone(), more.clone())],
        ..saved()
    };
    let tar = Tar::default()
        .file(second, more)
        .link(kind::LINK, first, &in_other)
        .file(&twice.config_name(), &twice.config())
        .file("manifest.json", json!([twice.item()]).to_string().as_bytes())
        .end();
    let scene = Scene::empty().await;
    publish(&scene, tar, "").await.ok();
    read_whole(&scene, "1").await;
    let layers = scene.at("1").await.json()["layers"].clone();
    assert_eq!(layers[0], layers[1]);
    assert!(scene.client.get_blob(REPO, layers[0]["digest"].as_str().unwrap()).await.is_some());
}

#[tokio::test]
async fn several_images_and_names() {
    let amd64 = Saved { tags: vec!["acme/app:v1".into(), "ghcr.io/acme/app:v1".into()], ..saved() };
    let mut arm64 = Saved { architecture: "arm64".into(), ..saved() };
    arm64.tags = vec!["acme/app:v1-arm64".into()];
    let tar = docker_archive(&[amd64.clone(), arm64.clone()]).end();
    for (name, expected) in [
        (":acme/app:v1", GOLDEN),
        (":docker.io/acme/app:v1", GOLDEN),
        (":index.docker.io/acme/app:v1", GOLDEN),
        (":ghcr.io/acme/app:v1", GOLDEN),
        (&format!("@{GOLDEN}"), GOLDEN),
    ] {
        let scene = Scene::empty().await;
        let ran = publish(&scene, tar.clone(), name).await.ok();
        assert_eq!(ran.output("digest").as_deref(), Some(expected), "{name}");
    }
    let names = "it has acme/app:v1, ghcr.io/acme/app:v1, acme/app:v1-arm64";
    let all =
        format!("holds 2 images: choose one by its name, with :NAME behind the file; {names}");
    let none = format!("has no image named acme/app:v2; {names}");
    for (name, status, told) in [("", 2, all), (":acme/app:v2", 2, none)] {
        let scene = Scene::empty().await;
        let ran = publish(&scene, tar.clone(), name).await.fails(status);
        assert!(ran.stdout.contains(&told), "{}", ran.everything());
    }
    let scene = Scene::empty().await;
    let sources = "docker-archive:app.tar:acme/app:v1\ndocker-archive:app.tar:acme/app:v1-arm64";
    step(&scene, sources).file("app.tar", tar).run().await.ok();
    assert_eq!(children(&scene, "1").await[0], GOLDEN);
    read_whole(&scene, "1").await;
    // Without any name, as `docker save IMAGE-ID` leaves it.
    let mut unnamed = json!([saved().item()]);
    unnamed[0]["RepoTags"] = json!(null);
    let image = saved();
    let tar = Tar::default()
        .files(image.layers.iter().map(|(name, bytes)| (name, bytes)))
        .file(&image.config_name(), &image.config())
        .file("manifest.json", unnamed.to_string().as_bytes())
        .end();
    let scene = Scene::empty().await;
    let ran = publish(&scene, tar.clone(), "").await.ok();
    assert_eq!(ran.output("digest").as_deref(), Some(GOLDEN));
    let ran = publish(&scene, tar, ":acme/app:v1").await.fails(2);
    assert!(ran.stdout.contains("its images have no names"), "{}", ran.everything());
}
