//! What a request is called in the log and in errors.

use crate::registry::asked::Asked;
use crate::registry::elsewhere::{Elsewhere, Role};
use crate::registry::error::{Error, Kind};
use crate::registry::http::Answer;
use crate::registry::said::Said;
use crate::secret::Secrets;
use tokio::time::Instant;

/// Names a request through all its tries.
#[derive(Debug, Clone)]
pub(crate) struct RequestName {
    /// Registry host, as people write it.
    pub(crate) host: String,
    /// Method and path, for people.
    pub(crate) asked: Asked,
    /// Where the login comes from.
    pub(crate) login: Option<String>,
    pub(crate) tries: u32,
    /// When it was sent first.
    pub(crate) began: Option<Instant>,
    /// The host that it goes to where that is not the registry.
    pub(crate) elsewhere: Option<Box<Elsewhere>>,
    /// `HOST[:PORT]` that the last try was redirected to.
    pub(crate) redirected_to: Option<String>,
    /// What a good answer holds or confirms.
    pub(crate) wants: &'static str,
    /// The last words of any answer to it: a later try may have had none.
    pub(crate) heard: Option<Said>,
    pub(crate) secrets: Secrets,
}

impl RequestName {
    /// The host that it goes to.
    pub(super) fn place(&self) -> &str {
        self.elsewhere.as_ref().map_or(&self.host, |elsewhere| &elsewhere.host)
    }

    /// Its error, when there is no answer or the answer does not tell why.
    pub(crate) fn error(&self, kind: Kind) -> Error {
        let storage = |host: String| Box::new(Elsewhere { host, role: Role::Storage });
        let redirected_to = || self.redirected_to.clone().map(storage);
        Error {
            kind,
            host: self.host.clone(),
            request: Some(Box::new(self.asked.clone())),
            elsewhere: self.elsewhere.clone().or_else(redirected_to),
            status: None,
            said: self.heard.clone(),
            tries: self.tries,
            spent: false,
            login: self.login.clone(),
            withheld: None,
            helper: None,
        }
    }

    /// Its error after an answer, which tells something unless it was a good one.
    pub(crate) fn error_of(&self, kind: Kind, answer: &Answer) -> Error {
        let status = Some(answer.status).filter(|status| *status >= 300);
        Error { status, ..self.error(kind) }
    }

    /// Its error after an answer that no registry gives; `what` came in place of what it wants.
    pub(crate) fn error_of_foreign(&self, what: &str, answer: &Answer) -> Error {
        let deed = format!("answered with {what}, not with {}", self.wants);
        self.error_of(Kind::Foreign(deed), answer)
    }

    /// What an answer says that is not a good one.
    pub(super) fn words(&self, answer: &Answer) -> Option<Said> {
        let refusal = Some(answer).filter(|answer| answer.status >= 300)?;
        let said = Said::parse(&refusal.body, &self.secrets);
        said.filter(|said| !said.code.is_empty() || !said.message.is_empty())
    }
}
