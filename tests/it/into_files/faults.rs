//! Whatever goes wrong, nothing half-written stands at the place, and nothing lies beside it.

use super::{archive, built, copy, entries, layout, listed};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene};
use crate::support::skopeo::skopeo;
use crate::support::wait::until;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

const SIZE: usize = 300_000;

async fn large() -> (Scene, Image, String) {
    let scene = Scene::empty().await;
    let image = Image::oci("linux/amd64").layer_size(SIZE);
    scene.push(&image, "a").await;
    let layer = format!("/v2/{REPO}/blobs/{}", image.blobs()[1]);
    (scene, image, layer)
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_and_one_that_lies_leaves_nothing() {
    for (case, fault, hits, status) in [
        ("cut", Fault::Truncate(100_000), 1, 0),
        ("busy", Fault::Status(503), 1, 0),
        ("altered once", Fault::AlterBody(altered), 1, 0),
        ("altered always", Fault::AlterBody(altered), 99, 5),
        ("longer", Fault::AlterBody(longer), 99, 5),
        ("gone", Fault::Status(404), 99, 7),
    ] {
        let (scene, image, layer) = large().await;
        let folder = tempdir().unwrap();
        scene.proxy.rule(Rule::on("GET", &layer).first(hits).then(fault));
        let list = archive(folder.path(), "a.tar");
        let ran = copy(&[&scene.reference("a"), &list]).run().await;
        assert_eq!(ran.status, status, "{case}: {}", ran.everything());
        let expected: &[&str] = if status == 0 { &["a.tar"] } else { &[] };
        assert_eq!(entries(folder.path()), expected, "{case}");
        if status == 0 {
            assert_eq!(skopeo(&["inspect", "--raw", &list]).await.as_bytes(), image.manifest());
            let back = scene.reference("back");
            copy(&[&list, &back]).run().await.ok();
        }
        let list = layout(folder.path(), "a");
        let ran = copy(&[&scene.reference("a"), &list]).run().await;
        assert!(ran.status == status || status == 0, "{case}: {}", ran.everything());
        assert_eq!(folder.path().join("a").exists(), ran.status == 0, "{case}");
    }
}

fn altered(mut body: Vec<u8>) -> Vec<u8> {
    body[1000] ^= 1;
    body
}

fn longer(mut body: Vec<u8>) -> Vec<u8> {
    body.push(0);
    body
}

/// The program under a limit of the size of its files, as a full disk is one.
fn limited(blocks: usize, arguments: &[&str]) -> crate::support::step::Step {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" copy \"$@\"");
    let program = env!("CARGO_BIN_EXE_manifest-action");
    crate::support::step::Step::new().args(["-c", &script, program]).args(arguments)
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_there_stays() {
    let (scene, _, _) = large().await;
    let small = Image::oci("linux/arm64");
    scene.push(&small, "small").await;
    let folder = tempdir().unwrap();
    for (list, name) in
        [(archive(folder.path(), "a.tar"), "a.tar"), (layout(folder.path(), "a"), "a")]
    {
        let source = scene.reference("a");
        for before in [false, true] {
            if before {
                copy(&[&scene.reference("small"), &format!("{list}:a")]).run().await.ok();
            }
            let step = limited(200, &[&source, &list]);
            let ran = step.spawn_program(Path::new("/bin/sh")).await.wait().await.fails(8);
            let told = "file too large\n";
            assert!(ran.stderr.contains("error: cannot write "), "{}", ran.stderr);
            assert!(ran.stderr.contains(told), "{}", ran.stderr);
            assert!(ran.stderr.contains("check the space and the rights there"), "{}", ran.stderr);
            assert_eq!(folder.path().join(name).exists(), before);
        }
        let raw = skopeo(&["inspect", "--raw", &format!("{list}:a")]).await;
        assert_eq!(raw.as_bytes(), small.manifest());
    }
    assert_eq!(entries(folder.path()), ["a", "a.tar"]);
    let own = entries(&folder.path().join("a"));
    assert_eq!(own, ["blobs", "index.json", "oci-layout"]);
    assert_eq!(listed(&folder.path().join("a")).len(), 1);
}

#[tokio::test]
async fn a_run_that_is_stopped_leaves_nothing_and_one_that_is_killed_nothing_at_the_place() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("KILL", -9)] {
        let (scene, image, layer) = large().await;
        let folder = tempdir().unwrap();
        for (list, name) in
            [(archive(folder.path(), "a.tar"), "a.tar"), (layout(folder.path(), "a"), "a")]
        {
            scene.proxy.rule(Rule::on("GET", &layer).nth(1).then(Fault::Stall(100_000)));
            let gate = scene.proxy.gate("GET", &layer);
            let running = copy(&[&scene.reference("a"), &list]).spawn().await;
            gate.wait_for_hits(1).await;
            until("something is written", || async { !entries(folder.path()).is_empty() }).await;
            running.signal(signal).await;
            assert_eq!(running.wait().await.status, status, "{signal}");
            assert!(!folder.path().join(name).exists(), "{signal}");
            if signal != "KILL" {
                assert_eq!(entries(folder.path()), Vec::<String>::new(), "{signal}");
            }
            fs::remove_dir_all(folder.path()).unwrap();
            fs::create_dir_all(folder.path()).unwrap();
        }
        let list = archive(folder.path(), "a.tar");
        copy(&[&scene.reference("a"), &list]).run().await.ok();
        assert_eq!(skopeo(&["inspect", "--raw", &list]).await.as_bytes(), image.manifest());
    }
}

#[tokio::test]
async fn files_are_whole_before_a_tag_moves_and_one_that_fails_holds_back_all_tags() {
    let (scene, _, _) = large().await;
    built().push(&scene.client, REPO, "built").await;
    let folder = tempdir().unwrap();
    let (tag, file) = (scene.reference("1"), archive(folder.path(), "a.tar"));
    let source = scene.reference("built");
    let ran = copy(&[&source, &tag, &file]).run().await.ok();
    let digest = built().digest();
    assert_eq!(ran.stdout, format!("{tag}@{digest}\n{file}:built@{digest}\n"));
    let place =
        |text: &str| ran.stderr.find(text).unwrap_or_else(|| panic!("{text}\n{}", ran.stderr));
    assert!(place(&format!("tag      {file}:built")) < place(&format!("tag      {tag}")));
    let step = limited(200, &[&scene.reference("a"), &scene.reference("2"), &file]);
    step.spawn_program(Path::new("/bin/sh")).await.wait().await.fails(8);
    assert_eq!(scene.digest("2").await, None);
    assert_eq!(skopeo(&["inspect", "--raw", &file]).await.as_bytes(), built().bytes());
}
