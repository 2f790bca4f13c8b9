//! Logins that are missing, wrong, or not enough.

use super::page::Section;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, manifest, reference_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;

const NAME: &str = "r.example";
/// A login that the page must not show.
const PASSWORD: &str = "canary-of-messages";

pub async fn section() -> Section {
    let mut section = Section::new("Logins");
    let scene = Scene::with_login("ci", PASSWORD).await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let plain = || scene.step_of(&["amd64"]);
    let login = |step: Step, password: &str| {
        step.input("registry", &host).input("username", "ci").input("password", password)
    };
    // Of one request: of several, any one may be told of.
    let inspecting = || Step::new().args(["inspect", &scene.reference("amd64")]);
    section.add("no login", &names, &inspecting().run().await);
    let wrong = inspecting().args(["--username", "ci", "--password-stdin"]).stdin("wrong-canary");
    section.add("a wrong password", &names, &wrong.run().await);

    let helper = format!("{{\"credHelpers\":{{\"{host}\":\"no-such\"}}}}");
    let step = inspecting().home_file(".docker/config.json", helper);
    section.add("a credential helper that is not installed", &names, &step.run().await);

    let basic = ("WWW-Authenticate", "Basic realm=\"r\"");
    let refused = Fault::Status(401).header(basic.0, basic.1).error("UNAUTHORIZED", "no");
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(refused));
    section.add("a login that may read only", &names, &login(plain(), PASSWORD).run().await);

    let open = Scene::with_both().await;
    let host = open.proxy.host();
    let denied = Fault::Status(403).error("DENIED", "requested access to the resource is denied");
    open.proxy.rule(Rule::on("*", &format!("/v2/{REPO}/*")).then(denied));
    let step = open.step_of(&["amd64"]).input("registry", &host);
    let ran = step.input("username", "ci").input("password", PASSWORD).run().await;
    section.add("a denial that asks for no login", &[(&host, NAME)], &ran);

    for (what, without_scope) in
        [("a token server that denies", 200), ("a token server that knows no such login", 403)]
    {
        let (host, ran) = denying_tokens(without_scope).await;
        section.add(what, &[(&host, NAME)], &ran);
    }
    section
}

/// A run against a registry and token server at one address, which denies every scope.
/// `without_scope`: its status where none is asked for.
async fn denying_tokens(without_scope: u16) -> (String, Ran) {
    let server = ScriptedServer::answering(move |request, _| match request.path() {
        "/token" if !request.query().contains("scope=") => {
            answer(without_scope, &[], r#"{"token":"nothing"}"#)
        }
        "/token" => answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        _ => {
            let host = request.header("host").unwrap_or_default();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
            answer(401, &[("WWW-Authenticate", &challenge)], "")
        }
    });
    let host = server.host();
    let step = Step::new().args(["inspect", &reference_at(&host, "amd64"), "--username", "ci"]);
    let ran = step.args(["--password-stdin"]).stdin(PASSWORD).run().await;
    (host, ran)
}
