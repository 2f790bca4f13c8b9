//! HTTP clients: TLS, proxies, redirects, the address rule. No request is retried here; only a
//! loopback port that turns out to have TLS is asked again, over HTTPS.

use super::address;
use super::broken::{Broken, ProxyTrouble, TlsError, TlsTrouble, Unanswered};
use super::certificates::tls_config;
use super::connections::Connections;
use super::exchange::{
    Answer, Exchange, Room, WHOLE_REQUEST, Way, read, refuse_compression, sent, started, within,
};
use super::names::Resolver;
use super::proxies::Proxies;
use bytes::Bytes;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Body, Client, ClientBuilder, Method, Proxy, Response, redirect};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tower_layer::layer_fn;
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests share a connection of HTTP/2: one that is dead would swallow all tries, if nobody
/// noticed. Shorter than the time between bytes, so that the next try finds it closed.
const BETWEEN_PINGS: Duration = Duration::from_secs(10);
const MOST_REDIRECTS: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Https,
    Http,
    /// A loopback port that has not answered yet: HTTP, unless it turns out to have TLS.
    Unclear,
    /// HTTP, as the user says; it has not answered yet.
    Stated,
}

/// HTTP clients of this process.
#[derive(Debug)]
pub(crate) struct Transport {
    /// For hosts that the user named, and for loopback.
    direct: Client,
    /// For hosts that a server named: their resolved addresses obey the address rule too.
    guarded: Client,
    /// Opens connections that [`Self::direct`] will need, and keeps none itself.
    early: Client,
    /// Those of `direct`.
    connections: Connections,
    proxies: Arc<Proxies>,
    plain_http: HashSet<String>,
    learned: Mutex<HashMap<String, Protocol>>,
    room: Room,
}

impl Transport {
    /// Sets up TLS. `extra_certificates` is PEM to trust beside the system's, or the bundled
    /// Mozilla roots where the system has none; `plain_http` lists the hosts that the user marked
    /// as speaking HTTP; `concurrency`: requests to be expected at once, at most.
    pub(crate) fn new(
        extra_certificates: Option<&[u8]>,
        plain_http: HashSet<String>,
        concurrency: usize,
    ) -> anyhow::Result<Self> {
        // A second call finds the same provider in place.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = tls_config(extra_certificates)?;
        let proxies = Arc::new(Proxies::of_environment());
        let connections = Connections::up_to(concurrency);
        let base = |connections: &Connections| {
            let connections = connections.clone();
            let proxies = Arc::clone(&proxies);
            ClientBuilder::new()
                .proxy(Proxy::custom(move |url| proxies.via(url)?.url().cloned()))
                .tls_backend_preconfigured(tls.clone())
                .redirect(redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .user_agent(concat!("manifest-action/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .connector_layer(layer_fn(move |connector| connections.around(connector)))
                .http2_keep_alive_interval(BETWEEN_PINGS)
                .http2_keep_alive_timeout(BETWEEN_PINGS)
        };
        Ok(Self {
            direct: base(&connections).dns_resolver(Resolver::any()).build()?,
            guarded: base(&Connections::up_to(0))
                .dns_resolver(Resolver::guarded(proxies.names()))
                .build()?,
            early: base(&connections)
                .dns_resolver(Resolver::any())
                .pool_max_idle_per_host(0)
                .build()?,
            connections,
            proxies,
            plain_http,
            learned: Mutex::new(HashMap::new()),
            room: Room::new(),
        })
    }

    /// Root of a registry's API: `https://ghcr.io/`.
    pub(crate) fn root(&self, host: &str) -> Result<Url, url::ParseError> {
        let scheme = if self.protocol(host) == Protocol::Https { "https" } else { "http" };
        // Docker Hub's API has another host name than its references.
        let api_host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        format!("{scheme}://{api_host}/").parse()
    }

    /// Opens connections to a registry that its next requests will need at once, up to so many in
    /// all; waits for none.
    pub(crate) fn open_early(&self, host: &str, count: usize) {
        if let Ok(root) = self.root(host) {
            self.connections.open_early(&self.early, &root, count);
        }
    }

    /// Sends one request to the registry `host` and reads the answer.
    pub(crate) async fn send(&self, host: &str, exchange: Exchange) -> Result<Answer, Unanswered> {
        let protocol = self.protocol(host);
        if matches!(protocol, Protocol::Https | Protocol::Http) {
            return self.follow(exchange).await;
        }
        let first = self.follow(exchange.clone()).await;
        // A TLS port answers plain HTTP with 400 (Go, nginx) or cuts the connection.
        let suspicious = match &first {
            Ok(answer) => answer.status == 400,
            Err(Unanswered { why: Broken::Connection(_), .. }) => true,
            Err(_) => false,
        };
        // Another request may have learned meanwhile that it has no TLS.
        if suspicious && self.protocol(host) != Protocol::Http {
            let mut encrypted = exchange;
            if protocol == Protocol::Stated {
                // Only to tell what is wrong: the user has not said that it may be done in TLS.
                encrypted = Exchange::new(Method::HEAD, encrypted.url, encrypted.limit);
            }
            if encrypted.url.set_scheme("https").is_ok() {
                let url = encrypted.url.clone();
                let second = self.follow(encrypted).await;
                if is_of_tls(&second) {
                    if protocol == Protocol::Stated {
                        let trouble = TlsTrouble::SpokenAfterAll;
                        return Err(Broken::Tls(TlsError::new(&url, trouble)).into());
                    }
                    self.learn(host, Protocol::Https);
                    return second;
                }
            }
        }
        let why = first.as_ref().err().map(|unanswered| &unanswered.why);
        if !matches!(why, Some(Broken::Connection(_) | Broken::Timeout | Broken::UnknownHost)) {
            self.learn(host, Protocol::Http);
        }
        first
    }

    /// Sends one request to where `registry` sent us: a token server, an upload's location.
    /// Redirects are not followed.
    pub(crate) async fn send_where_told(
        &self,
        registry: &Url,
        exchange: Exchange,
    ) -> Result<Answer, Broken> {
        address::check(registry, &exchange.url).map_err(Broken::Refused)?;
        let way = self.way(registry, &exchange.url)?;
        self.answered(way, &exchange).await
    }

    /// Sends one request to an API that the CI system named in our environment; redirects are not
    /// followed.
    pub(crate) async fn ask(
        &self,
        url: Url,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<Answer, Broken> {
        let way = self.way(&url, &url)?;
        let exchange = Exchange { headers, ..Exchange::new(Method::GET, url, limit) };
        self.answered(way, &exchange).await
    }

    /// As [`Self::send_where_told`], with `length` bytes of body that come as they are taken. Their
    /// sender sees to it that they move: only the answer is waited for here, as long as the caller
    /// has patience.
    pub(crate) async fn upload(
        &self,
        registry: &Url,
        exchange: Exchange,
        length: u64,
        body: Body,
    ) -> Result<Answer, Broken> {
        address::check(registry, &exchange.url).map_err(Broken::Refused)?;
        let way = self.way(registry, &exchange.url)?;
        read(&exchange, sent(way, &exchange, Some((length, body))).await?, &self.room).await
    }

    /// Sends one request to a registry and leaves a good answer's body to be read.
    pub(crate) async fn open(
        &self,
        exchange: Exchange,
    ) -> Result<(Answer, Option<Response>), Unanswered> {
        let registry = exchange.url.clone();
        let (exchange, answer) = within(WHOLE_REQUEST, self.reach(exchange)).await?;
        let opened = async {
            match answer {
                Reached::Read(answer) => Ok((answer, None)),
                Reached::Open(response) if response.status().is_success() => {
                    refuse_compression(&response)?;
                    let (status, headers) = (response.status().as_u16(), response.headers());
                    let from = exchange.url.clone();
                    let answer = Answer::new(status, headers.clone(), Bytes::new(), from);
                    Ok((answer, Some(response)))
                }
                Reached::Open(response) => {
                    let read = read(&exchange, response, &self.room);
                    Ok((within(WHOLE_REQUEST, read).await?, None))
                }
            }
        };
        let redirected_to = away_from(&registry, &exchange.url);
        match opened.await {
            Ok((answer, response)) => Ok((Answer { redirected_to, ..answer }, response)),
            Err(why) => Err(Unanswered { why, redirected_to }),
        }
    }

    /// One exchange without redirects.
    async fn answered(&self, way: Way<'_>, exchange: &Exchange) -> Result<Answer, Broken> {
        within(WHOLE_REQUEST, async {
            read(exchange, started(way, exchange).await?, &self.room).await
        })
        .await
    }

    /// One exchange with all redirects.
    async fn follow(&self, exchange: Exchange) -> Result<Answer, Unanswered> {
        within(WHOLE_REQUEST, async {
            let registry = exchange.url.clone();
            let (exchange, reached) = self.reach(exchange).await?;
            let answer = match reached {
                Reached::Read(answer) => Ok(answer),
                Reached::Open(response) => read(&exchange, response, &self.room).await,
            };
            let redirected_to = away_from(&registry, &exchange.url);
            match answer {
                Ok(answer) => Ok(Answer { redirected_to, ..answer }),
                Err(why) => Err(Unanswered { why, redirected_to }),
            }
        })
        .await
    }

    /// Follows redirects to their end; returns the last exchange and its answer.
    async fn reach(&self, mut exchange: Exchange) -> Result<(Exchange, Reached), Unanswered> {
        let registry = exchange.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let reached = self.step(&registry, &exchange).await;
            let redirected_to = || away_from(&registry, &exchange.url);
            match reached.map_err(|why| Unanswered { why, redirected_to: redirected_to() })? {
                Step::Arrived(reached) => return Ok((exchange, reached)),
                Step::Redirect(next) => {
                    // Where a redirect leads, no credential goes, not even back to the registry.
                    exchange.authorization = None;
                    exchange.url = next;
                }
            }
        }
        Err(Broken::Refused(format!("more than {MOST_REDIRECTS} redirects")).into())
    }

    /// One exchange of a chain of redirects that began at `registry`.
    async fn step(&self, registry: &Url, exchange: &Exchange) -> Result<Step, Broken> {
        let way = self.way(registry, &exchange.url)?;
        let response = started(way, exchange).await?;
        let status = response.status().as_u16();
        let redirects = matches!(status, 301 | 302 | 303 | 307 | 308)
            && matches!(exchange.method, Method::GET | Method::HEAD);
        if exchange.url != *registry && status >= 400 {
            let mut answer = read(exchange, response, &self.room).await?;
            // The body is not the registry's; storage quotes the signed address that it was asked
            // for.
            answer.body = Bytes::new();
            return Ok(Step::Arrived(Reached::Read(answer)));
        }
        if !redirects {
            return Ok(Step::Arrived(Reached::Open(response)));
        }
        // Read to its end, so that the connection can be used again.
        let answer = read(exchange, response, &self.room).await?;
        let location = answer.header(LOCATION.as_str());
        let next = exchange
            .url
            .join(location)
            .map_err(|_| Broken::Malformed("redirects without a valid Location".to_owned()))?;
        address::check(registry, &next).map_err(Broken::Refused)?;
        Ok(Step::Redirect(next))
    }

    fn way(&self, registry: &Url, url: &Url) -> Result<Way<'_>, Broken> {
        let is_named_by_user = address::is_loopback(url) || url.origin() == registry.origin();
        let client = if is_named_by_user { &self.direct } else { &self.guarded };
        let via = self.proxies.via(url);
        match via.filter(|via| via.url().is_none()) {
            // To go without it would be what the user did not want.
            Some(via) => Err(Broken::by_proxy(via, url, ProxyTrouble::Unusable)),
            None => Ok(Way { client, via }),
        }
    }

    fn protocol(&self, host: &str) -> Protocol {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(protocol) = learned.get(host) {
            return *protocol;
        }
        if self.plain_http.contains(host) {
            return Protocol::Stated;
        }
        if address::is_loopback_host(host) { Protocol::Unclear } else { Protocol::Https }
    }

    /// The first that is learned counts: of two requests at once, one may have met less.
    fn learn(&self, host: &str, protocol: Protocol) {
        self.learned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(host.to_owned())
            .or_insert(protocol);
    }
}

/// `HOST[:PORT]` of an address, unless it is the registry's own.
fn away_from(registry: &Url, url: &Url) -> Option<String> {
    (url.origin() != registry.origin()).then(|| address::authority(url))
}

/// What one exchange of a chain of redirects led to.
enum Step {
    Arrived(Reached),
    Redirect(Url),
}

enum Reached {
    /// The body is still to be read.
    Open(Response),
    /// The body was read.
    Read(Answer),
}

/// Whether an attempt at TLS met a port that speaks it.
fn is_of_tls(attempt: &Result<Answer, Unanswered>) -> bool {
    match attempt {
        Ok(_) => true,
        Err(Unanswered { why: Broken::Tls(error), .. }) => error.trouble != TlsTrouble::PlainHttp,
        Err(_) => false,
    }
}
