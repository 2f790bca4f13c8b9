//! Registries that speak TLS with certificates of a private authority.

use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::registry::{Auth, Registry};
use crate::support::scene::{BOTH, REPO, amd64, arm64, waiting_step_at};
use std::time::Duration;

struct Tls {
    registry: Registry,
    client: Client,
}

async fn tls(auth: Auth) -> Tls {
    let registry = Registry::launch(&auth, true).await;
    let mut client = Client::new(&registry.host()).tls(registry.ca_pem());
    if let Auth::Basic(user, password) = auth {
        client = client.basic(&user, &password);
    }
    amd64().push(&client, REPO, "amd64").await;
    arm64().push(&client, REPO, "arm64").await;
    Tls { registry, client }
}

#[tokio::test]
async fn a_tag_is_published_over_tls() {
    let tls = tls(Auth::Open).await;
    for host in [tls.registry.host(), tls.registry.host().replace("127.0.0.1", "localhost")] {
        let ran = waiting_step_at(&host, &BOTH)
            .file("ca.pem", tls.registry.ca_pem())
            .input("ca-file", "ca.pem")
            .run()
            .await
            .ok();
        let published = tls.client.get_manifest(REPO, "1").await.unwrap();
        assert_eq!(ran.output("digest"), Some(published.digest));
    }
}

#[tokio::test]
async fn a_login_goes_over_tls() {
    let tls = tls(Auth::Basic("ci".to_owned(), "s3cret-canary".to_owned())).await;
    let ran = waiting_step_at(&tls.registry.host(), &BOTH)
        .file("ca.pem", tls.registry.ca_pem())
        .input("ca-file", "ca.pem")
        .input("username", "ci")
        .input("password", "s3cret-canary")
        .run()
        .await
        .ok();
    assert_eq!(
        ran.output("digest"),
        tls.client.get_manifest(REPO, "1").await.map(|published| published.digest)
    );
}

#[tokio::test]
async fn an_unknown_authority_is_named_and_not_tried_again() {
    let tls = tls(Auth::Open).await;
    let stranger = Authority::new("another authority").pem();
    let known = tls.registry.log().matches("TLS handshake error").count();
    let without = waiting_step_at(&tls.registry.host(), &BOTH);
    let wrong = waiting_step_at(&tls.registry.host(), &BOTH)
        .file("ca.pem", &stranger)
        .input("ca-file", "ca.pem");
    for (case, step) in [("none", without), ("a wrong one", wrong)] {
        let ran = step.run().await.fails(7);
        let why = format!(
            "TLS connection failed: the certificate of {} is from an authority that is not trusted",
            tls.registry.host()
        );
        assert!(
            ran.stdout.contains(&why)
                && ran
                    .stdout
                    .contains("fix:   for a private certificate authority, use `ca-file`\n"),
            "{case}: {}",
            ran.stdout
        );
        assert!(ran.elapsed < Duration::from_secs(10), "{case}: {:?}", ran.elapsed);
    }
    let handshakes = tls.registry.log().matches("TLS handshake error").count() - known;
    assert!(
        (1..=6).contains(&handshakes),
        "one for each of three requests at most, in two runs: {handshakes}"
    );
    assert_eq!(tls.client.tags(REPO).await, ["amd64", "arm64"]);
}

#[tokio::test]
async fn a_tls_port_that_is_said_to_be_plain_is_taken_at_its_word() {
    let tls = tls(Auth::Open).await;
    let host = tls.registry.host();
    let before = tls.registry.log().len();
    let ran = waiting_step_at(&host, &BOTH)
        .file("ca.pem", tls.registry.ca_pem())
        .input("ca-file", "ca.pem")
        .input("insecure-registries", &host)
        .input("username", "ci")
        .input("password", "s3cret-canary")
        .run()
        .await
        .fails(7);
    let why = format!("{host} speaks HTTPS, but is listed as speaking plain HTTP");
    assert!(
        ran.stdout.contains(&why)
            && ran.stdout.contains(&format!("fix:   take {host} out of `insecure-registries`")),
        "{}",
        ran.stdout
    );
    assert!(ran.elapsed < Duration::from_secs(10), "{:?}", ran.elapsed);
    let asked = tls.registry.log()[before..].to_owned();
    assert!(!asked.contains("\"GET ") && !asked.contains("\"PUT "), "nothing is done: {asked}");
}

#[tokio::test]
async fn plain_http_where_https_is_expected_is_told() {
    // Loopback alone is asked in plain HTTP unasked: this address is none.
    let plain = Registry::start().await;
    let host = plain.host().replace("127.0.0.1", "0.0.0.0");
    let ran = waiting_step_at(&host, &BOTH).run().await.fails(7);
    assert!(
        ran.stdout.contains(&format!("{host} speaks plain HTTP, not HTTPS"))
            && ran.stdout.contains(&format!("fix:   use `insecure-registries: {host}`\n")),
        "{}",
        ran.stdout
    );
    assert!(ran.elapsed < Duration::from_secs(10), "{:?}", ran.elapsed);
}

#[tokio::test]
async fn a_file_of_no_certificates_is_refused_before_any_request() {
    let tls = tls(Auth::Open).await;
    let before = tls.registry.log().len();
    let key = Authority::new("x").server(&["localhost"]).key;
    for (name, content) in [
        ("ca.pem", "no certificate".to_owned()),
        ("ca.pem", key),
        ("ca.pem", String::new()),
        ("other", String::new()),
    ] {
        let ran = waiting_step_at(&tls.registry.host(), &BOTH)
            .file(name, &content)
            .input("ca-file", "ca.pem")
            .run()
            .await
            .fails(2);
        assert!(
            ran.stdout.contains("ca-file: ") && !ran.stdout.contains("BEGIN"),
            "{}",
            ran.stdout
        );
    }
    assert_eq!(tls.registry.log().len(), before, "nothing was contacted");
}

/// Requests that go out together to a port whose protocol nobody has told: whichever learns it, all
/// of them are carried out.
#[tokio::test]
async fn many_first_requests_at_once_find_out_that_a_port_has_tls() {
    let tls = tls(Auth::Open).await;
    let host = tls.registry.host();
    for round in 0..8 {
        let ran = waiting_step_at(&host, &BOTH)
            .file("ca.pem", tls.registry.ca_pem())
            .input("ca-file", "ca.pem")
            .input("tags", &format!("{host}/acme/app:{round}\n{host}/acme/app:x{round}"))
            .input("wait", "0")
            .run()
            .await
            .ok();
        assert!(!ran.stdout.contains("→ 400"), "{}", ran.stdout);
    }
}
