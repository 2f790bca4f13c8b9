//! The result, alone on stdout.

use crate::error::Exit;
use crate::report::escape;
use serde_json::Value;
use std::io::{self, Write as _};

/// Exact bytes.
pub(super) fn bytes(bytes: &[u8], exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_ok() { exit } else { Exit::Partial }
}

/// A document in JSON, in which no character can command a terminal.
pub(super) fn json(document: &Value, exit: Exit) -> Exit {
    bytes(format!("{}\n", escape::json(&format!("{document:#}"))).as_bytes(), exit)
}
