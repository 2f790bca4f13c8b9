//! Images in files: OCI layouts in folders and archives (image spec, image-layout.md), and archives
//! of `docker save`. Read in place: nothing is unpacked to disk, and no blob is ever held whole.
//! `written` is the other way.
//!
//! What comes out is what a registry would say: manifests that are complete and match their digests,
//! and blobs as streams. Files are read in threads of their own, since reading them blocks.

mod archive;
mod docker;
mod error;
mod folder;
mod members;
mod oci;
mod opened;
mod packed;
mod walk;
mod written;

use crate::inputs::places::Place;
use crate::oci::{Descriptor, Digest, Manifest, Reference, Repository};
use archive::Heavy;
use bytes::Bytes;
pub(crate) use error::Error;
use opened::{Layout, Wanted};
use packed::CHUNK;
use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit, mpsc};
use tokio::task;
pub(crate) use written::{Outgoing, Receiving};

/// Images in one file at most.
const MOST_IMAGES: usize = 256;
/// Chunks that are read ahead.
const AHEAD: usize = 2;

fn too_many() -> Error {
    Error::broken(format!("names more than {MOST_IMAGES} images"))
}

/// The files of a run, each opened once.
pub(crate) struct Layouts {
    /// Where relative paths start.
    folder: PathBuf,
    opened: Mutex<HashMap<Repository, Arc<OnceCell<Arc<Layout>>>>>,
    heavy: Arc<Heavy>,
    /// Whoever streams blobs of a file that is [`Heavy`].
    one: Semaphore,
}

impl fmt::Debug for Layouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layouts").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Layouts {
    pub(crate) fn new(folder: &Path) -> Self {
        let (opened, heavy) = (Mutex::default(), Arc::default());
        Self { folder: folder.to_owned(), opened, heavy, one: Semaphore::new(1) }
    }

    /// Reads the manifest that a reference means.
    pub(crate) async fn manifest(&self, reference: &Reference) -> Result<Manifest, Error> {
        let wanted = Wanted::from(reference);
        self.with(&reference.repository, move |layout| layout.manifest(&wanted)).await
    }

    /// Reads a whole blob of at most so many bytes.
    pub(crate) async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        most: u64,
    ) -> Result<Bytes, Error> {
        let digest = digest.clone();
        self.with(repository, move |layout| {
            let bytes = layout.whole(&digest, most)?;
            if digest.matches(&bytes) {
                return Ok(bytes.into());
            }
            Err(Error::broken(format!(
                "the bytes of {digest} have another digest, or are too many"
            )))
        })
        .await
    }

    /// Streams a blob from one of its bytes on, chunk by chunk; an error is the last one.
    pub(crate) async fn stream(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: u64,
    ) -> Result<mpsc::Receiver<Result<Bytes, Error>>, Error> {
        let digest = digest.clone();
        let opened = self.with(repository, move |layout| layout.reader(&digest, from));
        let mut reader = opened.await?;
        let (pipe, chunks) = mpsc::channel(AHEAD);
        task::spawn_blocking(move || {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                let read = reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                let is_last = read.is_err() || chunk.len() < CHUNK;
                let next = match read {
                    Ok(_) if chunk.is_empty() => break,
                    Ok(_) => Ok(Bytes::from(chunk)),
                    Err(error) => Err(error.into()),
                };
                // Nobody wants the rest where the pipe is closed.
                if pipe.blocking_send(next).is_err() || is_last {
                    break;
                }
            }
        });
        Ok(chunks)
    }

    /// Forgets what a file held, which was written meanwhile.
    pub(crate) fn forget(&self, repository: &Repository) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(repository);
    }

    /// What refers to a manifest.
    pub(crate) async fn referrers(&self, subject: &Reference) -> Result<Vec<Descriptor>, Error> {
        let Some(digest) = subject.digest.clone() else { return Ok(Vec::new()) };
        self.with(&subject.repository, move |layout| layout.referrers(&digest)).await
    }

    /// The files that a pattern means, as they can be written in its place.
    pub(crate) async fn matching(&self, pattern: &Repository) -> Vec<Repository> {
        let Some((form, path)) = pattern.file() else { return Vec::new() };
        let (folder, path) = (self.folder.clone(), path.to_owned());
        let found = blocking(move || {
            let found = Place::of(&folder, &path).holders(form, &path).map_err(Error::Unclear)?;
            let found = found.iter().filter_map(|path| path.to_str()).take(MOST_IMAGES);
            Ok(found.map(|path| Repository::in_file(form, path)).collect())
        });
        found.await.unwrap_or_default()
    }

    /// The names of all that a file names.
    pub(crate) async fn names(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        self.with(repository, |layout| Ok(layout.names())).await
    }

    /// Whether a file can only be read from its start on.
    pub(crate) async fn is_packed(&self, repository: &Repository) -> Result<bool, Error> {
        self.with(repository, |layout| Ok(layout.is_packed())).await
    }

    /// Sorts blobs by where they begin.
    pub(crate) async fn in_order(
        &self,
        repository: &Repository,
        mut blobs: Vec<Descriptor>,
    ) -> Result<Vec<Descriptor>, Error> {
        self.with(repository, move |layout| {
            blobs.sort_by_key(|blob| layout.place(&blob.digest));
            Ok(blobs)
        })
        .await
    }

    /// The turn of a file whose blobs are streamed one after the other, as long as they are; `None`:
    /// it need not wait for others.
    pub(crate) async fn turn(
        &self,
        repository: &Repository,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        let is_heavy = self.with(repository, |layout| Ok(layout.is_heavy())).await?;
        // Never closed, so there will be a turn.
        Ok(if is_heavy { self.one.acquire().await.ok() } else { None })
    }

    /// Does something with an opened file, in a thread where that may take its time.
    async fn with<T: Send + 'static>(
        &self,
        repository: &Repository,
        what: impl FnOnce(&Layout) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let layout = self.opened(repository).await?;
        blocking(move || what(&layout)).await
    }

    async fn opened(&self, repository: &Repository) -> Result<Arc<Layout>, Error> {
        let slot = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opened.entry(repository.clone()).or_default())
        };
        let open = || async {
            let Some((form, path)) = repository.file() else { return Err(Error::Absent) };
            let path = self.folder.join(path);
            let heavy = Arc::clone(&self.heavy);
            blocking(move || Layout::open(form, &path, &heavy).map(Arc::new)).await
        };
        slot.get_or_try_init(open).await.cloned()
    }
}

async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match task::spawn_blocking(what).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::broken("was not read to its end")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Form;
    use crate::random::{chosen, damage, spoilt};
    use serde_json::{Value, json};
    use std::fs;
    use tempfile::TempDir;

    /// A tar archive of these members.
    fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// An image in Docker's old form and in an OCI layout, of which a document may be spoilt.
    fn image(random: &mut fastrand::Rng, form: Form) -> Vec<(String, Vec<u8>)> {
        let mut document = |value: &Value| match random.usize(0..4) {
            0 => spoilt(random, value, 20),
            _ => value.to_string().into_bytes(),
        };
        let layer = b"a layer".to_vec();
        let config = document(&json!({
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
        }));
        if form == Form::DockerArchive {
            let index = document(
                &json!([{"Config": "c.json", "RepoTags": ["acme/app:1"], "Layers": ["l/layer.tar"]}]),
            );
            return vec![
                ("l/layer.tar".to_owned(), layer),
                ("c.json".to_owned(), config),
                ("manifest.json".to_owned(), index),
            ];
        }
        let of = |bytes: &[u8], media_type: &str| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
        let manifest = document(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": of(&config, "application/vnd.oci.image.config.v1+json"),
            "layers": [of(&layer, "application/vnd.oci.image.layer.v1.tar")],
        }));
        let entry = of(&manifest, "application/vnd.oci.image.manifest.v1+json");
        let index = document(&json!({"schemaVersion": 2, "manifests": [entry]}));
        let blobs = [layer, config, manifest];
        let blobs = blobs.into_iter().map(|bytes| (oci::blob(&Digest::of(&bytes)), bytes));
        blobs.chain([("index.json".to_owned(), index)]).collect()
    }

    #[test]
    fn survives_any_archive() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.tar");
        let mut random = fastrand::Rng::with_seed(1);
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..3_000 {
            let form = *chosen(&mut random, &[Form::OciArchive, Form::DockerArchive]);
            let mut bytes = archive(&image(&mut random, form));
            if random.usize(0..3) == 0 {
                damage(&mut random, &mut bytes);
            }
            fs::write(&path, &bytes).unwrap();
            let wanted = Wanted::from(&Reference {
                repository: Repository::in_file(form, "a.tar"),
                tag: None,
                digest: None,
            });
            let read = Layout::open(form, &path, &Arc::default()).and_then(|layout| {
                let manifest = layout.manifest(&wanted)?;
                assert!(manifest.digest.matches(&manifest.bytes));
                let crate::oci::Content::Image(image) = manifest.content else { return Ok(()) };
                for blob in image.layers.iter().chain([&image.config]) {
                    let mut bytes = Vec::new();
                    layout.reader(&blob.digest, 0)?.read_to_end(&mut bytes)?;
                    assert_eq!(bytes.len() as u64, blob.size);
                }
                Ok(())
            });
            match read {
                Ok(()) => accepted += 1,
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().len() < 1000, "{error}");
                }
            }
        }
        assert!(accepted > 300 && refused > 300, "{accepted} {refused}");
    }
}
