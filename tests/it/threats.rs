//! What a hostile registry may try, and what must come of it. SECURITY.md has the list.

use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::{Image, OCI_CONFIG};
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, manifest, step_at};
use crate::support::scripted::{Reply, Request, ScriptedServer, answer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const USER: &str = "ci";
const PASSWORD: &str = "s3cret-canary";
/// What a list may cost; the run of a debug build with nothing special takes about 15 MiB.
const MOST_KIB: u64 = 64 << 10;

/// A registry that says this about the source, and that nothing else is there.
fn saying<L: Into<Reply> + Clone + Send + Sync + 'static>(about_the_source: L) -> ScriptedServer {
    ScriptedServer::answering(move |request, _| -> Reply {
        if request.method == "GET" && request.path() == manifest("amd64") {
            return about_the_source.clone().into();
        }
        answer(404, &[], "").into()
    })
}

fn whole(media_type: &str, body: impl Into<Vec<u8>>) -> Vec<u8> {
    answer(200, &[("Content-Type", media_type)], body)
}

#[track_caller]
fn carries_nothing(requests: &[Request]) {
    assert!(!requests.is_empty(), "the redirect was followed");
    for request in requests {
        for name in ["authorization", "cookie", "referer", "proxy-authorization"] {
            assert_eq!(request.header(name), None, "{request:?}");
        }
    }
}

#[tokio::test]
async fn redirects_carry_nothing_along() {
    let scene = Scene::with_login(USER, PASSWORD).await;
    let config = amd64().config();
    let digest = sha256(&config);
    let served = config.clone();
    let storage = ScriptedServer::answering(move |_, _| {
        answer(200, &[("Set-Cookie", "a=b")], served.clone())
    });
    let named = storage.host().replace("127.0.0.1", "localhost");
    for host in [storage.host(), named] {
        let to = Fault::Redirect(format!("http://{host}/{digest}?signature=x"));
        scene.proxy.rule(Rule::on("GET", &format!("/v2/{REPO}/blobs/{digest}")).nth(1).then(to));
        scene.waiting_step().input("username", USER).input("password", PASSWORD).run().await.ok();
    }
    let requests = storage.requests();
    carries_nothing(&requests);
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.query() == "signature=x"), "{requests:?}");
}

#[tokio::test]
async fn a_login_is_not_attached_again_on_the_way_back() {
    let image = amd64().manifest();
    let away: Arc<Mutex<String>> = Arc::default();
    let to = away.clone();
    let registry =
        ScriptedServer::answering(move |request, _| match request.header("authorization") {
            None if request.path() == "/back" => whole(OCI_MANIFEST, image.clone()),
            None => answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""),
            Some(_) if request.path() == manifest("amd64") => {
                answer(307, &[("Location", &to.lock().unwrap())], "")
            }
            Some(_) => answer(404, &[], ""),
        });
    let back = format!("http://{}/back", registry.host());
    let other = ScriptedServer::answering(move |_, _| answer(307, &[("Location", &back)], ""));
    *away.lock().unwrap() = format!("http://{}/", other.host());
    step_at(&registry.host(), &["amd64"])
        .input("username", USER)
        .input("password", PASSWORD)
        .run()
        .await;
    carries_nothing(&other.requests());
    let (back, first): (Vec<Request>, Vec<Request>) =
        registry.requests().into_iter().partition(|request| request.path() == "/back");
    carries_nothing(&back);
    assert!(
        first.iter().any(|request| request.header("authorization").is_some()),
        "the registry itself was logged in to"
    );
}

/// What answers where a registry redirects to does not speak for the registry: its challenge is not
/// taken for the registry's, by GET or HEAD, of a manifest or a blob, with a login that is known or
/// that is asked for the first time.
#[tokio::test]
async fn a_challenge_from_elsewhere_is_not_answered() {
    let realm = ScriptedServer::answering(|_, _| answer(200, &[], r#"{"token":"stolen"}"#));
    let bearer = format!("Bearer realm=\"http://{}/token\",service=\"x\"", realm.host());
    for challenge in ["Basic realm=\"x\"".to_owned(), bearer] {
        let elsewhere = ScriptedServer::answering(move |_, _| {
            answer(401, &[("WWW-Authenticate", &challenge)], "")
        });
        let config = format!("/v2/{REPO}/blobs/{}", sha256(&amd64().config()));
        for (method, path) in [("GET", manifest("amd64")), ("GET", config), ("HEAD", manifest("1"))]
        {
            for scene in [Scene::with_login(USER, PASSWORD).await, Scene::with_both().await] {
                let to = Fault::Redirect(format!("http://{}/x", elsewhere.host()));
                scene.proxy.rule(Rule::on(method, &path).then(to));
                let step = scene.waiting_step().input("username", USER);
                let ran = step.input("password", PASSWORD).input("wait", "0").run().await.fails(7);
                let host = elsewhere.host();
                assert!(
                    ran.stdout.contains(&format!("redirects to {host}, which requires a login")),
                    "{}",
                    ran.stdout
                );
                scene.proxy.finish();
            }
        }
        carries_nothing(&elsewhere.requests());
        assert!(!elsewhere.requests().is_empty(), "the redirects were followed");
    }
    assert_eq!(realm.requests().len(), 0, "{:?}", realm.requests());
}

#[tokio::test]
async fn redirects_that_are_refused() {
    let nobody = ScriptedServer::answering(|_, _| answer(200, &[], ""));
    let host = nobody.host();
    for location in [
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        "http://0.0.0.0/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "https://100.100.100.200/".to_owned(),
        format!("http://user:secret@{host}/"),
        format!("ftp://{host}/"),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
    ] {
        let server = saying(answer(307, &[("Location", &location)], ""));
        let ran = step_at(&server.host(), &["amd64"]).run().await.fails(7);
        assert!(ran.stdout.contains("address that is not allowed"), "{location}: {}", ran.stdout);
        assert!(
            !ran.stdout.contains("tried ") && ran.elapsed < Duration::from_secs(20),
            "{location}: not tried: {}",
            ran.everything()
        );
    }
    assert_eq!(nobody.connections(), 0);
}

#[tokio::test]
async fn redirects_end() {
    let server = ScriptedServer::answering(|request, nth| match request.method.as_str() {
        "GET" => answer(307, &[("Location", &format!("/again/{nth}"))], ""),
        _ => answer(404, &[], ""),
    });
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(7);
    assert!(ran.stdout.contains("more than 5 redirects"), "{}", ran.stdout);
    assert_eq!(server.requests().iter().filter(|request| request.method == "GET").count(), 6);
}

#[tokio::test]
async fn realms_that_are_refused() {
    let nobody = ScriptedServer::answering(|_, _| answer(200, &[], r#"{"token": "x"}"#));
    let host = nobody.host();
    for realm in [
        "http://169.254.169.254/token".to_owned(),
        "https://169.254.169.254/token".to_owned(),
        "http://[::ffff:169.254.169.254]/token".to_owned(),
        "http://2852039166/token".to_owned(),
        "http://0251.0376.0251.0376/token".to_owned(),
        "http://0.0.0.0/token".to_owned(),
        format!("ftp://{host}/token"),
        format!("http://user:secret@{host}/token"),
        format!("file:///{host}/token"),
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        let server = ScriptedServer::answering(move |_, _| {
            answer(401, &[("WWW-Authenticate", &challenge)], "")
        });
        let ran = step_at(&server.host(), &["amd64"])
            .input("username", USER)
            .input("password", PASSWORD)
            .run()
            .await
            .fails(7);
        assert!(
            ran.stdout.contains("names a token server that is not allowed"),
            "{realm}: {}",
            ran.stdout
        );
        assert!(
            !ran.stdout.contains("tried ") && ran.elapsed < Duration::from_secs(20),
            "{realm}: not tried: {}",
            ran.everything()
        );
        ran.never_says("secret@");
    }
    assert_eq!(nobody.connections(), 0);
}

#[tokio::test]
async fn a_token_server_cannot_hand_a_login_on() {
    let thief = ScriptedServer::answering(|_, _| answer(200, &[], r#"{"token": "x"}"#));
    let location = format!("http://{}/token", thief.host());
    let server = ScriptedServer::answering(move |request, _| match request.path() {
        "/token" => answer(307, &[("Location", &location)], ""),
        _ => answer(401, &[("WWW-Authenticate", "Bearer realm=\"/token\"")], ""),
    });
    let ran = step_at(&server.host(), &["amd64"])
        .input("username", USER)
        .input("password", PASSWORD)
        .run()
        .await
        .fails(7);
    assert!(ran.stdout.contains("the token server redirects"), "{}", ran.stdout);
    assert_eq!(thief.connections(), 0);
}

#[tokio::test]
async fn a_write_is_never_redirected() {
    let scene = Scene::with_both().await;
    let thief = ScriptedServer::answering(|_, _| answer(201, &[], ""));
    scene.proxy.rule(
        Rule::on("PUT", &manifest("1")).then(Fault::Redirect(format!("http://{}/", thief.host()))),
    );
    scene.waiting_step().run().await.fails(7);
    assert_eq!(thief.connections(), 0);
}

#[tokio::test]
async fn foreign_layers_are_never_fetched() {
    let scene = Scene::with_both().await;
    let elsewhere = ScriptedServer::answering(|_, _| answer(200, &[], "x"));
    let windows = Image::docker("windows(10.0.20348.2700)/amd64");
    windows.push(&scene.client, REPO, "windows").await;
    // This registry takes no addresses in layers, so they are put in on the way; and nothing is
    // pushed.
    let urls = json!([format!("http://{}/layer", elsewhere.host())]);
    let foreign = move |body: Vec<u8>| {
        let mut image: Value = serde_json::from_slice(&body).unwrap();
        image["layers"][0]["mediaType"] =
            json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
        image["layers"][0]["urls"] = urls.clone();
        serde_json::to_vec(&image).unwrap()
    };
    scene.proxy.rule(Rule::on("GET", &manifest("windows")).then(Fault::alter(foreign)));
    let sources = format!("{}\n{}", scene.reference("amd64"), scene.reference("windows"));
    let ran =
        scene.waiting_step().input("sources", &sources).input("dry-run", "true").run().await.ok();
    assert!(ran.output("platforms").unwrap().contains("windows(10.0.20348.2700)/amd64"));
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(
        scene.proxy.count("GET", "*/blobs/*"),
        2,
        "the two configs: {}",
        scene.proxy.log_text()
    );
}

#[tokio::test]
async fn manifests_that_contradict_themselves() {
    let config = json!({"mediaType": OCI_CONFIG, "digest": sha256(b"{}"), "size": 2});
    let entry = json!({"mediaType": OCI_MANIFEST, "digest": sha256(b"{}"), "size": 2});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let both = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry], "config": config, "layers": []});
    let twice = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[],"manifests":[{entry}]}}"#
    );
    let negative = index.to_string().replace("\"size\":2", "\"size\":-2");
    for (case, header, body) in [
        ("an index and an image", OCI_INDEX, both.to_string()),
        ("another type in the header", OCI_MANIFEST, index.to_string()),
        ("a key twice", OCI_INDEX, twice),
        ("a negative size", OCI_INDEX, negative.clone()),
        ("a size of 0", OCI_INDEX, negative.replace("-2", "0")),
        ("a size beyond all numbers", OCI_INDEX, negative.replace("-2", "1e400")),
        ("a size beyond Go's", OCI_INDEX, negative.replace("-2", "9223372036854775808")),
        ("a digest of no algorithm", OCI_INDEX, index.to_string().replace("sha256:", "md5:")),
        ("a digest in capitals", OCI_INDEX, index.to_string().replace("sha256:4", "sha256:A")),
        ("a digest that is a path", OCI_INDEX, index.to_string().replace("sha256:4", "sha256:../")),
        (
            "schema 1",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            r#"{"schemaVersion":1}"#.to_owned(),
        ),
        ("a list", OCI_INDEX, "[]".to_owned()),
    ] {
        let server = saying(whole(header, body));
        let ran = step_at(&server.host(), &["amd64"]).run().await.fails(5);
        assert!(
            server.requests().iter().all(|request| request.method != "PUT"),
            "{case}: {}",
            ran.stdout
        );
        assert_eq!(
            server.requests().iter().filter(|request| request.method == "GET").count(),
            1,
            "{case}: not asked again"
        );
    }
}

#[tokio::test]
async fn bytes_of_another_digest() {
    let scene = Scene::with_both().await;
    let spoil = || {
        Fault::AlterBody(|body| {
            body.iter().map(|byte| if *byte == b'6' { b'7' } else { *byte }).collect()
        })
    };
    let config = sha256(&amd64().config());
    let pinned = format!("{}/{REPO}@{}", scene.proxy.host(), amd64().digest());
    for (case, path, sources) in [
        ("a manifest", manifest(&amd64().digest()), pinned),
        ("a config", format!("/v2/{REPO}/blobs/{config}"), scene.reference("amd64")),
    ] {
        scene.proxy.rule(Rule::on("GET", &path).then(spoil()));
        let before = scene.proxy.count("GET", &path);
        let ran = scene.waiting_step().input("sources", &sources).run().await.fails(5);
        assert!(
            ran.stdout.contains("the content received does not match"),
            "{case}: {}",
            ran.stdout
        );
        assert_eq!(
            scene.proxy.count("GET", &path) - before,
            2,
            "{case}: once more, in case it was an accident"
        );
    }
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn bytes_that_were_spoilt_once() {
    let scene = Scene::with_both().await;
    let config = format!("/v2/{REPO}/blobs/{}", sha256(&amd64().config()));
    scene.proxy.rule(
        Rule::on("GET", &config)
            .nth(1)
            .then(Fault::AlterBody(|body| body.iter().map(|byte| byte ^ 1).collect())),
    );
    scene.waiting_step().run().await.ok();
}

#[tokio::test]
async fn a_wrong_digest_in_a_header_changes_nothing() {
    let scene = Scene::with_both().await;
    let wrong_digest = || Fault::SetHeader("Docker-Content-Digest", sha256(b"something else"));
    scene.proxy.rule(Rule::on("GET", &manifest("amd64")).then(wrong_digest()));
    scene.proxy.rule(Rule::on("GET", &manifest("1")).then(wrong_digest()));
    let ran = scene.waiting_step().run().await.ok();
    let digests: Value = serde_json::from_str(&ran.output("digests").unwrap()).unwrap();
    assert_eq!(digests["linux/amd64"], amd64().digest(), "the bytes tell");
    assert_eq!(ran.output("digest"), scene.digest("1").await);
}

#[tokio::test]
async fn a_registry_that_stores_something_else_is_caught() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(
        Rule::on("PUT", &manifest("1"))
            .then(Fault::SetHeader("Docker-Content-Digest", sha256(b"else"))),
    );
    let ran = scene.waiting_step().run().await;
    assert!(matches!(ran.status, 5 | 8), "{}", ran.everything());
    assert!(
        ran.stdout.contains(&format!("the registry stored {}", sha256(b"else"))),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.raw_output_file().unwrap(), "");
}

#[track_caller]
fn is_small(case: &str, ran: &Ran) {
    assert!(ran.max_rss_kib < MOST_KIB, "{case}: {} KiB", ran.max_rss_kib);
}

#[tokio::test]
async fn answers_without_end() {
    let head = |more: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {OCI_INDEX}\r\n{more}\r\n\r\n").into_bytes()
    };
    let chunked = || head("Transfer-Encoding: chunked");
    let chunk = |byte: u8| [b"10000\r\n".to_vec(), vec![byte; 0x10000], b"\r\n".to_vec()].concat();
    for (case, reply) in [
        ("chunks", Reply::Endless(chunked(), chunk(b'['))),
        (
            "a body to the end of the connection",
            Reply::Endless(head("Connection: close"), vec![b' '; 0x10000]),
        ),
        ("a huge length", Reply::Endless(head("Content-Length: 10000000000"), vec![b' '; 0x10000])),
        (
            "a length beyond all numbers",
            Reply::Bytes(head("Content-Length: 99999999999999999999999")),
        ),
    ] {
        let server = saying(reply);
        let running = step_at(&server.host(), &["amd64"])
            .input("insecure-registries", &server.host())
            .input("log-level", "debug")
            .spawn()
            .await;
        // Broken HTTP is tried again, what is only too large is not.
        let ran = if case.ends_with("numbers") {
            running.wait_for_line("again in").await;
            running.signal("TERM").await;
            running.wait().await.fails(143)
        } else {
            running.wait().await.fails(5)
        };
        assert!(
            server.endless_bytes() < 16 << 20,
            "{case}: it stopped reading: {}",
            server.endless_bytes()
        );
        is_small(case, &ran);
    }
}

#[tokio::test]
async fn errors_without_end() {
    let head = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    let server = saying(Reply::Endless(head, chunk));
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(6);
    assert!(server.endless_bytes() < 16 << 20, "{}", server.endless_bytes());
    is_small("an error", &ran);
    assert!(ran.stdout.len() < 4000, "a short excerpt: {}", ran.stdout.len());
}

#[tokio::test]
async fn token_answers_without_end() {
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    let server = ScriptedServer::answering(move |request, _| -> Reply {
        match request.path() {
            "/token" => Reply::Endless(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
                chunk.clone(),
            ),
            _ => answer(401, &[("WWW-Authenticate", "Bearer realm=\"/token\"")], "").into(),
        }
    });
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(5);
    assert!(server.endless_bytes() < 16 << 20, "{}", server.endless_bytes());
    is_small("a token", &ran);
}

#[tokio::test]
async fn a_config_of_another_size() {
    let scene = Scene::with_both().await;
    // A wrong answer does not give itself away by the digest of the right one.
    let unsaid = || Fault::DropHeader("Docker-Content-Digest");
    for size in [1, 299, 100_000, 5 << 20, u64::MAX] {
        let mut image: Value = serde_json::from_slice(&amd64().manifest()).unwrap();
        image["config"]["size"] = json!(size);
        let bytes = serde_json::to_vec(&image).unwrap();
        let wrong = Fault::alter(move |_| bytes.clone());
        scene.proxy.rule(Rule::on("GET", &manifest("amd64")).nth(1).then(wrong).then(unsaid()));
        let ran = scene.waiting_step().run().await.fails(5);
        is_small(&size.to_string(), &ran);
    }
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn answers_that_are_compressed_unasked() {
    for encoding in ["gzip", "br", "zstd", "deflate, gzip"] {
        let server = saying(answer(
            200,
            &[("Content-Encoding", encoding), ("Content-Type", OCI_INDEX)],
            "x",
        ));
        let ran = step_at(&server.host(), &["amd64"]).run().await.fails(7);
        assert!(
            ran.stdout.contains("sent a compressed response, although none was requested"),
            "{encoding}: {}",
            ran.stdout
        );
        assert!(
            server.requests().iter().all(|request| request.header("accept-encoding").is_none())
        );
    }
}

#[tokio::test]
async fn deep_and_huge_documents() {
    const LARGEST: usize = 4 << 20;
    let index = |rest: &str| {
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[]{rest}}}"#)
    };
    let fill = |one: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for at in 0.. {
            let next = one(at);
            if text.len() + next.len() + 300 > LARGEST {
                break;
            }
            text.push_str(if at == 0 { "" } else { "," });
            text.push_str(&next);
        }
        text
    };
    let annotations = fill(&|at| format!("\"{at:x}\":\"\""));
    let nested = format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":1}}"#, sha256(b""));
    for (case, body) in [
        ("nothing but brackets", "[".repeat(LARGEST - 1)),
        ("200 levels", index(&format!(",\"x\":{}{}", "[".repeat(200), "]".repeat(200)))),
        ("as many annotations as fit", index(&format!(",\"annotations\":{{{annotations}}}"))),
        ("as many numbers as fit", index(&format!(",\"x\":[{}]", fill(&|_| "0".to_owned())))),
        (
            "as many entries as fit",
            index("").replace("[]", &format!("[{}]", fill(&|_| nested.clone()))),
        ),
        ("more than fits", " ".repeat(LARGEST + 1)),
    ] {
        assert!(body.len() < LARGEST + 2);
        let server = saying(whole(OCI_INDEX, body));
        let ran = step_at(&server.host(), &["amd64"]).run().await.fails(5);
        is_small(case, &ran);
        assert!(ran.elapsed < Duration::from_secs(20), "{case}: {:?}", ran.elapsed);
    }
}

/// A registry with this index at the tag, and these by digest.
fn indexes(root: Vec<u8>, more: Vec<Vec<u8>>) -> ScriptedServer {
    let more: HashMap<String, Vec<u8>> =
        more.into_iter().map(|bytes| (manifest(&sha256(&bytes)), bytes)).collect();
    ScriptedServer::answering(move |request, _| match more.get(request.path()) {
        Some(bytes) => whole(OCI_INDEX, bytes.clone()),
        None if request.method == "GET" && request.path() == manifest("amd64") => {
            whole(OCI_INDEX, root.clone())
        }
        None => answer(404, &[], ""),
    })
}

fn index_of(inner: &[Vec<u8>], seed: usize) -> Vec<u8> {
    index_of_entries(inner.iter().map(|bytes| (sha256(bytes), bytes.len())), seed)
}

/// Of indexes by digest and size.
fn index_of_entries(inner: impl Iterator<Item = (String, usize)>, seed: usize) -> Vec<u8> {
    let entries: Vec<Value> = inner
        .map(|(digest, size)| json!({"mediaType": OCI_INDEX, "digest": digest, "size": size}))
        .collect();
    serde_json::to_vec(
        &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "annotations": {"seed": seed.to_string()}}),
    )
    .unwrap()
}

#[tokio::test]
async fn indexes_in_indexes_end() {
    // Deep: each holds the next one.
    let mut chain = vec![index_of(&[], 0)];
    for depth in 1..12 {
        chain.push(index_of(std::slice::from_ref(&chain[depth - 1]), depth));
    }
    let server = indexes(chain.pop().unwrap(), chain);
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(5);
    assert!(ran.stdout.contains("indexes inside indexes, more than 3 deep"), "{}", ran.stdout);
    assert!(server.requests().len() <= 6, "{}", server.requests().len());

    // Wide: one entry stands in it twice.
    let leaf = index_of(&[], 1);
    let server = indexes(index_of(&[leaf.clone(), leaf.clone()], 2), vec![leaf]);
    step_at(&server.host(), &["amd64"]).run().await.fails(5);
    assert!(server.requests().len() <= 4, "{}", server.requests().len());

    // Wide at every level: 40 indexes of 200 indexes each.
    let leaves: Vec<(String, usize)> =
        (0..200).map(|seed: usize| (sha256(&seed.to_le_bytes()), 200)).collect();
    let middle: Vec<Vec<u8>> =
        (0..40).map(|seed| index_of_entries(leaves.iter().cloned(), seed)).collect();
    let server = indexes(index_of(&middle, 5000), middle);
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(5);
    assert!(ran.stdout.contains("more than 256 entries"), "{}", ran.stdout);
    assert!(
        server.requests().len() <= 10,
        "it stops as soon as there are too many: {}",
        server.requests().len()
    );
    is_small("wide indexes", &ran);

    // Wide at once.
    let entries: Vec<Value> = (0..1000)
        .map(|at| json!({"mediaType": OCI_MANIFEST, "digest": sha256(format!("{at}").as_bytes()), "size": 2, "platform": {"os": "linux", "architecture": "amd64"}}))
        .collect();
    let wide =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    let server = indexes(wide.into_bytes(), Vec::new());
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(5);
    assert!(server.requests().len() <= 3, "no child is looked up: {}", server.requests().len());
    is_small("a wide index", &ran);
}

#[tokio::test]
async fn a_proxy_never_sees_loopback() {
    let thief = ScriptedServer::answering(|_, _| answer(200, &[], ""));
    let scene = Scene::with_both().await;
    let address = format!("http://user:proxy-canary@{}", thief.host());
    let mut step = scene.waiting_step().input("log-level", "trace");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        step = step.env(name, &address);
    }
    let ran = step.run().await.ok();
    assert_eq!(thief.connections(), 0);
    ran.never_says("proxy-canary");
}

#[tokio::test]
async fn the_password_of_a_proxy_is_not_told() {
    // A name that only the proxy would know.
    for (proxy, insecure, status, exit) in
        [("HTTP_PROXY", "registry.test", 403, 6), ("HTTP_PROXY", "registry.test", 407, 7)]
    {
        let through = ScriptedServer::answering(move |request, _| {
            answer(
                status,
                &[("Proxy-Authenticate", "Basic realm=\"proxy-canary\"")],
                format!("{:?}", request.headers),
            )
        });
        let ran = step_at("registry.test", &["amd64"])
            .input("insecure-registries", insecure)
            .input("log-level", "trace")
            .env(proxy, format!("http://user:proxy-canary@{}", through.host()))
            .run()
            .await
            .fails(exit);
        assert!(
            through
                .requests()
                .iter()
                .all(|request| request.target.starts_with("http://registry.test/")),
            "through the proxy"
        );
        assert!(
            through.requests()[0].header("proxy-authorization").is_some(),
            "{:?}",
            through.requests()
        );
        ran.never_says("proxy-canary").never_says("dXNlcjpwcm94eS1jYW5hcnk");
    }
}
