//! The record of what was written for an index: where, in which order, and why. It proves that
//! no tag moved before all was complete. And the sums of what was copied.

use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::BlobOutcome;
use crate::text::{count, duration, gauge, size};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// One write that a registry confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What was done.
    pub action: Action,
    /// Where: `REPOSITORY@DIGEST` or `REPOSITORY:TAG`.
    pub place: String,
    /// What is there now.
    pub digest: Digest,
    /// What it was needed for.
    pub why: String,
}

/// Kinds of writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A blob, taken from another repository of the registry.
    Mount {
        /// That repository.
        from: Repository,
    },
    /// A blob whose bytes went through this process.
    Upload {
        /// Where they came from.
        from: Repository,
        /// How many there were.
        bytes: u64,
    },
    /// The manifest of an image or attestation, by digest.
    Manifest,
    /// A tag that lists or holds what refers to a manifest.
    ReferrerTag,
    /// The index, by digest.
    Index,
    /// A tag.
    Tag,
}

impl Action {
    /// As the report in JSON calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mount { .. } => "mount-blob",
            Self::Upload { .. } => "upload-blob",
            Self::Manifest => "push-manifest",
            Self::ReferrerTag => "push-referrer-tag",
            Self::Index => "push-index",
            Self::Tag => "move-tag",
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.name(), self.place)?;
        match &self.action {
            Action::Mount { from } => write!(f, " from {from}")?,
            Action::Upload { from, bytes } => write!(f, " from {from}, {bytes} bytes")?,
            Action::Tag => write!(f, " to {}", self.digest)?,
            Action::Manifest | Action::ReferrerTag | Action::Index => {}
        }
        write!(f, ": {}", self.why)
    }
}

/// Something that refers to a manifest, and was copied with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referred {
    /// What it refers to.
    pub subject: Digest,
    /// Its own digest.
    pub digest: Digest,
    /// What it is: its artifact type, or a word for what cosign stores.
    pub kind: String,
    /// The tag that it is under, where it has one.
    pub tag: Option<String>,
}

/// What was copied into one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Where it is now.
    pub repository: Repository,
    /// Where it was.
    pub from: Vec<Repository>,
    /// Images and attestations whose manifests were pushed.
    pub images: usize,
    /// Images and attestations that were there.
    pub images_there: usize,
    /// What refers to them, and was pushed.
    pub referrers: Vec<Referred>,
    /// How much of what refers to them was there.
    pub referrers_there: usize,
    /// Blobs that were there.
    pub blobs_there: usize,
    /// Blobs that the registry took from another of its repositories.
    pub blobs_mounted: usize,
    /// Blobs whose bytes went through this process.
    pub blobs_uploaded: usize,
    /// Bytes of all blobs that are known so far.
    pub bytes: u64,
    /// Bytes of those that are there, the parts of uploads under way included.
    pub bytes_there: u64,
    /// Bytes that went through this process.
    pub bytes_poured: u64,
    /// How long it took; `None` as long as it is under way.
    pub elapsed: Option<Duration>,
    /// When it began.
    pub started: Instant,
    /// The blobs that count.
    pub known: HashSet<Digest>,
}

/// What a dry run would copy into a repository, unless it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// Where it would be.
    pub repository: Repository,
    /// Where it is.
    pub from: BTreeSet<Repository>,
    /// Images and attestations.
    pub images: usize,
    /// What is listed as referring to them.
    pub referrers: usize,
    /// What kinds of referrers, as far as the lists say.
    pub kinds: BTreeSet<String>,
}

impl Coming {
    /// Nothing yet.
    pub fn into(repository: &Repository) -> Self {
        Self {
            repository: repository.clone(),
            from: BTreeSet::new(),
            images: 0,
            referrers: 0,
            kinds: BTreeSet::new(),
        }
    }

    /// In numbers: `3 images, 2 referrers (cosign signature)`.
    pub fn sums(&self) -> String {
        let kinds = self.kinds.iter().map(String::as_str).collect();
        let referrers = (self.referrers > 0).then(|| named(self.referrers, &kinds));
        let images = (self.images > 0).then(|| count(self.images, "image"));
        images.into_iter().chain(referrers).collect::<Vec<_>>().join(", ")
    }
}

impl Copied {
    /// Nothing yet.
    pub fn into(repository: &Repository, from: Vec<Repository>) -> Self {
        Self {
            repository: repository.clone(),
            from,
            images: 0,
            images_there: 0,
            referrers: Vec::new(),
            referrers_there: 0,
            blobs_there: 0,
            blobs_mounted: 0,
            blobs_uploaded: 0,
            bytes: 0,
            bytes_there: 0,
            bytes_poured: 0,
            elapsed: None,
            started: Instant::now(),
            known: HashSet::new(),
        }
    }

    /// Since it began, up to its end.
    pub fn lasted(&self) -> Duration {
        self.elapsed.unwrap_or_else(|| self.started.elapsed())
    }

    /// Notes a blob that is needed.
    pub fn knows(&mut self, blob: &Descriptor) {
        if self.known.insert(blob.digest.clone()) {
            self.bytes = self.bytes.saturating_add(blob.size);
        }
    }

    /// Notes bytes of an upload.
    pub fn poured(&mut self, bytes: u64) {
        self.bytes_poured = self.bytes_poured.saturating_add(bytes);
        self.bytes_there = self.bytes_there.saturating_add(bytes);
    }

    /// Notes a blob that is there now.
    pub fn brought(&mut self, brought: BlobOutcome, blob: &Descriptor) {
        match brought {
            BlobOutcome::There => self.blobs_there += 1,
            BlobOutcome::Mounted => self.blobs_mounted += 1,
            BlobOutcome::Uploaded => self.blobs_uploaded += 1,
        }
        if brought != BlobOutcome::Uploaded {
            self.bytes_there = self.bytes_there.saturating_add(blob.size);
        }
    }

    /// Notes that all is there.
    pub fn end(&mut self) {
        self.elapsed = Some(self.started.elapsed());
    }
}

/// Images have to be copied before the index can be published.
pub fn copying(copied: &Copied, images: usize) -> String {
    let from: Vec<String> = copied.from.iter().map(ToString::to_string).collect();
    format!(
        "copy     {} into {} from {}",
        count(images, "image"),
        copied.repository,
        from.join(", ")
    )
}

/// Images would be copied, if they are not there.
pub fn would_copy(coming: &Coming) -> String {
    format!(
        "dry run  would copy {} into {}, unless already there",
        coming.sums(),
        coming.repository
    )
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
            let done = percent(copied.bytes_there, copied.bytes);
            format!("copy {} {}", gauge(done, 100, 20), share(copied))
        }
        several => {
            let (there, all) = several.iter().fold((0_u64, 0_u64), |(there, all), copied| {
                (there.saturating_add(copied.bytes_there), all.saturating_add(copied.bytes))
            });
            let done = percent(there, all);
            format!(
                "copy {} {} of {}, {} repositories",
                gauge(done, 100, 20),
                size(there),
                size(all),
                several.len()
            )
        }
    }
}

/// Whatever sizes a registry made up.
fn percent(part: u64, all: u64) -> usize {
    usize::try_from(u128::from(part) * 100 / u128::from(all.max(1))).unwrap_or(100).min(100)
}

fn share(copied: &Copied) -> String {
    format!(
        "{} of {}{}",
        size(copied.bytes_there),
        size(copied.bytes),
        rate(copied).map(|rate| format!(", {rate}")).unwrap_or_default()
    )
}

/// Bytes a second through this process, once there is anything to tell.
fn rate(copied: &Copied) -> Option<String> {
    let seconds = copied.lasted().as_secs_f64();
    let rate = copied.bytes_poured as f64 / seconds;
    (copied.bytes_poured > 0 && seconds > 0.0).then(|| format!("{}/s", size(rate as u64)))
}

/// Images were copied.
pub fn copied(copied: &Copied) -> String {
    format!("copied   {}  {}", copied.repository, sums(copied))
}

/// What refers to images was copied with them.
pub fn copied_referrers(copied: &Copied) -> String {
    format!("copied   {}  {}", copied.repository, referrers(copied).join(", "))
}

/// So many referrers, with their kinds as far as they are known.
fn named(number: usize, kinds: &BTreeSet<&str>) -> String {
    /// Kinds that are named: an artifact type may be long, and there may be hundreds.
    const MOST_NAMED: usize = 5;
    let mut named: Vec<&str> = kinds.iter().copied().take(MOST_NAMED).collect();
    named.extend((kinds.len() > MOST_NAMED).then_some("others"));
    let number = count(number, "referrer");
    if named.is_empty() { number } else { format!("{number} ({})", named.join(", ")) }
}

fn referrers(copied: &Copied) -> Vec<String> {
    let mut parts = Vec::new();
    if !copied.referrers.is_empty() {
        let kinds = copied.referrers.iter().map(|referred| referred.kind.as_str()).collect();
        parts.push(named(copied.referrers.len(), &kinds));
    }
    if copied.referrers_there > 0 {
        parts.push(format!("{} already there", count(copied.referrers_there, "referrer")));
    }
    parts
}

/// What was copied, in numbers: `3 images, 4 blobs mounted, 2 blobs uploaded (384 MB in 12 s, 32
/// MB/s)`.
pub fn sums(copied: &Copied) -> String {
    let mut parts = vec![count(copied.images, "image")];
    if copied.images_there > 0 {
        parts.push(format!("{} already there", count(copied.images_there, "image")));
    }
    parts.extend(referrers(copied));
    if copied.blobs_mounted > 0 {
        parts.push(format!("{} mounted", count(copied.blobs_mounted, "blob")));
    }
    if copied.blobs_uploaded > 0 {
        let rate = rate(copied).map(|rate| format!(", {rate}")).unwrap_or_default();
        let bytes = format!("{} in {}{rate}", size(copied.bytes_poured), duration(copied.lasted()));
        parts.push(format!("{} uploaded ({bytes})", count(copied.blobs_uploaded, "blob")));
    }
    if copied.blobs_there > 0 {
        parts.push(format!("{} already there", count(copied.blobs_there, "blob")));
    }
    parts.join(", ")
}

/// What was not copied.
pub fn referrers_stay(from: &BTreeSet<Repository>) -> String {
    let from: Vec<String> = from.iter().map(ToString::to_string).collect();
    format!(
        "note     signatures and other referrers are not copied; they remain in {}",
        from.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_a_registry_made_up_overflow_nothing() {
        let repository: Repository = "r.example/acme/app".parse().unwrap();
        let mut copied = Copied::into(&repository, Vec::new());
        for seed in ["a", "b", "c"] {
            let blob = Descriptor::new("x", Digest::of(seed.as_bytes()), i64::MAX.unsigned_abs());
            copied.knows(&blob);
            copied.brought(BlobOutcome::Mounted, &blob);
            copied.poured(u64::MAX);
            let bar = copy_bar(&[copied.clone(), copied.clone()]);
            assert!(bar.contains("[====================]"), "{bar}");
            assert!(!still_copying(&copied).is_empty());
        }
    }

    #[test]
    fn what_was_copied_is_told_in_one_line() {
        let repository: Repository = "r.example/acme/app".parse().unwrap();
        let mut copied = Copied::into(&repository, vec!["q.example/acme/app".parse().unwrap()]);
        assert_eq!(
            copying(&copied, 2),
            "copy     2 images into r.example/acme/app from q.example/acme/app"
        );
        let blob = |seed: &str, size| Descriptor::new("x", Digest::of(seed.as_bytes()), size);
        for (seed, size) in [("a", 1_000), ("b", 2_000_000), ("a", 1_000)] {
            copied.knows(&blob(seed, size));
        }
        copied.poured(500_000);
        copied.elapsed = Some(Duration::from_secs(2));
        assert_eq!(
            still_copying(&copied),
            "copying  into r.example/acme/app: 500.0 kB of 2.0 MB, 250.0 kB/s"
        );
        assert_eq!(
            copy_bar(std::slice::from_ref(&copied)),
            "copy [====                ] 500.0 kB of 2.0 MB, 250.0 kB/s"
        );
        copied.poured(1_500_000);
        copied.brought(BlobOutcome::Uploaded, &blob("b", 2_000_000));
        copied.brought(BlobOutcome::There, &blob("a", 1_000));
        copied.images = 2;
        assert_eq!(
            sums(&copied),
            "2 images, 1 blob uploaded (2.0 MB in 2 s, 1.0 MB/s), 1 blob already there"
        );
        assert_eq!(copied.bytes_there, copied.bytes, "each blob counts once");
        let bar = copy_bar(&[copied.clone(), copied.clone()]);
        assert_eq!(bar, "copy [====================] 4.0 MB of 4.0 MB, 2 repositories");
        assert!(bar.len() < 80);
        for kind in ["c", "a", "b", "a", "d", "e", "f", "g"] {
            let digest = Digest::of(kind.as_bytes());
            let subject = digest.clone();
            copied.referrers.push(Referred { subject, digest, kind: kind.to_owned(), tag: None });
        }
        copied.referrers_there = 1;
        assert_eq!(
            copied_referrers(&copied),
            "copied   r.example/acme/app  8 referrers (a, b, c, d, e, others), 1 referrer already there"
        );
        assert!(
            sums(&copied).starts_with("2 images, 8 referrers (a, b, c, d, e, others), 1 referrer")
        );
    }
}
