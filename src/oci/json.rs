//! JSON as we read and write it: no keys that two readers read differently, bounded nesting, Go's
//! escapes.
//!
//! By hand, because `serde_json` accepts duplicate keys and does not write Go's escapes.

use super::fields::{ANY, Fields};
use super::{Invalid, LONGEST_SHOWN, shown};
use serde::Deserialize;
use serde::Serialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{self, Write};

/// An index of 256 entries with twenty annotations each has half of it. A document with more is
/// meant to fill memory.
const MOST_VALUES: usize = 20_000;
/// Values of fields that the specs do not name: known tools write none, or a few.
const MOST_ODD: usize = 1_000;
/// Bytes of memory that a value takes, about: a short annotation with both its texts.
const WEIGHT: usize = 128;
/// Bytes more of a value that is kept as it is: a small object has a table of its own.
const WEIGHT_IF_ODD: usize = 1_024;

/// Reads a document with these fields, and any others. Rejects what two readers could see as two
/// documents (duplicate keys, keys that differ from a field by case), more than 128 levels
/// (`serde_json`'s limit), more than 20 000 values or 1 000 in unknown fields, and text after the
/// end.
pub(crate) fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    fields: &'static Fields,
) -> Result<T, Invalid> {
    weighed(bytes, fields).map(|(document, _)| document)
}

/// The same, with the bytes of memory that it takes when it is parsed, about.
pub(crate) fn weighed<T: DeserializeOwned>(
    bytes: &[u8],
    fields: &'static Fields,
) -> Result<(T, usize), Invalid> {
    let invalid = |error: serde_json::Error| {
        Invalid::new(format!("not valid JSON of the expected shape: {}", told(&error)))
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let counts = Counts::default();
    let walk = Walk { counts: &counts, fields, is_odd: false };
    walk.deserialize(&mut reader).and_then(|()| reader.end()).map_err(invalid)?;
    let weight = counts.all.get() * WEIGHT + counts.odd.get() * WEIGHT_IF_ODD;
    Ok((serde_json::from_slice(bytes).map_err(invalid)?, bytes.len() + weight))
}

/// For optional fields: `null` is absent, as Go reads it.
pub(crate) fn or_absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// For maps of texts, and the texts in them.
pub(super) fn or_absent_texts<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let texts = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?;
    let texts = texts.unwrap_or_default().into_iter();
    Ok(texts.map(|(key, text)| (key, text.unwrap_or_default())).collect())
}

/// Why a document cannot be read. Errors of serde quote the values that are wrong, however long.
pub(crate) fn told(error: &serde_json::Error) -> String {
    use fmt::Write as _;
    let mut short = Short(String::new());
    if write!(short, "{error}").is_ok() {
        return short.0;
    }
    let at = if error.line() > 0 { format!(" at {}", place(error)) } else { String::new() };
    format!("a value of another type than expected{at}")
}

/// Takes no more than is shown: to copy what is not would take as much memory again.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST_SHOWN {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Where JSON is invalid, without quoting it: it may contain secrets.
pub(crate) fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Walks a document without keeping it, counting its values.
#[derive(Clone, Copy)]
struct Walk<'a> {
    counts: &'a Counts,
    /// Of the object that comes, or of those in the array that comes.
    fields: &'static Fields,
    /// Whether it is below a field that the specs do not name.
    is_odd: bool,
}

#[derive(Default)]
struct Counts {
    all: Cell<usize>,
    odd: Cell<usize>,
}

impl Walk<'_> {
    fn count(&self) -> Result<(), String> {
        let Counts { all, odd } = self.counts;
        all.set(all.get() + 1);
        odd.set(odd.get() + usize::from(self.is_odd));
        if all.get() > MOST_VALUES {
            return Err(format!("more than {MOST_VALUES} values"));
        }
        if odd.get() > MOST_ODD {
            return Err(format!(
                "more than {MOST_ODD} values in fields that the specs do not name"
            ));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.count().map_err(D::Error::custom)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if seen.contains(&key) {
                let key = shown(&key);
                return Err(A::Error::custom(format!(
                    "key \"{key}\" is given twice in one object"
                )));
            }
            let known = self.fields.under(&key).map_err(A::Error::custom)?;
            seen.insert(key);
            let (fields, is_odd) = (known.unwrap_or(&ANY), self.is_odd || known.is_none());
            pairs.next_value_seed(Self { fields, is_odd, ..self })?;
        }
        Ok(())
    }
}

/// Writes as Go's `json.MarshalIndent(value, "", "  ")` does: two spaces, `<>&` and the line
/// separators escaped, no final newline. So other tools write the same bytes for the same index.
pub(crate) fn pretty<T: Serialize>(value: &T) -> Result<Vec<u8>, Invalid> {
    write(value, Go(PrettyFormatter::new()))
}

/// Writes on one line, with the same escapes.
pub(crate) fn compact<T: Serialize>(value: &T) -> Result<Vec<u8>, Invalid> {
    write(value, Go(CompactFormatter))
}

fn write<T: Serialize, F: Formatter>(value: &T, formatter: F) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::new();
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
        .map_err(|error| Invalid::new(format!("cannot write JSON: {error}")))?;
    Ok(bytes)
}

/// A formatter that adds Go's escapes in strings.
struct Go<F>(F);

macro_rules! delegate {
    ($($name:ident($($argument:ident: $type:ty),*)),* $(,)?) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Go<F> {
    delegate!(
        begin_array(), end_array(), begin_array_value(first: bool), end_array_value(),
        begin_object(), end_object(), begin_object_key(first: bool), end_object_key(), begin_object_value(), end_object_value(),
    );

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let Some(character) = special.chars().next() else { break };
            write!(writer, "\\u{:04x}", u32::from(character))?;
            rest = &special[character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::fields::MANIFEST;
    use serde_json::{Value, json};

    #[test]
    fn escapes_as_go_does() {
        let value =
            json!({"a": "<b> & \"c\" \u{2028}\u{1}\n\u{7f}é", "list": [], "object": {"x": [1]}});
        assert_eq!(
            String::from_utf8(pretty(&value).unwrap()).unwrap(),
            "{\n  \"a\": \"\\u003cb\\u003e \\u0026 \\\"c\\\" \\u2028\\u0001\\n\u{7f}é\",\n  \"list\": [],\n  \"object\": {\n    \"x\": [\n      1\n    ]\n  }\n}"
        );
        assert_eq!(
            String::from_utf8(compact(&json!({"a": [1, "<"]})).unwrap()).unwrap(),
            "{\"a\":[1,\"\\u003c\"]}"
        );
    }

    fn read(bytes: &[u8]) -> Result<Value, Invalid> {
        parse(bytes, &ANY)
    }

    #[test]
    fn a_field_by_another_name_is_refused_wherever_it_stands() {
        for (body, is_refused) in [
            (r#"{"manifests":[{"digest":"a"}]}"#, false),
            (r#"{"manifests":[{"digest":"a","Digest":"b"}]}"#, true),
            (r#"{"manifests":[{"platform":{"OS":"b"}}]}"#, true),
            (r#"{"layers":[{"\u0053ize":1}]}"#, true),
            (r#"{"Manifests":[]}"#, true),
            (r#"{"manifests":[{"annotations":{"Digest":"b","digest":"c"}}]}"#, false),
            (r#"{"annotations":{"Manifests":"b"}}"#, false),
            (r#"{"other":[{"Digest":"b"}]}"#, false),
        ] {
            let read = parse::<Value>(body.as_bytes(), &MANIFEST);
            assert_eq!(read.is_err(), is_refused, "{body}: {read:?}");
        }
    }

    #[test]
    fn what_known_tools_do_not_write_is_bounded_more() {
        let entry = |values: &str| {
            format!(r#"{{"manifests":[{{"annotations":{{"a":"b"}},"x":[{values}]}}]}}"#)
        };
        let zeros = |count: usize| vec!["0"; count].join(",");
        let read = |values: usize| {
            weighed::<Value>(entry(&zeros(values)).as_bytes(), &MANIFEST).map(|(_, weight)| weight)
        };
        assert!(read(998).is_ok() && read(1_000).is_err(), "the list itself is one");
        assert!(read(900).unwrap() > read(1).unwrap() + 900 * 1_000);
    }

    #[test]
    fn refuses_ambiguous_or_bottomless_documents() {
        assert!(read(br#"{"a":1,"b":{"c":1,"c":2}}"#).is_err());
        assert!(read(br#"{"a":1} x"#).is_err());
        assert!(read(&b"[".repeat(4 << 20)).is_err());
        assert!(read(format!("[{}0]", "0,".repeat(19_998)).as_bytes()).is_ok());
        assert!(read(format!("[{}0]", "0,".repeat(19_999)).as_bytes()).is_err());
        assert!(read(&[b"[".repeat(200), b"]".repeat(200)].concat()).is_err());
        assert_eq!(
            read(br#"{"a":[1,-2,3.5,"x",null,true]}"#).unwrap(),
            json!({"a":[1,-2,3.5,"x",null,true]})
        );
    }
}
