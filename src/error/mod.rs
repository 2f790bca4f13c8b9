//! The one error that a user sees: what failed, where, what to do; and the exit status.

mod advice;
mod providers;

pub use crate::inputs::words;
use crate::oci::Reference;
use crate::registry::{self, Kind};
use serde::Serialize;
use std::fmt;
use words::Words;

/// Exit statuses; section "Exit status" of docs/inputs.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// `diff` found differences.
    Different = 1,
    /// Inputs are wrong, or an output file cannot be opened; nothing was sent.
    Inputs = 2,
    /// Images did not arrive in time.
    NotArrived = 3,
    /// A watched job failed.
    JobFailed = 4,
    /// A check failed.
    Refused = 5,
    /// The registry denied access.
    Denied = 6,
    /// Registry or network.
    Registry = 7,
    /// Partly published, not verified, or outputs could not be written.
    Partial = 8,
    /// A bug of ours.
    Defect = 70,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// Who reads an error, as far as its advice depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audience {
    /// How settings are named.
    pub words: Words,
    /// Whether this runs in GitHub Actions.
    pub on_github: bool,
}

/// What was attempted at a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Writing.
    Push,
}

/// A failure, as data. [`Error::told`] gives its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// How the process ends.
    pub exit: Exit,
    /// What failed, one line.
    pub what: String,
    /// More lines, one for each thing that is wrong.
    pub details: Vec<String>,
    /// The request that failed.
    pub cause: Option<Box<Cause>>,
    /// What to do, if the cause does not tell.
    pub fix: Option<String>,
    /// What to do after that.
    pub then: Option<&'static str>,
}

/// A request to a registry that failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The request and its answer.
    pub error: registry::Error,
    /// What it was for.
    pub access: Access,
}

/// A failure in its reader's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What failed, one line.
    pub what: String,
    /// More lines, one for each thing that is wrong.
    pub details: Vec<String>,
    /// The request that failed and what came back.
    #[serde(rename = "where")]
    pub place: Option<String>,
    /// What to do.
    pub fix: Option<String>,
}

impl Error {
    /// A failure without a cause.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), details: Vec::new(), cause: None, fix: None, then: None }
    }

    /// A check failed.
    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what)
    }

    /// The same with one more line for each thing that is wrong.
    #[must_use]
    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// A request that failed for good, while doing `what` ("read ghcr.io/acme/app:1").
    pub fn of_registry(error: &registry::Error, what: &str, access: Access) -> Self {
        let cause = Box::new(Cause { error: error.clone(), access });
        let what = format!("cannot {what}: {}", error.reason());
        Self { cause: Some(cause), ..Self::new(exit_of(&error.kind), what) }
    }

    /// A read that failed for good, of `what` ("ghcr.io/acme/app:1").
    pub fn cannot_read(error: &registry::Error, what: impl fmt::Display) -> Self {
        Self::of_registry(error, &format!("read {what}"), Access::Pull)
    }

    /// A push to a tag, or to a digest in its repository, that failed for good.
    pub fn cannot_push_to(error: &registry::Error, reference: &Reference) -> Self {
        let verb = if reference.repository.file().is_some() { "write" } else { "push to" };
        Self::of_registry(error, &format!("{verb} {reference}"), Access::Push)
    }

    /// A bug of ours.
    pub fn defect(what: impl fmt::Display) -> Self {
        Self::new(Exit::Defect, format!("bug in manifest-action: {what}"))
            .with_fix("please report it with this log")
    }

    /// The words for who reads them.
    pub fn told(&self, audience: Audience) -> Told {
        let fill = |text: &String| audience.words.fill(text).into_owned();
        let cause = self.cause.as_deref();
        let fix = self.fix.clone().or_else(|| advice::for_cause(cause?, audience));
        let fix = match self.then {
            Some(then) => {
                Some(format!("{}; then {then}", fix.as_deref().unwrap_or("fix the cause")))
            }
            None => fix,
        };
        Told {
            what: fill(&self.what),
            details: self.details.iter().map(fill).collect(),
            // A file is named in what failed already.
            place: cause.filter(|cause| !cause.error.is_of_file()).map(|cause| cause.error.place()),
            fix: fix.as_ref().map(fill),
        }
    }

    /// Title for a CI system's annotation.
    pub fn title(&self) -> &'static str {
        match self.exit {
            Exit::Done => "done",
            Exit::Different => "different",
            Exit::Inputs => "wrong inputs",
            Exit::NotArrived => "images did not arrive",
            Exit::JobFailed => "a job failed",
            Exit::Refused => "a check failed",
            Exit::Denied => "access denied",
            Exit::Registry => "registry error",
            Exit::Partial => "not completely published",
            Exit::Defect => "bug in manifest-action",
            Exit::Interrupted | Exit::Terminated => "interrupted",
        }
    }
}

fn exit_of(kind: &Kind) -> Exit {
    match kind {
        Kind::Denied | Kind::BadCredentials | Kind::NoLogin => Exit::Denied,
        Kind::DigestMismatch(_) | Kind::TooLarge(_) | Kind::Malformed(_) | Kind::Broken(_) => {
            Exit::Refused
        }
        Kind::Unclear(_) => Exit::Inputs,
        Kind::Unwritten(_) => Exit::Partial,
        Kind::Defect(_) => Exit::Defect,
        Kind::AddressRefused(_)
        | Kind::Foreign(_)
        | Kind::NotFound
        | Kind::Throttled { .. }
        | Kind::Server
        | Kind::Rejected
        | Kind::UnknownHost
        | Kind::Unreachable(_)
        | Kind::Truncated(_)
        | Kind::Timeout
        | Kind::Proxy(_)
        | Kind::Tls(_) => Exit::Registry,
    }
}

/// What failed, where, and what to do, each on lines of its own, without the leading `error: `.
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for detail in &self.details {
            write!(f, "\n  {detail}")?;
        }
        if let Some(place) = &self.place {
            write!(f, "\n  where: {place}")?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix:   {fix}")?;
        }
        Ok(())
    }
}

/// In the words of a step.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told(Audience::default()).fmt(f)
    }
}

impl std::error::Error for Error {}
