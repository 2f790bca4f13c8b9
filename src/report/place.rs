//! Where an output goes. Whatever is there already stays what it is:
//!
//! | there                                            | what is done                                  |
//! |--------------------------------------------------|-----------------------------------------------|
//! | nothing, also at the end of a link               | a file is written beside it and moved there   |
//! | a regular file, also at the end of a link        | written in place: links, mounts, owner, rights stay |
//! | our own stdout or stderr, a pipe that is read, a device | written to it                          |
//! | anything else                                    | refused                                       |

use crate::{file, system};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// Links that are followed; Linux follows no more.
const MOST_LINKS: usize = 40;
/// How long the reader of a pipe may take before it reads on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes an output, all of it, to where it is told; it may be asked again.
pub(super) type Fill<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Why nothing can be written, and what to do.
#[derive(Debug)]
pub(super) struct Refusal {
    /// To continue a sentence.
    pub(super) why: String,
    pub(super) fix: &'static str,
}

/// The place of one output, opened.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// A file of ours; what it will be, if nothing is there yet.
    Own(Option<NamedTempFile>),
    /// A file of the CI system, and what it held before.
    Append(File, u64),
    Stream(File),
}

/// What was written, as far as it can be undone.
#[derive(Debug)]
pub(super) enum Written {
    Made(PathBuf),
    Filled(File),
    Appended(PathBuf, u64),
    Sent,
}

/// What is found at a path.
enum Seen {
    Nothing,
    File,
    Stream(File),
}

impl Place {
    /// For a file of ours.
    pub(super) fn open(path: &Path) -> Result<Self, Refusal> {
        let way = match look(path)? {
            Seen::Nothing => Way::Own(Some(beside(&end_of(path)?)?)),
            Seen::File => Way::Own(None),
            Seen::Stream(stream) => Way::Stream(stream),
        };
        Ok(Self { path: path.to_owned(), way })
    }

    /// For a file that others write to, too.
    pub(super) fn append(path: &Path) -> Result<Self, Refusal> {
        let way = match look(path)? {
            Seen::Stream(stream) => Way::Stream(stream),
            Seen::Nothing | Seen::File => {
                let file = open(OpenOptions::new().append(true).create(true), path)?;
                let before = file.metadata()?.len();
                Way::Append(file, before)
            }
        };
        Ok(Self { path: path.to_owned(), way })
    }

    /// Whether what is written there cannot be undone.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.way, Way::Stream(_))
    }

    /// Writes all of an output. It can be called again with another one.
    pub(super) fn put(&mut self, fill: Fill<'_>) -> Result<Written, Refusal> {
        match &mut self.way {
            Way::Stream(stream) => send(stream, fill),
            Way::Append(file, before) => {
                let written = Written::Appended(self.path.clone(), *before);
                finished(fill(file), written)
            }
            Way::Own(ours) => {
                let ours = ours.take();
                // What is there now counts: minutes may have passed.
                match look(&self.path)? {
                    Seen::File => in_place(&self.path, fill),
                    Seen::Stream(stream) => send(&stream, fill),
                    Seen::Nothing => {
                        let end = end_of(&self.path)?;
                        let mut ours = ours.map_or_else(|| beside(&end), Ok)?;
                        fill(&mut ours)?;
                        ours.persist(&end).map_err(|error| error.error)?;
                        Ok(Written::Made(end))
                    }
                }
            }
        }
    }
}

impl Written {
    /// Makes it as if nothing had been written; a file that was there before is empty then.
    pub(super) fn undo(self) {
        // What cannot be undone was told as an error already.
        let _ = match self {
            Self::Made(path) => fs::remove_file(path),
            Self::Filled(file) => file.set_len(0),
            // Opened anew: Windows shortens no file that was opened to append to it.
            Self::Appended(path, before) => {
                open(OpenOptions::new().write(true), &path).and_then(|file| file.set_len(before))
            }
            Self::Sent => Ok(()),
        };
    }
}

/// The result, or nothing at all.
fn finished(result: io::Result<()>, written: Written) -> Result<Written, Refusal> {
    match result {
        Ok(()) => Ok(written),
        Err(error) => {
            written.undo();
            Err(error.into())
        }
    }
}

fn look(path: &Path) -> Result<Seen, Refusal> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        Err(error) => return Err(error.into()),
    };
    // Also if it is a regular file: to open it once more would write over what was logged to it.
    if let Some(stream) = system::own_stream(&metadata)? {
        return Ok(Seen::Stream(stream));
    }
    let kind = metadata.file_type();
    if kind.is_file() {
        open(OpenOptions::new().write(true), path)?;
        return Ok(Seen::File);
    }
    if !system::is_pipe(kind) && !system::is_character_device(kind) {
        let kind = file::other_kind(kind).unwrap_or("no file");
        let fix = "choose another path";
        return Err(Refusal { why: format!("it is {kind}, not a file"), fix });
    }
    match open(OpenOptions::new().write(true), path) {
        Ok(stream) => Ok(Seen::Stream(stream)),
        Err(error) if system::is_pipe(kind) && system::has_no_reader(&error) => {
            let why = "it is a pipe that nobody reads".to_owned();
            Err(Refusal { why, fix: "start its reader first" })
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the links end that begin at a path.
fn end_of(path: &Path) -> io::Result<PathBuf> {
    let mut end = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&end) {
            Ok(target) => end = end.parent().unwrap_or(Path::new("")).join(target),
            // It is no link, or nothing is there.
            Err(_) => return Ok(end),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// A file that will be moved to this path, at which nothing is.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    // Whether such a file can be, with its name, is best seen by making it.
    open(OpenOptions::new().write(true).create_new(true), path)?;
    fs::remove_file(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    system::rights(builder.prefix(".manifest-action-"), 0o666);
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// Writes over a regular file.
fn in_place(path: &Path, fill: Fill<'_>) -> Result<Written, Refusal> {
    let mut file = open(OpenOptions::new().write(true), path)?;
    let written = Written::Filled(file.try_clone()?);
    let whole = fill(&mut file).and_then(|()| file.stream_position());
    finished(whole.and_then(|end| file.set_len(end)), written)
}

fn send(stream: &File, fill: Fill<'_>) -> Result<Written, Refusal> {
    fill(&mut Patient(stream)).map(|()| Written::Sent).map_err(Refusal::from)
}

/// The reader of a stream has gone to sleep.
#[derive(Debug, thiserror::Error)]
#[error("its reader took nothing for {} s", PATIENCE.as_secs())]
struct NothingTaken;

/// A stream, as long as its reader takes what is written.
struct Patient<'a>(&'a File);

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self(stream) = self;
        loop {
            match stream.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !system::room(stream, PATIENCE)? {
                        return Err(io::Error::other(NothingTaken));
                    }
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the only place that opens a file to write it")]
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    system::at_once(options).open(path)
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<NothingTaken>()) {
            return Self { why: error.to_string(), fix: "read all that comes from it" };
        }
        let fix = match error.kind() {
            io::ErrorKind::NotFound => "create the folder first",
            io::ErrorKind::PermissionDenied => {
                "let the user that this runs as write there, or choose another path"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space there",
            io::ErrorKind::InvalidFilename => "choose a shorter name",
            io::ErrorKind::BrokenPipe => "let its reader read to the end",
            _ => "choose another path",
        };
        Self { why: file::why(&error), fix }
    }
}
