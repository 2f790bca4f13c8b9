//! Secrets: a type that cannot be printed, and the list of a run's secrets that every written line
//! is held against.
//!
//! The type is what keeps secrets out of our own messages. The list is for text that is not ours: a
//! registry may quote a password or a token in its answer.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use url::form_urlencoded::byte_serialize;

/// Shorter values would blacken ordinary words, and CI systems refuse to mask them.
const SHORTEST: usize = 6;

/// A password or token. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
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

/// The secrets of a run. Clones share one list.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Vec<String>>>);

impl Secrets {
    /// Takes a value and remembers it for [`Secrets::redact`], in every spelling.
    pub fn keep(&self, value: impl Into<String>) -> Secret {
        let value = value.into();
        let mut known = self.known();
        for line in value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST) {
            for spelling in spellings(line) {
                if !known.contains(&spelling) {
                    known.push(spelling);
                }
            }
        }
        Secret(value)
    }

    /// The secrets that became known after the first `seen` ones, for the CI system's own masking.
    pub fn known_after(&self, seen: usize) -> Vec<String> {
        self.known().get(seen..).map(<[String]>::to_vec).unwrap_or_default()
    }

    /// `text` with every known secret replaced by `***`.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let known = self.known();
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

    fn known(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.known().len())
    }
}

/// As it is, as JSON and our own messages quote it, and as a form sends it.
fn spellings(secret: &str) -> [String; 3] {
    let quoted = format!("{secret:?}");
    let quoted = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned();
    [secret.to_owned(), quoted, byte_serialize(secret.as_bytes()).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secrets = Secrets::default();
        let secret = secrets.keep("canary-password");
        assert_eq!(format!("{secret:?} {secrets:?}"), "*** 1 secrets");
        assert_eq!(secrets.redact("denied: canary-password is wrong"), "denied: *** is wrong");
        assert_eq!(secrets.redact("nothing here"), "nothing here");
        let longer = secrets.keep("canary-password-2");
        assert_eq!(secrets.redact(longer.expose()), "***");
        secrets.keep("canary\"\\/+x");
        for text in [r#"canary"\/+x"#, r#"canary\"\\/+x"#, "canary%22%5C%2F%2Bx"] {
            assert_eq!(secrets.redact(text), "***", "{text}");
        }
        secrets.keep("abc");
        assert_eq!(secrets.redact("abc"), "abc");
    }

    #[test]
    fn a_run_knows_its_own_secrets_only() {
        let (one, other) = (Secrets::default(), Secrets::default());
        one.clone().keep("canary-password");
        assert_eq!((one.known_after(0).len(), other.known_after(0).len()), (1, 0));
        assert_eq!(other.redact("canary-password"), "canary-password");
    }
}
