//! `inspect REF`: what a reference is.

use super::output;
use super::session::Session;
use crate::error::Exit;
use crate::inputs::Context;
use crate::inspect::json::Document;
use crate::inspect::text;
use crate::inspect::{self, Inside};
use crate::oci::{Content, Platform};
use crate::pipeline::progress::Progress;
use crate::text::style::Style;
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::{self, IsTerminal as _};
use std::time::SystemTime;
use tracing::warn;

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("inspect")
        .about("Describe an image, an index and its entries, or an artifact")
        .arg(Arg::new("REF").required(true).help("reference to describe, with a tag [latest] or a digest"))
        .arg(Arg::new("raw").long("raw").action(ArgAction::SetTrue).conflicts_with("json").help("print the manifest, byte for byte"))
        .arg(Arg::new("sizes").long("sizes").action(ArgAction::SetTrue).conflicts_with("raw").help("read the entries of an index, too: download size, creation time, provenance or SBOM [as text on a terminal]"))
        .arg(Arg::new("referrers").long("referrers").action(ArgAction::SetTrue).conflicts_with("raw").help("show also what refers to it and to its entries: signatures, SBOMs and others; none is verified"))
        .arg(
            Arg::new("platform")
                .long("platform")
                .value_name("PLATFORM")
                .value_parser(ValueParser::new(|text: &str| text.parse::<Platform>()))
                .help("show the entry for this platform (linux/arm64 also matches linux/arm64/v8)"),
        )
        .after_help(
            "Examples:\n  manifest-action inspect ghcr.io/acme/app:1.2\n  manifest-action inspect ghcr.io/acme/app:1.2 --platform linux/arm64\n  manifest-action inspect ghcr.io/acme/app:1.2 --raw\n  manifest-action inspect ghcr.io/acme/app:1.2 --json --sizes\n  manifest-action inspect ghcr.io/acme/app:1.2 --referrers",
        )
}

/// Reads it and prints what it is.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    look(flags, context).await.unwrap_or_else(|exit| exit)
}

async fn look(flags: &ArgMatches, context: &Context<'_>) -> Result<Exit, Exit> {
    let asked = flags.get_one::<String>("REF").map(String::as_str).unwrap_or_default();
    let (session, references) = Session::open(flags, context, &[("REF", asked)], false)?;
    let Some(reference) = references.first() else { return Err(Exit::Defect) };
    let platform = flags.get_one::<Platform>("platform");
    let progress = Progress::default();
    if flags.get_flag("raw") {
        let read = async {
            let manifest = inspect::manifest(&session.registry, reference).await?;
            match (&manifest.content, platform) {
                (Content::Index(index), Some(platform)) => {
                    inspect::child(&session.registry, reference, index, platform)
                        .await
                        .map(|(_, _, child)| child)
                }
                (Content::Image(_), Some(_)) => {
                    Ok(inspect::read(&session.registry, reference, platform, false).await?.manifest)
                }
                (_, None) => Ok(manifest),
            }
        };
        let manifest = session.finish(&progress, read).await?;
        return Ok(output::bytes(&manifest.bytes, Exit::Done));
    }
    // Who reads on a terminal has the time; programs ask for what costs more.
    let sizes = flags.get_flag("sizes") || (!session.json && io::stdout().is_terminal());
    let read = async {
        let mut inspected = inspect::read(&session.registry, reference, platform, sizes).await?;
        if flags.get_flag("referrers") {
            inspected.referrers = Some(inspected.referrers(&session.registry).await?);
        }
        Ok(inspected)
    };
    let inspected = session.finish(&progress, read).await?;
    if let Inside::Index(entries) = &inspected.inside {
        for entry in entries {
            if let Some(why) = entry.problem() {
                warn!("entry {} was not read: {why}", entry.descriptor.digest);
            }
        }
    }
    if session.json {
        return Ok(session.print_json(&Document::of(&inspected), Exit::Done));
    }
    let page = text::text(&inspected, Style::of_stdout(context.environment), SystemTime::now());
    Ok(output::text(&page, Exit::Done, context.secrets))
}
