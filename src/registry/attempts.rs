//! The one layer that repeats: every request to a registry or a token server goes through here.

use super::error::{Error, Kind, Said};
use super::pace::Pace;
use super::retry::{self, Decision, Outcome};
use super::transport::{Answer, Broken};
use crate::oci::Digest;
use futures_util::future::LocalBoxFuture;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tracing::debug;

/// What a request is, for the log, for errors and for the decision to repeat it.
#[derive(Debug, Clone)]
pub(super) struct Errand<'a> {
    /// Registry host, as people write it.
    pub host: &'a str,
    /// Method and path, for people.
    pub request: &'a str,
    /// The digest that a good answer's body must have.
    pub expect: Option<&'a Digest>,
    /// When the caller loses interest.
    pub deadline: Option<Instant>,
    /// Where the login comes from.
    pub login: Option<&'a str>,
    /// Whether it rides on the place that a copy of a blob has taken for all its requests.
    pub has_place: bool,
}

impl Errand<'_> {
    /// The error of this errand.
    pub(super) fn error(&self, kind: Kind, tries: u32, answer: Option<&Answer>) -> Error {
        Error {
            kind,
            host: self.host.to_owned(),
            request: self.request.to_owned(),
            status: answer.map(|answer| answer.status),
            said: answer.and_then(|answer| Said::parse(&answer.body)),
            tries,
            login: self.login.map(str::to_owned),
        }
    }
}

/// Shared by all requests of a run.
#[derive(Debug)]
pub(super) struct Attempts {
    pace: Pace,
    under_way: Semaphore,
    copies: Semaphore,
    places_of_copy: u32,
}

/// Blobs that are copied at once: more would only hold more in memory.
const MOST_COPIES: usize = 6;

/// Asks whether a write whose outcome is unclear has landed after all.
pub(super) type Landed<'a> = &'a dyn Fn() -> LocalBoxFuture<'a, bool>;

impl Attempts {
    /// At most `concurrency` requests are under way at once.
    pub(super) fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            pace: Pace::default(),
            under_way: Semaphore::new(concurrency),
            copies: Semaphore::new(MOST_COPIES),
            places_of_copy: if concurrency == 1 { 1 } else { 2 },
        }
    }

    /// Whether the host ever answered in this run.
    pub(super) fn has_answered(&self, host: &str) -> bool {
        self.pace.has_answered(host)
    }

    /// A place for a copy of a blob, which has two requests under way most of the time.
    pub(super) async fn place_for_copy(&self) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        let copy = self.copies.acquire().await.ok()?;
        let requests = self.under_way.acquire_many(self.places_of_copy).await.ok()?;
        Some((copy, requests))
    }

    /// After a body that broke on its way, `tries` times with nothing come: waits as before any other repetition, or
    /// says why there is none.
    pub(super) async fn pause_after(&self, errand: &Errand<'_>, tries: u32, broken: Broken) -> Result<(), Error> {
        match retry::decide(tries, Outcome::Broken(&broken), fastrand::f64(), SystemTime::now(), None) {
            Decision::Again { after, .. } if self.pace.may_repeat(errand.host) => {
                debug!("{} {} → {broken:?}: goes on in {:.1} s", errand.host, errand.request, after.as_secs_f64());
                tokio::time::sleep(after).await;
                Ok(())
            }
            _ => Err(errand.error(kind_of(broken), tries, None)),
        }
    }

    /// Sends until an answer stands: any status that trying again does not change, 401 included. Returns the answer
    /// (`None`: `landed` says that an unclear write has been done) and the number of tries.
    pub(super) async fn until_settled<F>(
        &self,
        errand: &Errand<'_>,
        landed: Option<Landed<'_>>,
        send: F,
    ) -> Result<(Option<Answer>, u32), Error>
    where
        F: AsyncFn() -> Result<Answer, Broken>,
    {
        let mut tries = 0;
        loop {
            self.pace.turn(errand.host).await;
            let started = Instant::now();
            let result = {
                // Never closed, so a permit always comes.
                let _permit = if errand.has_place { None } else { self.under_way.acquire().await.ok() };
                send().await
            };
            tries += 1;
            log(errand, &result, started.elapsed());
            if result.is_ok() {
                self.pace.answered(errand.host);
            }
            let altered = match (&result, errand.expect) {
                (Ok(answer), Some(expected)) if answer.status < 300 => !expected.matches(&answer.body),
                _ => false,
            };
            let outcome = match &result {
                Ok(_) if altered => Outcome::Altered,
                Ok(answer) => {
                    Outcome::Status(answer.status, Some(answer.header("retry-after")).filter(|value| !value.is_empty()))
                }
                Err(broken) => Outcome::Broken(broken),
            };
            let remaining = errand.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match retry::decide(tries, outcome, fastrand::f64(), SystemTime::now(), remaining) {
                Decision::Again { after, whole_host } if self.pace.may_repeat(errand.host) => {
                    debug!("{} {}: again in {:.1} s", errand.host, errand.request, after.as_secs_f64());
                    if whole_host {
                        self.pace.pause(errand.host, Instant::now() + after);
                    } else {
                        tokio::time::sleep(after).await;
                    }
                    let unclear = !matches!(&result, Ok(answer) if answer.status < 500);
                    if unclear
                        && let Some(landed) = landed
                        && landed().await
                    {
                        debug!("{} {}: it had landed", errand.host, errand.request);
                        return Ok((None, tries));
                    }
                }
                Decision::TooLongToWait(seconds) => {
                    return Err(errand.error(Kind::Throttled { retry_after: Some(seconds) }, tries, result.ok().as_ref()));
                }
                _ => {
                    let answer = result.map_err(|broken| errand.error(kind_of(broken), tries, None))?;
                    if altered {
                        let actual = Digest::of(&answer.body);
                        let what = format!(
                            "the bytes received are not those of {} but of {actual}",
                            errand.expect.map_or("", Digest::as_str)
                        );
                        return Err(errand.error(Kind::DigestMismatch(what), tries, None));
                    }
                    return Ok((Some(answer), tries));
                }
            }
        }
    }
}

fn kind_of(broken: Broken) -> Kind {
    match broken {
        Broken::UnknownHost => Kind::UnknownHost,
        Broken::Connection(why) => Kind::Unreachable(why),
        Broken::Timeout => Kind::Timeout,
        Broken::Tls(why) => Kind::Tls(why),
        Broken::TooLarge(limit) => Kind::TooLarge(format!("the answer is larger than the {limit} bytes that it may have")),
        Broken::Malformed(why) => Kind::Malformed(why),
        Broken::Refused(why) => Kind::AddressRefused(format!("the registry sends us to an address that is refused: {why}")),
    }
}

fn log(errand: &Errand<'_>, result: &Result<Answer, Broken>, elapsed: Duration) {
    let (host, request, milliseconds) = (errand.host, errand.request, elapsed.as_millis());
    match result {
        Ok(answer) => debug!("{host} {request} → {} ({milliseconds} ms, {} bytes)", answer.status, answer.body.len()),
        Err(broken) => debug!("{host} {request} → {broken:?} ({milliseconds} ms)"),
    }
}
