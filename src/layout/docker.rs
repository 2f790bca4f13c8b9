//! What `docker save` wrote before Docker 25, and others write still: a config and layers, of which
//! the manifest that registries store is made here. Config byte for byte; each layer compressed, if
//! it is not.

use super::error::Error;
use super::members::Members;
use super::packed::{CHUNK, Packing, Peeked, Source, packed};
use crate::oci::digest::Hashing;
use crate::oci::{Digest, json, media_type, shown};
use serde::Deserialize;
use serde_json::json;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// What tells which images are in it.
pub(super) const INDEX: &str = "manifest.json";
const LARGEST_INDEX: u64 = 1 << 20;
const LARGEST_CONFIG: u64 = 4 << 20;

/// One image, as `manifest.json` has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    config: String,
    #[serde(default, deserialize_with = "json::or_absent")]
    pub(super) repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl Item {
    /// Whether its config is the one of this digest, in whose name it is.
    pub(super) fn is_of(&self, config: &Digest) -> bool {
        self.config.contains(config.hex())
    }
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// An image as a registry would store it.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) manifest: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) blobs: Vec<Blob>,
}

/// A blob of it.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The member that it is, or is made of.
    pub(super) member: String,
    /// Whether it is that member compressed.
    is_packed_here: bool,
    /// Whether that member is in zstd.
    pub(super) was_zstd: bool,
}

/// Which images are in it; `None`: it is of another form.
pub(super) fn items(members: &Members) -> Result<Option<Vec<Item>>, Error> {
    let Some(text) = members.whole(INDEX, LARGEST_INDEX)? else { return Ok(None) };
    let items: Vec<Item> = serde_json::from_slice(&text).map_err(|error| {
        Error::broken(format!("{INDEX} is not that of an image archive: {}", json::told(&error)))
    })?;
    if items.len() > super::MOST_IMAGES {
        return Err(super::too_many());
    }
    if items.is_empty() {
        return Err(Error::broken(format!("holds no image: its {INDEX} is empty")));
    }
    Ok(Some(items))
}

/// Makes the image. All layers are read for it, in the order in which they are stored.
pub(super) fn image(members: &Members, item: &Item) -> Result<Image, Error> {
    let absent = |name: &str| {
        let what = format!("{}, which {INDEX} names, is not in it", shown(name));
        members.absent(Error::broken(what))
    };
    let text = members.whole(&item.config, LARGEST_CONFIG)?;
    let text = text.ok_or_else(|| absent(&item.config))?;
    let config: Config = serde_json::from_slice(&text).map_err(|error| {
        Error::broken(format!("{} is not a config: {}", shown(&item.config), json::told(&error)))
    })?;
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != item.layers.len() {
        return Err(Error::broken(format!(
            "has {} layers for an image whose config names {}",
            item.layers.len(),
            diff_ids.len()
        )));
    }
    let mut order: Vec<usize> = (0..diff_ids.len()).collect();
    order.sort_by_key(|at| members.place(&item.layers[*at]));
    let mut layers: Vec<Option<Blob>> = vec![None; diff_ids.len()];
    for at in order {
        let name = &item.layers[at];
        let is_same =
            |other: &usize| item.layers[*other] == *name && diff_ids[*other] == diff_ids[at];
        let known = (0..layers.len()).filter(is_same).find_map(|other| layers[other].clone());
        let blob = match known {
            Some(blob) => blob,
            None => learn(members, name, &diff_ids[at])?.ok_or_else(|| absent(name))?,
        };
        layers[at] = Some(blob);
    }
    let layers: Vec<Blob> = layers.into_iter().flatten().collect();
    let config = Blob {
        digest: Digest::of(&text),
        size: text.len() as u64,
        member: item.config.clone(),
        is_packed_here: false,
        was_zstd: false,
    };
    let layer = |blob: &Blob| json!({"mediaType": media_type::DOCKER_LAYER, "size": blob.size, "digest": blob.digest});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::DOCKER_MANIFEST,
        "config": {
            "mediaType": media_type::DOCKER_CONFIG,
            "size": config.size,
            "digest": config.digest,
        },
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    let manifest = json::pretty(&manifest).map_err(|error| Error::broken(error.to_string()))?;
    let digest = Digest::of(&manifest);
    Ok(Image { manifest, digest, blobs: layers.into_iter().chain([config]).collect() })
}

/// Reads a layer: what it is in a registry, if it is the one that the config names.
fn learn(members: &Members, name: &str, diff_id: &Digest) -> Result<Option<Blob>, Error> {
    // Before it is opened, since that unpacks all before it.
    let alone = members.alone(false);
    let Some(reader) = members.reader(name, 0)? else { return Ok(None) };
    let unpacked = Tally::of(Hashing::for_digest(diff_id));
    let stored = Tally::of(Hashing::sha256());
    let named = |error: io::Error| Error::broken(format!("{} {}", shown(name), Error::from(error)));
    let peeked = Peeked::new(reader).map_err(named)?;
    let packing = peeked.packing;
    let _alone = alone.or_else(|| members.alone(packing == Packing::Zstd));
    read_layer(peeked, &unpacked, &stored).map_err(named)?;
    let (found, _) = unpacked.sum();
    if found != *diff_id {
        return Err(Error::broken(format!(
            "{} is not the layer that the config names: it is {}, not {}",
            shown(name),
            found.short(),
            diff_id.short()
        )));
    }
    let (digest, size) = stored.sum();
    let (is_packed_here, was_zstd) = (packing != Packing::Gzip, packing == Packing::Zstd);
    Ok(Some(Blob { digest, size, member: name.to_owned(), is_packed_here, was_zstd }))
}

/// Reads a layer to its end: what it is unpacked, and as a registry stores it.
fn read_layer(peeked: Peeked, unpacked: &Tally, stored: &Tally) -> io::Result<()> {
    if peeked.packing == Packing::Gzip {
        let raw: Source = Box::new(Tapped { bytes: peeked.into_raw(), tally: stored.clone() });
        return drain(Tapped { bytes: Peeked::new(raw)?.unpacked()?, tally: unpacked.clone() });
    }
    let content = Tapped { bytes: peeked.unpacked()?, tally: unpacked.clone() };
    drain(Tapped { bytes: packed(content), tally: stored.clone() })
}

impl Blob {
    /// Its bytes, from one of them on.
    pub(super) fn reader(&self, members: &Members, from: u64) -> Result<Option<Source>, Error> {
        if !self.is_packed_here {
            return members.reader(&self.member, from);
        }
        let Some(reader) = members.reader(&self.member, 0)? else { return Ok(None) };
        let mut packed = packed(Peeked::new(reader)?.unpacked()?);
        io::copy(&mut packed.by_ref().take(from), &mut io::sink())?;
        Ok(Some(packed))
    }
}

/// Digest and number of the bytes that somebody reads.
#[derive(Clone)]
struct Tally(Arc<Mutex<(Hashing, u64)>>);

impl Tally {
    fn of(hashing: Hashing) -> Self {
        Self(Arc::new(Mutex::new((hashing, 0))))
    }

    fn add(&self, bytes: &[u8]) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum.0.update(bytes);
        sum.1 += bytes.len() as u64;
    }

    fn sum(&self) -> (Digest, u64) {
        let sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (sum.0.digest(), sum.1)
    }
}

/// Bytes that are counted as they are read.
struct Tapped {
    bytes: Source,
    tally: Tally,
}

impl Read for Tapped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.tally.add(&into[..read]);
        Ok(read)
    }
}

fn drain(mut bytes: impl Read) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    while bytes.read(&mut chunk)? > 0 {}
    Ok(())
}
