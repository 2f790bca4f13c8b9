//! Changes to a list that is in a registry: read, change, write, until the tag holds what the change gives.
//!
//! Registries have no compare-and-swap, so two writers can meet. The tag is read again right before it is written, and
//! once more after a pause: what another writer did meanwhile is merged into, or refused, never lost silently. What
//! remains possible: a writer whose push takes longer than the other's pause, between its last look and its arrival.

use crate::advice::Surroundings;
use crate::check::name;
use crate::compose::Composed;
use crate::error::{Error, Exit};
use crate::oci::{Content, Descriptor, Index, Manifest, Platform, Reference, media_type};
use crate::publish::{self, Held, Publishing};
use crate::registry::Registry;
use crate::resolve;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// After a write: long enough for a writer that looked just before it to have written, too.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How much longer than ours the other writer's look and write may take.
const SLOWER_WRITER: u32 = 4;
/// Rounds until somebody has to look: with growing pauses about a minute.
const MOST_ROUNDS: u32 = 12;

/// What a tag held when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// As received; `None` when there is no such tag.
    pub manifest: Option<Manifest>,
    /// Its entries; a plain image is its own only entry.
    pub entries: Vec<Descriptor>,
}

impl Base {
    /// The index, if the tag holds one.
    pub fn index(&self) -> Option<&Index> {
        match self.manifest.as_ref().map(|manifest| &manifest.content) {
            Some(Content::Index(index)) => Some(index),
            _ => None,
        }
    }

    fn held(&self) -> Held {
        self.manifest.as_ref().map(|manifest| manifest.digest.clone())
    }
}

/// What to do when another writer moved the tag between our first look and our first write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The change is made to what is there now.
    Merge,
    /// The change was meant for what was there before.
    Refuse,
}

/// How an edit ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// What the tags hold now; in a dry run, what they would hold.
    pub composed: Composed,
    /// What the targets held at the last look, in the order of the plan.
    pub held: Vec<Held>,
    /// Whether anything was written.
    pub changed: bool,
}

/// Reads what the first target holds, changes it, writes it to all targets; again, until there is nothing to change.
/// `tell` hears of each list that the change gives; `transfer` brings there what it names, and says whether that took time.
pub async fn until_settled(
    to: &Publishing<'_>,
    moved: Moved,
    tell: impl Fn(&Base, &Composed),
    transfer: impl AsyncFn(&Base, &Composed, &[Held]) -> Result<bool, Error>,
    change: impl Fn(&Base) -> Result<Composed, Error>,
) -> Result<Edited, Error> {
    let Publishing { registry, plan, surroundings, .. } = *to;
    let Some(first) = plan.targets.first() else { return Err(Error::defect("an edit without a target")) };
    let (mut changed, mut told) = (false, None);
    for round in 0..MOST_ROUNDS {
        let began = Instant::now();
        let base = read(registry, first, surroundings).await?;
        let composed = change(&base)?;
        if told.as_ref() != Some(&composed.digest) {
            tell(&base, &composed);
            told = Some(composed.digest.clone());
        }
        let mut held = publish::look_at_targets(registry, plan, surroundings).await?;
        let mut moved_meanwhile = held.first() != Some(&base.held());
        let settled = held.iter().all(|held| held.as_ref() == Some(&composed.digest));
        if !settled && !moved_meanwhile {
            publish::refuse_overwriting(plan, &composed.digest, &held)?;
            if !plan.dry_run && transfer(&base, &composed, &held).await? {
                held = publish::look_at_targets(registry, plan, surroundings).await?;
                moved_meanwhile = held.first() != Some(&base.held());
            }
        }
        if settled || (plan.dry_run && !moved_meanwhile) {
            if changed {
                info!("verify   read back as pushed");
            }
            return Ok(Edited { composed, held, changed });
        }
        if moved_meanwhile {
            if moved == Moved::Refuse && !changed {
                return Err(Error::refused(format!("{first} was moved by somebody else while it was being changed"))
                    .with_fix("look at it again, and run this again if the change still makes sense"));
            }
            info!("edit     {first} was moved by somebody else meanwhile; the change is made to what it holds now");
        } else {
            publish::refuse_overwriting(plan, &composed.digest, &held)?;
            publish::tags(to, &composed, &held).await?;
            changed = true;
        }
        // Where all is slow, the other writer is slow as well.
        sleep(pause(round, fastrand::f64()).max(SLOWER_WRITER * began.elapsed())).await;
    }
    if changed {
        warn!("{first}: what was written last may have been overwritten by another writer");
    }
    Err(Error::new(
        Exit::Partial,
        format!("{first} does not come to rest: others keep writing it, or the registry shows old content"),
    )
    .with_fix("let one job after the other change a tag (a concurrency group), then run this again"))
}

/// Jittered upwards, so that two writers that met once do not meet for ever.
fn pause(round: u32, chance: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << round.min(10)).min(LONGEST_PAUSE).mul_f64(1.0 + chance)
}

/// What a tag holds now.
pub async fn read(registry: &Registry, tag: &Reference, surroundings: &Surroundings<'_>) -> Result<Base, Error> {
    let manifest = match registry.manifest(tag, None).await {
        Ok(manifest) => manifest,
        Err(error) if error.may_be_missing() => return Ok(Base { manifest: None, entries: Vec::new() }),
        Err(error) => return Err(publish::cannot_read(registry, &error, tag, surroundings)),
    };
    let entries = match &manifest.content {
        Content::Index(index) => index.manifests.clone(),
        Content::Image(image) => {
            let mut config = None;
            if media_type::is_image_config(&image.config.media_type) {
                let read = registry.config(&tag.repository, &image.config, None).await;
                config = Some(read.map_err(|error| publish::cannot_read(registry, &error, tag, surroundings))?);
            }
            vec![resolve::plain_entry(&tag.to_string(), &manifest, image, config.as_deref(), None)?]
        }
    };
    Ok(Base { manifest: Some(manifest), entries })
}

/// Adds entries: a platform that is there already is replaced in its place, and its attestations go; others follow.
pub fn append(old: &[Descriptor], new: &[Descriptor]) -> Vec<Descriptor> {
    let same = |one: &Descriptor, other: &Descriptor| match (one.known_platform(), other.known_platform()) {
        (Some(one), Some(other)) => one.same(other),
        _ => one.digest == other.digest,
    };
    let successor = |entry: &Descriptor| new.iter().find(|other| same(entry, other));
    let replaced: Vec<&str> = old
        .iter()
        .filter(|entry| successor(entry).is_some_and(|new| new.digest != entry.digest))
        .map(|entry| entry.digest.as_str())
        .collect();
    let kept = old.iter().filter(|entry| entry.attests().is_none_or(|of| !replaced.contains(&of)));
    let mut entries: Vec<Descriptor> =
        kept.map(|entry| successor(entry).filter(|new| new.digest != entry.digest).unwrap_or(entry).clone()).collect();
    for entry in new {
        if !entries.iter().any(|other| other.digest == entry.digest && same(other, entry)) {
            entries.push(entry.clone());
        }
    }
    entries
}

/// How a user names an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// By the digest of its manifest.
    Digest(String),
    /// By its platform.
    Platform(Platform),
}

/// The one entry that is named.
pub fn find(list: &str, entries: &[Descriptor], named: &Named) -> Result<usize, Error> {
    let fits = |entry: &Descriptor| match named {
        Named::Digest(digest) => entry.digest.as_str() == digest,
        Named::Platform(platform) => entry.known_platform().is_some_and(|have| have.answers(platform)),
    };
    let shown = match named {
        Named::Digest(digest) => digest.clone(),
        Named::Platform(platform) => platform.to_string(),
    };
    let hits: Vec<usize> = entries.iter().enumerate().filter(|(_, entry)| fits(entry)).map(|(at, _)| at).collect();
    let lines = |entries: &mut dyn Iterator<Item = &Descriptor>| {
        entries.map(|entry| format!("entry: {}  {}", name(entry), entry.digest)).collect()
    };
    match hits.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::refused(format!("{list} has no entry {shown}")).with_details(lines(&mut entries.iter()))),
        several => Err(Error::refused(format!("{list} has {} entries {shown}", several.len()))
            .with_details(lines(&mut several.iter().filter_map(|at| entries.get(*at))))
            .with_fix("name it by its digest, or the platform with its OS version")),
    }
}

/// Takes entries out, each with its attestations. `gone_is_fine`: an entry that is not there is not missed.
pub fn remove(list: &str, entries: &[Descriptor], named: &[Named], gone_is_fine: bool) -> Result<Vec<Descriptor>, Error> {
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
    if !rest.iter().any(|entry| entry.attests().is_none()) {
        return Err(Error::refused(format!("nothing would be left of {list}")).with_fix("delete the tag in the registry instead"));
    }
    Ok(rest)
}

/// What shall become of one entry; `None` leaves a part as it is, an empty text clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotation {
    /// GOOS.
    pub os: Option<String>,
    /// GOARCH.
    pub architecture: Option<String>,
    /// CPU variant.
    pub variant: Option<String>,
    /// Windows build.
    pub os_version: Option<String>,
    /// Windows features.
    pub os_features: Option<Vec<String>>,
    /// Annotations of the entry; an empty value removes one.
    pub annotations: Vec<(String, String)>,
}

impl Annotation {
    /// What an entry's platform shall be.
    pub fn platform_of(&self, entry: &Descriptor) -> Platform {
        let mut platform = entry.platform.clone().unwrap_or_default();
        if self.architecture.as_ref().is_some_and(|architecture| *architecture != platform.architecture) {
            // A variant is one of its architecture.
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

/// Changes one entry; the platform must stay the only one of its kind.
pub fn annotate(list: &str, entries: &[Descriptor], named: &Named, change: &Annotation) -> Result<Vec<Descriptor>, Error> {
    let at = find(list, entries, named)?;
    let mut changed = entries.to_vec();
    let Some(entry) = changed.get_mut(at) else { return Err(Error::defect("an entry out of bounds")) };
    let platform = change.platform_of(entry);
    if entry.platform.is_some() || platform != Platform::default() {
        if platform.os.is_empty() || platform.architecture.is_empty() {
            return Err(Error::refused(format!("{} of {list} would have half a platform", entry.digest))
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
        let twin = changed
            .iter()
            .enumerate()
            .find(|(other, entry)| *other != at && entry.known_platform().is_some_and(|have| have.same(platform)));
        if let Some((_, twin)) = twin {
            return Err(Error::refused(format!("{list} has an entry for {platform} already: {}", twin.digest)));
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use crate::oci::descriptor::{REFERENCE_DIGEST, REFERENCE_TYPE};

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
        let (amd, arm, s390) = (image("linux/amd64", "1"), image("linux/arm64", "2"), image("linux/s390x", "3"));
        let old = [amd.clone(), arm.clone(), attestation(&amd), attestation(&arm)];
        let new_amd = image("linux/amd64", "4");
        let new = [s390.clone(), new_amd.clone(), attestation(&new_amd)];
        let expected = vec![new_amd.clone(), arm.clone(), attestation(&arm), s390, attestation(&new_amd)];
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
        assert_eq!(remove("l", &old, &[named("linux/amd64")], false).unwrap(), [arm.clone(), attestation(&arm)]);
        assert_eq!(remove("l", &old, &[Named::Digest(attestation(&amd).digest.to_string())], false).unwrap().len(), 3);
        let absent = remove("l", &old, &[named("linux/s390x")], false).unwrap_err();
        assert_eq!((absent.exit, absent.details.len()), (Exit::Refused, 4));
        assert_eq!(remove("l", &old, &[named("linux/s390x")], true).unwrap(), old);
        assert!(
            remove("l", &old, &[named("linux/amd64"), named("linux/arm64")], false)
                .unwrap_err()
                .what
                .contains("nothing would be left")
        );
        let windows = [image("windows(10.0.1)/amd64", "5"), image("windows(10.0.2)/amd64", "6")];
        assert!(remove("l", &windows, &[named("windows/amd64")], false).unwrap_err().what.contains("2 entries"));
        assert_eq!(remove("l", &windows, &[named("windows(10.0.1)/amd64")], false).unwrap().len(), 1);
    }

    #[test]
    fn annotate_changes_one_entry() {
        let entries = [image("linux/arm/v7", "1"), image("linux/amd64", "2")];
        let named = Named::Digest(entries[0].digest.to_string());
        let change =
            Annotation { variant: Some("v6".into()), annotations: vec![("k".into(), "v".into())], ..Annotation::default() };
        let changed = annotate("l", &entries, &named, &change).unwrap();
        assert_eq!(
            (name(&changed[0]), changed[0].annotations["k"].as_str(), &changed[1]),
            ("linux/arm/v6".to_owned(), "v", &entries[1])
        );
        let cleared = annotate(
            "l",
            &changed,
            &named,
            &Annotation { variant: Some(String::new()), annotations: vec![("k".into(), String::new())], ..Annotation::default() },
        );
        assert_eq!((name(&cleared.as_ref().unwrap()[0]), cleared.unwrap()[0].annotations.len()), ("linux/arm/v7".to_owned(), 0));
        let mut bare = entries.to_vec();
        bare[0].platform = None;
        let half = Annotation { os: Some("linux".into()), ..Annotation::default() };
        assert!(annotate("l", &bare, &named, &half).unwrap_err().what.contains("half a platform"));
        let note = Annotation { annotations: vec![("k".into(), "v".into())], ..Annotation::default() };
        assert_eq!(annotate("l", &bare, &named, &note).unwrap()[0].platform, None);
        let twin = Annotation { architecture: Some("amd64".into()), variant: Some(String::new()), ..Annotation::default() };
        assert!(annotate("l", &entries, &named, &twin).unwrap_err().what.contains("already"));
    }
}
