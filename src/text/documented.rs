//! The tables of fields in `docs/`, for the tests that compare them with the JSON documents.

use serde_json::Value;
use std::collections::BTreeSet;

/// Objects whose keys are not ours.
const FREE: [&str; 4] = ["annotations", "entryAnnotations", "labels", "manifest"];

/// The fields in the tables below these headings, as paths: `tags[].reference`.
pub(crate) fn fields(page: &str, headings: &[&str]) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for heading in headings {
        let (_, below) = page
            .split_once(&format!("\n{heading}\n"))
            .unwrap_or_else(|| panic!("no heading {heading}"));
        let section = below.lines().take_while(|line| !line.starts_with('#'));
        let rows = section.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let before = fields.len();
        fields.extend(rows.map(str::to_owned));
        assert!(fields.len() > before, "no table below {heading}");
    }
    fields
}

/// The fields of a document and of the objects in it, as such paths.
pub(crate) fn paths(document: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => {
                for item in items {
                    walk(item, &format!("{path}[]"), paths);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let own = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    if !FREE.contains(&name.as_str()) {
                        walk(value, &own, paths);
                    }
                    paths.insert(own);
                }
            }
            _ => {}
        }
    }
    let mut paths = BTreeSet::new();
    walk(document, "", &mut paths);
    paths
}
