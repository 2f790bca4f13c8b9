//! What a text means: items by lines, commas or JSON, pairs, switches, durations.

use super::slips;
use crate::oci::json;
use serde::de::{DeserializeOwned, Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::Ipv6Addr;
use std::time::Duration;

/// One item and its line, from 1; items of JSON count as lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Line in the input.
    pub(crate) line: usize,
    /// The text, trimmed, never empty.
    pub(crate) text: String,
}

/// Items of one list at most: an index has 256 entries, and each item is held against all others.
pub(crate) const MOST_ITEMS: usize = 2000;

/// The items of a list. `commas`: whether a comma separates as a line end does.
/// An error says why text that looks like JSON is not JSON, or that there are too many.
pub(crate) fn items(value: &str, commas: bool) -> Result<Vec<Item>, String> {
    let items = if is_array(value) { json_items(value)? } else { text_items(value, commas) };
    match items.len() {
        count if count > MOST_ITEMS => Err(format!("has {count} items; the limit is {MOST_ITEMS}")),
        _ => Ok(items),
    }
}

fn text_items(value: &str, commas: bool) -> Vec<Item> {
    let lines = value
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with('#'));
    let pieces = lines.flat_map(|(line, text)| {
        let pieces: Vec<Cow<'_, str>> = if commas {
            text.split(',').map(|piece| Cow::Borrowed(piece.trim())).collect()
        } else {
            vec![slips::unquoted(text)]
        };
        pieces.into_iter().map(move |piece| (line, piece))
    });
    pieces
        .filter(|(_, text)| !text.is_empty())
        .map(|(line, text)| Item { line, text: text.into_owned() })
        .collect()
}

/// Whether the text is meant as a JSON array; `[fe80::1]:5000/acme/app` is a reference.
pub(crate) fn is_array(value: &str) -> bool {
    let Some(inner) = value.trim_start().strip_prefix('[') else { return false };
    inner.split_once(']').is_none_or(|(address, _)| address.parse::<Ipv6Addr>().is_err())
}

/// Whether the text is meant as a JSON object.
pub(crate) fn is_object(value: &str) -> bool {
    value.trim_start().starts_with('{')
}

/// The members of a JSON object in their order; a key that is given twice is kept twice.
pub(crate) fn object<T: DeserializeOwned>(
    value: &str,
) -> Result<Vec<(String, T)>, serde_json::Error> {
    struct Members<T>(PhantomData<T>);
    impl<'de, T: DeserializeOwned> Visitor<'de> for Members<T> {
        type Value = Vec<(String, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(value);
    let members = reader.deserialize_map(Members(PhantomData))?;
    reader.end().map(|()| members)
}

/// A line of a list of pairs, and its key and value, or what is wrong with it.
pub(crate) type Pair = (usize, Result<(String, String), String>);

/// `KEY=VALUE` pairs: lines, a JSON array of such strings, or a JSON object.
pub(crate) fn pairs(value: &str) -> Result<Vec<Pair>, String> {
    if is_object(value) {
        let members = object::<Value>(value)
            .map_err(|error| format!("not a JSON object of strings ({})", json::place(&error)))?;
        let pairs = members.into_iter().enumerate().map(|(at, (key, value))| match value {
            _ if key.trim().is_empty() => (at + 1, Err("a key is empty".to_owned())),
            Value::String(text) => (at + 1, Ok((key, text))),
            _ => (at + 1, Err(format!("the value of {key:?} must be a string"))),
        });
        return Ok(pairs.collect());
    }
    let items = items(value, false)?.into_iter();
    let pairs = items.map(|item| (item.line, slips::pair(&item.text)));
    Ok(pairs.collect())
}

/// A warning for each line that may be meant as several items: `parts` tells of what stands before
/// and after a comma whether it parts two. JSON says itself where an item ends.
pub(crate) fn crowded(
    input: &str,
    value: &str,
    what: &str,
    parts: fn(&str, &str) -> bool,
) -> Vec<String> {
    if is_array(value) || is_object(value) {
        return Vec::new();
    }
    let lines = items(value, false).unwrap_or_default().into_iter();
    let crowded = lines.filter(|item| {
        item.text
            .match_indices(',')
            .any(|(at, _)| parts(&item.text[..at], item.text[at + 1..].trim()))
    });
    crowded
        .map(|item| {
            format!(
                "{input}, line {}: read as one value including the commas; put each {what} on its own line",
                item.line
            )
        })
        .collect()
}

/// Whether a pair stands before a comma and another one begins after it, with what may stand in
/// front of an annotation's key. `index,manifest:a=1` is one.
pub(crate) fn parts_pairs(before: &str, after: &str) -> bool {
    let is_key = |key: &str| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:[]".contains(&b))
    };
    before.contains('=') && after.split_once('=').is_some_and(|(key, _)| is_key(key.trim_end()))
}

fn json_items(value: &str) -> Result<Vec<Item>, String> {
    let values: Vec<Value> = serde_json::from_str(value)
        .map_err(|error| format!("not a JSON array of strings ({})", json::place(&error)))?;
    let mut items = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        match value {
            Value::String(text) if !text.trim().is_empty() => {
                items.push(Item { line: at + 1, text: text.trim().to_owned() });
            }
            _ => {
                return Err(format!(
                    "item {} of the JSON array must be a non-empty string",
                    at + 1
                ));
            }
        }
    }
    Ok(items)
}

/// Yes or no.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("must be true or false, not {text:?}")),
    }
}

/// A wait of months is a mistake, and would overflow clocks.
const LONGEST_DURATION: Duration = Duration::from_secs(7 * 24 * 3600);

/// A duration: `90s`, `10m`, `1h30m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    let parsed = seconds.or_else(|| humantime::parse_duration(text).ok());
    let duration =
        parsed.ok_or_else(|| format!("{text:?} is not a duration: write 90s, 10m or 1h30m"))?;
    if duration > LONGEST_DURATION {
        Err(format!("{text:?} is longer than a week"))
    } else {
        Ok(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    fn texts(value: &str, commas: bool) -> Vec<(usize, String)> {
        items(value, commas).unwrap().into_iter().map(|item| (item.line, item.text)).collect()
    }

    #[test]
    fn lines_commas_json() {
        let two = vec![(1, "a".to_owned()), (2, "b".to_owned())];
        assert_eq!(texts("a\r\n b ", true), two);
        assert_eq!(texts("[\"a\", \" b\"]", true), two);
        assert_eq!(texts("a, b,", true), vec![(1, "a".to_owned()), (1, "b".to_owned())]);
        assert_eq!(texts("# c, d\n\n a", true), vec![(3, "a".to_owned())]);
        assert_eq!(texts("k=a,b", false), vec![(1, "k=a,b".to_owned())]);
        for address in ["[::1]:5000/a:b", "[fe80::1]:5000/a:b", "[2001:db8::5]/a:b"] {
            assert_eq!(texts(address, true), vec![(1, address.to_owned())]);
        }
        for bad in ["[1]", "[\"\"]", "[[\"a\"]]", "[\"a\""] {
            assert!(items(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn key_value_pairs() {
        let expected = vec![(1, Ok(("a".to_owned(), "b=c,d".to_owned())))];
        for value in ["a=b=c,d", "a = b=c,d", r#"{"a": "b=c,d"}"#, r#"["a=b=c,d"]"#] {
            assert_eq!(pairs(value).unwrap(), expected, "{value}");
        }
        for bad in ["a", "=b", r#"{"a": 1}"#, r#"{" ": "b"}"#] {
            assert!(pairs(bad).unwrap()[0].1.is_err(), "{bad}");
        }
        assert!(pairs(r#"{"a""#).is_err());
        // A map would keep the last one only, and nobody could tell.
        assert_eq!(pairs(r#"{"a": "1", "a": "2"}"#).unwrap().len(), 2);
    }

    #[test]
    fn a_line_that_looks_like_several_is_told() {
        for (value, expected) in [
            ("a=1,b=2", 1),
            ("a=1, b.c/d-e = 2, f=3", 1),
            ("# no\na=1,manifest-descriptor[linux/arm64]:b=2\nc=3", 1),
            ("a=1,index:b=2\nc=3,d=4", 2),
            ("a=x,y", 0),
            ("index,manifest:a=1", 0),
            ("a=x, and y=z", 0),
            ("a=1\nb=2", 0),
            (r#"{"a": "1,b=2"}"#, 0),
            (r#"["a=1,b=2"]"#, 0),
        ] {
            assert_eq!(
                crowded("annotations", value, "KEY=VALUE", parts_pairs).len(),
                expected,
                "{value}"
            );
        }
        assert_eq!(
            crowded("annotations", "a=1\nb=2,c=3", "KEY=VALUE", parts_pairs),
            [
                "annotations, line 2: read as one value including the commas; put each KEY=VALUE on its own line"
            ]
        );
    }

    #[test]
    fn switches_and_durations() {
        for text in ["true", "Yes", "ON", "1"] {
            assert_eq!(switch(text), Ok(true));
        }
        for text in ["false", "no", "Off", "0"] {
            assert_eq!(switch(text), Ok(false));
        }
        assert!(switch("maybe").is_err());
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("45", 45), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "x", "-1", "99999999", "1y", "10 parsecs", "9999999999999h", "1.5"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "a",
            "=",
            ",",
            "\n",
            "\r\n",
            "#",
            "[",
            "]",
            "{",
            "}",
            "\"",
            "\"\"",
            "'",
            ":",
            "::1",
            " ",
            "\t",
            "é",
            "- ",
            "1",
            "h",
            "m",
            "99999999999999999999",
            "null",
            "\\",
            "\u{2028}",
            "true",
            "https://",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let text = mixed(&mut random, &pieces, 10);
            let lines = text.lines().count().max(text.len());
            for commas in [false, true] {
                for item in items(&text, commas).unwrap_or_default() {
                    assert!((1..=lines).contains(&item.line), "{text}");
                    assert!(
                        !item.text.trim().is_empty() && item.text.trim() == item.text,
                        "{text}"
                    );
                }
            }
            for (line, pair) in pairs(&text).unwrap_or_default() {
                let no_key = pair.is_ok_and(|(key, _)| key.trim().is_empty());
                assert!(line > 0 && !no_key, "{text}");
            }
            crowded("x", &text, "pair", parts_pairs);
            let _ = switch(&text);
            if let Ok(duration) = duration(&text) {
                assert!(duration <= LONGEST_DURATION, "{text}");
            }
            slips::array_for(&text);
            slips::odd_value(&text);
        }
    }
}
