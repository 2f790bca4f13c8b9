//! The lines of the log: a word for what happens, then what it happens to. One way to write each of them.

use super::style::{self, brief, count};
use super::{Report, Run};
use crate::check::{Arrived, name};
use crate::compose::Composed;
use crate::jobs::Job;
use crate::oci::{Descriptor, Reference, Repository, media_type};
use crate::progress::SourceState;
use crate::record::Copied;
use std::time::Duration;

/// How often anything is heard of in which nothing changes.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// A source arrived.
pub fn found(arrived: &Arrived, after: Option<Duration>) -> String {
    let images: Vec<String> = arrived.entries.iter().filter(|entry| entry.attests().is_none()).map(name).collect();
    let when = after.map(|after| format!("  after {}", duration(after))).unwrap_or_default();
    let origin = origin(arrived).map(|origin| format!("  {origin}")).unwrap_or_default();
    format!("found    {}  {}{}{origin}{when}", arrived.source.name, images.join(", "), digest(arrived))
}

/// What was found, unless the name has said it: of an index from which one entry is picked, that entry.
fn digest(arrived: &Arrived) -> String {
    let whole = &arrived.manifest.digest;
    let images: Vec<&Descriptor> = arrived.entries.iter().filter(|entry| entry.attests().is_none()).collect();
    match images.as_slice() {
        [one] if arrived.source.platform.is_some() && one.digest != *whole => {
            format!("  {} of {}", one.digest.short(), whole.short())
        }
        _ if arrived.source.name.starts_with(whole.short()) => String::new(),
        _ => format!("  {}", whole.short()),
    }
}

/// A source that is there, when others did not come.
pub fn there(arrived: &Arrived, after: Option<Duration>) -> String {
    let when = after.map(|after| format!(" after {}", duration(after))).unwrap_or_default();
    format!("found{when}: {} {}", arrived.source.name, arrived.manifest.digest.short())
}

/// A source that did not come.
pub fn absent(name: &str, word: &str, reason: Option<String>) -> String {
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{word}: {name}{reason}")
}

/// When its images were built, and from which commits, as far as that was read.
fn origin(arrived: &Arrived) -> Option<String> {
    let created = arrived.created().map(|time| format!("built {}", brief(time)));
    let revisions: Vec<String> = arrived.revisions().into_iter().map(|revision| short_revision(&brief(revision))).collect();
    let from = (!revisions.is_empty()).then(|| format!("from {}", revisions.join(", ")));
    let parts: Vec<String> = created.into_iter().chain(from).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A commit as git shortens it; other texts as they are.
fn short_revision(revision: &str) -> String {
    let is_hash = revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { revision.chars().take(12).collect() } else { revision.to_owned() }
}

/// A source is not there; `left`: until waiting ends.
pub fn waiting(source: &str, state: &str, left: Duration) -> String {
    format!("wait     {source}  {state}; looking again for {}", duration(left))
}

/// Nothing changed for a while.
pub fn still_waiting(sources: &[(String, SourceState)], elapsed: Duration, left: Duration) -> String {
    let waiting = sources.iter().filter_map(|(name, state)| match state {
        SourceState::Waiting(why) => Some(format!("{name} {why}")),
        _ => None,
    });
    let waiting: Vec<String> = waiting.collect();
    let (count, all) = (waiting.len(), sources.len());
    format!("waiting  for {count} of {all} after {}, {} left: {}", duration(elapsed), duration(left), waiting.join(", "))
}

/// How a source stands, when the wait ends for another reason.
pub fn stands((name, state): &(String, SourceState)) -> String {
    let words = if *state == SourceState::Looking { "not looked at".to_owned() } else { state.words() };
    format!("{words}: {name}")
}

/// The watched jobs, counted.
pub fn watching(jobs: &[&Job]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for job in jobs {
        match counts.iter_mut().find(|(word, _)| *word == job.state.word()) {
            Some((_, count)) => *count += 1,
            None => counts.push((job.state.word(), 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let rest = if counts.is_empty() { ", none is listed yet".to_owned() } else { format!(": {}", counts.join(", ")) };
    format!("jobs     {} watched{rest}", jobs.len())
}

/// A watched job has changed.
pub fn job(job: &Job) -> String {
    format!("job      {}  {}", brief(&job.name), job.state.word())
}

/// A watched job, as an error shows it.
pub fn said(job: &Job) -> String {
    let link = if job.link.is_empty() { String::new() } else { format!(" {}", job.link) };
    format!("job: {} {}{link}", brief(&job.name), job.state.word())
}

/// The index is composed.
pub fn composed(composed: &Composed) -> String {
    let images: Vec<String> = composed.entries.iter().filter(|entry| entry.attests().is_none()).map(name).collect();
    let attestations = composed.entries.iter().filter(|entry| entry.attests().is_some()).count();
    let more = if attestations == 0 { String::new() } else { format!(" and {}", count(attestations, "attestation")) };
    format!(
        "compose  {} of {}{more}, {} bytes, {}",
        media_type::name(&composed.media_type),
        images.join(", "),
        composed.bytes.len(),
        composed.digest.short()
    )
}

/// Images have to be copied before the list can be where it shall be.
pub fn copying(copied: &Copied, images: usize) -> String {
    let from: Vec<String> = copied.from.iter().map(ToString::to_string).collect();
    format!("copy     {} into {} from {}", count(images, "image"), copied.repository, from.join(", "))
}

/// Images would be copied, if they are not there.
pub fn would_copy(repository: &Repository, images: usize) -> String {
    format!("dry run  would copy {} into {repository}, where not there already", count(images, "image"))
}

/// Copying goes on.
pub fn still_copying(copied: &Copied) -> String {
    format!("copying  into {}: {}", copied.repository, share(copied))
}

/// The same as a bar, of all repositories that are copied into.
pub fn copy_bar(copies: &[Copied]) -> String {
    match copies {
        [] => String::new(),
        [copied] => {
            let done = usize::try_from(copied.bytes_there * 100 / copied.bytes.max(1)).unwrap_or(100);
            format!("copy {} {}", gauge(done, 100, 20), share(copied))
        }
        several => {
            let (there, all) =
                several.iter().fold((0, 0), |(there, all), copied| (there + copied.bytes_there, all + copied.bytes));
            let done = usize::try_from(there * 100 / all.max(1)).unwrap_or(100);
            format!(
                "copy {} {} of {}, {} repositories",
                gauge(done, 100, 20),
                style::size(there),
                style::size(all),
                several.len()
            )
        }
    }
}

fn share(copied: &Copied) -> String {
    format!(
        "{} of {}{}",
        style::size(copied.bytes_there),
        style::size(copied.bytes),
        rate(copied).map(|rate| format!(", {rate}")).unwrap_or_default()
    )
}

/// Bytes a second through this process, once there is anything to tell.
fn rate(copied: &Copied) -> Option<String> {
    let seconds = copied.lasted().as_secs_f64();
    let rate = copied.bytes_poured as f64 / seconds;
    (copied.bytes_poured > 0 && seconds > 0.0).then(|| format!("{}/s", style::size(rate as u64)))
}

/// Images were copied.
pub fn copied(copied: &Copied) -> String {
    format!("copied   {}  {}", copied.repository, sums(copied))
}

/// What was copied, in numbers: `3 images, 4 blobs mounted, 2 blobs uploaded (384 MB in 12 s, 32 MB/s)`.
pub fn sums(copied: &Copied) -> String {
    let mut parts = vec![count(copied.images, "image")];
    if copied.images_there > 0 {
        parts.push(format!("{} there already", count(copied.images_there, "image")));
    }
    if copied.blobs_mounted > 0 {
        parts.push(format!("{} mounted", count(copied.blobs_mounted, "blob")));
    }
    if copied.blobs_uploaded > 0 {
        let rate = rate(copied).map(|rate| format!(", {rate}")).unwrap_or_default();
        let bytes = format!("{} in {}{rate}", style::size(copied.bytes_poured), duration(copied.lasted()));
        parts.push(format!("{} uploaded ({bytes})", count(copied.blobs_uploaded, "blob")));
    }
    if copied.blobs_there > 0 {
        parts.push(format!("{} there already", count(copied.blobs_there, "blob")));
    }
    parts.join(", ")
}

/// What was not copied.
pub fn referrers_stay(from: &[String]) -> String {
    format!("note     signatures and other referrers of the images stay in {}", from.join(", "))
}

/// A tag was moved.
pub fn moved(tag: &Reference) -> String {
    format!("push     {tag}")
}

/// There is nothing to start from.
pub fn append_to_nothing(list: &Reference) -> String {
    format!("append   {list} is not there yet: a new list begins")
}

/// A tag holds the index already.
pub fn unchanged(tag: &Reference) -> String {
    format!("keep     {tag}  holds this index already")
}

/// A tag would be moved.
pub fn would_move(tag: &Reference) -> String {
    format!("dry run  would push {tag}")
}

/// The end.
pub fn done(report: &Report) -> String {
    let what = match (report.dry_run.is_some(), report.changed) {
        (_, false) => "  nothing to change",
        (true, true) => "  nothing was written, this was a dry run",
        (false, true) => "",
    };
    format!("done     {}{what}  in {}", report.image(), duration(report.elapsed))
}

/// How far a run of several lists is; `waiting`: the images that are waited for.
pub fn standing(done: usize, failed: usize, all: usize, waiting: &[String], elapsed: Duration) -> String {
    let mut text = format!("lists    {done} of {all} done");
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    text += &format!(" after {}", duration(elapsed));
    if !waiting.is_empty() {
        text += &format!("; waiting for {}", some(waiting));
    }
    text
}

/// The first few of many names.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

/// The same as a bar, which fits a narrow terminal.
pub fn bar(done: usize, failed: usize, all: usize, waiting: usize) -> String {
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let waiting = if waiting > 0 { format!(", waiting for {waiting}") } else { String::new() };
    format!("{} {done}/{all}{failed}{waiting}", gauge(done, all, 30))
}

fn gauge(done: usize, all: usize, width: usize) -> String {
    let full = (done * width / all.max(1)).min(width);
    format!("[{}{}]", "=".repeat(full), " ".repeat(width - full))
}

/// The end of several lists.
pub fn all_done(run: &Run) -> String {
    let failed: Vec<String> = run.lists.iter().filter(|list| list.ended.is_err()).map(|list| list.name.clone()).collect();
    let (all, elapsed) = (run.lists.len(), duration(run.elapsed));
    if failed.is_empty() {
        return format!("done     {all} of {all} lists  in {elapsed}");
    }
    format!("failed   {} of {all} lists  in {elapsed}: {}", failed.len(), some(&failed))
}

/// A duration as people say it: `0.4 s`, `42 s`, `3m 20s`.
pub fn duration(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (duration + Duration::from_millis(500)).as_secs();
    if seconds < 60 { format!("{seconds} s") } else { humantime::format_duration(Duration::from_secs(seconds)).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Descriptor, Digest};
    use crate::registry::blobs::Brought;

    #[test]
    fn durations() {
        for (milliseconds, text) in [
            (0, "0 s"),
            (400, "0.4 s"),
            (5_300, "5.3 s"),
            (2_980, "3 s"),
            (9_970, "10 s"),
            (42_000, "42 s"),
            (59_700, "1m"),
            (200_000, "3m 20s"),
            (600_000, "10m"),
            (5_400_000, "1h 30m"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn what_was_copied_is_told_in_one_line() {
        let repository: Repository = "r.example/acme/app".parse().unwrap();
        let mut copied = Copied::into(&repository, vec!["q.example/acme/app".parse().unwrap()]);
        assert_eq!(copying(&copied, 2), "copy     2 images into r.example/acme/app from q.example/acme/app");
        let blob = |seed: &str, size| Descriptor::new("x", Digest::of(seed.as_bytes()), size);
        for (seed, size) in [("a", 1_000), ("b", 2_000_000), ("a", 1_000)] {
            copied.knows(&blob(seed, size));
        }
        copied.poured(500_000);
        copied.elapsed = Some(Duration::from_secs(2));
        assert_eq!(still_copying(&copied), "copying  into r.example/acme/app: 500.0 kB of 2.0 MB, 250.0 kB/s");
        assert_eq!(copy_bar(std::slice::from_ref(&copied)), "copy [====                ] 500.0 kB of 2.0 MB, 250.0 kB/s");
        copied.poured(1_500_000);
        copied.brought(Brought::Uploaded, &blob("b", 2_000_000));
        copied.brought(Brought::There, &blob("a", 1_000));
        copied.images = 2;
        assert_eq!(sums(&copied), "2 images, 1 blob uploaded (2.0 MB in 2 s, 1.0 MB/s), 1 blob there already");
        assert_eq!(copied.bytes_there, copied.bytes, "each blob counts once");
        let bar = copy_bar(&[copied.clone(), copied]);
        assert_eq!(bar, "copy [====================] 4.0 MB of 4.0 MB, 2 repositories");
        assert!(bar.len() < 80);
    }
}
