//! Platforms that a tag had and the new index lacks: mostly a matrix that lost a line. A hint alone,
//! beside the push; whatever goes wrong, there is none.

use super::compose::Composed;
use super::targets::{Target, Targets};
use super::work::Work;
use crate::entries::diff;
use crate::oci::{Descriptor, Digest, Platform, Reference};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, warn};

/// Time to read what tags point to: a hint is not worth more.
const PATIENCE: Duration = Duration::from_secs(3);

/// Reads the indexes that tags are moved away from, each once, and warns of what goes. One of the
/// same length has the same platforms, but for images of another architecture with as long a name:
/// the usual release pays nothing.
pub(super) async fn tell(work: &Work<'_>, targets: &Targets, composed: &Composed) {
    // Who removes an entry from an index knows what it loses.
    if work.plan.sources.is_empty() {
        return;
    }
    let mut old: Vec<(&Digest, Vec<&Reference>)> = Vec::new();
    for Target { tag, held, list, .. } in targets.moving(&composed.digest) {
        let (Some(held), Some(size)) = (held, list) else { continue };
        if *size == composed.bytes.len() as u64 {
            continue;
        }
        match old.iter_mut().find(|(other, _)| *other == held) {
            Some((_, tags)) => tags.push(tag),
            None => old.push((held, vec![tag])),
        }
    }
    join_all(old.iter().map(|(held, tags)| tell_of_one(work, held, tags, composed))).await;
}

async fn tell_of_one(work: &Work<'_>, held: &Digest, tags: &[&Reference], new: &Composed) {
    let Some(first) = tags.first() else { return };
    let place = Reference::at(&first.repository, held);
    match work.registry.manifest(&place, Some(Instant::now() + PATIENCE)).await {
        Ok(manifest) => warn_of(tags, &diff::entries_of(&manifest), new),
        Err(error) => debug!("what {first} pointed to is not known: {error}"),
    }
}

/// Warns where these tags point to entries for platforms that the new ones lack.
pub(super) fn warn_of(tags: &[&Reference], old: &[Descriptor], new: &Composed) {
    let lost = lost(old, &new.entries);
    if lost.is_empty() {
        return;
    }
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    let what = if new.is_image() { "image" } else { "index" };
    warn!("{} had {}, which the new {what} does not have", tags.join(", "), lost.join(", "));
}

/// The platforms of the old entries that no new one has.
fn lost(old: &[Descriptor], new: &[Descriptor]) -> Vec<String> {
    let mut lost = Vec::new();
    for platform in old.iter().filter_map(Descriptor::known_platform) {
        let mut others = new.iter().filter_map(Descriptor::known_platform);
        let shown = platform.to_string();
        if !others.any(|other| succeeds(other, platform)) && !lost.contains(&shown) {
            lost.push(shown);
        }
    }
    lost
}

/// Whether an image takes the place of one for another platform: the same, or a later build of the
/// same Windows, which is what its first three numbers name.
fn succeeds(new: &Platform, old: &Platform) -> bool {
    let release = |platform: &Platform| -> Vec<String> {
        platform.os_version.split('.').take(3).map(str::to_owned).collect()
    };
    let plain =
        |platform: &Platform| Platform { os_version: String::new(), ..platform.normalized() };
    plain(new) == plain(old)
        && (new.os_version.is_empty() || old.os_version.is_empty() || release(new) == release(old))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media_type;

    fn entries(platforms: &str) -> Vec<Descriptor> {
        let entry = |platform: &str| {
            let digest = Digest::of(platform.as_bytes());
            let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest, 1);
            entry.platform = platform.parse().ok();
            entry
        };
        platforms.split_whitespace().map(entry).collect()
    }

    #[test]
    fn what_is_lost() {
        for (old, new, expected) in [
            ("linux/amd64 linux/arm64 linux/s390x", "linux/amd64", "linux/arm64 linux/s390x"),
            ("linux/amd64", "linux/amd64 linux/arm64", ""),
            ("linux/arm64/v8 linux/arm", "linux/arm64 linux/arm/v7", ""),
            ("linux/arm/v6 linux/arm/v7", "linux/arm/v7", "linux/arm/v6"),
            ("linux/amd64/v3 linux/amd64", "linux/amd64", "linux/amd64/v3"),
            ("unknown/unknown linux/amd64 no-platform", "linux/amd64", ""),
            ("windows(10.0.20348.1)/amd64", "windows(10.0.20348.2700)/amd64", ""),
            ("windows(10.0.20348.1)/amd64", "windows/amd64", ""),
            (
                "windows(10.0.17763.1)/amd64 windows(10.0.20348.1)/amd64",
                "windows(10.0.20348.2)/amd64",
                "windows(10.0.17763.1)/amd64",
            ),
            ("", "linux/amd64", ""),
        ] {
            assert_eq!(lost(&entries(old), &entries(new)).join(" "), expected, "{old}");
        }
    }
}
