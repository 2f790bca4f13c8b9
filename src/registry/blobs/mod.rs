//! Copies of blobs between repositories: found there, mounted, or streamed through without ever
//! being held whole.

mod into_file;
mod stream;
mod upload;

use super::Registry;
use super::attempts::{RequestName, TRIES};
use super::call::Call;
use super::error::{Error, Kind};
use super::http::{Answer, address};
use crate::oci::{Content, Descriptor, Manifest, Repository};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::LOCATION;
use std::cell::Cell;
use std::sync::atomic::Ordering;
use stream::BlobReader;
use tokio::time::Instant;
use tracing::debug;
use upload::{Session, Upload, longest_chunk, name_of};
use url::Url;

/// Uploads of one blob from its start, when its bytes were altered: that is bad luck once.
const ALTERED_UPLOADS: u32 = 2;
/// The same when distribution forgot an upload that broke.
const LOST_UPLOADS: u32 = TRIES;
const EMPTY: (&str, Bytes) = ("application/octet-stream", Bytes::new());

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobOutcome {
    /// The repository had it.
    There,
    /// The registry mounted it from another of its repositories.
    Mounted,
    /// Its bytes were streamed through this process.
    Uploaded,
}

/// Side of a copy that failed.
#[derive(Debug, Clone)]
pub enum CopyError {
    /// The read.
    Source(Error),
    /// The write.
    Target(Error),
}

/// Counts bytes that may go through more than once, each when it does so first.
struct FirstTime<'a> {
    most: Cell<u64>,
    now: Cell<u64>,
    streamed: &'a dyn Fn(u64),
}

impl<'a> FirstTime<'a> {
    fn new(streamed: &'a dyn Fn(u64)) -> Self {
        Self { most: Cell::new(0), now: Cell::new(0), streamed }
    }

    /// They come from the first one on.
    fn begins(&self) {
        self.now.set(0);
    }

    fn count(&self, bytes: u64) {
        self.now.set(self.now.get() + bytes);
        (self.streamed)(self.now.get().saturating_sub(self.most.get()));
        self.most.set(self.most.get().max(self.now.get()));
    }
}

/// Outcome of a request to mount.
enum Mount {
    Done,
    /// The registry opened an upload instead.
    Upload(Session),
    Refused,
}

impl Registry {
    /// Copies a blob into a repository. `streamed` is called with the number of bytes that went
    /// through, each byte once.
    pub async fn copy_blob(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
        streamed: &dyn Fn(u64),
    ) -> Result<BlobOutcome, CopyError> {
        if to.file().is_some() {
            return self.copy_blob_into_file(from, to, blob, streamed).await;
        }
        let mut opened = None;
        if from.host() == to.host() {
            match self.mount(from, to, blob).await.map_err(CopyError::Target)? {
                Mount::Done => return Ok(BlobOutcome::Mounted),
                Mount::Upload(session) => opened = Some(session),
                Mount::Refused => {}
            }
        }
        let _held = self.attempts.permits_for_copy(from, to).await;
        if self.has_blob(to, blob, None).await.map_err(CopyError::Target)? {
            if let Some(session) = opened {
                self.cancel(to, &session.location).await;
            }
            return Ok(BlobOutcome::There);
        }
        self.upload_blob(from, to, blob, opened, streamed).await?;
        Ok(BlobOutcome::Uploaded)
    }

    /// Uploads a blob that the registry shows already: some show what other repositories have.
    pub async fn upload_anew(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
    ) -> Result<(), CopyError> {
        let _held = self.attempts.permits_for_copy(from, to).await;
        self.upload_blob(from, to, blob, None, &|_| {}).await
    }

    /// Uploads a blob, first into the upload that is open already. Some failures are worth another
    /// upload from the start.
    async fn upload_blob(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
        mut opened: Option<Session>,
        streamed: &dyn Fn(u64),
    ) -> Result<(), CopyError> {
        let mut uploads = 0;
        let counted = FirstTime::new(streamed);
        let first_time = |bytes| counted.count(bytes);
        loop {
            uploads += 1;
            counted.begins();
            let session = match opened.take() {
                Some(session) => session,
                None => self.open_upload(to, true).await.map_err(CopyError::Target)?,
            };
            let reader = BlobReader::new(self, from, blob);
            let mut upload = Upload::new(self, to, reader, session, &first_time);
            let error = match upload.carry_out().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let most = if upload.is_lost { LOST_UPLOADS } else { most_uploads(&error) };
            if uploads >= most {
                self.cancel(to, &upload.session.location).await;
                return Err(error);
            }
            debug!("{to}: the upload of {} starts again: {error:?}", blob.digest);
        }
    }

    /// Tests whether a push is allowed, as far as opening an upload tells; the upload is cancelled.
    pub async fn may_push(&self, repository: &Repository) -> Result<(), Error> {
        if repository.file().is_some() {
            let begun = self.outgoing.begin(repository).await;
            return begun.map_err(|error| Error::of_file(repository, error));
        }
        match self.open_upload(repository, false).await {
            Ok(session) => {
                self.cancel(repository, &session.location).await;
                Ok(())
            }
            // An upload without a location cannot be cancelled, which says nothing about
            // permission.
            Err(Error { kind: Kind::Malformed(_), .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens connections for the mounts of an image's blobs, if there will be any, and for the
    /// question for its referrers beside them: while other manifests are read, nothing waits for
    /// that.
    pub(super) fn expect_mounts(&self, from: &Repository, manifest: &Manifest) {
        if let Content::Image(image) = &manifest.content
            && self.mounted.contains(from)
        {
            let requests = 1 + image.layers.len() + 1;
            let all = self.mounts.fetch_add(requests, Ordering::Relaxed) + requests;
            self.expect_requests(from, all);
        }
    }

    async fn mount(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
    ) -> Result<Mount, Error> {
        let rest = format!("blobs/uploads/?mount={}&from={}", blob.digest, from.path());
        let mut call = Call::new(Method::POST, to, &rest);
        call.body = Some(EMPTY);
        match self.call(call).await {
            Ok((answer, _)) if answer.status == 201 => Ok(Mount::Done),
            Ok((answer, request)) => {
                Ok(self.session(to, &answer, &request).map_or(Mount::Refused, Mount::Upload))
            }
            // Not every registry mounts, nor for every login, and some fail over it; the upload
            // tells what is really wrong.
            Err(error) if matches!(error.status, Some(400..=599)) => Ok(Mount::Refused),
            Err(error) => Err(error),
        }
    }

    async fn has_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        deadline: Option<Instant>,
    ) -> Result<bool, Error> {
        let found = self.head_blob(repository, blob, deadline).await?;
        // What broke in the middle may be there with another length.
        let is_whole = |answer: &Answer| answer.length().is_none_or(|bytes| bytes == blob.size);
        Ok(found.is_some_and(|(answer, _)| is_whole(&answer)))
    }

    /// Looks at a blob; `None` where it is not there, or not to be seen.
    async fn head_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        deadline: Option<Instant>,
    ) -> Result<Option<(Answer, RequestName)>, Error> {
        let rest = format!("blobs/{}", blob.digest);
        let mut call = Call::new(Method::HEAD, repository, &rest);
        call.terms.deadline = deadline;
        call.terms.has_permit = true;
        match self.call(call).await {
            Ok(found) => Ok(Some(found)),
            // ECR Public denies this to everybody; some registries have no HEAD of blobs.
            Err(error) if matches!(error.status, Some(400..=499)) || error.is_denial() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn open_upload(
        &self,
        repository: &Repository,
        has_permit: bool,
    ) -> Result<Session, Error> {
        let mut call = Call::new(Method::POST, repository, "blobs/uploads/");
        call.body = Some(EMPTY);
        call.terms.has_permit = has_permit;
        let (answer, request) = self.call(call).await?;
        self.session(repository, &answer, &request)
    }

    /// The upload that an answer opens.
    fn session(
        &self,
        repository: &Repository,
        answer: &Answer,
        request: &RequestName,
    ) -> Result<Session, Error> {
        let location = self.location(repository, answer, request)?;
        Ok(Session { location, longest: longest_chunk(answer) })
    }

    /// Location of an upload, held against the address rule: it may be on another host.
    fn location(
        &self,
        repository: &Repository,
        answer: &Answer,
        request: &RequestName,
    ) -> Result<Url, Error> {
        let malformed = |what: &str| request.error_of(Kind::Malformed(what.to_owned()), answer);
        let told = answer.header(LOCATION.as_str());
        let root = self.root(request)?;
        let base = root.join(&format!("v2/{}/blobs/uploads/", repository.path()));
        let location = match base.and_then(|base| base.join(told)) {
            Ok(location) if !told.is_empty() => location,
            _ => return Err(malformed("the registry started an upload without a valid Location")),
        };
        address::check(&root, &location).map_err(|why| {
            request.error_of(
                Kind::AddressRefused(format!("the upload location is not allowed: {why}")),
                answer,
            )
        })?;
        Ok(location)
    }

    /// Cancels an upload if that is easy: a registry forgets uploads by itself. Distribution wants
    /// the right to delete for it, which is not worth a token.
    async fn cancel(&self, repository: &Repository, location: &Url) {
        let rest = name_of(location);
        let mut call = Call::new(Method::DELETE, repository, &rest);
        call.location = Some(location);
        // One quick try: nothing depends on it.
        call.terms.deadline = Some(Instant::now());
        call.terms.has_permit = true;
        let cancelled = match self.auth.authorization(self.wire(&call), repository).await {
            Ok(authorization) => self.call_with(call, authorization).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = cancelled {
            debug!("cannot cancel an upload: {error}");
        }
    }
}

/// Uploads in all that are worth making after this error: bytes were altered on their way, or the
/// session is gone.
fn most_uploads(error: &CopyError) -> u32 {
    match error {
        CopyError::Source(Error { kind: Kind::DigestMismatch(_), .. }) => ALTERED_UPLOADS,
        CopyError::Target(error) if matches!(error.status, Some(404 | 416)) => LOST_UPLOADS,
        CopyError::Target(error) if error.doubts_content() => ALTERED_UPLOADS,
        CopyError::Source(_) | CopyError::Target(_) => 1,
    }
}
