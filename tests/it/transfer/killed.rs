//! Our process killed at every write on the way into another registry: no tag before all is there,
//! and the next run completes it.

use super::step_with_report;
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::wait::until;

/// The writes that bring an image of two blobs under a tag: method, path below the repository, how
/// many.
const WRITES: [(&str, &str, usize); 4] = [
    ("POST", "/blobs/uploads/", 2),
    ("PATCH", "/blobs/uploads/*", 2),
    ("PUT", "/blobs/uploads/*", 2),
    ("PUT", "/manifests/*", 2),
];

#[tokio::test]
async fn a_kill_at_any_write_leaves_no_tag_and_the_next_run_completes() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let image = Image::oci("linux/amd64");
    image.push(&from.client, "acme/app", "a").await;
    for (method, path, count) in WRITES {
        for (nth, done) in (1..=count).flat_map(|nth| [(nth, false), (nth, true)]) {
            let kind = if path.contains("manifests") { "manifests" } else { "blobs" };
            let repository = format!("{}-{kind}/n{nth}-{done}", method.to_lowercase());
            let case = format!("{method} {path} {nth}, done: {done}");
            let proxy = FaultProxy::before(&to.registry).await;
            let pattern = format!("/v2/{repository}{path}");
            let fault = if done { Fault::HangAfterForward } else { Fault::Hang };
            proxy.rule(Rule::on(method, &pattern).nth(nth).then(fault));
            let writes = proxy.gate(method, &pattern);
            let tag = format!("{}/{repository}:1", proxy.host());
            // One after the other, so that what is cut off is the last that was done.
            let running = step_with_report(&tag, &from.full_name("acme/app:a"))
                .input("concurrency", "1")
                .spawn()
                .await;
            writes.wait_for_hits(nth).await;
            let expected = nth - usize::from(!done);
            let line = format!("\"{method} /v2/{repository}{}", path.trim_end_matches('*'));
            let count = |log: &str| {
                log.lines().filter(|said| said.contains(&line) && said.contains("\" 20")).count()
            };
            until(&case, || async { count(&to.registry.log()) >= expected }).await;
            running.signal("KILL").await;
            assert_eq!(running.wait().await.status, -9, "{case}");
            let moved = kind == "manifests" && nth == 2 && done;
            assert_eq!(to.client.tags(&repository).await.is_empty(), !moved, "{case}");
            let tag = format!("{}/{repository}:1", to.registry.host());
            let ran = step_with_report(&tag, &from.full_name("acme/app:a")).run().await.ok();
            let found = to.client.get_manifest(&repository, "1").await.expect("a list");
            assert_eq!(Some(found.digest), ran.output("digest"), "{case}");
            assert!(to.client.holds(&repository, &image).await, "{case}");
        }
    }
}
