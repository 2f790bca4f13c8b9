//! Secrets: a type that cannot be printed, and the list of a run's secrets that every written line
//! is held against.
//!
//! The type is what keeps secrets out of our own messages. The list is for text that is not ours: a
//! registry may quote a password or a token in its answer.

mod address;
mod spelling;

use spelling::Spelled;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub struct Secrets(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    known: Vec<Known>,
    /// How many there have been in all.
    numbered: usize,
}

/// One line of a secret.
struct Known {
    number: usize,
    line: String,
    spelled: Spelled,
    /// How many have it.
    holders: usize,
}

impl Secrets {
    /// Takes a value and remembers it for [`Secrets::redact`], until it is forgotten as often.
    pub fn keep(&self, value: impl Into<String>) -> Secret {
        let value = value.into();
        let mut list = self.list();
        for line in lines(&value) {
            if let Some(known) = list.known.iter_mut().find(|known| known.line == line) {
                known.holders += 1;
                continue;
            }
            list.numbered += 1;
            let known = Known {
                number: list.numbered,
                line: line.to_owned(),
                spelled: Spelled::new(line),
                holders: 1,
            };
            list.known.push(known);
        }
        Secret(value)
    }

    /// Remembers the logins in the addresses that a text contains (`USER:PASSWORD@HOST`): whoever
    /// put one where it does not belong reads the text in a message.
    pub fn keep_those_in_addresses(&self, text: &str) {
        for secret in address::secrets(text) {
            self.keep(secret);
        }
    }

    /// A secret that is of no use to anybody any more.
    pub fn forget(&self, secret: &Secret) {
        let mut list = self.list();
        for line in lines(secret.expose()) {
            if let Some(known) = list.known.iter_mut().find(|known| known.line == line) {
                known.holders = known.holders.saturating_sub(1);
            }
        }
        list.known.retain(|known| known.holders > 0);
    }

    /// The secrets that became known after the first `seen` ones, for the CI system's own masking,
    /// and how many there have been by now.
    pub fn known_after(&self, seen: usize) -> (Vec<String>, usize) {
        let list = self.list();
        let new = list.known.iter().filter(|known| known.number > seen);
        (new.map(|known| known.line.clone()).collect(), list.numbered)
    }

    /// `text` with every known secret, in whatever spelling, replaced by `***`.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let list = self.list();
        let mut redacted = String::new();
        let mut done = 0;
        let mut next = 0;
        for (at, _) in text.char_indices() {
            if at < next {
                continue;
            }
            // The longest: a secret may be a part of another one.
            let rest = text.get(at..).unwrap_or_default();
            let hits = list.known.iter().filter_map(|known| known.spelled.at_start_of(rest));
            if let Some(length) = hits.max() {
                redacted.push_str(text.get(done..at).unwrap_or_default());
                redacted.push_str("***");
                next = at + length;
                done = next;
            }
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        redacted.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(redacted)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines that are long enough to be told from ordinary words.
fn lines(value: &str) -> impl Iterator<Item = &str> {
    value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.list().known.len())
    }
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
        assert_eq!(secrets.redact("ä canary-password ö canary-password"), "ä *** ö ***");
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
        assert_eq!((one.known_after(0).0.len(), other.known_after(0).0.len()), (1, 0));
        assert_eq!(other.redact("canary-password"), "canary-password");
    }

    #[test]
    fn what_was_replaced_is_forgotten() {
        let secrets = Secrets::default();
        let password = secrets.keep("canary-password");
        let mut seen = 0;
        for round in 0..5_000 {
            let token = secrets.keep(format!("canary-token-{round}"));
            let (new, all) = secrets.known_after(seen);
            assert!(new.contains(&format!("canary-token-{round}")) && new.len() <= 2, "{new:?}");
            seen = all;
            assert_eq!(secrets.redact(token.expose()), "***");
            secrets.forget(&token);
        }
        assert_eq!(format!("{secrets:?}"), "1 secrets");
        secrets.keep("canary-password");
        secrets.forget(&password);
        assert_eq!(secrets.redact("canary-password"), "***", "somebody else still has it");
        secrets.forget(&password);
        assert_eq!(secrets.redact("canary-password"), "canary-password");
        assert_eq!(secrets.known_after(0), (Vec::new(), seen));
    }
}
