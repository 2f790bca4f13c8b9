//! What several lists of a run read is read once: the same request made again finds the first one's
//! answer, or waits for it. Only what was accepted is shared; a failure is everybody's own.

use super::blobs::{BlobOutcome, CopyError};
use super::{Error, Head, Registry};
use crate::oci::{Descriptor, Manifest, Reference, Repository};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// What may be kept, in bytes as received; whatever comes later is read again each time.
const MOST_BYTES: usize = 2 << 20;
/// A small answer costs more than its bytes.
const LEAST_BYTES: usize = 512;

/// Answers by what was asked for.
#[derive(Debug, Default)]
pub(super) struct Cache {
    manifests: Slots<Manifest>,
    heads: Slots<Head>,
    configs: Slots<Bytes>,
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
    /// Reads a manifest as [`Registry::manifest`] does, once in this run: what a tag named at that
    /// time is what it names for all who ask here.
    pub async fn shared_manifest(&self, reference: &Reference) -> Result<Manifest, Error> {
        let size = |manifest: &Manifest| manifest.bytes.len();
        let read = async || self.manifest(reference, None).await;
        self.cache.get(&self.cache.manifests, reference.to_string(), size, read).await
    }

    /// Looks at a child by its digest as [`Registry::look`] does; one that was there is not looked
    /// for again.
    pub async fn shared_look(
        &self,
        child: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        let read = async || self.look(child, deadline).await;
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

    /// Brings a blob into a repository as [`Registry::copy_blob`] does, once in this run; `copied`
    /// hears of it if it was this call that did.
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
}
