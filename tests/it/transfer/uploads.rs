//! Uploads that break before registries that count in their own way, and believe what they get:
//! none of them may end up with another blob than the one that was read.

use super::step_with_report;
use crate::support::client::sha256;
use crate::support::images::Image;
use crate::support::scene::Scene;
use crate::support::scripted::{Reply, Request, ScriptedServer, answer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a session says of the bytes that it has.
type Says = fn(usize, usize) -> String;

/// Sessions by number, stored blobs by digest, tags that were pushed.
#[derive(Default)]
struct Store {
    sessions: Vec<Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    tags: Vec<String>,
    broken: usize,
}

/// A registry that appends whatever comes and never checks a digest, as Trow does. Of the first
/// `breaks` requests with bytes it takes a half.
struct Believer {
    server: ScriptedServer,
    store: Arc<Mutex<Store>>,
}

impl Believer {
    fn saying(breaks: usize, size: usize, says: Says, length: Option<usize>) -> Self {
        let store: Arc<Mutex<Store>> = Arc::default();
        let kept = Arc::clone(&store);
        let server = ScriptedServer::answering(move |request, _| {
            let mut store = kept.lock().expect("no panic while locked");
            reply(&mut store, request, breaks, size, says, length)
        });
        Self { server, store }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no panic while locked")
    }
}

fn reply(
    store: &mut Store,
    request: &Request,
    breaks: usize,
    size: usize,
    says: Says,
    length: Option<usize>,
) -> Reply {
    let path = request.path().to_owned();
    let session = path.split_once("/uploads/").and_then(|(_, id)| id.parse::<usize>().ok());
    let place = |id: usize| format!("/v2/acme/app/blobs/uploads/{id}");
    match (request.method.as_str(), session) {
        ("POST", _) => {
            store.sessions.push(Vec::new());
            answer(202, &[("Location", &place(store.sessions.len() - 1))], "").into()
        }
        ("PATCH", Some(id)) if store.broken < breaks && request.body.len() > 1_000 => {
            store.broken += 1;
            let half = request.body.len() / 2;
            store.sessions[id].extend_from_slice(&request.body[..half]);
            answer(503, &[("Retry-After", "0")], "").into()
        }
        ("PATCH", Some(id)) => {
            store.sessions[id].extend_from_slice(&request.body);
            answer(202, &[("Location", &place(id))], "").into()
        }
        ("GET", Some(id)) => {
            let range = says(store.sessions[id].len(), size);
            answer(204, &[("Range", &range), ("Location", &place(id))], "").into()
        }
        ("PUT", Some(id)) => {
            let (_, digest) = request.target.split_once("digest=").unwrap();
            let digest = digest.replace("%3A", ":");
            let bytes = store.sessions[id].clone();
            store.blobs.insert(digest, bytes);
            answer(201, &[], "").into()
        }
        // The list itself is not what this is about.
        ("PUT", None) if path.ends_with("/1") => {
            store.tags.push(path);
            answer(403, &[], "").into()
        }
        ("PUT", None) => {
            answer(201, &[("Docker-Content-Digest", &sha256(&request.body))], "").into()
        }
        ("HEAD", _) if path.contains("/blobs/") => {
            let digest = path.rsplit('/').next().unwrap();
            match store.blobs.get(digest) {
                Some(blob) => {
                    let length = length.unwrap_or(blob.len()).to_string();
                    Reply::Bytes(
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes(),
                    )
                }
                None => answer(404, &[], "").into(),
            }
        }
        _ => answer(404, &[], "").into(),
    }
}

async fn source() -> (Scene, Image) {
    let from = Scene::empty().await;
    let image = Image::oci("linux/amd64").layer_size(20_000);
    from.push(&image, "a").await;
    (from, image)
}

#[tokio::test]
async fn a_session_is_resumed_only_where_it_can_be_believed() {
    let rows: [(&str, Says, bool); 8] = [
        ("the last byte", |has, _| format!("0-{}", has.saturating_sub(1)), true),
        ("always nothing", |_, _| "0-0".to_owned(), false),
        ("less than nothing", |_, _| "0--1".to_owned(), false),
        ("all of it", |_, size| format!("0-{}", size - 1), false),
        ("its size", |_, size| format!("0-{size}"), false),
        ("more", |_, size| format!("0-{}", size * 2), false),
        ("more than any", |_, _| format!("0-{}", u64::MAX), false),
        ("nonsense", |_, _| "bytes".to_owned(), false),
    ];
    for (case, says, is_resumed) in rows {
        let (from, image) = source().await;
        let layer = image.layer_blob();
        let to = Believer::saying(1, layer.len(), says, None);
        let target = format!("{}/acme/app:1", to.server.host());
        let sources = from.reference("a");
        let ran = step_with_report(&target, &sources).run().await.fails(6);
        let store = to.store();
        assert_eq!(store.blobs.get(&sha256(&layer)), Some(&layer), "{case}: {}", ran.everything());
        let resumed =
            to.server.requests().iter().any(|request| request.header("content-range").is_some());
        assert_eq!(resumed, is_resumed, "{case}");
        assert_eq!(store.sessions.len(), if is_resumed { 2 } else { 3 }, "{case}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_once() {
    let (from, image) = source().await;
    let layer = image.layer_blob();
    let to =
        Believer::saying(3, layer.len(), |has, _| format!("0-{}", has.saturating_sub(1)), None);
    let target = format!("{}/acme/app:1", to.server.host());
    let ran = step_with_report(&target, &from.reference("a")).run().await.fails(6);
    let store = to.store();
    assert_eq!(store.blobs.get(&sha256(&layer)), Some(&layer), "{}", ran.everything());
    let mut resumed: HashMap<String, usize> = HashMap::new();
    for request in to.server.requests() {
        if request.header("content-range").is_some() {
            *resumed.entry(request.path().to_owned()).or_default() += 1;
        }
    }
    assert!(resumed.values().all(|count| *count == 1) && resumed.len() == 2, "{resumed:?}");
}

/// Trouble on the way is told as that, whatever the registry says of what it has.
#[tokio::test]
async fn an_upload_that_breaks_again_and_again_is_trouble_with_the_registry() {
    let (from, image) = source().await;
    let to = Believer::saying(1_000, image.layer_blob().len(), |_, _| "0-0".to_owned(), None);
    let target = format!("{}/acme/app:1", to.server.host());
    let ran = step_with_report(&target, &from.reference("a")).run().await.fails(7);
    assert!(ran.stdout.contains(": the registry failed\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("no tag was moved\n"), "{}", ran.stdout);
    let sessions = to.store().sessions.len();
    assert!(sessions > 3, "the layer is uploaded anew: {sessions}");
}

#[tokio::test]
async fn a_blob_that_became_another_one_moves_no_tag() {
    let (from, image) = source().await;
    let layer = image.layer_blob();
    // It says where it stands, and has put together something longer all the same.
    let to = Believer::saying(
        1,
        layer.len(),
        |has, _| format!("0-{}", has.saturating_sub(1)),
        Some(layer.len() + 5_000),
    );
    let target = format!("{}/acme/app:1", to.server.host());
    let ran = step_with_report(&target, &from.reference("a")).run().await.fails(5);
    assert!(ran.stdout.contains("bytes of a blob of"), "{}", ran.stdout);
    assert_eq!(to.store().tags, [""; 0]);
}

/// A blob that is there with another length is not the one that is wanted.
#[tokio::test]
async fn what_is_there_counts_by_its_length() {
    for (length, uploads) in [(Some(7), 1), (Some(0), 0), (None, 0)] {
        let (from, image) = source().await;
        let layer = image.layer_blob();
        let to = Believer::saying(0, layer.len(), |_, _| String::new(), length);
        {
            let mut store = to.store();
            for blob in [layer.clone(), image.config()] {
                store.blobs.insert(sha256(&blob), blob);
            }
        }
        let target = format!("{}/acme/app:1", to.server.host());
        step_with_report(&target, &from.reference("a")).run().await.fails(6);
        let layer = sha256(&layer).replace(':', "%3A");
        let sent = |request: &Request| request.method == "PUT" && request.target.contains(&layer);
        let sent = to.server.requests().iter().filter(|request| sent(request)).count();
        assert_eq!(sent, uploads, "{length:?}");
    }
}
