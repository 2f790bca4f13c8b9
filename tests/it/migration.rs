//! Every line of ours that a document tells people to type is run against the real registry: the
//! migration page and the examples of `--help`.

use crate::support::client::{Client, OCI_INDEX};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::registry::Registry;
use crate::support::skopeo::skopeo;
use crate::support::step::Step;
use std::path::Path;
use tempfile::TempDir;

/// What was published at the tags that the documents speak of.
const PUBLISHED: &str = "\
indexes:
  - tags: ghcr.io/acme/app:1.2, ghcr.io/acme/app:latest
    platforms: linux/amd64, linux/arm64
";

/// A file of manifest-tool.
const MANIFEST_TOOLS: &str = "\
image: ghcr.io/acme/app:1.3
tags: ['1', latest]
manifests:
  - image: ghcr.io/acme/app:1.2-amd64
    platform: {architecture: amd64, os: linux}
  - image: ghcr.io/acme/app:1.2-arm64
    platform: {architecture: arm64, os: linux, variant: v8}
";

/// What the documents speak of as being there.
struct Acme {
    registry: Registry,
    /// `registry.example:5000`.
    other: Registry,
    amd64: String,
    arm64: String,
    /// `app-amd64.tar` and `app-arm64.tar` of `docker save`, the same as `oci-….tar`, and `layout`.
    files: TempDir,
}

impl Acme {
    async fn start() -> Self {
        let (registry, other) = (Registry::start().await, Registry::start().await);
        let acme = Self {
            registry,
            other,
            amd64: image("amd64").digest(),
            arm64: image("arm64").digest(),
            files: tempfile::tempdir().expect("a folder"),
        };
        image("amd64").push(&Client::new(&acme.other.host()), "acme/app", "1.2-amd64").await;
        let client = Client::new(&acme.registry.host());
        for name in ["amd64", "arm64", "ltsc2019", "ltsc2022"] {
            image(name).push(&client, "acme/app", &format!("1.2-{name}")).await;
        }
        image("amd64").push(&client, "acme/chart", "1.2").await;
        BuiltIndex::new(vec![image("amd64"), image("arm64")])
            .attestations(true)
            .push(&client, "acme/app", "")
            .await;
        acme.write_files().await;
        acme.restock().await;
        acme
    }

    /// What builders write instead of pushing.
    async fn write_files(&self) {
        let folder = self.files.path().display();
        for (from, to) in [
            ("1.2-amd64", "docker-archive:FOLDER/app-amd64.tar:acme/app:1.2"),
            ("1.2-arm64", "docker-archive:FOLDER/app-arm64.tar:acme/app:1.2"),
            ("1.2-amd64", "oci-archive:FOLDER/oci-amd64.tar"),
            ("1.2-arm64", "oci-archive:FOLDER/oci-arm64.tar"),
            ("1.2-amd64", "oci:FOLDER/layout"),
        ] {
            let from = format!("docker://{}/acme/app:{from}", self.registry.host());
            let to = to.replace("FOLDER", &folder.to_string());
            skopeo(&["copy", "--quiet", "--src-tls-verify=false", &from, &to]).await;
        }
    }

    /// The tags as they were before a line changed them.
    async fn restock(&self) {
        let client = Client::new(&self.registry.host());
        let list = BuiltIndex::new(vec![image("amd64"), image("arm64")]).attestations(true);
        for tag in ["1.2", "latest"] {
            client.put_manifest("acme/app", tag, OCI_INDEX, &list.bytes()).await;
        }
    }

    /// Runs a line in a shell, as people do.
    async fn run(&self, line: &str) -> String {
        let line = self.at_home(line);
        let script = format!(
            "cp -r {}/. . && manifest-action() {{ {} \"$@\"; }}; {line}",
            self.files.path().display(),
            env!("CARGO_BIN_EXE_manifest-action")
        );
        let step = Step::new()
            .env("AMD64", &self.amd64)
            .env("ARM64", &self.arm64)
            .file("manifest.yaml", MANIFEST_TOOLS.replace("ghcr.io", &self.registry.host()))
            .file("indexes.yaml", PUBLISHED.replace("ghcr.io", &self.registry.host()))
            .args(["-c", &script]);
        let ran = step.spawn_program(Path::new("/bin/bash")).await.wait().await;
        assert_eq!(ran.status, 0, "{line}\n{}", ran.everything());
        assert!(
            !ran.stdout.is_empty() || line.contains("--dry-run"),
            "nothing on stdout: {line}\n{}",
            ran.everything()
        );
        assert!(!ran.stderr.contains("is visible in"), "{line}\n{}", ran.everything());
        ran.stdout
    }

    /// A text with the hosts of this test.
    fn at_home(&self, text: &str) -> String {
        text.replace("ghcr.io", &self.registry.host())
            .replace("registry.example:5000", &self.other.host())
    }

    /// Of a line `manifest-action copy SOURCE LIST` or `… create LIST SOURCE …` that printed this.
    async fn holds_what_it_was_made_of(&self, line: &str, printed: &str) {
        let line = self.at_home(line);
        let at = if line.starts_with("manifest-action copy ") { 2 } else { 3 };
        let source = line.split_whitespace().nth(at).expect("a source");
        let (name, tag) = source.rsplit_once(':').expect("a tag");
        let (host, repository) = name.split_once('/').expect("a host");
        let source = Client::new(host).get_manifest(repository, tag).await.expect("a source");
        let digest = printed.trim().rsplit_once('@').expect("a digest").1;
        assert_eq!(digest, source.digest, "{line}");
    }
}

fn image(name: &str) -> Image {
    match name {
        "ltsc2019" => Image::docker("windows(10.0.17763.6293)/amd64"),
        "ltsc2022" => Image::docker("windows(10.0.20348.2700)/amd64"),
        architecture => Image::oci(&format!("linux/{architecture}")),
    }
}

#[tokio::test]
async fn every_line_of_the_migration_page_runs() {
    let page = include_str!("../../docs/migration.md");
    let acme = Acme::start().await;
    let mut ran = 0;
    for row in page.lines() {
        // The last cell; a line of ours is what stands between its backticks.
        let Some(cell) =
            row.trim_end_matches('|').rsplit("| ").next().filter(|_| row.starts_with("| `"))
        else {
            continue;
        };
        let line = cell.split('`').nth(1).unwrap_or_else(|| panic!("no line of ours: {row}"));
        assert!(line.starts_with("manifest-action "), "no line of ours: {row}");
        let printed = acme.run(line).await;
        if cell.contains("the digest stays") {
            acme.holds_what_it_was_made_of(line, &printed).await;
        }
        acme.restock().await;
        ran += 1;
    }
    assert!(ran >= 50, "{ran} lines ran");
}

/// The text between the fences of this language.
fn fenced<'p>(page: &'p str, language: &str) -> &'p str {
    let (_, after) = page.split_once(&format!("```{language}\n")).unwrap();
    after.split_once("```").unwrap().0
}

/// As Drone and Woodpecker run it: settings are variables, one in upper case each.
#[tokio::test]
async fn a_step_of_plugins_manifest_changes_its_image_only() {
    let page = include_str!("../../docs/migration.md");
    let acme = Acme::start().await;
    let template = fenced(page, "handlebars").replace("ghcr.io", &acme.registry.host());
    let mut step = Step::new()
        .env("CI", "true")
        .env("DRONE_TAG", "v1.2")
        .env("DRONE_COMMIT_REF", "refs/tags/v1.2")
        .env("DRONE_REPO_BRANCH", "main")
        .file("manifest.tmpl", template);
    let (_, settings) = fenced(page, "yaml").split_once("settings:\n").unwrap();
    let mut names = Vec::new();
    for (name, value) in settings.lines().filter_map(|line| line.split_once(": ")) {
        let (name, value) = match name.trim() {
            "from_secret" => ("password", "canary-password"),
            name => (name, value),
        };
        step = step.env(&format!("PLUGIN_{}", name.to_uppercase()), value);
        names.push(name);
    }
    assert_eq!(names, ["spec", "target", "auto_tag", "ignore_missing", "username", "password"]);
    let ran = step.run().await.ok();
    let client = Client::new(&acme.registry.host());
    for tag in ["1.2", "latest"] {
        let index = client.get_manifest("acme/app", tag).await.unwrap();
        let held: Vec<_> = index.json()["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["digest"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(held, [acme.amd64.clone(), acme.arm64.clone()], "{tag}\n{}", ran.everything());
    }
}

#[tokio::test]
async fn every_example_of_the_help_runs() {
    let acme = Acme::start().await;
    let mut ran = 0;
    let help = Step::new().args(["--help"]).run().await.ok().stdout;
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "));
    // A description that goes on in a second line starts further right.
    let names = commands
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    for name in std::iter::once("").chain(names) {
        let asked = if name.is_empty() { vec!["--help"] } else { vec!["help", name] };
        let help = Step::new().args(asked).run().await.ok().stdout.replace("\\\n", " ");
        let mut examples = help
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("manifest-action "))
            .peekable();
        assert!(name == "help" || examples.peek().is_some(), "{name} has no example");
        for example in examples {
            acme.run(example).await;
            acme.restock().await;
            ran += 1;
        }
    }
    assert!(ran >= 15, "{ran} examples");
}
