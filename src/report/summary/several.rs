//! Several indexes: a row for each, then what failed and what to do.

use super::failure::{Said, anything_lacks, moved_in_part, untold};
use super::published::{details, ways_back};
use super::table::{Side, table};
use crate::error::{Error, Told};
use crate::oci::Reference;
use crate::pipeline::outcome::{Awaited, Listed, Report};
use crate::pipeline::progress::Tagged;
use crate::report::Ending;
use crate::text::count;
use std::fmt::Write as _;

/// As many names as a sentence bears.
const MOST_NAMES: usize = 5;
/// As many rows as leave room for what failed.
const MOST_ROWS: usize = 200;

impl Ending<'_> {
    /// Failures come first, because the end of the text may be cut off.
    pub(super) fn several(&self) -> String {
        let run = self.run;
        let failed = || {
            run.lists.iter().filter_map(|list| list.ended.as_ref().err().map(|error| (list, error)))
        };
        let columns = [
            ("Index", Side::Left),
            ("Result", Side::Left),
            ("Platforms", Side::Left),
            ("Digest", Side::Left),
        ];
        let (left, failing): (Vec<_>, Vec<_>) =
            failed().partition(|(list, _)| list.is_left_alone());
        let in_order = failing.iter().chain(&left);
        let rows = in_order.map(|(list, error)| self.failed_row(list, error));
        let rows = rows.chain(run.reports().map(|report| self.row(report)));
        let rows: Vec<[String; 4]> = rows.take(MOST_ROWS).collect();
        let more = run.lists.len() - rows.len();
        let mut text = format!("### {}\n\n{}", self.how_many(), table(columns, &rows));
        if more > 0 {
            let _ = write!(text, "And {more} more in the log.\n\n");
        }
        if !left.is_empty() && !run.has_moved() {
            text += "No tag of any index was moved.\n\n";
        }
        for (list, error) in failing.into_iter().take(MOST_ROWS) {
            text += &self.why(list, error);
        }
        text += &self.warned();
        let of_report = |report: &Report| {
            let digest = &report.composed.digest;
            let index = report.tags.first().map(|first| format!("`{}` `{digest}`", first.tag));
            index.into_iter().chain(ways_back(&report.tags)).collect::<Vec<_>>()
        };
        let of_list = |list: &Listed| match &list.ended {
            Ok(report) => of_report(report),
            Err(_) => ways_back(&list.tags),
        };
        let lines: Vec<String> = run.lists.iter().flat_map(of_list).collect();
        text += &details("Full digests", &lines);
        text
    }

    fn how_many(&self) -> String {
        let run = self.run;
        let (all, well) = (run.lists.len(), run.reports().count());
        let dry = well > 0 && run.reports().all(|report| report.dry_run.is_some());
        let changed = run.reports().any(|report| report.changed);
        match (well == all, dry, changed) {
            (false, false, _) => format!("❌ {well} of {all} indexes published"),
            (false, true, _) => format!("❌ {well} of {all} indexes would be published (dry run)"),
            (true, true, true) => format!("🧪 {all} of {all} indexes would be published (dry run)"),
            (true, _, false) => format!("✅ {all} of {all} indexes published already"),
            (true, false, true) => format!("✅ {all} of {all} indexes published"),
        }
    }

    fn failed_row(&self, list: &Listed, error: &Error) -> [String; 4] {
        let lacking = list.lacking().len();
        let state = match (list.is_left_alone(), moved_in_part(list, error)) {
            (true, _) if lacking > 0 => {
                format!("⏸️ held back, waiting for {}", count(lacking, "image"))
            }
            (true, _) => "⏸️ held back".to_owned(),
            (false, true) => "❌ partly published".to_owned(),
            (false, false) => "❌ failed".to_owned(),
        };
        let index = if list.tags.is_empty() { self.name(&list.name) } else { names(&list.tags) };
        [index, state, String::new(), String::new()]
    }

    fn row(&self, report: &Report) -> [String; 4] {
        let state = match (report.dry_run.is_some(), report.changed) {
            (true, true) => "would be published",
            (_, false) => "unchanged",
            (false, true) => "published",
        };
        let platforms: Vec<String> =
            report.platforms().iter().map(|(platform, _)| self.shown(platform)).collect();
        let mut platforms = platforms.join(", ");
        if !report.skipped.is_empty() {
            platforms += &format!("<br>⚠️ without {}", self.left_out(report));
        }
        let digest = format!("`{}`", report.composed.digest.short());
        [names(&report.tags), state.to_owned(), platforms, digest]
    }

    fn why(&self, list: &Listed, error: &Error) -> String {
        let told = error.told(self.audience);
        let mut text = format!("**{}:** {}", self.name(&list.name), self.prose(&told.what));
        let absent = absent(list, &told);
        let names: Vec<String> =
            absent.iter().take(MOST_NAMES).map(|name| self.name(within(list, name))).collect();
        if !names.is_empty() {
            let _ = write!(text, ": {}", names.join(", "));
        }
        if absent.len() > MOST_NAMES {
            let _ = write!(text, " and {} more", absent.len() - MOST_NAMES);
        }
        let mut rest = self.lines(&lines(list, &told));
        if moved_in_part(list, error) {
            rest += &self.fate(list, &told);
        }
        // What to do is one paragraph with what failed, unless more is said between them.
        text += if rest.is_empty() && told.fix.is_some() { "\\\n" } else { "\n\n" };
        text += &rest;
        text += &self.advice(&told);
        text
    }
}

/// An image of the list's own repository needs no more than its tag.
fn within<'t>(list: &Listed, name: &'t str) -> &'t str {
    let home = list.tags.first().map(|first| format!("{}:", first.tag.repository));
    home.and_then(|home| name.strip_prefix(&home)).unwrap_or(name)
}

/// The images that did not come, where there is no more to say of them.
fn absent<'t>(list: &'t Listed, told: &Told) -> Vec<&'t str> {
    let is_absent = |source: &&Awaited| {
        let said = told.details.iter().find_map(|line| Said::of(line, source));
        said.is_some_and(|said| said.is_absence(source))
    };
    list.sources.iter().filter(is_absent).map(|source| source.name.as_str()).collect()
}

/// What is to be said beyond the images that are there, and those that did not come without a
/// reason.
fn lines<'t>(list: &Listed, told: &'t Told) -> Vec<&'t str> {
    let mut lines = untold(list, told);
    let has_reason = |line: &&str| {
        list.sources
            .iter()
            .any(|source| Said::of(line, source).is_some_and(|said| !said.more.is_empty()))
    };
    if anything_lacks(list) {
        lines.extend(told.details.iter().map(String::as_str).filter(has_reason));
    }
    lines
}

/// The tags of an index, each repository written once in a row.
fn names(tags: &[Tagged]) -> String {
    let mut before: Option<&Reference> = None;
    let mut names = Vec::new();
    for Tagged { tag, .. } in tags {
        let name = match (before, &tag.tag) {
            (Some(before), Some(name)) if before.repository == tag.repository => {
                format!("`…:{name}`")
            }
            _ => format!("`{tag}`"),
        };
        names.push(name);
        before = Some(tag);
    }
    names.join("<br>")
}
