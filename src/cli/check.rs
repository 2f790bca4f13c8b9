//! `check REF…`: whether what was published is still whole.

use super::output;
use super::session::{self, Session};
use crate::error::{Error, Exit};
use crate::inputs::table::names;
use crate::inputs::{Context, Findings};
use crate::inspect::whole::report::Document;
use crate::inspect::whole::{Check, Outcome};
use crate::join;
use crate::pipeline::progress::Progress;
use crate::plan;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Indexes that are checked at once: each holds its manifests in memory.
const MOST_INDEXES: usize = 8;

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("check")
        .about("Check that published images and indexes are still whole; exit status 5 if not")
        .arg(
            Arg::new("REF")
                .required_unless_present(names::spec)
                .conflicts_with(names::spec)
                .num_args(1..)
                .help("images or indexes to check"),
        )
        .arg(
            Arg::new(names::platforms)
                .long(names::platforms)
                .value_name("LINE")
                .action(ArgAction::Append)
                .help("the exact platforms it must have [whatever it has]"),
        )
        .arg(
            Arg::new(names::spec)
                .long(names::spec)
                .value_name("FILE")
                .help("YAML file that describes the indexes that were published: its tags, platform-tags and platforms"),
        )
        .arg(Arg::new("referrers").long("referrers").action(ArgAction::SetTrue).help("check also what refers to them and to their entries: signatures, SBOMs and others"))
        .after_help("Whole: every entry, config, layer and attestation exists, with the size that is stated.\nManifests are read, blobs are only looked up.\n\nExamples:\n  manifest-action check ghcr.io/acme/app:1.2 ghcr.io/acme/app:latest\n  manifest-action check ghcr.io/acme/app:1.2 --platforms linux/amd64,linux/arm64\n  manifest-action check --spec indexes.yaml\n  manifest-action check --spec indexes.yaml --referrers")
}

/// Checks all and prints a line for each reference.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    check(flags, context).await.unwrap_or_else(|exit| exit)
}

async fn check(flags: &ArgMatches, context: &Context<'_>) -> Result<Exit, Exit> {
    let asked = session::given(flags, "REF");
    let own = [names::platforms, names::spec]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), super::joined(flags, name)?)));
    let planned = |inputs: &_, findings: &mut Findings| {
        let references = session::parsed(&asked, findings);
        plan::to_check(&references, inputs, context, findings)
    };
    let (session, plans) = Session::with_inputs(flags, context, own.collect(), planned)?;
    let most = session.concurrency;
    let checks = plans.iter().map(|plan| async {
        let check = Check {
            registry: &session.registry,
            most,
            platforms: &plan.platforms,
            platform_tags: &plan.platform_tags,
            referrers: flags.get_flag("referrers"),
        };
        Ok::<_, Error>(check.tags(&plan.targets).await)
    });
    let outcomes = join::within(MOST_INDEXES, checks);
    let outcomes = session.finish(&Progress::default(), outcomes).await?;
    let in_file = asked.is_empty();
    let checked: Vec<(Outcome, Option<Error>)> = outcomes
        .into_iter()
        .flatten()
        .map(|outcome| {
            let error = outcome.error(in_file);
            (outcome, error)
        })
        .collect();
    Ok(tell(&session, &checked))
}

/// Prints the result, and on stderr what is wrong; the highest exit status.
fn tell(session: &Session, checked: &[(Outcome, Option<Error>)]) -> Exit {
    let errors = || checked.iter().filter_map(|(_, error)| error.as_ref());
    for error in errors() {
        session.console.failure(error);
    }
    let exit = errors().map(|error| error.exit).max().unwrap_or(Exit::Done);
    if session.json {
        let warnings = session.console.warnings();
        let document = Document::of(checked, exit, session.console.audience(), &warnings);
        return session.print_json(&document, exit);
    }
    let lines = checked.iter().flat_map(|(outcome, _)| outcome.lines());
    let page: String = lines.map(|line| format!("{line}\n")).collect();
    output::text(&page, exit, session.console.secrets())
}
