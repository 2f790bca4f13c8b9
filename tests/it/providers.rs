//! Registries as their operators run them: each quirk of a provider, played by the proxy before the
//! real registry, through a whole run. What each is known for: `docs/registries.md`.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{BOTH, REPO, Scene, manifest};
use crate::support::token::TokenServer;

/// Published as it should be: the tag holds what the outputs say.
async fn published(scene: &Scene, ran: Ran) {
    let ran = ran.ok();
    assert_eq!(ran.output("digest"), scene.digest("1").await, "{}", ran.stdout);
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64,linux/arm64"));
}

fn error_body(code: &str, message: &str, status: u16) -> Fault {
    Fault::Status(status).error(code, message)
}

/// ECR: Basic with the user AWS, no `Docker-Content-Digest`, no `Location` after a push, and a tag
/// that is immutable even for the same bytes.
#[tokio::test]
async fn ecr() {
    let scene = Scene::with_login("AWS", "eyJwYXlsb2FkIjoi-canary").await;
    for method in ["GET", "HEAD", "PUT"] {
        let without =
            |header| Rule::on(method, "*/manifests/*").then(Fault::DropHeader(header)).optional();
        scene.proxy.rule(without("Docker-Content-Digest"));
        scene.proxy.rule(without("Location"));
    }
    let immutable =
        "The image tag '1' already exists and cannot be overwritten because the tag is immutable.";
    scene.proxy.rule(
        Rule::on("PUT", &manifest("1"))
            .from(2)
            .then(error_body("TAG_INVALID", immutable, 400))
            .optional(),
    );
    let step = || {
        scene.waiting_step().input("username", "AWS").input("password", "eyJwYXlsb2FkIjoi-canary")
    };
    published(&scene, step().run().await).await;
    let again = step().run().await;
    assert_eq!(again.output("changed").as_deref(), Some("false"), "{}", again.everything());
    published(&scene, again).await;
    scene.push(&Image::oci("linux/arm64").seed(9), "arm64").await;
    let refused = step().run().await.fails(7);
    assert!(refused.stdout.contains("the tag is immutable"), "{}", refused.stdout);
}

/// Google: the password is a key in JSON, on many lines.
#[tokio::test]
async fn artifact_registry() {
    let key = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\ncanary/+=\\n\"\n}";
    let scene = Scene::with_login("_json_key", key).await;
    let ran =
        scene.waiting_step().input("username", "_json_key").input("password", key).run().await;
    for line in ["service_account", "canary"] {
        let said = ran.stdout.lines().filter(|said| !said.starts_with("::add-mask::"));
        assert!(!said.collect::<String>().contains(line), "{}", ran.stdout);
    }
    published(&scene, ran).await;
}

/// Docker Hub and Artifactory's virtual repositories deny what does not exist yet.
#[tokio::test]
async fn what_is_not_there_yet_is_denied() {
    for (status, code) in [(401, "UNAUTHORIZED"), (403, "DENIED")] {
        let tokens = TokenServer::new().user("ci", "canary-password").start().await;
        let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
        scene.push_amd64().await;
        let denied = error_body(code, "requested access to the resource is denied", status);
        for method in ["GET", "HEAD"] {
            scene.proxy.rule(
                Rule::on(method, &manifest("arm64")).first(2).then(denied.clone()).optional(),
            );
        }
        let step =
            scene.waiting_step().input("username", "ci").input("password", "canary-password");
        let running = step.input("wait-interval", "100ms").spawn().await;
        running.wait_for_line("denied (or not pushed yet)").await;
        scene.push_arm64().await;
        published(&scene, running.wait().await).await;
    }
}

/// GitLab: the token server is another host, its tokens are short-lived.
#[tokio::test]
async fn gitlab() {
    let tokens =
        TokenServer::new().user("gitlab-ci-token", "canary-password").lifetime(61).start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_both().await;
    let step = scene
        .waiting_step()
        .env("CI_REGISTRY", scene.proxy.host())
        .env("CI_REGISTRY_USER", "gitlab-ci-token")
        .env("CI_REGISTRY_PASSWORD", "canary-password");
    published(&scene, step.run().await).await;
}

/// ACR: `az acr login` leaves an identity token, which only a POST takes.
#[tokio::test]
async fn acr() {
    let tokens =
        TokenServer::new().identity_token("canary-identity").anonymous_pull(false).start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_both().await;
    let file = format!(
        r#"{{"auths": {{"{}": {{"auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", "identitytoken": "canary-identity"}}}}}}"#,
        scene.proxy.host()
    );
    published(&scene, scene.waiting_step().input("docker-config", &file).run().await).await;
    assert!(tokens.requests().iter().any(|request| request.method == "POST"));
}

/// Gitea and Forgejo: a challenge with `scope="*"`, and tokens by GET only.
#[tokio::test]
async fn gitea() {
    let tokens = TokenServer::new()
        .user("ci", "canary-password")
        .anonymous_pull(false)
        .get_only()
        .start()
        .await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_both().await;
    let challenge =
        format!("Bearer realm=\"{}\",service=\"test-registry\",scope=\"*\"", tokens.realm());
    let asks = Fault::Status(401).header("WWW-Authenticate", &challenge);
    scene.proxy.rule(Rule::on("GET", "*/manifests/*").nth(1).then(asks));
    let step = scene.waiting_step().input("username", "ci").input("password", "canary-password");
    published(&scene, step.run().await).await;
}

/// Nexus: its scheme is BASIC, and right after a push its store does not know the blobs yet.
#[tokio::test]
async fn nexus() {
    let scene = Scene::with_login("ci", "canary-password").await;
    let shouts = Fault::Status(401)
        .header("WWW-Authenticate", "BASIC realm=\"Sonatype Nexus Repository Manager\"");
    scene.proxy.rule(Rule::on("GET", "*/manifests/*").nth(1).then(shouts));
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).first(2).then(error_body(
        "BLOB_UNKNOWN",
        "blob unknown to registry",
        404,
    )));
    let step = scene.waiting_step().input("username", "ci").input("password", "canary-password");
    published(&scene, step.run().await).await;
}

/// GHCR: a push is seen a little later, by tag and by digest.
#[tokio::test]
async fn ghcr() {
    let scene = Scene::with_both().await;
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).nth(1).then(error_body(
        "MANIFEST_UNKNOWN",
        "unknown blob",
        404,
    )));
    scene.proxy.rule(Rule::on("GET", &manifest("1")).first(2).then(Fault::Stale));
    published(&scene, scene.waiting_step().run().await).await;
}

/// Harbor: a tag rule makes it immutable, and says so with 412.
#[tokio::test]
async fn harbor() {
    let scene = Scene::with_both().await;
    let why = "Failed to process request due to 'app:1' configured as immutable.";
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(error_body("PRECONDITION", why, 412)));
    let ran = scene.waiting_step().run().await.fails(7);
    assert!(ran.stdout.contains("configured as immutable"), "{}", ran.stdout);
    assert_eq!(scene.digest("1").await, None);
}

/// Quay: an OCI index with a Docker image in it is not taken.
#[tokio::test]
async fn quay() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/amd64"), "amd64").await;
    scene.push(&Image::docker("linux/arm64"), "arm64").await;
    let why = "manifest schema validation failed";
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(error_body(
        "MANIFEST_INVALID",
        why,
        400,
    )));
    let ran = scene.step_of(&BOTH).run().await.fails(7);
    assert!(ran.stdout.contains("Docker and OCI images in one index"), "{}", ran.stdout);
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
}

/// A pull-through cache or mirror: HEAD without a length, without a digest, and with a type of its
/// own.
#[tokio::test]
async fn a_cache_whose_heads_say_little() {
    let scene = Scene::with_both().await;
    for header in ["Docker-Content-Digest", "Content-Length"] {
        scene
            .proxy
            .rule(Rule::on("HEAD", "*/manifests/*").then(Fault::DropHeader(header)).optional());
    }
    let index = BuiltIndex::new(vec![Image::oci("linux/arm64")]);
    index.push(&scene.client, REPO, "arm64").await;
    published(&scene, scene.step_of(&BOTH).run().await).await;
}
