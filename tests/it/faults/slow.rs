//! Answers that are slow, cut off, badly framed, or never come. The limits are half a minute
//! between two bytes, a minute for a whole request, ten seconds for a connection: the clock of
//! these runs goes fifty times faster.

use super::in_process::{failure, inputs_to, run_fast, run_fast_with_log};
use crate::support::certs::Authority;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, manifest};
use crate::support::tcp_server::TcpServer;
use manifest_action::error::Exit;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

const TIMES: u32 = 50;

#[track_caller]
fn took(case: &str, elapsed: Duration, seconds: RangeInclusive<u64>) {
    assert!(
        seconds.contains(&elapsed.as_secs()),
        "{case}: {elapsed:?} is not within {seconds:?} s"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_asked_for_again() {
    // A byte every ten seconds is never idle for long, and yet it must end.
    let drip = Fault::Drip(Duration::from_secs(10) / TIMES);
    for (case, fault, seconds) in [
        ("silence", Fault::Hang, 29..=45),
        ("a stall", Fault::Stall(20), 29..=45),
        ("a slow loris", drip, 59..=75),
    ] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("GET", &manifest("amd64")).nth(1).then(fault));
        let (ended, elapsed) = run_fast(TIMES, inputs_to(&scene, &["1"])).await;
        assert_eq!(
            (ended.exit, scene.proxy.count("GET", &manifest("amd64"))),
            (Exit::Done, 2),
            "{case}"
        );
        took(case, elapsed, seconds);
        assert!(scene.digest("1").await.is_some(), "{case}");
    }
}

#[tokio::test]
async fn a_registry_that_never_answers_in_time_is_named() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("GET", &manifest("amd64")).then(Fault::Hang));
    let (ended, elapsed) = run_fast(TIMES, inputs_to(&scene, &["1"])).await;
    let said = failure(&ended, Exit::Registry);
    assert!(said.contains("no response in time") && said.contains("tried 6 times"), "{said}");
    took("six times half a minute, and the pauses", elapsed, 179..=210);
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn a_push_that_hangs_is_told_while_it_does() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(Fault::Hang));
    let (ended, elapsed, log) = run_fast_with_log(TIMES, inputs_to(&scene, &["1"])).await;
    failure(&ended, Exit::Registry);
    let line = format!("silent   {} has not answered for ", scene.proxy.host());
    let told: Vec<&str> = log.lines().filter(|log| log.contains(&line)).collect();
    assert!(told[0].contains("for 15 s: PUT /v2/acme/app/manifests/1"), "{log}");
    // Twice a minute at least, and four times at most.
    let minutes = usize::try_from(elapsed.as_secs() / 60).unwrap();
    assert!((2 * minutes..=4 * minutes + 4).contains(&told.len()), "{elapsed:?}: {log}");
}

/// A byte now and then is no progress: each try has a minute, and goes on where the last one was.
#[tokio::test]
async fn a_blob_that_trickles_is_given_up() {
    let (scene, other) = (Scene::with_both().await, Scene::with_both().await);
    // The first two are the configs that are checked.
    scene.proxy.rule(
        Rule::on("GET", "*/blobs/*").from(3).then(Fault::Drip(Duration::from_secs(10) / TIMES)),
    );
    let mut inputs = inputs_to(&scene, &["1"]);
    inputs[0] = ("tags", other.full_name("other/name:1"));
    let (ended, elapsed) = run_fast(TIMES, inputs).await;
    let said = failure(&ended, Exit::Registry);
    assert!(said.contains("no response in time"), "{said}");
    took("six minutes, and the pauses", elapsed, 359..=430);
    assert_eq!(other.client.tags("other/name").await, Vec::<String>::new());
}

/// Whatever is asked about it, too: each try of six is given its minute, and half of one to look.
#[tokio::test]
async fn a_registry_that_falls_silent_over_a_blob_is_given_up() {
    let (scene, other) = (Scene::with_both().await, Scene::with_both().await);
    other.proxy.rule(Rule::on("PUT", "*/blobs/uploads/*").then(Fault::Hang));
    other.proxy.rule(Rule::on("HEAD", "*/blobs/*").from(5).then(Fault::Hang));
    other.proxy.rule(Rule::on("DELETE", "*").optional().then(Fault::Hang));
    let mut inputs = inputs_to(&scene, &["1"]);
    inputs[0] = ("tags", other.full_name("other/name:1"));
    let (ended, elapsed) = run_fast(TIMES, inputs).await;
    failure(&ended, Exit::Registry);
    took("six times a minute and a half", elapsed, 500..=620);
}

/// The time for it grows with the blob; these are small.
#[tokio::test]
async fn a_stored_blob_whose_answer_is_lost_costs_a_minute() {
    let (scene, other) = (Scene::with_both().await, Scene::with_both().await);
    other.proxy.rule(Rule::on("PUT", "*/blobs/uploads/*").first(4).then(Fault::HangAfterForward));
    let mut inputs = inputs_to(&scene, &["1"]);
    inputs[0] = ("tags", other.full_name("other/name:1"));
    let (ended, elapsed) = run_fast(TIMES, inputs).await;
    assert_eq!(ended.exit, Exit::Done, "{}", other.proxy.log_text());
    assert_eq!(other.proxy.count("PUT", "*/blobs/uploads/*"), 4, "none was sent twice");
    took("all blobs at once", elapsed, 59..=80);
}

#[tokio::test]
async fn a_slow_answer_does_not_outlast_the_wait() {
    let scene = Scene::with_both().await;
    scene
        .proxy
        .rule(Rule::on("GET", &manifest("amd64")).then(Fault::Drip(Duration::from_millis(100))));
    let ran = scene.waiting_step().input("wait", "1s").run().await.fails(7);
    assert!(ran.elapsed < Duration::from_secs(8), "{:?}", ran.elapsed);
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up_after_ten_seconds() {
    const CLIENT_HELLO: u8 = 0x16;
    let stalled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&stalled);
    // Speaks TLS, as far as one can tell: nothing else is answered, and a handshake not to its end.
    let server = TcpServer::serve(move |mut stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|read| read > 0)
                && buffer[0] == CLIENT_HELLO
            {
                counted.fetch_add(1, Ordering::Relaxed);
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            }
        }
    });
    let host = server.host();
    let source = ("sources", format!("{host}/acme/app:amd64"));
    let (ended, elapsed) = run_fast(
        TIMES,
        vec![("tags", format!("{host}/acme/app:1")), source, ("wait", "0".to_owned())],
    )
    .await;
    failure(&ended, Exit::Registry);
    took("six times ten seconds, and the pauses", elapsed, 59..=95);
    assert!(
        (6..=12).contains(&stalled.load(Ordering::Relaxed)),
        "tried again, for the source and the tag: {stalled:?}"
    );
}

/// Several requests share a connection of HTTP/2. When that is dead without being closed, the next
/// try needs another one.
#[tokio::test]
async fn a_dead_connection_does_not_swallow_all_tries() {
    // RFC 9113 section 6.5: no settings to speak of.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let authority = Authority::new("an authority");
    let mut config = authority.server(&["127.0.0.1"]).tls();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    let server = TcpServer::serve(move |stream, _| {
        let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            counted.fetch_add(1, Ordering::Relaxed);
            let mut buffer = [0; 4096];
            let _ = stream.write_all(&SETTINGS).await;
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let host = server.host();
    let inputs = vec![
        ("tags", format!("{host}/acme/app:1")),
        ("sources", format!("{host}/acme/app:amd64")),
        ("ca-file", ca.display().to_string()),
        ("wait", "0".to_owned()),
    ];
    let (ended, _) = run_fast(TIMES, inputs).await;
    failure(&ended, Exit::Registry);
    assert!(opened.load(Ordering::Relaxed) >= 6, "one for each try: {opened:?}");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_again_and_then_called_truncated() {
    for fault in [Fault::Truncate(20), Fault::BadChunks] {
        let scene = Scene::with_both().await;
        let case = format!("{fault:?}");
        let path = manifest("amd64");
        scene.proxy.rule(Rule::on("GET", &path).first(2).then(fault.clone()));
        let (ended, _) = run_fast(TIMES, inputs_to(&scene, &["1"])).await;
        assert_eq!((ended.exit, scene.proxy.count("GET", &path)), (Exit::Done, 3), "{case}");

        let path = manifest("arm64");
        let before = scene.proxy.count("GET", &path);
        scene.proxy.rule(Rule::on("GET", &path).then(fault));
        let (ended, _) = run_fast(TIMES, inputs_to(&scene, &["1"])).await;
        let said = failure(&ended, Exit::Registry);
        assert!(
            said.contains("the response was truncated") && said.contains("tried 6 times"),
            "{case}: {said}"
        );
        assert_eq!(scene.proxy.count("GET", &path) - before, 6, "{case}");
    }
}

#[tokio::test]
async fn ten_minutes_of_waiting_are_ten_minutes_of_the_clock_that_never_jumps() {
    // By the wall clock this takes seconds: a deadline that asked it would not be over.
    let scene = Scene::with_amd64().await;
    let mut inputs = inputs_to(&scene, &["1"]);
    inputs.retain(|(name, _)| *name != "wait");
    let (ended, elapsed) = run_fast(200, inputs).await;
    let said = failure(&ended, Exit::NotArrived);
    assert!(said.contains("did not arrive within 10m"), "{said}");
    took("the wait", elapsed, 600..=660);
}
