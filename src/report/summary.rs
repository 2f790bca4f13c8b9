//! The job summary: what was published, in Markdown, with a picture of the wait.

use super::style::count;
use super::{Report, Run, escape, story};
use crate::secret;
use bytesize::ByteSize;
use std::fmt::Write as _;
use std::time::Duration;

/// GitHub takes 1 MiB a step; nobody reads more than this.
const LONGEST: usize = 64 << 10;
/// More bars than this are no picture any more.
const MOST_BARS: usize = 40;

/// The text to append to `GITHUB_STEP_SUMMARY`: all about one list, or a row for each of several.
pub fn markdown(run: &Run) -> String {
    let text = match run.lists.as_slice() {
        [list] => list.ended.as_ref().map(one).unwrap_or_default(),
        _ => several(run),
    };
    let text = secret::redact(&text).into_owned();
    if text.len() <= LONGEST {
        return text;
    }
    let cut = text[..text.floor_char_boundary(LONGEST)].rfind('\n').unwrap_or_default();
    format!("{}\n\n… and more\n", &text[..cut])
}

fn one(report: &Report) -> String {
    let mut text = heading(report);
    text.push_str(&platforms(report));
    text.push_str(&tags(report));
    text.push_str(&copied(report));
    if report.sources.iter().any(|source| source.after.is_some()) || (!report.skipped.is_empty() && !report.waited.is_zero()) {
        text.push_str(&timeline(report));
    }
    for skipped in &report.skipped {
        let _ = writeln!(text, "> [!WARNING]\n> Left out, because it did not arrive: {}\n", shown(skipped));
    }
    text
}

/// Failures first: the text may be cut at its end.
fn several(run: &Run) -> String {
    let (all, well) = (run.lists.len(), run.reports().count());
    let sign = if well == all { "✅" } else { "❌" };
    let mut text = format!("### {sign} {well} of {all} lists\n\n| List | | Digest | Platforms |\n|:--|:--|:--|:--|\n");
    for list in &run.lists {
        if let Err(error) = &list.ended {
            let _ = writeln!(text, "| {} | ❌ {} | | |", shown(&list.name), shown(&error.what));
        }
    }
    for report in run.reports() {
        let state = match (report.dry_run, report.changed) {
            (true, true) => "would be published",
            (_, false) => "unchanged",
            (false, true) => "published",
        };
        let tags: Vec<String> = report.tags.iter().map(|(tag, _)| escape::markdown(&tag.to_string())).collect();
        let platforms: Vec<String> = report.platforms().iter().map(|(platform, _)| escape::markdown(platform)).collect();
        let (tags, platforms) = (tags.join("<br>"), platforms.join(", "));
        let _ = writeln!(text, "| {tags} | {state} | `{}` | {platforms} |", report.composed.digest.short());
    }
    text + "\n"
}

fn heading(report: &Report) -> String {
    let state = match (report.dry_run, report.changed) {
        (true, true) => "🧪 Would be published (dry run)",
        (_, false) => "✅ Published already, nothing to change",
        (false, true) => "✅ Published",
    };
    format!("### {state}\n\n```text\n{}\n```\n\n", report.image())
}

fn platforms(report: &Report) -> String {
    let mut text = "| Platform | Digest | Download | Arrived |\n|:--|:--|--:|--:|\n".to_owned();
    for (platform, digest) in report.platforms() {
        let size = report.download(&digest).map_or_else(|| "–".to_owned(), |bytes| ByteSize::b(bytes).display().si().to_string());
        let source = report.sources.iter().find(|source| source.platforms.iter().any(|other| other.to_string() == platform));
        let after = source
            .and_then(|source| source.after)
            .map_or_else(|| "at once".to_owned(), |after| format!("after {}", story::duration(after)));
        // A narrow column would break them in two.
        let (size, after) = (size.replace(' ', "&nbsp;"), after.replace(' ', "&nbsp;"));
        let _ = writeln!(text, "| **{}** | `{digest}` | {size} | {after} |", shown(&platform));
    }
    let attestations = report.composed.entries.iter().filter(|entry| entry.attests().is_some()).count();
    if attestations > 0 {
        let _ = writeln!(text, "\nWith {} (provenance, SBOM).", count(attestations, "attestation"));
    }
    text + "\n"
}

fn tags(report: &Report) -> String {
    let mut text = "| Tag | |\n|:--|:--|\n".to_owned();
    for (tag, state) in &report.tags {
        let _ = writeln!(text, "| `{tag}` | {} |", state.name());
    }
    text + "\n"
}

fn copied(report: &Report) -> String {
    let mut text = String::new();
    for copied in &report.copied {
        let _ = writeln!(text, "Copied into `{}`: {}.", copied.repository, story::sums(copied));
    }
    if !report.copied.is_empty() {
        let from: Vec<String> = report.copied_from().iter().map(|from| format!("`{from}`")).collect();
        let _ = writeln!(text, "Signatures and other referrers of the images stay in {}.\n", from.join(", "));
    }
    text
}

/// When each source arrived, as a Mermaid diagram: a bar as long as it was waited for, also for one that never came.
fn timeline(report: &Report) -> String {
    let mut text =
        "```mermaid\ngantt\n    title When the images arrived (minutes:seconds)\n    dateFormat X\n    axisFormat %M:%S\n"
            .to_owned();
    for source in report.sources.iter().take(MOST_BARS) {
        let platforms: Vec<String> = source.platforms.iter().map(ToString::to_string).collect();
        let after = source.after.unwrap_or(Duration::ZERO);
        // A bar of no length would not be seen.
        let end = after.as_secs().max(1);
        let state = if source.after.is_some() { "active" } else { "done" };
        let _ = writeln!(text, "    {} :{state}, 0, {end}", mermaid(&platforms.join(" ")));
    }
    let room = MOST_BARS.saturating_sub(report.sources.len());
    for name in report.skipped.iter().take(room) {
        let short = name.rsplit('/').next().unwrap_or_default();
        let _ = writeln!(text, "    {} never came :crit, 0, {}", mermaid(short), report.waited.as_secs().max(1));
    }
    text + "```\n\n"
}

/// Text that Mermaid takes for nothing but text.
fn mermaid(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || matches!(character, '/' | '.' | '_' | '-' | '(' | ')') {
                character
            } else {
                ' '
            }
        })
        .collect()
}

/// Text that is not ours, for a table or a paragraph. Secrets are looked for before escaping could hide them.
fn shown(text: &str) -> String {
    escape::markdown(&secret::redact(text))
}
