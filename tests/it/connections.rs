//! Connections that are opened: over TLS one, until it is known whether requests share it; and none
//! that no request needs.

use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::front::Front;
use crate::support::images::{Image, PLATFORMS};
use crate::support::registry::{Auth, NOT_LOOPBACK, Registry};
use crate::support::scene::{REPO, Scene, bare_step_at, reference_at};
use std::time::Duration;

fn images() -> Vec<Image> {
    PLATFORMS.iter().map(|name| Image::oci(name)).collect()
}

#[tokio::test]
async fn http2_over_tls_takes_one_connection() {
    for auth in [Auth::Open, Auth::Basic("ci".to_owned(), "s3cret-canary".to_owned())] {
        let registry = Registry::launch(&auth, true).await;
        let mut client = Client::new(&registry.host()).tls(registry.ca_pem());
        if let Auth::Basic(user, password) = &auth {
            client = client.basic(user, password);
        }
        let mut sources = Vec::new();
        for (at, image) in images().iter().enumerate() {
            sources.push(format!("s{at}"));
            image.push(&client, REPO, &sources[at]).await;
        }
        let front = Front::before_tls(&registry.host());
        let host = front.host().replace("127.0.0.1", NOT_LOOPBACK);
        let mut step = bare_step_at(&host, &sources)
            .file("ca.pem", registry.ca_pem())
            .input("ca-file", "ca.pem");
        if let Auth::Basic(user, password) = &auth {
            step = step.input("username", user).input("password", password);
        }
        step.run().await.ok();
        assert_eq!(front.begun(), 1, "{auth:?}");
        assert!(client.get_manifest(REPO, "1").await.is_some());
    }
}

/// One round trip is lost to learn that it is not HTTP/2, and no connection is wasted.
#[tokio::test]
async fn http1_over_tls_takes_a_connection_for_each_request_at_once() {
    let scene = Scene::empty().await.with_distance(Duration::from_millis(150));
    let sources = scene.push_all(&images()).await;
    let authority = Authority::new("test authority");
    let identity = authority.server(&[NOT_LOOPBACK]);
    for (tag, protocols) in [("1", &[][..]), ("2", &["http/1.1"])] {
        let front = Front::with_tls(&scene.proxy.host(), &identity, protocols);
        let host = front.host().replace("127.0.0.1", NOT_LOOPBACK);
        let before = scene.proxy.requests();
        bare_step_at(&host, &sources)
            .input("tags", &reference_at(&host, tag))
            .file("ca.pem", authority.pem())
            .input("ca-file", "ca.pem")
            .run()
            .await
            .ok();
        let log = scene.proxy.log_text();
        assert_eq!(scene.proxy.requests() - before, 2 * sources.len() + 3, "{log}");
        assert_eq!(front.begun(), 1 + sources.len(), "{log}");
        assert!(scene.proxy.max_in_flight() >= sources.len(), "{log}");
    }
}

/// What waits for the first request with a login, and what will be mounted, has connections opened
/// early: no more than requests may be under way.
#[tokio::test]
async fn no_more_connections_are_opened_than_requests_may_be_under_way() {
    let scene = Scene::with_login("ci", "s3cret-canary").await;
    let mut sources = Vec::new();
    for (at, image) in images().iter().enumerate() {
        image.push(&scene.client, "acme/build", &format!("s{at}")).await;
        sources.push(scene.full_name(&format!("acme/build:s{at}")));
    }
    let step = scene.step("1").input("sources", &sources.join("\n")).input("concurrency", "2");
    step.input("username", "ci").input("password", "s3cret-canary").run().await.ok();
    assert_eq!(scene.proxy.connections(), 2, "{}", scene.proxy.log_text());
}
