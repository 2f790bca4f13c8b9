//! One check of one source: its manifest, and all that it names.

use super::Wait;
use super::arrived::Arrived;
use super::near;
use super::state::{NotYet, Stop};
use crate::entries::{self, parsed};
use crate::error::Error;
use crate::oci::{Descriptor, ImageConfig, Manifest, Reference};
use crate::plan::Source;
use crate::registry::{self, Kind, News};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How old "not there" may be for a list that checks once.
const ONE_CHECK: Duration = Duration::from_secs(1);

/// One source, checked once.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) wait: &'a Wait<'a>,
    pub(super) source: &'a Source,
    /// When its requests give up; none where nothing is waited for.
    pub(super) deadline: Option<Instant>,
    /// When it was checked last: what other lists were told since then counts. None at the first
    /// check.
    pub(super) since: Option<Instant>,
}

impl<'a> Look<'a> {
    pub(super) fn new(wait: &'a Wait<'a>, source: &'a Source) -> Self {
        let waits = !wait.work.plan.wait.is_zero();
        Self { wait, source, deadline: waits.then_some(wait.deadline), since: None }
    }

    /// The same, after a check that ended then.
    pub(super) fn after(self, since: Option<Instant>) -> Self {
        Self { since, ..self }
    }

    /// What counts of that which other lists were told. The first check takes a tag as they found it;
    /// that it is not there yet, if that is no older than a pause would be. Where nothing is waited
    /// for, it is the only check.
    fn news(&self) -> News {
        self.since.map_or_else(
            || {
                let now = Instant::now();
                let pause = self.wait.work.plan.wait_interval;
                let pause = if self.deadline.is_some() { pause } else { pause.min(ONE_CHECK) };
                News { found: None, missing: now.checked_sub(pause).unwrap_or(now) }
            },
            News::since,
        )
    }

    /// Checks it. `last`: how the check before ended; `seen`: the manifest that was read last, which
    /// is not read again as long as the tag names it.
    pub(super) async fn now(
        &self,
        last: Option<&NotYet>,
        seen: &mut Option<Manifest>,
    ) -> Result<Arrived, Stop> {
        let Some(deadline) = self.deadline else { return self.read(None, seen).await };
        // A check that hangs must not outlive the deadline, be it the first. A moment more, for the
        // last one happens at the deadline itself, and its requests have something to say.
        let end = deadline.max(Instant::now()) + Duration::from_secs(1);
        let checked = timeout_at(end, self.read(last, seen)).await;
        let checked = checked.unwrap_or_else(|_| Err(Stop::NotYet(self.silent())));
        // A last check that the end of the wait cuts off takes nothing back of an honest answer.
        match (checked, last) {
            (Err(Stop::NotYet(why)), Some(before))
                if why.is_cut_off()
                    && before.is_known()
                    && Instant::now() >= deadline
                    && !self.wait.work.plan.skip_missing =>
            {
                Err(Stop::NotYet(before.clone()))
            }
            (checked, _) => checked,
        }
    }

    /// Tags of its repository that come near the one that does not exist: at the first check only,
    /// and never later than the wait may end.
    pub(super) async fn near(&self, why: &NotYet) -> Vec<String> {
        let Reference { repository, tag, digest } = &self.source.reference;
        let (NotYet::Missing, Some(tag), None) = (why, tag, digest) else { return Vec::new() };
        let tags = self.wait.work.registry.tags(repository);
        let tags = match self.deadline {
            Some(deadline) => timeout_at(deadline, tags).await.unwrap_or_default(),
            None => tags.await,
        };
        // The other images of the index are known to be what they are.
        let is_source = |other: &&str| {
            self.wait.work.plan.sources.iter().any(|source| {
                source.reference.repository == *repository
                    && source.reference.tag.as_deref() == Some(other)
            })
        };
        let others = tags.iter().filter(|other| !is_source(other));
        near::near(tag, others).into_iter().map(str::to_owned).collect()
    }

    /// Why there was no end of it, as far as the registry said.
    fn silent(&self) -> NotYet {
        let host = self.source.reference.repository.host();
        let trouble = self.wait.work.registry.last_trouble(host);
        trouble.map_or_else(
            || NotYet::Silent(host.to_owned()),
            |error| NotYet::Trouble(Box::new(error)),
        )
    }

    async fn read(
        &self,
        last: Option<&NotYet>,
        seen: &mut Option<Manifest>,
    ) -> Result<Arrived, Stop> {
        let (registry, reference) = (self.wait.work.registry, &self.source.reference);
        let mut found = None;
        if last.is_some() {
            let head = registry.seen_head(reference, self.news(), self.deadline).await;
            found = Some(head.map_err(|error| self.sort(&error, false))?);
        }
        if let (Some(last), Some(head)) = (last, &found) {
            *seen = seen.take().filter(|seen| seen.digest == head.digest);
            // The image that was stale a moment ago still is.
            if seen.is_some() && matches!(last, NotYet::Stale { .. }) {
                return Err(Stop::NotYet(last.clone()));
            }
        }
        let read = match (seen.clone(), &found) {
            (Some(manifest), _) => Ok(manifest),
            (None, Some(head)) => registry.found_manifest(reference, head, self.deadline).await,
            (None, None) => self.manifest(reference).await,
        };
        let manifest = read.map_err(|error| self.sort(&error, false))?;
        // From here on the source is its digest: a tag that moves later changes nothing.
        let arrived = self.learn(manifest.clone()).await;
        if matches!(arrived, Err(Stop::NotYet(_))) {
            *seen = Some(manifest);
        }
        arrived
    }

    pub(super) async fn manifest(
        &self,
        reference: &Reference,
    ) -> Result<Manifest, registry::Error> {
        self.wait.work.registry.seen_manifest(reference, self.news(), self.deadline).await
    }

    /// Reads the manifest of an entry.
    pub(super) async fn entry(&self, entry: &Descriptor) -> Result<Manifest, Stop> {
        let place = Reference::at(&self.source.reference.repository, &entry.digest);
        // What a digest names is the same whenever it was read.
        let news = News { found: None, ..self.news() };
        let read = self.wait.work.registry.seen_manifest(&place, news, self.deadline).await;
        let manifest = read.map_err(|error| self.sort(&error, true))?;
        self.refuse_wrong(entry, manifest.contradicts(entry))?;
        Ok(manifest)
    }

    /// Refuses an entry that is not what it says: clients would refuse the index.
    fn refuse_wrong(&self, entry: &Descriptor, why: Option<String>) -> Result<(), Stop> {
        why.map_or(Ok(()), |why| Err(entries::wrong(&self.source.name, entry, &why).into()))
    }

    /// Checks that an entry is really there: an index may be ahead of its children.
    pub(super) async fn has_entry(&self, entry: &Descriptor) -> Result<(), Stop> {
        let place = Reference::at(&self.source.reference.repository, &entry.digest);
        let look = self.wait.work.registry.shared_look(&place, self.deadline).await;
        let head = look.map_err(|error| match self.sort(&error, true) {
            Stop::NotYet(NotYet::Incomplete(_)) => Stop::NotYet(NotYet::Incomplete(format!(
                "its entry for {} is not in the registry: {}",
                entry.title(),
                entry.digest
            ))),
            stop => stop,
        })?;
        self.refuse_wrong(entry, entry.contradicted_by(&head.media_type, head.size))
    }

    /// Reads the config of an image.
    pub(super) async fn config(&self, config: &Descriptor) -> Result<ImageConfig, Stop> {
        let (registry, repository) = (self.wait.work.registry, &self.source.reference.repository);
        let read = registry.shared_config(repository, config, self.deadline).await;
        let bytes = read.map_err(|error| self.sort(&error, true))?;
        Ok(parsed(&self.source.name, &bytes)?)
    }

    /// Whether an error may pass by waiting. `part`: it is about something that the source's
    /// manifest names.
    pub(super) fn sort(&self, error: &registry::Error, part: bool) -> Stop {
        let known = self.wait.work.registry.has_answered(&error.host);
        let several = !self.source.others.is_empty();
        match &error.kind {
            Kind::NotFound if part => {
                Stop::NotYet(NotYet::Incomplete(format!("{}: not found", error.subject())))
            }
            Kind::NotFound => Stop::NotYet(NotYet::Missing),
            Kind::Denied => Stop::NotYet(NotYet::Denied(Box::new(error.clone()))),
            // A registry that never answered is more likely misspelt than late; of several, another
            // may have it.
            _ if error.is_trouble() && (known || several) && self.deadline.is_some() => {
                Stop::NotYet(NotYet::Trouble(Box::new(error.clone())))
            }
            _ => Error::cannot_read(error, &self.source.name).into(),
        }
    }
}
