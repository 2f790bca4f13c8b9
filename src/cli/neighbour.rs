//! Commands and flags that there are not, and what does it here.

use super::command;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of other tools, or inputs taken for commands, and what does it here.
const ELSEWHERE: [(&str, &str); 10] = [
    ("append", "create LIST SOURCE… --append"),
    ("spec", "create --spec FILE"),
    ("push", "create LIST SOURCE…"),
    ("add", "create LIST SOURCE… --append"),
    ("rm", "remove LIST PLATFORM|DIGEST…"),
    ("tag", "copy SOURCE LIST"),
    ("merge", "create LIST SOURCE…"),
    ("delete", "remove LIST PLATFORM|DIGEST…"),
    ("show", "inspect REF"),
    ("ls", "inspect REF"),
];

/// Flags of other tools, and what does it in the commands that have it.
const OTHER_FLAGS: [(&str, &str); 12] = [
    ("--format", "--json"),
    ("--timeout", "--wait DURATION"),
    ("--output", "--json"),
    ("-o", "--json"),
    ("--verbose", "--debug"),
    ("-v", "--debug"),
    ("--authfile", "--cfg FILE"),
    ("--config", "--cfg DIR"),
    ("--creds", "--username NAME --password-stdin"),
    ("--tls-verify", "--insecure HOST"),
    ("--plain-http", "--insecure HOST"),
    ("--cacert", "--ca-file FILE"),
];

/// What clap says of an unknown command or flag, with the one that was meant as far as that is
/// known. Its own tips go by the spelling alone.
pub(super) fn with_hint(error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand) {
        let elsewhere = ELSEWHERE.iter().find(|(name, _)| name == given).map(|(_, here)| *here);
        let similar = match error.get(ContextKind::SuggestedSubcommand) {
            Some(ContextValue::Strings(names)) => names.first().map(String::as_str),
            _ => None,
        };
        let meant = elsewhere.or(similar).map(|meant| format!(": use `manifest-action {meant}`"));
        let what = format!("{}{}", no_command(given), meant.unwrap_or_default());
        return command().error(ErrorKind::InvalidSubcommand, what);
    }
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(given))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return error;
    };
    let given = given.split('=').next().unwrap_or_default().to_owned();
    if !given.starts_with('-') || !given.contains(|c: char| c.is_ascii_alphanumeric()) {
        return error;
    }
    let mut all = command();
    all.build();
    let usage = usage_of(&error);
    let name = all
        .get_subcommands()
        .map(Command::get_name)
        .find(|name| usage.contains(&format!(" {name} ")))
        .unwrap_or_default()
        .to_owned();
    let parsed = match all.find_subcommand_mut(&name) {
        Some(sub) => sub,
        None => &mut all,
    };
    let what = unknown_flag(&given, parsed, &command());
    parsed.error(ErrorKind::UnknownArgument, what)
}

/// That there is no such command.
pub(super) fn no_command(name: &str) -> String {
    format!("there is no command {name:?}")
}

/// The line of usage that clap shows, which alone tells the command that it parsed.
fn usage_of(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => format!("{usage} "),
        _ => String::new(),
    }
}

fn unknown_flag(given: &str, sub: &Command, all: &Command) -> String {
    let name = sub.get_name();
    let start = format!("`{name}` has no flag {given}");
    let here = OTHER_FLAGS.iter().find(|(flag, here)| {
        *flag == given && here.split(' ').next().is_some_and(|flag| has(sub, flag))
    });
    // Without a command, nothing is known of what somebody wants to do.
    let others: Vec<String> = all
        .get_subcommands()
        .filter(|other| has(other, given))
        .map(|other| format!("`{}`", other.get_name()))
        .collect();
    match here {
        Some((_, here)) if name != all.get_name() || others.is_empty() => {
            return format!("{start}: use {here}");
        }
        _ if !others.is_empty() => return format!("{start}: it is one of {}", others.join(", ")),
        _ => {}
    }
    let distance = |flag: &String| strsim::damerau_levenshtein(given, flag);
    let nearest = flags(sub).filter(|flag| flag.starts_with("--")).min_by_key(distance);
    let nearest = nearest.filter(|flag| distance(flag) <= 2 && given.len() > 4);
    match nearest {
        Some(flag) => format!("{start}: use {flag}"),
        None => start,
    }
}

fn has(command: &Command, flag: &str) -> bool {
    flags(command).any(|known| known == flag)
}

/// The flags of a command, with their dashes.
fn flags(command: &Command) -> impl Iterator<Item = String> {
    command.get_arguments().flat_map(|argument| {
        let long = argument.get_long_and_visible_aliases().into_iter().flatten();
        let short = argument.get_short_and_visible_aliases().into_iter().flatten();
        long.map(|name| format!("--{name}")).chain(short.map(|name| format!("-{name}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_neighbour() {
        for (arguments, expected) in [
            (&["inspect", "a", "--format", "x"][..], "`inspect` has no flag --format: use --json"),
            (
                &["inspect", "a", "--format={{json .}}"],
                "`inspect` has no flag --format: use --json",
            ),
            (&["inspect", "--verbose", "a"], "`inspect` has no flag --verbose: use --debug"),
            (&["create", "a", "b", "--verbose"], "`create` has no flag --verbose: use --debug"),
            (&["wait", "a", "-v"], "`wait` has no flag -v: use --debug"),
            (
                &["wait", "a", "--timeout", "5m"],
                "`wait` has no flag --timeout: use --wait DURATION",
            ),
            (&["inspect", "a", "--timeout", "5m"], "`inspect` has no flag --timeout"),
            (
                &["create", "a", "b", "--tls-verify=false"],
                "`create` has no flag --tls-verify: use --insecure HOST",
            ),
            (
                &["remove", "a", "b", "--dry-run"],
                "`remove` has no flag --dry-run: it is one of `create`, `copy`",
            ),
            (&["diff", "a", "b", "--raw"], "`diff` has no flag --raw: it is one of `inspect`"),
            (&["create", "a", "b", "--fromat", "x"], "`create` has no flag --fromat: use --format"),
            (
                &["--verbose", "inspect", "a"],
                "`manifest-action` has no flag --verbose: use --debug",
            ),
            (&["--tags", "a"], "`manifest-action` has no flag --tags: it is one of `create`"),
            (&["--format", "oci"], "`manifest-action` has no flag --format: it is one of `create`"),
            (&["annotate", "a", "--format", "x"], "`annotate` has no flag --format: use --json"),
            (&["wait", "a", "--wiat", "5m"], "`wait` has no flag --wiat: use --wait"),
            (&["inspect", "a", "-t", "b"], "`inspect` has no flag -t: it is one of `create`"),
            (&["diff", "a", "b", "-x"], "`diff` has no flag -x"),
            (
                &["remove", "a", "b", "--wait", "1m"],
                "`remove` has no flag --wait: it is one of `create`, `wait`, `copy`",
            ),
            (&["man", "--raw"], "`man` has no flag --raw: it is one of `inspect`"),
            (&["diff", "a", "b", "--zzz"], "`diff` has no flag --zzz"),
        ] {
            let arguments = ["manifest-action"].iter().chain(arguments);
            let error = command().try_get_matches_from(arguments).unwrap_err();
            let text = with_hint(error).render().to_string();
            let first = text.lines().next().unwrap_or_default();
            assert_eq!(first, format!("error: {expected}"), "{text}");
        }
    }
}
