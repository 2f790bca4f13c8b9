//! Text for people on a command line: coloured where wanted, and wrapped to the width of the
//! terminal.
//!
//! Wrapped by hand: what a line continues below depends on its label, and digests are never broken.

use super::escape::visible;
use crate::inputs::{Environment, set};
use anstyle::AnsiColor;
use std::io::{self, IsTerminal as _};
use terminal_size::{Width, terminal_size_of};

/// The width of what is no terminal, and the most that is used of one.
pub(crate) const COLUMNS: usize = 80;

/// The width of the word that a log line starts with.
const LABEL: usize = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The subject of a block.
    Title,
    /// The name of a value.
    Label,
    Added,
    /// Removed, or wrong.
    Removed,
    /// Changed, or suspicious.
    Changed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    pub(crate) columns: usize,
}

impl Style {
    /// Neither colour nor a terminal.
    pub(crate) const PLAIN: Self = Self { colour: false, columns: COLUMNS };

    /// Colour only on a terminal that supports it, and never with `NO_COLOR` (no-color.org).
    pub(crate) fn of_stdout(environment: &Environment) -> Self {
        let plain = set(environment, "NO_COLOR").is_some();
        let dumb = set(environment, "TERM") == Some("dumb");
        let columns = match terminal_size_of(io::stdout()) {
            Some((Width(columns @ 1..), _)) => COLUMNS.min(columns.into()),
            _ => COLUMNS,
        };
        Self { colour: io::stdout().is_terminal() && !plain && !dumb, columns }
    }

    /// Colours our own text.
    pub(crate) fn paint(self, look: Look, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let codes = match look {
            Look::Title => anstyle::Style::new().bold(),
            Look::Label => anstyle::Style::new().dimmed(),
            Look::Added => AnsiColor::Green.on_default(),
            Look::Removed => AnsiColor::Red.on_default(),
            Look::Changed => AnsiColor::Yellow.on_default(),
        };
        format!("{codes}{text}{codes:#}")
    }
}

/// Words at the start of a log line that say how something ended.
const ENDS: [(&str, Look); 3] =
    [("error:", Look::Removed), ("warning:", Look::Changed), ("done ", Look::Added)];

/// A log line with the word that says how something ended in colour, also behind a list's name.
pub(crate) fn highlighted(line: &str) -> String {
    let style = Style { colour: true, ..Style::PLAIN };
    let (name, rest) = match line.split_once(" | ") {
        // A name is one word: other lines may contain such a sign.
        Some((name, _)) if !name.contains(' ') => line.split_at(name.len() + 3),
        _ => ("", line),
    };
    let found = ENDS.iter().find(|(word, _)| rest.starts_with(word));
    match found {
        Some((word, look)) => {
            let (word, more) = rest.split_at(word.trim_end().len());
            format!("{name}{}{more}", style.paint(*look, word))
        }
        None => line.to_owned(),
    }
}

/// Foreign text after `start`, wrapped at spaces; further lines start below the text. `width`: the
/// columns of `start`, without escape sequences.
pub(crate) fn wrapped(start: &str, width: usize, text: &str, columns: usize) -> String {
    folded(start, width, &visible(text), columns)
}

/// A log line on a terminal with this number of columns, wrapped below its text, not below its
/// label.
pub(crate) fn log_line(line: &str, columns: usize) -> String {
    let spaces = |from: usize| line[from..].len() - line[from..].trim_start().len();
    let is_labelled = line.as_bytes().get(LABEL - 1) == Some(&b' ') && line.is_char_boundary(LABEL);
    let (start, width) = match line.split_once(' ') {
        Some(("error:", _)) => (7, 7),
        // `  where: ` is such a label, too.
        _ if is_labelled => (LABEL + spaces(LABEL), LABEL + spaces(LABEL)),
        _ => (spaces(0), spaces(0) + 2),
    };
    folded(&line[..start], width, &line[start..], columns)
}

fn folded(start: &str, width: usize, text: &str, columns: usize) -> String {
    let mut line = start.to_owned();
    let mut column = width;
    let mut out = String::new();
    for word in unbroken(text) {
        let long = word.chars().count();
        if column > width && column + 1 + long > columns {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(width);
            column = width;
        } else if column > width {
            line.push(' ');
            column += 1;
        }
        line.push_str(&word);
        column += long;
    }
    out.push_str(&line);
    out.push('\n');
    out
}

/// The words of a text, a number together with its unit and a sign with what it is about.
fn unbroken(text: &str) -> Vec<String> {
    const UNITS: [&str; 6] = ["s", "B", "kB", "MB", "GB", "bytes"];
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', ';', ':', '.', ')']));
        match words.last_mut() {
            Some(last)
                if matches!(last.as_str(), "+" | "-" | "~" | "→")
                    || (is_unit && last.ends_with(|end: char| end.is_ascii_digit())) =>
            {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Annotations or labels below a heading, each `KEY: VALUE`; a value that does not fit goes below
/// its key.
pub(crate) fn pairs<'a>(
    indent: usize,
    pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
    columns: usize,
) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        let (key, space) = (visible(key), " ".repeat(indent));
        if indent + key.chars().count() + 2 + visible(value).chars().count() <= columns {
            out.push_str(&format!("{space}{key}: {}\n", visible(value)));
        } else {
            out.push_str(&format!("{space}{key}:\n"));
            out.push_str(&wrapped(&" ".repeat(indent + 2), indent + 2, value, columns));
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
        let shown = wrapped("label    ", 9, long.trim(), COLUMNS);
        assert!(shown.lines().all(|line| line.len() <= COLUMNS), "{shown}");
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.lines().nth(1).unwrap().starts_with("         word"));
        let shown = [
            (
                "found    a  linux/amd64 linux/arm64",
                "found    a  linux/amd64\n         linux/arm64\n",
            ),
            (
                "  right:    linux/amd64 sha256:0123",
                "  right:    linux/amd64\n            sha256:0123\n",
            ),
            (
                "  tags, line 2: is no reference at all",
                "  tags, line 2: is no\n    reference at all\n",
            ),
            (
                "  missing: 0123456789012345678901234 (denied)",
                "  missing:\n    0123456789012345678901234\n    (denied)\n",
            ),
            (
                "edit     ~ app  0123456789012345 → 0123456789012345",
                "edit     ~ app\n         0123456789012345\n         → 0123456789012345\n",
            ),
            ("found    app  after 10.4 s", "found    app  after\n         10.4 s\n"),
            ("  fix:   raise it to 30 s", "  fix:   raise it to\n         30 s\n"),
            ("error: short", "error: short\n"),
            ("", "\n"),
            ("äöüäöü äöü", "äöüäöü äöü\n"),
        ];
        for (line, expected) in shown {
            assert_eq!(log_line(line, 24), expected);
        }
        let digest = "x".repeat(100);
        assert_eq!(wrapped("a ", 2, &digest, COLUMNS), format!("a {digest}\n"));
    }

    #[test]
    fn no_escape_passes() {
        let bad = "a\u{1b}[31m\u{9b}2J\n\u{7f}\u{202e}".to_owned();
        let shown = [pairs(2, [(&bad, &bad)], COLUMNS), wrapped("", 0, &bad, COLUMNS)].concat();
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        assert_eq!(shown.lines().count(), 2);
    }

    #[test]
    fn the_word_that_says_how_it_ended_is_coloured() {
        for (line, expected) in [
            ("error: cannot push", "\u{1b}[31merror:\u{1b}[0m cannot push"),
            ("warning: app error: x", "\u{1b}[33mwarning:\u{1b}[0m app error: x"),
            ("done     app  in 2 s", "\u{1b}[32mdone\u{1b}[0m     app  in 2 s"),
            ("web | done     app", "web | \u{1b}[32mdone\u{1b}[0m     app"),
            ("found    a | done b", "found    a | done b"),
            ("donex", "donex"),
            ("  where: error: x", "  where: error: x"),
            ("", ""),
        ] {
            assert_eq!(highlighted(line), expected);
        }
    }

    #[test]
    fn colour_is_asked_for() {
        let style = Style { colour: true, ..Style::PLAIN };
        for (look, code) in [
            (Look::Title, 1),
            (Look::Label, 2),
            (Look::Added, 32),
            (Look::Removed, 31),
            (Look::Changed, 33),
        ] {
            assert_eq!(Style::PLAIN.paint(look, "x"), "x");
            assert_eq!(style.paint(look, "x"), format!("\u{1b}[{code}mx\u{1b}[0m"));
            assert_eq!(style.paint(look, ""), "");
        }
    }
}
