//! One exchange: a request is sent, its answer read within limits of time and size. Also the rules
//! that statuses and headers follow (RFC 9110 sections 10.2.3 and 15).

use super::address;
use super::broken::{Broken, ProxyTrouble, broken, cut};
use super::connections::Connections;
use super::proxies::Via;
use crate::text::brief;
use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, WWW_AUTHENTICATE,
};
use reqwest::{Body, Client, Method, Response};
use std::future::Future;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

/// Time in which some byte has to move.
pub(crate) const BETWEEN_BYTES: Duration = Duration::from_secs(30);
/// Time for an exchange that is read to its end.
pub(crate) const WHOLE_REQUEST: Duration = Duration::from_secs(60);
/// Bytes of an answer that any number of exchanges may hold at once: larger ones come one after the
/// other.
const SMALL: usize = 64 << 10;
/// Bytes of larger answers that are read at once: one of the largest.
const MOST_LARGE: usize = 4 << 20;
/// Bytes of an error answer that are read; fewer are shown.
const LARGEST_ERROR: usize = 64 << 10;
/// A `Retry-After` beyond a year is read as one, so that nobody calculates with it in vain.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(365 * 24 * 3600);
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'static str>,
    /// Sent to `url` only, never along a redirect.
    pub(crate) authorization: Option<HeaderValue>,
    /// `Range` or `Content-Range`: where a body that broke is resumed.
    pub(crate) range: Option<(HeaderName, String)>,
    /// Any other headers; a login among them is for a server that redirects are not followed from.
    pub(crate) headers: HeaderMap,
    /// Media type and bytes.
    pub(crate) body: Option<(String, Bytes)>,
    /// Bytes of the largest answer that is read.
    pub(crate) limit: usize,
}

impl Exchange {
    pub(crate) fn new(method: Method, url: Url, limit: usize) -> Self {
        Self {
            method,
            url,
            accept: None,
            authorization: None,
            range: None,
            headers: HeaderMap::new(),
            body: None,
            limit,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Empty for HEAD.
    pub(crate) body: Bytes,
    /// Where it comes from: a redirect may have led elsewhere than the request went.
    pub(crate) from: Url,
    /// `HOST[:PORT]` that redirects led to, unless it is the registry's own.
    pub(crate) redirected_to: Option<String>,
    /// How long it took from the moment at which its request was ready, if that was measured.
    pub(crate) took: Option<Duration>,
}

impl Answer {
    /// Of a request that was not redirected.
    pub(crate) fn new(status: u16, headers: HeaderMap, body: Bytes, from: Url) -> Self {
        Self { status, headers, body, from, redirected_to: None, took: None }
    }

    /// A header as text, empty when it is absent or no text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The first byte of a text, behind the mark that some editors put in front of it.
    fn first(&self) -> Option<u8> {
        let text = self.body.trim_ascii_start();
        text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).first().copied()
    }

    /// What it is in place of a JSON document: its content type, or in words.
    pub(crate) fn foreign(&self) -> Option<String> {
        let said = self.header(CONTENT_TYPE.as_str()).split(';').next().unwrap_or_default().trim();
        match self.first() {
            Some(b'{' | b'[') => None,
            None => Some("nothing".to_owned()),
            Some(b'<') if !said.contains("html") => Some("a web page".to_owned()),
            Some(_) if said.is_empty() || said.contains("json") => Some("other text".to_owned()),
            Some(_) => Some(brief(said)),
        }
    }

    /// [`Self::foreign`], if it is a web page, which no registry answers with.
    pub(crate) fn page(&self) -> Option<String> {
        self.foreign().filter(|_| self.first() == Some(b'<'))
    }

    /// Bytes that a HEAD says there are; proxies leave it out, or say 0.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH.as_str()).parse().ok().filter(|bytes| *bytes > 0)
    }

    /// The challenges of the registry with this root, or which host asks for a login in its place.
    /// The only way to them, so that what another host asks for is not taken for the registry's.
    pub(crate) fn challenges(&self, root: &Url) -> Result<Vec<&str>, String> {
        if self.from.origin() != root.origin() {
            return Err(address::authority(&self.from));
        }
        let challenges = self.headers.get_all(WWW_AUTHENTICATE).iter();
        Ok(challenges.filter_map(|value| value.to_str().ok()).collect())
    }
}

/// Whether a status tells of trouble that mostly passes, and not of the request.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 499 | 500 | 502..=504 | 520..=524)
}

/// Whether a status leaves open if the request was carried out: 408 and nginx's 499 tell of one
/// that was cut short somewhere.
pub(crate) fn leaves_it_open(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 499)
}

/// `Retry-After` as seconds or as a date; anything else counts as absent.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that no number holds are a long time too.
        value.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(pause.min(LONGEST_RETRY_AFTER))
}

pub(super) async fn within<T, E: From<Broken>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Broken::Timeout.into()))
}

/// How a request goes to its server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) client: &'a Client,
    /// The proxy that it goes through, which the client knows too.
    pub(super) via: Option<&'a Via>,
}

/// Sends a request and waits for its head as long as for any other byte.
pub(super) async fn started(way: Way<'_>, exchange: &Exchange) -> Result<Response, Broken> {
    within(BETWEEN_BYTES, sent(way, exchange, None)).await
}

pub(super) async fn sent(
    way: Way<'_>,
    exchange: &Exchange,
    body: Option<(u64, Body)>,
) -> Result<Response, Broken> {
    let mut request = way
        .client
        .request(exchange.method.clone(), exchange.url.clone())
        .headers(exchange.headers.clone());
    if let Some(accept) = exchange.accept {
        request = request.header(ACCEPT, accept);
    }
    if let Some(authorization) = &exchange.authorization {
        request = request.header(AUTHORIZATION, authorization.clone());
    }
    if let Some((header, range)) = &exchange.range {
        request = request.header(header, range);
    }
    if let Some((media_type, body)) = &exchange.body {
        request = request.header(CONTENT_TYPE, media_type).body(body.clone());
    }
    if let Some((length, body)) = body {
        request = request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .body(body);
    }
    let response = Connections::used(&exchange.url, request.send()).await;
    let response = response.map_err(|error| broken(&error, &exchange.url, way.via))?;
    match way.via {
        // RFC 9110 section 15.5.8: only a proxy says so, and what it says is for nobody to read.
        Some(via) if response.status().as_u16() == PROXY_AUTHENTICATION_REQUIRED => {
            Err(Broken::by_proxy(via, &exchange.url, ProxyTrouble::Login))
        }
        _ => Ok(response),
    }
}

/// The next bytes of a body, `None` at its end.
pub(crate) async fn chunk(response: &mut Response) -> Result<Option<Bytes>, Broken> {
    let read = timeout(BETWEEN_BYTES, response.chunk()).await.map_err(|_| Broken::Timeout)?;
    read.map_err(|error| broken(&error, response.url(), None))
}

/// No request asks for compression: an answer that has it is a mistake or a bomb.
pub(super) fn refuse_compression(response: &Response) -> Result<(), Broken> {
    match response.headers().get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Broken::Malformed(
            "sent a compressed response, although none was requested".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Memory for answers that are being read, of all exchanges together.
#[derive(Debug)]
pub(super) struct Room(Semaphore);

impl Room {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(MOST_LARGE))
    }

    /// Waits until an answer of so many bytes may be read.
    async fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let bytes = u32::try_from(bytes.min(MOST_LARGE)).unwrap_or(u32::MAX);
        // Never closed, so there will be room.
        self.0.acquire_many(bytes).await.ok()
    }
}

pub(super) async fn read(
    exchange: &Exchange,
    mut response: Response,
    room: &Room,
) -> Result<Answer, Broken> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    if exchange.method == Method::HEAD {
        return Ok(Answer::new(status, headers, Bytes::new(), exchange.url.clone()));
    }
    refuse_compression(&response)?;
    // Neither an error nor a redirect is what was asked for, nor as large.
    let is_aside = status >= 300;
    let limit = if is_aside { LARGEST_ERROR } else { exchange.limit };
    if !is_aside && response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(Broken::TooLarge(limit));
    }
    // A buffer that grows by doubling would be twice as large as it need be.
    let expected = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or_default();
    let mut taken = if expected > SMALL { room.take(limit).await } else { None };
    let mut body = BytesMut::with_capacity(expected.min(limit));
    while let Some(chunk) = chunk(&mut response).await.map_err(|broken| cut(broken, body.len()))? {
        if taken.is_none() && body.len() + chunk.len() > SMALL {
            taken = room.take(limit).await;
        }
        if body.len() + chunk.len() > limit {
            if is_aside {
                break;
            }
            return Err(Broken::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer::new(status, headers, body.freeze(), exchange.url.clone()))
}

/// A header that no log of the HTTP library shows.
pub(crate) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(value).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn pauses_that_servers_ask_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let year = LONGEST_RETRY_AFTER.as_secs();
        for (value, seconds) in [
            ("2", Some(2)),
            (" 2 ", Some(2)),
            ("0", Some(0)),
            ("18446744073709551615", Some(year)),
            ("18446744073709551616", Some(year)),
            ("99999999999999999999999999999999", Some(year)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(year)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("", None),
            ("-1", None),
            ("+2", None),
            ("1.5", None),
            ("1e3", None),
            ("soon", None),
            ("Sun, 99 Nov 1994 99:99:99 GMT", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value, now), expected, "{value}");
        }
        const PIECES: [&str; 12] =
            ["Sun, ", "06 ", "Nov ", "1994 ", "08:49:37", " GMT", "9999", "-", ":", " ", "é", "9"];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..50_000 {
            let value: String =
                (0..random.usize(0..9)).map(|_| PIECES[random.usize(0..12)]).collect();
            assert!(parse_retry_after(&value, now) <= Some(LONGEST_RETRY_AFTER), "{value}");
        }
    }

    #[test]
    fn survives_any_answer() {
        let pieces = [
            "<",
            "{",
            "[",
            " ",
            "\n",
            "\u{feff}",
            "text/html",
            ";",
            "json",
            "é",
            "9",
            "-1",
            "18446744073709551616",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let mut headers = HeaderMap::new();
            for name in [CONTENT_TYPE, CONTENT_LENGTH] {
                let value = HeaderValue::from_str(&mixed(&mut random, &pieces, 3));
                headers.extend(value.ok().map(|value| (name, value)));
            }
            let body = Bytes::from(mixed(&mut random, &pieces, 4));
            let from = "https://r.example".parse().unwrap();
            let answer = Answer::new(200, headers, body, from);
            assert!(answer.foreign().is_none_or(|what| what.chars().count() <= 65), "{answer:?}");
            assert!(answer.page().is_none_or(|page| Some(page) == answer.foreign()), "{answer:?}");
            assert!(answer.length() != Some(0));
        }
    }
}
