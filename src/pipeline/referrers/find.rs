//! The question what refers to the manifests of a list, wave by wave: it costs a request a manifest,
//! and a listing of the tags of each repository that they come from.

use super::{DEPTH, Found, MOST, Subject, list};
use crate::error::{Access, Error};
use crate::join;
use crate::oci::{Descriptor, Digest, Reference, Repository, media_type, referrer};
use crate::pipeline::lots::Lot;
use crate::pipeline::transfer::Origins;
use crate::pipeline::work::Work;
use crate::registry::{Registry, Tags};
use std::collections::{BTreeSet, HashMap, HashSet};
use tokio::sync::OnceCell;
use tracing::{debug, warn};

/// Asks what refers to all that the list holds in a repository which is not its source's: where a
/// tag will move, and images are copied or were. Nothing where nobody wants to know.
pub(in crate::pipeline) async fn find<'a>(
    work: &Work<'_>,
    lots: &[Lot<'a>],
    origins: &'a Origins,
) -> Result<Found<'a>, Error> {
    if !work.plan.copy_referrers {
        return Ok(Found::default());
    }
    let subjects = subjects(lots, origins);
    let question = Question {
        registry: work.registry,
        fresh: origins.waited,
        listings: subjects.iter().map(|subject| (subject.from, OnceCell::new())).collect(),
    };
    let mut seen: HashSet<Digest> = subjects.iter().map(|subject| subject.digest.clone()).collect();
    let (mut level, mut found, mut number) =
        (subjects, Found { children: children(lots), ..Found::default() }, 0);
    while !level.is_empty() && found.levels.len() < DEPTH {
        let asked = join::all(level.into_iter().map(|subject| question.ask(subject))).await?;
        let held: Vec<Subject<'_>> =
            asked.into_iter().filter(|subject| subject.number() > 0).collect();
        number += held.iter().map(Subject::number).sum::<usize>();
        if number > MOST {
            return Err(too_many(&held));
        }
        level = held.iter().flat_map(|subject| next(subject, &mut seen)).collect();
        found.levels.push(held);
    }
    Ok(found)
}

/// The manifests whose referrers come along: what the list names, and itself where it was published
/// elsewhere as it is.
fn subjects<'a>(lots: &[Lot<'a>], origins: &'a Origins) -> Vec<Subject<'a>> {
    let mut subjects: Vec<Subject<'a>> = Vec::new();
    for Lot { composed, targets, .. } in lots {
        let moving: BTreeSet<&'a Repository> =
            targets.moving(&composed.digest).map(|target| &target.tag.repository).collect();
        let of_entries = composed.entries.iter().map(|entry| (&entry.digest, entry.title()));
        for (digest, title) in of_entries.chain([(&composed.digest, "the index".to_owned())]) {
            for &target in &moving {
                if let Some(from) = origins.nearest(digest, target) {
                    add(&mut subjects, Subject::new(digest, from, target, &title));
                }
            }
        }
    }
    subjects
}

/// What the lists name, by the repositories in which their tags move.
fn children<'a>(lots: &[Lot<'a>]) -> HashMap<&'a Repository, HashSet<Digest>> {
    let mut children: HashMap<&'a Repository, HashSet<Digest>> = HashMap::new();
    for Lot { composed, targets, .. } in lots {
        for target in targets.moving(&composed.digest) {
            let there = children.entry(&target.tag.repository).or_default();
            there.extend(composed.entries.iter().map(|entry| entry.digest.clone()));
        }
    }
    children
}

/// Adds one, or its target to the same one.
fn add<'a>(subjects: &mut Vec<Subject<'a>>, subject: Subject<'a>) {
    let is_same =
        |other: &&mut Subject<'_>| other.digest == subject.digest && other.from == subject.from;
    match subjects.iter_mut().find(is_same) {
        Some(known) => {
            let new = subject.targets.into_iter();
            let new: Vec<_> = new.filter(|target| !known.targets.contains(target)).collect();
            known.targets.extend(new);
        }
        None => subjects.push(subject),
    }
}

/// Those that may have referrers in turn, each once.
fn next<'a>(subject: &Subject<'a>, seen: &mut HashSet<Digest>) -> Vec<Subject<'a>> {
    let fresh = subject.referrers.iter().filter(|entry| seen.insert(entry.digest.clone()));
    let title = format!("what refers to {}", subject.title);
    let of = |entry: &Descriptor| Subject {
        targets: subject.targets.clone(),
        ..Subject::new(&entry.digest, subject.from, subject.from, &title)
    };
    fresh.map(of).collect()
}

fn too_many(held: &[Subject<'_>]) -> Error {
    let error = Error::refused(format!("more than {MOST} signatures and other referrers"));
    match held.iter().max_by_key(|subject| subject.number()) {
        Some(subject) => subject.without(error),
        None => error,
    }
}

/// What is asked of the sources' registries.
struct Question<'a> {
    registry: &'a Registry,
    /// Whether tags that were listed before may be too few.
    fresh: bool,
    listings: HashMap<&'a Repository, OnceCell<Tags>>,
}

impl Question<'_> {
    async fn ask<'s>(&self, mut subject: Subject<'s>) -> Result<Subject<'s>, Error> {
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

    async fn by_api(&self, subject: &Subject<'_>) -> Result<Option<Vec<Descriptor>>, Error> {
        let place = Reference::at(subject.from, &subject.digest);
        match self.registry.referrers(&place).await {
            // The image was read with the same login: it is the API that nobody may use.
            Err(error) if error.is_denial() => {
                warn!(
                    "{}: the registry denies its list of referrers; those that have tags are copied",
                    subject.from
                );
                debug!("{error}");
                Ok(None)
            }
            settled => settled.map_err(|error| {
                let what = format!("list what refers to {place}");
                subject.without(Error::of_registry(&error, &what, Access::Pull))
            }),
        }
    }

    async fn by_digest(
        &self,
        subject: &Subject<'_>,
        by_api: Option<Vec<Descriptor>>,
        tags: &Tags,
    ) -> Result<Vec<Descriptor>, Error> {
        let listed = match by_api {
            Some(listed) => listed,
            None => {
                let tag = super::list_tag(subject.from, &subject.digest);
                if !self.is_there(&tag, tags).await? {
                    return Ok(Vec::new());
                }
                list::read(self.registry, &tag).await.map_err(|error| subject.without(error))?
            }
        };
        let mut referrers: Vec<Descriptor> = Vec::new();
        for entry in listed {
            if !media_type::is_index(&entry.media_type) && !media_type::is_image(&entry.media_type)
            {
                let kind = referrer::kind(&entry.media_type);
                let (from, digest) = (subject.from, &entry.digest);
                warn!(
                    "{from}@{digest} refers to {} and is not copied: its type is {kind}",
                    subject.title
                );
            } else if referrers.iter().all(|other| other.digest != entry.digest) {
                referrers.push(entry);
            }
        }
        Ok(referrers)
    }

    async fn cosign(
        &self,
        subject: &Subject<'_>,
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
