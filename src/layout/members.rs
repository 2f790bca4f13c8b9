//! What a folder or an archive holds: bytes by their names in it.

use super::archive::{Archive, Heavy};
use super::error::Error;
use super::folder::Folder;
use super::packed::Source;
use crate::file;
use crate::oci::shown;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

pub(super) enum Members {
    Folder(Folder),
    Archive(Archive),
}

impl Members {
    /// Opens what is there. `is_folder`: whether it has to be one.
    pub(super) fn open(path: &Path, is_folder: bool, heavy: &Arc<Heavy>) -> Result<Self, Error> {
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(Error::Absent),
            Err(error) => return Err(Error::Unclear(file::why(&error))),
        }
        match (is_folder, path.is_dir()) {
            (true, true) => Folder::open(path).map(Self::Folder),
            (false, false) => Archive::open(path, heavy).map(Self::Archive),
            (true, false) => Err(Error::Unclear(
                "is not a folder: for an archive write oci-archive: or docker-archive: in front of \
                 it"
                    .to_owned(),
            )),
            (false, true) => {
                Err(Error::Unclear("is a folder: write oci: in front of it".to_owned()))
            }
        }
    }

    /// Bytes of the member of this name; `None`: there is none.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        match self {
            Self::Folder(folder) => folder.size(name),
            Self::Archive(archive) => archive.size(name),
        }
    }

    /// What to say of something that is not there: where an archive was cut off, that.
    pub(super) fn absent(&self, otherwise: Error) -> Error {
        match self {
            Self::Archive(archive) if archive.is_cut_off() => Error::cut_off(),
            _ => otherwise,
        }
    }

    /// Where it begins: see [`Archive::place`].
    pub(super) fn place(&self, name: &str) -> u64 {
        match self {
            Self::Folder(_) => 0,
            Self::Archive(archive) => archive.place(name),
        }
    }

    /// Whether its members can only be read one after the other.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self, Self::Archive(archive) if archive.is_packed())
    }

    /// Whether reading them takes as much memory as [`Heavy`] says.
    pub(super) fn is_heavy(&self) -> bool {
        matches!(self, Self::Archive(archive) if archive.is_heavy())
    }

    /// Held while something is read to its end: of what is heavy, or has something in zstd in it.
    pub(super) fn alone(&self, has_zstd: bool) -> Option<MutexGuard<'_, ()>> {
        match self {
            Self::Archive(archive) if has_zstd || archive.is_heavy() => {
                Some(archive.heavy().alone())
            }
            _ => None,
        }
    }

    /// The member of this name, from one of its bytes on.
    pub(super) fn reader(&self, name: &str, from: u64) -> Result<Option<Source>, Error> {
        match self {
            Self::Folder(folder) => {
                folder.reader(name, from).map(|file| file.map(|file| Box::new(file) as Source))
            }
            Self::Archive(archive) => archive.reader(name, from),
        }
    }

    /// The whole member of this name, up to so many bytes.
    pub(super) fn whole(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        if self.size(name)?.is_some_and(|size| size > most) {
            return Err(too_large(name, most));
        }
        let _alone = self.alone(false);
        let Some(reader) = self.reader(name, 0)? else { return Ok(None) };
        let mut bytes = Vec::new();
        reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(too_large(name, most));
        }
        Ok(Some(bytes))
    }
}

fn too_large(name: &str, most: u64) -> Error {
    Error::broken(format!("{} is larger than {most} bytes", shown(name)))
}
