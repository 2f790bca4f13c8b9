//! `remove LIST PLATFORM|DIGEST…`: takes entries out of a list in the registry.

use super::edit::named;
use super::session::{LIST, Session};
use crate::entries::{Named, change};
use crate::error::Exit;
use crate::inputs::Context;
use crate::pipeline::edit::Moved;
use crate::pipeline::targets::Base;
use clap::{Arg, ArgMatches, Command};
use std::cell::Cell;

/// The command and its arguments.
pub(super) fn command() -> Command {
    Command::new("remove")
        .about("Remove entries and their attestations from an index, and print LIST@DIGEST")
        .arg(Arg::new(LIST).required(true).help("reference of the index, including the tag"))
        .arg(
            Arg::new("ENTRY")
                .required(true)
                .num_args(1..)
                .help("platform, digest or reference of an entry"),
        )
        .after_help("Example:\n  manifest-action remove ghcr.io/acme/app:1.2 linux/arm64")
}

/// Removes the entries.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    let text = |name: &str| flags.get_one::<String>(name).map_or("", String::as_str);
    let opened = Session::open(flags, context, &[(LIST, text(LIST))], true);
    let (session, references) = match opened {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let Some(list) = references.first() else { return Exit::Inputs };
    let mut entries: Vec<Named> = Vec::new();
    for entry in flags.get_many::<String>("ENTRY").into_iter().flatten() {
        match named(&session, list, entry).await {
            Ok(named) => entries.push(named),
            Err(error) => return session.fail(&error),
        }
    }
    // After the first round an entry may be gone because we removed it.
    let again = Cell::new(false);
    let apply = |base: &Base| {
        change::remove(&list.to_string(), &base.entries, &entries, again.replace(true))
    };
    session.edit(list, Moved::Merge, apply).await
}
