//! The job summary: a table in Markdown.

use super::{Report, escape};
use crate::report::story;
use crate::secret;
use std::fmt::Write as _;

/// GitHub takes 1 MiB a step; nobody reads more than this.
const LONGEST: usize = 64 << 10;

/// The text to append to `GITHUB_STEP_SUMMARY`.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let state = match (report.dry_run, report.changed) {
        (true, true) => "would be published (dry run)",
        (true, false) | (false, false) => "nothing to change",
        (false, true) => "published",
    };
    let _ = writeln!(text, "### Multi-platform image: {state}\n\n`{}`\n", report.image());
    text.push_str("| platform | digest |\n|---|---|\n");
    for (platform, digest) in report.platforms() {
        let _ = writeln!(text, "| {} | `{digest}` |", escape::markdown(&platform));
    }
    text.push_str("\n| tag | |\n|---|---|\n");
    for (tag, state) in &report.tags {
        let _ = writeln!(text, "| `{tag}` | {} |", state.name());
    }
    text.push_str("\n| source | arrived |\n|---|---|\n");
    for source in &report.sources {
        let when = source.after.map_or_else(|| "was there".to_owned(), |after| format!("after {}", story::duration(after)));
        let _ = writeln!(text, "| {} | {when} |", escape::markdown(&source.name));
    }
    text.push('\n');
    let text = secret::redact(&text).into_owned();
    if text.len() <= LONGEST {
        return text;
    }
    let cut = text[..text.floor_char_boundary(LONGEST)].rfind('\n').unwrap_or_default();
    format!("{}\n\n… and more\n", &text[..cut])
}
