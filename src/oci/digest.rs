//! Content digests: `sha256:…` and `sha512:…`, the registered algorithms of the image spec
//! (descriptor.md).

use super::{Invalid, shown};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;

/// A digest in valid form: a registered algorithm and lowercase hex of its length.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The SHA-256 digest of `bytes`, which every registry uses.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(&Sha256::digest(bytes))))
    }

    /// Whether `bytes` hash to this digest, by its own algorithm.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hashing = Hashing::for_digest(self);
        hashing.update(bytes);
        hashing.matches(self)
    }

    /// The part before the colon.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The whole digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm and 12 hex digits: enough for people to tell two digests apart.
    pub fn short(&self) -> &str {
        let end = self.algorithm().len() + 1 + 12;
        self.0.get(..end).unwrap_or(&self.0)
    }

    /// A digest from a file name of Docker's merge workflow: 64 hex digits, with or without
    /// `sha256:` or `sha256-` in front.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let hex =
            name.strip_prefix("sha256:").or_else(|| name.strip_prefix("sha256-")).unwrap_or(name);
        format!("sha256:{hex}").parse().ok()
    }
}

/// Computes a digest of bytes that come in parts.
#[derive(Debug, Clone)]
pub(crate) enum Hashing {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hashing {
    /// Uses SHA-256.
    pub(crate) fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    /// The digest of all bytes so far.
    pub(crate) fn digest(&self) -> Digest {
        Digest(match self {
            Self::Sha256(hash) => format!("sha256:{}", hex(&hash.clone().finalize())),
            Self::Sha512(hash) => format!("sha512:{}", hex(&hash.clone().finalize())),
        })
    }

    /// Uses the algorithm of `digest`.
    pub(crate) fn for_digest(digest: &Digest) -> Self {
        if digest.algorithm() == "sha512" {
            Self::Sha512(Sha512::new())
        } else {
            Self::Sha256(Sha256::new())
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn matches(&self, digest: &Digest) -> bool {
        self.digest() == *digest
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        text
    })
}

impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let shape = "a digest is sha256: followed by 64 lowercase hex digits";
        let (algorithm, hex) = text.split_once(':').ok_or_else(|| Invalid::new(shape))?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            other => {
                let other = shown(other);
                return Err(Invalid::new(format!("unknown digest algorithm \"{other}\"; {shape}")));
            }
        };
        if hex.len() != length {
            return Err(Invalid::new(format!(
                "a {algorithm} digest has {length} hex digits, not {}",
                hex.chars().count()
            )));
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Invalid::new(shape));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Digest {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_and_matches() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
        let long: Digest = format!("sha512:{}", hex(&Sha512::digest(b"x"))).parse().unwrap();
        assert!(long.matches(b"x"));
        assert!(!long.matches(b"y"));
        assert!(!Digest::of(b"x").matches(b"y"));
        assert_eq!(Digest::of(b"").short(), "sha256:e3b0c44298fc");
    }

    #[test]
    fn refuses_what_is_no_digest() {
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:abc",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &EMPTY.to_uppercase()[..],
            &EMPTY.replace("e3", "E3")[..],
            &format!("{EMPTY}0")[..],
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_file_names() {
        let hex = &EMPTY[7..];
        for name in [hex.to_owned(), format!("sha256:{hex}"), format!("sha256-{hex}")] {
            assert_eq!(Digest::from_file_name(&name).unwrap().as_str(), EMPTY, "{name}");
        }
        assert_eq!(Digest::from_file_name("README.md"), None);
        assert_eq!(Digest::from_file_name(&hex[1..]), None);
    }

    #[test]
    fn says_what_is_expected() {
        for (text, why) in [
            ("abc", "a digest is sha256: followed by 64 lowercase hex digits"),
            ("md5:0", "unknown digest algorithm \"md5\"; a digest is sha256: followed by 64"),
            ("sha256:abc", "a sha256 digest has 64 hex digits, not 3"),
            (&format!("{}:0", "x".repeat(4000)), "unknown digest algorithm \"a text of 4000 bytes"),
            (&EMPTY.replace("e3", "E3"), "a digest is sha256: followed by 64 lowercase hex digits"),
        ] {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let hex = "0123456789abcdef".repeat(4);
        let pieces = [
            "sha256:", "sha512:", "sha256-", "md5", ":", "@", &hex, &hex, &hex, "0", "F", "é", " ",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..20_000 {
            let text = mixed(&mut random, &pieces, 6);
            let Ok(digest) = text.parse::<Digest>() else { continue };
            accepted += 1;
            assert_eq!(digest.to_string(), text);
            assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
            let length = if digest.algorithm() == "sha256" { 64 } else { 128 };
            assert_eq!(digest.hex().len(), length, "{text}");
            assert!(!digest.hex().contains(|c| !matches!(c, '0'..='9' | 'a'..='f')), "{text}");
            assert!(text.starts_with(digest.short()));
            let named = Digest::from_file_name(&text);
            assert_eq!(named.is_some(), length == 64, "{text}");
        }
        assert!(accepted > 20, "{accepted}");
    }
}
