//! The files that outputs go to: opened before the first request, written at the end, all of them
//! or none.
//!
//! Our own files are written next to their place and moved there once all are complete, so that a
//! later step never reads a link or a half-written file. The CI system's own files are appended to.

use super::{Ending, github, gitlab, json, outputs, summary};
use crate::error::{Error, Exit};
use crate::inputs::table::{Given, RawInputs};
use crate::inputs::{Context, Environment, set};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tracing::warn;

/// The error when everything was published, but the outputs were not written.
pub(crate) const NOT_WRITTEN: &str = "published, but the outputs could not be written";

#[derive(Debug, Default)]
pub(crate) struct Destinations {
    output: Option<File>,
    summary: Option<File>,
    dotenv: Option<Own>,
    results: Vec<(&'static str, Own)>,
    report: Option<Own>,
}

/// One of our own files, not in its place yet.
#[derive(Debug)]
struct Own {
    place: PathBuf,
    file: NamedTempFile,
}

impl Destinations {
    /// Opens the files that inputs and environment name; relative paths start at `folder`. `step`:
    /// whether to write to the CI system's own files.
    pub(crate) fn open(
        inputs: &RawInputs,
        context: &Context<'_>,
        step: bool,
    ) -> Result<Self, Error> {
        let Context { environment, folder, .. } = *context;
        let on_gitlab = step && set(environment, "GITLAB_CI") == Some("true");
        let dotenv = inputs.dotenv_file().or(on_gitlab.then_some("manifest.env"));
        let own = |input: Given<'_>| {
            let open = |path: &str| {
                Own::open(&folder.join(path)).map_err(|error| cannot_open(input.name, path, &error))
            };
            input.text.map(open).transpose()
        };
        let results_dir = inputs.results_dir();
        let open_results = |path: &str| {
            results(&folder.join(path)).map_err(|error| cannot_open(results_dir.name, path, &error))
        };
        Ok(Self {
            output: if step { append(environment, "GITHUB_OUTPUT")? } else { None },
            summary: if step { append(environment, "GITHUB_STEP_SUMMARY")? } else { None },
            dotenv: own(dotenv)?,
            results: results_dir.text.map(open_results).transpose()?.unwrap_or_default(),
            report: own(inputs.json_file())?,
        })
    }

    /// Writes the outputs of a successful run. No file is moved to its place before all are
    /// written.
    pub(crate) fn write(&mut self, ending: &Ending<'_>) -> Result<(), Error> {
        let values = outputs::values(ending.run);
        let dotenv = gitlab::dotenv(&values)?;
        let github = github::output_file(&values).map_err(Error::defect)?;
        let report = self.report.as_ref().map(|own| own.place.clone());
        if let Err(error) = self.write_all(&values, &dotenv, &github, &document(ending)) {
            let shown = values.iter().filter(|(name, _)| *name != "manifest");
            let shown = shown.map(|(name, value)| format!("{name}: {value}")).collect();
            let error = Error::new(Exit::Partial, format!("{NOT_WRITTEN}: {error}"));
            let error = error.with_details(shown);
            let ending = Ending { exit: error.exit, late: Some(&error), ..*ending };
            if let Some(Ok(own)) = report.map(|place| Own::open(&place)) {
                own.hold(&document(&ending));
            }
            self.write_summary(&ending);
            return Err(error);
        }
        self.write_summary(ending);
        Ok(())
    }

    fn write_summary(&mut self, ending: &Ending<'_>) {
        if let Some(file) = &mut self.summary
            && let Err(error) = file.write_all(summary::markdown(ending).as_bytes())
        {
            warn!("cannot write the job summary: {error}");
        }
    }

    fn write_all(
        &mut self,
        values: &[(&'static str, String)],
        dotenv: &str,
        github: &str,
        document: &str,
    ) -> io::Result<()> {
        let mut complete = Vec::new();
        for (name, own) in self.results.drain(..) {
            if let Some((_, value)) = values.iter().find(|(other, _)| *other == name) {
                complete.push(own.filled(value)?);
            }
        }
        complete.extend(self.dotenv.take().map(|own| own.filled(dotenv)).transpose()?);
        complete.extend(self.report.take().map(|own| own.filled(document)).transpose()?);
        let places: Vec<PathBuf> = complete.iter().map(|own| own.place.clone()).collect();
        // `GITHUB_OUTPUT` comes last, because an append cannot be undone. It is a single write, so
        // that a full disk does not leave half of it.
        let written = complete.into_iter().try_for_each(Own::moved_to_its_place).and_then(|()| {
            self.output.as_mut().map_or(Ok(()), |file| file.write_all(github.as_bytes()))
        });
        if written.is_err() {
            // All or none. A file that cannot be removed was not written either.
            for place in places {
                drop(fs::remove_file(place));
            }
        }
        written
    }

    /// Writes only the report and the summary of a failed run.
    pub(crate) fn write_failure(mut self, ending: &Ending<'_>) {
        self.write_summary(ending);
        if let Some(own) = self.report {
            own.hold(&document(ending));
        }
    }
}

fn document(ending: &Ending<'_>) -> String {
    json::text(&json::run(ending), ending.secrets)
}

impl Own {
    fn open(place: &Path) -> io::Result<Self> {
        // A link is replaced, not followed. Anything else that is not a file stays as it is.
        if let Ok(metadata) = fs::symlink_metadata(place)
            && !metadata.is_file()
            && !metadata.is_symlink()
        {
            return Err(io::Error::other("it exists and is not a regular file"));
        }
        let folder = place
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // If the folder is missing, the error names it, and not the temporary file in it.
        fs::metadata(folder)?;
        // The reader may be another user; the umask still applies.
        let file = tempfile::Builder::new()
            .prefix(".manifest-action-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        Ok(Self { place: place.to_owned(), file })
    }

    fn filled(mut self, text: &str) -> io::Result<Self> {
        self.file.write_all(text.as_bytes())?;
        self.file.flush()?;
        Ok(self)
    }

    /// Writes the report of a failure; if that fails too, it is only a warning.
    fn hold(self, text: &str) {
        let place = self.place.clone();
        if let Err(error) = self.filled(text).and_then(Self::moved_to_its_place) {
            warn!("cannot write {}: {error}", place.display());
        }
    }

    fn moved_to_its_place(self) -> io::Result<()> {
        self.file.persist(&self.place).map(|_| ()).map_err(|error| error.error)
    }
}

/// One file for each output, as Tekton reads results.
fn results(folder: &Path) -> io::Result<Vec<(&'static str, Own)>> {
    fs::create_dir_all(folder)?;
    outputs::OUTPUTS.iter().map(|(name, _)| Ok((*name, Own::open(&folder.join(name))?))).collect()
}

#[expect(clippy::disallowed_methods, reason = "a CI system's own file")]
fn append(environment: &Environment, variable: &str) -> Result<Option<File>, Error> {
    let Some(path) = set(environment, variable) else { return Ok(None) };
    OpenOptions::new().append(true).create(true).open(path).map(Some).map_err(|error| {
        let wrong = cannot_open(variable, path, &error);
        wrong.with_fix("in a container, mount the folder that contains it")
    })
}

fn cannot_open(name: &str, path: &str, error: &io::Error) -> Error {
    let wrong = Error::new(
        Exit::Inputs,
        format!("cannot write {name} ({path}): {error}; nothing was sent"),
    );
    match error.kind() {
        io::ErrorKind::NotFound => wrong.with_fix("create the folder first"),
        _ => wrong,
    }
}
