//! Who may know whom: a module stands on those below it, and knows none beside or above it.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A new module has to find its floor here.
const FLOORS: [&[&str]; 12] = [
    &["backoff", "join", "oci", "pattern", "random", "secret", "system", "system_words"],
    &["file"],
    &["inputs"],
    &["text"],
    &["layout"],
    &["registry"],
    &["error", "jobs"],
    &["console", "entries", "plan", "referrers"],
    &["inspect", "pipeline"],
    &["lists", "panics", "report", "signals"],
    &["app"],
    &["cli"],
];
/// The same within one list's way.
const STAGES: [&[&str]; 14] = [
    &["record"],
    &["progress", "together"],
    &["work"],
    &["carry", "targets"],
    &["resolve"],
    &["check"],
    &["compose", "image"],
    &["lots", "one_pass"],
    &["lost", "outcome", "publish", "transfer", "verify"],
    &["referrers"],
    &["write"],
    &["preview"],
    &["edit"],
    &["append"],
];
/// The same within what speaks to registries.
const ROOMS: [&[&str]; 8] = [
    &["asked", "elsewhere", "http", "said", "slots"],
    &["error"],
    &["attempts", "files"],
    &["login"],
    &["call"],
    &["look"],
    &["blobs", "referrers", "seen"],
    &["outgoing", "shared", "tags"],
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A source without its comments and its tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines();
    code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that are named after `path` (`crate::`): one, or those between braces.
fn named<'a>(code: &'a str, path: &str) -> Vec<&'a str> {
    let word = |text: &'a str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(text.len());
        &text[..end]
    };
    let mut named = Vec::new();
    for rest in code.split(path).skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            named.push(word(rest));
            continue;
        };
        let mut depth = 0;
        named.push(word(group));
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => named.push(word(&group[at + 1..])),
                _ => {}
            }
        }
    }
    named
}

/// Every import from `floors` below `folder` that runs along a floor or up. `path`: how a module of
/// it is named from anywhere in the crate.
fn wrong(folder: &str, path: &str, floors: &[&[&str]]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let floor = |name: &str| floors.iter().position(|names| names.contains(&name));
    let mut wrong = Vec::new();
    for file in files(&root) {
        let inside = file.strip_prefix(&root).expect("below the root").with_extension("");
        let own = inside.iter().next().and_then(|name| name.to_str()).expect("a name");
        if matches!(own, "lib" | "main" | "mod") {
            continue;
        }
        let at = floor(own).unwrap_or_else(|| panic!("{own} has no floor"));
        let code = code(&fs::read_to_string(&file).expect("a source"));
        // The folder itself is one `super` away from its own files and from the `mod.rs` of a room,
        // one more from every level below.
        let levels = inside.iter().count() - usize::from(inside.ends_with("mod"));
        let up = "super::".repeat(levels);
        for other in named(&code, path).into_iter().chain(named(&code, &up)) {
            if other != own && floor(other).is_some_and(|floor| floor >= at) {
                wrong.push(format!("{}: {own} must not know {other}", inside.display()));
            }
        }
    }
    wrong
}

#[test]
fn no_module_knows_one_above_it() {
    assert_eq!(wrong("src", "crate::", &FLOORS), Vec::<String>::new());
}

#[test]
fn no_stage_knows_one_after_it() {
    assert_eq!(wrong("src/pipeline", "crate::pipeline::", &STAGES), Vec::<String>::new());
}

#[test]
fn no_room_of_the_registry_knows_one_after_it() {
    assert_eq!(wrong("src/registry", "crate::registry::", &ROOMS), Vec::<String>::new());
}

/// A reader holds so much of a file in mind.
#[test]
fn no_source_has_more_than_400_lines_without_its_tests() {
    for path in files(Path::new("src")) {
        let text = fs::read_to_string(&path).expect("a source");
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(lines <= 400, "{}: {lines} lines", path.display());
    }
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let code = code(
        "use crate::{plan, signals::{stopped}, app};\n// crate::cli\nfn f(_: crate::lists::Lists) {}\n#[cfg(test)]\nuse crate::cli;",
    );
    assert_eq!(named(&code, "crate::"), ["plan", "signals", "app", "lists"]);
}
