//! A tar archive: what is in it and where, from one pass, and its members read in place. Of a
//! compressed one every pass starts at its beginning.

use super::error::Error;
use super::packed::{CHUNK, Packing, Peeked, Source, unpacked};
use crate::file;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tar::{EntryType, Header, PaxExtensions};

const BLOCK: usize = 512;
/// Headers at most: an image has three members a layer.
const MOST_HEADERS: usize = 50_000;
/// Bytes of all names.
const MOST_NAMES: usize = 4 << 20;
/// Bytes of a header's extension.
const LONGEST_EXTENSION: u64 = 64 << 10;
/// Links that lead to links.
const MOST_LINKS: usize = 8;
/// Of a compressed archive, documents up to this size are kept while it is read, and so many bytes of
/// them: manifests and configs are not worth another pass.
const LARGEST_KEPT: u64 = 256 << 10;
const MOST_KEPT: usize = 4 << 20;

/// An archive.
pub(super) struct Archive {
    path: PathBuf,
    packing: Packing,
    stamp: Stamp,
    members: HashMap<String, Member>,
    kept: HashMap<String, Vec<u8>>,
    idle: Arc<Idle>,
}

/// A stream of a compressed archive that nobody reads, to go on from where it is.
type Idle = Mutex<Option<Stream>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// To another member.
    Link(String),
}

/// What a file is known by, so that one that changes while it is read is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    length: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let about = file.metadata()?;
        let changed = (about.mtime(), about.mtime_nsec());
        Ok(Self { length: about.len(), inode: about.ino(), changed })
    }
}

impl Archive {
    /// Reads what is in it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = file::reader(path).map_err(Error::Unclear)?;
        let stamp = Stamp::of(&file)?;
        let packing = Peeked::new(Box::new(file))?.packing;
        let mut archive = Self {
            path: path.to_owned(),
            packing,
            stamp,
            members: HashMap::new(),
            kept: HashMap::new(),
            idle: Arc::default(),
        };
        let file = archive.file()?;
        let mut walk = Walk::default();
        let walked = match packing {
            Packing::Plain => walk.all(&mut Plain(BufReader::with_capacity(CHUNK, file))),
            packing => unpacked(packing, Box::new(file))
                .map_err(Error::from)
                .and_then(|bytes| walk.all(&mut Packed(bytes))),
        };
        walked?;
        let end = walk.members.values().map(|member| match member {
            Member::File { at, size } => at + size,
            Member::Link(_) => 0,
        });
        if packing == Packing::Plain && end.max().is_some_and(|end| end > archive.stamp.length) {
            return Err(cut_off());
        }
        (archive.members, archive.kept) = (walk.members, walk.kept);
        Ok(archive)
    }

    /// The file, if it is the one that was looked into.
    fn file(&self) -> Result<File, Error> {
        let file = file::reader(&self.path).map_err(Error::Broken)?;
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
        Err(Error::broken(format!("its member {name} is a link that leads to links without end")))
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

    /// A stream that stands there: the idle one, if that is not beyond.
    fn stream_at(&self, at: u64) -> Result<Stream, Error> {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.take_if(|stream| stream.position <= at)
        };
        let file = self.file()?;
        let mut stream = match idle {
            Some(stream) => stream,
            None => Stream { bytes: unpacked(self.packing, Box::new(file))?, position: 0 },
        };
        let skip = at - stream.position;
        if io::copy(&mut stream.by_ref().take(skip), &mut io::sink())? < skip {
            return Err(cut_off());
        }
        Ok(stream)
    }
}

fn cut_off() -> Error {
    Error::broken("ends in the middle: was it copied whole?")
}

/// An unpacked archive, and how far it was read.
struct Stream {
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
            return Err(io::Error::other("ends in the middle: was it copied whole?"));
        }
        Ok(read)
    }
}

/// An archive as it is walked through.
trait Walked: Read {
    /// Whether all bytes are read, also those that are passed.
    const READS_ALL: bool;

    /// Passes so many bytes.
    fn pass(&mut self, bytes: u64) -> io::Result<()>;
}

struct Plain(BufReader<File>);
struct Packed(Source);

impl Read for Plain {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Walked for Plain {
    const READS_ALL: bool = false;

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
        self.0.seek_relative(bytes)
    }
}

impl Read for Packed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Walked for Packed {
    const READS_ALL: bool = true;

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())?;
        if passed < bytes { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// The way through an archive (POSIX pax; GNU's long names).
#[derive(Default)]
struct Walk {
    position: u64,
    headers: usize,
    names: usize,
    members: HashMap<String, Member>,
    kept: HashMap<String, Vec<u8>>,
    kept_bytes: usize,
}

/// What extensions say of the member that follows.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Walk {
    fn all<W: Walked>(&mut self, archive: &mut W) -> Result<(), Error> {
        let mut extended = Extended::default();
        while let Some(header) = self.header(archive)? {
            let size = extended.size.map_or_else(|| entry_size(&header), Ok)?;
            match header.entry_type() {
                EntryType::XHeader => {
                    let text = self.extension(archive, entry_size(&header)?)?;
                    extended.read_pax(&text)?;
                    continue;
                }
                EntryType::GNULongName => {
                    extended.name = Some(self.extension(archive, entry_size(&header)?)?);
                    continue;
                }
                EntryType::GNULongLink => {
                    extended.link = Some(self.extension(archive, entry_size(&header)?)?);
                    continue;
                }
                EntryType::GNUSparse => return Err(sparse()),
                EntryType::Regular | EntryType::Continuous => {
                    let name = self.name(&header, &mut extended)?;
                    let file = Member::File { at: self.position, size };
                    self.add(&name, file)?;
                    if W::READS_ALL && self.keeps(&name, size) {
                        let bytes = self.exactly(archive, size)?;
                        self.kept_bytes += bytes.len();
                        self.kept.insert(name, bytes);
                        self.pad(archive, size)?;
                        extended = Extended::default();
                        continue;
                    }
                }
                kind @ (EntryType::Link | EntryType::Symlink) => {
                    let name = self.name(&header, &mut extended)?;
                    let to = target(&header, &extended, &name, kind)?;
                    self.names += to.len();
                    self.add(&name, Member::Link(to))?;
                }
                // Folders and devices hold nothing.
                _ => {}
            }
            extended = Extended::default();
            self.pass(archive, size)?;
        }
        if self.headers == 0 {
            return Err(Error::Unclear("is not a tar archive".to_owned()));
        }
        Ok(())
    }

    /// The next header; `None` at the end.
    fn header(&mut self, archive: &mut impl Read) -> Result<Option<Header>, Error> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < BLOCK {
            match archive.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 if self.headers == 0 => break,
                0 => return Err(cut_off()),
                read => filled += read,
            }
        }
        self.position += BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) && filled == BLOCK {
            return Ok(None);
        }
        let is_checksum = |(at, _): &(usize, &u8)| (148..156).contains(at);
        let sum = |(at, byte): (usize, &u8)| {
            if is_checksum(&(at, byte)) { u32::from(b' ') } else { u32::from(*byte) }
        };
        let sum: u32 = block.iter().enumerate().map(sum).sum();
        if header.cksum().ok() != Some(sum) {
            return Err(match self.headers {
                0 => Error::Unclear("is not a tar archive".to_owned()),
                _ => Error::broken(format!("is damaged: no header at byte {}", self.position)),
            });
        }
        self.headers += 1;
        if self.headers > MOST_HEADERS {
            return Err(Error::broken(format!("has more than {MOST_HEADERS} members")));
        }
        Ok(Some(header))
    }

    fn extension(&mut self, archive: &mut impl Walked, size: u64) -> Result<Vec<u8>, Error> {
        if size > LONGEST_EXTENSION {
            return Err(Error::broken(format!(
                "has a name or header of {size} bytes; no image needs more than {LONGEST_EXTENSION}"
            )));
        }
        let bytes = self.exactly(archive, size)?;
        self.pad(archive, size)?;
        Ok(bytes)
    }

    fn exactly(&mut self, archive: &mut impl Read, size: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        archive.take(size).read_to_end(&mut bytes)?;
        self.position += size;
        if (bytes.len() as u64) < size { Err(cut_off()) } else { Ok(bytes) }
    }

    /// Passes a member.
    fn pass(&mut self, archive: &mut impl Walked, size: u64) -> Result<(), Error> {
        self.position = self.position.checked_add(size).ok_or_else(cut_off)?;
        archive.pass(size).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut_off(),
            _ => error.into(),
        })?;
        self.pad(archive, size)
    }

    /// Passes what fills the last block.
    fn pad(&mut self, archive: &mut impl Walked, size: u64) -> Result<(), Error> {
        let pad = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        self.position += pad;
        // The last block of the file may be short.
        match archive.pass(pad) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn name(&mut self, header: &Header, extended: &mut Extended) -> Result<String, Error> {
        let raw = extended.name.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let name = clean(&text(raw)?)?;
        self.names += name.len();
        if self.names > MOST_NAMES {
            return Err(Error::broken("has names of more than 4 MiB in all"));
        }
        Ok(name)
    }

    fn add(&mut self, name: &str, member: Member) -> Result<(), Error> {
        if self.members.insert(name.to_owned(), member).is_some() {
            return Err(Error::broken(format!("has the member {name} twice")));
        }
        Ok(())
    }

    fn keeps(&self, name: &str, size: u64) -> bool {
        let is_document =
            name.ends_with(".json") || name.starts_with("blobs/") || name == "oci-layout";
        is_document && size <= LARGEST_KEPT && self.kept_bytes + (size as usize) <= MOST_KEPT
    }
}

impl Extended {
    fn read_pax(&mut self, text: &[u8]) -> Result<(), Error> {
        for pair in PaxExtensions::new(text) {
            let pair = pair?;
            let (Ok(key), value) = (pair.key(), pair.value_bytes()) else { continue };
            match key {
                "path" => self.name = Some(value.to_vec()),
                "linkpath" => self.link = Some(value.to_vec()),
                "size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or_else(|| {
                        Error::broken("has a header with a size that is no number")
                    })?);
                }
                key if key.starts_with("GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn sparse() -> Error {
    Error::broken(
        "has a sparse member, which no image tool writes: pack it with tar without --sparse",
    )
}

fn entry_size(header: &Header) -> Result<u64, Error> {
    header.entry_size().map_err(|_| Error::broken("has a header with a size that is no number"))
}

fn text(mut raw: Vec<u8>) -> Result<String, Error> {
    while raw.last() == Some(&0) {
        raw.pop();
    }
    match String::from_utf8(raw) {
        Ok(name) if !name.contains(char::is_control) => Ok(name),
        _ => Err(Error::broken("has a member whose name is no plain text")),
    }
}

/// A name without what means nothing.
fn clean(name: &str) -> Result<String, Error> {
    let leads_out = name.starts_with('/') || name.split('/').any(|part| part == "..");
    if leads_out {
        return Err(Error::broken(format!("has the member {name:?}, which leads out of it")));
    }
    Ok(name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/"))
}

/// The member that a link leads to.
fn target(
    header: &Header,
    extended: &Extended,
    name: &str,
    kind: EntryType,
) -> Result<String, Error> {
    let raw = match &extended.link {
        Some(link) => link.clone(),
        None => header.link_name_bytes().unwrap_or_default().into_owned(),
    };
    let link = text(raw)?;
    let leads_out =
        || Error::broken(format!("has the link {name} → {link:?}, which leads out of it"));
    if link.starts_with('/') {
        return Err(leads_out());
    }
    // A hard link is named from the root, a symbolic one from where it is.
    let folder = match (kind, name.rsplit_once('/')) {
        (EntryType::Symlink, Some((folder, _))) => folder,
        _ => "",
    };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(leads_out)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}
