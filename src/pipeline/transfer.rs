//! Children into the repositories of the targets: what an index names must be where the index is.
//!
//! Does: brings manifests with their blobs, and waits until each repository has all. Does not: touch
//! tags.

use crate::error::Error;
use crate::join;
use crate::oci::{Content, Descriptor, Digest, Manifest, Reference, Repository};
use crate::pipeline::carry::{self, Carrier, Parcel, Room};
use crate::pipeline::image;
use crate::pipeline::lots::Need;
use crate::pipeline::one_pass;
use crate::pipeline::record::{self, Action, Coming, Copied, Write};
use crate::pipeline::resolve::arrived::Arrived;
use crate::pipeline::targets::Base;
use crate::pipeline::work::Work;
use std::collections::{BTreeSet, HashMap};
use tokio::sync::SetOnce;
use tracing::info;

/// Where the children of a list are: each in one repository at least.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    repositories: HashMap<Digest, Vec<Repository>>,
    /// Manifests that were read already.
    read: HashMap<Digest, Manifest>,
    /// Whether anything was waited for, so that what was listed before may be old news.
    pub(super) waited: bool,
}

impl Origins {
    /// Of what arrived.
    pub fn of(arrived: &[Arrived]) -> Self {
        let mut origins = Self::default();
        for arrived in arrived {
            let repository = &arrived.source.reference.repository;
            let entries = arrived.entries.iter().chain(&arrived.discovered);
            entries.for_each(|entry| origins.add(repository, &entry.digest));
            match arrived.manifest.content {
                Content::Image(_) => {
                    origins.read.insert(arrived.manifest.digest.clone(), arrived.manifest.clone());
                }
                // Where a list that is published as it is was; named as what is published is.
                Content::Index(_) => origins.add(repository, &Digest::of(&arrived.manifest.bytes)),
            }
            origins.waited |= arrived.after.is_some();
        }
        origins
    }

    /// The same with what a tag holds.
    #[must_use]
    pub fn and_base(mut self, tag: &Reference, base: &Base) -> Self {
        base.entries.iter().for_each(|entry| self.add(&tag.repository, &entry.digest));
        self
    }

    fn add(&mut self, repository: &Repository, digest: &Digest) {
        let there = self.repositories.entry(digest.clone()).or_default();
        if !there.contains(repository) {
            there.push(repository.clone());
        }
    }

    /// Where to take a child for `target` from, or the list itself; `None`: it is there, or made
    /// here. The same registry is nearer than another.
    pub(super) fn nearest(&self, digest: &Digest, target: &Repository) -> Option<&Repository> {
        let there = self.repositories.get(digest)?;
        if there.contains(target) {
            return None;
        }
        there.iter().find(|repository| repository.host() == target.host()).or(there.first())
    }
}

/// What a dry run has to say: how many images would be copied where, as far as that is known
/// without asking.
pub(super) fn would_be_copied(needs: &[Need<'_>], origins: &Origins) -> Vec<Coming> {
    let copies = needs.iter().map(|Need { repository, entries, .. }| {
        let missing: Vec<&Repository> =
            entries.iter().filter_map(|entry| origins.nearest(&entry.digest, repository)).collect();
        let (images, from) = (missing.len(), missing.into_iter().cloned().collect());
        Coming { from, images, ..Coming::into(repository) }
    });
    copies.filter(|coming| coming.images > 0).collect()
}

/// Completes every repository whose tags will move. Says whether any bytes had to go through this
/// process, which takes its time: what was looked at before may be old news then.
pub(super) async fn children(
    work: &Work<'_>,
    needs: &[Need<'_>],
    origins: &Origins,
) -> Result<bool, Error> {
    let before = work.progress.bytes_poured();
    let rooms = &Rooms { images: Room::new(), attestations: Room::new() };
    let are_complete: &Vec<SetOnce<()>> = &needs.iter().map(|_| SetOnce::new()).collect();
    let moves = needs.iter().enumerate().map(|(at, need)| async move {
        let (repository, in_use) = (need.repository, need.in_use);
        let missing: Vec<(&Descriptor, &Repository)> =
            need.entries.iter().filter_map(|entry| from(entry, needs, at, origins)).collect();
        if missing.is_empty() {
            are_complete[at].set(()).ok();
            return Ok(());
        }
        for (other, complete) in needs.iter().zip(are_complete).take(at) {
            if missing.iter().any(|(_, from)| *from == other.repository) {
                complete.wait().await;
            }
        }
        let from: BTreeSet<&Repository> = missing.iter().map(|(_, from)| *from).collect();
        let copied = Copied::into(repository, from.into_iter().cloned().collect());
        info!("{}", record::copying(&copied, missing.len()));
        work.progress.copying(copied);
        one_pass::blobs(Carrier { work, repository }, &missing).await?;
        let images_are_there = SetOnce::new();
        let transfer = Transfer {
            carrier: Carrier { work, repository },
            in_use,
            origins,
            rooms,
            images_are_there: &images_are_there,
        };
        let (attestations, images): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|(child, _)| child.attests().is_some());
        let bring = |(child, from)| transfer.child(child, from);
        let at_once = transfer.carrier.at_once();
        let images = async {
            join::within(at_once, images.into_iter().map(bring)).await?;
            images_are_there.set(()).ok();
            Ok(())
        };
        let attestations = join::within(at_once, attestations.into_iter().map(bring));
        tokio::try_join!(images, attestations)?;
        work.progress.copy(repository, |copied| {
            copied.end();
            info!("{}", record::copied(copied));
        });
        are_complete[at].set(()).ok();
        Ok(())
    });
    carry::told(work, join::all(moves)).await?;
    Ok(work.progress.bytes_poured() > before)
}

/// A child that the target at this place lacks, and where to take it from. A file is read for the
/// first target of a registry; the registry itself has it for the others.
fn from<'a>(
    entry: &'a Descriptor,
    needs: &[Need<'a>],
    at: usize,
    origins: &'a Origins,
) -> Option<(&'a Descriptor, &'a Repository)> {
    let target = needs[at].repository;
    let from = origins.nearest(&entry.digest, target)?;
    if from.file().is_none() {
        return Some((entry, from));
    }
    let has_it = |other: &&Need<'_>| {
        other.repository.host() == target.host()
            && other.repository != target
            && other.entries.iter().any(|own| own.digest == entry.digest)
    };
    let sibling = needs[..at].iter().find(has_it).map(|other| other.repository);
    Some((entry, sibling.unwrap_or(from)))
}

/// Into one repository.
struct Transfer<'a> {
    carrier: Carrier<'a>,
    /// Whether a tag in it holds something already, so that children may well be there.
    in_use: bool,
    origins: &'a Origins,
    rooms: &'a Rooms,
    /// Set when all images are there: some registries refuse an attestation before they have what it
    /// refers to.
    images_are_there: &'a SetOnce<()>,
}

/// Attestations have their own, because those that wait for the images would take theirs.
struct Rooms {
    images: Room,
    attestations: Room,
}

impl Transfer<'_> {
    /// One image or attestation: its blobs, then its manifest, as the bytes that they are.
    async fn child(&self, child: &Descriptor, from: &Repository) -> Result<(), Error> {
        let Carrier { work, repository } = self.carrier;
        let registry = work.registry;
        let place = Reference::at(repository, &child.digest);
        let is_image = child.attests().is_none();
        if !is_image && self.carrier.at_once() == 1 {
            self.images_are_there.wait().await;
        }
        if self.in_use && registry.look(&place, None).await.is_ok() {
            self.carrier.count(|copied| copied.images_there += 1);
            return Ok(());
        }
        let room = if is_image { &self.rooms.images } else { &self.rooms.attestations };
        let _held = room.hold(child.size).await;
        let manifest = match self.origins.read.get(&child.digest) {
            Some(manifest) => manifest.clone(),
            None => {
                let nearest = self.origins.nearest(&child.digest, repository);
                image::of_entry(registry, nearest.unwrap_or(from), child).await?
            }
        };
        let Content::Image(image) = &manifest.content else {
            return Err(Error::refused(format!(
                "{place} is an index inside an index, which is not copied"
            )));
        };
        let title = child.title();
        let what = format!("the image for {title}");
        let parcel = Parcel { place: &place, manifest: &manifest, from, what: &what };
        let ready = self.carrier.blobs(parcel, Some(image)).await?;
        if !is_image {
            self.images_are_there.wait().await;
        }
        self.carrier.push(&ready).await?;
        self.carrier.count(|copied| copied.images += 1);
        work.progress.wrote(Write {
            action: Action::Manifest,
            place: place.to_string(),
            digest: manifest.digest.clone(),
            why: format!("what is published names it, for {title}"),
        });
        Ok(())
    }
}
