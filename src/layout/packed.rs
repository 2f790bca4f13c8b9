//! Compressed bytes, and those that we compress: the same bytes every time.

use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead as _, BufReader, Read};

/// Level of the layers that we compress, which their digests depend on: gzip's own default.
const LEVEL: Compression = Compression::new(6);
/// `unknown` (RFC 1952): the system that a layer is compressed on must not be seen in it.
const NO_SYSTEM: u8 = 255;
/// Bytes of a window at most, as RFC 8878 asks of every decoder. Only `zstd --long` and `--ultra` go
/// beyond.
const LARGEST_WINDOW: u64 = 8 << 20;
/// Bytes that are read at once.
pub(super) const CHUNK: usize = 64 << 10;
/// Bytes that tell how something is compressed.
const MAGIC: usize = 6;

/// Anything that bytes come from.
pub(super) type Source = Box<dyn Read + Send>;

/// How bytes are compressed, by their first ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
    /// In a way that we do not read.
    Other(&'static str),
}

impl Packing {
    fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Other("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Other("bzip2"),
            _ => Self::Plain,
        }
    }
}

/// Bytes with a look at their beginning.
pub(super) struct Peeked {
    pub(super) packing: Packing,
    bytes: io::Chain<io::Cursor<Vec<u8>>, Source>,
}

impl Peeked {
    pub(super) fn new(mut source: Source) -> io::Result<Self> {
        let mut first = Vec::with_capacity(MAGIC);
        source.by_ref().take(MAGIC as u64).read_to_end(&mut first)?;
        Ok(Self { packing: Packing::of(&first), bytes: io::Cursor::new(first).chain(source) })
    }

    /// The bytes as they are.
    pub(super) fn into_raw(self) -> Source {
        Box::new(self.bytes)
    }

    /// What they are when they are uncompressed.
    pub(super) fn unpacked(self) -> io::Result<Source> {
        let packing = self.packing;
        unpacked(packing, Box::new(self.bytes))
    }
}

/// What bytes are that are compressed so.
pub(super) fn unpacked(packing: Packing, bytes: Source) -> io::Result<Source> {
    let bytes = BufReader::with_capacity(CHUNK, bytes);
    match packing {
        Packing::Plain => Ok(Box::new(bytes)),
        Packing::Gzip => Ok(Box::new(MultiGzDecoder::new(bytes))),
        Packing::Zstd => Ok(Box::new(Frames::new(bytes))),
        Packing::Other(how) => {
            Err(io::Error::other(format!("is compressed with {how}: use gzip or zstd, or none")))
        }
    }
}

/// The bytes of a layer as registries store it.
pub(super) fn packed(bytes: impl Read + Send + 'static) -> Source {
    // In whole chunks, whatever way they come: what is compressed together must not vary.
    let whole = Whole(bytes);
    let builder = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM);
    Box::new(builder.read(BufReader::with_capacity(CHUNK, whole), LEVEL))
}

/// Fills whoever reads, as long as there is anything.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.0.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Zstandard: one frame after the other, without those that hold no data (RFC 8878, 3.1).
struct Frames {
    bytes: BufReader<Source>,
    decoder: Box<FrameDecoder>,
    is_open: bool,
}

impl Frames {
    fn new(bytes: BufReader<Source>) -> Self {
        let mut decoder = Box::new(FrameDecoder::new());
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self { bytes, decoder, is_open: false }
    }

    /// Opens the next frame; says whether there is one.
    fn open(&mut self) -> io::Result<bool> {
        while !self.bytes.fill_buf()?.is_empty() {
            let length = match self.decoder.init(&mut self.bytes) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => u64::from(length),
                Err(error) => return Err(told(&error)),
            };
            if io::copy(&mut self.bytes.by_ref().take(length), &mut io::sink())? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(false)
    }

    fn in_frame(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let decoded =
                self.decoder.decode_blocks(&mut self.bytes, BlockDecodingStrategy::UptoBlocks(1));
            decoded.map_err(|error| told(&error))?;
        }
        self.decoder.read(into)
    }
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if self.is_open {
                let read = self.in_frame(into)?;
                if read > 0 {
                    return Ok(read);
                }
            }
            self.is_open = self.open()?;
            if !self.is_open {
                return Ok(0);
            }
        }
    }
}

fn told(error: &FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let read = error.downcast_ref::<io::Error>();
        if read.is_some_and(|read| read.kind() == io::ErrorKind::UnexpectedEof) {
            return io::ErrorKind::UnexpectedEof.into();
        }
        cause = error.source();
    }
    io::Error::other(match error {
        FrameDecoderError::WindowSizeTooBig { .. } => {
            "needs more than 8 MiB of memory to be unpacked: compress it without --long and --ultra"
                .to_owned()
        }
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_)) => {
            "has something else behind its compressed data".to_owned()
        }
        other => format!("is damaged: {other}"),
    })
}
