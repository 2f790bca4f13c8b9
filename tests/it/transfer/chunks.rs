//! Registries that take no more than so many bytes in one request of an upload
//! (`OCI-Chunk-Max-Length`), as those behind a proxy with a limit do.

use super::step_with_report;
use crate::support::client::sha256;
use crate::support::images::Image;
use crate::support::running::Ran;
use crate::support::scene::Scene;
use crate::support::scripted::{Reply, Request, ScriptedServer, answer};
use std::collections::HashMap;
use std::sync::Mutex;

const MOST: &str = "OCI-Chunk-Max-Length";
const LEAST: &str = "OCI-Chunk-Min-Length";

/// How a registry limits what it is sent at once.
#[derive(Clone, Copy)]
struct Manner {
    /// What it says, and whether it does so when a session begins or only later.
    most: &'static str,
    least: &'static str,
    is_told_late: bool,
    /// Bytes beyond which it refuses a request.
    limit: usize,
    breaks: Breaks,
}

const SMALL: Manner =
    Manner { most: "6000", least: "", is_told_late: false, limit: 6_000, breaks: Breaks::Never };

/// What becomes of the n-th request with bytes of the layer, from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Breaks {
    Never,
    /// [`Self::Half`] of the first request, the third and so on.
    EverySecond,
    /// Half of it is taken, and then the connection is reset.
    Half(usize),
    /// All of it is taken, and nobody hears of it.
    Unheard(usize),
}

#[derive(Default)]
struct Store {
    sessions: Vec<Vec<u8>>,
    blobs: HashMap<String, Vec<u8>>,
    chunks: usize,
}

/// A registry that holds uploads to its limit: a longer request, or one that does not go on where
/// the last one ended, is refused. Each answer of a session names another place to go on at.
fn registry(manner: Manner) -> ScriptedServer {
    let store: Mutex<Store> = Mutex::default();
    ScriptedServer::answering(move |request: &Request, _| {
        reply(&mut store.lock().unwrap(), request, manner)
    })
}

fn reply(store: &mut Store, request: &Request, manner: Manner) -> Reply {
    let path = request.path();
    let session = path.split_once("/uploads/").and_then(|(_, id)| id.parse::<usize>().ok());
    let place = |id: usize, has: usize| format!("/v2/acme/app/blobs/uploads/{id}?state={has}");
    let accepted = |status, id: usize, has: usize| {
        let (place, range) = (place(id, has), format!("0-{}", has.saturating_sub(1)));
        let mut headers = vec![("Location", place.as_str()), ("Range", range.as_str())];
        if !(manner.is_told_late && request.method == "POST") {
            headers.extend([(MOST, manner.most), (LEAST, manner.least)]);
        }
        answer(status, &headers, "").into()
    };
    if let Some(id) = session.filter(|_| request.method != "DELETE") {
        let state = format!("state={}", store.sessions[id].len());
        // After what was not heard of, the place that is known is an old one.
        if !request.target.contains(&state) && request.method != "GET" {
            return answer(404, &[], "").into();
        }
    }
    match (request.method.as_str(), session) {
        ("POST", _) if path.ends_with("/uploads/") => {
            store.sessions.push(Vec::new());
            accepted(202, store.sessions.len() - 1, 0)
        }
        ("PATCH", Some(id)) => {
            store.chunks += usize::from(request.body.len() > 1_000);
            let has = store.sessions[id].len();
            let bytes = &request.body;
            let range = format!("{has}-{}", has + bytes.len().saturating_sub(1));
            if bytes.len() > manner.limit {
                return answer(413, &[], "").into();
            }
            if request.header("content-range").is_some_and(|told| told != range) {
                return answer(416, &[], "").into();
            }
            let nth = if bytes.len() > 1_000 { store.chunks } else { 0 };
            let taken = match manner.breaks {
                Breaks::Half(at) if at == nth => bytes.len() / 2,
                Breaks::EverySecond if nth % 2 == 1 => bytes.len() / 2,
                _ => bytes.len(),
            };
            store.sessions[id].extend_from_slice(&bytes[..taken]);
            if taken < bytes.len() || manner.breaks == Breaks::Unheard(nth) {
                return Reply::Reset;
            }
            accepted(202, id, store.sessions[id].len())
        }
        ("GET", Some(id)) => accepted(204, id, store.sessions[id].len()),
        ("PUT", Some(id)) => {
            let digest = request.target.split_once("digest=").unwrap().1.replace("%3A", ":");
            let bytes = store.sessions[id].clone();
            if sha256(&bytes) != digest {
                return answer(400, &[], "").into();
            }
            store.blobs.insert(digest, bytes);
            answer(201, &[], "").into()
        }
        // The list itself is not what this is about.
        ("PUT", None) if path.ends_with("/1") => answer(403, &[], "").into(),
        ("PUT", None) => {
            answer(201, &[("Docker-Content-Digest", &sha256(&request.body))], "").into()
        }
        ("HEAD", _) if path.contains("/blobs/") => {
            match store.blobs.get(path.rsplit('/').next().unwrap()) {
                Some(blob) => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", blob.len());
                    head.into_bytes().into()
                }
                None => answer(404, &[], "").into(),
            }
        }
        _ => answer(404, &[], "").into(),
    }
}

/// Publishes an image whose layer has so many bytes, more or less; returns it too.
async fn publish(to: &ScriptedServer, size: usize) -> (Ran, Image) {
    let from = Scene::empty().await;
    let image = Image::oci("linux/amd64").layer_size(size);
    from.push(&image, "a").await;
    let target = format!("{}/acme/app:1", to.host());
    let ran = step_with_report(&target, &from.reference("a")).run().await;
    (ran, image)
}

/// Bytes and `Content-Range` of the requests with bytes of a session.
fn chunks(to: &ScriptedServer, session: &str) -> Vec<(usize, Option<String>)> {
    to.requests()
        .iter()
        .filter(|request| request.method == "PATCH" && request.path() == session)
        .map(|request| (request.body.len(), request.header("content-range").map(ToOwned::to_owned)))
        .collect()
}

/// The session that this layer came whole of.
fn session_of(to: &ScriptedServer, layer: &[u8]) -> String {
    let digest = sha256(layer).replace(':', "%3A");
    let ends = |request: &&Request| request.method == "PUT" && request.target.contains(&digest);
    to.requests().iter().find(ends).expect("the upload of the layer ended").path().to_owned()
}

#[tokio::test]
async fn an_upload_is_sent_in_pieces_that_the_registry_takes() {
    let to = registry(SMALL);
    let (ran, image) = publish(&to, 20_000).await;
    let ran = ran.fails(6);
    let layer = image.layer_blob();
    let sent = chunks(&to, &session_of(&to, &layer));
    assert!(sent.len() >= 4, "{sent:?}: {}", ran.everything());
    let mut at = 0;
    for (bytes, range) in &sent {
        assert_eq!(range.as_deref(), Some(format!("{at}-{}", at + bytes - 1).as_str()), "{sent:?}");
        at += bytes;
    }
    assert_eq!(at, layer.len());
    assert!(sent[..sent.len() - 1].iter().all(|(bytes, _)| *bytes == 6_000), "{sent:?}");
    assert_eq!(to.requests().iter().filter(|request| request.method == "GET").count(), 0);
}

/// Every piece breaks in every way, and goes on where the registry stands.
#[tokio::test]
async fn a_piece_that_breaks_goes_on_where_the_registry_stands() {
    for nth in 1..=4 {
        for breaks in [Breaks::Half(nth), Breaks::Unheard(nth)] {
            let to = registry(Manner { breaks, ..SMALL });
            let (ran, image) = publish(&to, 20_000).await;
            let ran = ran.fails(6);
            let layer = image.layer_blob();
            let session = session_of(&to, &layer);
            let case = format!("{breaks:?}");
            let sent = chunks(&to, &session);
            assert!(sent.iter().all(|(bytes, _)| *bytes <= 6_000), "{case}: {sent:?}");
            let opened = to.requests().iter().filter(|request| request.method == "POST").count();
            // After the last byte there is nothing to go on with: another session is safe.
            let expected = if breaks == Breaks::Unheard(4) { 3 } else { 2 };
            assert_eq!(opened, expected, "{case}: {}", ran.everything());
        }
    }
}

/// That one of them broke does not count against the next.
#[tokio::test]
async fn many_pieces_may_break() {
    let to = registry(Manner { breaks: Breaks::EverySecond, ..SMALL });
    let (ran, image) = publish(&to, 40_000).await;
    let ran = ran.fails(6);
    let sent = chunks(&to, &session_of(&to, &image.layer_blob()));
    assert!(sent.len() >= 8, "{sent:?}");
    let opened = to.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(opened, 2, "one for the layer, one for the config: {}", ran.everything());
}

/// What names no limit is none, nor is one that would cut a blob into dust, and one that is larger
/// than the blob changes nothing.
#[tokio::test]
async fn a_limit_that_does_not_matter_changes_nothing() {
    for most in ["0", "-1", "many", "", "99999999999999999999999", "1000000", "1"] {
        let to = registry(Manner { most, limit: usize::MAX, ..SMALL });
        let (ran, image) = publish(&to, 20_000).await;
        let ran = ran.fails(6);
        let layer = image.layer_blob();
        let sent = chunks(&to, &session_of(&to, &layer));
        assert_eq!(sent, [(layer.len(), None)], "{most:?}: {}", ran.everything());
    }
}

/// A limit that is kept and cannot be obeyed ends in one request, and its refusal is told.
#[tokio::test]
async fn a_limit_that_cannot_be_obeyed_is_told() {
    let to = registry(Manner { most: "1", limit: 1, ..SMALL });
    let (ran, image) = publish(&to, 20_000).await;
    let told = ran.fails(7).everything();
    assert!(told.contains("→ 413") && told.contains("an upload this large"), "{told}");
    let layer = image.layer_blob().len();
    let is_of_layer = |request: &&Request| request.method == "PATCH" && request.body.len() > 1;
    let sent: Vec<_> =
        to.requests().iter().filter(is_of_layer).map(|sent| sent.body.len()).collect();
    assert_eq!(sent, [layer], "{told}");
}

/// Where the shortest piece would be longer than the longest, the longest counts: the last one may be
/// as short as it is.
#[tokio::test]
async fn a_limit_below_the_least_counts() {
    for least in ["7000", "0", "-1", "many", "99999999999999999999999"] {
        let to = registry(Manner { least, ..SMALL });
        let (ran, image) = publish(&to, 20_000).await;
        let ran = ran.fails(6);
        let layer = image.layer_blob();
        let sent = chunks(&to, &session_of(&to, &layer));
        assert_eq!(sent.len(), layer.len().div_ceil(6_000), "{least}: {}", ran.everything());
    }
}

/// One that only a later answer of a session names is for what is sent after it.
#[tokio::test]
async fn the_limit_may_come_with_any_answer_of_a_session() {
    let breaks = Breaks::Half(1);
    let to = registry(Manner { is_told_late: true, limit: usize::MAX, breaks, ..SMALL });
    let (ran, image) = publish(&to, 20_000).await;
    let ran = ran.fails(6);
    let layer = image.layer_blob();
    let sent = chunks(&to, &session_of(&to, &layer));
    let half = layer.len() / 2;
    let first_of_the_rest = format!("{half}-{}", half + 5_999);
    assert_eq!(sent[0], (layer.len(), None), "{}", ran.everything());
    assert_eq!(sent[1], (6_000, Some(first_of_the_rest)), "{sent:?}");
    assert_eq!(sent.len(), 3, "{sent:?}");
}
