//! The lists of a whole organisation in one run: what that costs.

use crate::support::client::{Client, OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{Scene, waiting_step_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use futures_util::{StreamExt as _, stream};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// What the contract allows for 200 lists, and what the debug build of the tests takes more than the
/// program that is shipped.
const MOST_KIB: u64 = (48 + 8) << 10;
/// The same for 1000, of which the debug build takes more as well: its futures are larger.
const MOST_KIB_OF_A_THOUSAND: u64 = (48 + 16) << 10;

const LISTS: usize = 200;
const PLATFORMS: [&str; 4] = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"];
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// The images of one list: with the layers of all others, for a quick start, and configs and
/// manifests of their own.
async fn push(client: &Client, at: usize) {
    for platform in PLATFORMS {
        let image = Image::oci(platform).label("list", &at.to_string());
        client.put_blob("acme/app", &image.config()).await;
        let tag = format!("{at}-{}", platform.replace('/', "-"));
        client.put_manifest("acme/app", &tag, image.media_type(), &image.manifest()).await;
    }
}

async fn push_layers(client: &Client) {
    for platform in PLATFORMS {
        client.put_blob("acme/app", &Image::oci(platform).layer_blob()).await;
    }
}

/// The step that publishes [`LISTS`] lists on this host, under tags that begin so.
fn step_of_all_lists(host: &str, tag: &str) -> Step {
    let lists = (0..LISTS).map(|at| {
        let sources = format!("{host}/acme/app:{at}-{{platform}}");
        format!("- tags: {host}/acme/app:{tag}{at}\n  sources: {sources}\n")
    });
    Step::new()
        .github()
        .file("lists.yaml", format!("indexes:\n{}", lists.collect::<String>()))
        .input("spec", "lists.yaml")
        .input("platforms", &PLATFORMS.join(","))
        .limit(Duration::from_secs(100))
}

#[tokio::test]
async fn two_hundred_lists_far_away() {
    let scene = Scene::empty().await;
    push_layers(&scene.client).await;
    stream::iter(0..LISTS).for_each_concurrent(8, |at| push(&scene.client, at)).await;
    let proxy = &scene.proxy;
    proxy.rule(Rule::on("*", "*").then(Fault::Delay(ROUND_TRIP)));
    for (tag, together, of_each) in [("", "true", 12), ("alone-", "false", 11)] {
        let before = proxy.requests();
        let step = step_of_all_lists(&proxy.host(), tag).input("together", together);
        let ran = step.run().await.ok();
        let (requests, at_once) = (proxy.requests() - before, proxy.max_in_flight());
        println!(
            "{requests} requests, {at_once} at once, {} KiB, {:?}",
            ran.max_rss_kib, ran.elapsed
        );
        assert_eq!(requests, of_each * LISTS, "together: {together}");
        assert!((17..=32).contains(&at_once), "{at_once} at once");
        assert!(ran.max_rss_kib > 0 && ran.max_rss_kib < MOST_KIB, "{} KiB", ran.max_rss_kib);
        assert!(ran.elapsed < Duration::from_secs(90), "{:?}", ran.elapsed);
        let indexes = ran.output("indexes").unwrap();
        let indexes: serde_json::Value = serde_json::from_str(&indexes).unwrap();
        assert_eq!(indexes.as_object().unwrap().len(), LISTS);
    }
    scene.proxy.finish();
}

#[tokio::test]
async fn two_hundred_lists_that_all_wait() {
    let scene = Scene::empty().await;
    push_layers(&scene.client).await;
    push(&scene.client, 40).await;
    let step = step_of_all_lists(&scene.registry.host(), "").input("together", "false");
    let running = step.input("wait", "2m").spawn().await;
    // Many more than can be at work wait before it, and it has its turn all the same.
    running.wait_for_line("app:40 | done").await;
    running.wait_for_line(&format!("app:{} | wait", LISTS - 1)).await;
    running.signal("TERM").await;
    let ran = running.wait().await.fails(143);
    assert!(ran.stdout.contains("1 of 200 indexes were published"), "{}", ran.stdout);
    println!("{} KiB, {:?}", ran.max_rss_kib, ran.elapsed);
    assert!(ran.max_rss_kib > 0 && ran.max_rss_kib < MOST_KIB, "{} KiB", ran.max_rss_kib);
}

#[tokio::test]
async fn one_list_is_light() {
    let scene = Scene::empty().await;
    let architectures = [
        "amd64", "arm64", "386", "s390x", "ppc64le", "riscv64", "loong64", "mips64le", "arm/v5",
        "arm/v6", "arm/v7",
    ];
    let images = architectures.map(|architecture| Image::oci(&format!("linux/{architecture}")));
    let sources = scene.push_all(&images).await;
    let host = scene.registry.host();
    let ran = waiting_step_at(&host, &sources).run().await.ok();
    println!("one list: {} KiB", ran.max_rss_kib);
    assert!(ran.max_rss_kib > 0 && ran.max_rss_kib < 32 * 1024, "{} KiB", ran.max_rss_kib);
}

/// A registry in memory that holds an image at `LIST-OS-ARCH` for each of our platforms, and takes
/// what is pushed.
fn quick_registry() -> ScriptedServer {
    let pushed: Mutex<HashMap<String, Vec<u8>>> = Mutex::default();
    let image = |name: &str| {
        let platform =
            PLATFORMS.iter().find(|platform| name.ends_with(&platform.replace('/', "-")));
        platform.map(|platform| Image::oci(platform).label("list", name))
    };
    ScriptedServer::answering(move |request, _| {
        let path = request.path().to_owned();
        let name = path.rsplit('/').next().unwrap().to_owned();
        let mut pushed = pushed.lock().unwrap();
        let found = |media_type: &str, bytes: &[u8]| {
            let digest = sha256(bytes);
            answer(
                200,
                &[("Content-Type", media_type), ("Docker-Content-Digest", &digest)],
                if request.method == "HEAD" { Vec::new() } else { bytes.to_vec() },
            )
        };
        if request.method == "PUT" {
            pushed.insert(path, request.body.clone());
            return answer(201, &[("Docker-Content-Digest", &sha256(&request.body))], "");
        }
        if let Some(bytes) = pushed.get(&path) {
            return found(OCI_INDEX, bytes);
        }
        match image(&name) {
            Some(image) => {
                pushed.insert(
                    format!("/v2/acme/app/blobs/{}", sha256(&image.config())),
                    image.config(),
                );
                found(image.media_type(), &image.manifest())
            }
            None => answer(404, &[], ""),
        }
    })
}

/// Each with sources of its own, all its outputs written, the file of them written out.
#[tokio::test]
async fn a_thousand_lists_take_12_requests_each() {
    const LISTS: usize = 1000;
    let server = quick_registry();
    let host = server.host();
    let list = |at: usize| {
        let source =
            |platform: &&str| format!("  - {host}/acme/app:{at}-{}\n", platform.replace('/', "-"));
        let sources: String = PLATFORMS.iter().map(source).collect();
        format!("- name: list-{at}\n  tags: {host}/acme/app:{at}\n  sources:\n{sources}")
    };
    let lists: String = (0..LISTS).map(list).collect();
    let step = Step::new().github().file("lists.yaml", format!("indexes:\n{lists}"));
    let step = step.input("spec", "lists.yaml").input("platforms", &PLATFORMS.join(","));
    let step = step.input("json-file", "report.json").input("dotenv-file", "manifest.env");
    let ran = step.limit(Duration::from_secs(100)).run().await.ok();
    println!("{LISTS} lists: {} KiB, {:?}", ran.max_rss_kib, ran.elapsed);
    assert!(
        ran.max_rss_kib > 0 && ran.max_rss_kib < MOST_KIB_OF_A_THOUSAND,
        "{} KiB",
        ran.max_rss_kib
    );
    assert_eq!(server.requests().len(), 12 * LISTS);
    let report = ran.file("report.json").unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["lists"].as_array().unwrap().len(), LISTS);
}
