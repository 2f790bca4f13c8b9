//! Why an image in a file cannot be had.

use std::fmt;

/// What is wrong with a file, by what it means for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// There is no such file or folder, or the layout does not name what was asked for.
    Absent,
    /// What was asked for cannot be meant: another form, no name where there are several images.
    Unclear(String),
    /// The file is not what it says.
    Broken(String),
}

/// The words for a file that is not whole.
pub(super) const CUT_OFF: &str = "ends in the middle: was it copied whole?";

impl Error {
    pub(super) fn cut_off() -> Self {
        Self::broken(CUT_OFF)
    }

    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::Broken(what.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not found"),
            Self::Unclear(what) | Self::Broken(what) => f.write_str(what),
        }
    }
}

/// Whoever reads a member in the middle knows only of bytes.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(crate::file::why(&error))
    }
}
