//! Sources from the inputs `sources` and `digests`.

use super::Source;
use super::in_files::{Files, Found};
use super::{digests, platforms, template};
use crate::error::words;
use crate::inputs::Findings;
use crate::inputs::places::Places;
use crate::inputs::table::{Given, RawInputs, names};
use crate::inputs::values::{self, MOST_ITEMS};
use crate::oci::reference::DOCKER_HUB;
use crate::oci::{Digest, Platform, Reference, Repository, in_file, slip};

const INPUT: &str = names::sources;

/// All sources, in the order given, templates in the order of `platforms`; and the jobs of `digests`
/// that have none. `targets`: the repositories of the tags.
pub(super) fn read(
    inputs: &RawInputs,
    platforms: &[Platform],
    places: &Places,
    targets: &[Repository],
    findings: &mut Findings,
) -> (Vec<Source>, Vec<String>) {
    let (by_reference, by_digest) = (inputs.sources(), inputs.digests());
    let (by_name, by_hash) = (words::input(names::sources), words::input(names::digests));
    match (by_reference.text, by_digest.text) {
        (None, None) => {
            findings.problem(
                INPUT,
                format!("{by_name} or {by_hash} is required: the images to combine"),
            );
        }
        (Some(_), Some(_)) => {
            findings.problem(INPUT, format!("give either {by_name} or {by_hash}, not both"));
        }
        _ => {}
    }
    let mut sources = Vec::new();
    // If platforms is set and gave none, what is wrong with it is noted already.
    let is_set = inputs.platforms().text.is_some();
    let platforms = is_set.then_some(platforms);
    let context = Beside {
        platforms,
        first: targets.first(),
        files: Files { places, may_come: waits(inputs) },
    };
    sources.extend(references(by_reference, context, findings));
    if by_digest.text.is_some() && !is_set {
        let set = words::input(names::platforms);
        findings.warn(format!("{set} is not set, so a missing digest cannot be noticed"));
    }
    let reader = digests::Reader { is_counted: is_set, places, targets };
    let (pinned, without) = pinned(by_digest, &reader, findings);
    sources.extend(pinned);
    (sources, without)
}

/// Whether the user wants to wait for what is not there. What is wrong with the input is told
/// elsewhere.
fn waits(inputs: &RawInputs) -> bool {
    inputs.wait().text.is_some_and(|wait| values::duration(wait).is_ok_and(|wait| !wait.is_zero()))
}

/// What a line of the input is read beside.
#[derive(Clone, Copy)]
struct Beside<'a> {
    /// What templates are expanded over, if that input is set.
    platforms: Option<&'a [Platform]>,
    /// The first tag's repository.
    first: Option<&'a Repository>,
    files: Files<'a>,
}

fn references(input: Given<'_>, beside: Beside<'_>, findings: &mut Findings) -> Vec<Source> {
    let Beside { platforms, first, files } = beside;
    let mut sources: Vec<(usize, Source)> = Vec::new();
    for item in input.some_items("reference", findings) {
        // Said of the whole line: neither a platform nor a placeholder is meant.
        if let Some(why) = slip::of_any_text(&item.text) {
            findings.problem_at(INPUT, item.line, format!("{}: {why}", item.text));
            continue;
        }
        let (platform, text) = match item.text.split_once('=') {
            // A path may have this sign in it.
            Some((front, _)) if in_file::split(front).is_some() => (None, item.text.as_str()),
            Some((platform, text)) => (prefix(platform.trim(), item.line, findings), text.trim()),
            None => (None, item.text.as_str()),
        };
        if !template::is_template(text) {
            warn_of_bare_tag(text, first, findings);
            let wanted = Wanted { line: item.line, text, platform, expanded: None };
            push(&mut sources, wanted, files, findings);
        } else if platform.is_some() {
            findings.problem_at(
                INPUT,
                item.line,
                format!(
                    "{text} is expanded over {}, so it cannot have a platform in front of it",
                    words::input(names::platforms)
                ),
            );
        } else if let Some(platforms) = platforms {
            let template = Template { line: item.line, text, platforms };
            expand(&mut sources, template, files, findings);
        } else {
            findings.problem_at(
                INPUT,
                item.line,
                format!(
                    "{text} has placeholders, but {} is not set",
                    words::input(names::platforms)
                ),
            );
        }
    }
    sources.into_iter().map(|(_, source)| source).collect()
}

/// A lone word is an image of Docker Hub, and mostly meant as a tag beside those to publish.
fn warn_of_bare_tag(text: &str, first: Option<&Repository>, findings: &mut Findings) {
    let Some(first) = first.filter(|first| first.host() != DOCKER_HUB) else { return };
    if text.contains(['/', ':', '@']) {
        return;
    }
    if let Ok(reference) = text.parse::<Reference>() {
        let reference = reference.or_latest();
        findings
            .warn(format!("{text} is read as {reference}; if it is a tag, write {first}:{text}"));
    }
}

/// The platform in front of a reference.
fn prefix(text: &str, line: usize, findings: &mut Findings) -> Option<Platform> {
    let platform = findings.take(INPUT, Some(line), text.parse::<Platform>())?;
    platforms::warn_of_odd(text, &platform, findings);
    Some(platform)
}

/// A template, its line, and what it is expanded over.
struct Template<'a> {
    line: usize,
    text: &'a str,
    platforms: &'a [Platform],
}

fn expand(
    sources: &mut Vec<(usize, Source)>,
    template: Template<'_>,
    files: Files<'_>,
    findings: &mut Findings,
) {
    let Template { line, text, platforms } = template;
    let expanded: Result<Vec<String>, String> =
        platforms.iter().map(|platform| template::expand(text, platform)).collect();
    let Some(expanded) =
        findings.take(INPUT, Some(line), expanded.map_err(|why| format!("{text}: {why}")))
    else {
        return;
    };
    for (at, reference) in expanded.iter().enumerate() {
        match template::twin(&expanded, platforms, at) {
            Some(why) => findings.problem_at(INPUT, line, why),
            None => {
                let expanded = Some(&platforms[at]);
                let wanted = Wanted { line, text: reference, platform: None, expanded };
                push(sources, wanted, files, findings);
            }
        }
    }
}

/// A reference, its line, and the platform in front of it or that it was expanded for.
struct Wanted<'a> {
    line: usize,
    text: &'a str,
    platform: Option<Platform>,
    expanded: Option<&'a Platform>,
}

fn push(
    sources: &mut Vec<(usize, Source)>,
    wanted: Wanted<'_>,
    files: Files<'_>,
    findings: &mut Findings,
) {
    let Wanted { line, text, platform, expanded } = wanted;
    let found = match in_file::split(text) {
        Some((form, rest)) => files.find(form, rest),
        None => in_file::source(text)
            .map_err(|error| error.to_string())
            .map(|reference| Found { references: vec![reference], by_pattern: false }),
    };
    let found = found.map_err(|error| format!("{text}: {error}"));
    let Some(found) = findings.take(INPUT, Some(line), found) else { return };
    if found.by_pattern && platform.is_some() {
        let why = "a pattern cannot have a platform in front of it: each file says what it is for";
        findings.problem_at(INPUT, line, format!("{text}: {why}"));
    }
    let stands_for = platform.as_ref().or(expanded).cloned();
    for reference in found.references {
        let source = Source {
            platform: platform.clone(),
            stands_for: stands_for.clone(),
            is_unordered: found.by_pattern,
            ..Source::new(reference)
        };
        add(sources, source, line, findings);
    }
}

fn add(sources: &mut Vec<(usize, Source)>, source: Source, line: usize, findings: &mut Findings) {
    // A template may stand for each of many platforms. Told once.
    match sources.len() {
        MOST_ITEMS => findings.problem_at(INPUT, line, format!("more than {MOST_ITEMS} images")),
        count if count > MOST_ITEMS => return,
        _ => {}
    }
    if let Some((other, _)) = sources
        .iter()
        .find(|(_, other)| other.reference == source.reference && other.platform == source.platform)
    {
        findings.problem_at(
            INPUT,
            line,
            format!("{} is already given in {}", source.reference, words::line(INPUT, *other)),
        );
    }
    sources.push((line, source));
}

/// Where a digest was found: for a file that is named by it, the folder, so that the digest is not
/// shown twice.
fn whence<'f>(from: &'f str, digest: &Digest) -> &'f str {
    match from.rsplit_once('/') {
        Some((folder, file)) if file.contains(digest.hex()) => folder,
        _ => from,
    }
}

/// What `digests` gives, and the jobs in it that have none.
fn pinned(
    input: Given<'_>,
    reader: &digests::Reader<'_>,
    findings: &mut Findings,
) -> (Vec<Source>, Vec<String>) {
    let digests::Read { pinned, without } = reader.read(input, findings);
    let sources = pinned.into_iter().filter_map(|given| {
        let places = match given.repository {
            Some(repository) => vec![repository],
            None => reader.targets.to_vec(),
        };
        let (first, others) = places.split_first()?;
        let name = match whence(&given.from, &given.digest) {
            "" => given.digest.short().to_owned(),
            from => format!("{} from {from}", given.digest.short()),
        };
        Some(Source {
            reference: Reference::at(first, &given.digest),
            others: others.to_vec(),
            stands_for: given.platform.clone(),
            platform: given.platform,
            is_unordered: true,
            name,
        })
    });
    (sources.collect(), without)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Context, Environment};
    use crate::random::mixed;
    use crate::secret::Secrets;
    use std::path::Path;

    fn run(inputs: &RawInputs) -> (Vec<Source>, Findings) {
        let mut findings = Findings::default();
        let platforms = platforms::read(inputs.platforms(), &mut findings);
        let targets = ["r.example/app", "q.example/app"].map(|name| name.parse().unwrap());
        let (environment, secrets) = (Environment::new(), Secrets::default());
        let folder = Path::new("/nowhere");
        let places = Places::of(&Context { environment: &environment, folder, secrets: &secrets });
        let (sources, _) = read(inputs, &platforms, &places, &targets, &mut findings);
        (sources, findings)
    }

    /// Each source: where it is, the platform in front of it, and the one that it stands for.
    fn shown(sources: &[Source]) -> Vec<String> {
        let or_any = |platform: &Option<Platform>| {
            platform.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string)
        };
        let show = |source: &Source| {
            let Source { reference, platform, stands_for, .. } = source;
            format!("{reference} {} {}", or_any(platform), or_any(stands_for))
        };
        sources.iter().map(show).collect()
    }

    #[test]
    fn references_and_templates() {
        for (sources, platforms, expected) in [
            (
                "r.example/a:1, r.example/a",
                None,
                vec!["r.example/a:1 any any", "r.example/a:latest any any"],
            ),
            ("linux/arm64=r.example/a:1", None, vec!["r.example/a:1 linux/arm64 linux/arm64"]),
            (
                "r.example/a:{arch}\nr.example/b:1",
                Some("linux/arm64,linux/amd64"),
                vec![
                    "r.example/a:arm64 any linux/arm64",
                    "r.example/a:amd64 any linux/amd64",
                    "r.example/b:1 any any",
                ],
            ),
            (
                "linux/amd64=r.example/a:1\nlinux/arm64=r.example/a:1",
                None,
                vec![
                    "r.example/a:1 linux/amd64 linux/amd64",
                    "r.example/a:1 linux/arm64 linux/arm64",
                ],
            ),
        ] {
            let inputs = RawInputs {
                sources: Some(sources.to_owned()),
                platforms: platforms.map(str::to_owned),
                ..RawInputs::default()
            };
            let (found, findings) = run(&inputs);
            assert_eq!(
                (shown(&found), findings.problems),
                (expected.iter().map(ToString::to_string).collect(), vec![])
            );
        }
    }

    #[test]
    fn problems_by_table() {
        let platforms = Some("linux/arm64\nlinux/arm64/v8".to_owned());
        for (sources, platforms, expected) in [
            ("# none", None, "sources: contains no reference"),
            (
                "r.example/a:1\nr.example/a:1",
                None,
                "sources, line 2: r.example/a:1 is already given in sources, line 1",
            ),
            (
                "r.example/a\nr.example/a:latest",
                None,
                "sources, line 2: r.example/a:latest is already given in sources, line 1",
            ),
            (
                "r.example/a:{arch}",
                None,
                "sources, line 1: r.example/a:{arch} has placeholders, but platforms is not set",
            ),
            (
                "r.example/a:{ach}",
                Some("linux/amd64"),
                "sources, line 1: r.example/a:{ach}: unknown placeholder {ach}; use {os}, {arch}, {variant} or {platform}",
            ),
            (
                "linux/amd64=r.example/a:{arch}",
                Some("linux/amd64"),
                "sources, line 1: r.example/a:{arch} is expanded over platforms, so it cannot have a platform in front of it",
            ),
            (
                "- r.example/a:{arch}",
                Some("linux/amd64"),
                "sources, line 1: - r.example/a:{arch}: leave out \"-\" in front: write r.example/a:{arch}",
            ),
            (
                "r.example/a:${{ matrix.arch }}",
                None,
                "sources, line 1: r.example/a:${{ matrix.arch }}: ${{ matrix.arch }} was not replaced: workflow files of GitHub, Gitea and Forgejo replace it, other files do not",
            ),
            (
                "r.example/a:${arch}",
                Some("linux/amd64"),
                "sources, line 1: r.example/a:${arch}: ${arch} is not a placeholder: write {arch}",
            ),
            (
                "r.example/a:",
                None,
                "sources, line 1: r.example/a:: the tag is empty: is the variable set?",
            ),
            (
                "r.example/***/a:1",
                None,
                "sources, line 1: r.example/***/a:1: *** is what a log shows in place of a secret: write the name itself, which must not be a secret",
            ),
            (
                "r.example/a:{os}",
                Some("linux/arm64,linux/amd64"),
                "sources, line 1: linux/arm64 and linux/amd64 both give r.example/a:linux: the template needs {arch}",
            ),
        ] {
            let inputs = RawInputs {
                sources: Some(sources.to_owned()),
                platforms: platforms.map(str::to_owned),
                ..RawInputs::default()
            };
            let told: Vec<String> =
                run(&inputs).1.problems.iter().map(ToString::to_string).collect();
            assert_eq!(told, [expected], "{sources}");
        }
        let inputs = RawInputs { platforms, ..RawInputs::default() };
        let told: Vec<String> = run(&inputs).1.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "platforms, line 2: linux/arm64/v8 and linux/arm64 are the same platform",
                "sources or digests is required: the images to combine"
            ]
        );
    }

    #[test]
    fn what_may_be_a_slip_is_a_warning() {
        for (sources, expected) in [
            (
                "linux/amd46=r.example/a:1",
                "unknown platform linux/amd46; did you mean linux/amd64? It is used as given",
            ),
            (
                "amd64",
                "amd64 is read as docker.io/library/amd64:latest; if it is a tag, write r.example/app:amd64",
            ),
            ("acme/app", ""),
            ("linux/amd64 = r.example/a:1", ""),
        ] {
            let sources = Some(sources.to_owned());
            let (_, findings) = run(&RawInputs { sources, ..RawInputs::default() });
            assert_eq!(
                (findings.warnings.join("; "), findings.problems),
                (expected.to_owned(), vec![])
            );
        }
    }

    #[test]
    fn digests_are_in_any_of_the_targets_repositories() {
        let (one, two) =
            (format!("sha256:{}", "1".repeat(64)), format!("sha256:{}", "2".repeat(64)));
        let digests = Some(format!("{one}\nlinux/arm64=s.example/b@{two}"));
        let inputs = RawInputs { digests, ..RawInputs::default() };
        let (found, findings) = run(&inputs);
        let places: Vec<Option<String>> = found.iter().map(Source::looked_in).collect();
        let expected = ["looked in r.example/app, q.example/app", "looked in s.example/b"];
        assert_eq!(places, expected.map(|text| Some(text.to_owned())));
        assert_eq!(
            (shown(&found), findings.problems, findings.warnings),
            (
                vec![
                    format!("r.example/app@{one} any any"),
                    format!("s.example/b@{two} linux/arm64 linux/arm64")
                ],
                vec![],
                vec![format!(
                    "{} is not set, so a missing digest cannot be noticed",
                    words::input(names::platforms)
                )]
            )
        );
    }

    #[test]
    fn a_file_that_is_named_by_its_digest_is_not_named() {
        let digest: Digest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        let hex = "1".repeat(64);
        for (from, expected) in [
            ("", ""),
            ("digests/amd64", "digests/amd64"),
            ("needs.build", "needs.build"),
            (&format!("/tmp/digests/{hex}"), "/tmp/digests"),
            (&format!("digests/sha256-{hex}"), "digests"),
        ] {
            assert_eq!(whence(from, &digest), expected);
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "r.example/a",
            ":1",
            ":{arch}",
            "{",
            "}",
            "-{variant}",
            "linux/arm64",
            "=",
            ",",
            "\n",
            "@sha256:",
            "[",
            "]",
            "\"",
            " ",
            "é",
            "# ",
            "\0",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let inputs = RawInputs {
                sources: Some(mixed(&mut random, &pieces, 8)),
                platforms: random.bool().then(|| "linux/arm64,linux/amd64".to_owned()),
                ..RawInputs::default()
            };
            let (sources, findings) = run(&inputs);
            assert!(!sources.is_empty() || !findings.problems.is_empty(), "{inputs:?}");
            for name in shown(&sources) {
                assert!(!name.contains(['{', '}']) && name.is_ascii(), "{inputs:?}");
            }
        }
    }
}
