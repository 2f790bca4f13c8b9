//! Logging in: every source of logins, Basic and tokens, and what happens when they are refused.

use crate::support::proxy::FaultProxy;
use crate::support::request_log::Entry;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, manifest};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::token::{Builder, Push, TokenServer};
use crate::support::wait::until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const USER: &str = "ci";
const PASSWORD: &str = "s3cret-canary";
const PUSH_SCOPE: &str = "repository:acme/app:pull,push";
const PULL_SCOPE: &str = "repository:acme/app:pull";

/// The scene whose registry asks for the Basic login of [`login`].
async fn basic() -> Scene {
    Scene::with_login(USER, PASSWORD).await
}

/// A registry that believes this token server; only the amd64 image is there.
async fn of_tokens(tokens: &TokenServer) -> Scene {
    of_realm(tokens, &tokens.realm()).await
}

async fn of_realm(tokens: &TokenServer, realm: &str) -> Scene {
    let scene = Scene::with_tokens(tokens, realm).await;
    scene.push_amd64().await;
    scene
}

/// Both, and both images.
async fn with_tokens(tokens: Builder) -> (TokenServer, Scene) {
    let tokens = tokens.start().await;
    let scene = of_tokens(&tokens).await;
    scene.push_arm64().await;
    (tokens, scene)
}

/// The requests whose token was refused. The test of pushing before a wait cleans up as far as it
/// may: here it may not.
fn refused(scene: &Scene) -> Vec<Entry> {
    let refused = |entry: &Entry| {
        entry.status == 401 && entry.authorization.is_some() && entry.method != "DELETE"
    };
    scene.proxy.log().into_iter().filter(refused).collect()
}

fn login(step: Step) -> Step {
    step.input("username", USER).input("password", PASSWORD)
}

fn auth_file(host: &str) -> String {
    let pair = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    format!(r#"{{"auths": {{"{host}": {{"auth": "{pair}"}}}}}}"#)
}

type Source = (&'static str, fn(Step, &str) -> Step);

/// Every place of DESIGN section 3 that a login can come from, and a part of what the log calls it.
const SOURCES: [Source; 16] = [
    ("inputs username and password", |step, _| login(step)),
    ("inputs username and password", |step, host| login(step).input("registry", host)),
    ("input credentials", |step, host| {
        step.input("credentials", &format!("# ours\n{host}={USER}:{PASSWORD}"))
    }),
    ("input credentials", |step, host| {
        step.input(
            "credentials",
            &format!(r#"{{"{host}": {{"username": "{USER}", "password": "{PASSWORD}"}}}}"#),
        )
    }),
    ("auths/config.json", |step, host| {
        step.file("auths/config.json", auth_file(host)).input("docker-config", "auths")
    }),
    ("my.json", |step, host| {
        step.file("my.json", auth_file(host)).input("docker-config", "my.json")
    }),
    ("input docker-config", |step, host| step.input("docker-config", &auth_file(host))),
    ("DOCKER_AUTH_CONFIG", |step, host| step.env("DOCKER_AUTH_CONFIG", auth_file(host))),
    // As GitLab's variables of type "File" are.
    ("app.tmp/AUTH", |step, host| {
        step.file("app.tmp/AUTH", auth_file(host)).env("DOCKER_AUTH_CONFIG", "app.tmp/AUTH")
    }),
    ("docker/config.json", |step, host| {
        let file = "docker/config.json";
        step.file(file, auth_file(host)).env("DOCKER_CONFIG", file)
    }),
    ("auth.json", |step, host| {
        step.file("auth.json", auth_file(host)).env("REGISTRY_AUTH_FILE", "auth.json")
    }),
    ("docker/config.json", |step, host| {
        step.file("docker/config.json", auth_file(host)).env("DOCKER_CONFIG", "docker")
    }),
    (".docker/config.json", |step, host| step.home_file(".docker/config.json", auth_file(host))),
    ("containers/auth.json", |step, host| {
        step.home_file(".config/containers/auth.json", auth_file(host))
    }),
    ("my.json", |step, host| {
        step.file("my.json", auth_file(&format!("{host}/acme"))).input("docker-config", "my.json")
    }),
    ("CI_REGISTRY_USER and CI_REGISTRY_PASSWORD", |step, host| {
        step.env("CI_REGISTRY", host)
            .env("CI_REGISTRY_USER", USER)
            .env("CI_REGISTRY_PASSWORD", PASSWORD)
    }),
];

async fn every_source_logs_in(scene: &Scene, sources: impl Iterator<Item = Source>) {
    for (at, (name, source)) in sources.enumerate() {
        let tag = format!("v{at}");
        let ran =
            source(scene.waiting_step().input("tags", &scene.reference(&tag)), &scene.proxy.host())
                .run()
                .await
                .ok();
        let told =
            ran.stdout.lines().any(|line| line.starts_with("login ") && line.ends_with(name));
        assert!(told, "{at}: the log does not say {name:?}:\n{}", ran.stdout);
        assert_eq!(ran.output("digest"), scene.digest(&tag).await, "{at}: {name}");
        ran.never_says(PASSWORD);
    }
}

#[tokio::test]
async fn every_source_of_logins_works_with_basic() {
    every_source_logs_in(&basic().await, SOURCES.into_iter()).await;
}

#[tokio::test]
async fn every_kind_of_login_works_with_tokens() {
    let (tokens, scene) =
        with_tokens(TokenServer::new().user(USER, PASSWORD).anonymous_pull(false)).await;
    // What they are found by does not depend on what they are sent to: one of each kind.
    every_source_logs_in(&scene, SOURCES.into_iter().step_by(3)).await;
    assert!(
        tokens
            .requests()
            .iter()
            .all(|request| request.user.as_deref() == Some(USER) && request.status == 200)
    );
}

#[tokio::test]
async fn an_open_registry_never_sees_a_login() {
    let scene = Scene::with_both().await;
    login(scene.waiting_step()).run().await.ok();
    assert!(
        scene.proxy.log().iter().all(|entry| entry.authorization.is_none()),
        "{}",
        scene.proxy.log_text()
    );
}

#[tokio::test]
async fn a_login_for_another_host_is_not_used() {
    let scene = basic().await;
    let port = scene.proxy.host().split_once(':').unwrap().1.to_owned();
    for host in [
        "127.0.0.1".to_owned(),
        format!("localhost:{port}"),
        "127.0.0.1:1".to_owned(),
        format!("127.0.0.2:{port}"),
    ] {
        let ran = scene
            .waiting_step()
            .input("credentials", &format!("{host}={USER}:{PASSWORD}"))
            .run()
            .await
            .fails(6);
        assert!(
            ran.stdout.contains(&format!("no login for {}", scene.proxy.host())),
            "{host}: {}",
            ran.stdout
        );
    }
    assert!(
        scene.proxy.log().iter().all(|entry| entry.authorization.is_none()),
        "{}",
        scene.proxy.log_text()
    );
}

#[tokio::test]
async fn a_wrong_password_ends_it_at_once_with_basic() {
    let scene = basic().await;
    let ran = scene
        .waiting_step()
        .input("username", USER)
        .input("password", "wrong-canary")
        .run()
        .await
        .fails(6);
    assert!(
        ran.stdout.contains("wrong user name or password")
            && ran.stdout.contains("inputs username and password"),
        "{}",
        ran.stdout
    );
    assert!(ran.elapsed < Duration::from_secs(20), "{:?}", ran.elapsed);
    assert!(scene.proxy.requests() <= 6, "{}", scene.proxy.log_text());
    assert_eq!(scene.client.tags(REPO).await, ["amd64", "arm64"]);
    ran.never_says("wrong-canary");
}

#[tokio::test]
async fn a_wrong_password_ends_it_at_once_with_tokens() {
    let (tokens, scene) = with_tokens(TokenServer::new().user(USER, PASSWORD)).await;
    let ran = scene
        .waiting_step()
        .input("username", USER)
        .input("password", "wrong-canary")
        .run()
        .await
        .fails(6);
    assert!(ran.stdout.contains("wrong user name or password"), "{}", ran.stdout);
    assert!(ran.elapsed < Duration::from_secs(20), "{:?}", ran.elapsed);
    let asked: Vec<String> =
        tokens.requests().into_iter().flat_map(|request| request.scopes).collect();
    assert_eq!(
        asked,
        [PUSH_SCOPE, PULL_SCOPE],
        "a server that guesses at passwords locks accounts"
    );
    assert!(scene.proxy.requests() <= 3, "{}", scene.proxy.log_text());
    ran.never_says("wrong-canary");
}

#[tokio::test]
async fn a_basic_challenge_without_a_login_ends_it_at_once() {
    let scene = basic().await;
    let ran = scene.waiting_step().run().await.fails(6);
    assert!(ran.stdout.contains("login required"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!(
        "no login for {} is configured: set `username` and `password`",
        scene.proxy.host()
    )));
    assert!(ran.elapsed < Duration::from_secs(20), "{:?}", ran.elapsed);
    assert!(scene.proxy.requests() <= 3, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn one_token_serves_one_repository() {
    let (tokens, scene) = with_tokens(TokenServer::new().user(USER, PASSWORD)).await;
    let many: Vec<String> = ["amd64", "arm64"].iter().map(|tag| scene.reference(tag)).collect();
    let tags = [scene.reference("1"), scene.reference("1.2"), scene.reference("latest")].join("\n");
    login(scene.waiting_step())
        .input("sources", &many.join("\n"))
        .input("tags", &tags)
        .run()
        .await
        .ok();
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let one = &requests[0];
    assert_eq!(
        (one.method.as_str(), one.scopes.as_slice(), one.status),
        ("GET", [PUSH_SCOPE.to_owned()].as_slice(), 200)
    );
    assert_eq!((one.user.as_deref(), one.account.as_deref()), (Some(USER), Some(USER)));
    assert_eq!(
        (one.service.as_deref(), one.client_id.as_deref()),
        (Some(tokens.service()), Some("manifest-action"))
    );
    let basic = scene
        .proxy
        .log()
        .iter()
        .filter_map(|entry| entry.authorization.clone())
        .any(|value| value.starts_with("Basic"));
    assert!(!basic, "the password goes to the token server alone");
}

#[tokio::test]
async fn a_dry_run_asks_for_no_more_than_it_needs() {
    let (tokens, scene) = with_tokens(TokenServer::new().user(USER, PASSWORD)).await;
    login(scene.waiting_step()).input("dry-run", "true").run().await.ok();
    let asked: Vec<String> =
        tokens.requests().into_iter().flat_map(|request| request.scopes).collect();
    assert_eq!(asked, [PULL_SCOPE]);
}

#[tokio::test]
async fn a_refused_push_is_reported_and_reading_goes_on() {
    for push in [Push::Denied401, Push::Denied403, Push::Reduced] {
        let (tokens, scene) =
            with_tokens(TokenServer::new().user(USER, PASSWORD).anonymous_pull(false)).await;
        login(scene.waiting_step().input("tags", &scene.reference("there"))).run().await.ok();
        let before = tokens.requests().len();
        tokens.change(|settings| settings.push = push);

        let ran = login(scene.waiting_step()).run().await.fails(6);
        let what = format!("cannot push to {}: permission denied", scene.reference("1"));
        assert!(ran.stdout.contains(&what), "{push:?}: {}", ran.stdout);
        assert!(
            ran.stdout.contains("allow the account from inputs username and password to push"),
            "{push:?}: {}",
            ran.stdout
        );
        assert_eq!(scene.digest("1").await, None, "{push:?}");
        if push != Push::Reduced {
            let asked: Vec<String> = tokens.requests()[before..]
                .iter()
                .flat_map(|request| request.scopes.clone())
                .collect();
            assert_eq!(asked, [PUSH_SCOPE, PULL_SCOPE], "{push:?}");
            assert_eq!(
                scene.proxy.count("PUT", &manifest("1")),
                0,
                "{push:?}: nothing is tried that was denied"
            );
        }

        let ran =
            login(scene.waiting_step().input("tags", &scene.reference("there"))).run().await.ok();
        assert_eq!(
            ran.output("changed").as_deref(),
            Some("false"),
            "{push:?}: what is published needs no push"
        );
    }
}

#[tokio::test]
async fn a_refused_push_is_known_before_waiting() {
    for push in [Push::Denied401, Push::Denied403] {
        let tokens = TokenServer::new().user(USER, PASSWORD).push(push).start().await;
        let scene = of_tokens(&tokens).await;
        let ran = login(scene.waiting_step()).run().await.fails(6);
        assert!(ran.elapsed < Duration::from_secs(20), "{push:?}: {:?}", ran.elapsed);
        // A machine that is held up gets to a second look at most.
        let looks = scene.proxy.count("HEAD", &manifest("arm64"));
        assert!(looks <= 1, "{push:?}: {}", scene.proxy.log_text());
        assert!(ran.stdout.contains("cannot push to"), "{push:?}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn a_reader_is_told_that_pushing_is_denied() {
    let (_tokens, scene) = with_tokens(TokenServer::new().reader(USER, PASSWORD)).await;
    let ran = login(scene.waiting_step()).run().await.fails(6);
    assert!(
        ran.stdout.contains(&format!("cannot push to {}: permission denied", scene.reference("1"))),
        "{}",
        ran.stdout
    );
}

const IDENTITY: &str = "identity-canary";

fn identity_file(host: &str) -> String {
    let auth = STANDARD.encode(format!("{USER}:"));
    format!(r#"{{"auths": {{"{host}": {{"auth": "{auth}", "identitytoken": "{IDENTITY}"}}}}}}"#)
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let (tokens, scene) =
        with_tokens(TokenServer::new().identity_token(IDENTITY).anonymous_pull(false)).await;
    tokens.change(|settings| settings.access_token_only = true);
    let ran = scene
        .waiting_step()
        .input("docker-config", &identity_file(&scene.proxy.host()))
        .run()
        .await
        .ok();
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let one = &requests[0];
    assert_eq!((one.method.as_str(), one.grant_type.as_deref()), ("POST", Some("refresh_token")));
    assert_eq!(
        (one.scopes.as_slice(), one.service.as_deref()),
        ([PUSH_SCOPE.to_owned()].as_slice(), Some(tokens.service()))
    );
    assert_eq!(
        (one.client_id.as_deref(), one.authorization.as_deref()),
        (Some("manifest-action"), None)
    );
    ran.never_says(IDENTITY);
}

#[tokio::test]
async fn a_token_server_without_post_is_asked_by_get() {
    let (tokens, scene) =
        with_tokens(TokenServer::new().user(USER, IDENTITY).anonymous_pull(false).get_only()).await;
    scene
        .waiting_step()
        .input("docker-config", &identity_file(&scene.proxy.host()))
        .run()
        .await
        .ok();
    let seen: Vec<(String, u16)> =
        tokens.requests().into_iter().map(|request| (request.method, request.status)).collect();
    assert_eq!(seen, [("POST".to_owned(), 405), ("GET".to_owned(), 200)]);
}

#[tokio::test]
async fn a_wrong_identity_token_ends_it_at_once() {
    let (tokens, scene) = with_tokens(TokenServer::new().identity_token("another")).await;
    let ran = scene
        .waiting_step()
        .input("docker-config", &identity_file(&scene.proxy.host()))
        .run()
        .await
        .fails(6);
    assert!(ran.stdout.contains("wrong user name or password"), "{}", ran.stdout);
    assert!(
        ran.elapsed < Duration::from_secs(20) && tokens.requests().len() <= 2,
        "{:?}",
        tokens.requests()
    );
    ran.never_says(IDENTITY);
}

#[tokio::test]
async fn a_login_that_nobody_asked_for_is_given_up_when_refused() {
    let (_tokens, scene) = with_tokens(TokenServer::new().user(USER, PASSWORD)).await;
    login(scene.waiting_step()).run().await.ok();
    let implicit = |step: Step| {
        step.env("CI_REGISTRY", scene.proxy.host())
            .env("CI_REGISTRY_USER", USER)
            .env("CI_REGISTRY_PASSWORD", "stale-canary")
    };
    let ran = implicit(scene.waiting_step()).run().await.ok();
    assert_eq!(ran.output("changed").as_deref(), Some("false"), "reading needs no login here");
    ran.never_says("stale-canary");
    let explicit =
        scene.waiting_step().input("username", USER).input("password", "stale-canary").run().await;
    explicit.fails(6);
    let ran =
        implicit(scene.waiting_step().input("tags", &scene.reference("2"))).run().await.fails(6);
    assert!(ran.stdout.contains("cannot push to"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_login_that_nobody_asked_for_is_given_up_when_it_may_not_read() {
    let open = ScriptedServer::answering(move |request, _| match request.header("authorization") {
        None => answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""),
        Some(_) => {
            answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"not with this login"}]}"#)
        }
    });
    let sources = format!("{}/acme/app:amd64", open.host());
    let ran = Step::new()
        .input("tags", &format!("{}/acme/app:1", open.host()))
        .input("sources", &sources)
        .input("wait", "0")
        .env("CI_REGISTRY", open.host())
        .env("CI_REGISTRY_USER", USER)
        .env("CI_REGISTRY_PASSWORD", PASSWORD)
        .run()
        .await
        .fails(6);
    let with: Vec<bool> =
        open.requests().iter().map(|request| request.header("authorization").is_some()).collect();
    let tried = with.iter().position(|with| *with).expect("tried with the login");
    assert!(
        !with[0] && with[tried..].contains(&false),
        "without, with, and without again: {with:?} {}",
        ran.stdout
    );
}

/// A private registry that denies what is not there: without the login it is no better, and later
/// the login is needed.
#[tokio::test]
async fn a_login_that_nobody_asked_for_is_kept_when_without_is_no_better() {
    let scene = basic().await;
    scene.proxy.rule(
        Rule::on("GET", &manifest("arm64"))
            .nth(1)
            .then(Fault::Status(403).error("DENIED", "not there")),
    );
    scene.proxy.rule(Rule::on("HEAD", &manifest("arm64")).nth(1).then(Fault::Status(403)));
    let step = scene.waiting_step().input("wait-interval", "100ms");
    let step = step
        .env("CI_REGISTRY", scene.proxy.host())
        .env("CI_REGISTRY_USER", USER)
        .env("CI_REGISTRY_PASSWORD", PASSWORD);
    let ran = step.run().await.ok();
    assert!(ran.stdout.contains("denied (or not pushed yet)"), "{}", ran.stdout);
    assert_eq!(ran.output("digest"), scene.digest("1").await);

    let (tokens, scene) = with_tokens(
        TokenServer::new().user(USER, PASSWORD).anonymous_pull(false).push(Push::Denied403),
    )
    .await;
    let step =
        scene.waiting_step().env("CI_REGISTRY", scene.proxy.host()).env("CI_REGISTRY_USER", USER);
    let ran = step.env("CI_REGISTRY_PASSWORD", "stale-canary").run().await.fails(6);
    assert!(
        ran.stdout.contains("CI_REGISTRY_USER and CI_REGISTRY_PASSWORD"),
        "the login is named: {}",
        ran.stdout
    );
    assert!(
        tokens.requests().iter().any(|request| request.user.is_none()),
        "and it was tried without"
    );
}

#[tokio::test]
async fn a_token_that_lives_two_seconds_outlives_a_wait() {
    // The registry's clock ticks in whole seconds: one more, so that no token is refused before its
    // two are over.
    let tokens = TokenServer::new()
        .user(USER, PASSWORD)
        .anonymous_pull(false)
        .lifetime(2)
        .real_lifetime(3)
        .start()
        .await;
    let scene = of_tokens(&tokens).await;
    let running = login(scene.waiting_step()).input("wait-interval", "200ms").spawn().await;
    until("the fourth token", || async { tokens.requests().len() >= 4 }).await;
    scene.push_arm64().await;
    running.wait().await.ok();
    let refused = refused(&scene);
    assert!(refused.is_empty(), "renewed before it expires: {}", scene.proxy.log_text());
    assert!(scene.digest("1").await.is_some());
}

#[tokio::test]
async fn a_token_that_is_revoked_early_is_renewed_silently() {
    // The server says 300 s, and the registry stops taking the token after one.
    let tokens = TokenServer::new()
        .user(USER, PASSWORD)
        .anonymous_pull(false)
        .real_lifetime(1)
        .start()
        .await;
    let before_tokens = FaultProxy::before_addr(&tokens.host()).await;
    let scene = of_realm(&tokens, &format!("http://{}/token", before_tokens.host())).await;
    // However fast the second one is asked for, it is one that lasts.
    let asked = before_tokens.gate("GET", "/token");
    asked.hold_from(2);
    let step = login(scene.waiting_step()).input("log-level", "info");
    // Tokens end with a second of the clock: one of its last moments would be over before its use.
    until("a second begins", || async {
        SystemTime::now().duration_since(UNIX_EPOCH).is_ok_and(|now| now.subsec_millis() < 200)
    })
    .await;
    let running = step.input("wait-interval", "100ms").spawn().await;
    asked.wait_for_answers(1).await;
    tokens.change(|settings| settings.lifetime = 300);
    asked.release();
    asked.wait_for_answers(2).await;
    scene.push_arm64().await;
    let ran = running.wait().await.ok();
    let refused = refused(&scene).len();
    assert!((1..=2).contains(&refused), "those in flight together: {}", scene.proxy.log_text());
    assert_eq!(tokens.requests().len(), 2, "{}", scene.proxy.log_text());
    assert!(
        !ran.stdout.contains("→ 401") && !ran.stdout.contains("denied"),
        "nobody needs to hear of it: {}",
        ran.stdout
    );
}

#[tokio::test]
async fn a_token_revoked_between_two_requests_costs_one_more() {
    let (tokens, scene) = with_tokens(TokenServer::new().user(USER, PASSWORD)).await;
    let challenge = format!(
        r#"Bearer realm="{}",service="{}",error="invalid_token""#,
        tokens.realm(),
        tokens.service()
    );
    let revoked = || Fault::Status(401).header("WWW-Authenticate", &challenge);
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(revoked()));
    login(scene.waiting_step()).run().await.ok();
    assert_eq!(
        (tokens.requests().len(), scene.proxy.count("PUT", "*")),
        (2, 2),
        "{}",
        scene.proxy.log_text()
    );
}

#[tokio::test]
async fn a_token_server_that_is_down_for_a_while_does_not_end_the_wait() {
    let mut tokens =
        TokenServer::new().user(USER, PASSWORD).anonymous_pull(false).lifetime(1).start().await;
    let before_tokens = FaultProxy::before_addr(&tokens.host()).await;
    let scene = of_realm(&tokens, &format!("http://{}/token", before_tokens.host())).await;
    let asked = before_tokens.gate("GET", "/token");
    let running = login(scene.waiting_step()).input("wait-interval", "100ms").spawn().await;
    asked.wait_for_answers(1).await;
    tokens.stop().await;
    asked.wait_for_answers(asked.hits() + 2).await;
    tokens.restart().await;
    scene.push_arm64().await;
    running.wait().await.ok();
    assert!(scene.digest("1").await.is_some());
}

#[tokio::test]
async fn a_token_server_that_stays_down_is_named() {
    let tokens = TokenServer::new().user(USER, PASSWORD).start().await;
    let before_tokens = FaultProxy::before_addr(&tokens.host()).await;
    let scene = of_realm(&tokens, &format!("http://{}/token", before_tokens.host())).await;
    before_tokens
        .rule(Rule::on("GET", "/token").then(Fault::Status(503).header("Retry-After", "0")));
    let ran = login(scene.waiting_step()).input("wait", "0").run().await.fails(7);
    let place = format!("GET http://{}/token → 503", before_tokens.host());
    assert!(ran.stdout.contains(&place), "{place}: {}", ran.stdout);
}

/// Some registries say how to log in at the root of the API only.
#[tokio::test]
async fn a_registry_that_asks_for_a_login_at_its_root_only() {
    let (tokens, by_token) =
        with_tokens(TokenServer::new().user(USER, PASSWORD).anonymous_pull(false)).await;
    for scene in [by_token, basic().await] {
        scene.proxy.rule(Rule::on("*", "/v2/acme/*").then(Fault::DropHeader("WWW-Authenticate")));
        login(scene.waiting_step()).run().await.ok();
        let asked = scene.proxy.count("GET", "/v2/");
        assert!((1..=4).contains(&asked), "{asked}: {}", scene.proxy.log_text());
        let refused = scene.waiting_step().input("wait", "0").run().await.fails(6);
        assert!(refused.stdout.contains("no login for"), "{}", refused.stdout);
    }
    drop(tokens);
}
