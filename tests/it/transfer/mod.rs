//! Children from anywhere: mounted within a registry, streamed between registries, complete before
//! any tag moves.

mod killed;
mod meanwhile;
mod mounted;
mod restarted;
mod several;
mod streamed;

use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::running::Ran;
use crate::support::step::Step;
use serde_json::Value;

/// A registry, a client that goes to it directly, and the proxy through which our binary goes.
struct Place {
    registry: Registry,
    client: Client,
    proxy: FaultProxy,
}

impl Place {
    async fn new() -> Self {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        let proxy = FaultProxy::before(&registry).await;
        Self { registry, client, proxy }
    }

    /// A name in this registry, as our binary sees it.
    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.proxy.host())
    }

    /// Whether manifest and blobs of an image are there, byte for byte.
    async fn holds(&self, repository: &str, image: &Image) -> bool {
        self.client.holds(repository, image).await
    }
}

fn step(tags: &str, sources: &str) -> Step {
    Step::new()
        .github()
        .input("tags", tags)
        .input("sources", sources)
        .input("wait", "0")
        .input("json-file", "report.json")
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.file("report.json").expect("a report")).expect("the report is JSON")
}

/// The writes of a run, in their order: what was done, and where.
fn writes(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report(ran)["writes"].as_array().cloned().expect("writes");
    all.iter().map(|write| (text(&write["action"]), text(&write["where"]))).collect()
}

/// Whether every tag moved after everything else.
fn tags_last(ran: &Ran) -> bool {
    let deeds: Vec<String> = writes(ran).into_iter().map(|(deed, _)| deed).collect();
    let first = deeds.iter().position(|deed| deed == "move-tag").unwrap_or(deeds.len());
    deeds[first..].iter().all(|deed| deed == "move-tag")
}
