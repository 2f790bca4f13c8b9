//! An index that was not published: what failed, what became of its tags and images, what to do.

use super::published::{details, tags, ways_back};
use super::table::{Side, table, unbroken};
use crate::error::{Error, Exit, Told};
use crate::pipeline::outcome::{Awaited, Listed};
use crate::pipeline::progress::{NO_TAG_MOVED, NO_TAG_OF_ANY_MOVED, SourceState, TagState};
use crate::report::Ending;
use crate::text::duration;

/// A longer sentence does not fit into a heading.
const LONGEST_TITLE: usize = 100;
/// As many lines of an error as anybody reads here; the log has all.
const MOST_LINES: usize = 40;
/// The state of an image that nobody looked at.
const NOT_CHECKED: &str = "not checked";

impl Ending<'_> {
    pub(super) fn failed(&self, list: &Listed, error: &Error) -> String {
        let told = error.told(self.audience);
        let name = self.name(&list.name);
        let state = match (moved_in_part(list, error), name.is_empty()) {
            (true, true) => "Partly published".to_owned(),
            (true, false) => format!("{name} partly published"),
            (false, true) => "Not published".to_owned(),
            (false, false) => format!("{name} not published"),
        };
        let mut text = if told.what.chars().count() <= LONGEST_TITLE {
            format!("### ❌ {state}: {}\n\n", self.prose(&told.what))
        } else {
            format!("### ❌ {state}: {}\n\n{}\n\n", error.title(), self.prose(&told.what))
        };
        let untold = untold(list, &told);
        text += &self.fate(list, &told);
        text += &self.images(list, &told);
        text += &self.lines(&untold);
        text += &self.advice(&told);
        text += &self.warned();
        text += &details("Full digests", &ways_back(&list.tags));
        text
    }

    /// What failed after all indexes were published.
    pub(super) fn late(&self, error: &Error) -> String {
        let told = error.told(self.audience);
        let lines: Vec<&str> = told.details.iter().map(String::as_str).collect();
        let what = self.prose(&told.what);
        format!(
            "### ❌ Outputs not written\n\n{what}\n\n{}{}",
            self.lines(&lines),
            self.advice(&told)
        )
    }

    /// What became of the tags.
    pub(super) fn fate(&self, list: &Listed, told: &Told) -> String {
        let is_left = |state| matches!(state, TagState::Untouched | TagState::Unchanged);
        if !list.tags.iter().all(|tagged| is_left(tagged.state)) {
            return tags(&list.tags, false);
        }
        if told.details.iter().any(|line| line == NO_TAG_MOVED) {
            return "No tag was moved.\n\n".to_owned();
        }
        String::new()
    }

    /// How each image stands, if one did not come.
    fn images(&self, list: &Listed, told: &Told) -> String {
        if !anything_lacks(list) {
            return String::new();
        }
        let row = |source: &Awaited| {
            let name = self.name(&source.name);
            let first = match &source.platform {
                Some(platform) => format!("**{}**", self.shown(&platform.to_string())),
                None => name.clone(),
            };
            let said = told.details.iter().find_map(|line| Said::of(line, source));
            let reason = self.prose(said.map(|said| said.more).unwrap_or_default());
            let lacks = |sign: &str, why: &str| match &source.platform {
                Some(_) => format!("{sign} {why}: {name}{reason}"),
                None => format!("{sign} {why}{reason}"),
            };
            let why = |state: &'static str| said.map_or(state, |said| said.word);
            let state = match source.state {
                SourceState::Found(None) => "✅ at once".to_owned(),
                SourceState::Found(Some(after)) => {
                    format!("✅ {}", unbroken(&format!("after {}", duration(after))))
                }
                SourceState::Waiting(state) => lacks("❌", &self.shown(why(state))),
                SourceState::LeftOut(state) => lacks("⚠️", &format!("left out, {state}")),
                SourceState::Looking if why(NOT_CHECKED) == NOT_CHECKED => lacks("❔", NOT_CHECKED),
                // At the only look, which ended the wait.
                SourceState::Looking => lacks("❌", &self.shown(why(NOT_CHECKED))),
            };
            [first, state]
        };
        let rows: Vec<[String; 2]> = list.sources.iter().map(row).collect();
        table([("Image", Side::Left), ("", Side::Left)], &rows)
    }

    pub(super) fn lines(&self, lines: &[&str]) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let mut text: String =
            lines.iter().take(MOST_LINES).map(|line| format!("- {}\n", self.prose(line))).collect();
        if lines.len() > MOST_LINES {
            text += &format!("- and {} more in the log\n", lines.len() - MOST_LINES);
        }
        text.push('\n');
        text
    }

    /// The request that failed, and what to do.
    pub(super) fn advice(&self, told: &Told) -> String {
        let part = |title: &str, text: &Option<String>| {
            let text = text.as_ref().map(|text| format!("**{title}:** {}\n\n", self.prose(text)));
            text.unwrap_or_default()
        };
        [part("Where", &told.place), part("What to do", &told.fix)].concat()
    }
}

/// Whether a tag was moved, or may have been.
pub(super) fn moved_in_part(list: &Listed, error: &Error) -> bool {
    error.exit == Exit::Partial || list.tags.iter().any(|tagged| tagged.state.may_have_moved())
}

pub(super) fn anything_lacks(list: &Listed) -> bool {
    list.sources.iter().any(|source| !matches!(source.state, SourceState::Found(_)))
}

/// The lines of an error that neither the tags nor the images say.
pub(super) fn untold<'t>(list: &Listed, told: &'t Told) -> Vec<&'t str> {
    let images: &[Awaited] = if anything_lacks(list) { &list.sources } else { &[] };
    let is_told = |line: &str| {
        [NO_TAG_MOVED, NO_TAG_OF_ANY_MOVED].contains(&line)
            || list.tags.iter().any(|tagged| tagged.line() == line)
            || images.iter().any(|source| Said::of(line, source).is_some())
    };
    told.details.iter().map(String::as_str).filter(|line| !is_told(line)).collect()
}

/// What a line of an error says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said<'t> {
    /// How it stands.
    pub(super) word: &'t str,
    /// Why, if that says more.
    pub(super) more: &'t str,
}

impl<'t> Said<'t> {
    /// `WORD: NAME`, and for an image that is there its digest, else perhaps a reason.
    pub(super) fn of(line: &'t str, source: &Awaited) -> Option<Self> {
        let (word, more) = line.split_once(&format!(": {}", source.name))?;
        let is_found = matches!(source.state, SourceState::Found(_));
        match more {
            _ if is_found && more.starts_with(" sha") => Some(Self { word, more: "" }),
            _ if more.is_empty() || more.starts_with(" (") => Some(Self { word, more }),
            _ => None,
        }
    }

    /// Whether it is no more than that the image did not come.
    pub(super) fn is_absence(&self, source: &Awaited) -> bool {
        !matches!(source.state, SourceState::Found(_))
            && self.more.is_empty()
            && self.word != NOT_CHECKED
    }
}
