//! What an index is made of, and what is wrong with a part of it.

use super::{Fault, Kind};
use crate::oci::{Content, Descriptor, Index, Manifest, Share};
use crate::registry;

/// An entry, and what people call it.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) title: String,
    pub(super) entry: Descriptor,
    /// Not an entry of the index, but something that refers to one.
    pub(super) is_referrer: bool,
}

/// What was learned of an entry.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) faults: Vec<Fault>,
    /// Its entries are next.
    pub(super) index: Option<Index>,
    /// Its blobs are next.
    pub(super) part: Option<Part>,
}

/// A manifest with blobs.
#[derive(Debug)]
pub(super) struct Part {
    /// The entry that it is; none of a single image.
    named: Option<Named>,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    /// As long as its descriptors are held.
    _share: Share,
}

impl Named {
    /// As it begins a line.
    fn called(&self) -> String {
        format!("{} {}", self.title, self.entry.digest)
    }

    fn fault(&self, kind: Kind, what: String) -> Fault {
        Fault {
            kind,
            entry: Some(self.title.clone()),
            part: "manifest",
            digest: Some(self.entry.digest.clone()),
            what,
            is_of_referrer: self.is_referrer,
        }
    }

    /// What is wrong with it if this is so.
    pub(super) fn altered(&self, why: Option<String>) -> Vec<Fault> {
        let fault = |why| self.fault(Kind::Altered, format!("{}: {why}", self.called()));
        why.map(fault).into_iter().collect()
    }

    /// What a failed read says of it, unless that may be over in a while, or is the login's fault.
    pub(super) fn fault_of(&self, error: &registry::Error) -> Option<Fault> {
        match kind_of(error)? {
            Kind::Gone => Some(self.fault(Kind::Gone, format!("{} is gone", self.called()))),
            kind => Some(self.fault(kind, format!("{}: {}", self.called(), error.reason()))),
        }
    }
}

impl Read {
    pub(super) fn of(named: Named, manifest: Manifest) -> Self {
        match manifest.content {
            Content::Index(index) => Self { index: Some(index), ..Self::default() },
            Content::Image(_) => {
                Self { part: Some(Part::of(Some(named), manifest)), ..Self::default() }
            }
        }
    }
}

impl Part {
    /// Without the bytes: of an index with hundreds of entries they are not needed at once.
    pub(super) fn of(named: Option<Named>, manifest: Manifest) -> Self {
        let (config, layers) = match manifest.content {
            Content::Image(image) => (Some(image.config), image.layers),
            Content::Index(_) => (None, Vec::new()),
        };
        Self { named, config, layers, _share: manifest.share }
    }

    /// The blobs that the registry should have, with their roles: what has `urls` may be elsewhere.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&Self, &'static str, &Descriptor)> {
        let layers = self.layers.iter().map(|layer| ("layer", layer));
        let all = self.config.iter().map(|config| ("config", config)).chain(layers);
        all.filter(|(_, blob)| blob.urls.is_empty()).map(move |(role, blob)| (self, role, blob))
    }

    fn fault(&self, kind: Kind, role: &'static str, blob: &Descriptor, what: &str) -> Fault {
        let owner = self.named.as_ref().map(|named| format!("{}: ", named.called()));
        Fault {
            kind,
            entry: self.named.as_ref().map(|named| named.title.clone()),
            part: role,
            digest: Some(blob.digest.clone()),
            what: format!("{}{role} {}{what}", owner.unwrap_or_default(), blob.digest),
            is_of_referrer: self.named.as_ref().is_some_and(|named| named.is_referrer),
        }
    }

    /// What is wrong with a blob of so many bytes, `None` where the registry does not say.
    pub(super) fn altered(
        &self,
        role: &'static str,
        blob: &Descriptor,
        size: Option<u64>,
    ) -> Option<Fault> {
        let size = size.filter(|size| *size != blob.size)?;
        let what = format!(" has {size} bytes, but the manifest says {}", blob.size);
        Some(self.fault(Kind::Altered, role, blob, &what))
    }

    /// What a failed look says of a blob, as [`Named::fault_of`].
    pub(super) fn fault_of(
        &self,
        role: &'static str,
        blob: &Descriptor,
        error: &registry::Error,
    ) -> Option<Fault> {
        match kind_of(error)? {
            Kind::Gone => Some(self.fault(Kind::Gone, role, blob, " is gone")),
            kind => Some(self.fault(kind, role, blob, &format!(": {}", error.reason()))),
        }
    }
}

/// What a failed request says of the part that was asked for; nothing where the registry, the way
/// to it or the login may be the cause.
pub(super) fn kind_of(error: &registry::Error) -> Option<Kind> {
    match error.kind {
        registry::Kind::NotFound => Some(Kind::Gone),
        registry::Kind::DigestMismatch(_)
        | registry::Kind::TooLarge(_)
        | registry::Kind::Malformed(_) => Some(Kind::Unreadable),
        _ => None,
    }
}
