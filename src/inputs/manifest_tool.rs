//! The file of manifest-tool (`image`, `tags`, `manifests`, `annotations`), which plugins/manifest
//! reads too, as one index of ours: the same tree that `indexes:` gives, with the same places.

use super::table::names;
use super::yaml::{Fault, Node, Place, Value};
use crate::oci::{Platform, Reference};
use std::collections::HashSet;

/// The keys that only such a file begins with.
const MARKS: [&str; 2] = ["image", "manifests"];
/// Keys of `platform` that manifest-tool takes and does nothing with.
const UNUSED: [&str; 2] = ["version", "features"];

/// What is read from such a file.
#[derive(Debug)]
pub(super) struct Translated {
    /// `indexes:` and one entry.
    pub(super) tree: Node,
    pub(super) faults: Vec<Fault>,
    /// What has no effect.
    pub(super) warnings: Vec<Fault>,
    /// Inputs that nothing could be read for.
    pub(super) faulty: HashSet<&'static str>,
}

/// Whether the tree is such a file.
pub(super) fn is_form(tree: &Node) -> bool {
    let Value::Map(keys) = &tree.value else { return false };
    let has = |name: &str| keys.iter().any(|(_, key, _)| key == name);
    MARKS.iter().any(|name| has(name)) && !has("indexes")
}

/// Whether the text is meant as such a file, whatever else it holds.
pub(super) fn is_form_of_text(text: &str) -> bool {
    let begins = |line: &str, name: &str| {
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    text.lines().any(|line| MARKS.iter().any(|name| begins(line, name)))
}

/// A further tag of an image: of its repository, if it is a bare one.
pub(super) fn tagged(image: &str, tag: &str) -> String {
    if tag.contains(['/', ':']) {
        return tag.to_owned();
    }
    let repository = image.parse::<Reference>().map(|image| image.repository.to_string());
    format!("{}:{tag}", repository.as_deref().unwrap_or(image))
}

/// Reads such a file.
pub(super) fn translate(tree: Node) -> Translated {
    let place = tree.place;
    let mut reader = Reader::default();
    let keys = if let Value::Map(keys) = tree.value { keys } else { Vec::new() };
    let entry = reader.entry(place, keys);
    let list = Node { place, value: Value::List(vec![entry]) };
    let tree = Node { place, value: Value::Map(vec![(place, "indexes".to_owned(), list)]) };
    let Reader { faults, warnings, faulty } = reader;
    Translated { tree, faults, warnings, faulty }
}

#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    faulty: HashSet<&'static str>,
}

impl Reader {
    fn fault(&mut self, place: Place, text: impl Into<String>) {
        self.faults.push(Fault { place, text: text.into() });
    }

    fn entry(&mut self, place: Place, keys: Vec<(Place, String, Node)>) -> Node {
        let (mut image, mut tags, mut manifests, mut annotations) = (None, None, None, None);
        for (at, key, node) in keys {
            match key.as_str() {
                "image" => image = Some(node),
                "tags" => tags = Some(node),
                "manifests" => manifests = Some(node),
                "annotations" => annotations = Some((at, key, node)),
                _ => self.fault(
                    at,
                    format!(
                        "unknown key {key:?}: a file of manifest-tool has image, tags, manifests and annotations"
                    ),
                ),
            }
        }
        let tags = self.tags(place, image, tags);
        let sources = self.sources(place, manifests);
        let mut entry = Vec::new();
        for (name, items) in [(names::tags, tags), (names::sources, sources)] {
            match items.first().map(|item| item.place) {
                Some(at) => {
                    entry.push((
                        at,
                        name.to_owned(),
                        Node { place: at, value: Value::List(items) },
                    ));
                }
                None => {
                    self.faulty.insert(name);
                }
            }
        }
        match annotations {
            Some((_, _, Node { value: Value::Map(_) | Value::Empty, .. })) => {
                entry.extend(annotations);
            }
            Some((_, _, node)) => {
                self.fault(node.place, "annotations must be a mapping: KEY: VALUE");
            }
            None => {}
        }
        Node { place, value: Value::Map(entry) }
    }

    /// The reference to publish, and the further tags of its repository.
    fn tags(&mut self, place: Place, image: Option<Node>, tags: Option<Node>) -> Vec<Node> {
        let required = "image is required: the reference to publish, such as ghcr.io/acme/app:1.2";
        let (at, image) = match image {
            Some(Node { place, value: Value::Text(image) }) if !image.trim().is_empty() => {
                (place, image.trim().to_owned())
            }
            Some(Node { place, value: Value::Text(_) | Value::Empty }) => {
                self.fault(place, required);
                return Vec::new();
            }
            Some(node) => {
                self.fault(node.place, "image must be one reference");
                return Vec::new();
            }
            None => {
                self.fault(place, required);
                return Vec::new();
            }
        };
        let further = match tags {
            None | Some(Node { value: Value::Empty, .. }) => Vec::new(),
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node @ Node { value: Value::Text(_), .. }) => vec![node],
            Some(node) => {
                self.fault(node.place, "tags must be a list of tags, such as [latest, 1.2]");
                Vec::new()
            }
        };
        // What is wrong with the reference is told once.
        let is_known = image.parse::<Reference>().is_ok();
        let mut read = Vec::new();
        for Node { place, value } in further {
            match value {
                Value::Text(tag) if !tag.trim().is_empty() => {
                    let value = Value::Text(tagged(&image, tag.trim()));
                    read.extend(is_known.then_some(Node { place, value }));
                }
                Value::Text(_) | Value::Empty => self.fault(place, "a tag is empty"),
                Value::List(_) | Value::Map(_) => self.fault(place, "a tag must be a string"),
            }
        }
        read.insert(0, Node { place: at, value: Value::Text(image) });
        read
    }

    /// `PLATFORM=REF`, or `REF` where no platform is given.
    fn sources(&mut self, place: Place, manifests: Option<Node>) -> Vec<Node> {
        let items = match manifests {
            Some(Node { value: Value::List(items), .. }) if !items.is_empty() => items,
            Some(Node { place, value: Value::List(_) | Value::Empty }) => {
                self.fault(place, "manifests contains no image");
                return Vec::new();
            }
            Some(node) => {
                self.fault(node.place, "manifests must be a list: `- image:` and `platform:`");
                return Vec::new();
            }
            None => {
                self.fault(
                    place,
                    "manifests is required: a list of images, `- image:` and `platform:`",
                );
                return Vec::new();
            }
        };
        items.into_iter().filter_map(|item| self.source(item)).collect()
    }

    fn source(&mut self, item: Node) -> Option<Node> {
        let Value::Map(keys) = item.value else {
            self.fault(item.place, "must be a mapping: `image:` and `platform:`");
            return None;
        };
        let (mut image, mut platform) = (None, None);
        for (at, key, node) in keys {
            match key.as_str() {
                "image" => image = Some(node),
                "platform" => platform = Some(node),
                _ => {
                    self.fault(at, format!("unknown key {key:?}: an image has image and platform"));
                }
            }
        }
        let platform = platform.and_then(|node| self.platform(node));
        match image {
            Some(Node { place, value: Value::Text(image) }) if !image.trim().is_empty() => {
                let image = image.trim();
                let text = platform.map_or_else(|| image.to_owned(), |it| format!("{it}={image}"));
                Some(Node { place, value: Value::Text(text) })
            }
            other => {
                let place = other.map_or(item.place, |node| node.place);
                self.fault(place, "image is required: the reference of an image");
                None
            }
        }
    }

    /// A platform as `sources` has it in front of a reference.
    fn platform(&mut self, node: Node) -> Option<String> {
        let place = node.place;
        let keys = match node.value {
            Value::Map(keys) => keys,
            Value::Empty => return None,
            Value::Text(_) | Value::List(_) => {
                self.fault(place, "platform must be a mapping: `os:` and `architecture:`");
                return None;
            }
        };
        let before = self.faults.len();
        let mut parts = Parts::default();
        for (at, key, node) in keys {
            let part = match key.as_str() {
                "os" => &mut parts.os,
                "architecture" => &mut parts.architecture,
                "variant" => &mut parts.variant,
                "os.version" | "osversion" => &mut parts.version,
                "os.features" | "osfeatures" => {
                    parts.features = self.texts(node);
                    continue;
                }
                unused if UNUSED.contains(&unused) => {
                    self.warn_of_unused(at, unused);
                    continue;
                }
                _ => {
                    self.fault(at, format!("unknown key {key:?}: a platform has architecture, os, variant, os.version and os.features"));
                    continue;
                }
            };
            *part = self.texts(node).concat();
        }
        if self.faults.len() > before || parts == Parts::default() {
            return None;
        }
        let text = parts.text();
        let known = !parts.os.is_empty() && !parts.architecture.is_empty();
        match text.parse::<Platform>() {
            Ok(_) => return Some(text),
            Err(why) if known => self.fault(place, why.to_string()),
            Err(_) => self.fault(place, "platform needs both os and architecture"),
        }
        None
    }

    /// One text, or the texts of a list; none where it is empty.
    fn texts(&mut self, node: Node) -> Vec<String> {
        match node.value {
            Value::Empty => Vec::new(),
            Value::Text(text) => vec![text.trim().to_owned()],
            Value::List(items) => items.into_iter().flat_map(|item| self.texts(item)).collect(),
            Value::Map(_) => {
                self.fault(node.place, "must be a string");
                Vec::new()
            }
        }
    }

    /// Once, however many images have it.
    fn warn_of_unused(&mut self, place: Place, key: &str) {
        let text = match key {
            "version" => "platform: version has no effect: the OS version is read from the image",
            _ => "platform: features has no effect: nothing chooses an image by them",
        };
        if self.warnings.iter().all(|warning| warning.text != text) {
            self.warnings.push(Fault { place, text: text.to_owned() });
        }
    }
}

#[derive(Default, PartialEq)]
struct Parts {
    os: String,
    architecture: String,
    variant: String,
    version: String,
    features: Vec<String>,
}

impl Parts {
    /// As people write a platform.
    fn text(&self) -> String {
        let Self { os, architecture, variant, version, features } = self;
        let mut details = version.clone();
        for feature in features {
            details.push('+');
            details.push_str(feature);
        }
        let details = if details.is_empty() { details } else { format!("({details})") };
        let variant = if variant.is_empty() { String::new() } else { format!("/{variant}") };
        format!("{os}{details}/{architecture}{variant}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::yaml;
    use crate::random::mixed;

    fn translated(text: &str) -> Translated {
        let tree = yaml::parse(text).unwrap();
        assert!(is_form(&tree), "{text}");
        translate(tree)
    }

    fn told(faults: &[Fault]) -> Vec<String> {
        faults.iter().map(|fault| format!("{}: {}", fault.place, fault.text)).collect()
    }

    /// The texts below a key of the entry.
    fn texts(translated: &Translated, name: &str) -> Vec<String> {
        let Value::Map(top) = &translated.tree.value else { panic!("no map") };
        let Value::List(entries) = &top[0].2.value else { panic!("no list") };
        let Value::Map(entry) = &entries[0].value else { panic!("no entry") };
        let list = entry.iter().find(|(_, key, _)| key == name).map(|(_, _, node)| &node.value);
        let Some(Value::List(items)) = list else { return Vec::new() };
        let text = |item: &Node| match &item.value {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        items.iter().map(text).collect()
    }

    /// Both ways of writing a list, as the pages of manifest-tool and of the plugin have them.
    #[test]
    fn an_image_its_tags_and_its_manifests() {
        let text = "\
image: r.example:5000/acme/app:latest
tags: [\"1.0.0\", \"1.0\", \"1\"]
manifests:
  -
    image: r.example:5000/acme/app:arm64
    platform:
      architecture: arm64
      os: linux
      variant: v8
  - image: r.example:5000/acme/app-win:1809
    platform: {architecture: amd64, os: windows, osversion: 10.0.17763.1, osfeatures: [win32k], version: 1809}
  - image: r.example:5000/acme/app-win:2022
    platform: {architecture: amd64, os: windows, os.version: 10.0.20348.1, os.features: win32k, version: 2022, features: [sse]}
  - image: r.example:5000/acme/app:any
  - image: r.example:5000/acme/app:any-other
    platform: {}
annotations:
  org.opencontainers.image.version: 1.0.0
";
        let translated = translated(text);
        assert_eq!(told(&translated.faults), [""; 0]);
        assert_eq!(
            texts(&translated, "tags"),
            [
                "r.example:5000/acme/app:latest",
                "r.example:5000/acme/app:1.0.0",
                "r.example:5000/acme/app:1.0",
                "r.example:5000/acme/app:1"
            ]
        );
        assert_eq!(
            texts(&translated, "sources"),
            [
                "linux/arm64/v8=r.example:5000/acme/app:arm64",
                "windows(10.0.17763.1+win32k)/amd64=r.example:5000/acme/app-win:1809",
                "windows(10.0.20348.1+win32k)/amd64=r.example:5000/acme/app-win:2022",
                "r.example:5000/acme/app:any",
                "r.example:5000/acme/app:any-other"
            ]
        );
        assert_eq!(
            told(&translated.warnings),
            [
                "line 11, column 97: platform: version has no effect: the OS version is read from the image",
                "line 13, column 112: platform: features has no effect: nothing chooses an image by them"
            ]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_its_place() {
        const MANIFESTS: &str = "manifests: [{image: acme/app:1-amd64}]\n";
        const IMAGE: &str = "image: acme/app:1\n";
        for (text, expected) in [
            (
                format!("{IMAGE}tag: [x]\n{MANIFESTS}"),
                "line 2, column 1: unknown key \"tag\": a file of manifest-tool has",
            ),
            (MANIFESTS.to_owned(), "line 1, column 1: image is required"),
            (format!("image:\n{MANIFESTS}"), "image is required"),
            (format!("image: [a]\n{MANIFESTS}"), "line 1, column 8: image must be one reference"),
            (IMAGE.to_owned(), "line 1, column 1: manifests is required"),
            (format!("{IMAGE}manifests:\n"), "manifests contains no image"),
            (format!("{IMAGE}manifests: []\n"), "line 2, column 12: manifests contains no image"),
            (
                format!("{IMAGE}manifests: {{a: b}}\n"),
                "line 2, column 12: manifests must be a list",
            ),
            (format!("{IMAGE}manifests: [a]\n"), "line 2, column 13: must be a mapping"),
            (
                format!("{IMAGE}manifests: [{{image: ''}}]\n"),
                "line 2, column 21: image is required",
            ),
            (
                format!("{IMAGE}manifests: [{{image: a, digest: b}}]\n"),
                "line 2, column 24: unknown key \"digest\": an image has image and platform",
            ),
            (
                format!("{IMAGE}manifests: [{{image: a, platform: {{os: linux, arch: arm64}}}}]\n"),
                "line 2, column 46: unknown key \"arch\": a platform has architecture",
            ),
            (
                format!("{IMAGE}manifests: [{{image: a, platform: {{os: linux}}}}]\n"),
                "line 2, column 34: platform needs both os and architecture",
            ),
            (
                format!(
                    "{IMAGE}manifests: [{{image: a, platform: {{os: li nux, architecture: a}}}}]\n"
                ),
                "line 2, column 34: \"li nux/a\" is not a platform",
            ),
            (
                format!("{IMAGE}manifests: [{{image: a, platform: linux/arm64}}]\n"),
                "line 2, column 34: platform must be a mapping",
            ),
            (
                format!("{IMAGE}manifests: [{{image: a, platform: {{os: {{a: b}}}}}}]\n"),
                "line 2, column 39: must be a string",
            ),
            (
                format!("{IMAGE}tags: {{a: b}}\n{MANIFESTS}"),
                "line 2, column 7: tags must be a list",
            ),
            (format!("{IMAGE}tags: ['']\n{MANIFESTS}"), "line 2, column 8: a tag is empty"),
            (
                format!("{IMAGE}tags: [[a]]\n{MANIFESTS}"),
                "line 2, column 8: a tag must be a string",
            ),
            (
                format!("{IMAGE}annotations: [a]\n{MANIFESTS}"),
                "line 2, column 14: annotations must be a mapping",
            ),
        ] {
            let told = told(&translated(&text).faults);
            assert!(told.len() == 1 && told[0].contains(expected), "{text}: {told:?}");
        }
    }

    #[test]
    fn what_is_meant_as_its_form() {
        for (text, expected) in [
            ("image: a\n", true),
            ("image : a\n", true),
            ("{{#if build.tags}}\ntags: [x]\n{{/if}}\nmanifests:\n", true),
            ("indexes:\n  - tags: a\n    image: b\n", false),
            ("images: []\n", false),
            ("# image: a\n", false),
        ] {
            assert_eq!(is_form_of_text(text), expected, "{text}");
        }
        for (text, expected) in
            [("{image: a}", true), ("{indexes: [], image: a}", false), ("[image]", false)]
        {
            assert_eq!(is_form(&yaml::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn survives_any_tree() {
        let pieces = [
            "image: ",
            "tags: ",
            "manifests: ",
            "platform: ",
            "annotations: ",
            "os: ",
            "version: ",
            "architecture: ",
            "acme/app:1",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "\n",
            "\n  ",
            "\n  - ",
            "~",
            "''",
            "é",
            "linux",
            "x: ",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut read = 0;
        for _ in 0..20_000 {
            let text = format!("manifests: {}", mixed(&mut random, &pieces, 12));
            let Ok(tree) = yaml::parse(&text) else { continue };
            if is_form(&tree) {
                read += 1;
                let translated = translate(tree);
                let nothing = texts(&translated, "tags").is_empty();
                assert_eq!(nothing, translated.faulty.contains("tags"), "{text}");
                assert!(!nothing || !translated.faults.is_empty(), "{text}");
            }
        }
        assert!(read > 300, "{read}");
    }
}
