//! Settings that messages name: inputs for whoever writes a step, flags for whoever types a command.
//!
//! A message is made where it is not known who will read it. So it marks what it names, and the
//! marks are filled in at the end.

use crate::inputs::table::names;
use std::borrow::Cow;

/// Around a setting: a character that no text shows, so that nothing else is taken for one.
const MARK: char = '\u{1}';

/// An input, for a message: `wait` or --wait.
pub fn input(name: &str) -> String {
    format!("{MARK}{name}{MARK}")
}

/// An input with its value, for a message: `wait: 30s` or --wait 30s.
pub fn setting(name: &str, value: &str) -> String {
    format!("{MARK}{name}: {value}{MARK}")
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
        if !text.contains(MARK) {
            return Cow::Borrowed(text);
        }
        let mut filled = String::with_capacity(text.len());
        for (at, part) in text.split(MARK).enumerate() {
            if at % 2 == 0 {
                filled.push_str(part);
            } else {
                filled.push_str(&self.shown(part));
            }
        }
        Cow::Owned(filled)
    }

    fn shown(self, setting: &str) -> String {
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
        for (name, value, flag) in [
            ("overwrite", "false", "--overwrite=false"),
            ("append", "true", "--append"),
            ("insecure-registries", "r.example:5000", "--insecure r.example:5000"),
        ] {
            assert_eq!(Words::Flags.fill(&setting(name, value)), flag);
        }
        assert_eq!(Words::Flags.fill("app:{arch} `wait` {wait}"), "app:{arch} `wait` {wait}");
    }
}
