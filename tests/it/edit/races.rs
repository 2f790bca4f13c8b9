//! Two writers of one list at once, fifty times each: neither's change is lost silently.

use super::platform;
use crate::support::client::OCI_INDEX;
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::scene::{REPO, Scene, reference_at};
use crate::support::step::Step;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;

/// Runs two commands at once on one tag, 50 times, and holds what the tag shows against how they
/// ended. They go to the registry itself, so that no proxy keeps them apart.
async fn two_at_once<F>(scene: &Scene, commands: impl Fn(&str) -> [Vec<String>; 2], shows: F)
where
    F: Fn(&[Value], usize) -> bool,
{
    const ROUNDS: usize = 50;
    // Other content in each round: the registry's file store is not safe against two writers of the
    // same bytes.
    for round in 0..ROUNDS {
        let images =
            ["linux/amd64", "linux/arm64"].map(|platform| Image::oci(platform).seed(round as u64));
        BuiltIndex::new(images.to_vec()).push(&scene.client, REPO, &format!("r{round}")).await;
    }
    let rounds = stream::iter(0..ROUNDS).map(|round| {
        let (shows, tag) = (&shows, format!("r{round}"));
        let [one, two] = commands(&reference_at(&scene.registry.host(), &tag));
        async move {
            let (one, two) = tokio::join!(Step::new().args(one).run(), Step::new().args(two).run());
            let list = scene.entries(&tag).await;
            for (at, ran) in [one, two].iter().enumerate() {
                match ran.status {
                    0 => {
                        assert!(
                            shows(&list, at),
                            "round {round}, writer {at} ended well and is lost: {list:#?}\n{}",
                            ran.stderr
                        );
                    }
                    5 | 8 => assert!(
                        ran.stderr.contains("somebody else")
                            || ran.stderr.contains("does not come to rest"),
                        "{}",
                        ran.stderr
                    ),
                    other => panic!("exit {other}: {}", ran.stderr),
                }
            }
        }
    });
    rounds.buffer_unordered(5).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn two_annotates_at_once_lose_nothing_silently() {
    let scene = Scene::empty().await;
    let commands = |list: &str| {
        let command = |platform: &str, value: &str| {
            ["annotate", list, platform, "--annotation", value].map(str::to_owned).to_vec()
        };
        [command("linux/amd64", "writer=one"), command("linux/arm64", "writer=two")]
    };
    let shows = |list: &[Value], at: usize| list[at]["annotations"]["writer"] == ["one", "two"][at];
    two_at_once(&scene, commands, shows).await;
}

#[tokio::test]
async fn two_appends_at_once_lose_nothing_silently() {
    let scene = Scene::empty().await;
    for (tag, platform) in [("s390x", "linux/s390x"), ("ppc64le", "linux/ppc64le")] {
        scene.push(&Image::oci(platform), tag).await;
    }
    let host = scene.registry.host();
    let commands = |list: &str| {
        ["s390x", "ppc64le"].map(|tag| {
            ["create".to_owned(), list.to_owned(), reference_at(&host, tag), "--append".to_owned()]
                .to_vec()
        })
    };
    let shows = |list: &[Value], at: usize| {
        list.iter().any(|entry| platform(entry) == ["linux/s390x", "linux/ppc64le"][at])
    };
    two_at_once(&scene, commands, shows).await;
    assert_eq!(scene.at("r0").await.media_type, OCI_INDEX);
}
