//! The result of a run, one file per format that it is written in, and the files that it goes to.

pub mod files;
pub mod github;
pub mod gitlab;
pub mod json;
pub mod outputs;
pub mod summary;
