//! Registries that take no writes, not from this login, or not of this tag: each is told as what it
//! is, and before a wait where that can be known.

use crate::support::client::Client;
use crate::support::registry::{Manner, Registry};
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, amd64, arm64, manifest};
use crate::support::scripted::{ScriptedServer, answer};

/// A login that the test never wants to see.
const PASSWORD: &str = "canary-of-refusals";

#[tokio::test]
async fn a_registry_that_takes_no_writes_is_told_before_the_wait() {
    let behind = Registry::start().await;
    for (case, manner) in [
        ("read-only", Manner::ReadOnly),
        ("a cache", Manner::CacheOf(format!("http://{}", behind.host()))),
    ] {
        let client = Client::new(&behind.host());
        amd64().push(&client, REPO, "amd64").await;
        let mut scene = Scene::with_amd64().await;
        scene.registry.restart_as(manner).await;
        let ran = scene.waiting_step().input("wait", "45m").run().await.fails(7);
        for part in ["the registry does not accept writes", "pull-through cache", "→ 405"] {
            assert!(ran.stdout.contains(part), "{case}: {part}\n{}", ran.stdout);
        }
        // The tag is what people want to know of, in both ends.
        assert!(ran.stdout.contains(&scene.reference("1")), "{case}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn a_registry_that_takes_no_writes_is_told_at_the_push() {
    let mut scene = Scene::with_both().await;
    scene.registry.restart_as(Manner::ReadOnly).await;
    let ran = scene.waiting_step().run().await.fails(7);
    assert!(ran.stdout.contains("the registry does not accept writes"), "{}", ran.stdout);
    let source = Scene::with_amd64().await;
    let step = source.step("1").input("sources", &source.reference("amd64"));
    let ran = step.input("tags", &scene.reference("2")).run().await.fails(7);
    assert!(ran.stdout.contains("the registry does not accept writes"), "{}", ran.stdout);
}

/// A Basic login that read and may not write: 401 is all that some registries say.
#[tokio::test]
async fn a_basic_login_that_read_is_not_wrong() {
    for (case, path) in [("the push", manifest("1")), ("an upload", "*/blobs/uploads/".to_owned())]
    {
        let scene = Scene::with_login("ci", PASSWORD).await;
        let denied = Fault::Status(401)
            .header("WWW-Authenticate", "Basic realm=\"r\"")
            .error("UNAUTHORIZED", "authentication required");
        let method = if case == "the push" { "PUT" } else { "POST" };
        scene.proxy.rule(Rule::on(method, &path).then(denied).optional());
        let target = if case == "the push" { REPO } else { "acme/other" };
        let step = scene
            .step_of(&["amd64", "arm64"])
            .input("tags", &scene.full_name(&format!("{target}:1")));
        let step = step.input("username", "ci").input("password", PASSWORD);
        let ran = step.input("registry", &scene.proxy.host()).run().await.fails(6);
        assert!(ran.stdout.contains("permission denied"), "{case}: {}", ran.stdout);
        assert!(ran.stdout.contains("to push to this repository"), "{case}: {}", ran.stdout);
        assert!(!ran.stdout.contains("wrong user name"), "{case}: {}", ran.stdout);
    }
    let scene = Scene::with_login("ci", PASSWORD).await;
    let step = scene.waiting_step().input("username", "ci").input("password", "wrong-canary");
    let ran = step.input("registry", &scene.proxy.host()).run().await.fails(6);
    assert!(ran.stdout.contains("wrong user name or password"), "{}", ran.stdout);
}

/// Token servers that say 403 whatever is wrong; what a token without a scope tells is certain.
#[tokio::test]
async fn a_token_server_that_says_403_of_a_wrong_password() {
    // 400: it gives no token without a scope, which tells nothing.
    for (without_scope, reason) in [
        (403, "wrong user name or password"),
        (200, "permission denied"),
        (400, "permission denied"),
    ] {
        let server = ScriptedServer::answering(move |request, _| {
            let denied = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
            match request.path() {
                "/token" if !request.query().contains("scope=") => {
                    answer(without_scope, &[], r#"{"token":"nothing"}"#)
                }
                "/token" => answer(403, &[], denied),
                _ => {
                    let host = request.header("host").unwrap_or_default();
                    let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
                    answer(401, &[("WWW-Authenticate", &challenge)], "")
                }
            }
        });
        let host = server.host();
        let step = crate::support::scene::step_at(&host, &["amd64"]);
        let step = step.input("username", "ci").input("password", PASSWORD);
        let ran = step.input("registry", &host).run().await.fails(6);
        assert!(ran.stdout.contains(reason), "{reason}: {}", ran.stdout);
    }
}

/// A tag that must not move, as ocimem and others say it: 403, of the tag alone.
#[tokio::test]
async fn a_tag_that_must_not_move_is_told_as_that() {
    for is_there in [true, false] {
        let scene = Scene::with_both().await;
        let held = if is_there { scene.push(&amd64().seed(7), "1").await } else { String::new() };
        let denied = Fault::Status(403).error("DENIED", "cannot overwrite tag");
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(denied));
        let ran = scene.waiting_step().run().await.fails(6);
        assert_eq!(ran.stdout.contains("immutable or protected"), is_there, "{}", ran.stdout);
        assert_eq!(ran.stdout.contains("no login for"), !is_there, "{}", ran.stdout);
        assert_eq!(scene.digest("1").await, is_there.then_some(held));
    }
    // Who may not push at all is told so, whatever the tag holds.
    let scene = Scene::with_both().await;
    scene.push(&arm64().seed(7), "1").await;
    for (method, path) in [("PUT", manifest("1")), ("POST", "*/blobs/uploads/".to_owned())] {
        scene.proxy.rule(Rule::on(method, &path).then(Fault::Status(403).error("DENIED", "no")));
    }
    let ran = scene.waiting_step().run().await.fails(6);
    assert!(!ran.stdout.contains("immutable"), "{}", ran.stdout);
}

/// What a registry warns of is shown once, and commands nobody.
#[tokio::test]
async fn a_warning_of_a_registry_is_shown_once() {
    let scene = Scene::with_both().await;
    let text = "299 - \"this name goes away: ::error::canary ##[error]\"".to_owned();
    scene.proxy.rule(Rule::on("*", "*").then(Fault::SetHeader("Warning", text)));
    let ran = scene.waiting_step().run().await.ok();
    let lines: Vec<&str> =
        ran.stdout.lines().filter(|line| line.contains("this name goes away")).collect();
    assert_eq!(lines.len(), 1, "{}", ran.stdout);
    let start = format!("warning: {} warns: ", scene.proxy.host());
    assert!(lines[0].starts_with(&start), "{lines:?}");
    assert!(!ran.commands().iter().any(|command| command.name == "error"), "{}", ran.stdout);
}
