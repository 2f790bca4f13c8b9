//! What stands before a server and counts the connections over which TLS is begun.

use super::certs::Identity;
use super::tcp_server::TcpServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// A listener on 127.0.0.1 that passes on what comes.
#[derive(Debug)]
pub struct Front {
    server: TcpServer,
    begun: Arc<AtomicUsize>,
}

impl Front {
    /// Before a server with TLS, which is passed on as it is.
    pub fn before_tls(upstream: &str) -> Self {
        Self::serve(upstream, None)
    }

    /// Before a server without TLS: speaks TLS with this identity, and these protocols in ALPN.
    pub fn with_tls(upstream: &str, identity: &Identity, protocols: &[&str]) -> Self {
        let mut config = identity.tls();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self::serve(upstream, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn serve(upstream: &str, acceptor: Option<TlsAcceptor>) -> Self {
        let begun = Arc::new(AtomicUsize::new(0));
        let (counted, upstream) = (Arc::clone(&begun), upstream.to_owned());
        let server = TcpServer::serve(move |stream, _| {
            let (counted, upstream) = (Arc::clone(&counted), upstream.clone());
            let acceptor = acceptor.clone();
            async move {
                // A connection on which nothing comes is none that TLS was begun on.
                if !matches!(stream.peek(&mut [0]).await, Ok(1)) {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                match acceptor {
                    None => pass(stream, &upstream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            pass(stream, &upstream).await;
                        }
                    }
                }
            }
        });
        Self { server, begun }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Connections over which TLS was begun.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }
}

async fn pass(mut from: impl AsyncRead + AsyncWrite + Unpin, upstream: &str) {
    if let Ok(mut to) = TcpStream::connect(upstream).await {
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}
