//! Files that users name, to be read: regular ones of a bounded size. Anything else is refused at
//! once, by the name of the input and as what it is.

use crate::support::scene::{BOTH, Scene, references_at, step_at};
use crate::support::step::Step;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Nobody listens there, and nobody is asked.
const HOST: &str = "127.0.0.1:9";

/// The inputs that name a file.
const INPUTS: [&str; 4] = ["spec", "docker-config", "ca-file", "digests"];

/// What stands in the place of a file, and as what it is refused.
const KINDS: [(&str, &str); 6] = [
    ("pipe", "is a pipe, not a file"),
    ("link-to-pipe", "is a pipe, not a file"),
    ("socket", "is a socket, not a file"),
    ("/dev/zero", "is a device, not a file"),
    ("huge", "is larger than "),
    ("loop", ""),
];

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo is there");
    assert!(made.success(), "mkfifo {}", path.display());
}

/// A step with one of each kind in its folder.
fn with_all_kinds(step: Step) -> (Step, UnixListener) {
    let at = |name: &str| step.workdir().join(name);
    mkfifo(&at("pipe"));
    symlink("pipe", at("link-to-pipe")).expect("a link");
    symlink("loop", at("loop")).expect("a link");
    let huge = std::fs::File::create(at("huge")).expect("a file");
    huge.set_len(1 << 40).expect("a terabyte of holes");
    let socket = UnixListener::bind(at("socket")).expect("a socket");
    (step.limit(Duration::from_secs(10)), socket)
}

/// A step that reads this input, and is right otherwise.
fn step_with(input: &str, value: &str) -> Step {
    let step = match input {
        "spec" => Step::new(),
        "digests" => Step::new().input("tags", &references_at(HOST, &["1"])),
        _ => step_at(HOST, &BOTH),
    };
    step.input(input, value)
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_at_once_as_what_it_is() {
    for input in INPUTS {
        for (path, what) in KINDS {
            let (step, _socket) = with_all_kinds(step_with(input, path));
            let ran = step.run().await.fails(2);
            let said = ran.stdout.lines().any(|line| {
                (line.contains(&format!("{input}: "))
                    || line.contains(&format!("{input}, line 1: ")))
                    && line.contains(what)
                    && (path == "loop" || line.contains(path.trim_start_matches("/dev/")))
            });
            assert!(said, "{input}: {path}: {what}\n{}", ran.stdout);
        }
    }
}

#[tokio::test]
async fn a_folder_is_refused_where_a_file_is_needed() {
    for input in ["spec", "ca-file"] {
        let ran = step_with(input, "folder").file("folder/x", "").run().await.fails(2);
        assert!(ran.stdout.contains("a folder, not a file"), "{}", ran.stdout);
    }
    // The one of `docker-config` is looked into, and what is in there is no better.
    let step = step_with("docker-config", "folder").file("folder/x", "");
    mkfifo(&step.workdir().join("folder/config.json"));
    let ran = step.limit(Duration::from_secs(10)).run().await.fails(2);
    assert!(ran.stdout.contains("folder/config.json: it is a pipe, not a file"), "{}", ran.stdout);
}

#[tokio::test]
async fn patterns_do_not_skip_what_is_no_file() {
    let (step, _socket) = with_all_kinds(step_with("digests", "pi*"));
    let ran = step.run().await.fails(2);
    assert!(ran.stdout.contains("digests, line 1: pipe: is a pipe, not a file"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_login_file_in_its_usual_place_is_left_out_with_a_warning() {
    let scene = Scene::with_both().await;
    for (path, variable) in [(".docker/config.json", ""), ("auth.json", "REGISTRY_AUTH_FILE")] {
        let step = scene.step_of(&BOTH);
        let place = step.home().join(path);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        mkfifo(&place);
        let step = if variable.is_empty() { step } else { step.env(variable, &place) };
        let ran = step.run().await.ok();
        let warning = format!("{path} is ignored: it is a pipe, not a file");
        assert!(ran.stdout.contains(&warning), "{}", ran.stdout);
    }
}

#[tokio::test]
async fn commands_refuse_them_too() {
    let reference = format!("{HOST}/acme/app:1");
    for (flag, path) in [("--ca-file", "pipe"), ("--cfg", "pipe"), ("--ca-file", "/dev/zero")] {
        for command in ["inspect", "wait"] {
            let step = Step::new().args([command, &reference, flag, path]);
            let (step, _socket) = with_all_kinds(step);
            let ran = step.run().await.fails(2);
            assert!(ran.stderr.contains("not a file"), "{command} {flag}: {}", ran.stderr);
        }
    }
}

#[tokio::test]
async fn a_file_that_is_found_and_broken_is_told_with_its_name_and_a_way_out() {
    let broken = |step: Step| step.file("config.json", "{\"auths\": [");
    let ran = broken(step_with("docker-config", "config.json")).run().await.fails(2);
    let line = ran.stdout.lines().find(|line| line.contains("docker-config")).unwrap_or_default();
    for part in ["config.json: it is not a Docker auth file", "line 1", "`docker login`"] {
        assert!(line.contains(part), "{part}: {}", ran.stdout);
    }
    let scene = Scene::with_both().await;
    let step = broken(scene.step_of(&BOTH));
    let folder = step.workdir();
    let ran = step.env("DOCKER_CONFIG", &folder).run().await.ok();
    for part in ["config.json is ignored: it is not a Docker auth file", "`docker login`"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
}

/// What the GitHub action copied for its container is read in the place of what it does not see,
/// under the name that the input has.
#[tokio::test]
async fn copies_are_read_in_the_place_of_what_a_container_does_not_see() {
    let copy = "login/manifest-action-files/nowhere/x";
    let staged = |input: &str, path: &str| {
        step_with(input, path).env("CI", "true").env("DOCKER_CONFIG", "login").file(copy, "{]")
    };
    for (input, told) in [
        ("spec", "/nowhere/x, line 1"),
        ("docker-config", "docker-config: /nowhere/x: "),
        ("ca-file", "ca-file: /nowhere/x contains no certificate"),
        ("digests", "digests, line 1: /nowhere/x: not a metadata file"),
    ] {
        let ran = staged(input, "/nowhere/x").run().await.fails(2);
        assert!(ran.stdout.contains(told), "{input}: {}", ran.stdout);
        assert!(!ran.stdout.contains("manifest-action-files"), "{input}: {}", ran.stdout);
        let missing = staged(input, "/nowhere/y");
        let ran = missing
            .file(
                "login/manifest-action-files.txt",
                "/nowhere/y is a link\n::set-output name=a::b\n",
            )
            .run()
            .await
            .fails(2);
        let hint = " here: a step in a container sees only the workspace, and on GitHub what is in \
                    ${{ runner.temp }}; the action copied no files there: /nowhere/y is a link";
        assert!(ran.stdout.contains(hint), "{input}: {}", ran.stdout);
        assert!(!ran.stdout.contains("\n::set-output"), "{input}: {}", ran.stdout);
    }
}
