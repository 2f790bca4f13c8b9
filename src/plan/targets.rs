//! The tags to publish, from the input `tags`.

use crate::inputs::table::RawInputs;
use crate::inputs::{Environment, Findings, values};
use crate::oci::Reference;

/// Reads the input, or what metadata-action gives in its place: each tag once, in the order given.
pub(super) fn read(
    inputs: &RawInputs,
    environment: &Environment,
    findings: &mut Findings,
) -> Vec<Reference> {
    let fallback = environment
        .get("DOCKER_METADATA_OUTPUT_TAGS")
        .map(|value| value.trim())
        .filter(|value| !value.is_empty());
    let Some(value) = inputs.tags.as_deref().or(fallback) else {
        findings.problem(
            "tags",
            "tags is required: references to publish, such as ghcr.io/acme/app:1.2",
        );
        return Vec::new();
    };
    let items = findings.take("tags", None, values::items(value, true)).unwrap_or_default();
    if items.is_empty() {
        findings.problem("tags", "contains no reference");
    }
    let mut targets: Vec<Reference> = Vec::new();
    for item in items {
        match item.text.parse::<Reference>() {
            Ok(Reference { digest: Some(_), .. }) => {
                findings.problem_at(
                    "tags",
                    item.line,
                    format!("{}: a tag to publish cannot contain a digest", item.text),
                );
            }
            Ok(Reference { tag: None, .. }) => {
                findings.problem_at(
                    "tags",
                    item.line,
                    format!("{} has no tag: write {}:TAG", item.text, item.text),
                );
            }
            Ok(target) if targets.contains(&target) => {}
            Ok(target) => targets.push(target),
            Err(error) => findings.problem_at("tags", item.line, format!("{}: {error}", item.text)),
        }
    }
    targets
}
