//! The result of a run, one file per format that it is written in, and the files that it goes to.

pub(crate) mod files;
mod github;
mod gitlab;
pub(crate) mod json;
pub mod outputs;
mod summary;

use crate::error::{Error, Exit};
use crate::pipeline::outcome::Run;
use crate::secret::Secrets;

/// How a run ended: all that a report is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// Its lists.
    pub(crate) run: &'a Run,
    /// As a whole.
    pub(crate) exit: Exit,
    /// What failed after all lists were published.
    pub(crate) late: Option<&'a Error>,
    /// What was warned of.
    pub(crate) warnings: &'a [String],
    /// What must not be seen.
    pub(crate) secrets: &'a Secrets,
}

#[cfg(test)]
mod examples;
