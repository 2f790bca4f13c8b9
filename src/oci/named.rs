//! Architectures in names: how tags, repositories, files and jobs say what they are for. Pure.

use super::Platform;

/// Words for architectures, and what they mean: GOARCH, and the variant where the word says one.
const WORDS: [(&str, &str, &str); 36] = [
    ("amd64", "amd64", ""),
    ("x64", "amd64", ""),
    ("386", "386", ""),
    ("i386", "386", ""),
    ("i686", "386", ""),
    ("x86", "386", ""),
    ("arm64", "arm64", ""),
    ("aarch64", "arm64", ""),
    ("arm64v8", "arm64", ""),
    ("armv8", "arm64", ""),
    ("arm", "arm", ""),
    ("arm32", "arm", ""),
    ("armv5", "arm", "v5"),
    ("arm32v5", "arm", "v5"),
    ("armel", "arm", "v6"),
    ("armv6", "arm", "v6"),
    ("armv6l", "arm", "v6"),
    ("arm32v6", "arm", "v6"),
    ("armhf", "arm", "v7"),
    ("armv7", "arm", "v7"),
    ("armv7l", "arm", "v7"),
    ("arm32v7", "arm", "v7"),
    ("ppc64", "ppc64", ""),
    ("ppc64le", "ppc64le", ""),
    ("ppc64el", "ppc64le", ""),
    ("riscv64", "riscv64", ""),
    ("s390x", "s390x", ""),
    ("loong64", "loong64", ""),
    ("loongarch64", "loong64", ""),
    ("mips", "mips", ""),
    ("mipsle", "mipsle", ""),
    ("mipsel", "mipsle", ""),
    ("mips64", "mips64", ""),
    ("mips64le", "mips64le", ""),
    ("mips64el", "mips64le", ""),
    ("wasm", "wasm", ""),
];

/// An architecture as a name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Architecture {
    name: &'static str,
    /// Empty if the name says none, which may mean any.
    variant: &'static str,
}

impl Architecture {
    /// The one that a word stands for.
    fn of_word(word: &str) -> Option<Self> {
        let (_, name, variant) = WORDS.iter().find(|(known, ..)| *known == word)?;
        Some(Self { name, variant })
    }

    /// Whether an image for this platform may be called so.
    pub(crate) fn fits(self, platform: &Platform) -> bool {
        let own = platform.normalized();
        own.architecture == self.name && (self.variant.is_empty() || own.variant == self.variant)
    }

    /// Whether the two may mean the same: one of them does not say which variant.
    pub(crate) fn may_be(self, other: Self) -> bool {
        self.name == other.name && (self.variant.is_empty() || other.variant.is_empty())
    }

    /// The words for it.
    pub(crate) fn spelled(self) -> impl Iterator<Item = &'static str> {
        let means = move |name, variant| self.may_be(Self { name, variant });
        WORDS
            .into_iter()
            .filter(move |(_, name, variant)| means(*name, *variant))
            .map(|word| word.0)
    }

    /// The platform that is meant, for this operating system.
    pub(crate) fn on(self, os: &str) -> Platform {
        let Self { name, variant } = self;
        Platform {
            architecture: name.to_owned(),
            os: os.to_owned(),
            variant: variant.to_owned(),
            ..Platform::default()
        }
    }
}

/// A name taken apart, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Its words, without those of the architecture.
    pub(crate) words: Vec<String>,
    /// The one architecture that it says; `None` also where it says several.
    pub(crate) architecture: Option<Architecture>,
}

impl Name {
    /// Takes a text apart at whatever is no letter and no digit.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.to_ascii_lowercase().replace("x86_64", "amd64").replace("x86-64", "amd64");
        let mut words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut at = words.iter().enumerate().filter_map(|(at, word)| {
            Architecture::of_word(word).map(|architecture| (at, architecture))
        });
        let (first, others) = (at.next(), at.next());
        let mut architecture = None;
        if let (Some((at, found)), None) = (first, others) {
            let (found, taken) = with_variant(found, words.get(at + 1).copied());
            words.drain(at..at + taken);
            architecture = Some(found);
        }
        Self { words: words.into_iter().map(str::to_owned).collect(), architecture }
    }
}

/// An architecture with the variant that follows it as a word of its own (`arm-v7`), and how many
/// words that are. Elsewhere than after `arm` it may as well be a version.
fn with_variant(found: Architecture, next: Option<&str>) -> (Architecture, usize) {
    let known = ["v5", "v6", "v7"].into_iter().find(|variant| next == Some(variant));
    match known {
        Some(variant) if found == (Architecture { name: "arm", variant: "" }) => {
            (Architecture { variant, ..found }, 2)
        }
        _ if found.name == "arm64" && next == Some("v8") => (found, 2),
        _ => (found, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_in_names() {
        for (name, rest, architecture) in [
            ("1-arm64", "1", "linux/arm64"),
            ("1.2.3-linux-amd64", "1 2 3 linux", "linux/amd64"),
            ("arm64v8-1", "1", "linux/arm64"),
            ("1_aarch64", "1", "linux/arm64"),
            ("Edge-AArch64", "edge", "linux/arm64"),
            ("edge-x86_64", "edge", "linux/amd64"),
            ("edge-x86-64-1", "edge 1", "linux/amd64"),
            ("linux-arm-v7", "linux", "linux/arm/v7"),
            ("linux-arm-v6-1", "linux 1", "linux/arm/v6"),
            ("linux-arm64-v8", "linux", "linux/arm64"),
            ("arm64-v2", "v2", "linux/arm64"),
            ("1-armhf", "1", "linux/arm/v7"),
            ("1-arm", "1", "linux/arm"),
            ("build-ppc64el", "build", "linux/ppc64le"),
            ("386", "", "linux/386"),
            ("1", "1", ""),
            ("alarm", "alarm", ""),
            ("1arm64", "1arm64", ""),
            ("amd64-arm64", "amd64 arm64", ""),
            ("", "", ""),
        ] {
            let Name { words, architecture: found } = Name::of(name);
            let found = found.map(|found| {
                let platform = found.on("linux");
                let (os, architecture, variant) = platform.parts();
                [os, architecture, variant].join("/").trim_end_matches('/').to_owned()
            });
            let found = (words.join(" "), found.unwrap_or_default());
            assert_eq!(found, (rest.to_owned(), architecture.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_name_fits_any_variant_that_it_does_not_say() {
        for (name, platform, fits) in [
            ("arm", "linux/arm/v6", true),
            ("arm", "linux/arm", true),
            ("arm-v6", "linux/arm", false),
            ("armv7", "linux/arm", true),
            ("arm64", "linux/arm64/v8", true),
            ("arm64", "linux/arm64/v9", true),
            ("arm64", "linux/arm", false),
            ("x86_64", "windows/amd64", true),
            ("aarch64", "linux/amd64", false),
        ] {
            let architecture = Name::of(name).architecture.unwrap();
            assert_eq!(architecture.fits(&platform.parse().unwrap()), fits, "{name} {platform}");
        }
    }
}
