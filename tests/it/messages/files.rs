//! Images in files: what is said of those that are not there, or not what they should be.

use super::page::Section;
use crate::support::client::sha256;
use crate::support::layouts::{Layout, REF_NAME, Saved, blob, docker_archive};
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;

const NAME: &str = "r.example";

pub async fn section() -> Section {
    let mut section = Section::new("Images in files");
    for (what, sources, with) in scenes() {
        let scene = Scene::empty().await;
        let step = scene.step("1").without("INPUT_WAIT").input("sources", sources);
        let ran = with(step).run().await;
        section.add(what, &[(&scene.proxy.host(), NAME)], &ran);
        assert_eq!(scene.digest("1").await, None, "{what}");
    }
    into_files(&mut section).await;
    section
}

type Prepare = fn(Step) -> Step;

fn good() -> Layout {
    Layout::of(&amd64())
}

fn scenes() -> Vec<(&'static str, &'static str, Prepare)> {
    vec![
        ("a file that is not there", "oci-archive:images/app-amd64.tar", |step| step),
        ("a pattern that no file matches", "docker-archive:images/*.tar", |step| step),
        ("an artifact that was not downloaded in time", "oci-archive:app.tar", |step| {
            step.input("wait", "1s")
        }),
        ("an archive in place of a folder", "oci:app.tar", |step| {
            step.file("app.tar", good().tar())
        }),
        ("a folder in place of an archive", "oci-archive:app", |step| good().put(step, "app")),
        ("the archive of docker save as one of an OCI layout", "oci-archive:app.tar", |step| {
            let saved = Saved::new("amd64", &["acme/app:1"], vec![b"layer".to_vec()]);
            step.file("app.tar", docker_archive(&[saved]).end())
        }),
        ("several images and no name", "oci-archive:app.tar", |step| {
            let both = Layout::default();
            let both = both.image(&amd64(), &[(REF_NAME, "1")]).image(&arm64(), &[(REF_NAME, "2")]);
            step.file("app.tar", both.tar())
        }),
        ("a name that is not there", "oci-archive:app.tar:3", |step| {
            step.file("app.tar", Layout::default().image(&amd64(), &[(REF_NAME, "1")]).tar())
        }),
        ("an archive that was not copied whole", "oci-archive:app.tar", |step| {
            let mut tar = good().tar();
            tar.truncate(tar.len() / 2);
            step.file("app.tar", tar)
        }),
        ("a layer that is missing", "oci:app", |step| {
            good().without(&blob(&sha256(&amd64().layer_blob()))).put(step, "app")
        }),
        ("an archive in a compression that is not read", "oci-archive:app.tar", |step| {
            step.file("app.tar", b"\xfd7zXZ\0rest")
        }),
    ]
}

async fn into_files(section: &mut Section) {
    for (what, list) in [
        ("an archive of docker save as a target", "docker-archive:app.tar"),
        ("a file that is no archive, to be written", "oci-archive:notes.txt"),
    ] {
        let scene = Scene::with_amd64().await;
        let source = scene.full_name(&format!("{REPO}:amd64"));
        let step = Step::new().args(["copy", &source, list]).file("notes.txt", "notes");
        section.add(what, &[(&scene.proxy.host(), NAME)], &step.run().await);
    }
}
