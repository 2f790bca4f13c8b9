//! As much of HTTP/1.1 as the test support needs: heads, bodies by length or in chunks, kept
//! connections. Bodies are kept as they stood on the wire too, so that a proxy can pass on the very
//! bytes.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A request as it was received.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `PUT`…
    pub method: String,
    /// Path and query as they stood in the request line.
    pub target: String,
    /// Names as received, values trimmed, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// An answer, received or to be sent.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// The words after the status.
    pub reason: String,
    /// Names as received, values trimmed, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The body as it stood on the wire, chunk framing included.
    pub wire: Vec<u8>,
}

/// The value of a header whatever its case.
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the `?`, or nothing.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, q)| q)
    }

    /// The head and body as they go out, the framing being that of the headers.
    pub fn encode(&self) -> Vec<u8> {
        encode(&format!("{} {} HTTP/1.1", self.method, self.target), &self.headers, &self.body)
    }
}

impl Response {
    /// An answer with a `Content-Length`.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        headers.push(("Content-Length".to_owned(), body.len().to_string()));
        Self { status, reason: reason(status).to_owned(), headers, wire: body.clone(), body }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Replaces the body; `Content-Length` follows.
    pub fn set_body(&mut self, body: Vec<u8>) {
        self.headers.retain(|(n, _)| {
            !n.eq_ignore_ascii_case("content-length")
                && !n.eq_ignore_ascii_case("transfer-encoding")
        });
        self.headers.push(("Content-Length".to_owned(), body.len().to_string()));
        self.wire = body.clone();
        self.body = body;
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The head alone, with its empty line.
    pub fn head(&self) -> Vec<u8> {
        encode(&format!("HTTP/1.1 {} {}", self.status, self.reason), &self.headers, &[])
    }

    /// Head and body as they go out.
    pub fn encode(&self) -> Vec<u8> {
        [self.head().as_slice(), &self.wire].concat()
    }
}

fn encode(start: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{start}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        307 => "Temporary Redirect",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// The error of a peer that went away in the middle.
pub fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer went away in the middle of a message")
}

/// A connection with what was read ahead of it.
#[derive(Debug)]
pub struct Wire<S> {
    stream: S,
    ahead: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A fresh connection.
    pub fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The stream itself.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Sends all of it.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads more; `false` at the end of the stream. May be dropped at any point without losing a
    /// byte.
    pub async fn more(&mut self) -> io::Result<bool> {
        self.ahead.reserve(16 * 1024);
        Ok(self.stream.read_buf(&mut self.ahead).await? > 0)
    }

    /// Returns when the peer has closed the connection or it broke.
    pub async fn until_gone(&mut self) {
        while matches!(self.more().await, Ok(true)) {}
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut looked = 0;
        loop {
            if let Some(at) = self.ahead[looked..].iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=looked + at).collect();
                return Ok(Some(
                    String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned(),
                ));
            }
            looked = self.ahead.len();
            if !self.more().await? {
                return if self.ahead.is_empty() { Ok(None) } else { Err(gone()) };
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            if !self.more().await? {
                return Err(gone());
            }
        }
        Ok(self.ahead.drain(..length).collect())
    }

    async fn head(&mut self) -> io::Result<Option<(String, Vec<(String, String)>)>> {
        let Some(start) = self.line().await? else {
            return Ok(None);
        };
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?.ok_or_else(gone)?;
            if line.is_empty() {
                return Ok(Some((start, headers)));
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The body that the headers announce: without framing, and as it stood on the wire.
    async fn body(
        &mut self,
        headers: &[(String, String)],
        to_the_end: bool,
    ) -> io::Result<(Vec<u8>, Vec<u8>)> {
        if header(headers, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return self.chunks().await;
        }
        let body = match header(headers, "content-length").map(str::parse) {
            Some(Ok(length)) => self.exactly(length).await?,
            Some(Err(_)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "bad Content-Length"));
            }
            None if to_the_end => {
                self.until_gone().await;
                std::mem::take(&mut self.ahead)
            }
            None => Vec::new(),
        };
        Ok((body.clone(), body))
    }

    async fn chunks(&mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut body, mut wire) = (Vec::new(), Vec::new());
        loop {
            let line = self.line().await?.ok_or_else(gone)?;
            wire.extend_from_slice(format!("{line}\r\n").as_bytes());
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            if size == 0 {
                break;
            }
            let chunk = self.exactly(size + 2).await?;
            body.extend_from_slice(&chunk[..size]);
            wire.extend_from_slice(&chunk);
        }
        loop {
            let line = self.line().await?.ok_or_else(gone)?;
            wire.extend_from_slice(format!("{line}\r\n").as_bytes());
            if line.is_empty() {
                return Ok((body, wire));
            }
        }
    }

    /// The next request's head, its body still to be read; `None` when the peer closed between
    /// requests.
    pub async fn request_head(&mut self) -> io::Result<Option<Request>> {
        let Some((start, headers)) = self.head().await? else {
            return Ok(None);
        };
        let mut words = start.split(' ');
        let (method, target) = (
            words.next().unwrap_or_default().to_owned(),
            words.next().unwrap_or_default().to_owned(),
        );
        Ok(Some(Request { method, target, headers, body: Vec::new() }))
    }

    /// Reads the body of a request whose head was read; a chunked one gets a `Content-Length`
    /// instead.
    pub async fn request_body(&mut self, request: &mut Request) -> io::Result<()> {
        request.body = self.body(&request.headers, false).await?.0;
        if request.header("transfer-encoding").is_some() {
            request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case("transfer-encoding"));
            request.headers.push(("Content-Length".to_owned(), request.body.len().to_string()));
        }
        Ok(())
    }

    /// The answer to a request with this method; `None` when the peer closed without a byte.
    pub async fn response(&mut self, method: &str) -> io::Result<Option<Response>> {
        loop {
            let Some((start, headers)) = self.head().await? else {
                return Ok(None);
            };
            let mut words = start.splitn(3, ' ').skip(1);
            let status = words
                .next()
                .and_then(|s| s.parse().ok())
                .ok_or_else(|| io::Error::other(format!("no status in {start:?}")))?;
            let reason = words.next().unwrap_or_default().to_owned();
            if (100..200).contains(&status) {
                continue;
            }
            let bodiless = method == "HEAD" || status == 204 || status == 304;
            let (body, wire) =
                if bodiless { Default::default() } else { self.body(&headers, true).await? };
            return Ok(Some(Response { status, reason, headers, body, wire }));
        }
    }
}
