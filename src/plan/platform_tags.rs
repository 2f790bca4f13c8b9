//! Tags for single platforms, from the input `platform-tags`: templates, filled in for each platform
//! that the images turn out to have.

use super::targets::Targets;
use super::template::{self, is_template};
use crate::error::words;
use crate::inputs::Findings;
use crate::inputs::table::{Given, RawInputs, names};
use crate::oci::reference::{bare_tag, is_short, target};
use crate::oci::{Platform, Reference, Repository, slip};

const INPUT: &str = names::platform_tags;

/// References with placeholders, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlatformTags(Vec<Template>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    /// The reference, complete, with its placeholders.
    text: String,
    /// Of any platform: what an image says that it is for does not choose whom we talk to.
    host: String,
    /// Where it is the same for every platform.
    repository: Option<Repository>,
}

impl Template {
    /// `written`: as the user wrote it, for problems.
    fn of(text: &str, written: &str) -> Result<Self, String> {
        let [one, other] = samples().map(|platform| filled(text, &platform));
        let (one, other) = match (one, other) {
            (Ok(one), Ok(other)) => (one.repository, other.repository),
            (Err(why), _) | (_, Err(why)) => return Err(format!("{written}: {why}")),
        };
        if one.host() != other.host() {
            return Err(format!("{written}: a placeholder cannot be part of the registry's name"));
        }
        let host = one.host().to_owned();
        let repository = (one == other).then_some(one);
        Ok(Self { text: text.to_owned(), host, repository })
    }

    fn fill(&self, platform: &Platform) -> Result<Reference, String> {
        let reference = filled(&self.text, platform)?;
        if reference.repository.host() == self.host {
            Ok(reference)
        } else {
            Err(format!("{reference} is at another registry than {}", self.host))
        }
    }
}

/// Two platforms that have no part in common.
fn samples() -> [Platform; 2] {
    let sample = |os: &str, architecture: &str, variant: &str| Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
        variant: variant.to_owned(),
        ..Platform::default()
    };
    [sample("linux", "amd64", "v3"), sample("windows", "arm", "v7")]
}

fn filled(text: &str, platform: &Platform) -> Result<Reference, String> {
    target(&template::expand(text, platform)?, None)
}

impl PlatformTags {
    /// Whether no platform gets a tag of its own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tags of a platform. Placeholders are filled as `platforms` spells it, else as outputs do.
    pub fn of(
        &self,
        platform: &Platform,
        platforms: &[Platform],
    ) -> Result<Vec<Reference>, String> {
        let asked = platforms.iter().find(|asked| platform.answers(asked)).cloned();
        let spelled = asked.unwrap_or_else(|| platform.normalized());
        self.0.iter().map(|template| template.fill(&spelled)).collect()
    }

    /// All tags, where the platforms are known before the images are.
    pub(super) fn known(&self, platforms: &[Platform]) -> Vec<Reference> {
        let all = platforms.iter().filter_map(|platform| self.of(platform, platforms).ok());
        all.flatten().collect()
    }

    /// The repositories that are known before the images are, each with a tag in it if that is known.
    pub(crate) fn places(&self, platforms: &[Platform]) -> Vec<Reference> {
        let fixed = self.0.iter().filter_map(|template| template.repository.clone());
        let fixed = fixed.map(|repository| Reference { repository, tag: None, digest: None });
        self.known(platforms).into_iter().chain(fixed).collect()
    }

    /// The registries of all of them.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|template| template.host.as_str())
    }

    /// The templates, as references with placeholders.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|template| template.text.as_str())
    }
}

/// Whether the input contains tags without a repository, which those of `images` get.
pub(super) fn has_bare(inputs: &RawInputs) -> bool {
    let items = inputs.platform_tags().items(&mut Findings::default());
    items.iter().any(|item| is_bare(&item.text))
}

fn is_bare(text: &str) -> bool {
    let [sample, _] = samples();
    template::expand(text, &sample).is_ok_and(|filled| bare_tag(&filled).is_some())
}

/// Reads the input: each template, for bare ones one for each repository of `images`.
pub(super) fn read(
    input: Given<'_>,
    targets: &Targets,
    platforms: &[Platform],
    findings: &mut Findings,
) -> PlatformTags {
    let mut templates: Vec<Template> = Vec::new();
    for item in input.some_items("reference", findings) {
        let text = &item.text;
        let of_line = |whole: String| Template::of(&whole, text);
        let read = match (&targets.repositories, whole_of(text, targets)) {
            (_, Err(why)) => Err(why),
            (Some(repositories), Ok(())) if is_bare(text) => repositories
                .iter()
                .map(|repository| of_line(format!("{repository}:{text}")))
                .collect::<Result<Vec<_>, _>>(),
            (_, Ok(())) => of_line(text.clone()).map(|template| vec![template]),
        };
        let Some(read) = findings.take(INPUT, Some(item.line), read) else { continue };
        for template in read {
            refuse_twins(&template, platforms, targets, item.line, findings);
            if !is_bare(text) && is_short(text) {
                let host = &template.host;
                findings.warn(format!("{text} names no registry, so it is at {host}"));
            }
            if !templates.contains(&template) {
                templates.push(template);
            }
        }
    }
    PlatformTags(templates)
}

/// Refuses a line that is no template, or lacks its repository.
fn whole_of(text: &str, targets: &Targets) -> Result<(), String> {
    if let Some(why) = slip::of_any_text(text) {
        return Err(format!("{text}: {why}"));
    }
    if !is_template(text) {
        return Err(format!(
            "{text} has no placeholder, so every platform would get the same tag: add one, such as \
             {text}-{{arch}}"
        ));
    }
    if is_bare(text) && targets.repositories.is_none() {
        let repository = targets.tags.first().map(|first| first.repository.to_string());
        let repository = repository.unwrap_or_else(|| "ghcr.io/acme/app".to_owned());
        return Err(format!(
            "{text} is a tag without its repository: write {repository}:{text}, or name its \
             repositories in {}",
            words::input(names::images)
        ));
    }
    Ok(())
}

/// Refuses a template that gives two platforms one tag, or a platform a tag of the index.
fn refuse_twins(
    template: &Template,
    platforms: &[Platform],
    targets: &Targets,
    line: usize,
    findings: &mut Findings,
) {
    let filled = platforms.iter().filter_map(|platform| template.fill(platform).ok());
    let filled: Vec<String> = filled.map(|reference| reference.to_string()).collect();
    for at in 0..filled.len() {
        if let Some(why) = template::twin(&filled, platforms, at) {
            findings.problem_at(INPUT, line, why);
        } else if targets.tags.iter().any(|tag| tag.to_string() == filled[at]) {
            findings.problem_at(
                INPUT,
                line,
                format!(
                    "{} is in {} too, which the index gets: write another tag",
                    filled[at],
                    words::input(names::tags)
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Environment;
    use crate::plan::{platforms, targets};
    use crate::random::mixed;

    fn run(
        images: &str,
        own: &str,
        for_platforms: &str,
    ) -> (PlatformTags, Vec<Platform>, Findings) {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let tags = if images.is_empty() { "r.example/app:1" } else { "1" };
        let inputs = RawInputs {
            images: given(images),
            tags: given(tags),
            platform_tags: given(own),
            platforms: given(for_platforms),
            ..RawInputs::default()
        };
        let mut findings = Findings::default();
        let targets = targets::read(&inputs, &Environment::new(), &mut findings);
        let platforms = platforms::read(inputs.platforms(), &mut findings);
        let read = read(inputs.platform_tags(), &targets, &platforms, &mut findings);
        (read, platforms, findings)
    }

    #[test]
    fn tags_of_a_platform() {
        for (images, own, platforms, platform, expected) in [
            ("", "r.example/app:1-{arch}", "", "linux/arm64/v8", "r.example/app:1-arm64"),
            ("", "r.example/app:1-{arch}-{variant}", "", "linux/arm64/v8", "r.example/app:1-arm64"),
            (
                "",
                "r.example/app:1-{platform}",
                "linux/arm64/v8",
                "linux/arm64",
                "r.example/app:1-linux-arm64-v8",
            ),
            ("", "r.example/app:{arch}", "linux/x86_64", "linux/amd64", "r.example/app:x86_64"),
            (
                "",
                "r.example/app:{os}",
                "windows/amd64",
                "windows(1)/amd64",
                "r.example/app:windows",
            ),
            (
                "r.example/a, s.example/b",
                "1-{arch}\nt.example/{arch}/app:1",
                "",
                "linux/arm",
                "r.example/a:1-arm s.example/b:1-arm t.example/arm/app:1",
            ),
            ("", "{arch}/app:1", "", "linux/arm64", "docker.io/arm64/app:1"),
            ("", "", "", "linux/arm64", ""),
        ] {
            let (own, platforms, findings) = run(images, own, platforms);
            assert_eq!(findings.problems, [], "{expected}");
            let tags = own.of(&platform.parse().unwrap(), &platforms).unwrap();
            let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
            assert_eq!(tags.join(" "), expected);
        }
    }

    #[test]
    fn what_is_known_before_the_images_are() {
        for (own, platforms, expected) in [
            ("r.example/b:1-{arch}", "", "r.example/b"),
            (
                "r.example/b:1-{arch}",
                "linux/arm,linux/s390x",
                "r.example/b:1-arm r.example/b:1-s390x r.example/b",
            ),
            ("r.example/{arch}:1", "", ""),
            ("r.example/{arch}:1", "linux/arm", "r.example/arm:1"),
        ] {
            let (own, platforms, _) = run("", own, platforms);
            let places: Vec<String> =
                own.places(&platforms).iter().map(ToString::to_string).collect();
            assert_eq!(places.join(" "), expected);
        }
    }

    #[test]
    fn what_cannot_be_right_is_told() {
        for (images, own, platforms, expected) in [
            (
                "",
                "r.example/app:2",
                "",
                "r.example/app:2 has no placeholder, so every platform would get the same tag: add one, such as r.example/app:2-{arch}",
            ),
            (
                "",
                "1-{arch}",
                "",
                "1-{arch} is a tag without its repository: write r.example/app:1-{arch}, or name its repositories in images",
            ),
            (
                "r.example/a",
                "1-{arhc}",
                "",
                "1-{arhc}: unknown placeholder {arhc}; use {os}, {arch}, {variant} or {platform}",
            ),
            (
                "",
                "r.example/app-{arch}",
                "",
                "r.example/app-{arch}: r.example/app-amd64 has no tag: write r.example/app-amd64:TAG",
            ),
            (
                "",
                "{arch}.example/app:1",
                "",
                "{arch}.example/app:1: a placeholder cannot be part of the registry's name",
            ),
            (
                "r.example/a",
                "{arch} x",
                "",
                "{arch} x: amd64 x: one per line, or commas between them, not spaces",
            ),
            (
                "",
                "r.example/b:{os}",
                "linux/arm,linux/s390x",
                "linux/arm and linux/s390x both give r.example/b:linux: the template needs {arch}",
            ),
            (
                "",
                "r.example/app:{variant}",
                "linux/arm/1",
                "r.example/app:1 is in tags too, which the index gets: write another tag",
            ),
            ("", "# none", "", "contains no reference"),
        ] {
            let (_, _, findings) = run(images, own, platforms);
            let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
            let start = if own == "# none" { "platform-tags: " } else { "platform-tags, line 1: " };
            assert_eq!(told.len(), 1, "{own}: {told:?}");
            assert!(told[0].starts_with(&format!("{start}{expected}")), "{own}: {told:?}");
        }
        let (_, _, findings) = run("r.example/a", "1-{arch}", "");
        assert_eq!(findings.warnings, [""; 0]);
        let (_, _, findings) = run("", "app:1-{arch}", "");
        assert_eq!(findings.warnings, ["app:1-{arch} names no registry, so it is at docker.io"]);
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "{arch}",
            "{os}",
            "{variant}",
            "{",
            "}",
            "r.example",
            "/",
            ":",
            "@",
            "é",
            "-",
            "1",
            ",",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let (own, platforms, findings) =
                run("", &mixed(&mut random, &pieces, 8), "linux/arm/v7");
            if findings.problems.is_empty() {
                for tag in own.known(&platforms) {
                    assert!(tag.tag.is_some() && tag.digest.is_none(), "{tag}");
                }
            }
        }
    }
}
