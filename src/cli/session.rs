//! What commands on what is already in a registry share: the console, the log, the way to registries.

use crate::error::{Error, Exit};
use crate::inputs::{Environment, Problems, env};
use crate::oci::{Reference, Repository};
use crate::registry::Registry;
use crate::report::console::{Console, Reader, Stream};
use crate::{logging, plan};
use clap::ArgMatches;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// Ready to ask.
#[derive(Debug)]
pub(super) struct Session {
    /// The registries, with the logins of flags and files.
    pub(super) registry: Registry,
    /// The story, on stderr.
    pub(super) console: Arc<Console>,
    /// Whether the result is wanted in JSON.
    pub(super) json: bool,
}

impl Session {
    /// Reads the references (each with its flag or argument's name) and opens the way to their registries; all that is
    /// wrong is told at once. `writable`: what will be pushed to.
    pub(super) fn open(
        flags: &ArgMatches,
        environment: &Environment,
        folder: &Path,
        references: &[(&'static str, &str)],
        writes: bool,
    ) -> Result<(Self, Vec<Reference>), Exit> {
        let console = Arc::new(Console::new(Reader::Plain, Stream::Stderr));
        let mut problems = Problems::default();
        let mut warnings = Vec::new();
        let inputs = env::from_pairs(super::global_pairs(flags, &mut problems).into_iter(), &mut problems);
        let level = plan::log_level(&inputs, environment, &mut problems);
        let parsed: Vec<Reference> = references
            .iter()
            .filter_map(|(name, text)| {
                problems.take(name, None, text.parse::<Reference>().map_err(|why| format!("{text}: {why}")))
            })
            .map(Reference::or_latest)
            .collect();
        let first_host = parsed.first().map(|reference| reference.repository.host());
        let writable: HashSet<Repository> =
            if writes { parsed.iter().map(|reference| reference.repository.clone()).collect() } else { HashSet::new() };
        let settings = plan::settings(&inputs, environment, folder, first_host, writable, &mut problems, &mut warnings);
        if !problems.0.is_empty() {
            let details = problems.0.iter().map(ToString::to_string).collect();
            return Err(fail(
                &console,
                &Error::new(Exit::Inputs, "the arguments are wrong; nothing was contacted").with_details(details),
            ));
        }
        logging::init(Arc::clone(&console), level).map_err(|error| fail(&console, &Error::defect(error)))?;
        for warning in warnings {
            warn!("{warning}");
        }
        let registry = Registry::new(settings).map_err(|error| fail(&console, &Error::defect(error)))?;
        Ok((Self { registry, console, json: flags.get_flag("json") }, parsed))
    }

    /// Tells a failure; its exit status.
    pub(super) fn fail(&self, error: &Error) -> Exit {
        fail(&self.console, error)
    }
}

fn fail(console: &Console, error: &Error) -> Exit {
    console.failure(error);
    error.exit
}
