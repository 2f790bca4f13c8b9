//! Whether what was published is still whole: every manifest that an index names is read once, and
//! every blob is looked at by HEAD.

mod own_tags;
mod part;
mod referring;
pub(crate) mod report;

use crate::entries;
use crate::entries::diff::List;
use crate::entries::nested::{DEEPEST, MOST_ENTRIES, too_deep, too_many};
use crate::entries::platforms::unanswered;
use crate::error::Error;
use crate::inspect::{self, Image};
use crate::join;
use crate::oci::{
    Content, Descriptor, Digest, ImageManifest, Platform, Reference, Repository, media_type,
};
use crate::plan::PlatformTags;
use crate::registry::{self, Registry};
use futures_util::future::{join, join_all};
use part::{Named, Part, Read};
use std::collections::HashSet;
use tracing::info;

/// How tags are checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check<'a> {
    pub(crate) registry: &'a Registry,
    /// Entries or blobs of one index that are looked at at once.
    pub(crate) most: usize,
    /// What the index must have, exactly; empty: whatever it has.
    pub(crate) platforms: &'a [Platform],
    /// Tags that its platforms have.
    pub(crate) platform_tags: &'a PlatformTags,
    /// Whether what refers to it and to what it names has to be there, too.
    pub(crate) referrers: bool,
}

/// Tags of one repository with the same digest, and what they point to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// At least one.
    pub(crate) references: Vec<Reference>,
    /// What was found, whole or not; or why nobody knows.
    pub(crate) found: Result<Found, Error>,
}

/// What a tag points to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) platforms: Vec<Platform>,
    /// Its images with a known platform.
    images: Vec<(Platform, Digest)>,
    /// What refers to it and to what it names, if that was asked for.
    pub(crate) referrers: Option<usize>,
    /// Blobs that should be there, each once; not those that are elsewhere.
    pub(crate) blobs: usize,
    /// Their size, as it is stated.
    pub(crate) bytes: u64,
    /// Whole without any.
    pub(crate) faults: Vec<Fault>,
}

/// Why it is not whole.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The entry that it is about, by its title.
    pub(crate) entry: Option<String>,
    /// `manifest`, `config`, `layer` or `platform`; of a tag `tag`.
    pub(crate) part: &'static str,
    /// Of the part.
    pub(crate) digest: Option<Digest>,
    /// One line for people.
    pub(crate) what: String,
    /// Whether it is about a referrer: then images can still be pulled.
    pub(crate) is_of_referrer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The registry does not have it.
    Gone,
    /// It is not what is stated: its size, its type.
    Altered,
    /// It cannot be read as what it should be.
    Unreadable,
    /// A platform that was asked for has no entry.
    Missing,
    /// An entry is for none of the platforms asked for.
    Unexpected,
    /// The tag points to another digest than the others of the list.
    OtherDigest,
}

impl Check<'_> {
    /// Checks what the tags of one index point to. They should all have the digest of the first.
    pub(crate) async fn tags(&self, tags: &[Reference]) -> Vec<Outcome> {
        let mut repositories: Vec<Vec<&Reference>> = Vec::new();
        for tag in tags {
            match repositories.iter_mut().find(|own| own[0].repository == tag.repository) {
                Some(own) => own.push(tag),
                None => repositories.push(vec![tag]),
            }
        }
        let checks = repositories.iter().map(|tags| self.repository(tags));
        let mut outcomes: Vec<Outcome> = join_all(checks).await.into_iter().flatten().collect();
        hold_together(&mut outcomes);
        outcomes.extend(self.own_tags(&outcomes).await);
        outcomes
    }

    /// Checks what the first tag of a repository points to that can be read; the others are only
    /// looked at.
    async fn repository(&self, mut tags: &[&Reference]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let [first, others @ ..] = tags {
            let looks = others.iter().map(|tag| self.registry.look_surely(tag, None));
            let (found, heads) = join(self.reference(first), join_all(looks)).await;
            let is_known = found.is_ok();
            outcomes.push(Outcome { references: vec![(*first).clone()], found });
            tags = others;
            if !is_known {
                continue;
            }
            for (tag, head) in others.iter().zip(heads) {
                let references = vec![(*tag).clone()];
                let found = head.map_err(|error| Error::cannot_read(&error, tag));
                let found = found.map(|head| Found::new(head.digest, head.media_type));
                match (&found, outcomes.first_mut()) {
                    (Ok(other), Some(first)) if first.has(&other.digest) => {
                        first.references.extend(references);
                    }
                    _ => outcomes.push(Outcome { references, found }),
                }
            }
            break;
        }
        outcomes
    }

    async fn reference(&self, reference: &Reference) -> Result<Found, Error> {
        let read = self.registry.shared_manifest(reference).await;
        let manifest = read.map_err(|error| Error::cannot_read(&error, reference))?;
        info!("check    {reference} {}", manifest.digest);
        let mut found = Found::new(manifest.digest.clone(), manifest.media_type.clone());
        let (mut parts, entries) = match &manifest.content {
            Content::Image(image) => {
                let entries = self.image(reference, image, manifest.descriptor()).await?;
                (vec![Part::of(None, manifest)], entries)
            }
            Content::Index(index) => {
                let level = named(&index.manifests);
                let (parts, entries) = self.parts(reference, level, &mut found).await?;
                (parts, Some(entries))
            }
        };
        if self.referrers {
            let entries = entries.as_deref().unwrap_or_default();
            parts.extend(self.referrers(reference, entries, &mut found).await?);
        }
        self.blobs(&reference.repository, &parts, &mut found).await?;
        if let Some(entries) = entries {
            found.hold_against(self.platforms, &entries);
        }
        Ok(found)
    }

    /// A single image as an entry, if its platform matters and there is a config to tell it.
    async fn image(
        &self,
        reference: &Reference,
        image: &ImageManifest,
        entry: Descriptor,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        if self.platforms.is_empty() {
            return Ok(None);
        }
        match inspect::image(self.registry, reference, image).await {
            Ok(Image { platform, .. }) => {
                let mut entry = entry;
                entry.platform = platform;
                Ok(Some(vec![entry]))
            }
            Err(error) if report::is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The images and attestations among the entries of an index that are there, those of nested
    /// indexes too; and all entries.
    async fn parts(
        &self,
        reference: &Reference,
        mut level: Vec<Named>,
        found: &mut Found,
    ) -> Result<(Vec<Part>, Vec<Descriptor>), Error> {
        let refused = |why| Err(Error::refused(format!("{reference}: {why}")));
        let (mut parts, mut entries) = (Vec::new(), Vec::new());
        for depth in 0.. {
            let is_index = |named: &Named| media_type::is_index(&named.entry.media_type);
            if level.is_empty() {
                break;
            }
            if level.len() + entries.len() > MOST_ENTRIES {
                return refused(too_many());
            }
            if depth == DEEPEST && level.iter().any(is_index) {
                return refused(too_deep());
            }
            let leaves = level.iter().filter(|named| !is_index(named));
            entries.extend(leaves.map(|named| named.entry.clone()));
            let reads = level.drain(..).map(|named| self.entry(&reference.repository, named));
            let reads = join::within(self.most, reads).await?;
            for Read { faults, index, part } in reads {
                found.faults.extend(faults);
                parts.extend(part);
                level.extend(index.iter().flat_map(|index| named(&index.manifests)));
            }
        }
        Ok((parts, entries))
    }

    /// Reads an entry, or looks at one that is none of the manifests that we know.
    async fn entry(&self, repository: &Repository, named: Named) -> Result<Read, Error> {
        let entry = &named.entry;
        let place = Reference::at(repository, &entry.digest);
        let cannot = |error: &registry::Error| match named.fault_of(error) {
            Some(fault) => Ok(Read { faults: vec![fault], ..Read::default() }),
            None => Err(Error::cannot_read(error, &place)),
        };
        if !media_type::is_manifest(&entry.media_type) {
            return match self.registry.shared_look(&place, None).await {
                Ok(head) => {
                    let why = entry.contradicted_by(&head.media_type, head.size);
                    Ok(Read { faults: named.altered(why), ..Read::default() })
                }
                Err(error) => cannot(&error),
            };
        }
        match self.registry.shared_manifest(&place).await {
            Ok(manifest) => {
                let faults = named.altered(manifest.contradicts(entry));
                Ok(Read { faults, ..Read::of(named, manifest) })
            }
            Err(error) => cannot(&error),
        }
    }

    async fn blobs(
        &self,
        repository: &Repository,
        parts: &[Part],
        found: &mut Found,
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for (.., blob) in parts.iter().flat_map(Part::blobs) {
            if seen.insert(&blob.digest) {
                found.blobs += 1;
                found.bytes = found.bytes.saturating_add(blob.size);
            }
        }
        let blobs = parts.iter().flat_map(Part::blobs);
        let looks = blobs.map(|(part, role, blob)| async move {
            match self.registry.shared_blob_size(repository, &blob.digest).await {
                Ok(size) => Ok(part.altered(role, blob, size)),
                Err(error) => part.fault_of(role, blob, &error).map(Some).ok_or_else(|| {
                    Error::cannot_read(&error, format!("{role} {}@{}", repository, blob.digest))
                }),
            }
        });
        let faults = join::within(self.most, looks).await?;
        found.faults.extend(faults.into_iter().flatten());
        Ok(())
    }
}

/// The entries of one index with what people call them.
fn named(entries: &[Descriptor]) -> Vec<Named> {
    let titles = List::of(entries);
    let named = |entry: &Descriptor| Named {
        title: titles.title(entry),
        entry: entry.clone(),
        is_referrer: false,
    };
    entries.iter().map(named).collect()
}

/// Tags of one index have one digest, wherever they are.
fn hold_together(outcomes: &mut [Outcome]) {
    let known = |outcome: &Outcome| {
        let found = outcome.found.as_ref().ok()?;
        Some((outcome.references.first()?.clone(), found.digest.clone()))
    };
    let Some((first, digest)) = outcomes.iter().find_map(known) else { return };
    for found in outcomes.iter_mut().filter_map(|outcome| outcome.found.as_mut().ok()) {
        if found.digest != digest {
            found.points_elsewhere(&format!("but {first} to {digest}"));
        }
    }
}

impl Outcome {
    fn has(&self, digest: &Digest) -> bool {
        self.found.as_ref().is_ok_and(|found| found.digest == *digest)
    }
}

impl Found {
    /// `instead`: what its tag should point to.
    fn points_elsewhere(&mut self, instead: &str) {
        self.faults.push(Fault {
            kind: Kind::OtherDigest,
            entry: None,
            part: "tag",
            digest: Some(self.digest.clone()),
            what: format!("it points to {}, {instead}", self.digest),
            is_of_referrer: false,
        });
    }

    fn new(digest: Digest, media_type: String) -> Self {
        Self {
            digest,
            media_type,
            platforms: Vec::new(),
            images: Vec::new(),
            referrers: None,
            blobs: 0,
            bytes: 0,
            faults: Vec::new(),
        }
    }

    /// Whether the entries are exactly those for these platforms, if any are asked for.
    fn hold_against(&mut self, asked: &[Platform], entries: &[Descriptor]) {
        let images: Vec<&Descriptor> = entries::images(entries).collect();
        let have: Vec<Option<&Platform>> =
            images.iter().map(|entry| entry.known_platform()).collect();
        let known = images.iter().zip(&have);
        self.images = known
            .filter_map(|(entry, platform)| Some(((*platform)?.clone(), entry.digest.clone())))
            .collect();
        self.platforms = have.iter().copied().flatten().cloned().collect();
        if asked.is_empty() {
            return;
        }
        let (missing, unexpected) = unanswered(asked, &have);
        let fault = |kind, title: String, digest, what: &str| Fault {
            kind,
            part: "platform",
            digest,
            what: format!("{what} {title}"),
            entry: Some(title),
            is_of_referrer: false,
        };
        let missing = missing
            .iter()
            .map(|platform| fault(Kind::Missing, platform.to_string(), None, "missing:   "));
        self.faults.extend(missing);
        let unexpected = unexpected.iter().filter_map(|at| images.get(*at)).map(|entry| {
            fault(Kind::Unexpected, entry.title(), Some(entry.digest.clone()), "unexpected:")
        });
        self.faults.extend(unexpected);
    }
}
