//! What refers to images, signatures and SBOMs above all, into the repositories of the targets,
//! together with the images and before tags move.
//!
//! Asks what there is beside the copies of the images (`find`), and brings it after them (`bring`):
//! some registries refuse what refers to nothing. Where a registry has no API that lists referrers,
//! a tag does (`list`).

mod bring;
mod find;
mod list;

use crate::error::Error;
use crate::error::words::setting;
use crate::inputs::table::names;
use crate::oci::{Descriptor, Digest, Repository, referrer};
use crate::pipeline::record::Coming;
use crate::referrers;
pub(super) use find::find;
use std::collections::{HashMap, HashSet};

/// What has to come along, by how far it is from an image.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    levels: Vec<Vec<Subject<'a>>>,
    /// What the lists name themselves, by where it is brought as an image or attestation.
    children: HashMap<&'a Repository, HashSet<Digest>>,
}

/// A manifest with what refers to it, and the repositories that it goes to.
type Subject<'a> = referrers::Subject<'a, Vec<&'a Repository>>;

/// An error about a referrer, with the way to do without.
fn way_out(mut error: Error) -> Error {
    let leave = setting(names::referrers, "leave");
    error.details.push(format!("{leave} publishes without signatures and other referrers"));
    error
}

impl Found<'_> {
    /// Adds it to what a dry run would copy, as far as the lists tell.
    pub(super) fn count_in(&self, copies: &mut Vec<Coming>) {
        for subject in self.levels.iter().flatten() {
            for &target in &subject.own {
                let at = copies.iter().position(|coming| coming.repository == *target);
                let at = at.unwrap_or_else(|| {
                    copies.push(Coming::into(target));
                    copies.len() - 1
                });
                if let Some(coming) = copies.get_mut(at) {
                    self.count(subject, coming);
                }
            }
        }
        copies.retain(|coming| coming.images + coming.referrers > 0);
    }

    fn count(&self, subject: &Subject<'_>, coming: &mut Coming) {
        let referrers = subject.referrers.iter();
        let referrers: Vec<&Descriptor> =
            referrers.filter(|entry| !self.is_child(&entry.digest, &coming.repository)).collect();
        coming.from.insert(subject.from.clone());
        coming.referrers += referrers.len() + subject.tags.len();
        // A list may leave the type out.
        let listed = referrers.iter().map(|entry| entry.artifact_type.as_str());
        let typed = listed.filter(|kind| !kind.is_empty()).map(referrer::kind);
        let tagged = subject.tags.iter().map(|(_, kind)| *kind);
        coming.kinds.extend(typed.chain(tagged).map(str::to_owned));
    }

    /// Whether this is in a repository, or was brought there with the images.
    fn is_child(&self, digest: &Digest, repository: &Repository) -> bool {
        self.children.get(repository).is_some_and(|there| there.contains(digest))
    }

    /// Whether anything refers to this.
    pub(super) fn are_of(&self, digest: &Digest) -> bool {
        self.levels.iter().flatten().any(|subject| subject.digest == *digest)
    }
}
