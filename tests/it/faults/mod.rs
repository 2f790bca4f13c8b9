//! Registries and networks that fail: what is tried again, how often, and how it ends when that
//! does not help.

mod certificates;
mod in_process;
mod lag;
mod load;
mod network;
mod proxies;
mod random;
mod real_proxy;
mod restarts;
mod slow;
mod table;
mod tokens;

use crate::support::client::sha256;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, amd64, manifest, waiting_step_at};
use crate::support::tcp_server::DeadPort;
use std::time::{Duration, SystemTime};

/// The time between the first two requests for the amd64 source when the first one is answered so.
async fn pause_after(status: u16, retry_after: impl FnOnce() -> String) -> Duration {
    let scene = Scene::with_both().await;
    // Made now, for it may be a date, and the scene takes its time.
    let asked = retry_after();
    let busy = Fault::Status(status).header("Retry-After", &asked);
    scene.proxy.rule(Rule::on("GET", &manifest("amd64")).nth(1).then(busy));
    let looks = scene.proxy.gate("GET", &manifest("amd64"));
    let running = scene.waiting_step().spawn().await;
    looks.wait_for_hits(2).await;
    // However late the first answer came, the second look is not before the date; or hardly, for
    // the clock may be set meanwhile.
    if let Ok(date) = httpdate::parse_http_date(&asked) {
        let now = SystemTime::now() + Duration::from_secs(1);
        assert!(now >= date, "{asked}: {}", scene.proxy.log_text());
    }
    let ran = running.wait().await.ok();
    let looks = scene.proxy.entries("GET", &manifest("amd64"));
    assert_eq!(looks.len(), 2, "{}", scene.proxy.log_text());
    assert_eq!(scene.digest("1").await, ran.output("digest"));
    looks[1].at - looks[0].at
}

#[tokio::test]
async fn the_pause_that_a_registry_asks_for_is_kept() {
    // A date counts whole seconds: this one is more than three away.
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(4));
    let (busy, many, at, past, junk) = tokio::join!(
        pause_after(503, || "2".to_owned()),
        pause_after(429, || "2".to_owned()),
        pause_after(503, date),
        pause_after(503, || "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        pause_after(503, || "soon".to_owned()),
    );
    // How long the pause until a date is depends on when it is read.
    for (pause, least, most) in [
        (busy, 2000, 12_000),
        (many, 2000, 12_000),
        (at, 0, 12_000),
        (past, 0, 8000),
        (junk, 0, 8000),
    ] {
        let range = Duration::from_millis(least)..Duration::from_millis(most);
        assert!(range.contains(&pause), "{pause:?} is not in {range:?}");
    }
}

#[tokio::test]
async fn a_pause_that_is_too_long_ends_it_at_once() {
    let scene = Scene::with_both().await;
    for (status, asked, wait) in
        [(429, "99999", "10m"), (503, "99999", "10m"), (503, "99999", "0"), (503, "60", "10s")]
    {
        scene.proxy.rule(
            Rule::on("GET", &manifest("amd64"))
                .nth(1)
                .then(Fault::Status(status).header("Retry-After", asked)),
        );
        let ran = scene.waiting_step().input("wait", wait).run().await.fails(7);
        assert!(
            ran.stdout.contains(&format!(
                "rate limited for another {}",
                if asked == "60" { "1m" } else { "1day 3h 46m 39s" }
            )),
            "{status} {asked}: {}",
            ran.stdout
        );
        assert!(ran.elapsed < Duration::from_secs(10), "{status} {asked}: {:?}", ran.elapsed);
    }
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let scene = Scene::with_both().await;
    let config = format!("/v2/{REPO}/blobs/{}", sha256(&amd64().config()));
    for (at, (method, of_the_tag, fault)) in [
        ("GET", false, Fault::Status(408)),
        ("GET", false, Fault::Status(429)),
        ("GET", false, Fault::Status(500)),
        ("GET", false, Fault::Status(502)),
        ("GET", false, Fault::Status(503)),
        ("GET", false, Fault::Status(504)),
        ("GET", false, Fault::Reset),
        ("GET", false, Fault::ResetAfterForward),
        ("GET", false, Fault::Truncate(20)),
        ("GET", true, Fault::Truncate(20)),
        ("PUT", true, Fault::Status(500)),
        ("PUT", true, Fault::Reset),
    ]
    .into_iter()
    .enumerate()
    {
        let (what, tag) = (format!("{method} {fault:?}"), format!("v{at}"));
        let path = if of_the_tag { manifest(&tag) } else { config.clone() };
        scene.proxy.rule(Rule::on(method, &path).nth(1).then(fault));
        let before = scene.proxy.count(method, &path);
        let ran = scene.waiting_step().input("tags", &scene.reference(&tag)).run().await.ok();
        assert_eq!(
            scene.proxy.count(method, &path) - before,
            2,
            "{what}: {}",
            scene.proxy.log_text()
        );
        assert_eq!(ran.output("digest"), scene.digest(&tag).await, "{what}");
    }
}

#[tokio::test]
async fn a_push_that_landed_unseen_is_not_repeated() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(Fault::ResetAfterForward));
    let ran = scene.waiting_step().run().await.ok();
    assert_eq!(scene.proxy.count("PUT", "*"), 1, "{}", scene.proxy.log_text());
    assert_eq!(ran.output("changed").as_deref(), Some("true"));
    assert_eq!(ran.output("digest"), scene.digest("1").await);
}

#[tokio::test]
async fn six_tries_are_all() {
    let scene = Scene::with_both().await;
    let down = Fault::Status(503).header("Retry-After", "0").error("UNAVAILABLE", "maintenance");
    scene.proxy.rule(Rule::on("GET", &manifest("amd64")).then(down));
    let ran = scene.waiting_step().input("wait", "0").run().await.fails(7);
    let place = format!("GET {} → 503 UNAVAILABLE", manifest("amd64"));
    assert!(ran.stdout.contains(&place), "{place}: {}", ran.stdout);
    assert!(
        ran.stdout.contains("\"maintenance\"") && ran.stdout.contains("tried 6 times"),
        "{}",
        ran.stdout
    );
    assert_eq!(scene.proxy.count("GET", &manifest("amd64")), 6);
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let scene = Scene::with_both().await;
    for (status, exit) in [(400, 7), (403, 6), (405, 7), (409, 7), (413, 7), (415, 7), (422, 7)] {
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(Fault::Status(status)));
        let before = scene.proxy.count("PUT", "*");
        let ran = scene.waiting_step().run().await.fails(exit);
        assert_eq!(
            scene.proxy.count("PUT", "*") - before,
            1,
            "{status}: {}",
            scene.proxy.log_text()
        );
        assert!(ran.stdout.contains(&format!("→ {status}")), "{status}: {}", ran.stdout);
    }
    assert_eq!(scene.digest("1").await, None);
}

#[tokio::test]
async fn a_blob_that_is_too_large_for_a_proxy_is_told_with_its_size() {
    let (source, target) = (Scene::with_amd64().await, Scene::empty().await);
    target.proxy.rule(Rule::on("PATCH", "*").then(Fault::Status(413).body("<html>nginx</html>")));
    let step = source.step("1").input("sources", &source.reference("amd64"));
    let ran = step.input("tags", &target.reference("1")).run().await.fails(7);
    let fix = format!(
        "fix:   {}, or a proxy in front of it, does not accept an upload this large",
        target.proxy.host()
    );
    assert!(ran.stdout.contains("B): the registry rejected the request"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&fix), "{}", ran.stdout);
    assert_eq!(target.digest("1").await, None);
}

#[tokio::test]
async fn a_registry_without_heads_is_read_instead() {
    let unknown_not_modified = Fault::Status(304).header("Etag", "\"whatever\"");
    for fault in
        [Fault::Status(405), Fault::DropHeader("Docker-Content-Digest"), unknown_not_modified]
    {
        let scene = Scene::with_both().await;
        scene.waiting_step().run().await.ok();
        let what = format!("{fault:?}");
        scene.proxy.rule(Rule::on("HEAD", "*/manifests/*").then(fault));
        let ran = scene.waiting_step().run().await.ok();
        assert_eq!(
            ran.output("changed").as_deref(),
            Some("false"),
            "{what}: it sees what the tag holds"
        );
        scene.proxy.finish();
    }
}

/// Nothing is known about these hosts, so a mistake in the name is likelier than a delay: nobody
/// waits ten minutes.
#[tokio::test]
async fn a_registry_that_never_answers_is_named() {
    let at = |host: &str| waiting_step_at(host, &["amd64"]).limit(Duration::from_secs(40));
    let dead = DeadPort::any();
    let closed = dead.host();
    let (closed_run, unknown_run) = tokio::join!(at(&closed).run(), at("nowhere.invalid").run());
    for (host, ran, why) in [
        (closed.as_str(), closed_run, ": connection refused"),
        ("nowhere.invalid", unknown_run, "no such host"),
    ] {
        let ran = ran.fails(7);
        assert!(
            ran.stdout.contains(&format!("cannot read {host}/acme/app:amd64"))
                || ran.stdout.contains(&format!("cannot check {host}/acme/app:1")),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains(why) && ran.stdout.contains("fix:"), "{host}: {}", ran.stdout);
        assert!(ran.elapsed < Duration::from_secs(20), "{host}: {:?}", ran.elapsed);
    }
}
