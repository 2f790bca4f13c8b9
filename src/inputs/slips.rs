//! Slips in the lines of lists: quotes, dashes and brackets that YAML or a shell would take away.

use serde::de::IgnoredAny;
use std::borrow::Cow;

/// The line without the quotes round it, as the CSV reader of Docker's actions drops them; any other
/// line as it is.
pub(super) fn unquoted(line: &str) -> Cow<'_, str> {
    let inside = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    if inside.trim().is_empty() || inside.replace("\"\"", "").contains('"') {
        return Cow::Borrowed(line);
    }
    Cow::Owned(inside.replace("\"\"", "\"").trim().to_owned())
}

/// The key and the value of a line `KEY=VALUE`. Errors quote nothing: it may be a secret.
pub(crate) fn pair(line: &str) -> Result<(String, String), String> {
    let line = unquoted(line);
    if line.starts_with(['"', '\'', '`', '\u{201c}', '\u{2018}']) {
        return Err("leave out the quotes, or put them round the whole line".to_owned());
    }
    if line.starts_with(['-', '*', '\u{2022}']) {
        return Err("leave out what is in front of KEY=VALUE, such as a dash or a flag".to_owned());
    }
    let Some((key, value)) = line.split_once('=') else {
        let colon = if line.contains(": ") { ": write = between them, not a colon" } else { "" };
        return Err(format!("not KEY=VALUE{colon}"));
    };
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() {
        return Err("not KEY=VALUE: there is no key; is the variable set?".to_owned());
    }
    // A space after a level of annotations, `index: a=1`, does no harm.
    let tight = key.replace(": ", ":").replace(", ", ",");
    if tight.contains(char::is_whitespace) {
        return Err("a key cannot contain a space: only KEY=VALUE is written in a line".to_owned());
    }
    if key.contains(['"', '\'', '`']) {
        return Err("a key cannot contain quotes: leave them out".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// What is odd about a value that is taken as it is, with the part that is.
pub(crate) fn odd_value(value: &str) -> Option<&'static str> {
    let is_in = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if is_in('"') || is_in('\'') {
        Some("the quotes round its value are part of it")
    } else if value.ends_with(',') {
        Some("the comma at its end is part of the value")
    } else {
        None
    }
}

/// What to write in place of `[a, b]`, which is a list in YAML and not in JSON.
pub(crate) fn array_for(value: &str) -> Option<String> {
    let inside = value.trim().strip_prefix('[')?.strip_suffix(']')?;
    let items: Vec<&str> = inside
        .split([',', '\n'])
        .map(|item| item.trim().trim_matches(['"', '\'']))
        .filter(|item| !item.is_empty())
        .collect();
    let array = serde_json::to_string(&items).ok()?;
    let is_json = serde_json::from_str::<IgnoredAny>(value).is_ok();
    (!is_json && !items.is_empty() && !inside.contains(['[', '{', '\\']))
        .then(|| format!("not a JSON array: write {array}, or one item per line without brackets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_round_a_line_are_dropped() {
        for (line, expected) in [
            ("\"index:a=b c\"", "index:a=b c"),
            ("\"a=say \"\"x\"\"\"", "a=say \"x\""),
            ("\"a=1\",\"b=2\"", "\"a=1\",\"b=2\""),
            ("\"a\"=\"b\"", "\"a\"=\"b\""),
            ("a=\"b\"", "a=\"b\""),
            ("\"\"", "\"\""),
            ("\"", "\""),
            ("'a=b'", "'a=b'"),
        ] {
            assert_eq!(unquoted(line), expected);
        }
    }

    #[test]
    fn a_pair_or_what_to_write() {
        const QUOTES: &str = "leave out the quotes, or put them round the whole line";
        const FRONT: &str = "leave out what is in front of KEY=VALUE, such as a dash or a flag";
        const SPACE: &str = "a key cannot contain a space: only KEY=VALUE is written in a line";
        for (line, expected) in [
            ("a = b=c, d ", Ok(("a", "b=c, d"))),
            ("\"a=b\"", Ok(("a", "b"))),
            ("a=\"b\"", Ok(("a", "\"b\""))),
            ("index: a=1", Ok(("index: a", "1"))),
            ("index, manifest:a=1", Ok(("index, manifest:a", "1"))),
            ("a=", Ok(("a", ""))),
            ("\"a=b", Err(QUOTES)),
            ("'a=b'", Err(QUOTES)),
            ("\"a=1\",\"b=2\"", Err(QUOTES)),
            ("- a=b", Err(FRONT)),
            ("--annotation a=b", Err(FRONT)),
            ("--annotation=a=b", Err(FRONT)),
            ("* a=b", Err(FRONT)),
            ("LABEL a=b", Err(SPACE)),
            ("a\"=b", Err("a key cannot contain quotes: leave them out")),
            ("a: b", Err("not KEY=VALUE: write = between them, not a colon")),
            ("a", Err("not KEY=VALUE")),
            ("=b", Err("not KEY=VALUE: there is no key; is the variable set?")),
        ] {
            let expected = expected
                .map(|(key, value): (&str, &str)| (key.to_owned(), value.to_owned()))
                .map_err(str::to_owned);
            assert_eq!(pair(line), expected, "{line}");
        }
    }

    #[test]
    fn values_that_are_odd() {
        for (value, expected) in [
            ("\"My App\"", Some("the quotes round its value are part of it")),
            ("'x'", Some("the quotes round its value are part of it")),
            ("1,", Some("the comma at its end is part of the value")),
            ("\"", None),
            ("a, b", None),
            ("a \"b\"", None),
            ("", None),
        ] {
            assert_eq!(odd_value(value), expected, "{value}");
        }
    }

    #[test]
    fn a_list_of_yaml_as_json() {
        const LINES: &str = "or one item per line without brackets";
        for (value, array) in [
            ("[linux/amd64, linux/arm64]", "[\"linux/amd64\",\"linux/arm64\"]"),
            ("['a', 'b']", "[\"a\",\"b\"]"),
            ("[\"a\", \"b\",]", "[\"a\",\"b\"]"),
            ("[\n  a,\n  b\n]", "[\"a\",\"b\"]"),
        ] {
            let expected = format!("not a JSON array: write {array}, {LINES}");
            assert_eq!(array_for(value), Some(expected), "{value}");
        }
        for value in ["[]", "[a", "[[a]]", "[1]", "[{\"a\": 1}]", "a"] {
            assert_eq!(array_for(value), None, "{value}");
        }
    }
}
