//! Combines per-architecture images built by separate CI jobs into one multi-architecture image you
//! can trust.
//!
//! ```text
//! inputs → plan → pipeline, once for each list → report
//!                 (targets, resolve → check → compose → transfer → publish → verify → outcome)
//! ```
//!
//! Every module stands on those below it, none on one above:
//!
//! - [`cli`]: the commands; [`app`]: a run from inputs to outputs; [`lists`]: its lists, a few at a
//!   time; [`signals`]: what ends it early
//! - [`report`]: the result, one file per format, and the files that it goes to
//! - [`pipeline`]: one list, stage by stage, each with a type that only the stage before it makes;
//!   [`inspect`]: the commands that only look
//! - [`plan`]: what inputs mean, all problems at once; [`inputs`]: environment variables to cleaned
//!   text
//! - [`entries`]: the entries of a list; [`jobs`]: whether those who build the sources still can
//! - [`console`]: where people read; [`text`]: what they read; [`error`]: the one error that they
//!   see, and what to do
//! - [`registry`]: the distribution API; [`oci`]: the specs' nouns; [`secret`]: what must not be
//!   seen
//!
//! ```
//! use manifest_action::oci::{Platform, Reference};
//!
//! let reference: Reference = "ghcr.io/acme/app:1.2".parse()?;
//! assert_eq!(reference.repository.host(), "ghcr.io");
//! let platform: Platform = "linux/arm64/v8".parse()?;
//! assert_eq!(platform.to_string(), "linux/arm64");
//! # Ok::<(), manifest_action::oci::Invalid>(())
//! ```

pub mod app;
mod backoff;
pub mod cli;
pub mod console;
pub mod entries;
pub mod error;
pub mod inputs;
pub mod inspect;
pub mod jobs;
mod join;
pub mod lists;
pub mod oci;
pub mod pipeline;
pub mod plan;
pub mod registry;
pub mod report;
pub mod secret;
pub mod signals;
pub mod text;
