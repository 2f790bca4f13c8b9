//! Files that tell digests: a folder of them, or those that patterns name.

use super::lines::not_there;
use super::{INPUT, Pinned, metadata};
use crate::file;
use crate::inputs::Findings;
use crate::inputs::places::{Place, Places};
use crate::inputs::values::Item;
use crate::oci::{Digest, Repository};
use glob::Pattern;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Metadata files contain the whole provenance; a larger file is of another kind.
const LARGEST_METADATA: u64 = 16 << 20;

/// A folder whose file names are the digests, as in Docker's multi-runner workflow.
pub(super) fn from_folder(
    path: &Path,
    shown: &str,
    line: usize,
    findings: &mut Findings,
) -> Vec<Pinned> {
    let names = names_in(path)
        .map_err(|error| format!("cannot read the folder {shown}: {}", file::why(&error)));
    let Some(names) = findings.take(INPUT, Some(line), names) else { return Vec::new() };
    if names.is_empty() {
        let text = format!("the folder {shown} is empty: no build left a digest there");
        findings.problem_at(INPUT, line, text);
    }
    let pinned = names.into_iter().filter_map(|(name, is_folder)| {
        let from = format!("{shown}/{name}");
        match Digest::from_file_name(&name) {
            Some(digest) if !is_folder => {
                Some(Pinned { line, from, platform: None, repository: None, digest })
            }
            _ => {
                findings.problem_at(INPUT, line, no_digest(&from, shown, is_folder));
                None
            }
        }
    });
    pinned.collect()
}

/// The names in a folder, sorted, and whether each is a folder; without hidden ones.
fn names_in(path: &Path) -> io::Result<Vec<(String, bool)>> {
    let entries = fs::read_dir(path)?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()))
    });
    let mut names = entries.collect::<io::Result<Vec<_>>>()?;
    names.retain(|(name, _)| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// Why something in a folder of digests is not a digest, and how to fix it.
fn no_digest(from: &str, shown: &str, is_folder: bool) -> String {
    if is_folder {
        format!(
            "{from} is a folder; digest files must lie side by side (download-artifact: merge-multiple: true)"
        )
    } else if from.ends_with(".json") {
        format!("{from} is not a digest; for metadata files write {shown}/*.json")
    } else {
        format!(
            "{from} is not a digest: file names must be 64 hex digits, with or without sha256- in front"
        )
    }
}

/// Build or bake metadata files: one by its name, or those that a pattern names.
pub(super) fn from_files(
    item: &Item,
    places: &Places,
    target: Option<&Repository>,
    findings: &mut Findings,
) -> Vec<Pinned> {
    let Item { line, text: ref shown } = *item;
    let place = places.find(shown);
    let Some(files) = findings.take(INPUT, Some(line), files(&place, shown)) else {
        return Vec::new();
    };
    if files.is_empty() {
        findings.problem_at(INPUT, line, format!("{shown}: {}", not_there(shown, places)));
    }
    let mut given = Vec::new();
    let mut folders = BTreeSet::new();
    for file in files {
        let name =
            file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match read_metadata(&file, target) {
            Ok(digests) => given.extend(digests.into_iter().map(|digest| Pinned {
                line,
                from: name.clone(),
                platform: None,
                repository: None,
                digest,
            })),
            Err(_) if Digest::from_file_name(&name).is_some() => {
                folders.insert(folder_of(&place.written(&file)));
            }
            Err(why) => findings.problem_at(INPUT, line, format!("{name}: {why}")),
        }
    }
    if !folders.is_empty() {
        let folders = folders.into_iter().collect::<Vec<_>>().join(", ");
        findings.problem_at(
            INPUT,
            line,
            format!("{shown}: files there are named by their digests; name the folder instead: {folders}"),
        );
    }
    given
}

/// The folder that contains a file, as it can be written in the input.
fn folder_of(file: &Path) -> String {
    let parent = file.parent().unwrap_or(Path::new(""));
    if parent == Path::new("") { ".".to_owned() } else { parent.display().to_string() }
}

fn files(place: &Place, shown: &str) -> Result<Vec<PathBuf>, String> {
    let named = place.path();
    // A folder was looked for before. What else is there is read, or refused as what it is.
    if named.exists() {
        return Ok(vec![named]);
    }
    // Only what the user wrote is a pattern: the folder may have such characters in its name.
    let pattern = Path::new(&Pattern::escape(&place.base.to_string_lossy())).join(&place.below);
    let matches = glob::glob(&pattern.to_string_lossy())
        .map_err(|error| format!("{shown:?} is not a valid pattern: {error}"))?;
    let mut files: Vec<PathBuf> =
        matches.filter_map(Result::ok).filter(|path| !path.is_dir()).collect();
    files.sort();
    Ok(files)
}

/// The digests of the first tag's image in one metadata file.
fn read_metadata(file: &Path, target: Option<&Repository>) -> Result<Vec<Digest>, String> {
    metadata::digests(&file::text(file, LARGEST_METADATA)?, target)
}
