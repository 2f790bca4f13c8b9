//! SECURITY.md tells the truth: its table names tests that exist, and leaves out none of those that
//! are about security.

use crate::support::named::{exists, read, root, sources, tests};
use std::collections::BTreeSet;

/// Whose tests must all stand in the table.
const ABOUT_SECURITY: [&str; 6] =
    ["threats", "secrets", "injection", "two_readers", "memory", "credential_helpers"];

/// The names between backquotes in the last cell of each row below this heading, by the row's first
/// cell.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let (_, section) = page.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = rows.map(|row| row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>());
    let names = |cell: &'a str| cell.split('`').skip(1).step_by(2).collect();
    cells.map(|row| (row[0], names(row[row.len() - 1]))).collect()
}

#[test]
fn every_threat_has_tests_and_every_test_exists() {
    let page = read(&root().join("SECURITY.md"));
    let rows = rows(&page, "## Threats and their tests");
    assert!(rows.len() > 27, "the table is read: {rows:?}");
    for (threat, names) in &rows {
        assert!(!names.is_empty(), "SECURITY.md names no test for: {threat}");
        for name in names {
            assert!(exists(name), "SECURITY.md names {name}, which does not exist, for: {threat}");
        }
    }
    let named: BTreeSet<&str> = rows.into_iter().flat_map(|(_, names)| names).collect();
    for module in ABOUT_SECURITY {
        let file = sources(module).find(|file| file.is_file()).expect("a file of the module");
        for test in tests(&read(&file)) {
            let name = format!("{module}::{test}");
            assert!(named.contains(name.as_str()), "add `{name}` to a row of SECURITY.md's table");
        }
    }
}

#[test]
fn a_name_that_is_wrong_is_found() {
    for (name, there) in [
        ("threats::redirects_end", true),
        ("oci::reference::refuses_before_any_request", true),
        ("faults::table::every_row_has_tests_and_every_test_exists", true),
        ("tests/ci/lint.sh", true),
        // Another test, a function that is no test, a module that there is not, a missing script.
        ("threats::redirects_never_end", false),
        ("threats::carries_nothing", false),
        ("threads::redirects_end", false),
        ("tests/ci/none.sh", false),
    ] {
        assert_eq!(exists(name), there, "{name}");
    }
    let page = "# A\n| a | b |\n|--|--|\n| x | `no` |\n## B\n| a | b |\n|--|--|\n| x `y` | `m::a` and `m::b` |\n";
    assert_eq!(rows(page, "## B"), [("x `y`", vec!["m::a", "m::b"])]);
}

#[test]
fn only_credential_helpers_are_started() {
    let starts_them = root().join("src/registry/login/program.rs");
    let ends_them = root().join("src/system");
    let mut places = vec![root().join("src")];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if place == starts_them {
            continue;
        }
        // Tests start what they compare us with.
        let text = read(&place);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let mut words = vec![".spawn()", "CommandExt", "libc::exec"];
        // How a helper is ended with all that it has started differs between systems.
        if !place.starts_with(&ends_them) {
            words.extend(["process::Command", "tokio::process"]);
        }
        for word in words {
            assert!(!text.contains(word), "{word} in {}", place.display());
        }
    }
}
