//! What a request waits for before it is sent: its turn at the host, then one of the run's permits.
//!
//! Nobody who holds a permit of the run waits for a host's width, and nobody who stands in a line
//! holds anything, so no two can wait for each other.

use super::limiter::{Permit, Share};
use super::{Attempts, Terms};
use crate::oci::Repository;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Blobs that are copied at once: more would only hold more in memory.
const MOST_COPIES: usize = 6;
/// Requests that a copy has in flight most of the time: what it reads, and what it writes.
const REQUESTS_OF_A_COPY: usize = 2;

/// The run's permits, for all hosts.
#[derive(Debug)]
pub(super) struct Permits {
    requests: Semaphore,
    copies: Semaphore,
    of_a_copy: usize,
}

impl Permits {
    /// `most`: requests in flight at once.
    pub(super) fn new(most: usize) -> Self {
        Self {
            requests: Semaphore::new(most),
            copies: Semaphore::new(MOST_COPIES),
            of_a_copy: REQUESTS_OF_A_COPY.min(most),
        }
    }
}

/// What a request holds while it is under way; `None`: it rides on the permits of another.
pub(super) type Held<'a> = Option<(Permit<'a>, Option<SemaphorePermit<'a>>)>;

/// What a copy of a blob holds for all its requests.
#[derive(Debug)]
pub(crate) struct CopyPermits<'a> {
    _copy: Option<SemaphorePermit<'a>>,
    _shares: Vec<Share<'a>>,
    _requests: Option<SemaphorePermit<'a>>,
}

impl Attempts {
    /// Permits for a copy of a blob between these repositories. A file takes no requests.
    pub(crate) async fn permits_for_copy<'a>(
        &'a self,
        from: &'a Repository,
        to: &'a Repository,
    ) -> CopyPermits<'a> {
        let Permits { requests, copies, of_a_copy } = &self.permits;
        // The semaphores are never closed, so permits always come.
        let copy = copies.acquire().await.ok();
        let shares = match (from.file(), to.file()) {
            (None, None) if from.host() == to.host() => {
                vec![self.limiter.share(from.host(), *of_a_copy)]
            }
            _ => [from, to]
                .into_iter()
                .filter(|repository| repository.file().is_none())
                .map(|repository| self.limiter.share(repository.host(), 1))
                .collect(),
        };
        for share in &shares {
            share.free().await;
        }
        let requests = requests.acquire_many(u32::try_from(*of_a_copy).unwrap_or(1)).await.ok();
        CopyPermits { _copy: copy, _shares: shares, _requests: requests }
    }

    /// What one request needs that was tried so often.
    pub(super) async fn permits<'a>(
        &'a self,
        host: &'a str,
        terms: Terms<'_>,
        tries: u32,
    ) -> Held<'a> {
        if terms.has_permit {
            // To stand in line behind oneself would take for ever, and a stream that broke would
            // do that: the request that asks where it stands is the one that waits.
            if !terms.is_stream || tries == 0 {
                self.limiter.admit(host).await;
            }
            return None;
        }
        let place = self.limiter.stand_in_line(host);
        loop {
            // The run's permit is nothing to hold while a host makes a pause: others may be asked.
            place.ready().await;
            // The semaphore is never closed, so a permit always comes.
            let of_run = self.permits.requests.acquire().await.ok();
            if let Some(of_host) = place.permit() {
                return Some((of_host, of_run));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Reference;
    use crate::registry::attempts::width::Heard;
    use crate::secret::Secrets;
    use futures_util::future::join_all;
    use std::cell::{Cell, RefCell};
    use std::time::Duration;
    use tokio::time::{Instant, sleep, timeout};

    const HOSTS: [&str; 2] = ["a.example", "b.example"];

    /// What is in flight at each host, and what was seen of it.
    #[derive(Default)]
    struct Seen {
        now: [Cell<usize>; 2],
        refused: [Cell<bool>; 2],
        too_many: Cell<usize>,
        done: Cell<usize>,
    }

    /// Requests and copies in both directions, of which some are given up while they wait, at hosts
    /// that refuse some and fail now and then: all of them end, and what may be in flight is kept.
    #[tokio::test(start_paused = true)]
    async fn everything_ends_whoever_waits_for_whom() {
        for seed in 0..60 {
            let most = [1, 2, 3, 16, 32, 256][seed as usize % 6];
            let attempts = Attempts::new(most, Secrets::default());
            let (random, seen) = (RefCell::new(fastrand::Rng::with_seed(seed)), Seen::default());
            let repositories = HOSTS
                .map(|host| format!("{host}/acme/app:1").parse::<Reference>().unwrap().repository);
            let request = async |at: usize| {
                let began = Instant::now();
                let milliseconds = random.borrow_mut().u64(1..900);
                sleep(Duration::from_millis(milliseconds)).await;
                let status = if random.borrow_mut().u8(..) < 8 { 429 } else { 200 };
                let took = Some(began.elapsed());
                attempts.limiter.answered(HOSTS[at], Heard { status, began, took });
                if status == 429 {
                    seen.refused[at].set(true);
                    attempts.limiter.pause(HOSTS[at], Duration::from_secs(1));
                }
            };
            let single = async |at: usize| {
                let _held = attempts.permits(HOSTS[at], Terms::default(), 0).await;
                let in_flight = &seen.now[at];
                in_flight.set(in_flight.get() + 1);
                if seen.refused[at].get() && in_flight.get() > 16 || in_flight.get() > most {
                    seen.too_many.set(seen.too_many.get() + 1);
                }
                request(at).await;
                in_flight.set(in_flight.get() - 1);
                seen.done.set(seen.done.get() + 1);
            };
            let copy = async |from: usize, to: usize| {
                let _held = attempts.permits_for_copy(&repositories[from], &repositories[to]).await;
                for _ in 0..3 {
                    let riding = Terms { has_permit: true, ..Terms::default() };
                    attempts.permits(HOSTS[to], riding, 0).await;
                    request(to).await;
                }
                seen.done.set(seen.done.get() + 1);
            };
            let tasks = join_all((0..300).map(|_| async {
                let (from, to, kind) = {
                    let mut random = random.borrow_mut();
                    (random.usize(0..2), random.usize(0..2), random.u8(0..10))
                };
                match kind {
                    0 => copy(from, to).await,
                    // Given up before it holds anything, or not at all.
                    1 => drop(
                        timeout(
                            Duration::from_millis(5),
                            attempts.permits(HOSTS[to], Terms::default(), 0),
                        )
                        .await,
                    ),
                    2 => drop(
                        timeout(
                            Duration::from_millis(5),
                            attempts.permits_for_copy(&repositories[from], &repositories[to]),
                        )
                        .await,
                    ),
                    _ => single(to).await,
                }
            }));
            let ended = timeout(Duration::from_secs(3600), tasks).await;
            assert!(ended.is_ok(), "seed {seed}, at most {most}: {} done", seen.done.get());
            assert_eq!(seen.too_many.get(), 0, "seed {seed}, at most {most}");
        }
    }
}
