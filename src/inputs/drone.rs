//! The keys of Drone's `plugins/manifest`, as they reach a plugin (`PLUGIN_…`), translated to our
//! inputs, so that this program is a drop-in.

use super::table::names;
use super::{Environment, Findings, auto_tag, build, env, manifest_tool, values};

/// Keys that only that plugin has.
pub(super) const KEYS: [&str; 7] = [
    TARGET,
    TEMPLATE,
    "PLUGIN_IGNORE_MISSING",
    auto_tag::KEYS[0],
    auto_tag::KEYS[1],
    "PLUGIN_INSECURE",
    "PLUGIN_SKIP_VERIFY",
];
const TARGET: &str = "PLUGIN_TARGET";
const TEMPLATE: &str = "PLUGIN_TEMPLATE";
const TAGS: &str = "PLUGIN_TAGS";

/// The environment with that plugin's keys replaced by ours; borrowed settings (`platforms`,
/// `username`, `password`) have the same names. Beside a `spec`, `target` and `template` are only
/// for it to read.
pub(super) fn translate(environment: &Environment, findings: &mut Findings) -> Environment {
    let set = |name: &str| {
        environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    };
    let mut ours = environment.clone();
    let has_spec = set("PLUGIN_SPEC").is_some();
    let target = set(TARGET).filter(|_| !has_spec);
    let mut more = set(TAGS).map(str::to_owned);
    if findings.take("auto_tag", None, auto_tag::is_asked(environment)) == Some(true) {
        if target.is_none() && !has_spec {
            findings.problem("auto_tag", "needs target and template, or a spec");
        }
        let tags = auto_tag::tags(environment).join(",");
        ours.insert(TAGS.to_owned(), tags.clone());
        more = Some(tags);
    }
    if let Some(target) = target {
        ours.insert(TAGS.to_owned(), tags(target, more.as_deref(), findings));
    }
    if let Some(template) = set(TEMPLATE).filter(|_| !has_spec) {
        ours.insert("PLUGIN_SOURCES".to_owned(), source(template));
    }
    if let Some(ignore) = set("PLUGIN_IGNORE_MISSING") {
        let skip =
            findings.take("ignore_missing", None, values::switch(ignore)).unwrap_or_default();
        ours.insert("PLUGIN_MISSING".to_owned(), if skip { "skip" } else { "fail" }.to_owned());
        // That plugin looks once, and what it leaves out may be missing in every build.
        if skip && env::variables(names::wait).iter().all(|name| set(name).is_none()) {
            ours.insert("PLUGIN_WAIT".to_owned(), "0".to_owned());
        }
    }
    if let Some(insecure) = set("PLUGIN_INSECURE") {
        findings.take("insecure", None, values::switch(insecure));
    }
    if set("PLUGIN_SKIP_VERIFY").is_some_and(|text| values::switch(text) != Ok(false)) {
        findings.warn("skip_verify has no effect: certificates are always checked; name the registry's own in ca-file");
    }
    ours
}

/// Whether the setting `insecure` lets the registries of the step be contacted over plain HTTP.
pub(crate) fn is_insecure(environment: &Environment) -> bool {
    build::setting(environment, "insecure").is_some_and(|text| values::switch(text) == Ok(true))
}

/// Settings of that plugin that go with its own form of `spec` only.
pub(super) fn beside_indexes(environment: &Environment) -> impl Iterator<Item = &'static str> {
    let names = ["target", "template", "auto_tag", "default_tags"].into_iter();
    names.filter(|name| build::setting(environment, name).is_some())
}

/// `target`, and every bare tag as a tag of its repository.
fn tags(target: &str, more: Option<&str>, findings: &mut Findings) -> String {
    let more = findings
        .take(names::tags, None, more.map(|value| values::items(value, true)).transpose())
        .flatten()
        .unwrap_or_default();
    let more = more.into_iter().map(|item| manifest_tool::tagged(target, &item.text));
    [target.to_owned()].into_iter().chain(more).collect::<Vec<_>>().join("\n")
}

/// `ARCH`, `OS` and `VARIANT` stand for the platform, each where it is first.
fn source(template: &str) -> String {
    template.replacen("ARCH", "{arch}", 1).replacen("OS", "{os}", 1).replacen(
        "VARIANT",
        "{variant}",
        1,
    )
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
            ("PLUGIN_TARGET", "r.example:5000/acme/app:1.2"),
            ("PLUGIN_TEMPLATE", "r.example:5000/acme/app:1.2-OS-ARCH-VARIANT"),
            ("PLUGIN_TAGS", "1,latest"),
            ("PLUGIN_IGNORE_MISSING", "true"),
            ("PLUGIN_PLATFORMS", "linux/amd64"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(ours["PLUGIN_SOURCES"], "r.example:5000/acme/app:1.2-{os}-{arch}-{variant}");
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
    fn a_placeholder_stands_anywhere_and_counts_once() {
        for (template, expected) in [
            ("foo/bar-ARCH:v1", "foo/bar-{arch}:v1"),
            ("foo/bar-ARCHVARIANT:v1", "foo/bar-{arch}{variant}:v1"),
            ("OS-ARCH/bar", "{os}-{arch}/bar"),
            ("r.example/OS/ARCH/VARIANT:OS-ARCH", "r.example/{os}/{arch}/{variant}:OS-ARCH"),
            ("foo/bar:v1", "foo/bar:v1"),
        ] {
            assert_eq!(source(template), expected);
        }
    }

    #[test]
    fn beside_a_spec_they_are_only_for_it_to_read() {
        let (ours, problems) = translated(&[
            ("PLUGIN_SPEC", ".drone/manifest.tmpl"),
            ("PLUGIN_TARGET", "loki"),
            ("PLUGIN_TEMPLATE", "x"),
            ("PLUGIN_TAGS", "a"),
        ]);
        assert_eq!((ours["PLUGIN_TAGS"].as_str(), problems), ("a", vec![]));
        assert!(!ours.contains_key("PLUGIN_SOURCES"));
    }

    #[test]
    fn auto_tag_gives_the_tags() {
        let build = [("PLUGIN_AUTO_TAG", "true"), ("DRONE_COMMIT_REF", "refs/tags/v1.2.3")];
        let target = ("PLUGIN_TARGET", "r.example/app:x");
        for (more, expected) in [
            (vec![target], "r.example/app:x r.example/app:1 r.example/app:1.2 r.example/app:1.2.3"),
            (vec![("PLUGIN_SPEC", "x.tmpl"), ("PLUGIN_TAGS", "other")], "1,1.2,1.2.3"),
        ] {
            let (ours, problems) = translated(&[&build[..], &more].concat());
            assert_eq!(ours["PLUGIN_TAGS"].replace('\n', " "), expected);
            assert_eq!(problems, [""; 0]);
        }
        let (_, problems) = translated(&build);
        assert_eq!(problems, ["auto_tag: needs target and template, or a spec"]);
        let (_, problems) = translated(&[("PLUGIN_AUTO_TAG", "maybe"), target]);
        assert_eq!(problems, ["auto_tag: must be true or false, not \"maybe\""]);
    }

    #[test]
    fn what_is_ignored_is_not_waited_for() {
        for (ignore, more, expected) in [
            ("true", None, Some("0")),
            ("true", Some(("PLUGIN_WAIT", "1m")), Some("1m")),
            ("true", Some(("MANIFEST_ACTION_WAIT", "1m")), None),
            ("false", None, None),
        ] {
            let pairs: Vec<_> =
                more.into_iter().chain([("PLUGIN_IGNORE_MISSING", ignore)]).collect();
            let (ours, _) = translated(&pairs);
            assert_eq!(ours.get("PLUGIN_WAIT").map(String::as_str), expected, "{pairs:?}");
        }
    }

    #[test]
    fn insecure_and_skip_verify() {
        let (_, problems) = translated(&[("PLUGIN_INSECURE", "maybe")]);
        assert_eq!(problems, ["insecure: must be true or false, not \"maybe\""]);
        for (given, expected) in [("true", true), ("false", false), ("", false)] {
            let environment = [("PLUGIN_INSECURE".to_owned(), given.to_owned())].into();
            assert_eq!(is_insecure(&environment), expected, "{given}");
        }
        for (given, expected) in [("true", 1), ("false", 0)] {
            let environment = [("PLUGIN_SKIP_VERIFY".to_owned(), given.to_owned())].into();
            let mut findings = Findings::default();
            translate(&environment, &mut findings);
            assert_eq!(findings.warnings.len(), expected, "{given}");
        }
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
            "PLUGIN_AUTO_TAG",
            "PLUGIN_INSECURE",
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
            let is_translated = given("PLUGIN_TEMPLATE") && !given("PLUGIN_SPEC");
            assert_eq!(is_translated, ours.contains_key("PLUGIN_SOURCES"), "{pairs:?}");
        }
    }
}
