//! Two lists of entries, compared with each other.

use crate::oci::{Content, Descriptor, Digest, Manifest};
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};
use tracing::info;

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
    /// `mediaType`, `annotations.KEY`, `platform.variant`, …
    pub name: String,
    /// Before.
    pub old: Option<Value>,
    /// After.
    pub new: Option<Value>,
}

/// What two entries have in common that are counterparts, if it has that.
type Rule<'a> = dyn Fn(&List<'_>, &Descriptor) -> Option<String> + 'a;

/// What turns the old entries into the new ones, platform by platform. Each entry has at most one
/// counterpart.
pub fn entries(old: &[Descriptor], new: &[Descriptor]) -> Vec<Change> {
    let (before, after) = (List::of(old), List::of(new));
    // Equal entries are matched first, so that two entries for one platform are not mixed up; last
    // one image that is listed for another platform.
    let rules: [&Rule<'_>; 5] = [
        &|_, entry| serde_json::to_string(entry).ok(),
        &|list, entry| list.kin(entry).map(|kin| format!("{} {kin}", entry.digest)),
        // It may be an attestation in one of them only.
        &|_, entry| entry.known_platform().is_none().then(|| entry.digest.to_string()),
        &|list, entry| list.kin(entry),
        &|_, entry| Some(entry.digest.to_string()),
    ];
    let mut left = vec![true; old.len()];
    let mut partners: Vec<Option<&Descriptor>> = vec![None; new.len()];
    for rule in rules {
        // An index may have thousands of entries, so they are not held against each other one by
        // one.
        let mut by_rule: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (at, entry) in old.iter().enumerate().filter(|(at, _)| left[*at]) {
            if let Some(key) = rule(&before, entry) {
                by_rule.entry(key).or_default().push_back(at);
            }
        }
        for (entry, partner) in new.iter().zip(&mut partners).filter(|(_, own)| own.is_none()) {
            let alike = rule(&after, entry).and_then(|key| by_rule.get_mut(&key)?.pop_front());
            if let Some(at) = alike {
                left[at] = false;
                *partner = Some(&old[at]);
            }
        }
    }
    let mut changes: Vec<Change> = new
        .iter()
        .zip(partners)
        .filter_map(|(entry, partner)| {
            let name = match partner {
                Some(partner) => before.title(partner),
                None => after.title(entry),
            };
            change(name, entry, partner)
        })
        .collect();
    let left = old.iter().zip(left).filter(|(_, left)| *left).map(|(entry, _)| entry);
    changes
        .extend(left.map(|entry| Change::Removed(before.title(entry), entry.digest.to_string())));
    changes
}

/// Logs what an edit changes, a line each.
pub fn tell(old: &[Descriptor], new: &[Descriptor]) {
    for change in entries(old, new) {
        info!("edit     {}", change.line());
    }
}

/// The entries of an index, by digest.
pub(crate) struct List<'a>(HashMap<&'a str, &'a Descriptor>);

impl<'a> List<'a> {
    pub(crate) fn of(entries: &'a [Descriptor]) -> Self {
        // The first of a digest counts.
        Self(entries.iter().rev().map(|entry| (entry.digest.as_str(), entry)).collect())
    }

    /// The title of the image in the list that this entry attests.
    fn attested(&self, entry: &Descriptor) -> Option<String> {
        Some(self.0.get(entry.attests()?)?.title())
    }

    /// What an entry is; of an attestation, also whose.
    pub(crate) fn title(&self, entry: &Descriptor) -> String {
        match (entry.attests(), self.attested(entry)) {
            (Some(_), Some(image)) => format!("attestation of {image}"),
            (Some(""), None) | (None, _) => entry.title(),
            (Some(digest), None) => match digest.parse::<Digest>() {
                Ok(digest) => {
                    format!("attestation of {}, which is not in the index", digest.short())
                }
                Err(_) => entry.title(),
            },
        }
    }

    /// What an entry is in every list: its platform, that of the image that it attests, or itself.
    fn kin(&self, entry: &Descriptor) -> Option<String> {
        match (entry.attests(), entry.known_platform()) {
            // What attests the image of one platform is held against what attests it in the other
            // list.
            (Some(_), _) => Some(format!("attestation of {}", self.attested(entry)?)),
            (None, Some(platform)) => Some(platform.normalized().to_string()),
            (None, None) => Some(entry.digest.to_string()),
        }
    }
}

fn change(name: String, entry: &Descriptor, partner: Option<&Descriptor>) -> Option<Change> {
    let digest = entry.digest.to_string();
    let Some(partner) = partner else { return Some(Change::Added(name, digest)) };
    if partner.digest != entry.digest {
        return Some(Change::Replaced(name, partner.digest.to_string(), digest));
    }
    let as_object = |entry: &Descriptor| match serde_json::to_value(entry) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let fields = fields(&as_object(partner), &as_object(entry));
    (!fields.is_empty()).then(|| Change::Described(name, digest, fields))
}

/// Fields whose values differ; annotations and platforms are compared part by part.
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
        ("annotations" | "platform", Some(old), Some(new)) => {
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
                let fields: Vec<String> = fields.iter().map(Field::words).collect();
                format!("~ {name}  {digest}  {}", fields.join(", "))
            }
        }
    }
}

impl Field {
    /// What was changed from what to what.
    fn words(&self) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), quoted);
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("{} {} → {}", self.name, text(old), text(new)),
            (Some(old), None) => format!("{} removed, was {}", self.name, text(old)),
            (None, new) => {
                format!("{} set to {}", self.name, new.as_ref().map(text).unwrap_or_default())
            }
        }
    }
}

/// A value with spaces would run into the words around it.
fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains([' ', ',']) {
        format!("\"{value}\"")
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Annotations;
    use crate::oci::descriptor::{REFERENCE_DIGEST, REFERENCE_TYPE};
    use crate::random::chosen;

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
        assert_eq!(signs(std::slice::from_ref(&old), &[new]), ["~ windows(10.0.1)/amd64"]);
        let other = entry("windows(10.0.2)/amd64", "x");
        assert_eq!(signs(&[old], &[other]), ["+ windows(10.0.2)/amd64", "- windows(10.0.1)/amd64"]);
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

    #[test]
    fn a_line_says_what_changed_from_what_to_what() {
        let mut old = entry("linux/arm/v6", "a");
        old.annotations.insert("gone".into(), "x".into());
        old.annotations.insert("note".into(), "one".into());
        let mut new = entry("linux/arm/v7", "a");
        new.annotations.insert("note".into(), "two words".into());
        let lines: Vec<String> = entries(&[old], &[new]).iter().map(Change::line).collect();
        let digest = Digest::of(b"a");
        let expected = format!(
            "~ linux/arm/v6  {digest}  annotations.gone removed, was x, \
             annotations.note one → \"two words\", platform.variant v6 → v7"
        );
        assert_eq!(lines, [expected]);
        let mut listed = entry("linux/amd64", "a");
        let plain = listed.clone();
        listed.annotations.insert("k".into(), "v".into());
        let line = entries(&[plain], &[listed])[0].line();
        assert!(line.ends_with("  annotations.k set to v"), "{line}");
    }

    #[test]
    fn whose_attestation_it_is() {
        let attests = |image: &str, seed: &str| {
            let mut attestation = entry("", seed);
            let of = Digest::of(image.as_bytes()).to_string();
            for (name, value) in [("type", "attestation-manifest"), ("digest", of.as_str())] {
                attestation
                    .annotations
                    .insert(format!("vnd.docker.reference.{name}"), value.to_owned());
            }
            attestation
        };
        let old = [entry("linux/amd64", "a"), attests("a", "x"), entry("linux/arm64", "b")];
        let new = [entry("linux/amd64", "c"), attests("c", "y"), entry("linux/arm64", "b")];
        let replaced = ["~ linux/amd64", "~ attestation of linux/amd64"];
        assert_eq!(signs(&old, &new), replaced);
        assert_eq!(signs(&old, &old[2..]), ["- linux/amd64", "- attestation of linux/amd64"]);
        let lost = [attests("gone", "z")];
        let gone = Digest::of(b"gone");
        let expected = format!("+ attestation of {}, which is not in the index", gone.short());
        assert_eq!(signs(&[], &lost), [expected]);
    }

    /// Whatever two indexes list: all of both is told once, and what is the same is not.
    #[test]
    fn survives_any_lists() {
        let platforms = ["linux/amd64", "linux/arm64", "linux/arm64/v8", "unknown/unknown", "x"];
        let mut random = fastrand::Rng::with_seed(1);
        let mut list = || {
            let entries = (0..random.usize(0..8)).map(|_| {
                let seed = *chosen(&mut random, &["a", "b", "c", "d"]);
                let mut entry = entry(chosen::<&str>(&mut random, &platforms), seed);
                if random.usize(0..3) == 0 {
                    entry.annotations =
                        attestation_of(chosen::<&str>(&mut random, &["a", "b", "x", ""]));
                }
                entry
            });
            entries.collect::<Vec<_>>()
        };
        for _ in 0..250 {
            let (old, new) = (list(), list());
            assert_eq!(entries(&old, &old), []);
            let changes = entries(&old, &new);
            let count = |sign: char| {
                changes.iter().filter(|change| change.line().starts_with(sign)).count()
            };
            assert_eq!(new.len() + count('-'), old.len() + count('+'), "{old:?} {new:?}");
        }
    }

    #[test]
    fn lists_of_thousands_are_compared_in_time() {
        let list = |of: &str| {
            let entries = (0..1_000).map(|at| {
                let mut entry = entry("linux/amd64", &format!("{of}{at}"));
                entry.annotations = attestation_of(&format!("{of}{}", at / 2));
                entry
            });
            entries.collect::<Vec<_>>()
        };
        assert_eq!(entries(&list("a"), &list("b")).len(), 1_000);
    }

    fn attestation_of(seed: &str) -> Annotations {
        let digest = Digest::of(seed.as_bytes()).to_string();
        Annotations::from([
            (REFERENCE_TYPE.to_owned(), "attestation-manifest".to_owned()),
            (REFERENCE_DIGEST.to_owned(), if seed.is_empty() { String::new() } else { digest }),
        ])
    }
}
