//! HTTP clients: TLS, proxies, redirects, the address rule. No request is retried here; only a
//! loopback port that turns out to have TLS is asked again, over HTTPS.

use super::address;
use super::certificates::tls_config;
use super::exchange::{
    Answer, BETWEEN_BYTES, Broken, Exchange, Room, WHOLE_REQUEST, broken, read, refuse_compression,
    sent, started, within,
};
use super::names::Resolver;
use super::no_proxy::NoProxy;
use bytes::Bytes;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Body, Client, ClientBuilder, Method, Response, redirect};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
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
}

/// HTTP clients of this process.
#[derive(Debug)]
pub(crate) struct Transport {
    /// For hosts that the user named.
    direct: Client,
    /// The same past proxies: for loopback, as in every other tool of the field, and for what
    /// `NO_PROXY` names.
    past_proxies: Client,
    /// For hosts that a server named: their resolved addresses obey the address rule too.
    guarded: Client,
    /// The same past proxies.
    guarded_past_proxies: Client,
    no_proxy: NoProxy,
    plain_http: HashSet<String>,
    learned: Mutex<HashMap<String, Protocol>>,
    room: Room,
}

impl Transport {
    /// Sets up TLS. `extra_certificates` is PEM to trust beside the system's, or the bundled
    /// Mozilla roots where the system has none; `plain_http` lists the hosts that the user marked
    /// as speaking HTTP.
    pub(crate) fn new(
        extra_certificates: Option<&[u8]>,
        plain_http: HashSet<String>,
    ) -> anyhow::Result<Self> {
        // A second call finds the same provider in place.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = tls_config(extra_certificates)?;
        let base = || {
            ClientBuilder::new()
                .tls_backend_preconfigured(tls.clone())
                .redirect(redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                .user_agent(concat!("manifest-action/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(BETWEEN_PINGS)
                .http2_keep_alive_timeout(BETWEEN_PINGS)
        };
        Ok(Self {
            direct: base().dns_resolver(Resolver::any()).build()?,
            past_proxies: base().dns_resolver(Resolver::any()).no_proxy().build()?,
            guarded: base().dns_resolver(Resolver::guarded()).build()?,
            guarded_past_proxies: base().dns_resolver(Resolver::guarded()).no_proxy().build()?,
            no_proxy: NoProxy::from_environment(),
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

    /// Sends one request to the registry `host` and reads the answer.
    pub(crate) async fn send(&self, host: &str, exchange: Exchange) -> Result<Answer, Broken> {
        if self.protocol(host) != Protocol::Unclear {
            return self.follow(exchange).await;
        }
        let first = self.follow(exchange.clone()).await;
        // A TLS port answers plain HTTP with 400 (Go, nginx) or cuts the connection.
        let suspicious = match &first {
            Ok(answer) => answer.status == 400,
            Err(Broken::Connection(_)) => true,
            Err(_) => false,
        };
        // Another request may have learned it meanwhile.
        if suspicious && self.protocol(host) == Protocol::Unclear {
            let mut encrypted = exchange;
            if encrypted.url.set_scheme("https").is_ok() {
                let second = self.follow(encrypted).await;
                if matches!(&second, Ok(_) | Err(Broken::Tls(_))) && !speaks_no_tls(&second) {
                    self.learn(host, Protocol::Https);
                    return second;
                }
            }
        }
        if !matches!(first, Err(Broken::Connection(_) | Broken::Timeout | Broken::UnknownHost)) {
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
        let client = self.client_for(registry, &exchange.url);
        within(WHOLE_REQUEST, async {
            read(&exchange, started(client, &exchange).await?, &self.room).await
        })
        .await
    }

    /// Sends one request to an API that the CI system named in our environment; redirects are not
    /// followed.
    pub(crate) async fn ask(
        &self,
        url: Url,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<Answer, Broken> {
        let request = self.client_for(&url, &url).get(url.clone()).headers(headers);
        let exchange = Exchange::new(Method::GET, url, limit);
        within(WHOLE_REQUEST, async {
            let sent = async { request.send().await.map_err(|error| broken(&error)) };
            read(&exchange, within(BETWEEN_BYTES, sent).await?, &self.room).await
        })
        .await
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
        let client = self.client_for(registry, &exchange.url);
        read(&exchange, sent(client, &exchange, Some((length, body))).await?, &self.room).await
    }

    /// Sends one request to a registry and leaves a good answer's body to be read.
    pub(crate) async fn open(
        &self,
        exchange: Exchange,
    ) -> Result<(Answer, Option<Response>), Broken> {
        let (exchange, answer) = within(WHOLE_REQUEST, self.reach(exchange)).await?;
        match answer {
            Reached::Read(answer) => Ok((answer, None)),
            Reached::Open(response) if response.status().is_success() => {
                refuse_compression(&response)?;
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let (body, from) = (Bytes::new(), exchange.url);
                Ok((Answer { status, headers, body, from }, Some(response)))
            }
            Reached::Open(response) => {
                Ok((within(WHOLE_REQUEST, read(&exchange, response, &self.room)).await?, None))
            }
        }
    }

    async fn follow(&self, exchange: Exchange) -> Result<Answer, Broken> {
        within(WHOLE_REQUEST, async {
            match self.reach(exchange).await? {
                (_, Reached::Read(answer)) => Ok(answer),
                (exchange, Reached::Open(response)) => read(&exchange, response, &self.room).await,
            }
        })
        .await
    }

    /// Follows redirects to their end; returns the last exchange and its answer.
    async fn reach(&self, mut exchange: Exchange) -> Result<(Exchange, Reached), Broken> {
        let registry = exchange.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client_for(&registry, &exchange.url);
            let response = started(client, &exchange).await?;
            let status = response.status().as_u16();
            let redirects = matches!(status, 301 | 302 | 303 | 307 | 308)
                && matches!(exchange.method, Method::GET | Method::HEAD);
            if exchange.url != registry && status >= 400 {
                let mut answer = read(&exchange, response, &self.room).await?;
                // The body is not the registry's; storage quotes the signed address that it was
                // asked for.
                answer.body = Bytes::new();
                return Ok((exchange, Reached::Read(answer)));
            }
            if !redirects {
                return Ok((exchange, Reached::Open(response)));
            }
            // Read to its end, so that the connection can be used again.
            let answer = read(&exchange, response, &self.room).await?;
            let location = answer.header(LOCATION.as_str());
            let next = exchange
                .url
                .join(location)
                .map_err(|_| Broken::Malformed("a redirect without a valid Location".to_owned()))?;
            address::check(&registry, &next).map_err(Broken::Refused)?;
            // Where a redirect leads, no credential goes, not even back to the registry.
            exchange.authorization = None;
            exchange.url = next;
        }
        Err(Broken::Refused(format!("more than {MOST_REDIRECTS} redirects")))
    }

    fn client_for(&self, registry: &Url, url: &Url) -> &Client {
        let is_known = url.origin() == registry.origin();
        match (is_known, self.no_proxy.names(url)) {
            _ if address::is_loopback(url) => &self.past_proxies,
            (true, true) => &self.past_proxies,
            (true, false) => &self.direct,
            (false, true) => &self.guarded_past_proxies,
            (false, false) => &self.guarded,
        }
    }

    fn protocol(&self, host: &str) -> Protocol {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(protocol) = learned.get(host) {
            return *protocol;
        }
        if self.plain_http.contains(host) {
            return Protocol::Http;
        }
        if address::is_loopback_host(host) { Protocol::Unclear } else { Protocol::Https }
    }

    fn learn(&self, host: &str, protocol: Protocol) {
        self.learned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(host.to_owned(), protocol);
    }
}

enum Reached {
    /// The body is still to be read.
    Open(Response),
    /// The body was read.
    Read(Answer),
}

/// Whether an attempt at TLS met a port that has something else.
fn speaks_no_tls(attempt: &Result<Answer, Broken>) -> bool {
    let garbage =
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType).to_string();
    matches!(attempt, Err(Broken::Tls(why)) if *why == garbage)
}
