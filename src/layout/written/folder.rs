//! A layout in a folder. A new one is made beside its place and moved there as a whole; to one that is
//! there already, as skopeo and oras do it, what it lacks is added, its index last.

use super::index::{self, Listed};
use super::{Part, above, beside, cannot_write, unwritten};
use crate::file;
use crate::layout::error::Error;
use crate::layout::oci::{INDEX, blob};
use crate::layout::packed::CHUNK;
use crate::oci::Digest;
use crate::oci::digest::Hashing;
use crate::oci::manifest::LARGEST_MANIFEST;
use crate::system;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile, TempDir};

/// A folder.
pub(super) struct Folder {
    to: PathBuf,
    /// Where a new one is made.
    fresh: Option<TempDir>,
    /// Its new list.
    index: Option<NamedTempFile>,
}

impl Folder {
    pub(super) fn begin(to: &Path) -> Result<Self, Error> {
        let is_new = !to.exists() || is_empty(to).map_err(|error| cannot_write(&error))?;
        let mut builder = Builder::new();
        system::rights(builder.prefix(".manifest-action-"), 0o777);
        let fresh = is_new.then(|| builder.tempdir_in(above(to))).transpose();
        let fresh = fresh.map_err(|error| cannot_write(&error))?;
        Ok(Self { to: to.to_owned(), fresh, index: None })
    }

    fn base(&self) -> &Path {
        self.fresh.as_ref().map_or(&self.to, |fresh| fresh.path())
    }

    pub(super) fn place_of(&self, digest: &Digest) -> PathBuf {
        self.base().join(blob(digest))
    }

    /// A file for a blob, and where that is to be.
    pub(super) fn part(&self, digest: &Digest) -> Result<(NamedTempFile, PathBuf), Error> {
        let to = self.place_of(digest);
        fs::create_dir_all(above(&to)).map_err(|error| unwritten(&error))?;
        Ok((beside(self.base())?, to))
    }

    /// Lists what was added: what is to be on the disk before that counts.
    pub(super) fn finish(&mut self, listed: &Listed) -> Result<File, Error> {
        let index = self.base().join(INDEX);
        let old = match index.exists() {
            true => {
                let read = file::bytes(&index, LARGEST_MANIFEST as u64);
                Some(read.map_err(|why| Error::broken(format!("{INDEX} {why}")))?)
            }
            false => None,
        };
        let version = self.base().join(index::VERSION);
        if !version.exists() {
            let file = self.document(index::VERSION_TEXT)?;
            file.persist(version).map_err(|error| unwritten(&error.error))?;
        }
        let index = self.index.insert(self.document(&listed.onto(old)?)?);
        Ok(Part::of(index, 0)?.file)
    }

    /// Puts the list in its place, and a new folder.
    pub(super) fn move_to_place(mut self) -> Result<(), Error> {
        if let Some(list) = self.index.take() {
            let placed = list.persist(self.base().join(INDEX));
            placed.map_err(|error| unwritten(&error.error))?;
        }
        let Some(fresh) = self.fresh else { return Ok(()) };
        // An empty folder that is there gives way.
        fs::rename(fresh.path(), &self.to).map_err(|error| unwritten(&error))?;
        // There is nothing left that would be removed.
        let _ = fresh.keep();
        Ok(())
    }

    fn document(&self, bytes: &[u8]) -> Result<NamedTempFile, Error> {
        let mut file = beside(self.base())?;
        file.write_all(bytes).map_err(|error| unwritten(&error))?;
        Ok(file)
    }
}

/// Whether all of a blob is in this file.
pub(super) fn has(path: &Path, digest: &Digest, size: u64) -> Result<bool, Error> {
    let Ok(mut found) = file::reader(path) else { return Ok(false) };
    if found.metadata()?.len() != size {
        return Ok(false);
    }
    let (mut hashing, mut chunk) = (Hashing::for_digest(digest), vec![0; CHUNK]);
    loop {
        match found.read(&mut chunk)? {
            0 => return Ok(hashing.matches(digest)),
            read => hashing.update(&chunk[..read]),
        }
    }
}

/// Whether nothing is in a folder.
pub(super) fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}
