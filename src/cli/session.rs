//! What commands on what is already in a registry share: the console, the log, the way to registries.

use crate::advice::{Access, Surroundings};
use crate::compose::{self, Composed};
use crate::edit::{self, Base, Edited, Moved, Named};
use crate::error::{Error, Exit};
use crate::inputs::{Environment, Problems, env};
use crate::oci::{Descriptor, Digest, Platform, Reference, Repository};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::report::console::{Console, Reader, Stream};
use crate::{logging, plan, signals};
use clap::ArgMatches;
use serde_json::json;
use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// An entry as the user names it: a digest, a platform, or a reference to the image.
pub(super) async fn named(session: &Session, list: &Reference, text: &str) -> Result<Named, Error> {
    if let Ok(digest) = text.parse::<Digest>() {
        return Ok(Named::Digest(digest.to_string()));
    }
    // `linux/amd64` could be a repository of Docker Hub, too; nobody means that here.
    if let Ok(platform) = text.parse::<Platform>()
        && platform.is_usual()
    {
        return Ok(Named::Platform(platform));
    }
    let wrong = |why: String| Error::new(Exit::Inputs, format!("{text} names no entry of {list}: {why}"));
    let reference = text
        .parse::<Reference>()
        .map_err(|why| wrong(format!("it is no digest, no platform and no reference ({why})")))?
        .or_latest();
    if let Some(digest) = reference.digest {
        return Ok(Named::Digest(digest.to_string()));
    }
    let surroundings = Surroundings { helper: session.registry.helper(reference.repository.host()), ..Surroundings::default() };
    let head = session.registry.look(&reference, None).await;
    head.map(|head| Named::Digest(head.digest.to_string()))
        .map_err(|error| Error::of_registry(&error, &format!("read {reference}"), Access::Pull, &surroundings))
}

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

    /// Changes the entries of the list that a tag holds, and prints what it holds then.
    pub(super) async fn edit(
        &self,
        list: &Reference,
        moved: Moved,
        change: impl Fn(&Base) -> Result<Vec<Descriptor>, Error>,
    ) -> Exit {
        let plan = Plan::edit(list);
        let progress = Progress::default();
        progress.start(&plan.targets);
        let surroundings = Surroundings::default();
        let compose =
            |base: &Base| match (&base.manifest, base.index()) {
                (Some(_), Some(_)) => compose::onto(&plan, base, change(base)?),
                (None, _) => Err(Error::new(Exit::Registry, format!("{list} is not there"))
                    .with_fix("check its name; `create` makes a new list")),
                (Some(_), None) => {
                    Err(Error::refused(format!("{list} is one image, no list")).with_fix("`create` makes a list of images"))
                }
            };
        let edited = tokio::select! {
            edited = edit::until_settled(&self.registry, &plan, &surroundings, &progress, moved, compose) => edited,
            stopped = signals::stopped() => Err(stopped.error(&progress)),
        };
        match edited {
            Ok(Edited { composed, changed, .. }) => self.print(list, &composed, changed),
            Err(error) => self.fail(&error),
        }
    }

    fn print(&self, list: &Reference, composed: &Composed, changed: bool) -> Exit {
        let image = format!("{list}@{}", composed.digest);
        let mut out = io::stdout().lock();
        let written = if self.json {
            let document = json!({"version": 1, "image": image, "digest": composed.digest, "mediaType": composed.media_type, "size": composed.bytes.len(), "changed": changed});
            writeln!(out, "{document:#}")
        } else {
            writeln!(out, "{image}")
        };
        if written.and_then(|()| out.flush()).is_ok() { Exit::Done } else { Exit::Partial }
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
