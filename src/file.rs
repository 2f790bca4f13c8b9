//! The files that users name, for reading. All of the program opens them here.
//!
//! A name can lead to anything. A pipe would have to be waited for, a device or a file of the
//! kernel may never end. So only regular files are read, links followed, up to a size, without
//! waiting.

use crate::{system, system_words};
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// The bytes of a file of at most `largest` bytes. An error continues a sentence that begins with
/// the file's name.
pub(crate) fn bytes(path: &Path, largest: u64) -> Result<Vec<u8>, String> {
    let file = reader(path)?;
    let mut bytes = Vec::new();
    // What the file system says of the size is only a hint: the kernel's own files have none.
    file.take(largest.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
    if bytes.len() as u64 > largest {
        return Err(format!("is larger than {}", bytesize::ByteSize(largest).display().iec()));
    }
    Ok(bytes)
}

/// A regular file, open at its start. An error as that of [`bytes()`].
pub(crate) fn reader(path: &Path) -> Result<File, String> {
    open(path).map_err(|error| unread(&error))?.map_err(|kind| format!("is {kind}, not a file"))
}

fn unread(error: &io::Error) -> String {
    format!("cannot be read: {}", why(error))
}

/// The same as text.
pub(crate) fn text(path: &Path, largest: u64) -> Result<String, String> {
    String::from_utf8(bytes(path, largest)?).map_err(|_| "is not valid UTF-8".to_owned())
}

/// The open file, or what is there instead of a regular one.
#[expect(clippy::disallowed_methods, reason = "the only place that opens a file to read it")]
fn open(path: &Path) -> io::Result<Result<File, &'static str>> {
    // To open a device can already do something, such as rewind a tape.
    if let Some(kind) = other_kind(fs::metadata(path)?.file_type()) {
        return Ok(Err(kind));
    }
    let file = system::at_once(OpenOptions::new().read(true)).open(path)?;
    // It may have been replaced in between.
    Ok(match other_kind(file.metadata()?.file_type()) {
        Some(kind) => Err(kind),
        None => Ok(file),
    })
}

/// What something is that is not a regular file.
pub(crate) fn other_kind(kind: FileType) -> Option<&'static str> {
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a folder"),
        _ if system::is_pipe(kind) => Some("a pipe"),
        _ if system::is_socket(kind) => Some("a socket"),
        _ => Some("a device"),
    }
}

/// The operating system's words, to continue a sentence: without its capital and its number. Those that
/// people look for are the same on all systems.
pub(crate) fn why(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return "no such file or directory".to_owned();
    }
    let text = error.to_string();
    system_words::plain(&text).unwrap_or_else(|| system_words::uncapitalized(&text))
}

#[cfg(test)]
#[cfg(unix)] // Where files are of many kinds.
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use tempfile::TempDir;

    /// A folder with one of each kind, and the names of all.
    fn folder() -> (TempDir, UnixListener) {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::write(at("bytes"), b"\xff").unwrap();
        File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("nothing", at("dangling")).unwrap();
        fs::create_dir_all(at("folder")).unwrap();
        // A program of every Unix: the call is not in rustix for macOS.
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        symlink("pipe", at("link-to-pipe")).unwrap();
        let socket = UnixListener::bind(at("socket")).unwrap();
        (folder, socket)
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let (folder, _socket) = folder();
        for (name, expected) in [
            ("file", Ok("text")),
            ("link", Ok("text")),
            ("bytes", Err("is not valid UTF-8")),
            ("nothing", Err("cannot be read: no such file or directory")),
            ("dangling", Err("cannot be read: no such file or directory")),
            ("file/x", Err("cannot be read: not a directory")),
            ("folder", Err("is a folder, not a file")),
            ("pipe", Err("is a pipe, not a file")),
            ("link-to-pipe", Err("is a pipe, not a file")),
            ("socket", Err("is a socket, not a file")),
            ("/dev/zero", Err("is a device, not a file")),
            ("/dev/null", Err("is a device, not a file")),
            // Of which the file system says that it is empty.
            ("/proc/self/maps", Err("is larger than 4 B")),
            ("huge", Err("is larger than 4 B")),
        ] {
            let read = text(&folder.path().join(name), 4);
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{name}");
        }
        let looped = text(&folder.path().join("loop"), 4).unwrap_err();
        assert!(looped.starts_with("cannot be read: "), "{looped}");
    }

    #[test]
    fn up_to_a_size() {
        let (folder, _socket) = folder();
        let path = folder.path().join("file");
        assert_eq!(bytes(&path, 4), Ok(b"text".to_vec()));
        assert_eq!(bytes(&path, 3), Err("is larger than 3 B".to_owned()));
        assert_eq!(bytes(&path, u64::MAX), Ok(b"text".to_vec()));
    }

    #[test]
    fn the_words_of_the_operating_system() {
        for (number, words) in [(13, "permission denied"), (28, "no space left on device")] {
            assert_eq!(why(&io::Error::from_raw_os_error(number)), words);
        }
        assert_eq!(why(&io::Error::other("X is Y")), "x is Y");
        assert_eq!(why(&io::Error::other("")), "");
    }
}
