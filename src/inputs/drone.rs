//! The keys of Drone's `plugins/manifest`, as they reach a plugin (`PLUGIN_…`), translated to our
//! inputs, so that this program is a drop-in.

use super::table::names;
use super::{Environment, Findings, values};
use crate::oci::Reference;

/// Keys that only that plugin has.
pub(super) const KEYS: [&str; 3] = ["PLUGIN_TARGET", "PLUGIN_TEMPLATE", "PLUGIN_IGNORE_MISSING"];

/// The environment with that plugin's keys replaced by ours; borrowed settings (`platforms`,
/// `username`, `password`) have the same names.
pub(super) fn translate(environment: &Environment, findings: &mut Findings) -> Environment {
    let set = |name: &str| {
        environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    };
    let mut ours = environment.clone();
    let is_theirs = KEYS.iter().any(|key| set(key).is_some());
    if set("PLUGIN_SPEC").is_some_and(|spec| is_theirs || spec.ends_with(".tmpl")) {
        findings.problem(names::spec, "is a template of plugins/manifest, which cannot be read: use target and template, or our own inputs tags and sources");
        ours.remove("PLUGIN_SPEC");
    }
    if let Some(target) = set("PLUGIN_TARGET") {
        ours.insert("PLUGIN_TAGS".to_owned(), tags(target, set("PLUGIN_TAGS"), findings));
    }
    if let Some(template) = set("PLUGIN_TEMPLATE") {
        ours.insert("PLUGIN_SOURCES".to_owned(), source(template));
    }
    if let Some(ignore) = set("PLUGIN_IGNORE_MISSING") {
        let skip =
            findings.take("ignore_missing", None, values::switch(ignore)).unwrap_or_default();
        ours.insert("PLUGIN_MISSING".to_owned(), if skip { "skip" } else { "fail" }.to_owned());
    }
    ours
}

/// `target`, and every bare tag as a tag of its repository.
fn tags(target: &str, more: Option<&str>, findings: &mut Findings) -> String {
    let repository = target
        .parse::<Reference>()
        .map(|reference| reference.repository.to_string())
        .unwrap_or_else(|_| target.to_owned());
    let bare = findings
        .take(names::tags, None, more.map(|value| values::items(value, true)).transpose())
        .flatten()
        .unwrap_or_default();
    let full = bare.into_iter().map(|item| {
        if item.text.contains(['/', ':']) {
            item.text
        } else {
            format!("{repository}:{}", item.text)
        }
    });
    [target.to_owned()].into_iter().chain(full).collect::<Vec<_>>().join("\n")
}

/// `OS`, `ARCH`, `VARIANT` stand for the platform, in the tag only: a repository named `ARCH` is
/// left alone.
fn source(template: &str) -> String {
    match template.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => {
            format!(
                "{name}:{}",
                tag.replace("VARIANT", "{variant}").replace("ARCH", "{arch}").replace("OS", "{os}")
            )
        }
        _ => template.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    fn translated(pairs: &[(&str, &str)]) -> (Environment, Vec<String>) {
        let mut findings = Findings::default();
        let environment =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let ours = translate(&environment, &mut findings);
        (ours, findings.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn plugins_manifest_keys() {
        let (ours, problems) = translated(&[
            ("PLUGIN_TARGET", "r.example:5000/OS/app:1.2"),
            ("PLUGIN_TEMPLATE", "r.example:5000/OS/app:1.2-OS-ARCH-VARIANT"),
            ("PLUGIN_TAGS", "1,latest"),
            ("PLUGIN_IGNORE_MISSING", "true"),
            ("PLUGIN_PLATFORMS", "linux/amd64"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(ours["PLUGIN_SOURCES"], "r.example:5000/OS/app:1.2-{os}-{arch}-{variant}");
        assert_eq!(ours["PLUGIN_MISSING"], "skip");
        let (ours, _) = translated(&[
            ("PLUGIN_TARGET", "acme/app:1.2"),
            ("PLUGIN_TAGS", "1,latest,other/app:2"),
        ]);
        assert_eq!(
            ours["PLUGIN_TAGS"],
            "acme/app:1.2\ndocker.io/acme/app:1\ndocker.io/acme/app:latest\nother/app:2"
        );
    }

    #[test]
    fn a_template_file_is_refused_with_a_pointer() {
        let (_, problems) =
            translated(&[("PLUGIN_TARGET", "acme/app:1"), ("PLUGIN_SPEC", "manifest.tmpl")]);
        assert!(problems[0].contains("target and template"), "{problems:?}");
        // As most of its users have it: a template, a login, nothing else.
        let (_, problems) =
            translated(&[("PLUGIN_SPEC", ".drone/manifest.tmpl"), ("PLUGIN_USERNAME", "u")]);
        assert!(problems.len() == 1 && problems[0].contains("target and template"), "{problems:?}");
        let (ours, problems) = translated(&[("PLUGIN_SPEC", "x"), ("PLUGIN_TAGS", "a")]);
        assert_eq!((ours["PLUGIN_TAGS"].as_str(), problems.len()), ("a", 0));
    }

    #[test]
    fn survives_any_setting() {
        let pieces = [
            "r.example",
            "/",
            ":",
            "1.2",
            "OS",
            "ARCH",
            "VARIANT",
            "{",
            "}",
            "é",
            ",",
            "\n",
            "[",
            "]",
            "\"",
            " ",
            "@",
            "true",
            ".tmpl",
            "\0",
        ];
        let names = [
            "PLUGIN_TARGET",
            "PLUGIN_TEMPLATE",
            "PLUGIN_TAGS",
            "PLUGIN_IGNORE_MISSING",
            "PLUGIN_SPEC",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let values: Vec<String> =
                names.iter().map(|_| mixed(&mut random, &pieces, 6)).collect();
            let pairs: Vec<(&str, &str)> =
                names.into_iter().zip(values.iter().map(String::as_str)).collect();
            let (ours, _) = translated(&pairs);
            let given = |name: &str| {
                pairs.iter().any(|(other, value)| *other == name && !value.trim().is_empty())
            };
            assert!(!given("PLUGIN_TEMPLATE") || ours.contains_key("PLUGIN_SOURCES"), "{pairs:?}");
        }
    }
}
