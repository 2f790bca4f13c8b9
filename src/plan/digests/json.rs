//! Digests in JSON: the outputs of a job, jobs with their outputs, the text of metadata.

use super::lines::{self, Parsed};
use super::{INPUT, Pinned, Read, Reader, metadata};
use crate::error::words::input;
use crate::inputs::table::names;
use crate::inputs::{Findings, slips, values};
use crate::oci::{json, shown};
use serde_json::{Map, Value};

const EMPTY: &str = " is empty: did the build end before it wrote its output?";

/// The members of an object in their order.
type Members = Vec<(String, Value)>;

impl Reader<'_> {
    /// An object or array, such as `toJSON(needs.build.outputs)`.
    pub(super) fn json(&self, value: &str, findings: &mut Findings) -> Read {
        match members(value) {
            Ok(members) if values::is_array(value) => self.outputs(members, "", findings).into(),
            Ok(members) if metadata::is_any(members.iter().map(|(key, value)| (key, value))) => {
                self.metadata("metadata", members.into_iter().collect(), findings).into()
            }
            Ok(members) if are_jobs(&members) => self.jobs(members, findings),
            Ok(members) if is_job(|name| member(&members, name)) => {
                findings.problem(INPUT, "is one job: write toJSON(needs.JOB.outputs)");
                Read::default()
            }
            Ok(members) => self.outputs(members, "", findings).into(),
            Err(error) => {
                let why = format!("looks like JSON but is not valid ({})", json::place(&error));
                findings.problem(INPUT, slips::array_for(value).unwrap_or(why));
                Read::default()
            }
        }
    }

    /// The digests among outputs; `of`: what is in front of their names.
    fn outputs(&self, outputs: Members, of: &str, findings: &mut Findings) -> Vec<Pinned> {
        let pinned = outputs.into_iter().flat_map(|(key, value)| {
            let from = format!("{of}{key}");
            if let Value::Object(object) = &value
                && metadata::is_any(object)
            {
                return self.metadata(&from, object.clone(), findings);
            }
            if self.is_counted && is_empty(&value) {
                return Vec::new();
            }
            let found = from_value(value).map_err(|why| format!("{from:?}{why}"));
            let Some(Some((platform, repository, digest))) = findings.take(INPUT, None, found)
            else {
                return Vec::new();
            };
            let platform = platform.or_else(|| key.parse().ok());
            vec![Pinned { from, platform, repository, digest }]
        });
        pinned.collect()
    }

    fn metadata(
        &self,
        name: &str,
        object: Map<String, Value>,
        findings: &mut Findings,
    ) -> Vec<Pinned> {
        let digests = metadata::digests(&object, self.targets);
        let digests = findings.take(INPUT, None, digests.map_err(|why| format!("{name}: {why}")));
        digests.into_iter().flatten().map(|digest| Pinned::new("", digest)).collect()
    }

    /// `toJSON(needs)`. A job without a digest may have lost it; only `platforms` tells that none is
    /// missing.
    fn jobs(&self, jobs: Members, findings: &mut Findings) -> Read {
        let mut read = Read::default();
        let mut without = Vec::new();
        for (job, value) in jobs {
            let outputs: Members = match value.get("outputs") {
                Some(Value::Object(outputs)) => outputs.clone().into_iter().collect(),
                _ => Vec::new(),
            };
            // Nothing that is wrong with it is told twice.
            if outputs.iter().all(|(_, output)| is_empty(output) || is_other(output)) {
                let result = value.get("result").and_then(Value::as_str).unwrap_or_default();
                without.push(format!("job {} (result: {})", shown(&job), shown(result)));
            } else {
                read.pinned.extend(self.outputs(outputs, &format!("{job}."), findings));
            }
        }
        if self.is_counted && !read.pinned.is_empty() {
            read.without = without;
            return read;
        }
        let platforms = input(names::platforms);
        let fix = match self.is_counted {
            true => "see its log".to_owned(),
            false => format!(
                "see its log; if it builds no image, set {platforms}, which tells whether one is missing"
            ),
        };
        for job in without {
            findings.problem(INPUT, format!("{job} has no digest among its outputs: {fix}"));
        }
        read
    }
}

/// The members of an object, or the items of an array under their numbers.
fn members(value: &str) -> Result<Members, serde_json::Error> {
    if !values::is_array(value) {
        return values::object(value);
    }
    let array: Vec<Value> = serde_json::from_str(value)?;
    Ok(array.into_iter().zip(1..).map(|(value, at)| (format!("item {at}"), value)).collect())
}

/// Whether these are jobs as the context `needs` has them.
fn are_jobs(members: &Members) -> bool {
    !members.is_empty() && members.iter().all(|(_, value)| is_job(|name| value.get(name)))
}

/// Whether an object with these fields is a job. Some runners write `null` where it has no outputs.
fn is_job<'v>(field: impl Fn(&str) -> Option<&'v Value>) -> bool {
    field("result").is_some_and(Value::is_string)
        && field("outputs").is_some_and(|outputs| outputs.is_object() || outputs.is_null())
}

fn member<'m>(members: &'m Members, name: &str) -> Option<&'m Value> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The digest that a value of JSON is; `None` for another output of the same job.
fn from_value(value: Value) -> Result<Option<Parsed>, String> {
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

/// Whether an output is something else than a digest.
fn is_other(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => lines::parse(text.trim()).is_none(),
        _ => false,
    }
}
