//! Proxies on the way: tunnels, logins, TLS to the proxy itself, and what goes past it.

use crate::support::certs::{Authority, Identity};
use crate::support::client::Client;
use crate::support::registry::{Registry, TLS_NAME};
use crate::support::scene::{REPO, amd64, step_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::tcp_server::TcpServer;
use futures_util::future::join_all;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// A proxy that leads every tunnel to one place, or opens none.
struct Tunnel {
    server: TcpServer,
    /// The heads of all CONNECTs.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// To `host:port`; `None` answers 407.
    fn to(place: Option<String>, identity: Option<&Identity>) -> Self {
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        let acceptor = identity.map(|identity| TlsAcceptor::from(Arc::new(identity.tls())));
        let server = TcpServer::serve(move |stream, _| {
            let (place, seen, acceptor) = (place.clone(), Arc::clone(&seen), acceptor.clone());
            async move {
                match acceptor {
                    None => serve(stream, place, &seen).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, place, &seen).await;
                        }
                    }
                }
            }
        });
        Self { server, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut client: S,
    place: Option<String>,
    seen: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let Some(place) = place else {
        let refusal = b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"here\"\r\nContent-Length: 0\r\n\r\n";
        let _ = client.write_all(refusal).await;
        return;
    };
    if client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.is_ok()
        && let Ok(mut server) = TcpStream::connect(place).await
    {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}

async fn registry() -> (Registry, Client) {
    let registry = Registry::tls().await;
    let client = Client::new(&registry.host()).tls(registry.ca_pem());
    amd64().push(&client, REPO, "amd64").await;
    (registry, client)
}

/// The step that reads and publishes on this host and logs all that it does.
fn tracing_step(host: &str) -> Step {
    step_at(host, &["amd64"]).input("log-level", "trace")
}

#[tokio::test]
async fn a_registry_behind_a_proxy_is_reached_through_a_tunnel() {
    let (registry, client) = registry().await;
    let authority = Authority::new("the proxy's");
    let both = format!("{}\n{}", registry.ca_pem(), authority.pem());
    let secured = authority.server(&["127.0.0.1"]);
    for (variable, tls) in [
        ("HTTPS_PROXY", false),
        ("https_proxy", false),
        ("ALL_PROXY", false),
        ("HTTPS_PROXY", true),
    ] {
        let tunnel = Tunnel::to(Some(registry.host()), tls.then_some(&secured));
        let scheme = if tls { "https" } else { "http" };
        let address = format!("{scheme}://user:proxy-canary@{}", tunnel.server.host());
        let step = tracing_step(TLS_NAME)
            .file("ca.pem", &both)
            .input("ca-file", "ca.pem")
            .env(variable, &address);
        let ran = step.run().await.ok();
        let case = format!("{variable} {scheme}");
        assert_eq!(
            ran.output("digest"),
            client.get_manifest(REPO, "1").await.map(|published| published.digest),
            "{case}"
        );
        let heads = tunnel.heads();
        assert!(
            !heads.is_empty()
                && heads.iter().all(|head| head.starts_with("CONNECT registry.test:443 ")),
            "{case}: {heads:?}"
        );
        assert!(
            heads[0].to_lowercase().contains("proxy-authorization: basic "),
            "{case}: {heads:?}"
        );
        ran.never_says("proxy-canary").never_says("dXNlcjpwcm94eS1jYW5hcnk");
    }
    assert!(
        !registry.log().contains("dXNlcjpwcm94eS1jYW5hcnk"),
        "the registry never sees the proxy's login"
    );
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_ends_it_at_once() {
    let tunnel = Tunnel::to(None, None);
    let plain = ScriptedServer::answering(|_, _| {
        answer(407, &[("Proxy-Authenticate", "Basic realm=\"here\"")], "who are you")
    });
    let encrypted = tracing_step(TLS_NAME)
        .env("HTTPS_PROXY", format!("http://user:proxy-canary@{}", tunnel.server.host()));
    let open = tracing_step("plain.test")
        .input("insecure-registries", "plain.test")
        .env("HTTP_PROXY", format!("http://{}", plain.host()));
    for (case, step) in [("a tunnel", encrypted), ("plain HTTP", open)] {
        let ran = step.input("wait", "10m").run().await.fails(7);
        let (proxy, variable) = match case {
            "a tunnel" => (tunnel.server.host(), "HTTPS_PROXY"),
            _ => (plain.host(), "HTTP_PROXY"),
        };
        let why = format!("the proxy {proxy} ({variable}) requires a login (407)");
        assert!(ran.stdout.contains(&why), "{case}: {}", ran.stdout);
        assert!(
            ran.stdout.contains("fix:   put the login into the proxy's address"),
            "{case}: {}",
            ran.stdout
        );
        assert!(
            !ran.stdout.contains("tried ") && ran.elapsed < Duration::from_secs(10),
            "{case}: {}",
            ran.everything()
        );
        ran.never_says("proxy-canary");
    }
    assert!(
        (1..=2).contains(&tunnel.heads().len()),
        "once for the source, once for the tag: {:?}",
        tunnel.heads()
    );
    assert!((1..=2).contains(&plain.requests().len()), "{:?}", plain.requests());
}

/// curl's rules. Whatever goes past the proxy goes to names that do not exist, or to a port of this
/// machine that is closed.
#[tokio::test]
async fn what_no_proxy_names_goes_past_the_proxy() {
    let cases = [
        ("NO_PROXY", "", "registry.invalid", true),
        ("NO_PROXY", "registry.invalid", "registry.invalid", false),
        ("NO_PROXY", "elsewhere.test, registry.invalid", "registry.invalid", false),
        ("no_proxy", "registry.invalid", "registry.invalid", false),
        ("NO_PROXY", ".invalid", "registry.invalid", false),
        ("NO_PROXY", "invalid", "registry.invalid", false),
        ("NO_PROXY", "*", "registry.invalid", false),
        ("NO_PROXY", "stry.invalid", "registry.invalid", true),
        ("NO_PROXY", "0.0.0.0/8", "0.0.0.0:9", false),
        ("NO_PROXY", "0.0.0.0", "0.0.0.0:9", false),
        ("NO_PROXY", "10.0.0.0/8", "0.0.0.0:9", true),
        ("NO_PROXY", "*", "0.0.0.0:9", false),
        ("NO_PROXY", "0.0.0.0:9", "0.0.0.0:9", false),
        ("NO_PROXY", "0.0.0.0:8", "0.0.0.0:9", true),
        ("NO_PROXY", "*.invalid", "registry.invalid", false),
        ("NO_PROXY", "registry.invalid:80", "registry.invalid", false),
        ("NO_PROXY", "registry.invalid:443", "registry.invalid", true),
    ];
    let runs = cases.map(|(variable, value, host, through)| async move {
        let case = format!("{variable}={value} {host}");
        let proxy = ScriptedServer::answering(|_, _| answer(403, &[], "here is a proxy"));
        // Both spellings, the lower one in curl's manner: it counts for plain HTTP too.
        let name = if variable == "no_proxy" { "http_proxy" } else { "HTTP_PROXY" };
        let step = tracing_step(host)
            .input("insecure-registries", host)
            .env(name, format!("http://{}", proxy.host()));
        // Not looking again and again at what does not exist.
        let ran =
            step.env(variable, value).input("wait", "1s").input("log-level", "info").run().await;
        assert_eq!(!proxy.requests().is_empty(), through, "{case}: {}", ran.everything());
        assert_eq!(
            ran.status == 6,
            through,
            "the proxy's own answer; {case}: {}",
            ran.everything()
        );
    });
    join_all(runs).await;
}
