//! `auto_tag` of Drone's plugins: publish on a tag or on the default branch only, under tags that
//! follow from the version.

use super::{Environment, build, values};

/// Settings that mean it.
pub(super) const KEYS: [&str; 2] = ["PLUGIN_AUTO_TAG", "PLUGIN_DEFAULT_TAGS"];

/// Whether the step asks for it.
pub(super) fn is_asked(environment: &Environment) -> Result<bool, String> {
    let given = ["auto_tag", "default_tags"].map(|name| build::setting(environment, name));
    given.into_iter().flatten().next().map_or(Ok(false), values::switch)
}

/// Why such a step has nothing to do in this build.
pub(crate) fn stands_aside(environment: &Environment) -> Option<String> {
    if is_asked(environment) != Ok(true) {
        return None;
    }
    let Some(reference) = build::reference(environment) else {
        return Some(
            "nothing to do: auto_tag publishes on a tag or on the default branch, and neither \
             DRONE_COMMIT_REF nor CI_COMMIT_REF says what this build is of"
                .to_owned(),
        );
    };
    let branch = build::default_branch(environment);
    let is_default = branch
        .is_some_and(|branch| reference.strip_prefix("refs/heads/").unwrap_or(reference) == branch);
    if is_default || reference.starts_with(TAGS) {
        return None;
    }
    let default = branch.map(|branch| format!(" ({branch})")).unwrap_or_default();
    Some(format!(
        "nothing to do: auto_tag publishes on a tag or on the default branch{default}, and this \
         build is of {reference}"
    ))
}

const TAGS: &str = "refs/tags/";

/// The tags of this build: of a version itself and what it is the newest of; else `latest`.
pub(super) fn tags(environment: &Environment) -> Vec<String> {
    let reference = build::reference(environment).unwrap_or_default();
    let version = reference.strip_prefix(TAGS).unwrap_or_default();
    of_version(version.strip_prefix('v').unwrap_or(version))
        .unwrap_or_else(|| vec!["latest".to_owned()])
}

/// `None` for what is no version. Numbers stay as they are written: `18.06.0` is `18.06`.
fn of_version(version: &str) -> Option<Vec<String>> {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let [major, minor, _] = parts.as_slice() else { return None };
    if !parts.iter().all(is_number) {
        return None;
    }
    if core != version {
        return Some(vec![version.to_owned()]);
    }
    let is_first = major.bytes().all(|digit| digit == b'0');
    let major_alone = (!is_first).then(|| (*major).to_owned());
    Some(major_alone.into_iter().chain([format!("{major}.{minor}"), core.to_owned()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_of_a_version_or_latest() {
        for (reference, expected) in [
            ("refs/heads/main", "latest"),
            ("", "latest"),
            ("refs/tags/v1.2.3", "1 1.2 1.2.3"),
            ("refs/tags/1.2.3", "1 1.2 1.2.3"),
            ("refs/tags/v0.9.0", "0.9 0.9.0"),
            ("refs/tags/v18.06.0", "18 18.06 18.06.0"),
            ("refs/tags/v1.0.0-alpha.1", "1.0.0-alpha.1"),
            ("refs/tags/v0.1.0-rc1", "0.1.0-rc1"),
            ("refs/tags/x1.0.0", "latest"),
            ("refs/tags/v1.2", "latest"),
            ("refs/tags/v1.2.3.4", "latest"),
            ("refs/tags/v1..3", "latest"),
            ("refs/tags/nightly", "latest"),
        ] {
            for variable in ["DRONE_COMMIT_REF", "CI_COMMIT_REF"] {
                assert_eq!(tags(&environment(&[(variable, reference)])).join(" "), expected);
            }
        }
    }

    #[test]
    fn builds_that_publish_nothing() {
        let told = |key: &str, asked: &str, reference: &str, branch: &str| {
            stands_aside(&environment(&[
                (key, asked),
                ("DRONE_COMMIT_REF", reference),
                ("DRONE_REPO_BRANCH", branch),
            ]))
        };
        for key in KEYS {
            for (asked, reference, branch, expected) in [
                ("true", "refs/heads/main", "main", None),
                ("true", "main", "main", None),
                ("true", "refs/tags/v1", "main", None),
                (
                    "true",
                    "refs/heads/feature",
                    "main",
                    Some("(main), and this build is of refs/heads/feature"),
                ),
                ("true", "refs/pull/7/head", "main", Some("and this build is of refs/pull/7/head")),
                (
                    "true",
                    "refs/heads/main",
                    "",
                    Some("branch, and this build is of refs/heads/main"),
                ),
                ("true", "", "main", Some("CI_COMMIT_REF says what this build is of")),
                ("false", "refs/heads/feature", "main", None),
                ("", "refs/heads/feature", "main", None),
                ("maybe", "refs/heads/feature", "main", None),
            ] {
                let told = told(key, asked, reference, branch);
                assert_eq!(told.is_some(), expected.is_some(), "{asked} {reference}: {told:?}");
                assert!(told.unwrap_or_default().ends_with(expected.unwrap_or_default()));
            }
        }
        assert!(is_asked(&environment(&[("PLUGIN_AUTO_TAG", "maybe")])).is_err());
    }

    #[test]
    fn survives_any_reference() {
        let pieces = ["refs/", "tags/", "heads/", "v", "1", "0", ".", "-", "+", "é", "main", "\0"];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let reference = mixed(&mut random, &pieces, 8);
            let environment = environment(&[
                ("PLUGIN_AUTO_TAG", "true"),
                ("CI_COMMIT_REF", &reference),
                ("CI_REPO_DEFAULT_BRANCH", "main"),
            ]);
            stands_aside(&environment);
            assert!(tags(&environment).iter().all(|tag| !tag.is_empty()), "{reference}");
        }
    }
}
