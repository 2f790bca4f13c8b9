//! Checked entries to an index: its exact bytes. Pure; the same entries always give the same bytes.

use crate::check::Checked;
use crate::error::Error;
use crate::oci::manifest::LARGEST_MANIFEST;
use crate::oci::{Descriptor, Digest, Index, Manifest, json, media_type};
use crate::plan::{Format, Plan};
use bytes::Bytes;

/// An index that may be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// OCI image index or Docker manifest list.
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

/// Composes the index that the plan asks for.
pub fn index(plan: &Plan, checked: Checked) -> Result<Composed, Error> {
    let Checked { mut entries, unchanged, mut warnings } = checked;
    if let Some(manifest) = unchanged.filter(|manifest| nothing_asked(plan, manifest)) {
        let Manifest { media_type, bytes, .. } = manifest;
        // By SHA-256, whatever algorithm the source was pinned by: that is what registries store by.
        return Ok(Composed { media_type, digest: Digest::of(&bytes), bytes, entries, warnings });
    }
    annotate(plan, &mut entries);
    let media_type = format(plan, &entries)?;
    let docker = entries.iter().filter(|entry| media_type::is_docker(&entry.media_type)).count();
    if docker > 0 && docker < entries.len() {
        warnings.push(
            "Docker and OCI images in one index: some registries (Quay) and old clients refuse that; build all in one format"
                .to_owned(),
        );
    }
    let index = Index::new(media_type, entries, plan.annotations.index.clone());
    let bytes = Bytes::from(json::pretty(&index).map_err(Error::defect)?);
    if bytes.len() > LARGEST_MANIFEST {
        return Err(Error::refused(format!("the index would have {} bytes, registries take {LARGEST_MANIFEST}", bytes.len()))
            .with_details(vec![format!("entries: {}", index.manifests.len())]));
    }
    Ok(Composed { media_type: media_type.to_owned(), digest: Digest::of(&bytes), bytes, entries: index.manifests, warnings })
}

/// Whether a lone index can be published as it is.
fn nothing_asked(plan: &Plan, manifest: &Manifest) -> bool {
    let format_fits = match plan.format {
        Format::Auto => true,
        Format::Oci => manifest.media_type == media_type::OCI_INDEX,
        Format::Docker => manifest.media_type == media_type::DOCKER_LIST,
    };
    plan.annotations.is_empty() && format_fits
}

fn annotate(plan: &Plan, entries: &mut [Descriptor]) {
    for entry in entries {
        entry.annotations.extend(plan.annotations.entries.clone());
        for (platform, annotations) in &plan.annotations.one_entry {
            if entry.known_platform().is_some_and(|have| have.answers(platform)) {
                entry.annotations.extend(annotations.clone());
            }
        }
    }
}

fn format(plan: &Plan, entries: &[Descriptor]) -> Result<&'static str, Error> {
    let oci_only: Vec<String> = entries
        .iter()
        .filter(|entry| entry.needs_oci())
        .map(|entry| format!("{} {}: {}", crate::check::name(entry), entry.digest.short(), media_type::name(&entry.media_type)))
        .collect();
    match plan.format {
        Format::Oci => Ok(media_type::OCI_INDEX),
        Format::Auto if oci_only.is_empty() && plan.annotations.is_empty() => Ok(media_type::DOCKER_LIST),
        Format::Auto => Ok(media_type::OCI_INDEX),
        Format::Docker if oci_only.is_empty() => Ok(media_type::DOCKER_LIST),
        Format::Docker => {
            Err(Error::refused("`format: docker` was asked for, and a Docker manifest list cannot hold these entries")
                .with_details(oci_only)
                .with_fix("use `format: auto`; or build Docker images, with `attestations: drop`"))
        }
    }
}
