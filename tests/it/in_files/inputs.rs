//! Every input beside images in files.

use super::{children, read_whole, step};
use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::layouts::{Layout, REF_NAME};
use crate::support::proxy::FaultProxy;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;

/// The archives of both usual images, `amd64.tar` and `arm64.tar`.
fn with_both(step: Step) -> Step {
    step.file("amd64.tar", Layout::of(&amd64()).tar()).file("arm64.tar", Layout::of(&arm64()).tar())
}

const BOTH: &str = "oci-archive:amd64.tar\noci-archive:arm64.tar";

fn writes(proxy: &FaultProxy) -> Vec<String> {
    let log = proxy.log();
    log.iter().filter(|entry| entry.writes()).map(|entry| entry.target.clone()).collect()
}

#[tokio::test]
async fn a_second_run_uploads_nothing() {
    let scene = Scene::empty().await;
    let ran = with_both(step(&scene, BOTH)).run().await.ok();
    assert_eq!(ran.output("changed").as_deref(), Some("true"));
    let digest = read_whole(&scene, "1").await;
    assert_eq!(ran.output("digest"), Some(digest.clone()));
    let proxy = FaultProxy::before(&scene.registry).await;
    let again = with_both(step(&scene, BOTH)).input("tags", &format!("{}/{REPO}:1", proxy.host()));
    let ran = again.run().await.ok();
    assert_eq!(ran.output("changed").as_deref(), Some("false"));
    assert_eq!(ran.output("digest"), Some(digest));
    assert_eq!(writes(&proxy), Vec::<String>::new(), "{}", proxy.log_text());
    // Another tag: the images are there, so the list alone is sent.
    let proxy = FaultProxy::before(&scene.registry).await;
    let tag = format!("{}/{REPO}:2", proxy.host());
    with_both(step(&scene, BOTH)).input("tags", &tag).run().await.ok();
    let sent: usize = proxy.entries("*", "*/blobs/*").iter().map(|e| e.request_bytes).sum();
    assert_eq!(sent, 0, "{}", proxy.log_text());
}

#[tokio::test]
async fn labels_are_those_of_the_file_at_once() {
    let label = ("org.opencontainers.image.revision", "abc");
    let image = amd64().label(label.0, label.1);
    for (expected, wait, told) in [
        ("abc", "", ""),
        ("def", "", r#"is "abc", expected "def""#),
        ("def", "10m", r#"is "abc", expected "def""#),
    ] {
        let scene = Scene::empty().await;
        let step = step(&scene, "oci-archive:app.tar")
            .file("app.tar", Layout::of(&image).tar())
            .input("expect-labels", &format!("{}={expected}", label.0))
            .input("wait", wait);
        let ran = step.run().await.fails(if told.is_empty() { 0 } else { 5 });
        if !told.is_empty() {
            let told = format!(
                "oci-archive:app.tar is not the image that `expect-labels` asks for: label {} {told}",
                label.0
            );
            assert!(ran.stdout.contains(&told), "{}", ran.everything());
            let fix = "fix:   save the image of this build, or correct `expect-labels`";
            assert!(ran.stdout.contains(fix), "{}", ran.everything());
            assert_eq!(scene.client.tags(REPO).await, Vec::<String>::new());
        }
    }
    // In what is taken apart.
    let layout = Layout::default().index(&BuiltIndex::new(vec![image, arm64()]), &[]);
    let scene = Scene::empty().await;
    let ran = step(&scene, "oci-archive:app.tar")
        .file("app.tar", layout.tar())
        .input("expect-labels", &format!("{}=abc", label.0))
        .input("wait", "10m")
        .run()
        .await
        .fails(5);
    assert!(ran.stdout.contains("linux/arm64: label"), "{}", ran.everything());
}

#[tokio::test]
async fn platforms_and_what_stands_in_front_of_a_file() {
    let open = Image::oci("linux/arm");
    for (sources, platforms, status, told) in [
        (BOTH, "linux/amd64, linux/arm64", 0, ""),
        (BOTH, "linux/amd64", 5, "linux/arm64"),
        (BOTH, "linux/amd64, linux/arm64, linux/s390x", 5, "linux/s390x"),
        ("oci-archive:{arch}.tar", "linux/amd64, linux/arm64", 0, ""),
        ("oci-archive:{arch}.tar", "linux/amd64, linux/s390x", 2, "no such file"),
        ("linux/amd64=oci-archive:amd64.tar", "", 0, ""),
        ("linux/arm64=oci-archive:amd64.tar", "", 5, "linux/amd64"),
        ("linux/arm/v6=oci-archive:arm.tar", "linux/arm/v6", 0, ""),
        ("oci-archive:amd64.tar\noci-archive:amd64.tar", "", 2, "amd64.tar"),
        ("oci-archive:amd64.tar\noci-archive:copy.tar", "", 5, "copy.tar"),
        ("oci-archive:amd64.tar\noci-archive:other.tar", "", 5, "linux/amd64"),
    ] {
        let scene = Scene::empty().await;
        let ran = with_both(step(&scene, sources))
            .input("platforms", platforms)
            .file("copy.tar", Layout::of(&amd64()).tar())
            .file("other.tar", Layout::of(&amd64().seed(9)).tar())
            .file("arm.tar", Layout::of(&open).tar())
            .run()
            .await
            .fails(status);
        assert!(ran.stdout.contains(told), "{sources} {platforms}: {}", ran.everything());
        let is_there = scene.digest("1").await.is_some();
        assert_eq!(is_there, status == 0, "{sources} {platforms}");
    }
}

#[tokio::test]
async fn globs() {
    for (sources, status, expected) in [
        ("oci-archive:*.tar", 0, [amd64().digest(), arm64().digest()]),
        ("oci-archive:a[mr]*.tar", 0, [amd64().digest(), arm64().digest()]),
        ("oci:dist/*:v1", 0, [amd64().digest(), arm64().digest()]),
        ("oci-archive:*.tgz", 2, Default::default()),
        ("oci:dist/*:v2", 2, Default::default()),
    ] {
        let scene = Scene::empty().await;
        let mut step = with_both(step(&scene, sources));
        for (name, image) in [("b", amd64()), ("a", arm64())] {
            let layout = Layout::default().image(&image, &[(REF_NAME, "v1")]);
            step = layout.put(step, &format!("dist/{name}"));
        }
        step.run().await.fails(status);
        if status == 0 {
            assert_eq!(children(&scene, "1").await, expected, "{sources}");
        } else {
            assert_eq!(scene.digest("1").await, None, "{sources}");
        }
    }
}

#[tokio::test]
async fn names_of_images_in_a_layout() {
    let layout = Layout::default()
        .image(&amd64(), &[(REF_NAME, "v1"), ("io.containerd.image.name", "docker.io/acme/app:v1")])
        .image(&arm64(), &[(REF_NAME, "ghcr.io/acme/app:v2")]);
    let pinned = format!("oci:dist@{}", arm64().digest());
    for (source, status, told) in [
        ("oci:dist:v1", 0, amd64().digest()),
        ("oci:dist:acme/app:v1", 0, amd64().digest()),
        ("oci:dist:ghcr.io/acme/app:v2", 0, arm64().digest()),
        (&pinned, 0, arm64().digest()),
        (
            "oci:dist:v2",
            2,
            "has no image named v2; it has docker.io/acme/app:v1, v1, ghcr.io/acme/app:v2"
                .to_owned(),
        ),
        ("oci:dist", 2, "holds 2 images: choose one by its name".to_owned()),
        (
            "oci:dist@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            5,
            "is not in it".to_owned(),
        ),
    ] {
        let scene = Scene::empty().await;
        let step = step(&scene, source).input("prefer-index", "false");
        let ran = layout.put(step, "dist").run().await.fails(status);
        if status == 0 {
            assert_eq!(ran.output("digest"), Some(told), "{source}");
        } else {
            assert!(ran.stdout.contains(&told), "{source}: {}", ran.everything());
        }
    }
}

#[tokio::test]
async fn two_targets_in_one_registry_get_each_blob_once() {
    let image = Image::oci("linux/amd64").layer_size(300_000);
    for compressed in [false, true] {
        let scene = Scene::empty().await;
        let tar = Layout::of(&image).tar();
        let packed = crate::support::tars::Packed::Gzip.of(&tar);
        let tags = ["acme/app:1", "acme/other:1"].map(|tag| scene.full_name(tag)).join("\n");
        step(&scene, "oci-archive:app.tar")
            .file("app.tar", if compressed { packed } else { tar })
            .input("tags", &tags)
            .run()
            .await
            .ok();
        for repo in ["acme/app", "acme/other"] {
            assert!(scene.client.holds(repo, &image).await, "{repo}");
        }
        let sent: usize =
            scene.proxy.entries("*", "*/blobs/*").iter().map(|e| e.request_bytes).sum();
        let once = image.layer_blob().len() + image.config().len();
        assert_eq!(sent, once, "{}", scene.proxy.log_text());
    }
}

#[tokio::test]
async fn two_registries_get_the_same() {
    let (scene, other) = (Scene::empty().await, Scene::empty().await);
    let tags = format!("{}\n{}", scene.reference("1"), other.reference("1"));
    with_both(step(&scene, BOTH)).input("tags", &tags).run().await.ok();
    assert_eq!(read_whole(&scene, "1").await, read_whole(&other, "1").await);
}

#[tokio::test]
async fn platform_tags() {
    let scene = Scene::empty().await;
    with_both(step(&scene, BOTH))
        .input("platform-tags", &scene.reference("1-{arch}"))
        .run()
        .await
        .ok();
    assert_eq!(scene.digest("1-amd64").await, Some(amd64().digest()));
    assert_eq!(scene.digest("1-arm64").await, Some(arm64().digest()));
}

#[tokio::test]
async fn append() {
    let scene = Scene::with_amd64().await;
    scene.step_of(&["amd64"]).run().await.ok();
    with_both(step(&scene, "oci-archive:arm64.tar")).input("append", "true").run().await.ok();
    assert_eq!(children(&scene, "1").await, [amd64().digest(), arm64().digest()]);
    read_whole(&scene, "1").await;
}

#[tokio::test]
async fn lists_that_go_together_move_no_tag_when_one_file_is_broken() {
    let scene = Scene::empty().await;
    for (file, status) in [("broken.tar", 5), ("arm64.tar", 0)] {
        let spec = format!(
            "indexes:\n- name: a\n  tags: [{}]\n  sources: ['oci-archive:amd64.tar']\n\
             - name: b\n  tags: [{}]\n  sources: ['oci-archive:{file}']\n",
            scene.reference("a"),
            scene.reference("b")
        );
        let broken = Layout::of(&arm64()).with("index.json", "{}").tar();
        let step = Step::new().github().input("spec", &spec).file("broken.tar", broken);
        with_both(step).run().await.fails(status);
        let tags = Client::new(&scene.registry.host()).tags(REPO).await;
        assert_eq!(tags, if status == 0 { vec!["a", "b"] } else { vec![] });
    }
}

#[tokio::test]
async fn a_dry_run_says_the_digest_of_a_real_one() {
    let scene = Scene::empty().await;
    let dry = with_both(step(&scene, BOTH)).input("dry-run", "true").run().await.ok();
    assert_eq!(writes(&scene.proxy), Vec::<String>::new());
    let ran = with_both(step(&scene, BOTH)).run().await.ok();
    assert_eq!(dry.output("digest"), ran.output("digest"));
}
