//! A token server of the distribution's token authentication: GET with Basic, POST with a form,
//! really signed tokens.
//!
//! It grants what is asked to who may have it, counts every request, and can be told to be
//! difficult.

use super::http1::{Request, Response, Wire};
use super::registry::Auth;
use super::tcp_server::TcpServer;
use super::token_jwt::{Access, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;

const SERVICE: &str = "test-registry";
const ISSUER: &str = "test-issuer";

/// What happens to a request for `push`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    /// Granted to every user.
    #[default]
    Granted,
    /// A token all the same, with `pull` alone: what most servers do.
    Reduced,
    /// 401 DENIED instead of a token.
    Denied401,
    /// 403 DENIED instead of a token: what GHCR does.
    Denied403,
}

/// How the server behaves; change it at any time with [`TokenServer::change`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names and passwords.
    pub users: Vec<(String, String)>,
    /// Those of the users who may only pull.
    pub readers: Vec<String>,
    /// Identity tokens taken as a `refresh_token`.
    pub identity_tokens: Vec<String>,
    /// Whether `pull` is granted without a login (else 401).
    pub anonymous_pull: bool,
    /// `expires_in`, seconds; `None` leaves the field out.
    pub expires_in: Option<i64>,
    /// When the registry really refuses the token, seconds.
    pub lifetime: i64,
    /// What happens to `push`.
    pub push: Push,
    /// More scopes than this are answered with 403.
    pub most_scopes: usize,
    /// POST is answered with 405.
    pub get_only: bool,
    /// GET is answered with 405.
    pub post_only: bool,
    /// The token is named `access_token` instead of `token`.
    pub access_token_only: bool,
}

/// One request that the server got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// As received, in order: one for each `scope` parameter, a space-separated one split.
    pub scopes: Vec<String>,
    /// The parameter `account`.
    pub account: Option<String>,
    /// The user of the Basic header or form.
    pub user: Option<String>,
    /// The parameter `service`.
    pub service: Option<String>,
    /// The parameter `grant_type`.
    pub grant_type: Option<String>,
    /// The parameter `client_id`.
    pub client_id: Option<String>,
    /// The header as received.
    pub authorization: Option<String>,
    /// What was answered.
    pub status: u16,
}

struct Shared {
    settings: Mutex<Settings>,
    requests: Mutex<Vec<TokenRequest>>,
    signer: Signer,
}

/// A running token server.
pub struct TokenServer {
    server: TcpServer,
    shared: Arc<Shared>,
}

/// A token server that has not been started.
#[derive(Debug, Clone)]
pub struct Builder(Settings);

impl Builder {
    /// A user who may do all.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.0.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// A user who may only pull: `push` is left out of the token.
    pub fn reader(mut self, name: &str, password: &str) -> Self {
        self.0.readers.push(name.to_owned());
        self.user(name, password)
    }

    /// An identity token taken as `refresh_token`.
    pub fn identity_token(mut self, token: &str) -> Self {
        self.0.identity_tokens.push(token.to_owned());
        self
    }

    /// Whether `pull` needs no login; it needs none unless this says so.
    pub fn anonymous_pull(mut self, allowed: bool) -> Self {
        self.0.anonymous_pull = allowed;
        self
    }

    /// Seconds that a token lives, said in `expires_in` and true.
    pub fn lifetime(mut self, seconds: i64) -> Self {
        self.0.lifetime = seconds;
        self.0.expires_in = Some(seconds);
        self
    }

    /// Seconds after which the registry refuses a token, whatever `expires_in` says.
    pub fn real_lifetime(mut self, seconds: i64) -> Self {
        self.0.lifetime = seconds;
        self
    }

    /// What happens to `push`.
    pub fn push(mut self, push: Push) -> Self {
        self.0.push = push;
        self
    }

    /// POST is answered with 405, as Gitea does.
    pub fn get_only(mut self) -> Self {
        self.0.get_only = true;
        self
    }

    /// GET is answered with 405, as a server of `OAuth2` alone does.
    pub fn post_only(mut self) -> Self {
        self.0.post_only = true;
        self
    }

    /// Starts it.
    pub async fn start(self) -> TokenServer {
        let shared = Arc::new(Shared {
            settings: Mutex::new(self.0),
            requests: Mutex::default(),
            signer: Signer::default(),
        });
        let serving = shared.clone();
        let server = TcpServer::serve(move |stream, _| serve(serving.clone(), stream));
        TokenServer { server, shared }
    }
}

impl TokenServer {
    /// No users, anonymous pull, tokens of 300 s; to be refined and started.
    #[expect(clippy::new_ret_no_self, reason = "nothing runs before Builder::start")]
    pub fn new() -> Builder {
        Builder(Settings {
            users: Vec::new(),
            readers: Vec::new(),
            identity_tokens: Vec::new(),
            anonymous_pull: true,
            expires_in: Some(300),
            lifetime: 300,
            push: Push::Granted,
            most_scopes: usize::MAX,
            get_only: false,
            post_only: false,
            access_token_only: false,
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// The URL of the token endpoint.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.host())
    }

    /// The name of the service in its tokens.
    pub fn service(&self) -> &'static str {
        SERVICE
    }

    /// What a registry needs to trust this server, with another realm if need be (a proxy before
    /// the server).
    pub fn auth(&self, realm: &str) -> Auth {
        Auth::Token {
            realm: realm.to_owned(),
            service: SERVICE.to_owned(),
            issuer: ISSUER.to_owned(),
            certificate: self.shared.signer.certificate(),
        }
    }

    /// A token for these scopes (separated by spaces) without a request; for the tests' own
    /// [`super::client::Client`].
    pub fn mint(&self, scopes: &str) -> String {
        let access: Vec<Access> = scopes.split_whitespace().filter_map(Access::parse).collect();
        self.shared.signer.sign(ISSUER, SERVICE, "test", &access, 300)
    }

    /// Changes how it behaves from now on.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.settings.lock().expect("no panic while locked"));
    }

    /// All requests so far, in the order of their answers.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.shared.requests.lock().expect("no panic while locked").clone()
    }

    /// Closes the port and all connections.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// Listens again on the same port.
    pub async fn restart(&mut self) {
        if self.server.is_up() {
            self.stop().await;
        }
        let serving = self.shared.clone();
        self.server.listen(move |stream, _| serve(serving.clone(), stream));
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut wire = Wire::new(stream);
    while let Ok(Some(mut request)) = wire.request_head().await {
        if wire.request_body(&mut request).await.is_err() {
            return;
        }
        let mut seen = TokenRequest { method: request.method.clone(), ..TokenRequest::default() };
        let settings = shared.settings.lock().expect("no panic while locked").clone();
        let answer = decide(&settings, &shared.signer, &request, &mut seen);
        seen.status = answer.status;
        shared.requests.lock().expect("no panic while locked").push(seen);
        if wire.send(&answer.encode()).await.is_err() {
            return;
        }
    }
}

fn refuse(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": message}]}).to_string();
    Response::new(status, &[("Content-Type", "application/json")], body)
}

fn decide(
    settings: &Settings,
    signer: &Signer,
    request: &Request,
    seen: &mut TokenRequest,
) -> Response {
    let form = request.method == "POST";
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(if form {
        body.as_bytes()
    } else {
        request.query().as_bytes()
    })
    .into_owned()
    .collect();
    let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    seen.scopes = pairs
        .iter()
        .filter(|(n, _)| n == "scope")
        .flat_map(|(_, v)| v.split_whitespace())
        .map(str::to_owned)
        .collect();
    (seen.account, seen.service) = (get("account"), get("service"));
    (seen.grant_type, seen.client_id) = (get("grant_type"), get("client_id"));
    seen.authorization = request.header("authorization").map(str::to_owned);
    if request.path() != "/token" {
        return refuse(404, "NOT_FOUND", "the token endpoint is /token");
    }
    if form && settings.get_only {
        return refuse(405, "UNSUPPORTED", "POST is not supported here");
    }
    if !form && settings.post_only {
        return refuse(405, "UNSUPPORTED", "GET is not supported here");
    }
    let login = if form {
        (get("username").zip(get("password")), get("refresh_token"))
    } else {
        (request.header("authorization").and_then(basic), None)
    };
    let who = match login {
        (_, Some(identity)) => {
            settings.identity_tokens.contains(&identity).then(|| "identity".to_owned()).ok_or(())
        }
        (Some(login), _) => {
            seen.user = Some(login.0.clone());
            if settings.users.contains(&login) { Ok(login.0) } else { Err(()) }
        }
        (None, None) if form || seen.authorization.is_some() || !settings.anonymous_pull => Err(()),
        (None, None) => Ok(String::new()),
    };
    let Ok(who) = who else {
        return refuse(401, "UNAUTHORIZED", "incorrect username or password");
    };
    if seen.scopes.len() > settings.most_scopes {
        return refuse(403, "DENIED", "too many scopes");
    }
    let mut access: Vec<Access> = seen.scopes.iter().filter_map(|s| Access::parse(s)).collect();
    let only_pull = who.is_empty() || settings.readers.contains(&who);
    let wants_push = access.iter().any(|a| a.actions.iter().any(|action| action != "pull"));
    match settings.push {
        Push::Denied401 if wants_push => {
            return refuse(401, "DENIED", "requested access to the resource is denied");
        }
        Push::Denied403 if wants_push => {
            return refuse(403, "DENIED", "requested access to the resource is denied");
        }
        Push::Granted if !only_pull => {}
        _ => access.iter_mut().for_each(|a| a.actions.retain(|action| action == "pull")),
    }
    let token = signer.sign(ISSUER, SERVICE, &who, &access, settings.lifetime);
    let mut body = json!({ "access_token": token });
    if !settings.access_token_only {
        body["token"] = json!(token);
    }
    if let Some(seconds) = settings.expires_in {
        body["expires_in"] = json!(seconds);
    }
    Response::new(200, &[("Content-Type", "application/json")], body.to_string())
}

fn basic(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
