//! What answers teach about logins: that one worked, what a 401 asks for, that a token's scope was
//! too narrow.

use super::auth::{Auth, Authorization, Scheme};
use super::challenge::{self, Challenge};
use super::credentials::Credential;
use super::lock;
use super::token::Wire;
use crate::oci::Repository;
use crate::registry::attempts::RequestName;
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, address};
use url::Url;

/// A 401 and what it answers.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) request: &'a RequestName,
    /// Root of the registry's API.
    pub(crate) root: &'a Url,
    pub(crate) answer: &'a Answer,
    pub(crate) used: &'a Authorization,
}

impl Refusal<'_> {
    fn error(&self, kind: Kind) -> Error {
        self.request.error_of(kind, self.answer)
    }
}

impl Auth {
    /// Learns from an answer to a request that was sent with a login: a login that worked once and
    /// is refused later has expired.
    pub(crate) fn on_status(&self, repository: &Repository, status: u16, used: &Authorization) {
        let took_it = matches!(status, 200..=299 | 403 | 404);
        // Of a token, its own server has said that.
        if took_it && used.header.is_some() && self.scheme(repository) == Some(Scheme::Basic) {
            self.lookup.prove(repository.host());
        }
    }

    /// Learns from a 401. `Ok`: another request with a new authorization makes sense.
    pub(crate) async fn on_challenge(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
        refusal: Refusal<'_>,
    ) -> Result<(), Error> {
        let Refusal { root, answer, used, .. } = refusal;
        let challenges = answer.challenges(root).map_err(|host| {
            let why = format!("the registry redirects to {host}, which requires a login");
            refusal.error(Kind::AddressRefused(why))
        })?;
        match challenge::choose(challenges.into_iter()) {
            Some(Challenge::Basic) => {
                let login = self.lookup.login(repository, wire.deadline).await;
                let login = login.ok_or_else(|| refusal.error(Kind::NoLogin))?;
                lock(&self.schemes).insert(repository.host().to_owned(), Scheme::Basic);
                // Refused is what was sent, which another request may have replaced meanwhile.
                let is_refused =
                    used.header.is_some() && used.header == Authorization::of_login(&login).header;
                // Some registries say 401 to who may read and not write.
                let may_read = self.lookup.is_proven(repository.host());
                if is_refused && !self.lookup.renew(repository, &login, wire.deadline).await {
                    let error = refusal.error(Kind::BadCredentials);
                    let is_right = may_read && !error.is_of_read();
                    return Err(if is_right {
                        Error { kind: Kind::Denied, ..error }
                    } else {
                        error
                    });
                }
                Ok(())
            }
            Some(Challenge::Bearer { realm, service, scope }) => {
                let realm = realm_at(root, &realm).map_err(|kind| refusal.error(kind))?;
                if used.header.is_some() {
                    let login = self.lookup.login(repository, wire.deadline).await;
                    if login.is_some_and(|login| matches!(login.credential, Credential::Bearer(_)))
                    {
                        return Err(refusal.error(Kind::BadCredentials));
                    }
                }
                lock(&self.schemes)
                    .insert(repository.host().to_owned(), Scheme::Bearer { realm, service });
                self.on_token_challenge(repository, scope, used).await;
                Ok(())
            }
            None => Err(refusal.error(Kind::Denied)),
        }
    }

    /// Drops the token that was refused, and keeps the scope that the registry names unless our own
    /// covers it.
    async fn on_token_challenge(
        &self,
        repository: &Repository,
        scope: Option<String>,
        used: &Authorization,
    ) {
        let slot = self.slot(repository);
        let mut slot = slot.lock().await;
        if used.header.is_some() {
            slot.drop_token(used.generation);
        }
        let ours = format!("repository:{}:", repository.path());
        if let Some(scope) =
            scope.filter(|scope| !scope.starts_with(&ours) || used.header.is_some())
        {
            slot.adds_scope(scope);
        }
    }

    /// Learns from an answer that says that a token's scope was too narrow. Whether another request
    /// makes sense: the scope was not asked for yet.
    pub(crate) async fn widen(
        &self,
        repository: &Repository,
        root: &Url,
        answer: &Answer,
        used: &Authorization,
    ) -> bool {
        let challenges = answer.challenges(root).unwrap_or_default();
        let Some(scope) = challenge::lacking_scope(challenges.into_iter()) else { return false };
        if used.generation == 0 {
            return false;
        }
        let slot = self.slot(repository);
        let mut slot = slot.lock().await;
        let is_of_use = slot.adds_scope(scope) || slot.generation != used.generation;
        if is_of_use {
            slot.drop_token(used.generation);
        }
        is_of_use
    }
}

/// Token server that the registry with this root names, held against the address rule.
fn realm_at(root: &Url, realm: &str) -> Result<Url, Kind> {
    let realm = root
        .join(realm)
        .map_err(|_| Kind::Malformed("the token server's address is not valid".to_owned()))?;
    address::check(root, &realm).map_err(|why| {
        Kind::AddressRefused(format!(
            "the registry names a token server that is not allowed: {why}"
        ))
    })?;
    Ok(realm)
}
