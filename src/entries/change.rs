//! Changes to the entries of an index: added, removed, annotated. Pure.

use super::{Named, find, images};
use crate::error::Error;
use crate::oci::{Descriptor, Platform};

/// Adds entries at the end. An entry with the same platform is replaced in its place, and its
/// attestations are removed.
pub(crate) fn append(old: &[Descriptor], new: &[Descriptor]) -> Vec<Descriptor> {
    let same =
        |one: &Descriptor, other: &Descriptor| match (one.known_platform(), other.known_platform())
        {
            (Some(one), Some(other)) => one.same(other),
            // One attestation may be of several images.
            _ => one.digest == other.digest && one.attests() == other.attests(),
        };
    let successor = |entry: &Descriptor| new.iter().find(|other| same(entry, other));
    let replaced: Vec<&str> = old
        .iter()
        .filter(|entry| successor(entry).is_some_and(|new| new.digest != entry.digest))
        .map(|entry| entry.digest.as_str())
        .collect();
    let kept = old.iter().filter(|entry| entry.attests().is_none_or(|of| !replaced.contains(&of)));
    let mut entries: Vec<Descriptor> = kept
        .map(|entry| {
            successor(entry).filter(|new| new.digest != entry.digest).unwrap_or(entry).clone()
        })
        .collect();
    for entry in new {
        if !entries.iter().any(|other| other.digest == entry.digest && same(other, entry)) {
            entries.push(entry.clone());
        }
    }
    entries
}

/// Removes entries and their attestations. `gone_is_fine`: whether an entry may be gone already.
pub(crate) fn remove(
    list: &str,
    entries: &[Descriptor],
    named: &[Named],
    gone_is_fine: bool,
) -> Result<Vec<Descriptor>, Error> {
    let mut rest = entries.to_vec();
    for named in named {
        match find(list, &rest, named) {
            Ok(at) => {
                let digest = rest.remove(at).digest.to_string();
                rest.retain(|entry| entry.attests() != Some(digest.as_str()));
            }
            Err(_) if gone_is_fine => {}
            Err(error) => return Err(error),
        }
    }
    if images(&rest).next().is_none() {
        return Err(Error::refused(format!("this would remove the last entry of {list}"))
            .with_fix("delete the tag in the registry instead"));
    }
    Ok(rest)
}

/// The changes to one entry. `None` leaves a part as it is, an empty text clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) os: Option<String>,
    pub(crate) architecture: Option<String>,
    pub(crate) variant: Option<String>,
    pub(crate) os_version: Option<String>,
    pub(crate) os_features: Option<Vec<String>>,
    /// An empty value removes the annotation.
    pub(crate) annotations: Vec<(String, String)>,
}

impl Annotation {
    /// The platform that the entry will have.
    pub(crate) fn platform_of(&self, entry: &Descriptor) -> Platform {
        let mut platform = entry.platform.clone().unwrap_or_default();
        if self
            .architecture
            .as_ref()
            .is_some_and(|architecture| *architecture != platform.architecture)
        {
            // A variant belongs to its architecture.
            platform.variant.clear();
        }
        for (part, value) in [
            (&mut platform.os, &self.os),
            (&mut platform.architecture, &self.architecture),
            (&mut platform.variant, &self.variant),
            (&mut platform.os_version, &self.os_version),
        ] {
            if let Some(value) = value {
                part.clone_from(value);
            }
        }
        if let Some(features) = &self.os_features {
            platform.os_features.clone_from(features);
        }
        platform
    }
}

/// Changes one entry. No other entry may have its new platform.
pub(crate) fn annotate(
    list: &str,
    entries: &[Descriptor],
    named: &Named,
    change: &Annotation,
) -> Result<Vec<Descriptor>, Error> {
    let at = find(list, entries, named)?;
    let mut changed = entries.to_vec();
    let Some(entry) = changed.get_mut(at) else {
        return Err(Error::defect("an entry out of bounds"));
    };
    let platform = change.platform_of(entry);
    if entry.platform.is_some() || platform != Platform::default() {
        if platform.os.is_empty() || platform.architecture.is_empty() {
            return Err(Error::refused(format!(
                "the platform of {} in {list} would be incomplete",
                entry.digest
            ))
            .with_fix("give both --os and --arch"));
        }
        entry.platform = Some(platform);
    }
    for (key, value) in &change.annotations {
        if value.is_empty() {
            entry.annotations.remove(key);
        } else {
            entry.annotations.insert(key.clone(), value.clone());
        }
    }
    if let Some(platform) = changed[at].known_platform() {
        let twin = changed.iter().enumerate().find(|(other, entry)| {
            *other != at && entry.known_platform().is_some_and(|have| have.same(platform))
        });
        if let Some((_, twin)) = twin {
            return Err(Error::refused(format!(
                "{list} already has an entry for {platform}: {}",
                twin.digest
            )));
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::oci::descriptor::{REFERENCE_DIGEST, REFERENCE_TYPE};
    use crate::oci::{Digest, media_type};

    fn image(platform: &str, seed: &str) -> Descriptor {
        let mut entry = Descriptor::new(media_type::OCI_MANIFEST, Digest::of(seed.as_bytes()), 1);
        entry.platform = Some(platform.parse().unwrap());
        entry
    }

    fn attestation(of: &Descriptor) -> Descriptor {
        let mut entry = image("unknown/unknown", &format!("attests {}", of.digest));
        entry.annotations.insert(REFERENCE_TYPE.into(), "attestation-manifest".into());
        entry.annotations.insert(REFERENCE_DIGEST.into(), of.digest.to_string());
        entry
    }

    #[test]
    fn append_replaces_in_place_and_takes_old_attestations_along() {
        let (amd, arm, s390) =
            (image("linux/amd64", "1"), image("linux/arm64", "2"), image("linux/s390x", "3"));
        let old = [amd.clone(), arm.clone(), attestation(&amd), attestation(&arm)];
        let new_amd = image("linux/amd64", "4");
        let new = [s390.clone(), new_amd.clone(), attestation(&new_amd)];
        let expected =
            vec![new_amd.clone(), arm.clone(), attestation(&arm), s390, attestation(&new_amd)];
        assert_eq!(append(&old, &new), expected);
        assert_eq!(append(&expected, &new), expected, "appending twice changes nothing");
        assert_eq!(append(&[], &new), new);
        let other_spelling = [image("linux/arm64/v8", "2")];
        assert_eq!(append(&old, &other_spelling), old);
    }

    #[test]
    fn remove_takes_attestations_along_and_leaves_something() {
        let (amd, arm) = (image("linux/amd64", "1"), image("linux/arm64", "2"));
        let old = [amd.clone(), arm.clone(), attestation(&amd), attestation(&arm)];
        let named = |text: &str| Named::Platform(text.parse().unwrap());
        assert_eq!(
            remove("l", &old, &[named("linux/amd64")], false).unwrap(),
            [arm.clone(), attestation(&arm)]
        );
        assert_eq!(
            remove("l", &old, &[Named::Digest(attestation(&amd).digest.to_string())], false)
                .unwrap()
                .len(),
            3
        );
        let absent = remove("l", &old, &[named("linux/s390x")], false).unwrap_err();
        assert_eq!((absent.exit, absent.details.len()), (Exit::Refused, 2));
        let absent = Named::Digest(Digest::of(b"absent").to_string());
        let absent = remove("l", &old, &[absent], false).unwrap_err();
        assert_eq!((absent.exit, absent.details.len()), (Exit::Refused, 4));
        assert_eq!(remove("l", &old, &[named("linux/s390x")], true).unwrap(), old);
        assert!(
            remove("l", &old, &[named("linux/amd64"), named("linux/arm64")], false)
                .unwrap_err()
                .what
                .contains("remove the last entry")
        );
        let windows = [image("windows(10.0.1)/amd64", "5"), image("windows(10.0.2)/amd64", "6")];
        assert!(
            remove("l", &windows, &[named("windows/amd64")], false)
                .unwrap_err()
                .what
                .contains("2 entries")
        );
        assert_eq!(
            remove("l", &windows, &[named("windows(10.0.1)/amd64")], false).unwrap().len(),
            1
        );
    }

    #[test]
    fn annotate_changes_one_entry() {
        let entries = [image("linux/arm/v7", "1"), image("linux/amd64", "2")];
        let named = Named::Digest(entries[0].digest.to_string());
        let change = Annotation {
            variant: Some("v6".into()),
            annotations: vec![("k".into(), "v".into())],
            ..Annotation::default()
        };
        let changed = annotate("l", &entries, &named, &change).unwrap();
        assert_eq!(
            (changed[0].title(), changed[0].annotations["k"].as_str(), &changed[1]),
            ("linux/arm/v6".to_owned(), "v", &entries[1])
        );
        let cleared = annotate(
            "l",
            &changed,
            &named,
            &Annotation {
                variant: Some(String::new()),
                annotations: vec![("k".into(), String::new())],
                ..Annotation::default()
            },
        );
        assert_eq!(
            (cleared.as_ref().unwrap()[0].title(), cleared.unwrap()[0].annotations.len()),
            ("linux/arm/v7".to_owned(), 0)
        );
        let mut bare = entries.to_vec();
        bare[0].platform = None;
        let half = Annotation { os: Some("linux".into()), ..Annotation::default() };
        assert!(annotate("l", &bare, &named, &half).unwrap_err().what.contains("incomplete"));
        let note =
            Annotation { annotations: vec![("k".into(), "v".into())], ..Annotation::default() };
        assert_eq!(annotate("l", &bare, &named, &note).unwrap()[0].platform, None);
        let twin = Annotation {
            architecture: Some("amd64".into()),
            variant: Some(String::new()),
            ..Annotation::default()
        };
        assert!(annotate("l", &entries, &named, &twin).unwrap_err().what.contains("already"));
    }
}
