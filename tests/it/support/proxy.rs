//! A forwarding proxy before a registry, on 127.0.0.1 and a free port: it counts what passes,
//! breaks what it is told to break, and holds what it is told to hold. Host headers pass as they
//! are, so the registry's `Location`s lead back here.

use super::gate::Gate;
use super::http1::Request;
use super::proxy_connection;
use super::registry::Registry;
use super::request_log::{Entry, RequestLog};
use super::rules::{Rule, Rules, Schedule, matches};
use super::tcp_server::TcpServer;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What all connections of a proxy share.
#[derive(Debug)]
pub struct Shared {
    /// Where to forward to.
    pub upstream: String,
    /// What has passed.
    pub requests: Arc<RequestLog>,
    /// What goes wrong.
    pub rules: Rules,
    /// What is watched.
    pub gates: Mutex<Vec<Gate>>,
    /// Digest (or nothing) behind a manifest path before the last `PUT` to it.
    pub past: Mutex<HashMap<String, Option<String>>>,
}

/// A running proxy. Dropping it fails the test if a rule was never hit.
#[derive(Debug)]
pub struct FaultProxy {
    server: TcpServer,
    shared: Arc<Shared>,
    finished: bool,
}

impl FaultProxy {
    /// Starts before this registry; panics on one with TLS, because the proxy reads what passes.
    pub async fn before(registry: &Registry) -> Self {
        assert!(!registry.is_tls(), "the proxy cannot read TLS");
        Self::before_addr(&registry.host()).await
    }

    /// Starts before any plain HTTP server at `host:port`.
    pub async fn before_addr(upstream: &str) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), upstream)
    }

    /// Starts at this address, before any plain HTTP server at `host:port`.
    pub fn at(address: SocketAddr, upstream: &str) -> Self {
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            requests: Arc::default(),
            rules: Rules::default(),
            gates: Mutex::default(),
            past: Mutex::default(),
        });
        let serving = shared.clone();
        let server = TcpServer::serve_at(address, move |stream, _| {
            let nth = serving.requests.accepted();
            proxy_connection::connection(serving.clone(), stream, nth)
        });
        Self { server, shared, finished: false }
    }

    /// Makes answers leave in waves, see [`super::request_log`]: 60 ms are plenty on one machine.
    pub fn with_distance(self, distance: Duration) -> Self {
        self.shared.requests.set_distance(distance);
        self
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Adds something that goes wrong from now on.
    pub fn rule(&self, rule: Rule) {
        self.shared.rules.add(rule);
    }

    /// Lets this decide what goes wrong with every request from now on; `None` ends it.
    pub fn follow(&self, schedule: Option<Schedule>) {
        self.shared.rules.follow(schedule);
    }

    /// Watches requests with this method (`*`: any) and path pattern (`*`: any characters) from now
    /// on. It is open.
    pub fn gate(&self, method: &str, pattern: &str) -> Gate {
        let gate = Gate::new(method, pattern, self.shared.requests.clone());
        self.shared.gates.lock().expect("no panic while locked").push(gate.clone());
        gate
    }

    /// Every request so far, in the order of arrival.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.requests.entries()
    }

    /// The requests with this method (`*`: any) and path pattern.
    pub fn entries(&self, method: &str, pattern: &str) -> Vec<Entry> {
        let like = |e: &Entry| {
            let request = Request {
                method: e.method.clone(),
                target: e.target.clone(),
                ..Request::default()
            };
            matches(method, pattern, &request)
        };
        self.log().into_iter().filter(like).collect()
    }

    /// The number of requests with this method and path pattern.
    pub fn count(&self, method: &str, pattern: &str) -> usize {
        self.entries(method, pattern).len()
    }

    /// The log as a table, for messages.
    pub fn log_text(&self) -> String {
        self.shared.requests.text()
    }

    /// The number of requests.
    pub fn requests(&self) -> usize {
        self.log().len()
    }

    /// The number of connections that were opened.
    pub fn connections(&self) -> usize {
        self.shared.requests.connections()
    }

    /// The most requests that were under way at once.
    pub fn max_in_flight(&self) -> usize {
        self.shared.requests.max_in_flight()
    }

    /// The round trips that the client waited for, see [`super::request_log`]; exact only with a
    /// distance.
    pub fn round_trips(&self) -> usize {
        self.shared.requests.round_trips()
    }

    /// Ends it, and fails the test if a rule was never hit.
    pub fn finish(mut self) {
        self.check();
    }

    fn check(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            let never = self.shared.rules.never_hit();
            assert!(never.is_empty(), "rules that were never hit: {never:#?}\n{}", self.log_text());
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}
