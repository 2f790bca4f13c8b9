//! Blobs from one repository into another: there already, mounted, or streamed through without ever
//! being held whole.
//!
//! An upload is what Docker's own push does, because every registry knows that one: POST, one PATCH
//! of all bytes, PUT with the digest (distribution spec, "Pushing blobs"). A PATCH that breaks goes
//! on where the registry says it stands.

mod stream;

use super::Registry;
use super::attempts::{Errand, TRIES};
use super::call::{Call, LOOK_FOR_A_PUSH};
use super::error::{Error, Kind};
use super::http::{Answer, Broken, Exchange, WHOLE_REQUEST, address};
use crate::oci::{Descriptor, Repository};
use bytes::Bytes;
use futures_util::FutureExt as _;
use reqwest::header::{CONTENT_RANGE, LOCATION};
use reqwest::{Body, Method};
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;
use stream::{Poured, Source, pour};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout};
use tracing::debug;
use url::Url;

/// Uploads of one blob from its start: altered bytes are bad luck once; distribution forgets an
/// upload that broke.
const ALTERED_UPLOADS: u32 = 2;
const LOST_UPLOADS: u32 = TRIES;
/// Bytes per second that a registry moves at least, once it has a blob: some copy all of it to its
/// place.
const SLOWEST_STORE: u64 = 8 << 20;
const LONGEST_COMMIT: Duration = Duration::from_secs(600);
const EMPTY: (&str, Bytes) = ("application/octet-stream", Bytes::new());

/// How a blob came into a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// It was there.
    There,
    /// The registry took it from another of its repositories.
    Mounted,
    /// Its bytes went through this process.
    Uploaded,
}

/// Which side of a copy failed.
#[derive(Debug, Clone)]
pub enum CopyError {
    /// Reading it.
    Source(Error),
    /// Writing it.
    Target(Error),
}

/// What became of a request to mount.
enum Mount {
    Done,
    /// An upload was opened instead.
    Upload(Url),
    Refused,
}

impl Registry {
    /// Brings a blob into a repository. `poured` hears of bytes as they go through, each byte once.
    pub async fn copy_blob(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
        poured: &dyn Fn(u64),
    ) -> Result<Brought, CopyError> {
        let mut opened = None;
        if from.host() == to.host() {
            match self.mount(from, to, blob).await.map_err(CopyError::Target)? {
                Mount::Done => return Ok(Brought::Mounted),
                Mount::Upload(location) => opened = Some(location),
                Mount::Refused => {}
            }
        }
        let _place = self.attempts.place_for_copy().await;
        if self.has_blob(to, blob, None).await.map_err(CopyError::Target)? {
            if let Some(location) = opened {
                self.cancel(to, &location).await;
            }
            return Ok(Brought::There);
        }
        let mut uploads = 0;
        let (most_poured, poured_now) = (Cell::new(0_u64), Cell::new(0_u64));
        let first_time = |bytes| {
            poured_now.set(poured_now.get() + bytes);
            poured(poured_now.get().saturating_sub(most_poured.get()));
            most_poured.set(most_poured.get().max(poured_now.get()));
        };
        loop {
            uploads += 1;
            poured_now.set(0);
            let location = match opened.take() {
                Some(location) => location,
                None => self.open_upload(to, true).await.map_err(CopyError::Target)?,
            };
            let state = Mutex::new(State {
                location,
                source: Source::new(self, from, blob),
                tried: false,
                is_lost: false,
                failed: None,
            });
            let copy = Copying { registry: self, to, blob, poured: &first_time, state };
            let error = match copy.carry_out().await {
                Ok(()) => return Ok(Brought::Uploaded),
                Err(error) => error,
            };
            let most =
                if copy.state.lock().await.is_lost { LOST_UPLOADS } else { most_uploads(&error) };
            if uploads >= most {
                self.cancel(to, &copy.state.lock().await.location).await;
                return Err(error);
            }
            debug!("{to}: the upload of {} starts anew: {error:?}", blob.digest);
        }
    }

    /// Whether pushing is allowed, as far as opening an upload tells; the upload is cancelled.
    pub async fn may_push(&self, repository: &Repository) -> Result<(), Error> {
        match self.open_upload(repository, false).await {
            Ok(location) => {
                self.cancel(repository, &location).await;
                Ok(())
            }
            // Nowhere to go and cancel it is not a question of permission.
            Err(Error { kind: Kind::Malformed(_), .. }) => Ok(()),
            Err(error) => Err(error),
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
            Ok((answer, errand)) => {
                Ok(self.location(to, &answer, &errand).map_or(Mount::Refused, Mount::Upload))
            }
            // Not every registry mounts, nor for every login, and some break over it; what is
            // really wrong the upload will tell.
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
        let rest = format!("blobs/{}", blob.digest);
        let mut call = Call::new(Method::HEAD, repository, &rest);
        call.deadline = deadline;
        call.has_place = true;
        match self.call(call).await {
            Ok(_) => Ok(true),
            // ECR Public denies it to everybody; some know no HEAD.
            Err(error) if matches!(error.status, Some(400..=499)) || error.is_denial() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn open_upload(&self, repository: &Repository, has_place: bool) -> Result<Url, Error> {
        let mut call = Call::new(Method::POST, repository, "blobs/uploads/");
        call.body = Some(EMPTY);
        call.has_place = has_place;
        let (answer, errand) = self.call(call).await?;
        self.location(repository, &answer, &errand)
    }

    /// Where an upload goes on, if we may go there: it may lie on another host.
    fn location(
        &self,
        repository: &Repository,
        answer: &Answer,
        errand: &Errand,
    ) -> Result<Url, Error> {
        let malformed = |what: &str| errand.error_of(Kind::Malformed(what.to_owned()), answer);
        let told = answer.header(LOCATION.as_str());
        let root = self
            .transport
            .root(repository.host())
            .map_err(|_| malformed("no URL for the registry"))?;
        let base = root.join(&format!("v2/{}/blobs/uploads/", repository.path()));
        let location = match base.and_then(|base| base.join(told)) {
            Ok(location) if !told.is_empty() => location,
            _ => return Err(malformed("the registry opened an upload and did not say where")),
        };
        address::check(&root, &location).map_err(|why| {
            errand.error_of(
                Kind::AddressRefused(format!("the upload's location is refused: {why}")),
                answer,
            )
        })?;
        Ok(location)
    }

    /// As good as it goes: a registry forgets uploads by itself. Distribution wants a right to
    /// delete for this, which is not worth a token.
    async fn cancel(&self, repository: &Repository, location: &Url) {
        let rest = name_of(location);
        let mut call = Call::new(Method::DELETE, repository, &rest);
        call.location = Some(location);
        // Once, and quickly: nothing depends on it.
        call.deadline = Some(Instant::now());
        call.has_place = true;
        let wire = self.wire(&call);
        let cancelled = match self.auth.permit(wire, repository).await {
            Ok(permit) => self.converse(&call, wire, Some(permit)).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = cancelled {
            debug!("an upload could not be cancelled: {error}");
        }
    }
}

/// How often an upload that ended so may be made in all: bytes were altered on their way, or its
/// session is gone.
fn most_uploads(error: &CopyError) -> u32 {
    match error {
        CopyError::Source(Error { kind: Kind::DigestMismatch(_), .. }) => ALTERED_UPLOADS,
        CopyError::Target(error) if matches!(error.status, Some(404 | 416)) => LOST_UPLOADS,
        CopyError::Target(error) if error.doubts_content() => ALTERED_UPLOADS,
        CopyError::Source(_) | CopyError::Target(_) => 1,
    }
}

/// The path of an upload as it is shown: without its query, where registries keep their secrets.
fn name_of(location: &Url) -> String {
    let id = location.path_segments().and_then(Iterator::last).unwrap_or_default();
    format!("blobs/uploads/{id}")
}

/// How long a registry may take to hash and store a blob of so many bytes. The answer to a small
/// one that is lost must not cost what a large one needs.
fn commit_time(size: u64) -> Duration {
    (WHOLE_REQUEST + Duration::from_secs(size / SLOWEST_STORE)).min(LONGEST_COMMIT)
}

/// One upload of a blob.
struct Copying<'a> {
    registry: &'a Registry,
    to: &'a Repository,
    blob: &'a Descriptor,
    poured: &'a dyn Fn(u64),
    state: Mutex<State<'a>>,
}

struct State<'a> {
    location: Url,
    source: Source<'a>,
    tried: bool,
    /// The registry does not say how far it came.
    is_lost: bool,
    failed: Option<CopyError>,
}

impl Copying<'_> {
    async fn carry_out(&self) -> Result<(), CopyError> {
        let first = self.state.lock().await.location.clone();
        let rest = name_of(&first);
        let sender = |root: Url, exchange: Exchange| self.send(root, exchange).boxed_local();
        let mut call = Call::new(Method::PATCH, self.to, &rest);
        call.location = Some(&first);
        call.sender = Some(&sender);
        call.has_place = true;
        let sent = self.registry.call(call).await;
        let mut state = self.state.lock().await;
        if let Some(failed) = state.failed.take() {
            return Err(failed);
        }
        let (answer, errand) = sent.map_err(CopyError::Target)?;
        state.source.check().map_err(CopyError::Source)?;
        if !answer.header(LOCATION.as_str()).is_empty() {
            state.location =
                self.registry.location(self.to, &answer, &errand).map_err(CopyError::Target)?;
        }
        self.commit(&state.location).await.map_err(CopyError::Target)
    }

    /// One PATCH, from where the upload stands.
    async fn send(&self, root: Url, mut exchange: Exchange) -> Result<Answer, Broken> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        if state.tried {
            match self.standing(&state.location).await {
                Ok((at, location)) => {
                    state.source.go_to(at);
                    state.location = location;
                }
                Err(error) => {
                    let makes_no_sense = matches!(error.kind, Kind::Malformed(_));
                    state.is_lost = makes_no_sense
                        || matches!(error.status, Some(400..=499)) && !error.is_denial();
                    return give_up(&mut state.failed, CopyError::Target(error));
                }
            }
        }
        state.tried = true;
        if state.location.origin() != root.origin() {
            exchange.authorization = None;
        }
        exchange.url.clone_from(&state.location);
        let (at, size) = (state.source.position(), self.blob.size);
        if at > 0 && at < size {
            exchange.range = Some((CONTENT_RANGE, format!("{at}-{}", size - 1)));
        }
        let (pipe, taken) = mpsc::channel(1);
        let body = Body::wrap_stream(futures_util::stream::unfold(taken, |mut taken| async move {
            let next = taken.recv().await?;
            Some((next, taken))
        }));
        let mut sending = pin!(self.registry.transport.upload(&root, exchange, size - at, body));
        let pouring = pour(&mut state.source, pipe, self.poured);
        let poured = tokio::select! {
            biased;
            // It refused, or broke, before it had all; or it had all and the rest of pouring is
            // nothing.
            answer = &mut sending => return answer,
            poured = pouring => poured,
        };
        match poured {
            Poured::All | Poured::Unwanted => {
                timeout(WHOLE_REQUEST, sending).await.unwrap_or(Err(Broken::Timeout))
            }
            Poured::Stalled => Err(Broken::Timeout),
            Poured::Failed(error) => give_up(&mut state.failed, CopyError::Source(error)),
        }
    }

    /// How many bytes the registry has, and where the upload goes on.
    async fn standing(&self, location: &Url) -> Result<(u64, Url), Error> {
        let rest = name_of(location);
        let mut call = Call::new(Method::GET, self.to, &rest);
        call.location = Some(location);
        call.has_place = true;
        let (answer, errand) = self.registry.call(call).await?;
        // `0-0` is said of nothing, too; of one byte, the digest will tell.
        let last = answer
            .header("range")
            .trim_start_matches("bytes=")
            .rsplit('-')
            .next()
            .and_then(|last| last.parse().ok());
        let at = match last {
            None | Some(0) => 0,
            Some(last) if last < self.blob.size => last + 1,
            Some(last) => {
                let what = format!("the registry has {last} bytes of a blob of {}", self.blob.size);
                return Err(errand.error_of(Kind::Malformed(what), &answer));
            }
        };
        debug!("{}: the upload of {} goes on at byte {at}", self.to, self.blob.digest);
        let moved = !answer.header(LOCATION.as_str()).is_empty();
        Ok((
            at,
            if moved {
                self.registry.location(self.to, &answer, &errand)?
            } else {
                location.clone()
            },
        ))
    }

    async fn commit(&self, location: &Url) -> Result<(), Error> {
        let mut location = location.clone();
        location.query_pairs_mut().append_pair("digest", self.blob.digest.as_str());
        let rest = name_of(&location);
        let landed = || {
            let deadline = Some(Instant::now() + LOOK_FOR_A_PUSH);
            async move { self.registry.has_blob(self.to, self.blob, deadline).await.unwrap_or(false) }.boxed_local()
        };
        let sender = |root: Url, exchange: Exchange| {
            async move {
                let sent = self.registry.transport.upload(&root, exchange, 0, Body::default());
                timeout(commit_time(self.blob.size), sent).await.unwrap_or(Err(Broken::Timeout))
            }
            .boxed_local()
        };
        let mut call = Call::new(Method::PUT, self.to, &rest);
        call.location = Some(&location);
        call.sender = Some(&sender);
        call.landed = Some(&landed);
        call.has_place = true;
        self.registry.call(call).await.map(|_| ())
    }
}

/// Ends all tries: the error is somebody else's than the request's.
fn give_up(failed: &mut Option<CopyError>, error: CopyError) -> Result<Answer, Broken> {
    *failed = Some(error);
    Err(Broken::Malformed("given up".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_blob_is_given_more_time_than_a_small_one() {
        for (size, seconds) in
            [(0, 60), (300_000, 60), (1 << 30, 188), (100 << 30, 600), (u64::MAX, 600)]
        {
            assert_eq!(commit_time(size).as_secs(), seconds, "{size}");
        }
    }
}
