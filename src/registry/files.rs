//! Reads of images in files, told as reads of a registry are. Nothing of them is ever sent anywhere.

use super::Registry;
use super::error::{Error, Kind};
use crate::layout;
use crate::oci::{Descriptor, Digest, Manifest, Reference, Repository};
use bytes::Bytes;
use tokio::sync::{SemaphorePermit, mpsc};

impl Error {
    /// An error of a file that holds images.
    pub(super) fn of_file(file: &Repository, error: layout::Error) -> Self {
        let kind = match error {
            layout::Error::Absent => Kind::NotFound,
            layout::Error::Unclear(what) => Kind::Unclear(layout::Error::sentence(&what)),
            layout::Error::Broken(what) => Kind::Broken(layout::Error::sentence(&what)),
            layout::Error::Unwritten(what) => Kind::Unwritten(what),
        };
        Self {
            kind,
            host: file.to_string(),
            request: None,
            elsewhere: None,
            status: None,
            said: None,
            tries: 1,
            spent: false,
            login: None,
            withheld: None,
            helper: None,
        }
    }
}

impl Registry {
    pub(super) async fn manifest_of_file(&self, reference: &Reference) -> Result<Manifest, Error> {
        let told = |error| Error::of_file(&reference.repository, error);
        let mut manifest = self.layouts.manifest(reference).await.map_err(told)?;
        manifest
            .share
            .count_in(&self.held)
            .map_err(|error| told(layout::Error::Broken(error.to_string())))?;
        Ok(manifest)
    }

    pub(super) async fn blob_of_file(
        &self,
        file: &Repository,
        blob: &Descriptor,
        most: u64,
    ) -> Result<Bytes, Error> {
        let read = self.layouts.blob(file, &blob.digest, most.min(blob.size)).await;
        read.map_err(|error| Error::of_file(file, error))
    }

    /// A blob from one of its bytes on.
    pub(super) async fn stream_of_file(
        &self,
        file: &Repository,
        digest: &Digest,
        from: u64,
    ) -> Result<mpsc::Receiver<Result<Bytes, layout::Error>>, Error> {
        let opened = self.layouts.stream(file, digest, from).await;
        opened.map_err(|error| Error::of_file(file, error))
    }

    pub(super) async fn referrers_of_file(
        &self,
        subject: &Reference,
    ) -> Result<Vec<Descriptor>, Error> {
        let listed = self.layouts.referrers(subject).await;
        listed.map_err(|error| Error::of_file(&subject.repository, error))
    }

    /// The files that a pattern means; none where none is there.
    pub(crate) async fn files_of(&self, pattern: &Repository) -> Vec<Repository> {
        self.layouts.matching(pattern).await
    }

    /// Whether a file can only be read from its start on.
    pub(crate) async fn is_packed_file(&self, file: &Repository) -> Result<bool, Error> {
        self.layouts.is_packed(file).await.map_err(|error| Error::of_file(file, error))
    }

    /// The blobs in the order in which their file holds them.
    pub(crate) async fn in_order_of_file(
        &self,
        file: &Repository,
        blobs: Vec<Descriptor>,
    ) -> Result<Vec<Descriptor>, Error> {
        let sorted = self.layouts.in_order(file, blobs).await;
        sorted.map_err(|error| Error::of_file(file, error))
    }
    /// The turn of a file whose blobs are brought one after the other; see [`layout::Layouts::turn`].
    pub(crate) async fn turn_of_file(
        &self,
        file: &Repository,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        self.layouts.turn(file).await.map_err(|error| Error::of_file(file, error))
    }
}
