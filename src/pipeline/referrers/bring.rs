//! What was found, into the repositories of the targets: each with its blobs, then the list that
//! names it where the registry keeps none.

use super::{Found, Subject, list, way_out};
use crate::error::{Access, Error};
use crate::join;
use crate::oci::referrer::{self, Referring};
use crate::oci::{Content, Descriptor, Digest, Manifest, Reference, Repository};
use crate::pipeline::carry::{self, Carrier, Parcel, Room};
use crate::pipeline::record::{self, Action, Copied, Referred, Write};
use crate::pipeline::work::Work;
use crate::registry::Purpose;
use std::collections::BTreeSet;
use tracing::{info, warn};

/// Bytes that are held for a manifest whose size is not known.
const USUAL_MANIFEST: u64 = 64 << 10;

impl Found<'_> {
    /// Brings all of it, what refers to images first. Says whether any bytes had to go through this
    /// process.
    pub(in crate::pipeline) async fn bring(&self, work: &Work<'_>) -> Result<bool, Error> {
        let targets: BTreeSet<&Repository> =
            self.levels.iter().flatten().flat_map(|subject| &subject.own).copied().collect();
        let before = work.progress.bytes_poured();
        let room = Room::new();
        let at_once = targets.iter().map(|repository| Carrier { work, repository }.at_once()).min();
        let at_once = at_once.unwrap_or(usize::MAX);
        for target in &targets {
            work.progress.copying(Copied::into(target, self.sources(target)));
        }
        carry::told(work, async {
            for level in &self.levels {
                let pairs = level
                    .iter()
                    .flat_map(|subject| subject.own.iter().map(move |target| (subject, *target)));
                let brought = pairs.map(|(subject, repository)| {
                    let carrier = Carrier { work, repository };
                    Bringing { carrier, found: self, subject, room: &room }.all()
                });
                join::within(at_once, brought).await?;
            }
            Ok(())
        })
        .await?;
        for target in targets {
            work.progress.copy(target, |copied| {
                copied.end();
                info!("{}", record::copied_referrers(copied));
            });
        }
        Ok(work.progress.bytes_poured() > before)
    }

    fn sources(&self, target: &Repository) -> Vec<Repository> {
        let subjects = self.levels.iter().flatten();
        let from = subjects.filter(|subject| subject.own.contains(&target));
        from.map(|subject| subject.from).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }
}

/// What refers to one manifest, into one repository.
struct Bringing<'a> {
    carrier: Carrier<'a>,
    found: &'a Found<'a>,
    subject: &'a Subject<'a>,
    room: &'a Room,
}

impl Bringing<'_> {
    async fn all(self) -> Result<(), Error> {
        let by_digest = async {
            if self.subject.referrers.is_empty() { Ok(()) } else { self.by_digest().await }
        };
        let tags = self.subject.tags.iter().map(|(tag, kind)| self.tag(tag, kind));
        let brought = async {
            if self.carrier.at_once() > 1 {
                return tokio::try_join!(by_digest, join::all(tags)).map(|_| ());
            }
            by_digest.await?;
            join::within(1, tags).await.map(|_| ())
        };
        brought.await.map_err(|error| way_out(self.subject.of_referrer(error)))
    }

    async fn by_digest(&self) -> Result<(), Error> {
        let (work, repository) = (self.carrier.work, self.carrier.repository);
        let digest = &self.subject.digest;
        let listed = match self.by_api().await? {
            Some(listed) => listed,
            None => list::held(work.registry, repository, digest).await?,
        };
        let listed: BTreeSet<&Digest> = listed.iter().map(|entry| &entry.digest).collect();
        let mut referrers: Vec<&Descriptor> = self.subject.referrers.iter().collect();
        if self.carrier.at_once() == 1 {
            // Registries list them in any order.
            referrers.sort_by(|a, b| a.digest.cmp(&b.digest));
        }
        let brought = referrers.into_iter().map(|entry| self.referrer(entry, &listed));
        let brought = join::within(self.carrier.at_once(), brought).await?;
        let mut unlisted: Vec<Descriptor> = brought.into_iter().flatten().collect();
        if unlisted.is_empty() {
            return Ok(());
        }
        // The spec has an answer tell that a referrer is listed. One that was lost told nothing.
        if let Some(listed) = self.by_api().await? {
            unlisted.retain(|entry| listed.iter().all(|other| other.digest != entry.digest));
        }
        list::add(work, repository, digest, &unlisted).await
    }

    /// What the target's registry lists, if it has an API for that and we may use it.
    async fn by_api(&self) -> Result<Option<Vec<Descriptor>>, Error> {
        if self.carrier.repository.file().is_some() {
            // It lists what is added to it.
            return Ok(Some(Vec::new()));
        }
        let place = Reference::at(self.carrier.repository, &self.subject.digest);
        match self.carrier.work.registry.referrers(&place, Purpose::Copy).await {
            Err(error) if error.is_denial() => Ok(None),
            settled => settled.map_err(|error| {
                let what = format!("list what refers to {place}");
                Error::of_registry(&error, &what, Access::Pull)
            }),
        }
    }

    /// One by its digest; its entry if the registry does not list it.
    async fn referrer(
        &self,
        entry: &Descriptor,
        listed: &BTreeSet<&Digest>,
    ) -> Result<Option<Descriptor>, Error> {
        let Carrier { work, repository } = self.carrier;
        let place = Reference::at(repository, &entry.digest);
        if listed.contains(&entry.digest) && work.registry.look(&place, None).await.is_ok() {
            self.carrier.count(|copied| copied.referrers_there += 1);
            return Ok(None);
        }
        let _held = self.room.hold(entry.size).await;
        let origin = Reference::at(self.subject.from, &entry.digest);
        let manifest = self.read(&origin).await?;
        if let Some(why) = manifest.contradicts(entry) {
            return Err(Error::refused(format!("{origin} is not what is listed: {why}")));
        }
        let referring = Referring::of(&manifest)
            .map_err(|invalid| Error::refused(format!("{origin}: {invalid}")))?;
        if referring.subject.as_ref() != Some(&self.subject.digest) {
            warn!(
                "{origin} is listed under {}, but does not refer to it; it is not copied",
                self.subject.digest
            );
            return Ok(None);
        }
        // Attestations that the index names came with the images; only the list may lack them.
        if self.found.is_child(&entry.digest, repository) {
            self.carrier.count(|copied| copied.referrers_there += 1);
            return Ok((!listed.contains(&entry.digest)).then_some(referring.entry));
        }
        let kind = referrer::kind(&referring.entry.artifact_type);
        let is_listed = self.carry(&place, &manifest, kind).await?;
        self.carrier.count(|copied| copied.referrers.push(self.referred(&manifest, kind, None)));
        Ok((!is_listed && !listed.contains(&entry.digest)).then_some(referring.entry))
    }

    /// One of cosign's tags. What stands at the target under the same tag was signed there.
    async fn tag(&self, tag: &str, kind: &str) -> Result<(), Error> {
        let Carrier { work, repository } = self.carrier;
        let tagged = |repository: &Repository| Reference::tagged(repository, tag);
        let _held = self.room.hold(USUAL_MANIFEST).await;
        let (origin, place) = (tagged(self.subject.from), tagged(repository));
        let manifest = self.read(&origin).await?;
        match work.registry.look_at_target(&place).await {
            Ok(head) if head.digest == manifest.digest => {
                self.carrier.count(|copied| copied.referrers_there += 1);
                return Ok(());
            }
            Ok(head) => {
                let (theirs, ours) = (head.digest, &manifest.digest);
                warn!("{place} points to {theirs} and is left as it is; {origin} points to {ours}");
                return Ok(());
            }
            // Some registries deny what does not exist; the push will tell.
            Err(error) if error.may_be_missing() || error.is_denial() => {}
            Err(error) => return Err(Error::cannot_read(&error, place)),
        }
        self.carry(&place, &manifest, kind).await?;
        let referred = self.referred(&manifest, kind, Some(tag.to_owned()));
        self.carrier.count(|copied| copied.referrers.push(referred));
        Ok(())
    }

    async fn read(&self, origin: &Reference) -> Result<Manifest, Error> {
        let read = self.carrier.work.registry.manifest(origin, None).await;
        read.map_err(|error| Error::cannot_read(&error, origin))
    }

    fn referred(&self, manifest: &Manifest, kind: &str, tag: Option<String>) -> Referred {
        let (subject, digest) = (self.subject.digest.clone(), manifest.digest.clone());
        Referred { subject, digest, kind: kind.to_owned(), tag }
    }

    /// A manifest with all that it names. Says whether the registry lists it under its subject.
    async fn carry(
        &self,
        place: &Reference,
        manifest: &Manifest,
        kind: &str,
    ) -> Result<bool, Error> {
        if let Content::Index(index) = &manifest.content {
            let parts = index.manifests.iter().map(|part| self.part(part, kind));
            join::within(self.carrier.at_once(), parts).await?;
        }
        self.push(place, manifest, kind).await
    }

    /// What an artifact that is an index names.
    async fn part(&self, part: &Descriptor, kind: &str) -> Result<(), Error> {
        let place = Reference::at(self.carrier.repository, &part.digest);
        let origin = Reference::at(self.subject.from, &part.digest);
        let manifest = self.read(&origin).await?;
        if let Some(why) = manifest.contradicts(part) {
            return Err(Error::refused(format!("{origin} is not what its index says: {why}")));
        }
        if matches!(manifest.content, Content::Index(_)) {
            return Err(Error::refused(format!(
                "{origin} is an index inside an index, which is not copied"
            )));
        }
        self.push(&place, &manifest, kind).await.map(|_| ())
    }

    async fn push(
        &self,
        place: &Reference,
        manifest: &Manifest,
        kind: &str,
    ) -> Result<bool, Error> {
        let what = format!("what refers to {} ({kind})", self.subject.title);
        let image = match &manifest.content {
            Content::Image(image) => Some(image),
            Content::Index(_) => None,
        };
        let parcel = Parcel { place, manifest, from: self.subject.from, what: &what };
        let ready = self.carrier.blobs(parcel, image).await?;
        let stored = self.carrier.push(&ready).await?;
        let action = if place.tag.is_some() { Action::ReferrerTag } else { Action::Manifest };
        self.carrier.work.progress.wrote(Write {
            action,
            place: place.to_string(),
            digest: manifest.digest.clone(),
            why: format!("it refers to {}", self.subject.title),
        });
        Ok(stored.lists_it)
    }
}
