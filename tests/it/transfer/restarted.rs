//! A registry that restarts while many requests are on their way to it: all of them fail together,
//! and that is one failure.

use super::step_with_report;
use crate::support::images::{Image, PLATFORMS};
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::wait::until;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Eight images of three blobs, and the inputs that name them.
async fn eight(scene: &Scene) -> (Vec<Image>, String) {
    let images: Vec<Image> =
        PLATFORMS.iter().map(|platform| Image::oci(platform).more_layer(*platform)).collect();
    for (at, image) in images.iter().enumerate() {
        image.push(&scene.client, "acme/build", &format!("s{at}")).await;
    }
    let names = (0..images.len()).map(|at| scene.full_name(&format!("acme/build:s{at}")));
    (images, names.collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn a_registry_that_restarts_while_blobs_are_mounted_or_streamed_costs_a_moment() {
    for (case, method, nth) in [
        ("mounts", "POST", 1),
        ("mounts", "POST", 20),
        ("uploads", "POST", 3),
        ("uploads", "PATCH", 4),
    ] {
        let from = Scene::empty().await;
        let (images, sources) = eight(&from).await;
        let other = Scene::empty().await;
        let mut to = if case == "mounts" { from } else { other };
        let writes = to.proxy.gate(method, "*");
        writes.hold_from(nth);
        let running = step_with_report(&to.full_name("acme/app:1"), &sources).spawn().await;
        writes.wait_for_hits(nth).await;
        let before = to.proxy.requests();
        to.registry.stop().await;
        writes.release();
        until("somebody comes in vain", || async { to.proxy.requests() > before }).await;
        to.registry.restart().await;
        let ran = running.wait().await.ok();
        for image in &images {
            assert!(to.client.holds("acme/app", image).await, "{case} {method} {nth}");
        }
        assert_eq!(
            to.client.get_manifest("acme/app", "1").await.map(|list| list.digest),
            ran.output("digest"),
            "{case}"
        );
    }
}

/// A real registry that is away for four seconds while three blobs are on their way to it, as one is
/// that is updated: they hear of it together, and then one asks for all.
#[tokio::test]
async fn three_uploads_outlast_a_registry_that_takes_seconds_to_restart() {
    const AWAY: Duration = Duration::from_secs(4);
    let (from, mut to) = (Scene::empty().await, Scene::empty().await);
    let image = Image::oci("linux/amd64").layer_size(200_000).more_layer("another");
    from.push(&image, "a").await;
    let writes = to.proxy.gate("PATCH", "*");
    writes.hold();
    let running = step_with_report(&to.full_name("acme/app:1"), &from.reference("a")).spawn().await;
    writes.wait_for_hits(3).await;
    let before = to.proxy.requests();
    to.registry.stop().await;
    let stopped = Instant::now();
    writes.release();
    until("the registry was away long enough", || async { stopped.elapsed() >= AWAY }).await;
    let in_vain = to.proxy.requests() - before;
    // A machine that is held up is away for longer.
    let most = 5 + stopped.elapsed().saturating_sub(AWAY).as_secs();
    to.registry.restart().await;
    let ran = running.wait().await.ok();
    assert!(to.client.holds("acme/app", &image).await, "{}", ran.everything());
    assert!(in_vain as u64 <= most, "{in_vain} requests: {}", to.proxy.log_text());
}

/// Trouble that lasts a second and hits whatever is asked then.
#[tokio::test]
async fn a_second_of_trouble_costs_a_second_or_two_however_much_is_under_way() {
    for fault in [Fault::Reset, Fault::Status(503), Fault::Status(429)] {
        let scene = Scene::empty().await;
        let (images, sources) = eight(&scene).await;
        let began: Arc<Mutex<Option<Instant>>> = Arc::default();
        let case = format!("{fault:?}");
        scene.proxy.follow(Some(Arc::new(move |request, _, _| {
            let mut began = began.lock().expect("no panic while locked");
            if request.method == "POST" && began.is_none() {
                *began = Some(Instant::now());
            }
            let is_on = began.is_some_and(|began| began.elapsed() < Duration::from_secs(1));
            if is_on { vec![fault.clone()] } else { Vec::new() }
        })));
        step_with_report(&scene.full_name("acme/app:1"), &sources).run().await.ok();
        for image in &images {
            assert!(scene.client.holds("acme/app", image).await, "{case}");
        }
        // Not each of the 24 blobs for itself.
        let failed = scene.proxy.log().iter().filter(|entry| entry.method == "POST").count() - 24;
        assert!(failed <= 16 + 12, "{case}: {failed} in vain\n{}", scene.proxy.log_text());
    }
}

#[tokio::test]
async fn an_outage_at_the_start_does_not_end_the_wait() {
    let scene = Scene::empty().await;
    let (_, sources) = eight(&scene).await;
    scene.proxy.rule(Rule::on("*", "*").first(18).then(Fault::Status(502)));
    let ran = step_with_report(&scene.full_name("acme/build:1"), &sources)
        .input("wait", "10m")
        .run()
        .await
        .ok();
    assert!(ran.output("digest").is_some());
}
