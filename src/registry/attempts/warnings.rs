//! What a registry warns its clients of: `Warning: 299 - "…"` (distribution spec, "Warnings").

use crate::registry::http::Answer;
use crate::secret::Secrets;
use crate::text::one_line;

/// Bytes of a header that are read (the spec's own limit), and characters that are shown.
const LONGEST_READ: usize = 4096;
const LONGEST_SHOWN: usize = 300;
/// Warnings of one answer that are shown.
const MOST: usize = 3;

/// The warnings of an answer, on one line and without secrets.
pub(super) fn of(answer: &Answer, secrets: &Secrets) -> Option<String> {
    let headers = answer.headers.get_all("warning").iter();
    let texts = headers.filter_map(|value| text(value.to_str().ok()?)).take(MOST);
    let shown = texts.map(|text| {
        // Before it is cut: half a secret would not be known again.
        secrets.redact(&one_line(&text)).chars().take(LONGEST_SHOWN).collect::<String>()
    });
    let shown: Vec<String> = shown.filter(|text| !text.is_empty()).collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// The text of a warning as the spec has it; other codes are for caches.
fn text(header: &str) -> Option<String> {
    let quoted = header.get(..header.len().min(LONGEST_READ))?.trim().strip_prefix("299 - \"")?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some(text),
            '\\' => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    // One that is cut is shown as far as it was read.
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reqwest::header::{HeaderMap, HeaderValue};

    fn warned(headers: &[&str]) -> Option<String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append("warning", HeaderValue::from_bytes(header.as_bytes()).unwrap());
        }
        let from = "http://r.example/".parse().unwrap();
        let secrets = Secrets::default();
        secrets.keep("hunter2-canary");
        of(&Answer::new(200, map, Bytes::new(), from), &secrets)
    }

    #[test]
    fn warnings_by_table() {
        for (headers, expected) in [
            (&[][..], None),
            (&[r#"299 - "old""#], Some("old")),
            (&[r#"299 - "a \"b\" \\""#], Some(r#"a "b" \"#)),
            (&[r#"299 - "one""#, r#"299 - "two""#], Some("one; two")),
            (&["299 - \"a\t b\""], Some("a b")),
            (&[r#"299 - "of hunter2-canary""#], Some("of ***")),
            (&[r#"299 - "no end"#], Some("no end")),
            // Not for people, or nothing.
            (&[r#"110 - "stale""#], None),
            (&[r#"299 r.example "old""#], None),
            (&["299 - old"], None),
            (&[r#"299 - """#], None),
            (&["é"], None),
        ] {
            assert_eq!(warned(headers).as_deref(), expected, "{headers:?}");
        }
        let long = format!("299 - \"{}\"", "x".repeat(9000));
        assert_eq!(warned(&[long.as_str(); 9]).unwrap().len(), 3 * LONGEST_SHOWN + 4);
    }
}
