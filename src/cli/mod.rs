//! The command line, with clap. Every input of the table is a flag; what flags say becomes the same
//! cleaned pairs that environment variables become.

use crate::app;
use crate::console::{Console, Stream};
use crate::error::words::Words;
use crate::error::{Audience, Error, Exit};
use crate::inputs::table::names;
use crate::inputs::{Asked, Context, Findings, env, table, values};
use crate::report::json;
use crate::secret::Secrets;
use crate::text::one_line;
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Read as _, Write as _};

mod annotate;
mod check;
mod completions;
mod copy;
mod create;
mod diff;
mod edit;
mod help;
mod inspect;
mod manual;
mod neighbour;
mod output;
mod remove;
mod session;
mod shell;
mod wait;

/// Inputs that are flags of every command under their own names; `--cfg`, `--insecure` and others
/// are further ones.
const GLOBAL: [&str; 3] = [names::username, names::password, names::ca_file];

/// All flags of every command.
const FLAGS: [&str; 9] = [
    "cfg",
    names::username,
    names::password,
    "password-stdin",
    "debug",
    "insecure",
    names::ca_file,
    "json",
    "quiet",
];

/// Flags that may hold secrets, and what nobody else can see.
const VISIBLE: [(&str, &str); 5] = [
    (names::password, "use --password-stdin"),
    (names::token, "run `manifest-action` as a CI step, which reads it from a variable"),
    (names::credentials, "use an auth file (--docker-config PATH)"),
    (names::docker_config, "name a file that holds the JSON"),
    ("cfg", "name a file that holds the JSON"),
];

/// Arguments of a command: an input is a flag, every other name one of the command's own.
const ASKED: Asked = Asked { what: "arguments", called, is_copy: false };

fn called(name: &str, line: Option<usize>) -> String {
    match (table::find(name), line) {
        (None, _) => name.to_owned(),
        (Some(_), line) => called_flag(name, line),
    }
}

fn called_flag(name: &str, line: Option<usize>) -> String {
    match line {
        None => format!("--{name}"),
        Some(line) => format!("--{name}, value {line}"),
    }
}

/// The command and its help.
pub fn command() -> Command {
    Command::new("manifest-action")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Waits for per-architecture images, combines them into one multi-architecture image, pushes and verifies it.")
        .after_help(help::short())
        .after_long_help(help::long())
        .args([
            value("cfg", "DIR", "Docker or containers auth file, or the folder that contains it"),
            value(names::username, "NAME", "user name for the registry of the index"),
            value(names::password, "PASSWORD", "password (prefer --password-stdin: arguments are visible in the process list)"),
            switch("password-stdin", "read the password from standard input").conflicts_with(names::password),
            switch("debug", "log every request, without secrets"),
            value("insecure", "HOST", "contact this registry over plain HTTP").action(ArgAction::Append),
            value(names::ca_file, "FILE", "additional CA certificates (PEM)"),
            switch("json", "print the result as JSON, also on failure"),
            switch("quiet", "print only warnings and errors").conflicts_with("debug"),
        ])
        .subcommand(inspect::command())
        .subcommand(create::command())
        .subcommand(annotate::command())
        .subcommand(remove::command())
        .subcommand(diff::command())
        .subcommand(wait::command())
        .subcommand(copy::command())
        .subcommand(check::command())
        .subcommand(shell::completions())
        .subcommand(shell::man())
        .mut_subcommands(help::with_statuses)
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(placeholder)
        .help(help)
        .help_heading("Global options")
        .global(true)
        .value_parser(ValueParser::string())
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .help_heading("Global options")
        .global(true)
        .action(ArgAction::SetTrue)
}

/// Parses arguments and runs. Help and mistakes are clap's to print.
pub async fn run(arguments: impl Iterator<Item = OsString>, context: &Context<'_>) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    let as_json = arguments.iter().any(|argument| argument == "--json");
    know_secrets(&arguments, context);
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return told(&neighbour::with_hint(error), as_json, context.secrets),
    };
    match matches.subcommand() {
        Some(("inspect", flags)) => inspect::run(flags, context).await,
        Some(("create", flags)) => create::run(flags, context).await,
        Some(("annotate", flags)) => annotate::run(flags, context).await,
        Some(("remove", flags)) => remove::run(flags, context).await,
        Some(("diff", flags)) => diff::run(flags, context).await,
        Some(("wait", flags)) => wait::run(flags, context).await,
        Some(("copy", flags)) => copy::run(flags, context).await,
        Some(("check", flags)) => check::run(flags, context).await,
        Some(("completions", flags)) => shell::complete(flags),
        Some(("man", flags)) => shell::manual(flags, context),
        _ if FLAGS
            .iter()
            .any(|flag| matches.value_source(flag) == Some(ValueSource::CommandLine)) =>
        {
            refuse(
                "flags need a command (see --help); without one, inputs come from environment variables",
                as_json,
                context.secrets,
            )
        }
        _ if help::is_wanted(context) => help::at_a_terminal(),
        _ => app::run_step(*context).await,
    }
}

/// Whatever is wrong with arguments and variables may be quoted before anything reads them.
fn know_secrets(arguments: &[OsString], context: &Context<'_>) {
    let secrets = context.secrets;
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let texts = || texts.iter().map(|text| &**text);
    for text in context.environment.values().map(String::as_str).chain(texts()) {
        secrets.keep_those_in_addresses(text);
    }
    for (flag, next) in texts().zip(texts().skip(1).chain([""])) {
        let (flag, value) = flag.split_once('=').unwrap_or((flag, next));
        let name = flag.strip_prefix("--").unwrap_or_default();
        if VISIBLE.iter().any(|(visible, _)| *visible == name) && is_secret(name, value) {
            env::keep_parts(value, secrets);
        }
    }
}

/// Tells what kept all of it from being done, as it is told of a command or a step.
pub fn failed(
    error: &Error,
    arguments: impl Iterator<Item = OsString>,
    context: &Context<'_>,
) -> Exit {
    let given = |name: &str| {
        let mut values = env::variables(name).into_iter();
        values.find_map(|variable| context.environment.get(&variable)).map(String::as_str)
    };
    env::keep_secrets(given, context.secrets);
    let arguments: Vec<OsString> = arguments.collect();
    let console = if arguments.len() > 1 {
        Console::of_command(context)
    } else {
        Console::of_run(context, Stream::Stdout)
    };
    session::fail(&console, arguments.iter().any(|argument| argument == "--json"), error)
}

/// Arguments that clap lets pass, refused as it refuses others.
fn refuse(why: impl Display, as_json: bool, secrets: &Secrets) -> Exit {
    told(&command().error(ErrorKind::InvalidValue, why), as_json, secrets)
}

/// Prints help or a mistake, which a program that asked for JSON gets in JSON too.
fn told(error: &clap::Error, as_json: bool, secrets: &Secrets) -> Exit {
    let text = error.render().to_string();
    let text = secrets.redact(&text);
    if !error.use_stderr() {
        return output::bytes(text.as_bytes(), Exit::Done);
    }
    // Nobody reads a closed pipe.
    let _ = io::stderr().write_all(text.as_bytes());
    if !as_json {
        return Exit::Inputs;
    }
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let error = Error::new(Exit::Inputs, one_line(first));
    let document = json::failure(&error, Audience { words: Words::Flags, on_github: false }, &[]);
    output::json(&document, Exit::Inputs, secrets)
}

/// Secrets among the arguments work, and can be seen.
fn visible_secrets(flags: &ArgMatches) -> Vec<String> {
    let given = VISIBLE.iter().filter(|(name, _)| {
        let value = flags.try_get_one::<String>(name).ok().flatten();
        value.is_some_and(|value| is_secret(name, value))
    });
    given
        .map(|(name, better)| format!("--{name} is visible in the process list; {better}"))
        .collect()
}

/// Whether the value of a flag in [`VISIBLE`] is one: an auth file may also be named.
fn is_secret(name: &str, value: &str) -> bool {
    !matches!(name, names::docker_config | "cfg") || values::is_object(value)
}

/// The items of a list that is written with commas or in lines; empty ones do not count.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty())
}

/// All values of a flag or an argument, one a line; none where the command does not have it.
fn joined(flags: &ArgMatches, name: &str) -> Option<String> {
    let values = flags.try_get_many::<String>(name).ok()??;
    Some(values.map(String::as_str).collect::<Vec<_>>().join("\n"))
}

/// What an input is, and what applies when it is not set.
fn described(help: &str, default: &str) -> String {
    if default.is_empty() { help.to_owned() } else { format!("{help} [{default}]") }
}

/// What the flags of every command say, as pairs of input and value.
fn global_pairs(flags: &ArgMatches, findings: &mut Findings) -> Vec<(String, String)> {
    let text = |name: &str| joined(flags, name);
    let from_stdin = flags
        .get_flag("password-stdin")
        .then(|| findings.take(names::password, None, password_from_stdin()))
        .flatten();
    let level = match (flags.get_flag("debug"), flags.get_flag("quiet")) {
        (true, _) => Some("debug"),
        (false, true) => Some("warn"),
        (false, false) => None,
    };
    [
        (names::docker_config, text("cfg")),
        (names::username, text(names::username)),
        (names::password, from_stdin.or_else(|| text(names::password))),
        (names::insecure_registries, text("insecure")),
        (names::ca_file, text(names::ca_file)),
        (names::log_level, level.map(str::to_owned)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

fn password_from_stdin() -> Result<String, String> {
    let mut password = String::new();
    io::stdin()
        .read_to_string(&mut password)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    if password.trim().is_empty() {
        Err("standard input is empty".to_owned())
    } else {
        Ok(password)
    }
}
