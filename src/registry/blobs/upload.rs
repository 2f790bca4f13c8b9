//! One upload of a blob, as Docker's own push makes it, because every registry knows that one: a
//! POST before, one PATCH of all bytes, PUT with the digest (distribution spec, "Pushing blobs"). A
//! registry that names the most that it takes at once (`OCI-Chunk-Max-Length`: Cloudflare's) gets
//! one PATCH for each such chunk. A PATCH that breaks is resumed where the registry says it stands,
//! once, and only where that can be believed: some say nothing, or always the same.

use super::CopyError;
use super::stream::{BlobReader, Streamed, stream};
use crate::oci::{Descriptor, Repository};
use crate::registry::Registry;
use crate::registry::attempts::{Failed, RequestName};
use crate::registry::call::{Call, LOOK_FOR_A_PUSH, Sender};
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, Broken, Exchange, Transport, WHOLE_REQUEST};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reqwest::header::{CONTENT_RANGE, LOCATION};
use reqwest::{Body, Method};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::debug;
use url::Url;

/// Bytes per second that a registry moves at least, once it has a blob: some copy all of it to its
/// place.
const SLOWEST_STORE: u64 = 8 << 20;
const LONGEST_COMMIT: Duration = Duration::from_secs(600);
/// A limit that asks for more chunks than this of a blob is believed only if it is no shorter than
/// this: one mistaken for another unit must not make a storm of requests.
const MANY_CHUNKS: u64 = 1_000;
const SHORT_CHUNK: u64 = 64 << 10;

/// An upload as the registry has it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Where its next request goes.
    pub(super) location: Url,
    /// Bytes that the registry takes at once, if it names a limit.
    pub(super) longest: Option<u64>,
}

/// One upload of a blob.
pub(super) struct Upload<'a> {
    registry: &'a Registry,
    to: &'a Repository,
    blob: &'a Descriptor,
    reader: BlobReader<'a>,
    streamed: &'a dyn Fn(u64),
    pub(super) session: Session,
    /// Whether the registry does not say how many bytes it has.
    pub(super) is_lost: bool,
    /// Tries of the chunk that is under way, and its end.
    tries: u32,
    end: u64,
    /// Whether any chunk broke.
    has_broken: bool,
    reader_failed: bool,
}

impl<'a> Upload<'a> {
    /// `streamed` is called with the number of new bytes.
    pub(super) fn new(
        registry: &'a Registry,
        to: &'a Repository,
        reader: BlobReader<'a>,
        session: Session,
        streamed: &'a dyn Fn(u64),
    ) -> Self {
        let blob = reader.blob;
        Self {
            registry,
            to,
            blob,
            reader,
            streamed,
            session,
            is_lost: false,
            tries: 0,
            end: 0,
            has_broken: false,
            reader_failed: false,
        }
    }

    pub(super) async fn carry_out(&mut self) -> Result<(), CopyError> {
        loop {
            let (answer, request) = self.send_chunk().await?;
            let (at, size) = (self.reader.position(), self.blob.size);
            // Who answers before the end of a chunk wants no more of the blob.
            let is_last = at >= size || at != self.end;
            if is_last {
                self.reader.check().map_err(CopyError::Source)?;
                if let Some(received) = self.received_otherwise(&answer) {
                    self.is_lost = true;
                    let error = request.error_of(self.of_another_size(received), &answer);
                    return Err(CopyError::Target(error));
                }
            }
            self.go_on_after(&answer, &request).map_err(CopyError::Target)?;
            if is_last {
                break;
            }
        }
        self.commit().await.map_err(CopyError::Target)?;
        if self.has_broken { self.look().await.map_err(CopyError::Target) } else { Ok(()) }
    }

    /// Sends the next chunk until it is settled.
    async fn send_chunk(&mut self) -> Result<(Answer, RequestName), CopyError> {
        self.tries = 0;
        let (registry, to, location) = (self.registry, self.to, self.session.location.clone());
        let rest = name_of(&location);
        let mut call = Call::new(Method::PATCH, to, &rest);
        call.location = Some(&location);
        call.terms.has_permit = true;
        call.terms.is_stream = true;
        let sent = registry.call_through(&call, self).await;
        let side = if self.reader_failed { CopyError::Source } else { CopyError::Target };
        sent.map_err(side)
    }

    /// Moves to where an answer says that the upload goes on.
    fn go_on_after(&mut self, answer: &Answer, request: &RequestName) -> Result<(), Error> {
        if !answer.header(LOCATION.as_str()).is_empty() {
            self.session.location = self.registry.location(self.to, answer, request)?;
        }
        self.session.longest = longest_chunk(answer).or(self.session.longest);
        Ok(())
    }

    /// Bytes that the registry says it has after the last one was sent, if they are other ones. That
    /// it has fewer is believed only of an upload that broke: not all count alike.
    fn received_otherwise(&self, answer: &Answer) -> Option<u64> {
        let last = last_byte(answer)?;
        // Some say the size in place of the last byte.
        let is_right = last == self.blob.size || last.checked_add(1) == Some(self.blob.size);
        let counts = last > self.blob.size || (self.has_broken && last > 0);
        (!is_right && counts).then_some(last.saturating_add(1))
    }

    fn of_another_size(&self, bytes: u64) -> Kind {
        Kind::Malformed(format!("the registry has {bytes} bytes of a blob of {}", self.blob.size))
    }

    /// Looks at a blob whose upload broke: a registry may have put together something else.
    async fn look(&self) -> Result<(), Error> {
        // Where it cannot be looked at, the push of the manifest tells.
        let Some((answer, request)) = self.registry.head_blob(self.to, self.blob, None).await?
        else {
            return Ok(());
        };
        match answer.length() {
            Some(bytes) if bytes != self.blob.size => {
                Err(request.error_of(self.of_another_size(bytes), &answer))
            }
            _ => Ok(()),
        }
    }

    /// Moves to the offset and location that the registry reports.
    async fn resume(&mut self) -> Result<(), Error> {
        self.has_broken = true;
        let standing = self.standing().await;
        if let Err(error) = &standing {
            let makes_no_sense = matches!(error.kind, Kind::Malformed(_));
            self.is_lost |=
                makes_no_sense || matches!(error.status, Some(400..=499)) && !error.is_denial();
        }
        standing.map(|at| self.reader.seek(at))
    }

    /// Asks how many bytes the registry has, and where the upload goes on. An error where that cannot
    /// be known, and where the chunk was resumed before: then only another upload is safe.
    async fn standing(&mut self) -> Result<u64, Error> {
        let location = self.session.location.clone();
        let rest = name_of(&location);
        let mut call = Call::new(Method::GET, self.to, &rest);
        call.location = Some(&location);
        call.terms.has_permit = true;
        let (answer, request) = self.registry.call(call).await?;
        // `0-0` may mean nothing or one byte, and is what some always say.
        let last = last_byte(&answer).filter(|last| *last > 0 && self.tries == 1);
        let at = last.and_then(|last| last.checked_add(1));
        let Some(at) = at.filter(|at| *at <= self.end && *at < self.blob.size) else {
            debug!(
                "{}: an upload of {} bytes cannot be resumed where the registry says {:?}",
                self.to,
                self.blob.size,
                answer.header("range")
            );
            self.is_lost = true;
            // Nothing is wrong with what it says: what broke the upload is the trouble.
            return Err(request.error_of(Kind::Server, &answer));
        };
        debug!("{}: the upload of {} resumes at byte {at}", self.to, self.blob.digest);
        self.go_on_after(&answer, &request)?;
        Ok(at)
    }

    async fn commit(&self) -> Result<(), Error> {
        let mut location = self.session.location.clone();
        location.query_pairs_mut().append_pair("digest", self.blob.digest.as_str());
        let rest = name_of(&location);
        let landed = || {
            async {
                let deadline = Some(Instant::now() + LOOK_FOR_A_PUSH);
                self.registry.has_blob(self.to, self.blob, deadline).await.unwrap_or(false)
            }
            .boxed_local()
        };
        let mut call = Call::new(Method::PUT, self.to, &rest);
        call.location = Some(&location);
        call.terms.landed = Some(&landed);
        call.terms.has_permit = true;
        let mut commit = Commit { transport: &self.registry.transport, size: self.blob.size };
        self.registry.call_through(&call, &mut commit).await.map(|_| ())
    }
}

/// The PATCH of a chunk, from the byte where the upload stands.
impl Sender for Upload<'_> {
    fn send(
        &mut self,
        root: Url,
        mut exchange: Exchange,
    ) -> LocalBoxFuture<'_, Result<Answer, Failed>> {
        async move {
            if self.tries > 0 {
                self.resume().await.map_err(Failed::Other)?;
            }
            self.tries += 1;
            if self.session.location.origin() != root.origin() {
                exchange.authorization = None;
            }
            exchange.url.clone_from(&self.session.location);
            let (at, size) = (self.reader.position(), self.blob.size);
            let end = end_of_chunk(at, size, self.session.longest);
            self.end = end;
            self.reader.stop_at(end);
            if at < end && (at > 0 || end < size) {
                exchange.range = Some((CONTENT_RANGE, format!("{at}-{}", end - 1)));
            }
            let (pipe, taken) = mpsc::channel(1);
            let body =
                Body::wrap_stream(futures_util::stream::unfold(taken, |mut taken| async move {
                    let next = taken.recv().await?;
                    Some((next, taken))
                }));
            let mut sending = pin!(self.registry.transport.upload(&root, exchange, end - at, body));
            let streamed = tokio::select! {
                biased;
                // An answer before the last byte is a refusal or a break; after it, nothing is left
                // to stream.
                answer = &mut sending => return Ok(answer?),
                streamed = stream(&mut self.reader, pipe, self.streamed) => streamed,
            };
            match streamed {
                Streamed::All | Streamed::Unwanted => {
                    Ok(timeout(WHOLE_REQUEST, sending).await.unwrap_or(Err(Broken::Timeout))?)
                }
                Streamed::Stalled => Err(Broken::Timeout.into()),
                Streamed::Failed(error) => {
                    self.reader_failed = true;
                    Err(Failed::Other(*error))
                }
            }
        }
        .boxed_local()
    }
}

/// The PUT that ends an upload of so many bytes.
struct Commit<'a> {
    transport: &'a Transport,
    size: u64,
}

impl Sender for Commit<'_> {
    fn send(
        &mut self,
        root: Url,
        exchange: Exchange,
    ) -> LocalBoxFuture<'_, Result<Answer, Failed>> {
        async move {
            let sent = self.transport.upload(&root, exchange, 0, Body::default());
            Ok(timeout(commit_time(self.size), sent).await.unwrap_or(Err(Broken::Timeout))?)
        }
        .boxed_local()
    }
}

/// The last byte that the registry says it has (`Range: 0-LAST`).
fn last_byte(answer: &Answer) -> Option<u64> {
    answer.header("range").trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()
}

/// Bytes that the registry takes at once, if it names a limit that is one. The shortest chunk that it
/// takes (`OCI-Chunk-Min-Length`) needs no look: all but the last are as long as they may be.
pub(super) fn longest_chunk(answer: &Answer) -> Option<u64> {
    answer.header("oci-chunk-max-length").trim().parse().ok().filter(|longest| *longest > 0)
}

/// Where the chunk of a blob of so many bytes ends that begins at this one.
fn end_of_chunk(at: u64, size: u64, longest: Option<u64>) -> u64 {
    let is_sound =
        |longest: &u64| *longest >= SHORT_CHUNK || size.div_ceil(*longest) <= MANY_CHUNKS;
    at.saturating_add(longest.filter(is_sound).unwrap_or(size)).min(size)
}

/// Path of an upload as it is shown: without the query, where registries keep their secrets.
pub(super) fn name_of(location: &Url) -> String {
    let id = location.path_segments().and_then(Iterator::last).unwrap_or_default();
    format!("blobs/uploads/{id}")
}

/// Time for a registry to hash and store a blob of so many bytes. A lost answer to a small one must
/// not cost what a large one needs.
fn commit_time(size: u64) -> Duration {
    (WHOLE_REQUEST + Duration::from_secs(size / SLOWEST_STORE)).min(LONGEST_COMMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn a_large_blob_is_given_more_time_than_a_small_one() {
        for (size, seconds) in
            [(0, 60), (300_000, 60), (1 << 30, 188), (100 << 30, 600), (u64::MAX, 600)]
        {
            assert_eq!(commit_time(size).as_secs(), seconds, "{size}");
        }
    }

    #[test]
    fn ranges_and_locations_that_registries_tell_of() {
        let answer = |range: &str| {
            let value = range.parse().ok().map(|value| (reqwest::header::RANGE, value));
            let from = "https://r.example".parse().unwrap();
            Answer::new(204, value.into_iter().collect(), bytes::Bytes::new(), from)
        };
        for (range, expected) in [
            ("0-9", Some(9)),
            ("bytes=0-9", Some(9)),
            ("0-18446744073709551615", Some(u64::MAX)),
            ("0-18446744073709551616", None),
            ("1-9", None),
            ("0--9", None),
            ("0-9/10", None),
            ("", None),
        ] {
            assert_eq!(last_byte(&answer(range)), expected, "{range}");
        }
        let pieces = [
            "bytes=",
            "0-",
            "-",
            "9",
            "18446744073709551615",
            "é",
            "https://",
            "//",
            "/",
            "r.example",
            "?",
            "a=b",
            "#",
            "%",
            "[::1]",
            "@",
            ":",
            " ",
            "..",
        ];
        let base: Url = "https://r.example/v2/a/blobs/uploads/".parse().unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let text = mixed(&mut random, &pieces, 6);
            last_byte(&answer(&text));
            if let Ok(location) = base.join(&text) {
                assert!(!name_of(&location).contains(['?', '#', '\n']), "{text}");
            }
        }
    }

    #[test]
    fn a_chunk_is_as_long_as_the_registry_takes_and_no_blob_is_cut_into_dust() {
        for (at, size, longest, end) in [
            (0, 20, None, 20),
            (7, 20, None, 20),
            (0, 20, Some(20), 20),
            (0, 20, Some(6), 6),
            (6, 20, Some(6), 12),
            (18, 20, Some(6), 20),
            (0, 0, Some(6), 0),
            (0, 0, None, 0),
            (0, 1_000, Some(1), 1),
            (0, 1_001, Some(1), 1_001),
            (7, 1 << 30, Some(100), 1 << 30),
            (0, 1 << 40, Some(64 << 10), 64 << 10),
            (5, u64::MAX, Some(u64::MAX), u64::MAX),
        ] {
            assert_eq!(end_of_chunk(at, size, longest), end, "{at} {size} {longest:?}");
        }
    }
}
