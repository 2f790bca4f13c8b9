//! The lines that a wait writes into the log.

use super::Absent;
use super::arrived::Arrived;
use crate::oci::Descriptor;
use crate::pipeline::progress::SourceState;
use crate::text::{brief, duration};
use std::time::Duration;

/// A source arrived.
pub(super) fn found(arrived: &Arrived) -> String {
    let images: Vec<String> = arrived
        .entries
        .iter()
        .filter(|entry| entry.attests().is_none())
        .map(Descriptor::title)
        .collect();
    let when =
        arrived.after.map(|after| format!("  after {}", duration(after))).unwrap_or_default();
    let origin = origin(arrived).map(|origin| format!("  {origin}")).unwrap_or_default();
    format!(
        "found    {}  {}{}{origin}{when}",
        arrived.source.name,
        images.join(", "),
        digest(arrived)
    )
}

/// What was found, unless the name has said it: of an index from which one entry is picked, that
/// entry.
fn digest(arrived: &Arrived) -> String {
    let whole = &arrived.manifest.digest;
    let images: Vec<&Descriptor> =
        arrived.entries.iter().filter(|entry| entry.attests().is_none()).collect();
    match images.as_slice() {
        [one] if arrived.source.platform.is_some() && one.digest != *whole => {
            format!("  {} of {}", one.digest.short(), whole.short())
        }
        _ if arrived.source.name.starts_with(whole.short()) => String::new(),
        _ => format!("  {}", whole.short()),
    }
}

/// A source that is there, when others did not come.
pub(super) fn there(arrived: &Arrived) -> String {
    let when = arrived.after.map(|after| format!(" after {}", duration(after))).unwrap_or_default();
    format!("found{when}: {} {}", arrived.source.name, arrived.manifest.digest.short())
}

/// When its images were built, and from which commits, as far as that was read.
fn origin(arrived: &Arrived) -> Option<String> {
    let created = arrived.created().map(|time| format!("built {}", brief(time)));
    let revisions: Vec<String> =
        arrived.revisions().into_iter().map(|revision| short_revision(&brief(revision))).collect();
    let from = (!revisions.is_empty()).then(|| format!("from {}", revisions.join(", ")));
    let parts: Vec<String> = created.into_iter().chain(from).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A commit as git shortens it; other texts as they are.
fn short_revision(revision: &str) -> String {
    let is_hash = revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { revision.chars().take(12).collect() } else { revision.to_owned() }
}

/// A source that did not come.
pub(super) fn absent(Absent { source, why, .. }: &Absent) -> String {
    let reason = why.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}: {}{reason}", why.word(), source.name)
}

/// A source is not there; `left`: until waiting ends.
pub(super) fn waiting(source: &str, state: &str, left: Duration) -> String {
    format!("wait     {source}  {state}; checking for up to {}", duration(left))
}

/// Nothing changed for a while.
pub(super) fn still_waiting(
    sources: &[(String, SourceState)],
    elapsed: Duration,
    left: Duration,
) -> String {
    let waiting = sources.iter().filter_map(|(name, state)| match state {
        SourceState::Waiting(why) => Some(format!("{name} {why}")),
        _ => None,
    });
    let waiting: Vec<String> = waiting.collect();
    let (count, all) = (waiting.len(), sources.len());
    format!(
        "waiting  {count} of {all} missing after {}, {} left: {}",
        duration(elapsed),
        duration(left),
        waiting.join(", ")
    )
}

/// How a source stands, when the wait ends for another reason.
pub(super) fn stands((name, state): &(String, SourceState)) -> String {
    let words =
        if *state == SourceState::Looking { "not checked".to_owned() } else { state.words() };
    format!("{words}: {name}")
}
