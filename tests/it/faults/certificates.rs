//! Certificates and TLS versions that are not to be trusted: fatal, told, and not tried again.

use crate::support::certs::{Authority, Identity, expire};
use crate::support::client::Client;
use crate::support::registry::Registry;
use crate::support::scene::{REPO, amd64, step_at};
use crate::support::step::Step;
use crate::support::tcp_server::TcpServer;
use rcgen::{IsCa, date_time_ymd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// A server that shows this certificate and closes.
fn showing(identity: &Identity) -> TcpServer {
    let acceptor = TlsAcceptor::from(Arc::new(identity.tls()));
    TcpServer::serve(move |stream, _| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
}

/// TLS with this certificate in front of a registry that speaks plain HTTP.
pub(super) fn before(registry: &Registry, identity: &Identity) -> TcpServer {
    let (acceptor, place) = (TlsAcceptor::from(Arc::new(identity.tls())), registry.host());
    TcpServer::serve(move |stream, _| {
        let (acceptor, place) = (acceptor.clone(), place.clone());
        async move {
            if let (Ok(mut client), Ok(mut server)) =
                (acceptor.accept(stream).await, TcpStream::connect(place).await)
            {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        }
    })
}

fn trusting(server: &TcpServer, pem: &str) -> Step {
    step_at(&server.host(), &["amd64"]).file("ca.pem", pem).input("ca-file", "ca.pem")
}

#[tokio::test]
async fn the_servers_own_certificate_can_be_the_ca_file() {
    let registry = Registry::start().await;
    amd64().push(&Client::new(&registry.host()), REPO, "amd64").await;
    let names = ["127.0.0.1", "localhost"];
    let of_authority = Authority::new("an authority").server(&names);
    for (case, identity) in [
        ("its own issuer, an authority", Identity::self_signed(&names, |_| {})),
        ("its own issuer", Identity::self_signed(&names, |params| params.is_ca = IsCa::NoCa)),
        ("an authority's, which is not given", of_authority),
    ] {
        let server = before(&registry, &identity);
        // Others in the same file do no harm.
        let file = format!("{}{}", Authority::new("another").pem(), identity.certificate);
        let ran = trusting(&server, &file).run().await;
        assert_eq!(ran.status, 0, "{case}: {}", ran.everything());
    }
}

#[tokio::test]
async fn a_servers_own_certificate_is_held_against_its_names_and_times() {
    let names = ["127.0.0.1"];
    let good = Identity::self_signed(&names, |_| {});
    let other = Identity::self_signed(&["elsewhere.test"], |_| {});
    let old = Identity::self_signed(&names, expire);
    let old_of_authority = Authority::new("an authority").expired(&names);
    let early =
        Identity::self_signed(&names, |params| params.not_before = date_time_ymd(2999, 1, 1));
    // The same names and another key, which is what somebody in the middle would show.
    let twin = Identity::self_signed(&names, |_| {});
    for (case, shown, stated) in [
        ("another name", &other, &other),
        ("expired", &old, &old),
        ("expired, of an authority", &old_of_authority, &old_of_authority),
        ("not valid yet", &early, &early),
        ("another key", &twin, &good),
    ] {
        let server = showing(shown);
        let ran = trusting(&server, &stated.certificate).run().await;
        assert_eq!(ran.status, 7, "{case}: {}", ran.everything());
        assert!(ran.stdout.contains("TLS"), "{case}: {}", ran.everything());
    }
}

#[tokio::test]
async fn a_machine_without_any_store_has_the_bundled_one() {
    let registry = Registry::tls().await;
    amd64().push(&Client::new(&registry.host()).tls(registry.ca_pem()), REPO, "amd64").await;
    let host = registry.host();
    for (variable, value) in [("SSL_CERT_FILE", "nothing.pem"), ("SSL_CERT_DIR", "../temp")] {
        let step = || step_at(&host, &["amd64"]).env(variable, value);
        let ran =
            step().file("ca.pem", registry.ca_pem()).input("ca-file", "ca.pem").run().await.ok();
        let told =
            format!("{variable} leads to no certificate, so the roots of Mozilla are trusted");
        assert!(ran.stdout.contains(&told), "{}", ran.stdout);
        let ran = step().run().await.fails(7);
        assert!(ran.stdout.contains("fix:   for a private"), "{variable}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let registry = Registry::tls().await;
    amd64().push(&Client::new(&registry.host()).tls(registry.ca_pem()), REPO, "amd64").await;
    let old = Registry::start().await;
    amd64().push(&Client::new(&old.host()), REPO, "amd64").await;
    // Without ALPN, as every server of HTTP/1.1 alone has it.
    let identity = Authority::new("an authority").server(&["127.0.0.1"]);
    let before_old = before(&old, &identity);
    for (version, host, registry, pem) in [
        ("HTTP/2.0", registry.host(), &registry, registry.ca_pem()),
        ("HTTP/1.1", before_old.host(), &old, &identity.certificate),
    ] {
        step_at(&host, &["amd64"]).file("ca.pem", pem).input("ca-file", "ca.pem").run().await.ok();
        let put = format!("\"PUT /v2/{REPO}/manifests/1 {version}\"");
        assert!(registry.log().contains(&put), "{version}: {}", registry.log());
    }
}

#[tokio::test]
async fn a_certificate_that_is_expired_or_for_another_name_is_refused() {
    let authority = Authority::new("an authority");
    for (identity, why) in [
        (
            authority.expired(&["127.0.0.1"]),
            "the certificate of HOST is expired (Fri, 01 Jan 2021 00:00:00 GMT)",
        ),
        (
            authority.server(&["elsewhere.test", "10.1.2.3"]),
            "the certificate of HOST is for another name: elsewhere.test, 10.1.2.3",
        ),
    ] {
        let server = showing(&identity);
        let ran = step_at(&server.host(), &["amd64"])
            .file("ca.pem", authority.pem())
            .input("ca-file", "ca.pem")
            .run()
            .await
            .fails(7);
        assert!(
            ran.stdout.contains(&format!(
                "TLS connection failed: {}",
                why.replace("HOST", &server.host())
            )),
            "{why}: {}",
            ran.stdout
        );
        assert!(
            !ran.stdout.contains("tried ") && ran.elapsed < Duration::from_secs(10),
            "{why}: {}",
            ran.everything()
        );
    }
}

#[tokio::test]
async fn a_server_that_speaks_an_old_version_only_is_refused() {
    const CLIENT_HELLO: u8 = 0x16;
    // RFC 4346: a handshake record with the hello of a server that chose TLS 1.1: version, random,
    // no session, a cipher.
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let hellos = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hellos);
    let server = TcpServer::serve(move |mut stream, _| {
        let (hello, counted) = (hello.clone(), Arc::clone(&counted));
        async move {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|read| read > 0)
                && buffer[0] == CLIENT_HELLO
            {
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = stream.write_all(&hello).await;
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            }
        }
    });
    let ran = step_at(&server.host(), &["amd64"]).run().await.fails(7);
    assert!(ran.stdout.contains("TLS connection failed"), "{}", ran.stdout);
    assert!(ran.elapsed < Duration::from_secs(10), "{:?}", ran.elapsed);
    assert!(
        (1..=2).contains(&hellos.load(Ordering::Relaxed)),
        "once for the source, once for the tag: {hellos:?}"
    );
}

#[tokio::test]
async fn the_systems_own_store_can_be_another_file() {
    let registry = Registry::tls().await;
    let client = Client::new(&registry.host()).tls(registry.ca_pem());
    amd64().push(&client, REPO, "amd64").await;
    let ran = step_at(&registry.host(), &["amd64"])
        .env("SSL_CERT_FILE", registry.ca_file())
        .run()
        .await
        .ok();
    assert_eq!(
        ran.output("digest"),
        client.get_manifest(REPO, "1").await.map(|published| published.digest)
    );
}
