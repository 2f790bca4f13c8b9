//! Authorization of requests: the scheme of each host, the token of each repository.
//!
//! A token is fetched (in `token`) by one request at a time for a repository, shared by all who
//! need it, and renewed before it expires, for as long as a wait may take.

use super::credentials::{Credential, Login};
use super::first::{First, Turn};
use super::lock;
use super::lookup::Lookup;
use super::slot::TokenSlot;
use super::token::{Token, TokenServer, Wire};
use crate::oci::Repository;
use crate::registry::error::{Error, HelperFailure, Kind};
use crate::registry::http::sensitive;
use crate::secret::Passing;
use reqwest::header::HeaderValue;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::{debug, info};
use url::Url;

/// Repositories that will be pushed to, each with those from which its blobs may be mounted.
pub type Writable = BTreeMap<Repository, BTreeSet<Repository>>;

#[derive(Debug)]
pub(crate) struct Auth {
    pub(super) lookup: Lookup,
    /// The first token of these asks for the right to push at once.
    writable: Writable,
    pub(super) schemes: Mutex<HashMap<String, Scheme>>,
    /// The challenges at the roots of hosts that send none elsewhere.
    pub(super) at_roots: Mutex<HashMap<String, Arc<OnceCell<Vec<HeaderValue>>>>>,
    tokens: Mutex<HashMap<Repository, Arc<tokio::sync::Mutex<TokenSlot>>>>,
    /// Repositories for which the token server refused a token to push.
    push_denials: Mutex<HashMap<Repository, Error>>,
    announced: Mutex<HashSet<String>>,
    first: First,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scheme {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// What a request is sent with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authorization {
    pub(crate) header: Option<HeaderValue>,
    /// Source of the login, for people.
    pub(crate) login: Option<String>,
    pub(super) generation: u64,
    /// Keeps a token from being shown until the answer to it was read.
    _in_use: Option<Arc<Passing>>,
}

impl Authorization {
    /// By the login itself.
    pub(super) fn of_login(login: &Login) -> Self {
        let header = login.header().and_then(|header| sensitive(&header));
        Self { header, login: Some(login.source.clone()), ..Self::default() }
    }
}

impl Auth {
    pub(crate) fn new(writable: Writable, lookup: Lookup) -> Self {
        Self {
            lookup,
            writable,
            schemes: Mutex::default(),
            at_roots: Mutex::default(),
            tokens: Mutex::default(),
            push_denials: Mutex::default(),
            announced: Mutex::default(),
            first: First::default(),
        }
    }

    /// Which credential helper gave no login for the host, and why.
    pub(crate) fn helper_failure(&self, host: &str) -> Option<HelperFailure> {
        self.lookup.failure(host)
    }

    /// Source of the login for a repository, if there is one.
    pub(crate) async fn login_source(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
    ) -> Option<String> {
        self.lookup.login(repository, wire.deadline).await.map(|login| login.source)
    }

    /// Why the token server refused a token to push, if it did.
    pub(crate) fn push_denial(&self, repository: &Repository) -> Option<Error> {
        lock(&self.push_denials).get(repository).cloned()
    }

    /// The turn to send the first request to a host that may have a login; waits while another has
    /// it. Connections for those who wait are opened meanwhile.
    pub(crate) async fn turn(&self, wire: Wire<'_>, repository: &Repository) -> Option<Turn> {
        if !self.lookup.may_have_login(repository) {
            return None;
        }
        let host = repository.host();
        self.first.turn(host, |waiting| wire.transport.open_early(host, 1 + waiting)).await
    }

    /// Authorization of the next request. The first one to a host is anonymous: nothing has asked
    /// for a login yet.
    pub(crate) async fn authorization(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
    ) -> Result<Authorization, Error> {
        let (realm, service) = match self.scheme(repository) {
            None => return Ok(Authorization::default()),
            Some(Scheme::Bearer { realm, service }) => (realm, service),
            Some(Scheme::Basic) => {
                let login = self.lookup.login(repository, wire.deadline).await;
                self.announce(repository, login.as_ref());
                return Ok(login.as_ref().map(Authorization::of_login).unwrap_or_default());
            }
        };
        let service = service.as_deref();
        self.with_token(TokenServer { wire, repository, realm: &realm, service }).await
    }

    /// Authorization by a repository's token, fetched anew when it is due.
    async fn with_token(&self, server: TokenServer<'_>) -> Result<Authorization, Error> {
        let repository = server.repository;
        let slot = self.slot(repository);
        // The lock is held while a token is fetched: whoever comes meanwhile waits and shares it.
        let mut slot = slot.lock().await;
        if let Some(error) = &slot.bad_login {
            return Err(error.clone());
        }
        let fresh = slot.token.as_ref().filter(|token| Instant::now() < token.renew_at).cloned();
        let token = match fresh {
            Some(token) => token,
            None => {
                let login = self.lookup.login(repository, server.wire.deadline).await;
                self.announce(repository, login.as_ref());
                if let Some(ready @ Login { credential: Credential::Bearer(_), .. }) = &login {
                    return Ok(Authorization::of_login(ready));
                }
                let token = self.new_token(server, &mut slot, login).await?;
                slot.generation += 1;
                slot.token = Some(token.clone());
                token
            }
        };
        Ok(Authorization {
            header: Some(token.header),
            login: slot.login.clone(),
            generation: slot.generation,
            _in_use: Some(token.secret),
        })
    }

    /// Fetches a token for this login, or for its successor when it has expired.
    async fn new_token(
        &self,
        server: TokenServer<'_>,
        slot: &mut TokenSlot,
        mut login: Option<Login>,
    ) -> Result<Token, Error> {
        let TokenServer { wire, repository, .. } = server;
        let is_bad = |fetched: &Result<Token, Error>| {
            fetched.as_ref().is_err_and(|error| matches!(error.kind, Kind::BadCredentials))
        };
        let mut fetched = self.fetch(server, &slot.extra_scopes, login.as_ref()).await;
        if is_bad(&fetched)
            && let Some(refused) = &login
            && self.lookup.renew(repository, refused, wire.deadline).await
        {
            login = self.lookup.login(repository, wire.deadline).await;
            fetched = self.fetch(server, &slot.extra_scopes, login.as_ref()).await;
        }
        if fetched.is_ok() && login.is_some() {
            self.lookup.prove(repository.host());
        }
        slot.login = login.map(|login| login.source);
        slot.bad_login = if is_bad(&fetched) { fetched.as_ref().err().cloned() } else { None };
        fetched
    }

    /// Authorization in place of an implicit login that was refused; `None`: the user asked for the
    /// login, or there was none.
    pub(crate) async fn authorization_without_login(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
        refused: &Error,
    ) -> Option<Result<Authorization, Error>> {
        // Whether the login still counts does not matter: another request may have dropped it
        // meanwhile.
        let implicit = self.lookup.implicit(repository)?;
        if refused.login.as_ref() != Some(&implicit.source) {
            return None;
        }
        let Some(Scheme::Bearer { realm, service }) = self.scheme(repository) else {
            return Some(Ok(Authorization::default()));
        };
        let server = TokenServer { wire, repository, realm: &realm, service: service.as_deref() };
        let token = server.token("pull", &BTreeSet::new(), None).await;
        Some(token.map(|token| Authorization {
            header: Some(token.header),
            _in_use: Some(token.secret),
            ..Authorization::default()
        }))
    }

    /// Drops an implicit login without which a read succeeded.
    pub(crate) async fn drop_implicit(&self, repository: &Repository) {
        debug!("{}: the detected login was rejected; continuing without", repository.host());
        self.lookup.drop_implicit(repository.host());
        let slot = lock(&self.tokens).get(repository).map(Arc::clone);
        if let Some(slot) = slot {
            let mut slot = slot.lock().await;
            (slot.token, slot.bad_login) = (None, None);
        }
    }

    pub(super) fn scheme(&self, repository: &Repository) -> Option<Scheme> {
        lock(&self.schemes).get(repository.host()).cloned()
    }

    pub(super) fn slot(&self, repository: &Repository) -> Arc<tokio::sync::Mutex<TokenSlot>> {
        Arc::clone(lock(&self.tokens).entry(repository.clone()).or_default())
    }

    fn announce(&self, repository: &Repository, login: Option<&Login>) {
        if !lock(&self.announced).insert(repository.host().to_owned()) {
            return;
        }
        match login {
            Some(login) => info!("login    {} from {}", repository.host(), login.source),
            None => debug!("{}: no login, anonymous", repository.host()),
        }
    }

    /// Fetches a token for the repository: to pull and push where we will push; when that is
    /// refused, to pull.
    async fn fetch(
        &self,
        server: TokenServer<'_>,
        extra: &BTreeSet<String>,
        login: Option<&Login>,
    ) -> Result<Token, Error> {
        let repository = server.repository;
        let mut denied = None;
        if let Some(mounted_from) = self.writable.get(repository) {
            let mut scopes = extra.clone();
            scopes
                .extend(mounted_from.iter().map(|from| format!("repository:{}:pull", from.path())));
            let mut asked = server.token("pull,push", &scopes, login).await;
            if !scopes.is_empty() && asked.as_ref().is_err_and(Error::is_denial) {
                // Some servers refuse everything for one scope too many; what cannot be mounted can
                // be uploaded.
                asked = server.token("pull,push", &BTreeSet::new(), login).await;
            }
            match asked {
                Err(error) if error.is_denial() => denied = Some(error),
                settled => return settled,
            }
        }
        let mut result = server.token("pull", extra, login).await;
        // Some servers say 403 of a wrong password too.
        if let Err(error) = &mut result
            && let Some(login) = login
            && error.kind == Kind::Denied
            && !self.lookup.is_proven(repository.host())
        {
            match server.takes(login).await {
                Some(true) => self.lookup.prove(repository.host()),
                Some(false) => error.kind = Kind::BadCredentials,
                None => {}
            }
        }
        if let (Ok(_), Some(mut denied)) = (&result, denied) {
            // A login that may pull is not wrong: it only may not push.
            denied.kind = Kind::Denied;
            lock(&self.push_denials).insert(repository.clone(), denied);
        }
        result
    }
}
