//! What a server says of a request that failed, whatever form it has.

use crate::secret::Secrets;
use crate::text::escape::visible;
use crate::text::one_line;
use serde_json::Value;

/// Characters of a registry's own words that are shown at most.
const LONGEST: usize = 500;
/// Errors of one document whose words are shown: they mostly say the same of other blobs.
const MOST_ENTRIES: usize = 5;
const LONGEST_CODE: usize = 64;

/// A registry's error document (distribution spec, "Error Codes"), or what came in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// Of its first error: `DENIED`, `MANIFEST_UNKNOWN`, …; empty when the answer was no such
    /// document.
    pub code: String,
    /// The words of its errors, on one line of about 500 characters at most. Errors after the first
    /// have their code in front where it is another one.
    pub message: String,
}

/// One error of a document.
struct Entry {
    code: String,
    words: String,
}

impl Said {
    /// Reads the body of a failed answer, whatever it is: the error document, other JSON, HTML,
    /// nothing.
    pub fn parse(body: &[u8], secrets: &Secrets) -> Option<Self> {
        // Before it is cut and quoted: half a secret, or one in another spelling, would not be
        // known again.
        let line = |text: &str| visible(&one_line(&secrets.redact(text))).into_owned();
        let text = String::from_utf8_lossy(body);
        if text.trim().is_empty() {
            return None;
        }
        let Ok(document) = serde_json::from_slice::<Value>(body) else {
            let is_page = text.trim_start().starts_with('<');
            let message = || first(&line(&text), LONGEST);
            return (!is_page).then(|| Self { code: String::new(), message: message() });
        };
        let entries = entries(&document);
        let longest = LONGEST / entries.len().clamp(1, MOST_ENTRIES);
        let mut said = Self::default();
        let mut told: Vec<String> = Vec::new();
        for (at, entry) in entries.iter().take(MOST_ENTRIES).map(Entry::of).enumerate() {
            let (code, words) = (line(&entry.code), line(&entry.words));
            if at == 0 {
                said.code.clone_from(&code);
            }
            let parts = [if code == said.code { String::new() } else { code }, words];
            let words = joined(parts.into_iter());
            // Three errors without a word more than their code are one.
            if !words.is_empty() && !told.contains(&words) {
                told.push(first(&words, longest));
            }
        }
        if let Some(more) = entries.len().checked_sub(MOST_ENTRIES).filter(|more| *more > 0) {
            told.push(format!("and {more} more"));
        }
        said.message = told.join("; ");
        Some(said)
    }
}

/// The errors of a document, which is its own only one if it has no others.
fn entries(document: &Value) -> Vec<&Value> {
    match document.get("errors").or_else(|| document.get("error")) {
        Some(Value::Array(errors)) if !errors.is_empty() => errors.iter().collect(),
        Some(error @ Value::Object(_)) => vec![error],
        _ => vec![document],
    }
}

impl Entry {
    fn of(error: &&Value) -> Self {
        let text = |name: &str| error.get(name).map(words).unwrap_or_default();
        let message = ["message", "details", "error_description", "error", "title"]
            .into_iter()
            .map(text)
            .find(|text| !text.is_empty())
            .or_else(|| error.as_str().map(str::to_owned))
            .unwrap_or_default();
        // `detail` is any JSON; some registries put the one useful sentence there.
        let detail = Some(text("detail")).filter(|detail| *detail != message).unwrap_or_default();
        // What is no word is no code.
        let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
        let is_code = code.len() <= LONGEST_CODE
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let (code, odd) = if is_code { (code, "") } else { ("", code) };
        let words = joined([odd.to_owned(), message, detail].into_iter());
        Self { code: code.to_owned(), words }
    }
}

/// The words in any JSON, with the keys of objects in front of their values.
fn words(value: &Value) -> String {
    let list = |parts: &mut dyn Iterator<Item = String>| {
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    };
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(values) => list(&mut values.iter().map(words)),
        Value::Object(fields) => list(&mut fields.iter().filter_map(|(key, value)| {
            Some(words(value))
                .filter(|words| !words.is_empty())
                .map(|words| format!("{key} {words}"))
        })),
    }
}

/// What of these is not empty, each with what explains it after a colon.
fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, spoilt};

    fn said(body: &str) -> Option<(String, String)> {
        let said = Said::parse(body.as_bytes(), &Secrets::default());
        said.map(|said| (said.code, said.message))
    }

    #[test]
    fn reads_whatever_a_registry_says() {
        for (body, code, message) in [
            (r#"{"errors":[{"code":"DENIED","message":"no","detail":null}]}"#, "DENIED", "no"),
            (
                r#"{"errors":[{"code":"A","message":"no","detail":"immutable"}]}"#,
                "A",
                "no: immutable",
            ),
            (
                r#"{"details":"incorrect username or password"}"#,
                "",
                "incorrect username or password",
            ),
            ("toomanyrequests", "", "toomanyrequests"),
            ("too\nmany\n\trequests\u{2028}now", "", "too many requests now"),
            (r#"{"errors":[]}"#, "", ""),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, "", "expired"),
            // Several errors, of which the last may be the one that tells.
            (
                r#"{"errors":[{"code":"A","message":"one"},{"code":"B","message":"two"}]}"#,
                "A",
                "one; B: two",
            ),
            (r#"{"errors":[{"code":"A"},{"code":"A"},{"code":"B"}]}"#, "A", "B"),
            (r#"{"errors":[{"code":"A","message":"x"},{"code":"A","message":"x"}]}"#, "A", "x"),
            // An object as detail; an empty message; a detail that says nothing more.
            (
                r#"{"errors":[{"code":"A","message":"","detail":{"digest":"sha256:1","of":[1,null]}}]}"#,
                "A",
                "digest sha256:1, of 1",
            ),
            (r#"{"errors":[{"code":"A","message":"no","detail":{}}]}"#, "A", "no"),
            (r#"{"errors":[{"code":"A","message":"no","detail":"no"}]}"#, "A", "no"),
            // Other forms.
            (r#"{"errors":["no"]}"#, "", "no"),
            (r#"{"errors":{"code":"A","message":"no"}}"#, "A", "no"),
            (r#"{"error":{"code":"A","message":"no"}}"#, "A", "no"),
            (r#"{"title":"Forbidden","detail":"no"}"#, "", "Forbidden: no"),
            (r#"{"errors":[{"code":404,"message":{"en":"no"}}]}"#, "", "en no"),
            (r#"{"errors":[{"code":"not a\ncode","message":"no"}]}"#, "", "not a code: no"),
        ] {
            assert_eq!(said(body), Some((code.to_owned(), message.to_owned())), "{body}");
        }
        assert_eq!(said("<html>gateway</html>"), None);
        assert_eq!(said(" \n"), None);
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(said(&"x".repeat(9000)).unwrap().1.len(), 500);
        let error = |at: usize| format!(r#"{{"code":"A","message":"{at}{}"}}"#, "é".repeat(9000));
        let errors: Vec<String> = (0..900).map(error).collect();
        let (code, message) = said(&format!(r#"{{"errors":[{}]}}"#, errors.join(","))).unwrap();
        assert_eq!((code.as_str(), message.chars().count()), ("A", 522), "{message}");
        assert!(message.starts_with("0é") && message.ends_with("; and 895 more"), "{message}");
        let deep = format!(r#"{{"errors":[{{"detail":{}1{}}}]}}"#, "[".repeat(90), "]".repeat(90));
        assert_eq!(said(&deep), Some((String::new(), "1".to_owned())));
    }

    /// A secret that a document has in a detail, in any spelling that is known, is not shown.
    #[test]
    fn no_secret_is_shown() {
        let secrets = Secrets::default();
        secrets.keep("hunter2-canary".to_owned());
        for body in [
            r#"{"errors":[{"code":"A","message":"x"},{"code":"B","detail":{"login":"hunter2-canary"}}]}"#,
            r#"{"errors":[{"code":"hunter2-canary","message":"x"}]}"#,
            r#"{"errors":[{"detail":[{"hunter2-canary":1}]}]}"#,
        ] {
            let said = Said::parse(body.as_bytes(), &secrets).unwrap();
            assert!(!format!("{said:?}").contains("canary"), "{said:?}");
        }
    }

    /// One line of bounded length without control characters and secrets, whatever it is.
    #[test]
    fn survives_any_document() {
        const SECRET: &str = "hunter2\"\\canary";
        let secrets = Secrets::default();
        secrets.keep(SECRET);
        let error = serde_json::json!({
            "code": "DENIED", "message": format!("no {SECRET}"),
            "detail": {SECRET: [SECRET, {"a": "\u{1b}[2J\n"}]}, "error_description": "x",
        });
        let documents = [
            serde_json::json!({"errors": [error, error, {"code": SECRET}, "words", null, 1, error]}),
            serde_json::json!({"error": error, "details": "x", "title": "y"}),
            serde_json::json!({"error": "x", "error_description": SECRET}),
            serde_json::json!([error]),
            serde_json::json!(format!("only words\u{202e}\u{7} {SECRET}")),
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..1_000 {
            let document = chosen(&mut random, &documents);
            let body = spoilt(&mut random, document, 12);
            let Some(Said { code, message }) = Said::parse(&body, &secrets) else { continue };
            let shown = String::from_utf8_lossy(&body);
            assert!(code.len() <= LONGEST_CODE && message.chars().count() <= 600, "{shown}");
            assert!(!code.contains(char::is_control), "{code:?} {shown}");
            assert!(!message.contains(char::is_control), "{message:?} {shown}");
            for spelling in [SECRET, "hunter2\\\"\\\\canary"] {
                assert!(!message.contains(spelling) && !code.contains(spelling), "{shown}");
            }
        }
    }

    /// What may be the beginning of many a spelling. Were each look at a character to read what is
    /// left, or to find as many spellings as there are backslashes, this would take hours.
    #[test]
    fn the_worst_is_read_in_time() {
        let secrets = Secrets::default();
        for secret in ["\\\\server", "&&&&&&", "%%%%%%", "canary-password"] {
            secrets.keep(secret);
        }
        for piece in
            ["\\", "&", "&amp;", "%25", "%", "\\u{", "\\u005c", "&#38;", "&#", "[", "é", "canary-"]
        {
            for (open, close) in [("", ""), ("\"", "\"")] {
                let body = format!("{open}{}{close}", piece.repeat(600 / piece.len()));
                let said = Said::parse(body.as_bytes(), &secrets).unwrap();
                assert!(said.message.len() <= 1000, "{piece}");
            }
        }
    }
}
