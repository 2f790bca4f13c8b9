//! The page on registries: its sections have one shape, and what it tells people to paste is YAML
//! whose inputs exist and are right.

use crate::support::certs::Authority;
use crate::support::step::Step;
use manifest_action::inputs::table;
use saphyr_parser::{Event, Parser, StrInput};

const PAGE: &str = include_str!("../../docs/registries.md");
const ACTION: &str = "org/manifest-action@v1";
const VARIABLE: &str = "MANIFEST_ACTION_";

/// The sections, each with its heading.
fn sections() -> Vec<(&'static str, &'static str)> {
    PAGE.split("\n## ").skip(1).map(|text| text.split_once('\n').expect("a heading")).collect()
}

/// The text of each YAML block.
fn blocks(text: &'static str) -> Vec<&'static str> {
    text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().expect("an end")).collect()
}

/// YAML without anchors and tags.
#[derive(Debug)]
enum Yaml {
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Yaml {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser::new_from_str(text);
        loop {
            match next(&mut parser)? {
                Event::StreamStart | Event::DocumentStart(_) => {}
                event => return Self::of(event, &mut parser),
            }
        }
    }

    fn of<'a>(event: Event<'a>, parser: &mut Parser<'a, StrInput<'a>>) -> Result<Self, String> {
        match event {
            Event::Scalar(text, ..) => Ok(Self::Text(text.into_owned())),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match next(parser)? {
                        Event::SequenceEnd => return Ok(Self::List(items)),
                        event => items.push(Self::of(event, parser)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries: Vec<(String, Self)> = Vec::new();
                loop {
                    let key = match next(parser)? {
                        Event::MappingEnd => return Ok(Self::Map(entries)),
                        Event::Scalar(key, ..) => key.into_owned(),
                        other => return Err(format!("{other:?} for a key")),
                    };
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(format!("{key} twice"));
                    }
                    let event = next(parser)?;
                    entries.push((key, Self::of(event, parser)?));
                }
            }
            other => Err(format!("{other:?}")),
        }
    }

    fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    /// A mapping of texts.
    fn pairs(&self) -> Vec<(String, String)> {
        let Self::Map(entries) = self else { panic!("no mapping: {self:?}") };
        let text = |(key, value): &'_ (String, Self)| match value {
            Self::Text(text) => (key.clone(), text.clone()),
            other => panic!("{key} is no text: {other:?}"),
        };
        entries.iter().map(text).collect()
    }
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Result<Event<'a>, String> {
    match parser.next_event() {
        Some(Ok((event, _))) => Ok(event),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the end".to_owned()),
    }
}

/// What our step gets in a job of this page, under the names of the variables that it comes in.
fn inputs(block: &str) -> Vec<(String, String)> {
    let document = Yaml::parse(block).unwrap_or_else(|error| panic!("{error}:\n{block}"));
    let job = document.get("jobs").unwrap_or(&document).get("manifest").expect("a job, manifest");
    if let Some(Yaml::List(steps)) = job.get("steps") {
        let ours =
            |step: &&Yaml| matches!(step.get("uses"), Some(Yaml::Text(uses)) if uses == ACTION);
        let step = steps.iter().find(ours).expect("our step");
        let with = step.get("with").expect("inputs").pairs().into_iter();
        return with
            .map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), value))
            .collect();
    }
    let variables = job.get("variables").expect("variables").pairs().into_iter();
    variables.filter(|(name, _)| name.starts_with(VARIABLE)).collect()
}

/// The value with what the CI system fills in.
fn filled(value: &str) -> String {
    let mut value = value.replace("$CI_REGISTRY_IMAGE", "registry.gitlab.com/acme/app");
    while let Some(start) = value.find("${{") {
        let end = start + value[start..].find("}}").expect("an end") + 2;
        value.replace_range(start..end, "x");
    }
    let mut parts = value.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = |letter: char| letter.is_ascii_uppercase() || letter == '_';
        filled += "x";
        filled += part.trim_start_matches(name);
    }
    filled
}

#[test]
fn every_registry_has_both_logins_and_the_same_parts() {
    let (sources, registries) = sections()
        .into_iter()
        .filter(|(heading, _)| *heading != "Logins")
        .partition::<Vec<_>, _>(|(heading, _)| *heading == "Sources");
    assert_eq!((sources.len(), registries.len()), (1, 13));
    for (heading, text) in registries {
        let systems: Vec<&str> =
            blocks(text).iter().map(|block| &block[..block.len().min(8)]).collect();
        assert_eq!(systems, ["# GitHub", "# GitLab"], "{heading}");
        let mut from = 0;
        for part in
            ["**Permissions.** ", "**Quirks.** ", "**Limits.** ", "**Errors.**\n\n| answer |"]
        {
            let at = text[from..].find(part).unwrap_or_else(|| panic!("{heading} lacks {part}"));
            from += at + part.len();
        }
        let name = heading.split(',').next().unwrap_or_default();
        assert!(sources[0].1.contains(&format!("\n- **{name}:** ")), "no sources of {heading}");
    }
}

#[test]
fn every_variable_of_ours_on_the_page_is_an_input() {
    let letter = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let named = PAGE.split(VARIABLE).skip(1).map(|rest| rest.split(|c| !letter(c)).next());
    let names: Vec<String> =
        named.flatten().map(|name| name.to_lowercase().replace('_', "-")).collect();
    assert!(names.len() > 50, "{}", names.len());
    for name in names {
        assert!(table::find(&name).is_some(), "{VARIABLE}{name} is no input");
    }
}

/// Each job of the page, with one more input that cannot be right: all problems are told together
/// before the first request, so that this one alone shows that the others are right.
#[tokio::test]
async fn every_job_of_the_page_has_inputs_that_the_program_takes() {
    let authority = Authority::new("a CA of one's own").pem();
    let mut tried = 0;
    for (heading, text) in sections() {
        for block in blocks(text) {
            let mut step = Step::new().env("INPUT_WAIT", "nonsense");
            let given = inputs(block);
            let has = |input: &str| given.iter().any(|(name, _)| name.ends_with(input));
            assert!(has("_TAGS") && has("_SOURCES") && has("_PLATFORMS"), "{heading}: {given:?}");
            for (name, value) in &given {
                let mut value = filled(value);
                if name.ends_with("CA-FILE") || name.ends_with("CA_FILE") {
                    step = step.file(&value, &authority);
                }
                // It comes from a variable that the page only speaks of.
                if name == "MANIFEST_ACTION_USERNAME" {
                    step = step.env("MANIFEST_ACTION_PASSWORD", "secret");
                    value = value.replace("$$", "$");
                }
                step = step.env(name, value);
            }
            let ran = step.run().await.fails(2);
            let said = ran.everything();
            assert!(said.contains("1 problem with the inputs"), "{heading}:\n{said}");
            assert!(said.contains("\"nonsense\" is not a duration"), "{heading}:\n{said}");
            assert!(!said.contains("warning"), "{heading}:\n{said}");
            tried += 1;
        }
    }
    assert_eq!(tried, 27, "jobs of the page");
}
