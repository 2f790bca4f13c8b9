//! Authorization of requests: the scheme of each host, the token of each repository.
//!
//! A token is fetched (in `token`) by one request at a time for a repository, shared by all who
//! need it, and renewed before it expires, for as long as a wait may take.

use super::challenge::{self, Challenge};
use super::credentials::{Credential, Login};
use super::lock;
use super::lookup::Lookup;
use super::token::{Token, TokenServer, Wire};
use crate::oci::Repository;
use crate::registry::attempts::RequestName;
use crate::registry::error::{Error, HelperFailure, Kind};
use crate::registry::http::{Answer, address, sensitive};
use crate::secret::Passing;
use reqwest::header::HeaderValue;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::{debug, info};
use url::Url;

/// Scopes beside our own that a registry may name for one repository.
const MOST_EXTRA_SCOPES: usize = 8;

/// Repositories that will be pushed to, each with those from which its blobs may be mounted.
pub type Writable = BTreeMap<Repository, BTreeSet<Repository>>;

#[derive(Debug)]
pub(crate) struct Auth {
    lookup: Lookup,
    /// The first token of these asks for the right to push at once.
    writable: Writable,
    schemes: Mutex<HashMap<String, Scheme>>,
    /// The challenges at the roots of hosts that send none elsewhere.
    pub(super) at_roots: Mutex<HashMap<String, Arc<OnceCell<Vec<HeaderValue>>>>>,
    tokens: Mutex<HashMap<Repository, Arc<tokio::sync::Mutex<TokenSlot>>>>,
    /// Repositories for which the token server refused a token to push.
    push_denials: Mutex<HashMap<Repository, Error>>,
    announced: Mutex<HashSet<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

#[derive(Debug, Default)]
struct TokenSlot {
    token: Option<Token>,
    /// Source of the login that it was given for.
    login: Option<String>,
    /// Number of tokens so far: it tells a refused one from its successor.
    generation: u64,
    /// Why the token server refused the login, which is not sent to it again.
    bad_login: Option<Error>,
    /// Scopes that the registry named beside ours.
    extra_scopes: BTreeSet<String>,
}

impl TokenSlot {
    /// Asks for this scope too from now on; whether that is new.
    fn adds_scope(&mut self, scope: String) -> bool {
        self.extra_scopes.len() < MOST_EXTRA_SCOPES && self.extra_scopes.insert(scope)
    }
}

/// What a request is sent with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authorization {
    pub(crate) header: Option<HeaderValue>,
    /// Source of the login, for people.
    pub(crate) login: Option<String>,
    generation: u64,
    /// Keeps a token from being shown until the answer to it was read.
    _in_use: Option<Arc<Passing>>,
}

impl Authorization {
    /// By the login itself.
    fn of_login(login: &Login) -> Self {
        let header = login.header().and_then(|header| sensitive(&header));
        Self { header, login: Some(login.source.clone()), ..Self::default() }
    }
}

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
    pub(crate) fn new(writable: Writable, lookup: Lookup) -> Self {
        Self {
            lookup,
            writable,
            schemes: Mutex::default(),
            at_roots: Mutex::default(),
            tokens: Mutex::default(),
            push_denials: Mutex::default(),
            announced: Mutex::default(),
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
        if used.header.is_some() && slot.generation == used.generation {
            slot.token = None;
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
        let is_new = slot.adds_scope(scope);
        if is_new || slot.generation != used.generation {
            slot.token = slot.token.take().filter(|_| slot.generation != used.generation);
            return true;
        }
        false
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

    fn scheme(&self, repository: &Repository) -> Option<Scheme> {
        lock(&self.schemes).get(repository.host()).cloned()
    }

    fn slot(&self, repository: &Repository) -> Arc<tokio::sync::Mutex<TokenSlot>> {
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
