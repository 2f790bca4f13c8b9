//! The result of a run, one file per format that it is written in, and the files that it goes to.

pub mod files;
pub mod github;
pub mod gitlab;
pub mod json;
pub mod outputs;
pub mod summary;

use crate::error::{Error, Exit};
use crate::pipeline::outcome::Run;
use crate::secret::Secrets;

/// How a run ended: all that a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Its lists.
    pub run: &'a Run,
    /// As a whole.
    pub exit: Exit,
    /// What failed after all lists were published.
    pub late: Option<&'a Error>,
    /// What was warned of.
    pub warnings: &'a [String],
    /// What must not be seen.
    pub secrets: &'a Secrets,
}

#[cfg(test)]
mod examples;
