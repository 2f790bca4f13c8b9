//! The tags to publish, from the input `tags`.

use crate::error::words;
use crate::inputs::table::Given;
use crate::inputs::{Environment, Findings};
use crate::oci::Reference;
use crate::oci::reference::{is_short, target};

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
            format!(
                "{} is required: references to publish, such as ghcr.io/acme/app:1.2",
                words::input(input.name)
            ),
        );
    }
    let items = input.some_items("reference", findings);
    // What a bare tag is most likely meant for.
    let beside = items.iter().find_map(|item| target(&item.text, None).ok());
    let beside = beside.map(|target| target.repository);
    let mut targets: Vec<Reference> = Vec::new();
    let mut short: Vec<(&str, &Reference)> = Vec::new();
    let parsed: Vec<Option<Reference>> = items
        .iter()
        .map(|item| findings.take(input.name, Some(item.line), target(&item.text, beside.as_ref())))
        .collect();
    for (item, target) in items.iter().zip(&parsed) {
        let Some(target) = target else { continue };
        let is_known = |(_, other): &(&str, &Reference)| other.repository == target.repository;
        if is_short(&item.text) && !short.iter().any(is_known) {
            short.push((&item.text, target));
        }
        if !targets.contains(target) {
            targets.push(target.clone());
        }
    }
    for (text, full) in short {
        findings.warn(format!("{text} names no registry, so it is {full}"));
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;

    #[test]
    fn by_table() {
        const REQUIRED: &str =
            "tags is required: references to publish, such as ghcr.io/acme/app:1.2";
        for (tags, metadata, expected, problems) in [
            (Some("r.example/a:1,r.example/a:2"), None, "r.example/a:1 r.example/a:2", ""),
            (
                Some("r.example/a:2\nr.example/a:1\nr.example/a:2"),
                None,
                "r.example/a:2 r.example/a:1",
                "",
            ),
            (None, Some(" r.example/a:1\n"), "r.example/a:1", ""),
            (Some("r.example/a:1"), Some("r.example/b:1"), "r.example/a:1", ""),
            (None, Some(" \n"), "", REQUIRED),
            (None, None, "", REQUIRED),
            (Some("# none"), Some("r.example/a:1"), "", "tags: contains no reference"),
            (Some("[1]"), None, "", "tags: item 1 of the JSON array must be a non-empty string"),
            (
                Some("r.example/a:1\nr.example/a"),
                None,
                "r.example/a:1",
                "tags, line 2: r.example/a has no tag: write r.example/a:TAG",
            ),
            (
                Some("1.2, r.example/a:1"),
                None,
                "r.example/a:1",
                "tags, line 1: 1.2 is a tag without its repository: write r.example/a:1.2",
            ),
            (
                Some("r.example/a:1\nr.example/a:"),
                None,
                "r.example/a:1",
                "tags, line 2: r.example/a:: the tag is empty: is the variable set?",
            ),
            (
                Some("[r.example/a:1, r.example/a:2]"),
                None,
                "",
                "tags: not a JSON array: write [\"r.example/a:1\",\"r.example/a:2\"], or one item per line without brackets",
            ),
        ] {
            let inputs = RawInputs { tags: tags.map(str::to_owned), ..RawInputs::default() };
            let metadata = metadata.map(|text| ("DOCKER_METADATA_OUTPUT_TAGS".into(), text.into()));
            let environment = Environment::from_iter(metadata);
            let mut findings = Findings::default();
            let targets = read(inputs.tags(), &environment, &mut findings);
            let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
            assert_eq!(targets.join(" "), expected, "{tags:?} {environment:?}");
            let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), problems, "{tags:?}");
        }
        let tags = Some("app:1\napp:2\nacme/app:1\ndocker.io/acme/b:1\nr.example/a:1".to_owned());
        let inputs = RawInputs { tags, ..RawInputs::default() };
        let mut findings = Findings::default();
        assert_eq!(read(inputs.tags(), &Environment::new(), &mut findings).len(), 5);
        assert_eq!(
            findings.warnings,
            [
                "app:1 names no registry, so it is docker.io/library/app:1",
                "acme/app:1 names no registry, so it is docker.io/acme/app:1"
            ]
        );
        let tags = Some(format!("r.example/a:1@sha256:{}", "0".repeat(64)));
        let inputs = RawInputs { tags, ..RawInputs::default() };
        let mut findings = Findings::default();
        assert_eq!(read(inputs.tags(), &Environment::new(), &mut findings), []);
        assert!(findings.problems[0].text.ends_with(": a tag to publish cannot contain a digest"));
    }
}
