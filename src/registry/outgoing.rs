//! Writes to files that hold images, told as writes to a registry are.

use super::Registry;
use super::error::Error;
use super::look::Head;
use super::referrers::Stored;
use crate::layout;
use crate::oci::referrer::Referring;
use crate::oci::{Digest, Manifest, Reference, Repository};
use bytes::Bytes;

impl Registry {
    /// Looks at what is to be replaced: a tag as [`Registry::look`] does, or what a file holds under
    /// a name.
    pub async fn look_at_target(&self, target: &Reference) -> Result<Head, Error> {
        if target.repository.file().is_none() {
            return self.look(target, None).await;
        }
        let held = self.outgoing.held(target).await;
        let held = held.map_err(|error| Error::of_file(&target.repository, error))?;
        let (digest, media_type) = (held.entry.digest.clone(), held.entry.media_type.clone());
        Ok(Head { digest, media_type, size: Some(held.entry.size), is_renamed: held.is_renamed })
    }

    pub(super) async fn manifest_into_file(
        &self,
        place: &Reference,
        media_type: &str,
        bytes: &Bytes,
        digest: &Digest,
    ) -> Result<Stored, Error> {
        let of_file = |error| Error::of_file(&place.repository, error);
        let invalid =
            |error: crate::oci::Invalid| of_file(layout::Error::broken(error.to_string()));
        let manifest =
            Manifest::parse(bytes.clone(), media_type, digest.clone()).map_err(invalid)?;
        let referring = Referring::of(&manifest).map_err(invalid)?;
        let lists_it = referring.subject.is_some();
        self.outgoing.manifest(place, manifest, referring).await.map_err(of_file)?;
        Ok(Stored { lists_it })
    }

    /// Moves a file to its place, which has all that it is to have; a registry needs no such thing.
    pub async fn seal(&self, repository: &Repository) -> Result<(), Error> {
        if repository.file().is_none() {
            return Ok(());
        }
        self.layouts.forget(repository);
        let sealed = self.outgoing.seal(repository).await;
        sealed.map_err(|error| Error::of_file(repository, error))
    }
}
