//! Checked entries to an index, or onto one that is there: the exact bytes. Pure; the same entries
//! always give the same bytes.

use super::targets::Base;
use crate::entries::{self, images, titles};
use crate::error::Error;
use crate::error::words::setting;
use crate::inputs::table::names;
use crate::oci::manifest::LARGEST_MANIFEST;
use crate::oci::{Descriptor, Digest, Index, Manifest, Platform, json, media_type, referrer};
use crate::pipeline::check::Checked;
use crate::plan::{Format, Plan};
use crate::text::count;
use bytes::Bytes;
use tracing::{info, warn};

/// An index that may be published; or one image as it is, which is its own only entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// OCI image index or Docker manifest list; of one image as it is, its own.
    pub media_type: String,
    /// What is pushed, byte for byte.
    pub bytes: Bytes,
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// The entries, in order.
    pub entries: Vec<Descriptor>,
    /// What the user should hear, though it stops nothing.
    pub warnings: Vec<String>,
}

impl Composed {
    /// Whether it is one image, and no index.
    pub fn is_image(&self) -> bool {
        media_type::is_image(&self.media_type)
    }
}

/// Composes the index that the plan asks for.
pub fn index(plan: &Plan, checked: Checked) -> Result<Composed, Error> {
    let Checked { entries, unchanged, .. } = checked;
    match unchanged.filter(|manifest| nothing_asked(plan, manifest)) {
        Some(manifest) => Ok(as_it_is(manifest, entries)),
        None => new(plan, entries, None),
    }
}

/// What a tag holds, with other entries: as it is where nothing differs, else with all else of the
/// old index kept.
pub fn onto(plan: &Plan, base: &Base, entries: Vec<Descriptor>) -> Result<Composed, Error> {
    let tag = plan.targets.first().map(ToString::to_string).unwrap_or_default();
    entries::refuse_odd_platforms(&tag, &entries)?;
    match (&base.manifest, base.index()) {
        (Some(manifest), Some(index))
            if index.manifests == entries && nothing_asked(plan, manifest) =>
        {
            Ok(as_it_is(manifest.clone(), entries))
        }
        (Some(manifest), Some(index)) => {
            let composed = new(plan, entries, Some(index))?;
            let same =
                composed.entries == index.manifests && composed.media_type == manifest.media_type;
            let annotated = plan
                .annotations
                .index
                .iter()
                .all(|(key, value)| index.annotations.get(key) == Some(value));
            // Annotations that it carries already are no reason to write it anew.
            Ok(if same && annotated {
                as_it_is(manifest.clone(), composed.entries)
            } else {
                composed
            })
        }
        _ => new(plan, entries, None),
    }
}

/// A manifest that is published byte for byte.
pub(super) fn as_it_is(manifest: Manifest, entries: Vec<Descriptor>) -> Composed {
    let Manifest { media_type, bytes, .. } = manifest;
    // By SHA-256, whatever algorithm it was asked for by: that is what registries store by.
    Composed { media_type, digest: Digest::of(&bytes), bytes, entries, warnings: Vec::new() }
}

/// An index of these entries; `old` gives what is not about entries.
fn new(plan: &Plan, mut entries: Vec<Descriptor>, old: Option<&Index>) -> Result<Composed, Error> {
    let mut warnings = Vec::new();
    annotate(plan, &mut entries)?;
    let mut annotations = old.map(|index| index.annotations.clone()).unwrap_or_default();
    annotations.extend(plan.annotations.index.clone());
    let docker = entries.iter().filter(|entry| media_type::is_docker(&entry.media_type)).count();
    if docker > 0 && docker < entries.len() {
        warnings.push(
            "Docker and OCI images in one index: some registries (Quay) and old clients reject that; build all in one format"
                .to_owned(),
        );
    }
    let mut index = match old {
        Some(old) => Index { manifests: entries, annotations, ..old.clone() },
        None => Index::new(media_type::OCI_INDEX, entries, annotations),
    };
    let media_type = format(plan, &index)?;
    media_type.clone_into(&mut index.media_type);
    let bytes = Bytes::from(json::pretty(&index).map_err(Error::defect)?);
    if bytes.len() > LARGEST_MANIFEST {
        return Err(Error::refused(format!(
            "the index would have {} bytes; registries accept at most {LARGEST_MANIFEST}",
            bytes.len()
        ))
        .with_details(vec![format!("entries: {}", index.manifests.len())]));
    }
    Ok(Composed {
        media_type: media_type.to_owned(),
        digest: Digest::of(&bytes),
        bytes,
        entries: index.manifests,
        warnings,
    })
}

/// Whether a lone source can be published as it is. Of an image with more, the plan is refused.
fn nothing_asked(plan: &Plan, manifest: &Manifest) -> bool {
    let format_fits = match plan.format {
        Format::Auto => true,
        Format::Oci => manifest.media_type == media_type::OCI_INDEX,
        Format::Docker => manifest.media_type == media_type::DOCKER_LIST,
    };
    plan.annotations.is_empty() && format_fits
}

fn annotate(plan: &Plan, entries: &mut [Descriptor]) -> Result<(), Error> {
    let answers = |entry: &Descriptor, platform: &Platform| {
        entry.known_platform().is_some_and(|have| have.answers(platform))
    };
    let absent = plan
        .annotations
        .one_entry
        .iter()
        .map(|(platform, _)| platform)
        .filter(|platform| !entries.iter().any(|entry| answers(entry, platform)));
    let absent: Vec<String> = absent.map(|platform| format!("no entry for {platform}")).collect();
    if !absent.is_empty() {
        let there: Vec<String> = entries
            .iter()
            .filter_map(|entry| entry.known_platform())
            .map(ToString::to_string)
            .collect();
        return Err(Error::refused("annotations name entries that do not exist")
            .with_details(absent)
            .with_fix(format!("the entries are {}", there.join(", "))));
    }
    for entry in entries {
        entry.annotations.extend(plan.annotations.entries.clone());
        for (platform, annotations) in &plan.annotations.one_entry {
            if answers(entry, platform) {
                entry.annotations.extend(annotations.clone());
            }
        }
    }
    Ok(())
}

/// The type of the index to write.
fn format(plan: &Plan, index: &Index) -> Result<&'static str, Error> {
    let reasons = only_in_oci(index);
    match plan.format {
        Format::Oci => Ok(media_type::OCI_INDEX),
        Format::Auto if !reasons.is_empty() => Ok(media_type::OCI_INDEX),
        Format::Auto | Format::Docker if reasons.is_empty() => Ok(media_type::DOCKER_LIST),
        _ => Err(docker_refused().with_details(reasons)),
    }
}

fn docker_refused() -> Error {
    let (docker, auto) = (setting(names::format, "docker"), setting(names::format, "auto"));
    let drop = setting(names::attestations, "drop");
    Error::refused(format!(
        "{docker} is not possible: a Docker manifest list cannot contain all of this"
    ))
    .with_fix(format!("use {auto}; or build Docker images, and use {drop}"))
}

/// What a Docker manifest list has no place for (image spec, media-types.md, compatibility matrix).
fn only_in_oci(index: &Index) -> Vec<String> {
    let of_the_index = [
        (!index.annotations.is_empty(), "annotations"),
        (index.subject.is_some(), "a subject"),
        (!index.artifact_type.is_empty(), "an artifact type"),
    ];
    let of_the_index = of_the_index
        .into_iter()
        .filter(|(held, _)| *held)
        .map(|(_, what)| format!("the index: {what}"));
    let of_entries = index.manifests.iter().filter(|entry| entry.needs_oci()).map(|entry| {
        let why = match media_type::is_docker(&entry.media_type) {
            false => media_type::name(&entry.media_type),
            true if entry.annotations.is_empty() => {
                "it has fields that a Docker entry does not have"
            }
            true => "it has annotations",
        };
        format!("{} {}: {why}", entry.title(), entry.digest.short())
    });
    of_the_index.chain(of_entries).collect()
}

/// Tells what is composed.
pub(super) fn tell(composed: &Composed) {
    for warning in &composed.warnings {
        warn!("{warning}");
    }
    info!("{}", line(composed));
}

fn line(composed: &Composed) -> String {
    let kind = media_type::name(&composed.media_type);
    let (titles, bytes) = (titles(&composed.entries), composed.bytes.len());
    let digest = composed.digest.short();
    if let ([only], true) = (composed.entries.as_slice(), composed.is_image())
        && only.known_platform().is_none()
    {
        let kind = match only.artifact_type.as_str() {
            "" => kind.to_owned(),
            artifact_type => format!("artifact ({})", referrer::kind(artifact_type)),
        };
        return format!("compose  {kind} as it is, {bytes} bytes, {digest}");
    }
    if composed.is_image() {
        return format!("compose  {kind} for {titles} as it is, {bytes} bytes, {digest}");
    }
    let attestations = composed.entries.len() - images(&composed.entries).count();
    let more = if attestations == 0 {
        String::new()
    } else {
        format!(" and {}", count(attestations, "attestation"))
    };
    format!("compose  {kind} of {titles}{more}, {bytes} bytes, {digest}")
}
