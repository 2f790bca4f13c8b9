//! What makes the program at home in a shell: completions and manual pages, by clap's own
//! generators.

use super::{completions, manual, output};
use crate::error::Exit;
use crate::inputs::Context;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};

pub(super) const NAME: &str = "manifest-action";

/// `completions SHELL`.
pub(super) fn completions() -> Command {
    Command::new("completions")
        .about("Print a shell completion script")
        .arg(Arg::new("SHELL").required(true).value_parser(PossibleValuesParser::new(["bash", "zsh", "fish"])).help("name of the shell"))
        .after_help("Examples:\n  manifest-action completions bash\n  manifest-action completions zsh\n  manifest-action completions fish\n\nInstall to: bash /etc/bash_completion.d/manifest-action; zsh _manifest-action in a folder of $fpath; fish ~/.config/fish/completions/manifest-action.fish")
}

/// `man [COMMAND]`.
pub(super) fn man() -> Command {
    Command::new("man")
        .about("Print the manual page of the program or of a command (roff)")
        .arg(Arg::new("COMMAND").help("command to describe [the program]"))
        .after_help(
            "Examples:\n  manifest-action man\n  manifest-action man inspect\n\nTo read it:\n  manifest-action man | man -l -",
        )
}

/// Prints completions.
pub(super) fn complete(flags: &ArgMatches) -> Exit {
    let asked = flags.get_one::<String>("SHELL").map(String::as_str);
    output::bytes(completions::script(asked).as_bytes(), Exit::Done)
}

/// Prints a manual page.
pub(super) fn manual(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    let mut all = super::command();
    all.build();
    let page = match flags.get_one::<String>("COMMAND") {
        None => all,
        Some(name) => match all.find_subcommand(name) {
            // Pages of commands are called as git's are.
            Some(command) => {
                command.clone().name(format!("{NAME}-{name}")).bin_name(format!("{NAME} {name}"))
            }
            None => {
                let as_json = flags.get_flag("json");
                return super::refuse(super::neighbour::no_command(name), as_json, context.secrets);
            }
        },
    };
    match manual::page(page) {
        Ok(roff) => output::bytes(&roff, Exit::Done),
        Err(_) => Exit::Defect,
    }
}
