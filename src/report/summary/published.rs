//! An index that was published, is so already, or would be.

use super::prose::short;
use super::table::{Side, table, unbroken};
use super::{LONGEST, timeline};
use crate::entries::diff::Change;
use crate::entries::images;
use crate::oci::{Reference, media_type};
use crate::pipeline::outcome::{DryRun, Report};
use crate::pipeline::progress::{TagState, Tagged, Was};
use crate::pipeline::record;
use crate::pipeline::resolve::arrived::Skipped;
use crate::report::Ending;
use crate::text::{self, count};
use std::fmt::Write as _;

impl Ending<'_> {
    pub(super) fn one(&self, name: &str, report: &Report) -> String {
        let mut text = self.headline(name, report);
        text += &self.in_a_line(report);
        text += &self.warned();
        let _ = write!(text, "```text\n{}\n```\n\n", report.image());
        text += &tags(&report.tags, report.dry_run.is_some());
        text += &self.platforms(report);
        text += &copied(report);
        text +=
            &report.dry_run.as_ref().map(|dry_run| self.left_undone(dry_run)).unwrap_or_default();
        text += &timeline::of(report);
        let mut lines = self.digests(report);
        lines.extend(ways_back(&report.tags));
        text += &details("Full digests", &lines);
        text
    }

    fn headline(&self, name: &str, report: &Report) -> String {
        let (sign, without) = if report.skipped.is_empty() {
            ("✅", String::new())
        } else {
            ("⚠️", format!(" without {}", self.left_out(report)))
        };
        let name = self.name(name);
        let state = match (report.dry_run.is_some(), report.changed) {
            (true, true) => format!("🧪 {name} would be published{without} (dry run)"),
            (_, false) => format!("{sign} {name} already published{without}, nothing to change"),
            (false, true) => format!("{sign} {name} published{without}"),
        };
        format!("### {state}\n\n")
    }

    fn in_a_line(&self, report: &Report) -> String {
        let entries = &report.composed.entries;
        let platforms = report.platforms().len();
        let attestations = entries.len() - images(entries).count();
        let mut parts = vec![count(platforms, "platform")];
        if attestations > 0 {
            parts.push(format!("{} (provenance, SBOM)", count(attestations, "attestation")));
        }
        parts.push(self.shown(media_type::name(&report.composed.media_type)));
        if !report.waited.is_zero() {
            parts.push(format!("waited {}", text::duration(report.waited)));
        }
        format!("{}\n\n", parts.join(", "))
    }

    /// What the index lacks: platforms, or names of images whose platform is not known.
    pub(super) fn left_out(&self, report: &Report) -> String {
        let what = |skipped: &Skipped| match &skipped.platform {
            Some(platform) => self.shown(&platform.to_string()),
            None => self.shown(&short(&skipped.name)),
        };
        report.skipped.iter().map(what).collect::<Vec<_>>().join(", ")
    }

    fn platforms(&self, report: &Report) -> String {
        let at_once = report.sources.iter().all(|source| source.after.is_none());
        let sizes = report.platforms().iter().any(|(_, digest)| report.download(digest).is_some());
        let row = |(platform, digest): &(String, String)| {
            let source = report
                .sources
                .iter()
                .find(|source| source.platforms.iter().any(|other| other.to_string() == *platform));
            let after = match source.map(|source| source.after) {
                _ if at_once => String::new(),
                Some(None) => "at once".to_owned(),
                Some(Some(after)) => format!("after {}", text::duration(after)),
                // Of the index that was added to.
                None => "–".to_owned(),
            };
            let unknown = if sizes { "–" } else { "" };
            let size = report.download(digest).map_or_else(|| unknown.to_owned(), text::size);
            [
                format!("**{}**", self.shown(platform)),
                unbroken(&after),
                unbroken(&size),
                format!("`{}`", shortened(digest)),
            ]
        };
        let rows: Vec<[String; 4]> = report.platforms().iter().map(row).collect();
        let columns = [
            ("Platform", Side::Left),
            ("Arrived", Side::Right),
            ("Download", Side::Right),
            ("Digest", Side::Left),
        ];
        table(columns, &rows)
    }

    pub(super) fn digests(&self, report: &Report) -> Vec<String> {
        let line = |(platform, digest): &(String, String)| {
            format!("**{}** `{digest}`", self.shown(platform))
        };
        report.platforms().iter().map(line).collect()
    }

    /// What a dry run did not do. Tags with the same changes are shown together.
    fn left_undone(&self, dry_run: &DryRun) -> String {
        let mut text = String::new();
        for coming in &dry_run.copies {
            let _ = writeln!(
                text,
                "Would copy {} into `{}`, unless already there.\n",
                coming.sums(),
                coming.repository
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
                    self.block("diff", &lines.join("\n"), LONGEST / 4)
                );
            }
        }
        text
    }
}

/// As people tell digests apart.
fn shortened(digest: &str) -> &str {
    const DIGITS: usize = 12;
    let end = digest.find(':').map_or(0, |colon| colon + 1 + DIGITS);
    digest.get(..end).unwrap_or(digest)
}

/// What became of each tag, and what it held before.
pub(super) fn tags(tags: &[Tagged], dry_run: bool) -> String {
    let rows: Vec<[String; 2]> = tags
        .iter()
        .map(|tagged| [format!("`{}`", label(&tagged.tag, tags)), state(tagged, dry_run)])
        .collect();
    table([("Tag", Side::Left), ("", Side::Left)], &rows)
}

/// A tag of one repository needs no more than its own name.
fn label(tag: &Reference, all: &[Tagged]) -> String {
    let is_only = all.iter().all(|other| other.tag.repository == tag.repository);
    match &tag.tag {
        Some(name) if is_only => name.clone(),
        _ => tag.to_string(),
    }
}

fn state(tagged: &Tagged, dry_run: bool) -> String {
    match (tagged.state, &tagged.was) {
        (TagState::Untouched, Was::Nothing) if dry_run => "would be created".to_owned(),
        (TagState::Untouched, Was::Held(now)) if dry_run => {
            format!("would move, now `{}`", now.short())
        }
        (TagState::Untouched, Was::NotKnown) if dry_run => "would move".to_owned(),
        _ => match tagged.before() {
            Some(was) => format!("{}, was `{}`", tagged.word(), was.short()),
            None => tagged.word().to_owned(),
        },
    }
}

/// What to point each tag at to undo this run.
pub(super) fn ways_back(tags: &[Tagged]) -> Vec<String> {
    let line = |tagged: &Tagged| {
        let before = Reference::at(&tagged.tag.repository, tagged.before()?);
        Some(format!("`{}` was `{before}`", tagged.tag))
    };
    tags.iter().filter_map(line).collect()
}

/// Lines that open at a click.
pub(super) fn details(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("- {line}\n")).collect();
    format!("<details><summary>{title}</summary>\n\n{}\n</details>\n\n", lines.concat())
}

fn copied(report: &Report) -> String {
    let mut text = String::new();
    for copied in &report.copied {
        let _ = writeln!(text, "Copied into `{}`: {}.\n", copied.repository, record::sums(copied));
    }
    if !report.referrers_left_in.is_empty() {
        let from: Vec<String> =
            report.referrers_left_in.iter().map(|from| format!("`{from}`")).collect();
        let _ = writeln!(
            text,
            "Signatures and other referrers are not copied; they remain in {}.\n",
            from.join(", ")
        );
    }
    text
}
