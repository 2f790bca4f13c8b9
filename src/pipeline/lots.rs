//! What is published together: the index under its tags, and single platforms under tags of their
//! own. One manifest and the tags that are to point to it are a lot.

use super::check::Checked;
use super::compose::{self, Composed};
use super::image;
use super::progress::OfPlatform;
use super::resolve::arrived::Arrived;
use super::targets::Targets;
use super::work::Work;
use crate::entries;
use crate::error::Error;
use crate::error::words::input;
use crate::inputs::table::names;
use crate::join;
use crate::oci::{Content, Descriptor, Digest, Manifest, Platform, Reference, Repository};
use crate::plan::{Attestations, Plan};
use std::collections::HashMap;

/// A platform as it is, under tags of its own.
#[derive(Debug)]
pub struct Single {
    composed: Composed,
    /// Where it is already, by its digest.
    home: Repository,
    tags: Vec<Reference>,
}

/// A manifest, and the tags that are to point to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lot<'a> {
    pub(super) composed: &'a Composed,
    pub(super) targets: &'a Targets,
    /// Of a platform: where it is already.
    pub(super) home: Option<&'a Repository>,
}

impl Lot<'_> {
    /// Whether it is a platform under tags of its own.
    pub(super) fn is_single(&self) -> bool {
        self.home.is_some()
    }
}

/// The platforms under tags of their own, with what these pointed to when they were checked.
#[derive(Debug, Default)]
pub(super) struct Beside<'a>(Vec<(&'a Single, Targets)>);

impl<'a> Beside<'a> {
    /// Checks what the tags point to now.
    pub(super) async fn check(work: &Work<'_>, singles: &'a [Single]) -> Result<Self, Error> {
        let looks = singles.iter().map(|single| async move {
            Ok::<_, Error>((single, Targets::of(work, &single.tags).await?))
        });
        join::all(looks).await.map(Self)
    }

    /// These and the index, in the order in which tags move.
    pub(super) fn and<'l>(&'l self, composed: &'l Composed, targets: &'l Targets) -> Vec<Lot<'l>> {
        let own = self.0.iter().map(|(single, targets)| Lot {
            composed: &single.composed,
            targets,
            home: Some(&single.home),
        });
        own.chain([Lot { composed, targets, home: None }]).collect()
    }

    /// Whether every tag points to its platform.
    pub(super) fn all_hold(&self) -> bool {
        self.0.iter().all(|(single, targets)| targets.all_hold(&single.composed.digest))
    }
}

/// The platforms that the plan wants under tags of their own, of what arrived and is in the index.
pub(super) async fn singles(
    work: &Work<'_>,
    arrived: &[Arrived],
    checked: &Checked,
) -> Result<Vec<Single>, Error> {
    let plan = work.plan;
    if plan.platform_tags.is_empty() {
        return Ok(Vec::new());
    }
    let named = tags(plan, &checked.entries)?;
    let reads = named.into_iter().map(|(entry, platform, tags)| async move {
        let Some(from) = arrived.iter().find(|from| from.entries.contains(entry)) else {
            return Err(Error::defect("an entry that nothing brought"));
        };
        let home = from.source.reference.repository.clone();
        let (manifest, entries) = match as_it_came(plan, from) {
            Some(manifest) => (manifest.clone(), from.entries.clone()),
            None => (image::of_entry(work.registry, &home, entry).await?, vec![entry.clone()]),
        };
        let composed = compose::as_it_is(manifest, entries);
        let own = OfPlatform { platform: platform.clone(), digest: composed.digest.clone() };
        work.progress.add(&tags, &own);
        Ok(Single { composed, home, tags })
    });
    join::all(reads).await
}

/// The source as it is, if it brings one platform alone: an index with the attestations, unless
/// these are to go.
fn as_it_came<'a>(plan: &Plan, from: &'a Arrived) -> Option<&'a Manifest> {
    let is_alone = match &from.manifest.content {
        Content::Image(_) => true,
        Content::Index(index) => {
            let images = entries::images(&index.manifests).count();
            index.manifests == from.entries
                && images == 1
                && (plan.attestations != Attestations::Drop || images == index.manifests.len())
        }
    };
    is_alone.then_some(&from.manifest)
}

type Named<'e> = (&'e Descriptor, &'e Platform, Vec<Reference>);

/// The tags of every entry that has a platform. Each is of one platform alone, and none of the
/// index.
fn tags<'e>(plan: &Plan, entries: &'e [Descriptor]) -> Result<Vec<Named<'e>>, Error> {
    let (mut all, mut taken): (Vec<Named<'e>>, HashMap<Reference, &Platform>) = Default::default();
    let mut wrong = Vec::new();
    for entry in entries::images(entries) {
        let Some(platform) = entry.known_platform() else { continue };
        let mut own = Vec::new();
        let filled = plan.platform_tags.of(platform, &plan.platforms);
        for tag in
            filled.map_err(|why| refused().with_details(vec![format!("{platform}: {why}")]))?
        {
            if plan.targets.contains(&tag) {
                wrong.push(format!("{tag}: {platform} and the index"));
            } else if let Some(other) = taken.get(&tag).filter(|other| **other != platform) {
                wrong.push(format!("{tag}: {other} and {platform}"));
            } else if taken.insert(tag.clone(), platform).is_none() {
                own.push(tag);
            }
        }
        all.push((entry, platform, own));
    }
    if wrong.is_empty() { Ok(all) } else { Err(refused().with_details(wrong)) }
}

fn refused() -> Error {
    let own = input(names::platform_tags);
    Error::refused(format!("{own} does not give every platform a tag of its own")).with_fix(
        "use {os}, {arch} and {variant} so that no two have the same, and none that of the index",
    )
}

/// What a repository must have before tags in it move.
#[derive(Debug)]
pub(super) struct Need<'a> {
    pub(super) repository: &'a Repository,
    /// Whether a tag in it holds something already, so that a part of it may well be there.
    pub(super) in_use: bool,
    /// Images and attestations, each once.
    pub(super) entries: Vec<&'a Descriptor>,
}

/// What is needed where, for all tags that move.
pub(super) fn needs<'a>(lots: &[Lot<'a>]) -> Vec<Need<'a>> {
    let mut needs: Vec<Need<'a>> = Vec::new();
    let mut seen: HashMap<&Repository, Vec<&Digest>> = HashMap::new();
    for Lot { composed, targets, .. } in lots {
        for (repository, in_use) in targets.lacking(&composed.digest) {
            let seen = seen.entry(repository).or_default();
            let mut own: Vec<&Descriptor> = Vec::new();
            for entry in &composed.entries {
                if !seen.contains(&&entry.digest) {
                    seen.push(&entry.digest);
                    own.push(entry);
                }
            }
            match needs.iter_mut().find(|need| need.repository == repository) {
                Some(need) => {
                    need.in_use |= in_use;
                    need.entries.extend(own);
                }
                None => needs.push(Need { repository, in_use, entries: own }),
            }
        }
    }
    needs
}
