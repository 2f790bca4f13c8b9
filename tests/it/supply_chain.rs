//! What goes into the program: each dependency has a reason, and nothing builds the program in a way
//! of its own.

use std::path::Path;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The direct dependencies, each with whether a comment stands right above it.
fn dependencies(manifest: &str) -> Vec<(&str, bool)> {
    let (mut within, mut explained, mut found) = (false, false, Vec::new());
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').filter(|_| line.ends_with(']')) {
            let header = header.trim_end_matches(']');
            within = header.ends_with("dependencies");
            // One that has a table of its own.
            if let Some((_, name)) = header.split_once("dependencies.") {
                found.push((name, explained));
            }
        } else if let Some((name, _)) = line.split_once('=').filter(|_| within)
            && !line.starts_with('#')
        {
            found.push((name.trim(), explained));
        }
        explained = line.starts_with("# ");
    }
    found
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = file("Cargo.toml");
    let all = dependencies(&manifest);
    assert!(all.len() > 30, "the sections are read: {all:?}");
    let bare: Vec<_> =
        all.iter().filter(|(_, explained)| !explained).map(|(name, _)| name).collect();
    assert!(
        bare.is_empty(),
        "Cargo.toml says why not of {bare:?}: a comment above, `# Why this one.`"
    );
}

#[test]
fn dependencies_are_found_wherever_they_stand() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# Why.\na = \"1\"\nb = { version = \"1\" }\n\n\
                    [target.'cfg(unix)'.dev-dependencies]\n# Why.\n\nc = \"1\"\n# Why.\n[dependencies.d]\nversion = \"1\"\n\
                    [build-dependencies]\n#\ne = \"1\"\n[lints]\n";
    let wanted = [("a", true), ("b", false), ("c", false), ("d", true), ("e", false)];
    assert_eq!(dependencies(manifest), wanted);
}

/// What is measured and tested is built as what is shipped.
#[test]
fn one_script_builds_what_is_shipped() {
    for name in ["Dockerfile", "benches/run.sh"] {
        let text = file(name);
        assert!(text.contains("release/build.sh"), "{name} uses release/build.sh");
        for word in ["cargo build", "cargo install"] {
            assert!(!text.contains(word), "{name} builds in a way of its own: {word}");
        }
    }
}
