//! The command line, with clap. Every input of the table is a flag; what flags say becomes the same cleaned pairs
//! that environment variables become.

use crate::app::{self, Invocation};
use crate::error::Exit;
use crate::inputs::spec::{INPUTS, Input, Kind};
use crate::inputs::{Environment, Problems};
use crate::report::outputs::OUTPUTS;
use crate::report::{Report, json};
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Flags that hold before and after every command, and the input that each one sets.
const GLOBAL: [(&str, &str); 7] = [
    ("cfg", "docker-config"),
    ("username", "username"),
    ("password", "password"),
    ("password-stdin", "password"),
    ("debug", "log-level"),
    ("insecure", "insecure-registries"),
    ("ca-file", "ca-file"),
];

/// The command and its help.
pub fn command() -> Command {
    Command::new("manifest-action")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Waits for per-architecture images, composes them into one multi-architecture image, pushes it and reads it back.")
        .after_help(tables())
        .args([
            value("cfg", "DIR", "Docker or containers auth file, or its folder"),
            value("username", "NAME", "user name for the list's registry"),
            value("password", "PASSWORD", "password for it; --password-stdin keeps it out of the process list"),
            switch("password-stdin", "read the password from standard input").conflicts_with("password"),
            switch("debug", "log every request, without secrets"),
            value("insecure", "HOST", "registry that speaks plain HTTP").action(ArgAction::Append),
            value("ca-file", "FILE", "PEM file of certificates to trust as well"),
            switch("json", "print a report in JSON instead of the image's name"),
            switch("quiet", "say nothing but warnings and errors").conflicts_with("debug"),
        ])
        .subcommand(create())
}

fn create() -> Command {
    let flags = INPUTS.iter().filter(|input| !GLOBAL.iter().any(|(flag, _)| *flag == input.name)).map(flag);
    Command::new("create")
        .about("Compose a list from images, push it, read it back, and print LIST@DIGEST")
        .arg(Arg::new("LIST").required(true).help("reference to publish, with a tag"))
        .arg(Arg::new("SOURCE").num_args(0..).help("images to put in: REF, REF@DIGEST, PLATFORM=REF"))
        .args(flags)
        .after_help("Every input is a flag; --wait is 0 unless it is given.\n\nExample:\n  manifest-action create ghcr.io/acme/app:1.2 ghcr.io/acme/app:1.2-amd64 ghcr.io/acme/app:1.2-arm64")
}

fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help).global(true).value_parser(ValueParser::string())
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).global(true).action(ArgAction::SetTrue)
}

/// The flag of an input: switches need no value, lists may be given more than once.
fn flag(input: &'static Input) -> Arg {
    let default = if input.name == "wait" { "0" } else { input.default };
    let help = if default.is_empty() { input.help.to_owned() } else { format!("{} [{default}]", input.help) };
    let arg = Arg::new(input.name).long(input.name).help(help);
    match input.kind {
        Kind::Switch => arg.value_name("BOOLEAN").num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::List | Kind::Lines | Kind::SecretLines => arg.value_name("LINE").action(ArgAction::Append),
        Kind::Text | Kind::Secret => arg.value_name("VALUE"),
    }
}

/// Parses arguments and runs. Help and mistakes are clap's to print.
pub async fn run(arguments: impl Iterator<Item = OsString>, environment: &Environment, folder: &Path) -> Exit {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let wrong = error.use_stderr();
            // Nobody reads a closed pipe.
            let _ = if wrong { write!(io::stderr(), "{}", error.render()) } else { write!(io::stdout(), "{}", error.render()) };
            return if wrong { Exit::Inputs } else { Exit::Done };
        }
    };
    match matches.subcommand() {
        Some(("create", flags)) => {
            let (pairs, problems) = pairs(flags);
            let mut invocation = Invocation::create(pairs, problems, environment);
            if flags.contains_id("password") {
                invocation.read.warnings.push("--password can be read in the process list: --password-stdin is safer".to_owned());
            }
            let console = invocation.console.clone();
            let made = app::compose_list(invocation, environment, folder).await;
            made.map_or_else(|exit| exit, |report| print(&report, flags.get_flag("json"), &console.warnings()))
        }
        _ => app::compose_list(Invocation::step(environment), environment, folder).await.map_or_else(|exit| exit, |_| Exit::Done),
    }
}

/// Flags of `create` as pairs of input and value.
fn pairs(flags: &ArgMatches) -> (Vec<(String, String)>, Problems) {
    let mut problems = Problems::default();
    let text =
        |name: &str| flags.get_many::<String>(name).map(|values| values.map(String::as_str).collect::<Vec<_>>().join("\n"));
    let lines = |first: Option<String>, rest: Option<String>| [first, rest].into_iter().flatten().collect::<Vec<_>>().join("\n");
    let mut pairs: Vec<(String, String)> = Vec::new();
    for input in INPUTS {
        let value = match input.name {
            "tags" => Some(lines(text("LIST"), text("tags"))),
            "sources" => Some(lines(text("SOURCE"), text("sources"))),
            "password" if flags.get_flag("password-stdin") => problems.take("password", None, password_from_stdin()),
            "docker-config" => text("cfg").or_else(|| text("docker-config")),
            "insecure-registries" => Some(lines(text("insecure"), text("insecure-registries"))),
            "log-level" if flags.get_flag("debug") => Some("debug".to_owned()),
            "log-level" if flags.get_flag("quiet") => Some("warn".to_owned()),
            "wait" => Some(text("wait").unwrap_or_else(|| "0".to_owned())),
            name => text(name),
        };
        pairs.extend(value.filter(|value| !value.trim().is_empty()).map(|value| (input.name.to_owned(), value)));
    }
    (pairs, problems)
}

fn password_from_stdin() -> Result<String, String> {
    let mut password = String::new();
    io::stdin().read_to_string(&mut password).map_err(|error| format!("cannot be read from standard input: {error}"))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() { Err("standard input is empty".to_owned()) } else { Ok(password) }
}

/// The result, alone on stdout.
fn print(report: &Report, as_json: bool, warnings: &[String]) -> Exit {
    let mut out = io::stdout().lock();
    let written = if as_json {
        writeln!(out, "{:#}", json::success(report, warnings))
    } else {
        report.tags.first().map_or(Ok(()), |(tag, _)| writeln!(out, "{tag}@{}", report.composed.digest))
    };
    if written.and_then(|()| out.flush()).is_ok() { Exit::Done } else { Exit::Partial }
}

/// Inputs and outputs of the CI step, aligned.
fn tables() -> String {
    let inputs = INPUTS.iter().map(|input| {
        let default = if input.default.is_empty() { String::new() } else { format!(" [{}]", input.default) };
        let later = if input.supported { "" } else { " (not supported yet)" };
        format!("  {:20} {}{default}{later}", input.name, input.help)
    });
    let outputs = OUTPUTS.iter().map(|(name, help)| format!("  {name:20} {help}"));
    let heading = "Without a command it runs as a CI step: inputs come from environment variables, outputs go where the CI system reads them.\n\nInputs, each looked up as INPUT_NAME, PLUGIN_NAME or MANIFEST_ACTION_NAME [default]:";
    let inputs = inputs.collect::<Vec<_>>().join("\n");
    let outputs = outputs.collect::<Vec<_>>().join("\n");
    format!("{heading}\n{inputs}\n\nOutputs:\n{outputs}")
}
