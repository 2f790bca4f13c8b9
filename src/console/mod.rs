//! Where people read: one line after the other, none of which can be taken for a command, and none
//! with a secret.

pub mod log;
mod sink;

use crate::error::words::Words;
use crate::error::{Audience, Error};
use crate::inputs::{Context, set};
use crate::secret::Secrets;
use crate::text::{escape, style};
use sink::Sink;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The CI step: masks, groups and lines keep their order only on one stream.
    Stdout,
    /// The command line: stdout is for the result.
    Stderr,
}

/// Writes the log.
#[derive(Debug)]
pub struct Console {
    reader: Reader,
    /// Whether a runner shows warnings and errors of its own commands as text.
    annotates: bool,
    /// Whether a runner reads the lines that name what to hide, and takes them out.
    masks: bool,
    /// Whether it is a terminal on which text may move and have colours.
    moving: bool,
    audience: Audience,
    secrets: Secrets,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sink: Box<dyn Sink>,
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
        Self::on(stream, reader, context)
    }

    /// Of any other command.
    pub fn of_command(context: &Context<'_>) -> Arc<Self> {
        Self::on(Stream::Stderr, Reader::Plain, context)
    }

    fn on(stream: Stream, reader: Reader, context: &Context<'_>) -> Arc<Self> {
        let (sink, words): (Box<dyn Sink>, Words) = match stream {
            Stream::Stdout => (Box::new(io::stdout()), Words::Inputs),
            Stream::Stderr => (Box::new(io::stderr()), Words::Flags),
        };
        Arc::new(Self::over(sink, reader, words, context))
    }

    fn over(sink: Box<dyn Sink>, reader: Reader, words: Words, context: &Context<'_>) -> Self {
        let set = |name: &str| set(context.environment, name);
        let is_still = set("NO_COLOR").is_some() || matches!(set("TERM"), None | Some("dumb"));
        Self {
            reader,
            // In a file nobody would turn them back into text.
            annotates: reader == Reader::GitHub && !is_act(context) && !sink.is_file(),
            // Only a step's stdout is the runner's for sure. In a file the lines would stay, with
            // the secrets.
            masks: reader == Reader::GitHub && words == Words::Inputs && !sink.is_file(),
            moving: sink.terminal().is_some() && !is_still,
            audience: Audience { words, on_github: is_github(context) },
            secrets: context.secrets.clone(),
            state: Mutex::new(State {
                sink,
                masked: 0,
                warnings: Vec::new(),
                in_group: false,
                failures: 0,
                bar: String::new(),
                drawn: false,
                above: 0,
            }),
        }
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

    /// A warning, once: one line, or an annotation, which the runner shows in the log as well.
    pub fn warning(&self, text: &str) {
        let text = &*self.audience.words.fill(text);
        let count = {
            let mut state = self.lock();
            state.warnings.push(text.to_owned());
            state.warnings.len()
        };
        if self.annotates && count <= MOST_ANNOTATIONS {
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

    /// A failure, once: its lines, or an annotation, which the runner shows in the log as well.
    pub fn failure(&self, error: &Error) {
        self.end_group();
        let text = error.told(self.audience).to_string();
        let count = {
            let mut state = self.lock();
            state.failures += 1;
            state.failures
        };
        self.write(|out| {
            if self.annotates && count <= MOST_ANNOTATIONS {
                let title = format!("manifest-action: {}", error.title());
                self.push_command(out, "error", &[("title", &title)], &text);
            } else {
                for line in format!("error: {text}").lines() {
                    self.push_line(out, line);
                }
            }
        });
    }

    /// A line stays a line for programs; a terminal would break it in the middle of words.
    fn push_line(&self, out: &mut String, text: &str) {
        let line = self.safe(&self.audience.words.fill(text));
        match self.columns() {
            Some(columns) => {
                let wrapped = style::log_line(&line, columns);
                let coloured = self.moving.then(|| style::highlighted(&wrapped));
                out.push_str(&coloured.unwrap_or(wrapped));
            }
            None => {
                out.push_str(&line);
                out.push('\n');
            }
        }
    }

    /// Columns of the terminal, if it is one.
    pub fn columns(&self) -> Option<usize> {
        let terminal = self.lock().sink.terminal();
        terminal.map(|terminal| terminal.columns.unwrap_or(style::COLUMNS))
    }

    /// Rows of the terminal, where that is known.
    pub fn rows(&self) -> Option<usize> {
        self.lock().sink.terminal()?.rows
    }

    /// The text in place of the bar, and the bar below it.
    fn above_the_bar(&self, state: &mut State, text: &str) -> String {
        // Up to its first line, then all below away (ECMA-48: CUU, ED).
        let clear = match state.above {
            0 if !state.drawn => String::new(),
            0 => CLEAR.to_owned(),
            above => format!("\r\u{1b}[{above}A\u{1b}[J"),
        };
        state.drawn = !state.bar.is_empty();
        state.above = state.bar.matches('\n').count();
        let lines: Vec<String> = state.bar.lines().map(|line| self.safe(line)).collect();
        let bar = match lines.as_slice() {
            [] => String::new(),
            lines => format!("{NO_WRAP}{}{WRAP}", lines.join("\n")),
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
        let mut state = self.lock();
        let mut masks = String::new();
        if self.masks {
            let (new, all) = self.secrets.known_after(state.masked);
            state.masked = all;
            for value in new {
                push_mask(&mut masks, &value);
            }
        }
        let text = if self.moving { self.above_the_bar(&mut state, &text) } else { text.into() };
        // Nobody reads a closed pipe; the exit status still tells.
        let _ = state.sink.write_all(format!("{masks}{text}").as_bytes());
        let _ = state.sink.flush();
    }
}

fn is_github(context: &Context<'_>) -> bool {
    set(context.environment, "GITHUB_ACTIONS") == Some("true")
}

/// Whether the runner is made of act, which also calls itself GitHub's: act itself, Gitea's and
/// Forgejo's. It logs commands as they stand, on one line with `%0A` in it, and annotates nothing
/// (nektos/act, `pkg/runner/command.go`).
fn is_act(context: &Context<'_>) -> bool {
    ["ACT", "GITEA_ACTIONS", "FORGEJO_ACTIONS"]
        .iter()
        .any(|name| set(context.environment, name) == Some("true"))
}

/// The runner takes the line out of the log and hides the value from then on.
fn push_mask(out: &mut String, value: &str) {
    let _ = writeln!(out, "::add-mask::{}", escape::command_data(value));
}

#[cfg(test)]
mod tests {
    use super::sink::Terminal;
    use super::*;
    use crate::error::words::{input, setting};
    use crate::inputs::Environment;
    use std::path::Path;

    /// What was written, kept.
    #[derive(Debug, Clone, Default)]
    struct Page {
        text: Arc<Mutex<Vec<u8>>>,
        terminal: Option<Terminal>,
        is_file: bool,
    }

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Page {
        fn terminal(&self) -> Option<Terminal> {
            self.terminal
        }

        fn is_file(&self) -> bool {
            self.is_file
        }
    }

    /// What a console writes that is used so.
    fn written(
        page: &Page,
        reader: Reader,
        words: Words,
        act: impl FnOnce(&Console, &Secrets),
    ) -> String {
        written_on("CI", page, reader, words, act)
    }

    /// … where this variable is set as well.
    fn written_on(
        runner: &str,
        page: &Page,
        reader: Reader,
        words: Words,
        act: impl FnOnce(&Console, &Secrets),
    ) -> String {
        let variables = [("TERM", "xterm"), (runner, "true")];
        let environment: Environment =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (environment, secrets) = (&environment, &Secrets::default());
        let context = Context { environment, folder: Path::new("."), secrets };
        act(&Console::over(Box::new(page.clone()), reader, words, &context), secrets);
        let text = page.text.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    fn tell(console: &Console, secrets: &Secrets) {
        secrets.keep("canary-password");
        console.group("Sources");
        console.line("found    app:1  ::error::canary-password");
        console.warning(&format!("{} is not set", input("platforms")));
        let error = Error::refused("100% of it\n::set-output name=a::b");
        console.failure(&error.with_fix(format!("use {}", setting("missing", "skip"))));
    }

    #[test]
    fn lines_of_a_log() {
        let log = written(&Page::default(), Reader::Plain, Words::Flags, tell);
        insta::assert_snapshot!(log, @"
        found    app:1  ::error::***
        warning: --platforms is not set
        error: 100% of it
        : :set-output name=a::b
          fix:   use --missing skip
        ");
        let log = written(&Page::default(), Reader::GitHub, Words::Inputs, tell);
        insta::assert_snapshot!(log, @"
        ::add-mask::canary-password
        ::group::Sources
        found    app:1  ::error::***
        ::warning title=manifest-action::`platforms` is not set
        ::endgroup::
        ::error title=manifest-action%3A a check failed::100%25 of it%0A: :set-output name=a::b%0A  fix:   use `missing: skip`
        ");
    }

    #[test]
    fn masks_go_only_where_a_runner_takes_them_out() {
        for (reader, words, is_file, masked) in [
            (Reader::GitHub, Words::Inputs, false, true),
            (Reader::GitHub, Words::Inputs, true, false),
            (Reader::GitHub, Words::Flags, false, false),
            (Reader::Plain, Words::Inputs, false, false),
        ] {
            let log = written(&Page { is_file, ..Page::default() }, reader, words, tell);
            assert_eq!(log.contains("canary"), masked, "{log}");
        }
    }

    #[test]
    fn where_nobody_turns_annotations_into_text_they_are_text() {
        let file = Page { is_file: true, ..Page::default() };
        for (runner, page) in [
            ("ACT", Page::default()),
            ("GITEA_ACTIONS", Page::default()),
            ("FORGEJO_ACTIONS", Page::default()),
            ("CI", file),
        ] {
            let log = written_on(runner, &page, Reader::GitHub, Words::Inputs, tell);
            let (_, log) = log.split_once("::group::Sources\n").expect("a group");
            assert_eq!(
                log,
                "found    app:1  ::error::***\nwarning: `platforms` is not set\n::endgroup::\n\
                 error: 100% of it\n: :set-output name=a::b\n  fix:   use `missing: skip`\n",
                "{runner}"
            );
        }
    }

    #[test]
    fn ten_annotations_of_a_kind_are_all_that_github_keeps() {
        let log = written(&Page::default(), Reader::GitHub, Words::Inputs, |console, _| {
            for number in 0..12 {
                console.warning(&format!("warning {number}"));
            }
            assert_eq!(console.warnings().len(), 12);
        });
        assert_eq!((log.matches("::warning title=").count(), log.lines().count()), (9, 12));
        let log = written(&Page::default(), Reader::GitHub, Words::Inputs, |console, _| {
            for number in 0..12 {
                console.failure(&Error::refused(format!("error {number}")));
            }
        });
        assert_eq!((log.matches("::error title=").count(), log.lines().count()), (9, 12));
    }

    #[test]
    fn a_bar_stays_below_the_lines_and_only_on_a_terminal() {
        let bar = |console: &Console, _: &Secrets| {
            console.bar("1 of 2");
            console.line("found    app:1");
            console.bar("two\nlines");
            console.bar("");
        };
        let terminal = Some(Terminal { columns: Some(20), rows: Some(4) });
        let page = Page { terminal, ..Page::default() };
        let log = written(&page, Reader::Plain, Words::Flags, bar);
        insta::assert_snapshot!(log.escape_debug(), @r"\u{1b}[?7l1 of 2\u{1b}[?7h\r\u{1b}[Kfound    app:1\n\u{1b}[?7l1 of 2\u{1b}[?7h\r\u{1b}[K\u{1b}[?7ltwo\nlines\u{1b}[?7h\r\u{1b}[1A\u{1b}[J");
        let log = written(&Page::default(), Reader::Plain, Words::Flags, bar);
        assert_eq!(log, "found    app:1\n");
    }

    #[test]
    fn how_it_ended_is_coloured_on_a_terminal_only() {
        let terminal = Some(Terminal { columns: Some(60), rows: None });
        let page = Page { terminal, ..Page::default() };
        let ends = |console: &Console, secrets: &Secrets| {
            tell(console, secrets);
            console.line("done     app:1  in 2 s");
        };
        let log = written(&page, Reader::Plain, Words::Flags, ends);
        insta::assert_snapshot!(log.replace('\u{1b}', "ESC"), @"
        found    app:1  ::error::***
        ESC[33mwarning:ESC[0m --platforms is not set
        ESC[31merror:ESC[0m 100% of it
        : :set-output name=a::b
          fix:   use --missing skip
        ESC[32mdoneESC[0m     app:1  in 2 s
        ");
        let log = written(&Page::default(), Reader::Plain, Words::Flags, ends);
        assert!(!log.contains('\u{1b}'), "{log}");
    }

    #[test]
    fn a_terminal_breaks_lines_between_words() {
        let terminal = Some(Terminal { columns: Some(24), rows: None });
        let page = Page { terminal, ..Page::default() };
        let log = written(&page, Reader::Plain, Words::Flags, |console, _| {
            console.line("found    a  linux/amd64 linux/arm64");
        });
        assert_eq!(log, "found    a  linux/amd64\n         linux/arm64\n");
    }
}
