//! The entries of an index: what the index says of each, and what only its manifest and config tell,
//! which costs requests.

use crate::entries::nested::{MOST_ENTRIES, too_many};
use crate::error::Error;
use crate::join;
use crate::oci::{
    Content, Descriptor, ImageConfig, ImageManifest, Manifest, Reference, Repository, media_type,
};
use crate::registry::{self, Kind as Failure, Registry};

/// An entry of an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) descriptor: Descriptor,
    /// What was read of it; `None` if nothing was to be.
    pub(crate) behind: Option<Behind>,
}

/// What the manifest of an entry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behind {
    /// An image, or another artifact.
    Image {
        /// What a client downloads, in bytes.
        download: u64,
        /// RFC 3339, as its config says.
        created: Option<String>,
    },
    /// An index with this number of entries.
    Index(usize),
    /// What an attestation states, as people call it.
    Attestation(Vec<String>),
    /// It was not read, for this reason.
    Unread(String),
}

/// What an entry is, as the index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Image,
    Index,
    Attestation,
    Unknown,
}

impl Entry {
    pub(crate) fn kind(&self) -> Kind {
        match &self.descriptor.media_type {
            _ if self.descriptor.attests().is_some() => Kind::Attestation,
            media_type if media_type::is_index(media_type) => Kind::Index,
            media_type if media_type::is_image(media_type) => Kind::Image,
            _ => Kind::Unknown,
        }
    }

    /// What it states, if it is an attestation and that is known.
    pub(crate) fn statements(&self) -> Vec<&str> {
        match &self.behind {
            Some(Behind::Attestation(statements)) if !statements.is_empty() => {
                statements.iter().map(String::as_str).collect()
            }
            _ => self.descriptor.statement().into_iter().collect(),
        }
    }

    /// Why it was not read, if it was to be.
    pub(crate) fn problem(&self) -> Option<&str> {
        match &self.behind {
            Some(Behind::Unread(why)) => Some(why),
            _ => None,
        }
    }
}

/// The entries as the index has them.
pub(super) fn listed(entries: &[Descriptor]) -> Vec<Entry> {
    let listed = |descriptor: &Descriptor| Entry { descriptor: descriptor.clone(), behind: None };
    entries.iter().map(listed).collect()
}

/// The same with what their manifests and configs tell, all of them read in parallel.
pub(super) async fn read(
    registry: &Registry,
    repository: &Repository,
    entries: &[Descriptor],
) -> Result<Vec<Entry>, Error> {
    let are_too_many = entries.len() > MOST_ENTRIES;
    let reads = listed(entries).into_iter().map(|entry| async move {
        let behind = match entry.kind() {
            _ if are_too_many => Behind::Unread(too_many()),
            Kind::Unknown => Behind::Unread("neither an image nor an index".to_owned()),
            kind => behind(registry, repository, &entry.descriptor, kind).await?,
        };
        Ok(Entry { behind: Some(behind), ..entry })
    });
    join::all(reads).await
}

async fn behind(
    registry: &Registry,
    repository: &Repository,
    descriptor: &Descriptor,
    kind: Kind,
) -> Result<Behind, Error> {
    let child = Reference::at(repository, &descriptor.digest);
    match registry.manifest(&child, None).await {
        Ok(Manifest { content: Content::Image(image), .. }) if kind == Kind::Attestation => {
            Ok(Behind::Attestation(statements(&image.layers)))
        }
        Ok(Manifest { content: Content::Image(image), .. }) => {
            let created = created(registry, repository, &image).await?;
            Ok(Behind::Image { download: image.download(), created })
        }
        Ok(Manifest { content: Content::Index(index), .. }) => {
            Ok(Behind::Index(index.manifests.len()))
        }
        Err(registry::Error { kind: Failure::NotFound, .. }) => {
            Ok(Behind::Unread("not in the registry".to_owned()))
        }
        Err(registry::Error { kind: Failure::Malformed(why), .. }) => Ok(Behind::Unread(why)),
        Err(error) => Err(Error::cannot_read(&error, child)),
    }
}

/// What layers state, each kind once.
pub(super) fn statements(layers: &[Descriptor]) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for statement in layers.iter().filter_map(|layer| layer.statement()) {
        if statements.iter().all(|other| other != statement) {
            statements.push(statement.to_owned());
        }
    }
    statements
}

/// When an image was built. A config that is gone or cannot be understood does not say.
async fn created(
    registry: &Registry,
    repository: &Repository,
    image: &ImageManifest,
) -> Result<Option<String>, Error> {
    if !media_type::is_image_config(&image.config.media_type) {
        return Ok(None);
    }
    match registry.config(repository, &image.config, None).await {
        Ok(bytes) => Ok(ImageConfig::parse(&bytes).ok().and_then(|config| config.created)),
        Err(registry::Error { kind: Failure::NotFound | Failure::Malformed(_), .. }) => Ok(None),
        Err(error) => {
            let config = format!("the config {repository}@{}", image.config.digest);
            Err(Error::cannot_read(&error, config))
        }
    }
}
