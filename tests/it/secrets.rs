//! Secrets appear nowhere: failures and successes at the most talkative level, with registries that
//! repeat what they hear.
//!
//! Every secret here holds the word `canary`, so that a part of one, or one in another spelling, is
//! found as well.

use crate::support::canary;
use crate::support::http1::Request;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{BOTH, Scene, bare_step_at, manifest, reference_at};
use crate::support::scripted::{Reply, ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::token::TokenServer;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::json;

const USER: &str = "ci";
const PASSWORD: &str = "canary-pa\"ss\\wo<rd>&%41|x";
const TOKEN: &str = "canary-bearer-token.abc-DEF_123";
const IDENTITY: &str = "canary/identity+token==";
const SIGNED: &str = "X-Amz-Signature=canary-signature&X-Amz-Credential=canary-key";

fn pair() -> String {
    STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

/// `canary` in base64, wherever it begins in something longer: the start of [`pair`] among others.
const ENCODED: [&str; 3] = ["Y2FuYXJ5", "NhbmFye", "jYW5hcn"];

/// Passwords and tokens as programs write them, alone and in base64 within something longer.
fn spellings(secret: &str) -> String {
    let within = [format!("x{secret}y"), format!("xy{secret}")].map(|text| STANDARD.encode(text));
    canary::spellings(secret).into_iter().chain(within).collect::<Vec<_>>().join(" ")
}

/// All that a registry can have heard.
fn echo() -> String {
    format!(
        "you sent {PASSWORD} as Basic {} and got {TOKEN} (Bearer {TOKEN}) {} {}",
        pair(),
        spellings(PASSWORD),
        spellings(TOKEN),
    )
}

#[track_caller]
fn says_nothing(case: &str, ran: &Ran) {
    let every_byte = "%63%61%6E%61%72%79";
    for secret in ["canary", every_byte].into_iter().chain(ENCODED) {
        let leak = |text: &str| {
            text.lines()
                .filter(|line| !line.starts_with("::add-mask::"))
                .find(|line| line.contains(secret))
                .map(str::to_owned)
        };
        assert_eq!(leak(&ran.stdout).or(leak(&ran.stderr)), None, "{case}: {}", ran.everything());
        ran.never_says(secret);
    }
}

/// A step at trace level on GitHub, and the same elsewhere; what it says is looked at both times.
async fn in_both_places(case: &str, step: impl Fn() -> Step) -> (Ran, Ran) {
    let on_github = step().github().input("log-level", "trace").run().await;
    says_nothing(case, &on_github);
    let elsewhere = step().input("log-level", "trace").run().await;
    says_nothing(case, &elsewhere);
    assert!(
        !elsewhere.stdout.contains("add-mask"),
        "{case}: only GitHub swallows masks: {}",
        elsewhere.stdout
    );
    assert_eq!(on_github.status, elsewhere.status, "{case}");
    (on_github, elsewhere)
}

fn masks(ran: &Ran) -> Vec<String> {
    ran.commands()
        .into_iter()
        .filter(|command| command.name == "add-mask")
        .map(|command| command.data)
        .collect()
}

/// A registry with a token server in one, which gives [`TOKEN`] to anyone and `reply` to those who
/// come with it.
fn registry<L: Into<Reply>>(
    reply: impl Fn(&Request) -> L + Send + Sync + 'static,
) -> ScriptedServer {
    ScriptedServer::answering(move |request, _| -> Reply {
        if request.path() == "/token" {
            return answer(200, &[], json!({ "token": TOKEN, "expires_in": 300 }).to_string())
                .into();
        }
        if request.header("authorization").is_some() {
            return reply(request).into();
        }
        let challenge = format!(
            "Bearer realm=\"http://{}/token?{SIGNED}\",service=\"x\"",
            request.header("host").unwrap()
        );
        answer(401, &[("WWW-Authenticate", &challenge)], "").into()
    })
}

/// The step that logs in to this registry; [`in_both_places`] says where it runs.
fn step_with_login(registry: &ScriptedServer) -> Step {
    bare_step_at(&registry.host(), &["amd64"])
        .input("wait", "0")
        .input("username", USER)
        .input("password", PASSWORD)
}

#[tokio::test]
async fn registries_that_repeat_secrets_in_their_errors() {
    let in_json = json!({"errors": [{"code": format!("DENIED {}", echo()), "message": echo(), "detail": echo()}]}).to_string();
    let elsewhere = json!({ "message": echo() }).to_string();
    // Quoted in something that is no JSON; and an excerpt that ends in the middle of the secret.
    let (quoted, cut) = (format!("{{{:?}", echo()), format!("{}{PASSWORD}", "x".repeat(496)));
    for (status, exit, header, body) in [
        (400, 7, ("X", ""), &in_json),
        (401, 6, ("WWW-Authenticate", "Bearer error=\"canary\""), &in_json),
        (403, 6, ("X", ""), &in_json),
        (403, 6, ("X", ""), &elsewhere),
        (403, 6, ("X", ""), &echo()),
        (403, 6, ("X", ""), &quoted),
        (403, 6, ("X", ""), &cut),
        (404, 3, ("X", ""), &in_json),
        (429, 7, ("Retry-After", "99999"), &in_json),
        (503, 7, ("Retry-After", "0"), &in_json),
    ] {
        let answered = answer(status, &[header], body.clone());
        let server = registry(move |request| match (status, request.method.as_str()) {
            // The first 429 ends the run, and one to a HEAD has no body to quote from.
            (429, "HEAD") => answer(404, &[], ""),
            _ => answered.clone(),
        });
        let (ran, _) =
            in_both_places(&format!("{status} {body}"), || step_with_login(&server)).await;
        let masks = masks(&ran.fails(exit));
        // A token only if somebody quotes it: in a long wait there are thousands.
        let is_masked = |secret: &str| masks.iter().any(|mask| mask == secret);
        assert!(
            is_masked(PASSWORD) && is_masked(TOKEN) == body.contains(TOKEN),
            "{status} {header:?} {body}: {masks:?}"
        );
    }
}

#[tokio::test]
async fn answers_that_hold_secrets_and_make_no_sense() {
    let truncated = |body: String| {
        let mut bytes = answer(200, &[], body);
        bytes.truncate(bytes.len() - 9);
        Reply::Bytes(bytes)
    };
    let index = |extra: serde_json::Value| {
        let mut index = json!({"schemaVersion": 2, "manifests": []});
        index.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        index.to_string()
    };
    let plain = |body: String| Reply::Bytes(answer(200, &[], body));
    let replies: Vec<(&str, Reply)> = vec![
        ("no JSON", plain(echo())),
        ("a media type", plain(index(json!({ "mediaType": echo() })))),
        ("a wrong field", plain(index(json!({ "manifests": echo() })))),
        ("a key twice", plain(format!("{{{:?}: 1, {:?}: 1}}", echo(), echo()))),
        (
            "an entry",
            plain(index(
                json!({ "manifests": [{"mediaType": echo(), "digest": echo(), "size": 1}] }),
            )),
        ),
        (
            "a header",
            Reply::Bytes(answer(
                200,
                &[("Content-Type", &echo()), ("Warning", &echo())],
                index(json!({})),
            )),
        ),
        ("compressed", Reply::Bytes(answer(200, &[("Content-Encoding", &echo())], echo()))),
        ("truncated", truncated(echo())),
    ];
    for (case, reply) in replies {
        let server = registry(move |_| reply.clone());
        // What is truncated is tried again: enough of it is seen while a source is waited for.
        let wait = if case == "truncated" { "500ms" } else { "0" };
        let (ran, _) = in_both_places(case, || {
            step_with_login(&server).input("wait", wait).input("wait-interval", "100ms")
        })
        .await;
        assert!(matches!(ran.status, 3 | 5 | 7), "{case}: {}", ran.everything());
    }
}

#[tokio::test]
async fn redirects_to_signed_addresses() {
    let storage = ScriptedServer::answering(|request, _| {
        answer(403, &[], format!("<Error>{} {}</Error>", request.target, echo()))
    });
    let text =
        ScriptedServer::answering(|request, _| answer(403, &[], format!("no {}", request.target)));
    for (location, exit) in [
        (format!("http://{}/blob?{SIGNED}", storage.host()), 7),
        (format!("http://{}/blob?{SIGNED}", text.host()), 7),
        (format!("http://169.254.169.254/blob?{SIGNED}"), 7),
        (format!("http://canary:canary@{}/blob?{SIGNED}", text.host()), 7),
        (format!("ftp://canary:canary@{}/blob?{SIGNED}", text.host()), 7),
        (format!("/v2/acme/app/manifests/amd64?{SIGNED}"), 6),
    ] {
        let case = location.clone();
        let server = registry(move |_| answer(307, &[("Location", &location)], ""));
        let (ran, _) = in_both_places(&case, || step_with_login(&server)).await;
        // Back at the registry without its token, it asks for one: the redirect does not count as
        // an answer.
        assert!(ran.status == exit || case.starts_with('/'), "{case}: {}", ran.everything());
    }
    assert!(
        text.requests()
            .iter()
            .chain(&storage.requests())
            .all(|request| request.header("authorization").is_none())
    );
}

#[tokio::test]
async fn token_servers_that_repeat_secrets() {
    for status in [400, 401, 403, 404, 503] {
        // GET with a password, POST and GET with an identity token; what came is sent back as it
        // came, and decoded.
        let server = ScriptedServer::answering(move |request, _| {
            if request.path() == "/token" {
                let form = String::from_utf8_lossy(&request.body).into_owned();
                let decoded: Vec<String> = url::form_urlencoded::parse(&request.body)
                    .map(|(_, value)| value.into_owned())
                    .collect();
                let basic = request.header("authorization").unwrap_or_default().to_owned();
                let plain = STANDARD.decode(basic.trim_start_matches("Basic ")).unwrap_or_default();
                let heard =
                    format!("{form} {decoded:?} {basic} {}", String::from_utf8_lossy(&plain));
                let body = json!({"error": heard, "details": heard}).to_string();
                return answer(
                    status,
                    &[("Retry-After", "0")],
                    if status == 403 { heard } else { body },
                );
            }
            let challenge =
                format!("Bearer realm=\"http://{}/token\"", request.header("host").unwrap());
            answer(401, &[("WWW-Authenticate", &challenge)], "")
        });
        let (ran, _) =
            in_both_places(&format!("password {status}"), || step_with_login(&server)).await;
        assert!(matches!(ran.status, 3 | 6 | 7), "{}", ran.everything());
        let auth = STANDARD.encode("00000000-0000:");
        let file = format!(
            r#"{{"auths": {{"{}": {{"auth": "{auth}", "identitytoken": "{IDENTITY}"}}}}}}"#,
            server.host()
        );
        let with_identity = || {
            let step = step_with_login(&server).without("INPUT_USERNAME").without("INPUT_PASSWORD");
            step.input("docker-config", &file)
        };
        let (ran, _) = in_both_places(&format!("identity {status}"), with_identity).await;
        assert!(masks(&ran).iter().any(|mask| mask == IDENTITY), "{}", ran.stdout);
        assert!(matches!(ran.status, 3 | 6 | 7), "{}", ran.everything());
    }
    // A token server's answer that is nothing, or not what it should be.
    for body in
        [echo(), json!({ "tokn": TOKEN }).to_string(), json!({ "token": [TOKEN] }).to_string()]
    {
        let server = ScriptedServer::answering(move |request, _| match request.path() {
            "/token" => answer(200, &[], body.clone()),
            _ => answer(401, &[("WWW-Authenticate", "Bearer realm=\"/token\"")], ""),
        });
        in_both_places("no token", || step_with_login(&server)).await.0.fails(7);
    }
}

#[tokio::test]
async fn inputs_that_cannot_be_right() {
    let broken_file = |content: &str| format!(r#"{{"auths": {{"r.example": {content}}}}}"#);
    let base64 = STANDARD.encode("canary");
    let cases: Vec<(&str, &str, String)> = vec![
        ("credentials without a login", "INPUT_CREDENTIALS", "canary".to_owned()),
        (
            "credentials without a host",
            "INPUT_CREDENTIALS",
            "can ary=ci:canary\nx=ci\n=canary:canary".to_owned(),
        ),
        (
            "credentials in broken JSON",
            "INPUT_CREDENTIALS",
            r#"{"r.example": {"username": "canary", "password": "#.to_owned(),
        ),
        (
            "credentials of the wrong shape",
            "INPUT_CREDENTIALS",
            r#"{"r.example": "canary"}"#.to_owned(),
        ),
        ("a password without a user", "INPUT_PASSWORD", PASSWORD.to_owned()),
        ("an auth file in base64", "INPUT_DOCKER-CONFIG", format!("canary{base64}")),
        ("an auth file on several lines", "INPUT_DOCKER-CONFIG", "canary\ncanary".to_owned()),
        ("a broken auth file", "INPUT_DOCKER-CONFIG", broken_file(r#"{"auth": "canary"#)),
        ("an auth file of the wrong shape", "INPUT_DOCKER-CONFIG", broken_file(r#""canary""#)),
        (
            "an auth value that is no base64",
            "INPUT_DOCKER-CONFIG",
            broken_file(r#"{"auth": "canary!"}"#),
        ),
        (
            "an auth value without a colon",
            "INPUT_DOCKER-CONFIG",
            broken_file(&format!(r#"{{"auth": "{base64}"}}"#)),
        ),
    ];
    for (case, variable, value) in cases {
        let step = || {
            let step = Step::new()
                .input("tags", "127.0.0.1:1/acme/app:1")
                .input("sources", "127.0.0.1:1/acme/app:a");
            step.env(variable, &value)
        };
        let (ran, _) = in_both_places(case, step).await;
        ran.fails(2).never_says(&base64);
    }
}

/// Variables that name files, given what belongs into a file.
#[tokio::test]
async fn auth_files_in_place_of_their_names() {
    let scene = Scene::with_both().await;
    let json = format!(r#"{{"auths": {{"r.example": {{"auth": "{}"}}}}}}"#, pair());
    let broken = r#"{"auths": {"r.example": {"auth": "canary"#;
    for variable in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE"] {
        for (value, why) in [
            (json.clone(), "put JSON into DOCKER_AUTH_CONFIG"),
            (format!(" {json}\n"), "put JSON into DOCKER_AUTH_CONFIG"),
            (STANDARD.encode(&json), "put JSON into DOCKER_AUTH_CONFIG"),
            (STANDARD_NO_PAD.encode(&json), "put JSON into DOCKER_AUTH_CONFIG"),
            (broken.to_owned(), "put JSON into DOCKER_AUTH_CONFIG"),
            (STANDARD.encode(broken), "put JSON into DOCKER_AUTH_CONFIG"),
            (pair(), "names none that exists"),
            ("canary".to_owned(), "names none that exists"),
            (format!("https://{USER}:canary@r.example"), "names none that exists"),
            ("/nowhere/else".to_owned(), "names /nowhere/else, which does not exist"),
        ] {
            let step = || bare_step_at(&scene.proxy.host(), &BOTH).env(variable, &value);
            let (ran, _) = in_both_places(&value, step).await;
            let warned = format!("{variable} ");
            let ran = ran.ok();
            assert!(ran.stdout.contains(why) && ran.stdout.contains(&warned), "{}", ran.stdout);
        }
    }
}

/// A login written into an address, which no input takes.
#[tokio::test]
async fn logins_in_addresses() {
    let host = "r.example:5000";
    for login in
        ["ci:canary-password", "ci:canary,canary:x/y", "canary-user:pw", "ci:canary,canary"]
    {
        for (input, value) in [
            ("tags", format!("{login}@{host}/acme/app:1")),
            ("tags", format!("https://{login}@{host}/acme/app:1")),
            ("sources", format!("linux/amd64={login}@{host}/acme/app:1")),
            ("insecure-registries", format!("{login}@{host}")),
            ("registry", format!("https://{login}@{host}")),
            ("digests", format!("{login}@{host}/acme/app@sha256:{}", "0".repeat(64))),
            ("spec", format!("{login}@{host}")),
            ("ca-file", format!("https://{login}@{host}/ca.pem")),
        ] {
            let step = || {
                let (tags, sources) = ("127.0.0.1:1/acme/app:1", "127.0.0.1:1/acme/app:a");
                let step = match input {
                    "digests" | "spec" => Step::new(),
                    _ => Step::new().input("sources", sources),
                };
                let step = if input == "spec" { step } else { step.input("tags", tags) };
                step.input(input, &value)
            };
            in_both_places(&value, step).await.0.fails(2);
        }
    }
    let text = "indexes:\n- tags: ci:canary-password@r.example/app:1\n  sources: r.example/app:a\n";
    let step = || Step::new().file("indexes.yaml", text).input("spec", "indexes.yaml");
    in_both_places("in a file", step).await.0.fails(2);
}

/// A file that was named by mistake is not quoted, whatever it holds.
#[tokio::test]
async fn files_that_hold_something_else() {
    for text in
        ["\"canary\"", "[\"canary\"]", "canary=1", "{\"canary\": ", "1", "PASSWORD=canary\n"]
    {
        for input in ["digests", "spec", "ca-file"] {
            let step = || {
                let step = Step::new().file("secret.json", text).input(input, "secret.json");
                let step = if input == "spec" { step } else { step.input("tags", "r.example/a:1") };
                if input == "ca-file" { step.input("sources", "r.example/a:x") } else { step }
            };
            let (ran, _) = in_both_places(&format!("{input}: {text}"), step).await;
            ran.fails(2);
        }
    }
}

/// Arguments can be seen by others, which is told; and none is told again.
#[tokio::test]
async fn secrets_among_arguments() {
    let server = ScriptedServer::answering(|_, _| answer(404, &[], ""));
    let (list, source) = (reference_at(&server.host(), "1"), reference_at(&server.host(), "a"));
    let create = |more: &[&str]| {
        let arguments = ["create", &list, &source].into_iter().chain(more.iter().copied());
        Step::new().args(arguments)
    };
    let json = format!(r#"{{"auths": {{"r.example": {{"auth": "{}"}}}}}}"#, pair());
    let credentials = format!("r.example={USER}:canary-password");
    for (flag, value) in [
        ("--password", "canary-password"),
        ("--token", "canary-token"),
        ("--credentials", &credentials),
        ("--docker-config", &json),
        ("--cfg", &json),
    ] {
        let user: &[&str] = if flag == "--password" { &["--username", USER] } else { &[] };
        let ran = create(&[&[flag, value], user].concat()).run().await.fails(3);
        says_nothing(flag, &ran);
        let told = format!("{flag} is visible in the process list");
        assert!(ran.stderr.contains(&told), "{}", ran.everything());
        for wrong in [
            vec![flag, value, "--wait", "nonsense"],
            vec![flag, value, "--no-such-flag"],
            vec![flag, value, value, "--no-such-flag"],
        ] {
            says_nothing(flag, &create(&wrong).run().await.fails(2));
        }
    }
    let path = create(&["--cfg", "nowhere/config.json"]).run().await.fails(2);
    assert!(!path.stderr.contains("process list"), "a path is no secret: {}", path.stderr);
    let address = format!("ci:canary-password@{list}");
    for arguments in [vec!["inspect", &address], vec![&address]] {
        says_nothing("an address", &Step::new().args(arguments).run().await.fails(2));
    }
}

#[tokio::test]
async fn logins_of_proxies() {
    let heard = format!("{} {}", spellings("canary:p@ss"), STANDARD.encode("ci:canary:p@ss"));
    for proxy in [
        "ci:canary:p%40ss@127.0.0.1:1",
        "http://ci:canary:p%40ss@127.0.0.1:1",
        "http://canary%3Ap%40ss@127.0.0.1:1/",
        "canary%3Ap%40ss@127.0.0.1:1",
        "http://canary%3Ap%40ss:@127.0.0.1:1/",
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            let answered = answer(403, &[], heard.clone());
            let server = ScriptedServer::answering(move |_, _| answered.clone());
            let step = || bare_step_at(&server.host(), &["amd64"]).input("wait", "0");
            in_both_places(proxy, || step().env(variable, proxy)).await.0.fails(6);
        }
    }
}

#[tokio::test]
async fn auth_files_that_are_only_found_and_cannot_be_read() {
    let scene = Scene::with_both().await;
    let plain = || bare_step_at(&scene.proxy.host(), &BOTH);
    for (value, why) in [
        ("canary", "DOCKER_AUTH_CONFIG is ignored"),
        (
            r#"{"auths": {"r.example": {"auth": "canary"}}}"#,
            "DOCKER_AUTH_CONFIG is used without the entry for r.example",
        ),
    ] {
        let (ran, _) = in_both_places(value, || plain().env("DOCKER_AUTH_CONFIG", value)).await;
        assert!(ran.ok().stdout.contains(why));
        in_both_places(value, || plain().home_file(".docker/config.json", value)).await.0.ok();
    }
}

#[tokio::test]
async fn runs_that_succeed() {
    let tokens = TokenServer::new().user(USER, PASSWORD).anonymous_pull(false).start().await;
    let by_token = Scene::with_tokens(&tokens, &tokens.realm()).await;
    by_token.push_both().await;
    for scene in [by_token, Scene::with_login(USER, PASSWORD).await] {
        let step = || {
            let step = bare_step_at(&scene.proxy.host(), &BOTH);
            step.input("username", USER).input("password", PASSWORD)
        };
        let (on_github, elsewhere) = in_both_places("a run that succeeds", step).await;
        let on_github = on_github.ok();
        for header in scene.proxy.log().iter().filter_map(|entry| entry.authorization.clone()) {
            let value = header.split_once(' ').unwrap().1;
            elsewhere.never_says(value);
            on_github.never_says(value);
        }
        let masks = masks(&on_github);
        assert!(masks.iter().any(|mask| mask == PASSWORD), "{masks:?}");
        let lines: Vec<&str> = on_github.stdout.lines().collect();
        let masked = lines.iter().position(|line| line.starts_with("::add-mask::")).unwrap();
        let login = lines.iter().position(|line| line.starts_with("login ")).unwrap();
        assert!(masked < login, "masked before anything that could hold it: {}", on_github.stdout);
    }
}

#[tokio::test]
async fn a_failed_push_whose_answer_repeats_the_login() {
    let scene = Scene::with_login(USER, PASSWORD).await;
    let heard = format!("you sent {PASSWORD} as Basic {}", pair());
    scene
        .proxy
        .rule(Rule::on("PUT", &manifest("1")).then(Fault::Status(403).error("DENIED", &heard)));
    let step = || {
        let host = scene.proxy.host();
        bare_step_at(&host, &BOTH).input("credentials", &format!("{host}={USER}:{PASSWORD}"))
    };
    let (ran, _) = in_both_places("a push", step).await;
    assert!(
        ran.fails(6).stdout.contains("403 DENIED (the registry said: \"you sent *** as ***\")")
    );
}
