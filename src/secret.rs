//! Secrets: a type that cannot be printed, and the list of all of them that every written line is
//! held against.
//!
//! The type is what keeps secrets out of our own messages. The list is for text that is not ours: a
//! registry may quote a password or a token in its answer.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use url::form_urlencoded::byte_serialize;

/// Shorter values would blacken ordinary words, and CI systems refuse to mask them.
const SHORTEST: usize = 6;

static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A password or token. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value and remembers it for [`redact`].
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        let mut known = known();
        for line in value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST) {
            for spelling in spellings(line) {
                if !known.contains(&spelling) {
                    known.push(spelling);
                }
            }
        }
        Self(value)
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// As it is, as JSON and our own messages quote it, and as a form sends it.
fn spellings(secret: &str) -> [String; 3] {
    let quoted = format!("{secret:?}");
    let quoted = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned();
    [secret.to_owned(), quoted, byte_serialize(secret.as_bytes()).collect()]
}

/// The secrets that became known after the first `seen` ones, for the CI system's own masking.
pub fn known_after(seen: usize) -> Vec<String> {
    known().get(seen..).map(<[String]>::to_vec).unwrap_or_default()
}

/// `text` with every known secret replaced by `***`.
pub fn redact(text: &str) -> Cow<'_, str> {
    let known = known();
    let mut redacted = Cow::Borrowed(text);
    // Longest first: a secret may be a part of another one.
    let mut hits: Vec<&String> =
        known.iter().filter(|secret| text.contains(secret.as_str())).collect();
    hits.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in hits {
        redacted = Cow::Owned(redacted.replace(secret.as_str(), "***"));
    }
    redacted
}

fn known() -> MutexGuard<'static, Vec<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secret = Secret::new("canary-password");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(redact("denied: canary-password is wrong"), "denied: *** is wrong");
        assert_eq!(redact("nothing here"), "nothing here");
        let longer = Secret::new("canary-password-2");
        assert_eq!(redact(longer.expose()), "***");
        Secret::new("canary\"\\/+x");
        for text in [r#"canary"\/+x"#, r#"canary\"\\/+x"#, "canary%22%5C%2F%2Bx"] {
            assert_eq!(redact(text), "***", "{text}");
        }
        Secret::new("abc");
        assert_eq!(redact("abc"), "abc");
    }
}
