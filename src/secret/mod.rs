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

/// Tokens that are kept though they are of no use any more, because somebody quoted them.
const MOST_QUOTED: usize = 32;

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

/// A secret that is replaced by another one in time: it is known for as long as it is used, and to
/// be masked only if somebody quotes it.
#[derive(Debug)]
pub struct Passing {
    secret: Secret,
    secrets: Secrets,
}

impl Passing {
    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.secret.expose()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let mut list = self.secrets.list();
        for line in lines(self.secret.expose()) {
            if let Some(known) = list.known.iter_mut().find(|known| known.line == line) {
                known.holders = known.holders.saturating_sub(1);
            }
        }
        // One that was quoted is still to be masked, within bounds.
        let mut quoted = 0;
        list.known.retain(|known| {
            quoted += usize::from(known.holders == 0 && known.number.is_some());
            known.holders > 0 || (known.number.is_some() && quoted <= MOST_QUOTED)
        });
    }
}

/// The secrets of a run. Clones share one list.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    known: Vec<Known>,
    /// How many were to be masked in all.
    numbered: usize,
}

/// One line of a secret.
struct Known {
    /// In the order in which they are to be masked; none while nobody quoted it.
    number: Option<usize>,
    line: String,
    spelled: Spelled,
    /// How many have it.
    holders: usize,
}

impl Secrets {
    /// Takes a value and remembers it for [`Secrets::redact`].
    pub fn keep(&self, value: impl Into<String>) -> Secret {
        let value = value.into();
        self.list().hold(&value, true);
        Secret(value)
    }

    /// Takes a value and remembers it as long as it is used.
    pub fn keep_while_used(&self, value: impl Into<String>) -> Passing {
        let secret = Secret(value.into());
        self.list().hold(secret.expose(), false);
        Passing { secret, secrets: self.clone() }
    }

    /// Remembers the logins in the addresses that a text contains (`USER:PASSWORD@HOST`): whoever
    /// put one where it does not belong reads the text in a message.
    pub fn keep_those_in_addresses(&self, text: &str) {
        for secret in address::secrets(text) {
            self.keep(secret);
        }
    }

    /// The secrets that could be shown since the first `seen` ones, for the CI system's own masking,
    /// and how many there have been by now.
    pub fn known_after(&self, seen: usize) -> (Vec<String>, usize) {
        let list = self.list();
        let new = list.known.iter().filter(|known| known.number.is_some_and(|at| at > seen));
        (new.map(|known| known.line.clone()).collect(), list.numbered)
    }

    /// `text` with every known secret, in whatever spelling, replaced by `***`.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let list = &mut *self.list();
        let mut redacted = String::new();
        let mut done = 0;
        let mut next = 0;
        for (at, _) in text.char_indices() {
            if at < next {
                continue;
            }
            // The longest: a secret may be a part of another one.
            let rest = text.get(at..).unwrap_or_default();
            let hits = list.known.iter_mut().filter_map(|known| {
                let length = known.spelled.at_start_of(rest)?;
                Some((length, known))
            });
            if let Some((length, known)) = hits.max_by_key(|(length, _)| *length) {
                if known.number.is_none() {
                    list.numbered += 1;
                    known.number = Some(list.numbered);
                }
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

impl List {
    /// Counts one more holder of a value. `lasts`: whether it is to be masked in any case.
    fn hold(&mut self, value: &str, lasts: bool) {
        for line in lines(value) {
            let at = self.known.iter().position(|known| known.line == line);
            let at = at.unwrap_or_else(|| {
                let (line, spelled) = (line.to_owned(), Spelled::new(line));
                self.known.push(Known { number: None, line, spelled, holders: 0 });
                self.known.len() - 1
            });
            let Some(known) = self.known.get_mut(at) else { continue };
            known.holders += 1;
            if lasts && known.number.is_none() {
                self.numbered += 1;
                known.number = Some(self.numbered);
            }
        }
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
    use crate::random::mixed;

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
        secrets.keep("\\\\canary\\b");
        for times in 0..=5 {
            let text = format!("{}canary{}b", "\\".repeat(2 << times), "\\".repeat(1 << times));
            assert_eq!(secrets.redact(&text), "***", "{text}");
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
    fn what_is_replaced_is_forgotten_and_masked_only_if_quoted() {
        let secrets = Secrets::default();
        secrets.keep("canary-password");
        let (masks, mut seen) = secrets.known_after(0);
        assert_eq!(masks, ["canary-password"]);
        let again = secrets.keep_while_used("canary-token-1");
        for number in 1..=5_000 {
            let text = format!("canary-token-{number}");
            let token = secrets.keep_while_used(text.clone());
            assert_eq!(secrets.known_after(seen), (Vec::new(), seen), "nobody quoted it");
            if number % 1_000 == 0 {
                assert_eq!(secrets.redact(token.expose()), "***");
                assert_eq!(secrets.known_after(seen), (vec![text], seen + 1));
                seen += 1;
            }
        }
        assert_eq!(format!("{secrets:?}"), "7 secrets", "two in use, five quoted");
        assert_eq!(secrets.redact("canary-token-2"), "canary-token-2");
        drop(again);
        for number in 0..100 {
            let token = secrets.keep_while_used(format!("canary-quoted-{number}"));
            secrets.redact(token.expose());
        }
        assert_eq!(format!("{secrets:?}"), format!("{} secrets", MOST_QUOTED + 1));
        drop(secrets.keep_while_used("canary-password"));
        assert_eq!(secrets.redact("canary-password"), "***");
    }

    /// Whatever stands round a secret, it is found; whatever is no secret is left.
    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "\\",
            "\\\\",
            "\\u",
            "\\u{",
            "\\x",
            "%",
            "%25",
            "&",
            "&amp;",
            "&#",
            ";",
            "é",
            "\u{1f511}",
            "canary",
            "\"",
            "+",
            "=",
            "}",
            "dd11",
        ];
        let secrets = Secrets::default();
        for secret in ["canary\\\"\u{1f511}", "%&\\\\x&%", "canary-password"] {
            secrets.keep(secret);
        }
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..1_000 {
            let (before, after) = (mixed(&mut random, &pieces, 6), mixed(&mut random, &pieces, 6));
            let text = format!("{before}canary-password{after}");
            assert!(!secrets.redact(&text).contains("canary-password"), "{text}");
            let other = before.replace("canary", "x").replace('\\', "/").replace(['&', '%'], "");
            assert_eq!(secrets.redact(&other), other);
        }
    }
}
