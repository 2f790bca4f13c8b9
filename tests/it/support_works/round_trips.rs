//! The proxy's counters, for sequences whose cost is known.

use crate::support::client::Client;
use crate::support::http1::{Request, Wire};
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::request_log::Quiet;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const DISTANCE: Duration = Duration::from_millis(60);

fn get(host: &str, target: &str) -> Vec<u8> {
    let headers =
        vec![("Host".to_owned(), host.to_owned()), ("User-Agent".to_owned(), "test/1".to_owned())];
    Request { method: "GET".to_owned(), target: target.to_owned(), headers, body: Vec::new() }
        .encode()
}

async fn far(registry: &Registry) -> FaultProxy {
    FaultProxy::before(registry).await.with_distance(DISTANCE)
}

#[tokio::test]
async fn one_kept_connection_costs_two_and_one_for_each_request() {
    let registry = Registry::start().await;
    let proxy = far(&registry).await;
    let mut wire = Wire::new(TcpStream::connect(proxy.host()).await.unwrap());
    for _ in 0..3 {
        wire.send(&get(&proxy.host(), "/v2/")).await.unwrap();
        assert_eq!(wire.response("GET").await.unwrap().unwrap().status, 200);
    }
    assert_eq!(
        (proxy.requests(), proxy.connections(), proxy.max_in_flight(), proxy.round_trips()),
        (3, 1, 1, 5)
    );
    let entry = &proxy.log()[0];
    assert_eq!(
        (entry.method.as_str(), entry.path.as_str(), entry.status, entry.connection),
        ("GET", "/v2/", 200, 1)
    );
    assert_eq!(
        (entry.response_bytes, entry.user_agent.as_deref(), entry.depth),
        (2, Some("test/1"), 3)
    );
    proxy.finish();
}

#[tokio::test]
async fn requests_that_do_not_wait_for_each_other_share_a_round_trip() {
    let registry = Registry::start().await;
    let proxy = far(&registry).await;
    let one = |target: &'static str| {
        let host = proxy.host();
        async move {
            let mut wire = Wire::new(TcpStream::connect(&host).await.unwrap());
            for _ in 0..2 {
                wire.send(&get(&host, target)).await.unwrap();
                wire.response("GET").await.unwrap().unwrap();
            }
        }
    };
    tokio::join!(
        one("/v2/"),
        one("/v2/a/manifests/1"),
        one("/v2/b/manifests/1"),
        one("/v2/c/tags/list")
    );
    assert_eq!(
        (proxy.requests(), proxy.connections(), proxy.max_in_flight()),
        (8, 4, 4),
        "{}",
        proxy.log_text()
    );
    assert_eq!(proxy.round_trips(), 4, "{}", proxy.log_text());
    assert_eq!(proxy.log().iter().map(|e| e.in_flight_at_arrival).max(), Some(4));
}

#[tokio::test]
async fn a_connection_opened_late_costs_two_more() {
    let registry = Registry::start().await;
    let proxy = far(&registry).await;
    let client = Client::new(&proxy.host());
    for _ in 0..3 {
        client.request("GET", "/v2/", &[], &[]).await;
    }
    assert_eq!((proxy.requests(), proxy.connections(), proxy.round_trips()), (3, 3, 9));
}

#[test]
fn time_in_which_the_machine_stood_still_is_not_quiet() {
    let (ms, start) = (Duration::from_millis, Instant::now());
    let mut quiet = Quiet::since(start);
    assert_eq!(quiet.tick(start + ms(5)), ms(5));
    assert_eq!(quiet.tick(start + ms(5)), ms(5), "several tasks tick");
    assert_eq!(quiet.tick(start + ms(9)), ms(9));
    assert_eq!(quiet.tick(start + ms(5000)), ms(19));
    assert_eq!(quiet.tick(start + ms(5005)), ms(24));
}

#[tokio::test]
async fn a_push_goes_through_and_is_counted() {
    let registry = Registry::htpasswd("ci", "s3cret").await;
    let proxy = FaultProxy::before(&registry).await;
    let client = Client::new(&proxy.host()).basic("ci", "s3cret");
    let image = Image::oci("linux/amd64").layer_size(3_000_000);
    image.push(&client, "acme/app", "1").await;
    assert!(client.get_manifest("acme/app", "1").await.is_some());
    assert_eq!(proxy.count("POST", "/v2/acme/app/blobs/uploads/"), 2);
    assert_eq!(proxy.count("PUT", "/v2/acme/app/*"), 3);
    assert_eq!(
        proxy.count("PUT", "/v2/acme/app/blobs/uploads/*?*digest=*"),
        2,
        "uploads came back through the proxy"
    );
    assert_eq!(proxy.count("*", "*"), proxy.requests());
    let uploads = proxy.entries("PUT", "/v2/acme/app/blobs/uploads/*");
    assert!(uploads[0].request_bytes > 3_000_000 && uploads[0].target.contains("digest=sha256:"));
    assert!(
        proxy
            .log()
            .iter()
            .all(|e| { e.authorization.as_deref().is_some_and(|a| a.starts_with("Basic ")) })
    );
}
