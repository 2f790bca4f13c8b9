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
