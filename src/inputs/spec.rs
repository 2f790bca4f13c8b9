//! What the input `spec` names or holds: several indexes, each with inputs of its own, in YAML.

use super::manifest_tool::{self, Translated};
use super::spec_text::{self, Text};
use super::table::{self, INPUTS, Kind, RawInputs, Scope, names};
use super::yaml::{self, Fault, Node, Place, Value};
use super::{Context, Findings, Problem, drone, env, list_names, words};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashMap, HashSet};

const INPUT: &str = names::spec;
/// More entries than this are a mistake.
const MOST: usize = 1000;
/// Inputs that can be a mapping: `KEY: VALUE`.
const MAPS: [&str; 3] = [names::annotations, names::expect_labels, names::digests];

/// One index of the file.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The inputs: its own, and the defaults beside the file.
    inputs: RawInputs,
    file: String,
    number: usize,
    name: Option<String>,
    /// The name that it is given, and where.
    given: Option<(Place, String)>,
    at: Place,
    own: BTreeMap<&'static str, Own>,
    faulty: HashSet<&'static str>,
}

/// Where an input's value is: as a whole, and item by item.
#[derive(Debug)]
struct Own {
    at: Place,
    items: Vec<Place>,
}

/// Reads the file, or the text itself. `defaults`: the inputs beside it.
pub(crate) fn read(
    given: &str,
    context: &Context<'_>,
    defaults: &RawInputs,
    findings: &mut Findings,
) -> Vec<Entry> {
    let read = spec_text::read(given, context, findings);
    let is_of_plugin = match &read {
        Some(text) => text.is_of_plugin,
        None => spec_text::is_setting(given, context),
    };
    refuse_beside(given, is_of_plugin, defaults, findings);
    if spec_text::is_setting(given, context) && !is_of_plugin {
        let text =
            format!("cannot be combined with {}: its text has `indexes:`", words::input(INPUT));
        for name in drone::beside_indexes(context.environment) {
            findings.problem(name, &text);
        }
    }
    let text = read.and_then(|text| text.filled(context, defaults.tags().text, findings));
    let Some(Text { called, text, .. }) = text else { return Vec::new() };
    let file = Document { path: &called, defaults, faulty: HashSet::new() };
    match yaml::parse(&text) {
        Ok(tree) if manifest_tool::is_form(&tree) => {
            let Translated { tree, faults, warnings, faulty } = manifest_tool::translate(tree);
            findings.warnings.extend(
                warnings
                    .iter()
                    .map(|warning| format!("{called}, {}: {}", warning.place, warning.text)),
            );
            file.note(faults, findings);
            Document { faulty, ..file }.entries(tree, findings)
        }
        Ok(tree) => file.entries(tree, findings),
        Err(faults) => {
            file.note(faults, findings);
            Vec::new()
        }
    }
}

/// What has no place beside a file of indexes. plugins/manifest has `tags` beside its own form.
fn refuse_beside(given: &str, is_of_plugin: bool, defaults: &RawInputs, findings: &mut Findings) {
    let of_a_list = INPUTS.iter().filter(|input| input.scope == Scope::List);
    let of_a_list = of_a_list.filter(|input| !(is_of_plugin && input.name == names::tags));
    for name in of_a_list.map(|input| input.name).filter(|name| defaults.get(name).is_some()) {
        findings.problem(
            name,
            format!(
                "cannot be combined with {}: set it for each entry in {}",
                words::input(INPUT),
                spec_text::called(given)
            ),
        );
    }
}

struct Document<'a> {
    path: &'a str,
    defaults: &'a RawInputs,
    /// Inputs that nothing could be read for, as is noted already.
    faulty: HashSet<&'static str>,
}

impl Document<'_> {
    fn note(&self, faults: Vec<Fault>, findings: &mut Findings) {
        let problems = faults.into_iter().map(|fault| spec_text::problem(self.path, fault));
        findings.problems.extend(problems);
    }

    fn entries(&self, tree: Node, findings: &mut Findings) -> Vec<Entry> {
        let items = self.items(tree, findings).unwrap_or_default();
        let items = items.into_iter().zip(1..);
        let entries: Vec<Entry> = items.map(|(node, at)| self.entry(at, node, findings)).collect();
        let mut names: HashMap<String, usize> = HashMap::new();
        for entry in &entries {
            let Some((place, name)) = &entry.given else { continue };
            let first = *names.entry(list_names::variable(name)).or_insert(entry.number);
            if first != entry.number {
                let text = format!(
                    "the name {name:?} is already used by index {first}, as it is or in a dotenv report"
                );
                findings.problems.push(entry.problem(INPUT, *place, None, text));
            }
        }
        entries
    }

    /// The items below `indexes:`, or `None` after noting why there are none to read.
    fn items(&self, tree: Node, findings: &mut Findings) -> Option<Vec<Node>> {
        const SHAPE: &str = "must contain `indexes:` with a list";
        let mut faults = Vec::new();
        let mut items = None;
        let top = if let Value::Map(top) = tree.value { top } else { Vec::new() };
        for (place, key, node) in top {
            match (key.as_str(), node.value) {
                ("indexes", Value::List(found)) => items = Some(found),
                ("indexes", _) => faults.push(Fault { place: node.place, text: SHAPE.to_owned() }),
                (other, _) => {
                    let text = format!("unknown key {other:?}: the file {SHAPE}");
                    faults.push(Fault { place, text });
                }
            }
        }
        let count = items.as_ref().map(Vec::len);
        let wrong = match count {
            None if faults.is_empty() => Some(SHAPE.to_owned()),
            Some(0) => Some("`indexes:` contains no entry".to_owned()),
            Some(count) if count > MOST => {
                Some(format!("`indexes:` contains {count} entries; the limit is {MOST}"))
            }
            _ => None,
        };
        faults.extend(wrong.map(|text| Fault { place: tree.place, text }));
        self.note(faults, findings);
        items.filter(|items| items.len() <= MOST)
    }

    fn entry(&self, number: usize, node: Node, findings: &mut Findings) -> Entry {
        let mut entry = Entry {
            inputs: RawInputs::default(),
            file: self.path.to_owned(),
            number,
            name: None,
            given: None,
            at: node.place,
            own: BTreeMap::new(),
            faulty: self.faulty.clone(),
        };
        let Value::Map(keys) = node.value else {
            let text = "must be a mapping of inputs: tags, sources and others";
            findings.problems.push(entry.problem(INPUT, entry.at, None, text));
            entry.faulty.extend(INPUTS.iter().map(|input| input.name));
            return entry;
        };
        let tags = keys.iter().find(|(_, key, _)| key == names::tags);
        entry.name = tags.and_then(|(_, _, node)| first_text(&node.value));
        let own = entry.read_own(keys, findings);
        let defaults = INPUTS
            .iter()
            .filter(|input| input.scope == Scope::Any && !entry.own.contains_key(input.name));
        let defaults: Vec<(String, String)> = defaults
            .filter_map(|input| {
                Some((input.name.to_owned(), self.defaults.get(input.name)?.to_owned()))
            })
            .collect();
        let mut found = Findings::default();
        entry.inputs = env::from_pairs(defaults.into_iter().chain(own), &mut found);
        entry.keep(found, findings);
        entry
    }
}

impl Entry {
    /// The inputs: its own, and the defaults beside the file.
    pub(crate) fn inputs(&self) -> &RawInputs {
        &self.inputs
    }

    /// Reads the inputs of its own, as pairs of name and value, and keeps where each is.
    fn read_own(
        &mut self,
        keys: Vec<(Place, String, Node)>,
        findings: &mut Findings,
    ) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (place, key, node) in keys {
            if key == list_names::KEY {
                self.read_name(node, findings);
                continue;
            }
            let Some(input) = table::find(&key) else {
                findings.problems.push(self.problem(INPUT, place, None, table::unknown(&key)));
                continue;
            };
            if input.scope == Scope::Run {
                let text = "applies to the whole run: set it next to spec, not in an entry";
                findings.problems.push(self.problem(input.name, place, None, text));
                continue;
            }
            let items = match &node.value {
                Value::List(items) => items.iter().map(|item| item.place).collect(),
                Value::Map(items) => items.iter().map(|(place, _, _)| *place).collect(),
                _ => Vec::new(),
            };
            match value(input.name, input.kind, &node) {
                Ok(Some(value)) => {
                    self.own.insert(input.name, Own { at: node.place, items });
                    pairs.push((input.name.to_owned(), value));
                }
                // What is empty is not set.
                Ok(None) => {}
                Err((place, text)) => {
                    self.faulty.insert(input.name);
                    findings.problems.push(self.problem(input.name, place, None, text));
                }
            }
        }
        pairs
    }

    fn read_name(&mut self, node: Node, findings: &mut Findings) {
        let name = match node.value {
            Value::Empty => return,
            Value::Text(name) => list_names::check(&name).map(|()| name),
            _ => Err("name must be one value".to_owned()),
        };
        match name {
            Ok(name) => self.given = Some((node.place, name)),
            Err(text) => findings.problems.push(self.problem(INPUT, node.place, None, text)),
        }
    }

    /// The name that the file gives it.
    pub(crate) fn given_name(&self) -> Option<String> {
        self.given.as_ref().map(|(_, name)| name.clone())
    }

    /// Takes over the problems of this entry, each with its place in the file. A problem of a
    /// default is noted once; a problem that follows from an unreadable value is dropped.
    pub(crate) fn keep(&self, found: Findings, findings: &mut Findings) {
        for Problem { input, line, text, .. } in found.problems {
            if self.faulty.contains(input) {
                continue;
            }
            let problem = match self.own.get(input) {
                Some(Own { at, items }) => match line.and_then(|line| items.get(line - 1)) {
                    Some(item) => self.problem(input, *item, None, text),
                    None => self.problem(input, *at, line, text),
                },
                None if self.inputs.get(input).is_some() => {
                    Problem { input, line, text, place: None }
                }
                None => self.problem(input, self.at, None, text),
            };
            if problem.place.is_some() || !findings.problems.contains(&problem) {
                findings.problems.push(problem);
            }
        }
    }

    /// Its first tag as written, or its number.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("index {}", self.number))
    }

    /// A problem of this entry, at its input or else at its start.
    pub(crate) fn problem_of(&self, input: &'static str, text: impl Into<String>) -> Problem {
        self.problem(input, self.own.get(input).map_or(self.at, |own| own.at), None, text)
    }

    fn problem(
        &self,
        input: &'static str,
        place: Place,
        line: Option<usize>,
        text: impl Into<String>,
    ) -> Problem {
        let name = self.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let place = format!("{}, {place}: index {}{name}", self.file, self.number);
        Problem { input, line, text: text.into(), place: Some(place) }
    }
}

/// The first reference that stands for `tags`, as written.
fn first_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Text(text) => text.as_str(),
        Value::List(items) => return items.iter().find_map(|item| first_text(&item.value)),
        _ => return None,
    };
    super::values::items(text, true).ok()?.into_iter().next().map(|item| item.text)
}

/// An input's value in the text form that an environment variable would have; `None` when it is
/// empty.
fn value(name: &'static str, kind: Kind, node: &Node) -> Result<Option<String>, (Place, String)> {
    let is_list = matches!(kind, Kind::List | Kind::SwitchOrList | Kind::Lines);
    let scalar = |node: &Node| match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::Text(_) | Value::Empty => Err((node.place, "an item is empty".to_owned())),
        Value::List(_) | Value::Map(_) => Err((node.place, "an item must be a string".to_owned())),
    };
    match &node.value {
        Value::Empty => Ok(None),
        Value::Text(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Value::List(items) if items.is_empty() => Ok(None),
        Value::List(items) if is_list => {
            let texts = items.iter().map(scalar).collect::<Result<Vec<_>, _>>()?;
            if name != names::digests {
                return Ok(Some(Json::from(texts).to_string()));
            }
            // In a JSON array, which is what jobs put out, text that is not a digest is ignored;
            // here each item counts.
            Ok(Some(texts.join("\n")))
        }
        Value::Map(items) if items.is_empty() => Ok(None),
        Value::Map(items) if MAPS.contains(&name) => {
            let pairs =
                items.iter().map(|(_, key, node)| Ok((key.clone(), Json::from(scalar(node)?))));
            Ok(Some(Json::Object(pairs.collect::<Result<Map<_, _>, _>>()?).to_string()))
        }
        Value::List(_) => Err((node.place, "must be one value, not a list".to_owned())),
        Value::Map(_) => Err((
            node.place,
            if is_list { "must be a list or a string" } else { "must be one value" }.to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Environment;
    use crate::random::mixed;
    use crate::secret::Secrets;
    use std::path::Path;

    fn read_in(folder: &Path, findings: &mut Findings) -> Vec<Entry> {
        let (environment, secrets) = (&Environment::new(), &Secrets::default());
        let context = Context { environment, folder, secrets };
        read("x.yaml", &context, &RawInputs::default(), findings)
    }

    #[test]
    fn what_a_mapping_says_well_is_an_input() {
        for name in MAPS {
            assert!(INPUTS.iter().any(|input| input.name == name), "{name}");
        }
    }

    fn told(given: &str) -> Vec<String> {
        let (environment, secrets) = (&Environment::new(), &Secrets::default());
        let context = Context { environment, folder: Path::new("/nowhere"), secrets };
        let mut findings = Findings::default();
        read(given, &context, &RawInputs::default(), &mut findings);
        findings.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_a_path_and_what_the_text_itself() {
        for (given, expected) in [
            ("lists.yaml", "lists.yaml"),
            ("a {b}.yaml", "a {b}.yaml"),
            ("indexes", "indexes"),
            ("indexes: []", "spec"),
            ("{\"indexes\": []}", "spec"),
            ("# lists\nindexes: []", "spec"),
            ("# lists\rindexes: []", "spec"),
        ] {
            assert_eq!(spec_text::called(given), expected, "{given:?}");
        }
        for (given, expected) in [
            ("indexes: []", "spec, line 1, column 1: spec: `indexes:` contains no entry"),
            (
                "indexes:\n  - tags: r.example/a:1\n    sorces: x",
                "spec, line 3, column 5: index 1 (r.example/a:1): spec: there is no input \"sorces\"; did you mean sources?",
            ),
            (
                "{\"indexes\": [{\"tags\": \"r.example/a:1\", \"wiat\": \"1m\"}]}",
                "spec, line 1, column 40: index 1 (r.example/a:1): spec: there is no input \"wiat\"; did you mean wait?",
            ),
        ] {
            assert_eq!(told(given), [expected], "{given}");
        }
        let told = told("lists.yaml");
        assert!(told[0].starts_with("spec: lists.yaml: "), "{told:?}");
    }

    #[test]
    fn names_are_each_of_one_list() {
        let list = |name: &str| format!("  - name: {name}\n    tags: r.example/a:1\n");
        for (names, expected) in [
            (vec!["app", "app-2"], vec![]),
            (
                vec!["~", "''"],
                vec!["line 4, column 11: index 2 (r.example/a:1): spec: name must consist of"],
            ),
            (
                vec!["[a]"],
                vec!["line 2, column 11: index 1 (r.example/a:1): spec: name must be one value"],
            ),
            (
                vec!["a", "b", "a"],
                vec![
                    "line 6, column 11: index 3 (r.example/a:1): spec: the name \"a\" is already used by index 1",
                ],
            ),
            (
                vec!["a-b", "a.b"],
                vec![
                    "line 4, column 11: index 2 (r.example/a:1): spec: the name \"a.b\" is already used by index 1",
                ],
            ),
            (
                vec!["action-x"],
                vec![
                    "line 2, column 11: index 1 (r.example/a:1): spec: name: a dotenv report would",
                ],
            ),
        ] {
            let lists: String = names.iter().map(|name| list(name)).collect();
            let told = told(&format!("indexes:\n{lists}"));
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for (told, expected) in told.iter().zip(expected) {
                let line = told.strip_prefix("spec, ").unwrap();
                assert!(line.starts_with(expected), "{told}");
            }
        }
    }

    #[test]
    fn what_nothing_fills_in_is_refused_at_its_place() {
        for (given, place) in [
            ("image: acme/app:{{#if build.tag}}1{{/if}}\nmanifests: []\n", "line 1, column 17"),
            ("indexes:\n  - tags: 'é{{ tag }}'\n    sources: x\n", "line 2, column 13"),
            ("indexes:\n  - {{ toJSON(x) }}\n", "line 2, column 5"),
        ] {
            let told = told(given);
            assert_eq!(told.len(), 1, "{told:?}");
            let start = format!("spec, {place}: spec: contains {{{{, and nothing replaces it");
            assert!(told[0].starts_with(&start), "{told:?}");
        }
    }

    #[test]
    fn the_shape_of_the_file_is_told_whatever_else_is_wrong() {
        let folder = tempfile::TempDir::new().unwrap();
        for (text, expected) in [
            ("", "must contain `indexes:` with a list"),
            ("{}\n", "must contain `indexes:` with a list"),
            ("- a\n", "must contain `indexes:` with a list"),
            ("indexes: a\n", "must contain `indexes:` with a list"),
            ("indexes: []\n", "`indexes:` contains no entry"),
            (
                "images: []\n",
                "unknown key \"images\": the file must contain `indexes:` with a list",
            ),
            ("indexes:\n  - a\n", "must be a mapping of inputs: tags, sources and others"),
        ] {
            std::fs::write(folder.path().join("x.yaml"), text).unwrap();
            for before in [0, 1] {
                let mut findings = Findings::default();
                if before == 1 {
                    findings.problem("wait", "is wrong");
                }
                read_in(folder.path(), &mut findings);
                let told: Vec<&str> =
                    findings.problems.iter().skip(before).map(|problem| &*problem.text).collect();
                assert_eq!(told, [expected], "{text:?}, {before} before");
            }
        }
    }

    #[test]
    fn a_default_that_is_wrong_is_told_once() {
        let mut findings = Findings::default();
        let entry = |number| Entry {
            inputs: RawInputs { wait: Some("soon".to_owned()), ..RawInputs::default() },
            file: "lists.yaml".to_owned(),
            number,
            name: None,
            given: None,
            at: Place { line: 1, column: 1 },
            own: BTreeMap::new(),
            faulty: HashSet::from(["tags"]),
        };
        for number in 1..=2 {
            let mut found = Findings::default();
            found.problem("wait", "is wrong");
            found.problem("tags", "follows from what could not be read");
            found.problem("sources", "is required");
            entry(number).keep(found, &mut findings);
        }
        let shown: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "wait: is wrong",
                "lists.yaml, line 1, column 1: index 1: sources: is required",
                "lists.yaml, line 1, column 1: index 2: sources: is required"
            ]
        );
    }

    #[test]
    fn survives_any_tree() {
        let pieces = [
            "tags: ",
            "sources: ",
            "digests: ",
            "annotations: ",
            "wait: ",
            "platforms: ",
            "config: ",
            "name: ",
            "x: ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "a: b",
            "r.example/a:1",
            "\n    ",
            "\n  - ",
            "\n      - ",
            "~",
            "''",
            "\"\"",
            "é",
            "1m",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..3_000 {
            let text = format!("indexes:\n  - {}\n", mixed(&mut random, &pieces, 10));
            let Ok(tree) = yaml::parse(&text) else { continue };
            let defaults = RawInputs { wait: Some("1m".to_owned()), ..RawInputs::default() };
            let mut findings = Findings::default();
            let document = Document { path: "x.yaml", defaults: &defaults, faulty: HashSet::new() };
            for entry in document.entries(tree, &mut findings) {
                accepted += 1;
                entry.name();
                let mut found = Findings::default();
                for (input, line) in INPUTS.iter().zip(1..) {
                    found.problem_at(input.name, line, "is wrong");
                }
                entry.keep(found, &mut findings);
            }
        }
        assert!(accepted > 300, "{accepted}");
    }
}
