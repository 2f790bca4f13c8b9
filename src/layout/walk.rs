//! The way through a tar archive: what is in it and where (POSIX ustar and pax; GNU's long names).

use super::error::Error;
use super::packed::Source;
use crate::oci::shown;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// Headers at most: an image has three members a layer.
const MOST_HEADERS: usize = 50_000;
/// Bytes of all names.
const MOST_NAMES: usize = 4 << 20;
/// Bytes of a header's extension.
const LONGEST_EXTENSION: u64 = 64 << 10;
/// Bytes of a member: 4 EiB, which no file has.
const LARGEST_MEMBER: u64 = 1 << 62;
/// Of a compressed archive, documents up to this size are kept while it is read, and so many bytes of
/// them: manifests and configs are not worth another pass.
const LARGEST_KEPT: u64 = 256 << 10;
const MOST_KEPT: usize = 4 << 20;

/// What a name in an archive stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// To another member.
    Link(String),
}

/// An archive as it is walked through.
pub(super) trait Walked: Read {
    /// Whether all bytes are read, also those that are passed.
    const READS_ALL: bool;

    /// Passes so many bytes.
    fn pass(&mut self, bytes: u64) -> io::Result<()>;
}

/// A file, of which what is passed is not read.
pub(super) struct Plain {
    pub(super) bytes: BufReader<File>,
    /// Bytes up to its end.
    pub(super) left: u64,
}

/// What is in a compressed one.
pub(super) struct Packed(pub(super) Source);

impl Read for Plain {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl Walked for Plain {
    const READS_ALL: bool = false;

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        // To seek beyond the end is no error.
        self.left = self.left.checked_sub(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.bytes.seek_relative(i64::try_from(bytes).map_err(io::Error::other)?)
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

/// The way through an archive.
#[derive(Default)]
pub(super) struct Walk {
    position: u64,
    headers: usize,
    names: usize,
    pub(super) members: HashMap<String, Member>,
    /// Documents of a compressed archive.
    pub(super) kept: HashMap<String, Vec<u8>>,
    kept_bytes: usize,
    /// Whether the blocks of zeros were seen that end an archive.
    pub(super) is_ended: bool,
}

/// What extensions say of the member that follows.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Walk {
    /// Walks to the end.
    pub(super) fn all<W: Walked>(&mut self, archive: &mut W) -> Result<(), Error> {
        let mut extended = Extended::default();
        while let Some(header) = self.header(archive)? {
            match header.entry_type() {
                EntryType::XHeader => {
                    let text = self.extension(archive, entry_size(&header)?)?;
                    extended.read_pax(&text)?;
                }
                EntryType::GNULongName => {
                    extended.name = Some(self.extension(archive, entry_size(&header)?)?);
                }
                EntryType::GNULongLink => {
                    extended.link = Some(self.extension(archive, entry_size(&header)?)?);
                }
                _ => self.member(archive, &header, std::mem::take(&mut extended))?,
            }
        }
        Ok(())
    }

    fn member<W: Walked>(
        &mut self,
        archive: &mut W,
        header: &Header,
        mut extended: Extended,
    ) -> Result<(), Error> {
        let size = extended.size.map_or_else(|| entry_size(header), Ok)?;
        let kind = header.entry_type();
        match kind {
            EntryType::GNUSparse => return Err(sparse()),
            EntryType::Regular | EntryType::Continuous => {
                let name = self.name(header, &mut extended)?;
                self.add(&name, Member::File { at: self.position, size })?;
                if W::READS_ALL && self.keeps(&name, size) {
                    let bytes = self.exactly(archive, size)?;
                    self.kept_bytes += bytes.len();
                    self.kept.insert(name, bytes);
                    return self.pad(archive, size);
                }
            }
            EntryType::Link | EntryType::Symlink => {
                let name = self.name(header, &mut extended)?;
                refuse_size(&name, size)?;
                let to = target(header, &extended, &name, kind)?;
                self.names += to.len();
                self.add(&name, Member::Link(to))?;
            }
            EntryType::Directory | EntryType::Char | EntryType::Block | EntryType::Fifo => {
                refuse_size(&self.name(header, &mut extended)?, size)?;
            }
            // What is of no use to images.
            _ => {}
        }
        self.pass(archive, size)
    }

    /// The next header; `None` at the end.
    fn header(&mut self, archive: &mut impl Read) -> Result<Option<Header>, Error> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < BLOCK {
            match archive.read(&mut block[filled..])? {
                0 if filled == 0 && self.position == 0 => {
                    return Err(Error::broken("is empty: was it written?"));
                }
                0 if filled == 0 => return Ok(None),
                0 if self.headers == 0 => break,
                0 => return Err(Error::cut_off()),
                read => filled += read,
            }
        }
        self.position += BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) && filled == BLOCK {
            self.is_ended = true;
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
        if (bytes.len() as u64) < size { Err(Error::cut_off()) } else { Ok(bytes) }
    }

    /// Passes a member.
    fn pass(&mut self, archive: &mut impl Walked, size: u64) -> Result<(), Error> {
        // Far below where sums overflow.
        if size > LARGEST_MEMBER {
            return Err(Error::cut_off());
        }
        self.position += size;
        archive.pass(size)?;
        self.pad(archive, size)
    }

    /// Passes what fills the last block.
    fn pad(&mut self, archive: &mut impl Walked, size: u64) -> Result<(), Error> {
        let pad = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        self.position += pad;
        match archive.pass(pad) {
            // The last block of the file may be short.
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
            return Err(Error::broken(format!("has the member {} twice", shown(name))));
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
    /// Reads records of pax: `LENGTH KEY=VALUE`, a line end after each. By their lengths, since a
    /// value may have line ends too.
    fn read_pax(&mut self, mut text: &[u8]) -> Result<(), Error> {
        while !text.is_empty() {
            let (key, value, rest) = record(text).ok_or_else(|| {
                Error::broken("is damaged: it has an extended header that cannot be read")
            })?;
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or_else(no_size)?);
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
            text = rest;
        }
        Ok(())
    }
}

/// Key and value of the first record, and the others.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let pair = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], rest))
}

fn sparse() -> Error {
    Error::broken(
        "has a sparse member, which no image tool writes: pack it with tar without --sparse",
    )
}

fn entry_size(header: &Header) -> Result<u64, Error> {
    header.entry_size().map_err(|_| no_size())
}

fn no_size() -> Error {
    Error::broken("is damaged: it has a header with a size that is no number")
}

/// Readers do not agree whether bytes follow what is no file, so there must be none.
fn refuse_size(name: &str, size: u64) -> Result<(), Error> {
    if size == 0 {
        return Ok(());
    }
    Err(Error::broken(format!(
        "is damaged: {}, which is no file in it, has {size} bytes",
        shown(name)
    )))
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
        return Err(Error::broken(format!(
            "has the member {}, which leads out of it",
            shown(name)
        )));
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
    let leads_out = || {
        let (name, link) = (shown(name), shown(&link));
        Error::broken(format!("has the link {name} → {link}, which leads out of it"))
    };
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
