//! Where lines end up: a stream of the process, or what a test reads.

use crate::system;
use std::fmt;
use std::io::{self, IsTerminal as _};
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
        self.is_terminal().then(|| size_of(terminal_size_of(self)))
    }

    fn is_file(&self) -> bool {
        system::is_regular(self)
    }
}

impl Sink for io::Stderr {
    fn terminal(&self) -> Option<Terminal> {
        self.is_terminal().then(|| size_of(terminal_size_of(self)))
    }

    fn is_file(&self) -> bool {
        system::is_regular(self)
    }
}

fn size_of(size: Option<(Width, Height)>) -> Terminal {
    match size {
        Some((Width(columns), Height(rows))) => {
            Terminal { columns: Some(columns.into()), rows: Some(rows.into()) }
        }
        None => Terminal::default(),
    }
}
