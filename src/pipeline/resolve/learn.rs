//! From a source's manifest to the entries that it brings: platforms learned, indexes flattened,
//! children looked up.

use super::arrived::Arrived;
use super::look::Look;
use super::state::Stop;
use crate::entries::nested::{DEEPEST, MOST_ENTRIES, too_deep, too_many};
use crate::entries::{self, Named, Plain, as_it_is, entry_of};
use crate::error::Error;
use crate::join;
use crate::oci::{
    Content, Descriptor, ImageConfig, ImageManifest, Index, Manifest, Origin, Platform, media_type,
};
use crate::plan::Source;
use std::collections::HashSet;

impl Look<'_> {
    /// What a source brings, once all of it is there.
    pub(super) async fn learn(&self, manifest: Manifest) -> Result<Arrived, Stop> {
        let source = self.source;
        let (mut stray, mut discovered) = (None, Vec::new());
        let (entries, origins) = match &manifest.content {
            Content::Image(image) => {
                let (plain, listed) =
                    tokio::join!(self.plain(&manifest, image), self.listed(&manifest));
                // What is wrong with the image comes first: it may be stale.
                let (plain, origin) = plain?;
                discovered = self.attestations(&manifest, listed?).await?;
                stray = plain.stray;
                (vec![plain.entry], origin.into_iter().collect())
            }
            Content::Index(index) => {
                let flat = self.flatten(index).await?;
                let picked = match &source.platform {
                    Some(platform) => pick(source, &flat, platform),
                    None => Ok(flat.clone()),
                };
                if self.wait.work.plan.expect_labels.is_empty() {
                    let picked = picked?;
                    let looks = entries::images(&picked).map(|entry| self.has_entry(entry));
                    join::all(looks).await?;
                    (picked, Vec::new())
                } else {
                    // What an index that is stale lacks, the one to come may have.
                    let looked_at = picked.as_ref().unwrap_or(&flat);
                    let origins = self.origins_of(looked_at).await?;
                    (picked?, origins)
                }
            }
        };
        let source = source.clone();
        Ok(Arrived { source, manifest, entries, discovered, stray, origins, after: None })
    }

    /// The entry for a plain image, and where it comes from: its config is read, if it has one that
    /// tells a platform.
    async fn plain(
        &self,
        manifest: &Manifest,
        image: &ImageManifest,
    ) -> Result<(Plain, Option<Origin>), Stop> {
        let mut config = None;
        if media_type::is_image_config(&image.config.media_type) {
            config = Some(self.config(&image.config).await?);
        }
        // Before all else: whatever is wrong with an image that is stale, the one to come may be
        // right.
        self.check_labels(&config.clone().unwrap_or_default(), None)?;
        let origin = config.as_ref().map(ImageConfig::origin);
        let is_known = config.as_ref().is_some_and(|config| config.platform.is_known());
        if !is_known && self.is_published_as_it_is() {
            return Ok((as_it_is(manifest, image), origin));
        }
        let (name, stated) = (&self.source.name, self.source.platform.as_ref());
        Ok((entry_of(name, manifest, image, config, stated)?, origin))
    }

    /// Whether it goes nowhere but under tags of its own, and nobody asks for a platform.
    fn is_published_as_it_is(&self) -> bool {
        let plan = self.wait.work.plan;
        plan.keeps_one_image() && self.source.platform.is_none() && plan.platforms.is_empty()
    }

    /// All entries of an index, those of nested indexes in their places.
    async fn flatten(&self, index: &Index) -> Result<Vec<Descriptor>, Stop> {
        let refused = |why: String| {
            let error = Error::refused(format!("{}: {why}", self.source.name));
            Err(Stop::from(error.with_fix("build and push it again, or leave it out")))
        };
        let mut seen = HashSet::new();
        let mut flat = index.manifests.clone();
        for depth in 0.. {
            if flat.len() > MOST_ENTRIES {
                return refused(too_many());
            }
            let Some(at) = flat.iter().position(|entry| media_type::is_index(&entry.media_type))
            else {
                break;
            };
            // Each round opens all indexes of one level, so the rounds count the depth.
            if depth == DEEPEST {
                return refused(too_deep());
            }
            let mut opened = flat.drain(..at).collect::<Vec<_>>();
            for entry in std::mem::take(&mut flat) {
                if !media_type::is_index(&entry.media_type) {
                    opened.push(entry);
                    continue;
                }
                if !seen.insert(entry.digest.clone()) {
                    return refused(format!("the index {} is in it twice", entry.digest));
                }
                let manifest = self.entry(&entry).await?;
                match manifest.content {
                    Content::Index(inner) => opened.extend(inner.manifests),
                    Content::Image(_) => {
                        return refused(format!(
                            "{} is called an index but is not one",
                            entry.digest
                        ));
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
                "{} is a Docker schema 1 manifest, which no index can contain",
                odd.digest
            ));
        }
        Ok(flat)
    }
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
