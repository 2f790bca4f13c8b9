//! What help says beyond the flags, and whether somebody at a terminal needs it.

use crate::error::Exit;
use crate::inputs::table::{INPUTS, Input};
use crate::inputs::{Context, env};
use crate::report::outputs::OUTPUTS;
use crate::text::style::{COLUMNS, wrapped};
use clap::Command;
use std::io::{self, IsTerminal as _, Write as _};

pub(super) const EXAMPLES: &str = "Examples:
  manifest-action create ghcr.io/acme/app:1.3 ghcr.io/acme/app:1.2-amd64 \\
      ghcr.io/acme/app:1.2-arm64
  manifest-action inspect ghcr.io/acme/app:1.2
  manifest-action diff ghcr.io/acme/app:1.2 ghcr.io/acme/app:latest
  manifest-action wait ghcr.io/acme/app:1.2-amd64 --wait 5m";

pub(super) const STEP: &str = "Without a command it runs as a CI step: inputs come from environment variables, and outputs go where the CI system reads them.";

const INPUTS_FROM: &str =
    "Inputs, each read from INPUT_NAME, PLUGIN_NAME or MANIFEST_ACTION_NAME [default]:";

/// Every exit status and its meaning, as in docs/inputs.md.
pub(super) const STATUSES: [(&str, &str); 11] = [
    ("0", "done"),
    ("1", "`diff` found differences"),
    ("2", "inputs are wrong, or an output file cannot be opened; nothing was sent to a registry"),
    ("3", "images did not arrive in time"),
    ("4", "a watched job failed"),
    (
        "5",
        "a check failed: platforms, labels, duplicates, format, overwrite, size, digest, an entry that does not exist, a tag that moved",
    ),
    ("6", "access denied: authentication or permission"),
    ("7", "registry or network: an error that retries did not resolve"),
    (
        "8",
        "partly published, or not verified, or outputs could not be written: the message says which tags moved",
    ),
    ("70", "a bug in manifest-action: please report it"),
    ("130, 143", "stopped by SIGINT; by SIGTERM or SIGHUP"),
];

/// Whether nothing says what to do, and a person is there to read.
pub(super) fn is_wanted(context: &Context<'_>) -> bool {
    let is_set = |name: &str| context.environment.contains_key(name);
    let mut variables = INPUTS.iter().flat_map(|input| env::variables(input.name));
    io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && !["CI", "DOCKER_METADATA_OUTPUT_TAGS"].into_iter().any(is_set)
        && !variables.any(|name| is_set(&name))
}

/// The short help, as a mistake: nothing was done.
pub(super) fn at_a_terminal() -> Exit {
    let text = super::command().render_help().to_string();
    // Nobody reads a closed terminal.
    let _ = io::stderr().write_all(text.as_bytes());
    Exit::Inputs
}

/// What follows the flags in `-h`.
pub(super) fn short() -> String {
    let examples = EXAMPLES.lines().take(4).collect::<Vec<_>>().join("\n");
    format!(
        "{examples}\n\nWithout a command it runs as a CI step, with inputs from environment variables.\n`--help` lists them, and all exit statuses; COMMAND -h the flags of a command."
    )
}

/// What follows the flags in `--help`: examples, inputs and outputs of the CI step, exit statuses.
pub(super) fn long() -> String {
    let row = |name: &str, text: &str| wrapped(&format!("  {name:20} "), 23, text, COLUMNS);
    let described = |input: &Input| super::described(input.help, input.default);
    let inputs: String = INPUTS.iter().map(|input| row(input.name, &described(input))).collect();
    let outputs: String = OUTPUTS.iter().map(|(name, help)| row(name, help)).collect();
    let statuses = statuses(20, |_| true);
    format!(
        "{EXAMPLES}\n\n{STEP}\n\n{INPUTS_FROM}\n{inputs}\nOutputs:\n{outputs}\nExit status:\n{statuses}"
    )
}

/// The statuses that a command never ends with.
fn never(command: &str) -> &'static [&'static str] {
    match command {
        "inspect" => &["1", "3", "4", "8"],
        "diff" => &["3", "4", "8"],
        "annotate" | "remove" => &["1", "3", "4"],
        "wait" => &["1", "4", "8"],
        "check" => &["1", "3", "4", "8"],
        "create" | "copy" => &["1"],
        _ => &["1", "3", "4", "5", "6", "7", "8"],
    }
}

/// A command whose `--help` ends with its exit statuses.
pub(super) fn with_statuses(command: Command) -> Command {
    let never = never(command.get_name());
    let statuses = statuses(9, |status| !never.contains(&status));
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_long_help(format!("{examples}\n\nExit status:\n{statuses}"))
}

/// A row for each status of these; `width`: the columns of their numbers.
fn statuses(width: usize, has: impl Fn(&str) -> bool) -> String {
    let row = |(status, meaning): &(&str, &str)| {
        wrapped(&format!("  {status:width$} "), width + 3, &meaning.replace('`', ""), COLUMNS)
    };
    let rows: String = STATUSES.iter().filter(|(status, _)| has(status)).map(row).collect();
    rows.trim_end().to_owned()
}
