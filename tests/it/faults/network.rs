//! Addresses that are dead, and addresses of the sixth version.

use crate::support::client::Client;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::running::Ran;
use crate::support::scene::{BOTH, REPO, amd64, arm64, step_at};
use crate::support::tcp_server::DeadPort;
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

/// A registry that is reached at `[::1]` alone, on this port.
async fn only_v6(port: u16) -> (Registry, Client, FaultProxy) {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    amd64().push(&client, REPO, "amd64").await;
    arm64().push(&client, REPO, "arm64").await;
    let proxy = FaultProxy::at((Ipv6Addr::LOCALHOST, port).into(), &registry.host());
    (registry, client, proxy)
}

async fn run(host: &str) -> Ran {
    step_at(host, &BOTH).run().await.ok()
}

#[tokio::test]
async fn a_registry_is_named_by_its_address_of_the_sixth_version() {
    let (_registry, client, proxy) = only_v6(0).await;
    let host = proxy.host();
    assert!(host.starts_with("[::1]:"), "{host}");
    let ran = run(&host).await;
    let digest = client.get_manifest(REPO, "1").await.map(|published| published.digest);
    assert_eq!(ran.output("digest"), digest);
    assert_eq!(ran.output("images"), digest.map(|digest| format!("{host}/{REPO}:1@{digest}")));
    assert!(
        proxy.log().iter().all(|entry| entry.host.as_deref() == Some(&host)),
        "{:?}",
        proxy.log()
    );
}

#[tokio::test]
async fn a_dead_address_does_not_keep_from_the_live_one() {
    // `localhost` has two addresses, the one of the fourth version first: refused at once, or
    // silent for ever.
    for silent in [false, true] {
        let dead = DeadPort::any();
        let port = dead.port();
        let _silence =
            if silent { Some(Silence::at(([127, 0, 0, 1], port).into()).await) } else { None };
        let (_registry, client, proxy) = only_v6(port).await;
        let ran = run(&format!("localhost:{port}")).await;
        assert_eq!(
            ran.output("digest"),
            client.get_manifest(REPO, "1").await.map(|published| published.digest)
        );
        assert!(proxy.connections() > 0);
        assert!(ran.elapsed < Duration::from_secs(5), "silent: {silent}: {:?}", ran.elapsed);
    }
}

/// An address where nobody answers: the queue of connections to be accepted is full, so the kernel
/// drops what comes.
struct Silence {
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Silence {
    async fn at(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Only so is it given a port that a `DeadPort` has.
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut queue = Vec::new();
        let filling = tokio::task::spawn_blocking(move || {
            while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100))
            {
                queue.push(stream);
                assert!(queue.len() < 100, "a queue of one place takes all who come");
            }
            queue
        });
        Self { _listener: listener, _queue: filling.await.unwrap() }
    }
}
