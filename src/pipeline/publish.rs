//! Moves tags: the index by digest first where there are several, `latest` last; keeps the record of
//! what was written.

use super::compose::Composed;
use super::lots::Lot;
use super::progress::{RUN_AGAIN, TagState, Tagged};
use super::record::{Action, Write};
use super::targets::{self, Target, refuse_without_permission};
use super::together::Stage;
use super::work::{DOUBT, Document, FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE, Work};
use crate::backoff::Backoff;
use crate::error::{Error, Exit};
use crate::join;
use crate::oci::{Digest, Reference, Repository};
use crate::registry::{self, Kind};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tracing::info;

/// Stores the index where a tag does not come at once, so that tags can move one after the other
/// and always find it, or where something refers to it; all repositories must have its children.
pub(super) async fn by_digest(
    work: &Work<'_>,
    lots: &[Lot<'_>],
    is_referred_to: impl Fn(&Digest) -> bool,
) -> Result<(), Error> {
    let moving = lots.iter().flat_map(|lot| lot.targets.moving(&lot.composed.digest));
    refuse_without_permission(work.registry, moving.map(|target| &target.tag))?;
    let tags: usize = lots.iter().map(|lot| lot.targets.iter().count()).sum();
    let is_first = tags > 1 || work.seat.among_others();
    // A repository that is complete has an image by its digest.
    let indexes = lots.iter().filter(|lot| !lot.composed.is_image());
    let pushes = indexes.flat_map(|&Lot { composed, targets, home }| {
        let lacking = targets.lacking(&composed.digest).into_iter();
        let lacking = lacking.map(|(repository, _)| repository);
        // A file has it in front of what refers to it, whatever that is.
        let is_first = is_first || is_referred_to(&composed.digest);
        let lacking = lacking.filter(move |repository| is_first || repository.file().is_some());
        lacking.filter(move |repository| Some(*repository) != home).map(move |repository| {
            async move { Publication { work, composed }.by_digest(repository).await }
        })
    });
    join::all(pushes).await.map(|_| ())
}

/// Moves all tags that do not point to their manifest yet, wave by wave.
pub(super) async fn tags(work: &Work<'_>, lots: &[Lot<'_>]) -> Result<(), Error> {
    let mut waves: [Vec<Move<'_>>; 5] = Default::default();
    for lot in lots {
        let publication = Publication { work, composed: lot.composed };
        for target in lot.targets.iter() {
            let tag = &target.tag;
            if target.holds(&lot.composed.digest) {
                work.progress.tag(tag, TagState::Unchanged);
                info!("{}", targets::unchanged(tag));
            } else {
                waves[wave(lot, tag)].push((publication, target));
            }
        }
    }
    for (at, moves) in waves.iter().enumerate() {
        work.seat.reached(Stage::Wave(at));
        // A list whose tags are all moved is read back, whatever becomes of others.
        if !moves.is_empty() {
            work.seat.all_have(Stage::Wave(at)).await;
            carry_out(work, moves).await?;
        }
    }
    Ok(())
}

/// In which wave a tag moves: what fewer people use without looking comes first, and files, which
/// nobody uses yet, before all.
fn wave(lot: &Lot<'_>, tag: &Reference) -> usize {
    if tag.repository.file().is_some() {
        return 0;
    }
    match (tag.tag.as_deref().is_some_and(is_latest), lot.is_single()) {
        (false, true) => 1,
        (false, false) => 2,
        (true, true) => 3,
        (true, false) => 4,
    }
}

/// `latest` and its kin, which people use without looking: `latest-alpine`, `slim-latest`.
fn is_latest(tag: &str) -> bool {
    tag == "latest" || tag.starts_with("latest-") || tag.ends_with("-latest")
}

/// Tags that may move in any order. After the first one that fails for good, no other is
/// started: those that are under way are followed to their end.
async fn carry_out(work: &Work<'_>, moves: &[Move<'_>]) -> Result<(), Error> {
    let seat = work.seat;
    let moves = moves.iter().map(|(publication, target)| async move {
        let Some(_turn) = seat.turn().await else { return Ok(false) };
        // Boxed, since a thousand lists may wait for their turn.
        let moved = Box::pin(publication.tag(target)).await;
        let moved = moved.map_err(|error| (*publication, *target, error));
        moved.inspect_err(|_| seat.fail()).map(|()| true)
    });
    let ended = join_all(moves).await;
    let was_left = |moved: &Result<bool, _>| matches!(moved, Ok(false));
    if ended.iter().all(Result::is_ok) && ended.iter().any(was_left) {
        // It was another list that failed, and tells why.
        seat.all_have(Stage::Over).await;
    }
    // Told only now that it is known what became of those that were under way.
    match ended.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some((publication, target, error)) => {
            let mut failed = Box::pin(publication.error(&error, &target.tag)).await;
            failed.fix = Box::pin(publication.immovable(target, &error)).await.or(failed.fix);
            Err(failed)
        }
    }
}

/// A manifest on its way to tags.
#[derive(Clone, Copy)]
struct Publication<'a> {
    work: &'a Work<'a>,
    composed: &'a Composed,
}

/// What is put where.
type Move<'a> = (Publication<'a>, &'a Target);

impl Publication<'_> {
    /// The index where no tag names it yet.
    async fn by_digest(&self, repository: &Repository) -> Result<(), Error> {
        let place = Reference::at(repository, &self.composed.digest);
        if let Err(error) = self.put(&place).await {
            return Err(self.error(&error, &place).await);
        }
        self.wrote(&place, Action::Index, "it must be in every repository before a tag moves");
        Ok(())
    }

    async fn put(&self, place: &Reference) -> Result<(), registry::Error> {
        let Composed { media_type, bytes, digest, .. } = self.composed;
        self.work.put("images", place, Document { media_type, bytes, digest }).await.map(|_| ())
    }

    fn wrote(&self, place: &Reference, action: Action, why: &str) {
        let digest = self.composed.digest.clone();
        self.work.progress.wrote(Write {
            action,
            place: place.to_string(),
            digest,
            why: why.to_owned(),
        });
    }

    async fn tag(&self, target: &Target) -> Result<(), registry::Error> {
        let tag = &target.tag;
        self.work.progress.tag(tag, TagState::Unknown);
        let put = match self.put(tag).await {
            Ok(()) => self.work.registry.seal(&tag.repository).await,
            failed => failed,
        };
        let (state, settled) = match put {
            Ok(()) => (TagState::Moved, Ok(())),
            Err(error) => {
                let state = self.state_after(tag, &error).await;
                // That it names the index is all that was wanted; unless the registry says that it
                // stored something else.
                let landed = state == TagState::Moved && !is_taken(&error);
                (state, if landed { Ok(()) } else { Err(error) })
            }
        };
        self.work.progress.tag(tag, state);
        if settled.is_ok() {
            self.wrote(tag, Action::Tag, "all that it names is complete");
            if let Some(tagged) = self.work.progress.tagged(tag) {
                info!("{}", targets::published(&tagged));
            }
        }
        settled
    }

    /// What to do about a denial that is about the tag alone: it points elsewhere, and the login, or
    /// nobody at all, may push beside it.
    async fn immovable(&self, target: &Target, denied: &registry::Error) -> Option<String> {
        let held = target.held.as_ref().filter(|_| denied.is_denial())?;
        self.work.registry.may_push(&target.tag.repository).await.ok()?;
        Some(format!(
            "pushing to this repository is allowed, but its tag points to {held} and cannot be \
             moved: it is immutable or protected; publish under a different tag"
        ))
    }

    /// A refusal at the first try is certain. After more than one, or when the connection broke, an
    /// earlier try may have landed, seen late by a registry that lags; and a write that was taken
    /// and stored as something else has moved the tag somewhere.
    async fn state_after(&self, tag: &Reference, error: &registry::Error) -> TagState {
        // A file is at its place or is not.
        if error.is_of_file() {
            return TagState::Failed;
        }
        if error.tries == 1
            && error.status.is_some_and(|status| !registry::http::leaves_it_open(status))
        {
            return TagState::Failed;
        }
        let taken = is_taken(error);
        let end = Instant::now() + DOUBT;
        let mut backoff = Backoff::between(FIRST_LAG_PAUSE, LONGEST_LAG_PAUSE);
        loop {
            let state = match self.work.registry.look_surely(tag, Some(end)).await {
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
                .work
                .registry
                .look_surely(&child, None)
                .await
                .is_err_and(|error| error.may_be_missing());
            absent.then(|| format!("no longer in the registry: {} {}", entry.title(), entry.digest))
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    async fn error(&self, error: &registry::Error, reference: &Reference) -> Error {
        let mut failed = Error::cannot_push_to(error, reference);
        if error.misses_content() {
            failed.details = self.absent_children(&reference.repository).await;
        }
        if self.work.progress.has_moved() {
            let tags = self.work.progress.tags();
            failed.exit = Exit::Partial;
            failed.details.extend(tags.iter().map(Tagged::line));
            failed.then = Some(RUN_AGAIN);
        }
        failed
    }
}

/// Whether the registry took the write, and stored something else by what it says.
fn is_taken(error: &registry::Error) -> bool {
    matches!(error.kind, Kind::DigestMismatch(_))
}
