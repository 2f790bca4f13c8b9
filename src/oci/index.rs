//! Image indexes and Docker manifest lists (image spec, image-index.md).

use super::json::{or_absent, or_absent_texts};
use super::{Annotations, Descriptor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An index. Its fields have the order of the spec's Go structs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Always written; other tools may leave it out.
    #[serde(default, deserialize_with = "or_absent", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Type of the artifact.
    #[serde(default, deserialize_with = "or_absent", skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The entries, in the order in which a client looks for a match.
    #[serde(deserialize_with = "or_absent")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this index refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Key and value pairs about the index.
    #[serde(
        default,
        deserialize_with = "or_absent_texts",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: Annotations,
    /// Fields that the spec does not name.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Index {
    /// A new index of the given type.
    pub fn new(media_type: &str, manifests: Vec<Descriptor>, annotations: Annotations) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type.to_owned(),
            artifact_type: String::new(),
            manifests,
            subject: None,
            annotations,
            extra: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media_type;

    #[test]
    fn fields_are_written_in_the_order_of_the_spec_and_unknown_ones_are_kept() {
        let annotations = Annotations::from([("k".to_owned(), "v".to_owned())]);
        for (index, text) in [
            (
                Index::new(media_type::OCI_INDEX, Vec::new(), Annotations::new()),
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
            ),
            (
                Index {
                    artifact_type: "a/b".into(),
                    extra: BTreeMap::from([("x".to_owned(), Value::from(1))]),
                    ..Index::new("", Vec::new(), annotations)
                },
                r#"{"schemaVersion":2,"artifactType":"a/b","manifests":[],"annotations":{"k":"v"},"x":1}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&index).unwrap(), text);
            assert_eq!(serde_json::from_str::<Index>(text).unwrap(), index);
        }
    }
}
