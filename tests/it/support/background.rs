//! A small TCP server on its own thread, so that a test which blocks, or pauses tokio's clock, does
//! not stop it. Used by the proxy, the token server and the liar. It dies when it is dropped.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

/// How long any wait of the test support may last before it fails the test.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A listening socket on 127.0.0.1 and the tasks that serve its connections.
#[derive(Debug)]
pub struct Background {
    runtime: Option<Runtime>,
    accepting: Option<JoinHandle<()>>,
    address: SocketAddr,
}

impl Background {
    /// Listens on a free port and calls `serve(stream, n)` for the n-th connection, counted from 1.
    pub fn serve<F, T>(serve: F) -> Self
    where
        F: FnMut(TcpStream, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Self::serve_at(([127, 0, 0, 1], 0).into(), serve)
    }

    /// The same at this address.
    pub fn serve_at<F, T>(address: SocketAddr, serve: F) -> Self
    where
        F: FnMut(TcpStream, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("test-server")
            .enable_all()
            .build()
            .expect("a runtime for a test server");
        let mut server = Self { runtime: Some(runtime), accepting: None, address };
        server.listen(serve);
        server
    }

    /// Listens again, on the port it had before, after [`Background::stop`].
    pub fn listen<F, T>(&mut self, mut serve: F)
    where
        F: FnMut(TcpStream, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        assert!(self.accepting.is_none(), "this server listens already");
        let runtime = self.runtime.as_ref().expect("the runtime lives as long as the server");
        let listener = StdListener::bind(self.address)
            .unwrap_or_else(|e| panic!("cannot listen on {}: {e}", self.address));
        self.address = listener.local_addr().expect("a bound socket has an address");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        self.accepting = Some(runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a runtime takes a socket");
            let mut connections = JoinSet::new();
            let mut nth = 0;
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                nth += 1;
                connections.spawn(serve(stream, nth));
                while connections.try_join_next().is_some() {}
            }
        }));
    }

    /// Closes the socket and all connections; returns when that is done.
    pub async fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        // Aborted connections are closed by the runtime a moment later; the listener is gone
        // already.
        let address = self.address;
        until("a stopped server refuses connections", || async move {
            TcpStream::connect(address).await.is_err()
        })
        .await;
    }

    /// Whether it is listening.
    pub fn is_up(&self) -> bool {
        self.accepting.is_some()
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Looks at a condition every few milliseconds until it holds; panics with `what` after
/// [`PATIENCE`].
pub async fn until<F, T>(what: &str, mut holds: F)
where
    F: FnMut() -> T,
    T: Future<Output = bool>,
{
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// A port of 127.0.0.1 on which nobody listens (it was free a moment ago).
pub fn closed_port() -> u16 {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// The error of a peer that went away in the middle.
pub fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer went away in the middle of a message")
}
