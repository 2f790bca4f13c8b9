//! The first request to a host with a login: it goes alone, and the others wait for its answer.
//! Sent together, all would be refused, since only the answer says how to log in.

use super::lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Time after which the others go on all the same: by then, waiting costs more than refusals.
const PATIENCE: Duration = Duration::from_secs(3);

/// First requests, by host.
#[derive(Debug, Default)]
pub(super) struct First(Mutex<HashMap<String, Arc<Gate>>>);

/// Has one permit, which is never given back: the gate is closed when the answer is there.
#[derive(Debug)]
struct Gate {
    turn: Semaphore,
    waiting: AtomicUsize,
}

/// The turn to send the first request; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Gate>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turn.close();
    }
}

impl First {
    /// The turn, for the first who asks; others get none, and wait until it is over. `waits` is
    /// told how many do.
    pub(super) async fn turn(&self, host: &str, waits: impl FnOnce(usize)) -> Option<Turn> {
        let new = || Arc::new(Gate { turn: Semaphore::new(1), waiting: AtomicUsize::new(0) });
        let gate = Arc::clone(lock(&self.0).entry(host.to_owned()).or_insert_with(new));
        if gate.turn.try_acquire().map(SemaphorePermit::forget).is_ok() {
            return Some(Turn(gate));
        }
        if !gate.turn.is_closed() {
            waits(gate.waiting.fetch_add(1, Ordering::Relaxed) + 1);
            // Closed in the end, so it gives no permit.
            drop(timeout(PATIENCE, gate.turn.acquire()).await);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::time::Instant;

    const HOST: &str = "r.example";

    #[tokio::test(start_paused = true)]
    async fn one_goes_first_and_the_others_wait_until_its_turn_is_over() {
        let first = First::default();
        let most = Cell::new(0);
        let start = Instant::now();
        let turn = first.turn(HOST, |_| panic!("nobody to wait for")).await;
        assert!(turn.is_some());
        let others = async || first.turn(HOST, |waiting| most.set(most.get().max(waiting))).await;
        let ends = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(turn);
        };
        let ((), second, third) = tokio::join!(ends, others(), others());
        assert!(second.is_none() && third.is_none() && most.get() == 2);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert!(others().await.is_none(), "over for good");
        assert!(first.turn("other.example", |_| {}).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let first = First::default();
        let _turn = first.turn(HOST, |_| {}).await;
        let start = Instant::now();
        assert!(first.turn(HOST, |_| {}).await.is_none());
        assert_eq!(start.elapsed(), PATIENCE);
    }
}
