//! The benchmark still runs: what it asks of the program, and what it reads of the answers.

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
