//! Reads back what was published, until the registry agrees or time is up.

use crate::backoff::Backoff;
use crate::error::{Error, Exit};
use crate::oci::{Digest, Reference};
use crate::pipeline::compose::Composed;
use crate::pipeline::progress::{Progress, TagState, Tagged};
use crate::registry::{self, Registry};
use crate::text::duration;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::info;

/// How long a registry may lag behind its own writes.
const LAG: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Compares every moved tag with what was put there: the first by its bytes, the others by their digest.
pub(super) async fn tags(
    registry: &Registry,
    composed: &Composed,
    progress: &Progress,
) -> Result<(), Error> {
    let all = progress.tags().into_iter();
    let moved: Vec<Tagged> = all.filter(|tagged| tagged.state == TagState::Moved).collect();
    let checks = moved.iter().enumerate().map(|(at, tagged)| {
        until_it_agrees(registry, tagged.digest(&composed.digest), &tagged.tag, at == 0)
    });
    let doubts: Vec<String> = join_all(checks).await.into_iter().filter_map(Result::err).collect();
    if doubts.is_empty() {
        if !moved.is_empty() {
            info!("verify   read back as pushed");
        }
        return Ok(());
    }
    Err(Error::new(
        Exit::Partial,
        format!("pushed, but the registry still shows another digest after {} s", LAG.as_secs()),
    )
    .with_details(doubts)
    .with_fix(
        "did anybody else push the same tag? If not, run it again: finished tags are left alone",
    ))
}

async fn until_it_agrees(
    registry: &Registry,
    expected: &Digest,
    tag: &Reference,
    by_bytes: bool,
) -> Result<(), String> {
    let end = Instant::now() + LAG;
    let mut backoff = Backoff::between(FIRST_PAUSE, LONGEST_PAUSE);
    let mut told = String::new();
    loop {
        let shown = shown(registry, tag, by_bytes, end).await;
        let doubt = match &shown {
            Ok(digest) if digest == expected => return Ok(()),
            Ok(digest) => format!("{tag} shows {digest}"),
            Err(error) => format!("{tag}: {error}"),
        };
        let remaining = end.saturating_duration_since(Instant::now());
        let Some(pause) = backoff.next_within(remaining, fastrand::f64()) else {
            return Err(doubt);
        };
        // A registry that lags shows the same for many checks.
        if doubt != told {
            info!("verify   {doubt}, checking again for up to {}", duration(remaining));
            told = doubt;
        }
        sleep(pause).await;
    }
}

async fn shown(
    registry: &Registry,
    tag: &Reference,
    by_bytes: bool,
    deadline: Instant,
) -> Result<Digest, registry::Error> {
    if tag.repository.file().is_some() {
        return registry.look_at_target(tag).await.map(|head| head.digest);
    }
    if by_bytes {
        // The digest is of the bytes received, so equal digests are equal bytes.
        return registry.manifest(tag, Some(deadline)).await.map(|manifest| manifest.digest);
    }
    registry.look_surely(tag, Some(deadline)).await.map(|head| head.digest)
}
