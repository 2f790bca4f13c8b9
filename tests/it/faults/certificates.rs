//! Certificates and TLS versions that are not to be trusted: fatal, told, and not tried again.

use crate::support::certs::{Authority, Identity, expire};
use crate::support::client::Client;
use crate::support::registry::Registry;
use crate::support::scene::{REPO, amd64, step_at};
use crate::support::tcp_server::TcpServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

/// A server that shows this certificate and closes.
fn showing(identity: &Identity) -> TcpServer {
    let acceptor = TlsAcceptor::from(Arc::new(identity.tls()));
    TcpServer::serve(move |stream, _| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
}

#[tokio::test]
async fn a_certificate_that_is_expired_or_for_another_name_is_refused() {
    let authority = Authority::new("an authority");
    for (identity, why) in [
        (authority.expired(&["127.0.0.1"]), "certificate expired"),
        (authority.server(&["elsewhere.test"]), "not valid for name"),
    ] {
        let server = showing(&identity);
        let ran = step_at(&server.host(), &["amd64"])
            .file("ca.pem", authority.pem())
            .input("ca-file", "ca.pem")
            .run()
            .await
            .fails(7);
        assert!(
            ran.stdout.contains("TLS connection failed") && ran.stdout.contains(why),
            "{why}: {}",
            ran.stdout
        );
        assert!(
            !ran.stdout.contains("tried ") && ran.elapsed < Duration::from_secs(2),
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
    assert!(ran.elapsed < Duration::from_secs(2), "{:?}", ran.elapsed);
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

/// A server that shows this certificate and has nothing to give.
fn empty_behind(identity: &Identity) -> TcpServer {
    let acceptor = TlsAcceptor::from(Arc::new(identity.tls()));
    TcpServer::serve(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        }
    })
}

/// As `openssl req -x509` makes it: an authority that is a server as well.
#[tokio::test]
async fn a_server_whose_own_certificate_is_given_is_trusted() {
    let ours = Identity::self_signed(&["127.0.0.1"], |_| {});
    let other = Identity::self_signed(&["127.0.0.1"], |_| {});
    let expired = Identity::self_signed(&["127.0.0.1"], expire);
    let elsewhere = Identity::self_signed(&["elsewhere.test"], |_| {});
    let authority = Authority::new("an authority");
    let signed = authority.server(&["127.0.0.1"]);
    for (case, shown, given, exit, why) in [
        ("the same", &ours, &ours, 3, "not found"),
        ("signed by somebody", &signed, &signed, 3, "not found"),
        ("another one with the same name", &ours, &other, 7, "TLS connection failed"),
        ("expired", &expired, &expired, 7, "certificate expired"),
        ("for another name", &elsewhere, &elsewhere, 7, "not valid for name"),
    ] {
        let server = empty_behind(shown);
        let step = step_at(&server.host(), &["amd64"]).file("ca.pem", &given.certificate);
        let ran = step.input("ca-file", "ca.pem").run().await.fails(exit);
        assert!(ran.stdout.contains(why), "{case}: {}", ran.stdout);
    }
}
