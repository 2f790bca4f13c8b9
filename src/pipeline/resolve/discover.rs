//! Attestations that hang on a plain image as referrers, for the index that it goes into: the
//! provenance and SBOMs that `BuildKit` pushes. Signatures and whatever else refers to it stay
//! referrers.
//!
//! The question goes out beside the image's config. What is found is read, for only its own bytes
//! tell what it is and what it refers to.

use super::look::Look;
use super::state::{NotYet, Stop};
use crate::error::words::setting;
use crate::error::{Access, Error};
use crate::inputs::table::names;
use crate::join;
use crate::oci::referrer::{self, ATTESTATION, Referring};
use crate::oci::{Content, Descriptor, Manifest, Reference, media_type};
use crate::registry::{self, MOST_REFERRERS, Purpose};
use tracing::{debug, warn};

impl Look<'_> {
    /// What may be an attestation of a plain image, as listed; nothing where no index wants it.
    pub(super) async fn listed(&self, image: &Manifest) -> Result<Vec<Descriptor>, Stop> {
        let Self { wait, source, deadline, .. } = *self;
        if !wait.work.plan.discovers_attestations() {
            return Ok(Vec::new());
        }
        let place = Reference::at(&source.reference.repository, &image.digest);
        let listed = match wait.work.registry.shared_referrers(&place, deadline).await {
            Ok(Some(listed)) => listed,
            Ok(None) => self.listed_by_tag(image).await?,
            // The image was read with the same login: it is the API that nobody may use.
            Err(error) if error.is_denial() => {
                warn!(
                    "{}: the registry denies its list of referrers; attestations are found only by tag",
                    place.repository
                );
                debug!("{error}");
                self.listed_by_tag(image).await?
            }
            Err(error) => {
                return Err(self.unknown(&error, &format!("list what refers to {place}")));
            }
        };
        let mut may_attest: Vec<Descriptor> = listed.into_iter().filter(may_attest).collect();
        may_attest.sort_by(|one, other| one.digest.cmp(&other.digest));
        may_attest.dedup_by(|one, other| one.digest == other.digest);
        if may_attest.len() > MOST_REFERRERS {
            let what = format!("{place}: more than {MOST_REFERRERS} attestations are listed");
            return Err(without(Error::refused(what)));
        }
        Ok(may_attest)
    }

    /// The same where the registry has no API that lists referrers.
    async fn listed_by_tag(&self, image: &Manifest) -> Result<Vec<Descriptor>, Stop> {
        let repository = &self.source.reference.repository;
        let tag = Reference::tagged(repository, &referrer::tag(&image.digest));
        match self.manifest(&tag).await {
            Ok(list) => Ok(registry::entries(&list, Purpose::Copy).collect()),
            // Some registries deny what does not exist; the image beside it was read.
            Err(error) if error.may_be_missing() || error.is_denial() => Ok(Vec::new()),
            Err(error) => Err(self.unknown(&error, &format!("read {tag}"))),
        }
    }

    /// Entries for those that are attestations of this image.
    pub(super) async fn attestations(
        &self,
        image: &Manifest,
        listed: Vec<Descriptor>,
    ) -> Result<Vec<Descriptor>, Stop> {
        let read = listed.iter().map(|entry| self.attestation(image, entry));
        Ok(join::all(read).await?.into_iter().flatten().collect())
    }

    async fn attestation(
        &self,
        image: &Manifest,
        listed: &Descriptor,
    ) -> Result<Option<Descriptor>, Stop> {
        let place = Reference::at(&self.source.reference.repository, &listed.digest);
        let read = self.manifest(&place).await;
        let manifest = read.map_err(|error| self.unknown(&error, &format!("read {place}")))?;
        if let Some(why) = manifest.contradicts(listed) {
            return Err(without(Error::refused(format!("{place} is not what is listed: {why}"))));
        }
        let is_image = matches!(manifest.content, Content::Image(_));
        let referring = Referring::of(&manifest)
            .map_err(|invalid| without(Error::refused(format!("{place}: {invalid}"))))?;
        if referring.subject.as_ref() != Some(&image.digest) {
            warn!(
                "{place} is listed under {}, but does not refer to it; it is not taken into the index",
                image.digest
            );
            return Ok(None);
        }
        // A list need not say of what type it is.
        Ok(referring.attestation().filter(|_| is_image))
    }

    /// An error that ends the run, unless the registry is only in trouble and is waited for.
    fn unknown(&self, error: &registry::Error, what: &str) -> Stop {
        match self.sort(error, true) {
            stop @ Stop::NotYet(NotYet::Trouble(_)) => stop,
            _ => without(Error::of_registry(error, what, Access::Pull)),
        }
    }
}

/// Whether what is listed so can be an attestation: some lists leave the type out.
fn may_attest(entry: &Descriptor) -> bool {
    media_type::is_image(&entry.media_type)
        && (entry.artifact_type.is_empty() || entry.artifact_type == ATTESTATION)
}

/// An error about attestations that were looked for, with the way to do without.
fn without(mut error: Error) -> Stop {
    let keep = setting(names::attestations, "keep");
    error
        .details
        .push(format!("{keep} publishes those that the sources hold, and looks for no others"));
    error.into()
}
