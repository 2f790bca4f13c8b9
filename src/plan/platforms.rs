//! The platforms the index must have, from the input `platforms`.

use crate::inputs::Findings;
use crate::inputs::table::Given;
use crate::oci::Platform;

/// Reads the input; a platform that is given twice is a problem.
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
                format!("{} and {twin} are the same platform", item.text),
            );
        }
        if !platform.is_usual() {
            findings.warn(format!("{}: {}", input.name, unknown(&item.text)));
        }
        platforms.push(platform);
    }
    platforms
}

/// Those that most images are built for, for hints.
const COMMON: [&str; 9] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
    "linux/loong64",
    "windows/amd64",
];

/// That a platform is unknown, and which one may be meant. It is used all the same: Go, whose names
/// these are, gets new ones.
fn unknown(text: &str) -> String {
    let distance = |known: &&str| strsim::damerau_levenshtein(text, known);
    let nearest = COMMON.into_iter().min_by_key(distance).filter(|known| distance(known) <= 2);
    match nearest {
        Some(known) => {
            format!("unknown platform {text}; did you mean {known}? It is used as given")
        }
        None => format!("unknown platform {text}; it is used as given"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;

    #[test]
    fn by_table() {
        for (value, count, problems, warnings) in [
            ("linux/amd64,linux/arm64", 2, "", ""),
            (r#"["linux/amd64", "linux/arm/v7"]"#, 2, "", ""),
            ("# none", 0, "platforms: contains no platform", ""),
            ("{}", 0, "platforms, line 1: \"{}\" is not a platform", ""),
            (
                "linux/arm64\nlinux/arm64/v8",
                2,
                "platforms, line 2: linux/arm64/v8 and linux/arm64 are the same platform",
                "",
            ),
            (
                "linux/amd46",
                1,
                "",
                "platforms: unknown platform linux/amd46; did you mean linux/amd64? It is used as given",
            ),
            ("haiku/x", 1, "", "platforms: unknown platform haiku/x; it is used as given"),
        ] {
            let inputs = RawInputs { platforms: Some(value.to_owned()), ..RawInputs::default() };
            let mut findings = Findings::default();
            assert_eq!(read(inputs.platforms(), &mut findings).len(), count, "{value}");
            let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
            assert!(told.join("; ").starts_with(problems), "{value}: {told:?}");
            assert_eq!(told.is_empty(), problems.is_empty(), "{value}: {told:?}");
            assert_eq!(findings.warnings.join("; "), warnings, "{value}");
        }
        for known in COMMON {
            assert!(known.parse::<Platform>().unwrap().is_usual(), "{known}");
        }
    }
}
