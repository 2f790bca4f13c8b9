//! Completion scripts: clap's own, and what its generators lack.

use super::shell::NAME;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

/// clap's script, with what its generators lack.
pub(super) fn script(shell: Option<&str>) -> String {
    let mut all = super::command();
    let commands: Vec<String> =
        all.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    all = all.mut_subcommand("man", |man| {
        man.mut_arg("COMMAND", |arg| arg.value_parser(PossibleValuesParser::new(commands)))
    });
    let generated = |shell: Shell, mut all: Command, name: &str| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut all, name, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    };
    let switches: Vec<String> = switches(&all);
    match shell {
        Some("zsh") => {
            let mut script = generated(Shell::Zsh, all, NAME);
            for name in switches {
                // `=-`: the value is in the same word.
                script = script.replace(&format!("--{name}=["), &format!("--{name}=-["));
            }
            script
        }
        Some("fish") => {
            let arguments = fish_arguments(&all);
            let lines = generated(Shell::Fish, all, NAME);
            // `-r` would let the value be the next word too.
            let mended = lines.lines().map(|line| {
                let is_switch = switches.iter().any(|name| line.contains(&format!(" -l {name} ")));
                let line = if is_switch {
                    line.replacen(" -r -f -a", " -f -a", 1)
                } else {
                    line.to_owned()
                };
                format!("{line}\n")
            });
            mended.chain([arguments]).collect()
        }
        _ => {
            // The generator replaces dashes differently in two places, and then finds no command of
            // a program that has one in its name.
            let plain = NAME.replace('-', "_");
            let script = generated(Shell::Bash, all, &plain);
            script
                .replace(&format!("-o default {plain}\n"), &format!("-o default {NAME}\n"))
                .replacen("    prev=\"$3\"\n", &bash_values(&switches), 1)
        }
    }
}

/// The words of arguments without a flag, which the generator for fish leaves out.
fn fish_arguments(all: &Command) -> String {
    let mut lines = String::new();
    for command in all.get_subcommands() {
        let values = command.get_positionals().flat_map(Arg::get_possible_values);
        let words: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        if !words.is_empty() {
            lines += &format!(
                "complete -c {NAME} -n \"__fish_manifest_action_using_subcommand {}\" -f -a \"{}\"\n",
                command.get_name(),
                words.join(" ")
            );
        }
    }
    lines
}

/// The flags whose value can only follow `=`.
fn switches(all: &Command) -> Vec<String> {
    let commands = all.get_subcommands().flat_map(Command::get_arguments);
    let switches = commands.filter(|arg| arg.is_require_equals_set());
    let names = switches.filter_map(|arg| arg.get_long_and_visible_aliases());
    names.flatten().map(str::to_owned).collect()
}

/// bash splits words at `=`, so that the flag is one or two words back.
fn bash_values(switches: &[String]) -> String {
    let switches: Vec<String> = switches.iter().map(|name| format!("--{name}")).collect();
    format!(
        r#"    prev="$3"
    if [[ $prev == "=" ]]; then
        prev="${{COMP_WORDS[COMP_CWORD-2]}}"
    elif [[ ${{COMP_WORDS[COMP_CWORD]}} == "=" ]]; then
        cur=""
    else
        case "$prev" in
            {}) prev="" ;;
        esac
    fi
"#,
        switches.join("|")
    )
}
