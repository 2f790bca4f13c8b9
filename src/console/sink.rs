//! Where lines end up: a stream of the process, or what a test reads.

use rustix::fs::{FileType, fstat};
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use terminal_size::{Height, Width, terminal_size_of};

/// A terminal, as it is now: people change its size.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Terminal {
    pub(super) columns: Option<usize>,
    pub(super) rows: Option<usize>,
}

pub(super) trait Sink: io::Write + Send + fmt::Debug {
    /// What it is, if it is a terminal.
    fn terminal(&self) -> Option<Terminal>;

    /// Whether it is a file, which nobody reads as it is written.
    fn is_file(&self) -> bool;
}

impl Sink for io::Stdout {
    fn terminal(&self) -> Option<Terminal> {
        self.is_terminal().then(|| size_of(self))
    }

    fn is_file(&self) -> bool {
        is_file(self)
    }
}

impl Sink for io::Stderr {
    fn terminal(&self) -> Option<Terminal> {
        self.is_terminal().then(|| size_of(self))
    }

    fn is_file(&self) -> bool {
        is_file(self)
    }
}

fn size_of(stream: impl AsFd) -> Terminal {
    match terminal_size_of(stream) {
        Some((Width(columns), Height(rows))) => {
            Terminal { columns: Some(columns.into()), rows: Some(rows.into()) }
        }
        None => Terminal::default(),
    }
}

fn is_file(stream: impl AsFd) -> bool {
    let kind = fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind == FileType::RegularFile)
}
