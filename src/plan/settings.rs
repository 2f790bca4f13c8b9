//! How registries are reached and how much is logged, from inputs.

use super::logins;
use crate::inputs::table::RawInputs;
use crate::inputs::{Context, Environment, Findings};
use crate::oci::reference::parse_host;
use crate::registry::{Settings, Writable, http};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use tracing::Level;

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
        findings.take(ca_file.name, None, certificates(&context.folder.join(path)))
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
        secrets: context.secrets.clone(),
        concurrency: inputs.concurrency().read(concurrency, findings),
    }
}

fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let pem = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match http::parse_certificates(&pem) {
        Ok(certificates) if certificates.is_empty() => {
            Err(format!("{} contains no certificate in PEM form", path.display()))
        }
        Ok(_) => Ok(pem),
        Err(error) => Err(format!("{} is not a PEM file of certificates: {error}", path.display())),
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
    let is = |name: &str, value: &str| environment.get(name).is_some_and(|set| set == value);
    let asked_by_ci = is("RUNNER_DEBUG", "1") || is("CI_DEBUG_TRACE", "true");
    if inputs.log_level().text.is_none() && asked_by_ci {
        return Level::DEBUG;
    }
    let levels = levels.map(|(word, level)| (word, Some(level)));
    inputs.log_level().one_of(&levels, findings).unwrap_or(Level::INFO)
}
