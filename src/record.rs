//! The record of a list's writes: what was written where, in which order, and why. It proves that no tag moved before
//! all was complete. And the sums of what was copied.

use crate::oci::{Descriptor, Digest, Repository};
use crate::registry::blobs::Brought;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// One write that a registry confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What was done.
    pub deed: Deed,
    /// Where: `REPOSITORY@DIGEST` or `REPOSITORY:TAG`.
    pub place: String,
    /// What is there now.
    pub digest: Digest,
    /// What it was needed for.
    pub why: String,
}

/// Kinds of writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
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
    /// The index, by digest.
    Index,
    /// A tag.
    Tag,
}

impl Deed {
    /// As the report in JSON calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mount { .. } => "mount-blob",
            Self::Upload { .. } => "upload-blob",
            Self::Manifest => "push-manifest",
            Self::Index => "push-index",
            Self::Tag => "move-tag",
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.deed.name(), self.place)?;
        match &self.deed {
            Deed::Mount { from } => write!(f, " from {from}")?,
            Deed::Upload { from, bytes } => write!(f, " from {from}, {bytes} bytes")?,
            Deed::Tag => write!(f, " to {}", self.digest)?,
            Deed::Manifest | Deed::Index => {}
        }
        write!(f, ": {}", self.why)
    }
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
    started: Instant,
    known: HashSet<Digest>,
}

impl Copied {
    /// Nothing yet.
    pub fn into(repository: &Repository, from: Vec<Repository>) -> Self {
        Self {
            repository: repository.clone(),
            from,
            images: 0,
            images_there: 0,
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
            self.bytes += blob.size;
        }
    }

    /// Notes bytes of an upload.
    pub fn poured(&mut self, bytes: u64) {
        self.bytes_poured += bytes;
        self.bytes_there += bytes;
    }

    /// Notes a blob that is there now.
    pub fn brought(&mut self, brought: Brought, blob: &Descriptor) {
        match brought {
            Brought::There => self.blobs_there += 1,
            Brought::Mounted => self.blobs_mounted += 1,
            Brought::Uploaded => self.blobs_uploaded += 1,
        }
        if brought != Brought::Uploaded {
            self.bytes_there += blob.size;
        }
    }

    /// Notes that all is there.
    pub fn end(&mut self) {
        self.elapsed = Some(self.started.elapsed());
    }
}
