//! `copy SOURCE LIST…`: one image, index or artifact as it is, under other names: `create` with one source and
//! `--prefer-index=false`.

use super::create::{self, flag};
use crate::app::{self, Ended, Invocation};
use crate::error::Exit;
use crate::inputs::table::{INPUTS, names};
use crate::inputs::{Asked, Context, Findings, values};
use crate::oci::in_file::{self, Parts};
use crate::oci::{Form, Reference};
use crate::pipeline::outcome::Report;
use crate::signals::Signals;
use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Command};
use std::path::Path;

/// The inputs that are flags of it.
const FLAGS: [&str; 13] = [
    names::platforms,
    names::platform_tags,
    names::overwrite,
    names::referrers,
    names::wait,
    names::wait_interval,
    names::dry_run,
    names::registry,
    names::credentials,
    names::docker_config,
    names::insecure_registries,
    names::concurrency,
    names::log_level,
];

/// The command and its flags.
pub(super) fn command() -> Command {
    let flags = INPUTS.iter().filter(|input| FLAGS.contains(&input.name)).map(flag);
    Command::new("copy")
        .about("Copy an image, index or artifact as it is, and print LIST@DIGEST of each")
        .arg(
            Arg::new("SOURCE")
                .required(true)
                .value_parser(ValueParser::new(source))
                .help("image, index or artifact to copy: a reference, oci:FOLDER, oci-archive:FILE or docker-archive:FILE"),
        )
        .arg(
            Arg::new("LIST")
                .required(true)
                .num_args(1..)
                .help("where to: references including the tag, oci-archive:FILE or oci:FOLDER, with :NAME"),
        )
        .args(flags)
        .mut_arg(names::platforms, |arg| {
            arg.help("copy only these platforms of an index, which makes a new index")
        })
        .mut_arg(names::wait, |arg| arg.help("how long to wait for the source; 0 checks once [0]"))
        .mut_arg(names::wait_interval, |arg| arg.help("longest pause between two checks of it [10s]"))
        .after_help("The digest stays the same. No tag moves until all registries have everything.\n\nExamples:\n  manifest-action copy ghcr.io/acme/app:1.2 ghcr.io/acme/app:stable\n  manifest-action copy ghcr.io/acme/app:1.2 registry.example:5000/acme/app:1.2 \\\n      registry.example:5000/acme/app:latest\n  manifest-action copy --referrers leave ghcr.io/acme/chart:1.2 registry.example:5000/acme/chart:1.2")
}

/// One reference: two would be combined.
fn source(text: &str) -> Result<Reference, String> {
    if let Some((form, path)) = in_file::split(text).and_then(|(form, rest)| {
        let path = in_file::parts(rest).ok()?.path;
        (in_file::is_pattern(path) && !Path::new(path).exists()).then_some((form, path))
    }) {
        return Err(format!("it must be one file, not a pattern: {}:{path}", form.word()));
    }
    in_file::source(text).map_err(|why| {
        format!(
            "{why}; it must be one reference or file, such as ghcr.io/acme/app:1.2 or \
             oci-archive:app.tar"
        )
    })
}

/// The names to publish it at: a file without a name of its own gets the source's.
fn lists(flags: &ArgMatches) -> Option<String> {
    let tag = flags.get_one::<Reference>("SOURCE").and_then(|source| source.tag.clone());
    let named = |list: &str| match (in_file::split(list), &tag) {
        (Some((Form::Oci | Form::OciArchive, rest)), Some(tag)) => match in_file::parts(rest) {
            Ok(Parts { name: None, digest: None, .. }) => format!("{list}:{tag}"),
            _ => list.to_owned(),
        },
        _ => list.to_owned(),
    };
    let lists = super::joined(flags, "LIST")?;
    Some(lists.lines().map(|list| named(list.trim())).collect::<Vec<_>>().join("\n"))
}

/// Copies it and prints its names.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    // From before standard input is waited for.
    let signals = Signals::listen();
    let mut findings = Findings::default();
    let (source, part) = sources(flags);
    let own = [
        (names::tags, lists(flags)),
        (names::sources, Some(source)),
        (names::prefer_index, Some("false".to_owned())),
    ];
    let pairs = create::pairs(flags, &mut findings, &own);
    let waits = pairs.iter().any(|(name, value)| {
        name == names::wait && values::duration(value).is_ok_and(|wait| !wait.is_zero())
    });
    let mut invocation = Invocation { signals, ..Invocation::create(pairs, findings, *context) };
    invocation.asked = Asked { called, is_copy: true, ..super::ASKED };
    invocation.findings.warnings.extend(super::visible_secrets(flags));
    invocation.findings.warnings.extend(part);
    let console = invocation.console.clone();
    let mut ended = app::compose_lists(invocation).await;
    if !waits {
        not_found(&mut ended);
    }
    let all = |report: &Report| {
        let tags = report.tags.iter().filter(|tag| tag.own.is_none());
        tags.map(|tag| create::pinned(report, tag)).collect()
    };
    create::print(&ended, flags.get_flag("json"), &console, all)
}

/// The source for each platform that is to be copied, else as it is; and what the user should hear
/// of a part.
fn sources(flags: &ArgMatches) -> (String, Option<String>) {
    let source = flags.get_one::<Reference>("SOURCE").map(ToString::to_string).unwrap_or_default();
    let platforms = super::joined(flags, names::platforms).unwrap_or_default();
    let platforms: Vec<&str> = super::items(&platforms).collect();
    if platforms.is_empty() {
        return (source, None);
    }
    let part = format!(
        "only {} of {source}: a part of an index is a new index, with another digest",
        platforms.join(", ")
    );
    let sources: Vec<String> =
        platforms.iter().map(|platform| format!("{platform}={source}")).collect();
    (sources.join("\n"), Some(part))
}

/// Nothing is waited for, so an image that does not exist is a wrong name and not a late one.
fn not_found(ended: &mut Ended) {
    for list in &mut ended.run.lists {
        if let Err(error) = &mut list.ended
            && error.exit == Exit::NotArrived
        {
            error.exit = Exit::Registry;
        }
    }
    if ended.exit == Exit::NotArrived {
        ended.exit = Exit::Registry;
    }
}

/// What an input is called on this command line.
fn called(name: &str, line: Option<usize>) -> String {
    match (name, line) {
        (names::tags, Some(line)) => format!("LIST {line}"),
        (names::tags, None) => "LIST".to_owned(),
        (names::sources, _) => "SOURCE".to_owned(),
        _ => super::called(name, line),
    }
}
