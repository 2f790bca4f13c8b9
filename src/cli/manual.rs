//! Manual pages: clap's generator for what it knows, and the sections that readers look for.

use super::help::{EXAMPLES, STATUSES, STEP};
use super::shell::NAME;
use crate::inputs::env;
use crate::inputs::table::INPUTS;
use clap::Command;
use clap_mangen::Man;
use std::io::{self, Write as _};

/// Files that are read or written without being named.
const FILES: [(&str, &str); 4] = [
    ("~/.docker/config.json", "logins of docker login; DOCKER_CONFIG names another folder"),
    (
        "$XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json",
        "logins of podman login and skopeo login; REGISTRY_AUTH_FILE names another file",
    ),
    ("$GITHUB_OUTPUT, $GITHUB_STEP_SUMMARY", "outputs and summary of a step on GitHub Actions"),
    ("manifest.env", "outputs of a job on GitLab"),
];

/// The page of the program or of one of its commands, in roff.
pub(super) fn page(command: Command) -> io::Result<Vec<u8>> {
    let is_program = command.get_name() == NAME;
    let after = if is_program {
        format!("{STEP}\n\n{EXAMPLES}")
    } else {
        command.get_after_help().map(ToString::to_string).unwrap_or_default()
    };
    let has_commands = command.has_subcommands();
    let man = Man::new(command);
    let mut roff = Vec::new();
    man.render_title(&mut roff)?;
    man.render_name_section(&mut roff)?;
    man.render_synopsis_section(&mut roff)?;
    man.render_description_section(&mut roff)?;
    let blocks = || after.split("\n\n");
    for text in blocks().filter(|text| !text.starts_with("Example")) {
        write!(roff, ".PP\n{}", block(text))?;
    }
    man.render_options_section(&mut roff)?;
    if has_commands {
        man.render_subcommands_section(&mut roff)?;
    }
    roff.write_all(terms("EXIT STATUS", STATUSES.into_iter()).as_bytes())?;
    if is_program {
        let variables = INPUTS.iter().map(|input| {
            // The first spelling, with dashes, is for runners: no shell can set it.
            let [_, names @ ..] = env::variables(input.name);
            (names.join(", "), super::described(input.help, input.default))
        });
        let variables: Vec<(String, String)> = variables.collect();
        let variables = variables.iter().map(|(names, help)| (names.as_str(), help.as_str()));
        roff.write_all(terms("ENVIRONMENT", variables).as_bytes())?;
        roff.write_all(terms("FILES", FILES.into_iter()).as_bytes())?;
    }
    for text in blocks().filter(|text| text.starts_with("Example")) {
        let lines = text.split_once('\n').map_or(text, |(_, lines)| lines);
        write!(roff, ".SH EXAMPLES\n{}", as_it_is(lines))?;
    }
    Ok(roff)
}

/// A paragraph; the lines below its first one stay as they are.
fn block(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, lines)) => format!("{}\n{}", escaped(first), as_it_is(lines)),
        None => format!("{}\n", escaped(text)),
    }
}

fn as_it_is(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("{}\n", escaped(line))).collect();
    format!(".nf\n{lines}.fi\n")
}

fn terms<'a>(heading: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let rows = rows.map(|(term, text)| {
        format!(".TP\n\\fB{}\\fR\n{}\n", escaped(term), escaped(&text.replace('`', "")))
    });
    format!(".SH \"{heading}\"\n{}", rows.collect::<String>())
}

/// Text that roff takes for text: no escape, no hyphen that copies as another sign, no request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('~', "\\(ti");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
