//! A document on its way to its place: without secrets, and without characters that could command a
//! terminal. It passes in parts, so that no more than one is in memory.

use crate::secret::Secrets;
use crate::text::escape;
use std::io::{self, Write};
use std::mem;

/// Bytes of a part, about.
const PART: usize = 64 << 10;

/// Takes JSON, and passes on whole lines: no secret has a line end in it.
pub(super) struct Filter<'a> {
    secrets: &'a Secrets,
    to: &'a mut dyn Write,
    held: Vec<u8>,
}

impl<'a> Filter<'a> {
    pub(super) fn to(to: &'a mut dyn Write, secrets: &'a Secrets) -> Self {
        Self { secrets, to, held: Vec::new() }
    }

    fn pass(&mut self, lines: Vec<u8>) -> io::Result<()> {
        let text = String::from_utf8(lines).map_err(|_| io::ErrorKind::InvalidData)?;
        self.to.write_all(escape::json(&self.secrets.redact(&text)).as_bytes())
    }
}

impl Write for Filter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend(bytes);
        if self.held.len() >= PART && bytes.contains(&b'\n') {
            let end = self.held.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
            let rest = self.held.split_off(end + 1);
            let lines = mem::replace(&mut self.held, rest);
            self.pass(lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = mem::take(&mut self.held);
        self.pass(rest)?;
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_in_parts_is_what_passes_as_a_whole() {
        let secrets = Secrets::default();
        secrets.keep("canary-password");
        let line = |at: usize| format!("  \"{at}\": \"canary-password \u{1b}[31m ##[x]\",\n");
        let text: String = (0..10_000).map(line).collect();
        for size in [1, 7, 1_000, 100_000, text.len()] {
            let mut out = Vec::new();
            let mut filter = Filter::to(&mut out, &secrets);
            let mut most = 0;
            for piece in text.as_bytes().chunks(size) {
                filter.write_all(piece).unwrap();
                most = most.max(filter.held.len());
            }
            filter.flush().unwrap();
            assert!(most < PART + size + 100, "{most} of {size}");
            assert!(out == escape::json(&secrets.redact(&text)).as_bytes(), "{size}");
        }
    }
}
