//! A layout in a tar archive, in one pass: the descriptor of a blob tells its size, so that its header
//! can stand before its bytes.

use super::index::{self, Listed};
use super::{Part, above, beside, unwritten};
use crate::layout::error::Error;
use crate::layout::oci::{INDEX, blob};
use crate::oci::Digest;
use crate::system;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};
use tempfile::NamedTempFile;

const BLOCK: u64 = 512;
/// Blocks of zeros that end an archive (POSIX, pax).
const LAST_BLOCKS: u64 = 2;

/// An archive, beside its place.
pub(super) struct Archive {
    file: NamedTempFile,
    to: PathBuf,
    /// Where the next header goes.
    end: u64,
    /// Where the bytes of each blob begin.
    places: HashMap<Digest, u64>,
    folders: BTreeSet<String>,
}

impl Archive {
    pub(super) fn begin(to: &Path) -> Result<Self, Error> {
        let file = beside(above(to))?;
        let (places, folders) = (HashMap::new(), BTreeSet::new());
        let mut archive = Self { file, to: to.to_owned(), end: 0, places, folders };
        archive.document(index::VERSION, index::VERSION_TEXT)?;
        archive.folder("blobs/".to_owned())?;
        Ok(archive)
    }

    /// The place of a blob; the same one if its bytes come once more.
    pub(super) fn part(&mut self, digest: &Digest, size: u64) -> Result<Part, Error> {
        let at = match self.places.get(digest) {
            Some(at) => *at,
            None => {
                self.folder(format!("blobs/{}/", digest.algorithm()))?;
                let at = self.member(EntryType::Regular, &blob(digest), size)?;
                self.places.insert(digest.clone(), at);
                at
            }
        };
        Part::of(&self.file, at)
    }

    /// Ends it: what is to be on the disk before it is moved to its place.
    pub(super) fn finish(&mut self, listed: &Listed) -> Result<File, Error> {
        self.document(INDEX, &listed.onto(None)?)?;
        let ended = self.file.as_file().set_len(self.end + LAST_BLOCKS * BLOCK);
        ended.map_err(|error| unwritten(&error))?;
        Ok(Part::of(&self.file, 0)?.file)
    }

    pub(super) fn move_to_place(self) -> Result<(), Error> {
        self.file.persist(self.to).map(|_| ()).map_err(|error| unwritten(&error.error))
    }

    fn folder(&mut self, name: String) -> Result<(), Error> {
        if self.folders.insert(name.clone()) {
            self.member(EntryType::Directory, &name, 0)?;
        }
        Ok(())
    }

    fn document(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let at = self.member(EntryType::Regular, name, bytes.len() as u64)?;
        system::write_all_at(self.file.as_file(), bytes, at).map_err(|error| unwritten(&error))
    }

    /// Writes a header, and keeps room for the bytes behind it: where they begin.
    fn member(&mut self, kind: EntryType, name: &str, size: u64) -> Result<u64, Error> {
        let mut named = header(kind, size);
        let headers = match named.set_path(name) {
            Ok(()) => vec![summed(named)],
            // A digest by SHA-512.
            Err(_) => with_long_name(named, name).map_err(|error| unwritten(&error))?,
        };
        for block in headers {
            let written = system::write_all_at(self.file.as_file(), &block, self.end);
            written.map_err(|error| unwritten(&error))?;
            self.end += BLOCK;
        }
        let at = self.end;
        let end = size.checked_next_multiple_of(BLOCK).and_then(|size| at.checked_add(size));
        self.end = end.ok_or_else(|| Error::Unwritten(format!("{name} is too large")))?;
        Ok(at)
    }
}

/// The same for whoever writes it, and whenever.
fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn summed(mut header: Header) -> Vec<u8> {
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// GNU's way to name what has a name of more than a hundred bytes.
fn with_long_name(mut named: Header, name: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut text = name.as_bytes().to_vec();
    text.push(0);
    let mut long = header(EntryType::GNULongName, text.len() as u64);
    long.set_path("././@LongLink")?;
    named.set_path("long-name")?;
    let whole = text.len().next_multiple_of(BLOCK as usize);
    text.resize(whole, 0);
    let mut blocks = vec![summed(long)];
    blocks.extend(text.chunks(BLOCK as usize).map(<[u8]>::to_vec));
    blocks.push(summed(named));
    Ok(blocks)
}
