//! One try of a request and what its end says.

use super::RequestName;
use super::retry::Outcome;
use crate::oci::Digest;
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, Broken, leaves_it_open};
use tokio::time::Instant;
use tracing::debug;

/// A try that ended.
pub(super) struct Tried {
    pub(super) began: Instant,
    pub(super) result: Result<Answer, Broken>,
    /// Whether the bytes are not those that they should be.
    is_altered: bool,
}

impl Tried {
    /// `expect`: the digest that a good answer's body must have; `request` counts the try already.
    pub(super) fn new(
        request: &RequestName,
        expect: Option<&Digest>,
        began: Instant,
        result: Result<Answer, Broken>,
    ) -> Self {
        let is_altered =
            result.as_ref().is_ok_and(|answer| is_altered(expect, answer, request.tries));
        Self { began, result, is_altered }
    }

    pub(super) fn log(&self, request: &RequestName) {
        let (host, asked) = (&request.host, &request.asked);
        let milliseconds = self.began.elapsed().as_millis();
        match &self.result {
            Ok(answer) => debug!(
                "{host} {asked} → {} ({milliseconds} ms, {} bytes)",
                answer.status,
                answer.body.len()
            ),
            Err(broken) => debug!("{host} {asked} → {broken:?} ({milliseconds} ms)"),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        matches!(&self.result, Ok(answer) if answer.status < 300)
    }

    /// Whether the registry may have done what was asked though the answer does not say so.
    pub(super) fn is_unclear(&self) -> bool {
        !matches!(&self.result, Ok(answer) if !leaves_it_open(answer.status))
    }

    pub(super) fn outcome(&self) -> Outcome<'_> {
        match &self.result {
            Ok(_) if self.is_altered => Outcome::Altered,
            Ok(answer) => Outcome::Status(
                answer.status,
                Some(answer.header("retry-after")).filter(|value| !value.is_empty()),
            ),
            Err(broken) => Outcome::Broken(broken),
        }
    }

    /// The error of this kind that the try ended with.
    pub(super) fn error(&self, request: &RequestName, kind: Kind) -> Error {
        match &self.result {
            Ok(answer) => request.error_of(kind, answer),
            Err(_) => request.error(kind),
        }
    }

    /// How it failed, where that is the host's trouble or that of the way to it.
    pub(super) fn trouble(&self, request: &RequestName) -> Option<Error> {
        match &self.result {
            Err(broken) => Some(request.error(broken.clone().into())),
            Ok(answer) => match Kind::of(answer) {
                kind @ (Kind::Server | Kind::Throttled { .. }) => {
                    Some(request.error_of(kind, answer))
                }
                _ => None,
            },
        }
    }

    /// What stands when there is no other try. `spent`: only because the host failed too often.
    pub(super) fn settled(
        self,
        request: &RequestName,
        expect: Option<&Digest>,
        spent: bool,
    ) -> Result<Answer, Error> {
        let error = match self.result {
            Err(broken) => request.error(broken.into()),
            Ok(answer) => match expect.filter(|_| self.is_altered) {
                Some(expected) => match answer.page() {
                    Some(page) => request.error_of_foreign(&page, &answer),
                    None => {
                        let actual = Digest::of(&answer.body);
                        let what = format!(
                            "the content received does not match {expected}: its digest is {actual}"
                        );
                        request.error(Kind::DigestMismatch(what))
                    }
                },
                None if spent && answer.status >= 300 => {
                    request.error_of(Kind::of(&answer), &answer)
                }
                None => return Ok(answer),
            },
        };
        Err(Error { spent, ..error })
    }
}

/// Where only a header says which bytes they should be, it is believed once: it may be wrong
/// itself, and then stays so.
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
