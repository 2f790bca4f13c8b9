//! One index in the making: what is asked, the way to registries, how far it has come. Every stage
//! is handed this.

use super::progress::Progress;
use super::together::Seat;
use crate::backoff::Backoff;
use crate::console::Console;
use crate::oci::{Digest, Manifest, Reference};
use crate::plan::Plan;
use crate::registry::{self, Registry, Stored};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::info;

/// How long a registry may take to see the children that it just showed us.
const LAG: Duration = Duration::from_secs(60);
/// How long it may take to agree that the bytes are those of their digest.
pub(super) const DOUBT: Duration = Duration::from_secs(10);
pub(super) const FIRST_LAG_PAUSE: Duration = Duration::from_millis(250);
pub(super) const LONGEST_LAG_PAUSE: Duration = Duration::from_secs(4);

/// After a write: long enough for a writer that looked just before it to have written, too.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How much longer than ours the other writer's look and write may take.
const SLOWER_WRITER: u32 = 4;
/// Rounds until somebody has to look: with growing pauses about a minute.
const MOST_ROUNDS: u32 = 12;

/// Rounds of reading, changing and writing what others may write at the same time.
pub(super) struct Rounds {
    left: u32,
    backoff: Backoff,
}

impl Rounds {
    pub(super) fn new() -> Self {
        // Jittered upwards, so that two writers that met once do not meet for ever.
        let backoff = Backoff::between(FIRST_PAUSE, LONGEST_PAUSE).jittered(1.0, 2.0);
        Self { left: MOST_ROUNDS, backoff }
    }

    /// Whether there is another one, which then counts.
    pub(super) fn another(&mut self) -> bool {
        let is_another = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_another
    }

    /// Gives another writer its time after a round that began then.
    pub(super) async fn pause(&mut self, began: Instant) {
        // Where all is slow, the other writer is slow as well.
        sleep(self.backoff.next(fastrand::f64()).max(SLOWER_WRITER * began.elapsed())).await;
    }
}

/// An index on its way into registries.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The way there.
    pub registry: &'a Registry,
    /// What is to be done.
    pub plan: &'a Plan,
    /// How far it has come.
    pub progress: &'a Progress,
    /// Its place among the lists that it goes together with.
    pub seat: &'a Seat,
    /// Of the only index of a run: where its log is parted into groups, and where lines can move.
    pub console: Option<&'a Console>,
}

/// A manifest as it is pushed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    /// Its type.
    pub(super) media_type: &'a str,
    /// Its bytes.
    pub(super) bytes: &'a Bytes,
    /// SHA-256 of them.
    pub(super) digest: &'a Digest,
}

impl<'a> From<&'a Manifest> for Document<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        let Manifest { media_type, bytes, digest, .. } = manifest;
        Self { media_type, bytes, digest }
    }
}

impl Work<'_> {
    /// Starts a part of the log.
    pub(super) fn group(&self, title: &str) {
        if let Some(console) = self.console {
            console.group(title);
        }
    }

    /// Ends the part of the log: runners fold it, and a wait must be seen.
    pub(super) fn end_group(&self) {
        if let Some(console) = self.console {
            console.end_group();
        }
    }

    /// Pushes, with patience for a registry that does not see yet what it showed us a moment ago:
    /// the `parts` that the manifest names.
    pub(super) async fn put(
        &self,
        parts: &str,
        reference: &Reference,
        document: Document<'_>,
    ) -> Result<Stored, registry::Error> {
        let first = self.put_once(reference, document).await;
        self.put_after(first, parts, reference, document).await
    }

    /// Pushes without that patience.
    pub(super) async fn put_once(
        &self,
        reference: &Reference,
        Document { media_type, bytes, digest }: Document<'_>,
    ) -> Result<Stored, registry::Error> {
        self.registry.put_manifest(reference, media_type, bytes, digest).await
    }

    /// [`Self::put`] after a first push that ended so.
    pub(super) async fn put_after(
        &self,
        mut settled: Result<Stored, registry::Error>,
        parts: &str,
        reference: &Reference,
        document: Document<'_>,
    ) -> Result<Stored, registry::Error> {
        let started = Instant::now();
        let mut backoff = Backoff::between(FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE);
        loop {
            let patience = match &settled {
                Err(error) if error.misses_content() => LAG,
                Err(error) if error.doubts_content() => DOUBT,
                _ => return settled,
            };
            let remaining = patience.saturating_sub(started.elapsed());
            let Some(pause) = backoff.next_within(remaining, fastrand::f64()) else {
                return settled;
            };
            info!("push     {reference}: the registry does not see all {parts} yet, trying again");
            sleep(pause).await;
            settled = self.put_once(reference, document).await;
        }
    }
}
