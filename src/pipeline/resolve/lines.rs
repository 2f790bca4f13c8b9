//! The lines that a wait writes into the log.

use super::Absent;
use super::arrived::Arrived;
use super::state::NotYet;
use crate::entries::{images, titles};
use crate::error::words::{either, setting};
use crate::inputs::table::names;
use crate::oci::Descriptor;
use crate::pipeline::progress::SourceState;
use crate::plan::Source;
use crate::text::{brief, duration};
use std::time::Duration;

/// A source arrived.
pub(super) fn found(arrived: &Arrived) -> String {
    let when =
        arrived.after.map(|after| format!("  after {}", duration(after))).unwrap_or_default();
    let origin = origin(arrived).map(|origin| format!("  {origin}")).unwrap_or_default();
    format!(
        "found    {}  {}{}{origin}{when}",
        arrived.source.name,
        titles(&arrived.entries),
        digest(arrived)
    )
}

/// What was found, unless the name has said it: of an index from which one entry is picked, that
/// entry.
fn digest(arrived: &Arrived) -> String {
    let whole = &arrived.manifest.digest;
    let images: Vec<&Descriptor> = images(&arrived.entries).collect();
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
pub(super) fn absent(Absent { source, why, near, .. }: &Absent) -> String {
    let reason = why.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}: {}{reason}{}{}", why.word(), source.name, similar(why, near), place(source))
}

/// Where a source was looked for, after other words of it.
pub(super) fn place(source: &Source) -> String {
    source.looked_in().map(|places| format!("; {places}")).unwrap_or_default()
}

/// Tags that come near one that does not exist.
pub(super) fn similar(why: &NotYet, near: &[String]) -> String {
    match (why, near) {
        (NotYet::Missing, [_, ..]) => format!("; similar tags: {}", near.join(", ")),
        _ => String::new(),
    }
}

/// What would shorten a wait that is as long as it is by default.
pub(super) fn shorter() -> String {
    let short = setting(names::wait, "30s");
    let done = either(
        "the jobs that push these images are done before this step (`needs:`)",
        "the builds of these images are done",
    );
    format!("if {done}, set {short}")
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
    let missing = missing(waiting.len(), sources.len(), elapsed, left);
    format!("{missing}: {}", waiting.join(", "))
}

/// How many are waited for, and how long still.
pub(super) fn missing(waiting: usize, all: usize, elapsed: Duration, left: Duration) -> String {
    let (elapsed, left) = (duration(elapsed), duration(left));
    format!("waiting  {waiting} of {all} missing after {elapsed}, {left} left")
}

/// How a source stands, when the wait ends for another reason.
pub(super) fn stands((name, state): &(String, SourceState)) -> String {
    let words =
        if *state == SourceState::Looking { "not checked".to_owned() } else { state.words() };
    format!("{words}: {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Manifest, Origin, media_type};
    use bytes::Bytes;

    const MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":1},"layers":[]}"#;

    fn source(name: &str) -> Source {
        Source::new(name.parse().unwrap())
    }

    fn arrived(name: &str, platform: &str, origin: Origin, after: Option<u64>) -> Arrived {
        let digest = Digest::of(MANIFEST);
        let manifest =
            Manifest::parse(Bytes::from_static(MANIFEST), media_type::OCI_MANIFEST, digest)
                .unwrap();
        let mut entry = manifest.descriptor();
        entry.platform = Some(platform.parse().unwrap());
        Arrived {
            source: source(name),
            manifest,
            entries: vec![entry],
            discovered: Vec::new(),
            stray: None,
            origins: vec![origin],
            after: after.map(Duration::from_secs),
        }
    }

    /// One wait for four sources, from its first line to the details of its failure.
    #[test]
    fn the_log_of_a_wait() {
        let (amd64, arm64) = ("r.example/acme/app:amd64", "r.example/acme/app:arm64");
        let (riscv64, s390x) = ("r.example/acme/app:riscv64", "r.example/acme/app:s390x");
        let origin = Origin {
            created: Some("2026-01-02T03:04:05Z".to_owned()),
            revision: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        };
        let incomplete = || NotYet::Incomplete("1 of 3 layers is missing".to_owned());
        let at_once = arrived(amd64, "linux/amd64", origin, None);
        let unknown_origin = Origin { created: None, revision: None };
        let later = arrived(arm64, "linux/arm64", unknown_origin, Some(90));
        let ten_minutes = Duration::from_secs(600);
        let still = still_waiting(
            &[
                (amd64.to_owned(), SourceState::Found(None)),
                (arm64.to_owned(), SourceState::Waiting(NotYet::Missing.word())),
                (riscv64.to_owned(), SourceState::Waiting(incomplete().word())),
                (s390x.to_owned(), SourceState::Looking),
            ],
            Duration::from_secs(60),
            Duration::from_secs(540),
        );
        let near = vec!["s390".to_owned(), "s390x-1".to_owned()];
        let absent =
            |at, name, why| absent(&Absent { at, source: source(name), why, near: near.clone() });
        let lines = [
            found(&at_once),
            waiting(arm64, &NotYet::Missing.state(), ten_minutes),
            waiting(riscv64, &incomplete().state(), ten_minutes),
            still,
            found(&later),
            absent(2, riscv64, incomplete()),
            absent(3, s390x, NotYet::Missing),
            there(&at_once),
            there(&later),
            stands(&(s390x.to_owned(), SourceState::Looking)),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        found    r.example/acme/app:amd64  linux/amd64  sha256:56227fe0dffd  built 2026-01-02T03:04:05Z from 0123456789ab
        wait     r.example/acme/app:arm64  not found yet; checking for up to 10m
        wait     r.example/acme/app:riscv64  incomplete: 1 of 3 layers is missing; checking for up to 10m
        waiting  2 of 4 missing after 1m, 9m left: r.example/acme/app:arm64 not found, r.example/acme/app:riscv64 incomplete
        found    r.example/acme/app:arm64  linux/arm64  sha256:56227fe0dffd  after 1m 30s
        incomplete: r.example/acme/app:riscv64 (1 of 3 layers is missing)
        not found: r.example/acme/app:s390x; similar tags: s390, s390x-1
        found: r.example/acme/app:amd64 sha256:56227fe0dffd
        found after 1m 30s: r.example/acme/app:arm64 sha256:56227fe0dffd
        not checked: r.example/acme/app:s390x
        ");
    }
}
