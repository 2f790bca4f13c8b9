//! The fields that the specs' objects have. Go's reader, which most clients use, takes `Digest` or
//! `digeſt` for `digest`; ours does not. A document that uses such a name is two documents, so it
//! is refused.

use super::Invalid;

/// What is known of the keys of an object.
#[derive(Debug)]
pub(crate) struct Fields(&'static [(&'static str, &'static Self)]);

/// Any keys: those that users choose, and those below.
pub(crate) const ANY: Fields = Fields(&[]);

/// Of manifests of either kind (image spec, manifest.md, image-index.md).
pub(crate) const MANIFEST: Fields = Fields(&[
    ("schemaVersion", &ANY),
    ("mediaType", &ANY),
    ("artifactType", &ANY),
    ("config", &DESCRIPTOR),
    ("layers", &DESCRIPTOR),
    ("manifests", &DESCRIPTOR),
    ("subject", &DESCRIPTOR),
    ("annotations", &ANY),
]);

/// Image spec, descriptor.md.
const DESCRIPTOR: Fields = Fields(&[
    ("mediaType", &ANY),
    ("digest", &ANY),
    ("size", &ANY),
    ("urls", &ANY),
    ("annotations", &ANY),
    ("data", &ANY),
    ("artifactType", &ANY),
    ("platform", &PLATFORM),
]);

/// Image spec, image-index.md; `features` is Docker's.
const PLATFORM: Fields = Fields(&[
    ("architecture", &ANY),
    ("os", &ANY),
    ("os.version", &ANY),
    ("os.features", &ANY),
    ("variant", &ANY),
    ("features", &ANY),
]);

/// Image spec, config.md.
pub(crate) const CONFIG: Fields = Fields(&[
    ("created", &ANY),
    ("author", &ANY),
    ("architecture", &ANY),
    ("os", &ANY),
    ("os.version", &ANY),
    ("os.features", &ANY),
    ("variant", &ANY),
    ("config", &RUNTIME),
    ("rootfs", &ROOTFS),
    ("history", &ANY),
]);

const RUNTIME: Fields = Fields(&[
    ("User", &ANY),
    ("ExposedPorts", &ANY),
    ("Env", &ANY),
    ("Entrypoint", &ANY),
    ("Cmd", &ANY),
    ("Volumes", &ANY),
    ("WorkingDir", &ANY),
    ("Labels", &ANY),
    ("StopSignal", &ANY),
    ("ArgsEscaped", &ANY),
]);

const ROOTFS: Fields = Fields(&[("type", &ANY), ("diff_ids", &ANY)]);

impl Fields {
    /// What is known of the value under `key`, `None` if the key is not; an error if another reader
    /// takes it for a field that has another name.
    pub(crate) fn under(&self, key: &str) -> Result<Option<&'static Self>, Invalid> {
        if self.0.is_empty() {
            return Ok(Some(&ANY));
        }
        if let Some((_, fields)) = self.0.iter().find(|(name, _)| *name == key) {
            return Ok(Some(fields));
        }
        let folded = folded(key);
        match self.0.iter().find(|(name, _)| self::folded(name) == folded) {
            Some((name, _)) => Err(Invalid::new(format!(
                "{key:?} and {name:?} are one field to some clients and two to others"
            ))),
            None => Ok(None),
        }
    }
}

/// Without case, as the most lenient reader compares: `ſ` becomes `s`, `K` (Kelvin) `k`, `ﬁ` `fi`.
fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_another_reader_takes_for_a_field() {
        for (fields, key) in [
            (&DESCRIPTOR, "Digest"),
            (&DESCRIPTOR, "digeſt"),
            (&DESCRIPTOR, "SIZE"),
            (&DESCRIPTOR, "mediatype"),
            (&MANIFEST, "Manifests"),
            (&MANIFEST, "conﬁg"),
            (&MANIFEST, "ſubject"),
            (&PLATFORM, "OS"),
            (&PLATFORM, "os.Version"),
            (&CONFIG, "Config"),
            (&CONFIG, "rootFS"),
            (&RUNTIME, "labels"),
            (&RUNTIME, "LABELſ"),
        ] {
            assert!(fields.under(key).is_err(), "{key}");
        }
    }

    #[test]
    fn names_of_fields_and_of_nothing() {
        for (fields, key, is_known) in [
            (&DESCRIPTOR, "digest", true),
            (&DESCRIPTOR, "digests", false),
            (&DESCRIPTOR, "os", false),
            (&PLATFORM, "os_version", false),
            (&CONFIG, "container_config", false),
            (&CONFIG, "Size", false),
            (&RUNTIME, "Image", false),
            (&ANY, "Digest", true),
        ] {
            assert_eq!(fields.under(key).map(|fields| fields.is_some()), Ok(is_known), "{key}");
        }
    }
}
