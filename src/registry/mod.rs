//! The distribution API: look at, get and put manifests, get blobs.
//!
//! Does: the protocol, logins, retries, limits; every received byte is checked against its digest.
//! Does not: know what a run is about.

pub mod address;
mod attempts;
mod auth;
pub mod blobs;
mod challenge;
pub mod credentials;
pub mod error;
mod exchange;
mod names;
mod pace;
mod retry;
mod shared;
mod stream;
mod token;
pub mod transport;

use crate::oci::manifest::LARGEST_MANIFEST;
use crate::oci::{Descriptor, Digest, Manifest, Reference, Repository, media_type};
use crate::secret::Secrets;
pub(crate) use attempts::leaves_it_open;
use attempts::{Attempts, Errand, Landed, Terms};
use auth::{Auth, Permit};
use bytes::Bytes;
use credentials::Logins;
pub use error::{Error, Helper, Kind, Said};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName};
pub(crate) use retry::parse_retry_after;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;
use token::Wire;
pub(crate) use token::sensitive;
use tokio::time::Instant;
use transport::{Answer, Broken, Exchange, Transport};
use url::Url;

/// Configs are small; one that is not is no image that we can judge.
const LARGEST_CONFIG: u64 = 4 << 20;
/// How long it is looked whether a push with an unclear outcome has landed, before it is repeated.
const LOOK_FOR_A_PUSH: Duration = Duration::from_secs(30);

/// Repositories that will be pushed to, each with those from which its blobs may be mounted.
pub type Writable = BTreeMap<Repository, BTreeSet<Repository>>;

/// How registries are reached, for a whole run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// All logins.
    pub logins: Logins,
    /// What will be pushed to.
    pub writable: Writable,
    /// Hosts that speak plain HTTP, as people write them.
    pub plain_http: HashSet<String>,
    /// PEM certificates to trust as well.
    pub certificates: Option<Vec<u8>>,
    /// Requests under way at once.
    pub concurrency: usize,
    /// What must not be seen, of logins and of what registries say.
    pub secrets: Secrets,
}

/// Registries, and all that was learned about them in this run.
#[derive(Debug)]
pub struct Registry {
    transport: Transport,
    attempts: Attempts,
    auth: Auth,
    shelf: shared::Shelf,
}

/// What a HEAD tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Digest of the manifest.
    pub digest: Digest,
    /// Its type, without parameters; empty when the registry does not say.
    pub media_type: String,
}

/// One request in the API's terms.
struct Call<'a> {
    method: Method,
    repository: &'a Repository,
    /// What follows the repository: `manifests/…`, `blobs/…`.
    rest: &'a str,
    body: Option<(&'a str, Bytes)>,
    limit: usize,
    expect: Option<&'a Digest>,
    deadline: Option<Instant>,
    landed: Option<Landed<'a>>,
    /// Where the registry sent us, in place of a path of its API.
    location: Option<&'a Url>,
    /// See [`Exchange::range`].
    range: Option<(HeaderName, String)>,
    /// How it is sent, when it is more than one exchange that is read to its end.
    sender: Option<Sender<'a>>,
    has_place: bool,
}

/// Sends an exchange to a registry with this root in a way of its own.
type Sender<'a> = &'a dyn Fn(Url, Exchange) -> LocalBoxFuture<'a, Result<Answer, Broken>>;

impl<'a> Call<'a> {
    fn new(method: Method, repository: &'a Repository, rest: &'a str) -> Self {
        Self {
            method,
            repository,
            rest,
            body: None,
            limit: LARGEST_MANIFEST,
            expect: None,
            deadline: None,
            landed: None,
            location: None,
            range: None,
            sender: None,
            has_place: false,
        }
    }

    /// Whether the registry with this root sent us to somebody else.
    fn leads_away_from(&self, root: &Url) -> bool {
        self.location.is_some_and(|location| location.origin() != root.origin())
    }
}

impl Registry {
    /// Sets up connections; sends nothing.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            transport: Transport::new(settings.certificates.as_deref(), settings.plain_http)?,
            attempts: Attempts::new(settings.concurrency, settings.secrets),
            auth: Auth::new(settings.logins, settings.writable),
            shelf: shared::Shelf::default(),
        })
    }

    /// Whether the registry ever answered in this run.
    pub fn has_answered(&self, host: &str) -> bool {
        self.attempts.has_answered(host)
    }

    /// Why pushing to the repository was refused when a token was asked for, if it was.
    pub fn push_denial(&self, repository: &Repository) -> Option<Error> {
        self.auth.push_denial(repository).map(|denial| self.with_helper(denial))
    }

    fn with_helper(&self, error: Error) -> Error {
        Error { helper: self.auth.logins().helper(&error.host).map(Box::new), ..error }
    }

    /// Reads a manifest, by digest if the reference has one.
    pub async fn manifest(
        &self,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Manifest, Error> {
        let rest = format!("manifests/{}", reference.selector());
        let mut call = Call::new(Method::GET, &reference.repository, &rest);
        call.expect = reference.digest.as_ref();
        call.deadline = deadline;
        let (answer, errand) = self.call(call).await?;
        let digest = reference.digest.clone().unwrap_or_else(|| Digest::of(&answer.body));
        Manifest::parse(answer.body.clone(), answer.header("content-type"), digest)
            .map_err(|invalid| errand.error_of(invalid.into(), &answer))
    }

    /// Looks whether a manifest is there, which most registries do not count as a pull.
    pub async fn look(
        &self,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        let rest = format!("manifests/{}", reference.selector());
        let mut call = Call::new(Method::HEAD, &reference.repository, &rest);
        call.deadline = deadline;
        match self.call(call).await {
            Ok((answer, _)) => {
                // ECR, among others, does not name it: then only the bytes tell.
                if let Ok(digest) = answer.header("docker-content-digest").parse::<Digest>() {
                    return Ok(Head {
                        digest,
                        media_type: media_type::without_parameters(answer.header("content-type")),
                    });
                }
            }
            // A HEAD that is not allowed; one that was refused and, having no body, does not say
            // why; or one that a cache answers with "not modified", though nobody told it what we
            // have.
            Err(error)
                if matches!(error.status, Some(304 | 400..=499))
                    && !matches!(error.status, Some(401 | 404 | 429)) => {}
            Err(error) => return Err(error),
        }
        let manifest = self.manifest(reference, deadline).await?;
        Ok(Head { digest: manifest.digest, media_type: manifest.media_type })
    }

    /// Reads a config blob, checked against its descriptor.
    pub async fn config(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        deadline: Option<Instant>,
    ) -> Result<Bytes, Error> {
        let rest = format!("blobs/{}", descriptor.digest);
        let mut call = Call::new(Method::GET, repository, &rest);
        call.limit = usize::try_from(descriptor.size.min(LARGEST_CONFIG)).unwrap_or(usize::MAX);
        call.expect = Some(&descriptor.digest);
        call.deadline = deadline;
        let too_large = descriptor.size > LARGEST_CONFIG;
        let (answer, errand) = self.call(call).await?;
        if too_large || answer.body.len() as u64 != descriptor.size {
            let what = format!(
                "the config has {} bytes, its descriptor says {}",
                answer.body.len(),
                descriptor.size
            );
            return Err(errand.error_of(Kind::TooLarge(what), &answer));
        }
        Ok(answer.body)
    }

    /// Stores a manifest under a tag or its digest. A push whose outcome is unclear is looked at
    /// before it is repeated.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
        digest: &Digest,
    ) -> Result<(), Error> {
        let rest = format!("manifests/{}", reference.selector());
        let landed = || {
            async {
                self.look(reference, Some(Instant::now() + LOOK_FOR_A_PUSH))
                    .await
                    .is_ok_and(|head| head.digest == *digest)
            }
            .boxed_local()
        };
        let mut call = Call::new(Method::PUT, &reference.repository, &rest);
        call.body = Some((media_type, bytes.clone()));
        call.landed = Some(&landed);
        let (answer, errand) = self.call(call).await?;
        match answer.header("docker-content-digest") {
            stored if stored.is_empty() || stored == digest.as_str() => Ok(()),
            stored => Err(errand.error_of(
                Kind::DigestMismatch(format!("the registry stored {stored} instead of {digest}")),
                &answer,
            )),
        }
    }

    /// Sends a call with the right login until it is settled; answers below 300 are good.
    async fn call(&self, call: Call<'_>) -> Result<(Answer, Errand), Error> {
        self.call_with_any_login(call).await.map_err(|error| self.with_helper(error))
    }

    async fn call_with_any_login(&self, call: Call<'_>) -> Result<(Answer, Errand), Error> {
        let wire = self.wire(&call);
        let refused = match self.converse(&call, wire, None).await {
            // Only reads: what may be written is for the login that was meant for it.
            Err(error)
                if matches!(call.method, Method::GET | Method::HEAD) && error.is_denial() =>
            {
                error
            }
            settled => return settled,
        };
        // A login that nobody asked for may be worse than none. Only when none opens the door it is
        // given up: a registry may deny what is not there yet, and want that login later.
        let Some(Ok(permit)) =
            self.auth.permit_without_login(wire, call.repository, &refused).await
        else {
            return Err(refused);
        };
        match self.converse(&call, wire, Some(permit)).await {
            Ok(answered) => {
                self.auth.drop_implicit(call.repository).await;
                Ok(answered)
            }
            Err(error) if error.may_be_missing() => Err(error),
            Err(_) => Err(refused),
        }
    }

    fn wire(&self, call: &Call<'_>) -> Wire<'_> {
        Wire { transport: &self.transport, attempts: &self.attempts, deadline: call.deadline }
    }

    /// Until there is an answer that logging in does not change. `fixed`: what to send, whatever is
    /// asked for.
    async fn converse(
        &self,
        call: &Call<'_>,
        wire: Wire<'_>,
        fixed: Option<Permit>,
    ) -> Result<(Answer, Errand), Error> {
        let mut challenged = if fixed.is_some() { 2 } else { 0 };
        loop {
            let (answer, errand, permit) = self.settle(call, wire, fixed.as_ref()).await?;
            match answer.status {
                200..=299 => return Ok((answer, errand)),
                // Once to learn how to log in, once more for a token that the registry stopped
                // taking.
                401 if challenged < 2 => {
                    challenged += 1;
                    let root = self.transport.root(&errand.host);
                    let root = root.map_err(|error| {
                        errand.error_of(Kind::Defect(error.to_string()), &answer)
                    })?;
                    if call.leads_away_from(&root) {
                        // Whoever answers there does not speak for the registry, and gets no login
                        // of it.
                        let why = "the registry sends us elsewhere, and a login is wanted there"
                            .to_owned();
                        return Err(errand.error_of(Kind::AddressRefused(why), &answer));
                    }
                    self.auth.challenged(&errand, call.repository, &root, &answer, &permit).await?;
                    if challenged == 2 && permit.header.is_some() {
                        return Err(errand.error_of(Kind::Denied, &answer));
                    }
                }
                status => return Err(errand.error_of(Kind::of_status(status), &answer)),
            }
        }
    }

    /// Sends a call until an answer stands; with it, the call's name and what was sent along.
    async fn settle(
        &self,
        call: &Call<'_>,
        wire: Wire<'_>,
        fixed: Option<&Permit>,
    ) -> Result<(Answer, Errand, Permit), Error> {
        let permit = async || match fixed {
            Some(permit) => Ok(permit.clone()),
            None => self.auth.permit(wire, call.repository).await,
        };
        let host = call.repository.host();
        let is_elsewhere = self.transport.root(host).is_ok_and(|root| call.leads_away_from(&root));
        let request = match call.location.filter(|_| is_elsewhere) {
            Some(location) => format!("{} {}", call.method, address::safe(location)),
            None => format!("{} /v2/{}/{}", call.method, call.repository.path(), call.rest),
        };
        let first = permit().await?;
        let mut errand = self.attempts.errand(host, request, first.login.clone());
        let (used, no_permit) = (RefCell::new(first), RefCell::new(None));
        let send = async || {
            let root =
                self.transport.root(host).map_err(|error| Broken::Malformed(error.to_string()))?;
            // It may have stood in line for long: a token that is old by now is renewed.
            match permit().await {
                Ok(fresh) => used.replace(fresh),
                Err(error) => {
                    no_permit.replace(Some(error));
                    return Err(Broken::Malformed("no token".to_owned()));
                }
            };
            let exchange = exchange(&root, call, &used.borrow())?;
            let sent = match (call.sender, call.location) {
                (Some(sender), _) => sender(root, exchange).await,
                (None, Some(_)) => self.transport.send_where_told(&root, exchange).await,
                (None, None) => self.transport.send(host, exchange).await,
            };
            // Not the registry's words; storage likes to quote the signed address that it was asked
            // for.
            sent.map(
                |answer| {
                    if is_elsewhere { Answer { body: Bytes::new(), ..answer } } else { answer }
                },
            )
        };
        let terms = Terms {
            expect: call.expect,
            deadline: call.deadline,
            landed: call.landed,
            has_place: call.has_place,
        };
        let settled = self.attempts.until_settled(&mut errand, terms, send).await;
        if let Some(error) = no_permit.take() {
            return Err(error);
        }
        let created = || Answer { status: 201, headers: HeaderMap::new(), body: Bytes::new() };
        let (answer, used) = (settled?.unwrap_or_else(created), used.take());
        errand.login.clone_from(&used.login);
        Ok((answer, errand, used))
    }
}

fn exchange(root: &Url, call: &Call<'_>, permit: &Permit) -> Result<Exchange, Broken> {
    let url = match call.location {
        Some(location) => location.clone(),
        // Every part was checked by its parser: no part can leave its place in the path.
        None => root
            .join(&format!("v2/{}/{}", call.repository.path(), call.rest))
            .map_err(|error| Broken::Malformed(error.to_string()))?,
    };
    // A login is for the registry, wherever it sends us.
    let authorization = permit.header.clone().filter(|_| url.origin() == root.origin());
    Ok(Exchange {
        accept: call.rest.starts_with("manifests/").then_some(media_type::ACCEPT),
        authorization,
        range: call.range.clone(),
        body: call.body.as_ref().map(|(media_type, body)| ((*media_type).to_owned(), body.clone())),
        ..Exchange::new(call.method.clone(), url, call.limit)
    })
}
