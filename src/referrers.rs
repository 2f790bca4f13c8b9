//! The question what refers to manifests, signatures and SBOMs above all, wave by wave: a request a
//! manifest, and a listing of the tags of each repository.
//!
//! Where a registry has no API for it, a tag lists them (distribution spec, "Referrers Tag Schema");
//! what cosign stores is under tags of its own. Copies, `inspect` and `check` ask it.

use crate::error::{Access, Error};
use crate::join;
use crate::oci::{Descriptor, Digest, Reference, Repository, media_type, referrer};
use crate::registry::{self, Purpose, Registry, Tags};
use std::collections::{HashMap, HashSet};
use tokio::sync::OnceCell;
use tracing::{debug, warn};

/// Referrers in all, of whatever they refer to.
pub(crate) const MOST: usize = 256;
/// How far a referrer may be from what is asked about: what refers to that is one away.
const DEPTH: usize = 3;

/// What to do about more.
const FEWER: &str = "delete old ones from the registry: at most 256 are read";

/// A manifest with what refers to it. `T`: what the caller has to know of it, and of those that
/// refer to it in turn.
#[derive(Debug, Clone)]
pub(crate) struct Subject<'a, T> {
    pub(crate) digest: Digest,
    pub(crate) from: &'a Repository,
    /// For people: `linux/arm64`.
    pub(crate) title: String,
    pub(crate) own: T,
    /// By digest.
    pub(crate) referrers: Vec<Descriptor>,
    /// By cosign's tags, with what each holds.
    pub(crate) tags: Vec<(String, &'static str)>,
}

impl<'a, T: Clone> Subject<'a, T> {
    /// One that nothing is known to refer to yet.
    pub(crate) fn new(digest: &Digest, from: &'a Repository, title: &str, own: T) -> Self {
        Self {
            digest: digest.clone(),
            from,
            title: title.to_owned(),
            own,
            referrers: Vec::new(),
            tags: Vec::new(),
        }
    }

    fn number(&self) -> usize {
        self.referrers.len() + self.tags.len()
    }

    /// An error about something that refers to it.
    pub(crate) fn of_referrer(&self, mut error: Error) -> Error {
        error.details.push(format!("it refers to {} ({})", self.title, self.digest));
        error
    }

    /// Those that may have referrers in turn, each once.
    fn next(&self, seen: &mut HashSet<Digest>) -> Vec<Self> {
        let fresh = self.referrers.iter().filter(|entry| seen.insert(entry.digest.clone()));
        let title = format!("what refers to {}", self.title);
        fresh.map(|entry| Self::new(&entry.digest, self.from, &title, self.own.clone())).collect()
    }
}

/// Under which tag of a repository its referrers are listed.
pub(crate) fn list_tag(repository: &Repository, subject: &Digest) -> Reference {
    Reference::tagged(repository, &referrer::tag(subject))
}

/// What is asked of registries, and how.
#[derive(Debug)]
pub(crate) struct Question<'r, 'a> {
    registry: &'r Registry,
    purpose: Purpose,
    /// Whether tags that were listed before may be too few.
    fresh: bool,
    listings: HashMap<&'a Repository, OnceCell<Tags>>,
}

impl<'r, 'a> Question<'r, 'a> {
    pub(crate) fn new(registry: &'r Registry, purpose: Purpose, fresh: bool) -> Self {
        Self { registry, purpose, fresh, listings: HashMap::new() }
    }

    /// What refers to these, by how far it is from them; of each manifest that has any.
    pub(crate) async fn walk<T: Clone>(
        mut self,
        subjects: Vec<Subject<'a, T>>,
    ) -> Result<Vec<Vec<Subject<'a, T>>>, Error> {
        self.listings = subjects.iter().map(|subject| (subject.from, OnceCell::new())).collect();
        let mut seen: HashSet<Digest> =
            subjects.iter().map(|subject| subject.digest.clone()).collect();
        let (mut level, mut levels, mut number) = (subjects, Vec::new(), 0);
        while !level.is_empty() && levels.len() < DEPTH {
            let asked = join::all(level.into_iter().map(|subject| self.ask(subject))).await?;
            let held: Vec<Subject<'a, T>> =
                asked.into_iter().filter(|subject| subject.number() > 0).collect();
            number += held.iter().map(Subject::number).sum::<usize>();
            if number > MOST {
                return Err(too_many(&held));
            }
            level = held.iter().flat_map(|subject| subject.next(&mut seen)).collect();
            levels.push(held);
        }
        Ok(levels)
    }

    async fn ask<T: Clone>(&self, mut subject: Subject<'a, T>) -> Result<Subject<'a, T>, Error> {
        let asked =
            tokio::try_join!(self.by_api(&subject), async { Ok(self.tags(subject.from).await) });
        let (by_api, tags) = asked?;
        let (referrers, cosign) = tokio::try_join!(
            self.by_digest(&subject, by_api, &tags),
            self.cosign(&subject, &tags)
        )?;
        subject.referrers = referrers;
        subject.tags = cosign;
        Ok(subject)
    }

    async fn tags(&self, repository: &Repository) -> Tags {
        match self.listings.get(repository) {
            Some(listing) => {
                let list = || self.registry.tags_of_digests(repository, self.fresh);
                listing.get_or_init(list).await.clone()
            }
            None => Tags::default(),
        }
    }

    async fn by_api<T: Clone>(
        &self,
        subject: &Subject<'_, T>,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        let place = Reference::at(subject.from, &subject.digest);
        match self.registry.referrers(&place, self.purpose).await {
            // The image was read with the same login: it is the API that nobody may use.
            Err(error) if error.is_denial() => {
                warn!(
                    "{}: the registry denies its list of referrers; only those that have tags are found",
                    subject.from
                );
                debug!("{error}");
                Ok(None)
            }
            settled => settled.map_err(|error| {
                let what = format!("list what refers to {place}");
                let told = subject.of_referrer(Error::of_registry(&error, &what, Access::Pull));
                let is_long = matches!(error.kind, registry::Kind::TooLarge(_));
                if is_long { told.with_fix(FEWER) } else { told }
            }),
        }
    }

    async fn by_digest<T: Clone>(
        &self,
        subject: &Subject<'_, T>,
        by_api: Option<Vec<Descriptor>>,
        tags: &Tags,
    ) -> Result<Vec<Descriptor>, Error> {
        let listed = match by_api {
            Some(listed) => listed,
            None => {
                let tag = list_tag(subject.from, &subject.digest);
                if !self.is_there(&tag, tags).await? {
                    return Ok(Vec::new());
                }
                let read = self.registry.manifest(&tag, None).await;
                let list =
                    read.map_err(|error| subject.of_referrer(Error::cannot_read(&error, &tag)))?;
                registry::entries(&list, self.purpose).collect()
            }
        };
        let mut referrers: Vec<Descriptor> = Vec::new();
        for entry in listed {
            if !media_type::is_manifest(&entry.media_type) {
                let kind = referrer::kind(&entry.media_type);
                warn!(
                    "{}@{} is listed under {}, but is no manifest; its type is {kind}",
                    subject.from, entry.digest, subject.title
                );
            } else if referrers.iter().all(|other| other.digest != entry.digest) {
                referrers.push(entry);
            }
        }
        Ok(referrers)
    }

    async fn cosign<T: Clone>(
        &self,
        subject: &Subject<'_, T>,
        tags: &Tags,
    ) -> Result<Vec<(String, &'static str)>, Error> {
        let looks =
            referrer::cosign_tags(&subject.digest).into_iter().map(|(tag, kind)| async move {
                let place = Reference::tagged(subject.from, &tag);
                let is_there = self.is_there(&place, tags).await;
                is_there.map(|is_there| is_there.then_some((tag, kind)))
            });
        Ok(join::all(looks).await?.into_iter().flatten().collect())
    }

    /// Whether a tag is listed; where that is not known, whether it is there.
    async fn is_there(&self, tag: &Reference, tags: &Tags) -> Result<bool, Error> {
        if let Some(known) = tags.has(tag.tag.as_deref().unwrap_or_default()) {
            return Ok(known);
        }
        match self.registry.look(tag, None).await {
            Ok(_) => Ok(true),
            // Some registries deny what does not exist; the image beside it was read.
            Err(error) if error.may_be_missing() || error.is_denial() => Ok(false),
            Err(error) => Err(Error::cannot_read(&error, tag)),
        }
    }
}

fn too_many<T: Clone>(held: &[Subject<'_, T>]) -> Error {
    let error = Error::refused(format!("more than {MOST} signatures and other referrers"));
    let error = error.with_fix(FEWER);
    match held.iter().max_by_key(|subject| subject.number()) {
        Some(subject) => subject.of_referrer(error),
        None => error,
    }
}
