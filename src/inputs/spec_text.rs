//! The text that the input `spec` names or holds.

use super::manifest_tool;
use super::places::Places;
use super::table::names;
use super::yaml::{self, Place};
use super::{Context, Findings};
use crate::file;

/// Other programs fill in such a text before it is read; an index with a brace in its name is rarer
/// than a template that nobody has filled in.
const UNFILLED: &str = "contains {{, and nothing replaces it here: write the value, or let the CI system \
     fill in the text of spec";

/// The text, and what it is.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) text: String,
    /// Whether it has manifest-tool's form.
    pub(super) is_of_manifest_tool: bool,
}

/// What messages call it: the file's path, or `spec` where the input is the text itself.
pub(crate) fn called(given: &str) -> &str {
    if is_text(given) { names::spec } else { given }
}

/// Whether the input is the text itself: a path has no line end, and begins like neither form.
fn is_text(given: &str) -> bool {
    given.contains(['\n', '\r']) || given.starts_with('{') || given.starts_with("indexes:")
}

/// The text, or `None` after noting why there is none.
pub(super) fn read(
    given: &str,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<Document> {
    let text = findings.take(names::spec, None, text(given, context))?;
    context.secrets.keep_those_in_addresses(&text);
    let is_of_manifest_tool = manifest_tool::is_form_of_text(&text);
    Some(Document { text, is_of_manifest_tool })
}

impl Document {
    /// Where `{{` is that nothing fills in, and what to do.
    pub(super) fn unfilled(&self) -> Option<(Place, &'static str)> {
        let (line, column) = self.text.lines().zip(1..).find_map(|(text, line)| {
            Some((line, text.find("{{").map(|at| text[..at].chars().count())?))
        })?;
        Some((Place { line, column: column + 1 }, UNFILLED))
    }
}

fn text(given: &str, context: &Context<'_>) -> Result<String, String> {
    if is_text(given) {
        return Ok(given.to_owned());
    }
    let places = Places::of(context);
    let text = file::text(&places.find(given).path(), yaml::LARGEST as u64)
        .map_err(|why| format!("{given}: {why}{}", places.hint(given)))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
