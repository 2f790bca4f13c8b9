//! What users read says the same as the program: README, help, action.yml and the GitLab component
//! are held against the tables of inputs and outputs.

use crate::support::step::Step;
use manifest_action::inputs::spec::INPUTS;
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
fn the_readme_has_every_input_and_output() {
    let readme = file("README.md");
    for input in INPUTS {
        let default = if input.default.is_empty() { "–" } else { input.default };
        let row = format!("| `{}` | {} | {default} |", input.name, input.help);
        assert!(readme.contains(&row), "README lacks this row:\n{row}");
    }
    for (name, help) in OUTPUTS {
        let row = format!("| `{name}` | {help} |");
        assert!(readme.contains(&row), "README lacks this row:\n{row}");
    }
    assert_eq!(
        readme.lines().filter(|line| line.starts_with("| `")).count(),
        INPUTS.len() + OUTPUTS.len(),
        "README has rows of its own"
    );
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
