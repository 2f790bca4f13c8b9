//! Environment variables to inputs: which variable gives which input, on every CI system.

use super::table::{self, INPUTS, Input, Kind, RawInputs, names};
use super::{Environment, Findings, drone};
use crate::secret::Secrets;

/// Set by GitHub's runner for a container step, not by the user.
const RUNNERS_OWN: [&str; 2] = ["INPUT_ARGS", "INPUT_ENTRYPOINT"];
const PREFIXES: [&str; 3] = ["INPUT_", "PLUGIN_", "MANIFEST_ACTION_"];

/// Reads all inputs from the environment.
pub(crate) fn read(environment: &Environment, findings: &mut Findings) -> RawInputs {
    let environment = &drone::translate(environment, findings);
    let pairs = INPUTS.iter().filter_map(|input| {
        let value = variables(input.name)
            .iter()
            .filter_map(|name| environment.get(name))
            .map(|value| clean(input.name, value))
            .find(|value| !value.is_empty())?;
        Some((input.name.to_owned(), value.to_owned()))
    });
    let inputs = from_pairs(pairs, findings);
    warn_of_unknown(environment, findings);
    inputs
}

/// The environment without the variables of inputs, for programs that are none of ours: passwords
/// are among them.
pub(crate) fn without_inputs(environment: &Environment) -> Environment {
    let is_input = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let others = environment.iter().filter(|(name, _)| !is_input(name));
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Inputs from pairs of name and value, from wherever they come; what is empty is not set.
pub(crate) fn from_pairs(
    pairs: impl Iterator<Item = (String, String)>,
    findings: &mut Findings,
) -> RawInputs {
    let cleaned = pairs.map(|(name, value)| (clean(&name, &value).to_owned(), name));
    let pairs = cleaned.filter(|(value, _)| !value.is_empty()).map(|(value, name)| (name, value));
    // envy takes `Some("")` and stops at the first error, so it is given only what is set, and only
    // text.
    let result = envy::from_iter::<_, RawInputs>(pairs);
    let inputs = findings.take("inputs", None, result).unwrap_or_default();
    for (input, value) in INPUTS.iter().filter_map(|input| Some((input, inputs.get(input.name)?))) {
        // It replaces bytes that are not UTF-8; nobody would notice that they are missing.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            findings.problem(input.name, "is not valid UTF-8");
        }
    }
    inputs
}

/// The variables that an input is read from; the first one that is not empty counts.
pub(crate) fn variables(name: &str) -> [String; 4] {
    let upper = name.to_ascii_uppercase();
    let plain = upper.replace('-', "_");
    [
        format!("INPUT_{upper}"),
        format!("INPUT_{plain}"),
        format!("PLUGIN_{plain}"),
        format!("MANIFEST_ACTION_{plain}"),
    ]
}

/// Keeps what inputs hold as secrets, whole and in parts. A bug that ends the run before logins are
/// read may be told with any of it. `given`: the value of an input.
pub(crate) fn keep_secrets<'v>(given: impl Fn(&str) -> Option<&'v str>, secrets: &Secrets) {
    let kinds = |input: &&Input| matches!(input.kind, Kind::Secret | Kind::SecretLines);
    for value in INPUTS.iter().filter(kinds).filter_map(|input| given(input.name)) {
        keep_parts(value, secrets);
    }
}

/// Keeps a value that is secret, whole and in parts: a message may quote any of them.
pub(crate) fn keep_parts(value: &str, secrets: &Secrets) {
    secrets.keep(value);
    for part in value.split([':', '=', '"', ',']) {
        secrets.keep(part);
    }
}

fn clean<'a>(name: &str, value: &'a str) -> &'a str {
    if name != names::password {
        return value.trim();
    }
    // It may begin or end with spaces; only the line end of a file it was read from is not its own.
    value.strip_suffix('\n').map_or(value, |value| value.strip_suffix('\r').unwrap_or(value))
}

fn warn_of_unknown(environment: &Environment, findings: &mut Findings) {
    for (variable, value) in environment {
        let Some(name) = PREFIXES.into_iter().find_map(|prefix| variable.strip_prefix(prefix))
        else {
            continue;
        };
        let name = name.to_ascii_lowercase().replace('_', "-");
        if name.is_empty()
            || value.trim().is_empty()
            || RUNNERS_OWN.contains(&variable.as_str())
            || drone::KEYS.contains(&variable.as_str())
            || table::find(&name).is_some()
        {
            continue;
        }
        findings.warn(format!("{variable} is set, but {}", table::unknown(&name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, mixed};

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The inputs, and what is warned of.
    fn read_ok(pairs: &[(&str, &str)]) -> (RawInputs, Vec<String>) {
        let mut findings = Findings::default();
        let inputs = read(&environment(pairs), &mut findings);
        assert_eq!(findings.problems, []);
        (inputs, findings.warnings)
    }

    #[test]
    fn every_spelling_and_the_first_that_is_not_empty() {
        for name in [
            "INPUT_WAIT-INTERVAL",
            "INPUT_WAIT_INTERVAL",
            "PLUGIN_WAIT_INTERVAL",
            "MANIFEST_ACTION_WAIT_INTERVAL",
        ] {
            assert_eq!(
                read_ok(&[(name, " 5s\n")]).0.wait_interval.as_deref(),
                Some("5s"),
                "{name}"
            );
        }
        let read = read_ok(&[
            ("INPUT_TAGS", "  "),
            ("PLUGIN_TAGS", "b"),
            ("MANIFEST_ACTION_TAGS", "c"),
            ("MANIFEST_DIGEST", "x"),
            ("TAGS", "y"),
        ]);
        assert_eq!(read.0.tags.as_deref(), Some("b"));
        assert_eq!(read.0.sources, None);
        assert!(read.1.is_empty());
    }

    #[test]
    fn what_inputs_hold_as_secrets_is_known_in_parts() {
        let inputs = RawInputs {
            password: Some("canary-password".to_owned()),
            credentials: Some("r.example=robot:canary-one\n{\"s\": \"canary-two\"}".to_owned()),
            tags: Some("r.example/acme/app:1".to_owned()),
            ..RawInputs::default()
        };
        let secrets = Secrets::default();
        keep_secrets(|name| inputs.get(name), &secrets);
        for (text, redacted) in [
            ("it is canary-password", "it is ***"),
            ("it is canary-one", "it is ***"),
            ("canary-two it is", "*** it is"),
            ("acme/app:1", "acme/app:1"),
        ] {
            assert_eq!(secrets.redact(text), redacted);
        }
    }

    #[test]
    fn a_password_keeps_its_spaces() {
        assert_eq!(
            read_ok(&[("INPUT_PASSWORD", " a b \r\n")]).0.password.as_deref(),
            Some(" a b ")
        );
    }

    #[test]
    fn only_a_password_keeps_its_spaces() {
        let read = read_ok(&[
            ("INPUT_TOKEN", " t\n"),
            ("INPUT_DOCKER-CONFIG", "  "),
            ("INPUT_DOCKER_CONFIG", " /login "),
        ]);
        assert_eq!(
            (read.0.token.as_deref(), read.0.docker_config.as_deref()),
            (Some("t"), Some("/login"))
        );
    }

    #[test]
    fn other_programs_get_no_inputs() {
        let all = environment(&[
            ("INPUT_PASSWORD", "x"),
            ("INPUT_DOCKER-CONFIG", "x"),
            ("PLUGIN_PASSWORD", "x"),
            ("MANIFEST_ACTION_TOKEN", "x"),
            ("MANIFEST_DIGEST", "x"),
            ("PATH", "x"),
        ]);
        let left = without_inputs(&all);
        assert_eq!(left.keys().collect::<Vec<_>>(), ["MANIFEST_DIGEST", "PATH"]);
    }

    #[test]
    fn unknown_names_are_warned_about_once() {
        let read = read_ok(&[
            ("INPUT_TAG", "x"),
            ("INPUT_INPUT_TAGS", "x"),
            ("INPUT_ARGS", "x"),
            ("INPUT_ENTRYPOINT", "x"),
            ("PLUGIN_ZZZZZZZZ", "x"),
            ("INPUT_EMPTY", ""),
            ("INPUT_BLANK", " \n"),
        ]);
        assert_eq!(
            read.1,
            [
                "INPUT_INPUT_TAGS is set, but there is no input \"input-tags\"",
                "INPUT_TAG is set, but there is no input \"tag\"; did you mean tags?",
                "PLUGIN_ZZZZZZZZ is set, but there is no input \"zzzzzzzz\""
            ]
        );
    }

    #[test]
    fn survives_any_value() {
        let pieces =
            ["a", "\n", "\0", "é", "\u{fffd}", " ", "true", "null", "\"", "${{ x }}", "=", ","];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..300 {
            let pairs = INPUTS.iter().filter_map(|input| {
                let name = chosen(&mut random, &variables(input.name)).clone();
                random.bool().then(|| (name, mixed(&mut random, &pieces, 4)))
            });
            let environment: Environment = pairs.collect();
            let (mut findings, secrets) = (Findings::default(), Secrets::default());
            let inputs = read(&environment, &mut findings);
            keep_secrets(|name| inputs.get(name), &secrets);
            for value in INPUTS.iter().filter_map(|input| inputs.get(input.name)) {
                assert!(!value.is_empty());
            }
            assert!(without_inputs(&environment).is_empty());
        }
    }
}
