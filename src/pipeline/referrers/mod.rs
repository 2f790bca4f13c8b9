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
use crate::oci::{Digest, Repository};
use crate::referrers;
pub(super) use find::find;

/// What has to come along, by how far it is from an image.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    levels: Vec<Vec<Subject<'a>>>,
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
    /// Whether anything refers to this.
    pub(super) fn are_of(&self, digest: &Digest) -> bool {
        self.levels.iter().flatten().any(|subject| subject.digest == *digest)
    }
}
