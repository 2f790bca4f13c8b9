//! The files that outputs go to: opened before the first request, written at the end, all of them or none.

use crate::error::{Error, Exit};
use crate::inputs::Environment;
use crate::report::{Report, github, outputs, summary};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use tracing::warn;

/// Open files.
#[derive(Debug, Default)]
pub struct Destinations {
    output: Option<File>,
    summary: Option<File>,
}

impl Destinations {
    /// Opens what the environment names.
    pub fn open(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { output: open(environment, "GITHUB_OUTPUT")?, summary: open(environment, "GITHUB_STEP_SUMMARY")? })
    }

    /// Writes the outputs of a successful run.
    pub fn write(mut self, report: &Report) -> Result<(), Error> {
        if let Some(file) = &mut self.output {
            let text = github::output_file(&outputs::values(report)).map_err(Error::defect)?;
            // One write, so that a full disk leaves no half of them.
            file.write_all(text.as_bytes()).map_err(|error| {
                Error::new(Exit::Partial, format!("published, but the outputs could not be written: GITHUB_OUTPUT: {error}"))
                    .with_details(outputs::values(report).into_iter().map(|(name, value)| format!("{name}: {value}")).collect())
            })?;
        }
        if let Some(file) = &mut self.summary
            && let Err(error) = file.write_all(summary::markdown(report).as_bytes())
        {
            warn!("the job summary could not be written: {error}");
        }
        Ok(())
    }
}

fn open(environment: &Environment, variable: &str) -> Result<Option<File>, Error> {
    let Some(path) = environment.get(variable).filter(|path| !path.is_empty()) else { return Ok(None) };
    let file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
        Error::new(Exit::Inputs, format!("cannot open the file that {variable} names: {path}: {error}"))
            .with_fix("in a container, mount the folder of that file; nothing was contacted")
    })?;
    Ok(Some(file))
}
