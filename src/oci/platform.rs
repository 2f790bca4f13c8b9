//! Platforms: what an image runs on, as the image spec's `platform` object and as people write it.
//!
//! The spelling is containerd's: `os(os.version+feature)/architecture/variant`. So is the
//! normalisation, because clients pick an entry in that way.

use super::json::or_absent;
use super::{Invalid, slip};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Bytes of a part of a platform. The longest known is an OS version of 16.
const LONGEST_WORD: usize = 64;
/// OS features of a platform. No more than one is known.
const MOST_FEATURES: usize = 16;

/// Those that most images are built for, for hints.
const COMMON: [&str; 11] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/arm",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
    "linux/loong64",
    "windows/amd64",
];
/// Names of architectures elsewhere, and what follows the OS here.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("x64", "amd64"),
    ("x86", "386"),
    ("i686", "386"),
    ("armv6", "arm/v6"),
    ("armv6l", "arm/v6"),
    ("armv7", "arm/v7"),
    ("armv7l", "arm/v7"),
    ("armv8", "arm64"),
];

/// A platform as written in a descriptor or a config. Its fields have the order of the image spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH: `amd64`, `arm64`, …
    #[serde(default, deserialize_with = "or_absent")]
    pub architecture: String,
    /// GOOS: `linux`, `windows`, …
    #[serde(default, deserialize_with = "or_absent")]
    pub os: String,
    /// Windows build: `10.0.20348.2700`.
    #[serde(
        rename = "os.version",
        default,
        deserialize_with = "or_absent",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// Windows features: `win32k`.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "or_absent",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// CPU variant: `v7`.
    #[serde(default, deserialize_with = "or_absent", skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Fields that the spec does not name, kept as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Platform {
    /// What `BuildKit` writes for an entry that runs nowhere.
    pub(crate) fn unknown() -> Self {
        let unknown = || "unknown".to_owned();
        Self { architecture: unknown(), os: unknown(), ..Self::default() }
    }

    /// The canonical form: aliases resolved, `arm64` without `v8`, bare `arm` as `v7`, features
    /// sorted.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (architecture, variant) =
            (self.architecture.to_ascii_lowercase(), self.variant.to_ascii_lowercase());
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64", ""),
            ("x86_64" | "x86-64", other) => ("amd64", other),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0" | "") => ("arm64", ""),
            ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
            ("aarch64", other) => ("arm64", other),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "6") => ("arm", "v6"),
            ("arm", "8") => ("arm", "v8"),
            (architecture, variant) => (architecture, variant),
        };
        let (architecture, variant) = (architecture.to_owned(), variant.to_owned());
        let mut os_features = self.os_features.clone();
        os_features.sort();
        Self {
            architecture,
            os,
            os_version: self.os_version.clone(),
            os_features,
            variant,
            extra: BTreeMap::new(),
        }
    }

    /// Whether both are the same platform in canonical form.
    pub fn same(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }

    /// Whether a client that asks for `asked` can take an entry with this platform: the same in
    /// canonical form, with any OS version and OS features if none were asked for. So
    /// `windows(10.0.20348.2700)/amd64` answers `windows/amd64`.
    pub fn answers(&self, asked: &Self) -> bool {
        let (have, want) = (self.normalized(), asked.normalized());
        have.os == want.os
            && have.architecture == want.architecture
            && have.variant == want.variant
            && (want.os_version.is_empty() || have.os_version == want.os_version)
            && (want.os_features.is_empty() || have.os_features == want.os_features)
    }

    /// Takes the parts that this leaves out from `stated`; `None` if the two contradict each other.
    #[must_use]
    pub fn filled_from(&self, stated: &Self) -> Option<Self> {
        let pick =
            |own: &String, other: &String| if own.is_empty() { other.clone() } else { own.clone() };
        let filled = Self {
            architecture: pick(&self.architecture, &stated.architecture),
            os: pick(&self.os, &stated.os),
            os_version: pick(&self.os_version, &stated.os_version),
            os_features: if self.os_features.is_empty() {
                stated.os_features.clone()
            } else {
                self.os_features.clone()
            },
            variant: pick(&self.variant, &stated.variant),
            extra: self.extra.clone(),
        };
        let agrees = filled.without_stray_variant().answers(&stated.without_stray_variant());
        agrees.then_some(filled)
    }

    /// The variant, where only ARM has it and this is another architecture. Podman on a Mac writes
    /// its own `v8` into whatever it builds; no client asks for `linux/amd64/v8`.
    pub fn stray_variant(&self) -> Option<&str> {
        let own = self.normalized();
        let is_arm = own.architecture.starts_with("arm") || own.architecture == "aarch64_be";
        let strays = !is_arm && !own.architecture.is_empty() && is_of_arm(&own.variant);
        strays.then_some(self.variant.as_str())
    }

    /// The same without a variant that is not one of its architecture.
    #[must_use]
    pub fn without_stray_variant(&self) -> Self {
        let stray = self.stray_variant().is_some();
        let variant = if stray { String::new() } else { self.variant.clone() };
        Self { variant, ..self.clone() }
    }

    /// Whether operating system and architecture are both known.
    pub fn is_known(&self) -> bool {
        let known = |part: &str| !part.is_empty() && part != "unknown";
        known(&self.os) && known(&self.architecture)
    }

    /// Whether both have the same operating system and architecture.
    pub fn runs_as(&self, other: &Self) -> bool {
        let (one, other) = (self.normalized(), other.normalized());
        (one.os, one.architecture) == (other.os, other.architecture)
    }

    /// Whether Go knows the names of operating system and architecture. Others are accepted with a
    /// warning.
    pub fn is_usual(&self) -> bool {
        let own = self.normalized();
        const ARCHITECTURE: [&str; 15] = [
            "amd64", "386", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le",
            "ppc64", "ppc64le", "riscv64", "s390x", "wasm", "sparc64",
        ];
        self.has_usual_os() && ARCHITECTURE.contains(&own.architecture.as_str())
    }

    /// Whether Go knows the name of the operating system.
    pub fn has_usual_os(&self) -> bool {
        const OS: [&str; 12] = [
            "linux",
            "windows",
            "darwin",
            "freebsd",
            "openbsd",
            "netbsd",
            "dragonfly",
            "solaris",
            "illumos",
            "aix",
            "wasip1",
            "android",
        ];
        OS.contains(&self.normalized().os.as_str())
    }

    /// The usual platform that an unusual one is a slip for, as far as that can be guessed.
    pub fn meant(&self) -> Option<String> {
        let own = [self.os.as_str(), &self.architecture, &self.variant]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/")
            .to_lowercase();
        let is_usual = |text: &String| Self::read(text).is_some_and(|known| known.is_usual());
        // `arm64/v8` and `amd64/linux`.
        let turned = [format!("{}/{}", self.architecture, self.os), format!("linux/{own}")];
        if let Some(turned) = turned.into_iter().find(is_usual) {
            return Some(turned);
        }
        if let Some((_, known)) = OTHER_NAMES.iter().find(|(name, _)| *name == self.architecture) {
            return Some(format!("{}/{known}", self.os)).filter(is_usual);
        }
        let distance = |known: &&str| strsim::damerau_levenshtein(&own, known);
        let nearest = COMMON.into_iter().min_by_key(distance);
        nearest.filter(|known| distance(known) <= 2).map(str::to_owned)
    }

    /// Whether a text can be a part of a platform. Anything else could break the files that list
    /// platforms.
    pub fn is_word(text: &str) -> bool {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'+');
        text.len() <= LONGEST_WORD && text.bytes().all(is_plain)
    }

    /// The first part that is no word, or one too many.
    pub fn odd_part(&self) -> Option<&str> {
        let parts = [&self.os, &self.architecture, &self.variant, &self.os_version];
        let mut parts = parts.into_iter().chain(&self.os_features);
        let odd = parts.find(|part| !Self::is_word(part));
        odd.or(self.os_features.get(MOST_FEATURES)).map(String::as_str)
    }

    /// The parts that a `sources` template can refer to, as written: OS, architecture, variant.
    pub fn parts(&self) -> (&str, &str, &str) {
        (&self.os, &self.architecture, &self.variant)
    }
}

/// The canonical spelling: `linux/arm64`, `linux/arm/v7`, `windows(10.0.20348.2700)/amd64`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.normalized();
        let or_unknown =
            |part: &str| if part.is_empty() { "unknown".to_owned() } else { part.to_owned() };
        f.write_str(&or_unknown(&own.os))?;
        if !own.os_version.is_empty() || !own.os_features.is_empty() {
            let features: String =
                own.os_features.iter().map(|feature| format!("+{feature}")).collect();
            write!(f, "({}{features})", own.os_version)?;
        }
        write!(f, "/{}", or_unknown(&own.architecture))?;
        if !own.variant.is_empty() {
            write!(f, "/{}", own.variant)?;
        }
        Ok(())
    }
}

impl FromStr for Platform {
    type Err = Invalid;

    /// Reads `os[(version[+feature…])]/architecture[/variant]`, without normalising it.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| {
            let why = slip::cause(text).or_else(|| half_of_one(text)).unwrap_or_else(|| {
                "write OS/ARCHITECTURE[/VARIANT], such as linux/arm64".to_owned()
            });
            Invalid::new(format!("{text:?} is not a platform: {why}"))
        })
    }
}

impl Platform {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (Some(system), Some(architecture), variant, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let (os, details) = match system.split_once('(') {
            Some((os, rest)) => (os, rest.strip_suffix(')')?),
            None => (system, ""),
        };
        let mut details = details.split('+');
        let os_version = details.next().unwrap_or_default();
        let os_features: Vec<String> = details.map(str::to_owned).collect();
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        let good = word(os)
            && word(architecture)
            && variant.is_none_or(word)
            && (os_version.is_empty() || word(os_version))
            && os_features.iter().all(|feature| word(feature));
        if !good || (system.contains('(') && os_version.is_empty() && os_features.is_empty()) {
            return None;
        }
        Some(Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: os_version.to_owned(),
            os_features,
            variant: variant.unwrap_or_default().to_owned(),
            extra: BTreeMap::new(),
        })
    }
}

/// Whether a variant in lower case is one of ARM's: `v5` to `v9` and their points, with or without
/// the letter.
fn is_of_arm(variant: &str) -> bool {
    let number = variant.strip_prefix('v').unwrap_or(variant);
    let (version, point) = number.split_once('.').unwrap_or((number, "0"));
    matches!(version, "5" | "6" | "7" | "8" | "9")
        && !point.is_empty()
        && point.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is missing from a text that names only a part of a platform.
fn half_of_one(text: &str) -> Option<String> {
    if text.is_empty() || text.split('/').any(str::is_empty) {
        return Some("a part of it is empty: is the variable set?".to_owned());
    }
    let candidates = [format!("linux/{text}"), text.replacen(['-', '_'], "/", 2)];
    let is_usual =
        |whole: &String| Platform::read(whole).is_some_and(|platform| platform.is_usual());
    candidates.into_iter().find(is_usual).map(|whole| format!("write {whole}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn canonical_spelling() {
        for (text, canonical) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/x86-64/v3", "linux/amd64/v3"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v9.0", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i386", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
            ("linux/riscv64", "linux/riscv64"),
            ("windows(10.0.20348.2700)/amd64", "windows(10.0.20348.2700)/amd64"),
            ("windows(10.0.20348.2700+win32k)/amd64", "windows(10.0.20348.2700+win32k)/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn refuses_other_text() {
        for text in [
            "",
            "amd64",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "windows(/amd64",
            "windows()/amd64",
            "windows(1.0/amd64",
            "lin ux/amd64",
            "linux/am\nd64",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn answers_by_meaning() {
        assert!(platform("linux/arm64/v8").answers(&platform("linux/arm64")));
        assert!(platform("windows(10.0.1)/amd64").answers(&platform("windows/amd64")));
        assert!(!platform("windows/amd64").answers(&platform("windows(10.0.1)/amd64")));
        assert!(!platform("linux/arm/v6").answers(&platform("linux/arm")));
        assert!(!platform("linux/amd64/v3").answers(&platform("linux/amd64")));
    }

    #[test]
    fn fills_what_is_open_and_refuses_a_contradiction() {
        let bare =
            Platform { architecture: "arm".into(), os: "linux".into(), ..Platform::default() };
        assert_eq!(
            bare.filled_from(&platform("linux/arm/v6")).unwrap().to_string(),
            "linux/arm/v6"
        );
        assert_eq!(
            Platform::default().filled_from(&platform("linux/amd64")).unwrap().to_string(),
            "linux/amd64"
        );
        assert_eq!(platform("linux/amd64").filled_from(&platform("linux/arm64")), None);
        assert_eq!(
            platform("windows(10.0.1)/amd64").filled_from(&platform("windows(10.0.2)/amd64")),
            None
        );
        assert_eq!(
            platform("windows(10.0.1)/amd64")
                .filled_from(&platform("windows/amd64"))
                .unwrap()
                .to_string(),
            "windows(10.0.1)/amd64"
        );
    }

    #[test]
    fn variants_of_another_architecture() {
        for stray in ["linux/amd64/v8", "linux/s390x/v8", "linux/amd64/v8.2", "windows/386/V7"] {
            let (before, variant) = stray.rsplit_once('/').unwrap();
            assert_eq!(platform(stray).stray_variant(), Some(variant), "{stray}");
            assert_eq!(platform(stray).without_stray_variant(), platform(before), "{stray}");
        }
        for stray in ["linux/x86_64/8", "linux/riscv64/v9.5", "linux/ppc64le/v5", "linux/arc/v7"] {
            assert!(platform(stray).stray_variant().is_some(), "{stray}");
        }
        for own in [
            "linux/arm64/v8",
            "linux/arm64/v8.2",
            "linux/aarch64/v9",
            "linux/arm/v7",
            "linux/arm/v5",
            "linux/armel/v5",
            "linux/arm64be/v8",
            "linux/amd64",
            "linux/amd64/v1",
            "linux/amd64/v3",
            "linux/amd64/v4",
            "linux/riscv64/rva22u64",
            "linux/ppc64le/power9",
            "linux/s390x/z13",
            "linux/mips64le/r6",
            "linux/amd64/v10",
            "linux/amd64/v8.",
            "linux/amd64/v8.x",
        ] {
            assert_eq!(platform(own).stray_variant(), None, "{own}");
            assert_eq!(platform(own).without_stray_variant(), platform(own), "{own}");
        }
        assert_eq!(Platform { variant: "v8".into(), ..Platform::default() }.stray_variant(), None);
    }

    #[test]
    fn a_stray_variant_contradicts_nothing() {
        for (config, stated, agrees) in [
            ("linux/amd64/v8", "linux/amd64", true),
            ("linux/amd64/v8", "linux/amd64/v8", true),
            ("linux/amd64", "linux/amd64/v8", true),
            ("linux/amd64/v8", "linux/arm64/v8", false),
            ("linux/amd64/v8", "linux/amd64/v3", false),
            ("linux/arm64/v9", "linux/arm64/v8", false),
        ] {
            let filled = platform(config).filled_from(&platform(stated));
            assert_eq!(filled.is_some(), agrees, "{config} {stated}");
        }
    }

    #[test]
    fn says_what_is_expected() {
        for (text, why) in [
            ("linux", "write OS/ARCHITECTURE[/VARIANT], such as linux/arm64"),
            ("amd64", "write linux/amd64"),
            ("x86_64", "write linux/x86_64"),
            ("a/b/c/d", "write OS/ARCHITECTURE[/VARIANT], such as linux/arm64"),
            ("linux-arm64", "write linux/arm64"),
            ("linux_arm_v7", "write linux/arm/v7"),
            ("linux/", "a part of it is empty: is the variable set?"),
            ("\"linux/amd64\"", "leave out the quotes: write linux/amd64"),
            ("- linux/amd64", "leave out \"-\" in front: write linux/amd64"),
            ("linux/$ARCH", "$ARCH was not replaced: is the variable set?"),
            ("linux/amd64 linux/arm64", "one per line, or commas between them, not spaces"),
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap_err().to_string(),
                format!("{text:?} is not a platform: {why}")
            );
        }
    }

    #[test]
    fn names_that_go_knows() {
        for (text, usual) in [
            ("linux/amd64", true),
            ("linux/aarch64", true),
            ("wasip1/wasm", true),
            ("macos/arm64", true),
            ("linux/amd46", false),
            ("haiku/amd64", false),
        ] {
            assert_eq!(platform(text).is_usual(), usual, "{text}");
        }
    }

    #[test]
    fn slips_for_usual_platforms() {
        for (text, meant) in [
            ("linux/amd46", Some("linux/amd64")),
            ("Linux/AMD46", Some("linux/amd64")),
            ("lniux/arm64", Some("linux/arm64")),
            ("linux/arm64v8", Some("linux/arm64")),
            ("arm64/v8", Some("linux/arm64/v8")),
            ("amd64/linux", Some("linux/amd64")),
            ("linux/x64", Some("linux/amd64")),
            ("linux/armv7", Some("linux/arm/v7")),
            ("windows/x64", Some("windows/amd64")),
            ("haiku/x", None),
        ] {
            assert!(!platform(text).is_usual(), "{text}");
            assert_eq!(platform(text).meant().as_deref(), meant, "{text}");
        }
        for known in COMMON {
            assert!(platform(known).is_usual(), "{known}");
        }
    }

    #[test]
    fn parts_that_are_no_words() {
        let long = "x".repeat(65);
        for odd in ["s390x,linux/riscv64", "$(id)", "a\nb", "\u{1b}[31m", " ", "ä", &long] {
            let odd = odd.to_owned();
            for platform in [
                Platform { os: odd.clone(), ..Platform::default() },
                Platform { architecture: odd.clone(), ..Platform::default() },
                Platform { variant: odd.clone(), ..Platform::default() },
                Platform { os_version: odd.clone(), ..Platform::default() },
                Platform { os_features: vec!["a".into(), odd.clone()], ..Platform::default() },
            ] {
                assert_eq!(platform.odd_part(), Some(odd.as_str()));
            }
        }
        let features =
            |number| Platform { os_features: vec!["a".into(); number], ..Platform::default() };
        assert_eq!((features(16).odd_part(), features(17).odd_part()), (None, Some("a")));
        assert_eq!(platform("windows(10.0.20348.2700+win32k)/amd64").odd_part(), None);
        assert_eq!(Platform::default().odd_part(), None);
    }

    #[test]
    fn an_image_runs_whatever_its_variant() {
        for (one, other, runs) in [
            ("linux/arm64", "linux/arm64/v9", true),
            ("linux/arm/v6", "linux/arm/v7", true),
            ("windows(10.0.1)/amd64", "windows(10.0.2)/amd64", true),
            ("linux/amd64", "linux/arm64", false),
            ("linux/amd64", "windows/amd64", false),
        ] {
            assert_eq!(platform(one).runs_as(&platform(other)), runs, "{one} {other}");
        }
    }

    /// Of texts and of what documents hold.
    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "linux",
            "Linux",
            "macos",
            "windows",
            "/",
            "/",
            "/",
            "(",
            ")",
            "+",
            "10.0.20348",
            "amd64",
            "x86_64",
            "x86-64",
            "AARCH64",
            "arm64",
            "arm",
            "armhf",
            "armel",
            "i386",
            "v",
            "V8",
            "8",
            "9.0",
            "v9.0",
            "7",
            "unknown",
            "é",
            " ",
            "-",
            "{arch}",
            "\"",
            ",",
            "\0",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..1_500 {
            let text = mixed(&mut random, &pieces, 8);
            let mut word = || mixed(&mut random, &pieces, 2);
            let of_a_document = Platform {
                architecture: word(),
                os: word(),
                os_version: word(),
                os_features: vec![word(), word()],
                variant: word(),
                extra: BTreeMap::from([(word(), Value::Null)]),
            };
            let parsed = text.parse::<Platform>();
            for platform in [Some(&of_a_document), parsed.as_ref().ok()].into_iter().flatten() {
                let normalized = platform.normalized();
                assert_eq!(normalized.normalized(), normalized, "{platform:?}");
                assert_eq!(normalized.to_string(), platform.to_string(), "{platform:?}");
                assert!(platform.same(&normalized) && platform.answers(&normalized));
                assert!(platform.runs_as(&normalized));
                let meant = platform.meant();
                assert!(
                    meant.is_none_or(|meant| meant.parse::<Platform>().is_ok()),
                    "{platform:?}"
                );
                if let Some(filled) = platform.filled_from(&of_a_document) {
                    assert!(filled.answers(&of_a_document), "{platform:?}");
                }
            }
            let Ok(platform) = parsed else { continue };
            accepted += 1;
            assert_eq!(platform.odd_part().filter(|odd| odd.len() <= LONGEST_WORD), None, "{text}");
            let again: Platform = platform.to_string().parse().unwrap();
            assert!(again.same(&platform), "{text}");
            assert_eq!(again.to_string(), platform.to_string(), "{text}");
        }
        assert!(accepted > 20, "{accepted}");
    }
}
