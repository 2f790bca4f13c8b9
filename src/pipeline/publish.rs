//! Moves tags: the index by digest first where there are several, `latest` last; keeps book of what
//! landed.

use super::compose::Composed;
use super::progress::TagState;
use super::record::{Deed, Write};
use super::targets::{self, Held, refuse_without_permission};
use super::work::{DOUBT, FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE, Work};
use crate::backoff::Backoff;
use crate::error::advice::Access;
use crate::error::{Error, Exit};
use crate::join;
use crate::oci::{Reference, Repository};
use crate::registry::{self, Kind};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use tokio::time::{Instant, sleep};
use tracing::info;

/// Moves all tags that do not hold the index yet; all repositories must hold its children.
pub async fn tags(to: &Work<'_>, composed: &Composed, held: &[Held]) -> Result<(), Error> {
    let publication = Publication { to, composed };
    let mut moving = Vec::new();
    for (target, held) in to.plan.targets.iter().zip(held) {
        if held.as_ref() == Some(&composed.digest) {
            to.progress.tag(target, TagState::Unchanged);
            info!("{}", targets::unchanged(target));
        } else {
            moving.push(target);
        }
    }
    refuse_without_permission(to.registry, moving.iter().copied(), to.surroundings)?;
    if to.plan.targets.len() > 1 {
        let has_it = |repository: &Repository| {
            let mut held = to
                .plan
                .targets
                .iter()
                .zip(held)
                .filter(|(target, _)| target.repository == *repository);
            held.any(|(_, held)| held.as_ref() == Some(&composed.digest))
        };
        let lacking: BTreeSet<&Repository> =
            moving.iter().map(|tag| &tag.repository).filter(|home| !has_it(home)).collect();
        join::all(lacking.into_iter().map(|repository| publication.by_digest(repository))).await?;
    }
    let (latest, others): (Vec<&Reference>, Vec<&Reference>) =
        moving.into_iter().partition(|tag| tag.tag.as_deref() == Some("latest"));
    for wave in [others, latest] {
        publication.wave(&wave).await?;
    }
    Ok(())
}

struct Publication<'a> {
    to: &'a Work<'a>,
    composed: &'a Composed,
}

impl Publication<'_> {
    /// The index where no tag names it yet, so that tags can move one after the other and always
    /// find it.
    async fn by_digest(&self, repository: &Repository) -> Result<(), Error> {
        let place = Reference::at(repository, &self.composed.digest);
        if let Err(error) = self.put(&place).await {
            return Err(self.error(&error, &place).await);
        }
        self.wrote(&place, Deed::Index, "it must be in every repository before a tag moves");
        Ok(())
    }

    async fn put(&self, place: &Reference) -> Result<(), registry::Error> {
        let Composed { media_type, bytes, digest, .. } = self.composed;
        self.to.put("images", place, media_type, bytes, digest).await
    }

    fn wrote(&self, place: &Reference, deed: Deed, why: &str) {
        let digest = self.composed.digest.clone();
        self.to.progress.wrote(Write {
            deed,
            place: place.to_string(),
            digest,
            why: why.to_owned(),
        });
    }

    /// Tags that may move in any order. After the first one that fails for good, no other is
    /// started: those that are under way are followed to their end.
    async fn wave(&self, tags: &[&Reference]) -> Result<(), Error> {
        // Few at a time, so that "no other is started" means something.
        const AT_ONCE: usize = 4;
        let mut waiting = tags.iter();
        let mut under_way = FuturesUnordered::new();
        let mut failed: Option<(&Reference, registry::Error)> = None;
        loop {
            while failed.is_none() && under_way.len() < AT_ONCE {
                let Some(tag) = waiting.next() else { break };
                under_way.push(async move { self.tag(tag).await.map_err(|error| (*tag, error)) });
            }
            match under_way.next().await {
                Some(Ok(())) => {}
                Some(Err(failure)) => failed = failed.or(Some(failure)),
                None => break,
            }
        }
        // Told only now that it is known what became of those that were under way.
        match failed {
            None => Ok(()),
            Some((tag, error)) => Err(self.error(&error, tag).await),
        }
    }

    async fn tag(&self, tag: &Reference) -> Result<(), registry::Error> {
        self.to.progress.tag(tag, TagState::Unknown);
        let failed = self.put(tag).await.err();
        let (state, settled) = match failed {
            None => (TagState::Moved, Ok(())),
            Some(error) => {
                let state = self.state_after(tag, &error).await;
                // That it names the index is all that was wanted; unless the registry says that it
                // stored something else.
                let landed = state == TagState::Moved && !is_taken(&error);
                (state, if landed { Ok(()) } else { Err(error) })
            }
        };
        self.to.progress.tag(tag, state);
        if settled.is_ok() {
            self.wrote(tag, Deed::Tag, "all that it names is complete");
            info!("{}", targets::moved(tag));
        }
        settled
    }

    /// A refusal at the first try is certain. After more than one, or when the connection broke, an
    /// earlier try may have landed, seen late by a registry that lags; and a write that was taken
    /// and stored as something else has moved the tag somewhere.
    async fn state_after(&self, tag: &Reference, error: &registry::Error) -> TagState {
        if error.tries == 1
            && error.status.is_some_and(|status| !registry::http::leaves_it_open(status))
        {
            return TagState::Failed;
        }
        let taken = is_taken(error);
        let end = Instant::now() + DOUBT;
        let mut backoff = Backoff::between(FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE);
        loop {
            let state = match self.to.registry.look(tag, Some(end)).await {
                Ok(head) if head.digest == self.composed.digest => return TagState::Moved,
                Ok(_) if !taken => TagState::Failed,
                Err(error) if !taken && error.may_be_missing() => TagState::Failed,
                _ => TagState::Unknown,
            };
            let remaining = end.saturating_duration_since(Instant::now());
            match backoff.next_within(remaining, fastrand::f64()) {
                Some(pause) if !taken => sleep(pause).await,
                _ => return state,
            }
        }
    }

    /// Looks which of the children the registry does not show, to name it.
    async fn absent_children(&self, repository: &Repository) -> Vec<String> {
        let looks = self.composed.entries.iter().map(|entry| async move {
            let child = Reference::at(repository, &entry.digest);
            let absent = self
                .to
                .registry
                .look(&child, None)
                .await
                .is_err_and(|error| error.may_be_missing());
            absent.then(|| {
                format!("not in the registry any more: {} {}", entry.title(), entry.digest)
            })
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    async fn error(&self, error: &registry::Error, reference: &Reference) -> Error {
        let mut failed = self.to.failed(error, &format!("push to {reference}"), Access::Push);
        if error.misses_content() {
            failed.details = self.absent_children(&reference.repository).await;
        }
        if self.to.progress.has_moved() {
            failed.exit = Exit::Partial;
            failed.details.extend(
                self.to
                    .progress
                    .tags()
                    .iter()
                    .map(|(tag, state)| format!("{tag}: {}", state.name())),
            );
            failed.fix = Some(format!(
                "{}; then run it again: what is published already is left as it is",
                failed.fix.unwrap_or_else(|| "mend the cause".to_owned())
            ));
        }
        failed
    }
}

/// Whether the registry took the write, and stored something else by what it says.
fn is_taken(error: &registry::Error) -> bool {
    matches!(error.kind, Kind::DigestMismatch(_))
}
