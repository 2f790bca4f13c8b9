//! A tag that is not there: which others come near, and what the look for them costs.

use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, manifest};
use crate::support::scripted::{Request, ScriptedServer, answer};
use crate::support::step::Step;
use futures_util::future::join_all;
use std::time::Duration;

const PASSWORD: &str = "canary-of-near-tags";
const LIST: &str = "/v2/acme/app/tags/list";
const SHORTER: &str =
    "if the jobs that push these images are done before this step (`needs:`), set `wait: 30s`";

/// The amd64 image under these tags.
async fn tagged(tags: &[&str]) -> Scene {
    let scene = Scene::empty().await;
    for tag in tags {
        scene.push(&amd64(), tag).await;
    }
    scene
}

/// A wait of two seconds.
fn short(step: Step) -> Step {
    step.input("wait", "2s").input("wait-interval", "100ms")
}

fn first_wait_line(ran: &Ran) -> &str {
    ran.stdout.lines().find(|line| line.starts_with("wait     ")).unwrap_or_default()
}

#[tokio::test]
async fn the_first_wait_line_names_tags_that_come_near() {
    let scene = tagged(&["1-amd64", "1-aarch64", "2-arm64"]).await;
    let ran = short(scene.step_of(&["1-amd64", "1-arm64"])).run().await.fails(3);
    let line = format!(
        "wait     {}  not found yet; similar tags: 1-aarch64; checking for up to ",
        scene.reference("1-arm64")
    );
    assert!(first_wait_line(&ran).starts_with(&line), "{}", ran.stdout);
    let absent = format!("not found: {}; similar tags: 1-aarch64", scene.reference("1-arm64"));
    assert!(ran.stdout.contains(&absent), "{}", ran.stdout);
    let fix =
        "if a similar tag is meant, correct the name; else look at the builds of these images";
    assert!(ran.stdout.contains(fix), "{}", ran.stdout);
    assert_eq!(scene.proxy.count("GET", LIST), 1, "{}", scene.proxy.log_text());
}

/// Without a wait there is no such line.
#[tokio::test]
async fn the_error_names_them_where_nothing_is_waited_for() {
    let scene = tagged(&["1.2", "1.3"]).await;
    let missing = scene.reference("v1.2-arm64");
    let absent = format!("not found: {missing}; similar tags: 1.2");
    let ran = scene.step_of(&["v1.2-arm64"]).run().await.fails(3);
    assert!(ran.stdout.contains(&absent) && !ran.stdout.contains("wait  "), "{}", ran.stdout);
    let created = ["create", &scene.reference("1"), &missing];
    let ran = Step::new().args(created).run().await.fails(3);
    assert!(ran.stderr.contains(&absent), "{}", ran.stderr);
    // What is left out for a slip is told, too.
    let step = scene.step_of(&["1.2", "v1.2-arm64"]).input("missing", "skip");
    let ran = step.run().await.ok();
    let left_out = format!("{missing} is left out (`missing: skip`): not found");
    assert!(ran.stdout.contains(&left_out), "{}", ran.stdout);
    let ran = Step::new().args(["wait", "--wait", "0", &missing]).run().await.fails(3);
    assert!(ran.stderr.contains(&absent), "{}", ran.stderr);
}

/// One listing a repository, however many images are missing; none where all are there, where a
/// digest is missing, or where there is only trouble.
#[tokio::test]
async fn only_a_miss_costs_a_request() {
    let scene = Scene::with_both().await;
    scene.waiting_step().run().await.ok();
    assert_eq!(scene.proxy.count("*", LIST), 0, "{}", scene.proxy.log_text());
    let missing = format!("sha256:{}", "1".repeat(64));
    scene.step_of(&["amd64", &missing]).run().await.fails(3);
    let denied = Rule::on("GET", &manifest("secret")).then(Fault::Status(403));
    scene.proxy.rule(denied);
    scene.step_of(&["amd64", "secret"]).run().await.fails(6);
    assert_eq!(scene.proxy.count("*", LIST), 0, "{}", scene.proxy.log_text());
    let sources = ["amd64", "one-arm64", "two-arm64", "three-arm64"];
    short(scene.step_of(&sources)).run().await.fails(3);
    assert_eq!(scene.proxy.count("*", LIST), 1, "{}", scene.proxy.log_text());
    // Several indexes of one run look once.
    let index = |tag: &str, source: &str| {
        format!("  - tags: {}\n    sources: {}\n", scene.reference(tag), scene.reference(source))
    };
    let spec = format!("indexes:\n{}{}", index("a", "amd46"), index("b", "arm46"));
    let ran = Step::new().github().file("spec.yaml", spec).input("spec", "spec.yaml");
    let ran = ran.input("wait", "0").run().await.fails(3);
    assert!(ran.stdout.contains("similar tags: amd64"), "{}", ran.stdout);
    assert!(ran.stdout.contains("similar tags: arm64"), "{}", ran.stdout);
    assert_eq!(scene.proxy.count("*", LIST), 2, "{}", scene.proxy.log_text());
}

/// Whatever becomes of the listing, the run ends as it does without.
#[tokio::test]
async fn a_listing_that_fails_is_no_error() {
    let faults = [
        Fault::Status(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        Fault::Status(403).error("DENIED", "no"),
        Fault::Status(404),
        Fault::Status(405),
        Fault::Status(500),
        Fault::Status(429).header("Retry-After", "300"),
        Fault::Status(200).header("Content-Type", "text/html").body("<html>"),
        Fault::Status(200).body(r#"{"tags":{"a":1}}"#),
        Fault::Redirect("http://169.254.169.254/".to_owned()),
        Fault::Reset,
        Fault::Truncate(5),
        Fault::Hang,
    ];
    let run = async |fault: Fault| {
        let scene = tagged(&["1-aarch64"]).await;
        scene.proxy.rule(Rule::on("GET", LIST).then(fault.clone()));
        let ran = short(scene.step_of(&["1-arm64"])).run().await.fails(3);
        assert!(first_wait_line(&ran).contains("not found yet; checking"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("tags/list"), "{fault:?}: {}", ran.stdout);
        assert!(ran.elapsed < Duration::from_secs(15), "{fault:?}: {:?}", ran.elapsed);
        // A wait goes on, and what comes is taken.
        let looks = scene.proxy.gate("HEAD", &manifest("1-arm64"));
        let step = scene.waiting_step().input("sources", &scene.references(&["1-arm64"]));
        let running = step.input("wait-interval", "100ms").spawn().await;
        looks.wait_for_answers(1).await;
        scene.push(&Image::oci("linux/arm64"), "1-arm64").await;
        running.wait().await.ok();
    };
    join_all(faults.into_iter().map(run)).await;
}

/// A login is used as it is: what a listing is denied with changes nothing about it.
#[tokio::test]
async fn a_denied_listing_costs_no_login() {
    let scene = Scene::with_login("ci", PASSWORD).await;
    scene.proxy.rule(Rule::on("GET", LIST).then(
        Fault::Status(401).header("WWW-Authenticate", "Bearer realm=\"http://127.0.0.1:9/\""),
    ));
    let step = scene.step_of(&["amd64", "amd46"]).input("username", "ci");
    let step = short(step.input("password", PASSWORD));
    let ran = step.run().await.fails(3);
    assert_eq!(scene.proxy.count("GET", LIST), 1, "{}", scene.proxy.log_text());
    assert!(ran.stdout.contains("did not arrive within 2 s"), "{}", ran.stdout);
}

/// A registry that knows this one tag's listing, page by page, and nothing else.
fn paged(page: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> ScriptedServer {
    ScriptedServer::answering(move |request: &Request, _| match request.target.split_once('?') {
        Some((LIST, query)) => {
            let at = query.split("at=").nth(1).and_then(|at| at.parse().ok()).unwrap_or(0);
            page(at, query)
        }
        _ => answer(404, &[], ""),
    })
}

fn listing(next: &str, tags: &str) -> Vec<u8> {
    let json = ("Content-Type", "application/json");
    let link = format!("<{next}>; rel=\"next\"");
    answer(200, &[json, ("Link", &link)], format!(r#"{{"name":"acme/app","tags":[{tags}]}}"#))
}

fn asks(server: &ScriptedServer) -> Vec<String> {
    let listings = server.requests().into_iter().filter(|request| request.target.starts_with(LIST));
    listings.map(|request| request.target).collect()
}

async fn looked(server: &ScriptedServer) -> Ran {
    let host = server.host();
    let step = Step::new().github().input("tags", &format!("{host}/{REPO}:1"));
    step.input("sources", &format!("{host}/{REPO}:1-arm64")).input("wait", "0").run().await.fails(3)
}

#[tokio::test]
async fn pages_are_followed_as_far_as_a_hint_is_worth() {
    let server = paged(|at, _| {
        let tags = if at == 3 { "\"1-aarch64\"" } else { "\"2\"" };
        listing(&format!("/v2/acme/app/tags/list?n=1000&at={}", at + 1), tags)
    });
    let ran = looked(&server).await;
    assert!(ran.stdout.contains("; similar tags: 1-aarch64"), "{}", ran.stdout);
    let asks = asks(&server);
    assert_eq!((asks[0].as_str(), asks.len()), ("/v2/acme/app/tags/list?n=1000", 10));
}

/// A page elsewhere is not gone to, one that leads to itself is asked for once.
#[tokio::test]
async fn links_lead_nowhere_else() {
    let elsewhere = ScriptedServer::answering(|_: &Request, _| answer(200, &[], "{}"));
    let link = format!("http://{}/v2/acme/app/tags/list?at=1", elsewhere.host());
    let server = paged(move |at, _| match at {
        0 => listing(&link, "\"2\""),
        _ => listing("/v2/acme/app/tags/list?at=1", "\"1-aarch64\""),
    });
    let ran = looked(&server).await;
    assert!(ran.stdout.contains("; similar tags: 1-aarch64"), "{}", ran.stdout);
    assert_eq!(asks(&server).len(), 2);
    assert_eq!(elsewhere.connections(), 0);
}

/// Too large, without an end, and names that are no tags.
#[tokio::test]
async fn hostile_listings_are_bounded() {
    let huge = paged(|_, _| {
        let tags = "\"1-aarch64\",".repeat(200_000);
        answer(200, &[], format!(r#"{{"tags":[{tags}"x"]}}"#))
    });
    let ran = looked(&huge).await;
    assert!(!ran.stdout.contains("similar"), "{}", ran.stdout);
    assert!(ran.max_rss_kib < 32 << 10, "{} KiB", ran.max_rss_kib);
    let many = paged(|at, _| {
        let tags: Vec<String> = (0..80_000).map(|n| format!("\"{at}-{n}\"")).collect();
        let tags = format!("\"1_arm64\",{}", tags.join(","));
        listing(&format!("/v2/acme/app/tags/list?at={}", at + 1), &tags)
    });
    let ran = looked(&many).await;
    assert!(ran.stdout.contains("; similar tags: 1_arm64"), "{}", ran.stdout);
    assert!(ran.max_rss_kib < 32 << 10, "{} KiB", ran.max_rss_kib);
    let odd = paged(|_, _| {
        let tags = r#""1-arm64\n::warning::x","1 arm64","\u001b[2J1-arm64","1-arm64 ","1.arm64""#;
        answer(200, &[], format!(r#"{{"tags":[{tags}]}}"#))
    });
    let ran = looked(&odd).await;
    assert!(ran.stdout.contains("; similar tags: 1.arm64\n"), "{}", ran.stdout);
    assert!(ran.commands().iter().all(|command| command.name != "warning"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_wait_that_nobody_shortens_says_what_would() {
    for (wait, is_told) in [(None, true), (Some("20s"), false), (Some("10m"), false)] {
        let scene = Scene::with_amd64().await;
        let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
        let mut step = scene.waiting_step().input("wait-interval", "100ms");
        if let Some(wait) = wait {
            step = step.input("wait", wait);
        }
        let running = step.spawn().await;
        looks.wait_for_answers(2).await;
        scene.push_arm64().await;
        let ran = running.wait().await.ok();
        assert_eq!(ran.stdout.matches(SHORTER).count(), usize::from(is_told), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn a_digest_is_waited_for_for_a_minute() {
    let scene = Scene::with_amd64().await;
    let missing = format!("sha256:{}", "1".repeat(64));
    let looks = scene.proxy.gate("HEAD", &manifest(&missing));
    for (input, value) in [("digests", missing.clone()), ("sources", scene.reference(&missing))] {
        let hits = looks.hits();
        let step = scene.waiting_step().without("INPUT_SOURCES").input(input, &value);
        let running = step.spawn().await;
        looks.wait_for_answers(hits + 1).await;
        running.signal("TERM").await;
        let ran = running.wait().await.fails(143);
        assert!(ran.stdout.contains("not found yet; checking for up to 1m\n"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("needs:"), "{}", ran.stdout);
    }
}
