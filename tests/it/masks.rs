//! Secrets are told only to a runner that takes them out of the log: in no file, and not by commands.

use crate::support::running::Ran;
use crate::support::scene::{BOTH, Scene};
use crate::support::step::Step;
use std::path::Path;

const USER: &str = "robot";
const PASSWORD: &str = "canary-password";

const BINARY: &str = env!("CARGO_BIN_EXE_manifest-action");

/// Runs it with its streams redirected as a `run:` step on GitHub may have them.
async fn redirected(step: Step, streams: &str, arguments: &[&str]) -> Ran {
    let script = format!("\"$@\" {streams}");
    let words = ["-c", &script, "sh", BINARY];
    let step = step.github().args(words.iter().chain(arguments));
    step.spawn_program(Path::new("/bin/sh")).await.wait().await
}

#[tokio::test]
async fn no_mask_goes_into_a_file_or_out_of_a_command() {
    let scene = Scene::with_login(USER, PASSWORD).await;
    let (to, from) = (scene.reference("1"), scene.references(&BOTH));
    let create = ["create", "--sources", &from, "--username", USER, "--password", PASSWORD, &to];
    let inspect = ["inspect", "--username", USER, "--password", PASSWORD, &scene.reference("1")];
    for (arguments, streams) in [
        (create.as_slice(), "2> log"),
        (&create, ""),
        (&create, "> log 2>&1"),
        (&inspect, "2> log"),
    ] {
        let ran = redirected(Step::new(), streams, arguments).await.ok();
        let said = format!("{}{}", ran.everything(), ran.file("log").unwrap_or_default());
        assert!(!said.contains(PASSWORD) && !said.contains("::add-mask::"), "{streams}: {said}");
    }
    let step = || scene.step_of(&BOTH).input("username", USER).input("password", PASSWORD);
    let ran = redirected(step(), "> log", &[]).await.ok();
    let log = ran.file("log").expect("a log");
    assert!(log.contains("already up to date") && !log.contains(PASSWORD), "{log}");
    // A runner reads from a pipe.
    let ran = redirected(step(), "", &[]).await.ok();
    assert!(ran.stdout.contains(&format!("::add-mask::{PASSWORD}\n")), "{}", ran.stdout);
}
