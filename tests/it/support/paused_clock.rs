//! The paused clock: minutes pass in a moment. The program's future runs under tokio's paused
//! clock, which goes on only when no request is under way. By itself that clock runs ahead whenever
//! tasks wait for the network too; a blocking task keeps it from that.

use super::gate::Gate;
use super::http1::{Request, Wire};
use super::proxy::FaultProxy;
use super::rules::{Fault, Rule};
use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::yield_now;
use tokio::time::{Instant, advance};

const PING: &str = "/ping-of-the-paused-clock";

/// The paused clock of a test that is marked `#[tokio::test(start_paused = true)]`.
pub struct PausedClock {
    servers: Vec<(Gate, Mutex<Wire<TcpStream>>)>,
    start: Instant,
    // Ends the blocking task when it is dropped.
    _hold: mpsc::Sender<()>,
}

impl PausedClock {
    /// For a program that speaks to the servers behind these proxies.
    pub async fn before(proxies: &[&FaultProxy]) -> Self {
        let (hold, held) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held.recv());
        let mut servers = Vec::new();
        for proxy in proxies {
            proxy.rule(Rule::on("GET", PING).then(Fault::Status(200)));
            let ping = TcpStream::connect(proxy.host()).await.expect("the proxy listens");
            // Pings have one part, all others more.
            servers.push((proxy.gate("*", "/*/*"), Mutex::new(Wire::new(ping))));
        }
        Self { servers, start: Instant::now(), _hold: hold }
    }

    /// What the clock says, counted from the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Runs it to its end, the clock going on by `step` at a time. `event` is called between steps
    /// with the time.
    pub async fn run<T>(
        &self,
        step: Duration,
        work: impl Future<Output = T>,
        mut event: impl AsyncFnMut(Duration),
    ) -> T {
        let passing = async {
            loop {
                self.quiet().await;
                event(self.elapsed()).await;
                advance(step).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = passing => unreachable!("time does not end"),
        }
    }

    /// Returns when nothing is under way: what the program had to send was sent before our own
    /// request, and that was answered.
    async fn quiet(&self) {
        let ping =
            Request { method: "GET".to_owned(), target: PING.to_owned(), ..Request::default() }
                .encode();
        loop {
            let hits = || self.servers.iter().map(|(requests, _)| requests.hits()).sum::<usize>();
            let before = hits();
            for _ in 0..20 {
                yield_now().await;
            }
            for (_, wire) in &self.servers {
                let mut wire = wire.lock().await;
                wire.send(&ping).await.expect("the proxy takes a ping");
                let answer = wire
                    .response("GET")
                    .await
                    .expect("the proxy answers")
                    .expect("the proxy answers");
                assert_eq!(answer.status, 200);
            }
            let answers: usize = self.servers.iter().map(|(requests, _)| requests.answers()).sum();
            if (hits(), answers) == (before, before) {
                return;
            }
        }
    }
}
