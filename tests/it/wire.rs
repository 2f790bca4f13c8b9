//! What a run costs on the wire: requests and round trips, counted at a proxy before the real
//! registry.

use crate::support::client::Client;
use crate::support::images::{Image, PLATFORMS};
use crate::support::indexes::BuiltIndex;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::step::Step;
use std::time::Duration;

const DISTANCE: Duration = Duration::from_millis(150);

#[tokio::test]
async fn one_tag_costs_2n_plus_3_requests_and_6_round_trips() {
    for count in [2, 8] {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        for (at, platform) in PLATFORMS[..count].iter().enumerate() {
            Image::oci(platform).push(&client, "acme/app", &format!("s{at}")).await;
        }
        let proxy = FaultProxy::before(&registry).await.with_distance(DISTANCE);
        let sources: Vec<String> =
            (0..count).map(|at| format!("{}/acme/app:s{at}", proxy.host())).collect();
        let step = Step::new()
            .input("tags", &format!("{}/acme/app:1", proxy.host()))
            .input("sources", &sources.join("\n"));
        step.run().await.ok();
        assert_eq!(
            (proxy.requests(), proxy.round_trips()),
            (2 * count + 3, 6),
            "{}",
            proxy.log_text()
        );
        assert!(proxy.log().iter().all(|entry| entry.path != "/v2/"), "no ping");
        proxy.finish();
    }
}

#[tokio::test]
async fn several_tags_cost_2n_plus_3t_plus_1_and_latest_one_more_trip() {
    for (tags, trips) in [(vec!["1", "1.2", "1.2.3"], 7), (vec!["1", "1.2", "latest"], 8)] {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        Image::oci("linux/amd64").push(&client, "acme/app", "a").await;
        Image::oci("linux/arm64").push(&client, "acme/app", "b").await;
        let proxy = FaultProxy::before(&registry).await.with_distance(DISTANCE);
        let full: Vec<String> =
            tags.iter().map(|tag| format!("{}/acme/app:{tag}", proxy.host())).collect();
        let sources = format!("{0}/acme/app:a\n{0}/acme/app:b", proxy.host());
        Step::new().input("tags", &full.join("\n")).input("sources", &sources).run().await.ok();
        assert_eq!(
            (proxy.requests(), proxy.round_trips()),
            (2 * 2 + 3 * 3 + 1, trips),
            "{}",
            proxy.log_text()
        );
        proxy.finish();
    }
}

#[tokio::test]
async fn builder_made_sources_cost_2n_plus_3() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    for (at, platform) in PLATFORMS[..3].iter().enumerate() {
        BuiltIndex::new(vec![Image::oci(platform)])
            .attestations(true)
            .push(&client, "acme/app", &format!("s{at}"))
            .await;
    }
    let proxy = FaultProxy::before(&registry).await.with_distance(DISTANCE);
    let sources: Vec<String> =
        (0..3).map(|at| format!("{}/acme/app:s{at}", proxy.host())).collect();
    Step::new()
        .input("tags", &format!("{}/acme/app:1", proxy.host()))
        .input("sources", &sources.join("\n"))
        .run()
        .await
        .ok();
    assert_eq!((proxy.requests(), proxy.round_trips()), (2 * 3 + 3, 6), "{}", proxy.log_text());
    assert_eq!(proxy.count("GET", "*/blobs/*"), 0, "no config of a builder's index is read");
    proxy.finish();
}
