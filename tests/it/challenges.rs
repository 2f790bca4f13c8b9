//! Challenges and token servers at the edges of the specs.

use crate::support::proxy::FaultProxy;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{Scene, manifest, step_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::token::{Builder, TokenServer};
use std::time::Duration;

const USER: &str = "ci";
const PASSWORD: &str = "s3cret-canary";
const PUSH_SCOPE: &str = "repository:acme/app:pull,push";

fn login(step: Step) -> Step {
    step.input("username", USER).input("password", PASSWORD)
}

async fn with_tokens(tokens: Builder) -> (TokenServer, Scene) {
    let tokens = tokens.user(USER, PASSWORD).anonymous_pull(false).start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_both().await;
    (tokens, scene)
}

#[tokio::test]
async fn a_challenge_at_the_root_alone_counts_for_the_host() {
    let basic = Scene::with_login(USER, PASSWORD).await;
    let (tokens, with_tokens) = with_tokens(TokenServer::new()).await;
    for scene in [&basic, &with_tokens] {
        scene
            .proxy
            .rule(Rule::on("*", "/v2/acme/app/*").then(Fault::DropHeader("WWW-Authenticate")));
        let ran = login(scene.waiting_step()).run().await.ok();
        assert_eq!(scene.digest("1").await, ran.output("digest"));
        assert_eq!(scene.proxy.count("GET", "/v2/"), 1, "{}", scene.proxy.log_text());
        let roots = scene.proxy.entries("GET", "/v2/");
        assert!(roots.iter().all(|root| root.authorization.is_none()), "{roots:?}");
    }
    assert_eq!(tokens.requests().len(), 1);
}

#[tokio::test]
async fn without_any_challenge_no_login_is_sent() {
    let elsewhere = ScriptedServer::answering(|_, _| {
        answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], "")
    });
    let target = format!("http://{}/v2/", elsewhere.host());
    for (case, root) in [
        ("none at the root either", Fault::DropHeader("WWW-Authenticate")),
        ("at another host's", Fault::Redirect(target)),
        ("no root", Fault::Status(404)),
    ] {
        let scene = Scene::with_login(USER, PASSWORD).await;
        scene
            .proxy
            .rule(Rule::on("*", "/v2/acme/app/*").then(Fault::DropHeader("WWW-Authenticate")));
        scene.proxy.rule(Rule::on("GET", "/v2/").then(root));
        let ran = login(scene.waiting_step().input("wait", "0")).run().await.fails(6);
        let sent = scene.proxy.log().iter().any(|entry| entry.authorization.is_some());
        assert!(!sent, "{case}: {}", ran.everything());
        assert_eq!(scene.proxy.count("GET", "/v2/"), 1, "{case}: {}", scene.proxy.log_text());
    }
    let seen = elsewhere.requests();
    assert!(seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
}

fn lacking(tokens: &TokenServer, status: u16, scope: &str) -> Fault {
    let (realm, service) = (tokens.realm(), tokens.service());
    let challenge = format!(
        r#"Bearer realm="{realm}",service="{service}",scope="{scope}",error="insufficient_scope""#
    );
    Fault::Status(status).header("WWW-Authenticate", &challenge)
}

#[tokio::test]
async fn a_scope_that_a_token_lacks_is_asked_for_once() {
    for status in [401, 403] {
        let (tokens, scene) = with_tokens(TokenServer::new()).await;
        let scope = "repository:acme/base:pull";
        // The first request is anonymous, the second one comes with a token.
        scene
            .proxy
            .rule(Rule::on("GET", &manifest("amd64")).nth(2).then(lacking(&tokens, status, scope)));
        login(scene.waiting_step()).run().await.ok();
        let asked: Vec<_> = tokens.requests().into_iter().map(|request| request.scopes).collect();
        assert_eq!(asked, [vec![PUSH_SCOPE.to_owned()], vec![PUSH_SCOPE.into(), scope.into()]]);

        let (tokens, scene) = with_tokens(TokenServer::new()).await;
        scene.proxy.rule(
            Rule::on("GET", &manifest("amd64")).from(2).then(lacking(&tokens, status, scope)),
        );
        let ran = login(scene.waiting_step().input("wait", "0")).run().await.fails(6);
        assert!(
            scene.proxy.count("GET", &manifest("amd64")) <= 4 && tokens.requests().len() <= 4,
            "{status}: {} {}",
            scene.proxy.log_text(),
            ran.everything()
        );
    }
}

#[tokio::test]
async fn scopes_without_end_are_not_all_asked_for() {
    let (tokens, scene) = with_tokens(TokenServer::new()).await;
    for nth in 2..200 {
        let fault = lacking(&tokens, 401, &format!("repository:acme/base{nth}:pull"));
        scene.proxy.rule(Rule::on("*", "/v2/acme/app/*").nth(nth).then(fault).optional());
    }
    login(scene.waiting_step().input("wait", "0")).run().await.fails(6);
    let most = tokens.requests().iter().map(|request| request.scopes.len()).max();
    assert!(most <= Some(9) && scene.proxy.requests() < 30, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn a_token_server_without_get_is_asked_by_post() {
    let (tokens, scene) = with_tokens(TokenServer::new().post_only()).await;
    let ran = login(scene.waiting_step()).run().await.ok();
    let seen: Vec<(String, u16)> =
        tokens.requests().into_iter().map(|request| (request.method, request.status)).collect();
    assert_eq!(seen, [("GET".to_owned(), 405), ("POST".to_owned(), 200)]);
    let posted = &tokens.requests()[1];
    assert_eq!(
        (posted.grant_type.as_deref(), posted.user.as_deref(), posted.authorization.as_deref()),
        (Some("password"), Some(USER), None)
    );
    ran.never_says(PASSWORD);
}

#[tokio::test]
async fn whatever_lifetime_a_token_server_states() {
    for lifetime in [
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
        "-1",
        "1.5",
        "\"300\"",
        "null",
        "{}",
        "[1]",
        "true",
    ] {
        let tokens = TokenServer::new().user(USER, PASSWORD).anonymous_pull(false).start().await;
        let before = FaultProxy::before_addr(&tokens.host()).await;
        let scene = Scene::with_tokens(&tokens, &format!("http://{}/token", before.host())).await;
        scene.push_both().await;
        before.rule(Rule::on("GET", "/token").then(Fault::alter(move |body| {
            let text = String::from_utf8(body).unwrap();
            let stated = text.replace("\"expires_in\":300", &format!("\"expires_in\":{lifetime}"));
            assert_ne!(stated, text);
            stated.into_bytes()
        })));
        let ran = login(scene.waiting_step()).run().await;
        assert_eq!(ran.status, 0, "{lifetime}: {}", ran.everything());
        assert_eq!(tokens.requests().len(), 1, "{lifetime}");
    }
}

#[tokio::test]
async fn many_short_lived_tokens_are_not_all_masked() {
    let tokens =
        TokenServer::new().user(USER, PASSWORD).anonymous_pull(false).lifetime(1).start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_amd64().await;
    let running = login(scene.waiting_step()).input("wait-interval", "100ms").spawn().await;
    crate::support::wait::until("the sixth token", || async { tokens.requests().len() >= 6 }).await;
    scene.push_arm64().await;
    let ran = running.wait().await.ok();
    let masks = ran.stdout.lines().filter(|line| line.starts_with("::add-mask::")).count();
    // Of the password and of what it is sent as.
    assert!((1..=6).contains(&masks), "{}", ran.stdout);
    assert!(ran.elapsed < Duration::from_secs(30));
}

/// A registry that denies all who come without a login, and asks for one at its root at most.
fn denying(asks_at_root: bool) -> ScriptedServer {
    ScriptedServer::answering(move |request, _| {
        let asks = asks_at_root && request.path() == "/v2/";
        match request.header("authorization") {
            Some(_) => answer(404, &[], ""),
            None if asks => answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""),
            None => answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        }
    })
}

#[tokio::test]
async fn a_denial_that_asks_for_no_login() {
    let server = denying(true);
    let step = || login(step_at(&server.host(), &["amd64"]).input("wait", "0"));
    step().run().await.fails(3);
    let sent =
        server.requests().iter().filter(|sent| sent.header("authorization").is_some()).count();
    assert!(sent >= 1, "{:?}", server.requests());

    let server = denying(false);
    let step = || step_at(&server.host(), &["amd64"]).input("wait", "0");
    let ran = login(step()).run().await.fails(6);
    let host = server.host();
    let fix = format!(
        "fix:   {host} denies access without asking for the login from inputs username and \
         password, which was not sent"
    );
    assert!(ran.stdout.contains(&fix), "{}", ran.stdout);
    assert!(!ran.stdout.contains("no login for"), "{}", ran.stdout);
    assert!(server.requests().iter().all(|sent| sent.header("authorization").is_none()));
    // Where there is no login, nobody can have kept it back.
    let before = server.requests().len();
    let ran = step().run().await.fails(6);
    assert!(ran.stdout.contains(&format!("no login for {host} is configured")), "{}", ran.stdout);
    let seen = server.requests().split_off(before);
    assert!(seen.iter().all(|request| request.path() != "/v2/"), "{seen:?}");
}
