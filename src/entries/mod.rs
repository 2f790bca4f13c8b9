//! The entries of a list: what an image becomes as one, and the one that is named. Pure.

pub mod change;
pub mod diff;

use crate::error::Error;
use crate::oci::{Descriptor, ImageConfig, ImageManifest, Manifest, Platform};

/// How a user names an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// By the digest of its manifest.
    Digest(String),
    /// By its platform.
    Platform(Platform),
}

/// The one entry that is named.
pub fn find(list: &str, entries: &[Descriptor], named: &Named) -> Result<usize, Error> {
    let fits = |entry: &Descriptor| match named {
        Named::Digest(digest) => entry.digest.as_str() == digest,
        Named::Platform(platform) => {
            entry.known_platform().is_some_and(|have| have.answers(platform))
        }
    };
    let shown = match named {
        Named::Digest(digest) => digest.clone(),
        Named::Platform(platform) => platform.to_string(),
    };
    let hits: Vec<usize> =
        entries.iter().enumerate().filter(|(_, entry)| fits(entry)).map(|(at, _)| at).collect();
    let lines = |entries: &mut dyn Iterator<Item = &Descriptor>| {
        entries.map(|entry| format!("entry: {}  {}", entry.title(), entry.digest)).collect()
    };
    match hits.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::refused(format!("{list} has no entry {shown}"))
            .with_details(lines(&mut entries.iter()))),
        several => Err(Error::refused(format!("{list} has {} entries {shown}", several.len()))
            .with_details(lines(&mut several.iter().filter_map(|at| entries.get(*at))))
            .with_fix("name it by its digest, or the platform with its OS version")),
    }
}

/// Reads the config of an image of this name.
pub fn parsed(name: &str, config: &[u8]) -> Result<ImageConfig, Error> {
    ImageConfig::parse(config)
        .map_err(|why| Error::refused(format!("{name}: its config cannot be read: {why}")))
}

/// The entry for a plain image, its platform from its config, written normalised. `config`: `None`
/// for an artifact; `stated`: the platform that the user wrote, which fills in what the config
/// leaves open.
pub fn plain_entry(
    name: &str,
    manifest: &Manifest,
    image: &ImageManifest,
    config: Option<&[u8]>,
    stated: Option<&Platform>,
) -> Result<Descriptor, Error> {
    let config = config.map(|bytes| parsed(name, bytes)).transpose()?;
    entry_of(name, manifest, image, config, stated)
}

/// The same with a config that was read already.
pub fn entry_of(
    name: &str,
    manifest: &Manifest,
    image: &ImageManifest,
    config: Option<ImageConfig>,
    stated: Option<&Platform>,
) -> Result<Descriptor, Error> {
    let configured = match config {
        Some(config) => config.platform,
        None if stated.is_some() => Platform::default(),
        None => {
            let kind = if image.artifact_type.is_empty() {
                &image.config.media_type
            } else {
                &image.artifact_type
            };
            return Err(Error::refused(format!(
                "{name} is no image: it is an artifact of type {kind:?}"
            ))
            .with_fix("leave it out; if it does run somewhere, write PLATFORM= in front of it"));
        }
    };
    let platform = match stated {
        None => configured,
        Some(stated) => configured.filled_from(stated).ok_or_else(|| {
            Error::refused(format!(
                "{name} is for {configured}, not for {stated} as the inputs say"
            ))
            .with_fix("correct the platform in front of the source, or build it for that platform")
        })?,
    };
    if !platform.is_known() {
        return Err(Error::refused(format!(
            "{name}: its config does not say what platform it is for"
        ))
        .with_fix("write PLATFORM= in front of the source"));
    }
    let mut entry = manifest.descriptor();
    entry.platform = Some(platform.normalized());
    Ok(entry)
}
