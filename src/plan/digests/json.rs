//! Digests in JSON, such as the outputs of jobs.

use super::lines::{self, Parsed};
use super::{INPUT, Pinned};
use crate::inputs::{Findings, slips, values};
use crate::oci::json;
use serde_json::Value;

/// An object or array, such as `toJSON(needs.build.outputs)`.
pub(super) fn read(value: &str, is_counted: bool, findings: &mut Findings) -> Vec<Pinned> {
    let entries = match json_entries(value) {
        Ok(entries) => entries,
        Err(error) => {
            let why = format!("looks like JSON but is not valid ({})", json::place(&error));
            findings.problem(INPUT, slips::array_for(value).unwrap_or(why));
            return Vec::new();
        }
    };
    let pinned = entries.into_iter().zip(1..).filter_map(|((key, value), line)| {
        if is_counted && is_empty(&value) {
            return None;
        }
        let found = from_value(value).map_err(|why| format!("{key:?}{why}"));
        let (platform, repository, digest) = findings.take(INPUT, None, found)??;
        let platform = platform.or_else(|| key.parse().ok());
        Some(Pinned { line, from: key, platform, repository, digest })
    });
    pinned.collect()
}

/// The members of an object, or the items of an array under their numbers.
fn json_entries(value: &str) -> Result<Vec<(String, Value)>, serde_json::Error> {
    if !values::is_array(value) {
        return values::object(value);
    }
    let array: Vec<Value> = serde_json::from_str(value)?;
    Ok(array.into_iter().zip(1..).map(|(value, at)| (format!("item {at}"), value)).collect())
}

/// The digest that a value of JSON is; `None` for another output of the same job.
fn from_value(value: Value) -> Result<Option<Parsed>, String> {
    const EMPTY: &str = " is empty: did the build end before it wrote its output?";
    match value {
        value if is_empty(&value) => Err(EMPTY.to_owned()),
        Value::Object(_) | Value::Array(_) => {
            Err(" is nested: a digest is expected, as a string".to_owned())
        }
        Value::String(text) => {
            lines::parse(text.trim()).transpose().map_err(|why| format!(": {why}"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(None),
    }
}

/// Whether an output was declared and never written.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}
