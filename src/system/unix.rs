//! Linux and macOS.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, OFlags, fstat};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use std::ffi::OsString;
use std::fs::{File, FileType, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{
    FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;
use std::time::Duration;
use tempfile::Builder;
use tokio::process::{Child, Command};

/// The variable that has the user's folder.
pub(crate) const HOME: &str = "HOME";
/// What the name of a program ends in.
pub(crate) const PROGRAM_ENDINGS: &[&str] = &[""];

/// The name of a variable as it is looked up.
pub fn variable(name: OsString) -> OsString {
    name
}

/// From now on there is no core, whatever ends the process, and no other process of the same user
/// may look into its memory: a picture of the memory has the secrets in it.
///
/// The limit keeps the kernel from writing a file, and programs that we start inherit it. A kernel
/// that hands cores to a program does not obey the limit, only the other setting (core(5),
/// prctl(2)). macOS has only the limit, and asks for privileges to look into another process.
pub fn forbid_core_dumps() {
    // Neither can fail as it is given here; if one does, the other is left.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Opening never waits for the other end of a pipe, and a terminal does not become ours.
pub(crate) fn at_once(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed())
}

/// Whether it is a pipe with a name.
pub(crate) fn is_pipe(kind: FileType) -> bool {
    kind.is_fifo()
}

/// Whether it is a socket.
pub(crate) fn is_socket(kind: FileType) -> bool {
    kind.is_socket()
}

/// Whether it is a device that takes bytes one after the other.
pub(crate) fn is_character_device(kind: FileType) -> bool {
    kind.is_char_device()
}

/// Whether a pipe could not be opened for writing because nobody reads it.
pub(crate) fn has_no_reader(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NXIO)
}

/// What tells a file from one that has taken its name.
pub(crate) fn number(found: &Metadata) -> u64 {
    found.ino()
}

/// Our stdout or stderr, if that is what was found.
pub(crate) fn own_stream(found: &Metadata) -> io::Result<Option<File>> {
    let same = |stream: BorrowedFd<'_>| {
        let stream = File::from(stream.try_clone_to_owned()?);
        let ours = stream.metadata()?;
        let same = (ours.dev(), ours.ino()) == (found.dev(), found.ino());
        Ok::<_, io::Error>(same.then_some(stream))
    };
    match same(io::stdout().as_fd())? {
        Some(stream) => Ok(Some(stream)),
        None => same(io::stderr().as_fd()),
    }
}

/// Whether a stream is a regular file.
pub(crate) fn is_regular(stream: impl AsFd) -> bool {
    let kind = fstat(stream).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind == rustix::fs::FileType::RegularFile)
}

/// Waits until a stream takes bytes again: whether it does within this time.
pub(crate) fn room(stream: &File, limit: Duration) -> io::Result<bool> {
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    let mut room = [PollFd::new(stream, PollFlags::OUT)];
    Ok(poll(&mut room, Some(&limit))? > 0)
}

/// Writes at a place of a file, wherever others write.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

/// The rights of a temporary file or folder: its reader may be another user. The umask still applies.
pub(crate) fn rights(builder: &mut Builder<'_, '_>, mode: u32) {
    builder.permissions(Permissions::from_mode(mode));
}

/// Refuses a folder in which nothing can be written.
pub(crate) fn writable(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether it is a program.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Makes a program to be started the first of a [`Group`].
pub(crate) fn put_in_group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// A program and all that it has started, ended when this is dropped.
pub(crate) struct Group(Option<Pid>);

impl Group {
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }

    /// Lets it go on.
    pub(crate) fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended just now.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}
