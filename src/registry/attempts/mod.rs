//! The one layer that repeats: every request to a registry or a token server goes through here.

mod limiter;
mod retry;

use crate::oci::Digest;
use crate::registry::error::{Error, Kind, Said};
use crate::registry::http::{Answer, Broken, leaves_it_open};
use crate::secret::Secrets;
use futures_util::future::LocalBoxFuture;
use limiter::Limiter;
pub(crate) use retry::TRIES;
use retry::{Decision, Outcome};
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tracing::debug;

/// Names a request, in the log and in errors.
#[derive(Debug, Clone)]
pub(crate) struct RequestName {
    /// Registry host, as people write it.
    pub(crate) host: String,
    /// Method and path, for people.
    pub(crate) line: String,
    /// Where the login comes from.
    pub(crate) login: Option<String>,
    /// How often it was tried.
    pub(crate) tries: u32,
    pub(crate) secrets: Secrets,
}

impl RequestName {
    /// Its error, when there is no answer or the answer does not tell why.
    pub(crate) fn error(&self, kind: Kind) -> Error {
        Error {
            kind,
            host: self.host.clone(),
            request: self.line.clone(),
            status: None,
            said: None,
            tries: self.tries,
            spent: false,
            login: self.login.clone(),
            helper: None,
        }
    }

    /// Its error after an answer, which tells something unless it was a good one.
    pub(crate) fn error_of(&self, kind: Kind, answer: &Answer) -> Error {
        let refusal = Some(answer).filter(|answer| answer.status >= 300);
        let status = refusal.map(|answer| answer.status);
        Error {
            status,
            said: refusal.and_then(|answer| Said::parse(&answer.body, &self.secrets)),
            ..self.error(kind)
        }
    }
}

/// Why a try gave no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The request broke, which another try may mend.
    Broken(Broken),
    /// Something that the request needs failed for good, and this is its error: the token that it
    /// is sent with, or the blob that is its body.
    Other(Error),
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// On which terms a request is tried.
#[derive(Clone, Copy, Default)]
pub(crate) struct Terms<'a> {
    /// The digest that a good answer's body must have.
    pub(crate) expect: Option<&'a Digest>,
    /// When the caller loses interest.
    pub(crate) deadline: Option<Instant>,
    /// How to tell whether a write has landed.
    pub(crate) landed: Option<Landed<'a>>,
    /// Whether it rides on the place that a copy of a blob has taken for all its requests.
    pub(crate) has_permit: bool,
}

/// What a try may take when the caller's time is up.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Shared by all requests of a run.
#[derive(Debug)]
pub(crate) struct Attempts {
    limiter: Limiter,
    in_flight: Semaphore,
    copies: Semaphore,
    permits_per_copy: u32,
    secrets: Secrets,
}

/// Blobs that are copied at once: more would only hold more in memory.
const MOST_COPIES: usize = 6;

/// Asks whether a write whose outcome is unclear has landed after all.
pub(crate) type Landed<'a> = &'a dyn Fn() -> LocalBoxFuture<'a, bool>;

impl Attempts {
    /// At most `concurrency` requests are under way at once.
    pub(crate) fn new(concurrency: usize, secrets: Secrets) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            limiter: Limiter::default(),
            in_flight: Semaphore::new(concurrency),
            copies: Semaphore::new(MOST_COPIES),
            permits_per_copy: if concurrency == 1 { 1 } else { 2 },
            secrets,
        }
    }

    /// A request that was not tried yet.
    pub(crate) fn request(&self, host: &str, line: String, login: Option<String>) -> RequestName {
        RequestName { host: host.to_owned(), line, login, tries: 0, secrets: self.secrets.clone() }
    }

    /// Whether the host ever answered in this run.
    pub(crate) fn has_answered(&self, host: &str) -> bool {
        self.limiter.has_answered(host)
    }

    /// A place for a copy of a blob, which has two requests under way most of the time.
    pub(crate) async fn permits_for_copy(
        &self,
    ) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        let copy = self.copies.acquire().await.ok()?;
        let requests = self.in_flight.acquire_many(self.permits_per_copy).await.ok()?;
        Some((copy, requests))
    }

    /// After a body that broke on its way, with little come since its tries are counted: waits as
    /// before any other repetition, or says why there is none.
    pub(crate) async fn pause_after(
        &self,
        request: &RequestName,
        broken: Broken,
    ) -> Result<(), Error> {
        let chance = fastrand::f64();
        let down = is_down(&broken).then_some(chance);
        match retry::decide(
            request.tries,
            Outcome::Broken(&broken),
            chance,
            SystemTime::now(),
            None,
        ) {
            Decision::Again { after, .. }
                if self.limiter.may_retry(&request.host, Instant::now(), down) =>
            {
                debug!(
                    "{} {} → {broken:?}: goes on in {:.1} s",
                    request.host,
                    request.line,
                    after.as_secs_f64()
                );
                tokio::time::sleep(after).await;
                Ok(())
            }
            _ => Err(request.error(broken.into())),
        }
    }

    /// Sends until an answer stands: any status that trying again does not change, 401 included.
    /// Returns the answer (`None`: `landed` says that an unclear write has been done); the request
    /// counts the tries.
    pub(crate) async fn until_settled<F>(
        &self,
        request: &mut RequestName,
        terms: Terms<'_>,
        mut send: F,
    ) -> Result<Option<Answer>, Error>
    where
        F: AsyncFnMut() -> Result<Answer, Failed>,
    {
        // Whether any try may have done what it should without our hearing of it.
        let mut unclear = false;
        loop {
            let (tried, elapsed) = self.once(request, terms, &mut send).await;
            request.tries += 1;
            let result = match tried {
                Ok(answer) => Ok(answer),
                Err(Failed::Broken(broken)) => Err(broken),
                Err(Failed::Other(error)) => {
                    debug!("{} {}: given up, {error}", request.host, request.line);
                    return Err(error);
                }
            };
            log(request, &result, elapsed);
            let this_is_unclear = is_unclear(&result);
            unclear |= this_is_unclear;
            let altered =
                matches!(&result, Ok(answer) if is_altered(terms.expect, answer, request.tries));
            let outcome = match &result {
                Ok(_) if altered => Outcome::Altered,
                Ok(answer) => Outcome::Status(
                    answer.status,
                    Some(answer.header("retry-after")).filter(|value| !value.is_empty()),
                ),
                Err(broken) => Outcome::Broken(broken),
            };
            let remaining =
                terms.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let chance = fastrand::f64();
            let decision =
                retry::decide(request.tries, outcome, chance, SystemTime::now(), remaining);
            let spent = match decision {
                Decision::Again { after, whole_host, asked_for } => {
                    // A host that names the pause sets the pace itself; the budget is for our own
                    // guesses.
                    let down = match &result {
                        Ok(answer) => answer.status >= 500 && !whole_host,
                        Err(broken) => is_down(broken),
                    };
                    let began = Instant::now().checked_sub(elapsed).unwrap_or_else(Instant::now);
                    let allowed = asked_for
                        || self.limiter.may_retry(&request.host, began, down.then_some(chance));
                    // After that, for what fails in a pause is not counted.
                    if whole_host {
                        self.limiter.pause(&request.host, after);
                    }
                    if allowed {
                        debug!(
                            "{} {}: again in {:.1} s",
                            request.host,
                            request.line,
                            after.as_secs_f64()
                        );
                        if !whole_host {
                            tokio::time::sleep(after).await;
                        }
                        if this_is_unclear && has_landed(request, terms.landed).await {
                            return Ok(None);
                        }
                        continue;
                    }
                    debug!(
                        "{} {}: not again, {} failed too often",
                        request.host, request.line, request.host
                    );
                    true
                }
                Decision::TooLongToWait(seconds) => {
                    let kind = Kind::Throttled { retry_after: Some(seconds) };
                    return Err(match &result {
                        Ok(answer) => request.error_of(kind, answer),
                        Err(_) => request.error(kind),
                    });
                }
                Decision::GiveUp => false,
            };
            // A write that landed unseen may be refused when it is repeated: the tag is immutable,
            // or moved on already.
            if unclear
                && !matches!(&result, Ok(answer) if answer.status < 300)
                && has_landed(request, terms.landed).await
            {
                return Ok(None);
            }
            let error = match result {
                Err(broken) => request.error(broken.into()),
                Ok(answer) => match terms.expect.filter(|_| altered) {
                    Some(expected) => {
                        let actual = Digest::of(&answer.body);
                        let what = format!(
                            "the bytes received are not those of {expected} but of {actual}"
                        );
                        request.error(Kind::DigestMismatch(what))
                    }
                    None if spent && answer.status >= 300 => {
                        request.error_of(Kind::of_status(answer.status), &answer)
                    }
                    None => return Ok(Some(answer)),
                },
            };
            return Err(Error { spent, ..error });
        }
    }

    /// One try, when the host may be asked, and not much longer than the caller is interested.
    async fn once<F>(
        &self,
        request: &RequestName,
        terms: Terms<'_>,
        send: &mut F,
    ) -> (Result<Answer, Failed>, Duration)
    where
        F: AsyncFnMut() -> Result<Answer, Failed>,
    {
        let (_turn, _permit) = loop {
            if terms.has_permit {
                // To stand in line behind oneself would take for ever.
                self.limiter.admit(&request.host).await;
                break (None, None);
            }
            // A place is nothing to hold while a host makes a pause: others may be asked.
            self.limiter.ready(&request.host).await;
            // Never closed, so a permit always comes.
            let permit = self.in_flight.acquire().await.ok();
            if let Some(slot) = self.limiter.try_acquire(&request.host) {
                break (Some(slot), permit);
            }
        };
        let started = Instant::now();
        let result = match terms.deadline {
            // A moment more: the last try is made when time is up, and a caller that watches the
            // time itself says it better.
            Some(deadline) => {
                let end = deadline.max(started) + LAST_MOMENT;
                let answer = tokio::time::timeout_at(end, send()).await;
                answer.unwrap_or(Err(Failed::Broken(Broken::Timeout)))
            }
            None => send().await,
        };
        if let Ok(answer) = &result {
            self.limiter.answered(&request.host, !matches!(answer.status, 429 | 500..));
        }
        (result, started.elapsed())
    }
}

/// Whether the registry may have done what was asked though the answer does not say so.
fn is_unclear(result: &Result<Answer, Broken>) -> bool {
    !matches!(result, Ok(answer) if !leaves_it_open(answer.status))
}

/// Whether others who ask the host now would hardly fare better. Silence may be about the one
/// request.
fn is_down(broken: &Broken) -> bool {
    matches!(broken, Broken::Connection(_) | Broken::Cut(_))
}

async fn has_landed(request: &RequestName, landed: Option<Landed<'_>>) -> bool {
    let Some(landed) = landed else { return false };
    let landed = landed().await;
    if landed {
        debug!("{} {}: it had landed", request.host, request.line);
    }
    landed
}

/// Whether the bytes are not those that they should be. Where only a header says which these are,
/// it is believed once: it may be wrong itself, and then stays so.
fn is_altered(expect: Option<&Digest>, answer: &Answer, tries: u32) -> bool {
    if answer.status >= 300 {
        return false;
    }
    match expect {
        Some(expected) => !expected.matches(&answer.body),
        None => {
            let named = answer.header("docker-content-digest").parse::<Digest>();
            tries == 1
                && !answer.body.is_empty()
                && named.is_ok_and(|named| !named.matches(&answer.body))
        }
    }
}

fn log(request: &RequestName, result: &Result<Answer, Broken>, elapsed: Duration) {
    let (host, line, milliseconds) = (&request.host, &request.line, elapsed.as_millis());
    match result {
        Ok(answer) => debug!(
            "{host} {line} → {} ({milliseconds} ms, {} bytes)",
            answer.status,
            answer.body.len()
        ),
        Err(broken) => debug!("{host} {line} → {broken:?} ({milliseconds} ms)"),
    }
}
