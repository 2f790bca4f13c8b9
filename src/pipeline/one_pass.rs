//! Blobs of compressed archives, which can only be read from their start on: brought one after the
//! other, in the order in which they stand there, so that each archive is read once a target.

use super::carry::Carrier;
use super::image;
use crate::error::Error;
use crate::join;
use crate::oci::{Content, Descriptor, Repository, media_type};
use std::collections::BTreeSet;

/// Brings the blobs of these children, as far as they stand in such archives. Others come when their
/// image does.
pub(super) async fn blobs(
    carrier: Carrier<'_>,
    children: &[(&Descriptor, &Repository)],
) -> Result<(), Error> {
    let files: BTreeSet<&Repository> =
        children.iter().map(|(_, from)| *from).filter(|from| from.file().is_some()).collect();
    join::all(files.into_iter().map(|file| async move {
        let own = children.iter().filter(|(_, from)| *from == file).map(|(child, _)| *child);
        of_file(carrier, file, own).await
    }))
    .await
    .map(|_| ())
}

async fn of_file(
    carrier: Carrier<'_>,
    file: &Repository,
    children: impl Iterator<Item = &Descriptor>,
) -> Result<(), Error> {
    let registry = carrier.work.registry;
    let cannot_read = |error| Error::cannot_read(&error, file);
    if !registry.is_packed_file(file).await.map_err(cannot_read)? {
        return Ok(());
    }
    let mut blobs: Vec<Descriptor> = Vec::new();
    for child in children {
        let manifest = image::of_entry(registry, file, child).await?;
        let Content::Image(image) = manifest.content else { continue };
        blobs.extend(image.layers.into_iter().chain([image.config]));
    }
    blobs.retain(|blob| !media_type::is_foreign_layer(&blob.media_type));
    let sorted = registry.in_order_of_file(file, blobs).await.map_err(cannot_read)?;
    let _turn = registry.turn_of_file(file).await.map_err(cannot_read)?;
    for blob in sorted {
        carrier.blob(&blob, file, &format!("an image in {file}")).await?;
    }
    Ok(())
}
