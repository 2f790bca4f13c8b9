//! Skopeo, an independent reader that looks at or copies what stands in a registry. Without it the
//! test fails and names the package.

use std::path::Path;
use tokio::process::Command;

/// Runs skopeo with these arguments; its stdout. Panics with its stderr when it fails.
pub async fn skopeo(arguments: &[&str]) -> String {
    assert!(Path::new("/usr/bin/skopeo").exists(), "skopeo is missing: apt-get install skopeo");
    let home = tempfile::tempdir().expect("a temporary folder");
    let done = Command::new("/usr/bin/skopeo")
        .arg("--insecure-policy")
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .kill_on_drop(true)
        .output()
        .await
        .expect("skopeo starts");
    assert!(
        done.status.success(),
        "skopeo {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Copies `docker://REFERENCE` with everything in it into `dir:FOLDER`, byte for byte, and so reads
/// every manifest and blob.
pub async fn copy_all(reference: &str, folder: &Path) {
    let (from, to) = (format!("docker://{reference}"), format!("dir:{}", folder.display()));
    skopeo(&["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &from, &to]).await;
}

/// The raw manifest that skopeo sees at `docker://REFERENCE`.
pub async fn inspect_raw(reference: &str) -> String {
    skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")]).await
}

/// What skopeo says about the image for one platform behind `docker://REFERENCE`.
pub async fn inspect_as(
    reference: &str,
    os: &str,
    architecture: &str,
    variant: &str,
) -> serde_json::Value {
    let reference = format!("docker://{reference}");
    let mut arguments = vec!["--override-os", os, "--override-arch", architecture];
    if !variant.is_empty() {
        arguments.extend(["--override-variant", variant]);
    }
    arguments.extend(["inspect", "--tls-verify=false", reference.as_str()]);
    serde_json::from_str(&skopeo(&arguments).await).expect("skopeo inspect prints JSON")
}
