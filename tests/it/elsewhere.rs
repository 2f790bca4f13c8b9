//! Hosts that stand in for a registry: storage that it redirects to, token servers, places for
//! uploads. What fails there is told with that host, and how the run came there.

use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64};
use crate::support::scripted::{Reply, ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::tcp_server::DeadPort;
use crate::support::token::TokenServer;

fn waiting(step: Step) -> Step {
    step.input("wait", "2s").input("wait-interval", "100ms")
}

/// Holds what every such end must say, and that nobody is sent to the build jobs for it.
fn told(case: &str, ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.stdout.contains(part), "{case}: {part}\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("look at the jobs"), "{case}: {}", ran.stdout);
    assert!(!ran.stdout.contains("no login for"), "{case}: {}", ran.stdout);
    ran.never_says("canary");
}

#[tokio::test]
async fn storage_behind_a_redirect_is_named() {
    let dead = DeadPort::any();
    let closed = dead.host();
    let answering = |status: u16| {
        ScriptedServer::answering(move |_, _| answer(status, &[], "<Error>canary</Error>"))
    };
    let (failing, denying) = (answering(503), answering(403));
    let gone = "storage.invalid".to_owned();
    for (case, host, reason, fix) in [
        (
            "closed",
            closed,
            "connection refused (HOST, to which REG redirects)",
            "is the registry running?",
        ),
        ("failing", failing.host(), "HOST, to which REG redirects, failed", "try again later"),
        (
            "denying",
            denying.host(),
            "HOST, to which REG redirects, rejected the request",
            "this machine's clock",
        ),
        (
            "without a name",
            gone,
            "no such host (HOST, to which REG redirects)",
            "can resolve storage.invalid, which 127.0.0.1",
        ),
    ] {
        let scene = Scene::with_storage_at(&host).await;
        let registry = scene.proxy.host();
        let why = reason.replace("HOST", &host).replace("REG", &registry);
        let line = format!(" → {host}");
        let ran = waiting(scene.waiting_step()).run().await.fails(7);
        told(case, &ran, &["cannot tell whether", &why, &line, fix]);
        let lines = ran.stdout.lines().filter(|line| line.starts_with("wait  ")).count();
        assert!(lines <= 2, "{case}: one line a source and change: {}", ran.stdout);
        assert_eq!(scene.digest("1").await, None, "{case}");

        let ran = scene.waiting_step().input("wait", "0").run().await.fails(7);
        told(case, &ran, &["cannot read", &why, &line, fix]);
    }
}

#[tokio::test]
async fn a_token_server_that_cannot_be_reached_is_named() {
    let mut tokens = TokenServer::new().user("ci", "canary").anonymous_pull(false).start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_both().await;
    tokens.stop().await;
    let registry = scene.proxy.host();
    let login = |step: Step| step.input("username", "ci").input("password", "canary");
    let why = format!("({}, the token server of {registry})", tokens.host());
    for (case, step) in [
        ("while waiting", waiting(login(scene.waiting_step()))),
        ("at once", login(scene.waiting_step()).input("wait", "0")),
    ] {
        let ran = step.run().await.fails(7);
        let line = format!("GET {}", tokens.realm());
        told(case, &ran, &["connection refused", &why, &line]);
    }
}

/// A registry behind a proxy that names its own port forgets it in the addresses of uploads.
#[tokio::test]
async fn the_place_of_an_upload_is_named() {
    let source = Scene::empty().await;
    source.push(&amd64(), "amd64").await;
    let dead = DeadPort::any();
    let closed = dead.host();
    let elsewhere = format!("http://{closed}/v2/{REPO}/blobs/uploads/1?state=canary");
    let denying = ScriptedServer::answering(|_, _| answer(403, &[], "canary"));
    let signed = format!("http://{}/upload?signature=canary", denying.host());
    for (case, location, host, reason, fix) in [
        (
            "closed",
            elsewhere,
            closed,
            "connection refused (HOST, where REG takes uploads)",
            "X-Forwarded-Host",
        ),
        (
            "denying",
            signed,
            denying.host(),
            "HOST, where REG takes uploads, rejected the request",
            "this machine's clock",
        ),
    ] {
        let target = ScriptedServer::answering(move |request, _| -> Reply {
            match request.method.as_str() {
                "POST" => answer(202, &[("Location", &location)], "").into(),
                _ => answer(404, &[], "").into(),
            }
        });
        let step = source.step("1").input("sources", &source.reference("amd64"));
        let tag = format!("{}/{REPO}:1", target.host());
        let ran = step.input("tags", &tag).input("wait", "0").run().await.fails(7);
        let why = reason.replace("HOST", &host).replace("REG", &target.host());
        told(case, &ran, &["cannot push ", &why, &format!("http://{host}/"), fix]);
    }
}
