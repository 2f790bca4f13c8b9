//! A folder: its files are read in place. A link that leads out of it is refused.

use super::error::Error;
use crate::file;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A folder.
pub(super) struct Folder {
    /// Without links.
    root: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        match fs::canonicalize(path) {
            Ok(root) => Ok(Self { root }),
            Err(error) => Err(Error::Unclear(file::why(&error))),
        }
    }

    fn file(&self, name: &str) -> Result<Option<File>, Error> {
        let path = match fs::canonicalize(self.root.join(name)) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::broken(format!("{name}: {}", file::why(&error)))),
        };
        if !path.starts_with(&self.root) {
            return Err(Error::broken(format!("{name} is a link that leads out of it")));
        }
        let opened = file::reader(&path);
        opened.map(Some).map_err(|why| Error::broken(format!("{name} {why}")))
    }

    /// Bytes of the file of this name.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.file(name)? {
            Some(file) => Ok(Some(file.metadata()?.len())),
            None => Ok(None),
        }
    }

    /// The file of this name, from one of its bytes on.
    pub(super) fn reader(&self, name: &str, from: u64) -> Result<Option<File>, Error> {
        let Some(mut file) = self.file(name)? else { return Ok(None) };
        file.seek(SeekFrom::Start(from))?;
        Ok(Some(file))
    }
}
