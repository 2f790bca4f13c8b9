//! The nouns of the OCI image and distribution specs, one file each: parsed, checked, printed.
//!
//! Received bytes are kept with what was parsed from them, so that a digest always belongs to bytes
//! that exist.

mod annotations;
pub(crate) mod descriptor;
pub(crate) mod digest;
mod fields;
mod held;
pub(crate) mod image_config;
pub(crate) mod in_file;
mod index;
pub(crate) mod json;
pub(crate) mod manifest;
pub(crate) mod media_type;
pub(crate) mod named;
mod platform;
pub(crate) mod reference;
pub(crate) mod referrer;
pub(crate) mod slip;

pub use annotations::Annotations;
pub use descriptor::{Descriptor, DescriptorFields};
pub use digest::Digest;
pub(crate) use held::Held;
pub use held::Share;
pub use image_config::{ImageConfig, Origin, Runtime};
pub use in_file::Form;
pub use index::Index;
pub use manifest::{Content, ImageManifest, Manifest};
pub use platform::Platform;
pub use reference::{Reference, Repository};

use std::borrow::Cow;

/// Text or bytes that violate a rule of the specs. The message says which one, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Bytes of others' text in a message at most. Media types have 255 (RFC 6838).
const LONGEST_SHOWN: usize = 300;

/// Others' text for a message, on one line, or how long it is. It is not cut: half a secret would
/// not be known again.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if text.len() > LONGEST_SHOWN {
        Cow::Owned(format!("a text of {} bytes", text.len()))
    } else if text.contains(char::is_control) {
        Cow::Owned(text.escape_debug().to_string())
    } else {
        Cow::Borrowed(text)
    }
}
