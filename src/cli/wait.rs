//! `wait REF…`: until all of them are there, complete.

use super::output;
use super::session::{self, Session};
use crate::error::{Error, Exit};
use crate::inputs::table::{default_of, names};
use crate::inputs::{Context, slips, values};
use crate::oci::{Descriptor, Digest, Reference};
use crate::pipeline::progress::Progress;
use crate::pipeline::resolve::arrived::Arrived;
use crate::pipeline::resolve::table;
use crate::pipeline::resolve::{self, Resolved};
use crate::pipeline::together::Seat;
use crate::pipeline::work::Work;
use crate::plan::{self, Labels, Plan};
use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use std::time::Duration;

/// The command and its flags.
pub(super) fn command() -> Command {
    Command::new("wait")
        .about("Wait until all images exist, and print REF@DIGEST; exit status 3 if one does not")
        .arg(Arg::new("REF").required(true).num_args(1..).help("images or indexes to wait for"))
        .arg(duration(names::wait, values::duration).help("how long to wait for all images; 0 checks once"))
        .arg(duration(names::wait_interval, plan::pause).help("longest pause between two checks of an image"))
        .arg(
            Arg::new(names::expect_labels)
                .long(names::expect_labels)
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .value_parser(ValueParser::new(label))
                .help("label every image must have; an image with another value counts as not arrived"),
        )
        .after_help("Example:\n  manifest-action wait --wait 5m ghcr.io/acme/app:1.2-amd64 \\\n      ghcr.io/acme/app:1.2-arm64")
}

fn duration(name: &'static str, parse: fn(&str) -> Result<Duration, String>) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("DURATION")
        .default_value(default_of(name))
        .value_parser(ValueParser::new(parse))
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = slips::pair(text)?;
    if value.is_empty() { Err(format!("{key} has no value")) } else { Ok((key, value)) }
}

/// Waits and prints.
pub(super) async fn run(flags: &ArgMatches, context: &Context<'_>) -> Exit {
    wait(flags, context).await.unwrap_or_else(|exit| exit)
}

async fn wait(flags: &ArgMatches, context: &Context<'_>) -> Result<Exit, Exit> {
    let asked = session::given(flags, "REF");
    let (session, references) = Session::open(flags, context, &asked, false)?;
    let span = |name: &str| flags.get_one::<Duration>(name).copied().unwrap_or_default();
    let mut labels = Labels::new();
    for (key, value) in
        flags.get_many::<(String, String)>(names::expect_labels).into_iter().flatten()
    {
        if labels.insert(key.clone(), value.clone()).is_some_and(|other| other != *value) {
            let error = Error::new(
                Exit::Inputs,
                format!("--expect-labels: {key} has two values; nothing was sent to a registry"),
            );
            return Err(session.fail(&error));
        }
    }
    let is_asked = flags.value_source(names::wait) == Some(ValueSource::CommandLine);
    let wait = is_asked.then(|| span(names::wait));
    let plan = Plan::to_wait_for(&references, wait, span(names::wait_interval), labels);
    let (progress, seat) = (Progress::default(), Seat::alone());
    let console = Some(&*session.console);
    let (plan, progress, seat) = (&plan, &progress, &seat);
    let work = Work { registry: &session.registry, plan, progress, seat, console };
    let waiting = table::shown(console, progress, plan.wait, resolve::sources(&work, None));
    let resolved = session.finish(progress, waiting).await?;
    if session.json {
        return Ok(session.print_json(&Document::of(&resolved), Exit::Done));
    }
    let lines: String =
        resolved.arrived.iter().map(|arrived| format!("{}\n", pinned(arrived))).collect();
    Ok(output::bytes(lines.as_bytes(), Exit::Done))
}

fn pinned(arrived: &Arrived) -> Reference {
    Reference { digest: Some(arrived.manifest.digest.clone()), ..arrived.source.reference.clone() }
}

/// What arrived, in JSON, version 1; `docs/report-json.md` describes it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u8,
    images: Vec<Image<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Image<'a> {
    reference: &'a str,
    image: String,
    media_type: &'a str,
    digest: &'a Digest,
    platforms: Vec<String>,
    arrived_after_seconds: Option<f64>,
}

impl<'a> Document<'a> {
    fn of(resolved: &'a Resolved) -> Self {
        Self { version: 1, images: resolved.arrived.iter().map(Image::of).collect() }
    }
}

impl<'a> Image<'a> {
    fn of(arrived: &'a Arrived) -> Self {
        let platforms = arrived.entries.iter().filter_map(Descriptor::known_platform);
        Self {
            reference: &arrived.source.name,
            image: pinned(arrived).to_string(),
            media_type: &arrived.manifest.media_type,
            digest: &arrived.manifest.digest,
            platforms: platforms.map(ToString::to_string).collect(),
            arrived_after_seconds: arrived.after.map(|after| after.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::documented::{fields, paths};

    #[test]
    fn every_field_is_documented_and_the_other_way_round() {
        let image = Image {
            reference: "",
            image: String::new(),
            media_type: "",
            digest: &Digest::of(b""),
            platforms: vec!["linux/amd64".to_owned()],
            arrived_after_seconds: Some(1.5),
        };
        let document = Document { version: 1, images: vec![image] };
        assert_eq!(
            paths(&serde_json::to_value(document).unwrap()),
            fields(include_str!("../../docs/report-json.md"), &["## Of `wait`"])
        );
    }
}
