//! Text for people on a command line: colour where it is wanted, and nothing wider than a terminal of 80 columns that
//! can be broken.

use super::escape::visible;
use crate::inputs::Environment;
use bytesize::ByteSize;
use std::io::{self, IsTerminal as _};

/// Columns of the narrowest terminal that is in use.
pub const COLUMNS: usize = 80;

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What a block is about.
    Title,
    /// What a value is called.
    Label,
    /// Only here, or good.
    Added,
    /// Only there, or bad.
    Removed,
    /// Changed, or strange.
    Changed,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences are written.
    pub colour: bool,
}

impl Style {
    /// For stdout: colour only on a terminal that can, and never with `NO_COLOR` (no-color.org).
    pub fn of_stdout(environment: &Environment) -> Self {
        let set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        Self { colour: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// Our own text, coloured.
    pub fn paint(self, look: Look, text: &str) -> String {
        let code = match look {
            Look::Title => "1",
            Look::Label => "2",
            Look::Added => "32",
            Look::Removed => "31",
            Look::Changed => "33",
        };
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A size as people say it: `3.2 MB`.
pub fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}

/// `1 image`, `2 images`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Others' text after `start`, broken at spaces so that it stays within 80 columns; further lines start below the text.
/// `width`: the columns of `start` as it is seen.
pub fn wrapped(start: &str, width: usize, text: &str) -> String {
    let text = visible(text);
    let mut line = start.to_owned();
    let mut column = width;
    let mut out = String::new();
    for word in text.split(' ') {
        let long = word.chars().count();
        if column > width && column + 1 + long > COLUMNS {
            out.push_str(&line);
            out.push('\n');
            line = " ".repeat(width);
            column = width;
        } else if column > width {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += long;
    }
    out + &line + "\n"
}

/// Annotations or labels below a heading, each `KEY: VALUE`; a value that does not fit stands below its key.
pub fn pairs<'a>(indent: usize, pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        let (key, space) = (visible(key), " ".repeat(indent));
        if indent + key.chars().count() + 2 + visible(value).chars().count() <= COLUMNS {
            out.push_str(&format!("{space}{key}: {}\n", visible(value)));
        } else {
            out.push_str(&format!("{space}{key}:\n"));
            out.push_str(&wrapped(&" ".repeat(indent + 2), indent + 2, value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_only() {
        let long = "word ".repeat(30);
        let shown = wrapped("label    ", 9, long.trim());
        assert!(shown.lines().all(|line| line.len() <= COLUMNS), "{shown}");
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.lines().nth(1).unwrap().starts_with("         word"));
        let digest = "x".repeat(100);
        assert_eq!(wrapped("a ", 2, &digest), format!("a {digest}\n"));
    }

    #[test]
    fn no_escape_passes() {
        let bad = "a\u{1b}[31m\u{9b}2J\n\u{7f}\u{202e}".to_owned();
        let shown = pairs(2, [(&bad, &bad)]) + &wrapped("", 0, &bad);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        assert_eq!(shown.lines().count(), 2);
    }

    #[test]
    fn colour_is_asked_for() {
        assert_eq!(Style { colour: false }.paint(Look::Title, "x"), "x");
        assert_eq!(Style { colour: true }.paint(Look::Title, "x"), "\u{1b}[1mx\u{1b}[0m");
    }
}
