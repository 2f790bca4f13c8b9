//! A tar archive whose members are read in place. Of a compressed one every pass starts at its
//! beginning.

use super::error::Error;
use super::packed::{CHUNK, Packing, Peeked, Source, unpacked};
use super::walk::{Member, Packed, Plain, Walk};
use crate::file;
use crate::oci::shown;
use crate::system;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Links that lead to links.
const MOST_LINKS: usize = 8;

/// An archive.
pub(super) struct Archive {
    path: PathBuf,
    packing: Packing,
    stamp: Stamp,
    members: HashMap<String, Member>,
    kept: HashMap<String, Vec<u8>>,
    /// Whether it has the end that every tool writes.
    is_ended: bool,
    idle: Arc<Idle>,
    heavy: Arc<Heavy>,
}

/// A stream of a compressed archive that nobody reads, to go on from where it is.
type Idle = Mutex<Option<Stream>>;

/// Whoever unpacks zstd holds a window of up to 8 MiB. A run may have many such archives, so these
/// share one idle stream, and are read one after the other where that can be.
#[derive(Default)]
pub(super) struct Heavy {
    idle: Arc<Idle>,
    alone: Mutex<()>,
}

impl Heavy {
    /// Held while something is unpacked from its beginning to its end.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file is known by, so that one that changes while it is read is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    length: u64,
    number: u64,
    changed: SystemTime,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let about = file.metadata()?;
        let (number, changed) = (system::number(&about), about.modified()?);
        Ok(Self { length: about.len(), number, changed })
    }
}

impl Archive {
    /// Reads what is in it.
    pub(super) fn open(path: &Path, heavy: &Arc<Heavy>) -> Result<Self, Error> {
        let file = file::reader(path).map_err(|why| Error::unread(&why))?;
        let stamp = Stamp::of(&file)?;
        let packing = Peeked::new(Box::new(file))?.packing;
        let mut archive = Self {
            path: path.to_owned(),
            packing,
            stamp,
            members: HashMap::new(),
            kept: HashMap::new(),
            is_ended: false,
            idle: if packing == Packing::Zstd { Arc::clone(&heavy.idle) } else { Arc::default() },
            heavy: Arc::clone(heavy),
        };
        let file = archive.file()?;
        let mut walk = Walk::default();
        let _alone = (packing == Packing::Zstd).then(|| heavy.alone());
        match packing {
            Packing::Plain => {
                let bytes = BufReader::with_capacity(CHUNK, file);
                walk.all(&mut Plain { bytes, left: archive.stamp.length })?;
            }
            packing => walk.all(&mut Packed(unpacked(packing, Box::new(file))?))?,
        }
        archive.is_ended = walk.is_ended;
        (archive.members, archive.kept) = (walk.members, walk.kept);
        Ok(archive)
    }

    /// Whether its end is missing, and with it perhaps members.
    pub(super) fn is_cut_off(&self) -> bool {
        !self.is_ended
    }

    /// The file, if it is the one that was looked into.
    fn file(&self) -> Result<File, Error> {
        let file = file::reader(&self.path).map_err(|why| Error::unread(&why))?;
        if Stamp::of(&file)? == self.stamp {
            return Ok(file);
        }
        Err(Error::broken("was changed while it was read"))
    }

    /// The member of this name, links followed.
    fn find(&self, name: &str) -> Result<Option<(u64, u64)>, Error> {
        let mut name = name;
        for _ in 0..MOST_LINKS {
            match self.members.get(name) {
                None => return Ok(None),
                Some(Member::File { at, size }) => return Ok(Some((*at, *size))),
                Some(Member::Link(to)) => name = to,
            }
        }
        Err(Error::broken(format!(
            "its member {} is a link that leads to links without end",
            shown(name)
        )))
    }

    /// Bytes of the member of this name.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        Ok(self.find(name)?.map(|(_, size)| size))
    }

    /// Where it begins: members that are read in this order need one pass.
    pub(super) fn place(&self, name: &str) -> u64 {
        self.find(name).ok().flatten().map_or(u64::MAX, |(at, _)| at)
    }

    /// Whether reading anything of it means to read all before it.
    pub(super) fn is_packed(&self) -> bool {
        self.packing != Packing::Plain
    }

    /// Whether reading anything of it takes as much memory as [`Heavy`] says.
    pub(super) fn is_heavy(&self) -> bool {
        self.packing == Packing::Zstd
    }

    /// See [`Heavy`].
    pub(super) fn heavy(&self) -> &Heavy {
        &self.heavy
    }

    /// The member of this name, from one of its bytes on.
    pub(super) fn reader(&self, name: &str, from: u64) -> Result<Option<Source>, Error> {
        let Some((at, size)) = self.find(name)? else { return Ok(None) };
        if let Some(kept) = self.kept.get(name) {
            let from = usize::try_from(from).unwrap_or(usize::MAX).min(kept.len());
            return Ok(Some(Box::new(io::Cursor::new(kept[from..].to_vec()))));
        }
        let (at, left) = (at.saturating_add(from), size.saturating_sub(from));
        if !self.is_packed() {
            let mut file = self.file()?;
            file.seek(SeekFrom::Start(at))?;
            return Ok(Some(Box::new(Exactly { bytes: file, left })));
        }
        let bytes = InStream { stream: Some(self.stream_at(at)?), idle: Arc::clone(&self.idle) };
        Ok(Some(Box::new(Exactly { bytes, left })))
    }

    /// A stream that stands there: the idle one, if that is of this archive and not beyond. If not,
    /// it ends, since another one takes its place.
    fn stream_at(&self, at: u64) -> Result<Stream, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let idle = idle.filter(|stream| stream.path == self.path && stream.position <= at);
        let file = self.file()?;
        let mut stream = match idle {
            Some(stream) => stream,
            None => {
                let bytes = unpacked(self.packing, Box::new(file))?;
                Stream { path: self.path.clone(), bytes, position: 0 }
            }
        };
        let skip = at - stream.position;
        if io::copy(&mut stream.by_ref().take(skip), &mut io::sink())? < skip {
            return Err(Error::cut_off());
        }
        Ok(stream)
    }
}

/// An unpacked archive, and how far it was read.
struct Stream {
    path: PathBuf,
    bytes: Source,
    position: u64,
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// A stream that goes back when nobody reads it any more.
struct InStream {
    stream: Option<Stream>,
    idle: Arc<Idle>,
}

impl Read for InStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Some(stream) => stream.read(into),
            None => Ok(0),
        }
    }
}

impl Drop for InStream {
    fn drop(&mut self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = self.stream.take();
    }
}

/// So many bytes, or an error.
struct Exactly<R> {
    bytes: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.bytes.read(&mut into[..most])?;
        self.left -= read as u64;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}
