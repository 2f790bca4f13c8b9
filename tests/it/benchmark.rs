//! The benchmark still runs: what it asks of the program, and what it reads of the answers.

use crate::support::named::{read, root};
use std::path::Path;
use std::process::Command;

#[test]
fn it_measures_what_it_finds_right() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("benchmark");
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bench.py"))
        .args(["--quick", "--binary", env!("CARGO_BIN_EXE_manifest-action"), "--write"])
        .arg(&folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let written = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (document, picture) = (written("benchmarks.md"), written("benchmark.svg"));
    // Two manifests and the tag, two configs, the index, and the index read back.
    assert!(document.contains("| manifest-action | 7 | "), "{document}");
    assert!(
        document.contains("| 8 platforms, registry with tokens, with a login | "),
        "{document}"
    );
    assert!(document.contains("| 8 platforms, HTTPS with HTTP/1.1 | 19 | "), "{document}");
    assert!(told.contains("image, unpacked: "), "{told}");
    assert!(picture.contains("<svg ") && picture.len() < 15 << 10, "{} bytes", picture.len());
}

/// Under the names that benches/scenarios.py has for them; what stands in braces there is filled in.
#[test]
fn the_page_has_every_comparison() {
    let (page, scenarios) =
        (read(&root().join("docs/benchmarks.md")), read(&root().join("benches/scenarios.py")));
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names = scenarios.lines().filter(|line| line.trim().starts_with("Scenario("));
    let names: Vec<&str> = names.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(names.len() >= 6, "the names are read: {names:?}");
    for name in names {
        let (front, rest) = name.split_once('{').unwrap_or((name, ""));
        let end = rest.split_once('}').map_or("", |(_, end)| end);
        let is_of = |heading: &&str| heading.starts_with(front) && heading.ends_with(end);
        let heading = headings.iter().find(|heading| is_of(heading));
        let heading = heading.unwrap_or_else(|| panic!("docs/benchmarks.md lacks {name:?}"));
        let section = page.split(&format!("## {heading}\n")).nth(1).unwrap();
        let ours = section.lines().find(|line| line.starts_with("| manifest-action | "));
        assert!(ours.is_some_and(|line| !line.contains("failed")), "{heading}");
    }
}
