//! The way through a tar archive: what is in it and where (POSIX pax; GNU's long names). What no image
//! tool writes is refused.

use super::error::Error;
use super::packed::Source;
use crate::oci::shown;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use tar::{EntryType, Header, PaxExtensions};

const BLOCK: usize = 512;
/// Headers at most: an image has three members a layer.
const MOST_HEADERS: usize = 50_000;
/// Bytes of all names.
const MOST_NAMES: usize = 4 << 20;
/// Bytes of a header's extension.
const LONGEST_EXTENSION: u64 = 64 << 10;
/// Of a compressed archive, documents up to this size are kept while it is read, and so many bytes of
/// them: manifests and configs are not worth another pass.
const LARGEST_KEPT: u64 = 256 << 10;
const MOST_KEPT: usize = 4 << 20;

/// A member.
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

pub(super) struct Plain(pub(super) BufReader<File>);
pub(super) struct Packed(pub(super) Source);

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

/// How far it went, and what it found.
#[derive(Default)]
pub(super) struct Walk {
    position: u64,
    headers: usize,
    names: usize,
    pub(super) members: HashMap<String, Member>,
    pub(super) kept: HashMap<String, Vec<u8>>,
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
    pub(super) fn all<W: Walked>(&mut self, archive: &mut W) -> Result<(), Error> {
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
                0 => return Err(Error::cut_off()),
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
        if (bytes.len() as u64) < size { Err(Error::cut_off()) } else { Ok(bytes) }
    }

    /// Passes a member.
    fn pass(&mut self, archive: &mut impl Walked, size: u64) -> Result<(), Error> {
        self.position = self.position.checked_add(size).ok_or_else(Error::cut_off)?;
        archive.pass(size).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::cut_off(),
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
