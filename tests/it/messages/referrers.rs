//! Copies of images with what refers to them, and what `copy`, `check` and `inspect` say of it.

use super::page::Section;
use crate::support::artifacts::{Artifact, BUNDLE, SPDX, attach, list_tag};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{Scene, amd64, arm64};
use crate::support::step::Step;
use serde_json::{Value, json};

const NAME: &str = "r.example";
const BUILD: &str = "acme/build";
const APP: &str = "acme/app";

pub async fn section() -> Section {
    let mut section = Section::new("Copies, and what refers to images");
    referrers(&mut section).await;
    copies(&mut section).await;
    checks(&mut section).await;
    section
}

/// A signed image at `a`, of which copies are made.
async fn signed() -> (Scene, Artifact) {
    let scene = Scene::empty().await;
    amd64().push(&scene.client, BUILD, "a").await;
    let signature = about(BUNDLE, &amd64());
    attach(&scene.client, BUILD, &amd64().digest(), &[&signature]).await;
    (scene, signature)
}

fn about(kind: &str, image: &Image) -> Artifact {
    Artifact::about(kind, image.media_type(), &image.manifest())
}

async fn copy(scene: &Scene, more: &[&str]) -> Ran {
    let [source, list] =
        [format!("{BUILD}:a"), format!("{APP}:1")].map(|name| scene.full_name(&name));
    Step::new().args(["copy", &source, &list]).args(more.iter().copied()).run().await
}

async fn referrers(section: &mut Section) {
    let of_image = format!("/v2/{BUILD}/referrers/{}", amd64().digest());
    for (what, method, path, fault) in [
        ("a signature that is listed and gone", "GET", None, Fault::Status(404)),
        ("a signature that may not be read", "GET", None, Fault::Status(403)),
        ("a list of referrers that cannot be had", "GET", Some(of_image), Fault::Status(500)),
        ("a registry that does not take signatures", "PUT", None, Fault::Status(403)),
    ] {
        let (scene, signature) = signed().await;
        let repository = if method == "PUT" { APP } else { BUILD };
        let manifest = format!("/v2/{repository}/manifests/{}", signature.digest());
        scene.proxy.rule(Rule::on(method, &path.unwrap_or(manifest)).then(fault));
        section.add(what, &[(&scene.proxy.host(), NAME)], &copy(&scene, &[]).await);
    }
    let (scene, _) = signed().await;
    arm64().push(&scene.client, APP, &list_tag(&amd64().digest())).await;
    let ran = copy(&scene, &[]).await;
    section.add(
        "another image at the tag that lists referrers",
        &[(&scene.proxy.host(), NAME)],
        &ran,
    );
    let (scene, _) = signed().await;
    let entry = |at: usize| {
        let digest = sha256(format!("{at}").as_bytes());
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 7})
    };
    let many: Vec<Value> = (0..257).map(entry).collect();
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": many}).to_string();
    let answer = Fault::Status(200).header("Content-Type", OCI_INDEX).body(list);
    scene.proxy.rule(Rule::on("GET", "*/referrers/*").then(answer));
    let name = scene.full_name(&format!("{BUILD}:a"));
    let ran = Step::new().args(["inspect", &name, "--referrers"]).run().await;
    section.add("more referrers than anybody reads", &[(&scene.proxy.host(), NAME)], &ran);
}

async fn copies(section: &mut Section) {
    let (scene, _) = signed().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let name = |name: &str| scene.full_name(name);
    let missing = Step::new().args(["copy", &name("acme/build:b"), &name("acme/app:1")]);
    section.add("a copy of what is not there", &names, &missing.run().await);
    arm64().push(&scene.client, APP, "1").await;
    let ran = copy(&scene, &["--overwrite=false"]).await;
    section.add("a copy onto a tag that may not be moved", &names, &ran);
    let ran = copy(&scene, &["--referrers=some"]).await;
    section.add("a wrong value of --referrers", &names, &ran);
}

async fn checks(section: &mut Section) {
    let (scene, _) = signed().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let sbom = about(SPDX, &amd64());
    attach(&scene.client, BUILD, &amd64().digest(), &[&sbom]).await;
    scene.client.delete_manifest(BUILD, &sbom.digest()).await;
    let name = scene.full_name(&format!("{BUILD}:a"));
    let ran = Step::new().args(["check", &name, "--referrers"]).run().await;
    section.add("a published image whose SBOM was cleaned up", &names, &ran);
    arm64().push(&scene.client, BUILD, "b").await;
    let sources = [scene.full_name(&format!("{BUILD}:a")), scene.full_name(&format!("{BUILD}:b"))];
    let list = scene.full_name(&format!("{BUILD}:1"));
    Step::new().args(["create", &list]).args(&sources).run().await.ok();
    arm64().push(&scene.client, BUILD, "1-amd64").await;
    arm64().push(&scene.client, BUILD, "1-arm64").await;
    let own = scene.full_name(&format!("{BUILD}:1-{{arch}}"));
    let spec = format!("indexes:\n- tags: {list}\n  platform-tags: '{own}'\n");
    let step = Step::new().file("indexes.yaml", spec);
    let ran = step.args(["check", "--spec", "indexes.yaml"]).run().await;
    section.add("a platform's tag that points to another image", &names, &ran);
}
