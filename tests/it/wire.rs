//! What a run costs on the wire: requests and round trips, counted at a proxy before the real
//! registry.

use crate::support::images::{Image, PLATFORMS};
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{BOTH, REPO, Scene, bare_step_at};
use crate::support::step::Step;
use crate::support::token::TokenServer;
use futures_util::future::join_all;
use std::time::Duration;

/// An empty registry, so far away that answers leave in waves.
async fn far_away() -> Scene {
    Scene::empty().await.with_distance(Duration::from_millis(150))
}

/// The step outside of any CI system, whose requests are those of the registry alone.
fn bare_step(scene: &Scene, tags: &[&str], sources: &[String]) -> Step {
    bare_step_at(&scene.proxy.host(), sources).input("tags", &scene.references(tags))
}

#[tokio::test]
async fn one_tag_costs_2n_plus_3_requests_and_6_round_trips() {
    for count in [2, 8] {
        let scene = far_away().await;
        let images: Vec<Image> = PLATFORMS[..count].iter().map(|name| Image::oci(name)).collect();
        let sources = scene.push_all(&images).await;
        bare_step(&scene, &["1"], &sources).run().await.ok();
        let proxy = scene.proxy;
        assert_eq!(
            (proxy.requests(), proxy.round_trips()),
            (2 * count + 3, 6),
            "{}",
            proxy.log_text()
        );
        assert!(proxy.log().iter().all(|entry| entry.path != "/v2/"), "no ping");
        proxy.finish();
    }
}

/// Where a login is known, the first request goes alone, and it alone is refused: 2N+5 in all.
#[tokio::test]
async fn a_login_costs_two_requests_more_and_no_more_connections() {
    let (user, password) = ("ci", "s3cret-canary");
    let tokens = TokenServer::new().user(user, password).anonymous_pull(false).start().await;
    let with_tokens = Scene::with_tokens(&tokens, &tokens.realm()).await;
    let with_basic = Scene::with_login(user, password).await;
    for scene in [with_tokens, with_basic] {
        let scene = scene.with_distance(Duration::from_millis(150));
        let images: Vec<Image> = PLATFORMS.iter().map(|name| Image::oci(name)).collect();
        let sources = scene.push_all(&images).await;
        let step = bare_step(&scene, &["1"], &sources);
        step.input("username", user).input("password", password).run().await.ok();
        let proxy = scene.proxy;
        let refused = proxy.log().iter().filter(|entry| entry.status == 401).count();
        assert_eq!(
            (proxy.requests(), refused, proxy.round_trips(), proxy.connections()),
            (2 * images.len() + 4, 1, 7, images.len() + 1),
            "{}",
            proxy.log_text()
        );
        proxy.finish();
    }
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn several_tags_cost_2n_plus_3t_plus_1_and_latest_one_more_trip() {
    for (tags, trips) in [(["1", "1.2", "1.2.3"], 7), (["1", "1.2", "latest"], 8)] {
        let scene = far_away().await;
        scene.push_both().await;
        bare_step(&scene, &tags, &BOTH.map(str::to_owned)).run().await.ok();
        let proxy = scene.proxy;
        assert_eq!(
            (proxy.requests(), proxy.round_trips()),
            (2 * 2 + 3 * 3 + 1, trips),
            "{}",
            proxy.log_text()
        );
        proxy.finish();
    }
}

#[tokio::test]
async fn builder_made_sources_cost_2n_plus_3() {
    let scene = far_away().await;
    let mut sources = Vec::new();
    for (at, platform) in PLATFORMS[..3].iter().enumerate() {
        sources.push(format!("s{at}"));
        BuiltIndex::new(vec![Image::oci(platform)])
            .attestations(true)
            .push(&scene.client, REPO, &sources[at])
            .await;
    }
    bare_step(&scene, &["1"], &sources).run().await.ok();
    let proxy = scene.proxy;
    assert_eq!((proxy.requests(), proxy.round_trips()), (2 * 3 + 3, 6), "{}", proxy.log_text());
    assert_eq!(proxy.count("GET", "*/blobs/*"), 0, "no config of a builder's index is read");
    proxy.finish();
}

#[tokio::test]
async fn one_image_as_it_is_costs_2_plus_3t() {
    for (tags, trips) in [(&["1"][..], 6), (&["1", "1.2"], 6), (&["1", "1.2", "latest"], 7)] {
        let scene = far_away().await;
        scene.push_amd64().await;
        let step = bare_step(&scene, tags, &["amd64".to_owned()]);
        step.input("prefer-index", "false").run().await.ok();
        let proxy = scene.proxy;
        let cost = (proxy.requests(), proxy.round_trips());
        assert_eq!(cost, (2 + 3 * tags.len(), trips), "{}", proxy.log_text());
        proxy.finish();
    }
}

/// A look at each platform's tag, before the index is stored by digest, and their own wave.
#[tokio::test]
async fn platform_tags_cost_3_requests_each_and_two_more_trips() {
    let scene = far_away().await;
    scene.push_both().await;
    let own = scene.reference("1-{arch}");
    let step = bare_step(&scene, &["1"], &BOTH.map(str::to_owned));
    step.input("platform-tags", &own).run().await.ok();
    let proxy = scene.proxy;
    let cost = (proxy.requests(), proxy.round_trips());
    assert_eq!(cost, (2 * 2 + 3 * (1 + 2) + 1, 9), "{}", proxy.log_text());
    proxy.finish();
}

/// The images of an index are read, since they get tags by their bytes.
#[tokio::test]
async fn platform_tags_of_an_index_cost_a_request_more_each() {
    let scene = far_away().await;
    let images = ["linux/amd64", "linux/arm64"].map(Image::oci).to_vec();
    BuiltIndex::new(images).push(&scene.client, REPO, "built").await;
    let step = bare_step(&scene, &["1"], &["built".to_owned()]);
    step.input("platform-tags", &scene.reference("1-{arch}")).run().await.ok();
    let proxy = scene.proxy;
    let index = 1 + 2;
    assert_eq!(proxy.requests(), index + 3 * (1 + 2) + 1 + 2, "{}", proxy.log_text());
    // What is read back together needs a third connection, which may have been set up before.
    assert!((10..=12).contains(&proxy.round_trips()), "{}", proxy.log_text());
    proxy.finish();
}

#[tokio::test]
async fn inspect_costs_one_request_and_sizes_a_wave_for_manifests_and_one_for_configs() {
    let images = ["linux/amd64", "linux/arm64"].map(Image::oci).to_vec();
    for (more, requests, trips) in [(&[][..], 1, 3..=3), (&["--sizes"], 1 + 2 * 2 + 2, 5..=5)] {
        let scene = far_away().await;
        let index = BuiltIndex::new(images.clone()).attestations(true);
        index.push(&scene.client, REPO, "1").await;
        Step::new().args(["inspect", &scene.reference("1")]).args(more).run().await.ok();
        let proxy = scene.proxy;
        assert_eq!(proxy.requests(), requests, "{}", proxy.log_text());
        assert!(trips.contains(&proxy.round_trips()), "{}", proxy.log_text());
        let longest = proxy.log().iter().map(|entry| entry.in_flight_at_arrival).max();
        assert!(longest >= Some(requests.min(4)), "{}", proxy.log_text());
        proxy.finish();
    }
}

/// 16 at a time would cost two round trips more for every 16 images. A registry that answers quickly
/// is asked for 32 after two rounds, where that is worth the set-up of connections.
#[tokio::test]
async fn many_sources_cost_less_than_two_round_trips_for_every_16() {
    for (count, trips) in [(16, 7), (32, 9), (64, 11), (128, 15)] {
        let scene = far_away().await;
        let sources = push_many(&scene, count).await;
        bare_step(&scene, &["1"], &sources).run().await.ok();
        let proxy = scene.proxy;
        let cost = (proxy.requests(), proxy.round_trips());
        assert_eq!(cost, (2 * count + 3, trips), "{}", proxy.log_text());
        let most = if count == 16 { 16 } else { 32 };
        assert_eq!((proxy.max_in_flight(), proxy.connections()), (most, most), "{count}");
        proxy.finish();
    }
}

/// However wide the ceiling is: for 8 at first, then for one more after each round, and for nothing
/// twice but what was refused.
#[tokio::test]
async fn a_host_that_answered_429_is_never_asked_for_more_than_16() {
    const REFUSED: usize = 60;
    let count = 128;
    let scene = far_away().await;
    let sources = push_many(&scene, count).await;
    let refusal = Fault::Status(429).header("Retry-After", "2");
    scene.proxy.rule(Rule::on("GET", "*/manifests/*").nth(REFUSED).then(refusal));
    let step = bare_step(&scene, &["1"], &sources).input("concurrency", "256");
    step.run().await.ok();
    let proxy = scene.proxy;
    let log = proxy.log();
    let refused = log.iter().find(|entry| entry.status == 429).expect("one is refused");
    assert!(refused.in_flight_at_arrival > 16, "{}", proxy.log_text());
    // What was sent before the refusal was read is on its way.
    let until = refused.until.expect("an answer") + Duration::from_secs(1);
    let later: Vec<usize> = log
        .iter()
        .filter(|entry| entry.at > until)
        .map(|entry| entry.in_flight_at_arrival)
        .collect();
    assert!(later.len() > 100, "{}", proxy.log_text());
    assert!(later.iter().all(|at_once| *at_once <= 16), "{}", proxy.log_text());
    assert!(later[..16].iter().all(|at_once| *at_once <= 8 + 1), "{later:?}");
    assert_eq!(proxy.requests(), 2 * count + 3 + 1, "one more than without");
    proxy.finish();
}

/// So many images; their tags.
async fn push_many(scene: &Scene, count: usize) -> Vec<String> {
    let sources: Vec<String> = (0..count).map(|at| format!("s{at}")).collect();
    let images: Vec<Image> =
        (0..count).map(|at| Image::oci(&format!("linux/arm/v{}", at + 2))).collect();
    join_all(images.iter().zip(&sources).map(|(image, tag)| scene.push(image, tag))).await;
    sources
}
