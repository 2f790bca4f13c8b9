//! What answers is no registry: a sign-in page, a firewall's notice, a web server. That is told as
//! what it is, with the host, and not as a broken image.

use crate::support::client::{OCI_MANIFEST, sha256};
use crate::support::images::OCI_CONFIG;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, manifest, step_at};
use crate::support::scripted::{Reply, Request, ScriptedServer, answer};
use crate::support::token::TokenServer;

const PAGE: &str = "<!doctype html><html><title>Sign in</title></html>";
const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");

/// Such a run says what stands there, and whether that is a registry.
#[track_caller]
fn told(case: &str, ran: Ran, why: &str) {
    let ran = ran.fails(7);
    assert!(ran.stdout.contains(why), "{case}: {why}\n{}", ran.stdout);
    assert!(ran.stdout.contains("a registry? A sign-in page"), "{case}: {}", ran.stdout);
    assert!(!ran.stdout.contains("line 1 column"), "{case}: {}", ran.stdout);
}

#[tokio::test]
async fn in_place_of_a_manifest() {
    for (case, header, body, what) in [
        ("a page", HTML, PAGE, "text/html"),
        ("a page under another name", ("Content-Type", OCI_MANIFEST), PAGE, "a web page"),
        ("a page without a type", ("X-Nothing", ""), PAGE, "a web page"),
        ("text", ("Content-Type", "text/plain"), "hello", "text/plain"),
        ("nothing", ("Content-Type", OCI_MANIFEST), "", "nothing"),
        ("a word", ("Content-Type", "application/json"), "null", "other text"),
    ] {
        let server = ScriptedServer::answering(move |_, _| answer(200, &[header], body));
        let host = server.host();
        let why = format!("{host} answered with {what}, not with a manifest");
        told(case, step_at(&host, &["amd64"]).run().await, &why);
        let requests = server.requests();
        let reads = |request: &&Request| request.path() == manifest("amd64");
        assert_eq!(requests.iter().filter(reads).count(), 1, "{case}: not asked again");
        assert!(requests.iter().all(|request| request.method != "PUT"), "{case}: {requests:?}");
        let digest = sha256(b"any");
        let sources = format!("{host}/{REPO}@{digest}");
        let by_digest = step_at(&host, &["amd64"]).input("sources", &sources).run().await;
        if body.starts_with('<') {
            told(&format!("{case}, by digest"), by_digest, &why);
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_sign_in_page() {
    let sign_in = ScriptedServer::answering(|_, _| answer(200, &[HTML], PAGE));
    let location = format!("http://{}/sign-in?return=canary", sign_in.host());
    let server = ScriptedServer::answering(move |_, _| answer(302, &[("Location", &location)], ""));
    let why = format!(
        "{}, to which {} redirects, answered with text/html, not with a manifest",
        sign_in.host(),
        server.host()
    );
    told("sign in", step_at(&server.host(), &["amd64"]).run().await, &why);
}

#[tokio::test]
async fn in_place_of_a_config() {
    let scene = Scene::with_amd64().await;
    scene.proxy.rule(
        Rule::on("GET", &format!("/v2/{REPO}/blobs/*"))
            .then(Fault::Status(200).header(HTML.0, HTML.1).body(PAGE)),
    );
    let why = format!("{} answered with text/html, not with a blob", scene.proxy.host());
    told("config", scene.step_of(&["amd64"]).run().await, &why);
}

#[tokio::test]
async fn in_place_of_a_token() {
    let tokens = TokenServer::new().start().await;
    for (case, body, what) in [
        ("a page", PAGE, "text/html"),
        ("no token", "{\"a\":1}", "other JSON"),
        ("", "", "nothing"),
    ] {
        let server = ScriptedServer::answering(move |_, _| answer(200, &[HTML], body));
        let scene = Scene::with_tokens(&tokens, &format!("http://{}/token", server.host())).await;
        let ran = scene.waiting_step().input("wait", "0").run().await;
        let (there, registry) = (server.host(), scene.proxy.host());
        let why = format!(
            "{there}, the token server of {registry}, answered with {what}, not with a token"
        );
        told(case, ran, &why);
    }
}

#[tokio::test]
async fn in_place_of_an_upload_and_of_a_push() {
    let source = Scene::empty().await;
    source.push(&amd64(), "amd64").await;
    let page = Fault::Status(200).header(HTML.0, HTML.1).body(PAGE);

    let target = Scene::empty().await;
    target.proxy.rule(Rule::on("POST", "/v2/*").then(page.clone()));
    let step = source.step("1").input("sources", &source.reference("amd64"));
    let ran = step.input("tags", &target.reference("1")).run().await;
    let host = target.proxy.host();
    let why = format!("{host} answered with text/html, not with an upload");
    told("upload", ran, &why);
    assert_eq!(target.digest("1").await, None);

    source.proxy.rule(Rule::on("PUT", &manifest("2")).then(page));
    let ran = source.step("2").input("sources", &source.reference("amd64")).run().await;
    let host = source.proxy.host();
    let why = format!("{host} answered with text/html, not with the confirmation of a push");
    told("push", ran, &why);
}

/// Nobody asks for compression, so what has it comes from something on the way.
#[tokio::test]
async fn a_compressed_answer() {
    let server = ScriptedServer::answering(|_, _| -> Reply {
        let headers = [("Content-Type", OCI_CONFIG), ("Content-Encoding", "gzip")];
        answer(200, &headers, [0x1f, 0x8b, 8, 0].as_slice()).into()
    });
    let why = format!("{} sent a compressed response, although none was requested", server.host());
    told("gzip", step_at(&server.host(), &["amd64"]).run().await, &why);
}
