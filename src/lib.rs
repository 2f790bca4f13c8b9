//! Combines per-architecture images built by separate CI jobs into one multi-architecture image you
//! can trust.
//!
//! ```text
//! inputs → plan → pipeline, once for each index → report
//!                 (targets, resolve → check → compose → transfer → publish → verify → outcome)
//! ```
//!
//! A module stands on those below it and knows none beside or above it; `tests/it/architecture.rs`
//! holds that:
//!
//! - [`cli`]: the commands
//! - [`app`]: a run, from inputs to outputs
//! - `lists`: the indexes of a run, a few at a time; [`signals`], [`panics`]: what ends a run early;
//!   [`report`]: its result, one file per format, and the files that it goes to
//! - [`pipeline`]: one index, stage by stage; `inspect`: the commands that only look
//! - [`plan`]: everything that is decided before the first request, all problems at once; [`entries`]:
//!   what the entries of an index are and how they change; `referrers`: what refers to manifests;
//!   [`console`]: where people read
//! - [`jobs`]: whether the jobs that build the images still can; [`error`]: the one error that people
//!   see, and what to do
//! - [`registry`]: the distribution API
//! - `layout`: images in files
//! - `text`: text for people and for the systems that show it
//! - [`inputs`]: environment variables and flags to cleaned values
//! - `file`: the files that users name
//! - [`oci`]: the specs' nouns; [`secret`]: what must not be seen; [`system`]: what operating systems
//!   have in ways of their own; [`pattern`]: names with `*` and `?`; `backoff`, `join`,
//!   `system_words`: small tools
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
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests name their files themselves"))]

pub mod app;
mod backoff;
pub mod cli;
pub mod console;
pub mod entries;
pub mod error;
mod file;
pub mod inputs;
mod inspect;
pub mod jobs;
mod join;
mod layout;
mod lists;
pub mod oci;
pub mod panics;
pub mod pattern;
pub mod pipeline;
pub mod plan;
#[cfg(test)]
mod random;
mod referrers;
pub mod registry;
pub mod report;
pub mod secret;
pub mod signals;
pub mod system;
mod system_words;
mod text;
