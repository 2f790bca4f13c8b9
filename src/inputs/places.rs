//! Where the files that inputs name are looked for.

use super::{Context, set};
use crate::file;
use crate::oci::Form;
use glob::{MatchOptions, Pattern};
use std::path::{Component, Path, PathBuf};

/// Beside the auth file that the GitHub action hands to its container: files that the container does
/// not see, each below its own path, and why there are none (`action/stage.sh` writes both).
const HANDED_OVER: &str = "manifest-action-files";
const WHY_NOT: &str = "manifest-action-files.txt";

/// Bytes: a path and some words.
const LONGEST_REASON: u64 = 8 << 10;

/// The folders in which a run looks.
#[derive(Debug)]
pub(crate) struct Places {
    /// Where relative paths start.
    folder: PathBuf,
    /// Where the copies are, in the GitHub action.
    staged: Option<PathBuf>,
    /// Whether this runs as a step of a CI system.
    in_ci: bool,
}

/// Where a path, or a pattern of paths, leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A folder, whose name is no pattern.
    pub(crate) base: PathBuf,
    /// The path or pattern below it.
    pub(crate) below: PathBuf,
    is_copy: bool,
}

impl Place {
    /// Where a path or pattern leads from this folder.
    pub(crate) fn of(folder: &Path, named: &str) -> Self {
        Self { base: folder.to_owned(), below: named.into(), is_copy: false }
    }

    /// The path.
    pub(crate) fn path(&self) -> PathBuf {
        self.base.join(&self.below)
    }

    /// A path that was found there, as it can be written in the input.
    pub(crate) fn written(&self, found: &Path) -> PathBuf {
        match found.strip_prefix(&self.base) {
            Ok(below) if self.is_copy => Path::new("/").join(below),
            Ok(below) => below.to_owned(),
            Err(_) => found.to_owned(),
        }
    }

    /// The file of this name, or the files that a pattern matches, sorted. A folder is among them if
    /// nothing in it is: what it contains would be lost.
    pub(crate) fn matching(&self, shown: &str) -> Result<Vec<PathBuf>, String> {
        let named = self.path();
        // What is there is read, or refused as what it is.
        if named.exists() {
            return Ok(vec![named]);
        }
        // Only what the user wrote is a pattern: the folder may have such characters in its name.
        let base = Pattern::escape(&self.base.to_string_lossy());
        let pattern = Path::new(&base).join(&self.below);
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        let matches = glob::glob_with(&pattern.to_string_lossy(), options)
            .map_err(|error| format!("{shown:?} is not a valid pattern: {error}"))?;
        let (folders, mut paths): (Vec<PathBuf>, Vec<PathBuf>) =
            matches.filter_map(Result::ok).partition(|path| path.is_dir());
        let is_passed_over = |folder: &PathBuf| !paths.iter().any(|path| path.starts_with(folder));
        let passed_over: Vec<PathBuf> = folders.into_iter().filter(is_passed_over).collect();
        paths.extend(passed_over);
        paths.sort();
        Ok(paths)
    }

    /// The archives that a pattern means, or the folders, as they can be written in its place.
    pub(crate) fn holders(&self, form: Form, shown: &str) -> Result<Vec<PathBuf>, String> {
        let is_folder = form == Form::Oci;
        let found = self.matching(shown)?.into_iter().filter(|path| path.is_dir() == is_folder);
        Ok(found.map(|path| self.written(&path)).collect())
    }
}

impl Places {
    /// Those of a run.
    pub(crate) fn of(context: &Context<'_>) -> Self {
        let set = |name: &str| set(context.environment, name);
        let staged = set("DOCKER_CONFIG").map(|path| context.folder.join(path));
        Self { folder: context.folder.to_owned(), staged, in_ci: set("CI").is_some() }
    }

    /// Where to look for what an input names: among the copies, if it was copied.
    pub(crate) fn find(&self, named: &str) -> Place {
        let copies = self.staged.as_ref().map(|staged| staged.join(HANDED_OVER));
        let copies = copies.zip(below_root(Path::new(named)));
        match copies.filter(|(copies, below)| copies.join(without_pattern(below)).exists()) {
            Some((base, below)) => Place { base, below, is_copy: true },
            None => Place::of(&self.folder, named),
        }
    }

    /// Why a step may not find what is there on the machine, to go on after "no such file"; empty
    /// where that explains nothing.
    pub(crate) fn hint(&self, named: &str) -> String {
        let path = Path::new(named);
        let is_outside = path.has_root() || path.starts_with("..");
        if !(self.in_ci && is_outside) || self.find(named).path().exists() {
            return String::new();
        }
        let seen = " here: a step in a container sees only the workspace, and on GitHub what is in \
                    ${{ runner.temp }}";
        let why = self.staged.as_ref().map(|staged| staged.join(WHY_NOT));
        match why.and_then(|why| file::text(&why, LONGEST_REASON).ok()) {
            Some(why) => format!("{seen}; the action copied no files there: {}", why.trim()),
            None => seen.to_owned(),
        }
    }
}

/// An absolute path below `/`, if it stays there.
fn below_root(path: &Path) -> Option<PathBuf> {
    let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    path.strip_prefix("/").ok().filter(|_| path.components().all(is_plain)).map(Path::to_owned)
}

/// The folder before the first part that may be a pattern.
fn without_pattern(path: &Path) -> PathBuf {
    let is_plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?']);
    path.components().take_while(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Environment;
    use crate::secret::Secrets;
    use std::fs;
    use tempfile::TempDir;

    fn places(folder: &Path, variables: &[(&str, &str)]) -> Places {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let environment: Environment = variables.collect();
        let secrets = Secrets::default();
        Places::of(&Context { environment: &environment, folder, secrets: &secrets })
    }

    // A container of Linux hands them over.
    #[cfg(unix)]
    #[test]
    fn copies_come_first_and_nothing_outside_of_them() {
        let folder = TempDir::new().unwrap();
        let copies = folder.path().join("login").join(HANDED_OVER);
        fs::create_dir_all(copies.join("tmp/digests")).unwrap();
        fs::write(copies.join("tmp/a[1].json"), "{}").unwrap();
        for (config, named, is_copy) in [
            ("login", "/tmp/digests", true),
            ("login", "//tmp/./digests/", true),
            ("login", "/tmp/*.json", true),
            ("login", "/tmp/a[1].json", true),
            ("login", "/tmp/none", false),
            ("login", "/none/*", false),
            ("login", "digests", false),
            ("login", "/tmp/../tmp/digests", false),
            ("other", "/tmp/digests", false),
            ("", "/tmp/digests", false),
        ] {
            let place = places(folder.path(), &[("DOCKER_CONFIG", config)]).find(named);
            let base = if is_copy { &*copies } else { folder.path() };
            assert_eq!((place.base.as_path(), place.is_copy), (base, is_copy), "{config} {named}");
            let expected = Path::new(named).components().collect::<PathBuf>();
            let written = place.written(&place.path()).components().collect::<PathBuf>();
            assert_eq!(written, expected, "{config} {named}");
        }
    }

    #[test]
    fn what_a_step_does_not_see() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("there"), "").unwrap();
        let there = folder.path().join("there").display().to_string();
        let staged = [("CI", "true"), ("DOCKER_CONFIG", "login")];
        for (variables, named, expected) in [
            (
                &staged[..1],
                "/nowhere",
                " here: a step in a container sees only the workspace, and on GitHub what is in ${{ runner.temp }}",
            ),
            (&staged[..1], "../nowhere", " here: a step"),
            (&staged, "/nowhere", " here: a step"),
            (&staged[..1], "nowhere", ""),
            (&staged[..1], &there, ""),
            // Nobody at a terminal has a workspace.
            (&[], "/nowhere", ""),
        ] {
            let hint = places(folder.path(), variables).hint(named);
            assert!(hint.starts_with(expected) && hint.is_empty() == expected.is_empty(), "{hint}");
        }
        fs::create_dir_all(folder.path().join("login")).unwrap();
        fs::write(folder.path().join("login").join(WHY_NOT), "/tmp/x is a link\n").unwrap();
        let hint = places(folder.path(), &staged).hint("/nowhere");
        assert!(hint.ends_with("; the action copied no files there: /tmp/x is a link"), "{hint}");
    }
}
