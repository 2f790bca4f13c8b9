//! The one error that a user sees: what failed, where, what to do; and the exit status.

pub mod advice;

use crate::registry;
use std::fmt;

/// Exit statuses; README's section "Exit status".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// `diff` found differences.
    Different = 1,
    /// Inputs are wrong, or an output file cannot be opened; nothing was contacted.
    Inputs = 2,
    /// Sources did not arrive in time.
    NotArrived = 3,
    /// A watched job failed.
    JobFailed = 4,
    /// A check refused.
    Refused = 5,
    /// The registry denied.
    Denied = 6,
    /// Registry or network.
    Registry = 7,
    /// Published in part, not confirmed, or outputs could not be written.
    Partial = 8,
    /// A defect of ours.
    Defect = 70,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// A failure, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// How the process ends.
    pub exit: Exit,
    /// What failed, one line.
    pub what: String,
    /// More lines, one for each thing that is wrong.
    pub details: Vec<String>,
    /// The request that failed and what came back.
    pub place: Option<String>,
    /// What to do.
    pub fix: Option<String>,
}

impl Error {
    /// A failure without a place.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), details: Vec::new(), place: None, fix: None }
    }

    /// A check refused.
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
    pub fn of_registry(
        error: &registry::Error,
        what: &str,
        access: advice::Access,
        surroundings: &advice::Surroundings,
    ) -> Self {
        Self {
            exit: exit_of(&error.kind),
            what: format!("cannot {what}: {}", error.reason()),
            details: Vec::new(),
            place: Some(error.place()),
            fix: advice::for_registry(error, access, surroundings),
        }
    }

    /// A defect of ours.
    pub fn defect(what: impl fmt::Display) -> Self {
        Self::new(Exit::Defect, format!("a defect of manifest-action: {what}"))
            .with_fix("please report it with this log; trying again may help")
    }

    /// Title for a CI system's annotation.
    pub fn title(&self) -> &'static str {
        match self.exit {
            Exit::Done => "done",
            Exit::Different => "different",
            Exit::Inputs => "wrong inputs",
            Exit::NotArrived => "images did not arrive",
            Exit::JobFailed => "a job failed",
            Exit::Refused => "refused",
            Exit::Denied => "access denied",
            Exit::Registry => "registry error",
            Exit::Partial => "not completely published",
            Exit::Defect => "defect",
            Exit::Interrupted | Exit::Terminated => "interrupted",
        }
    }
}

fn exit_of(kind: &registry::Kind) -> Exit {
    use registry::Kind;
    match kind {
        Kind::Denied | Kind::BadCredentials | Kind::NoLogin => Exit::Denied,
        Kind::DigestMismatch(_) | Kind::TooLarge(_) | Kind::Malformed(_) => Exit::Refused,
        Kind::Defect(_) => Exit::Defect,
        Kind::AddressRefused(_)
        | Kind::NotFound
        | Kind::Throttled { .. }
        | Kind::Server
        | Kind::Rejected
        | Kind::UnknownHost
        | Kind::Unreachable(_)
        | Kind::Truncated(_)
        | Kind::Timeout
        | Kind::Proxy
        | Kind::Tls(_) => Exit::Registry,
    }
}

/// What failed, where, and what to do, each on lines of its own, without the leading `error: `.
impl fmt::Display for Error {
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

impl std::error::Error for Error {}
