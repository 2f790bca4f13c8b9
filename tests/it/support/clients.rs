//! More foreign readers: podman's and Docker's own view of a list in a registry. Without them the test fails.

use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

/// `podman manifest inspect REFERENCE`: the list as podman reads it.
pub async fn podman_manifest(reference: &str) -> Value {
    let home = tempfile::tempdir().expect("a temporary folder");
    let host = reference.split('/').next().unwrap_or_default();
    let registries = home.path().join("registries.conf");
    std::fs::write(&registries, format!("[[registry]]\nlocation = {host:?}\ninsecure = true\n")).expect("a file");
    let mut podman = Command::new("podman");
    podman.env("CONTAINERS_REGISTRIES_CONF", &registries).args(["manifest", "inspect", reference]);
    run(podman, home.path(), "podman").await
}

/// `docker manifest inspect REFERENCE`: the list as Docker's client reads it; no daemon is asked.
pub async fn docker_manifest(reference: &str) -> Value {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut docker = Command::new("docker");
    docker.env("DOCKER_CLI_EXPERIMENTAL", "enabled").args(["manifest", "inspect", "--insecure", reference]);
    run(docker, home.path(), "docker.io, or any Docker client").await
}

async fn run(mut command: Command, home: &Path, package: &str) -> Value {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let kept: Vec<_> = command.as_std().get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    command.env_clear();
    command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).env("XDG_RUNTIME_DIR", home).kill_on_drop(true);
    let done = command.output().await.unwrap_or_else(|e| panic!("cannot start {name}: {e}: apt-get install {package}"));
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{name} prints JSON: {e}"))
}
