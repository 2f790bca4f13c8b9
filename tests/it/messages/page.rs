//! The page: sections of entries, without what is another one in every run.

use crate::support::running::Ran;
use std::fmt::Write as _;

/// Entries of one kind.
pub struct Section {
    title: &'static str,
    entries: Vec<String>,
}

impl Section {
    pub fn new(title: &'static str) -> Self {
        Self { title, entries: Vec::new() }
    }

    /// Adds what a run said at its end. `names`: hosts of the run, and what they are called here.
    #[track_caller]
    pub fn add(&mut self, what: &str, names: &[(&str, &str)], ran: &Ran) {
        let said = said(ran);
        assert!(!said.is_empty() && ran.status != 0, "{what}: {}", ran.everything());
        let mut entry = format!("{what} · exit {}\n", ran.status);
        let folder = ran.left.folder.path().to_string_lossy().into_owned();
        for line in said {
            let mut line = line.replace(&format!("{folder}/home"), "~");
            line = line.replace(&format!("{folder}/work/"), "");
            for (host, name) in names {
                line = line.replace(host, name);
            }
            let _ = writeln!(entry, "  {}", constant(&line).trim_end());
        }
        assert!(!entry.contains("127.0.0.1:"), "{what}: a host without a name: {entry}");
        self.entries.push(entry);
    }

    /// Adds the entries of another one.
    pub fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
    }

    pub fn text(&self) -> String {
        format!("\n## {}\n\n```text\n{}```\n", self.title, self.entries.join("\n"))
    }
}

/// The error and what belongs to it: on stdout in a step, on stderr of a command.
fn said(ran: &Ran) -> Vec<&str> {
    let log = if ran.stdout.contains("error: ") { &ran.stdout } else { &ran.stderr };
    let mut lines = log.lines().skip_while(|line| !line.starts_with("error: "));
    let mut said: Vec<&str> = lines.next().into_iter().collect();
    said.extend(lines.take_while(|line| line.starts_with("  ") || line.is_empty()));
    while said.last().is_some_and(|line| line.is_empty()) {
        said.pop();
    }
    said
}

/// A line without what differs from run to run, and with digests as short as in the log.
fn constant(line: &str) -> String {
    let line = match line.split_once(", tried ") {
        Some((start, rest)) => format!("{start}{}", if rest.ends_with(')') { ")" } else { "" }),
        None => line.to_owned(),
    };
    let line = match line.split_once(" exists after ") {
        Some((start, rest)) => {
            let rest = rest.split_once(": ").map_or("", |(_, rest)| rest);
            format!("{start} exists after TIME: {rest}")
        }
        None => line,
    };
    let line = match line.split_once("rate limited for another ") {
        Some((start, _)) => format!("{start}rate limited for another TIME"),
        None => line,
    };
    let line = match line.split_once("/blobs/uploads/") {
        Some((start, rest)) if rest.contains('-') => {
            let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
            format!("{start}/blobs/uploads/SESSION {rest}")
        }
        _ => line,
    };
    let parts = line.split("sha256:").enumerate().map(|(at, part)| match part.get(..64) {
        Some(hex) if at > 0 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{}…{}", &part[..12], &part[64..])
        }
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("sha256:")
}
