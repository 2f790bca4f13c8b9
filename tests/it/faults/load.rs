//! Registries that are asked too much, and registries that fail too often.

use super::in_process::{failure, inputs_to, run_fast};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, manifest};
use futures_util::future::join_all;
use manifest_action::error::Exit;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TIMES: u32 = 20;
const CHILDREN: usize = 64;
/// Two requests for each child, and three for the list.
const NEEDED: usize = 2 * CHILDREN + 3;

/// Takes so many requests in a second by the run's clock, and answers 429 to all others.
#[tokio::test]
async fn sixty_four_children_get_through_a_limit_of_requests() {
    const IN_A_SECOND: usize = 20;
    let scene = Scene::empty().await;
    let sources: Vec<String> = (0..CHILDREN).map(|at| format!("s{at}")).collect();
    let images: Vec<Image> =
        (0..CHILDREN).map(|at| Image::oci(&format!("linux/arm/v{}", at + 2))).collect();
    join_all(images.iter().zip(&sources).map(|(image, tag)| scene.push(image, tag))).await;
    let second = Mutex::new((Instant::now(), 0));
    scene.proxy.follow(Some(Arc::new(move |_, _, _| {
        let (began, count) = &mut *second.lock().unwrap();
        if began.elapsed() >= Duration::from_secs(1) / TIMES {
            (*began, *count) = (Instant::now(), 0);
        }
        *count += 1;
        let busy =
            Fault::Status(429).header("Retry-After", "1").error("TOOMANYREQUESTS", "slow down");
        if *count > IN_A_SECOND { vec![busy] } else { Vec::new() }
    })));
    let inputs = vec![
        ("tags", scene.reference("1")),
        ("sources", scene.references(&sources)),
        ("wait", "0".to_owned()),
    ];
    let (ended, _) = run_fast(TIMES, inputs).await;
    assert_eq!(ended.exit, Exit::Done, "{:?}", ended.run.lists[0].ended.as_ref().err());
    let (asked, most) = (scene.proxy.requests(), NEEDED + NEEDED / 5 + 10);
    assert!(
        asked <= most,
        "{asked} requests, {most} are a fifth and ten more than needed: {}",
        scene.proxy.log_text()
    );
    assert_eq!(scene.entries("1").await.len(), CHILDREN);
}

/// Where nothing is answered, one asks for all; then the reason is told, and that it was given up
/// for that.
#[tokio::test]
async fn a_registry_that_fails_all_the_time_is_not_stormed() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("*", "*").then(Fault::Status(500)));
    let host = scene.proxy.host();
    let sources: Vec<String> = (0..CHILDREN).map(|at| format!("{host}/{REPO}:s{at}")).collect();
    // Slow enough that one request after the other takes some of the run's time.
    let (ended, elapsed) = run_fast(
        5,
        vec![
            ("tags", scene.reference("1")),
            ("sources", sources.join("\n")),
            ("wait", "0".to_owned()),
        ],
    )
    .await;
    let said = failure(&ended, Exit::Registry);
    // One request may have been tried for all others each time.
    let why = [format!("gave up because {host} keeps failing"), "tried 6 times".to_owned()];
    assert!(said.contains("→ 500") && why.iter().any(|why| said.contains(why)), "{said}");
    // Those that were under way at first, then one at a time, and no more than one a second where
    // an answer takes its time.
    let (asked, seconds) = (scene.proxy.requests(), usize::try_from(elapsed.as_secs()).unwrap());
    assert!(asked <= 16 + 16 + seconds, "{asked} in {seconds} s: {}", scene.proxy.log_text());
}

#[tokio::test]
async fn too_many_without_a_time_is_a_growing_pause_for_all() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("GET", &manifest("*")).first(6).then(Fault::Status(429)));
    let (ended, _) = run_fast(TIMES, inputs_to(&scene, &["1"])).await;
    assert_eq!(ended.exit, Exit::Done, "{:?}", ended.run.lists[0].ended.as_ref().err());
    scene.proxy.finish();
}
