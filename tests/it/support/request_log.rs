//! The log of a proxy: every request with what became of it, and the number of round trips.
//!
//! Round trips are counted as for a client far away. A connection costs 2 after the newest answer
//! known when it was accepted. A request costs 1 after its connection and after the newest answer
//! known when it arrived. The highest of these numbers is the number of round trips.
//!
//! With a *distance*, answers leave in waves: a wave leaves when every request under way has its
//! answer and nothing new has arrived for that long. Requests that do not wait for each other share
//! a wave, on a slow machine too, and on one that stood still for a while: only the time counts in
//! which the proxy was awake to see what arrives.

use super::http1::Request;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// The most that one tick counts: ticks are 1 to 5 ms apart unless something held the proxy up.
const LONGEST_TICK: Duration = Duration::from_millis(10);

/// For how long nothing has arrived, in ticks.
#[derive(Debug)]
pub struct Quiet {
    lasted: Duration,
    ticked: Instant,
}

impl Quiet {
    /// Begins now.
    pub fn since(now: Instant) -> Self {
        Self { lasted: Duration::ZERO, ticked: now }
    }

    /// Counts the time since the last tick, but no more than the longest one; returns the whole.
    pub fn tick(&mut self, now: Instant) -> Duration {
        self.lasted += now.saturating_duration_since(self.ticked).min(LONGEST_TICK);
        self.ticked = now;
        self.lasted
    }
}

/// One request through the proxy.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `GET`, `PUT`…
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The path with its query.
    pub target: String,
    /// The answer's; 0 while there is none, or when the connection was reset instead.
    pub status: u16,
    /// The header as received.
    pub authorization: Option<String>,
    /// The header as received.
    pub user_agent: Option<String>,
    /// The header as received.
    pub host: Option<String>,
    /// Bytes of the request's body.
    pub request_bytes: usize,
    /// Bytes of body sent back.
    pub response_bytes: usize,
    /// Which connection, from 1.
    pub connection: usize,
    /// Requests under way when this one arrived, itself included.
    pub in_flight_at_arrival: usize,
    /// The round trips up to and including its answer.
    pub depth: usize,
    /// What rules did to it.
    pub faults: Vec<String>,
    /// When it arrived, counted from the start of the first proxy: so those of several can be
    /// compared.
    pub at: Duration,
    /// When it was over.
    pub until: Option<Duration>,
}

impl Entry {
    /// Whether it changes what the registry holds.
    pub fn writes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

#[derive(Debug)]
struct State {
    entries: Vec<Entry>,
    connections: Vec<usize>,
    known: usize,
    in_flight: usize,
    max_in_flight: usize,
    busy: usize,
    wave: u64,
    quiet: Quiet,
    distance: Duration,
}

/// The log that all connections of a proxy share.
#[derive(Debug)]
pub struct RequestLog {
    start: Instant,
    state: Mutex<State>,
}

impl Default for RequestLog {
    fn default() -> Self {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let start = *FIRST.get_or_init(Instant::now);
        let state = State {
            entries: Vec::new(),
            connections: Vec::new(),
            known: 0,
            in_flight: 0,
            max_in_flight: 0,
            busy: 0,
            wave: 0,
            quiet: Quiet::since(Instant::now()),
            distance: Duration::ZERO,
        };
        Self { start, state: Mutex::new(state) }
    }
}

impl RequestLog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }

    /// Sets how far away the client is, see above.
    pub fn set_distance(&self, distance: Duration) {
        self.state().distance = distance;
    }

    /// Whether it is away at all.
    pub fn is_far(&self) -> bool {
        !self.state().distance.is_zero()
    }

    /// Counts the time since the last tick: to be called every few milliseconds while a request is
    /// under way, so that a slow answer finds that it was quiet meanwhile.
    pub fn tick(&self) {
        self.state().quiet.tick(Instant::now());
    }

    /// Counts a connection that was accepted; returns its number, from 1.
    pub fn accepted(&self) -> usize {
        let mut state = self.state();
        let depth = state.known + 2;
        state.connections.push(depth);
        state.quiet = Quiet::since(Instant::now());
        state.connections.len()
    }

    /// Enters a request whose head arrived on this connection.
    pub fn arrived(self: &Arc<Self>, connection: usize, request: &Request) -> Pending {
        let mut state = self.state();
        state.in_flight += 1;
        state.busy += 1;
        state.max_in_flight = state.max_in_flight.max(state.in_flight);
        state.quiet = Quiet::since(Instant::now());
        let entry = Entry {
            method: request.method.clone(),
            path: request.path().to_owned(),
            target: request.target.clone(),
            status: 0,
            authorization: request.header("authorization").map(str::to_owned),
            user_agent: request.header("user-agent").map(str::to_owned),
            host: request.header("host").map(str::to_owned),
            request_bytes: 0,
            response_bytes: 0,
            connection,
            in_flight_at_arrival: state.in_flight,
            depth: state.connections[connection - 1].max(state.known) + 1,
            faults: Vec::new(),
            at: self.start.elapsed(),
            until: None,
        };
        state.entries.push(entry);
        Pending { log: self.clone(), index: state.entries.len() - 1, busy: true }
    }

    /// A copy of all entries, in the order of arrival.
    pub fn entries(&self) -> Vec<Entry> {
        self.state().entries.clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.state().connections.len()
    }

    /// The most requests that were under way at once.
    pub fn max_in_flight(&self) -> usize {
        self.state().max_in_flight
    }

    /// The number of round trips, see above.
    pub fn round_trips(&self) -> usize {
        self.state().entries.iter().map(|e| e.depth).max().unwrap_or(0)
    }

    /// The log as a table, for messages of failed tests.
    pub fn text(&self) -> String {
        let mut text = String::from("  ms  conn depth status request\n");
        for e in self.entries() {
            let (ms, faults) = (
                e.at.as_millis(),
                if e.faults.is_empty() { String::new() } else { format!("  {:?}", e.faults) },
            );
            let _ = writeln!(
                text,
                "{ms:>5} {:>4} {:>5} {:>6} {} {}{faults}",
                e.connection, e.depth, e.status, e.method, e.target
            );
        }
        text
    }
}

/// A request under way; one that is dropped without an answer counts as reset.
#[derive(Debug)]
pub struct Pending {
    log: Arc<RequestLog>,
    index: usize,
    busy: bool,
}

impl Pending {
    /// Enters the size of its body and what will go wrong.
    pub fn received(&self, bytes: usize, faults: Vec<String>) {
        let mut state = self.log.state();
        let entry = &mut state.entries[self.index];
        entry.request_bytes = bytes;
        entry.faults = faults;
    }

    /// Makes waves leave without it: its answer will be long in coming.
    pub fn aside(&mut self) {
        if std::mem::take(&mut self.busy) {
            self.log.state().busy -= 1;
        }
    }

    /// Makes waves wait for it again.
    pub fn resume(&mut self) {
        if !std::mem::replace(&mut self.busy, true) {
            self.log.state().busy += 1;
        }
    }

    /// Returns when the wave of its answer, which is ready, may leave.
    pub async fn ready(&mut self) {
        self.aside();
        let wave = self.log.state().wave;
        loop {
            let wait = {
                let mut state = self.log.state();
                if state.distance.is_zero() || state.wave > wave {
                    return;
                }
                let quiet = state.quiet.tick(Instant::now());
                if state.busy == 0 && quiet >= state.distance {
                    state.wave += 1;
                    return;
                }
                state.distance.saturating_sub(quiet)
            };
            tokio::time::sleep(wait.clamp(Duration::from_millis(1), Duration::from_millis(5)))
                .await;
        }
    }

    /// Enters the answer that is about to leave: what arrives from now on knows it.
    pub fn answered(self, status: u16, bytes: usize) {
        let mut state = self.log.state();
        let entry = &mut state.entries[self.index];
        entry.status = status;
        entry.response_bytes = bytes;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.aside();
        let mut state = self.log.state();
        state.in_flight -= 1;
        let entry = &mut state.entries[self.index];
        entry.until = Some(self.log.start.elapsed());
        state.known = state.known.max(state.entries[self.index].depth);
    }
}
