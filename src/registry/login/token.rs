//! Token servers: one request for one token (distribution's specification, spec/auth/token and
//! spec/auth/oauth).

use super::credentials::{Credential, Login};
use crate::oci::Repository;
use crate::registry::asked::Asked;
use crate::registry::attempts::{Attempts, RequestName, Terms};
use crate::registry::elsewhere::{Elsewhere, Role};
use crate::registry::error::{Error, Kind};
use crate::registry::http::{Answer, Exchange, Transport, address, sensitive};
use crate::secret::{Passing, Secrets};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

const CLIENT_ID: &str = "manifest-action";
/// Seconds that a token lives whose server does not say (distribution's token specification).
const DEFAULT_LIFETIME: f64 = 60.0;
/// Seconds. A shorter lifetime would cost a token for each request, a longer one outlasts any run.
const SHORTEST_LIFETIME: f64 = 1.0;
const LONGEST_LIFETIME: f64 = 24.0 * 3600.0;
/// The part of its lifetime after which a token is renewed.
const RENEWED_AFTER: f64 = 0.8;
const LARGEST_TOKEN_ANSWER: usize = 128 << 10;

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// When another one is due.
    pub(super) renew_at: Instant,
    /// Keeps it from being shown for as long as it is used.
    pub(super) secret: Arc<Passing>,
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
        // Our own scope goes first: some servers read only that one.
        let own = format!("repository:{}:{actions}", self.repository.path());
        let scopes: Vec<String> = [own].into_iter().chain(extra.iter().cloned()).collect();
        self.token_for(&scopes, login).await
    }

    /// Whether it takes a login, as `docker login` finds out: by a token that is good for nothing.
    /// `None`: it gives none such.
    pub(super) async fn takes(&self, login: &Login) -> Option<bool> {
        match self.token_for(&[], Some(login)).await {
            Ok(_) => Some(true),
            Err(error) => matches!(error.status, Some(401 | 403)).then_some(false),
        }
    }

    async fn token_for(&self, scopes: &[String], login: Option<&Login>) -> Result<Token, Error> {
        let Self { realm, service, .. } = *self;
        let url = query(realm, service, scopes, login);
        let authorization = login.and_then(Login::basic).and_then(|basic| sensitive(&basic));
        let by_query =
            Exchange { authorization, ..Exchange::new(Method::GET, url, LARGEST_TOKEN_ANSWER) };
        let by_form = login.map(|login| Exchange {
            body: Some(form(login, service, scopes)),
            ..Exchange::new(Method::POST, realm.clone(), LARGEST_TOKEN_ANSWER)
        });
        let is_identity =
            login.is_some_and(|login| matches!(login.credential, Credential::Identity(..)));
        let (first, second) = match by_form {
            Some(by_form) if is_identity => (by_form, Some(by_query)),
            by_form => (by_query, by_form),
        };
        let (mut answer, mut request) = self.ask(first, login).await?;
        // Gitea's token server, among others, has no POST; one of OAuth2 alone nothing else.
        if let Some(second) = second.filter(|_| matches!(answer.status, 404 | 405)) {
            (answer, request) = self.ask(second, login).await?;
        }
        read(&answer, &request)
    }

    async fn ask(
        &self,
        exchange: Exchange,
        login: Option<&Login>,
    ) -> Result<(Answer, RequestName), Error> {
        let Wire { transport, attempts, deadline } = self.wire;
        let host = self.repository.host();
        let path = address::safe(&exchange.url);
        let asked = Asked { method: exchange.method.clone(), path };
        let mut request = attempts.request(host, asked, login.map(|login| login.source.clone()));
        let defect =
            |request: &RequestName, what: &str| request.error(Kind::Defect(what.to_owned()));
        let root = transport.root(host).map_err(|_| defect(&request, "no URL for the registry"))?;
        let is_elsewhere = self.realm.origin() != root.origin();
        let server = || Elsewhere { host: address::authority(self.realm), role: Role::Tokens };
        request.wants = "a token";
        request.elsewhere = is_elsewhere.then(server).map(Box::new);
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
            let what = || answer.foreign().unwrap_or_else(|| "other JSON".to_owned());
            return parse_token(&answer.body, &request.secrets)
                .ok_or_else(|| request.error_of_foreign(&what(), answer));
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
struct TokenAnswer<'a> {
    token: Option<String>,
    access_token: Option<String>,
    // As it is written: a number may be too large for any type, and some servers quote it.
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
}

/// Tokens are opaque; `issued_at` is not read, because the server's clock may differ from ours.
fn parse_token(body: &[u8], secrets: &Secrets) -> Option<Token> {
    let answer: TokenAnswer<'_> = serde_json::from_slice(body).ok()?;
    let token = [answer.token, answer.access_token].into_iter().flatten();
    let token = token.map(|token| token.trim().to_owned()).find(|token| !token.is_empty())?;
    let secret = secrets.keep_while_used(token);
    let after = lifetime(answer.expires_in.map_or("", RawValue::get)).mul_f64(RENEWED_AFTER);
    Some(Token {
        header: sensitive(&format!("Bearer {}", secret.expose()))?,
        renew_at: Instant::now() + after,
        secret: Arc::new(secret),
    })
}

/// What `expires_in` means: a number of seconds or a text of one. Anything else counts as absent.
fn lifetime(expires_in: &str) -> Duration {
    let seconds = expires_in.trim_matches(['"', ' ']).parse::<f64>().unwrap_or_default();
    // Not a number is not more than nothing either.
    let seconds = if seconds > 0.0 { seconds } else { DEFAULT_LIFETIME };
    Duration::from_secs_f64(seconds.clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME))
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
    match &login.credential {
        Credential::Identity(_, token) => {
            form.append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", token.expose());
        }
        Credential::Password(username, password) => {
            form.append_pair("grant_type", "password")
                .append_pair("username", username)
                .append_pair("password", password.expose());
        }
        Credential::Bearer(_) => {}
    }
    if let Some(service) = service {
        form.append_pair("service", service);
    }
    form.append_pair("client_id", CLIENT_ID);
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    ("application/x-www-form-urlencoded".to_owned(), Bytes::from(form.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: f64 = LONGEST_LIFETIME;

    fn parsed(body: &str) -> Option<Token> {
        parse_token(body.as_bytes(), &Secrets::default())
    }

    #[tokio::test(start_paused = true)]
    async fn lifetimes_by_table() {
        for (expires_in, seconds) in [
            ("300", 300.0),
            ("\"300\"", 300.0),
            ("\" 300 \"", 300.0),
            ("1.5", 1.5),
            ("3e2", 300.0),
            ("2", 2.0),
            ("0.001", 1.0),
            ("86400", DAY),
            ("86401", DAY),
            ("18446744073709551615", DAY),
            ("18446744073709551616", DAY),
            ("1e400", DAY),
            ("\"inf\"", DAY),
            ("1e-400", 60.0),
            ("0", 60.0),
            ("-0.0", 60.0),
            ("-1", 60.0),
            ("-1e400", 60.0),
            ("\"NaN\"", 60.0),
            ("\"soon\"", 60.0),
            ("\"\"", 60.0),
            ("null", 60.0),
            ("true", 60.0),
            ("{\"seconds\": 300}", 60.0),
            ("[300]", 60.0),
        ] {
            let body = format!(r#"{{"token": "canary", "expires_in": {expires_in}}}"#);
            let token = parsed(&body).unwrap_or_else(|| panic!("{body}"));
            let renewed = (token.renew_at - Instant::now()).as_secs_f64();
            assert!((renewed - 0.8 * seconds).abs() < 0.01, "{body}: {renewed}");
        }
        let absent = parsed(r#"{"access_token": "canary"}"#).unwrap();
        assert_eq!(absent.renew_at - Instant::now(), Duration::from_secs(48));
    }

    #[tokio::test]
    async fn tokens_by_table() {
        for (body, expected) in [
            (r#"{"token": "canary-a"}"#, Some("canary-a")),
            (r#"{"token": "", "access_token": "canary-b"}"#, Some("canary-b")),
            (r#"{"token": null, "access_token": "canary-b"}"#, Some("canary-b")),
            (r#"{"token": "canary-a", "access_token": "canary-b"}"#, Some("canary-a")),
            (r#"{"token": " canary-a\n"}"#, Some("canary-a")),
            (r#"{"token": "canary\r\nX-Evil: 1"}"#, None),
            (r#"{"token": ["canary"]}"#, None),
            (r#"{"token": "  "}"#, None),
            (r#"{}"#, None),
            (r#"[]"#, None),
            ("<html>sign in</html>", None),
            ("", None),
        ] {
            let expected = expected.map(|token| format!("Bearer {token}"));
            let found = parsed(body).map(|token| token.header.to_str().unwrap().to_owned());
            assert_eq!(found, expected, "{body}");
        }
    }

    /// Pieces of answers put together at random: nothing panics, and every lifetime is bounded.
    #[tokio::test(start_paused = true)]
    async fn no_answer_panics() {
        const PIECES: [&str; 18] = [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            "\"token\":",
            "\"expires_in\":",
            "\"a\"",
            "-",
            "1",
            "e",
            "9999999999",
            ".",
            "null",
            "é",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let length = random.usize(0..12);
            let noise: String = (0..length).map(|_| PIECES[random.usize(0..18)]).collect();
            parsed(&noise);
            let number: String = (0..length).map(|_| PIECES[random.usize(11..16)]).collect();
            if let Some(token) =
                parsed(&format!(r#"{{"token": "canary", "expires_in": {number}}}"#))
            {
                assert!(token.renew_at <= Instant::now() + Duration::from_secs(24 * 3600));
            }
        }
    }
}
