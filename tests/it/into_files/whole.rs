//! All of it, byte for byte, there and back; and other tools read it.

use super::{archive, built, copy, entries, layout, listed};
use crate::support::artifacts::{Artifact, BUNDLE, COSIGN, SPDX, attach, listed as referrers};
use crate::support::client::{OCI_MANIFEST, sha256};
use crate::support::engines::Podman;
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::skopeo::{copy_all, skopeo};
use crate::support::step::Step;
use std::fs;
use std::process::Command;
use std::time::Duration;
use tempfile::tempdir;

const APP: &str = "acme/app";
const THERE: &str = "acme/there";

/// An index with referrers of itself, of an image and of an attestation, and cosign's tag.
async fn signed(scene: &Scene) -> (String, Vec<Artifact>) {
    let index = built();
    index.push(&scene.client, APP, "1.2").await;
    let bytes = index.bytes();
    let of_index = Artifact::about(SPDX, "application/vnd.oci.image.index.v1+json", &bytes);
    attach(&scene.client, APP, &index.digest(), &[&of_index]).await;
    let image = index.images()[0].clone();
    let about = |kind: &str| Artifact::about(kind, OCI_MANIFEST, &image.manifest());
    let (bundle, sbom) = (about(BUNDLE), about(SPDX));
    attach(&scene.client, APP, &image.digest(), &[&bundle, &sbom]).await;
    let signature = Artifact::tagged(COSIGN, "signature");
    let tag = format!("{}.sig", index.digest().replace(':', "-"));
    signature.push(&scene.client, APP, &tag).await;
    (index.digest(), vec![of_index, bundle, sbom, signature])
}

#[tokio::test]
async fn an_index_with_all_that_belongs_to_it_there_and_back() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let (digest, artifacts) = signed(&from).await;
    let folder = tempdir().unwrap();
    for file in [archive(folder.path(), "app.tar"), layout(folder.path(), "app")] {
        let ran = copy(&[&from.full_name("acme/app:1.2"), &file]).run().await.ok();
        assert_eq!(ran.stdout, format!("{file}:1.2@{digest}\n"));
        // As it was named, by its only name, and by its digest.
        for source in [format!("{file}:1.2"), file.clone(), format!("{file}@{digest}")] {
            let repository = format!("{THERE}-{}", sha256(source.as_bytes())[7..17].to_owned());
            let list = to.full_name(&format!("{repository}:1"));
            let ran = copy(&[&source, &list]).run().await.ok();
            assert_eq!(ran.stdout, format!("{list}@{digest}\n"));
            for artifact in &artifacts {
                assert!(artifact.is_in(&to.client, &repository).await, "{source}: {artifact:?}");
            }
            assert_eq!(
                referrers(&to.client, &repository, &digest).await,
                [artifacts[0].digest()],
                "{source}"
            );
            Step::new().args(["check", &list]).run().await.ok();
        }
    }
    assert_eq!(entries(folder.path()), ["app", "app.tar"]);
    let names = listed(&folder.path().join("app"));
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(names[0], (digest, Some("1.2".to_owned())), "the image comes first");
    let none = copy(&[
        &from.full_name("acme/app:1.2"),
        &layout(folder.path(), "bare"),
        "--referrers=leave",
    ]);
    none.run().await.ok();
    assert_eq!(listed(&folder.path().join("bare")).len(), 1);
}

#[tokio::test]
async fn images_of_any_kind_and_parts_of_an_index() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let folder = tempdir().unwrap();
    let plain = Image::oci("linux/amd64");
    let docker = Image::docker("linux/arm64");
    let helm = Artifact::tagged("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart");
    plain.push(&from.client, APP, "plain").await;
    helm.push(&from.client, APP, "helm").await;
    docker.push(&from.client, APP, "docker").await;
    built().push(&from.client, APP, "built").await;
    for (tag, digest) in [
        ("plain", Some(plain.digest())),
        ("docker", Some(docker.digest())),
        ("helm", Some(helm.digest())),
        ("built", None),
    ] {
        for file in [archive(folder.path(), tag), layout(folder.path(), "all")] {
            let source = from.full_name(&format!("acme/app:{tag}"));
            let mut arguments = vec![source, file.clone()];
            if tag == "built" {
                arguments.push("--platforms=linux/arm64,linux/amd64".to_owned());
            }
            let ran = copy(&arguments).run().await.ok();
            let list = to.full_name(&format!("acme/there:{tag}"));
            let back = copy(&[&format!("{file}:{tag}"), &list]).run().await.ok();
            let is = |text: &str| text.trim_end().rsplit_once('@').unwrap().1.to_owned();
            assert_eq!(is(&ran.stdout), is(&back.stdout), "{tag}");
            assert!(digest.iter().all(|digest| *digest == is(&ran.stdout)), "{tag}");
        }
    }
    assert_eq!(listed(&folder.path().join("all")).len(), 4, "one layout has all of them");
}

#[tokio::test]
async fn skopeo_and_podman_read_it() {
    let scene = Scene::empty().await;
    let index = built();
    index.push(&scene.client, APP, "1.2").await;
    let folder = tempdir().unwrap();
    for file in [archive(folder.path(), "app.tar"), layout(folder.path(), "app")] {
        copy(&[&scene.full_name("acme/app:1.2"), &file]).run().await.ok();
        for named in [file.clone(), format!("{file}:1.2")] {
            let raw = skopeo(&["inspect", "--raw", &named]).await;
            assert_eq!(raw.as_bytes(), index.bytes(), "{named}");
        }
        let target = format!("docker://{}/acme/skopeo:1", scene.registry.host());
        let arguments = ["copy", "--all", "--preserve-digests", "--dest-tls-verify=false"];
        skopeo(&[&arguments[..], &[&format!("{file}:1.2"), &target]].concat()).await;
        let found = scene.client.get_manifest("acme/skopeo", "1").await.unwrap();
        assert_eq!(found.digest, index.digest());
        copy_all(&format!("{}/acme/skopeo:1", scene.registry.host()), &folder.path().join("dir"))
            .await;
        fs::remove_dir_all(folder.path().join("dir")).unwrap();
    }
    let image = Image::oci("linux/amd64");
    image.push(&scene.client, APP, "image").await;
    copy(&[&scene.full_name("acme/app:image"), &archive(folder.path(), "image.tar")])
        .run()
        .await
        .ok();
    let loaded = Podman::new()
        .run(&["load", "-i", &folder.path().join("image.tar").display().to_string()])
        .await;
    assert!(loaded.contains("Loaded image"), "{loaded}");
    // The other way round: what skopeo wrote is added to, and read.
    let theirs = layout(folder.path(), "theirs");
    let arguments = ["copy", "--all", "--src-tls-verify=false"];
    let source = format!("docker://{}/acme/app:1.2", scene.registry.host());
    skopeo(&[&arguments[..], &[&source, &format!("{theirs}:1.2")]].concat()).await;
    Image::oci("linux/amd64").push(&scene.client, APP, "other").await;
    copy(&[&scene.full_name("acme/app:other"), &theirs]).run().await.ok();
    for name in ["1.2", "other"] {
        skopeo(&["inspect", "--raw", &format!("{theirs}:{name}")]).await;
    }
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes_whatever_comes_first() {
    let scene = Scene::empty().await;
    signed(&scene).await;
    let folder = tempdir().unwrap();
    let mut sums = Vec::new();
    for (at, wide) in ["1", "32"].iter().enumerate() {
        // The first blobs come last.
        let late = Fault::Delay(Duration::from_millis(300));
        scene.proxy.rule(Rule::on("GET", "/v2/acme/app/blobs/*").nth(1 + 3 * at).then(late));
        let file = format!("{at}.tar");
        let list = archive(folder.path(), &file);
        let source = scene.full_name("acme/app:1.2");
        copy(&[&source, &list, "--concurrency", wide]).run().await.ok();
        sums.push(sha256(&fs::read(folder.path().join(file)).unwrap()));
    }
    assert_eq!(sums[0], sums[1]);
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "-tvf"]).arg(folder.path().join("0.tar")).env("TZ", "UTC");
    let members = tar.output().unwrap();
    assert!(members.status.success());
    let members = String::from_utf8(members.stdout).unwrap();
    for member in members.lines() {
        let is_plain = member.starts_with("-rw-r--r-- 0/0") || member.starts_with("drwxr-xr-x 0/0");
        assert!(is_plain && member.contains("1970-01-01 00:00"), "{members}");
    }
    assert!(members.lines().last().unwrap().ends_with(" index.json"), "{members}");
}
