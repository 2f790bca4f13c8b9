//! Other tools read what we publish, from the real registry, and see the digest that the step gave
//! out.

use crate::support::client::sha256;
use crate::support::engines::{docker_manifest, podman_manifest};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::scene::{REPO, Scene};
use crate::support::skopeo::{copy_all, inspect_as, inspect_raw};
use serde_json::{Value, json};

/// A mixed set as people have it: two builds with provenance and a plain image, as an OCI index;
/// and a Docker list.
async fn published(scene: &Scene) -> [(String, String, Vec<u8>); 2] {
    for (tag, platform) in [("amd64", "linux/amd64"), ("arm64", "linux/arm64/v8")] {
        BuiltIndex::new(vec![Image::oci(platform)])
            .attestations(true)
            .push(&scene.client, REPO, tag)
            .await;
    }
    scene.push(&Image::oci("linux/arm"), "arm").await;
    scene.push(&Image::docker("linux/amd64"), "docker-amd64").await;
    scene.push(&Image::docker("linux/arm64"), "docker-arm64").await;
    let oci = ["amd64", "arm64", "arm"].map(|tag| scene.reference(tag)).join("\n");
    let docker = ["docker-amd64", "docker-arm64"].map(|tag| scene.reference(tag)).join("\n");
    let mut lists = Vec::new();
    for (tag, sources) in [("oci", oci), ("docker", docker)] {
        let ran = scene.step(tag).input("sources", &sources).run().await.ok();
        let digest = ran.output("digest").expect("an output");
        lists.push((
            format!("{}/{REPO}:{tag}", scene.registry.host()),
            digest,
            scene.at(tag).await.bytes,
        ));
    }
    lists.try_into().expect("two lists")
}

#[tokio::test]
async fn skopeo_copies_all_of_it_byte_for_byte() {
    let scene = Scene::empty().await;
    for (reference, digest, bytes) in published(&scene).await {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy");
        copy_all(&reference, &copy).await;
        let copied =
            std::fs::read(copy.join("manifest.json")).expect("skopeo writes manifest.json");
        assert_eq!((sha256(&copied), copied), (digest.clone(), bytes));
        assert_eq!(sha256(inspect_raw(&reference).await.as_bytes()), digest);
        let entries: Value =
            serde_json::from_slice(&std::fs::read(copy.join("manifest.json")).expect("a file"))
                .expect("JSON");
        for entry in entries["manifests"].as_array().expect("entries") {
            let hex = entry["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
            assert!(copy.join(format!("{hex}.manifest.json")).exists(), "{entry} was copied too");
        }
    }
}

#[tokio::test]
async fn skopeo_picks_the_image_for_a_platform() {
    let scene = Scene::empty().await;
    let [(oci, digest, _), (docker, ..)] = published(&scene).await;
    for (reference, architecture, variant, image) in [
        (&oci, "amd64", "", Image::oci("linux/amd64")),
        (&oci, "arm64", "", Image::oci("linux/arm64/v8")),
        (&oci, "arm", "v7", Image::oci("linux/arm")),
        (&docker, "amd64", "", Image::docker("linux/amd64")),
        (&docker, "arm64", "", Image::docker("linux/arm64")),
    ] {
        let seen = inspect_as(reference, "linux", architecture, variant).await;
        assert_eq!(seen["Architecture"], architecture);
        assert_eq!(
            seen["Layers"],
            json!([sha256(&image.layer_blob())]),
            "{reference} {architecture}"
        );
    }
    // Asked by the digest of the output, it is the same list.
    let by_digest = oci.replace(":oci", &format!("@{digest}"));
    assert_eq!(sha256(inspect_raw(&by_digest).await.as_bytes()), digest);
}

#[tokio::test]
async fn podman_and_docker_read_every_entry() {
    let scene = Scene::empty().await;
    for (reference, _, bytes) in published(&scene).await {
        let ours: Value = serde_json::from_slice(&bytes).expect("JSON");
        let digests = |list: &Value| {
            let entries = list["manifests"].as_array().expect("entries").iter();
            entries
                .map(|entry| (entry["digest"].clone(), entry["platform"]["architecture"].clone()))
                .collect::<Vec<_>>()
        };
        // Podman shows every list in Docker's terms.
        assert_eq!(digests(&podman_manifest(&reference).await), digests(&ours), "{reference}");
        let docker = docker_manifest(&reference).await;
        assert_eq!(
            (digests(&docker), &docker["mediaType"]),
            (digests(&ours), &ours["mediaType"]),
            "{reference}"
        );
    }
}
