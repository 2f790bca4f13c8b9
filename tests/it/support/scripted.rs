//! A scripted server: it answers what a test tells it to, where no real registry and no proxy would.
//! It keeps what it was sent, so that a test can prove that a secret never came.

pub use super::http1::Request;
use super::http1::{Response, Wire};
use super::tcp_server::TcpServer;
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;

/// What the server does about one request.
#[derive(Debug, Clone)]
pub enum Reply {
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

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Response> for Reply {
    fn from(answer: Response) -> Self {
        Self::Bytes(answer.encode())
    }
}

/// A whole answer with a right `Content-Length`, as bytes.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Vec<u8> {
    Response::new(status, headers, body).encode()
}

/// What the server does about a request and its number, from 1.
type Script = Arc<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// A running scripted server.
pub struct ScriptedServer {
    server: TcpServer,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    /// The bytes of endless answers that clients took.
    endless_bytes: Arc<Mutex<usize>>,
}

impl ScriptedServer {
    /// Answers the n-th request (from 1, over all connections) with what `script` says.
    pub fn answering<L: Into<Reply>>(
        script: impl Fn(&Request, usize) -> L + Send + Sync + 'static,
    ) -> Self {
        let script: Script = Arc::new(move |request, nth| script(request, nth).into());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let endless_bytes: Arc<Mutex<usize>> = Arc::default();
        let (seen, counted, taken) =
            (Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&endless_bytes));
        let server = TcpServer::serve(move |stream, nth| {
            *counted.lock().expect("no panic while locked") = nth;
            serve(script.clone(), Arc::clone(&seen), Arc::clone(&taken), stream)
        });
        Self { server, requests, connections, endless_bytes }
    }

    /// Answers the n-th request with the n-th of these, and with 500 when they are used up.
    pub fn in_turn<L: Into<Reply>>(answers: Vec<L>) -> Self {
        let answers: Vec<Reply> = answers.into_iter().map(Into::into).collect();
        Self::answering(move |_, nth| {
            let over = || Reply::Bytes(answer(500, &[], "the script is over"));
            answers.get(nth - 1).cloned().unwrap_or_else(over)
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic while locked").clone()
    }

    /// How many connections were opened, whether or not a request came.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("no panic while locked")
    }

    /// How many bytes of endless answers clients have taken.
    pub fn endless_bytes(&self) -> usize {
        *self.endless_bytes.lock().expect("no panic while locked")
    }
}

async fn serve(
    script: Script,
    seen: Arc<Mutex<Vec<Request>>>,
    endless_bytes: Arc<Mutex<usize>>,
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
        match script(&request, nth) {
            Reply::Bytes(bytes) => {
                if wire.send(&bytes).await.is_err() || !whole(&bytes, &request.method).await {
                    return;
                }
            }
            Reply::Endless(start, more) => {
                let mut next = start;
                while wire.send(&next).await.is_ok() {
                    *endless_bytes.lock().expect("no panic while locked") += next.len();
                    next.clone_from(&more);
                }
                return;
            }
            Reply::Silence => return wire.until_gone().await,
            Reply::Stall(bytes) => {
                let _ = wire.send(&bytes).await;
                return wire.until_gone().await;
            }
            Reply::Reset => {
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
