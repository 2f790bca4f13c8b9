//! Image configs: the parts that tell platform, labels and time (image spec, config.md).

use super::{Invalid, Platform, json};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What we read from an image's config blob.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ImageConfig {
    /// The platform as the builder wrote it, parts that it left open empty.
    #[serde(flatten)]
    pub platform: Platform,
    /// When it was built, RFC 3339, as written.
    #[serde(default)]
    pub created: Option<String>,
    /// The runtime part, which carries the labels.
    #[serde(default)]
    pub config: Option<Runtime>,
}

/// The runtime part of a config.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Runtime {
    /// Labels that the builder set.
    #[serde(rename = "Labels", default)]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Where an image comes from, as its builder wrote it: nothing checks that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// When it was built, RFC 3339.
    pub created: Option<String>,
    /// The commit that it was built from.
    pub revision: Option<String>,
}

/// The label that names a commit (image spec, annotations.md).
const REVISION: &str = "org.opencontainers.image.revision";

impl ImageConfig {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Where the image comes from.
    pub fn origin(&self) -> Origin {
        Origin { created: self.created.clone(), revision: self.label(REVISION).map(str::to_owned) }
    }

    /// Reads a config blob.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut config: Self = json::parse(bytes)?;
        config.platform.extra.clear();
        Ok(config)
    }
}
