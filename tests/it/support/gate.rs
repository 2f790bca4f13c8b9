//! A gate: a test waits until certain requests have happened, or holds them until it is ready. It is
//! a condition where others sleep.

use super::http1::{Request, Wire};
use super::request_log::{Pending, RequestLog};
use super::rules::matches;
use super::wait::PATIENCE;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;

#[derive(Debug, Default)]
struct State {
    hits: usize,
    answers: usize,
    hold_from: Option<usize>,
}

/// A watch on the requests that match, see [`super::proxy::FaultProxy::gate`]; clones are the same
/// gate.
#[derive(Debug, Clone)]
pub struct Gate {
    method: String,
    pattern: String,
    state: watch::Sender<State>,
    requests: Arc<RequestLog>,
}

impl Gate {
    /// An open gate.
    pub fn new(method: &str, pattern: &str, requests: Arc<RequestLog>) -> Self {
        Self {
            method: method.to_owned(),
            pattern: pattern.to_owned(),
            state: watch::Sender::default(),
            requests,
        }
    }

    /// The number of requests that have arrived.
    pub fn hits(&self) -> usize {
        self.state.borrow().hits
    }

    /// The number of requests that are over, answered or not.
    pub fn answers(&self) -> usize {
        self.state.borrow().answers
    }

    /// Holds every request that arrives from now on.
    pub fn hold(&self) {
        self.hold_from(self.hits() + 1);
    }

    /// Holds hit `n` (from 1) and all later ones.
    pub fn hold_from(&self, n: usize) {
        self.state.send_modify(|state| state.hold_from = Some(n));
    }

    /// Lets all go and holds no more.
    pub fn release(&self) {
        self.state.send_modify(|state| state.hold_from = None);
    }

    /// Returns when `n` requests have arrived in all; panics with the proxy's log after 20 s.
    pub async fn wait_for_hits(&self, n: usize) {
        self.wait(&format!("{n} hits"), |state| state.hits >= n).await;
    }

    /// Returns when `n` requests are over in all; panics with the proxy's log after 20 s.
    pub async fn wait_for_answers(&self, n: usize) {
        self.wait(&format!("{n} answers"), |state| state.answers >= n).await;
    }

    async fn wait(&self, what: &str, holds: impl FnMut(&State) -> bool) {
        let mut watching = self.state.subscribe();
        if tokio::time::timeout(PATIENCE, watching.wait_for(holds)).await.is_err() {
            let (method, pattern, log) = (&self.method, &self.pattern, self.requests.text());
            panic!(
                "waited {PATIENCE:?} in vain for {what} of {method} {pattern}; there were {}:\n{log}",
                self.hits()
            );
        }
    }

    /// Whether this gate is for this request.
    pub fn is_for(&self, request: &Request) -> bool {
        matches(&self.method, &self.pattern, request)
    }

    /// Counts a request in, and keeps it while the gate is held; `false` when the client went away
    /// meanwhile.
    pub async fn pass(&self, pending: &mut Pending, client: &mut Wire<TcpStream>) -> bool {
        let mut nth = 0;
        self.state.send_modify(|state| {
            state.hits += 1;
            nth = state.hits;
        });
        let mut watching = self.state.subscribe();
        let free = |state: &State| state.hold_from.is_none_or(|from| nth < from);
        if free(&watching.borrow()) {
            return true;
        }
        pending.aside();
        let stays = tokio::select! {
            _ = watching.wait_for(free) => true,
            () = client.until_gone() => false,
        };
        pending.resume();
        stays
    }

    /// Counts a request out.
    pub fn over(&self) {
        self.state.send_modify(|state| state.answers += 1);
    }
}
