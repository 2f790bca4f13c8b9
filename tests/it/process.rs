//! The process around a run: it ends on a signal even if something in it hangs.

use crate::support::running::Running;
use crate::support::scene::{BOTH, step_at};
use crate::support::step::Step;
use crate::support::wait::until;
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
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            let lines: Vec<&str> = ran.stderr.lines().collect();
            assert!(
                matches!(*lines, [line] if line.starts_with(&format!("error: stopped by SIG{signal}: "))),
                "{}",
                ran.stderr
            );
        }
    }
}
