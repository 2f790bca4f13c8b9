//! From a source's manifest to the entries that it brings: platforms learned, indexes flattened,
//! children looked up.

use super::labels;
use super::state::NotYet;
use super::{Stop, Wait};
use crate::entries::{self, Named, entry_of, parsed};
use crate::error::Error;
use crate::oci::{
    Content, Descriptor, ImageConfig, ImageManifest, Index, Manifest, Origin, Platform, Reference,
    media_type,
};
use crate::pipeline::resolve::arrived::Arrived;
use crate::plan::Source;
use crate::together;
use std::collections::HashSet;
use tokio::time::Instant;

/// Indexes inside indexes are followed this deep.
const DEEPEST: usize = 3;
/// More entries than this are no list of platforms.
const MOST_ENTRIES: usize = 256;

/// What a source brings, once all of it is there.
pub(super) async fn entries(
    wait: &Wait<'_>,
    source: &Source,
    manifest: Manifest,
    deadline: Option<Instant>,
) -> Result<Arrived, Stop> {
    let (entries, origins) = match &manifest.content {
        Content::Image(image) => {
            let (entry, origin) = plain(wait, source, &manifest, image, deadline).await?;
            (vec![entry], origin.into_iter().collect())
        }
        Content::Index(index) => {
            let flat = flatten(wait, source, index, deadline).await?;
            let picked = match &source.platform {
                Some(platform) => pick(source, &flat, platform),
                None => Ok(flat.clone()),
            };
            if wait.plan.expect_labels.is_empty() {
                let picked = picked?;
                children(wait, source, &picked, deadline).await?;
                (picked, Vec::new())
            } else {
                // What an index that is stale lacks, the one to come may hold.
                let looked_at = picked.as_ref().unwrap_or(&flat);
                let origins = labels::of_entries(wait, source, looked_at, deadline).await?;
                (picked?, origins)
            }
        }
    };
    Ok(Arrived { source: source.clone(), manifest, entries, origins })
}

/// The entry for a plain image, and where it comes from: its config is read, if it has one that
/// tells a platform.
async fn plain(
    wait: &Wait<'_>,
    source: &Source,
    manifest: &Manifest,
    image: &ImageManifest,
    deadline: Option<Instant>,
) -> Result<(Descriptor, Option<Origin>), Stop> {
    let mut config = None;
    if media_type::is_image_config(&image.config.media_type) {
        config = Some(wait.config(source, &image.config, deadline).await?);
    }
    // Before all else: whatever is wrong with an image that is stale, the one to come may be right.
    labels::hold(wait, source, &config.clone().unwrap_or_default(), None)?;
    let origin = config.as_ref().map(ImageConfig::origin);
    let entry = entry_of(&source.name, manifest, image, config, source.platform.as_ref())?;
    Ok((entry, origin))
}

impl Wait<'_> {
    /// Reads the config of an image.
    pub(super) async fn config(
        &self,
        source: &Source,
        config: &Descriptor,
        deadline: Option<Instant>,
    ) -> Result<ImageConfig, Stop> {
        let read =
            self.registry.shared_config(&source.reference.repository, config, deadline).await;
        let bytes = read.map_err(|error| self.sort(&error, source, true))?;
        Ok(parsed(&source.name, &bytes)?)
    }
}

/// All entries of an index, those of nested indexes in their places.
async fn flatten(
    wait: &Wait<'_>,
    source: &Source,
    index: &Index,
    deadline: Option<Instant>,
) -> Result<Vec<Descriptor>, Stop> {
    let refused = |why: String| Err(Stop::from(Error::refused(format!("{}: {why}", source.name))));
    let too_many = || format!("an index of more than {MOST_ENTRIES} entries");
    let mut seen = HashSet::new();
    let mut flat = index.manifests.clone();
    for depth in 0.. {
        if flat.len() > MOST_ENTRIES {
            return refused(too_many());
        }
        let Some(at) = flat.iter().position(|entry| media_type::is_index(&entry.media_type)) else {
            break;
        };
        // Each round opens all indexes of one level, so the rounds count the depth.
        if depth == DEEPEST {
            return refused(format!("indexes inside indexes, more than {DEEPEST} deep"));
        }
        let mut opened = flat.drain(..at).collect::<Vec<_>>();
        for entry in std::mem::take(&mut flat) {
            if !media_type::is_index(&entry.media_type) {
                opened.push(entry);
                continue;
            }
            if !seen.insert(entry.digest.clone()) {
                return refused(format!("the index {} stands in it twice", entry.digest));
            }
            let inner = Reference::at(&source.reference.repository, &entry.digest);
            let manifest = wait
                .registry
                .manifest(&inner, deadline)
                .await
                .map_err(|error| wait.sort(&error, source, true))?;
            match manifest.content {
                Content::Index(inner) => opened.extend(inner.manifests),
                Content::Image(_) => {
                    return refused(format!("{} is called an index and is none", entry.digest));
                }
            }
            if opened.len() > MOST_ENTRIES {
                return refused(too_many());
            }
        }
        flat = opened;
    }
    if flat.is_empty() {
        return refused("an index without entries".to_owned());
    }
    if let Some(odd) = flat.iter().find(|entry| media_type::is_schema1(&entry.media_type)) {
        return refused(format!(
            "{} is a Docker schema 1 manifest, which no list can hold",
            odd.digest
        ));
    }
    Ok(flat)
}

/// The one entry for a platform, and the attestations of it.
fn pick(
    source: &Source,
    flat: &[Descriptor],
    platform: &Platform,
) -> Result<Vec<Descriptor>, Stop> {
    let at = entries::find(&source.name, flat, &Named::Platform(platform.clone()))?;
    let digest = flat[at].digest.as_str();
    let belongs = |entry: &&Descriptor| {
        entry.attests().map_or_else(|| entry.digest.as_str() == digest, |of| of == digest)
    };
    Ok(flat.iter().filter(belongs).cloned().collect())
}

/// Looks that every image of the index is really there: an index may be ahead of its children.
async fn children(
    wait: &Wait<'_>,
    source: &Source,
    entries: &[Descriptor],
    deadline: Option<Instant>,
) -> Result<(), Stop> {
    let images = entries.iter().filter(|entry| entry.attests().is_none());
    let looks = images.map(|entry| async move {
        let child = Reference::at(&source.reference.repository, &entry.digest);
        let look = wait.registry.shared_look(&child, deadline).await;
        look.map_err(|error| match wait.sort(&error, source, true) {
            Stop::NotYet(NotYet::Incomplete(_)) => {
                let what = format!(
                    "its entry for {} is not in the registry: {}",
                    entry.title(),
                    entry.digest
                );
                Stop::NotYet(NotYet::Incomplete(what))
            }
            stop => stop,
        })
    });
    together::all(looks).await.map(|_| ())
}
