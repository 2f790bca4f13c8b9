//! What commands on what is already in a registry share: the console, the log, the way to
//! registries.

use super::output;
use crate::console::Console;
use crate::console::log;
use crate::error::{Error, Exit};
use crate::inputs::table::{RawInputs, names};
use crate::inputs::{Asked, Context, Findings, env};
use crate::oci::reference::target;
use crate::oci::{Reference, in_file};
use crate::panics;
use crate::pipeline::progress::Progress;
use crate::plan;
use crate::registry::{Registry, Settings};
use crate::report::json;
use crate::signals::Signals;
use clap::ArgMatches;
use serde::Serialize;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use tracing::warn;

/// The argument that names the list to change.
pub(super) const LIST: &str = "LIST";
/// Why an image in a file is none that another command can mean.
pub(super) const FILES: &str = "only create and copy take files";

/// Arguments of a command that has the flags of all, and not one for each input.
const ASKED: Asked = Asked { called, ..super::ASKED };

fn called(name: &str, line: Option<usize>) -> String {
    match name {
        names::docker_config => super::called_flag("cfg", line),
        names::insecure_registries => super::called_flag("insecure", line),
        _ => super::called(name, line),
    }
}

/// Ready to ask.
#[derive(Debug)]
pub(super) struct Session {
    /// The registries, with the logins of flags and files.
    pub(super) registry: Registry,
    /// The log, on stderr.
    pub(super) console: Arc<Console>,
    /// Whether the result is wanted in JSON.
    pub(super) json: bool,
    /// Requests in flight at once.
    pub(super) concurrency: usize,
    signals: Signals,
}

impl Session {
    /// Reads the references (each with its flag or argument's name) and opens the way to their
    /// registries; all problems are told together. `writes`: whether they will be pushed to.
    pub(super) fn open(
        flags: &ArgMatches,
        context: &Context<'_>,
        references: &[(&'static str, &str)],
        writes: bool,
    ) -> Result<(Self, Vec<Reference>), Exit> {
        Self::with_inputs(flags, context, Vec::new(), |inputs, findings| {
            let parsed = parsed(references, findings);
            let first_host = parsed.first().map(|reference| reference.repository.host());
            let written = parsed.iter().filter(|_| writes);
            let writable =
                written.map(|reference| (reference.repository.clone(), BTreeSet::new())).collect();
            let settings = plan::settings(inputs, context, first_host, writable, findings);
            (settings, parsed)
        })
    }

    /// The same for a command with inputs of its own, as pairs of input and value. `plan`: what to
    /// do, and how registries are reached.
    pub(super) fn with_inputs<T>(
        flags: &ArgMatches,
        context: &Context<'_>,
        own: Vec<(String, String)>,
        plan: impl FnOnce(&RawInputs, &mut Findings) -> (Settings, T),
    ) -> Result<(Self, T), Exit> {
        let signals = Signals::listen();
        let console = Console::of_command(context);
        let json = flags.get_flag("json");
        let mut findings = Findings::default();
        findings.warnings.extend(super::visible_secrets(flags));
        let pairs = super::global_pairs(flags, &mut findings).into_iter().chain(own);
        let inputs = env::from_pairs(pairs, &mut findings);
        let level = plan::log_level(&inputs, context.environment, &mut findings);
        let (settings, planned) = plan(&inputs, &mut findings);
        if !findings.problems.is_empty() {
            let error = plan::refused(ASKED, &findings.problems);
            return Err(fail(&console, json, &error));
        }
        log::start(&console, level);
        for warning in findings.warnings {
            warn!("{warning}");
        }
        let concurrency = settings.concurrency;
        let registry =
            Registry::new(settings).map_err(|error| fail(&console, json, &Error::defect(error)))?;
        Ok((Self { registry, console, json, concurrency, signals }, planned))
    }

    /// Does the work until it ends or a signal comes; tells a failure.
    pub(super) async fn finish<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Exit> {
        // In a box, or the compiler gives up on how deep futures are nested.
        let ended = self.until_stopped(progress, Box::pin(work)).await;
        self.console.bar("");
        ended.map_err(|error| self.fail(&error))
    }

    /// The same, and a failure is for the caller to tell.
    pub(super) async fn until_stopped<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let working = async {
            tokio::select! {
                ended = work => ended,
                stopped = self.signals.stopped() => Err(stopped.error(progress)),
            }
        };
        let left_undone = |bug: Error| bug.with_details(vec![progress.left_undone()]);
        panics::caught(working).await.map_err(left_undone).flatten()
    }

    /// Prints the result as JSON.
    pub(super) fn print_json(&self, document: &impl Serialize, exit: Exit) -> Exit {
        output::json(document, exit, self.console.secrets())
    }

    /// Tells a failure, with `--json` also on stdout; its exit status.
    pub(super) fn fail(&self, error: &Error) -> Exit {
        fail(&self.console, self.json, error)
    }
}

/// The values of an argument, each with its name.
pub(super) fn given<'f>(flags: &'f ArgMatches, name: &'static str) -> Vec<(&'static str, &'f str)> {
    let values = flags.get_many::<String>(name).into_iter().flatten();
    values.map(|text| (name, text.as_str())).collect()
}

/// References, each with its flag or argument's name.
pub(super) fn parsed(
    references: &[(&'static str, &str)],
    findings: &mut Findings,
) -> Vec<Reference> {
    let mut take =
        |(name, text): &(&'static str, &str)| findings.take(name, None, parse(name, text.trim()));
    references.iter().filter_map(&mut take).collect()
}

/// A reference; one that is written to is complete.
fn parse(name: &str, text: &str) -> Result<Reference, String> {
    if in_file::split(text).is_some() {
        return Err(format!("{text}: {FILES}; to publish it: manifest-action copy {text} LIST"));
    }
    if name == LIST {
        return target(text, None);
    }
    text.parse().map(Reference::or_latest).map_err(|why| format!("{text}: {why}"))
}

/// Tells a failure, with `--json` also on stdout; its exit status.
pub(super) fn fail(console: &Console, as_json: bool, error: &Error) -> Exit {
    console.failure(error);
    if as_json {
        let warnings = console.warnings();
        let document = json::failure(error, console.audience(), &warnings);
        return output::json(&document, error.exit, console.secrets());
    }
    error.exit
}
