//! Sources from the inputs `sources` and `digests`.

use super::Source;
use super::digests;
use super::template;
use crate::inputs::table::RawInputs;
use crate::inputs::{Findings, values};
use crate::oci::{Digest, Platform, Reference, Repository};
use std::path::Path;

const INPUT: &str = "sources";

/// All sources, in the order given; templates in the order of `platforms`.
pub(super) fn read(
    inputs: &RawInputs,
    platforms: &[Platform],
    folder: &Path,
    first: Option<&Repository>,
    findings: &mut Findings,
) -> Vec<Source> {
    match (&inputs.sources, &inputs.digests) {
        (None, None) => {
            findings.problem(INPUT, "sources or digests is required: the images to combine");
        }
        (Some(_), Some(_)) => findings.problem(INPUT, "give either sources or digests, not both"),
        _ => {}
    }
    let mut sources = Vec::new();
    if let Some(value) = &inputs.sources {
        // Of an input that is set and gave none, it was told already what is wrong.
        let platforms = inputs.platforms.is_some().then_some(platforms);
        sources.extend(references(value, platforms, findings));
    }
    if let Some(value) = &inputs.digests {
        if inputs.platforms.is_none() {
            findings.warn("platforms is not set, so a missing digest cannot be noticed".to_owned());
        }
        sources.extend(by_digest(value, folder, first, findings));
    }
    sources
}

/// `platforms`: what templates are expanded over, if that input is set.
fn references(value: &str, platforms: Option<&[Platform]>, findings: &mut Findings) -> Vec<Source> {
    let items = findings.take(INPUT, None, values::items(value, true));
    if items.as_ref().is_some_and(Vec::is_empty) {
        findings.problem(INPUT, "contains no reference");
    }
    let mut sources: Vec<(usize, Source)> = Vec::new();
    for item in items.unwrap_or_default() {
        let (platform, text) = match item.text.split_once('=') {
            Some((platform, text)) => (
                findings.take(INPUT, Some(item.line), platform.trim().parse::<Platform>()),
                text.trim(),
            ),
            None => (None, item.text.as_str()),
        };
        if !template::is_template(text) {
            let wanted = Wanted { line: item.line, text, platform, expanded: None };
            push(&mut sources, wanted, findings);
        } else if platform.is_some() {
            findings.problem_at(
                INPUT,
                item.line,
                format!(
                    "{text} is expanded over platforms, so it cannot have a platform in front of it"
                ),
            );
        } else if let Some(platforms) = platforms {
            expand(&mut sources, item.line, text, platforms, findings);
        } else {
            findings.problem_at(
                INPUT,
                item.line,
                format!("{text} has placeholders, but platforms is not set"),
            );
        }
    }
    sources.into_iter().map(|(_, source)| source).collect()
}

fn expand(
    sources: &mut Vec<(usize, Source)>,
    line: usize,
    text: &str,
    platforms: &[Platform],
    findings: &mut Findings,
) {
    let expanded: Result<Vec<String>, String> =
        platforms.iter().map(|platform| template::expand(text, platform)).collect();
    let Some(expanded) =
        findings.take(INPUT, Some(line), expanded.map_err(|why| format!("{text}: {why}")))
    else {
        return;
    };
    for (at, reference) in expanded.iter().enumerate() {
        match expanded.iter().position(|other| other == reference) {
            Some(first) if first < at => {
                let (one, two) = (as_written(&platforms[first]), as_written(&platforms[at]));
                findings.problem_at(
                    INPUT,
                    line,
                    format!("{one} and {two} both give {reference}: the template needs {{variant}}, {{os}} or another tag"),
                );
            }
            _ => {
                let expanded = Some(&platforms[at]);
                let wanted = Wanted { line, text: reference, platform: None, expanded };
                push(sources, wanted, findings);
            }
        }
    }
}

/// A platform without normalising: what the user wrote, apart from an OS version.
fn as_written(platform: &Platform) -> String {
    let (os, architecture, variant) = platform.parts();
    if variant.is_empty() {
        format!("{os}/{architecture}")
    } else {
        format!("{os}/{architecture}/{variant}")
    }
}

/// A reference, its line, and the platform in front of it or that it was expanded for.
struct Wanted<'a> {
    line: usize,
    text: &'a str,
    platform: Option<Platform>,
    expanded: Option<&'a Platform>,
}

fn push(sources: &mut Vec<(usize, Source)>, wanted: Wanted<'_>, findings: &mut Findings) {
    let Wanted { line, text, platform, expanded } = wanted;
    let reference = text.parse::<Reference>().map_err(|error| format!("{text}: {error}"));
    let Some(reference) = findings.take(INPUT, Some(line), reference).map(Reference::or_latest)
    else {
        return;
    };
    let stands_for = platform.as_ref().or(expanded).cloned();
    let source = Source { name: reference.to_string(), reference, platform, stands_for };
    if let Some((other, _)) = sources
        .iter()
        .find(|(_, other)| other.reference == source.reference && other.platform == source.platform)
    {
        findings.problem_at(INPUT, line, format!("{text} is already given in line {other}"));
    }
    sources.push((line, source));
}

/// Where a digest was found: of a file that is named by it the folder, for nobody wants to read it
/// twice.
fn whence<'f>(from: &'f str, digest: &Digest) -> &'f str {
    let hex = digest.as_str().rsplit(':').next().unwrap_or_default();
    match from.rsplit_once('/') {
        Some((folder, file)) if file.contains(hex) => folder,
        _ => from,
    }
}

fn by_digest(
    value: &str,
    folder: &Path,
    first: Option<&Repository>,
    findings: &mut Findings,
) -> Vec<Source> {
    let given = digests::read(value, folder, first, findings);
    given
        .into_iter()
        .filter_map(|given| {
            let repository = given.repository.as_ref().or(first)?;
            let name = match whence(&given.from, &given.digest) {
                "" => given.digest.short().to_owned(),
                from => format!("{} from {from}", given.digest.short()),
            };
            Some(Source {
                reference: Reference::at(repository, &given.digest),
                stands_for: given.platform.clone(),
                platform: given.platform,
                name,
            })
        })
        .collect()
}
