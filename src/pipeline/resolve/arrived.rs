//! What waiting gives: a source that arrived, or one that was left out.

use crate::oci::{Descriptor, Manifest, Origin, Platform};
use crate::plan::Source;
use std::time::Duration;

/// A source that has arrived: its pinned manifest, and what it brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    /// As planned.
    pub source: Source,
    /// Its manifest, pinned by digest.
    pub manifest: Manifest,
    /// The entries that it brings, platforms known, attestations in their places.
    pub entries: Vec<Descriptor>,
    /// Entries for attestations that refer to it, if it is a plain image and the plan wants them;
    /// sorted by digest.
    pub discovered: Vec<Descriptor>,
    /// The variant that its config says and its entry does not: see [`Platform::stray_variant`].
    pub stray: Option<String>,
    /// Where its images come from, as far as their configs were read.
    pub origins: Vec<Origin>,
    /// When it was there: `None` at the first check, else so long after the start.
    pub after: Option<Duration>,
}

impl Arrived {
    /// When its images were built. Of several times the latest says most; RFC 3339 in UTC, as
    /// builders write it, sorts as text.
    pub fn created(&self) -> Option<&str> {
        self.origins.iter().filter_map(|origin| origin.created.as_deref()).max()
    }

    /// The commits that its images say they were built from, each once.
    pub fn revisions(&self) -> Vec<&str> {
        let mut revisions: Vec<&str> = Vec::new();
        for revision in self.origins.iter().filter_map(|origin| origin.revision.as_deref()) {
            if !revisions.contains(&revision) {
                revisions.push(revision);
            }
        }
        revisions
    }
}

/// A source that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// As messages call it.
    pub name: String,
    /// What it was for, where the inputs say so.
    pub platform: Option<Platform>,
    /// Why, in a word.
    pub word: &'static str,
}
