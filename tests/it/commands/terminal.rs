//! On a terminal of 80 columns, made by `script` of Debian's essential bsdutils: colour there, and
//! only there.

use super::Stocked;
use crate::support::step::Step;
use std::path::Path;

/// What the command's result looks like on a terminal.
async fn on_a_terminal(step: Step, arguments: &str) -> String {
    seen(step, 80, &format!("{arguments} 2>log")).await
}

/// What the command writes to a terminal of so many columns.
async fn seen(step: Step, columns: usize, arguments: &str) -> String {
    let command = format!(
        "stty cols {columns} rows 40; {} {arguments}",
        env!("CARGO_BIN_EXE_manifest-action")
    );
    let ran = step.args(["--quiet", "--return", "--command", &command, "typescript"]);
    let ran = ran.spawn_program(Path::new("/usr/bin/script")).await.wait().await;
    assert!(matches!(ran.status, 0 | 1 | 3 | 7), "{}", ran.everything());
    ran.stdout.replace("\r\n", "\n")
}

fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').expect("an escape sequence for colour").1;
    }
    plain.push_str(rest);
    plain
}

#[tokio::test]
async fn colour_is_for_terminals_and_never_with_no_color() {
    let stocked = Stocked::start().await;
    let host = stocked.registry.host();
    for arguments in [
        vec!["inspect", "{}/acme/app:classic"],
        vec!["inspect", "{}/acme/app:built"],
        vec!["inspect", "{}/acme/app:image"],
        vec!["diff", "{}/acme/app:classic", "{}/acme/app:built"],
    ] {
        // On a terminal an index is read with its sizes.
        let sizes = if arguments[0] == "inspect" { &["--sizes"][..] } else { &[] };
        let plain = stocked.run(&[&arguments[..], sizes].concat()).await;
        assert!(!plain.stdout.contains('\u{1b}'), "a pipe is no terminal");
        let line = arguments.join(" ").replace("{}", &host);
        let seen =
            on_a_terminal(Step::new().env("TERM", "xterm"), &line).await.replace(&host, "{}");
        assert!(seen.contains("\u{1b}["), "{seen}");
        assert_eq!(without_colour(&seen), plain.stdout, "colour is all that differs");
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let step = Step::new().env("TERM", "xterm").env(name, value);
            assert_eq!(
                on_a_terminal(step, &line).await.replace(&host, "{}"),
                plain.stdout,
                "{name}={value}"
            );
        }
    }
}

#[tokio::test]
async fn the_classic_list_in_colour() {
    let stocked = Stocked::start().await;
    let name = stocked.name("classic");
    let seen = on_a_terminal(Step::new().env("TERM", "xterm"), &format!("inspect {name}")).await;
    let pinned =
        stocked.name("classic").replace(":classic", &format!("@{}", super::classic().digest()));
    let start = format!(
        "\u{1b}[1m{name}\u{1b}[0m\n{pinned}\n\u{1b}[2mtype     \u{1b}[0mDocker manifest list\n\
         \u{1b}[2msize     \u{1b}[0m"
    );
    assert!(seen.starts_with(&start), "{seen:?}");
    assert!(seen.contains("\n\u{1b}[1mwindows(10.0.17763.6293)/amd64\u{1b}[0m    "), "{seen:?}");
    let dim = "\u{1b}[2m";
    assert!(seen.contains(&format!("\n  {dim}manifest    \u{1b}[0m")), "{seen:?}");
}

#[tokio::test]
async fn the_log_and_errors_are_broken_between_words() {
    let stocked = Stocked::start().await;
    let (host, name) = (stocked.registry.host(), stocked.name("nowhere"));
    let step = || Step::new().env("TERM", "xterm");
    let lines =
        seen(step(), 80, &format!("inspect {name}")).await.replace(&host, "127.0.0.1:55555");
    let expected =
        "\u{1b}[31merror:\u{1b}[0m cannot read 127.0.0.1:55555/acme/app:nowhere: not found
  where: GET /v2/acme/app/manifests/nowhere → 404 MANIFEST_UNKNOWN (the registry
         said: \"manifest unknown: Tag nowhere\")
  fix:   check the name: was it pushed, and to this registry?
";
    assert_eq!(lines.split_once('\n').expect("the version first").1, expected);
    let lines = seen(step(), 60, &format!("create {name} {name}-amd64 --wait 0")).await;
    for line in without_colour(&lines).lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
    assert!(
        lines.contains("\n  fix:   check the names above; if their builds have not\n         ended, set --wait 10m"),
        "{lines}"
    );
    // A pipe is read by programs: a line is a line.
    let piped = step().args(["inspect", &name]).run().await.fails(7);
    assert!(
        piped.stderr.contains("(the registry said: \"manifest unknown: Tag nowhere\")\n"),
        "{}",
        piped.stderr
    );
}

#[tokio::test]
async fn results_are_broken_between_words_too() {
    let stocked = Stocked::start().await;
    let host = stocked.registry.host();
    for columns in [40, 80] {
        for line in [
            "inspect {}/acme/app:classic",
            "inspect {}/acme/app:built",
            "inspect {}/acme/app:image",
            "diff {}/acme/app:classic {}/acme/app:built",
        ] {
            let command = format!("{} 2>log", line.replace("{}", &host));
            let seen = seen(Step::new().env("TERM", "xterm"), columns, &command).await;
            for shown in without_colour(&seen).lines() {
                // Digests and types are wider; nothing but their label stands before them.
                let alone = shown.get(9..).unwrap_or_default().split_whitespace().count() <= 1;
                assert!(shown.chars().count() <= columns || alone, "{columns}: {shown}\n{seen}");
            }
        }
    }
}
