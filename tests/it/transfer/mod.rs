//! Children from anywhere: mounted within a registry, streamed between registries, complete before
//! any tag moves.

mod chunks;
mod killed;
mod meanwhile;
mod mounted;
mod ranges;
mod refused;
mod restarted;
mod several;
mod streamed;
mod uploads;

use crate::support::running::Ran;
use crate::support::step::Step;
use serde_json::Value;

/// The step that publishes these sources at these tags, looks for them once, and leaves a report.
fn step_with_report(tags: &str, sources: &str) -> Step {
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
