//! Windows.

use std::ffi::OsString;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt as _, MetadataExt as _};
use std::os::windows::io::AsHandle;
use std::path::Path;
use std::time::Duration;
use tempfile::Builder;
use tokio::process::{Child, Command};

/// The variable that has the user's folder.
pub(crate) const HOME: &str = "USERPROFILE";
/// What the name of a program ends in: gcloud's helper is a script.
pub(crate) const PROGRAM_ENDINGS: &[&str] = &[".exe", ".cmd", ".bat"];

/// The name of a variable as it is looked up: capitals and small letters are the same here, and PATH
/// is spelled `Path`.
pub fn variable(name: OsString) -> OsString {
    name.to_ascii_uppercase()
}

/// A picture of the memory is made only where an administrator has asked for it.
pub fn forbid_core_dumps() {}

/// Opening a file does not wait.
pub(crate) fn at_once(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Pipes have names of their own here, which lead to no file.
pub(crate) fn is_pipe(_: FileType) -> bool {
    false
}

/// Sockets are no files here.
pub(crate) fn is_socket(_: FileType) -> bool {
    false
}

/// What is known of a device is an error.
pub(crate) fn is_character_device(_: FileType) -> bool {
    false
}

/// There is no such pipe.
pub(crate) fn has_no_reader(_: &io::Error) -> bool {
    false
}

/// What tells a file from one that has taken its name: when it was made, in steps of 100 ns.
pub(crate) fn number(found: &Metadata) -> u64 {
    found.creation_time()
}

/// Streams of a process have no path here.
pub(crate) fn own_stream(_: &Metadata) -> io::Result<Option<File>> {
    Ok(None)
}

/// Whether a stream is a regular file.
pub(crate) fn is_regular(stream: impl AsHandle) -> bool {
    let stream = stream.as_handle().try_clone_to_owned().map(File::from);
    stream.and_then(|stream| stream.metadata()).is_ok_and(|metadata| metadata.is_file())
}

/// Nothing that is opened here tells to come again.
pub(crate) fn room(_: &File, _: Duration) -> io::Result<bool> {
    Ok(false)
}

/// Writes at a place of a file, wherever others write.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        at += written as u64;
    }
    Ok(())
}

/// A temporary file or folder has the rights of the folder that it is in.
pub(crate) fn rights(_: &mut Builder<'_, '_>, _: u32) {}

/// Whether something can be written in a folder is seen when it is written.
pub(crate) fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether it is a program: its name has told that.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// There are no groups here.
pub(crate) fn put_in_group(command: &mut Command) -> &mut Command {
    command
}

/// A program. It ends when tokio's handle is dropped; what it has started goes on.
pub(crate) struct Group;

impl Group {
    pub(crate) fn of(_: &Child) -> Self {
        Self
    }

    pub(crate) fn leave(&mut self) {}
}
