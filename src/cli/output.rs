//! The result, alone on stdout.

use crate::error::Exit;
use crate::report;
use crate::secret::Secrets;
use serde::Serialize;
use std::io::{self, Write as _};

/// Exact bytes.
pub(super) fn bytes(bytes: &[u8], exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) else { return exit };
    // Who closes a pipe knows.
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = writeln!(io::stderr(), "error: cannot write the result: {error}");
    }
    Exit::Partial
}

/// A document in JSON.
pub(super) fn json(document: &impl Serialize, exit: Exit, secrets: &Secrets) -> Exit {
    bytes(report::json::text(document, secrets).as_bytes(), exit)
}
