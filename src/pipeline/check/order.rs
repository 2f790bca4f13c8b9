//! The order of entries whose sources are in none: what digests are called, and who found them
//! first, says nothing.

use crate::entries::images;
use crate::oci::{Descriptor, Platform};
use crate::pipeline::resolve::arrived::Arrived;

/// Sources whose order says nothing, one beside the other, in the order of the platforms that are
/// asked for, else of their platforms as text. An index stands where its first image would, and its
/// own entries stay as they are.
pub(super) fn by_platform<'a>(asked: &[Platform], arrived: &'a [Arrived]) -> Vec<&'a Arrived> {
    let mut ordered: Vec<&Arrived> = arrived.iter().collect();
    let side_by_side =
        |one: &&Arrived, other: &&Arrived| one.source.is_unordered && other.source.is_unordered;
    for group in ordered.chunk_by_mut(side_by_side) {
        group.sort_by_cached_key(|arrived| {
            let places: Vec<_> =
                images(&arrived.entries).map(|entry| place(asked, entry)).collect();
            // Only twins come so far; most of them are refused.
            (places, arrived.manifest.digest.clone())
        });
    }
    ordered
}

/// Where an entry belongs: its platform's place among those that are asked for, and its text.
fn place(asked: &[Platform], entry: &Descriptor) -> (usize, [String; 4]) {
    let Some(platform) = &entry.platform else { return (usize::MAX, Default::default()) };
    // An equal one first: `windows/amd64` beside `windows(10.0.…)/amd64` is for the others.
    let equal = asked.iter().position(|want| platform.same(want));
    let place = equal.or_else(|| asked.iter().position(|want| platform.answers(want)));
    let Platform { os, architecture, variant, os_version, .. } = platform.normalized();
    (place.unwrap_or(usize::MAX), [os, architecture, variant, os_version])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Manifest, media_type};
    use crate::plan::Source;
    use bytes::Bytes;

    /// A source that brings entries for these platforms.
    fn source(platforms: &str) -> Arrived {
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[],"annotations":{{"a":"{platforms}"}}}}"#,
            media_type::OCI_INDEX
        );
        let digest = Digest::of(body.as_bytes());
        let entry = |platform: &str| {
            let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest.clone(), 1);
            entry.platform = platform.parse().ok();
            entry
        };
        let reference = format!("r.example/a@{digest}").parse().unwrap();
        Arrived {
            source: Source { is_unordered: true, ..Source::new(reference) },
            entries: platforms.split('+').map(entry).collect(),
            manifest: Manifest::parse(Bytes::from(body), media_type::OCI_INDEX, digest).unwrap(),
            discovered: Vec::new(),
            stray: None,
            origins: Vec::new(),
            after: None,
        }
    }

    #[test]
    fn by_table() {
        for (asked, sources, expected) in [
            ("", "linux/arm64 linux/amd64", "linux/amd64 linux/arm64"),
            // As text, so the variant counts after the architecture, and 10.0.20348 before 10.0.9.
            (
                "",
                "windows(10.0.9.1)/amd64 linux/arm64 linux/arm/v7 linux/386 windows(10.0.20348.1)/amd64 linux/arm/v6",
                "linux/386 linux/arm/v6 linux/arm/v7 linux/arm64 windows(10.0.20348.1)/amd64 windows(10.0.9.1)/amd64",
            ),
            // By meaning: arm is v7.
            ("", "linux/arm linux/arm/v6 linux/aarch64", "linux/arm/v6 linux/arm/v7 linux/arm64"),
            // As asked.
            (
                "linux/s390x linux/arm64/v8 linux/amd64",
                "linux/amd64 linux/arm64 linux/s390x",
                "linux/s390x linux/arm64 linux/amd64",
            ),
            (
                "windows/amd64 linux/amd64 windows(10.0.1.1)/amd64",
                "windows(10.0.1.1)/amd64 linux/amd64 windows(10.0.0.1)/amd64",
                "windows(10.0.0.1)/amd64 linux/amd64 windows(10.0.1.1)/amd64",
            ),
            // What nobody asked for comes last; another check refuses it.
            ("linux/s390x", "linux/amd64 linux/s390x", "linux/s390x linux/amd64"),
            // An index keeps its own order, and stands where its first image does.
            (
                "linux/amd64 linux/arm64 linux/arm/v7",
                "linux/arm64 linux/arm/v7+unknown/unknown linux/amd64",
                "linux/amd64 linux/arm64 linux/arm/v7+unknown/unknown",
            ),
            (
                "",
                "linux/arm64+linux/386 linux/s390x linux/amd64",
                "linux/amd64 linux/arm64+linux/386 linux/s390x",
            ),
        ] {
            let asked: Vec<Platform> =
                asked.split_whitespace().map(|platform| platform.parse().unwrap()).collect();
            let mut sources: Vec<Arrived> = sources.split_whitespace().map(source).collect();
            let shown = |sources: &[Arrived]| {
                let title = |entry: &Descriptor| {
                    entry.platform.as_ref().map(ToString::to_string).unwrap_or_default()
                };
                let titles = |source: &&Arrived| {
                    source.entries.iter().map(title).collect::<Vec<_>>().join("+")
                };
                by_platform(&asked, sources).iter().map(titles).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(shown(&sources), expected);
            sources.reverse();
            assert_eq!(shown(&sources), expected, "in whatever order they come");
        }
    }

    #[test]
    fn twins_have_an_order_too() {
        let (one, other) = (source("linux/amd64+linux/386"), source("linux/amd64+linux/arm64"));
        let digests = |sources: &[Arrived]| {
            let ordered = by_platform(&[], sources);
            ordered.iter().map(|arrived| arrived.manifest.digest.clone()).collect::<Vec<_>>()
        };
        assert_eq!(digests(&[one.clone(), other.clone()]), digests(&[other, one]));
    }
}
