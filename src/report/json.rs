//! The report in JSON, version 1: written on failure too. Fields may be added within a version,
//! never changed.

use crate::error::{Audience, Error, Exit};
use crate::oci::Reference;
use crate::pipeline::outcome::{Listed, Report, Run};
use crate::pipeline::progress::TagState;
use crate::pipeline::record::{Action, Copied, Write};
use crate::report::Ending;
use crate::secret::Secrets;
use crate::text::escape;
use serde_json::{Map, Value, json};

/// A document as it is written: no secret is in it, and no character that can command a terminal.
pub fn text(document: &Value, secrets: &Secrets) -> String {
    escape::json(&secrets.redact(&format!("{document:#}\n")))
}

/// Of a run: of one list its report; of several how all of them ended, and the report of each.
pub fn run(ending: &Ending<'_>) -> Value {
    let Ending { run, exit, late, warnings, .. } = *ending;
    let mut document = match run.lists.as_slice() {
        [list] => of_list(list, warnings),
        _ => several(run, exit, warnings),
    };
    if let (Value::Object(fields), true) = (&mut document, exit != Exit::Done) {
        fields.insert("status".to_owned(), Value::from("failed"));
        fields.insert("exit".to_owned(), Value::from(exit as u8));
        if let Some(error) = late {
            fields.insert("error".to_owned(), shown(error));
        }
    }
    document
}

fn several(run: &Run, exit: Exit, warnings: &[String]) -> Value {
    let lists: Vec<Value> = run
        .lists
        .iter()
        .map(|list| {
            let mut shown = Map::new();
            shown.insert("name".to_owned(), Value::from(list.name.as_str()));
            if let Value::Object(report) = of_list(list, &[]) {
                shown.extend(
                    report.into_iter().filter(|(key, _)| key != "version" && key != "warnings"),
                );
            }
            Value::Object(shown)
        })
        .collect();
    let changed = run.lists.iter().any(|list| match &list.ended {
        Ok(report) => report.changed,
        Err(_) => has_moved(&list.tags),
    });
    let dry_run = run.reports().all(|report| report.dry_run.is_some());
    json!({
        "version": 1,
        "status": status(dry_run, changed),
        "exit": exit as u8,
        "changed": changed,
        "lists": lists,
        "warnings": warnings,
        "elapsedSeconds": run.elapsed.as_secs_f64(),
    })
}

fn of_list(list: &Listed, warnings: &[String]) -> Value {
    match &list.ended {
        Ok(report) => success(report, &list.writes, warnings),
        Err(error) => {
            let mut shown = failure(error, &list.tags, warnings);
            shown["writes"] = writes(&list.writes);
            shown
        }
    }
}

/// What was written, in this order.
fn writes(writes: &[Write]) -> Value {
    let shown = writes.iter().map(|write| {
        let mut shown =
            json!({"action": write.action.name(), "where": write.place, "digest": write.digest});
        match &write.action {
            Action::Mount { from } => shown["from"] = Value::from(from.to_string()),
            Action::Upload { from, bytes } => {
                shown["from"] = Value::from(from.to_string());
                shown["bytes"] = Value::from(*bytes);
            }
            Action::Manifest | Action::Index | Action::Tag => {}
        }
        shown["why"] = Value::from(write.why.as_str());
        shown
    });
    Value::Array(shown.collect())
}

fn copied(copied: &Copied) -> Value {
    json!({
        "repository": copied.repository.to_string(),
        "from": copied.from.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "images": copied.images,
        "imagesThere": copied.images_there,
        "blobsMounted": copied.blobs_mounted,
        "blobsUploaded": copied.blobs_uploaded,
        "blobsThere": copied.blobs_there,
        "bytesUploaded": copied.bytes_poured,
        "elapsedSeconds": copied.lasted().as_secs_f64(),
    })
}

fn status(dry_run: bool, changed: bool) -> &'static str {
    match (dry_run, changed) {
        (true, _) => "dry-run",
        (false, true) => "published",
        (false, false) => "unchanged",
    }
}

fn has_moved(state: &[(Reference, TagState)]) -> bool {
    state.iter().any(|(_, state)| *state == TagState::Moved)
}

/// Of a list that ended well.
fn success(report: &Report, written: &[Write], warnings: &[String]) -> Value {
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
            json!({"name": source.name, "digest": source.digest, "platforms": platforms, "created": source.created, "revisions": source.revisions, "arrivedAfterSeconds": after})
        })
        .collect();
    json!({
        "version": 1,
        "status": status(report.dry_run.is_some(), report.changed),
        "exit": 0,
        "digest": report.composed.digest,
        "mediaType": report.composed.media_type,
        "size": report.composed.bytes.len(),
        "image": report.image(),
        "changed": report.changed,
        "tags": tags(&report.tags),
        "platforms": platforms,
        "sources": sources,
        "copied": report.copied.iter().map(copied).collect::<Vec<_>>(),
        "writes": writes(written),
        "skipped": report.skipped.iter().map(|skipped| &skipped.name).collect::<Vec<_>>(),
        "warnings": warnings,
        "elapsedSeconds": report.elapsed.as_secs_f64(),
        "manifest": serde_json::from_slice::<Value>(&report.composed.bytes).unwrap_or(Value::Null),
    })
}

/// Of a list, or a command on one, that failed.
pub fn failure(error: &Error, state: &[(Reference, TagState)], warnings: &[String]) -> Value {
    json!({
        "version": 1,
        "status": "failed",
        "exit": error.exit as u8,
        "error": shown(error),
        "changed": has_moved(state),
        "tags": tags(state),
        "warnings": warnings,
    })
}

fn shown(error: &Error) -> Value {
    let error = error.told(Audience::default());
    json!({"what": error.what, "details": error.details, "where": error.place, "fix": error.fix})
}

fn tags(tags: &[(Reference, TagState)]) -> Vec<Value> {
    tags.iter()
        .map(|(tag, state)| json!({"reference": tag.to_string(), "state": state.name()}))
        .collect()
}
