//! A step is run in clean surroundings, and its output is read as a runner would. A shell stands in
//! for our binary.

use crate::support::github::{self, azure_commands, commands, parse_file};
use crate::support::running::Ran;
use crate::support::step::Step;
use std::path::Path;
use std::time::Duration;

async fn shell(step: Step, script: &str) -> Ran {
    step.args(["-c", script]).spawn_program(Path::new("/bin/sh")).await.wait().await
}

#[tokio::test]
async fn nothing_of_the_surroundings_leaks_in() {
    // Not through a shell: dash drops variables with a hyphen in their names.
    let step =
        Step::new().input("ca-file", "x y").input("some name", "1").env("A", "b").without("HOME");
    let ran = step.spawn_program(Path::new("/usr/bin/env")).await.wait().await.ok();
    let path = "PATH=/usr/local/bin:/usr/bin:/bin";
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=b", "INPUT_CA-FILE=x y", "INPUT_SOME_NAME=1", path]);
    let ran = shell(Step::new(), "pwd; ls -A").await.ok();
    assert_eq!(ran.stdout, format!("{}\n", ran.workdir().display()), "an empty folder to work in");
}

#[tokio::test]
async fn files_stdin_arguments_and_statuses_pass() {
    let step = Step::new()
        .file("a/b.txt", "from a file\n")
        .home_file(".docker/config.json", "{}")
        .stdin("from stdin\n");
    let ran =
        shell(step, "cat a/b.txt -; cat $HOME/.docker/config.json >&2; echo new > made; exit 3")
            .await
            .fails(3);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("from a file\nfrom stdin\n", "{}"));
    assert_eq!(ran.file("made").as_deref(), Some("new\n"));
    assert_eq!(
        (ran.file("none"), ran.raw_output_file(), ran.summary()),
        (None, None, String::new())
    );
    assert!(
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ran.ok())).is_err(),
        "status 3 is not ok"
    );
}

#[tokio::test]
async fn our_binary_is_there() {
    let ran = Step::new().github().args(["--help"]).run().await.ok();
    assert!(ran.elapsed < Duration::from_secs(20));
}

#[tokio::test]
async fn outputs_are_read_as_the_runner_reads_them() {
    let script = r#"printf 'plain=a=b<<c\n\n spaced = x \nmany<<EOF\none\n\nEOF2\ntwo\r\nEOF\nempty<<E\nE\nnone=\nplain=later' >> "$GITHUB_OUTPUT"
echo '## hello' >> "$GITHUB_STEP_SUMMARY""#;
    let ran = shell(Step::new().github(), script).await.ok();
    let outputs = ran.outputs();
    assert_eq!(outputs["plain"], "later", "the later wins");
    assert_eq!(outputs[" spaced "], " x ", "nothing is trimmed");
    assert_eq!(outputs["many"], "one\n\nEOF2\ntwo\r", "a CR stays");
    assert_eq!((outputs["empty"].as_str(), outputs["none"].as_str()), ("", ""));
    assert_eq!(ran.output("nothing"), None);
    assert_eq!(ran.summary(), "## hello\n");
    assert_eq!(ran.raw_output_file().unwrap().lines().next(), Some("plain=a=b<<c"));

    assert_eq!(
        parse_file("a=b<<c").unwrap(),
        [("a".to_owned(), "b<<c".to_owned())],
        "whichever comes first"
    );
    assert_eq!(parse_file("a<<b=c\nx=y\nb=c\n").unwrap(), [("a".to_owned(), "x=y".to_owned())]);
    for broken in [
        "no sign",
        "=value",
        "<<E\nx\nE\n",
        "a<<\nx\n",
        "a<<E\nx\n",
        "a<<E\nx\nE \n",
        "a<<E\r\nx\nE\n",
    ] {
        assert!(parse_file(broken).is_err(), "{broken:?}");
    }
    let torn = shell(Step::new().github(), r#"printf 'a<<E\nx\n' >> "$GITHUB_OUTPUT""#).await;
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| torn.outputs())).is_err());
}

#[tokio::test]
async fn a_run_can_be_watched_signalled_and_measured() {
    let step = Step::new().args([
        "-c",
        "trap 'echo bye; exit 143' TERM; echo ready >&2; while :; do sleep 0.01; done",
    ]);
    let running = step.spawn_program(Path::new("/bin/sh")).await;
    assert_eq!(running.wait_for_line("ready").await, "ready");
    running.wait_for_memory(100).await;
    running.signal("TERM").await;
    let ran = running.wait().await.fails(143);
    assert_eq!(ran.stdout, "bye\n");
    assert!(ran.max_rss_kib >= 100, "{}", ran.max_rss_kib);

    let killed = Step::new().args(["60"]).spawn_program(Path::new("/bin/sleep")).await;
    killed.signal("TERM").await;
    assert_eq!(killed.wait().await.status, -15, "killed by a signal is not an exit status");
}

#[tokio::test]
async fn a_run_that_does_not_end_fails_the_test() {
    let step = Step::new().limit(Duration::from_millis(50)).args(["60"]);
    let running = step.spawn_program(Path::new("/bin/sleep")).await;
    let pid = running.pid();
    let failed = tokio::spawn(running.wait()).await.expect_err("it panics").into_panic();
    assert!(failed.downcast_ref::<String>().unwrap().contains("still running"));
    let gone = || async {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
    };
    crate::support::wait::until("the process is killed", gone).await;
}

#[tokio::test]
async fn a_secret_is_found_wherever_it_is() {
    let leaks = |ran: Ran| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ran.never_says("s3cret").status))
            .is_err()
    };
    let step = || Step::new().github().home_file("config.json", "s3cret");
    assert!(
        !leaks(shell(step(), "echo ::add-mask::s3cret; echo fine").await),
        "masked, and in the test's own file"
    );
    for script in [
        "echo s3cret",
        "echo x s3cret y >&2",
        "echo a=s3cret >> $GITHUB_OUTPUT",
        "mkdir d; echo s3cret > d/f",
        "echo s3cret > ~/f",
    ] {
        assert!(leaks(shell(step(), script).await), "{script}");
    }
}

#[test]
fn a_log_is_shown_as_the_runner_shows_it() {
    let log = "a\n::error title=b::one%0Atwo%25\n::group::c\n::add-mask::d\n::warning::e\nf\r\ng";
    let shown = "a\nerror: one\ntwo%\n::group::c\n::add-mask::d\nwarning: e\nf\r\ng";
    assert_eq!(github::shown(log), shown);
}

#[test]
fn workflow_commands_are_found_where_the_runner_finds_them() {
    let found = commands(
        "text ::error::no\n  ::Error title=a%3Ab,file=f::one%0Atwo%25\r::unknown::x\nlog ##[warning]legacy\n::set-output name=a::b",
    );
    let told: Vec<_> = found.iter().map(|c| (c.name.as_str(), c.data.as_str(), c.legacy)).collect();
    assert_eq!(
        told,
        [("error", "one\ntwo%", false), ("warning", "legacy", true), ("set-output", "b", false)]
    );
    assert_eq!(
        (found[0].property("title"), found[0].property("file"), found[0].property("line")),
        (Some("a:b"), Some("f"), None)
    );
    let found =
        commands("::stop-commands::tok\n::error::hidden\n##[error]hidden\n::tok::\n::notice::seen");
    assert_eq!(
        found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
        ["stop-commands", "notice"]
    );
    assert_eq!(azure_commands("a ##vso[task.x]y\n##[vso]"), ["##vso[task.x]y"]);
}
