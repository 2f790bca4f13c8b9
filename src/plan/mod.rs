//! The plan: everything that can be decided and checked before the first request. All problems are
//! reported together.
//!
//! Reads the files that inputs name; sends nothing.

pub mod annotations;
mod digests;
mod in_files;
mod jobs;
mod labels;
mod logins;
mod many;
mod overwrite;
mod platform_tags;
mod platforms;
mod settings;
mod sources;
mod targets;
mod template;

use crate::error::words::input;
use crate::error::{Error, Exit};
use crate::inputs::places::Places;
use crate::inputs::table::{RawInputs, default_of, names};
use crate::inputs::{Asked, Context, Findings, Problem, values};
use crate::oci::{Platform, Reference, Repository, in_file};
use crate::pattern::Pattern;
use crate::text::count;
use annotations::Requested;
pub use labels::Labels;
pub use many::{Planned, all, to_check};
pub use overwrite::Overwrite;
pub use platform_tags::PlatformTags;
pub use settings::{log_level, settings};
use std::time::Duration;

/// How long to wait by default where all sources are given by digest: who knows a digest has pushed
/// the image, and waits only for a registry that shows it late.
const WAIT_FOR_DIGESTS: Duration = Duration::from_secs(60);
/// A shorter pause between two checks of an image would be an attack on its registry.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// One image to combine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is; pinned if it has a digest.
    pub reference: Reference,
    /// Other repositories that may have it, to be asked in this order where that one has it not.
    pub others: Vec<Repository>,
    /// The platform that was written in front of it.
    pub platform: Option<Platform>,
    /// The platform that it is meant for, as far as the inputs tell: written in front, or expanded
    /// from a template.
    pub stands_for: Option<Platform>,
    /// What messages call it: the reference, or the file or key that a digest came from.
    pub name: String,
    /// Whether its place among the sources says nothing: a digest's, or that of a file which a
    /// pattern means.
    pub is_unordered: bool,
}

impl Source {
    /// One that is called by its reference.
    pub(crate) fn new(reference: Reference) -> Self {
        Self {
            name: reference.to_string(),
            reference,
            others: Vec::new(),
            platform: None,
            stands_for: None,
            is_unordered: false,
        }
    }

    /// Whether it is a pattern of files that nothing has matched so far.
    pub(crate) fn is_pattern(&self) -> bool {
        let file = self.reference.repository.file();
        self.is_unordered && file.is_some_and(|(_, path)| in_file::is_pattern(path))
    }

    /// The repositories that may have it, in the order in which they are asked.
    pub(crate) fn repositories(&self) -> impl Iterator<Item = &Repository> + Clone {
        std::iter::once(&self.reference.repository).chain(&self.others)
    }

    /// The same source in each of them.
    pub(crate) fn in_each_repository(&self) -> Vec<Self> {
        let places = self.repositories().map(|repository| {
            let reference = Reference { repository: repository.clone(), ..self.reference.clone() };
            Self { reference, ..self.clone() }
        });
        places.collect()
    }

    /// Where it was looked for, for people, unless its name says that.
    pub(crate) fn looked_in(&self) -> Option<String> {
        if self.name == self.reference.to_string() {
            return None;
        }
        let places: Vec<String> = self.repositories().map(ToString::to_string).collect();
        Some(format!("looked in {}", places.join(", ")))
    }
}

/// The type of the index to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A Docker manifest list if all images are Docker images and nothing needs OCI, otherwise an
    /// OCI index.
    #[default]
    Auto,
    /// An OCI image index.
    Oci,
    /// A Docker manifest list.
    Docker,
}

/// Which provenance and SBOM entries an index has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attestations {
    /// Those that the sources hold.
    #[default]
    Keep,
    /// None.
    Drop,
    /// Also those that refer to plain images.
    Discover,
}

/// What one index will be, from which images, under which tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The name that a `spec` gives it.
    pub name: Option<String>,
    /// The tags to publish, each once, in the order given.
    pub targets: Vec<Reference>,
    /// Tags for single platforms.
    pub platform_tags: PlatformTags,
    /// The images to combine, in the order given.
    pub sources: Vec<Source>,
    /// Jobs that gave no digest, where `platforms` tells whether one is missing; for people.
    pub without_digest: Vec<String>,
    /// The platforms the index must have; empty: those of the images.
    pub platforms: Vec<Platform>,
    /// Annotations of the index and its entries.
    pub annotations: Requested,
    /// The type of the index.
    pub format: Format,
    /// Which provenance and SBOM entries the index has.
    pub attestations: Attestations,
    /// Whether to start from the index that the first tag points to.
    pub append: bool,
    /// Whether sources that have not arrived when waiting ends are left out.
    pub skip_missing: bool,
    /// Whether a single source that is one image goes into an index, too.
    pub prefer_index: bool,
    /// Which tags that point to another digest may be moved.
    pub overwrite: Overwrite,
    /// Whether a file to write may replace one that is no OCI layout: only where that is asked for.
    pub replaces_files: bool,
    /// Whether what refers to images is copied with them into another repository.
    pub copy_referrers: bool,
    /// Whether they are looked for even where no tag moves.
    pub seek_referrers: bool,
    /// How long to wait in all; zero checks once.
    pub wait: Duration,
    /// Whether the user said how long.
    pub is_wait_asked: bool,
    /// The longest pause between two checks of an image.
    pub wait_interval: Duration,
    /// Labels every image's config must have; an image with others counts as not arrived.
    pub expect_labels: Labels,
    /// Jobs that build the sources: when one fails, there is nothing to wait for.
    pub watch_jobs: Vec<Pattern>,
    /// Whether to write nothing.
    pub dry_run: bool,
}

impl Plan {
    /// A plan to change the index that one tag points to.
    pub fn to_edit(list: &Reference) -> Self {
        Self { targets: vec![list.clone()], append: true, ..Self::blank() }
    }

    /// A plan that only waits: nothing is published.
    pub fn to_wait_for(
        references: &[Reference],
        wait: Option<Duration>,
        wait_interval: Duration,
        expect_labels: Labels,
    ) -> Self {
        let mut sources: Vec<Source> = Vec::new();
        for reference in references.iter().cloned() {
            if sources.iter().all(|source| source.reference != reference) {
                sources.push(Source::new(reference));
            }
        }
        let is_wait_asked = wait.is_some();
        let wait = wait.unwrap_or_else(|| usual_wait(&sources));
        Self { sources, wait, is_wait_asked, wait_interval, expect_labels, ..Self::blank() }
    }

    /// A plan that only checks what was published.
    pub fn to_check(
        tags: Vec<Reference>,
        platforms: &[Platform],
        platform_tags: PlatformTags,
    ) -> Self {
        Self { targets: tags, platforms: platforms.to_vec(), platform_tags, ..Self::blank() }
    }

    /// Where all is written that is known before the images are: references, some without a tag.
    pub fn places(&self) -> impl Iterator<Item = Reference> {
        let own = self.platform_tags.places(&self.platforms);
        self.targets.iter().cloned().chain(own)
    }

    /// Whether all its sources are files.
    pub fn is_of_files(&self) -> bool {
        let is_file = |source: &Source| source.reference.repository.file().is_some();
        !self.sources.is_empty() && self.sources.iter().all(is_file)
    }

    /// Whether its only source is published as it is if that is one image.
    pub fn keeps_one_image(&self) -> bool {
        !self.prefer_index && self.sources.len() == 1
    }

    /// Whether attestations that refer to plain images are looked for: where there is an index that
    /// may name them.
    pub fn discovers_attestations(&self) -> bool {
        self.attestations == Attestations::Discover && !self.keeps_one_image()
    }

    /// What it asks for that one image without an index cannot have, by the names of the inputs.
    fn needs_index(&self) -> impl Iterator<Item = &'static str> {
        let asked = [
            (names::annotations, !self.annotations.is_empty()),
            (names::format, self.format != Format::Auto),
            (names::append, self.append),
        ];
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| name)
    }

    /// A plan that asks for nothing and does not wait.
    fn blank() -> Self {
        Self {
            name: None,
            targets: Vec::new(),
            platform_tags: PlatformTags::default(),
            sources: Vec::new(),
            without_digest: Vec::new(),
            platforms: Vec::new(),
            annotations: Requested::default(),
            format: Format::Auto,
            attestations: Attestations::Keep,
            append: false,
            skip_missing: false,
            prefer_index: true,
            overwrite: Overwrite::All,
            replaces_files: false,
            copy_referrers: true,
            seek_referrers: false,
            wait: Duration::ZERO,
            is_wait_asked: true,
            wait_interval: Duration::from_secs(1),
            expect_labels: Labels::new(),
            watch_jobs: Vec::new(),
            dry_run: false,
        }
    }
}

/// Makes the plan of one index from inputs.
fn one(inputs: &RawInputs, context: &Context<'_>, findings: &mut Findings) -> Plan {
    let targets = targets::read(inputs, context.environment, findings);
    let platforms = platforms::read(inputs.platforms(), findings);
    let platform_tags = platform_tags::read(inputs.platform_tags(), &targets, &platforms, findings);
    let targets = targets.tags;
    let repositories = repositories(&targets);
    let places = Places::of(context);
    let (sources, without_digest) =
        sources::read(inputs, &platforms, &places, &repositories, findings);
    let annotations = annotations::read(inputs.annotations(), findings);
    let formats = [("auto", Format::Auto), ("oci", Format::Oci), ("docker", Format::Docker)];
    let format = inputs.format().one_of(&formats, findings);
    if format == Format::Docker && !annotations.is_empty() {
        findings.problem(
            inputs.format().name,
            "docker: a Docker manifest list cannot have annotations; use auto or oci, or drop the annotations",
        );
    }
    let overwrite = overwrite::read(inputs.overwrite(), findings);
    let plan = Plan {
        name: None,
        platforms,
        annotations,
        format,
        attestations: attestations(inputs, findings),
        append: inputs.append().read(values::switch, findings),
        skip_missing: inputs.missing().one_of(&[("fail", false), ("skip", true)], findings),
        prefer_index: inputs.prefer_index().read(values::switch, findings),
        replaces_files: inputs.overwrite().text.is_some() && overwrite == Overwrite::All,
        overwrite,
        copy_referrers: inputs.referrers().one_of(&[("copy", true), ("leave", false)], findings),
        seek_referrers: false,
        wait: match inputs.wait().text {
            Some(_) => inputs.wait().read(values::duration, findings),
            None => usual_wait(&sources),
        },
        is_wait_asked: inputs.wait().text.is_some(),
        wait_interval: inputs.wait_interval().read(pause, findings),
        expect_labels: labels::read(inputs.expect_labels(), findings),
        watch_jobs: jobs::read(inputs.watch_jobs(), findings),
        dry_run: inputs.dry_run().read(values::switch, findings),
        targets,
        platform_tags,
        sources,
        without_digest,
    };
    for name in plan.needs_index().filter(|_| plan.keeps_one_image()) {
        findings.problem(
            names::prefer_index,
            format!(
                "false publishes a single image as it is, without an index for {}: leave out one of them",
                input(name)
            ),
        );
    }
    plan
}

fn attestations(inputs: &RawInputs, findings: &mut Findings) -> Attestations {
    let words = [
        ("keep", Attestations::Keep),
        ("drop", Attestations::Drop),
        ("discover", Attestations::Discover),
    ];
    inputs.attestations().one_of(&words, findings)
}

/// The repositories of these tags, each once, in their order.
fn repositories(targets: &[Reference]) -> Vec<Repository> {
    let mut repositories: Vec<Repository> = Vec::new();
    for Reference { repository, .. } in targets {
        if !repositories.contains(repository) {
            repositories.push(repository.clone());
        }
    }
    repositories
}

/// How long to wait where the user does not say: as long as the slowest kind of source may take.
fn usual_wait(sources: &[Source]) -> Duration {
    let longest = || values::duration(default_of(names::wait)).unwrap_or_default();
    let of_one = |source: &Source| match &source.reference {
        reference if reference.repository.file().is_some() => Duration::ZERO,
        reference if reference.digest.is_some() => WAIT_FOR_DIGESTS,
        _ => longest(),
    };
    sources.iter().map(of_one).max().unwrap_or_else(longest)
}

/// The error of a run that has no plan.
pub fn refused(asked: Asked, problems: &[Problem]) -> Error {
    /// A large file may have one wrong in each of its lines.
    const MOST_TOLD: usize = 200;
    let (number, what) = (count(problems.len(), "problem"), asked.what);
    let more = problems.len().saturating_sub(MOST_TOLD);
    let more = (more > 0).then(|| format!("and {}", count(more, "other problem")));
    let told = problems.iter().take(MOST_TOLD).map(|problem| problem.shown(asked));
    Error::new(Exit::Inputs, format!("{number} with the {what}; nothing was sent to a registry"))
        .with_details(told.chain(more).collect())
}

/// The longest pause between two checks of an image.
pub fn pause(text: &str) -> Result<Duration, String> {
    let shortest = || format!("must not be shorter than {} ms", SHORTEST_INTERVAL.as_millis());
    values::duration(text)
        .and_then(|pause| if pause < SHORTEST_INTERVAL { Err(shortest()) } else { Ok(pause) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{Environment, env};
    use crate::secret::Secrets;
    use std::path::Path;
    use tracing::Level;

    fn inputs(pairs: &[(&str, &str)]) -> RawInputs {
        let mut findings = Findings::default();
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let inputs = env::from_pairs(pairs, &mut findings);
        assert!(findings.problems.is_empty());
        inputs
    }

    fn planned(
        pairs: &[(&str, &str)],
        environment: &Environment,
    ) -> Result<(Planned, Vec<String>), Vec<String>> {
        let (folder, secrets) = (Path::new("."), &Secrets::default());
        let context = Context { environment, folder, secrets };
        all(&inputs(pairs), &context, Asked::INPUTS, Findings::default())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn made(pairs: &[(&str, &str)]) -> Result<Planned, Vec<String>> {
        planned(pairs, &Environment::new()).map(|(planned, _)| planned)
    }

    #[test]
    fn a_plan_from_the_least() {
        let planned =
            made(&[("tags", "r.example/app:1"), ("sources", "r.example/app:amd64, r.example/app")])
                .unwrap();
        let names: Vec<String> =
            planned.plans[0].sources.iter().map(|source| source.reference.to_string()).collect();
        assert_eq!(names, ["r.example/app:amd64", "r.example/app:latest"]);
        assert_eq!(
            (planned.plans[0].wait, planned.plans[0].wait_interval, planned.settings.concurrency),
            (Duration::from_secs(600), Duration::from_secs(10), 32)
        );
        assert_eq!(planned.settings.writable.len(), 1);
        let dry = made(&[
            ("tags", "r.example/app:1"),
            ("sources", "r.example/app:a"),
            ("dry-run", "yes"),
        ])
        .unwrap();
        assert!(dry.settings.writable.is_empty());
    }

    #[test]
    fn how_long_to_wait_by_default() {
        let (one, two) = (format!("@sha256:{:064}", 1), format!("@sha256:{:064}", 2));
        let digest = one.trim_start_matches('@').to_owned();
        let (tag, by_digest) = ("r.example/app:a", format!("r.example/app{one}"));
        for (pairs, seconds) in [
            (vec![("sources", tag.to_owned())], 600),
            (vec![("digests", digest.clone())], 60),
            (vec![("digests", format!("{digest}\nlinux/arm64=s.example/b{two}"))], 60),
            (vec![("sources", by_digest.clone())], 60),
            (vec![("sources", format!("r.example/app:a{one}"))], 60),
            (vec![("sources", format!("{by_digest}\n{tag}"))], 600),
            (vec![("digests", digest.clone()), ("wait", "10m".to_owned())], 600),
            (vec![("digests", digest), ("wait", "0".to_owned())], 0),
            (vec![("sources", tag.to_owned()), ("wait", "30s".to_owned())], 30),
        ] {
            let is_asked = pairs.iter().any(|(name, _)| *name == "wait");
            let mut all = vec![("tags", "r.example/app:1")];
            all.extend(pairs.iter().map(|(name, value)| (*name, value.as_str())));
            let plan = &made(&all).unwrap().plans[0];
            let expected = (Duration::from_secs(seconds), is_asked);
            assert_eq!((plan.wait, plan.is_wait_asked), expected, "{pairs:?}");
        }
    }

    #[test]
    fn tags_come_from_metadata_action_when_not_given() {
        let environment: Environment = [(
            "DOCKER_METADATA_OUTPUT_TAGS".to_owned(),
            "r.example/app:1\nr.example/app:1\nr.example/app:latest".to_owned(),
        )]
        .into();
        let (planned, _) = planned(&[("sources", "r.example/app:a")], &environment).unwrap();
        assert_eq!(planned.plans[0].targets.len(), 2);
    }

    #[test]
    fn all_problems_at_once_with_input_and_line() {
        let problems = made(&[
            ("tags", "r.example/app:1\nr.example/app"),
            ("sources", "r.example/app:{arch}\nr.example/app:x"),
            ("platforms", "linux/arm64,linux/arm64/v8,amd64"),
            ("format", "docker"),
            ("annotations", "a=b"),
            ("wait", "soon"),
            ("wait-interval", "0"),
            ("dry-run", "perhaps"),
            ("concurrency", "0"),
            ("attestations", "maybe"),
            ("insecure-registries", "http://x"),
            ("ca-file", "/nowhere.pem"),
            ("username", "u"),
        ])
        .unwrap_err();
        let starts = [
            "tags, line 2: r.example/app has no tag",
            "platforms, line 1: linux/arm64/v8 and linux/arm64 are the same platform",
            "platforms, line 1: \"amd64\" is not a platform",
            "sources, line 1: linux/arm64 and linux/arm64/v8 both give r.example/app:arm64",
            "format: docker",
            "attestations: must be keep, drop or discover, not \"maybe\"",
            "wait: \"soon\"",
            "dry-run: must be true or false, not \"perhaps\"",
            "wait-interval: must not be shorter than 100 ms",
            "username is set, but password is not",
            "insecure-registries, line 1:",
            "ca-file: /nowhere.pem cannot be read",
            "concurrency: must be a number from 1 to 256, not \"0\"",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:#?}");
        for start in starts {
            assert!(
                problems.iter().any(|problem| problem.starts_with(start)),
                "{start}: {problems:#?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let tags = ("tags", "r.example/app:1");
        for (pairs, why) in [
            (vec![tags], "sources or digests is required"),
            (vec![("sources", "r.example/app:a")], "tags is required"),
            (
                vec![tags, ("sources", "r.example/app:a"), ("digests", "x")],
                "give either sources or digests, not both",
            ),
            (
                vec![tags, ("sources", "r.example/a b"), ("digests", "sha256:1")],
                "sources, line 1: r.example/a b:",
            ),
            (
                vec![tags, ("sources", "r.example/a b"), ("digests", "sha256:1,sha256:12")],
                "digests, line 1: sha256:12:",
            ),
            (
                vec![("tags", "r.example/app:1@sha256:0"), ("sources", "r.example/app:a")],
                "tags, line 1",
            ),
            (vec![tags, ("sources", "r.example/app:{arch}")], "platforms"),
            (
                vec![tags, ("sources", "r.example/app:{arhc}"), ("platforms", "linux/amd64")],
                "{arhc}",
            ),
            (vec![tags, ("sources", "r.example/app:a\nr.example/app:a")], "line 2"),
            (vec![tags, ("sources", "linux=r.example/app:a")], "is not a platform"),
        ] {
            let problems = made(&pairs).map(|_| ()).unwrap_err();
            assert!(
                problems.iter().any(|problem| problem.contains(why)),
                "{pairs:?}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_platform_that_is_wrong_is_not_missing() {
        let problems = made(&[
            ("tags", "r.example/app:1"),
            ("sources", "r.example/app:{arch}"),
            ("platforms", "arm64"),
        ]);
        let problems = problems.map(|_| ()).unwrap_err();
        assert!(
            problems.len() == 1 && problems[0].starts_with("platforms, line 1: \"arm64\""),
            "{problems:?}"
        );
    }

    #[test]
    fn what_looks_like_several_values_is_told_for_each_input() {
        let pairs = [
            ("tags", "r.example/app:1"),
            ("sources", "r.example/app:a"),
            ("annotations", "a=1,b=2"),
            ("expect-labels", "a=1,b=2"),
            ("credentials", "r.example=u:canary,s.example=v:canary"),
        ];
        let (_, warnings) = planned(&pairs, &Environment::new()).unwrap();
        for input in ["annotations", "expect-labels", "credentials"] {
            let start = format!("{input}, line 1: read as one value");
            assert!(
                warnings.iter().any(|warning| warning.starts_with(&start)),
                "{input}: {warnings:?}"
            );
        }
        assert!(!warnings.concat().contains("canary"));
    }

    #[test]
    fn log_levels() {
        let level = |pairs: &[(&str, &str)], variables: &[(&str, &str)]| {
            let environment = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            log_level(&inputs(pairs), &environment, &mut Findings::default())
        };
        assert_eq!(level(&[], &[]), Level::INFO);
        assert_eq!(level(&[], &[("RUNNER_DEBUG", "1")]), Level::DEBUG);
        assert_eq!(level(&[], &[("CI_DEBUG_TRACE", "true")]), Level::DEBUG);
        assert_eq!(level(&[("log-level", "Error")], &[("RUNNER_DEBUG", "1")]), Level::ERROR);
    }
}
