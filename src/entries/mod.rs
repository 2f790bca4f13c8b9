//! The entries of an index: finding the one that is named, and making one from an image. Pure.

pub(crate) mod change;
pub mod diff;
pub(crate) mod nested;
pub(crate) mod platforms;

use crate::error::Error;
use crate::oci::{Descriptor, ImageConfig, ImageManifest, Manifest, Platform, media_type, shown};
use crate::text::brief;

/// The entries that are not attestations.
pub(crate) fn images(entries: &[Descriptor]) -> impl Iterator<Item = &Descriptor> {
    entries.iter().filter(|entry| entry.attests().is_none())
}

/// What the images are, in one line for people.
pub(crate) fn titles(entries: &[Descriptor]) -> String {
    images(entries).map(Descriptor::title).collect::<Vec<_>>().join(", ")
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Named {
    Digest(String),
    Platform(Platform),
}

/// Finds the one entry that is named in the index `owner`. An equal platform comes before one that
/// only answers: `windows/amd64` is the entry without an OS version, if there is one.
pub(crate) fn find(owner: &str, entries: &[Descriptor], named: &Named) -> Result<usize, Error> {
    let hits = |fits: &dyn Fn(&Descriptor) -> bool| -> Vec<usize> {
        entries.iter().enumerate().filter(|(_, entry)| fits(entry)).map(|(at, _)| at).collect()
    };
    let (hits, shown) = match named {
        Named::Digest(digest) => (hits(&|entry| entry.digest.as_str() == digest), digest.clone()),
        Named::Platform(platform) => {
            let by = |rule: fn(&Platform, &Platform) -> bool| {
                hits(&|entry| entry.known_platform().is_some_and(|have| rule(have, platform)))
            };
            let equal = by(Platform::same);
            let hits = if equal.is_empty() { by(Platform::answers) } else { equal };
            (hits, format!("for {platform}"))
        }
    };
    let lines = |entries: &mut dyn Iterator<Item = &Descriptor>| {
        entries.map(|entry| format!("entry: {}  {}", entry.title(), entry.digest)).collect()
    };
    match hits.as_slice() {
        [one] => Ok(*one),
        [] => {
            // Attestations can only be named by digest.
            let by_digest = matches!(named, Named::Digest(_));
            let mut others = entries.iter().filter(|entry| by_digest || entry.attests().is_none());
            Err(Error::refused(format!("{owner} has no entry {shown}"))
                .with_details(lines(&mut others)))
        }
        several => Err(Error::refused(format!("{owner} has {} entries {shown}", several.len()))
            .with_details(lines(&mut several.iter().filter_map(|at| entries.get(*at))))
            .with_fix("use its digest, or the platform including the OS version")),
    }
}

/// An entry of the index `owner` is not what it says.
pub(crate) fn wrong(owner: &str, entry: &Descriptor, why: &str) -> Error {
    Error::refused(format!("{owner}: an entry is wrong: {why}"))
        .with_details(vec![format!("entry: {}  {}", entry.title(), entry.digest)])
        .with_fix("build and push it again: clients refuse an index that says something else")
}

/// Refuses entries of `owner` whose platforms are not made of words, whatever configs and indexes
/// hold in their place: outputs and files list them.
pub(crate) fn refuse_odd_platforms(owner: &str, entries: &[Descriptor]) -> Result<(), Error> {
    let odd = entries.iter().find_map(|entry| {
        let odd = entry.platform.as_ref()?.odd_part()?;
        Some((entry, brief(odd)))
    });
    odd.map_or(Ok(()), |(entry, odd)| {
        Err(Error::refused(format!("{owner}: its platform contains {odd:?}, which is not allowed"))
            .with_details(vec![format!("entry: {}", entry.digest)])
            .with_fix("build and push it again for a platform as Go names it, such as linux/arm64"))
    })
}

/// Parses the config of the image `name`.
pub(crate) fn parsed(name: &str, config: &[u8]) -> Result<ImageConfig, Error> {
    ImageConfig::parse(config)
        .map_err(|why| Error::refused(format!("{name}: its config cannot be read: {why}")))
}

/// The entry for an image, and what its platform lost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    pub(crate) entry: Descriptor,
    /// See [`Platform::stray_variant`].
    pub(crate) stray: Option<String>,
}

/// What the user should hear of an entry that lost this variant.
pub(crate) fn without_variant(name: &str, entry: &Descriptor, stray: &str) -> String {
    format!(
        "{name}: its config says variant {stray}, which only ARM has; it goes into the index as {}",
        entry.title()
    )
}

/// Makes the entry for an image, with the normalised platform from its config. `config`: `None` for
/// an artifact; `stated`: the platform in the inputs, which supplies what the config leaves out.
pub(crate) fn plain_entry(
    name: &str,
    manifest: &Manifest,
    image: &ImageManifest,
    config: Option<&[u8]>,
    stated: Option<&Platform>,
) -> Result<Plain, Error> {
    let config = config.map(|bytes| parsed(name, bytes)).transpose()?;
    entry_of(name, manifest, image, config, stated)
}

/// What stands for a manifest that is published as it is, without an index: nothing has to be known
/// of where it runs, and an artifact runs nowhere.
pub(crate) fn as_it_is(manifest: &Manifest, image: &ImageManifest) -> Plain {
    let mut entry = manifest.descriptor();
    entry.artifact_type = match image.artifact_type.as_str() {
        "" if media_type::is_image_config(&image.config.media_type) => String::new(),
        "" => image.config.media_type.clone(),
        artifact_type => artifact_type.to_owned(),
    };
    Plain { entry, stray: None }
}

/// As [`plain_entry`], with a parsed config.
pub(crate) fn entry_of(
    name: &str,
    manifest: &Manifest,
    image: &ImageManifest,
    config: Option<ImageConfig>,
    stated: Option<&Platform>,
) -> Result<Plain, Error> {
    let configured = match config {
        Some(config) => config.platform,
        None if stated.is_some() => Platform::default(),
        None => {
            let kind = if image.artifact_type.is_empty() {
                &image.config.media_type
            } else {
                &image.artifact_type
            };
            return Err(Error::refused(format!(
                "{name} is not an image but an artifact of type \"{}\"",
                shown(kind)
            ))
            .with_fix("leave it out, or write PLATFORM= in front if it is runnable"));
        }
    };
    let platform = match stated {
        None => configured,
        Some(stated) => configured.filled_from(stated).ok_or_else(|| {
            let configured = configured.to_string();
            let configured = shown(&configured);
            Error::refused(format!("{name} is for {configured}, but the inputs say {stated}"))
                .with_fix(
                    "correct the platform in front of the image, or build it for that platform",
                )
        })?,
    };
    if !platform.is_known() {
        return Err(Error::refused(format!(
            "{name}: its config does not say which platform it is for"
        ))
        .with_fix("write PLATFORM= in front of it"));
    }
    let mut entry = manifest.descriptor();
    entry.platform = Some(platform.without_stray_variant().normalized());
    Ok(Plain { entry, stray: platform.stray_variant().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::oci::descriptor::{REFERENCE_DIGEST, REFERENCE_TYPE};
    use crate::oci::{Content, Digest, media_type};

    fn entry(platform: &str, seed: &str) -> Descriptor {
        let digest = Digest::of(seed.as_bytes());
        let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest, 1);
        entry.platform = platform.parse().ok();
        entry
    }

    fn attestation(of: &Descriptor) -> Descriptor {
        let mut entry = entry("unknown/unknown", of.digest.as_str());
        entry.annotations.insert(REFERENCE_TYPE.into(), "attestation-manifest".into());
        entry.annotations.insert(REFERENCE_DIGEST.into(), of.digest.to_string());
        entry
    }

    #[test]
    fn an_equal_platform_comes_before_one_that_answers() {
        let amd64 = entry("linux/amd64", "a");
        let entries = [
            amd64.clone(),
            entry("windows(10.0.1)/amd64", "w1"),
            entry("windows(10.0.2)/amd64", "w2"),
            entry("linux/arm64", "b"),
            entry("linux/arm64/v8", "c"),
            attestation(&amd64),
        ];
        let with_bare = [&entries[..], &[entry("windows/amd64", "w")]].concat();
        let platform = |text: &str| Named::Platform(text.parse().unwrap());
        let digest = |seed: &str| Named::Digest(Digest::of(seed.as_bytes()).to_string());
        for (entries, named, found) in [
            (&entries[..], platform("linux/amd64"), Ok(0)),
            (&entries[..], platform("linux/x86_64"), Ok(0)),
            (&entries[..], platform("windows(10.0.2)/amd64"), Ok(2)),
            (&with_bare[..], platform("windows/amd64"), Ok(6)),
            (&with_bare[..], platform("windows(10.0.1)/amd64"), Ok(1)),
            (&entries[..], digest("b"), Ok(3)),
            (&entries[..], Named::Digest(entries[5].digest.to_string()), Ok(5)),
            (&entries[..], platform("windows/amd64"), Err(("2 entries for windows/amd64", 2))),
            (&entries[..], platform("linux/arm64"), Err(("2 entries for linux/arm64", 2))),
            (&entries[..], platform("linux/s390x"), Err(("no entry for linux/s390x", 5))),
            (&entries[..], digest("x"), Err(("no entry sha256:", 6))),
            (&[], platform("linux/amd64"), Err(("no entry for linux/amd64", 0))),
        ] {
            match (find("app", entries, &named), found) {
                (Ok(at), found) => assert_eq!(Ok(at), found, "{named:?}"),
                (Err(error), Err((what, lines))) => {
                    assert!(error.what.starts_with(&format!("app has {what}")), "{error}");
                    assert_eq!((error.exit, error.details.len()), (Exit::Refused, lines));
                    assert_eq!(error.fix.is_some(), what.starts_with('2'), "{error}");
                }
                (Err(error), Ok(_)) => panic!("{error}"),
            }
        }
    }

    /// The variant that an entry lost, of those in the table.
    fn config_says_v8(config: Option<&[u8]>, title: &str) -> Option<&'static str> {
        let says = config.is_some_and(|config| String::from_utf8_lossy(config).contains("v8"));
        (says && !title.contains("arm")).then_some("v8")
    }

    fn plain(config: &str, config_type: &str, stated: Option<&str>) -> Result<String, Error> {
        let blob = serde_json::to_string(&Descriptor::new(config_type, Digest::of(b"c"), 2));
        let body = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, blob.unwrap());
        let digest = Digest::of(body.as_bytes());
        let manifest = Manifest::parse(body.into(), media_type::OCI_MANIFEST, digest).unwrap();
        let Content::Image(image) = &manifest.content else { unreachable!() };
        let stated: Option<Platform> = stated.map(|text| text.parse().unwrap());
        let config = media_type::is_image_config(config_type).then_some(config.as_bytes());
        let plain = plain_entry("a", &manifest, image, config, stated.as_ref())?;
        let entry = &plain.entry;
        assert_eq!((&entry.digest, entry.size), (&manifest.digest, manifest.bytes.len() as u64));
        assert_eq!(plain.stray.as_deref(), config_says_v8(config, &entry.title()));
        Ok(entry.title())
    }

    #[test]
    fn the_entry_of_an_image_takes_its_platform_from_its_config() {
        const ARTIFACT: &str = "application/vnd.example+json";
        for (config, config_type, stated, expected) in [
            (
                r#"{"os":"linux","architecture":"aarch64"}"#,
                media_type::OCI_CONFIG,
                None,
                Ok("linux/arm64"),
            ),
            (
                r#"{"os":"linux","architecture":"arm"}"#,
                media_type::OCI_CONFIG,
                Some("linux/arm/v6"),
                Ok("linux/arm/v6"),
            ),
            ("{}", media_type::DOCKER_CONFIG, Some("linux/amd64"), Ok("linux/amd64")),
            ("", ARTIFACT, Some("wasip1/wasm"), Ok("wasip1/wasm")),
            (
                r#"{"os":"linux","architecture":"amd64","variant":"v8"}"#,
                media_type::OCI_CONFIG,
                None,
                Ok("linux/amd64"),
            ),
            (r#"{"variant":"v8"}"#, media_type::OCI_CONFIG, Some("linux/s390x"), Ok("linux/s390x")),
            (
                r#"{"os":"linux","architecture":"amd64","variant":"v8"}"#,
                media_type::OCI_CONFIG,
                Some("linux/arm64/v8"),
                Err("is for linux/amd64/v8, but the inputs say linux/arm64"),
            ),
            ("", ARTIFACT, None, Err("artifact of type")),
            ("", &format!("a/{}", "b".repeat(3998)), None, Err("type \"a text of 4000 bytes\"")),
            (
                &format!(r#"{{"os":"{}","architecture":"a"}}"#, "x".repeat(3998)),
                media_type::OCI_CONFIG,
                Some("linux/arm64"),
                Err("a is for a text of 4000 bytes, but"),
            ),
            ("{}", media_type::OCI_CONFIG, None, Err("does not say")),
            ("{", media_type::OCI_CONFIG, None, Err("config cannot be read")),
            (
                r#"{"os":"linux","architecture":"amd64"}"#,
                media_type::OCI_CONFIG,
                Some("linux/arm64"),
                Err("but the inputs say linux/arm64"),
            ),
        ] {
            match (plain(config, config_type, stated), expected) {
                (Ok(title), expected) => assert_eq!(Ok(title.as_str()), expected),
                (Err(error), Err(words)) => {
                    assert_eq!(error.exit, Exit::Refused);
                    assert!(error.what.contains(words), "{error}");
                }
                (Err(error), Ok(_)) => panic!("{error}"),
            }
        }
    }
}
