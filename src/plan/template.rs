//! Templates: `{os} {arch} {variant} {platform}`, expanded over platforms exactly as written.

use crate::oci::Platform;

/// Whether the text is a template.
pub(super) fn is_template(text: &str) -> bool {
    text.contains(['{', '}'])
}

/// The text for one platform. A separator before an empty `{variant}` goes with it.
pub(super) fn expand(text: &str, platform: &Platform) -> Result<String, String> {
    let (os, architecture, variant) = platform.parts();
    let whole = [os, architecture, variant]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a { without a }")?;
        if before.contains('}') {
            break;
        }
        expanded.push_str(before);
        match name {
            "os" => expanded.push_str(os),
            "arch" => expanded.push_str(architecture),
            "platform" => expanded.push_str(&whole),
            "variant" if variant.is_empty() => {
                if before.ends_with(['-', '_', '.', '/']) {
                    expanded.pop();
                }
            }
            "variant" => expanded.push_str(variant),
            other => {
                return Err(format!(
                    "unknown placeholder {{{other}}}; use {{os}}, {{arch}}, {{variant}} or {{platform}}"
                ));
            }
        }
        rest = after;
    }
    if rest.contains('}') {
        return Err("a } without a {".to_owned());
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Why the text for the platform at this place is no good: one before it has the same.
pub(super) fn twin(expanded: &[String], platforms: &[Platform], at: usize) -> Option<String> {
    let text = expanded.get(at)?;
    let first = expanded.iter().position(|other| other == text).filter(|first| *first < at)?;
    let (one, two) = (platforms.get(first)?, platforms.get(at)?);
    let (first, second) = (one.parts(), two.parts());
    let differs = [
        ("{arch}", first.1 != second.1),
        ("{variant}", first.2 != second.2),
        ("{os}", first.0 != second.0),
    ];
    let fix = match differs.iter().find(|(_, differs)| *differs) {
        Some((placeholder, _)) => format!("the template needs {placeholder}"),
        None => "no placeholder tells them apart".to_owned(),
    };
    Some(format!("{} and {} both give {text}: {fix}", as_written(one), as_written(two)))
}

/// A platform without normalising: as the user wrote it, apart from an OS version.
fn as_written(platform: &Platform) -> String {
    let (os, architecture, variant) = platform.parts();
    if variant.is_empty() {
        format!("{os}/{architecture}")
    } else {
        format!("{os}/{architecture}/{variant}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn expands_as_written() {
        for (text, platform, expected) in [
            ("app:{os}-{arch}{variant}", "linux/arm/v7", "app:linux-armv7"),
            ("app:1-{arch}-{variant}", "linux/amd64", "app:1-amd64"),
            ("app:1-{arch}.{variant}-x", "linux/amd64", "app:1-amd64-x"),
            ("{arch}/{variant}/app:1", "linux/amd64", "amd64/app:1"),
            ("app:{platform}", "linux/arm64/v8", "app:linux-arm64-v8"),
            ("app:{platform}", "windows(10.0.1)/amd64", "app:windows-amd64"),
            ("app:{arch}", "linux/x86_64", "app:x86_64"),
        ] {
            assert_eq!(expand(text, &platform.parse().unwrap()).unwrap(), expected, "{text}");
        }
        for bad in ["{arch", "arch}", "}{arch}", "{arch}}{arch}", "{}", "{Arch}"] {
            assert!(expand(bad, &"linux/amd64".parse().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces =
            ["{", "}", "os", "arch", "variant", "platform", "{variant}", "-", "é", "/", "{os}"];
        let mut random = fastrand::Rng::with_seed(1);
        let platform = "linux/amd64".parse().unwrap();
        for _ in 0..10_000 {
            let text = mixed(&mut random, &pieces, 8);
            match expand(&text, &platform) {
                Ok(expanded) => assert!(!is_template(&expanded), "{text}"),
                Err(why) => assert!(is_template(&text) && !why.is_empty(), "{text}"),
            }
        }
    }
}
