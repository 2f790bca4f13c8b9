//! The text that the input `spec` names or holds, and of a template what it is when it is filled in.

use super::places::Places;
use super::table::names;
use super::yaml::{self, Fault, Place};
use super::{Context, Findings, Problem, build, filling, manifest_tool, values, words};
use crate::file;

/// Other programs fill in such a text before it is read; an index with a brace in its name is rarer
/// than a template that nobody has filled in.
const UNFILLED: &str = "contains {{, and nothing replaces it here: write the value, or let the CI system \
     fill in the text of spec";
/// Bytes of a text that is not in a file. Linux gives no program more in one variable or argument
/// (`MAX_ARG_STRLEN`).
const LONGEST: usize = 128 << 10;
/// Settings that only a template reads, and how it calls them.
const OF_TEMPLATES: [(&str, &str); 3] =
    [(names::tags, "build.tags"), ("target", "config.target"), ("template", "config.template")];

/// The text, and what it is.
#[derive(Debug)]
pub(super) struct Text {
    /// What messages call it.
    pub(super) called: String,
    pub(super) text: String,
    /// Whether plugins/manifest would read it: a setting of Drone or Woodpecker, in its form.
    pub(super) is_of_plugin: bool,
}

/// What messages call it: the file's path, or `spec` where the input is the text itself.
pub(crate) fn called(given: &str) -> &str {
    if is_text(given) { names::spec } else { given }
}

/// Whether the input is the text itself: a path has no line end, and begins like neither form.
fn is_text(given: &str) -> bool {
    given.contains(['\n', '\r']) || given.starts_with('{') || given.starts_with("indexes:")
}

/// Whether it is a setting of Drone or Woodpecker.
pub(super) fn is_setting(given: &str, context: &Context<'_>) -> bool {
    build::setting(context.environment, names::spec) == Some(given)
}

/// The text as it stands there, or `None` after noting why there is none.
pub(super) fn read(given: &str, context: &Context<'_>, findings: &mut Findings) -> Option<Text> {
    let text = findings.take(names::spec, None, text(given, context))?;
    context.secrets.keep_those_in_addresses(&text);
    let is_of_plugin = is_setting(given, context) && manifest_tool::is_form_of_text(&text);
    Some(Text { called: called(given).to_owned(), text, is_of_plugin })
}

impl Text {
    /// The text to read, filled in if it is a template. `tags`: the input of that name.
    pub(super) fn filled(
        self,
        context: &Context<'_>,
        tags: Option<&str>,
        findings: &mut Findings,
    ) -> Option<Self> {
        if self.is_of_plugin {
            self.warn_of_settings(context, tags, findings);
        }
        let Some(place) = self.first_braces() else { return Some(self) };
        if !self.is_of_plugin {
            let fault = Fault { place, text: UNFILLED.to_owned() };
            findings.problems.push(problem(&self.called, fault));
            return None;
        }
        let items = tags.map(|tags| values::items(tags, true)).transpose();
        let items = findings.take(names::tags, None, items)?.unwrap_or_default();
        let tags = items.into_iter().map(|item| item.text).collect();
        match filling::fill(&self.text, &build::known(context.environment, tags)) {
            Ok(text) => {
                let called = format!("{}, filled in", self.called);
                Some(Self { called, text, ..self })
            }
            Err(faults) => {
                findings.problems.extend(faults.into_iter().map(|it| problem(&self.called, it)));
                None
            }
        }
    }

    /// Where the first `{{` is.
    fn first_braces(&self) -> Option<Place> {
        let (line, column) = self.text.lines().zip(1..).find_map(|(text, line)| {
            Some((line, text.find("{{").map(|at| text[..at].chars().count())?))
        })?;
        Some(Place { line, column: column + 1 })
    }

    /// Of settings beside it that it does not ask for: plugins/manifest drops them in silence.
    fn warn_of_settings(&self, context: &Context<'_>, tags: Option<&str>, findings: &mut Findings) {
        for (setting, name) in OF_TEMPLATES {
            let is_set = match setting {
                names::tags => tags.is_some(),
                other => build::setting(context.environment, other).is_some(),
            };
            if is_set && !self.text.contains(name) {
                let spec = words::input(names::spec);
                findings.warn(format!(
                    "{setting} has no effect: {spec} says what to publish, and {name} is not in it"
                ));
            }
        }
    }
}

/// A fault as a problem of the input.
pub(super) fn problem(called: &str, fault: Fault) -> Problem {
    Problem {
        input: names::spec,
        line: None,
        text: fault.text,
        place: Some(format!("{called}, {}", fault.place)),
    }
}

fn text(given: &str, context: &Context<'_>) -> Result<String, String> {
    if is_text(given) {
        return if given.len() > LONGEST { Err(too_long(given)) } else { Ok(given.to_owned()) };
    }
    let places = Places::of(context);
    let text = file::text(&places.find(given).path(), yaml::LARGEST as u64)
        .map_err(|why| format!("{given}: {why}{}", places.hint(given)))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn too_long(given: &str) -> String {
    format!(
        "is {} bytes long; a text in a variable or argument ends at {LONGEST}: put it into a file \
         of up to {} bytes, and give its path",
        given.len(),
        yaml::LARGEST
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Environment;
    use crate::secret::Secrets;

    #[test]
    fn a_text_is_as_long_as_a_variable_and_a_file_longer() {
        let folder = tempfile::tempdir().unwrap();
        let (environment, secrets) = (&Environment::new(), &Secrets::default());
        let context = Context { environment, folder: folder.path(), secrets };
        let of = |bytes: usize| format!("indexes:{}", " ".repeat(bytes - 8));
        assert!(text(&of(LONGEST), &context).is_ok());
        let why = text(&of(LONGEST + 1), &context).unwrap_err();
        let expected = "is 131073 bytes long; a text in a variable or argument ends at 131072: put it \
                        into a file of up to 1048576 bytes, and give its path";
        assert_eq!(why, expected);
        for (bytes, is_read) in [(yaml::LARGEST, true), (yaml::LARGEST + 1, false)] {
            std::fs::write(folder.path().join("x.yaml"), of(bytes)).unwrap();
            assert_eq!(text("x.yaml", &context).is_ok(), is_read, "{bytes}");
        }
    }
}
