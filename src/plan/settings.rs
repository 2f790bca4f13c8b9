//! How registries are reached and how much is logged, from inputs.

use super::logins;
use crate::file;
use crate::inputs::places::Places;
use crate::inputs::table::RawInputs;
use crate::inputs::{Context, Environment, Findings, env, set};
use crate::oci::reference::parse_host;
use crate::registry::{Settings, Writable, http};
use std::collections::HashSet;
use std::path::Path;
use tracing::Level;

/// All public authorities together are a quarter of a megabyte.
const LARGEST_CERTIFICATES: u64 = 4 << 20;

/// How registries are reached, from inputs. `first_host`: the registry of a login that names none;
/// `writable`: what will be pushed to.
pub fn settings(
    inputs: &RawInputs,
    context: &Context<'_>,
    first_host: Option<&str>,
    writable: Writable,
    findings: &mut Findings,
) -> Settings {
    let logins = logins::read(inputs, context, first_host, findings);
    let mut plain_http = HashSet::new();
    let insecure = inputs.insecure_registries();
    for item in insecure.items(findings) {
        let host = parse_host(&item.text);
        plain_http.extend(findings.take(insecure.name, Some(item.line), host));
    }
    let ca_file = inputs.ca_file();
    let certificates = ca_file.text.and_then(|path| {
        let places = Places::of(context);
        let found = certificates(&places.find(path).path(), path);
        findings.take(
            ca_file.name,
            None,
            found.map_err(|why| format!("{why}{}", places.hint(path))),
        )
    });
    let concurrency = |text: &str| match text.parse::<usize>() {
        Ok(number @ 1..=256) => Ok(number),
        _ => Err(format!("must be a number from 1 to 256, not {text:?}")),
    };
    Settings {
        logins,
        writable,
        plain_http,
        certificates,
        folder: context.folder.to_owned(),
        secrets: context.secrets.clone(),
        helper_environment: env::without_inputs(context.environment),
        concurrency: inputs.concurrency().read(concurrency, findings),
    }
}

/// `named`: the path as the input has it.
fn certificates(path: &Path, named: &str) -> Result<Vec<u8>, String> {
    let pem = file::bytes(path, LARGEST_CERTIFICATES).map_err(|why| format!("{named} {why}"))?;
    match http::parse_certificates(&pem) {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{named} contains no certificate in PEM form"))
        }
        Ok(_) => Ok(pem),
        Err(error) => Err(format!("{named} is not a PEM file of certificates: {error}")),
    }
}

/// The log level, which is read first so that everything after it can be logged.
pub fn log_level(inputs: &RawInputs, environment: &Environment, findings: &mut Findings) -> Level {
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let asked_by_ci = set(environment, "RUNNER_DEBUG") == Some("1")
        || set(environment, "CI_DEBUG_TRACE") == Some("true");
    if inputs.log_level().text.is_none() && asked_by_ci {
        return Level::DEBUG;
    }
    let levels = levels.map(|(word, level)| (word, Some(level)));
    inputs.log_level().one_of(&levels, findings).unwrap_or(Level::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secrets;
    use std::fs;
    use tempfile::TempDir;

    fn read(inputs: &RawInputs, folder: &Path) -> (Settings, Vec<String>) {
        let (environment, secrets) = (&Environment::new(), &Secrets::default());
        let context = Context { environment, folder, secrets };
        let mut findings = Findings::default();
        let settings = settings(inputs, &context, None, Writable::new(), &mut findings);
        (settings, findings.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hosts_that_speak_plain_http() {
        let hosts = Some("localhost:5000, r.example\nhttps://x".to_owned());
        let inputs = RawInputs { insecure_registries: hosts, ..RawInputs::default() };
        let (settings, problems) = read(&inputs, Path::new("."));
        let expected = ["localhost:5000".to_owned(), "r.example".to_owned()];
        assert_eq!(settings.plain_http, HashSet::from(expected));
        assert!(
            problems.len() == 1 && problems[0].starts_with("insecure-registries, line 2: "),
            "{problems:?}"
        );
    }

    #[test]
    fn concurrency() {
        for (text, expected) in [(None, Some(32)), (Some("1"), Some(1)), (Some("256"), Some(256))]
            .into_iter()
            .chain(["0", "257", "-1", "x", "1.5"].map(|text| (Some(text), None)))
        {
            let inputs = RawInputs { concurrency: text.map(str::to_owned), ..RawInputs::default() };
            let (settings, problems) = read(&inputs, Path::new("."));
            let text = text.unwrap_or_default();
            match expected {
                Some(number) => assert_eq!((settings.concurrency, problems), (number, vec![])),
                None => assert_eq!(
                    problems,
                    [format!("concurrency: must be a number from 1 to 256, not {text:?}")]
                ),
            }
        }
    }

    #[test]
    fn certificates_are_read_from_the_folder() {
        let folder = TempDir::new().unwrap();
        let good = rcgen::generate_simple_self_signed(vec!["r.example".to_owned()]).unwrap();
        let pem = good.cert.pem();
        for (name, text, why) in [
            ("good.pem", Some(pem.as_str()), ""),
            ("empty.pem", Some("nothing"), "contains no certificate in PEM form"),
            (
                "torn.pem",
                Some("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n"),
                "is not a PEM file of certificates",
            ),
            ("missing.pem", None, "no such file"),
        ] {
            if let Some(text) = text {
                fs::write(folder.path().join(name), text).unwrap();
            }
            let inputs = RawInputs { ca_file: Some(name.to_owned()), ..RawInputs::default() };
            let (settings, problems) = read(&inputs, folder.path());
            assert_eq!(settings.certificates.is_some(), why.is_empty(), "{name}: {problems:?}");
            assert_eq!(problems.len(), usize::from(!why.is_empty()), "{name}: {problems:?}");
            assert!(problems.concat().contains(why), "{name}: {problems:?}");
        }
    }
}
