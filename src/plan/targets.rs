//! The tags to publish, from the inputs `images` and `tags`.

use super::platform_tags;
use crate::error::words;
use crate::inputs::table::{RawInputs, names};
use crate::inputs::{Environment, Findings};
use crate::oci::reference::{bare_tag, is_short, repository, target};
use crate::oci::{Reference, Repository, in_file};

/// What docker/metadata-action leaves for later steps: full references, and tags alone.
pub(super) const METADATA: [&str; 2] =
    ["DOCKER_METADATA_OUTPUT_TAGS", "DOCKER_METADATA_OUTPUT_TAG_NAMES"];

/// What an index is published under.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The tags, each once.
    pub(super) tags: Vec<Reference>,
    /// The repositories of `images`, where it is set: those of bare tags.
    pub(super) repositories: Option<Vec<Repository>>,
}

/// What the input `tags` holds, each in the order given.
#[derive(Default)]
struct Tags {
    /// Tags for every repository of `images`.
    bare: Vec<String>,
    /// References of their own.
    full: Vec<Reference>,
}

/// Reads the inputs, or what metadata-action gives in place of `tags`: each tag once, first those of
/// `images`, repository by repository, then the full references, in the order given.
pub(super) fn read(
    inputs: &RawInputs,
    environment: &Environment,
    findings: &mut Findings,
) -> Targets {
    let repositories = repositories(inputs, findings);
    let Tags { bare, full } = tags(inputs, environment, repositories.is_some(), findings);
    // Without a tag there is a problem already.
    let is_used = !bare.is_empty() || platform_tags::has_bare(inputs);
    if repositories.is_some() && !is_used && !full.is_empty() {
        let (images, tags) = (words::input(names::images), words::input(names::tags));
        findings.warn(format!(
            "{images} has no effect: {tags} contains only full references, no bare tag such as 1.2"
        ));
    }
    let of_images = repositories
        .iter()
        .flatten()
        .flat_map(|repository| bare.iter().map(|tag| Reference::tagged(repository, tag)));
    let mut tags: Vec<Reference> = Vec::new();
    for target in of_images.chain(full) {
        if !tags.contains(&target) {
            tags.push(target);
        }
    }
    Targets { tags, repositories }
}

/// The repositories of `images`; `None` where it is not set.
fn repositories(inputs: &RawInputs, findings: &mut Findings) -> Option<Vec<Repository>> {
    let input = inputs.images();
    input.text?;
    let items = input.some_items("repository", findings);
    let mut read = Vec::new();
    for item in &items {
        let parsed = repository(&item.text);
        let Some(repository) = findings.take(input.name, Some(item.line), parsed) else { continue };
        if read.contains(&repository) {
            continue;
        }
        if is_short(&item.text) {
            findings.warn(format!("{} names no registry, so it is {repository}", item.text));
        }
        read.push(repository);
    }
    Some(read)
}

/// The lines of `tags`; bare ones are tags only where there are repositories for them.
fn tags(
    inputs: &RawInputs,
    environment: &Environment,
    has_images: bool,
    findings: &mut Findings,
) -> Tags {
    let of_metadata = |variable: &str| {
        environment.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
    };
    let [full, alone] = METADATA.map(of_metadata);
    let input = inputs.tags().or(alone.filter(|_| has_images)).or(full);
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
    let mut of_registries = items.iter().filter(|item| in_file::split(&item.text).is_none());
    let beside = of_registries.find_map(|item| target(&item.text, None).ok());
    let beside = beside.map(|target| target.repository);
    let mut tags = Tags::default();
    let mut short: Vec<(&str, Reference)> = Vec::new();
    for item in &items {
        if let Some((form, rest)) = in_file::split(&item.text) {
            let parsed = in_file::target(form, rest).map_err(|why| format!("{}: {why}", item.text));
            tags.full.extend(findings.take(input.name, Some(item.line), parsed));
            continue;
        }
        let bare = bare_tag(&item.text);
        if let Some(tag) = bare.filter(|_| has_images) {
            tags.bare.push(tag.to_owned());
            continue;
        }
        let parsed = target(&item.text, beside.as_ref()).map_err(|why| match bare {
            Some(_) => {
                format!("{why}, or name its repositories in {}", words::input(names::images))
            }
            None => why,
        });
        let Some(target) = findings.take(input.name, Some(item.line), parsed) else { continue };
        let is_known = |(_, other): &(&str, Reference)| other.repository == target.repository;
        if is_short(&item.text) && !short.iter().any(is_known) {
            short.push((&item.text, target.clone()));
        }
        tags.full.push(target);
    }
    for (text, full) in short {
        findings.warn(format!("{text} names no registry, so it is {full}"));
    }
    tags
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
                "tags, line 1: 1.2 is a tag without its repository: write r.example/a:1.2, or name its repositories in images",
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
            let targets = read(&inputs, &environment, &mut findings).tags;
            let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
            assert_eq!(targets.join(" "), expected, "{tags:?} {environment:?}");
            let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), problems, "{tags:?}");
        }
        let tags = Some("app:1\napp:2\nacme/app:1\ndocker.io/acme/b:1\nr.example/a:1".to_owned());
        let inputs = RawInputs { tags, ..RawInputs::default() };
        let mut findings = Findings::default();
        assert_eq!(read(&inputs, &Environment::new(), &mut findings).tags.len(), 5);
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
        assert_eq!(read(&inputs, &Environment::new(), &mut findings).tags, []);
        assert!(findings.problems[0].text.ends_with(": a tag to publish cannot contain a digest"));
    }

    /// The targets, the problems and the warnings, each on a line.
    fn of_images(images: &str, tags: Option<&str>, metadata: [&str; 2]) -> [String; 3] {
        let inputs = RawInputs {
            images: Some(images.to_owned()),
            tags: tags.map(str::to_owned),
            ..RawInputs::default()
        };
        let environment: Environment =
            METADATA.map(str::to_owned).into_iter().zip(metadata.map(str::to_owned)).collect();
        let mut findings = Findings::default();
        let targets = read(&inputs, &environment, &mut findings).tags;
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let problems: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
        [targets.join(" "), problems.join("; "), findings.warnings.join("; ")]
    }

    #[test]
    fn every_bare_tag_goes_to_every_repository() {
        const BOTH: &str = "r.example/a, s.example/b";
        let unused = format!(
            "{} has no effect: {} contains only full references, no bare tag such as 1.2",
            words::input(names::images),
            words::input(names::tags)
        );
        let unused = unused.as_str();
        for (images, tags, metadata, expected) in [
            (
                BOTH,
                Some("1.2,latest"),
                ["", ""],
                ["r.example/a:1.2 r.example/a:latest s.example/b:1.2 s.example/b:latest", "", ""],
            ),
            (
                BOTH,
                Some("t.example/c:9\n1\nr.example/a:1"),
                ["", ""],
                ["r.example/a:1 s.example/b:1 t.example/c:9", "", ""],
            ),
            ("[\"r.example/a\",\"r.example/a\"]", Some("1,1"), ["", ""], ["r.example/a:1", "", ""]),
            (
                "acme/a",
                Some("1"),
                ["", ""],
                ["docker.io/acme/a:1", "", "acme/a names no registry, so it is docker.io/acme/a"],
            ),
            (
                "r.example/a",
                None,
                ["r.example/x:1", "1\n2"],
                ["r.example/a:1 r.example/a:2", "", ""],
            ),
            ("r.example/a", None, ["r.example/x:1", " \n"], ["r.example/x:1", "", unused]),
            ("r.example/a", Some("3"), ["r.example/x:1", "1"], ["r.example/a:3", "", ""]),
            ("r.example/a", Some("r.example/x:1"), ["", ""], ["r.example/x:1", "", unused]),
        ] {
            assert_eq!(of_images(images, tags, metadata), expected, "{images:?} {tags:?}");
        }
    }

    #[test]
    fn images_are_repositories_alone() {
        let digest = format!("r.example/a@sha256:{}", "0".repeat(64));
        for (images, problem) in [
            (
                "r.example:5000/a:1",
                "images, line 1: r.example:5000/a:1 has a tag: write r.example:5000/a, and 1 among the tags",
            ),
            (&*digest, "images, line 1: DIGEST has a digest: write r.example/a"),
            (
                "r.example/b\nname=r.example/a",
                "images, line 2: name=r.example/a is docker/metadata-action's syntax: write r.example/a",
            ),
            (
                "enable=true",
                "images, line 1: enable=true is docker/metadata-action's syntax: leave it out",
            ),
            ("# none", "images: contains no repository"),
            (
                "r.example/a:",
                "images, line 1: r.example/a:: the tag is empty: is the variable set?",
            ),
        ] {
            let [_, problems, _] = of_images(images, Some("1"), ["", ""]);
            assert_eq!(problems.replace(&digest, "DIGEST"), problem, "{images:?}");
        }
    }
}
