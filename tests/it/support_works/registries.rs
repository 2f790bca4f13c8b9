//! Real registries: anonymous, Basic, tokens, TLS.

use crate::support::client::{Client, OCI_MANIFEST};
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::token::{Push, TokenServer};
use serde_json::Value;

#[tokio::test]
async fn an_anonymous_registry_takes_and_gives() {
    let mut registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let image = Image::oci("linux/arm64/v8").label("k", "v");
    let digest = image.push(&client, "acme/app", "1").await;
    assert_eq!(digest, image.digest());

    let fetched = client.get_manifest("acme/app", "1").await.expect("the tag is there");
    assert_eq!((fetched.media_type.as_str(), fetched.bytes), (OCI_MANIFEST, image.manifest()));
    let manifest: Value = serde_json::from_slice(&image.manifest()).unwrap();
    let config = client
        .get_blob("acme/app", manifest["config"]["digest"].as_str().unwrap())
        .await
        .expect("the config");
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(
        (&config["architecture"], &config["variant"], &config["config"]["Labels"]["k"]),
        (&"arm64".into(), &"v8".into(), &"v".into())
    );

    let other = Image::oci("linux/amd64").seed(7);
    other.push(&client, "acme/app", "").await;
    assert_eq!(client.tags("acme/app").await, ["1"], "a push by digest makes no tag");
    assert!(client.get_manifest("acme/app", &other.digest()).await.is_some());
    assert!(registry.storage().join("docker/registry/v2/repositories/acme/app").is_dir());

    let host = registry.host();
    registry.restart().await;
    assert_eq!(registry.host(), host, "a restart keeps the port");
    client.delete_manifest("acme/app", &digest).await;
    assert!(client.get_manifest("acme/app", "1").await.is_none());
    assert!(client.get_manifest("acme/none", "1").await.is_none());
    assert_eq!(client.tags("acme/none").await, [""; 0]);
    assert!(registry.log().contains("acme/app/manifests/1"), "{}", registry.log());
}

#[tokio::test]
async fn a_basic_login_is_asked_for() {
    let registry = Registry::htpasswd("ci", "s3cret").await;
    let plain = Client::new(&registry.host());
    let refused = plain.request("GET", "/v2/", &[], &[]).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic realm="));
    assert_eq!(
        plain.clone().basic("ci", "wrong").request("GET", "/v2/", &[], &[]).await.status,
        401
    );
    let client = plain.basic("ci", "s3cret");
    Image::docker("linux/amd64").push(&client, "acme/app", "1").await;
    assert_eq!(client.tags("acme/app").await, ["1"]);
}

#[tokio::test]
async fn a_tls_registry_is_vouched_for_by_its_own_authority() {
    let registry = Registry::tls().await;
    assert_eq!(std::fs::read_to_string(registry.ca_file()).unwrap(), registry.ca_pem());
    let client = Client::new(&registry.host()).tls(registry.ca_pem());
    Image::oci("linux/amd64").push(&client, "acme/app", "1").await;
    assert_eq!(client.tags("acme/app").await, ["1"]);
    let plain = Client::new(&registry.host()).request("GET", "/v2/", &[], &[]).await;
    assert_eq!(plain.status, 400, "HTTP on an HTTPS port");
}

const SCOPE: &str = "repository:acme/app:pull,push";

async fn ask(tokens: &TokenServer, query: &str, login: Option<(&str, &str)>) -> (u16, String) {
    let mut client = Client::new(&tokens.host());
    if let Some((user, password)) = login {
        client = client.basic(user, password);
    }
    token_of(&client.request("GET", &format!("/token?{query}"), &[], &[]).await)
}

async fn post(tokens: &TokenServer, form: &str) -> (u16, String) {
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    token_of(&Client::new(&tokens.host()).request("POST", "/token", &kind, form.as_bytes()).await)
}

fn token_of(answer: &crate::support::http1::Response) -> (u16, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    (answer.status, body["token"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_registry_believes_really_signed_tokens_alone() {
    let tokens = TokenServer::new().user("ci", "s3cret").identity_token("id-1").start().await;
    let registry = Registry::token(&tokens).await;
    let open = Client::new(&registry.host());
    let challenge = open.request("GET", "/v2/acme/app/manifests/1", &[], &[]).await;
    assert_eq!(challenge.status, 401);
    let wanted = format!(
        r#"Bearer realm="{}",service="{}",scope="repository:acme/app:pull""#,
        tokens.realm(),
        tokens.service()
    );
    assert_eq!(challenge.header("www-authenticate"), Some(wanted.as_str()));

    let query = format!("service={}&scope={SCOPE}&account=ci&client_id=test", tokens.service());
    let (status, token) = ask(&tokens, &query, Some(("ci", "s3cret"))).await;
    assert_eq!(status, 200);
    let client = open.clone().bearer(&token);
    Image::oci("linux/amd64").push(&client, "acme/app", "1").await;
    assert_eq!(client.tags("acme/app").await, ["1"]);
    let elsewhere = client.request("POST", "/v2/acme/other/blobs/uploads/", &[], &[]).await;
    assert_eq!(elsewhere.status, 401, "the token is for one repository");
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    assert_eq!(
        open.clone()
            .bearer(&forged)
            .request("GET", "/v2/acme/app/tags/list", &[], &[])
            .await
            .status,
        401
    );

    let (_, anonymous) = ask(&tokens, &format!("scope={SCOPE}"), None).await;
    let reader = open.clone().bearer(&anonymous);
    assert_eq!(reader.tags("acme/app").await, ["1"], "pull needs no login");
    assert_eq!(
        reader.request("POST", "/v2/acme/app/blobs/uploads/", &[], &[]).await.status,
        401,
        "push does"
    );

    let form = format!(
        "grant_type=refresh_token&refresh_token=id-1&scope={SCOPE}%20repository:acme/base:pull"
    );
    let (status, by_identity) = post(&tokens, &form).await;
    assert_eq!(status, 200);
    assert_eq!(open.clone().bearer(&by_identity).tags("acme/app").await, ["1"]);
    let form = format!("grant_type=password&username=ci&password=s3cret&scope={SCOPE}");
    assert_eq!(post(&tokens, &form).await.0, 200);
    assert_eq!(ask(&tokens, &query, Some(("ci", "wrong"))).await.0, 401);

    let minted = open.clone().bearer(&tokens.mint(SCOPE));
    Image::oci("linux/arm64").push(&minted, "acme/app", "2").await;

    let seen = tokens.requests();
    let told: Vec<_> = seen
        .iter()
        .map(|r| (r.method.as_str(), r.user.as_deref(), r.grant_type.as_deref(), r.status))
        .collect();
    assert_eq!(
        told,
        [
            ("GET", Some("ci"), None, 200),
            ("GET", None, None, 200),
            ("POST", None, Some("refresh_token"), 200),
            ("POST", Some("ci"), Some("password"), 200),
            ("GET", Some("ci"), None, 401),
        ]
    );
    assert_eq!(seen[0].account.as_deref(), Some("ci"));
    assert_eq!(seen[0].service.as_deref(), Some(tokens.service()));
    assert_eq!(seen[2].scopes, [SCOPE, "repository:acme/base:pull"]);
}

#[tokio::test]
async fn a_token_server_can_be_difficult() {
    let mut tokens = TokenServer::new()
        .user("ci", "s3cret")
        .reader("bot", "pw")
        .anonymous_pull(false)
        .push(Push::Denied403)
        .get_only()
        .start()
        .await;
    let registry = Registry::token(&tokens).await;
    let login = Some(("ci", "s3cret"));
    let scope = format!("scope={SCOPE}");
    assert_eq!(
        ask(&tokens, "scope=repository:acme/app:pull", None).await.0,
        401,
        "no anonymous pull"
    );
    assert_eq!(ask(&tokens, &scope, login).await.0, 403);
    assert_eq!(post(&tokens, "grant_type=password").await.0, 405);
    tokens.change(|settings| settings.push = Push::Denied401);
    assert_eq!(ask(&tokens, &scope, login).await.0, 401);

    let upload = |token: String| {
        let client = Client::new(&registry.host()).bearer(&token);
        async move { client.request("POST", "/v2/acme/app/blobs/uploads/", &[], &[]).await.status }
    };
    tokens.change(|settings| settings.push = Push::Reduced);
    assert_eq!(
        upload(ask(&tokens, &scope, login).await.1).await,
        401,
        "a token, but for pull alone"
    );
    tokens.change(|settings| settings.push = Push::Granted);
    assert_eq!(upload(ask(&tokens, &scope, login).await.1).await, 202);
    assert_eq!(
        upload(ask(&tokens, &scope, Some(("bot", "pw"))).await.1).await,
        401,
        "a reader may not push"
    );
    tokens.change(|settings| settings.lifetime = 0);
    assert_eq!(
        upload(ask(&tokens, &scope, login).await.1).await,
        401,
        "a token that is over, the registry's leeway included"
    );

    let host = tokens.host();
    tokens.stop().await;
    assert!(tokio::net::TcpStream::connect(&host).await.is_err());
    tokens.change(|settings| settings.lifetime = 300);
    tokens.restart().await;
    assert_eq!(tokens.host(), host);
    assert_eq!(ask(&tokens, &scope, login).await.0, 200);
}
