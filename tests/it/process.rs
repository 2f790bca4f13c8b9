//! The process around a run: it ends on a signal even if something in it hangs, and leaves no picture
//! of its memory.

use crate::support::rules::{Fault, Rule};
use crate::support::running::Running;
use crate::support::scene::{BOTH, Scene, manifest, step_at};
use crate::support::step::Step;
use crate::support::wait::until;
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_manifest-action");

/// Nobody listens there, and nobody is asked.
const HOST: &str = "127.0.0.1:9";

/// Starts it as the last command of a shell script, in which it is `"$@"`.
async fn in_shell(step: Step, script: &str, arguments: &[&str]) -> Running {
    let words = ["-c", script, "sh", BINARY];
    step.args(words.iter().chain(arguments)).spawn_program(Path::new("/bin/sh")).await
}

/// Returns when it hears SIGTERM and does nothing any more.
async fn hangs(running: &Running) {
    let path = format!("/proc/{}/status", running.pid());
    until("it hears SIGTERM and sleeps", || async {
        let status = std::fs::read_to_string(&path).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.expect("Linux shows it").trim().to_owned()
        };
        // Of the mask, bit 14 is SIGTERM, the 15th signal.
        let caught = u64::from_str_radix(&field("SigCgt:"), 16).expect("a mask");
        caught >> 14 & 1 == 1 && field("State:").starts_with('S')
    })
    .await;
}

#[tokio::test]
async fn a_signal_ends_what_hangs() {
    let reference = format!("{HOST}/acme/app:1");
    let inspect = ["inspect", &reference, "--username", "u", "--password-stdin"];
    let create = ["create", &reference, &reference, "--username", "u", "--password-stdin"];
    // A pipe with both ends open gives nothing, and takes no more than 64 KiB.
    let stdin = r#"mkfifo pipe && exec "$@" <> pipe"#;
    let stdout = r#"mkfifo pipe && exec 3<> pipe && head -c 65536 /dev/zero >&3 && exec "$@" 1>&3"#;
    for (script, arguments) in
        [(stdin, inspect.as_slice()), (stdin, create.as_slice()), (stdout, &[])]
    {
        for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 143)] {
            let step = if arguments.is_empty() { step_at(HOST, &BOTH) } else { Step::new() };
            let running = in_shell(step, script, arguments).await;
            hangs(&running).await;
            let start = Instant::now();
            running.signal(signal).await;
            let ran = running.wait().await.fails(status);
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
            let lines: Vec<&str> = ran.stderr.lines().collect();
            assert!(
                matches!(*lines, [line] if line.starts_with(&format!("error: stopped by SIG{signal}: "))),
                "{}",
                ran.stderr
            );
        }
    }
}

/// Whether the kernel writes cores to the work folder, rather than elsewhere or to a program.
fn cores_are_here() -> bool {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").expect("Linux has it");
    !pattern.starts_with(['|', '/'])
}

/// What lies in the work folder, where a core would be.
fn left_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn there_is_no_core_where_cores_are_allowed() {
    const ALLOWED: &str = "ulimit -c unlimited && exec \"$@\"";
    let scene = Scene::with_amd64().await;
    for (signal, number) in [("QUIT", 3), ("ABRT", 6), ("TRAP", 5)] {
        let running = in_shell(scene.waiting_step(), ALLOWED, &[]).await;
        running.wait_for_line("checking for up to").await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.pid()));
        let limits = limits.expect("it runs");
        let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
        let core: Vec<&str> = core.expect("a limit").split_whitespace().collect();
        assert_eq!(core, ["0", "0", "bytes"], "what is started inherits it");
        // Of a process that may not be dumped, all is root's (proc(5)). A kernel that hands cores to
        // a program goes by this alone.
        let environ = std::fs::metadata(format!("/proc/{}/environ", running.pid()));
        assert_eq!(environ.expect("it runs").uid(), 0);
        running.signal(signal).await;
        let ran = running.wait().await.fails(-number);
        assert_eq!(left_in(&ran.workdir()), Vec::<String>::new());
    }
    // The same surroundings do leave one where nobody forbids it.
    let dying = Step::new().args(["-c", "ulimit -c unlimited && kill -QUIT $$"]);
    let ran = dying.spawn_program(Path::new("/bin/sh")).await.wait().await.fails(-3);
    let left = left_in(&ran.workdir());
    assert_eq!(!left.is_empty(), cores_are_here(), "{left:?}");
}

#[tokio::test]
async fn all_goes_well_without_the_rights_of_root() {
    let scene = Scene::with_both().await;
    // A shell hands on only variables that it could set itself.
    let step = scene.step_to(&["1", "latest"]).env("INPUT_JSON_FILE", "report.json");
    let folder = step.workdir();
    let program = folder.join("manifest-action");
    std::fs::copy(BINARY, &program).expect("a copy");
    // What is root's own, nobody must be able to write and to enter.
    let opened = std::process::Command::new("chmod")
        .args(["-R", "a+rwX"])
        .arg(folder.parent().expect("a folder"))
        .status();
    assert!(opened.expect("chmod is there").success());
    let script = r#"if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0"
    fi; exec "$0""#;
    let step = step.args(["-c".as_ref(), script.as_ref(), program.as_os_str()]);
    let ran = step.spawn_program(Path::new("/bin/sh")).await.wait().await.ok();
    let report: Value =
        serde_json::from_str(&ran.file("report.json").expect("a report")).expect("JSON");
    assert_eq!(report["exit"], 0);
}

#[tokio::test]
async fn a_command_that_looks_for_an_entry_hears_signals() {
    let scene = Scene::with_amd64().await;
    let (list, entry) = (scene.reference("1"), scene.reference("amd64"));
    for command in [["annotate", "--variant=v8"].as_slice(), &["remove"]] {
        scene.proxy.rule(Rule::on("HEAD", &manifest("amd64")).then(Fault::Hang));
        let look = scene.proxy.gate("HEAD", &manifest("amd64"));
        let running = Step::new().args(command).args([&list, &entry]).spawn().await;
        look.wait_for_hits(1).await;
        running.signal("TERM").await;
        let ran = running.wait().await.fails(143);
        assert!(
            ran.stderr.ends_with("\nerror: stopped by SIGTERM: no tag was moved\n"),
            "{}",
            ran.stderr
        );
    }
}
