//! What each shell offers for what was typed so far, as the shell itself sees it.

use crate::support::step::Step;
use manifest_action::inputs::table::{INPUTS, Kind};
use std::path::Path;

/// In bash and zsh Control-G puts in all that is offered, and the program prints its arguments.
const BASH: &str = "source ./script
bind '\"\\C-g\": insert-completions'
PS1=
manifest-action() { printf '\\n:\\n'; printf '<%s>\\n' \"$@\"; }
";
const ZSH: &str = "fpath=($PWD $fpath)
autoload -Uz compinit
compinit -u -D
zle -C all-matches menu-complete _generic
bindkey '^G' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
PS1=
manifest-action() { printf '\\n:\\n'; printf '<%s>\\n' \"$@\"; }
";

/// What `shell` puts in place of the last word of each line, sorted.
async fn offered(shell: &str, lines: &[&str]) -> Vec<Vec<String>> {
    let script = Step::new().args(["completions", shell]).run().await.ok().stdout;
    let step = Step::new().env("TERM", "xterm");
    let (step, program) = if shell == "fish" {
        let ask = |line: &&str| format!("echo; echo :; complete --do-complete '{line}'\n");
        let asked: String = lines.iter().map(ask).collect();
        let all = format!("source ./script\n{asked}");
        (step.file("script", &script).args(["--no-config", "-c", &all]), "/usr/bin/fish")
    } else {
        let (file, start, text, command) = match shell {
            "zsh" => ("_manifest-action", ".zshrc", ZSH, "ZDOTDIR=$PWD zsh -i"),
            _ => ("script", "rc", BASH, "bash --noprofile --rcfile rc -i"),
        };
        let typed: String = lines.iter().map(|line| format!("{line}\u{7}\n")).collect();
        let step = step.file(file, &script).file(start, text).stdin(format!("{typed}exit\n"));
        (step.args(["--quiet", "--return", "--command", command, "/dev/null"]), "/usr/bin/script")
    };
    let ran = step.spawn_program(Path::new(program)).await.wait().await;
    let stdout = ran.stdout.replace('\r', "");
    let answers: Vec<&str> = stdout.split("\n:\n").skip(1).collect();
    assert_eq!(answers.len(), lines.len(), "{shell}: {}", ran.everything());
    lines.iter().zip(answers).map(|(line, answer)| words(line, answer)).collect()
}

/// The words of an answer that stand where the last one of the line was.
fn words(line: &str, answer: &str) -> Vec<String> {
    let (typed, last) = line.rsplit_once(' ').expect("a word to complete");
    let argument = |line: &str| Some(line.strip_prefix('<')?.strip_suffix('>')?.to_owned());
    let printed: Vec<String> = answer.lines().filter_map(argument).collect();
    // fish lists what it offers, each with its description.
    let listed = || answer.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned);
    let mut words: Vec<String> = if printed.is_empty() {
        listed().filter(|word| !word.is_empty()).collect()
    } else {
        // What stays as it was typed was not completed.
        let offered = printed.into_iter().skip(typed.split(' ').count() - 1);
        offered.filter(|word| word != last).collect()
    };
    // bash offers a value without its flag, and flags as well where no word was begun.
    if let Some((flag, _)) = last.split_once('=') {
        let start = format!("{flag}=");
        for word in &mut words {
            *word = word.trim_start_matches(&start).to_owned();
        }
    } else if last.is_empty() {
        words.retain(|word| !word.starts_with('-'));
    }
    words.sort();
    words
}

#[tokio::test]
async fn commands_flags_and_values_are_completed() {
    let table: &[(&str, &[&str])] = &[
        ("manifest-action insp", &["inspect"]),
        ("manifest-action create --wait-", &["--wait-interval"]),
        ("manifest-action create --do", &["--docker-config", "--dotenv-file"]),
        ("manifest-action inspect --pl", &["--platform"]),
        ("manifest-action --json inspect --pl", &["--platform"]),
        ("manifest-action check --spe", &["--spec"]),
        ("manifest-action inspect --insecu", &["--insecure"]),
        ("manifest-action create --format ", &["auto", "docker", "oci"]),
        ("manifest-action create --format=do", &["docker"]),
        ("manifest-action create --missing s", &["skip"]),
        ("manifest-action create --attestations ", &["discover", "drop", "keep"]),
        ("manifest-action create --log-level ", &["debug", "error", "info", "trace", "warn"]),
        ("manifest-action create --overwrite=", &["false", "true"]),
        ("manifest-action create --append=t", &["true"]),
        ("manifest-action create --amend=t", &["true"]),
        // The next word would be a reference.
        ("manifest-action create --overwrite tr", &[]),
        ("manifest-action completions ", &["bash", "fish", "zsh"]),
        ("manifest-action man insp", &["inspect"]),
    ];
    let lines: Vec<&str> = table.iter().map(|(line, _)| *line).collect();
    let mut wrong = Vec::new();
    for shell in ["bash", "zsh", "fish"] {
        for ((line, expected), offered) in table.iter().zip(offered(shell, &lines).await) {
            if offered != *expected {
                wrong.push(format!("{shell}: {line}: {offered:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_values_offered_are_those_that_an_input_takes() {
    // Of some, any other text is a list.
    let with_words =
        INPUTS.iter().filter(|input| !input.words().is_empty() && input.kind != Kind::SwitchOrList);
    for input in with_words {
        let flag = format!("--{}=wrong", input.name);
        let ran = Step::new().args(["create", "r.example/a:1", "r.example/a:2", &flag]).run().await;
        let (last, others) = input.words().split_last().expect("a word");
        let expected = match (input.name, others) {
            (_, ["true"]) => "must be true or false, not \"wrong\"".to_owned(),
            _ => format!("must be {} or {last}, not \"wrong\"", others.join(", ")),
        };
        let told = ran.fails(2).stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&expected), "{}: {told}", input.name);
    }
}
