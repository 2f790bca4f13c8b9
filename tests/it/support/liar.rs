//! A server that says whatever a test wants, for what no real registry and no proxy would say. It
//! keeps what it was sent, so that a test can prove that a secret never came.

use super::background::Background;
pub use super::http1::Request;
use super::http1::{Response, Wire};
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;

/// One answer.
#[derive(Debug, Clone)]
pub enum Lie {
    /// These bytes. The connection is kept when they are one whole answer, and closed otherwise.
    Bytes(Vec<u8>),
    /// These bytes, then the second ones over and over until the client goes away.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, until the client goes away.
    Silence,
    /// These bytes, then nothing, until the client goes away.
    Stall(Vec<u8>),
    /// A reset connection.
    Reset,
}

impl From<Vec<u8>> for Lie {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Response> for Lie {
    fn from(answer: Response) -> Self {
        Self::Bytes(answer.encode())
    }
}

/// A whole answer with a right `Content-Length`, as bytes.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Vec<u8> {
    Response::new(status, headers, body).encode()
}

type Tale = Arc<dyn Fn(&Request, usize) -> Lie + Send + Sync>;

/// A running liar.
pub struct Liar {
    background: Background,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    /// Bytes of endless answers that clients took.
    poured: Arc<Mutex<usize>>,
}

impl Liar {
    /// Answers the n-th request (from 1, over all connections) with what `tale` says.
    pub fn http<L: Into<Lie>>(tale: impl Fn(&Request, usize) -> L + Send + Sync + 'static) -> Self {
        let tale: Tale = Arc::new(move |request, nth| tale(request, nth).into());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let poured: Arc<Mutex<usize>> = Arc::default();
        let (seen, counted, spilt) =
            (Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&poured));
        let background = Background::serve(move |stream, nth| {
            *counted.lock().expect("no panic while locked") = nth;
            serve(tale.clone(), Arc::clone(&seen), Arc::clone(&spilt), stream)
        });
        Self { background, requests, connections, poured }
    }

    /// Answers the n-th request with the n-th of these, and 500 when they are used up.
    pub fn script<L: Into<Lie>>(answers: Vec<L>) -> Self {
        let answers: Vec<Lie> = answers.into_iter().map(Into::into).collect();
        Self::http(move |_, nth| {
            let over = || Lie::Bytes(answer(500, &[], "the script is over"));
            answers.get(nth - 1).cloned().unwrap_or_else(over)
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.background.host()
    }

    /// All that was received, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic while locked").clone()
    }

    /// How many connections were opened, whether or not a request came.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("no panic while locked")
    }

    /// How many bytes of endless answers clients have taken.
    pub fn poured(&self) -> usize {
        *self.poured.lock().expect("no panic while locked")
    }
}

async fn serve(
    tale: Tale,
    seen: Arc<Mutex<Vec<Request>>>,
    poured: Arc<Mutex<usize>>,
    stream: TcpStream,
) {
    let mut wire = Wire::new(stream);
    while let Ok(Some(mut request)) = wire.request_head().await {
        if wire.request_body(&mut request).await.is_err() {
            return;
        }
        let nth = {
            let mut seen = seen.lock().expect("no panic while locked");
            seen.push(request.clone());
            seen.len()
        };
        match tale(&request, nth) {
            Lie::Bytes(bytes) => {
                if wire.send(&bytes).await.is_err() || !whole(&bytes, &request.method).await {
                    return;
                }
            }
            Lie::Endless(start, more) => {
                let mut next = start;
                while wire.send(&next).await.is_ok() {
                    *poured.lock().expect("no panic while locked") += next.len();
                    next.clone_from(&more);
                }
                return;
            }
            Lie::Silence => return wire.until_gone().await,
            Lie::Stall(bytes) => {
                let _ = wire.send(&bytes).await;
                return wire.until_gone().await;
            }
            Lie::Reset => {
                let _ = wire.stream().set_zero_linger();
                return;
            }
        }
    }
}

/// Whether these bytes are exactly one answer that leaves the connection usable.
async fn whole(bytes: &[u8], method: &str) -> bool {
    let mut wire = Wire::new(std::io::Cursor::new(bytes.to_vec()));
    let Ok(Some(answer)) = wire.response(method).await else {
        return false;
    };
    let framed =
        answer.header("content-length").is_some() || answer.header("transfer-encoding").is_some();
    let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
    let closes = answer.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    (framed || bodiless) && !closes && matches!(wire.more().await, Ok(false))
}
