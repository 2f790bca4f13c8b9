//! The report in JSON, version 1: written on failure too. Fields may be added within a version, never changed.

use super::Report;
use crate::error::Error;
use crate::oci::Reference;
use crate::progress::TagState;
use serde_json::{Map, Value, json};

/// Of a run that ended well.
pub fn success(report: &Report, warnings: &[String]) -> Value {
    let status = match (report.dry_run, report.changed) {
        (true, _) => "dry-run",
        (false, true) => "published",
        (false, false) => "unchanged",
    };
    let platforms: Vec<Value> = report
        .platforms()
        .into_iter()
        .map(|(platform, digest)| json!({"platform": platform, "digest": digest, "downloadBytes": report.download(&digest)}))
        .collect();
    let sources: Vec<Value> = report
        .sources
        .iter()
        .map(|source| {
            let platforms: Vec<String> = source.platforms.iter().map(ToString::to_string).collect();
            let after = source.after.map(|after| after.as_secs_f64());
            json!({"name": source.name, "digest": source.digest, "platforms": platforms, "arrivedAfterSeconds": after})
        })
        .collect();
    json!({
        "version": 1,
        "status": status,
        "exit": 0,
        "digest": report.composed.digest,
        "mediaType": report.composed.media_type,
        "size": report.composed.bytes.len(),
        "image": report.image(),
        "changed": report.changed,
        "tags": tags(&report.tags),
        "platforms": platforms,
        "sources": sources,
        "skipped": report.skipped,
        "warnings": warnings,
        "elapsedSeconds": report.elapsed.as_secs_f64(),
        "manifest": serde_json::from_slice::<Value>(&report.composed.bytes).unwrap_or(Value::Null),
    })
}

/// Of a run that failed.
pub fn failure(error: &Error, state: &[(Reference, TagState)], warnings: &[String]) -> Value {
    let mut shown = Map::new();
    shown.insert("what".to_owned(), Value::from(error.what.as_str()));
    shown.insert("details".to_owned(), Value::from(error.details.clone()));
    shown.insert("where".to_owned(), Value::from(error.place.clone()));
    shown.insert("fix".to_owned(), Value::from(error.fix.clone()));
    json!({
        "version": 1,
        "status": "failed",
        "exit": error.exit as u8,
        "error": shown,
        "changed": state.iter().any(|(_, state)| *state == TagState::Moved),
        "tags": tags(state),
        "warnings": warnings,
    })
}

fn tags(tags: &[(Reference, TagState)]) -> Vec<Value> {
    tags.iter().map(|(tag, state)| json!({"reference": tag.to_string(), "state": state.name()})).collect()
}
