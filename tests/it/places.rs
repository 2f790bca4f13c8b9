//! What is in the place of an output file stays what it is: links lead where they led, devices and
//! pipes get what is written. What cannot be written to is refused before the first request.

use crate::support::images::Image;
use crate::support::running::{Ran, Running};
use crate::support::scene::Scene;
use crate::support::step::Step;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

const BINARY: &str = env!("CARGO_BIN_EXE_manifest-action");

/// Every way to name an output file, and how it is given to a shell, which hands on only variables
/// that it could set itself.
const NAMES: [(&str, &str); 4] = [
    ("json-file", "INPUT_JSON_FILE"),
    ("dotenv-file", "INPUT_DOTENV_FILE"),
    ("GITHUB_OUTPUT", "GITHUB_OUTPUT"),
    ("GITHUB_STEP_SUMMARY", "GITHUB_STEP_SUMMARY"),
];

async fn scene() -> Scene {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/arm64/v8"), "a").await;
    scene
}

fn mkfifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo is there");
    assert!(made.success(), "mkfifo {}", path.display());
}

/// Runs it as the last command of a shell script, in which it is `"$@"`.
async fn in_shell(step: Step, script: &str) -> Ran {
    let step = step.args(["-c", script, "sh", BINARY]);
    step.spawn_program(Path::new("/bin/sh")).await.wait().await
}

/// The same as root in a mount namespace of its own: nothing that it mounts is seen outside.
async fn in_own_mounts(step: Step, script: &str) -> Ran {
    let unshare =
        "if [ \"$(id -u)\" = 0 ]; then exec unshare -m \"$@\"; fi; exec unshare -rm \"$@\"";
    let script = format!("set -e\n{script}\nexec \"$0\"");
    let step = step.args(["-c", unshare, "sh", "/bin/sh", "-c", &script, BINARY]);
    step.spawn_program(Path::new("/bin/sh")).await.wait().await
}

/// Whether these are the bytes that belong there.
fn is_output(name: &str, text: &str) -> bool {
    match name {
        "json-file" => serde_json::from_str::<Value>(text).is_ok_and(|json| json["exit"] == 0),
        "dotenv-file" => {
            text.starts_with("MANIFEST_DIGEST=") && text.contains("\nMANIFEST_CHANGED=")
        }
        "GITHUB_OUTPUT" => text.starts_with("digest<<"),
        _ => text.contains("| **linux/arm64** |"),
    }
}

#[tokio::test]
async fn a_link_stays_and_the_file_that_it_leads_to_is_written() {
    let scene = scene().await;
    for (name, variable) in NAMES {
        for target in ["there", "dangling", "next"] {
            let step = scene.step_of(&["a"]).file("other/x", "").env(variable, "link");
            // Its own content, if what goes there is not appended.
            let old = if name.starts_with("GITHUB") { String::new() } else { "old ".repeat(9999) };
            let step = step.file("other/there", old);
            let at = |path: &str| step.workdir().join(path);
            symlink(format!("other/{target}"), at("link")).expect("a link");
            symlink("made", at("other/next")).expect("a link");
            let ran = step.run().await.ok();
            let text = ran.file("link").expect("a file");
            assert!(is_output(name, &text), "{name} {target}: {text}");
            let link = fs::read_link(ran.workdir().join("link")).expect("still a link");
            assert_eq!(link, Path::new("other").join(target));
            let end = if target == "next" { "other/made" } else { &format!("other/{target}") };
            let end = fs::symlink_metadata(ran.workdir().join(end)).expect("the file");
            assert!(end.is_file(), "{name} {target}");
        }
    }
}

#[tokio::test]
async fn a_file_keeps_its_other_names_and_its_rights() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = scene().await;
    let step = scene.step_of(&["a"]).file("report.json", "old").input("json-file", "report.json");
    let at = |path: &str| step.workdir().join(path);
    fs::hard_link(at("report.json"), at("second")).expect("a link");
    fs::set_permissions(at("report.json"), fs::Permissions::from_mode(0o640)).expect("rights");
    let ran = step.run().await.ok();
    assert!(is_output("json-file", &ran.file("second").expect("a file")));
    let file = fs::metadata(ran.workdir().join("report.json")).expect("a file");
    assert_eq!((file.nlink(), file.mode() & 0o777), (2, 0o640));
}

#[tokio::test]
async fn what_is_mounted_or_in_a_folder_that_cannot_be_written_is_written_in_place() {
    let scene = scene().await;
    for (name, variable) in NAMES {
        let step = scene.step_of(&["a"]).file("folder/file", "").file("host", "");
        let step = step.env(variable, "folder/file");
        let script = "mount --bind folder folder && mount --bind host folder/file && \
                      mount -o remount,bind,ro folder";
        let ran = in_own_mounts(step, script).await.ok();
        assert!(is_output(name, &ran.file("host").expect("a file")), "{name}");
        assert_eq!(ran.file("folder/file").as_deref(), Some(""), "{name}");
    }
}

/// A `/dev` of its own, so that a defect here cannot harm the machine's.
#[tokio::test]
async fn dev_stdout_is_written_to_and_stays() {
    let scene = scene().await;
    for (name, variable) in NAMES {
        let step = scene.step_of(&["a"]).env(variable, "/dev/stdout");
        let script = r#"mount -t tmpfs tmpfs /dev
            ln -s /proc/self/fd /dev/fd && ln -s /proc/self/fd/1 /dev/stdout
            "$0" && test -L /dev/stdout || exit 99
            exit 0"#;
        let ran = in_own_mounts(step, script).await.ok();
        let part = match name {
            "json-file" => "\"exit\":",
            "dotenv-file" => "\nMANIFEST_DIGEST=",
            "GITHUB_OUTPUT" => "\ndigest<<",
            _ => "\n| **linux/arm64** |",
        };
        assert!(ran.stdout.contains(part), "{name}: {}", ran.stdout);
    }
}

#[tokio::test]
async fn a_log_in_a_file_is_not_written_over() {
    let scene = scene().await;
    for path in ["link", "log"] {
        let step = scene.step_of(&["a"]).env("INPUT_DOTENV_FILE", path);
        symlink("/proc/self/fd/1", step.workdir().join("link")).expect("a link");
        let ran = in_shell(step, "\"$@\" > log").await.ok();
        let log = ran.file("log").expect("a log");
        assert!(log.starts_with("::group::") || log.starts_with("manifest-action "), "{log}");
        assert!(log.contains("\nMANIFEST_DIGEST=sha256:"), "{log}");
    }
}

#[tokio::test]
async fn a_device_stays_a_device() {
    let scene = scene().await;
    for (_, variable) in NAMES {
        let step = scene.step_of(&["a"]).env(variable, "null");
        symlink("/dev/null", step.workdir().join("null")).expect("a link");
        let ran = step.run().await.ok();
        let device = fs::metadata(ran.workdir().join("null")).expect("a device");
        assert!(device.file_type().is_char_device());
    }
}

#[tokio::test]
async fn a_pipe_with_a_reader_gets_all_of_it() {
    let scene = scene().await;
    for (name, variable) in NAMES {
        let step = scene.step_of(&["a"]).env(variable, "pipe");
        let pipe = step.workdir().join("pipe");
        mkfifo(&pipe);
        let mut reader =
            tokio::net::unix::pipe::OpenOptions::new().open_receiver(&pipe).expect("a pipe");
        let read = tokio::spawn(async move {
            let mut text = String::new();
            // Before somebody writes it is at its end already.
            while text.is_empty() {
                reader.readable().await.expect("a pipe");
                reader.read_to_string(&mut text).await.expect("text");
            }
            text
        });
        step.run().await.ok();
        let text = tokio::time::timeout(Duration::from_secs(20), read).await;
        let text = text.expect("its end").expect("no panic");
        assert!(is_output(name, &text), "{name}: {text}");
    }
}

/// What cannot be written to, and how that is told.
const REFUSED: [(&str, &str); 9] = [
    ("pipe", "it is a pipe that nobody reads; nothing was sent"),
    ("socket", "it is a socket, not a file"),
    ("folder", "it is a folder, not a file"),
    ("link-to-folder", "it is a folder, not a file"),
    ("loop", "too many levels of symbolic links"),
    ("no/folder", "no such file or directory"),
    ("plain/x", "not a directory"),
    ("slash/", "is a directory"),
    ("link-to-nowhere", "no such file or directory"),
];

fn with_obstacles(step: Step) -> (Step, UnixListener) {
    let step = step.file("plain", "").file("folder/x", "").limit(Duration::from_secs(10));
    let at = |name: &str| step.workdir().join(name);
    mkfifo(&at("pipe"));
    for (target, name) in
        [("loop", "loop"), ("folder", "link-to-folder"), ("no/where", "link-to-nowhere")]
    {
        symlink(target, at(name)).expect("a link");
    }
    let socket = UnixListener::bind(at("socket")).expect("a socket");
    (step, socket)
}

#[tokio::test]
async fn what_cannot_be_written_to_is_refused_before_any_request() {
    let scene = scene().await;
    for (name, variable) in NAMES {
        for (path, why) in REFUSED {
            let (step, _socket) = with_obstacles(scene.step_of(&["a"]).env(variable, path));
            let before = names_in(&step.workdir());
            let ran = step.run().await.fails(2);
            let line = format!("cannot write {name} ({path}): {why}");
            assert!(ran.stdout.contains(&line), "{line}\n{}", ran.stdout);
            assert!(ran.stdout.contains("\n  fix:   "), "{line}\n{}", ran.stdout);
            assert_eq!(names_in(&ran.workdir()), before, "{line}");
        }
        let long = "x".repeat(300);
        let ran = scene.step_of(&["a"]).env(variable, &long).run().await.fails(2);
        assert!(ran.stdout.contains(&format!("{name} ({long}): file name too long; nothing")));
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn results_that_cannot_be_written_are_told_with_what_to_do() {
    let scene = scene().await;
    for (path, file, line) in [
        ("plain", "plain", "cannot write results-dir (plain): it is a file, not a folder"),
        ("plain/x", "plain", "cannot write results-dir (plain/x): not a directory"),
        ("r", "r/digest/x", "cannot write results-dir (r/digest): it is a folder, not a file"),
    ] {
        let step = scene.step_of(&["a"]).file(file, "").input("results-dir", path);
        let ran = step.run().await.fails(2);
        assert!(ran.stdout.contains(line), "{line}\n{}", ran.stdout);
        assert!(ran.stdout.contains("\n  fix:   "), "{line}\n{}", ran.stdout);
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn when_one_cannot_be_written_the_others_are_as_if_nothing_had_been() {
    let scene = scene().await;
    let step = scene
        .step_of(&["a"])
        .file("there.env", "OLD=1\n")
        .file("output", "before=1\n")
        .env("GITHUB_OUTPUT", "output")
        .input("results-dir", "results")
        .input("dotenv-file", "full");
    symlink("/dev/full", step.workdir().join("full")).expect("a link");
    let ran = step.input("json-file", "there.env").run().await.fails(8);
    let line = "published, but the outputs could not be written: dotenv-file (full): no space left";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
    assert_eq!(ran.file("output").as_deref(), Some("before=1\n"));
    assert_eq!(names_in(&ran.workdir().join("results")), Vec::<String>::new());
    let report: Value = serde_json::from_str(&ran.file("there.env").expect("a report")).unwrap();
    assert_eq!(report["exit"], 8);
}

/// A run that waits for an image; in the meantime `change` is made to its folder.
async fn meanwhile(change: impl FnOnce(&Path)) -> Ran {
    let scene = scene().await;
    let step = scene.step_of(&["a", "late"]).input("wait", "30s").input("json-file", "out");
    let step = step.input("wait-interval", "100ms").file("out", "old");
    let folder = step.workdir();
    let running: Running = step.spawn().await;
    running.wait_for_line("not found yet; checking for up to").await;
    change(&folder);
    scene.push(&Image::oci("linux/amd64"), "late").await;
    running.wait().await
}

#[tokio::test]
async fn what_became_of_the_place_meanwhile_counts() {
    let gone = meanwhile(|folder| fs::remove_file(folder.join("out")).expect("a file")).await.ok();
    assert!(is_output("json-file", &gone.file("out").expect("made anew")));
    let linked = meanwhile(|folder| {
        fs::remove_file(folder.join("out")).expect("a file");
        symlink("/dev/null", folder.join("out")).expect("a link");
    });
    let linked = linked.await.ok();
    assert!(fs::read_link(linked.workdir().join("out")).is_ok(), "still a link");
    let piped = meanwhile(|folder| {
        fs::remove_file(folder.join("out")).expect("a file");
        mkfifo(&folder.join("out"));
    });
    let piped = piped.await.fails(8);
    assert!(piped.stdout.contains("json-file (out): it is a pipe that nobody reads"));
}
