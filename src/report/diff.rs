//! Two lists of entries, held against each other.

use crate::check::name;
use crate::oci::{Content, Descriptor, Manifest};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only in the new one.
    Added(String, String),
    /// Only in the old one.
    Removed(String, String),
    /// The same platform, another digest: old, new.
    Replaced(String, String, String),
}

/// What turns the old entries into the new ones, platform by platform.
pub fn entries(old: &[Descriptor], new: &[Descriptor]) -> Vec<Change> {
    let digest = |entry: &Descriptor| entry.digest.to_string();
    let same = |one: &Descriptor, other: &Descriptor| match (one.known_platform(), other.known_platform()) {
        (Some(one), Some(other)) => one.same(other),
        _ => one.digest == other.digest,
    };
    let mut changes = Vec::new();
    for entry in new {
        match old.iter().find(|other| same(entry, other)) {
            None => changes.push(Change::Added(name(entry), digest(entry))),
            Some(other) if other.digest != entry.digest => {
                changes.push(Change::Replaced(name(entry), digest(other), digest(entry)))
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|entry| !new.iter().any(|other| same(entry, other)));
    changes.extend(gone.map(|entry| Change::Removed(name(entry), digest(entry))));
    changes
}

/// The entries of whatever a tag holds; a plain image is its own only entry.
pub fn entries_of(manifest: &Manifest) -> Vec<Descriptor> {
    match &manifest.content {
        Content::Index(index) => index.manifests.clone(),
        Content::Image(_) => vec![manifest.descriptor()],
    }
}

impl Change {
    /// One line.
    pub fn line(&self) -> String {
        match self {
            Self::Added(name, digest) => format!("+ {name}  {digest}"),
            Self::Removed(name, digest) => format!("- {name}  {digest}"),
            Self::Replaced(name, old, new) => format!("~ {name}  {old} → {new}"),
        }
    }
}
