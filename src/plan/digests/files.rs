//! Files that tell digests, by their names or by what they contain: a folder of them, or those that
//! patterns name.

use super::lines::{self, Parsed, not_there};
use super::{INPUT, Pinned, Reader, metadata};
use crate::file;
use crate::inputs::Findings;
use crate::inputs::values::Item;
use crate::oci::{Digest, Platform, Repository};
use crate::plan::platforms;
use std::path::Path;
use std::{fs, io};

/// Metadata files contain the whole provenance; a larger file is of another kind.
const LARGEST_METADATA: u64 = 16 << 20;
/// Metadata files end so.
const JSON: &str = ".json";
/// What may follow the platform in the name of a file.
const ENDINGS: [&str; 2] = [".txt", ".digest"];

impl Reader<'_> {
    /// A folder of digest files, as in Docker's multi-runner workflow.
    pub(super) fn folder(&self, path: &Path, item: &Item, findings: &mut Findings) -> Vec<Pinned> {
        let Item { line, text: ref shown } = *item;
        let names = names_in(path)
            .map_err(|error| format!("cannot read the folder {shown}: {}", file::why(&error)));
        let Some(names) = findings.take(INPUT, Some(line), names) else { return Vec::new() };
        if names.is_empty() {
            let text = format!("the folder {shown} is empty: no build left a digest there");
            findings.problem_at(INPUT, line, text);
        }
        let pinned = names.into_iter().filter_map(|name| {
            let (path, from) = (path.join(&name), format!("{shown}/{name}"));
            let digest = if path.is_dir() {
                Err(format!(
                    "{from} is a folder; digest files must lie side by side (download-artifact: merge-multiple: true)"
                ))
            } else {
                let ending = if name.ends_with(JSON) { JSON } else { "" };
                match self.file(&path, &name) {
                    Ok(Told::One(digest)) => Ok(digest),
                    Err(why) if ending.is_empty() => Err(format!("{from}: {why}")),
                    _ => Err(format!(
                        "{from} is not a digest; for metadata files write {shown}/*{ending}"
                    )),
                }
            };
            let digest = findings.take(INPUT, Some(line), digest)?;
            Some(pinned(&name, from, digest, findings))
        });
        pinned.collect()
    }

    /// Digest files, or metadata files of build or bake: one by its name, or those that a pattern
    /// names.
    pub(super) fn files(&self, item: &Item, findings: &mut Findings) -> Vec<Pinned> {
        let Item { line, text: ref shown } = *item;
        let place = self.places.find(shown);
        let Some(paths) = findings.take(INPUT, Some(line), place.matching(shown)) else {
            return Vec::new();
        };
        if paths.is_empty() {
            let why = not_there(shown, self.places);
            findings.problem_at(INPUT, line, format!("{shown}: {why}"));
        }
        let mut given = Vec::new();
        for path in paths {
            let from = place.written(&path).display().to_string();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let read = if path.is_dir() {
                Err(format!("is a folder: for the files in it write {from}/*"))
            } else {
                self.file(&path, &name)
            };
            let read = read.map_err(|why| format!("{from}: {why}"));
            match findings.take(INPUT, Some(line), read) {
                Some(Told::One(digest)) => given.push(pinned(&name, from, digest, findings)),
                Some(Told::Builds(digests)) => {
                    given.extend(digests.into_iter().map(|digest| Pinned::new(&from, digest)));
                }
                None => {}
            }
        }
        given
    }

    /// What a file tells: that it is named by a digest counts first.
    fn file(&self, path: &Path, name: &str) -> Result<Told, String> {
        if let Some(digest) = Digest::from_file_name(name) {
            return Ok(Told::One((None, digest)));
        }
        let text = file::text(path, LARGEST_METADATA)?;
        if name.ends_with(JSON) || text.trim_start().starts_with('{') {
            return metadata::parse(&text, self.targets).map(Told::Builds);
        }
        contained(&text, self.targets).map(Told::One)
    }
}

/// A digest, and the repository beside it.
type Found = (Option<Repository>, Digest);

/// What a file tells.
enum Told {
    One(Found),
    /// It is metadata.
    Builds(Vec<Digest>),
}

fn pinned(
    name: &str,
    from: String,
    (repository, digest): Found,
    findings: &mut Findings,
) -> Pinned {
    let platform = platform_of(name);
    if let Some(platform) = &platform {
        platforms::warn_of_odd(&platform.to_string(), platform, findings);
    }
    Pinned { from, platform, repository, digest }
}

/// The platform that a file is named by: `linux-arm-v7`, `linux-arm64.txt`.
fn platform_of(name: &str) -> Option<Platform> {
    let name = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let platform: Platform = name.replace('-', "/").parse().ok()?;
    // With another ending it is a name of its own.
    let is_plain = name.contains('-') && !name.contains('.');
    (is_plain && platform.has_usual_os()).then_some(platform)
}

/// The one digest in a file. kaniko writes it, or a line with the same for each repository that it
/// pushed to: a target's counts then.
fn contained(text: &str, targets: &[Repository]) -> Result<Found, String> {
    const NOT_ONE: &str = "is not a digest and contains none: a digest file is named by its digest \
                           (64 hex digits, also after sha256: or sha256-), or contains DIGEST or REF@DIGEST";
    let mut found: Vec<Found> = Vec::new();
    let written = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    for line in written.filter(|line| !line.is_empty()) {
        // Not quoted: whatever is in there may be a secret.
        let parsed: Option<Parsed> = lines::parse(line).and_then(Result::ok);
        let Some((None, repository, digest)) = parsed else { return Err(NOT_ONE.to_owned()) };
        found.push((repository, digest));
    }
    let Some((_, first)) = found.first() else {
        return Err("is empty: did the build end before it wrote its digest?".to_owned());
    };
    if found.iter().any(|(_, digest)| digest != first) {
        return Err("contains several digests: each needs a file of its own".to_owned());
    }
    let is_ours = |(repository, _): &Found| {
        repository.as_ref().is_none_or(|repository| targets.contains(repository))
    };
    let at = found.iter().position(is_ours).unwrap_or_default();
    Ok(found.swap_remove(at))
}

/// The names in a folder, sorted; without hidden ones.
fn names_in(path: &Path) -> io::Result<Vec<String>> {
    let names =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}
