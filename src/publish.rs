//! Moves tags: the index by digest first where there are several, `latest` last; keeps book of what landed.

use crate::advice::{Access, Surroundings};
use crate::check::name;
use crate::compose::Composed;
use crate::error::{Error, Exit};
use crate::oci::{Digest, Reference, Repository};
use crate::pauses::Pauses;
use crate::plan::Plan;
use crate::progress::{Progress, TagState};
use crate::record::{Deed, Write};
use crate::registry::{self, Kind, Registry};
use crate::report::story;
use crate::together;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

/// How long a registry may take to see the children that it just showed us.
const LAG: Duration = Duration::from_secs(60);
/// How long it may take to agree that the bytes are those of their digest.
const DOUBT: Duration = Duration::from_secs(10);
const FIRST_LAG_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_LAG_PAUSE: Duration = Duration::from_secs(4);

/// What a tag held when it was looked at: nothing, or a digest.
pub type Held = Option<Digest>;

/// What every target holds now, in the order of the plan.
pub async fn look_at_targets(registry: &Registry, plan: &Plan, surroundings: &Surroundings<'_>) -> Result<Vec<Held>, Error> {
    let looks = plan.targets.iter().map(|target| async move {
        match registry.look(target, None).await {
            Ok(head) => Ok(Some(head.digest)),
            Err(error) if error.may_be_missing() => Ok(None),
            // Some registries deny what does not exist. The push itself will tell, unless a tag must not be moved.
            Err(error) if matches!(error.kind, Kind::Denied) && plan.overwrite => Ok(None),
            Err(error) => Err(failure(registry, &error, &format!("look at {target}"), Access::Pull, surroundings)),
        }
    });
    together::all(looks).await
}

/// Refuses to move a tag that holds another digest, where the plan says so.
pub fn refuse_overwriting(plan: &Plan, digest: &Digest, held: &[Held]) -> Result<(), Error> {
    let taken: Vec<String> = plan
        .targets
        .iter()
        .zip(held)
        .filter_map(|(target, held)| held.as_ref().filter(|held| *held != digest).map(|held| format!("{target} holds {held}")))
        .collect();
    if plan.overwrite || taken.is_empty() {
        return Ok(());
    }
    Err(Error::refused("`overwrite: false` forbids to move tags that hold another image")
        .with_details(taken)
        .with_fix(format!("publish under a new tag; this run's image would be {digest}")))
}

/// Refuses when pushing was already denied as a token was asked for: then there is no use in waiting, or in trying.
fn refuse_without_permission<'t>(
    registry: &Registry,
    targets: impl IntoIterator<Item = &'t Reference>,
    surroundings: &Surroundings<'_>,
) -> Result<(), Error> {
    for target in targets {
        if let Some(denial) = registry.push_denial(&target.repository) {
            return Err(failure(registry, &denial, &format!("push to {target}"), Access::Push, surroundings));
        }
    }
    Ok(())
}

/// Tests before a wait whether all targets may be pushed to, so that nobody waits half an hour to learn of a denial: an
/// upload is opened, and cancelled. Other trouble than a denial may be over when the wait is.
pub async fn preflight(registry: &Registry, plan: &Plan, surroundings: &Surroundings<'_>) -> Result<(), Error> {
    refuse_without_permission(registry, &plan.targets, surroundings)?;
    if plan.dry_run {
        return Ok(());
    }
    let homes: BTreeMap<&Repository, &Reference> = plan.targets.iter().rev().map(|tag| (&tag.repository, tag)).collect();
    let tests = homes.into_iter().map(|(repository, tag)| async move {
        match registry.may_push(repository).await {
            Err(error) if error.is_denial() => {
                Err(failure(registry, &error, &format!("push to {tag}"), Access::Push, surroundings))
            }
            Err(error) => {
                debug!("whether {repository} may be pushed to is not known: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    });
    together::all(tests).await.map(|_: Vec<()>| ())
}

/// A list on its way into registries.
#[derive(Debug, Clone, Copy)]
pub struct Publishing<'a> {
    /// The way there.
    pub registry: &'a Registry,
    /// What is to be done.
    pub plan: &'a Plan,
    /// Where we run.
    pub surroundings: &'a Surroundings<'a>,
    /// How far it has come.
    pub progress: &'a Progress,
}

impl Publishing<'_> {
    /// The error of a request to a registry.
    pub fn failed(&self, error: &registry::Error, what: &str, access: Access) -> Error {
        failure(self.registry, error, what, access, self.surroundings)
    }

    /// Pushes, with patience for a registry that does not see yet what it showed us a moment ago: the `parts` that the
    /// manifest names.
    pub async fn put(
        &self,
        parts: &str,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
        digest: &Digest,
    ) -> Result<(), registry::Error> {
        let started = Instant::now();
        let mut pauses = Pauses::between(FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE);
        loop {
            let settled = self.registry.put_manifest(reference, media_type, bytes, digest).await;
            let patience = match &settled {
                Err(error) if error.misses_content() => LAG,
                Err(error) if error.doubts_content() => DOUBT,
                _ => return settled,
            };
            let remaining = patience.saturating_sub(started.elapsed());
            let Some(pause) = pauses.next_within(remaining, fastrand::f64()) else { return settled };
            info!("push     {reference}: the registry does not see all {parts} yet, trying again");
            sleep(pause).await;
        }
    }
}

/// Moves all tags that do not hold the index yet; all repositories must hold its children.
pub async fn tags(to: &Publishing<'_>, composed: &Composed, held: &[Held]) -> Result<(), Error> {
    let publication = Publication { to, composed };
    let mut moving = Vec::new();
    for (target, held) in to.plan.targets.iter().zip(held) {
        if held.as_ref() == Some(&composed.digest) {
            to.progress.tag(target, TagState::Unchanged);
            info!("{}", story::unchanged(target));
        } else {
            moving.push(target);
        }
    }
    refuse_without_permission(to.registry, moving.iter().copied(), to.surroundings)?;
    if to.plan.targets.len() > 1 {
        let has_it = |repository: &Repository| {
            let mut held = to.plan.targets.iter().zip(held).filter(|(target, _)| target.repository == *repository);
            held.any(|(_, held)| held.as_ref() == Some(&composed.digest))
        };
        let lacking: BTreeSet<&Repository> = moving.iter().map(|tag| &tag.repository).filter(|home| !has_it(home)).collect();
        together::all(lacking.into_iter().map(|repository| publication.by_digest(repository))).await?;
    }
    let (latest, others): (Vec<&Reference>, Vec<&Reference>) =
        moving.into_iter().partition(|tag| tag.tag.as_deref() == Some("latest"));
    for wave in [others, latest] {
        publication.wave(&wave).await?;
    }
    Ok(())
}

struct Publication<'a> {
    to: &'a Publishing<'a>,
    composed: &'a Composed,
}

impl Publication<'_> {
    /// The index where no tag names it yet, so that tags can move one after the other and always find it.
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
        self.to.progress.wrote(Write { deed, place: place.to_string(), digest, why: why.to_owned() });
    }

    /// Tags that may move in any order. After the first one that fails for good, no other is started: those that are
    /// under way are followed to their end.
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
                // That it names the index is all that was wanted; unless the registry says that it stored something else.
                let landed = state == TagState::Moved && !is_taken(&error);
                (state, if landed { Ok(()) } else { Err(error) })
            }
        };
        self.to.progress.tag(tag, state);
        if settled.is_ok() {
            self.wrote(tag, Deed::Tag, "all that it names is complete");
            info!("{}", story::moved(tag));
        }
        settled
    }

    /// A refusal at the first try is certain. After more than one, or when the connection broke, an earlier try may have
    /// landed, seen late by a registry that lags; and a write that was taken and stored as something else has moved the tag
    /// somewhere.
    async fn state_after(&self, tag: &Reference, error: &registry::Error) -> TagState {
        if error.tries == 1 && error.status.is_some_and(|status| !registry::leaves_it_open(status)) {
            return TagState::Failed;
        }
        let taken = is_taken(error);
        let end = Instant::now() + DOUBT;
        let mut pauses = Pauses::between(FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE);
        loop {
            let state = match self.to.registry.look(tag, Some(end)).await {
                Ok(head) if head.digest == self.composed.digest => return TagState::Moved,
                Ok(_) if !taken => TagState::Failed,
                Err(error) if !taken && error.may_be_missing() => TagState::Failed,
                _ => TagState::Unknown,
            };
            let remaining = end.saturating_duration_since(Instant::now());
            match pauses.next_within(remaining, fastrand::f64()) {
                Some(pause) if !taken => sleep(pause).await,
                _ => return state,
            }
        }
    }

    /// Looks which of the children the registry does not show, to name it.
    async fn absent_children(&self, repository: &Repository) -> Vec<String> {
        let looks = self.composed.entries.iter().map(|entry| async move {
            let child = Reference::at(repository, &entry.digest);
            let absent = self.to.registry.look(&child, None).await.is_err_and(|error| error.may_be_missing());
            absent.then(|| format!("not in the registry any more: {} {}", name(entry), entry.digest))
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
            failed.details.extend(self.to.progress.tags().iter().map(|(tag, state)| format!("{tag}: {}", state.name())));
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

/// The error of a target that could not be read.
pub fn cannot_read(registry: &Registry, error: &registry::Error, target: &Reference, surroundings: &Surroundings<'_>) -> Error {
    failure(registry, error, &format!("read {target}"), Access::Pull, surroundings)
}

fn failure(registry: &Registry, error: &registry::Error, what: &str, access: Access, surroundings: &Surroundings<'_>) -> Error {
    let surroundings = Surroundings { helper: registry.helper(&error.host), ..*surroundings };
    Error::of_registry(error, what, access, &surroundings)
}
