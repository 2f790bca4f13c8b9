//! Two lists of entries, compared with each other.

use crate::oci::{Content, Descriptor, Manifest};
use serde_json::{Map, Value};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only in the new one.
    Added(String, String),
    /// Only in the old one.
    Removed(String, String),
    /// The same platform, another digest: old, new.
    Replaced(String, String, String),
    /// The same image, described in another way: what it is, its digest, the fields.
    Described(String, String, Vec<Field>),
}

/// A field whose value differs: its name, and the old and new value if it had one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// `mediaType`, `annotations.KEY`, `platform`, …
    pub name: String,
    /// Before.
    pub old: Option<Value>,
    /// After.
    pub new: Option<Value>,
}

/// What turns the old entries into the new ones, platform by platform. Each entry has at most one
/// counterpart.
pub fn entries(old: &[Descriptor], new: &[Descriptor]) -> Vec<Change> {
    let mut left: Vec<&Descriptor> = old.iter().collect();
    let mut partner: Vec<Option<&Descriptor>> = vec![None; new.len()];
    // Equal entries are matched first, so that two entries for one platform are not mixed up.
    let rules: [fn(&Descriptor, &Descriptor) -> bool; 3] =
        [|a, b| a == b, |a, b| a.digest == b.digest && alike(a, b), alike];
    for rule in rules {
        for (entry, partner) in
            new.iter().zip(&mut partner).filter(|(_, partner)| partner.is_none())
        {
            *partner = left.iter().position(|other| rule(entry, other)).map(|at| left.remove(at));
        }
    }
    let mut changes: Vec<Change> =
        new.iter().zip(partner).filter_map(|(entry, partner)| change(entry, partner)).collect();
    changes.extend(
        left.into_iter().map(|entry| Change::Removed(entry.title(), entry.digest.to_string())),
    );
    changes
}

fn alike(one: &Descriptor, other: &Descriptor) -> bool {
    match (one.known_platform(), other.known_platform()) {
        (Some(one), Some(other)) => one.same(other),
        (None, None) => one.digest == other.digest,
        _ => false,
    }
}

fn change(entry: &Descriptor, partner: Option<&Descriptor>) -> Option<Change> {
    let digest = entry.digest.to_string();
    let Some(partner) = partner else { return Some(Change::Added(entry.title(), digest)) };
    if partner.digest != entry.digest {
        return Some(Change::Replaced(entry.title(), partner.digest.to_string(), digest));
    }
    let as_object = |entry: &Descriptor| match serde_json::to_value(entry) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let fields = fields(&as_object(partner), &as_object(entry));
    (!fields.is_empty()).then(|| Change::Described(entry.title(), digest, fields))
}

/// Fields whose values differ; annotations are compared key by key.
pub fn fields(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Field> {
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let differ = names.filter(|name| old.get(*name) != new.get(*name));
    differ.flat_map(|name| field(name, old.get(name), new.get(name))).collect()
}

fn field(name: &str, old: Option<&Value>, new: Option<&Value>) -> Vec<Field> {
    let none = Map::new();
    let object = |value: Option<&Value>| match value {
        None => Some(none.clone()),
        Some(value) => value.as_object().cloned(),
    };
    match (name, object(old), object(new)) {
        ("annotations", Some(old), Some(new)) => {
            let inner = fields(&old, &new).into_iter();
            inner.map(|field| Field { name: format!("{name}.{}", field.name), ..field }).collect()
        }
        _ => vec![Field { name: name.to_owned(), old: old.cloned(), new: new.cloned() }],
    }
}

/// The entries of an index. An image is its own only entry.
pub fn entries_of(manifest: &Manifest) -> Vec<Descriptor> {
    match &manifest.content {
        Content::Index(index) => index.manifests.clone(),
        Content::Image(_) => vec![manifest.descriptor()],
    }
}

impl Change {
    /// One line for people.
    pub fn line(&self) -> String {
        match self {
            Self::Added(name, digest) => format!("+ {name}  {digest}"),
            Self::Removed(name, digest) => format!("- {name}  {digest}"),
            Self::Replaced(name, old, new) => format!("~ {name}  {old} → {new}"),
            Self::Described(name, digest, fields) => {
                let fields: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                format!("~ {name}  {digest}  {}", fields.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn entry(platform: &str, seed: &str) -> Descriptor {
        let mut entry = Descriptor::new(
            "application/vnd.oci.image.manifest.v1+json",
            Digest::of(seed.as_bytes()),
            1,
        );
        entry.platform = platform.parse().ok();
        entry
    }

    fn signs(old: &[Descriptor], new: &[Descriptor]) -> Vec<String> {
        entries(old, new)
            .iter()
            .map(|change| change.line().split("  ").next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn entries_are_matched_one_to_one() {
        let (a, b, c) =
            (entry("linux/amd64", "a"), entry("linux/arm64", "b"), entry("linux/arm64/v8", "c"));
        let none: [String; 0] = [];
        assert_eq!(signs(&[a.clone(), b.clone()], &[b.clone(), a.clone()]), none);
        assert_eq!(signs(&[a.clone(), b.clone()], &[a.clone(), c.clone()]), ["~ linux/arm64"]);
        assert_eq!(signs(std::slice::from_ref(&a), &[a.clone(), b.clone()]), ["+ linux/arm64"]);
        assert_eq!(signs(&[a.clone(), b.clone()], std::slice::from_ref(&b)), ["- linux/amd64"]);
        // Two entries for one platform are no difference to themselves.
        assert_eq!(signs(&[b.clone(), c.clone()], &[b.clone(), c.clone()]), none);
        assert_eq!(signs(&[b.clone(), c.clone()], &[c.clone(), b.clone()]), none);
        assert_eq!(signs(&[b.clone(), c.clone()], std::slice::from_ref(&c)), ["- linux/arm64"]);
        let (old, new) = (entry("windows(10.0.1)/amd64", "w"), entry("windows(10.0.2)/amd64", "w"));
        assert_eq!(signs(&[old], &[new]), ["+ windows(10.0.2)/amd64", "- windows(10.0.1)/amd64"]);
    }

    #[test]
    fn what_is_said_about_an_entry_counts() {
        let mut annotated = entry("linux/amd64", "a");
        annotated.annotations.insert("k".into(), "v".into());
        let changes = entries(&[entry("linux/amd64", "a")], &[annotated]);
        let [Change::Described(name, _, fields)] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        assert_eq!(name, "linux/amd64");
        let expected =
            Field { name: "annotations.k".into(), old: None, new: Some(Value::from("v")) };
        assert_eq!(fields, &[expected]);
    }
}
