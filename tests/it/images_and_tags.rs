//! `images`: repositories, each of which gets every bare tag.

use crate::support::scene::{BOTH, REPO, Scene};
use crate::support::step::Step;

const MIRROR: &str = "acme/mirror";

/// A step that publishes both images in two repositories.
fn step(scene: &Scene) -> Step {
    let step = scene.step_of(&BOTH).input("tags", "");
    step.input("images", &format!("{}\n{}", scene.full_name(REPO), scene.full_name(MIRROR)))
}

/// The digest of a tag in the other repository.
async fn mirrored(scene: &Scene, tag: &str) -> Option<String> {
    scene.client.get_manifest(MIRROR, tag).await.map(|fetched| fetched.digest)
}

#[tokio::test]
async fn every_bare_tag_is_published_in_every_repository() {
    let scene = Scene::with_both().await;
    let other = scene.full_name("acme/other:edge");
    let step = step(&scene).input("tags", &format!("1.2,latest\n{other}"));
    let ran = step.input("results-dir", "results").run().await.ok();
    let digest = ran.output("digest").unwrap();
    let tags = ["acme/app:1.2", "acme/app:latest", "acme/mirror:1.2", "acme/mirror:latest"];
    let expected: Vec<String> = tags
        .iter()
        .map(|name| scene.full_name(name))
        .chain([other])
        .map(|tag| format!("{tag}@{digest}"))
        .collect();
    assert_eq!(ran.output("images"), Some(expected.join("\n")));
    // What to sign, each once.
    let refs = [REPO, MIRROR, "acme/other"].map(|name| scene.full_name(name));
    let refs = refs.map(|repository| format!("{repository}@{digest}"));
    assert_eq!(ran.output("refs"), Some(refs.join("\n")));
    assert_eq!(ran.output("repository"), Some(scene.full_name(REPO)));
    let result = |name: &str| ran.file(&format!("results/{name}"));
    assert_eq!(result("IMAGE_URL"), Some(scene.full_name(REPO)));
    assert_eq!(result("IMAGE_DIGEST").as_ref(), Some(&digest));
    assert_eq!(result("IMAGES"), Some(refs.join(",")));
    for tag in ["1.2", "latest"] {
        assert_eq!(scene.digest(tag).await.as_ref(), Some(&digest), "{tag}");
        assert_eq!(mirrored(&scene, tag).await.as_ref(), Some(&digest), "{tag}");
    }
}

/// As docker/metadata-action leaves them.
#[tokio::test]
async fn the_tag_names_of_metadata_action_are_enough() {
    let scene = Scene::with_both().await;
    let full = scene.reference("never");
    let step = || step(&scene).env("DOCKER_METADATA_OUTPUT_TAGS", &full);
    step().env("DOCKER_METADATA_OUTPUT_TAG_NAMES", "1.2\n1").run().await.ok();
    for tag in ["1.2", "1"] {
        assert!(mirrored(&scene, tag).await.is_some(), "{tag}");
    }
    assert_eq!(scene.digest("never").await, None);
    // Older ones leave full references alone.
    let ran = step().run().await.ok();
    assert!(scene.digest("never").await.is_some());
    let warning = "`images` has no effect: `tags` contains only full references";
    assert!(ran.stdout.contains(warning), "{}", ran.stdout);
}

#[tokio::test]
async fn lists_of_a_file_have_them_as_a_default_or_their_own() {
    let scene = Scene::with_both().await;
    let lists = format!(
        "indexes:\n  - tags: [1.2, '1']\n    sources: {amd64}\n  - tags: 1.2\n    images: {other}\n    sources: {arm64}\n",
        amd64 = scene.reference("amd64"),
        arm64 = scene.reference("arm64"),
        other = scene.full_name("acme/other"),
    );
    let step = Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml");
    let step = step.input("images", &scene.full_name(MIRROR)).input("results-dir", "results");
    let ran = step.input("wait", "0").run().await.ok();
    let result = |name: &str| ran.file(&format!("results/{name}"));
    let refs = ran.output("refs").unwrap();
    assert_eq!((refs.lines().count(), result("IMAGES")), (2, Some(refs.replace('\n', ","))));
    // Of several there is no one image.
    assert_eq!((result("IMAGE_URL"), result("IMAGE_DIGEST")), (None, None));
    assert_eq!(scene.client.tags(MIRROR).await, ["1", "1.2"]);
    assert_eq!(scene.client.tags("acme/other").await, ["1.2"]);
}

#[tokio::test]
async fn the_command_line_has_them_too() {
    let scene = Scene::with_both().await;
    let arguments = ["create", "--images", &scene.full_name(MIRROR), "-t", "1", "-t", "2"];
    let sources = [scene.reference("amd64"), scene.reference("arm64")];
    let arguments = arguments.into_iter().chain(sources.iter().map(String::as_str));
    let ran = Step::new().args(arguments).run().await.ok();
    assert_eq!(scene.client.tags(MIRROR).await, ["1", "2"], "{}", ran.everything());
}

#[tokio::test]
async fn what_is_no_repository_or_has_none_is_refused_before_any_request() {
    let scene = Scene::with_both().await;
    let tagged = scene.reference("1");
    for (images, tags, expected) in [
        (&*tagged, "1", "has a tag: write"),
        ("name=r.example/a", "1", "write r.example/a"),
        ("", "1.2", "or name its repositories in images"),
    ] {
        let step = scene.step_of(&BOTH).input("images", images).input("tags", tags);
        let ran = step.run().await.fails(2);
        assert!(ran.stdout.contains(expected), "{images} {tags}: {}", ran.stdout);
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}
