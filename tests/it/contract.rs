//! What users read says the same as the program: docs/inputs.md, help, action.yml and the GitLab
//! component are held against the tables of inputs and outputs, exit statuses against [`Exit`].

use crate::support::step::Step;
use manifest_action::error::Exit;
use manifest_action::inputs::table::INPUTS;
use manifest_action::report::outputs::OUTPUTS;
use std::fs;
use std::path::Path;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The keys at one depth of a YAML mapping: what stands `indent` spaces deep below the line
/// `heading:`.
fn keys(yaml: &str, heading: &str, indent: usize) -> Vec<String> {
    let start = format!("{heading}:");
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = yaml.lines().skip_while(|line| line.trim() != start);
    let outer = lines.next().map(depth).unwrap_or_else(|| panic!("no {heading}:"));
    lines
        .take_while(|line| line.trim().is_empty() || depth(line) > outer)
        .filter(|line| depth(line) == indent && !line.trim_start().starts_with('#'))
        .filter_map(|line| line.trim().split_once(':').map(|(key, _)| key.to_owned()))
        .collect()
}

#[test]
fn the_reference_has_every_input_and_output() {
    let page = file("docs/inputs.md");
    for input in INPUTS {
        let default = if input.default.is_empty() { "–" } else { input.default };
        let row = format!("| `{}` | {} | {default} |", input.name, input.help);
        assert!(page.contains(&row), "docs/inputs.md lacks this row:\n{row}");
    }
    for (name, help) in OUTPUTS {
        let row = format!("| `{name}` | {help} |");
        assert!(page.contains(&row), "docs/inputs.md lacks this row:\n{row}");
    }
    assert_eq!(
        page.lines().filter(|line| line.starts_with("| `")).count(),
        INPUTS.len() + OUTPUTS.len(),
        "docs/inputs.md has rows of its own"
    );
}

/// Every exit status, each with words that the row for it in docs/inputs.md must contain. A status
/// that is not listed here does not compile: the table and the `match` are made of the same names.
macro_rules! exits {
    ($($name:ident $words:literal)*) => {
        const EXITS: &[(Exit, &str)] = &[$((Exit::$name, $words)),*];

        const fn _none_is_missing(exit: Exit) {
            match exit {
                $(Exit::$name => {})*
            }
        }
    };
}

exits! {
    Done "done"
    Different "`diff` found differences"
    Inputs "inputs are wrong"
    NotArrived "did not arrive in time"
    JobFailed "a watched job failed"
    Refused "a check failed"
    Denied "access denied"
    Registry "registry or network"
    Partial "partly published"
    Defect "a bug in manifest-action"
    Interrupted "by SIGINT"
    Terminated "by SIGTERM"
}

#[test]
fn the_reference_has_every_exit_status() {
    let page = file("docs/inputs.md");
    let (_, section) = page.split_once("## Exit status\n").expect("a section on exit statuses");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    // The first row is the heading. A row may be for two statuses: `130, 143`.
    let documented: Vec<(u8, &str)> = rows
        .skip(1)
        .flat_map(|(statuses, meaning)| {
            let status = |text: &str| text.parse().unwrap_or_else(|_| panic!("status {text:?}"));
            statuses.split(", ").map(move |text| (status(text), meaning))
        })
        .collect();
    let statuses: Vec<u8> = documented.iter().map(|(status, _)| *status).collect();
    let expected: Vec<u8> = EXITS.iter().map(|(exit, _)| *exit as u8).collect();
    assert_eq!(statuses, expected);
    for ((status, meaning), (_, words)) in documented.iter().zip(EXITS) {
        assert!(meaning.contains(words), "docs/inputs.md says of {status}: {meaning}");
    }
}

#[tokio::test]
async fn help_has_every_input_and_output_and_create_has_every_flag() {
    let help = Step::new().args(["--help"]).run().await.ok().stdout;
    for name in INPUTS.iter().map(|input| input.name).chain(OUTPUTS.iter().map(|(name, _)| *name)) {
        assert!(
            help.lines().any(|line| line.split_whitespace().next() == Some(name)),
            "--help lacks {name}"
        );
    }
    let flags = Step::new().args(["create", "--help"]).run().await.ok().stdout;
    for input in INPUTS {
        // The list and its sources are arguments; the others may go by a shorter name for all
        // commands.
        assert!(
            flags.contains(&format!("--{}", input.name)),
            "create --help lacks --{}",
            input.name
        );
    }
    assert!(
        Step::new().args(["--version"]).run().await.ok().stdout.contains(env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn action_yml_and_the_gitlab_component_have_every_input_and_output() {
    let inputs: Vec<&str> = INPUTS.iter().map(|input| input.name).collect();
    let outputs: Vec<&str> = OUTPUTS.iter().map(|(name, _)| *name).collect();
    let action = file("action.yml");
    assert_eq!(keys(&action, "inputs", 2), inputs, "action.yml");
    assert_eq!(keys(&action, "outputs", 2), outputs, "action.yml");
    let component = file("templates/manifest.yml");
    // The component's first inputs are about the job itself.
    assert_eq!(keys(&component, "inputs", 4)[3..], inputs, "templates/manifest.yml");
    for input in &inputs {
        let variable = format!("MANIFEST_ACTION_{}", input.to_uppercase().replace('-', "_"));
        assert!(component.contains(&variable), "templates/manifest.yml does not pass {variable}");
        assert!(
            action.contains(&format!("        {input}: ${{{{ inputs.{input} }}}}")),
            "action.yml does not pass {input}"
        );
    }
}
