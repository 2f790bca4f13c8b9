//! Tar archives put together header by header, so that any of them can be wrong; and gzip and
//! zstd around them.

use super::layer::gzip;

/// Bytes of a header, and what members are filled up to.
pub const BLOCK: usize = 512;

/// What a member is, as its header says (POSIX ustar, GNU).
pub mod kind {
    /// A file.
    pub const FILE: u8 = b'0';
    /// A hard link.
    pub const HARD_LINK: u8 = b'1';
    /// A symbolic link.
    pub const LINK: u8 = b'2';
    /// A device.
    pub const DEVICE: u8 = b'3';
    /// A folder.
    pub const FOLDER: u8 = b'5';
    /// A pipe.
    pub const PIPE: u8 = b'6';
    /// What pax says of the next member.
    pub const PAX: u8 = b'x';
    /// GNU's long name of the next member.
    pub const LONG_NAME: u8 = b'L';
    /// GNU's long target of the next link.
    pub const LONG_LINK: u8 = b'K';
    /// GNU's sparse file.
    pub const SPARSE: u8 = b'S';
}

/// The header of a member.
#[derive(Debug, Clone)]
pub struct Header([u8; BLOCK]);

impl Header {
    /// Of a member of this kind, name and size.
    pub fn new(kind: u8, name: &str, size: u64) -> Self {
        let mut header = Self([0; BLOCK]);
        header.put(0, name.as_bytes());
        header.put(100, b"0000644\0");
        header.put(108, b"0000000\0");
        header.put(116, b"0000000\0");
        header.put(136, b"00000000000\0");
        header.put(156, &[kind]);
        header.put(257, b"ustar\x0000");
        header.size(format!("{size:011o}\0").as_bytes())
    }

    /// Names the member that a link leads to.
    pub fn to(mut self, link: &str) -> Self {
        self.put(157, link.as_bytes());
        self
    }

    /// Writes this into the field of the size, as it is.
    pub fn size(mut self, field: &[u8]) -> Self {
        self.put(124, field);
        self
    }

    /// Writes the size in base-256 (GNU).
    pub fn size_in_256(self, size: i128) -> Self {
        let mut field = [0; 12];
        field.copy_from_slice(&size.to_be_bytes()[4..]);
        field[0] |= 0x80;
        self.size(&field)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn bytes(mut self) -> [u8; BLOCK] {
        self.put(148, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// An archive in the making.
#[derive(Debug, Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// Adds a file.
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        let size = content.len() as u64;
        if name.len() > 100 {
            return self.extended(kind::LONG_NAME, name.as_bytes()).file("long", content);
        }
        self.member(Header::new(kind::FILE, name, size), content)
    }

    /// Adds files.
    pub fn files<'a>(self, files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) -> Self {
        files.into_iter().fold(self, |tar, (name, content)| tar.file(name, content))
    }

    /// Adds a link.
    pub fn link(self, kind: u8, name: &str, to: &str) -> Self {
        self.member(Header::new(kind, name, 0).to(to), b"")
    }

    /// Adds an extension of the next header: [`kind::PAX`], [`kind::LONG_NAME`]…
    pub fn extended(self, kind: u8, content: &[u8]) -> Self {
        let size = content.len() as u64;
        self.member(Header::new(kind, "extension", size), content)
    }

    /// Adds a record of pax about the next member.
    pub fn pax(self, key: &str, value: &str) -> Self {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        self.extended(kind::PAX, format!("{length}{rest}").as_bytes())
    }

    /// Adds a member with whatever its header says.
    pub fn member(mut self, header: Header, content: &[u8]) -> Self {
        self.0.extend_from_slice(&header.bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// Adds bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The archive without an end.
    pub fn open(self) -> Vec<u8> {
        self.0
    }

    /// The archive.
    pub fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).open()
    }
}

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// They are not.
    No,
    /// gzip (stored blocks).
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Packed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::No, Self::Gzip, Self::Zstd];

    /// Compresses bytes so.
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::No => bytes.to_vec(),
            Self::Gzip => gzip(bytes),
            Self::Zstd => zstd(bytes, 20),
        }
    }
}

/// A frame of Zstandard (RFC 8878, 3.1.1) in raw blocks, with a window of two to this power.
pub fn zstd(bytes: &[u8], window: u8) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window - 10) << 3];
    let mut blocks = bytes.chunks(64 << 10).peekable();
    if blocks.peek().is_none() {
        frame.extend_from_slice(&[1, 0, 0]);
    }
    while let Some(block) = blocks.next() {
        let is_last = u32::from(blocks.peek().is_none());
        let head = u32::try_from(block.len()).expect("a block is small") << 3 | is_last;
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

/// A frame that is so many zeros, 64 KiB a block, with a window of two to this power.
pub fn zstd_of_zeros(blocks: usize, window: u8) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window - 10) << 3];
    for at in 1..=blocks {
        let head = 0x1_0000_u32 << 3 | 1 << 1 | u32::from(at == blocks);
        frame.extend_from_slice(&head.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}
