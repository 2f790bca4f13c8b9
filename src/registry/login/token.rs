//! Token servers: one request for one token (distribution's specification, spec/auth/token and
//! spec/auth/oauth).

use super::credentials::{Credential, Login};
use crate::oci::Repository;
use crate::registry::attempts::{Attempts, RequestName, Terms};
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, Exchange, Transport, address, sensitive};
use crate::secret::Secrets;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

const CLIENT_ID: &str = "manifest-action";
/// Lifetime of a token whose server does not say (distribution's token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
const LARGEST_TOKEN_ANSWER: usize = 128 << 10;

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// When another one is due.
    pub(super) renew_at: Instant,
}

/// How a token server is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) attempts: &'a Attempts,
    /// When the caller loses interest.
    pub(crate) deadline: Option<Instant>,
}

/// The token server of one repository, as its registry named it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenServer<'a> {
    pub(super) wire: Wire<'a>,
    pub(super) repository: &'a Repository,
    pub(super) realm: &'a Url,
    /// Its name for the registry.
    pub(super) service: Option<&'a str>,
}

impl TokenServer<'_> {
    /// Requests a token for these actions (`pull`, `pull,push`) and extra scopes.
    pub(super) async fn token(
        &self,
        actions: &str,
        extra: &BTreeSet<String>,
        login: Option<&Login>,
    ) -> Result<Token, Error> {
        let Self { repository, realm, service, .. } = *self;
        // Our own scope goes first: some servers read only that one.
        let own = format!("repository:{}:{actions}", repository.path());
        let scopes: Vec<String> = [own].into_iter().chain(extra.iter().cloned()).collect();
        if let Some(login) =
            login.filter(|login| matches!(login.credential, Credential::Identity(..)))
        {
            let body = Some(form(login, service, &scopes));
            let exchange = Exchange {
                body,
                ..Exchange::new(Method::POST, realm.clone(), LARGEST_TOKEN_ANSWER)
            };
            let (answer, request) = self.ask(exchange, Some(login)).await?;
            // Gitea's token server, among others, has no POST.
            if !matches!(answer.status, 404 | 405) {
                return read(&answer, &request);
            }
        }
        let url = query(realm, service, &scopes, login);
        let authorization = login.and_then(Login::basic).and_then(|basic| sensitive(&basic));
        let exchange =
            Exchange { authorization, ..Exchange::new(Method::GET, url, LARGEST_TOKEN_ANSWER) };
        let (answer, request) = self.ask(exchange, login).await?;
        read(&answer, &request)
    }

    async fn ask(
        &self,
        exchange: Exchange,
        login: Option<&Login>,
    ) -> Result<(Answer, RequestName), Error> {
        let Wire { transport, attempts, deadline } = self.wire;
        let host = self.repository.host();
        let line = format!("{} {}", exchange.method, address::safe(&exchange.url));
        let mut request = attempts.request(host, line, login.map(|login| login.source.clone()));
        let defect =
            |request: &RequestName, what: &str| request.error(Kind::Defect(what.to_owned()));
        let root = transport.root(host).map_err(|_| defect(&request, "no URL for the registry"))?;
        // The caller that waits for a token may hold the last permit: to queue behind it would take
        // for ever.
        let terms = Terms { deadline, has_permit: true, ..Terms::default() };
        let send = async || Ok(transport.send_where_told(&root, exchange.clone()).await?);
        let answer = attempts.until_settled(&mut request, terms, send).await?;
        Ok((answer.ok_or_else(|| defect(&request, "a token request without a response"))?, request))
    }
}

fn read(answer: &Answer, request: &RequestName) -> Result<Token, Error> {
    let kind = match answer.status {
        200..=299 => {
            let malformed =
                || Kind::Malformed("the token server's response contains no token".to_owned());
            return parse_token(&answer.body, &request.secrets)
                .ok_or_else(|| request.error(malformed()));
        }
        // OAuth2 says 400 `invalid_grant` for a refresh token that is not valid.
        400 | 401 if request.login.is_some() => Kind::BadCredentials,
        300..=399 => Kind::AddressRefused(
            "the token server redirects; a login never follows a redirect".to_owned(),
        ),
        status => Kind::of_status(status),
    };
    Err(request.error_of(kind, answer))
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Tokens are opaque; `issued_at` is not read, because the server's clock may differ from ours.
fn parse_token(body: &Bytes, secrets: &Secrets) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let token = secrets.keep(
        answer
            .token
            .filter(|token| !token.is_empty())
            .or(answer.access_token)
            .filter(|token| !token.is_empty())?,
    );
    let lifetime = answer
        .expires_in
        .filter(|seconds| *seconds > 0)
        .map_or(DEFAULT_LIFETIME, Duration::from_secs);
    Some(Token {
        header: sensitive(&format!("Bearer {}", token.expose()))?,
        renew_at: Instant::now() + lifetime.mul_f64(0.8),
    })
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
    if let Credential::Identity(_, token) = &login.credential {
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", token.expose());
    }
    if let Some(service) = service {
        form.append_pair("service", service);
    }
    form.append_pair("client_id", CLIENT_ID).append_pair("scope", &scopes.join(" "));
    ("application/x-www-form-urlencoded".to_owned(), Bytes::from(form.finish()))
}
