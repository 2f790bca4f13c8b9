//! Read cache of a run: a request that several lists make finds the first one's answer, or waits
//! for it. Only accepted answers are shared; every caller has its own failure.

use super::blobs::{BlobOutcome, CopyError};
use super::seen::{News, Seen};
use super::slots::Slots;
use super::{Error, Head, Purpose, Registry};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Repository};
use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Bytes of manifests that are kept at most, and of answers of each other kind.
const MOST_OF_MANIFESTS: usize = 2 << 20;
const MOST_OF_OTHERS: usize = 1 << 20;
/// Bytes that one entry of a list of referrers takes, about.
const A_REFERRER: usize = 1 << 10;

/// Answers by request.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) seen: Slots<Seen>,
    heads: Once<Head>,
    configs: Once<Bytes>,
    sizes: Once<Option<u64>>,
    copies: Once<BlobOutcome>,
    referrers: Once<Option<Vec<Descriptor>>>,
}

type Once<T> = Slots<OnceCell<T>>;

impl Default for Cache {
    fn default() -> Self {
        Self {
            seen: Slots::of(MOST_OF_MANIFESTS),
            heads: Slots::of(MOST_OF_OTHERS),
            configs: Slots::of(MOST_OF_OTHERS),
            sizes: Slots::of(MOST_OF_OTHERS),
            copies: Slots::of(MOST_OF_OTHERS),
            referrers: Slots::of(MOST_OF_OTHERS),
        }
    }
}

/// The first good answer to a request, and its size.
async fn once<T: Clone, E>(
    slots: &Once<T>,
    key: &str,
    size: impl Fn(&T) -> usize,
    read: impl AsyncFnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let slot = slots.at(key);
    let mut fresh = false;
    let reading = async {
        let value = read().await?;
        fresh = true;
        Ok(value)
    };
    let result = slot.get_or_try_init(|| reading).await.cloned();
    match &result {
        Ok(value) if fresh => slots.keep(key, size(value)),
        Ok(_) => {}
        Err(_) => slots.forget(key),
    }
    result
}

impl Registry {
    /// Reads a manifest as [`Registry::manifest`] does, once in this run: every list sees a tag as
    /// the first one did.
    pub async fn shared_manifest(&self, reference: &Reference) -> Result<Manifest, Error> {
        let news = News { found: None, missing: Instant::now() };
        self.seen_manifest(reference, news, None).await
    }

    /// Looks at a child by its digest as [`Registry::look_surely`] does, once in this run if it is there.
    pub async fn shared_look(
        &self,
        child: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        let read = async || self.look_surely(child, deadline).await;
        once(&self.cache.heads, &child.to_string(), |_| 0, read).await
    }

    /// Reads a config as [`Registry::config`] does, once in this run.
    pub async fn shared_config(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        deadline: Option<Instant>,
    ) -> Result<Bytes, Error> {
        let key = format!("{repository}@{} {}", descriptor.digest, descriptor.size);
        let read = async || self.config(repository, descriptor, deadline).await;
        once(&self.cache.configs, &key, Bytes::len, read).await
    }

    /// Lists what may go into an index with an image, as [`Registry::list_referrers`] does, once in
    /// this run.
    pub(crate) async fn shared_referrers(
        &self,
        subject: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Option<Vec<Descriptor>>, Error> {
        let read = async || self.list_referrers(subject, Purpose::Copy, deadline).await;
        let size = |listed: &Option<Vec<Descriptor>>| listed.iter().flatten().count() * A_REFERRER;
        once(&self.cache.referrers, &subject.to_string(), size, read).await
    }

    /// Looks at a blob as [`Registry::blob_size`] does, once in this run if it is there.
    pub async fn shared_blob_size(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<u64>, Error> {
        let read = async || self.blob_size(repository, digest).await;
        once(&self.cache.sizes, &format!("{repository}@{digest}"), |_| 0, read).await
    }

    /// Copies a blob as [`Registry::copy_blob`] does, once in this run; `copied` is called only if
    /// this call made the copy.
    pub async fn shared_copy(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
        streamed: &dyn Fn(u64),
        copied: impl FnOnce(&BlobOutcome),
    ) -> Result<BlobOutcome, CopyError> {
        let copy = async || self.copy_blob(from, to, blob, streamed).await.inspect(copied);
        once(&self.cache.copies, &format!("{to}@{}", blob.digest), |_| 0, copy).await
    }

    /// Uploads a blob as [`Registry::upload_anew`] does, once in this run.
    pub async fn shared_upload(
        &self,
        from: &Repository,
        to: &Repository,
        blob: &Descriptor,
    ) -> Result<BlobOutcome, CopyError> {
        let upload =
            async || self.upload_anew(from, to, blob).await.map(|()| BlobOutcome::Uploaded);
        let key = format!("{to}@{} anew", blob.digest);
        once(&self.cache.copies, &key, |_| 0, upload).await
    }
}
