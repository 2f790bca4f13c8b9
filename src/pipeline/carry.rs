//! One manifest into a repository, byte for byte: its blobs, then itself. A blob is mounted where the
//! registry can, else streamed; foreign layers stay where they are (image spec, layer.md).

use crate::error::{Access, Error};
use crate::join;
use crate::oci::{Descriptor, Form, ImageManifest, Manifest, Reference, Repository, media_type};
use crate::pipeline::record::{self, Action, Copied, Write};
use crate::pipeline::work::{Document, Work};
use crate::registry::{self, BlobOutcome, CopyError, Stored};
use crate::text;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;
use tracing::info;

/// Bytes of manifests that are held while their blobs are copied: a list may have hundreds of
/// children.
const MOST_BYTES_OF_MANIFESTS: u32 = 2 << 20;

/// For the manifests that are held while their blobs are copied.
pub(super) struct Room(Semaphore);

impl Room {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(MOST_BYTES_OF_MANIFESTS as usize))
    }

    /// Waits until there is room for so many bytes; what is larger than all of it takes all.
    pub(super) async fn hold(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let taken = u32::try_from(bytes).unwrap_or(u32::MAX).min(MOST_BYTES_OF_MANIFESTS);
        // Never closed, so there will be room.
        self.0.acquire_many(taken).await.ok()
    }
}

/// Carries it out; meanwhile tells once a minute, or on a terminal all the time, how far it is.
pub(super) async fn told<T>(
    work: &Work<'_>,
    carried: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let ended = tokio::select! {
        ended = carried => ended,
        never = tell(work) => never,
    };
    if let Some(console) = work.console {
        console.bar("");
    }
    ended
}

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
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) repository: &'a Repository,
}

/// A manifest that is carried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel<'a> {
    /// Under which digest or tag it is pushed.
    pub(super) place: &'a Reference,
    pub(super) manifest: &'a Manifest,
    pub(super) from: &'a Repository,
    /// What it is: `the image for linux/arm64`.
    pub(super) what: &'a str,
}

/// A manifest whose blobs were brought.
pub(super) struct Ready<'a> {
    parcel: Parcel<'a>,
    /// Blobs that the registry showed before anything was sent.
    there: Vec<&'a Descriptor>,
    /// Whether it names layers that stay where they are.
    has_foreign: bool,
}

impl Ready<'_> {
    /// Whether it is refused for layers that are elsewhere: time does not change that.
    fn is_refused_by(&self, error: &registry::Error) -> bool {
        self.has_foreign && (error.is_of_content() || error.tells_why_it_failed())
    }

    /// What to do about an error that is about this manifest.
    fn remedy(&self, error: &registry::Error) -> Option<String> {
        let Parcel { what, manifest, .. } = self.parcel;
        if self.is_refused_by(error) {
            return Some(format!(
                "{what} has foreign layers, which stay where their URLs point \
                 (Windows base images), and this registry does not accept them: allow their URLs \
                 there (distribution: validation.manifests.urls.allow), or rebuild the image with \
                 these layers pushed like others"
            ));
        }
        error.is_of_content().then(|| {
            format!(
                "this registry does not accept {what} as it is: check that it \
                 accepts images of the type {}",
                manifest.media_type
            )
        })
    }
}

impl<'a> Carrier<'a> {
    /// How many parts are brought at a time. Into an archive they go one behind the other: the same
    /// input then gives the same bytes.
    pub(super) fn at_once(&self) -> usize {
        match self.repository.file() {
            Some((Form::OciArchive, _)) => 1,
            _ => usize::MAX,
        }
    }

    /// The blobs of a manifest; an index has none.
    pub(super) async fn blobs<'p>(
        &self,
        parcel: Parcel<'p>,
        image: Option<&'p ImageManifest>,
    ) -> Result<Ready<'p>, Error> {
        let all = || image.into_iter().flat_map(|image| image.layers.iter().chain([&image.config]));
        let is_foreign = |blob: &&Descriptor| media_type::is_foreign_layer(&blob.media_type);
        let blobs: Vec<&Descriptor> = all().filter(|blob| !is_foreign(blob)).collect();
        let brought = blobs.iter().map(|blob| self.blob(blob, parcel.from, parcel.what));
        let outcomes: Vec<BlobOutcome> = join::within(self.at_once(), brought).await?;
        let has_foreign = all().any(|blob| is_foreign(&blob));
        let there = blobs.into_iter().zip(outcomes);
        let there = there.filter(|(_, outcome)| *outcome == BlobOutcome::There);
        Ok(Ready { parcel, there: there.map(|(blob, _)| blob).collect(), has_foreign })
    }

    /// One manifest whose blobs are there, or seem to be.
    pub(super) async fn push(&self, ready: &Ready<'_>) -> Result<Stored, Error> {
        let Parcel { place, manifest, from, .. } = ready.parcel;
        let document = Document::from(manifest);
        let mut pushed = self.offer(ready).await;
        if pushed.as_ref().is_err_and(registry::Error::is_of_content) && !ready.there.is_empty() {
            // Some have one store, and show what another repository has.
            info!(
                "push     {place}: the registry misses blobs that it said it has; uploading them"
            );
            join::all(ready.there.iter().map(|blob| self.upload(blob, from))).await?;
            pushed = self.offer(ready).await;
        }
        if pushed.as_ref().is_err_and(|error| !ready.is_refused_by(error)) {
            if ready.has_foreign {
                pushed = self.work.put_once(place, document).await;
            }
            pushed = self.work.put_after(pushed, "blobs", place, document).await;
        }
        pushed.map_err(|error| {
            let failed = cannot_push(&error, place);
            match ready.remedy(&error) {
                Some(remedy) => failed.with_fix(remedy),
                None => failed,
            }
        })
    }

    async fn offer(&self, ready: &Ready<'_>) -> Result<Stored, registry::Error> {
        let Parcel { place, manifest, .. } = ready.parcel;
        if ready.has_foreign {
            self.work.registry.offer_manifest(place, &manifest.media_type, &manifest.bytes).await
        } else {
            self.work.put_once(place, Document::from(manifest)).await
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
                let verb = if error.is_of_file() { "write" } else { "push" };
                let what = format!("{verb} {} ({})", at(self.repository), text::size(blob.size));
                Error::of_registry(error, &what, Access::Push)
            }
        }
    }

    /// One blob, once, however many images name it.
    pub(super) async fn blob(
        &self,
        blob: &Descriptor,
        from: &Repository,
        what: &str,
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
            let why = format!("{what} names it");
            self.work.progress.wrote(Write { action, place, digest: blob.digest.clone(), why });
        };
        let copied =
            self.work.registry.shared_copy(from, self.repository, blob, &poured, brought).await;
        copied.map_err(|error| self.cannot_copy(&error, blob, from))
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Copied)) {
        self.work.progress.copy(self.repository, change);
    }
}

/// Something that an index names could not be pushed.
fn cannot_push(error: &registry::Error, place: &Reference) -> Error {
    let verb = if error.is_of_file() { "write" } else { "push" };
    Error::of_registry(error, &format!("{verb} {place}"), Access::Push)
}
