//! A blob as it leaves a registry: its bytes in order, checked, and resumed where they broke off.

use crate::layout;
use crate::oci::digest::Hashing;
use crate::oci::{Descriptor, Repository};
use crate::registry::Registry;
use crate::registry::asked::Asked;
use crate::registry::attempts::{Failed, RequestName};
use crate::registry::call::{Call, Sender};
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, BETWEEN_BYTES, Broken, Exchange, Transport, chunk};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::{Method, Response};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::debug;
use url::Url;

/// Bytes in a minute of waiting below which an end counts as silent: a trickle would take for ever.
const SLOWEST: u64 = 60 << 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Speed of one end of a copy.
#[derive(Default)]
struct Speed {
    waited: Duration,
    bytes: u64,
}

impl Speed {
    /// Counts these bytes, which took so long, and says whether the end is too slow.
    fn is_too_slow(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        self.waited >= WINDOW && std::mem::take(self).bytes < SLOWEST
    }
}

/// What the bytes of a blob come from.
enum Body {
    Registry(Response),
    File(mpsc::Receiver<Result<Bytes, layout::Error>>),
}

/// A blob that is being read.
pub(super) struct BlobReader<'a> {
    registry: &'a Registry,
    repository: &'a Repository,
    pub(super) blob: &'a Descriptor,
    body: Option<Body>,
    opened_at: Instant,
    position: u64,
    /// Where it stops for now.
    end: u64,
    /// Bytes that came already of what is behind `end`.
    ahead: Bytes,
    /// Bytes to drop from the answer: a registry without ranges starts from the first byte.
    skip: u64,
    hashing: Hashing,
    hashed: u64,
    /// Its tries count from the last progress, which began at `progress_from`.
    request: RequestName,
    progress_from: u64,
    speed: Speed,
}

/// Sends a GET and keeps the response open, so that its body can be streamed.
struct Opening<'a> {
    transport: &'a Transport,
    response: Option<Response>,
}

impl Sender for Opening<'_> {
    fn send(&mut self, _: Url, exchange: Exchange) -> LocalBoxFuture<'_, Result<Answer, Failed>> {
        async move {
            let (answer, response) = self.transport.open(exchange).await?;
            self.response = response;
            Ok(answer)
        }
        .boxed_local()
    }
}

/// End of a stream.
pub(super) enum Streamed {
    /// The reader took all bytes from the source.
    All,
    /// The pipe was closed.
    Unwanted,
    /// The pipe took nothing for too long, or too little.
    Stalled,
    /// The source failed.
    Failed(Box<Error>),
}

impl<'a> BlobReader<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        repository: &'a Repository,
        blob: &'a Descriptor,
    ) -> Self {
        let hashing = Hashing::for_digest(&blob.digest);
        let path = format!("/v2/{}/blobs/{}", repository.path(), blob.digest);
        let asked = Asked { method: Method::GET, path };
        Self {
            registry,
            repository,
            blob,
            body: None,
            opened_at: Instant::now(),
            position: 0,
            end: blob.size,
            ahead: Bytes::new(),
            skip: 0,
            hashing,
            hashed: 0,
            request: registry.attempts.request(repository.host(), asked, None),
            progress_from: 0,
            speed: Speed::default(),
        }
    }

    /// Offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Moves to another offset.
    pub(super) fn seek(&mut self, position: u64) {
        if position != self.position {
            (self.body, self.position) = (None, position);
            self.ahead.clear();
        }
    }

    /// Makes it stop before this offset, until it is told another.
    pub(super) fn stop_at(&mut self, end: u64) {
        self.end = end;
    }

    /// Checks that all bytes came and have the digest. Bytes that came twice count as they came
    /// first; the target checks for itself what it stored.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.hashed == self.blob.size && self.hashing.matches(&self.blob.digest) {
            return Ok(());
        }
        if self.repository.file().is_some() {
            let what = format!("the bytes of {} have another digest", self.blob.digest);
            return Err(Error::of_file(self.repository, layout::Error::Broken(what)));
        }
        let what = format!("the content received does not match {}", self.blob.digest);
        Err(self.request.error(Kind::DigestMismatch(what)))
    }

    /// The next bytes, `None` where it stops, and how many of them are new.
    async fn next(&mut self) -> Result<Option<(Bytes, u64)>, Error> {
        while self.position < self.end {
            if !self.ahead.is_empty() {
                let ahead = std::mem::take(&mut self.ahead);
                return self.accept(ahead).map(Some);
            }
            let mut response = match self.body.take() {
                Some(Body::Registry(response)) => response,
                Some(Body::File(mut chunks)) => {
                    let bytes = self.of_file(chunks.recv().await)?;
                    self.body = Some(Body::File(chunks));
                    return self.accept(bytes).map(Some);
                }
                None => {
                    self.body = Some(self.open().await?);
                    continue;
                }
            };
            let began = Instant::now();
            let broken = match chunk(&mut response).await {
                Ok(Some(bytes)) if self.speed.is_too_slow(began.elapsed(), bytes.len() as u64) => {
                    Broken::Timeout
                }
                Ok(Some(bytes)) => {
                    self.body = Some(Body::Registry(response));
                    let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                    self.skip -= skipped as u64;
                    let bytes = bytes.slice(skipped..);
                    if bytes.is_empty() {
                        continue;
                    }
                    return self.accept(bytes).map(Some);
                }
                Ok(None) => Broken::Cut(format!(
                    "it ended after {} of {} bytes",
                    self.position, self.blob.size
                )),
                Err(broken) => broken,
            };
            self.request.tries = if self.position >= self.progress_from + SLOWEST {
                1
            } else {
                self.request.tries + 1
            };
            if self.request.tries == 1 {
                self.progress_from = self.position;
            }
            self.registry.attempts.pause_after(&self.request, self.opened_at, broken).await?;
        }
        Ok(None)
    }

    fn accept(&mut self, mut bytes: Bytes) -> Result<(Bytes, u64), Error> {
        if self.end < self.blob.size {
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            self.ahead = bytes.split_off(left.min(bytes.len()));
        }
        let end = self.position + bytes.len() as u64;
        if end > self.blob.size {
            let what =
                format!("the blob is larger than the {} bytes in its descriptor", self.blob.size);
            return Err(self.request.error(Kind::TooLarge(what)));
        }
        let fresh = end.saturating_sub(self.hashed.max(self.position));
        let known = bytes.len() - usize::try_from(fresh).unwrap_or(bytes.len());
        self.hashing.update(&bytes[known..]);
        self.hashed = self.hashed.max(end);
        self.position = end;
        Ok((bytes, fresh))
    }

    /// The next bytes of a file, which has all of them.
    fn of_file(&self, next: Option<Result<Bytes, layout::Error>>) -> Result<Bytes, Error> {
        let ended = || layout::Error::Broken(format!("{} ends too early", self.blob.digest));
        let bytes = next.unwrap_or_else(|| Err(ended()));
        bytes.map_err(|error| Error::of_file(self.repository, error))
    }

    async fn open(&mut self) -> Result<Body, Error> {
        if self.repository.file().is_some() {
            let (file, digest) = (self.repository, &self.blob.digest);
            return self.registry.stream_of_file(file, digest, self.position).await.map(Body::File);
        }
        let rest = format!("blobs/{}", self.blob.digest);
        let mut call = Call::new(Method::GET, self.repository, &rest);
        // Closed, because some storage refuses an open one.
        let last = self.blob.size.saturating_sub(1);
        let range = format!("bytes={}-{last}", self.position);
        call.range = (self.position > 0).then_some((RANGE, range));
        call.terms.has_permit = true;
        let mut opening = Opening { transport: &self.registry.transport, response: None };
        let mut opened = self.registry.call_through(&call, &mut opening).await;
        if call.range.is_some() && opened.as_ref().is_err_and(Error::may_be_of_range) {
            debug!("{}: {} has no part of it, so it is read from its start", self.repository, rest);
            call.range = None;
            opened = self.registry.call_through(&call, &mut opening).await;
        }
        let (answer, request) = opened?;
        self.opened_at = Instant::now();
        self.request.redirected_to.clone_from(&request.redirected_to);
        let malformed = |what: &str| request.error_of(Kind::Malformed(what.to_owned()), &answer);
        let (first, whole) = match answer.status {
            206 => content_range(answer.header(CONTENT_RANGE.as_str())),
            _ => (None, answer.header(CONTENT_LENGTH.as_str()).parse().ok()),
        };
        if let Some(whole) = whole.filter(|whole| *whole != self.blob.size) {
            return Err(malformed(&format!(
                "the blob has {whole} bytes, but its descriptor says {}",
                self.blob.size
            )));
        }
        self.skip = match answer.status {
            206 => {
                if first != Some(self.position) {
                    return Err(malformed(
                        "the registry returned another part of the blob than requested",
                    ));
                }
                0
            }
            _ => self.position,
        };
        let response = opening.response;
        response.map(Body::Registry).ok_or_else(|| malformed("a response without a body"))
    }
}

/// The first byte of a part, and the size of the whole, as far as they are told (`bytes 5-9/10`).
fn content_range(value: &str) -> (Option<u64>, Option<u64>) {
    let (range, whole) = value.rsplit_once('/').unwrap_or((value, ""));
    let first = range.strip_prefix("bytes ").and_then(|range| range.split('-').next());
    (first.and_then(|first| first.parse().ok()), whole.parse().ok())
}

/// Streams a blob into a pipe, as fast as the pipe's end takes it; `streamed` is called with the
/// number of new bytes.
pub(super) async fn stream(
    reader: &mut BlobReader<'_>,
    pipe: mpsc::Sender<Result<Bytes, io::Error>>,
    streamed: &dyn Fn(u64),
) -> Streamed {
    let mut speed = Speed::default();
    loop {
        let (bytes, fresh) = match reader.next().await {
            Ok(Some(next)) => next,
            Ok(None) => return Streamed::All,
            Err(error) => {
                // The end must not take what was sent so far for the whole blob.
                let _ = pipe.try_send(Err(io::Error::other("the source broke")));
                return Streamed::Failed(Box::new(error));
            }
        };
        let (began, length) = (Instant::now(), bytes.len() as u64);
        match timeout(BETWEEN_BYTES, pipe.send(Ok(bytes))).await {
            Ok(Ok(())) if speed.is_too_slow(began.elapsed(), length) => return Streamed::Stalled,
            Ok(Ok(())) => streamed(fresh),
            Ok(Err(_)) => return Streamed::Unwanted,
            Err(_) => return Streamed::Stalled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn what_trickles_is_too_slow_and_what_pauses_is_not() {
        let mut speed = Speed::default();
        let second = Duration::from_secs(1);
        assert!((0..59).all(|_| !speed.is_too_slow(second, 1000)));
        assert!(speed.is_too_slow(second, 1000));
        assert!((0..600).all(|_| !speed.is_too_slow(second, 1025)), "slow, and bearable");
        assert!(
            !speed.is_too_slow(29 * second, 1 << 20) && !speed.is_too_slow(29 * second, 1),
            "a pause after much"
        );
    }

    #[test]
    fn parts_that_registries_tell_of() {
        const MOST: u64 = u64::MAX;
        for (value, expected) in [
            ("bytes 5-9/10", (Some(5), Some(10))),
            ("bytes 5-9/*", (Some(5), None)),
            ("bytes 5-9", (Some(5), None)),
            ("bytes */10", (None, Some(10))),
            ("bytes 18446744073709551615-/18446744073709551615", (Some(MOST), Some(MOST))),
            ("bytes 18446744073709551616-9/1", (None, Some(1))),
            ("bytes -9/10", (None, Some(10))),
            ("5-9/10", (None, Some(10))),
            ("", (None, None)),
        ] {
            assert_eq!(content_range(value), expected, "{value}");
        }
        let pieces = ["bytes", " ", "-", "/", "*", "0", "9", "18446744073709551615", "é", "="];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            content_range(&mixed(&mut random, &pieces, 8));
        }
    }
}
