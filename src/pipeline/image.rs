//! One image as it is: the manifest of an entry, for what is published without an index.

use crate::entries;
use crate::error::Error;
use crate::oci::{Content, Descriptor, Manifest, Reference, Repository};
use crate::pipeline::check::Checked;
use crate::pipeline::resolve::arrived::Arrived;
use crate::plan::Plan;
use crate::registry::Registry;

/// The manifest of an entry, which is what the entry says.
pub(super) async fn of_entry(
    registry: &Registry,
    from: &Repository,
    entry: &Descriptor,
) -> Result<Manifest, Error> {
    let place = Reference::at(from, &entry.digest);
    let read = registry.shared_manifest(&place).await;
    let manifest = read.map_err(|error| Error::cannot_read(&error, place))?;
    match manifest.contradicts(entry) {
        None => Ok(manifest),
        Some(why) => Err(entries::wrong(&from.to_string(), entry, &why)),
    }
}

/// The one image that a platform in front of an index picks, where the plan wants no index. With its
/// attestations it is more than one image.
pub(super) async fn picked(
    registry: &Registry,
    plan: &Plan,
    arrived: &[Arrived],
    checked: &Checked,
) -> Result<Option<Manifest>, Error> {
    match (arrived, checked.entries.as_slice()) {
        ([Arrived { source, manifest, .. }], [entry])
            if plan.keeps_one_image()
                && source.platform.is_some()
                && matches!(manifest.content, Content::Index(_)) =>
        {
            of_entry(registry, &source.reference.repository, entry).await.map(Some)
        }
        _ => Ok(None),
    }
}
