//! The one layer that retries: every request to a registry or a token server goes through here.

mod limiter;
mod permits;
mod request;
mod retry;
mod tried;
mod warnings;
mod width;

use crate::oci::Digest;
use crate::registry::asked::Asked;
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, Broken, Unanswered};
use crate::secret::Secrets;
use crate::text::duration;
use futures_util::future::LocalBoxFuture;
use limiter::Limiter;
use permits::Permits;
pub(crate) use request::RequestName;
use retry::Decision;
pub(crate) use retry::TRIES;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{debug, info, warn};
use tried::Tried;
use width::Heard;

/// What a try may take when the caller's time is up: less than the caller still listens.
const LAST_MOMENT: Duration = Duration::from_millis(700);
/// Time without an answer that people should hear of.
const SILENCE: Duration = Duration::from_secs(15);
/// A pause that people should hear of.
const LONG: Duration = Duration::from_secs(5);

/// On which terms a request is tried.
#[derive(Clone, Copy, Default)]
pub(crate) struct Terms<'a> {
    /// The digest that a good answer's body must have.
    pub(crate) expect: Option<&'a Digest>,
    /// When the caller loses interest.
    pub(crate) deadline: Option<Instant>,
    /// Whether another request follows where the server fails, so that this one is tried once.
    pub(crate) gives_way: bool,
    /// Whether nothing depends on the request: it is tried once, and how it breaks is no trouble of
    /// the host's, whom others may need to ask at that moment.
    pub(crate) is_optional: bool,
    /// Whether bytes move while no answer comes. After one that broke, the sender asks first where
    /// it stands.
    pub(crate) is_stream: bool,
    /// How to tell whether a write has landed.
    pub(crate) landed: Option<Landed<'a>>,
    /// Whether the request rides on permits that the caller holds: a copy of a blob has taken some
    /// for all its requests.
    pub(crate) has_permit: bool,
}

/// Asks whether a write whose outcome is unclear has landed after all.
pub(crate) type Landed<'a> = &'a dyn Fn() -> LocalBoxFuture<'a, bool>;

/// Why a try gave no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The request broke, which another try may mend.
    Broken(Unanswered),
    /// Something that the request needs failed for good, and this is its error: the token that it
    /// is sent with, or the blob that is its body.
    Other(Error),
}

impl<E: Into<Unanswered>> From<E> for Failed {
    fn from(unanswered: E) -> Self {
        Self::Broken(unanswered.into())
    }
}

/// What comes after a try.
enum Next {
    /// Another try, after a pause of its own unless the whole host makes one.
    Again(Option<Duration>),
    /// The server asks for a pause that is too long; in seconds.
    TooLongToWait(u64),
    /// No other. `spent`: only because the host failed too often.
    Stop { spent: bool },
}

/// Shared by all requests of a run.
#[derive(Debug)]
pub(crate) struct Attempts {
    limiter: Limiter,
    permits: Permits,
    secrets: Secrets,
    /// How the last try at a host failed, until one succeeds; as it is told of the host, whatever
    /// was asked for.
    troubles: Mutex<HashMap<String, Error>>,
    /// Hosts whose warning was shown.
    warned_by: Mutex<HashSet<String>>,
}

impl Attempts {
    /// At most `concurrency` requests are in flight at once.
    pub(crate) fn new(concurrency: usize, secrets: Secrets) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            limiter: Limiter::new(concurrency),
            permits: Permits::new(concurrency),
            secrets,
            troubles: Mutex::default(),
            warned_by: Mutex::default(),
        }
    }

    /// How the last try at a host failed, unless one has succeeded since: what is known of any
    /// request that is given up in a pause.
    pub(crate) fn last_trouble(&self, host: &str) -> Option<Error> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    /// A request that was not tried yet.
    pub(crate) fn request(&self, host: &str, asked: Asked, login: Option<String>) -> RequestName {
        let (host, secrets) = (host.to_owned(), self.secrets.clone());
        RequestName {
            host,
            asked,
            login,
            tries: 0,
            began: None,
            elsewhere: None,
            redirected_to: None,
            wants: "an answer",
            heard: None,
            secrets,
        }
    }

    /// Requests that may be under way to a host soon, told once: more than now.
    pub(crate) fn soon(&self, host: &str) -> Option<usize> {
        self.limiter.soon(host)
    }

    /// Whether the host ever answered in this run.
    pub(crate) fn has_answered(&self, host: &str) -> bool {
        self.limiter.has_answered(host)
    }

    /// After a body that broke on its way, with little come since its tries are counted: waits as
    /// before any other retry, or says why there is none. `began`: when the body began to come.
    pub(crate) async fn pause_after(
        &self,
        request: &RequestName,
        began: Instant,
        broken: Broken,
    ) -> Result<(), Error> {
        let chance = fastrand::f64();
        let down = broken.is_down().then_some(chance);
        let outcome = retry::Outcome::Broken(&broken);
        match retry::decide(request.tries, outcome, chance, SystemTime::now(), None) {
            Decision::Again { after, .. } if self.limiter.may_retry(&request.host, began, down) => {
                debug!(
                    "{} {} → {broken:?}: goes on in {:.1} s",
                    request.host,
                    request.asked,
                    after.as_secs_f64()
                );
                sleep(after).await;
                Ok(())
            }
            _ => Err(request.error(broken.into())),
        }
    }

    /// Sends until an answer stands: any status that trying again does not change, 401 included.
    /// Returns the answer (`None`: `landed` says that an unclear write has been done); the request
    /// counts its tries.
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
            let tried = self.once(request, terms, &mut send).await?;
            unclear |= tried.is_unclear();
            let spent = match self.after(request, &tried, terms) {
                Next::Again(pause) => {
                    if let Some(pause) = pause {
                        sleep(pause).await;
                    }
                    if tried.is_unclear() && has_landed(request, terms.landed).await {
                        return Ok(None);
                    }
                    continue;
                }
                Next::TooLongToWait(seconds) => {
                    let kind = Kind::Throttled { retry_after: Some(seconds) };
                    return Err(tried.error(request, kind));
                }
                Next::Stop { spent } => spent,
            };
            // A write that landed unseen may be refused when it is repeated: the tag is immutable,
            // or moved on already.
            if unclear && !tried.is_good() && has_landed(request, terms.landed).await {
                return Ok(None);
            }
            return tried.settled(request, terms.expect, spent).map(Some);
        }
    }

    /// One try, when the host may be asked, and not much longer than the caller is interested.
    async fn once<F>(
        &self,
        request: &mut RequestName,
        terms: Terms<'_>,
        send: &mut F,
    ) -> Result<Tried, Error>
    where
        F: AsyncFnMut() -> Result<Answer, Failed>,
    {
        let _permits = self.permits(&request.host, terms, request.tries).await;
        let began = Instant::now();
        let since = *request.began.get_or_insert(began);
        let sent = async {
            match terms.deadline {
                // A moment more: the last try is made when time is up, and a caller that watches the
                // time itself says it better.
                Some(deadline) => timeout_at(deadline.max(began) + LAST_MOMENT, send())
                    .await
                    .unwrap_or_else(|_| Err(Broken::Timeout.into())),
                None => send().await,
            }
        };
        let speaks_for_itself = terms.deadline.is_some() || terms.is_stream;
        let result = tokio::select! {
            result = sent => result,
            never = self.tell_of_silence(request, since), if !speaks_for_itself => never,
        };
        request.tries += 1;
        let result = match result {
            Ok(answer) => {
                let took = answer.took.filter(|_| tells_of_the_load(request, terms, &answer));
                let heard = Heard { status: answer.status, began, took };
                self.limiter.answered(&request.host, heard);
                self.show_warning(request, &answer);
                request.heard = request.words(&answer).or_else(|| request.heard.take());
                request.redirected_to.clone_from(&answer.redirected_to);
                Ok(answer)
            }
            Err(Failed::Broken(Unanswered { why, redirected_to })) => {
                request.redirected_to = redirected_to;
                Err(why)
            }
            Err(Failed::Other(error)) => {
                debug!("{} {}: given up, {error}", request.host, request.asked);
                return Err(error);
            }
        };
        let tried = Tried::new(request, terms.expect, began, result);
        tried.log(request);
        if terms.is_optional && !tried.is_good() {
            return Ok(tried);
        }
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match tried.trouble(request) {
            Some(error) => troubles.insert(request.host.clone(), error.of_host()),
            None => troubles.remove(&request.host),
        };
        Ok(tried)
    }

    /// Shows what a host warns of, once.
    fn show_warning(&self, request: &RequestName, answer: &Answer) {
        let host = answer.redirected_to.as_deref().unwrap_or_else(|| request.place());
        let Some(text) = warnings::of(answer, &self.secrets) else { return };
        let mut warned_by = self.warned_by.lock().unwrap_or_else(PoisonError::into_inner);
        if warned_by.insert(host.to_owned()) {
            warn!("{host} warns: {text:?}");
        }
    }

    /// Tells now and then that there is no answer yet, one line for all requests to a host; never
    /// ends. `since`: when the request was sent first.
    async fn tell_of_silence(&self, request: &RequestName, since: Instant) -> ! {
        let (host, asked) = (request.place(), &request.asked);
        let mut next = since + SILENCE;
        loop {
            while next <= Instant::now() {
                next += SILENCE;
            }
            sleep_until(next).await;
            if self.limiter.may_tell(&request.host, SILENCE) {
                info!(
                    "silent   {host} has not answered for {}: {asked}",
                    duration(since.elapsed())
                );
            }
        }
    }

    /// Decides what comes after a try, and lets the host's limiter know.
    fn after(&self, request: &RequestName, tried: &Tried, terms: Terms<'_>) -> Next {
        let (host, asked, deadline) = (&request.host, &request.asked, terms.deadline);
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let chance = fastrand::f64();
        let outcome = tried.outcome();
        let decision = retry::decide(request.tries, outcome, chance, SystemTime::now(), remaining);
        let (after, whole_host, asked_for) = match decision {
            Decision::GiveUp => return Next::Stop { spent: false },
            Decision::TooLongToWait(seconds) => return Next::TooLongToWait(seconds),
            Decision::Again { after, whole_host, asked_for } => (after, whole_host, asked_for),
        };
        let is_over = terms.is_optional || (terms.gives_way && tried.result.is_ok());
        if is_over && !whole_host {
            return Next::Stop { spent: false };
        }
        if asked_for && deadline.is_none() && !self.limiter.may_pause(host, after) {
            return Next::TooLongToWait(after.as_secs());
        }
        // A host that names the pause sets its limits itself; the budget is for our own guesses.
        let down = match &tried.result {
            Ok(answer) => answer.status >= 500 && !whole_host,
            Err(broken) => broken.is_down(),
        };
        let allowed =
            asked_for || self.limiter.may_retry(host, tried.began, down.then_some(chance));
        // After that, for what fails in a pause is not counted.
        if whole_host && self.limiter.pause(host, after) && after >= LONG {
            info!("pause    {host} asks for {}; nothing is sent to it until then", duration(after));
        }
        if !allowed {
            debug!("{host} {asked}: not again, {host} failed too often");
            return Next::Stop { spent: true };
        }
        debug!("{host} {asked}: again in {:.1} s", after.as_secs_f64());
        Next::Again((!whole_host).then_some(after))
    }
}

/// Whether the time that a request took tells how busy its host is: not that of a write, of storage
/// elsewhere, or of many bytes.
fn tells_of_the_load(request: &RequestName, terms: Terms<'_>, answer: &Answer) -> bool {
    request.asked.is_read()
        && answer.redirected_to.is_none()
        && !terms.has_permit
        && !terms.is_stream
}

async fn has_landed(request: &RequestName, landed: Option<Landed<'_>>) -> bool {
    let Some(landed) = landed else { return false };
    let landed = landed().await;
    if landed {
        debug!("{} {}: it had landed", request.host, request.asked);
    }
    landed
}
