//! Authorization of requests: the scheme of each host, the token of each repository.
//!
//! A token is fetched (in `token`) by one request at a time for a repository, shared by all who
//! need it, and renewed before it expires, for as long as a wait may take.

use super::challenge::{self, Challenge};
use super::credentials::{Credential, Login, Logins};
use super::token::{Token, TokenServer, Wire};
use crate::oci::Repository;
use crate::registry::attempts::RequestName;
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, address, sensitive};
use reqwest::header::HeaderValue;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tracing::{debug, info};
use url::Url;

/// Repositories that will be pushed to, each with those from which its blobs may be mounted.
pub type Writable = BTreeMap<Repository, BTreeSet<Repository>>;

#[derive(Debug)]
pub(crate) struct Auth {
    logins: Logins,
    /// The first token of these asks for the right to push at once.
    writable: Writable,
    schemes: Mutex<HashMap<String, Scheme>>,
    tokens: Mutex<HashMap<Repository, Arc<tokio::sync::Mutex<TokenSlot>>>>,
    /// Hosts whose implicit login was refused.
    without_login: Mutex<HashSet<String>>,
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
    /// Number of tokens so far: it tells a refused one from its successor.
    generation: u64,
    /// Why the token server refused the login, which is not sent to it again.
    bad_login: Option<Error>,
    /// Scopes that the registry named beside ours.
    extra_scopes: BTreeSet<String>,
}

/// What a request is sent with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authorization {
    pub(crate) header: Option<HeaderValue>,
    /// Source of the login, for people.
    pub(crate) login: Option<String>,
    generation: u64,
}

impl Auth {
    pub(crate) fn new(logins: Logins, writable: Writable) -> Self {
        Self {
            logins,
            writable,
            schemes: Mutex::default(),
            tokens: Mutex::default(),
            without_login: Mutex::default(),
            push_denials: Mutex::default(),
            announced: Mutex::default(),
        }
    }

    pub(crate) fn logins(&self) -> &Logins {
        &self.logins
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
        let login = self.login(repository);
        let source = login.map(|login| login.source.clone());
        match (self.scheme(repository), login) {
            (None, _) => Ok(Authorization::default()),
            (Some(_), Some(Login { credential: Credential::Bearer(token), .. })) => {
                let header = sensitive(&format!("Bearer {}", token.expose()));
                Ok(Authorization { header, login: source, generation: 0 })
            }
            (Some(Scheme::Basic), login) => {
                self.announce(repository, login);
                let header = login.and_then(Login::basic).and_then(|basic| sensitive(&basic));
                Ok(Authorization { header, login: source, generation: 0 })
            }
            (Some(Scheme::Bearer { realm, service }), _) => {
                let service = service.as_deref();
                self.with_token(TokenServer { wire, repository, realm: &realm, service }).await
            }
        }
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
                let fetched = self.fetch(server, &slot.extra_scopes).await;
                slot.bad_login = fetched
                    .as_ref()
                    .err()
                    .filter(|error| matches!(error.kind, Kind::BadCredentials))
                    .cloned();
                let token = fetched?;
                slot.generation += 1;
                slot.token = Some(token.clone());
                token
            }
        };
        Ok(Authorization {
            header: Some(token.header),
            login: self.login(repository).map(|login| login.source.clone()),
            generation: slot.generation,
        })
    }

    /// Learns from a 401. `Ok`: another request with a new authorization makes sense.
    pub(crate) async fn on_challenge(
        &self,
        request: &RequestName,
        repository: &Repository,
        root: &Url,
        answer: &Answer,
        used: &Authorization,
    ) -> Result<(), Error> {
        let login = self.login(repository);
        let refused = |kind: Kind| Err(request.error_of(kind, answer));
        let challenges = match answer.challenges(root) {
            Ok(challenges) => challenges,
            Err(host) => {
                let why = format!("the registry redirects to {host}, which requires a login");
                return refused(Kind::AddressRefused(why));
            }
        };
        match challenge::choose(challenges.into_iter()) {
            Some(Challenge::Basic) => {
                if login.is_none() {
                    return refused(Kind::NoLogin);
                }
                lock(&self.schemes).insert(repository.host().to_owned(), Scheme::Basic);
                if used.header.is_none() { Ok(()) } else { refused(Kind::BadCredentials) }
            }
            Some(Challenge::Bearer { realm, service, scope }) => {
                let realm =
                    realm_at(root, &realm).map_err(|kind| request.error_of(kind, answer))?;
                if used.header.is_some()
                    && matches!(login.map(|login| &login.credential), Some(Credential::Bearer(_)))
                {
                    return refused(Kind::BadCredentials);
                }
                lock(&self.schemes)
                    .insert(repository.host().to_owned(), Scheme::Bearer { realm, service });
                self.on_token_challenge(repository, scope, used).await;
                Ok(())
            }
            None => refused(Kind::Denied),
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
            slot.extra_scopes.insert(scope);
        }
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
        self.logins
            .find(repository)
            .filter(|login| login.implicit && refused.login.as_ref() == Some(&login.source))?;
        let Some(Scheme::Bearer { realm, service }) = self.scheme(repository) else {
            return Some(Ok(Authorization::default()));
        };
        let server = TokenServer { wire, repository, realm: &realm, service: service.as_deref() };
        let token = server.token("pull", &BTreeSet::new(), None).await;
        Some(
            token.map(|token| Authorization {
                header: Some(token.header),
                ..Authorization::default()
            }),
        )
    }

    /// Drops an implicit login without which a read succeeded.
    pub(crate) async fn drop_implicit(&self, repository: &Repository) {
        debug!("{}: the detected login was rejected; continuing without", repository.host());
        lock(&self.without_login).insert(repository.host().to_owned());
        let slot = lock(&self.tokens).get(repository).map(Arc::clone);
        if let Some(slot) = slot {
            let mut slot = slot.lock().await;
            (slot.token, slot.bad_login) = (None, None);
        }
    }

    fn login(&self, repository: &Repository) -> Option<&Login> {
        let login = self.logins.find(repository)?;
        (!login.implicit || !lock(&self.without_login).contains(repository.host())).then_some(login)
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
    ) -> Result<Token, Error> {
        let repository = server.repository;
        let login = self.login(repository);
        self.announce(repository, login);
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
        let result = server.token("pull", extra, login).await;
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
