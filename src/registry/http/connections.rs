//! Connections as they are opened: over TLS one alone, until it is known whether all requests can
//! share it (HTTP/2); and some before the requests that need them (HTTP/1.1).
//!
//! The HTTP library keeps the connections that were used, and hides how it opens others. A layer
//! around its connector is the one place where it lets us in.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, pending};
use hyper_util::client::legacy::connect::Connection;
use reqwest::{Client, Method};
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use tower_service::Service;
use url::{Position, Url};

/// Connections to a host up to which some are opened early, however many requests may be under way:
/// more would be guesses.
const MOST_EARLY: usize = 32;
/// Time for which one is kept that nothing needed: shorter than servers wait for a first request.
const KEPT: Duration = Duration::from_secs(5);

tokio::task_local! {
    static PURPOSE: Purpose;
}

/// What a connection is opened for. The library's own request for one cannot be read.
#[derive(Debug, Clone)]
struct Purpose {
    /// Such as `https://ghcr.io`.
    origin: String,
    is_early: bool,
}

/// A connection, of a type that the library does not name.
type Opened = Box<dyn Any + Send>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connections of one client.
#[derive(Clone)]
pub(super) struct Connections {
    origins: Arc<Mutex<HashMap<String, Origin>>>,
    /// Connections to a host up to which some are opened early.
    most_early: usize,
}

#[derive(Default)]
struct Origin {
    protocol: Option<Protocol>,
    /// Whether one is being opened whose protocol the others wait for.
    is_opening: bool,
    /// How many were opened that all requests share.
    shared: usize,
    /// How many were begun, early ones among them.
    begun: usize,
    /// Early ones under way that nobody waits for.
    coming: usize,
    /// Those who wait for an early one under way.
    claims: VecDeque<oneshot::Sender<Opened>>,
    /// Early ones that are open, by number.
    kept: VecDeque<(usize, Opened)>,
    numbers: usize,
    changed: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// One request at a time on a connection.
    Http1,
    /// All requests on one connection.
    Http2,
}

/// What may be done about a connection that is needed.
enum Next {
    Open,
    /// Opens it, and tells the others its protocol.
    OpenFirst,
    Wait,
    /// There is one by now that all share.
    Share,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connections")
    }
}

impl Connections {
    /// `concurrency`: requests under way at once, at most.
    pub(super) fn up_to(concurrency: usize) -> Self {
        Self { origins: Arc::default(), most_early: concurrency.min(MOST_EARLY) }
    }

    /// Carries out work that sends a request to this address.
    pub(super) fn used<'a, T>(
        url: &Url,
        work: impl Future<Output = T> + Send + 'a,
    ) -> BoxFuture<'a, T> {
        // Boxed, since what calls us has layers of its own: the compiler looks only so deep.
        PURPOSE.scope(Purpose { origin: origin(url), is_early: false }, work).boxed()
    }

    /// A client's connector that obeys these rules.
    pub(super) fn around<S>(&self, inner: S) -> Ruled<S> {
        Ruled { inner, connections: self.clone() }
    }

    /// Sees to it that there are so many connections to the host of an address, unless all requests
    /// share one. Waits for none. They are opened by requests of `client` that are never sent, so
    /// it must keep no connections that they could find.
    pub(super) fn open_early(&self, client: &Client, url: &Url, count: usize) {
        let origin = origin(url);
        let missing = self.with(&origin, |host| {
            if host.protocol == Some(Protocol::Http2) {
                return 0;
            }
            let missing = count.min(self.most_early).saturating_sub(host.begun);
            (host.begun, host.coming) = (host.begun + missing, host.coming + missing);
            missing
        });
        for _ in 0..missing {
            let purpose = Purpose { origin: origin.clone(), is_early: true };
            let request = client.request(Method::HEAD, url.clone()).send();
            tokio::spawn(PURPOSE.scope(purpose, request));
        }
    }

    /// A connection for a request: one that was opened early, or another.
    async fn needed<C: Connection + Send + 'static>(
        &self,
        origin: &str,
        connect: impl Future<Output = Result<C, BoxError>>,
    ) -> Result<C, BoxError> {
        if let Some(early) = self.early(origin).await
            && let Ok(connection) = early.downcast::<C>()
        {
            return Ok(*connection);
        }
        self.with(origin, |host| host.begun += 1);
        let first = match self.when_useful(origin, true).await {
            Next::OpenFirst => Some(First { connections: self, origin }),
            Next::Open => None,
            // The library gives the shared one to whoever waits for a connection, and drops this.
            Next::Wait | Next::Share => pending().await,
        };
        let connection = connect.await?;
        if let Some(first) = first {
            first.found(connection.connected().is_negotiated_h2());
        }
        Ok(connection)
    }

    /// Opens a connection for whoever will need it; always ends with an error for who asked.
    async fn in_advance<C: Send + 'static>(
        &self,
        origin: &str,
        connect: impl Future<Output = Result<C, BoxError>>,
    ) -> BoxError {
        let mut coming = Coming { connections: self, origin, is_over: false };
        if let Next::Open = self.when_useful(origin, false).await {
            match connect.await {
                Ok(connection) => {
                    if let Some(number) = coming.open(Box::new(connection)) {
                        let _kept = Kept { connections: self, origin, number };
                        sleep(KEPT).await;
                    }
                }
                Err(error) => return error,
            }
        }
        "opened early, for others".into()
    }

    /// One that was opened early, also if it is still under way.
    async fn early(&self, origin: &str) -> Option<Opened> {
        let coming = self.with(origin, |host| {
            if let Some((_, opened)) = host.kept.pop_front() {
                return Ok(opened);
            }
            let (sender, receiver) = oneshot::channel();
            // Before that, those under way may wait for this very request to tell the protocol.
            if host.coming > 0 && host.may_be_many(origin) {
                host.coming -= 1;
                host.claims.push_back(sender);
            }
            Err(receiver)
        });
        match coming {
            Ok(opened) => Some(opened),
            Err(coming) => coming.await.ok(),
        }
    }

    /// Waits until it is known whether another connection is of use.
    async fn when_useful(&self, origin: &str, may_be_first: bool) -> Next {
        let shared = self.with(origin, |host| host.shared);
        loop {
            let changed = self.with(origin, |host| Arc::clone(&host.changed));
            // Registered before the look, so that no change in between is missed.
            let changed = changed.notified();
            match self.with(origin, |host| host.next(origin, shared, may_be_first)) {
                Next::Wait => changed.await,
                next => return next,
            }
        }
    }

    fn with<T>(&self, origin: &str, act: impl FnOnce(&mut Origin) -> T) -> T {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        act(origins.entry(origin.to_owned()).or_default())
    }
}

impl Origin {
    /// Whether it is known that requests cannot share a connection.
    fn may_be_many(&self, origin: &str) -> bool {
        self.protocol == Some(Protocol::Http1) || !origin.starts_with("https:")
    }

    /// For one who has waited since there were so many shared ones.
    fn next(&mut self, origin: &str, shared: usize, may_be_first: bool) -> Next {
        match self.protocol {
            _ if self.may_be_many(origin) => Next::Open,
            Some(Protocol::Http2) if !may_be_first || self.shared > shared => Next::Share,
            _ if self.is_opening || !may_be_first => Next::Wait,
            _ => {
                self.is_opening = true;
                Next::OpenFirst
            }
        }
    }

    fn forget(&mut self, number: usize) {
        let before = self.kept.len();
        self.kept.retain(|(at, _)| *at != number);
        self.begun -= before - self.kept.len();
    }
}

/// A connection that others wait for to know its protocol, or to share it.
struct First<'a> {
    connections: &'a Connections,
    origin: &'a str,
}

impl First<'_> {
    fn found(self, is_http2: bool) {
        self.connections.with(self.origin, |host| {
            host.protocol = Some(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
            host.shared += usize::from(is_http2);
        });
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.connections.with(self.origin, |host| {
            host.is_opening = false;
            host.changed.notify_waiters();
        });
    }
}

/// An early one under way.
struct Coming<'a> {
    connections: &'a Connections,
    origin: &'a str,
    is_over: bool,
}

impl Coming<'_> {
    /// Hands it to who waits for one, or keeps it and returns its number.
    fn open(&mut self, mut opened: Opened) -> Option<usize> {
        self.is_over = true;
        self.connections.with(self.origin, |host| {
            while let Some(claim) = host.claims.pop_front() {
                match claim.send(opened) {
                    Ok(()) => return None,
                    // Who is gone leaves one under way to others.
                    Err(back) => (opened, host.coming) = (back, host.coming + 1),
                }
            }
            host.coming -= 1;
            host.numbers += 1;
            host.kept.push_back((host.numbers, opened));
            Some(host.numbers)
        })
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.connections.with(self.origin, |host| {
            host.begun -= 1;
            // Who waits for it opens one.
            if host.claims.pop_front().is_none() {
                host.coming -= 1;
            }
        });
    }
}

/// An early one that is open, as long as it is kept. The library may end its time early.
struct Kept<'a> {
    connections: &'a Connections,
    origin: &'a str,
    number: usize,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.connections.with(self.origin, |host| host.forget(self.number));
    }
}

/// A connector that obeys the rules of [`Connections`].
#[derive(Clone)]
pub(super) struct Ruled<S> {
    inner: S,
    connections: Connections,
}

impl<S, R> Service<R> for Ruled<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Response: Connection + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The inner one is asked when it is its turn.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (mut inner, connections) = (self.inner.clone(), self.connections.clone());
        let purpose = PURPOSE.try_with(Purpose::clone);
        Box::pin(async move {
            let connect = async move {
                poll_fn(|context| inner.poll_ready(context)).await?;
                inner.call(request).await
            };
            match purpose {
                Ok(Purpose { origin, is_early: false }) => {
                    connections.needed(&origin, connect).await
                }
                Ok(Purpose { origin, is_early: true }) => {
                    Err(connections.in_advance(&origin, connect).await)
                }
                Err(_) => connect.await,
            }
        })
    }
}

fn origin(url: &Url) -> String {
    url[..Position::BeforePath].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;
    use tokio::time::timeout;

    /// The library gives it a time of its own, from before it was asked for.
    #[tokio::test(start_paused = true)]
    async fn an_early_one_whose_time_ends_early_is_forgotten() {
        const ORIGIN: &str = "http://r.example";
        let connections = Connections::up_to(16);
        let counts = || connections.with(ORIGIN, |host| (host.begun, host.coming, host.kept.len()));
        connections.with(ORIGIN, |host| (host.begun, host.coming) = (1, 1));
        let early = connections.in_advance(ORIGIN, ready(Ok(())));
        assert!(timeout(KEPT / 2, early).await.is_err());
        assert_eq!(counts(), (0, 0, 0));
        connections.with(ORIGIN, |host| (host.begun, host.coming) = (1, 1));
        let early = connections.in_advance(ORIGIN, ready(Ok(())));
        let (_, while_kept) = tokio::join!(early, async { counts() });
        assert_eq!((while_kept, counts()), ((1, 0, 1), (0, 0, 0)));
    }
}
