//! `diff A B`: two references, entry by entry.

use super::output;
use super::session::Session;
use crate::entries::diff;
use crate::error::{Error, Exit};
use crate::inputs::Context;
use crate::inspect;
use crate::inspect::comparison::{Comparison, Side};
use crate::oci::{Content, Platform, Reference};
use crate::pipeline::progress::Progress;
use crate::text::style::Style;
use clap::{Arg, ArgMatches, Command};

/// The command.
pub(super) fn command() -> Command {
    Command::new("diff")
        .about("Compare two references entry by entry; exit status 1 if they differ")
        .arg(Arg::new("A").required(true).help("old reference"))
        .arg(Arg::new("B").required(true).help("new reference"))
        .after_help("Examples:\n  manifest-action diff ghcr.io/acme/app:1.2 ghcr.io/acme/app:latest\n  manifest-action diff ghcr.io/acme/app:1.2 ghcr.io/acme/app:latest --json")
}

/// Reads both and prints what differs.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    compare(flags, context).await.unwrap_or_else(|exit| exit)
}

async fn compare(flags: &ArgMatches, context: &Context<'_>) -> Result<Exit, Exit> {
    let asked = |name: &str| flags.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let both = [("A", asked("A")), ("B", asked("B"))];
    let (session, references) = Session::open(flags, context, &both, false)?;
    let [old, new] = references.as_slice() else { return Err(Exit::Defect) };
    let read = async { tokio::try_join!(side(&session, old), side(&session, new)) };
    let (old, new) = session.finish(&Progress::default(), read).await?;
    let comparison = Comparison::of(old, new);
    let exit = if comparison.same() { Exit::Done } else { Exit::Different };
    if session.json {
        return Ok(session.print_json(&comparison.document(), exit));
    }
    let page = comparison.text(Style::of_stdout(context.environment));
    Ok(output::text(&page, exit, context.secrets))
}

async fn side(session: &Session, reference: &Reference) -> Result<Side, Error> {
    let manifest = inspect::manifest(&session.registry, reference).await?;
    let mut entries = diff::entries_of(&manifest);
    if let (Content::Image(image), [entry]) = (&manifest.content, entries.as_mut_slice()) {
        // So that it is held against the right entry of a list.
        let image = inspect::image(&session.registry, reference, image).await?;
        entry.platform = image.platform.as_ref().map(Platform::normalized);
    }
    Ok(Side::new(reference.clone(), &manifest, entries))
}
