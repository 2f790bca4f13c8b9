//! Annotations: key and value pairs, kept sorted by key so that the same pairs always give the same
//! bytes.

use std::collections::BTreeMap;

/// Key and value pairs of an index or a descriptor.
pub type Annotations = BTreeMap<String, String>;
