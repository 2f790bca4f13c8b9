//! Where lines end up: a stream of the process, or what a test reads.

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
}

impl Sink for io::Stdout {
    fn terminal(&self) -> Option<Terminal> {
        self.is_terminal().then(|| size_of(self))
    }
}

impl Sink for io::Stderr {
    fn terminal(&self) -> Option<Terminal> {
        self.is_terminal().then(|| size_of(self))
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
