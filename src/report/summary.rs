//! The job summary: what was published, in Markdown, with a picture of the wait.

use crate::entries::diff::Change;
use crate::error::{Error, Exit};
use crate::oci::Reference;
use crate::pipeline::outcome::{DryRun, Listed, Report};
use crate::pipeline::progress::{SourceState, TagState};
use crate::pipeline::record;
use crate::pipeline::resolve::arrived::Skipped;
use crate::report::Ending;
use crate::text::{self, count, escape};
use bytesize::ByteSize;
use std::fmt::Write as _;
use std::time::Duration;

/// GitHub takes 1 MiB a step; nobody reads more than this.
const LONGEST: usize = 64 << 10;
/// A wait whose seconds can all be named below the picture.
const SHORT: Duration = Duration::from_secs(20);
/// More bars than this are no picture any more.
const MOST_BARS: usize = 40;

/// The text to append to `GITHUB_STEP_SUMMARY`: all about one list, or a row for each of several.
pub fn markdown(ending: &Ending<'_>) -> String {
    let mut text =
        ending.late.map(|error| ending.failure("Outputs not written", error)).unwrap_or_default();
    match ending.run.lists.as_slice() {
        [Listed { ended: Ok(report), .. }] => text.push_str(&ending.one(report)),
        [list @ Listed { ended: Err(error), .. }] => text.push_str(&ending.failed(list, error)),
        _ => text.push_str(&ending.several()),
    }
    let text = ending.secrets.redact(&text);
    cut(&text, LONGEST).map_or_else(|| text.to_string(), |cut| format!("{cut}\n\n… and more\n"))
}

impl Ending<'_> {
    /// The error first, then what has come about all the same.
    fn failed(&self, list: &Listed, error: &Error) -> String {
        let moved =
            list.tags.iter().any(|(_, state)| matches!(state, TagState::Moved | TagState::Unknown));
        let heading = if moved || error.exit == Exit::Partial {
            "Partly published".to_owned()
        } else {
            format!("Not published: {}", error.title())
        };
        let mut text = self.failure(&heading, error);
        text.push_str(&self.warned());
        if list
            .tags
            .iter()
            .any(|(_, state)| !matches!(state, TagState::Untouched | TagState::Unchanged))
        {
            text.push_str(&tags(&list.tags, false));
        }
        let looked_at = list.sources.iter().filter(|(_, state)| *state != SourceState::Looking);
        let bars = looked_at.map(|(name, state)| Bar::of(short(name), *state, self.run.elapsed));
        text.push_str(&timeline(bars.collect()));
        text
    }

    fn failure(&self, heading: &str, error: &Error) -> String {
        format!("### ❌ {heading}\n\n{}", self.block("text", &error.to_string()))
    }

    /// Others' text, line by line, between fences that none of it can end.
    fn block(&self, language: &str, text: &str) -> String {
        let redacted = self.secrets.redact(text);
        let lines = redacted.lines().map(escape::visible).collect::<Vec<_>>().join("\n");
        let shown = cut(&lines, LONGEST / 2)
            .map_or_else(|| lines.clone(), |cut| format!("{cut}\n… and more"));
        let longest =
            shown.split(|character| character != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(3.max(longest + 1));
        format!("{fence}{language}\n{shown}\n{fence}\n\n")
    }

    fn one(&self, report: &Report) -> String {
        let mut text = self.heading(report);
        text.push_str(&self.warned());
        let _ = write!(text, "```text\n{}\n```\n\n", report.image());
        text.push_str(&self.platforms(report));
        text.push_str(&tags(&report.tags, report.dry_run.is_some()));
        text.push_str(&copied(report));
        text.push_str(
            &report.dry_run.as_ref().map(|dry_run| self.left_undone(dry_run)).unwrap_or_default(),
        );
        text.push_str(&timeline(bars(report)));
        text
    }

    /// Failures first: the text may be cut at its end.
    fn several(&self) -> String {
        let run = self.run;
        let (all, well) = (run.lists.len(), run.reports().count());
        let sign = if well == all { "✅" } else { "❌" };
        let mut text = format!("### {sign} {well} of {all} indexes\n\n{}", self.warned());
        text.push_str("| Index | | Digest | Platforms |\n|:--|:--|:--|:--|\n");
        for list in &run.lists {
            if let Err(error) = &list.ended {
                let _ = writeln!(
                    text,
                    "| {} | ❌ {} | | |",
                    self.shown(&list.name),
                    self.shown(&error.what)
                );
            }
        }
        for report in run.reports() {
            let state = match (report.dry_run.is_some(), report.changed) {
                (true, true) => "would be published",
                (_, false) => "unchanged",
                (false, true) => "published",
            };
            let tags: Vec<String> =
                report.tags.iter().map(|(tag, _)| escape::markdown(&tag.to_string())).collect();
            let platforms: Vec<String> =
                report.platforms().iter().map(|(platform, _)| escape::markdown(platform)).collect();
            let mut platforms = platforms.join(", ");
            if !report.skipped.is_empty() {
                platforms += &format!("<br>⚠️ without {}", self.left_out(report));
            }
            let _ = writeln!(
                text,
                "| {} | {state} | `{}` | {platforms} |",
                tags.join("<br>"),
                report.composed.digest
            );
        }
        text.push('\n');
        text
    }

    /// What is not in the list: platforms, or names where these are not known.
    fn left_out(&self, report: &Report) -> String {
        let what = |skipped: &Skipped| {
            skipped.platform.as_ref().map_or_else(|| short(&skipped.name), ToString::to_string)
        };
        report
            .skipped
            .iter()
            .map(|skipped| self.shown(&what(skipped)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn heading(&self, report: &Report) -> String {
        let (sign, without) = if report.skipped.is_empty() {
            ("✅", String::new())
        } else {
            ("⚠️", format!(" without {}", self.left_out(report)))
        };
        let state = match (report.dry_run.is_some(), report.changed) {
            (true, true) => format!("🧪 Would be published{without} (dry run)"),
            (_, false) => format!("{sign} Already published{without}, nothing to change"),
            (false, true) => format!("{sign} Published{without}"),
        };
        format!("### {state}\n\n")
    }

    /// A box; nothing without warnings.
    fn warned(&self) -> String {
        const MOST_SHOWN: usize = 10;
        let warnings = self.warnings;
        if warnings.is_empty() {
            return String::new();
        }
        let mut text = "> [!WARNING]\n".to_owned();
        for warning in warnings.iter().take(MOST_SHOWN) {
            let _ = writeln!(text, "> - {}", self.shown(warning));
        }
        if warnings.len() > MOST_SHOWN {
            let _ = writeln!(text, "> - and {} more in the log", warnings.len() - MOST_SHOWN);
        }
        text.push('\n');
        text
    }

    fn platforms(&self, report: &Report) -> String {
        let mut text = "| Platform | Digest | Download | Arrived |\n|:--|:--|--:|--:|\n".to_owned();
        for (platform, digest) in report.platforms() {
            let size = report.download(&digest).map_or_else(
                || "–".to_owned(),
                |bytes| ByteSize::b(bytes).display().si().to_string(),
            );
            let source = report
                .sources
                .iter()
                .find(|source| source.platforms.iter().any(|other| other.to_string() == platform));
            let after = source.and_then(|source| source.after).map_or_else(
                || "immediately".to_owned(),
                |after| format!("after {}", text::duration(after)),
            );
            // A narrow column would break them in two.
            let (size, after) = (size.replace(' ', "&nbsp;"), after.replace(' ', "&nbsp;"));
            let _ =
                writeln!(text, "| **{}** | `{digest}` | {size} | {after} |", self.shown(&platform));
        }
        let attestations =
            report.composed.entries.iter().filter(|entry| entry.attests().is_some()).count();
        if attestations > 0 {
            let _ =
                writeln!(text, "\nWith {} (provenance, SBOM).", count(attestations, "attestation"));
        }
        text.push('\n');
        text
    }

    /// Of a dry run; tags that would change alike are shown together.
    fn left_undone(&self, dry_run: &DryRun) -> String {
        let mut text = String::new();
        for (repository, images) in &dry_run.copies {
            let _ = writeln!(
                text,
                "Would copy {} into `{repository}`, unless already there.\n",
                count(*images, "image")
            );
        }
        for alike in dry_run.changes.chunk_by(|(_, one), (_, other)| one == other) {
            let tags: Vec<String> = alike.iter().map(|(tag, _)| format!("`{tag}`")).collect();
            let lines: Vec<String> =
                alike.iter().take(1).flat_map(|(_, changes)| changes).map(Change::line).collect();
            if !lines.is_empty() {
                let _ = write!(
                    text,
                    "Changes to {}:\n\n{}",
                    tags.join(", "),
                    self.block("diff", &lines.join("\n"))
                );
            }
        }
        text
    }

    /// Text that is not ours, for a table or a paragraph. Secrets are looked for before escaping could
    /// hide them.
    fn shown(&self, text: &str) -> String {
        escape::markdown(&self.secrets.redact(text))
    }
}

/// As many whole lines as fit, if not all do.
fn cut(text: &str, longest: usize) -> Option<&str> {
    let fits = &text[..text.floor_char_boundary(longest)];
    (fits.len() < text.len()).then(|| &fits[..fits.rfind('\n').unwrap_or_default()])
}

fn tags(tags: &[(Reference, TagState)], dry_run: bool) -> String {
    let mut text = "| Tag | |\n|:--|:--|\n".to_owned();
    for (tag, state) in tags {
        let state =
            if dry_run && *state == TagState::Untouched { "would move" } else { state.name() };
        let _ = writeln!(text, "| `{tag}` | {state} |");
    }
    text.push('\n');
    text
}

fn copied(report: &Report) -> String {
    let mut text = String::new();
    for copied in &report.copied {
        let _ = writeln!(text, "Copied into `{}`: {}.", copied.repository, record::sums(copied));
    }
    if !report.copied.is_empty() {
        let from: Vec<String> =
            report.copied_from().iter().map(|from| format!("`{from}`")).collect();
        let _ = writeln!(
            text,
            "Signatures and other referrers are not copied; they remain in {}.\n",
            from.join(", ")
        );
    }
    text
}

/// A source in the picture.
struct Bar {
    label: String,
    state: SourceState,
    end: Duration,
}

impl Bar {
    /// `end`: of the wait, for what did not come.
    fn of(label: String, state: SourceState, end: Duration) -> Self {
        match state {
            SourceState::Found(after) => Self { label, state, end: after.unwrap_or_default() },
            SourceState::Waiting(why) | SourceState::LeftOut(why) => {
                Self { label: format!("{label} ({why})"), state, end }
            }
            SourceState::Looking => Self { label, state, end },
        }
    }

    fn look(&self) -> &'static str {
        match self.state {
            SourceState::Found(None) => "done",
            SourceState::Found(Some(_)) => "active",
            _ => "crit",
        }
    }
}

fn bars(report: &Report) -> Vec<Bar> {
    let arrived = report.sources.iter().map(|source| {
        let platforms: Vec<String> = source.platforms.iter().map(ToString::to_string).collect();
        Bar::of(platforms.join(" "), SourceState::Found(source.after), report.waited)
    });
    let skipped = report.skipped.iter().map(|skipped| {
        Bar::of(short(&skipped.name), SourceState::LeftOut(skipped.word), report.waited)
    });
    arrived.chain(skipped).collect()
}

/// A name without its registry and folders.
fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// When each source arrived, as a Mermaid diagram: a bar as long as it was waited for, also for one
/// that never came. Nothing where nothing was waited for.
fn timeline(bars: Vec<Bar>) -> String {
    if bars.iter().all(|bar| bar.end.is_zero()) {
        return String::new();
    }
    let mut text =
        "```mermaid\ngantt\n    title When the images arrived (seconds)\n    dateFormat X\n    axisFormat %s\n".to_owned();
    // Of itself it would name each second of a short wait twice.
    if bars.iter().all(|bar| bar.end <= SHORT) {
        text.push_str("    tickInterval 1second\n");
    }
    for bar in bars.iter().take(MOST_BARS) {
        // A bar of no length would not be seen.
        let _ = writeln!(
            text,
            "    {} :{}, 0, {}",
            mermaid(&bar.label),
            bar.look(),
            bar.end.as_secs().max(1)
        );
    }
    text.push_str("```\n\n");
    text
}

/// Text that Mermaid takes for nothing but text.
fn mermaid(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric()
                || matches!(character, '/' | '.' | '_' | '-' | '(' | ')')
            {
                character
            } else {
                ' '
            }
        })
        .collect()
}
