//! What `docker buildx build` and `docker buildx bake` write about the images that they pushed.

use crate::oci::{Digest, Reference, Repository, json, shown};
use serde_json::{Map, Value};

const DIGEST: &str = "containerimage.digest";

/// Whether an object is of a build or of bake: it has a field that only they write, or one of its
/// members has.
pub(super) fn is_any<'m>(members: impl IntoIterator<Item = (&'m String, &'m Value)>) -> bool {
    let is_field = |key: &String| key.starts_with("containerimage.") || key.starts_with("buildx.");
    members.into_iter().any(|(key, value)| {
        is_field(key) || value.as_object().is_some_and(|build| build.keys().any(is_field))
    })
}

/// The same from the text of a file.
pub(super) fn parse(text: &str, targets: &[Repository]) -> Result<Vec<Digest>, String> {
    // Whatever it is, it is not quoted: it may be a secret.
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!("not a metadata file of docker build: no JSON object ({})", json::place(&error))
    })?;
    digests(&object, targets)
}

/// The digests of the targets' image.
pub(super) fn digests(
    object: &Map<String, Value>,
    targets: &[Repository],
) -> Result<Vec<Digest>, String> {
    // Of bake, every target has what a build has at the top level.
    let is_build = object
        .keys()
        .any(|key| key.contains('.') && !object.get(key).is_some_and(Value::is_object))
        || object.contains_key(DIGEST);
    let builds: Vec<&Map<String, Value>> = if is_build {
        vec![object]
    } else {
        object
            .values()
            .filter_map(Value::as_object)
            .filter(|build| build.contains_key(DIGEST))
            .collect()
    };
    let (ours, others): (Vec<_>, Vec<_>) =
        builds.into_iter().partition(|build| names_one_of(build, targets));
    if let (true, Some(other)) = (ours.is_empty(), others.first()) {
        let names = other.get("image.name").and_then(Value::as_str).unwrap_or_default();
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        return Err(format!(
            "belongs to another image ({}), not to {}",
            shown(names),
            targets.join(", ")
        ));
    }
    let digests: Vec<Digest> = ours
        .into_iter()
        .map(|build| {
            let text = build.get(DIGEST).and_then(Value::as_str).unwrap_or_default();
            text.parse().map_err(|error| {
                let text = shown(text);
                format!("{DIGEST} \"{text}\": {error} (was the image pushed?)")
            })
        })
        .collect::<Result<_, _>>()?;
    if digests.is_empty() { Err(format!("contains no {DIGEST}")) } else { Ok(digests) }
}

/// Whether a build pushed to a target's repository, or does not say where it pushed.
fn names_one_of(build: &Map<String, Value>, targets: &[Repository]) -> bool {
    let Some(names) = build.get("image.name").and_then(Value::as_str) else { return true };
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
    names.peek().is_none()
        || targets.is_empty()
        || names.any(|name| {
            name.parse::<Reference>().is_ok_and(|reference| targets.contains(&reference.repository))
        })
}
