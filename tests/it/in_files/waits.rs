//! Files that are not there yet, and a dry run without a login.

use super::{children, step};
use crate::support::layouts::Layout;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{Scene, amd64, arm64};
use std::fs;
use std::path::Path;

/// The archives of both usual images in a folder that appears at once.
fn bring(workdir: &Path) {
    let coming = workdir.join("coming");
    fs::create_dir_all(&coming).unwrap();
    for (name, image) in [("amd64.tar", amd64()), ("arm64.tar", arm64())] {
        fs::write(coming.join(name), Layout::of(&image).tar()).unwrap();
    }
    fs::rename(coming, workdir.join("images")).unwrap();
}

#[tokio::test]
async fn what_comes_while_it_is_waited_for_is_taken() {
    for sources in [
        "oci-archive:images/*.tar",
        "oci-archive:images/amd64.tar\noci-archive:images/arm64.tar",
        "oci-archive:images/a*.tar, oci-archive:images/*.tgz",
    ] {
        let scene = Scene::empty().await;
        let step = step(&scene, sources).input("wait", "30s").input("wait-interval", "100ms");
        let workdir = step.workdir();
        let running = step.spawn().await;
        running.wait_for_line("not found yet").await;
        bring(&workdir);
        // Each pattern waits for its own: the last one for what is another name of an image.
        if sources.contains("tgz") {
            let late = workdir.join("images/late.tgz");
            fs::copy(workdir.join("images/amd64.tar"), late.with_extension("part")).unwrap();
            fs::rename(late.with_extension("part"), &late).unwrap();
            let ran = running.wait().await.fails(5);
            assert!(ran.stdout.contains("late.tgz"), "{}", ran.everything());
            continue;
        }
        running.wait().await.ok();
        assert_eq!(children(&scene, "1").await, [amd64().digest(), arm64().digest()], "{sources}");
    }
}

#[tokio::test]
async fn what_does_not_come_is_told() {
    for (sources, wait, status, told) in [
        ("oci-archive:images/*.tar", "1s", 3, "not found: oci-archive:images/*.tar"),
        ("docker-archive:app.tar", "1s", 3, "not found: docker-archive:app.tar"),
        ("oci-archive:images/*.tar", "", 2, "oci-archive:images/*.tar: no such file"),
        ("oci-archive:images/*.tar", "0", 2, "oci-archive:images/*.tar: no such file"),
        ("oci:images", "", 2, "oci:images: no such folder"),
        ("oci-archive:/nowhere/app.tar", "", 2, "no such file here: a step in a container sees"),
        ("linux/amd64=oci-archive:*.tar", "1s", 2, "a pattern cannot have a platform in front"),
    ] {
        let scene = Scene::empty().await;
        let step = step(&scene, sources).input("wait", wait).env("CI", "true");
        let ran = step.input("wait-interval", "200ms").run().await.fails(status);
        assert!(ran.stdout.contains(told), "{sources}: {}", ran.everything());
        assert_eq!(scene.digest("1").await, None);
    }
}

#[tokio::test]
async fn a_dry_run_needs_no_login() {
    let with_login = Scene::with_login("ci", "s3cret-canary").await;
    let denying = Scene::empty().await;
    denying.proxy.rule(Rule::on("*", "/v2/*").always().then(Fault::Status(403)));
    for scene in [with_login, denying] {
        let dry = |is_dry: &str| {
            step(&scene, "oci-archive:app.tar")
                .file("app.tar", Layout::of(&amd64()).tar())
                .input("dry-run", is_dry)
                .input("json-file", "report.json")
        };
        let ran = dry("true").run().await.ok();
        assert_eq!(ran.output("changed").as_deref(), Some("true"));
        let warning = "may point to now is not known";
        assert_eq!(ran.stdout.matches(warning).count(), 1, "{}", ran.everything());
        let report: serde_json::Value =
            serde_json::from_str(&ran.file("report.json").unwrap()).unwrap();
        assert_eq!(report["tags"][0]["state"], "unknown", "{report:#}");
        dry("false").run().await.fails(6);
    }
}
