//! The login of a repository: the first place in order that has one, credential helpers among them.
//!
//! A helper is run when the first challenge of a host comes, once for a host, and again only when a
//! login that worked before is refused: what helpers give expires.

use super::credentials::{Login, Logins, Place};
use super::helper::{self, Answer, Helper};
use super::lock;
use super::program;
use crate::inputs::Environment;
use crate::oci::Repository;
use crate::registry::error::{HelperCause, HelperFailure};
use crate::secret::Secrets;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

/// What a helper may take at most.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// What it may take when the caller's time is up.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// A helper is given up so much before the caller is, who can then still tell why.
const TO_TELL: Duration = Duration::from_millis(50);

/// NAME of a helper, and the server that it is asked for.
type Question = (String, String);

#[derive(Debug)]
pub(crate) struct Lookup {
    logins: Logins,
    /// Of the helpers that are run.
    environment: Environment,
    secrets: Secrets,
    /// The lock of an answer is held while its helper runs: whoever comes meanwhile shares it.
    answers: Mutex<HashMap<Question, Arc<tokio::sync::Mutex<Slot>>>>,
    /// By host.
    failures: Mutex<HashMap<String, HelperFailure>>,
    /// Helpers that were warned of.
    warned: Mutex<HashSet<String>>,
    /// Hosts that took the login since it was last looked up.
    proven: Mutex<HashSet<String>>,
    /// Hosts whose implicit login was refused.
    without_login: Mutex<HashSet<String>>,
}

#[derive(Debug, Default)]
struct Slot {
    answer: Option<Answer>,
    /// Whether the answer was given to us by who could run the helper: we cannot.
    is_handed_over: bool,
}

impl Lookup {
    pub(crate) fn new(mut logins: Logins, environment: Environment, secrets: Secrets) -> Self {
        let handed_over = std::mem::take(&mut logins.handed_over).into_iter().map(|handed| {
            let slot = Slot { answer: Some(handed.answer), is_handed_over: true };
            ((handed.name, handed.server), Arc::new(tokio::sync::Mutex::new(slot)))
        });
        let answers = Mutex::new(handed_over.collect());
        Self {
            logins,
            environment,
            secrets,
            answers,
            failures: Mutex::default(),
            warned: Mutex::default(),
            proven: Mutex::default(),
            without_login: Mutex::default(),
        }
    }

    /// The login that counts; `deadline`: when the caller loses interest.
    pub(super) async fn login(
        &self,
        repository: &Repository,
        deadline: Option<Instant>,
    ) -> Option<Login> {
        let host = repository.host();
        for place in self.logins.places(repository) {
            let login = match place {
                Place::Login(login) => {
                    let counts = !login.implicit || !lock(&self.without_login).contains(host);
                    counts.then(|| login.clone())
                }
                Place::Helper(helper) => {
                    let slot = self.slot(helper, host);
                    let limit = limit(deadline);
                    // Who asks now may have more time than this caller.
                    let answer = match timeout(limit, slot.lock()).await {
                        Ok(mut slot) => match &slot.answer {
                            Some(answer) => answer.clone(),
                            None => self.ask(helper, host, deadline, &mut slot).await,
                        },
                        Err(_) => Err(HelperCause::Silent(limit)),
                    };
                    self.credential(helper, host, answer)
                }
            };
            if login.is_some() {
                return login;
            }
        }
        None
    }

    /// Whether any place has a login, or a helper that may know one.
    pub(super) fn may_have_login(&self, repository: &Repository) -> bool {
        self.logins.places(repository).next().is_some()
    }

    /// The login that the CI system provides without having been asked.
    pub(super) fn implicit(&self, repository: &Repository) -> Option<&Login> {
        self.logins.places(repository).find_map(|place| match place {
            Place::Login(login) if login.implicit => Some(login),
            _ => None,
        })
    }

    /// Does without the implicit login of the host from now on.
    pub(super) fn drop_implicit(&self, host: &str) {
        lock(&self.without_login).insert(host.to_owned());
    }

    /// Notes that the host took the login.
    pub(super) fn prove(&self, host: &str) {
        lock(&self.proven).insert(host.to_owned());
    }

    /// Whether the host took the login since it was last looked up.
    pub(super) fn is_proven(&self, host: &str) -> bool {
        lock(&self.proven).contains(host)
    }

    /// Looks the login up again after the host refused it. Whether there is another one now. One
    /// that never worked is wrong rather than expired: nobody is asked again.
    pub(super) async fn renew(
        &self,
        repository: &Repository,
        refused: &Login,
        deadline: Option<Instant>,
    ) -> bool {
        let host = repository.host();
        for place in self.logins.places(repository) {
            let Place::Helper(helper) = place else { continue };
            let slot = self.slot(helper, host);
            let mut slot = slot.lock().await;
            let is_it = |answer: &Answer| matches!(answer, Ok(Some(credential)) if *credential == refused.credential);
            if !slot.answer.as_ref().is_some_and(is_it) {
                continue;
            }
            if slot.is_handed_over || !lock(&self.proven).remove(host) {
                return false;
            }
            debug!("{host}: the login from {} is no longer valid", refused.source);
            slot.answer = None;
            let answer = self.ask(helper, host, deadline, &mut slot).await;
            let is_another = !is_it(&answer);
            return self.credential(helper, host, answer).is_some() && is_another;
        }
        // Another request may have renewed it meanwhile.
        let now = self.login(repository, deadline).await;
        now.is_some_and(|login| login.credential != refused.credential)
    }

    /// Which helper gave no login for the host, and why.
    pub(super) fn failure(&self, host: &str) -> Option<HelperFailure> {
        lock(&self.failures).get(host).cloned()
    }

    fn slot(&self, helper: Helper<'_>, host: &str) -> Arc<tokio::sync::Mutex<Slot>> {
        let question = (helper.name.to_owned(), helper::server(host).to_owned());
        Arc::clone(lock(&self.answers).entry(question).or_default())
    }

    /// Runs the helper.
    async fn ask(
        &self,
        helper: Helper<'_>,
        host: &str,
        deadline: Option<Instant>,
        slot: &mut Slot,
    ) -> Answer {
        let limit = limit(deadline);
        let answer = match helper.program() {
            Ok(program) => {
                debug!("{host}: {program} is asked for a login");
                program::ask(&program, helper::server(host), &self.environment, limit).await
            }
            Err(why) => Err(why),
        };
        let answer = answer.and_then(|output| helper::read(&output, &self.secrets));
        // A caller with more time may still get one.
        let is_cut_short = limit < LIMIT && matches!(answer, Err(HelperCause::Silent(_)));
        slot.answer = (!is_cut_short).then(|| answer.clone());
        answer
    }

    /// The login of an answer; one warning for a helper that cannot be used.
    fn credential(&self, helper: Helper<'_>, host: &str, answer: Answer) -> Option<Login> {
        let cause = match answer {
            Ok(credential) => {
                let mut failures = lock(&self.failures);
                if failures.get(host).is_some_and(|failure| failure.program == helper.shown()) {
                    failures.remove(host);
                }
                return credential.map(|credential| helper.login(credential));
            }
            Err(cause) => cause,
        };
        let failure =
            HelperFailure { program: helper.shown(), file: helper.file.to_owned(), cause };
        if lock(&self.warned).insert(failure.program.clone()) {
            let remedy = failure.cause.remedy();
            warn!("{failure}: {remedy}, or give another login for {host}");
        }
        lock(&self.failures).insert(host.to_owned(), failure);
        None
    }
}

/// What a helper may take for a caller with this deadline.
fn limit(deadline: Option<Instant>) -> Duration {
    let left = deadline
        .map(|deadline| deadline.saturating_duration_since(Instant::now()).saturating_sub(TO_TELL));
    left.map_or(LIMIT, |left| left.clamp(LAST_MOMENT, LIMIT))
}
