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
        warn_of_odd(&item.text, &platform, findings);
        platforms.push(platform);
    }
    platforms
}

/// Warns of a platform that Go does not know. It is used all the same: Go, whose names these are,
/// gets new ones. Also of a variant that no image of its architecture can have.
pub(super) fn warn_of_odd(text: &str, platform: &Platform, findings: &mut Findings) {
    if let Some(stray) = platform.stray_variant() {
        let own = platform.without_stray_variant();
        findings.warn(format!("{text}: only ARM has a variant {stray}; did you mean {own}?"));
    }
    if !platform.is_usual() {
        let meant = platform.meant().map(|known| format!("; did you mean {known}?"));
        let used = if meant.is_some() { " It" } else { "; it" };
        let meant = meant.unwrap_or_default();
        findings.warn(format!("unknown platform {text}{meant}{used} is used as given"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;
    use crate::random::mixed;

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
                "unknown platform linux/amd46; did you mean linux/amd64? It is used as given",
            ),
            (
                "linux/amd64/v8",
                1,
                "",
                "linux/amd64/v8: only ARM has a variant v8; did you mean linux/amd64?",
            ),
            ("linux/arm64/v8,linux/amd64/v3", 2, "", ""),
            ("haiku/x", 1, "", "unknown platform haiku/x; it is used as given"),
            (
                "'linux/amd64'",
                0,
                "platforms, line 1: \"'linux/amd64'\" is not a platform: leave out the quotes: write linux/amd64",
                "",
            ),
            (
                "- linux/amd64",
                0,
                "platforms, line 1: \"- linux/amd64\" is not a platform: leave out \"-\" in front: write linux/amd64",
                "",
            ),
            ("linux/amd64,", 1, "", ""),
            (
                "[linux/amd64, linux/arm64]",
                0,
                "platforms: not a JSON array: write [\"linux/amd64\",\"linux/arm64\"], or one item per line without brackets",
                "",
            ),
        ] {
            let inputs = RawInputs { platforms: Some(value.to_owned()), ..RawInputs::default() };
            let mut findings = Findings::default();
            assert_eq!(read(inputs.platforms(), &mut findings).len(), count, "{value}");
            let told: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
            assert!(told.join("; ").starts_with(problems), "{value}: {told:?}");
            assert_eq!(told.is_empty(), problems.is_empty(), "{value}: {told:?}");
            assert_eq!(findings.warnings.join("; "), warnings, "{value}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "linux/amd64",
            "linux/arm64",
            "/v8",
            "windows(1+a)/amd64",
            "haiku/x",
            ",",
            ",",
            "\n",
            "\n",
            "[",
            "]",
            "\"",
            "# x",
            "é",
            "\0",
            "- ",
            "{",
            " ",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..3_000 {
            let value = mixed(&mut random, &pieces, 10);
            let inputs = RawInputs { platforms: Some(value.clone()), ..RawInputs::default() };
            let mut findings = Findings::default();
            let read = read(inputs.platforms(), &mut findings);
            let distinct =
                |(at, one): (usize, &Platform)| read[..at].iter().all(|other| !other.same(one));
            assert!(
                !findings.problems.is_empty() || read.iter().enumerate().all(distinct),
                "{value}"
            );
        }
    }
}
