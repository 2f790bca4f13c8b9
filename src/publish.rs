//! Moves tags: the index by digest first where there are several, `latest` last; keeps book of what landed.

use crate::advice::{Access, Surroundings};
use crate::check::name;
use crate::compose::Composed;
use crate::error::{Error, Exit};
use crate::oci::{Digest, Reference, Repository};
use crate::plan::Plan;
use crate::progress::{Progress, TagState};
use crate::registry::{self, Kind, Registry};
use crate::report::story;
use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::FuturesUnordered;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::info;

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
    try_join_all(looks).await
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
pub fn refuse_without_permission(registry: &Registry, plan: &Plan, surroundings: &Surroundings<'_>) -> Result<(), Error> {
    for target in &plan.targets {
        if let Some(denial) = registry.push_denial(&target.repository) {
            return Err(failure(registry, &denial, &format!("push to {target}"), Access::Push, surroundings));
        }
    }
    Ok(())
}

/// Moves all tags that do not hold the index yet.
pub async fn tags(
    registry: &Registry,
    plan: &Plan,
    composed: &Composed,
    held: &[Held],
    surroundings: &Surroundings<'_>,
    progress: &Progress,
) -> Result<(), Error> {
    let publication = Publication { registry, composed, surroundings, progress };
    let mut moving = Vec::new();
    for (target, held) in plan.targets.iter().zip(held) {
        if held.as_ref() == Some(&composed.digest) {
            progress.tag(target, TagState::Unchanged);
            info!("{}", story::unchanged(target));
        } else {
            moving.push(target);
        }
    }
    if !moving.is_empty() {
        refuse_without_permission(registry, plan, surroundings)?;
    }
    if plan.targets.len() > 1 && moving.len() == plan.targets.len() {
        let by_digest = Reference::at(&plan.targets[0].repository, &composed.digest);
        if let Err(error) = publication.put(&by_digest).await {
            return Err(publication.error(&error, &by_digest).await);
        }
    }
    let (latest, others): (Vec<&Reference>, Vec<&Reference>) =
        moving.into_iter().partition(|tag| tag.tag.as_deref() == Some("latest"));
    for wave in [others, latest] {
        publication.wave(&wave).await?;
    }
    Ok(())
}

struct Publication<'a> {
    registry: &'a Registry,
    composed: &'a Composed,
    surroundings: &'a Surroundings<'a>,
    progress: &'a Progress,
}

impl Publication<'_> {
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
        self.progress.tag(tag, TagState::Unknown);
        match self.put(tag).await {
            Ok(()) => {
                self.progress.tag(tag, TagState::Moved);
                info!("{}", story::moved(tag));
                Ok(())
            }
            Err(error) => {
                self.progress.tag(tag, self.state_after(tag, &error).await);
                Err(error)
            }
        }
    }

    /// A refusal is certain; a broken connection leaves it open whether the tag moved, and a write that was taken and
    /// stored as something else has moved it somewhere.
    async fn state_after(&self, tag: &Reference, error: &registry::Error) -> TagState {
        if error.status.is_some_and(|status| status < 500) {
            return TagState::Failed;
        }
        let taken = matches!(error.kind, Kind::DigestMismatch(_));
        match self.registry.look(tag, None).await {
            Ok(head) if head.digest == self.composed.digest => TagState::Moved,
            Ok(_) if !taken => TagState::Failed,
            Err(error) if !taken && error.may_be_missing() => TagState::Failed,
            _ => TagState::Unknown,
        }
    }

    /// Pushes, with patience for a registry that does not see yet what it showed us a moment ago.
    async fn put(&self, reference: &Reference) -> Result<(), registry::Error> {
        let started = Instant::now();
        let mut pause = FIRST_LAG_PAUSE;
        loop {
            let Composed { media_type, bytes, digest, .. } = self.composed;
            let settled = self.registry.put_manifest(reference, media_type, bytes, digest).await;
            let patience = match &settled {
                Err(error) if error.misses_content() => LAG,
                Err(error) if error.doubts_content() => DOUBT,
                _ => return settled,
            };
            if started.elapsed() + pause > patience {
                return settled;
            }
            info!("push     {reference}: the registry does not see all images yet, trying again");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LAG_PAUSE);
        }
    }

    /// Looks which of the children the registry does not show, to name it.
    async fn absent_children(&self, repository: &Repository) -> Vec<String> {
        let looks = self.composed.entries.iter().map(|entry| async move {
            let child = Reference::at(repository, &entry.digest);
            let absent = self.registry.look(&child, None).await.is_err_and(|error| error.may_be_missing());
            absent.then(|| format!("not in the registry any more: {} {}", name(entry), entry.digest))
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    async fn error(&self, error: &registry::Error, reference: &Reference) -> Error {
        let mut failed = failure(self.registry, error, &format!("push to {reference}"), Access::Push, self.surroundings);
        if error.misses_content() {
            failed.details = self.absent_children(&reference.repository).await;
        }
        if self.progress.has_moved() {
            failed.exit = Exit::Partial;
            failed.details.extend(self.progress.tags().iter().map(|(tag, state)| format!("{tag}: {}", state.name())));
            failed.fix = Some(format!(
                "{}; then run it again: what is published already is left as it is",
                failed.fix.unwrap_or_else(|| "mend the cause".to_owned())
            ));
        }
        failed
    }
}

/// The error of a target that could not be read.
pub fn cannot_read(registry: &Registry, error: &registry::Error, target: &Reference, surroundings: &Surroundings<'_>) -> Error {
    failure(registry, error, &format!("read {target}"), Access::Pull, surroundings)
}

fn failure(registry: &Registry, error: &registry::Error, what: &str, access: Access, surroundings: &Surroundings<'_>) -> Error {
    let surroundings = Surroundings { helper: registry.helper(&error.host), ..*surroundings };
    Error::of_registry(error, what, access, &surroundings)
}
