//! The result of a run: one module per format, and the files it is written to.

pub(crate) mod files;
mod filter;
mod github;
mod gitlab;
pub(crate) mod json;
pub mod outputs;
mod place;
mod summary;

use crate::console::Console;
use crate::error::{Audience, Error, Exit};
use crate::pipeline::outcome::Run;
use crate::secret::Secrets;

/// How a run ended: everything that a report is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub(crate) run: &'a Run,
    pub(crate) exit: Exit,
    /// What failed after all indexes were published.
    pub(crate) late: Option<&'a Error>,
    pub(crate) warnings: &'a [String],
    pub(crate) secrets: &'a Secrets,
    pub(crate) audience: Audience,
}

impl<'a> Ending<'a> {
    /// For who reads the console.
    pub(crate) fn of(
        run: &'a Run,
        exit: Exit,
        warnings: &'a [String],
        console: &'a Console,
    ) -> Self {
        let (secrets, audience) = (console.secrets(), console.audience());
        Self { run, exit, late: None, warnings, secrets, audience }
    }
}

#[cfg(test)]
mod examples;
