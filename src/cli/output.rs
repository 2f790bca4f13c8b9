//! The result, alone on stdout.

use crate::error::Exit;
use crate::report::escape;
use serde_json::Value;
use std::io::{self, Write as _};

/// Exact bytes.
pub(super) fn bytes(bytes: &[u8], exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) else { return exit };
    // Who closes a pipe knows.
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = writeln!(io::stderr(), "error: the result could not be written: {error}");
    }
    Exit::Partial
}

/// A document in JSON, in which no character can command a terminal.
pub(super) fn json(document: &Value, exit: Exit) -> Exit {
    bytes(format!("{}\n", escape::json(&format!("{document:#}"))).as_bytes(), exit)
}
