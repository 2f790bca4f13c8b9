//! One list in the making: what is asked, the way to registries, how far it has come. Every stage
//! is handed this.

use super::progress::Progress;
use crate::backoff::Backoff;
use crate::error::Error;
use crate::error::advice::{Access, Surroundings};
use crate::oci::{Digest, Reference};
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

/// A list on its way into registries.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The way there.
    pub registry: &'a Registry,
    /// What is to be done.
    pub plan: &'a Plan,
    /// Where we run.
    pub surroundings: &'a Surroundings,
    /// How far it has come.
    pub progress: &'a Progress,
}

impl Work<'_> {
    /// The error of a request to a registry.
    pub fn failed(&self, error: &registry::Error, what: &str, access: Access) -> Error {
        failure(error, what, access, self.surroundings)
    }

    /// Pushes, with patience for a registry that does not see yet what it showed us a moment ago:
    /// the `parts` that the manifest names.
    pub async fn put(
        &self,
        parts: &str,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
        digest: &Digest,
    ) -> Result<(), registry::Error> {
        let started = Instant::now();
        let mut backoff = Backoff::between(FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE);
        loop {
            let settled = self.registry.put_manifest(reference, media_type, bytes, digest).await;
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
        }
    }
}

/// The error of a target that could not be read.
pub fn cannot_read(
    error: &registry::Error,
    target: &Reference,
    surroundings: &Surroundings,
) -> Error {
    failure(error, &format!("read {target}"), Access::Pull, surroundings)
}

pub(super) fn failure(
    error: &registry::Error,
    what: &str,
    access: Access,
    surroundings: &Surroundings,
) -> Error {
    Error::of_registry(error, what, access, surroundings)
}
