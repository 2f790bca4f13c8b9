//! A small TCP server on its own thread, so that a test which blocks, or pauses tokio's clock, does
//! not stop it. The proxy, the token server and the scripted server stand on it.

use super::wait::until;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

/// A listening socket and the tasks that serve its connections; both end when it is dropped.
#[derive(Debug)]
pub struct TcpServer {
    runtime: Option<Runtime>,
    accepting: Option<JoinHandle<()>>,
    address: SocketAddr,
    kept: Option<DeadPort>,
}

impl TcpServer {
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
        let mut server = Self { runtime: Some(runtime), accepting: None, address, kept: None };
        server.listen(serve);
        server
    }

    /// Listens again, on the port it had before, after [`TcpServer::stop`].
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

    /// Closes the socket and all connections; returns when that is done. From then on nobody else is
    /// given the port.
    pub async fn stop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
        if self.kept.is_none() {
            self.kept = DeadPort::at(self.address).ok();
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

impl Drop for TcpServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A port on which nobody listens. As long as this lives, the kernel refuses connections to it and
/// gives it to nobody who asks for a free port. A server that asks for this very port gets it if it
/// sets `SO_REUSEADDR`, as std, tokio and Go do.
#[derive(Debug)]
pub struct DeadPort {
    // Bound, and never listening.
    _socket: TcpSocket,
    address: SocketAddr,
}

impl DeadPort {
    /// A free one of 127.0.0.1.
    pub fn any() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")
    }

    /// The one of this address; an error while somebody listens there.
    pub fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { _socket: socket, address })
    }

    /// The number.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}
