//! What the index must hold, from the input `platforms`.

use crate::inputs::table::RawInputs;
use crate::inputs::{Findings, values};
use crate::oci::Platform;

/// Reads the input; two that mean the same are a problem.
pub(super) fn read(inputs: &RawInputs, findings: &mut Findings) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    let items = inputs.platforms.as_deref().map(|value| values::items(value, true)).transpose();
    let items = findings.take("platforms", None, items).flatten();
    if items.as_ref().is_some_and(Vec::is_empty) {
        findings.problem("platforms", "contains no platform");
    }
    for item in items.unwrap_or_default() {
        let Some(platform) =
            findings.take("platforms", Some(item.line), item.text.parse::<Platform>())
        else {
            continue;
        };
        if let Some(twin) = platforms.iter().find(|other| other.same(&platform)) {
            findings.problem_at(
                "platforms",
                item.line,
                format!("{} is given twice: it is the same as {twin}", item.text),
            );
        }
        if !platform.is_usual() {
            findings.warn(format!(
                "platforms: {} is an unknown platform; it is used as given",
                item.text
            ));
        }
        platforms.push(platform);
    }
    platforms
}
