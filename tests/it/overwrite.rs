//! `overwrite` as a list of patterns: the tags that may move.

use crate::support::images::Image;
use crate::support::scene::{BOTH, REPO, Scene};
use crate::support::step::Step;

/// A registry where these tags hold an image of another architecture, and its digest.
async fn taken(tags: &[&str]) -> (Scene, String) {
    let (scene, old) = (Scene::with_both().await, Image::oci("linux/s390x"));
    for tag in tags {
        scene.push(&old, tag).await;
    }
    (scene, old.digest())
}

fn writes(scene: &Scene) -> usize {
    let log = scene.proxy.log();
    log.iter().filter(|entry| !["GET", "HEAD"].contains(&entry.method.as_str())).count()
}

#[tokio::test]
async fn tags_that_match_move_and_new_ones_are_made() {
    let (scene, _) = taken(&["latest", "1.3-rc"]).await;
    let step = || scene.step_to(&["latest", "1.3-rc", "1.3.0"]);
    let ran = step().input("overwrite", "latest\n*-rc").run().await.ok();
    let digest = ran.output("digest");
    for tag in ["latest", "1.3-rc", "1.3.0"] {
        assert_eq!(scene.digest(tag).await, digest, "{tag}");
    }
    // What holds the very same is no obstacle, whatever it is called.
    let again = step().input("overwrite", "nothing").run().await.ok();
    assert_eq!((again.output("digest"), again.output("changed")), (digest, Some("false".into())));
}

#[tokio::test]
async fn one_tag_that_may_not_move_stops_all_before_anything_is_written() {
    let (scene, old) = taken(&["latest", "1.2", "Latest"]).await;
    let state = scene.state().await;
    for (patterns, free) in
        [("latest, *-rc", "\"latest,*-rc,1.2,Latest\""), ("latest", "latest,1.2,Latest")]
    {
        let step = scene.step_to(&["latest", "1.2", "Latest", "new"]);
        let ran = step.input("overwrite", patterns).input("dry-run", "false").run().await.fails(5);
        let tags = ["1.2", "Latest"];
        for words in [
            "a tag that matches no pattern of `overwrite` already points to another image",
            &*format!("or allow it to move: `overwrite: {free}`"),
        ]
        .into_iter()
        .map(str::to_owned)
        .chain(tags.map(|tag| format!("{} points to {old}", scene.reference(tag))))
        {
            assert!(ran.stdout.contains(&words), "{words:?} is missing:\n{}", ran.stdout);
        }
        let may = format!("{} points to", scene.reference("latest"));
        assert!(!ran.stdout.contains(&may), "{}", ran.stdout);
    }
    assert_eq!((writes(&scene), scene.state().await), (0, state), "{}", scene.proxy.log_text());
    // A dry run says so as well.
    let dry = scene.step_to(&["1.2"]).input("overwrite", "latest").input("dry-run", "true");
    dry.run().await.fails(5);
}

#[tokio::test]
async fn lists_of_a_file_have_them_as_a_default_or_their_own() {
    let (scene, old) = taken(&["a", "b", "c"]).await;
    let source = scene.reference("amd64");
    let tag = |name: &str| scene.reference(name);
    let lists = format!(
        "indexes:\n  - tags: {}\n    sources: {source}\n  - tags: {}\n    sources: {source}\n    overwrite: [b, '*-rc']\n  - tags: {}\n    sources: {source}\n    overwrite: false\n",
        tag("a"),
        tag("b"),
        tag("c"),
    );
    let step = Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml");
    let ran = step.input("overwrite", "a").input("wait", "0").run().await.fails(5);
    let held = format!("{} points to {old}", tag("c"));
    assert!(ran.stdout.contains(&held), "{}", ran.stdout);
    assert_eq!(scene.digest("c").await, Some(old));
}

#[tokio::test]
async fn the_command_line_takes_them_behind_an_equals_sign() {
    let (scene, old) = taken(&["1", "latest"]).await;
    let create = |flags: &[&str], tag: &str| {
        let sources = BOTH.map(|name| scene.reference(name));
        let step = Step::new().args(["create"]).args(flags).args([scene.reference(tag)]);
        step.args(sources)
    };
    let patterns = ["--overwrite=latest", "--overwrite=*-rc,edge"];
    let ran = create(&patterns, "1").run().await.fails(5);
    let advice = "or allow it to move: --overwrite=\"latest,*-rc,edge,1\"";
    assert!(ran.stderr.contains(advice), "{}", ran.stderr);
    assert_eq!(scene.digest("1").await.as_ref(), Some(&old));
    create(&patterns, "latest").run().await.ok();
    assert_ne!(scene.digest("latest").await.as_ref(), Some(&old));
    // The next word is the list: all tags may move.
    create(&["--overwrite"], "1").run().await.ok();
    assert_ne!(scene.digest("1").await, Some(old));
}

#[tokio::test]
async fn what_is_no_pattern_is_told_with_all_else_before_any_request() {
    let scene = Scene::with_both().await;
    let repository = scene.full_name(REPO);
    let step =
        scene.step_to(&["1"]).input("overwrite", &format!("latest\n{repository}:edge\nfalse"));
    let ran = step.input("wait", "soon").run().await.fails(2);
    for problem in [
        "overwrite, line 2: ",
        "leave out the repository: write edge",
        "overwrite, line 3: false is given beside others",
        "wait: ",
    ] {
        assert!(ran.stdout.contains(problem), "{problem:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}
