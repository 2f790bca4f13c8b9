//! What refers to an image, to an index and all that it names: signatures, SBOMs and whatever else,
//! and what they say of who signed. Nothing of that is verified.

pub(super) mod json;
pub(super) mod text;

use super::{Entry, Inside, Inspected, behind};
use crate::entries::diff::List;
use crate::entries::nested::{MOST_ENTRIES, too_many};
use crate::error::Error;
use crate::join;
use crate::oci::referrer::{self, Signer};
use crate::oci::{Content, Descriptor, Digest, Manifest, Reference, Repository, media_type};
use crate::referrers::{Question, Subject};
use crate::registry::{self, Kind, Purpose, Registry};
use std::collections::HashSet;

/// Manifests behind cosign's tags that are held at once.
const MOST_MANIFESTS: usize = 16;

/// Something that refers to a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Referrer {
    /// Digest of what it refers to.
    pub(crate) subject: Digest,
    /// What people call that: `linux/arm64`.
    pub(crate) of: String,
    /// How far it is from the first one that is referred to; at least 1.
    pub(crate) depth: usize,
    /// Cosign's tag, if it is one of those.
    pub(crate) tag: Option<String>,
    /// A short name of what it is.
    pub(crate) kind: Option<String>,
    /// As it is listed; what stands at the tag. `None` where that is not there.
    pub(crate) entry: Option<Descriptor>,
    /// What it states, as people call it.
    pub(crate) statements: Vec<String>,
    /// With what it was signed: one for each signature that says so.
    pub(crate) signers: Vec<Signer>,
    /// Why it was not read.
    pub(crate) problem: Option<String>,
}

impl Inspected {
    /// Asks what refers to all that was read, in a request a manifest and a listing of tags.
    pub(crate) async fn referrers(&self, registry: &Registry) -> Result<Vec<Referrer>, Error> {
        let subjects = self.subjects();
        if subjects.len() > MOST_ENTRIES {
            return Err(Error::refused(format!("{}: {}", self.reference, too_many())));
        }
        let question = Question::new(registry, Purpose::Show, false);
        let levels = question.walk(subjects).await?;
        let listed = Listed { levels: &levels, shown: HashSet::new(), all: Vec::new() };
        let reads = listed.all().into_iter().map(|referrer| tagged(registry, self, referrer));
        join::within(MOST_MANIFESTS, reads).await
    }

    /// All manifests that it is about, each once.
    fn subjects(&self) -> Vec<Subject<'_, ()>> {
        let from = &self.reference.repository;
        let (own, others) = match &self.inside {
            Inside::Index(entries) => ("the index", titled(entries)),
            Inside::Image(image) => match image.artifact_type {
                Some(_) => ("the artifact", Vec::new()),
                None => ("the image", Vec::new()),
            },
        };
        let picked = self.picked.iter().flat_map(|picked| {
            let attestations = picked.attestations.iter().map(|entry| &entry.descriptor.digest);
            let its = |title: &str| title.to_owned();
            let attestations = attestations.map(move |digest| (digest, its("its attestation")));
            attestations.chain([(&picked.index.digest, its("its index"))])
        });
        let own = [(&self.manifest.digest, own.to_owned())].into_iter();
        let all = own.chain(others).chain(picked);
        let mut seen = HashSet::new();
        let fresh = all.filter(|(digest, _)| seen.insert((*digest).clone()));
        fresh.map(|(digest, title)| Subject::new(digest, from, &title, ())).collect()
    }
}

/// The entries of an index, with what people call them.
fn titled(entries: &[Entry]) -> Vec<(&Digest, String)> {
    let all: Vec<Descriptor> = entries.iter().map(|entry| entry.descriptor.clone()).collect();
    let titles = List::of(&all);
    let titled = |Entry { descriptor, .. }: &'_ Entry| match descriptor.known_platform() {
        None if media_type::is_index(&descriptor.media_type) => "an index in it".to_owned(),
        _ => titles.title(descriptor),
    };
    entries.iter().map(|entry| (&entry.descriptor.digest, titled(entry))).collect()
}

/// The answers as people read them: what refers to a referrer stands below it.
struct Listed<'a> {
    levels: &'a [Vec<Subject<'a, ()>>],
    shown: HashSet<&'a Digest>,
    all: Vec<Referrer>,
}

impl<'a> Listed<'a> {
    fn all(mut self) -> Vec<Referrer> {
        for subject in self.levels.first().into_iter().flatten() {
            self.of(subject, 1);
        }
        self.all
    }

    fn of(&mut self, subject: &'a Subject<'a, ()>, depth: usize) {
        for entry in &subject.referrers {
            self.all.push(Referrer::listed(subject, depth, entry));
            let below = self.levels.get(depth).into_iter().flatten();
            let below = below.filter(|other| other.digest == entry.digest);
            for subject in below.collect::<Vec<_>>() {
                if self.shown.insert(&subject.digest) {
                    self.of(subject, depth + 1);
                }
            }
        }
        for (tag, kind) in &subject.tags {
            let referrer = Referrer::unread(subject, depth);
            let (tag, kind) = (Some(tag.clone()), Some((*kind).to_owned()));
            self.all.push(Referrer { tag, kind, ..referrer });
        }
    }
}

impl Referrer {
    fn unread(subject: &Subject<'_, ()>, depth: usize) -> Self {
        Self {
            subject: subject.digest.clone(),
            of: subject.title.clone(),
            depth,
            tag: None,
            kind: None,
            entry: None,
            statements: Vec::new(),
            signers: Vec::new(),
            problem: None,
        }
    }

    fn listed(subject: &Subject<'_, ()>, depth: usize, entry: &Descriptor) -> Self {
        Self {
            kind: referrer::short_kind(entry).map(str::to_owned),
            statements: entry.statement().map(str::to_owned).into_iter().collect(),
            signers: referrer::signer(&entry.annotations).into_iter().collect(),
            entry: Some(entry.clone()),
            ..Self::unread(subject, depth)
        }
    }

    /// With what cosign's manifest says: a layer for each signature.
    fn with(self, manifest: &Manifest) -> Self {
        let layers = match &manifest.content {
            Content::Image(image) => image.layers.as_slice(),
            Content::Index(_) => &[],
        };
        let signers = layers.iter().filter_map(|layer| referrer::signer(&layer.annotations));
        Self {
            entry: Some(manifest.descriptor()),
            statements: behind::statements(layers),
            signers: signers.collect(),
            ..self
        }
    }
}

/// Reads what stands at a tag of cosign's. What is listed by its digest has been told already.
async fn tagged(
    registry: &Registry,
    inspected: &Inspected,
    referrer: Referrer,
) -> Result<Referrer, Error> {
    let Some(tag) = &referrer.tag else { return Ok(referrer) };
    let repository: &Repository = &inspected.reference.repository;
    let place = Reference::tagged(repository, tag);
    match registry.manifest(&place, None).await {
        Ok(manifest) => Ok(referrer.with(&manifest)),
        Err(registry::Error { kind: Kind::NotFound, .. }) => {
            Ok(Referrer { problem: Some("not in the registry".to_owned()), ..referrer })
        }
        Err(registry::Error { kind: Kind::Malformed(why), .. }) => {
            Ok(Referrer { problem: Some(why), ..referrer })
        }
        Err(error) => Err(Error::cannot_read(&error, &place)),
    }
}
