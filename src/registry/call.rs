//! A call to the API, and how it is sent with the right login until it is settled. One call may be
//! several requests: tries, challenges, a read without the login.

use super::Registry;
use super::asked::Asked;
use super::attempts::{Failed, RequestName, Terms};
use super::elsewhere::{Elsewhere, Role};
use super::error::{Error, Kind};
use super::http::{Answer, Broken, Exchange, Transport, address};
use super::login::{Authorization, Refusal, Wire};
use crate::oci::manifest::LARGEST_MANIFEST;
use crate::oci::{Repository, media_type};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Time to look whether a push with an unclear outcome has landed, before it is retried.
pub(crate) const LOOK_FOR_A_PUSH: Duration = Duration::from_secs(30);

/// One call to the API.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) repository: &'a Repository,
    /// Path after the repository: `manifests/…`, `blobs/…`.
    pub(crate) rest: &'a str,
    pub(crate) body: Option<(&'a str, Bytes)>,
    pub(crate) limit: usize,
    pub(crate) terms: Terms<'a>,
    /// Address that the registry gave, in place of a path of its API.
    pub(crate) location: Option<&'a Url>,
    /// See [`Exchange::range`].
    pub(crate) range: Option<(HeaderName, String)>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, repository: &'a Repository, rest: &'a str) -> Self {
        Self {
            method,
            repository,
            rest,
            body: None,
            limit: LARGEST_MANIFEST,
            terms: Terms::default(),
            location: None,
            range: None,
        }
    }

    fn is_of_manifest(&self) -> bool {
        self.rest.starts_with("manifests/")
    }

    /// The types that it asks for, where it does.
    fn accept(&self) -> Option<&'static str> {
        if self.rest.starts_with("referrers/") {
            return Some(media_type::OCI_INDEX);
        }
        self.is_of_manifest().then_some(media_type::ACCEPT)
    }

    /// What a good answer holds or confirms.
    fn wants(&self) -> &'static str {
        match (self.method.as_str(), self.is_of_manifest()) {
            ("GET", _) if self.rest.starts_with("referrers/") => "a list of referrers",
            ("GET", true) => "a manifest",
            ("GET", false) => "a blob",
            (_, true) => "the confirmation of a push",
            (_, false) => "an upload",
        }
    }

    /// Refuses a good answer that none of a registry's can be.
    fn judge(&self, answer: Answer, request: RequestName) -> Result<(Answer, RequestName), Error> {
        let foreign = match (self.method.as_str(), self.is_of_manifest()) {
            ("GET", true) => answer.foreign(),
            // A blob is any bytes, and has a digest.
            ("GET", false) => None,
            // Some say `text/html` of nothing, or of a word: Quay does.
            _ => answer.page(),
        };
        match foreign {
            Some(what) => Err(request.error_of_foreign(&what, &answer)),
            None => Ok((answer, request)),
        }
    }

    /// Whether the location is not the registry's that has this root.
    fn leads_away_from(&self, root: &Url) -> bool {
        self.location.is_some_and(|location| location.origin() != root.origin())
    }
}

/// A way to send the exchange of a call.
pub(crate) trait Sender {
    /// Sends the exchange to the registry with this root.
    fn send(&mut self, root: Url, exchange: Exchange)
    -> LocalBoxFuture<'_, Result<Answer, Failed>>;
}

/// One exchange, read to its end.
struct Whole<'a> {
    transport: &'a Transport,
    host: &'a str,
    is_where_told: bool,
}

impl Sender for Whole<'_> {
    fn send(
        &mut self,
        root: Url,
        exchange: Exchange,
    ) -> LocalBoxFuture<'_, Result<Answer, Failed>> {
        async move {
            Ok(if self.is_where_told {
                self.transport.send_where_told(&root, exchange).await?
            } else {
                self.transport.send(self.host, exchange).await?
            })
        }
        .boxed_local()
    }
}

impl Registry {
    pub(crate) fn with_helper(&self, error: Error) -> Error {
        Error { helper: self.auth.helper_failure(&error.host).map(Box::new), ..error }
    }

    /// Sends a call with the right login until it is settled. Statuses below 300 are good answers.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<(Answer, RequestName), Error> {
        let mut whole = self.whole(&call);
        self.call_through(&call, &mut whole).await
    }

    /// [`Self::call`] through a sender of the caller's.
    pub(crate) async fn call_through(
        &self,
        call: &Call<'_>,
        sender: &mut dyn Sender,
    ) -> Result<(Answer, RequestName), Error> {
        // Boxed, since what calls us has layers of its own: the compiler looks only so deep.
        let settled = self.call_with_fallback(call, sender).boxed_local().await;
        let Err(error) = settled else { return settled };
        let mut error = self.with_helper(error);
        if error.kind == Kind::Denied && error.login.is_none() {
            error.withheld = self.auth.login_source(self.wire(call), call.repository).await;
        }
        Err(error)
    }

    /// [`Self::call`] with this authorization, whatever a challenge asks for.
    pub(crate) async fn call_with(
        &self,
        call: Call<'_>,
        authorization: Authorization,
    ) -> Result<(Answer, RequestName), Error> {
        let mut whole = self.whole(&call);
        self.answer_challenges(&call, &mut whole, Some(authorization)).await
    }

    fn whole<'a>(&'a self, call: &'a Call<'_>) -> Whole<'a> {
        Whole {
            transport: &self.transport,
            host: call.repository.host(),
            is_where_told: call.location.is_some(),
        }
    }

    async fn call_with_fallback(
        &self,
        call: &Call<'_>,
        sender: &mut dyn Sender,
    ) -> Result<(Answer, RequestName), Error> {
        let wire = self.wire(call);
        let refused = match self.answer_challenges(call, sender, None).await {
            // Only reads are tried without a login: writes belong to the login that was meant for
            // them.
            Err(error)
                if matches!(call.method, Method::GET | Method::HEAD) && error.is_denial() =>
            {
                error
            }
            settled => return settled,
        };
        // An implicit login may be worse than none. It is dropped only when none succeeds: a
        // registry may deny what is not there yet, and want that login later.
        let Some(Ok(authorization)) =
            self.auth.authorization_without_login(wire, call.repository, &refused).await
        else {
            return Err(refused);
        };
        match self.answer_challenges(call, sender, Some(authorization)).await {
            Ok(answered) => {
                self.auth.drop_implicit(call.repository).await;
                Ok(answered)
            }
            Err(error) if error.may_be_missing() => Err(error),
            Err(_) => Err(refused),
        }
    }

    pub(crate) fn wire(&self, call: &Call<'_>) -> Wire<'_> {
        Wire { transport: &self.transport, attempts: &self.attempts, deadline: call.terms.deadline }
    }

    /// Sends a call until its answer is one that a login does not change. `fixed`: the
    /// authorization to send, whatever a challenge asks for.
    async fn answer_challenges(
        &self,
        call: &Call<'_>,
        sender: &mut dyn Sender,
        fixed: Option<Authorization>,
    ) -> Result<(Answer, RequestName), Error> {
        let mut challenged = if fixed.is_some() { 2 } else { 0 };
        let mut may_widen = fixed.is_none();
        // Who holds permits must not wait for one who may need them.
        let waits = fixed.is_none() && !call.terms.has_permit;
        let mut turn =
            if waits { self.auth.turn(self.wire(call), call.repository).await } else { None };
        loop {
            let (answer, request, authorization) =
                self.settle(call, sender, fixed.as_ref()).await?;
            self.auth.on_status(call.repository, answer.status, &authorization);
            match answer.status {
                200..=299 => return call.judge(answer, request),
                401 | 403 => {}
                _ => return Err(request.error_of(Kind::of(&answer), &answer)),
            }
            let root = self.root(&request)?;
            // RFC 6750 says 403 for a scope that is too narrow, registries say 401.
            if may_widen && self.auth.widen(call.repository, &root, &answer, &authorization).await {
                may_widen = false;
                continue;
            }
            let may_ask = challenged < 2
                && (answer.status == 401
                    || self.denies_unasked(call, &answer, &authorization).await);
            if !may_ask {
                return Err(request.error_of(Kind::of(&answer), &answer));
            }
            // The first 401 tells how to log in; a second one is about a token that the registry no
            // longer takes.
            challenged += 1;
            let (wire, host) = (self.wire(call), call.repository.host());
            let answer = self.auth.with_challenge(wire, host, &root, answer).await;
            let refusal =
                Refusal { request: &request, root: &root, answer: &answer, used: &authorization };
            self.auth.on_challenge(wire, call.repository, refusal).await?;
            drop(turn.take());
            if challenged == 2 && authorization.header.is_some() {
                return Err(request.error_of(Kind::Denied, &answer));
            }
        }
    }

    /// Whether nobody has asked for a login that there is: some registries say 403 to whoever comes
    /// without one, and how to log in at the root of their API only.
    async fn denies_unasked(&self, call: &Call<'_>, answer: &Answer, sent: &Authorization) -> bool {
        sent.header.is_none()
            && answer.redirected_to.is_none()
            && self.auth.login_source(self.wire(call), call.repository).await.is_some()
    }

    /// Root of the API that a request is sent to.
    pub(crate) fn root(&self, request: &RequestName) -> Result<Url, Error> {
        let root = self.transport.root(&request.host);
        root.map_err(|error| request.error(Kind::Defect(error.to_string())))
    }

    /// Sends a call until its answer stands; returns with it the request's name and the
    /// authorization that was sent.
    async fn settle(
        &self,
        call: &Call<'_>,
        sender: &mut dyn Sender,
        fixed: Option<&Authorization>,
    ) -> Result<(Answer, RequestName, Authorization), Error> {
        let wire = self.wire(call);
        let authorization = async || match fixed {
            Some(authorization) => Ok(authorization.clone()),
            None => self.auth.authorization(wire, call.repository).await,
        };
        let host = call.repository.host();
        let is_elsewhere = self.transport.root(host).is_ok_and(|root| call.leads_away_from(&root));
        let location = call.location.filter(|_| is_elsewhere);
        let path = match location {
            Some(location) => address::safe(location),
            None => format!("/v2/{}/{}", call.repository.path(), call.rest),
        };
        let asked = Asked { method: call.method.clone(), path };
        let mut used = authorization().await?;
        let mut request = self.attempts.request(host, asked, used.login.clone());
        let place = |host: String| Box::new(Elsewhere { host, role: Role::Uploads });
        request.elsewhere = location.map(address::authority).map(place);
        request.wants = call.wants();
        let send = async || {
            let root =
                self.transport.root(host).map_err(|error| Broken::Malformed(no_address(error)))?;
            // The request may have queued for long: a token that has expired meanwhile is renewed.
            used = authorization().await.map_err(Failed::Other)?;
            let exchange = exchange(&root, call, &used)?;
            let began = Instant::now();
            let answer = sender.send(root, exchange).await?;
            let answer = Answer { took: Some(began.elapsed()), ..answer };
            // The body is not the registry's; storage quotes the signed address that it was asked
            // for.
            Ok(match location.map(address::authority) {
                Some(host) => Answer { body: Bytes::new(), redirected_to: Some(host), ..answer },
                None => answer,
            })
        };
        let settled = self.attempts.until_settled(&mut request, call.terms, send).await?;
        if let Some(count) = self.attempts.soon(host) {
            self.transport.open_early(host, count);
        }
        request.login.clone_from(&used.login);
        let answer = match settled {
            Some(answer) => answer,
            None => Answer::new(201, HeaderMap::new(), Bytes::new(), self.root(&request)?),
        };
        Ok((answer, request, used))
    }
}

fn no_address(error: url::ParseError) -> String {
    format!("has no valid address: {error}")
}

fn exchange(
    root: &Url,
    call: &Call<'_>,
    authorization: &Authorization,
) -> Result<Exchange, Broken> {
    let url = match call.location {
        Some(location) => location.clone(),
        // Every part was checked by its parser, so none can leave its place in the path.
        None => root
            .join(&format!("v2/{}/{}", call.repository.path(), call.rest))
            .map_err(|error| Broken::Malformed(no_address(error)))?,
    };
    // A login is for the registry alone, wherever it sends us.
    let authorization = authorization.header.clone().filter(|_| url.origin() == root.origin());
    Ok(Exchange {
        accept: call.accept(),
        authorization,
        range: call.range.clone(),
        body: call.body.as_ref().map(|(media_type, body)| ((*media_type).to_owned(), body.clone())),
        ..Exchange::new(call.method.clone(), url, call.limit)
    })
}
