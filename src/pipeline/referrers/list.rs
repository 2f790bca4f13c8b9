//! The tag that lists what refers to a manifest where the registry has no API for it (distribution
//! spec, "Referrers Tag Schema"): an index, which whoever pushes a referrer has to keep.

use crate::error::{Access, Error};
use crate::oci::manifest::LARGEST_MANIFEST;
use crate::oci::{
    Annotations, Content, Descriptor, Digest, Index, Manifest, Reference, Repository, json,
    media_type,
};
use crate::pipeline::record::{Action, Write};
use crate::pipeline::work::{Document, Rounds, Work};
use crate::referrers::list_tag;
use crate::registry::{self, Purpose, Registry};
use bytes::Bytes;
use tokio::time::Instant;

/// Reads what the tag of a repository lists, as far as it lists anything.
pub(super) async fn held(
    registry: &Registry,
    repository: &Repository,
    subject: &Digest,
) -> Result<Vec<Descriptor>, Error> {
    let tag = list_tag(repository, subject);
    let entries = |list| registry::entries(list, Purpose::Copy);
    Ok(current(registry, &tag).await?.iter().flat_map(entries).collect())
}

async fn current(registry: &Registry, tag: &Reference) -> Result<Option<Manifest>, Error> {
    match registry.manifest(tag, None).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) if error.may_be_missing() => Ok(None),
        Err(error) => Err(Error::cannot_read(&error, tag)),
    }
}

/// Adds entries to what the tag lists, until it lists them all: others may write it at the same
/// time, and registries have no compare-and-swap.
pub(super) async fn add(
    work: &Work<'_>,
    repository: &Repository,
    subject: &Digest,
    entries: &[Descriptor],
) -> Result<(), Error> {
    let tag = list_tag(repository, subject);
    let mut rounds = Rounds::new();
    while rounds.another() {
        let began = Instant::now();
        let held = current(work.registry, &tag).await?;
        let Some(index) = merged(&tag, held, entries)? else { return Ok(()) };
        let bytes = Bytes::from(json::pretty(&index).map_err(Error::defect)?);
        if bytes.len() > LARGEST_MANIFEST {
            return Err(Error::refused(format!(
                "{tag} would have {} bytes; registries accept at most {LARGEST_MANIFEST}",
                bytes.len()
            )));
        }
        let digest = Digest::of(&bytes);
        let document = Document { media_type: &index.media_type, bytes: &bytes, digest: &digest };
        let pushed = work.put("referrers", &tag, document).await;
        pushed.map_err(|error| Error::of_registry(&error, &format!("push {tag}"), Access::Push))?;
        work.progress.wrote(Write {
            action: Action::ReferrerTag,
            place: tag.to_string(),
            digest,
            why: format!("this registry lists there what refers to {subject}"),
        });
        rounds.pause(began).await;
    }
    Err(Error::refused(format!("{tag} keeps changing: others are writing it"))
        .with_fix("run it again when nobody else signs or copies the same image"))
}

/// What the tag has to list, with all that it holds; `None` where it lists all already.
fn merged(
    tag: &Reference,
    held: Option<Manifest>,
    entries: &[Descriptor],
) -> Result<Option<Index>, Error> {
    let mut index = match held.map(|held| held.content) {
        None => Index::new(media_type::OCI_INDEX, Vec::new(), Annotations::new()),
        Some(Content::Index(index)) => index,
        Some(Content::Image(_)) => {
            return Err(Error::refused(format!(
                "{tag} holds an image; without a referrers API this tag lists what refers to a digest"
            ))
            .with_fix("remove that tag, and run this again"));
        }
    };
    let before = index.manifests.len();
    for entry in entries {
        if index.manifests.iter().all(|other| other.digest != entry.digest) {
            index.manifests.push(entry.clone());
        }
    }
    if index.media_type.is_empty() {
        media_type::OCI_INDEX.clone_into(&mut index.media_type);
    }
    Ok((index.manifests.len() > before).then_some(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    fn entry(seed: &str) -> Descriptor {
        Descriptor::new(media_type::OCI_MANIFEST, Digest::of(seed.as_bytes()), 7)
    }

    fn held(entries: &[Descriptor]) -> Manifest {
        let index = Index::new(media_type::OCI_INDEX, entries.to_vec(), Annotations::new());
        let bytes = Bytes::from(json::pretty(&index).unwrap());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, media_type::OCI_INDEX, digest).unwrap()
    }

    #[test]
    fn nothing_that_the_tag_lists_is_lost_and_nothing_is_listed_twice() {
        let tag: Reference = "r.example/acme/app:sha256-0".parse().unwrap();
        let listed = |held: Option<Manifest>, new: &[Descriptor]| {
            merged(&tag, held, new).unwrap().map(|index| index.manifests)
        };
        let [a, b] = ["a", "b"].map(entry);
        assert_eq!(listed(None, &[]), None);
        assert_eq!(listed(None, from_ref(&a)), Some(vec![a.clone()]));
        assert_eq!(listed(Some(held(from_ref(&a))), from_ref(&a)), None);
        let both = [a.clone(), b.clone()];
        assert_eq!(listed(Some(held(from_ref(&a))), &both), Some(both.to_vec()));
        assert_eq!(listed(Some(held(from_ref(&a))), &[b.clone(), b]), Some(both.to_vec()));
    }
}
