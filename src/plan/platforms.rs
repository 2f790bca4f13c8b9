//! What the index must hold, from the input `platforms`.

use crate::inputs::Findings;
use crate::inputs::table::Given;
use crate::oci::Platform;

/// Reads the input; two that mean the same are a problem.
pub(super) fn read(input: Given<'_>, findings: &mut Findings) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for item in input.some_items("platform", findings) {
        let Some(platform) =
            findings.take(input.name, Some(item.line), item.text.parse::<Platform>())
        else {
            continue;
        };
        if let Some(twin) = platforms.iter().find(|other| other.same(&platform)) {
            findings.problem_at(
                input.name,
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
