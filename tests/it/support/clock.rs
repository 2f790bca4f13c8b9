//! The proxy's book: every request with what became of it, and a logical clock that counts round
//! trips.
//!
//! A connection costs 2 after the newest answer known when it was accepted; a request costs 1 after
//! its connection and after the newest answer known when it arrived. The clock's highest value is
//! the number of round trips that a client far away would have waited for. With a *distance*,
//! answers leave in waves: when every request under way has its answer and nothing new has arrived
//! for that long. So requests that do not wait for each other share a wave, on a slow machine too.

use super::http1::Request;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

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
    /// Its place on the clock: round trips up to and including its answer.
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
struct Book {
    entries: Vec<Entry>,
    connections: Vec<usize>,
    known: usize,
    in_flight: usize,
    max_in_flight: usize,
    busy: usize,
    wave: u64,
    last_arrival: Instant,
    distance: Duration,
}

/// The book, shared by all connections.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    book: Mutex<Book>,
}

impl Default for Clock {
    fn default() -> Self {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let start = *FIRST.get_or_init(Instant::now);
        let book = Book {
            entries: Vec::new(),
            connections: Vec::new(),
            known: 0,
            in_flight: 0,
            max_in_flight: 0,
            busy: 0,
            wave: 0,
            last_arrival: Instant::now(),
            distance: Duration::ZERO,
        };
        Self { start, book: Mutex::new(book) }
    }
}

impl Clock {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no panic while locked")
    }

    /// How far away the client is, see above.
    pub fn set_distance(&self, distance: Duration) {
        self.book().distance = distance;
    }

    /// A connection was accepted; its number, from 1.
    pub fn accepted(&self) -> usize {
        let mut book = self.book();
        let depth = book.known + 2;
        book.connections.push(depth);
        book.last_arrival = Instant::now();
        book.connections.len()
    }

    /// A request's head arrived on this connection.
    pub fn arrived(self: &Arc<Self>, connection: usize, request: &Request) -> Pending {
        let mut book = self.book();
        book.in_flight += 1;
        book.busy += 1;
        book.max_in_flight = book.max_in_flight.max(book.in_flight);
        book.last_arrival = Instant::now();
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
            in_flight_at_arrival: book.in_flight,
            depth: book.connections[connection - 1].max(book.known) + 1,
            faults: Vec::new(),
            at: self.start.elapsed(),
            until: None,
        };
        book.entries.push(entry);
        Pending { clock: self.clone(), index: book.entries.len() - 1, busy: true }
    }

    /// A copy of all entries, in the order of arrival.
    pub fn entries(&self) -> Vec<Entry> {
        self.book().entries.clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.book().connections.len()
    }

    /// The most requests that were under way at once.
    pub fn max_in_flight(&self) -> usize {
        self.book().max_in_flight
    }

    /// The highest value of the clock.
    pub fn round_trips(&self) -> usize {
        self.book().entries.iter().map(|e| e.depth).max().unwrap_or(0)
    }

    /// The book as a table for messages of failed tests.
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

/// A request under way. Dropped without an answer it counts as reset.
#[derive(Debug)]
pub struct Pending {
    clock: Arc<Clock>,
    index: usize,
    busy: bool,
}

impl Pending {
    /// Its body has arrived, and this will go wrong.
    pub fn received(&self, bytes: usize, faults: Vec<String>) {
        let mut book = self.clock.book();
        let entry = &mut book.entries[self.index];
        entry.request_bytes = bytes;
        entry.faults = faults;
    }

    /// Its answer will be long in coming: waves shall not wait for it.
    pub fn aside(&mut self) {
        if std::mem::take(&mut self.busy) {
            self.clock.book().busy -= 1;
        }
    }

    /// Its answer is on the way after all.
    pub fn resume(&mut self) {
        if !std::mem::replace(&mut self.busy, true) {
            self.clock.book().busy += 1;
        }
    }

    /// Its answer is ready: returns when the wave may leave.
    pub async fn ready(&mut self) {
        self.aside();
        let wave = self.clock.book().wave;
        loop {
            let wait = {
                let mut book = self.clock.book();
                if book.distance.is_zero() || book.wave > wave {
                    return;
                }
                let quiet = book.last_arrival.elapsed();
                if book.busy == 0 && quiet >= book.distance {
                    book.wave += 1;
                    return;
                }
                book.distance.saturating_sub(quiet)
            };
            tokio::time::sleep(wait.clamp(Duration::from_millis(1), Duration::from_millis(5)))
                .await;
        }
    }

    /// The answer is about to leave: what arrives from now on knows it.
    pub fn answered(self, status: u16, bytes: usize) {
        let mut book = self.clock.book();
        let entry = &mut book.entries[self.index];
        entry.status = status;
        entry.response_bytes = bytes;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.aside();
        let mut book = self.clock.book();
        book.in_flight -= 1;
        let entry = &mut book.entries[self.index];
        entry.until = Some(self.clock.start.elapsed());
        book.known = book.known.max(book.entries[self.index].depth);
    }
}
