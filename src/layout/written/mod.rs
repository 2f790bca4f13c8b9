//! Files that images are written to: OCI layouts in folders and archives (image spec,
//! image-layout.md), each beside its place until it is whole.
//!
//! Blobs come as streams and are kept when whoever reads them has checked them; the index of the
//! layout is written last. What is dropped before that leaves nothing behind.

mod archive;
mod folder;
mod held;
mod index;

use super::archive::Heavy;
use super::error::Error;
use super::opened::Held;
use super::{AHEAD, Layouts, blocking};
use crate::file;
use crate::oci::referrer::Referring;
use crate::oci::{Content, Descriptor, Digest, Form, Manifest, Reference, Repository};
use crate::system;
use archive::Archive;
use bytes::Bytes;
use folder::Folder;
use index::Listed;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::{Builder, NamedTempFile};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The files that a run writes.
pub(crate) struct Outgoing {
    /// Where relative paths start.
    folder: PathBuf,
    /// What is replaced may be a compressed archive.
    heavy: Arc<Heavy>,
    open: Mutex<HashMap<Repository, Slot>>,
}

type Slot = Arc<Mutex<State>>;

/// How far a file is. It is written once in a run.
#[derive(Default)]
enum State {
    #[default]
    NotBegun,
    Open(Box<Writing>),
    Over,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A file that is being written.
struct Writing {
    out: Out,
    /// Blobs on their way into a folder, and where each goes. They are kept here, and not by the
    /// threads that write them: those may outlive the run.
    coming: HashMap<Digest, (NamedTempFile, PathBuf)>,
    /// What it holds, whole and checked.
    kept: HashSet<Digest>,
    listed: Listed,
}

enum Out {
    Archive(Archive),
    Folder(Folder),
}

/// A blob on its way into a file.
pub(crate) struct Receiving {
    /// Takes its bytes; closed when it has all, or cannot take them.
    pub(crate) pipe: mpsc::Sender<Result<Bytes, io::Error>>,
    /// What became of them.
    pub(crate) received: JoinHandle<Result<Received, Error>>,
}

/// A blob whose bytes are all in its file.
pub(crate) struct Received(Digest);

/// Where the bytes of a blob go: into this file, from this byte of it on.
struct Part {
    file: File,
    at: u64,
}

impl Outgoing {
    /// Of the run that reads those.
    pub(crate) fn beside(layouts: &Layouts) -> Self {
        let (folder, heavy) = (layouts.folder.clone(), Arc::clone(&layouts.heavy));
        Self { folder, heavy, open: Mutex::default() }
    }

    /// What stands at a place before anything is written there. [`Error::Broken`]: something that is
    /// no image of a layout, or not all of one.
    pub(crate) async fn held(&self, target: &Reference) -> Result<Held, Error> {
        let (form, path) = self.place(&target.repository)?;
        let name = target.tag.clone();
        let heavy = Arc::clone(&self.heavy);
        blocking(move || held::held((form, &path), name.as_deref(), &heavy)).await
    }

    /// Tests whether a file can be written, and begins to.
    pub(crate) async fn begin(&self, file: &Repository) -> Result<(), Error> {
        self.with(file, |_| Ok(())).await
    }

    /// Whether a file does not have a blob yet.
    pub(crate) async fn lacks(&self, file: &Repository, blob: &Descriptor) -> Result<bool, Error> {
        let digest = blob.digest.clone();
        let (is_kept, there) = self
            .with(file, move |writing| {
                Ok((writing.kept.contains(&digest), writing.place_of(&digest)))
            })
            .await?;
        let Some(there) = there.filter(|_| !is_kept) else { return Ok(!is_kept) };
        // Reading it may take its time: nobody else is held up.
        let (digest, size) = (blob.digest.clone(), blob.size);
        let is_there = blocking(move || folder::has(&there, &digest, size)).await?;
        if is_there {
            let digest = blob.digest.clone();
            self.with(file, move |writing| Ok(writing.kept.insert(digest))).await?;
        }
        Ok(!is_there)
    }

    /// Opens a way for the bytes of a blob, exactly as many as its descriptor says.
    pub(crate) async fn receive(
        &self,
        file: &Repository,
        blob: &Descriptor,
    ) -> Result<Receiving, Error> {
        let (digest, size) = (blob.digest.clone(), blob.size);
        let begun = {
            let digest = digest.clone();
            self.with(file, move |writing| writing.part(&digest, size))
        };
        let part = begun.await?;
        let (pipe, mut chunks) = mpsc::channel::<Result<Bytes, io::Error>>(AHEAD);
        let received = tokio::task::spawn_blocking(move || {
            let mut at = 0;
            while let Some(Ok(bytes)) = chunks.blocking_recv() {
                part.write(&bytes, at).map_err(|error| unwritten(&error))?;
                at += bytes.len() as u64;
            }
            if at < size {
                return Err(Error::cut_off());
            }
            // Some disks tell only then that they are full.
            part.file.sync_data().map_err(|error| unwritten(&error))?;
            Ok(Received(digest))
        });
        Ok(Receiving { pipe, received })
    }

    /// Keeps a blob whose bytes were checked.
    pub(crate) async fn keep(&self, file: &Repository, received: Received) -> Result<(), Error> {
        self.with(file, move |writing| writing.keep(received)).await
    }

    /// Adds a manifest: with a tag, or neither a tag nor a digest, as one that the layout names.
    pub(crate) async fn manifest(
        &self,
        place: &Reference,
        manifest: Manifest,
        referring: Referring,
    ) -> Result<(), Error> {
        let is_named = place.digest.is_none();
        let name = place.tag.clone();
        self.with(&place.repository, move |writing| {
            writing.add(&manifest, referring, is_named.then_some(name.as_deref()))
        })
        .await
    }

    /// Moves a file that is whole to its place.
    pub(crate) async fn seal(&self, file: &Repository) -> Result<(), Error> {
        let finished = self.with(file, |Writing { out, listed, .. }| match out {
            Out::Archive(archive) => archive.finish(listed),
            Out::Folder(folder) => folder.finish(listed),
        });
        let finished = finished.await?;
        blocking(move || finished.sync_all().map_err(|error| unwritten(&error))).await?;
        let slot = self.slot(file);
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            match std::mem::replace(&mut *slot, State::Over) {
                State::Open(writing) => match writing.out {
                    Out::Archive(archive) => archive.move_to_place(),
                    Out::Folder(folder) => folder.move_to_place(),
                },
                State::NotBegun | State::Over => Err(over()),
            }
        })
        .await
    }

    fn place(&self, file: &Repository) -> Result<(Form, PathBuf), Error> {
        let Some((form, path)) = file.file() else { return Err(Error::Absent) };
        Ok((form, self.folder.join(path)))
    }

    fn slot(&self, file: &Repository) -> Slot {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(open.entry(file.clone()).or_default())
    }

    /// Does something with a file that is being written, in a thread where that may take its time.
    async fn with<T: Send + 'static>(
        &self,
        file: &Repository,
        what: impl FnOnce(&mut Writing) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (slot, (form, path)) = (self.slot(file), self.place(file)?);
        blocking(move || {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*slot, State::NotBegun) {
                *slot = State::Open(Box::new(Writing::begin(form, &path)?));
            }
            match &mut *slot {
                State::Open(writing) => what(writing),
                State::NotBegun | State::Over => Err(over()),
            }
        })
        .await
    }
}

/// What is not whole goes, also where a thread is about to write to it that outlives the run.
impl Drop for Outgoing {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        for slot in open.values() {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = State::Over;
        }
    }
}

impl Writing {
    fn begin(form: Form, path: &Path) -> Result<Self, Error> {
        // A link stays, and what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let out = match form {
            Form::Oci => Out::Folder(Folder::begin(&path)?),
            Form::OciArchive | Form::DockerArchive => Out::Archive(Archive::begin(&path)?),
        };
        let (coming, kept) = (HashMap::new(), HashSet::new());
        Ok(Self { out, coming, kept, listed: Listed::default() })
    }

    /// Where a blob may be already.
    fn place_of(&self, digest: &Digest) -> Option<PathBuf> {
        match &self.out {
            Out::Archive(_) => None,
            Out::Folder(folder) => Some(folder.place_of(digest)),
        }
    }

    fn part(&mut self, digest: &Digest, size: u64) -> Result<Part, Error> {
        match &mut self.out {
            Out::Archive(archive) => archive.part(digest, size),
            Out::Folder(folder) => {
                let (file, to) = folder.part(digest)?;
                let part = Part::of(&file, 0)?;
                self.coming.insert(digest.clone(), (file, to));
                Ok(part)
            }
        }
    }

    fn keep(&mut self, Received(digest): Received) -> Result<(), Error> {
        if let Some((file, to)) = self.coming.remove(&digest) {
            file.persist(to).map_err(|error| unwritten(&error.error))?;
        }
        self.kept.insert(digest);
        Ok(())
    }

    /// `named`: with which name the layout lists it, if it does by itself.
    fn add(
        &mut self,
        manifest: &Manifest,
        referring: Referring,
        named: Option<Option<&str>>,
    ) -> Result<(), Error> {
        let Manifest { digest, bytes, content, .. } = manifest;
        if !digest.matches(bytes) {
            return Err(Error::broken(format!("the bytes of {digest} have another digest")));
        }
        let descriptor = manifest.descriptor();
        if !self.kept.contains(digest) {
            let part = self.part(digest, descriptor.size)?;
            part.write(bytes, 0).map_err(|error| unwritten(&error))?;
            self.keep(Received(digest.clone()))?;
        }
        if let Content::Index(index) = content {
            self.listed.are_named(index.manifests.iter().map(|entry| entry.digest.clone()));
        }
        match named {
            Some(name) => self.listed.name(descriptor, &referring.entry.artifact_type, name),
            None if referring.subject.is_some() => self.listed.refers(&referring.entry),
            None => {}
        }
        Ok(())
    }
}

impl Part {
    fn of(file: &NamedTempFile, at: u64) -> Result<Self, Error> {
        let file = file.as_file().try_clone().map_err(|error| unwritten(&error))?;
        Ok(Self { file, at })
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        system::write_all_at(&self.file, bytes, self.at + offset)
    }
}

fn over() -> Error {
    Error::Unwritten("the run is over".to_owned())
}

/// The folder that something is in.
fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file beside its place, or in a folder of ours; gone unless it is moved.
fn beside(folder: &Path) -> Result<NamedTempFile, Error> {
    let mut builder = Builder::new();
    system::rights(builder.prefix(".manifest-action-"), 0o666);
    builder.tempfile_in(folder).map_err(|error| cannot_write(&error))
}

fn cannot_write(error: &io::Error) -> Error {
    Error::Unclear(format!("nothing can be written there: {}", file::why(error)))
}

fn unwritten(error: &io::Error) -> Error {
    Error::Unwritten(file::why(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media_type;
    use serde_json::json;
    use std::process::Command;

    /// A digest by SHA-512 has more characters than a header has room for.
    #[tokio::test]
    async fn blobs_by_any_digest() {
        let folder = tempfile::tempdir().unwrap();
        let content = Bytes::from_static(b"content");
        let digest: Digest = "sha512:b2d1d285b5199c85f988d03649c37e44fd3dde01e5d69c50fef90651962f48110e9340b60d49a479c4c0b53f5f07d690686dd87d2481937a512e8b85ee7c617f".parse().unwrap();
        assert!(digest.matches(&content));
        let blob = Descriptor::new("x/y", digest.clone(), content.len() as u64);
        let config = json!({"mediaType": media_type::OCI_CONFIG, "digest": digest, "size": 7});
        let text = json!({"schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config, "layers": [config]});
        let text = Bytes::from(text.to_string());
        for form in [Form::OciArchive, Form::Oci] {
            let file = Repository::in_file(form, form.word());
            let layouts = Layouts::new(folder.path());
            let outgoing = Outgoing::beside(&layouts);
            assert!(outgoing.lacks(&file, &blob).await.unwrap());
            let Receiving { pipe, received } = outgoing.receive(&file, &blob).await.unwrap();
            pipe.send(Ok(content.clone())).await.unwrap();
            drop(pipe);
            outgoing.keep(&file, received.await.unwrap().unwrap()).await.unwrap();
            assert!(!outgoing.lacks(&file, &blob).await.unwrap());
            let manifest = Manifest::parse(text.clone(), "", Digest::of(&text)).unwrap();
            let referring = Referring::of(&manifest).unwrap();
            let place = Reference::tagged(&file, "v1");
            outgoing.manifest(&place, manifest, referring).await.unwrap();
            outgoing.seal(&file).await.unwrap();
            assert!(outgoing.begin(&file).await.is_err(), "it is over");
            assert_eq!(layouts.manifest(&place).await.unwrap().bytes, text);
            assert_eq!(layouts.blob(&file, &digest, 7).await.unwrap(), content);
            assert_eq!(outgoing.held(&place).await.unwrap().entry.digest, Digest::of(&text));
        }
        // On Windows, which tar that is depends on the shell.
        if cfg!(unix) {
            let archive = folder.path().join("oci-archive");
            let listed = Command::new("tar").arg("-tf").arg(archive).output().unwrap().stdout;
            let listed = String::from_utf8(listed).unwrap();
            assert!(listed.contains(&format!("\nblobs/sha512/{}\n", digest.hex())), "{listed}");
        }
    }

    #[tokio::test]
    async fn too_few_bytes_are_not_kept_and_what_is_not_sealed_goes() {
        let folder = tempfile::tempdir().unwrap();
        let blob = Descriptor::new("x/y", Digest::of(b"content"), 7);
        for form in [Form::OciArchive, Form::Oci] {
            let outgoing = Outgoing::beside(&Layouts::new(folder.path()));
            let file = Repository::in_file(form, "a");
            let Receiving { pipe, received } = outgoing.receive(&file, &blob).await.unwrap();
            pipe.send(Ok(Bytes::from_static(b"con"))).await.unwrap();
            drop(pipe);
            assert!(received.await.unwrap().is_err());
            assert_eq!(folder.path().read_dir().unwrap().count(), 1);
            // The pipe of this one is open still.
            let _held = outgoing.receive(&file, &blob).await.unwrap();
            drop(outgoing);
            assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        }
    }
}
