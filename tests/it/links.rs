//! Links between the documents: each names a file that is there and, behind `#`, a heading of it;
//! and every page can be reached from README.

use crate::support::named::{read, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// How the published documents are named in full.
const PUBLISHED: &str = "https://github.com/org/manifest-action/blob/v1/";

/// README and its neighbours, and everything below `docs`, by paths from the root.
fn documents() -> BTreeMap<PathBuf, String> {
    let folders = [root().to_owned(), root().join("docs")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let pages = entries.map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    pages.map(|path| (path.strip_prefix(root()).unwrap().to_owned(), read(&path))).collect()
}

/// The lines that are prose: what stands between fences is not.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Where a page links to, without what only looks like a link in a span of code.
fn targets(page: &str) -> Vec<String> {
    let without_code = |line: &str| line.split('`').step_by(2).collect::<String>();
    let inline = |line: String| {
        let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.map(|(target, _)| target.to_owned()).collect::<Vec<_>>()
    };
    prose(page).map(without_code).flat_map(inline).collect()
}

/// GitHub's anchors of a page: of each heading the letters, digits, `-` and `_`, in lower case, with
/// a hyphen for each space; one that is there already gets a number.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in prose(page).filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let anchor = heading.chars().filter(kept).collect::<String>().replace(' ', "-");
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|it| !found.contains(it));
        found.extend(free);
    }
    found
}

/// The file that a link of this page names, by its path from the root, and the anchor; none if the
/// link leads to another site.
fn resolved<'t>(page: &Path, target: &'t str) -> Option<(PathBuf, Option<&'t str>)> {
    let (from, target) = match target.strip_prefix(PUBLISHED) {
        Some(path) => (Path::new(""), path),
        None if target.contains("://") || target.starts_with("mailto:") => return None,
        None => (page.parent().unwrap(), target),
    };
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    if path.is_empty() {
        return Some((page.to_owned(), anchor));
    }
    let mut named = PathBuf::new();
    for part in from.join(path).components() {
        match part {
            Component::ParentDir => drop(named.pop()),
            part => named.push(part),
        }
    }
    Some((named, anchor))
}

/// What is wrong with a link, if anything is.
fn problem(pages: &BTreeMap<PathBuf, String>, page: &Path, target: &str) -> Option<String> {
    let (path, anchor) = resolved(page, target)?;
    if !root().join(&path).exists() {
        return Some(format!("{}: {target}: no such file", page.display()));
    }
    let anchor = anchor?;
    let is_there = pages.get(&path).is_some_and(|page| anchors(page).contains(anchor));
    (!is_there).then(|| format!("{}: {target}: no such heading", page.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let pages = documents();
    let links: Vec<_> = pages
        .iter()
        .flat_map(|(path, page)| targets(page).into_iter().map(move |t| (path, t)))
        .collect();
    assert!(links.len() > 100, "the pages are read: {}", links.len());
    let problems: Vec<_> =
        links.iter().filter_map(|(page, target)| problem(&pages, page, target)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let pages = documents();
    let mut reached = BTreeSet::new();
    let mut next = vec![PathBuf::from("README.md")];
    while let Some(path) = next.pop() {
        let Some(page) = pages.get(&path) else { continue };
        if reached.insert(path.clone()) {
            let links = targets(page);
            next.extend(links.iter().filter_map(|target| Some(resolved(&path, target)?.0)));
        }
    }
    let lost: Vec<_> = pages.keys().filter(|page| !reached.contains(*page)).collect();
    assert!(lost.is_empty(), "nothing links to {lost:?}");
}

/// Whoever decides reads it to its end.
#[test]
fn the_readme_has_fewer_than_300_lines() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines < 300, "{lines} lines");
}

#[test]
fn a_link_that_is_wrong_is_found() {
    let pages = BTreeMap::from([
        (PathBuf::from("README.md"), "# A\n## B `c` (d)\n## B c d\n".to_owned()),
        (PathBuf::from("docs/design.md"), "```\n# no heading\n```\n## One, two: 3\n".to_owned()),
    ]);
    for (page, target, right) in [
        ("README.md", "#b-c-d", true),
        ("README.md", "#b-c-d-1", true),
        ("README.md", "#b-c-d-2", false),
        ("README.md", "docs/design.md", true),
        ("README.md", "docs/design.md#one-two-3", true),
        ("README.md", "docs/design.md#no-heading", false),
        ("README.md", "docs/none.md", false),
        ("docs/design.md", "../README.md#a", true),
        ("docs/design.md", "README.md", false),
        ("docs/design.md", "https://example.com/none", true),
        ("docs/design.md", "https://github.com/org/manifest-action/blob/v1/README.md#a", true),
        ("docs/design.md", "https://github.com/org/manifest-action/blob/v1/docs/none.md", false),
    ] {
        let found = problem(&pages, Path::new(page), target);
        assert_eq!(found.is_none(), right, "{page}: {target}: {found:?}");
    }
    let page = "[a](b) and [`c`](d#e), `[f](g)`\n```\n[h](i)\n```\n![j](k.png)\n";
    assert_eq!(targets(page), ["b", "d#e", "k.png"]);
}
