//! Children into the repositories of the targets: what an index names must be where the index is.
//!
//! Does: brings manifests with their blobs, byte for byte, and waits until each repository has all.
//! Does not: touch tags. A blob is mounted where the registry can, else streamed; foreign layers
//! stay where they are (image spec, layer.md).

use crate::error::{Access, Error};
use crate::join;
use crate::oci::{Content, Descriptor, Digest, Manifest, Reference, Repository, media_type};
use crate::pipeline::image;
use crate::pipeline::lots::Need;
use crate::pipeline::record::{self, Action, Copied, Write};
use crate::pipeline::resolve::arrived::Arrived;
use crate::pipeline::targets::Base;
use crate::pipeline::work::{Document, Work};
use crate::registry::{self, BlobOutcome, CopyError};
use crate::text;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::sync::{Semaphore, SetOnce};
use tokio::time::sleep;
use tracing::info;

/// Bytes of manifests that are held while their blobs are copied, in all, of images and of
/// attestations each: a list may have hundreds of children.
const MOST_BYTES_OF_MANIFESTS: u32 = 2 << 20;

/// Where the children of a list are: each in one repository at least.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    repositories: HashMap<Digest, Vec<Repository>>,
    /// Manifests that were read already.
    read: HashMap<Digest, Manifest>,
}

impl Origins {
    /// Of what arrived.
    pub fn of(arrived: &[Arrived]) -> Self {
        let mut origins = Self::default();
        for arrived in arrived {
            origins.add(&arrived.source.reference.repository, &arrived.entries);
            if matches!(arrived.manifest.content, Content::Image(_)) {
                origins.read.insert(arrived.manifest.digest.clone(), arrived.manifest.clone());
            }
        }
        origins
    }

    /// The same with what a tag holds.
    #[must_use]
    pub fn and_base(mut self, tag: &Reference, base: &Base) -> Self {
        self.add(&tag.repository, &base.entries);
        self
    }

    fn add(&mut self, repository: &Repository, entries: &[Descriptor]) {
        for entry in entries {
            let there = self.repositories.entry(entry.digest.clone()).or_default();
            if !there.contains(repository) {
                there.push(repository.clone());
            }
        }
    }

    /// Where to take a child for `target` from; `None`: it is there. The same registry is nearer
    /// than another.
    fn nearest(&self, child: &Descriptor, target: &Repository) -> Option<&Repository> {
        let there = self.repositories.get(&child.digest)?;
        if there.contains(target) {
            return None;
        }
        there.iter().find(|repository| repository.host() == target.host()).or(there.first())
    }
}

/// What a dry run has to say: how many images would be copied where, as far as that is known
/// without asking.
pub(super) fn would_be_copied(needs: &[Need<'_>], origins: &Origins) -> Vec<(Repository, usize)> {
    let copies = needs.iter().map(|Need { repository, entries, .. }| {
        let missing = entries.iter().filter(|entry| origins.nearest(entry, repository).is_some());
        ((*repository).clone(), missing.count())
    });
    copies.filter(|(_, images)| *images > 0).collect()
}

/// Completes every repository whose tags will move. Says whether any bytes had to go through this
/// process, which takes its time: what was looked at before may be old news then.
pub(super) async fn children(
    work: &Work<'_>,
    needs: &[Need<'_>],
    origins: &Origins,
) -> Result<bool, Error> {
    let before = work.progress.bytes_poured();
    let rooms = &Rooms::default();
    let moves = needs.iter().map(|Need { repository, in_use, entries }| async move {
        let (repository, in_use) = (*repository, *in_use);
        let missing =
            entries.iter().filter_map(|entry| Some((*entry, origins.nearest(entry, repository)?)));
        let missing: Vec<(&Descriptor, &Repository)> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        let from: BTreeSet<&Repository> = missing.iter().map(|(_, from)| *from).collect();
        let copied = Copied::into(repository, from.into_iter().cloned().collect());
        info!("{}", record::copying(&copied, missing.len()));
        work.progress.copying(copied);
        let images_are_there = SetOnce::new();
        let transfer = Transfer {
            work,
            repository,
            in_use,
            origins,
            rooms,
            images_are_there: &images_are_there,
        };
        let (attestations, images): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|(child, _)| child.attests().is_some());
        let bring = |(child, from)| transfer.child(child, from);
        let images = async {
            join::all(images.into_iter().map(bring)).await?;
            images_are_there.set(()).ok();
            Ok(())
        };
        let attestations = join::all(attestations.into_iter().map(bring));
        tokio::try_join!(images, attestations)?;
        work.progress.copy(repository, |copied| {
            copied.end();
            info!("{}", record::copied(copied));
        });
        Ok(())
    });
    let moved = tokio::select! {
        moved = join::all(moves) => moved.map(|_| ()),
        never = tell(work) => never,
    };
    if let Some(console) = work.console {
        console.bar("");
    }
    moved.map(|()| work.progress.bytes_poured() > before)
}

/// Tells once a minute, or on a terminal all the time, how far it is; never ends.
async fn tell(work: &Work<'_>) -> ! {
    const FRAME: Duration = Duration::from_millis(200);
    let moving = work.console.filter(|console| console.is_moving());
    loop {
        sleep(if moving.is_some() { FRAME } else { text::INTERVAL }).await;
        let under_way: Vec<Copied> =
            work.progress.copied().into_iter().filter(|copied| copied.elapsed.is_none()).collect();
        match moving {
            Some(console) => console.bar(&record::copy_bar(&under_way)),
            None => under_way.iter().for_each(|copied| info!("{}", record::still_copying(copied))),
        }
    }
}

/// Into one repository.
struct Transfer<'a> {
    work: &'a Work<'a>,
    repository: &'a Repository,
    /// Whether a tag in it holds something already, so that children may well be there.
    in_use: bool,
    origins: &'a Origins,
    rooms: &'a Rooms,
    /// Set when all images are there: some registries refuse an attestation before they have what it
    /// refers to.
    images_are_there: &'a SetOnce<()>,
}

/// For the bytes of manifests. Attestations have their own, because those that wait for the images
/// would take theirs.
struct Rooms {
    images: Semaphore,
    attestations: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        let room = || Semaphore::new(MOST_BYTES_OF_MANIFESTS as usize);
        Self { images: room(), attestations: room() }
    }
}

/// A manifest that is pushed.
struct Child<'a> {
    place: &'a Reference,
    document: Document<'a>,
    /// What it is for.
    title: &'a str,
    from: &'a Repository,
    /// Blobs that the registry showed before anything was sent.
    there: Vec<&'a Descriptor>,
    /// Whether it names layers that stay where they are.
    has_foreign: bool,
}

impl Child<'_> {
    /// Whether it is refused for layers that are elsewhere: time does not change that.
    fn is_refused_by(&self, error: &registry::Error) -> bool {
        self.has_foreign && (error.is_of_content() || error.tells_why_it_failed())
    }

    /// What to do about an error that is about this manifest.
    fn remedy(&self, error: &registry::Error) -> Option<String> {
        let Self { title, document, .. } = self;
        if self.is_refused_by(error) {
            return Some(format!(
                "the image for {title} has foreign layers, which stay where their URLs point \
                 (Windows base images), and this registry does not accept them: allow their URLs \
                 there (distribution: validation.manifests.urls.allow), or rebuild the image with \
                 these layers pushed like others"
            ));
        }
        error.is_of_content().then(|| {
            format!(
                "this registry does not accept the image for {title} as it is: check that it \
                 accepts images of the type {}",
                document.media_type
            )
        })
    }
}

impl Transfer<'_> {
    /// One image or attestation: its blobs, then its manifest, as the bytes that they are.
    async fn child(&self, child: &Descriptor, from: &Repository) -> Result<(), Error> {
        let registry = self.work.registry;
        let place = Reference::at(self.repository, &child.digest);
        if self.in_use && registry.look(&place, None).await.is_ok() {
            self.count(|copied| copied.images_there += 1);
            return Ok(());
        }
        let size = u32::try_from(child.size).unwrap_or(u32::MAX).min(MOST_BYTES_OF_MANIFESTS);
        let is_image = child.attests().is_none();
        let room = if is_image { &self.rooms.images } else { &self.rooms.attestations };
        // Never closed, so there will be room.
        let _held = room.acquire_many(size).await.ok();
        let manifest = match self.origins.read.get(&child.digest) {
            Some(manifest) => manifest.clone(),
            None => image::of_entry(registry, from, child).await?,
        };
        let Content::Image(image) = &manifest.content else {
            return Err(Error::refused(format!(
                "{place} is an index inside an index, which is not copied"
            )));
        };
        let reason = child.title();
        let blobs = image
            .layers
            .iter()
            .chain([&image.config])
            .filter(|blob| !media_type::is_foreign_layer(&blob.media_type));
        let brought = blobs.clone().map(|blob| self.blob(blob, from, &reason));
        let outcomes: Vec<BlobOutcome> = join::all(brought).await?;
        let there = blobs.clone().zip(outcomes);
        let there = there.filter(|(_, outcome)| *outcome == BlobOutcome::There);
        let child = Child {
            place: &place,
            document: Document::from(&manifest),
            title: &reason,
            from,
            there: there.map(|(blob, _)| blob).collect(),
            has_foreign: blobs.count() < image.layers.len() + 1,
        };
        if !is_image {
            self.images_are_there.wait().await;
        }
        self.push(&child).await?;
        self.count(|copied| copied.images += 1);
        self.work.progress.wrote(Write {
            action: Action::Manifest,
            place: place.to_string(),
            digest: manifest.digest,
            why: format!("what is published names it, for {reason}"),
        });
        Ok(())
    }

    /// One manifest whose blobs are there, or seem to be.
    async fn push(&self, child: &Child<'_>) -> Result<(), Error> {
        let Child { place, document, .. } = *child;
        let mut pushed = self.offer(child).await;
        if pushed.as_ref().is_err_and(registry::Error::is_of_content) && !child.there.is_empty() {
            // Some have one store, and show what another repository has.
            info!(
                "push     {place}: the registry misses blobs that it said it has; uploading them"
            );
            join::all(child.there.iter().map(|blob| self.upload(blob, child.from))).await?;
            pushed = self.offer(child).await;
        }
        if pushed.as_ref().is_err_and(|error| !child.is_refused_by(error)) {
            if child.has_foreign {
                pushed = self.work.put_once(place, document).await;
            }
            pushed = self.work.put_after(pushed, "blobs", place, document).await;
        }
        pushed.map_err(|error| {
            let failed = cannot_push(&error, place);
            match child.remedy(&error) {
                Some(remedy) => failed.with_fix(remedy),
                None => failed,
            }
        })
    }

    async fn offer(&self, child: &Child<'_>) -> Result<(), registry::Error> {
        let Child { place, document, .. } = *child;
        if child.has_foreign {
            self.work.registry.offer_manifest(place, document.media_type, document.bytes).await
        } else {
            self.work.put_once(place, document).await
        }
    }

    /// One blob that the registry shows, and does not have.
    async fn upload(&self, blob: &Descriptor, from: &Repository) -> Result<(), Error> {
        let uploaded = self.work.registry.shared_upload(from, self.repository, blob).await;
        uploaded.map(|_| ()).map_err(|error| self.cannot_copy(&error, blob, from))
    }

    fn cannot_copy(&self, error: &CopyError, blob: &Descriptor, from: &Repository) -> Error {
        let at = |repository: &Repository| Reference::at(repository, &blob.digest);
        match error {
            CopyError::Source(error) => Error::cannot_read(error, at(from)),
            CopyError::Target(error) => {
                let what = format!("push {} ({})", at(self.repository), text::size(blob.size));
                Error::of_registry(error, &what, Access::Push)
            }
        }
    }

    /// One blob, once, however many images name it.
    async fn blob(
        &self,
        blob: &Descriptor,
        from: &Repository,
        reason: &str,
    ) -> Result<BlobOutcome, Error> {
        self.count(|copied| copied.knows(blob));
        let poured = |bytes| self.count(|copied| copied.poured(bytes));
        let brought = |brought: &BlobOutcome| {
            self.count(|copied| copied.brought(*brought, blob));
            let from = from.clone();
            let action = match brought {
                BlobOutcome::There => return,
                BlobOutcome::Mounted => Action::Mount { from },
                BlobOutcome::Uploaded => Action::Upload { from, bytes: blob.size },
            };
            let place = Reference::at(self.repository, &blob.digest).to_string();
            let why = format!("the image for {reason} names it");
            self.work.progress.wrote(Write { action, place, digest: blob.digest.clone(), why });
        };
        let copied =
            self.work.registry.shared_copy(from, self.repository, blob, &poured, brought).await;
        copied.map_err(|error| self.cannot_copy(&error, blob, from))
    }

    fn count(&self, change: impl FnOnce(&mut Copied)) {
        self.work.progress.copy(self.repository, change);
    }
}

/// Something that an index names could not be pushed.
fn cannot_push(error: &registry::Error, place: &Reference) -> Error {
    Error::of_registry(error, &format!("push {place}"), Access::Push)
}
