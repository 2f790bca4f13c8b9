//! The commands on what is in a registry, as people see them: plain, on a terminal, in JSON, and
//! when they fail.

mod agree;
mod arguments;
mod check;
mod completions;
mod copy;
mod diff;
mod inspect;
mod shell;
mod terminal;
mod wait;
mod writing;

use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::registry::Registry;
use crate::support::running::Ran;
use crate::support::step::Step;

/// A registry that holds one of each kind in `acme/app`.
struct Stocked {
    registry: Registry,
    client: Client,
}

/// The list that this program's ancestor was made for: two entries differ in OS version only.
fn classic() -> DockerList {
    DockerList::new(vec![
        Image::docker("linux/amd64"),
        Image::docker("windows(10.0.17763.6293)/amd64"),
        Image::docker("windows(10.0.20348.2700)/amd64").os_feature("win32k"),
    ])
}

/// As `BuildKit` pushes it.
fn built() -> BuiltIndex {
    BuiltIndex::new(vec![
        Image::oci("linux/amd64")
            .label("org.opencontainers.image.revision", "0123456789abcdef0123456789abcdef01234567"),
        Image::oci("linux/arm64/v8"),
        Image::oci("linux/arm/v7"),
    ])
    .attestations(true)
    .annotation("org.opencontainers.image.version", "1.2")
}

impl Stocked {
    async fn start() -> Self {
        let registry = Registry::start().await;
        let client = Client::new(&registry.host());
        classic().push(&client, "acme/app", "classic").await;
        built().push(&client, "acme/app", "built").await;
        built().images()[0].push(&client, "acme/app", "image").await;
        Self { registry, client }
    }

    fn name(&self, tag: &str) -> String {
        format!("{}/acme/app:{tag}", self.registry.host())
    }

    /// Runs a command, `{}` in an argument standing for the registry's host; its output has `{}`
    /// again.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let host = self.registry.host();
        let mut ran = Step::new()
            .args(arguments.iter().map(|argument| argument.replace("{}", &host)))
            .run()
            .await;
        ran.stdout = ran.stdout.replace(&host, "{}");
        ran.stderr = ran.stderr.replace(&host, "{}");
        ran
    }
}

/// The first line of every log that is not quiet.
const VERSION: &str = concat!("manifest-action ", env!("CARGO_PKG_VERSION"), "\n");

/// The log of a command without that line.
fn log(ran: &Ran) -> &str {
    ran.stderr.strip_prefix(VERSION).unwrap_or(&ran.stderr)
}

/// No line is wider than a terminal, but for what cannot be broken.
#[track_caller]
fn fits_80_columns(text: &str) {
    for line in text.lines() {
        assert!(
            line.chars().count() <= 80 || !line.contains(' '),
            "{} columns: {line}",
            line.chars().count()
        );
    }
}
