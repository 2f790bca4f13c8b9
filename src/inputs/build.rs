//! What Drone and Woodpecker tell a plugin of the build that it runs in, and how templates call it.

use super::table::{self, Kind, names};
use super::{Environment, values};
use serde_json::{Map, Value};

/// A name of templates, and the variables that it comes from: Drone's first, which Woodpecker sets
/// too.
pub(super) const FACTS: [(&str, &[&str]); 8] = [
    ("build.tag", &["DRONE_TAG", "CI_COMMIT_TAG"]),
    ("build.branch", &["DRONE_COMMIT_BRANCH", "DRONE_BRANCH", "CI_COMMIT_BRANCH"]),
    ("build.commit", &["DRONE_COMMIT_SHA", "CI_COMMIT_SHA"]),
    (REF, &["DRONE_COMMIT_REF", "CI_COMMIT_REF"]),
    ("build.event", &["DRONE_BUILD_EVENT", "CI_PIPELINE_EVENT"]),
    ("build.number", &["DRONE_BUILD_NUMBER", "CI_PIPELINE_NUMBER"]),
    ("repo.owner", &["DRONE_REPO_OWNER", "CI_REPO_OWNER"]),
    ("repo.name", &["DRONE_REPO_NAME", "CI_REPO_NAME"]),
];
const REF: &str = "build.ref";
const DEFAULT_BRANCH: [&str; 2] = ["DRONE_REPO_BRANCH", "CI_REPO_DEFAULT_BRANCH"];
/// The variables of a step's settings.
const SETTING: &str = "PLUGIN_";
/// Settings that are lists.
pub(super) const LISTS: [&str; 2] = [names::platforms, names::tags];

/// The first of these variables that is not empty.
fn first<'e>(environment: &'e Environment, variables: &[&str]) -> Option<&'e str> {
    let mut values = variables.iter().filter_map(|name| environment.get(*name));
    values.find_map(|value| Some(value.trim()).filter(|value| !value.is_empty()))
}

/// The variables that a name of templates comes from.
pub(super) fn variables(name: &str) -> &'static [&'static str] {
    FACTS.iter().find(|(fact, _)| *fact == name).map_or(&[], |(_, variables)| variables)
}

/// The git reference, such as `refs/heads/main`.
pub(super) fn reference(environment: &Environment) -> Option<&str> {
    first(environment, variables(REF))
}

/// The repository's default branch.
pub(super) fn default_branch(environment: &Environment) -> Option<&str> {
    first(environment, &DEFAULT_BRANCH)
}

/// A setting of the step, as plugins get it.
pub(super) fn setting<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    first(environment, &[&format!("{SETTING}{}", name.to_ascii_uppercase())])
}

/// Whether a setting, named as templates name it, is a login or a part of one.
pub(super) fn is_login(name: &str) -> bool {
    let name = name.replace('_', "-");
    let is_secret = |kind| matches!(kind, Kind::Secret | Kind::SecretLines);
    name == names::username || table::find(&name).is_some_and(|input| is_secret(input.kind))
}

/// All that templates know; what is not set is missing, except for the tag of a build without one.
pub(super) fn known(environment: &Environment, tags: Vec<String>) -> Value {
    let mut groups = Map::new();
    for group in ["build", "repo", "config"] {
        groups.insert(group.to_owned(), Value::Object(Map::new()));
    }
    let mut insert = |group: &str, name: &str, value: Value| {
        if let Some(Value::Object(group)) = groups.get_mut(group) {
            group.insert(name.to_owned(), value);
        }
    };
    insert("build", "tag", Value::from(""));
    insert("build", "tags", Value::from(tags));
    for (fact, variables) in FACTS {
        let Some((group, name)) = fact.split_once('.') else { continue };
        if let Some(value) = first(environment, variables) {
            insert(group, name, Value::from(value));
        }
    }
    for variable in environment.keys() {
        let Some(name) = variable.strip_prefix(SETTING).map(str::to_ascii_lowercase) else {
            continue;
        };
        if let Some(value) = setting(environment, &name).filter(|_| !is_login(&name)) {
            insert("config", &name, typed(&name, value));
        }
    }
    Value::Object(groups)
}

/// A setting as a template may ask for it: `false` is not true, and a list has items.
fn typed(name: &str, value: &str) -> Value {
    let items = LISTS.contains(&name).then(|| values::items(value, true).ok()).flatten();
    match (items, value) {
        (Some(items), _) => items.into_iter().map(|item| item.text).collect(),
        (None, "true") => Value::Bool(true),
        (None, "false") => Value::Bool(false),
        (None, _) => Value::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_system_says_the_same_in_its_own_way() {
        let expected = json!({
            "build": {
                "tag": "v1.2.3", "tags": ["1", "1.2"], "branch": "main", "commit": "0123456789",
                "ref": "refs/tags/v1.2.3", "event": "tag", "number": "7",
            },
            "repo": {"owner": "acme", "name": "app"},
            "config": {},
        });
        for variables in [
            [
                ("DRONE_TAG", "v1.2.3"),
                ("DRONE_COMMIT_BRANCH", "main"),
                ("DRONE_COMMIT_SHA", "0123456789"),
                ("DRONE_COMMIT_REF", "refs/tags/v1.2.3"),
                ("DRONE_BUILD_EVENT", "tag"),
                ("DRONE_BUILD_NUMBER", "7"),
                ("DRONE_REPO_OWNER", "acme"),
                ("DRONE_REPO_NAME", "app"),
            ],
            [
                ("CI_COMMIT_TAG", "v1.2.3"),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_COMMIT_SHA", "0123456789"),
                ("CI_COMMIT_REF", "refs/tags/v1.2.3"),
                ("CI_PIPELINE_EVENT", "tag"),
                ("CI_PIPELINE_NUMBER", "7"),
                ("CI_REPO_OWNER", "acme"),
                ("CI_REPO_NAME", "app"),
            ],
        ] {
            let tags = vec!["1".to_owned(), "1.2".to_owned()];
            assert_eq!(known(&environment(&variables), tags), expected);
        }
        for name in DEFAULT_BRANCH {
            assert_eq!(default_branch(&environment(&[(name, "main")])), Some("main"));
        }
    }

    #[test]
    fn settings_without_logins() {
        let environment = environment(&[
            ("PLUGIN_TARGET", "app"),
            ("PLUGIN_IGNORE_MISSING", "false"),
            ("PLUGIN_INSECURE", "true"),
            ("PLUGIN_PLATFORMS", "linux/amd64,linux/arm64"),
            ("PLUGIN_USERNAME", "canary-user"),
            ("PLUGIN_PASSWORD", "canary-password"),
            ("PLUGIN_DOCKER_CONFIG", "canary-config"),
            ("PLUGIN_CREDENTIALS", "canary-credentials"),
            ("PLUGIN_TOKEN", "canary-token"),
            ("PLUGIN_EMPTY", " "),
            ("DRONE_TAG", ""),
        ]);
        assert_eq!(
            known(&environment, Vec::new()),
            json!({
                "build": {"tag": "", "tags": []},
                "repo": {},
                "config": {
                    "target": "app", "ignore_missing": false, "insecure": true,
                    "platforms": ["linux/amd64", "linux/arm64"],
                },
            })
        );
    }
}
