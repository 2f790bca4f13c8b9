//! The result, alone on stdout.

use crate::error::Exit;
use crate::report;
use crate::secret::Secrets;
use crate::text::escape;
use serde::Serialize;
use std::io::{self, Write as _};

/// Exact bytes.
pub(super) fn bytes(bytes: &[u8], exit: Exit) -> Exit {
    written(|out| out.write_all(bytes), exit)
}

fn written(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>, exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    let Err(error) = write(&mut out).and_then(|()| out.flush()) else { return exit };
    // Who closes a pipe knows.
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = writeln!(io::stderr(), "error: cannot write the result: {error}");
    }
    Exit::Partial
}

/// Lines for people, in which foreign text may stand: no secrets, no commands of a CI system.
pub(super) fn text(text: &str, exit: Exit, secrets: &Secrets) -> Exit {
    let lines: String = secrets
        .redact(text)
        .lines()
        .map(|line| format!("{}\n", escape::without_commands(line)))
        .collect();
    bytes(lines.as_bytes(), exit)
}

/// A document in JSON.
pub(super) fn json(document: &impl Serialize, exit: Exit, secrets: &Secrets) -> Exit {
    written(|out| report::json::write(document, secrets, out), exit)
}
