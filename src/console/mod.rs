//! Where people read: one line after the other, none of which can be taken for a command, and none
//! with a secret.

pub mod log;

use crate::error::words::Words;
use crate::error::{Audience, Error};
use crate::inputs::Context;
use crate::secret::Secrets;
use crate::text::{escape, style};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terminal_size::{Height, Width, terminal_size_of};

/// GitHub keeps ten annotations of a kind per step; one is for the rest.
const MOST_ANNOTATIONS: usize = 9;

/// To the line's start, and what is there away (ECMA-48: CR, EL).
const CLEAR: &str = "\r\u{1b}[K";
/// What does not fit is cut, for a line that is wrapped would be two (DECAWM).
const NO_WRAP: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";

/// What the log is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// GitHub's runner and those that understand its commands.
    GitHub,
    /// Anything else.
    Plain,
}

/// Where the story goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The CI step: masks, groups and lines keep their order only on one stream.
    Stdout,
    /// The command line: stdout is for the result.
    Stderr,
}

/// Writes the story.
#[derive(Debug)]
pub struct Console {
    reader: Reader,
    stream: Stream,
    moving: bool,
    audience: Audience,
    secrets: Secrets,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    masked: usize,
    warnings: Vec<String>,
    in_group: bool,
    failures: usize,
    bar: String,
    /// Whether there is a bar to take away.
    drawn: bool,
    /// Lines of the bar above the one that the cursor is on.
    above: usize,
}

impl Console {
    /// Of a CI step, or of the command that does the same.
    pub fn of_run(context: &Context<'_>, stream: Stream) -> Arc<Self> {
        let reader = if is_github(context) { Reader::GitHub } else { Reader::Plain };
        Self::new(reader, stream, context)
    }

    /// Of any other command.
    pub fn of_command(context: &Context<'_>) -> Arc<Self> {
        Self::new(Reader::Plain, Stream::Stderr, context)
    }

    fn new(reader: Reader, stream: Stream, context: &Context<'_>) -> Arc<Self> {
        let set = |name: &str| context.environment.get(name).map_or("", String::as_str);
        let is_terminal = match stream {
            Stream::Stdout => io::stdout().is_terminal(),
            Stream::Stderr => io::stderr().is_terminal(),
        };
        let moving =
            is_terminal && set("NO_COLOR").is_empty() && !matches!(set("TERM"), "" | "dumb");
        let secrets = context.secrets.clone();
        let words = match stream {
            Stream::Stdout => Words::Inputs,
            Stream::Stderr => Words::Flags,
        };
        let audience = Audience { words, on_github: is_github(context) };
        Arc::new(Self { reader, stream, moving, audience, secrets, state: Mutex::default() })
    }

    /// Whether it has a line that moves.
    pub fn is_moving(&self) -> bool {
        self.moving
    }

    /// Puts these lines below all others, in place of what was there; empty takes it away.
    pub fn bar(&self, text: &str) {
        if self.moving {
            text.clone_into(&mut self.lock().bar);
            self.write(|_| {});
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the log is read by.
    pub fn reader(&self) -> Reader {
        self.reader
    }

    /// Who reads it.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// What must not be seen.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// One line.
    pub fn line(&self, text: &str) {
        self.write(|out| self.push_line(out, text));
    }

    /// A warning: one line, on GitHub an annotation.
    pub fn warning(&self, text: &str) {
        let text = &*self.audience.words.fill(text);
        let count = {
            let mut state = self.lock();
            state.warnings.push(text.to_owned());
            state.warnings.len()
        };
        let annotate = self.reader == Reader::GitHub && count <= MOST_ANNOTATIONS;
        if annotate {
            self.write(|out| {
                self.push_command(out, "warning", &[("title", "manifest-action")], text);
            });
        } else {
            self.line(&format!("warning: {text}"));
        }
    }

    /// All warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.lock().warnings.clone()
    }

    /// Starts a part of the log that can be folded; ends the one before.
    pub fn group(&self, title: &str) {
        self.end_group();
        if self.reader == Reader::GitHub {
            self.write(|out| self.push_command(out, "group", &[], title));
            self.lock().in_group = true;
        }
    }

    /// Ends the part, if one is open.
    pub fn end_group(&self) {
        let was_open = std::mem::take(&mut self.lock().in_group);
        if was_open {
            self.write(|out| self.push_command(out, "endgroup", &[], ""));
        }
    }

    /// A failure: its lines, and on GitHub one annotation.
    pub fn failure(&self, error: &Error) {
        self.end_group();
        let text = error.told(self.audience).to_string();
        let count = {
            let mut state = self.lock();
            state.failures += 1;
            state.failures
        };
        self.write(|out| {
            for line in format!("error: {text}").lines() {
                self.push_line(out, line);
            }
            if self.reader == Reader::GitHub && count <= MOST_ANNOTATIONS {
                self.push_command(
                    out,
                    "error",
                    &[("title", &format!("manifest-action: {}", error.title()))],
                    &text,
                );
            }
        });
    }

    /// A line stays a line for programs; a terminal would break it in the middle of words.
    fn push_line(&self, out: &mut String, text: &str) {
        let line = self.safe(&self.audience.words.fill(text));
        match self.columns() {
            Some(columns) => out.push_str(&style::story_line(&line, columns)),
            None => {
                out.push_str(&line);
                out.push('\n');
            }
        }
    }

    /// Columns and rows of the terminal, if it is one; looked at each time, for people change it.
    fn size(&self) -> (bool, Option<(Width, Height)>) {
        match self.stream {
            Stream::Stdout => (io::stdout().is_terminal(), terminal_size_of(io::stdout())),
            Stream::Stderr => (io::stderr().is_terminal(), terminal_size_of(io::stderr())),
        }
    }

    fn columns(&self) -> Option<usize> {
        let (is_terminal, size) = self.size();
        is_terminal.then(|| size.map_or(style::COLUMNS, |(columns, _)| usize::from(columns.0)))
    }

    /// Rows of the terminal, where that is known.
    pub fn rows(&self) -> Option<usize> {
        self.size().1.map(|(_, rows)| usize::from(rows.0))
    }

    /// The text in place of the bar, and the bar below it.
    fn above_the_bar(&self, text: &str) -> String {
        let mut state = self.lock();
        // Up to its first line, then all below away (ECMA-48: CUU, ED).
        let clear = match state.above {
            0 if !state.drawn => String::new(),
            0 => CLEAR.to_owned(),
            above => format!("\r\u{1b}[{above}A\u{1b}[J"),
        };
        state.drawn = !state.bar.is_empty();
        state.above = state.bar.matches('\n').count();
        let lines: Vec<String> = state.bar.lines().map(|line| self.safe(line)).collect();
        let bar = if state.above == 0 {
            lines.concat()
        } else {
            format!("{NO_WRAP}{}{WRAP}", lines.join("\n"))
        };
        format!("{clear}{text}{bar}")
    }

    /// A line without secrets and commands. Secrets are looked for before escaping could hide them.
    fn safe(&self, line: &str) -> String {
        escape::log_line(&self.secrets.redact(line))
    }

    fn push_command(
        &self,
        out: &mut String,
        command: &str,
        properties: &[(&str, &str)],
        data: &str,
    ) {
        let properties: Vec<String> = properties
            .iter()
            .map(|(name, value)| format!("{name}={}", escape::command_property(value)))
            .collect();
        let space = if properties.is_empty() { "" } else { " " };
        // Each line of the data is shown by itself, and could then be taken for a command of
        // another system.
        let data: Vec<String> = data.lines().map(|line| self.safe(line)).collect();
        let data = escape::command_data(&data.join("\n"));
        let _ = writeln!(out, "::{command}{space}{}::{data}", properties.join(","));
    }

    /// All writing goes through here: masks first, secrets never. They were looked for before any
    /// escaping, which could hide them, and are once more now.
    fn write(&self, fill: impl FnOnce(&mut String)) {
        let mut text = String::new();
        fill(&mut text);
        let text = self.secrets.redact(&text);
        let mut masks = String::new();
        if self.reader == Reader::GitHub {
            let mut state = self.lock();
            let new = self.secrets.known_after(state.masked);
            state.masked += new.len();
            for value in new {
                push_mask(&mut masks, &value);
            }
        }
        let text = if self.moving { self.above_the_bar(&text) } else { text.into_owned() };
        // Nobody reads a closed pipe; the exit status still tells.
        let _ = match self.stream {
            Stream::Stdout => write_to(&mut io::stdout().lock(), &masks, &text),
            Stream::Stderr => write_to(&mut io::stderr().lock(), &masks, &text),
        };
    }
}

fn write_to(out: &mut impl io::Write, masks: &str, text: &str) -> io::Result<()> {
    out.write_all(masks.as_bytes())?;
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn is_github(context: &Context<'_>) -> bool {
    context.environment.get("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The runner takes the line out of the log and hides the value from then on.
fn push_mask(out: &mut String, value: &str) {
    let _ = writeln!(out, "::add-mask::{}", escape::command_data(value));
}
