//! Turns per-architecture images, built by separate CI jobs, into one multi-architecture image that can be trusted.
//!
//! ```text
//! inputs → plan → resolve (wait) → check → compose → transfer → publish → verify → report
//! ```
//!
//! Data flows one way, one type per stage: [`inputs::spec::RawInputs`] → [`plan::Plan`] → [`resolve::Resolved`] →
//! [`check::Checked`] → [`compose::Composed`] → [`report::Report`]. Only [`check::sources`] makes a `Checked`, and
//! only of that a new list is composed; what a list holds that is changed or added to was published before.
//!
//! - [`cli`], [`app`]: arguments, and the order of the stages; [`lists`]: several lists in one run, a few at a time
//! - [`inputs`]: environment variables to cleaned text; [`plan`]: what it means, all problems at once
//! - [`resolve`]: waits for the sources and learns what they bring; [`jobs`]: whether those that build them still can;
//!   [`check`]: the guards; [`compose`]: the bytes
//! - [`transfer`]: children into the targets' repositories; [`publish`], [`verify`]: moves tags, reads them back;
//!   [`edit`]: changes to a list that is there; [`record`]: what was written, in which order
//! - [`report`]: the result as data, and one file per format; [`destinations`]: the files it goes to
//! - [`inspect`]: what a reference is, for the commands that only look
//! - [`oci`]: the specs' nouns; [`registry`]: the distribution API
//! - [`error`], [`advice`]: the one error that a user sees, and what to do about it; [`progress`], [`signals`]: how far
//!   a run has come, and what ends it early; [`secret`], [`logging`]: what must not be seen, and what is
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

pub mod advice;
pub mod app;
pub mod check;
pub mod cli;
pub mod compose;
pub mod destinations;
pub mod edit;
pub mod error;
pub mod inputs;
pub mod inspect;
pub mod jobs;
pub mod lists;
pub mod logging;
pub mod oci;
mod pauses;
pub mod plan;
pub mod progress;
pub mod publish;
pub mod record;
pub mod registry;
pub mod report;
pub mod resolve;
pub mod secret;
pub mod signals;
mod together;
pub mod transfer;
pub mod verify;
