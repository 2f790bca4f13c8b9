//! Read cache of a run: a request that several lists make finds the first one's answer, or waits
//! for it. Only accepted answers are shared; every caller has its own failure.

use super::blobs::{BlobOutcome, CopyError};
use super::{Error, Head, Registry};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Repository};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Bytes as received that the cache keeps at most; what comes later is read again each time.
const MOST_BYTES: usize = 2 << 20;
/// Bytes that an answer counts at least: a small one costs more than its body.
const LEAST_BYTES: usize = 512;

/// Answers by request.
#[derive(Debug, Default)]
pub(super) struct Cache {
    manifests: Slots<Manifest>,
    heads: Slots<Head>,
    configs: Slots<Bytes>,
    sizes: Slots<Option<u64>>,
    copies: Slots<BlobOutcome>,
    kept: Mutex<usize>,
}

type Slots<T> = Mutex<HashMap<String, Arc<OnceCell<T>>>>;

impl Cache {
    async fn get<T: Clone, E>(
        &self,
        slots: &Slots<T>,
        key: String,
        size: impl Fn(&T) -> usize,
        read: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let slot = Arc::clone(
            slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default(),
        );
        let mut fresh = false;
        let reading = async {
            let value = read().await?;
            fresh = true;
            Ok(value)
        };
        let result = slot.get_or_try_init(|| reading).await.cloned();
        let keep = match &result {
            Ok(value) if fresh => self.takes(size(value)),
            Ok(_) => true,
            Err(_) => false,
        };
        if !keep {
            slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
        result
    }

    fn takes(&self, size: usize) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let size = size.max(LEAST_BYTES);
        let fits = *kept + size <= MOST_BYTES;
        *kept += if fits { size } else { 0 };
        fits
    }
}

impl Registry {
    /// Reads a manifest as [`Registry::manifest`] does, once in this run: every list sees a tag as
    /// the first one did.
    pub async fn shared_manifest(&self, reference: &Reference) -> Result<Manifest, Error> {
        let size = |manifest: &Manifest| manifest.share.weight();
        let read = async || self.manifest(reference, None).await;
        self.cache.get(&self.cache.manifests, reference.to_string(), size, read).await
    }

    /// Looks at a child by its digest as [`Registry::look_surely`] does, once in this run if it is there.
    pub async fn shared_look(
        &self,
        child: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        let read = async || self.look_surely(child, deadline).await;
        self.cache.get(&self.cache.heads, child.to_string(), |_| 0, read).await
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
        self.cache.get(&self.cache.configs, key, Bytes::len, read).await
    }

    /// Looks at a blob as [`Registry::blob_size`] does, once in this run if it is there.
    pub async fn shared_blob_size(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<u64>, Error> {
        let read = async || self.blob_size(repository, digest).await;
        self.cache.get(&self.cache.sizes, format!("{repository}@{digest}"), |_| 0, read).await
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
        self.cache.get(&self.cache.copies, format!("{to}@{}", blob.digest), |_| 0, copy).await
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
        self.cache.get(&self.cache.copies, key, |_| 0, upload).await
    }
}
