//! Peak memory of whole runs whose registry, or whose CI system, sends as much as it may.

use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::OCI_CONFIG;
use crate::support::jobs_api::TOKEN;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, bare_step_at, manifest};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// What the contract allows for one list, and what the debug build of the tests takes more than the
/// program that is shipped.
const MOST_KIB: u64 = (32 + 8) << 10;
const LARGEST: usize = 4 << 20;
const SOURCES: usize = 8;

#[track_caller]
fn is_small(case: &str, ran: &Ran) {
    assert!(ran.max_rss_kib < MOST_KIB, "{case}: {} KiB\n{}", ran.max_rss_kib, ran.everything());
}

/// A registry that holds these manifests (media type and bytes) at `s0`, `s1`, …, these blobs, and
/// takes what is pushed.
fn registry(
    manifests: Vec<(&'static str, Vec<u8>)>,
    blobs: HashMap<String, Vec<u8>>,
) -> ScriptedServer {
    let (manifests, blobs) = (Arc::new(manifests), Arc::new(blobs));
    ScriptedServer::answering(move |request, _| {
        let path = request.path();
        let at = |(at, (_, bytes)): &(usize, &(&'static str, Vec<u8>))| {
            path == manifest(&format!("s{at}")) || path.ends_with(&sha256(bytes))
        };
        let found = manifests.iter().enumerate().find(at).map(|(_, found)| found);
        let blob = path.rsplit('/').next().and_then(|digest| blobs.get(digest));
        match (request.method.as_str(), found, blob) {
            ("GET" | "HEAD", Some((media_type, bytes)), _) => answer(
                200,
                &[("Content-Type", media_type), ("Docker-Content-Digest", &sha256(bytes))],
                bytes.clone(),
            ),
            ("GET", _, Some(blob)) => answer(200, &[], blob.clone()),
            // Any child is there.
            ("HEAD", _, _) if path.contains("sha256:") => {
                answer(200, &[("Docker-Content-Digest", path.rsplit('/').next().unwrap())], "")
            }
            _ => answer(404, &[], ""),
        }
    })
}

fn step(server: &ScriptedServer, sources: usize) -> Step {
    let sources: Vec<String> = (0..sources).map(|at| format!("s{at}")).collect();
    bare_step_at(&server.host(), &sources).input("wait", "0").input("dry-run", "true")
}

/// An index of eight images with as much of `odd` as makes it so many bytes.
fn index(seed: usize, bytes: usize, odd: &str) -> Vec<u8> {
    let entry = |at: usize| {
        json!({
            "mediaType": OCI_MANIFEST,
            "digest": sha256(format!("{seed} {at}").as_bytes()),
            "size": 500,
            "platform": {"os": "linux", "architecture": format!("a{seed}x{at}")},
        })
    };
    let entries: Vec<Value> = (0..8).map(entry).collect();
    let index =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    let room = bytes.saturating_sub(index.len()) / 8;
    let filled = vec![odd; room / (odd.len() + 1)].join(",");
    index.replace(r#""size":500"#, &format!(r#""size":500,"x":[{filled}]"#)).into_bytes()
}

#[tokio::test]
async fn indexes_with_odd_values() {
    for odd in ["0", "{}", "[]", r#"{"":0}"#, r#""""#, "[[[]]]", "1e9", r#"{"a":{"b":{}}}"#] {
        for bytes in [40_000, 300_000, LARGEST - 10_000] {
            for sources in [1, SOURCES] {
                let indexes = (0..sources).map(|seed| (OCI_INDEX, index(seed, bytes, odd)));
                let server = registry(indexes.collect(), HashMap::new());
                let ran = step(&server, sources).run().await;
                let case = format!("{sources} of {bytes} bytes of {odd}");
                assert!(matches!(ran.status, 0 | 5), "{case}: {}", ran.everything());
                is_small(&case, &ran);
            }
        }
    }
}

#[tokio::test]
async fn indexes_with_many_annotations() {
    let with = |seed: usize, annotations: Value| {
        let mut index: Value = serde_json::from_slice(&index(seed, 0, "0")).unwrap();
        index["manifests"][0]["annotations"] = annotations;
        (OCI_INDEX, index.to_string().into_bytes())
    };
    let many = |count: usize| {
        let pairs = (0..count).map(|at| (format!("{at:x}"), json!("")));
        Value::Object(pairs.collect())
    };
    for (case, annotations) in [("many", many(19_000)), ("too many", many(300_000))] {
        for sources in [1, SOURCES] {
            let indexes = (0..sources).map(|seed| with(seed, annotations.clone()));
            let server = registry(indexes.collect(), HashMap::new());
            let ran = step(&server, sources).run().await;
            assert!(matches!(ran.status, 0 | 5), "{case}: {}", ran.everything());
            is_small(&format!("{sources}, {case}"), &ran);
        }
    }
}

/// What is refused is told in a line; the texts in it are not.
#[tokio::test]
async fn long_texts_in_wrong_places() {
    // Of several as much in all as memory holds of bodies, and no copy of them.
    for (sources, length) in [(1, LARGEST), (SOURCES, LARGEST / 2)] {
        // A message would write each of these characters as eight.
        let long = "\u{200b}".repeat(length / 3 - 100);
        for (case, body) in [
            ("a type", format!(r#"{{"schemaVersion":2,"mediaType":"{long}","manifests":[]}}"#)),
            ("in place of a list", format!(r#"{{"schemaVersion":2,"manifests":"{long}"}}"#)),
            (
                "in place of a digest",
                format!(
                    r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"x","size":1,"digest":"{long}:0"}}]}}"#
                ),
            ),
            ("a key", format!(r#"{{"schemaVersion":2,"manifests":[{{"{long}":1}}]}}"#)),
        ] {
            let bodies =
                (0..sources).map(|seed| (OCI_INDEX, format!("{body}{}", " ".repeat(seed))));
            let bodies = bodies.map(|(media_type, body)| (media_type, body.into_bytes()));
            let server = registry(bodies.collect(), HashMap::new());
            let ran = step(&server, sources).run().await;
            assert_eq!(ran.status, 5, "{case}: {:.2000}", ran.everything());
            assert!(ran.everything().len() < 20_000, "{case}");
            is_small(&format!("{sources}, {case}"), &ran);
        }
    }
}

#[tokio::test]
async fn large_manifests_and_configs_of_plain_images() {
    for (case, in_config) in [("manifests", false), ("configs", true)] {
        let mut blobs = HashMap::new();
        let mut manifests = Vec::new();
        for at in 0..SOURCES {
            let long = "x".repeat(LARGEST - 10_000);
            let mut config = json!({"os": "linux", "architecture": format!("a{at}")});
            if in_config {
                config["config"] = json!({"Labels": {"a": long}});
            }
            let config = config.to_string().into_bytes();
            let mut image = json!({
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, "digest": sha256(&config), "size": config.len()},
                "layers": [],
            });
            if !in_config {
                image["annotations"] = json!({"a": long});
            }
            blobs.insert(sha256(&config), config);
            manifests.push((OCI_MANIFEST, image.to_string().into_bytes()));
        }
        let server = registry(manifests, blobs);
        let ran = step(&server, SOURCES).run().await;
        assert!(matches!(ran.status, 0 | 5), "{case}: {}", ran.everything());
        is_small(case, &ran);
    }
}

#[tokio::test]
async fn pages_of_jobs() {
    let scene = Scene::with_amd64().await;
    let row = |name: &str, steps: usize| {
        let steps: Vec<Value> = (0..steps).map(|at| json!({"name": "x", "number": at})).collect();
        json!({"id": 1, "name": name, "status": "in_progress", "html_url": "https://x", "steps": steps})
    };
    let fill = |row: Value| vec![row.to_string(); LARGEST / (row.to_string().len() + 1) - 100];
    // What is kept of a page counts for all of them, what is read and left for one.
    let cases = [
        ("many jobs", 2, fill(row("x", 0))),
        ("jobs without fields", 2, fill(json!({"id": 1, "name": ""}))),
        ("long names", 20, vec![row(&"x".repeat(39_000), 0).to_string(); 100]),
        ("names as long as they may be", 20, vec![row(&"x".repeat(1_200), 0).to_string(); 100]),
        ("many steps", 2, vec![row("x", 1_300).to_string(); 100]),
    ];
    // At the same time, for a CI system in trouble is asked again after the wait.
    let runs = cases.into_iter().map(|(case, pages, rows)| {
        let page = format!(r#"{{"total_count": 2000, "jobs": [{}]}}"#, rows.join(","));
        let api = ScriptedServer::answering(move |request, nth| {
            let next = format!(
                "<http://{}{}?page={nth}>; rel=\"next\"",
                request.header("host").unwrap(),
                request.path()
            );
            let etag = format!("\"{nth}\"");
            let headers =
                [("Link", next.as_str()), ("ETag", &etag), ("Content-Type", "application/json")];
            answer(200, if nth < pages { &headers } else { &headers[1..] }, page.clone())
        });
        let step = scene
            .waiting_step()
            .env("GITHUB_API_URL", format!("http://{}", api.host()))
            .env("GITHUB_REPOSITORY", REPO)
            .input("token", TOKEN)
            .input("watch-jobs", "x")
            .input("wait", "6s");
        async move {
            let ran = step.run().await;
            assert!(matches!(ran.status, 3 | 4), "{case}: {}", ran.everything());
            is_small(case, &ran);
            drop(api);
        }
    });
    join_all(runs).await;
}
