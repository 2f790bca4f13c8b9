//! Tags that come near one that is not there: what its author may have meant. Pure.

use crate::oci::named::{Architecture, Name};

/// More would be a list, and no hint.
const MOST: usize = 3;
/// What two names may differ by: an architecture that only one of them says and a `v`, a word that
/// only one has, or a slip and a `v`.
const FARTHEST: u32 = 3;
/// A word that only one of them has: `edge-1` and `1`.
const WORD: u32 = 3;
/// An architecture that only one of them says.
const NO_ARCHITECTURE: u32 = 2;
/// One letter too many, missing, wrong, or two that changed places.
const SLIP: u32 = 2;
/// A spelling that others use as well: `v1` and `1`.
const SPELLING: u32 = 1;
/// Shorter words have too much in common with others.
const SHORTEST_WORD: usize = 4;
/// Characters that a commit is shortened to at least.
const SHORTEST_COMMIT: usize = 7;

/// The tags that come nearest, three at most, the nearest first.
pub(super) fn near<'t>(wanted: &str, tags: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let meant = Parts::of(wanted);
    let mut found: Vec<(u32, &str)> = Vec::new();
    for tag in tags.filter(|tag| *tag != wanted) {
        let Some(distance) = meant.distance(&Parts::of(tag)) else { continue };
        if !found.contains(&(distance, tag)) {
            found.push((distance, tag));
            found.sort_unstable();
            found.truncate(MOST);
        }
    }
    found.into_iter().map(|(_, tag)| tag).collect()
}

/// A tag taken apart.
struct Parts {
    name: Name,
    /// All of it without what parts the words.
    joined: String,
    /// Its numbers, so that `1.12` is not taken for `11.2`.
    numbers: Vec<String>,
}

impl Parts {
    fn of(tag: &str) -> Self {
        let mut name = Name::of(tag);
        // Most names leave it out.
        name.words.retain(|word| word != "linux");
        let lower = tag.to_ascii_lowercase();
        let joined = lower.chars().filter(char::is_ascii_alphanumeric).collect();
        let numbers = lower.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
        Self { name, joined, numbers: numbers.map(str::to_owned).collect() }
    }

    /// How far the two are apart; `None`: too far.
    fn distance(&self, other: &Self) -> Option<u32> {
        if self.joined == other.joined && self.numbers == other.numbers {
            return Some(SPELLING);
        }
        let (mut own, mut others) = (self.name.words.clone(), other.name.words.clone());
        let architecture = match (self.name.architecture, other.name.architecture) {
            (None, None) => 0,
            (Some(one), Some(two)) if one == two => 0,
            (Some(one), Some(two)) if one.may_be(two) => SPELLING,
            (Some(_), Some(_)) => return None,
            (Some(one), None) if drop_slip(&mut others, one) => SPELLING,
            (None, Some(two)) if drop_slip(&mut own, two) => SPELLING,
            _ => NO_ARCHITECTURE,
        };
        let distance = architecture + between(&own, &others)?;
        (distance <= FARTHEST).then_some(distance)
    }
}

/// Drops the word that is a slip for this architecture; whether there is one.
fn drop_slip(words: &mut Vec<String>, meant: Architecture) -> bool {
    let is_meant = |word: &String| {
        word.len() >= SHORTEST_WORD && meant.spelled().any(|known| is_slip(word, known))
    };
    let at = words.iter().position(is_meant);
    at.map(|at| words.remove(at)).is_some()
}

/// How far two lists of words are apart, of which one may have one word more.
fn between(one: &[String], other: &[String]) -> Option<u32> {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    match long.len() - short.len() {
        0 => of_pairs(short.iter().zip(long)),
        1 => {
            let without = |at: usize| long[..at].iter().chain(&long[at + 1..]);
            let distances =
                (0..long.len()).filter_map(|at| of_pairs(short.iter().zip(without(at))));
            distances.min().map(|distance| distance + WORD)
        }
        _ => None,
    }
}

fn of_pairs<'w>(pairs: impl Iterator<Item = (&'w String, &'w String)>) -> Option<u32> {
    let mut sum = 0;
    for (one, other) in pairs {
        sum += of_words(one, other)?;
        if sum > FARTHEST {
            return None;
        }
    }
    Some(sum)
}

fn of_words(one: &str, other: &str) -> Option<u32> {
    if one == other {
        return Some(0);
    }
    let is_version = |long: &str, short: &str| {
        long.strip_prefix('v') == Some(short) && short.starts_with(|c: char| c.is_ascii_digit())
    };
    let is_commit = |word: &str| {
        word.len() >= SHORTEST_COMMIT && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let are_commits =
        is_commit(one) && is_commit(other) && (one.starts_with(other) || other.starts_with(one));
    if is_version(one, other) || is_version(other, one) || are_commits {
        return Some(SPELLING);
    }
    // What differs in a number is another version, another run or another commit.
    let is_letters =
        |word: &str| word.len() >= SHORTEST_WORD && !word.contains(|c: char| c.is_ascii_digit());
    (is_letters(one) && is_letters(other) && is_slip(one, other)).then_some(SLIP)
}

fn is_slip(one: &str, other: &str) -> bool {
    one.len().abs_diff(other.len()) <= 1 && strsim::damerau_levenshtein(one, other) == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    /// Tags are others' words: three at most are named, of those that there are, and never the one
    /// that is meant itself.
    #[test]
    fn survives_any_tags() {
        let pieces = [
            "1", "12", ".", "-", "_", "v", "arm64", "aarch64", "amd64", "x86_64", "arm", "v7",
            "linux", "latest", "lateset", "edge", "0123abc", "é", "A",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let tags: Vec<String> = (0..6).map(|_| mixed(&mut random, &pieces, 5)).collect();
            let found = near(&tags[0], tags.iter().map(String::as_str));
            assert!(found.len() <= MOST, "{tags:?}");
            assert!(!found.contains(&&*tags[0]), "{tags:?}");
            assert!(found.iter().all(|tag| tags.iter().any(|other| other == tag)), "{tags:?}");
        }
        // A page of the longest tags, all of them words.
        let long = "a-".repeat(64);
        let all: Vec<String> = (0..1_000).map(|number| format!("{long}{number}")).collect();
        assert!(near(&long, all.iter().map(String::as_str)).len() <= MOST);
    }

    #[test]
    fn what_comes_near() {
        for (wanted, tags, expected) in [
            // Another word for the architecture.
            ("1-arm64", "1-aarch64 1-amd64 1-x86_64", "1-aarch64"),
            ("1-amd64", "1-x86_64 1-arm64", "1-x86_64"),
            ("1-arm64", "1-arm64v8 1-linux-arm64 1-arm64-v8", "1-arm64-v8 1-arm64v8 1-linux-arm64"),
            ("1-armhf", "1-arm-v7 1-armv7 1-arm 1-armv6", "1-arm-v7 1-armv7 1-arm"),
            // In another place, with another separator, with none, in capitals.
            ("1-arm64", "arm64-1", "arm64-1"),
            ("1-arm64", "1_arm64 1.arm64 1arm64", "1.arm64 1_arm64 1arm64"),
            ("Edge-ARM64", "edge-arm64", "edge-arm64"),
            ("1.2-arm64", "1-2-arm64", "1-2-arm64"),
            // A v in front of the version.
            ("v1.2", "1.2 1.3", "1.2"),
            ("1.2-arm64", "v1.2-arm64 v1.2-amd64", "v1.2-arm64"),
            // The architecture is missing, here or there.
            ("1.2", "1.2-amd64 1.2-arm64 1.3-amd64", "1.2-amd64 1.2-arm64"),
            ("1.2-arm64", "1.2 1.3", "1.2"),
            ("1.2-arm64", "v1.2", "v1.2"),
            // One word more or less.
            ("pr-12-arm64", "12-arm64 pr-13-arm64", "12-arm64"),
            ("arm64", "edge-arm64 edge-amd64", "edge-arm64"),
            ("1.2-arm64", "1.2.3-arm64", "1.2.3-arm64"),
            // One slip.
            ("edge-arm64", "egde-arm64", "egde-arm64"),
            ("latest", "lates", "lates"),
            ("1-arm64", "1-amr64 1-ar64 1-amd46", "1-amr64 1-ar64"),
            ("1-arm46", "1-arm64 1-amd64", "1-arm64"),
            ("1-aarch46", "1-arm64 1-aarch64", "1-aarch64 1-arm64"),
            // A commit in full, and shortened.
            (
                "sha-0123456-arm64",
                "sha-0123456789abcdef0123456789abcdef01234567-arm64 sha-0123457-arm64",
                "sha-0123456789abcdef0123456789abcdef01234567-arm64",
            ),
            // The nearest first, three at most, each once.
            (
                "1-arm64",
                "1 v1-arm64 1-rc-arm64 1_arm64 1_arm64 arm64-1",
                "arm64-1 1_arm64 v1-arm64",
            ),
            // Another version, another run, another architecture, itself.
            ("1.2.4-arm64", "1.2.3-arm64 1.2.5-arm64 1.24-arm64 12.4-arm64 1.2.4-arm64", ""),
            ("1.12", "11.2 1.1 112", ""),
            ("run-4711-arm64", "run-4712-arm64 run-4710-arm64", ""),
            ("sha-0123456", "sha-0123457 sha-9123456", ""),
            ("1-arm64", "1-amd64 1-armv7 1-s390x 1-arm", ""),
            ("1-armv6", "1-armv7", ""),
            ("rc1", "rc2 rc", ""),
            ("edge", "main latest dev", ""),
            ("1-arm64", "latest 2 edge-amd64", ""),
            ("1-arm64", "", ""),
        ] {
            let found = near(wanted, tags.split_whitespace());
            assert_eq!(found.join(" "), expected, "{wanted}");
        }
    }

    /// Of a registry that means harm: tags of the greatest length, words without end.
    #[test]
    fn long_names_take_no_time() {
        let words = ["a-".repeat(63), "aa".to_owned()].concat();
        let letters = "a".repeat(128);
        let started = std::time::Instant::now();
        for _ in 0..1000 {
            assert!(near("a-1", [words.as_str(), letters.as_str()].into_iter()).is_empty());
            assert!(near(&words, [letters.as_str(), "1"].into_iter()).is_empty());
        }
        assert!(started.elapsed().as_secs() < 10);
    }
}
