//! Settings that messages name: inputs for whoever writes a step, flags for whoever types a command.
//!
//! A message is made where it is not known who will read it. So it marks what it names, and the
//! marks are filled in at the end.

use super::table::names;
use std::borrow::Cow;

/// Around a setting: a character that no text shows, so that nothing else is taken for one.
const MARK: char = '\u{1}';
/// Between an input and its line.
const LINE: char = '\u{2}';
/// Between the words of a step and those of a command line.
const OR: char = '\u{3}';

/// An input, for a message: `wait` or --wait.
pub fn input(name: &str) -> String {
    format!("{MARK}{name}{MARK}")
}

/// An input with its value, for a message: `wait: 30s` or --wait 30s.
pub fn setting(name: &str, value: &str) -> String {
    format!("{MARK}{name}: {value}{MARK}")
}

/// A line of an input, for a problem: `sources, line 2` or SOURCE 2.
pub fn line(name: &str, line: usize) -> String {
    format!("{MARK}{name}{LINE}{line}{MARK}")
}

/// What a step is told in other words than a command line.
pub fn either(in_step: &str, on_line: &str) -> String {
    format!("{MARK}{in_step}{OR}{on_line}{MARK}")
}

/// What runs this.
pub const HERE: &str = "\u{1}this job\u{3}this machine\u{1}";

/// The text with every input, and line of one, as `called` has it.
pub(super) fn name(text: &str, called: fn(&str, Option<usize>) -> String) -> Cow<'_, str> {
    fill(text, |named| match named.split_once(LINE) {
        Some((name, line)) => called(name, line.parse().ok()),
        None => called(named, None),
    })
}

/// The text with every setting that it names as `shown` has it.
fn fill(text: &str, shown: impl Fn(&str) -> String) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut filled = String::with_capacity(text.len());
    for (at, part) in text.split(MARK).enumerate() {
        if at % 2 == 0 {
            filled.push_str(part);
        } else {
            filled.push_str(&shown(part));
        }
    }
    Cow::Owned(filled)
}

/// In which words a reader sets something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Words {
    /// `wait: 30s`
    #[default]
    Inputs,
    /// --wait 30s
    Flags,
}

impl Words {
    /// The text with every setting that it names in these words.
    pub fn fill(self, text: &str) -> Cow<'_, str> {
        fill(text, |setting| self.shown(setting))
    }

    fn shown(self, setting: &str) -> String {
        if let Some((in_step, on_line)) = setting.split_once(OR) {
            return if self == Self::Inputs { in_step } else { on_line }.to_owned();
        }
        if self == Self::Inputs {
            return format!("`{setting}`");
        }
        let (name, value) = match setting.split_once(": ") {
            Some((name, value)) => (name, Some(value)),
            None => (setting, None),
        };
        // The shorter flag is one of every command.
        let name = if name == names::insecure_registries { "insecure" } else { name };
        match value {
            None | Some("true") => format!("--{name}"),
            Some("false") => format!("--{name}=false"),
            // It needs no value, so the next word would be something else.
            Some(value) if name == names::overwrite => format!("--{name}={value}"),
            Some(value) => format!("--{name} {value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_in_the_readers_words() {
        let text = format!("raise {}, or use {}", input("wait"), setting("missing", "skip"));
        assert_eq!(Words::Inputs.fill(&text), "raise `wait`, or use `missing: skip`");
        assert_eq!(Words::Flags.fill(&text), "raise --wait, or use --missing skip");
        assert_eq!(Words::Inputs.fill(HERE), "this job");
        assert_eq!(Words::Flags.fill(HERE), "this machine");
        assert_eq!(Words::Inputs.fill(&either("in a step", "else")), "in a step");
        for (name, value, flag) in [
            ("overwrite", "false", "--overwrite=false"),
            ("overwrite", "latest,1", "--overwrite=latest,1"),
            ("append", "true", "--append"),
            ("insecure-registries", "r.example:5000", "--insecure r.example:5000"),
        ] {
            assert_eq!(Words::Flags.fill(&setting(name, value)), flag);
        }
        assert_eq!(Words::Flags.fill("app:{arch} `wait` {wait}"), "app:{arch} `wait` {wait}");
    }
}
