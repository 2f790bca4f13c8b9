//! A whole run that waits, on terminals of 40 and 80 columns: what people see while it runs and when
//! it is over.

use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::screen::Screen;
use crate::support::step::Step;
use std::path::Path;

const LONG: &str = "a-product-with-a-rather-long-name";

/// The command line on a terminal of so many columns; `late` is run when the table is there.
async fn on_a_terminal(columns: usize, arguments: &str, late: impl Future<Output = ()>) -> Ran {
    let binary = env!("CARGO_BIN_EXE_manifest-action");
    let command = format!("stty cols {columns} rows 24; {binary} {arguments}");
    let terminal = Step::new().env("TERM", "xterm").args([
        "--quiet",
        "--return",
        "--command",
        &command,
        "typescript",
    ]);
    let running = terminal.spawn_program(Path::new("/usr/bin/script")).await;
    // The table's row of the image that is there; an earlier table may still be looking for it.
    running.wait_for_line("  found ").await;
    late.await;
    running.wait().await
}

/// Two sources with long names, one of them late.
async fn waiting(scene: &Scene, columns: usize) -> Screen {
    let image = |tag: &str| scene.reference(&format!("{LONG}-{tag}"));
    let arguments = format!(
        "create {} {} {} --wait 30s --wait-interval 200ms",
        scene.reference(LONG),
        image("linux-amd64"),
        image("linux-arm64")
    );
    let late = format!("{LONG}-linux-arm64");
    let late = async {
        arm64().push(&scene.client, REPO, &late).await;
    };
    let ran = on_a_terminal(columns, &arguments, late).await.ok();
    Screen::of(&ran.stdout, columns)
}

#[tokio::test]
async fn the_table_says_which_image_is_missing_and_is_cut_nowhere() {
    for columns in [40, 80] {
        let scene = Scene::empty().await;
        scene.push(&amd64(), &format!("{LONG}-linux-amd64")).await;
        let screen = waiting(&scene, columns).await;
        assert_eq!(screen.cut, "", "{columns}");
        let parts = ["  found ", "1 of 2 missing after"];
        let table = screen.seen.iter().find(|seen| parts.iter().all(|part| seen.contains(part)));
        let table = table.expect("a table");
        let row = |state: &str| {
            let row = table.lines().rev().find(|line| line.starts_with(&format!("  {state} ")));
            row.unwrap_or_else(|| panic!("{state}: {table}")).to_owned()
        };
        assert!(row("found").ends_with("linux-amd64"), "{table}");
        assert!(row("not found").ends_with("linux-arm64"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= columns), "{table}");
    }
}

#[tokio::test]
async fn the_log_is_whole_when_the_table_is_gone() {
    for columns in [40, 80] {
        let scene = Scene::empty().await;
        scene.push(&amd64(), &format!("{LONG}-linux-amd64")).await;
        let screen = waiting(&scene, columns).await;
        let last = screen.lines.join("\n");
        assert!(!last.contains("waiting ") && !last.contains("  not found  "), "{last}");
        let labels = ["wait     ", "found    ", "compose  ", "tag      ", "verify   ", "done     "];
        for label in labels {
            assert!(last.contains(&format!("\n{label}")), "{label}: {last}");
        }
        assert!(!last.contains("\n         s\n"), "a number stays with its unit: {last}");
    }
}
