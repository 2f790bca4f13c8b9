//! One index in the making: what is asked, the way to registries, how far it has come. Every stage
//! is handed this.

use super::progress::Progress;
use super::together::Seat;
use crate::backoff::Backoff;
use crate::console::Console;
use crate::oci::{Digest, Manifest, Reference};
use crate::plan::Plan;
use crate::registry::{self, Registry};
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
    ) -> Result<(), registry::Error> {
        let first = self.put_once(reference, document).await;
        self.put_after(first, parts, reference, document).await
    }

    /// Pushes without that patience.
    pub(super) async fn put_once(
        &self,
        reference: &Reference,
        Document { media_type, bytes, digest }: Document<'_>,
    ) -> Result<(), registry::Error> {
        self.registry.put_manifest(reference, media_type, bytes, digest).await
    }

    /// [`Self::put`] after a first push that ended so.
    pub(super) async fn put_after(
        &self,
        mut settled: Result<(), registry::Error>,
        parts: &str,
        reference: &Reference,
        document: Document<'_>,
    ) -> Result<(), registry::Error> {
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
