//! What people write by mistake where a reference or a platform is meant: the cause, which no
//! grammar knows, and what to write.

/// The names that templates of `sources` replace.
const PLACEHOLDERS: [&str; 4] = ["os", "arch", "variant", "platform"];
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];

/// Why a text is not what was meant, if it is one of the usual slips.
pub(crate) fn cause(text: &str) -> Option<String> {
    of_any_text(text).or_else(|| several(text))
}

/// The same for a text that may have spaces inside.
pub(crate) fn of_any_text(text: &str) -> Option<String> {
    left_over(text)
        .or_else(|| unset(text))
        .or_else(|| in_front(text))
        .or_else(|| quoted(text))
        .or_else(|| masked(text))
}

/// A variable or an expression that the CI system did not replace.
pub(crate) fn left_over(text: &str) -> Option<String> {
    for (open, close, only) in [
        ("${{", "}}", "workflow files of GitHub, Gitea and Forgejo replace it, other files do not"),
        ("{{", "}}", "nothing fills in templates here"),
        ("<<", ">>", "only CircleCI's configuration replaces it"),
        ("$(", ")", "is the variable set?"),
        ("${", "}", "is the variable set?"),
    ] {
        let Some((_, rest)) = text.split_once(open) else { continue };
        let inside = rest.split_once(close).map_or(rest, |(inside, _)| inside).trim();
        if open.ends_with('{') && PLACEHOLDERS.contains(&inside) {
            return Some(format!("{open}{inside}{close} is not a placeholder: write {{{inside}}}"));
        }
        let space = if open.ends_with("{{") || open == "<<" { " " } else { "" };
        return Some(format!("{open}{space}{inside}{space}{close} was not replaced: {only}"));
    }
    let dollar = text.match_indices('$').find_map(|(at, _)| name_at(&text[at + 1..]));
    if let Some(name) = dollar {
        return Some(format!("${name} was not replaced: is the variable set?"));
    }
    let percent = text.match_indices('%').find_map(|(at, _)| {
        let name = name_at(&text[at + 1..])?;
        text[at + 1 + name.len()..].starts_with('%').then_some(name)
    });
    percent.map(|name| format!("%{name}% was not replaced: is the variable set?"))
}

/// The name of a variable that the text begins with.
fn name_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

/// What programs write for a value that is not there.
pub(crate) fn unset(text: &str) -> Option<String> {
    matches!(text, "undefined" | "null" | "nil" | "None" | "<nil>" | "<no value>")
        .then(|| format!("{text:?} stands for a missing value: is the variable set?"))
}

/// A dash of a YAML list, or a flag.
fn in_front(text: &str) -> Option<String> {
    let first = text.split([' ', '\t', '=']).next().unwrap_or_default();
    let rest = text[first.len()..].trim_start_matches([' ', '\t', '=']);
    let is_dash = matches!(first, "-" | "*" | "\u{2022}");
    let is_flag = first.starts_with("--") || first.starts_with('-') && !rest.is_empty();
    if !is_dash && !is_flag {
        return None;
    }
    Some(match rest {
        "" => format!("nothing comes after {first}: is the variable set?"),
        rest => format!("leave out {first:?} in front: write {rest}"),
    })
}

fn quoted(text: &str) -> Option<String> {
    let inside = text.trim_matches(QUOTES).trim();
    (text.starts_with(QUOTES) || text.ends_with(QUOTES)).then(|| match inside {
        "" => "nothing is between the quotes: is the variable set?".to_owned(),
        inside => format!("leave out the quotes: write {inside}"),
    })
}

fn masked(text: &str) -> Option<String> {
    let mask = ["***", "[MASKED]"].into_iter().find(|mask| text.contains(mask))?;
    Some(format!(
        "{mask} is what a log shows in place of a secret: write the name itself, which must not be \
         a secret"
    ))
}

fn several(text: &str) -> Option<String> {
    if let Some(one) = text.strip_suffix([',', ';']) {
        return Some(format!("leave out the {:?} at the end: write {one}", &text[one.len()..]));
    }
    let between = if text.contains(';') {
        "semicolons"
    } else if text.contains([' ', '\t']) {
        "spaces"
    } else {
        return None;
    };
    Some(format!("one per line, or commas between them, not {between}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn every_slip_has_its_cause() {
        const UNSET: &str = "was not replaced: is the variable set?";
        for (text, expected) in [
            ("r.example/a:${{ github.sha }}", "${{ github.sha }} was not replaced: workflow files"),
            ("${{ toJSON(needs", "${{ toJSON(needs }} was not replaced: workflow files"),
            ("r.example/a:{{ version }}", "{{ version }} was not replaced: nothing fills in"),
            ("r.example/a:<< pipeline.number >>", "<< pipeline.number >> was not replaced: only"),
            ("r.example/a:$(Build.BuildId)", &format!("$(Build.BuildId) {UNSET}")),
            ("r.example/a:${VERSION}-x", &format!("${{VERSION}} {UNSET}")),
            ("$CI_REGISTRY_IMAGE:1", &format!("$CI_REGISTRY_IMAGE {UNSET}")),
            ("\"$TAG\"", &format!("$TAG {UNSET}")),
            ("r.example/a:%VERSION%", &format!("%VERSION% {UNSET}")),
            ("r.example/a:${arch}", "${arch} is not a placeholder: write {arch}"),
            ("r.example/a:{{ arch }}", "{{arch}} is not a placeholder: write {arch}"),
            ("undefined", "\"undefined\" stands for a missing value: is the variable set?"),
            ("null", "\"null\" stands for a missing value: is the variable set?"),
            ("- r.example/a:1", "leave out \"-\" in front: write r.example/a:1"),
            ("--tag r.example/a:1", "leave out \"--tag\" in front: write r.example/a:1"),
            ("--platform=linux/amd64", "leave out \"--platform\" in front: write linux/amd64"),
            ("-t r.example/a:1", "leave out \"-t\" in front: write r.example/a:1"),
            ("-", "nothing comes after -: is the variable set?"),
            ("--tag", "nothing comes after --tag: is the variable set?"),
            ("\"r.example/a:1\"", "leave out the quotes: write r.example/a:1"),
            ("'linux/amd64", "leave out the quotes: write linux/amd64"),
            ("linux/amd64\u{201d}", "leave out the quotes: write linux/amd64"),
            ("''", "nothing is between the quotes: is the variable set?"),
            ("ghcr.io/***/app:1", "*** is what a log shows in place of a secret: write the name"),
            ("[MASKED]/app:1", "[MASKED] is what a log shows in place of a secret"),
            ("linux/amd64,", "leave out the \",\" at the end: write linux/amd64"),
            ("linux/amd64;linux/arm64", "one per line, or commas between them, not semicolons"),
            ("linux/amd64 linux/arm64", "one per line, or commas between them, not spaces"),
        ] {
            let why = cause(text).unwrap_or_default();
            assert!(why.starts_with(expected), "{text}: {why}");
        }
    }

    #[test]
    fn nothing_else_is_one() {
        for text in [
            "",
            "r.example/a:1",
            "[::1]:5000/a:1",
            "r.example/null/a:undefined-1",
            "linux/amd64",
            "windows(10.0.1)/amd64",
            "-amd64",
            "r.example/%2e%2e/x",
            "r.example/a$",
            "$5",
        ] {
            assert_eq!(cause(text), None, "{text}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "${{",
            "}}",
            "{{",
            "<<",
            ">>",
            "$(",
            ")",
            "${",
            "}",
            "$",
            "%",
            "A",
            "_",
            "arch",
            "- ",
            "\"",
            "'",
            "\u{201c}",
            "*",
            "***",
            ",",
            " ",
            "é",
            "=",
            "null",
            "undefined",
            "--",
            "\n",
            "\t",
            "`",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let text = mixed(&mut random, &pieces, 8);
            for why in [cause(&text), of_any_text(&text)].into_iter().flatten() {
                assert!(!why.is_empty() && why.len() < 300, "{text}: {why}");
            }
        }
    }
}
