//! Tests by their names, for tables that say what a test holds.

use std::path::{Path, PathBuf};

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file that must be there.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that a module can be in.
pub fn sources(module: &str) -> impl Iterator<Item = PathBuf> {
    let path = module.replace("::", "/");
    ["tests/it", "src"].into_iter().flat_map(move |folder| {
        [format!("{folder}/{path}.rs"), format!("{folder}/{path}/mod.rs")].map(|f| root().join(f))
    })
}

/// The tests in a source.
pub fn tests(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
            found.push(rest.split('(').next().unwrap_or_default());
            marked = false;
        }
    }
    found
}

/// Whether there is a test of this name, as `cargo nextest run` takes it, or such a script.
pub fn exists(name: &str) -> bool {
    match name.rsplit_once("::") {
        Some((module, test)) => {
            sources(module).any(|file| file.is_file() && tests(&read(&file)).contains(&test))
        }
        // A script of the packaging tests.
        None => name.starts_with("tests/ci/") && root().join(name).is_file(),
    }
}
