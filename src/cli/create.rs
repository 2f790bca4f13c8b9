//! `create LIST SOURCE…`: every input is a flag. With `--tags` the list has its names, and every
//! reference is a source: whoever comes from `docker buildx imagetools create -t` must not have the
//! first of them overwritten.

use super::{GLOBAL, output};
use crate::app::{self, Ended, Invocation};
use crate::console::Console;
use crate::error::{Error, Exit};
use crate::inputs::table::{INPUTS, Input, Kind, names};
use crate::inputs::{Asked, Context, Findings};
use crate::pipeline::outcome::Report;
use crate::pipeline::progress::Tagged;
use crate::report::files::NOT_WRITTEN;
use crate::report::{Ending, json};
use crate::signals::Signals;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsStr;

/// The command and its flags.
pub(super) fn command() -> Command {
    let flags = INPUTS.iter().filter(|input| !GLOBAL.contains(&input.name)).map(flag);
    Command::new("create")
        .about("Combine images into an index, push and verify it, and print LIST@DIGEST")
        .arg(
            Arg::new("LIST")
                .required_unless_present_any([names::spec, names::tags])
                .help("reference to publish, including the tag (with --tags: a source)"),
        )
        .arg(Arg::new("SOURCE").num_args(0..).help("images to combine: REF, REF@DIGEST or PLATFORM=REF"))
        .args(flags)
        .mut_arg(names::wait, |arg| arg.help("how long to wait for all images; 0 checks once [0]"))
        .after_help("Every input of the CI step is a flag; here --wait defaults to 0.\n\nExamples:\n  manifest-action create ghcr.io/acme/app:1.2 ghcr.io/acme/app:1.2-amd64 \\\n      ghcr.io/acme/app:1.2-arm64\n  manifest-action create -t ghcr.io/acme/app:1.2 -t ghcr.io/acme/app:latest \\\n      ghcr.io/acme/app:1.2-amd64 ghcr.io/acme/app:1.2-arm64")
}

/// Composes the list and prints its name.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    // From before standard input is waited for.
    let signals = Signals::listen();
    let mut findings = Findings::default();
    let pairs = pairs(flags, &mut findings, &arguments(flags));
    let called = if flags.contains_id(names::tags) { with_tags } else { by_place };
    let mut invocation = Invocation { signals, ..Invocation::create(pairs, findings, *context) };
    invocation.asked = Asked { called, ..super::ASKED };
    invocation.findings.warnings.extend(super::visible_secrets(flags));
    let console = invocation.console.clone();
    let ended = app::compose_lists(invocation).await;
    let first =
        |report: &Report| report.tags.iter().take(1).map(|tag| pinned(report, tag)).collect();
    print(&ended, flags.get_flag("json"), &console, first)
}

/// The flag of an input: switches need no value, lists may be given more than once.
pub(super) fn flag(input: &'static Input) -> Arg {
    let default = match input.name {
        names::wait => "0",
        // Only a step has them from the CI system.
        names::tags | names::dotenv_file => "",
        _ => input.default,
    };
    let help = super::described(input.help, default);
    let arg = Arg::new(input.name)
        .long(input.name)
        .help(help)
        .value_parser(Words(input.words()))
        .hide_possible_values(true);
    match input.kind {
        // `docker manifest create` calls it so.
        Kind::Switch if input.name == names::append => switch_flag(arg).visible_alias("amend"),
        Kind::Switch => switch_flag(arg),
        Kind::SwitchOrList => switch_flag(arg).value_name("LINE").action(ArgAction::Append),
        // `docker buildx imagetools create` calls it so.
        Kind::List if input.name == names::tags => {
            arg.short('t').visible_alias("tag").value_name("LINE").action(ArgAction::Append)
        }
        Kind::List | Kind::Lines | Kind::SecretLines => {
            arg.value_name("LINE").action(ArgAction::Append)
        }
        Kind::Text | Kind::Secret => arg.value_name("VALUE"),
    }
}

/// The words that shells complete. What is given is checked later, with all other inputs.
#[derive(Debug, Clone)]
struct Words(&'static [&'static str]);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = self.0.iter().map(|word| PossibleValue::new(*word));
        (!self.0.is_empty()).then(|| Box::new(words) as _)
    }
}

fn switch_flag(arg: Arg) -> Arg {
    arg.value_name("BOOLEAN").num_args(0..=1).require_equals(true).default_missing_value("true")
}

/// What the positional arguments mean, as inputs and values.
fn arguments(flags: &ArgMatches) -> [(&'static str, Option<String>); 2] {
    let text = |name: &str| super::joined(flags, name);
    let has_tags = flags.contains_id(names::tags);
    let (list, source) = if has_tags { (None, text("LIST")) } else { (text("LIST"), None) };
    let sources = [source, text("SOURCE"), text(names::sources)];
    [(names::tags, list.or_else(|| text(names::tags))), (names::sources, Some(lines(&sources)))]
}

/// All of these, one below the other.
fn lines(parts: &[Option<String>]) -> String {
    parts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// Flags as pairs of input and value, those that the command has. `own`: inputs that are not what
/// their flags say.
pub(super) fn pairs(
    flags: &ArgMatches,
    findings: &mut Findings,
    own: &[(&'static str, Option<String>)],
) -> Vec<(String, String)> {
    let text = |name: &str| super::joined(flags, name);
    let given = super::global_pairs(flags, findings);
    let global =
        |name: &str| given.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let mut pairs: Vec<(String, String)> = Vec::new();
    for input in INPUTS {
        let value = match (own.iter().find(|(name, _)| *name == input.name), input.name) {
            (Some((_, value)), _) => value.clone(),
            (None, names::insecure_registries) => {
                Some(lines(&[global(names::insecure_registries), text(names::insecure_registries)]))
            }
            (None, names::wait) => Some(text(names::wait).unwrap_or_else(|| "0".to_owned())),
            (None, name) => global(name).or_else(|| text(name)),
        };
        pairs.extend(
            value
                .filter(|value| !value.trim().is_empty())
                .map(|value| (input.name.to_owned(), value)),
        );
    }
    pairs
}

/// What an input is called on this command line.
fn by_place(name: &str, line: Option<usize>) -> String {
    if name == names::tags { "LIST".to_owned() } else { with_tags(name, line) }
}

/// The same with `--tags`.
fn with_tags(name: &str, line: Option<usize>) -> String {
    match (name, line) {
        (names::sources, Some(line)) => format!("SOURCE {line}"),
        (names::sources, None) => "SOURCE".to_owned(),
        _ => super::called(name, line),
    }
}

/// The result, alone on stdout: of several lists, those that were published. `names`: what is printed
/// of a list, one a line.
pub(super) fn print(
    ended: &Ended,
    as_json: bool,
    console: &Console,
    names: impl Fn(&Report) -> Vec<String>,
) -> Exit {
    let Ended { exit, run } = ended;
    if as_json {
        // What went wrong after the last list is told on stderr.
        let all_well = run.lists.iter().all(|list| list.ended.is_ok());
        let late = (all_well && *exit == Exit::Partial).then(|| Error::new(*exit, NOT_WRITTEN));
        let warnings = console.warnings();
        let ending = Ending { late: late.as_ref(), ..Ending::of(run, *exit, &warnings, console) };
        return output::json(&json::run(&ending), *exit, console.secrets());
    }
    let lines: String = run.reports().flat_map(names).map(|name| format!("{name}\n")).collect();
    // Alone, a list whose outputs could not be written is no result to go on with.
    if run.lists.len() == 1 && *exit != Exit::Done {
        *exit
    } else {
        output::bytes(lines.as_bytes(), *exit)
    }
}

/// `TAG@DIGEST`.
pub(super) fn pinned(report: &Report, tag: &Tagged) -> String {
    format!("{}@{}", tag.tag, report.composed.digest)
}
