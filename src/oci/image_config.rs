//! Image configs: platform, labels and time (image spec, config.md).

use super::{Invalid, Platform, fields, json};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The parts of an image's config that are read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ImageConfig {
    /// The platform as the builder wrote it; parts that it left out are empty.
    #[serde(flatten)]
    pub platform: Platform,
    /// When it was built, RFC 3339, as written.
    #[serde(default)]
    pub created: Option<String>,
    /// The runtime part, which has the labels.
    #[serde(default)]
    pub config: Option<Runtime>,
}

/// The runtime part of a config.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Runtime {
    /// The labels.
    #[serde(rename = "Labels", default, deserialize_with = "json::or_absent_texts")]
    pub labels: BTreeMap<String, String>,
}

/// Where an image comes from according to its builder; nothing verifies it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// When it was built, RFC 3339.
    pub created: Option<String>,
    /// The commit it was built from.
    pub revision: Option<String>,
}

/// The label that names a commit (image spec, annotations.md).
pub(crate) const REVISION: &str = "org.opencontainers.image.revision";

impl ImageConfig {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.labels.get(key).map(String::as_str)
    }

    /// Where the image comes from.
    pub fn origin(&self) -> Origin {
        Origin { created: self.created.clone(), revision: self.label(REVISION).map(str::to_owned) }
    }

    /// Reads a config blob.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut config: Self = json::parse(bytes, &fields::CONFIG)?;
        config.platform.extra.clear();
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, spoilt};

    #[test]
    fn reads_what_builders_wrote() {
        const FULL: &str = r#"{"architecture":"arm64","os":"linux","variant":"v8","created":"2026-05-01T12:00:00Z","config":{"Labels":{"a":"b","org.opencontainers.image.revision":"0123"}},"rootfs":{"type":"layers"},"history":[]}"#;
        for (text, platform, label, created, revision) in [
            (FULL, "linux/arm64", Some("b"), Some("2026-05-01T12:00:00Z"), Some("0123")),
            ("{}", "unknown/unknown", None, None, None),
            (r#"{"os":"linux","config":{"Labels":null}}"#, "linux/unknown", None, None, None),
            (r#"{"config":null,"created":null}"#, "unknown/unknown", None, None, None),
            (
                r#"{"os":"linux","architecture":"arm64","variant":null,"os.version":null,"os.features":null,"config":{"Labels":{"a":null}}}"#,
                "linux/arm64",
                Some(""),
                None,
                None,
            ),
        ] {
            let config = ImageConfig::parse(text.as_bytes()).unwrap();
            assert_eq!(config.platform.to_string(), platform);
            assert!(config.platform.extra.is_empty(), "nothing else becomes part of the platform");
            assert_eq!(config.label("a"), label);
            let origin = config.origin();
            assert_eq!(
                (origin.created.as_deref(), origin.revision.as_deref()),
                (created, revision)
            );
        }
    }

    #[test]
    fn other_texts_are_not_configs() {
        for text in [
            "",
            "[]",
            "{",
            r#"{"os":1}"#,
            r#"{"os":"a","os":"b"}"#,
            r#"{"os":"a","Architecture":"b"}"#,
            r#"{"config":{"labels":{}}}"#,
        ] {
            assert!(ImageConfig::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn survives_any_document() {
        let whole = serde_json::json!({
            "created": "2026-05-01T12:00:00Z", "architecture": "arm64", "os": "linux",
            "os.version": "1", "os.features": ["b", "a"], "variant": "v8",
            "config": {"Labels": {"a": "b", REVISION: "0123"}, "Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": []}, "history": [{"created_by": "x"}],
        });
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..1_200 {
            let rarity = *chosen(&mut random, &[8, 60, 600]);
            let bytes = spoilt(&mut random, &whole, rarity);
            match ImageConfig::parse(&bytes) {
                Ok(config) => {
                    accepted += 1;
                    assert!(config.platform.extra.is_empty());
                    assert!(config.origin().revision.as_deref() == config.label(REVISION));
                }
                Err(Invalid(why)) => {
                    assert!(why.len() < 1000 && !why.contains(char::is_control), "{why}");
                }
            }
        }
        assert!(accepted > 300, "{accepted}");
    }
}
