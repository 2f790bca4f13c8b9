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

impl ImageConfig {
    /// Reads a config blob.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut config: Self = json::parse(bytes)?;
        config.platform.extra.clear();
        Ok(config)
    }
}
