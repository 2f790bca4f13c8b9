//! Inputs: from environment variables (or flags) to cleaned text, one value a name. What the values
//! mean is decided in `plan`.

pub(crate) mod auto_tag;
mod build;
pub(crate) mod drone;
pub(crate) mod env;
mod filling;
pub(crate) mod list_names;
mod manifest_tool;
pub(crate) mod places;
pub(crate) mod slips;
pub(crate) mod spec;
pub(crate) mod spec_text;
pub mod table;
pub(crate) mod values;
pub mod words;
mod yaml;

use crate::secret::Secrets;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;

/// The process's environment, as a map so that tests need no process.
pub type Environment = BTreeMap<String, String>;

/// The value of a variable; `None` also if it is empty.
pub(crate) fn set<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// What a run is handed by its process.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// All variables.
    pub environment: &'a Environment,
    /// Where relative paths start.
    pub folder: &'a Path,
    /// Values that no output may show.
    pub secrets: &'a Secrets,
}

/// One thing that is wrong with the inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The input's name.
    pub input: &'static str,
    /// The line, from 1, in an input that is a list.
    pub line: Option<usize>,
    /// What is wrong and what would be right; [`words::input`] marks the inputs that it names.
    pub text: String,
    /// File, line, column and index, if the value comes from a file.
    pub place: Option<String>,
}

impl Problem {
    /// The problem in the words of whoever gave the input.
    pub fn shown(&self, asked: Asked) -> String {
        // In a file they have the same names for everybody.
        let (called, place) = match &self.place {
            Some(place) => (Asked::INPUTS.called, format!("{place}: ")),
            None => (asked.called, String::new()),
        };
        let named = words::name(&self.text, called);
        if self.text.contains(&words::input(self.input)) {
            return format!("{place}{named}");
        }
        format!("{place}{}: {named}", called(self.input, self.line))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(Asked::INPUTS))
    }
}

/// How inputs were given, for whoever reads what is wrong with them.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// What they are together: inputs, arguments.
    pub what: &'static str,
    /// What an input, and a line of it, is called.
    pub called: fn(&str, Option<usize>) -> String,
    /// Whether it is the command `copy`: its targets may be files, and what refers to images is looked
    /// for even where no tag moves.
    pub is_copy: bool,
}

impl Asked {
    /// As inputs of a step.
    pub const INPUTS: Self = Self {
        what: "inputs",
        called: |name, line| match line {
            Some(line) => format!("{name}, line {line}"),
            None => name.to_owned(),
        },
        is_copy: false,
    };
}

/// What reading the inputs finds, so that one run shows all of it.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong: nothing is done.
    pub problems: Vec<Problem>,
    /// What the user should hear, though it stops nothing.
    pub warnings: Vec<String>,
}

impl Findings {
    /// Notes a problem of a whole input.
    pub fn problem(&mut self, input: &'static str, text: impl fmt::Display) {
        self.problems.push(Problem { input, line: None, text: text.to_string(), place: None });
    }

    /// Notes a problem of one line.
    pub fn problem_at(&mut self, input: &'static str, line: usize, text: impl fmt::Display) {
        let line = Some(line);
        self.problems.push(Problem { input, line, text: text.to_string(), place: None });
    }

    /// Notes a warning.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Adds others; a problem that is noted already is not repeated.
    pub fn extend(&mut self, others: Self) {
        let mut known: HashSet<Problem> = self.problems.iter().cloned().collect();
        let new = others.problems.into_iter().filter(|problem| known.insert(problem.clone()));
        self.problems.extend(new);
        self.warnings.extend(others.warnings);
    }

    /// What was made from the inputs, with the warnings about them; or all problems.
    pub fn settle<T>(self, made: T) -> Result<(T, Vec<String>), Vec<Problem>> {
        if self.problems.is_empty() { Ok((made, self.warnings)) } else { Err(self.problems) }
    }

    /// The value, or `None` after noting the error.
    pub fn take<T, E: fmt::Display>(
        &mut self,
        input: &'static str,
        line: Option<usize>,
        result: Result<T, E>,
    ) -> Option<T> {
        result
            .map_err(|error| {
                let text = error.to_string();
                self.problems.push(Problem { input, line, text, place: None });
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_input_and_place_once() {
        let place = Some("x.yaml, line 2, column 3: index 1".to_owned());
        let required = format!("{} is required", words::input("tags"));
        for (input, line, text, place, expected) in [
            ("wait", None, "is wrong", None, "wait: is wrong"),
            ("tags", Some(2), "is wrong", None, "tags, line 2: is wrong"),
            ("tags", None, &required, None, "tags is required"),
            ("tags", None, "tags: x", None, "tags: tags: x"),
            (
                "tags",
                None,
                &required,
                place.clone(),
                "x.yaml, line 2, column 3: index 1: tags is required",
            ),
            (
                "wait",
                Some(1),
                "is wrong",
                place,
                "x.yaml, line 2, column 3: index 1: wait, line 1: is wrong",
            ),
        ] {
            let problem = Problem { input, line, text: text.to_owned(), place };
            assert_eq!(problem.to_string(), expected);
        }
    }

    #[test]
    fn a_problem_in_the_words_of_a_command() {
        let called = |name: &str, line: Option<usize>| format!("<{name}{line:?}>");
        let asked = Asked { what: "arguments", called, is_copy: false };
        let (tags, digests) = (words::input("tags"), words::input("digests"));
        let either = format!("{tags} or {digests}: the tags");
        let other = format!("{digests} has {}", words::line("tags", 2));
        for (line, text, place, expected) in [
            (Some(2), "is wrong", None, "<tagsSome(2)>: is wrong"),
            (None, &*either, None, "<tagsNone> or <digestsNone>: the tags"),
            (Some(1), &*other, None, "<tagsSome(1)>: <digestsNone> has <tagsSome(2)>"),
            (Some(2), "is wrong", Some("x.yaml".to_owned()), "x.yaml: tags, line 2: is wrong"),
        ] {
            let problem = Problem { input: "tags", line, text: text.to_owned(), place };
            assert_eq!(problem.shown(asked), expected);
        }
    }

    #[test]
    fn findings_give_what_was_made_or_all_problems() {
        let mut findings = Findings::default();
        findings.warn("a warning");
        assert_eq!(findings.take("wait", None, Ok::<_, String>(1)), Some(1));
        let mut others = Findings::default();
        assert_eq!(others.take("wait", Some(3), Err::<u8, _>("is wrong")), None);
        others.problem("tags", "is wrong");
        others.warn("another");
        let mut both = Findings::default();
        both.problem("tags", "is wrong");
        both.extend(others);
        let problems = both.settle(()).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["tags: is wrong", "wait, line 3: is wrong"]);
        assert_eq!(findings.settle("made"), Ok(("made", vec!["a warning".to_owned()])));
    }
}
