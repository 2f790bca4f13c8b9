//! Two references compared with each other, for people and in JSON (version 1).

use crate::entries::diff::{self, Change, Field};
use crate::oci::{Descriptor, Digest, Manifest, Reference};
use crate::text::style::{Look, Style, wrapped};
use serde::Serialize;
use serde_json::{Map, Value};

/// Fields that differ whenever entries or images do, which are compared separately.
const COMPARED_ELSEWHERE: [&str; 4] = ["schemaVersion", "manifests", "config", "layers"];

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Side {
    reference: Reference,
    digest: Digest,
    fields: Map<String, Value>,
    entries: Vec<Descriptor>,
}

impl Side {
    /// `entries`: those of an index; for an image, the image itself with its platform.
    pub(crate) fn new(reference: Reference, manifest: &Manifest, entries: Vec<Descriptor>) -> Self {
        let mut fields: Map<String, Value> =
            serde_json::from_slice(&manifest.bytes).unwrap_or_default();
        fields.retain(|name, _| !COMPARED_ELSEWHERE.contains(&name.as_str()));
        // The body may leave it out; then the registry's header has it.
        fields.insert("mediaType".to_owned(), Value::from(manifest.media_type.as_str()));
        Self { reference, digest: manifest.digest.clone(), fields, entries }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    old: Side,
    new: Side,
    fields: Vec<Field>,
    entries: Vec<Change>,
    order: bool,
}

impl Comparison {
    pub(crate) fn of(old: Side, new: Side) -> Self {
        let fields = diff::fields(&old.fields, &new.fields);
        let entries = diff::entries(&old.entries, &new.entries);
        // The order matters to clients: they take the first entry that matches.
        let order = entries.is_empty() && old.entries != new.entries;
        Self { old, new, fields, entries, order }
    }

    /// Whether nothing differs that a client could notice.
    pub(crate) fn same(&self) -> bool {
        self.fields.is_empty() && self.entries.is_empty() && !self.order
    }

    pub(crate) fn text(&self, style: Style) -> String {
        let mut page = Page { out: String::new(), style };
        if self.same() && self.old.digest == self.new.digest {
            return format!("the same: {}\n", self.old.digest);
        }
        for (sign, look, side) in [("-", Look::Removed, &self.old), ("+", Look::Added, &self.new)] {
            page.line(look, sign, "", &side.reference.to_string());
            page.line(look, sign, "  ", side.digest.as_str());
        }
        page.out.push('\n');
        if self.same() {
            page.out.push_str(
                "same entries and annotations; only the way they are written down differs\n",
            );
        }
        page.fields(&self.fields, "");
        for change in &self.entries {
            page.change(change);
        }
        if self.order {
            page.line(Look::Changed, "~", "", "the order of the entries");
        }
        page.out
    }

    pub(crate) fn document(&self) -> Document<'_> {
        Document {
            version: 1,
            same: self.same(),
            old: OfSide::of(&self.old),
            new: OfSide::of(&self.new),
            fields: self.fields.iter().map(OfField::of).collect(),
            entries: self.entries.iter().map(OfChange::of).collect(),
            order: self.order,
        }
    }
}

/// The differences in JSON; `docs/report-json.md` describes them.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    version: u8,
    same: bool,
    old: OfSide<'a>,
    new: OfSide<'a>,
    fields: Vec<OfField<'a>>,
    entries: Vec<OfChange<'a>>,
    order: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfSide<'a> {
    reference: String,
    digest: &'a Digest,
    media_type: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
struct OfField<'a> {
    name: &'a str,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
struct OfChange<'a> {
    change: &'static str,
    entry: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
    fields: Vec<OfField<'a>>,
}

impl<'a> OfSide<'a> {
    fn of(side: &'a Side) -> Self {
        Self {
            reference: side.reference.to_string(),
            digest: &side.digest,
            media_type: side.fields.get("mediaType"),
        }
    }
}

impl<'a> OfField<'a> {
    fn of(field: &'a Field) -> Self {
        Self { name: &field.name, old: field.old.as_ref(), new: field.new.as_ref() }
    }
}

impl<'a> OfChange<'a> {
    fn of(change: &'a Change) -> Self {
        let (change, entry, old, new, fields) = match change {
            Change::Added(name, digest) => ("added", name, None, Some(digest), &[][..]),
            Change::Removed(name, digest) => ("removed", name, Some(digest), None, &[][..]),
            Change::Replaced(name, old, new) => ("replaced", name, Some(old), Some(new), &[][..]),
            Change::Described(name, digest, fields) => {
                ("described", name, Some(digest), Some(digest), fields.as_slice())
            }
        };
        Self {
            change,
            entry,
            old: old.map(String::as_str),
            new: new.map(String::as_str),
            fields: fields.iter().map(OfField::of).collect(),
        }
    }
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, look: Look, sign: &str, indent: &str, text: &str) {
        let width = indent.len() + sign.len() + 1;
        let start = format!("{indent}{} ", self.style.paint(look, sign));
        self.out.push_str(&wrapped(&start, width, text, self.style.columns));
    }

    fn fields(&mut self, fields: &[Field], indent: &str) {
        for field in fields {
            self.line(Look::Changed, "~", indent, &field.name);
            let inner = format!("{indent}  ");
            for (sign, look, value) in
                [("-", Look::Removed, &field.old), ("+", Look::Added, &field.new)]
            {
                let text = value
                    .as_ref()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                if let Some(text) = text {
                    self.line(look, sign, &inner, &text);
                }
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Added(name, digest) => {
                self.line(Look::Added, "+", "", name);
                self.line(Look::Added, "+", "  ", digest);
            }
            Change::Removed(name, digest) => {
                self.line(Look::Removed, "-", "", name);
                self.line(Look::Removed, "-", "  ", digest);
            }
            Change::Replaced(name, old, new) => {
                self.line(Look::Changed, "~", "", name);
                self.line(Look::Removed, "-", "  ", old);
                self.line(Look::Added, "+", "  ", new);
            }
            Change::Described(name, digest, fields) => {
                self.line(Look::Changed, "~", "", name);
                self.out.push_str(&format!("  {digest}\n"));
                self.fields(fields, "  ");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Content, media_type};
    use crate::text::documented::{fields, paths};
    use insta::assert_snapshot;

    fn entry(platform: &str, seed: &str) -> Descriptor {
        let digest = Digest::of(seed.as_bytes());
        let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest, 480);
        entry.platform = platform.parse().ok();
        entry
    }

    fn side(tag: &str, version: &str, entries: &[Descriptor]) -> Side {
        let manifests = serde_json::to_string(entries).unwrap();
        let body = format!(
            r#"{{"schemaVersion":2,"manifests":{manifests},"annotations":{{"version":"{version}"}}}}"#
        );
        let digest = Digest::of(body.as_bytes());
        let manifest = Manifest::parse(body.into(), media_type::OCI_INDEX, digest).unwrap();
        let entries = match &manifest.content {
            Content::Index(index) => index.manifests.clone(),
            Content::Image(_) => unreachable!(),
        };
        Side::new(format!("ghcr.io/acme/app:{tag}").parse().unwrap(), &manifest, entries)
    }

    fn different() -> Comparison {
        let mut annotated = entry("linux/amd64", "a");
        annotated.annotations.insert("note".into(), "new".into());
        let (kept, gone) = (entry("linux/amd64", "a"), entry("linux/s390x", "s"));
        let old = [kept, gone, entry("linux/arm64", "b")];
        let new = [annotated, entry("linux/arm64", "c"), entry("linux/riscv64", "r")];
        Comparison::of(side("1.2", "1.2", &old), side("latest", "1.3", &new))
    }

    #[test]
    fn every_field_is_documented_and_the_other_way_round() {
        let shown = serde_json::to_value(different().document()).unwrap();
        let page = include_str!("../../docs/report-json.md");
        assert_eq!(paths(&shown), fields(page, &["## Of `diff`"]));
        let changes: Vec<&Value> =
            shown["entries"].as_array().unwrap().iter().map(|entry| &entry["change"]).collect();
        assert_eq!(changes, ["described", "replaced", "added", "removed"]);
    }

    #[test]
    fn for_people() {
        assert_snapshot!(different().text(Style::PLAIN), @"
        - ghcr.io/acme/app:1.2
          - sha256:749764d7d8d57b00b38d8fd3937d93051ba70bf6e571ce1c3516de5a8ff71793
        + ghcr.io/acme/app:latest
          + sha256:30571daf7444c781b97a0585802b84e583ec0d5a5734f0bfe112ebd1b6709580

        ~ annotations.version
          - 1.2
          + 1.3
        ~ linux/amd64
          sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
          ~ annotations.note
            + new
        ~ linux/arm64
          - sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
          + sha256:2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6
        + linux/riscv64
          + sha256:454349e422f05297191ead13e21d3db520e5abef52055e4964b82fb213f593a1
        - linux/s390x
          - sha256:043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89
        ");
    }

    #[test]
    fn order_and_bytes() {
        let (one, two) = (entry("linux/amd64", "a"), entry("linux/arm64", "b"));
        let same = side("1", "1", &[one.clone(), two.clone()]);
        let turned = side("2", "1", &[two, one]);
        let comparison = Comparison::of(same.clone(), same.clone());
        assert!(comparison.same());
        assert_eq!(comparison.text(Style::PLAIN), format!("the same: {}\n", same.digest));
        let comparison = Comparison::of(same.clone(), turned);
        assert!(!comparison.same() && comparison.order);
        let other_bytes = Side { digest: Digest::of(b"other"), ..same.clone() };
        let comparison = Comparison::of(same, other_bytes);
        assert!(comparison.same());
        assert!(comparison.text(Style::PLAIN).contains("same entries"));
    }
}
