//! The progress of a wait: in a CI log a line for each change, on a terminal a table that is redrawn
//! in place, in the summary a chart.

use crate::support::images::Image;
use crate::support::scene::{REPO, Scene, arm64};
use crate::support::screen::Screen;
use crate::support::step::Step;
use std::path::Path;

#[tokio::test]
async fn on_a_terminal_a_table_lives_below_the_log() {
    let scene = Scene::with_amd64().await;
    let binary = env!("CARGO_BIN_EXE_manifest-action");
    let (one, late, list) =
        (scene.reference("amd64"), scene.reference("arm64"), scene.reference("1"));
    let options = "--wait 30s --wait-interval 200ms";
    let wait = format!("{binary} wait {one} {late} {options} 2>&1");
    let create = format!("{binary} create {list} {one} {late} {options} 2>&1");
    for (command, left) in [(wait, "found    "), (create, "done     ")] {
        let terminal = Step::new()
            .env("TERM", "xterm")
            .args(["--quiet", "--return", "--command"])
            .args([format!("stty cols 300 rows 20; {command}"), "typescript".to_owned()]);
        let running = terminal.spawn_program(Path::new("/usr/bin/script")).await;
        // The table's row of the image that is there; an earlier table may still be looking for it.
        running.wait_for_line("  found ").await;
        scene.push_arm64().await;
        let ran = running.wait().await.ok();
        let screen = Screen::of(&ran.stdout, 300);
        assert!(
            screen.showed(&format!(
                "  found      {one}\n  not found  {late}\nwaiting  1 of 2 missing after "
            )),
            "{:?}",
            ran.stdout
        );
        let last = screen.lines.join("\n");
        assert!(
            !last.contains("waiting ") && !last.contains("  missing  "),
            "the table is gone: {last}"
        );
        assert!(
            last.contains(&format!("wait     {late}  not found yet; checking for up to 30 s\n")),
            "the log is whole: {last}"
        );
        assert!(last.contains(left) && last.contains("  after "), "{last}");
        scene.client.delete_manifest(REPO, &arm64().digest()).await;
    }
}

#[tokio::test]
async fn each_change_is_a_line_and_the_summary_a_picture() {
    let scene = Scene::with_amd64().await;
    let label = "org.opencontainers.image.revision";
    Image::oci("linux/amd64").label(label, "x").push(&scene.client, REPO, "amd64").await;
    let never = format!(
        "{}\n{}\n{}",
        scene.reference("amd64"),
        scene.reference("arm64"),
        scene.reference("never")
    );
    let step =
        scene.waiting_step().input("sources", &never).input("missing", "skip").input("wait", "6s");
    let running = step
        .input("wait-interval", "100ms")
        .input("expect-labels", &format!("{label}=x"))
        .spawn()
        .await;
    running.wait_for_line("arm64  not found yet; checking for up to ").await;
    arm64().push(&scene.client, REPO, "arm64").await;
    running
        .wait_for_line(&format!("arm64  stale: label {label} is missing, expected \"x\" ("))
        .await;
    arm64().label(label, "x").push(&scene.client, REPO, "arm64").await;
    let ran = running.wait().await.ok();
    let (folded, wait) = ran.stdout.split_once("\nwait     ").expect("a wait");
    let open = folded.matches("::group::").count() - folded.matches("::endgroup::").count();
    assert_eq!((open, wait.split_once("::group::").is_some()), (0, true), "{}", ran.stdout);
    for (part, times) in
        [("not found yet; checking", 2), ("stale: ", 1), ("found    ", 2), ("waiting  ", 0)]
    {
        assert_eq!(ran.stdout.matches(part).count(), times, "{part}:\n{}", ran.stdout);
    }
    let summary = ran.summary();
    // In milliseconds; an image that never arrived as long as the wait.
    let bar = |label: &str| -> u64 {
        let line = summary.lines().find(|line| line.trim_start().starts_with(label));
        let end = line.and_then(|line| line.rsplit_once(", 0, ")).expect("a bar").1;
        end.parse().expect("a number")
    };
    let (late, never) = (bar("linux/arm64 :active"), bar("app never (not found) :crit"));
    assert!((1..never).contains(&late), "{summary}");
    assert!((6000..60_000).contains(&never), "{summary}");
}

#[tokio::test]
async fn the_summary_says_first_what_is_left_out_and_why() {
    let scene = Scene::with_both().await;
    Image::oci("linux/amd64").label("k", "new").push(&scene.client, REPO, "amd64").await;
    Image::oci("linux/arm64").label("k", "old").push(&scene.client, REPO, "arm64").await;
    let sources = format!(
        "{}\nlinux/arm64={}\n{}",
        scene.reference("amd64"),
        scene.reference("arm64"),
        scene.reference("never")
    );
    let step = || {
        scene
            .waiting_step()
            .input("sources", &sources)
            .input("missing", "skip")
            .input("expect-labels", "k=new")
    };
    let ran = step().input("wait", "1s").run().await.ok();
    let summary = ran.summary();
    // The last check begins when time is up, and takes its time.
    let (before, after) = summary.split_once("waited ").expect("a wait");
    let summary = format!("{before}waited 1 s\n{}", after.split_once('\n').unwrap().1);
    let name = |tag: &str| scene.reference(tag).replace(':', "&#58;");
    let start = format!(
        "### ⚠️ `{}` published without linux/arm64, app&#58;never\n\n\
         1 platform, OCI image index, waited 1 s\n\n> [!WARNING]\n\
         > - {} is left out &#40;<code>missing&#58; skip</code>&#41;&#58; stale&#58; label k is \"old\", expected \"new\"\n\
         > - {} is left out &#40;<code>missing&#58; skip</code>&#41;&#58; not found\n\n```text\n",
        scene.reference("1"),
        name("arm64"),
        name("never")
    );
    assert!(summary.starts_with(&start), "{start}\n{summary}");
    assert!(summary.contains("app arm64 (stale) :crit, 0, 1"), "{summary}");
    let again = step().input("wait", "0").run().await.ok().summary();
    assert!(
        again.starts_with(&format!(
            "### ⚠️ `{}` already published without linux/arm64, app&#58;never, nothing to change\n",
            scene.reference("1")
        )),
        "{again}"
    );
}
