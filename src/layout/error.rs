//! Why an image in a file cannot be had.

use std::fmt;
use std::io;

/// What is wrong with a file, by what it means for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// There is no such file or folder, or the layout does not name what was asked for.
    Absent,
    /// What was asked for cannot be meant: another form, no name where there are several images.
    Unclear(String),
    /// The file is not what it says.
    Broken(String),
    /// It cannot be written.
    Unwritten(String),
}

impl Error {
    pub(super) fn cut_off() -> Self {
        Self::broken("ends in the middle: was it copied whole?")
    }

    /// Of a file that cannot be opened, as [`crate::file::reader`] tells it. Who tells of this error
    /// says that it cannot be read.
    pub(super) fn unread(why: &str) -> Self {
        Self::Unclear(why.strip_prefix("cannot be read: ").unwrap_or(why).to_owned())
    }

    /// What is said of a file, as a sentence. It begins with a verb where names of members may stand
    /// in front of it.
    pub(crate) fn sentence(what: &str) -> String {
        const VERBS: [&str; 8] =
            ["cannot ", "ends ", "has ", "holds ", "is ", "names ", "needs ", "was "];
        let it = if VERBS.iter().any(|verb| what.starts_with(verb)) { "it " } else { "" };
        format!("{it}{what}")
    }

    pub(crate) fn broken(what: impl Into<String>) -> Self {
        Self::Broken(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not found"),
            Self::Unclear(what) | Self::Broken(what) | Self::Unwritten(what) => f.write_str(what),
        }
    }
}

/// Whoever reads a member in the middle knows only of bytes.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::cut_off(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Broken(format!("is damaged: {}", crate::file::why(&error)))
            }
            _ => Self::Broken(crate::file::why(&error)),
        }
    }
}
