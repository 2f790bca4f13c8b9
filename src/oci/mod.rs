//! The nouns of the OCI image and distribution specs, one file each.
//!
//! Does: parse, check and print them. Does not: talk to anybody. Received bytes stay beside what
//! was parsed from them, so that a digest is always of bytes that exist.

pub mod annotations;
pub mod descriptor;
pub mod digest;
pub mod image_config;
pub mod index;
pub mod json;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;

pub use annotations::Annotations;
pub use descriptor::Descriptor;
pub use digest::Digest;
pub use image_config::{ImageConfig, Origin};
pub use index::Index;
pub use manifest::{Content, ImageManifest, Manifest};
pub use platform::Platform;
pub use reference::{Reference, Repository};

/// Text or bytes that break a rule of the specs; the message says which, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
