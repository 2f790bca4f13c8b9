//! Registries of other stock, each a real server on 127.0.0.1 with its data in a folder of its own.
//! `tests/other_registries.sh` installs them; one that is missing fails the test.

use super::OWN_WAYS;
use super::process::{Process, free_port};
use super::pulp::Pulp;
use crate::support::client::{Client, sha256};
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::step::Step;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may do all at a server that asks for a login.
const USER: &str = "admin";
const PASSWORD: &str = "canary-of-the-servers-admin";

/// A running server.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    host: String,
}

#[derive(Debug)]
#[expect(dead_code, reason = "what is in here keeps the server running")]
enum Kind {
    Debian(Registry),
    Ferro(Process, tempfile::TempDir),
    Pulp(Box<Pulp>),
}

impl Server {
    /// Debian's `docker-registry` with a Basic login: what all other tests run against, so that the
    /// cases here are no kinder than those.
    pub async fn debian() -> Self {
        let registry = Registry::htpasswd(USER, PASSWORD).await;
        let host = registry.host();
        Self { kind: Kind::Debian(registry), host }
    }

    /// `ferro-oci-server` from crates.io. It has no logins.
    pub async fn ferro() -> Self {
        let folder = tempfile::Builder::new().prefix("ferro-").tempdir().expect("a folder");
        let host = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(installed("cargo/bin/ferro-oci-server"));
        command
            .env_clear()
            .env("FERRO_OCI_LISTEN", &host)
            .env("FERRO_OCI_STORAGE_DIR", folder.path().join("storage"));
        let mut process = Process::start("KILL", &command, &folder.path().join("log"));
        process.until_answers(&host, "/ready", 200).await;
        Self { kind: Kind::Ferro(process, folder), host }
    }

    /// `pulp-container` from `PyPI`: a token server, blobs behind a redirect to another port, data in
    /// `PostgreSQL`.
    pub async fn pulp() -> Self {
        let pulp = Pulp::start(PASSWORD).await;
        let host = pulp.host();
        Self { kind: Kind::Pulp(Box::new(pulp)), host }
    }

    /// The name of its package.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Debian(_) => "docker-registry",
            Kind::Ferro(..) => "ferro-oci-server",
            Kind::Pulp(_) => "pulp-container",
        }
    }

    /// Whether the case asserts something else of this server, see [`OWN_WAYS`].
    pub fn has_its_own(&self, case: &str) -> bool {
        OWN_WAYS.iter().any(|(own, server, _)| (*own, *server) == (case, self.name()))
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// User and password, where it asks for them.
    pub fn login(&self) -> Option<(&'static str, &'static str)> {
        (!matches!(self.kind, Kind::Ferro(..))).then_some((USER, PASSWORD))
    }

    /// `HOST/REPO:TAG` or `HOST/REPO@DIGEST`.
    pub fn reference(&self, repo: &str, reference: &str) -> String {
        let glue = if reference.starts_with("sha256:") { '@' } else { ':' };
        format!("{}/{repo}{glue}{reference}", self.host)
    }

    /// A client that may push to this repository.
    pub async fn client(&self, repo: &str) -> Client {
        let client = Client::new(&self.host);
        match self.kind {
            Kind::Ferro(..) => client,
            Kind::Debian(_) => client.basic(USER, PASSWORD),
            Kind::Pulp(_) => {
                let target =
                    format!("/token/?service={}&scope=repository:{repo}:pull,push", self.host);
                let asking = client.clone().basic(USER, PASSWORD);
                let answer = asking.request("GET", &target, &[], &[]).await;
                let answer: serde_json::Value =
                    serde_json::from_slice(&answer.body).expect("a token");
                client.bearer(answer["token"].as_str().expect("a token"))
            }
        }
    }

    /// The step on GitHub with the server's login, without sources and targets; it looks once.
    pub fn step(&self) -> Step {
        self.logged_in(Step::new().github().input("wait", "0"))
    }

    /// A command with the server's login.
    pub fn command(&self, arguments: &[&str]) -> Step {
        self.logged_in(Step::new().args(arguments))
    }

    /// A proxy before it, and the step with the server's login through it: what the proxy breaks,
    /// this server has to go on from.
    pub async fn behind_proxy(&self) -> (FaultProxy, Step) {
        let proxy = FaultProxy::before_addr(&self.host).await;
        let step = Step::new().github().input("wait", "0");
        let Some((user, password)) = self.login() else { return (proxy, step) };
        let step = step.input("registry", &proxy.host());
        (proxy, step.input("username", user).input("password", password))
    }

    fn logged_in(&self, step: Step) -> Step {
        let Some((user, password)) = self.login() else { return step };
        let login = STANDARD.encode(format!("{user}:{password}"));
        let config = serde_json::json!({"auths": {(&self.host): {"auth": login}}});
        step.env("DOCKER_AUTH_CONFIG", config.to_string())
    }

    /// Reads all manifests and blobs behind this tag or digest, as a client does, and checks each
    /// against its digest.
    pub async fn is_whole(&self, repo: &str, reference: &str) {
        let client = self.client(repo).await;
        let mut manifests = vec![reference.to_owned()];
        while let Some(reference) = manifests.pop() {
            let held = client.get_manifest(repo, &reference).await;
            let held = held.unwrap_or_else(|| panic!("{reference} is missing")).json();
            let digests = |key: &str| -> Vec<String> {
                let listed = held[key].as_array().cloned().unwrap_or_default();
                listed.iter().chain([&held[key]]).filter_map(digest_of).collect()
            };
            manifests.extend(digests("manifests"));
            for digest in [digests("config"), digests("layers")].concat() {
                assert_eq!(sha256(&blob(&client, repo, &digest).await), digest);
            }
        }
    }
}

fn digest_of(descriptor: &serde_json::Value) -> Option<String> {
    descriptor["digest"].as_str().map(str::to_owned)
}

/// A blob's bytes, also where the registry sends its clients to another server for them.
async fn blob(client: &Client, repo: &str, digest: &str) -> Vec<u8> {
    let got = client.request("GET", &format!("/v2/{repo}/blobs/{digest}"), &[], &[]).await;
    if !matches!(got.status, 302 | 307) {
        assert_eq!(got.status, 200, "{digest}: {}", got.text());
        return got.body;
    }
    let location = got.header("location").expect("a redirect says where to");
    let (_, rest) = location.split_once("://").expect("a whole address");
    let (host, _) = rest.split_once('/').expect("a path");
    let got = Client::new(host).request("GET", location, &[], &[]).await;
    assert_eq!(got.status, 200, "{location}: {}", got.text());
    got.body
}

/// A program that `tests/other_registries.sh` has installed.
pub fn installed(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/tools/registries").join(path);
    assert!(program.exists(), "{} is missing: run tests/other_registries.sh", program.display());
    program
}
