//! The commands of Docker and podman, independent readers of a list in a registry. Neither needs a
//! daemon. Without the program the test fails and names the package.

use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

/// What `docker manifest inspect` prints.
pub async fn docker_manifest(reference: &str) -> Value {
    read("docker", "docker.io", reference, &["manifest", "inspect", "--insecure"]).await
}

/// What `podman manifest inspect` prints.
pub async fn podman_manifest(reference: &str) -> Value {
    let storage = ["--root", "storage", "--runroot", "run", "--storage-driver", "vfs"];
    read("podman", "podman", reference, &[&storage[..], &["manifest", "inspect"]].concat()).await
}

async fn read(name: &str, package: &str, reference: &str, arguments: &[&str]) -> Value {
    let program = ["/usr/local/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
    let program = program.iter().find(|path| path.exists());
    let program = program.unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}"));
    let home = tempfile::tempdir().expect("a temporary folder");
    let host = reference.split('/').next().unwrap_or_default();
    let registries = home.path().join("registries.conf");
    std::fs::write(&registries, format!("[[registry]]\nlocation = {host:?}\ninsecure = true\n"))
        .expect("a configuration");
    let done = Command::new(program)
        .args(arguments)
        .arg(reference)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("CONTAINERS_REGISTRIES_CONF", &registries)
        .current_dir(home.path())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the program starts");
    assert!(
        done.status.success(),
        "{name} {arguments:?} {reference}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{name} prints JSON: {e}"))
}

/// Podman with images of its own, in a folder that goes with it.
#[derive(Debug)]
pub struct Podman(tempfile::TempDir);

impl Podman {
    /// Without any images.
    pub fn new() -> Self {
        assert!(Path::new("/usr/bin/podman").exists(), "podman is missing: apt-get install podman");
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Runs it with these arguments; its stdout. Panics with its stderr when it fails.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let done = Command::new("/usr/bin/podman")
            .args(["--root", "storage", "--runroot", "run", "--storage-driver", "vfs"])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.0.path())
            .env("XDG_RUNTIME_DIR", self.0.path())
            .current_dir(self.0.path())
            .kill_on_drop(true)
            .output()
            .await
            .expect("podman starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "podman {arguments:?}: {said}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}
