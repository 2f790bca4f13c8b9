//! Files as skopeo, podman, Docker, `BuildKit` and oras write them, published and read back by
//! skopeo and podman.

use super::{children, read_whole, step};
use crate::support::artifacts::{Artifact, SPDX, listed};
use crate::support::client::{Client, sha256};
use crate::support::engines::{Podman, podman_manifest};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::layer::layer;
use crate::support::layouts::{FULL_NAME, Layout, REF_NAME, docker_save_of_today};
use crate::support::registry::Registry;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::skopeo::skopeo;
use crate::support::tars::Packed;
use serde_json::{Value, json};

/// What skopeo publishes of a file: its digest.
async fn published_by_skopeo(registry: &Registry, source: &str) -> String {
    let to = format!("docker://{}/by/skopeo:1", registry.host());
    let copy = ["copy", "--all", "--preserve-digests", "--dest-tls-verify=false", source, &to];
    skopeo(&copy).await;
    let client = Client::new(&registry.host());
    client.get_manifest("by/skopeo", "1").await.expect("what skopeo copied").digest
}

fn built() -> BuiltIndex {
    BuiltIndex::new(vec![amd64(), arm64()]).attestations(true)
}

#[tokio::test]
async fn layouts_of_skopeo_have_the_digests_that_skopeo_publishes() {
    let from = Scene::empty().await;
    from.push_amd64().await;
    from.push(&Image::docker("linux/amd64"), "docker").await;
    built().push(&from.client, REPO, "built").await;
    for tag in ["amd64", "docker", "built"] {
        for form in ["oci", "oci-archive"] {
            let folder = tempfile::tempdir().unwrap();
            let file = format!("{form}:{}/saved:v1", folder.path().display());
            let source = format!("docker://{}/{REPO}:{tag}", from.registry.host());
            skopeo(&["copy", "--all", "--src-tls-verify=false", &source, &file]).await;
            let scene = Scene::empty().await;
            let expected = published_by_skopeo(&scene.registry, &file).await;
            for source in [&file, file.trim_end_matches(":v1")] {
                let step = step(&scene, source).input("prefer-index", "false");
                let ran = step.run().await.ok();
                assert_eq!(ran.output("digest"), Some(expected.clone()), "{tag} {form}");
            }
            assert_eq!(read_whole(&scene, "1").await, expected, "{tag} {form}");
            if tag == "built" {
                assert_eq!(expected, built().digest());
                let host = scene.registry.host();
                let seen = podman_manifest(&format!("{host}/{REPO}:1")).await;
                assert_eq!(seen["manifests"].as_array().unwrap().len(), 4, "{seen}");
            }
        }
    }
}

#[tokio::test]
async fn an_archive_that_skopeo_wrote_for_docker() {
    let from = Scene::with_both().await;
    let folder = tempfile::tempdir().unwrap();
    let mut sources = Vec::new();
    for arch in ["amd64", "arm64"] {
        let file = format!("docker-archive:{}/{arch}.tar", folder.path().display());
        let source = format!("docker://{}/{REPO}:{arch}", from.registry.host());
        let to = format!("{file}:acme/app:{arch}");
        skopeo(&["copy", "--src-tls-verify=false", &source, &to]).await;
        sources.push(file);
    }
    let scene = Scene::empty().await;
    step(&scene, &sources.join("\n")).run().await.ok();
    read_whole(&scene, "1").await;
    let podman = podman_manifest(&format!("{}/{REPO}:1", scene.registry.host())).await;
    let list = scene.at("1").await.json();
    assert_eq!(list["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    assert_eq!(podman["manifests"].as_array().unwrap().len(), 2, "{podman}");
    for (child, image) in children(&scene, "1").await.iter().zip([amd64(), arm64()]) {
        let manifest = scene.at(child).await.json();
        // Byte for byte what was built.
        assert_eq!(manifest["config"]["digest"], json!(sha256(&image.config())));
    }
}

/// Two images in podman's storage.
async fn podman() -> Podman {
    let podman = Podman::new();
    std::fs::write(podman.path("layer.tar"), layer("hello", &[b'x'; 5_000]).tar).unwrap();
    for arch in ["amd64", "arm64"] {
        let name = format!("docker.io/acme/app:{arch}");
        podman.run(&["import", "--quiet", "--arch", arch, "layer.tar", &name]).await;
    }
    podman
}

#[tokio::test]
async fn all_that_podman_saves() {
    let podman = podman().await;
    for (form, word) in [
        ("oci-archive", "oci-archive"),
        ("oci-dir", "oci"),
        ("docker-archive", "docker-archive"),
        ("docker-dir", ""),
    ] {
        let mut sources = Vec::new();
        for arch in ["amd64", "arm64"] {
            let file = podman.path(&format!("{form}-{arch}"));
            let name = format!("docker.io/acme/app:{arch}");
            podman.run(&["save", "--quiet", "--format", form, "--output", &file, &name]).await;
            sources.push(format!("{word}:{file}"));
        }
        let scene = Scene::empty().await;
        if word.is_empty() {
            // skopeo's `dir:`, which has no place for several images and is no layout.
            let ran = step(&scene, &sources.join("\n").replace(':', "oci:")).run().await.fails(2);
            assert!(ran.stdout.contains("there is no index.json in it"), "{}", ran.everything());
            continue;
        }
        let ran = step(&scene, &sources.join("\n")).run().await.ok();
        read_whole(&scene, "1").await;
        assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64,linux/arm64"), "{form}");
        if word != "docker-archive" {
            for (child, source) in children(&scene, "1").await.iter().zip(&sources) {
                assert_eq!(*child, published_by_skopeo(&scene.registry, source).await, "{form}");
            }
        }
    }
}

#[tokio::test]
async fn several_images_in_one_archive_of_podman() {
    let podman = podman().await;
    let file = podman.path("all.tar");
    let names = ["docker.io/acme/app:amd64", "docker.io/acme/app:arm64"];
    let save = ["save", "--quiet", "--multi-image-archive", "--output", &file, names[0], names[1]];
    podman.run(&save).await;
    let scene = Scene::empty().await;
    let sources = format!("docker-archive:{file}:acme/app:{{arch}}");
    let run = step(&scene, &sources).input("platforms", "linux/arm64, linux/amd64").run();
    let ran = run.await.ok();
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/arm64,linux/amd64"));
    read_whole(&scene, "1").await;
    let ran = step(&scene, &format!("docker-archive:{file}")).run().await.fails(2);
    let names = names.join(", ");
    let told = format!(
        "holds 2 images: choose one by its name, with :NAME behind the file; it has {names}"
    );
    assert!(ran.stdout.contains(&told), "{}", ran.everything());
}

/// Docker 25 and later; skopeo reads both forms that are in it.
#[tokio::test]
async fn what_docker_saves_today() {
    let name = "docker.io/acme/app:v1";
    let (layout, digest) = docker_save_of_today(name, 7);
    for packed in Packed::ALL {
        let scene = Scene::empty().await;
        for named in ["", ":acme/app:v1", ":docker.io/acme/app:v1"] {
            let ran = step(&scene, &format!("docker-archive:app.tar{named}"))
                .file("app.tar", packed.of(&layout.tar()))
                .input("prefer-index", "false")
                .run()
                .await
                .ok();
            assert_eq!(ran.output("digest"), Some(digest.clone()), "{packed:?} {named}");
        }
        assert_eq!(read_whole(&scene, "1").await, digest);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.tar");
    std::fs::write(&file, layout.tar()).unwrap();
    let inspected = skopeo(&["inspect", &format!("docker-archive:{}", file.display())]).await;
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Architecture"], "amd64");
    let scene = Scene::empty().await;
    let source = format!("oci-archive:{}", file.display());
    assert_eq!(published_by_skopeo(&scene.registry, &source).await, digest);
}

/// `docker buildx build --output type=oci`, also with `tar=false`.
#[tokio::test]
async fn what_buildkit_exports() {
    let index = built();
    let annotations = [
        (FULL_NAME, "docker.io/acme/app:v1"),
        (REF_NAME, "v1"),
        ("org.opencontainers.image.created", "2026-01-01T00:00:00Z"),
    ];
    let layout = Layout::default().index(&index, &annotations);
    let folder = tempfile::tempdir().unwrap();
    layout.write(&folder.path().join("dist"));
    std::fs::write(folder.path().join("dist.tar"), layout.tar()).unwrap();
    for (form, path) in [("oci", "dist"), ("oci-archive", "dist.tar")] {
        for name in ["", ":v1", ":acme/app:v1"] {
            let scene = Scene::empty().await;
            let source = format!("{form}:{}/{path}", folder.path().display());
            let run = step(&scene, &format!("{source}{name}")).run();
            assert_eq!(run.await.ok().output("digest"), Some(index.digest()), "{source}{name}");
            assert_eq!(read_whole(&scene, "1").await, index.digest());
            assert_eq!(published_by_skopeo(&scene.registry, &source).await, index.digest());
        }
    }
    // Taken apart and without what attests.
    let scene = Scene::empty().await;
    let source = format!("oci:{}/dist", folder.path().display());
    step(&scene, &source).input("attestations", "drop").run().await.ok();
    assert_eq!(children(&scene, "1").await, [amd64().digest(), arm64().digest()]);
    step(&scene, &format!("linux/arm64={source}")).run().await.ok();
    let of_arm64 = [arm64().digest(), index.attestation_digests()[1].clone()];
    assert_eq!(children(&scene, "1").await, of_arm64);
    read_whole(&scene, "1").await;
}

#[tokio::test]
async fn packed_archives() {
    let layouts = [Layout::of(&amd64()), Layout::of(&arm64())];
    for packed in Packed::ALL {
        let scene = Scene::empty().await;
        let mut step = step(&scene, "oci-archive:0.tar\noci-archive:1.tar");
        for (at, layout) in layouts.iter().enumerate() {
            step = step.file(&format!("{at}.tar"), packed.of(&layout.tar()));
        }
        step.run().await.ok();
        assert_eq!(children(&scene, "1").await, [amd64().digest(), arm64().digest()], "{packed:?}");
        read_whole(&scene, "1").await;
    }
    // As the tools compress them.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("0.tar");
    std::fs::write(&file, Layout::of(&amd64()).tar()).unwrap();
    for (tool, ending) in [("gzip", "gz"), ("zstd", "zst")] {
        let done = tokio::process::Command::new(tool).args(["-k", "-q"]).arg(&file).status().await;
        assert!(done.is_ok_and(|status| status.success()), "{tool} is missing");
        let scene = Scene::empty().await;
        let source = format!("oci-archive:{}.{ending}", file.display());
        let ran = step(&scene, &source).input("prefer-index", "false").run().await.ok();
        assert_eq!(ran.output("digest"), Some(amd64().digest()), "{tool}");
    }
}

/// As `oras copy -r --to-oci-layout` writes it: index.json names the referrers too.
#[tokio::test]
async fn referrers_in_a_layout_come_along() {
    let image = amd64();
    let sbom = Artifact::about(SPDX, image.media_type(), &image.manifest());
    let about_it = Artifact::about(
        "application/x",
        "application/vnd.oci.image.manifest.v1+json",
        &sbom.manifest(),
    );
    let layout =
        Layout::default().image(&image, &[(REF_NAME, "v1")]).artifact(&sbom).artifact(&about_it);
    for (referrers, expected) in [("copy", true), ("leave", false)] {
        for (form, name) in [("oci", ""), ("oci", ":v1"), ("oci-archive", "")] {
            let scene = Scene::empty().await;
            let file = if form == "oci" { "dist" } else { "dist.tar" };
            let step = step(&scene, &format!("{form}:{file}{name}"))
                .input("referrers", referrers)
                .file("dist.tar", layout.tar());
            layout.put(step, "dist").run().await.ok();
            let host = &scene.client;
            assert_eq!(sbom.is_in(host, REPO).await, expected, "{form}{name}");
            assert_eq!(about_it.is_in(host, REPO).await, expected, "{form}{name}");
            let listing = listed(host, REPO, &image.digest()).await;
            assert_eq!(listing.contains(&sbom.digest()), expected, "{form}{name}");
        }
    }
}

#[tokio::test]
async fn a_file_among_images_of_registries() {
    let scene = Scene::with_amd64().await;
    let sources = format!("{}\noci-archive:arm64.tar", scene.reference("amd64"));
    let step = step(&scene, &sources).file("arm64.tar", Layout::of(&arm64()).tar());
    step.run().await.ok();
    assert_eq!(children(&scene, "1").await, [amd64().digest(), arm64().digest()]);
    read_whole(&scene, "1").await;
}
