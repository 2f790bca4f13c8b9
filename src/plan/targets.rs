//! The tags to publish, from the input `tags`.

use crate::inputs::table::Given;
use crate::inputs::{Environment, Findings};
use crate::oci::Reference;

/// Reads the input, or what metadata-action gives in its place: each tag once, in the order given.
pub(super) fn read(
    input: Given<'_>,
    environment: &Environment,
    findings: &mut Findings,
) -> Vec<Reference> {
    let fallback = environment
        .get("DOCKER_METADATA_OUTPUT_TAGS")
        .map(|value| value.trim())
        .filter(|value| !value.is_empty());
    let input = input.or(fallback);
    if input.text.is_none() {
        findings.problem(
            input.name,
            "tags is required: references to publish, such as ghcr.io/acme/app:1.2",
        );
    }
    let mut targets: Vec<Reference> = Vec::new();
    for item in input.some_items("reference", findings) {
        match item.text.parse::<Reference>() {
            Ok(Reference { digest: Some(_), .. }) => {
                findings.problem_at(
                    input.name,
                    item.line,
                    format!("{}: a tag to publish cannot contain a digest", item.text),
                );
            }
            Ok(Reference { tag: None, .. }) => {
                findings.problem_at(
                    input.name,
                    item.line,
                    format!("{} has no tag: write {}:TAG", item.text, item.text),
                );
            }
            Ok(target) if targets.contains(&target) => {}
            Ok(target) => targets.push(target),
            Err(error) => {
                findings.problem_at(input.name, item.line, format!("{}: {error}", item.text));
            }
        }
    }
    targets
}
