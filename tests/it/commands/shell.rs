//! Completions and manual pages.

use crate::support::step::Step;
use std::path::Path;

#[tokio::test]
async fn completions_know_commands_and_flags() {
    for (shell, marks) in [
        ("bash", ["complete -F _manifest_action", "--wait-interval", "inspect"]),
        ("zsh", ["#compdef manifest-action", "--wait-interval", "inspect"]),
        ("fish", ["complete -c manifest-action", "wait-interval", "inspect"]),
    ] {
        let script = Step::new().args(["completions", shell]).run().await.ok().stdout;
        for mark in marks {
            assert!(script.contains(mark), "{shell}: no {mark:?}");
        }
        let program = Path::new("/bin").join(shell);
        if shell == "bash" {
            let checked = Step::new()
                .file("script", &script)
                .args(["-n", "script"])
                .spawn_program(&program)
                .await
                .wait()
                .await
                .ok();
            assert_eq!(checked.stderr, "");
        }
    }
    Step::new().args(["completions", "tcl"]).run().await.fails(2);
}

#[tokio::test]
async fn manual_pages_are_roff() {
    let page = Step::new().args(["man"]).run().await.ok().stdout;
    assert!(page.contains(".TH manifest-action 1") && page.contains("inspect"), "{page}");
    let page = Step::new().args(["man", "inspect"]).run().await.ok().stdout;
    assert!(
        page.contains(".TH manifest-action-inspect 1") && page.contains("\\-\\-platform"),
        "{page}"
    );
    Step::new().args(["man", "nothing"]).run().await.fails(2);
}

/// What `man` prints of a page, 100 columns wide; what it complains of is a failure.
async fn read(arguments: &[&str]) -> String {
    let page = Step::new().args(arguments.iter().copied()).run().await.ok().stdout;
    let step = Step::new().file("page", &page).env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8");
    let step = step.args(["--warnings=w", "-l", "page"]);
    let ran = step.spawn_program(Path::new("/usr/bin/man")).await.wait().await.ok();
    assert_eq!(ran.stderr, "", "{arguments:?}");
    ran.stdout
}

#[tokio::test]
async fn manual_pages_have_the_sections_that_readers_look_for_and_keep_the_lines_of_examples() {
    let page = read(&["man"]).await;
    for heading in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
        assert!(page.lines().any(|line| line == heading), "no {heading}: {page}");
    }
    assert!(!page.contains("EXTRA"), "{page}");
    let lines = "manifest-action create ghcr.io/acme/app:1.3 ghcr.io/acme/app:1.2-amd64 \\\n             ghcr.io/acme/app:1.2-arm64\n";
    assert!(page.contains(lines), "{page}");
    for (command, line) in [
        ("create", "EXAMPLES"),
        ("diff", "EXAMPLES"),
        ("man", "         manifest-action man | man -l -"),
    ] {
        let page = read(&["man", command]).await;
        assert!(page.lines().any(|found| found == line), "{command}: {page}");
        assert!(page.contains("EXIT STATUS") && !page.contains("EXTRA"), "{page}");
    }
}

#[tokio::test]
async fn short_help_fits_a_screen_and_long_help_has_every_exit_status() {
    let short = Step::new().args(["-h"]).run().await.ok().stdout;
    assert!(short.lines().count() <= 41, "{} lines: {short}", short.lines().count());
    assert!(short.contains("`--help` lists them"), "{short}");
    let long = Step::new().args(["--help"]).run().await.ok().stdout;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page =
        include_str!("../../../docs/inputs.md").split_once("## Exit status").expect("a table");
    let rows = page.1.split("\n## ").next().unwrap_or_default().lines();
    let rows = rows.filter(|line| line.starts_with("| ") && !line.contains("| meaning"));
    assert_eq!(rows.clone().count(), 11);
    for row in rows {
        let row = words(&row.replace(['|', '`'], " "));
        assert!(words(&long).contains(&row), "--help lacks {row:?}: {long}");
    }
}

/// Of each command, those that it can end with.
#[tokio::test]
async fn help_of_each_command_has_its_exit_statuses() {
    for (command, expected) in [
        ("inspect", "0 2 5 6 7 70 130, 143"),
        ("create", "0 2 3 4 5 6 7 8 70 130, 143"),
        ("annotate", "0 2 5 6 7 8 70 130, 143"),
        ("remove", "0 2 5 6 7 8 70 130, 143"),
        ("diff", "0 1 2 5 6 7 70 130, 143"),
        ("wait", "0 2 3 5 6 7 70 130, 143"),
        ("copy", "0 2 3 4 5 6 7 8 70 130, 143"),
        ("check", "0 2 5 6 7 70 130, 143"),
        ("completions", "0 2 70 130, 143"),
        ("man", "0 2 70 130, 143"),
    ] {
        let long = Step::new().args([command, "--help"]).run().await.ok().stdout;
        let (before, statuses) = long.split_once("\nExit status:\n").expect(command);
        assert!(before.contains("Example"), "{command}: {before}");
        let rows = statuses.lines().filter(|line| !line.starts_with("   "));
        let found = rows.map(|row| row[..11].trim()).collect::<Vec<_>>().join(" ");
        assert_eq!(found, expected, "{command}: {statuses}");
        let short = Step::new().args([command, "-h"]).run().await.ok().stdout;
        assert!(!short.contains("Exit status"), "{command}: {short}");
    }
}

#[tokio::test]
async fn alone_at_a_terminal_it_shows_help() {
    let program = env!("CARGO_BIN_EXE_manifest-action");
    for (variable, expected) in [("NOTHING", "Usage: manifest-action"), ("CI", "tags is required")]
    {
        let step = Step::new().env("TERM", "xterm").env(variable, "true");
        let step = step.args(["--quiet", "--return", "--command", program, "typescript"]);
        let ran = step.spawn_program(Path::new("/usr/bin/script")).await.wait().await.fails(2);
        assert!(ran.stdout.contains(expected), "{variable}: {}", ran.everything());
    }
    // Without a terminal, the inputs are what is wrong.
    let ran = Step::new().run().await.fails(2);
    assert!(ran.everything().contains("tags is required"), "{}", ran.everything());
}
