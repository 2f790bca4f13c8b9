//! What `docker buildx build` and `docker buildx bake` write about the images that they pushed.

use crate::oci::{Digest, Reference, Repository, json, shown};
use serde_json::{Map, Value};

/// The digests of the target's image.
pub(super) fn digests(text: &str, target: Option<&Repository>) -> Result<Vec<Digest>, String> {
    // Whatever it is, it is not quoted: it may be a secret.
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!("not a metadata file of docker build: no JSON object ({})", json::place(&error))
    })?;
    // In a file of bake, every target has what a build has at the top level.
    let is_build = object
        .keys()
        .any(|key| key.contains('.') && !object.get(key).is_some_and(Value::is_object))
        || object.contains_key("containerimage.digest");
    let builds: Vec<&Map<String, Value>> = if is_build {
        vec![&object]
    } else {
        object
            .values()
            .filter_map(Value::as_object)
            .filter(|build| build.contains_key("containerimage.digest"))
            .collect()
    };
    let (ours, others): (Vec<_>, Vec<_>) =
        builds.into_iter().partition(|build| names_target(build, target));
    if let (true, Some(other)) = (ours.is_empty(), others.first()) {
        let names = other.get("image.name").and_then(Value::as_str).unwrap_or_default();
        return Err(format!(
            "belongs to another image ({}), not to {}",
            shown(names),
            target.map(ToString::to_string).unwrap_or_default()
        ));
    }
    let digests: Vec<Digest> = ours
        .into_iter()
        .map(|build| {
            let text =
                build.get("containerimage.digest").and_then(Value::as_str).unwrap_or_default();
            text.parse().map_err(|error| {
                let text = shown(text);
                format!("containerimage.digest \"{text}\": {error} (was the image pushed?)")
            })
        })
        .collect::<Result<_, _>>()?;
    if digests.is_empty() {
        Err("contains no containerimage.digest".to_owned())
    } else {
        Ok(digests)
    }
}

/// Whether a build pushed to the target's repository, or does not say where it pushed.
fn names_target(build: &Map<String, Value>, target: Option<&Repository>) -> bool {
    let (Some(names), Some(target)) = (build.get("image.name").and_then(Value::as_str), target)
    else {
        return true;
    };
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
    names.peek().is_none()
        || names.any(|name| {
            name.parse::<Reference>().is_ok_and(|reference| reference.repository == *target)
        })
}
