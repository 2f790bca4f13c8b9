//! Logging in: what is sent with a request, and tokens from token servers.
//!
//! Source: distribution's token authentication (spec/auth/token, spec/auth/oauth). One token request at a time for
//! one repository, shared by all who need it, renewed before it expires, for as long as a wait may take.

use super::address;
use super::attempts::{Attempts, Errand};
use super::challenge::{self, Challenge};
use super::credentials::{Login, Logins, Proof};
use super::error::{Error, Kind};
use super::transport::{Answer, Exchange, Transport};
use crate::oci::Repository;
use crate::secret::Secret;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, info};
use url::Url;
use url::form_urlencoded::Serializer;

const CLIENT_ID: &str = "manifest-action";
/// What a token lives when its server does not say (distribution's token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
const LARGEST_TOKEN_ANSWER: usize = 128 << 10;

/// Knows how each host wants to be logged in to.
#[derive(Debug)]
pub(super) struct Auth {
    logins: Logins,
    /// Repositories that will be written to: their first token asks for that at once.
    writable: HashSet<Repository>,
    schemes: Mutex<HashMap<String, Scheme>>,
    tokens: Mutex<HashMap<Repository, Arc<tokio::sync::Mutex<Cell>>>>,
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
struct Cell {
    token: Option<Token>,
    /// Counts tokens, so that a refused one is told from its successor.
    generation: u64,
    /// What the registry itself said is needed, beside what we know.
    extra_scopes: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

/// What to send with a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Permit {
    /// The `Authorization` header.
    pub header: Option<HeaderValue>,
    /// Where the login comes from.
    pub login: Option<String>,
    generation: u64,
}

/// The parties to a token request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'a> {
    /// The way out.
    pub transport: &'a Transport,
    /// The retry layer.
    pub attempts: &'a Attempts,
    /// When the caller loses interest.
    pub deadline: Option<Instant>,
}

impl Auth {
    /// `writable`: the repositories that will be pushed to.
    pub(super) fn new(logins: Logins, writable: HashSet<Repository>) -> Self {
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

    /// The logins, for advice.
    pub(super) fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Why the token server will not let us push to the repository, if it said so.
    pub(super) fn push_denial(&self, repository: &Repository) -> Option<Error> {
        lock(&self.push_denials).get(repository).cloned()
    }

    /// What to send now. Before a host has asked for a login, nothing: the first request is anonymous.
    pub(super) async fn permit(&self, wire: Wire<'_>, repository: &Repository) -> Result<Permit, Error> {
        let login = self.login(repository);
        let source = login.map(|login| login.source.clone());
        let scheme = lock(&self.schemes).get(repository.host()).cloned();
        match (scheme, login) {
            (None, _) => Ok(Permit::default()),
            (Some(_), Some(Login { proof: Proof::Bearer(token), .. })) => {
                Ok(Permit { header: sensitive(&format!("Bearer {}", token.expose())), login: source, generation: 0 })
            }
            (Some(Scheme::Basic), login) => {
                self.announce(repository, login);
                let header = login.and_then(Login::basic).and_then(|basic| sensitive(basic.expose()));
                Ok(Permit { header, login: source, generation: 0 })
            }
            (Some(Scheme::Bearer { realm, service }), _) => {
                let cell = Arc::clone(lock(&self.tokens).entry(repository.clone()).or_default());
                // Held while a token is fetched: whoever comes meanwhile waits and shares it.
                let mut cell = cell.lock().await;
                let fresh = cell.token.as_ref().filter(|token| Instant::now() < token.renew_at).cloned();
                let token = match fresh {
                    Some(token) => token,
                    None => {
                        let token = self.fetch(wire, repository, &realm, service.as_deref(), &cell.extra_scopes).await?;
                        cell.generation += 1;
                        cell.token = Some(token.clone());
                        token
                    }
                };
                let source = self.login(repository).map(|login| login.source.clone());
                Ok(Permit { header: Some(token.header), login: source, generation: cell.generation })
            }
        }
    }

    /// Learns from a 401. `Ok`: asking again with a new permit makes sense.
    pub(super) async fn challenged(
        &self,
        errand: &Errand<'_>,
        repository: &Repository,
        root: &Url,
        answer: &Answer,
        used: &Permit,
    ) -> Result<(), Error> {
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let login = self.login(repository);
        let refused = |kind: Kind| Err(errand.error(kind, 1, Some(answer)));
        match challenge::choose(headers) {
            Some(Challenge::Basic) => {
                let Some(login) = login else { return refused(Kind::NoLogin) };
                lock(&self.schemes).insert(repository.host().to_owned(), Scheme::Basic);
                match (&used.header, login.implicit) {
                    (None, _) => Ok(()),
                    (Some(_), true) => {
                        self.drop_login(repository);
                        Ok(())
                    }
                    (Some(_), false) => refused(Kind::BadCredentials),
                }
            }
            Some(Challenge::Bearer { realm, service, scope }) => {
                let realm = root.join(&realm).map_err(|_| {
                    errand.error(Kind::Malformed("the token server's address is not valid".to_owned()), 1, Some(answer))
                })?;
                if let Err(why) = address::check(root, &realm) {
                    return refused(Kind::AddressRefused(format!("the registry names a token server that is refused: {why}")));
                }
                if used.header.is_some() && matches!(login.map(|login| &login.proof), Some(Proof::Bearer(_))) {
                    return refused(Kind::BadCredentials);
                }
                lock(&self.schemes).insert(repository.host().to_owned(), Scheme::Bearer { realm, service });
                let cell = Arc::clone(lock(&self.tokens).entry(repository.clone()).or_default());
                let mut cell = cell.lock().await;
                if used.header.is_some() && cell.generation == used.generation {
                    cell.token = None;
                }
                let ours = format!("repository:{}:", repository.path());
                if let Some(scope) = scope.filter(|scope| !scope.starts_with(&ours) || used.header.is_some()) {
                    cell.extra_scopes.insert(scope);
                }
                Ok(())
            }
            None => refused(Kind::Denied),
        }
    }

    /// After a refused read: gives up a login that nobody asked for. `true`: asking again makes sense.
    pub(crate) async fn drop_implicit(&self, repository: &Repository, used: &Permit) -> bool {
        if used.header.is_none() || !self.login(repository).is_some_and(|login| login.implicit) {
            return false;
        }
        self.drop_login(repository);
        let cell = lock(&self.tokens).get(repository).map(Arc::clone);
        if let Some(cell) = cell {
            cell.lock().await.token = None;
        }
        true
    }

    fn login(&self, repository: &Repository) -> Option<&Login> {
        let login = self.logins.find(repository)?;
        (!login.implicit || !lock(&self.without_login).contains(repository.host())).then_some(login)
    }

    fn drop_login(&self, repository: &Repository) {
        debug!("{}: the login found by itself was refused, going on without", repository.host());
        lock(&self.without_login).insert(repository.host().to_owned());
    }

    fn announce(&self, repository: &Repository, login: Option<&Login>) {
        if !lock(&self.announced).insert(repository.host().to_owned()) {
            return;
        }
        match login {
            Some(login) => info!("login   {} from {}", repository.host(), login.source),
            None => debug!("{}: no login, anonymous", repository.host()),
        }
    }

    /// A token for the repository: to pull and push where we will push; when that is refused, to pull.
    async fn fetch(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
        realm: &Url,
        service: Option<&str>,
        extra: &BTreeSet<String>,
    ) -> Result<Token, Error> {
        let login = self.login(repository);
        self.announce(repository, login);
        let mut denied = None;
        if self.writable.contains(repository) {
            match self.request(wire, repository, realm, service, "pull,push", extra, login).await {
                Err(error) if is_denial(&error) => denied = Some(error),
                settled => return settled,
            }
        }
        let mut result = self.request(wire, repository, realm, service, "pull", extra, login).await;
        if result.as_ref().is_err_and(is_denial) && login.is_some_and(|login| login.implicit) {
            self.drop_login(repository);
            result = self.request(wire, repository, realm, service, "pull", extra, None).await;
        }
        if let (Ok(_), Some(mut denied)) = (&result, denied) {
            // A login that is good enough to pull is not wrong: it only may not push.
            if self.login(repository) == login {
                denied.kind = Kind::Denied;
            }
            lock(&self.push_denials).insert(repository.clone(), denied);
        }
        result
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one token request, named one by one")]
    async fn request(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
        realm: &Url,
        service: Option<&str>,
        actions: &str,
        extra: &BTreeSet<String>,
        login: Option<&Login>,
    ) -> Result<Token, Error> {
        let root = wire.transport.root(repository.host()).map_err(|_| defect(repository, "no URL for the registry"))?;
        // The scope that is needed most goes first: some servers read only that one.
        let own = format!("repository:{}:{actions}", repository.path());
        let scopes: Vec<String> = [own].into_iter().chain(extra.iter().cloned()).collect();
        if let Some(login) = login.filter(|login| matches!(login.proof, Proof::Identity(..))) {
            let body = Some(form(login, service, &scopes));
            let exchange = Exchange {
                method: Method::POST,
                url: realm.clone(),
                accept: None,
                authorization: None,
                body,
                limit: LARGEST_TOKEN_ANSWER,
            };
            let answer = self.ask(wire, repository, &root, exchange, Some(login)).await?;
            // Gitea's token server, among others, has no POST.
            if !matches!(answer.status, 404 | 405) {
                return self.read(repository, realm, Method::POST, &answer, Some(login));
            }
        }
        let url = query(realm, service, &scopes, login);
        let authorization = login.and_then(Login::basic).and_then(|basic| sensitive(basic.expose()));
        let exchange =
            Exchange { method: Method::GET, url, accept: None, authorization, body: None, limit: LARGEST_TOKEN_ANSWER };
        let answer = self.ask(wire, repository, &root, exchange, login).await?;
        self.read(repository, realm, Method::GET, &answer, login)
    }

    async fn ask(
        &self,
        wire: Wire<'_>,
        repository: &Repository,
        root: &Url,
        exchange: Exchange,
        login: Option<&Login>,
    ) -> Result<Answer, Error> {
        let request = request_line(&exchange.method, &exchange.url);
        let errand = Errand {
            host: repository.host(),
            request: &request,
            expect: None,
            deadline: wire.deadline,
            login: login.map(|login| login.source.as_str()),
        };
        let (answer, _) = wire
            .attempts
            .until_settled(&errand, None, async || wire.transport.send_to_realm(root, exchange.clone()).await)
            .await?;
        answer.ok_or_else(|| defect(repository, "a token request without an answer"))
    }

    fn read(
        &self,
        repository: &Repository,
        realm: &Url,
        method: Method,
        answer: &Answer,
        login: Option<&Login>,
    ) -> Result<Token, Error> {
        let request = request_line(&method, realm);
        let errand = Errand {
            host: repository.host(),
            request: &request,
            expect: None,
            deadline: None,
            login: login.map(|login| login.source.as_str()),
        };
        let kind = match answer.status {
            200..=299 => {
                return parse_token(&answer.body).ok_or_else(|| {
                    errand.error(Kind::Malformed("the token server's answer holds no token".to_owned()), 1, None)
                });
            }
            // OAuth2 says 400 `invalid_grant` for a refresh token that does not hold.
            400 | 401 if login.is_some() => Kind::BadCredentials,
            401 | 403 => Kind::Denied,
            404 => Kind::NotFound,
            429 => Kind::Throttled { retry_after: None },
            500.. => Kind::Server,
            300..=399 => Kind::AddressRefused("the token server redirects, and a login is not sent along".to_owned()),
            _ => Kind::Rejected,
        };
        Err(errand.error(kind, 1, Some(answer)))
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Tokens are opaque; `issued_at` is not read, because the server's clock may differ from ours.
fn parse_token(body: &Bytes) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let token =
        Secret::new(answer.token.filter(|token| !token.is_empty()).or(answer.access_token).filter(|token| !token.is_empty())?);
    let lifetime = answer.expires_in.filter(|seconds| *seconds > 0).map_or(DEFAULT_LIFETIME, Duration::from_secs);
    Some(Token { header: sensitive(&format!("Bearer {}", token.expose()))?, renew_at: Instant::now() + lifetime.mul_f64(0.8) })
}

fn query(realm: &Url, service: Option<&str>, scopes: &[String], login: Option<&Login>) -> Url {
    let mut url = realm.clone();
    {
        let mut pairs = url.query_pairs_mut();
        if let Some(service) = service {
            pairs.append_pair("service", service);
        }
        for scope in scopes {
            pairs.append_pair("scope", scope);
        }
        if let Some(account) = login.and_then(Login::username).filter(|name| !name.is_empty()) {
            pairs.append_pair("account", account);
        }
        pairs.append_pair("client_id", CLIENT_ID);
    }
    url
}

fn form(login: &Login, service: Option<&str>, scopes: &[String]) -> (String, Bytes) {
    let mut form = Serializer::new(String::new());
    if let Proof::Identity(_, token) = &login.proof {
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose());
    }
    if let Some(service) = service {
        form.append_pair("service", service);
    }
    form.append_pair("client_id", CLIENT_ID).append_pair("scope", &scopes.join(" "));
    ("application/x-www-form-urlencoded".to_owned(), Bytes::from(form.finish()))
}

fn is_denial(error: &Error) -> bool {
    matches!(error.kind, Kind::Denied | Kind::BadCredentials)
}

fn request_line(method: &Method, url: &Url) -> String {
    format!("{method} {}", address::safe(url))
}

/// A header that no log of the HTTP library shows.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn defect(repository: &Repository, what: &str) -> Error {
    Error {
        kind: Kind::Defect(what.to_owned()),
        host: repository.host().to_owned(),
        request: String::new(),
        status: None,
        said: None,
        tries: 0,
        login: None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
