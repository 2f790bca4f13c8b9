//! The tags to publish, before anything is written: what they hold, whether they may be moved,
//! whether they may be pushed to.

use super::work::{cannot_read, failure};
use crate::entries;
use crate::error::Error;
use crate::error::advice::{Access, Surroundings};
use crate::join;
use crate::oci::{Content, Descriptor, Digest, Index, Manifest, Reference, Repository, media_type};
use crate::plan::Plan;
use crate::registry::{Kind, Registry};
use std::collections::BTreeMap;
use tracing::debug;

/// What a tag held when it was looked at: nothing, or a digest.
pub type Held = Option<Digest>;

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

    pub(super) fn held(&self) -> Held {
        self.manifest.as_ref().map(|manifest| manifest.digest.clone())
    }
}

/// What a tag holds now.
pub async fn read(
    registry: &Registry,
    tag: &Reference,
    surroundings: &Surroundings,
) -> Result<Base, Error> {
    let manifest = match registry.manifest(tag, None).await {
        Ok(manifest) => manifest,
        Err(error) if error.may_be_missing() => {
            return Ok(Base { manifest: None, entries: Vec::new() });
        }
        Err(error) => return Err(cannot_read(&error, tag, surroundings)),
    };
    let entries = match &manifest.content {
        Content::Index(index) => index.manifests.clone(),
        Content::Image(image) => {
            let mut config = None;
            if media_type::is_image_config(&image.config.media_type) {
                let read = registry.config(&tag.repository, &image.config, None).await;
                config = Some(read.map_err(|error| cannot_read(&error, tag, surroundings))?);
            }
            vec![entries::plain_entry(&tag.to_string(), &manifest, image, config.as_deref(), None)?]
        }
    };
    Ok(Base { manifest: Some(manifest), entries })
}

/// What every target holds now, in the order of the plan.
pub async fn look_at_targets(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<Vec<Held>, Error> {
    let looks = plan.targets.iter().map(|target| async move {
        match registry.look(target, None).await {
            Ok(head) => Ok(Some(head.digest)),
            Err(error) if error.may_be_missing() => Ok(None),
            // Some registries deny what does not exist. The push itself will tell, unless a tag
            // must not be moved.
            Err(error) if matches!(error.kind, Kind::Denied) && plan.overwrite => Ok(None),
            Err(error) => {
                Err(failure(&error, &format!("look at {target}"), Access::Pull, surroundings))
            }
        }
    });
    join::all(looks).await
}

/// Refuses to move a tag that holds another digest, where the plan says so.
pub fn refuse_overwriting(plan: &Plan, digest: &Digest, held: &[Held]) -> Result<(), Error> {
    let taken: Vec<String> = plan
        .targets
        .iter()
        .zip(held)
        .filter_map(|(target, held)| {
            held.as_ref()
                .filter(|held| *held != digest)
                .map(|held| format!("{target} holds {held}"))
        })
        .collect();
    if plan.overwrite || taken.is_empty() {
        return Ok(());
    }
    Err(Error::refused("`overwrite: false` forbids to move tags that hold another image")
        .with_details(taken)
        .with_fix(format!("publish under a new tag; this run's image would be {digest}")))
}

/// Refuses when pushing was already denied as a token was asked for: then there is no use in
/// waiting, or in trying.
pub(super) fn refuse_without_permission<'t>(
    registry: &Registry,
    targets: impl IntoIterator<Item = &'t Reference>,
    surroundings: &Surroundings,
) -> Result<(), Error> {
    for target in targets {
        if let Some(denial) = registry.push_denial(&target.repository) {
            return Err(failure(&denial, &format!("push to {target}"), Access::Push, surroundings));
        }
    }
    Ok(())
}

/// Tests before a wait whether all targets may be pushed to, so that nobody waits half an hour to
/// learn of a denial: an upload is opened, and cancelled. Other trouble than a denial may be over
/// when the wait is.
pub async fn preflight(
    registry: &Registry,
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<(), Error> {
    refuse_without_permission(registry, &plan.targets, surroundings)?;
    if plan.dry_run {
        return Ok(());
    }
    let homes: BTreeMap<&Repository, &Reference> =
        plan.targets.iter().rev().map(|tag| (&tag.repository, tag)).collect();
    let tests = homes.into_iter().map(|(repository, tag)| async move {
        match registry.may_push(repository).await {
            Err(error) if error.is_denial() => {
                Err(failure(&error, &format!("push to {tag}"), Access::Push, surroundings))
            }
            Err(error) => {
                debug!("whether {repository} may be pushed to is not known: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    });
    join::all(tests).await.map(|_: Vec<()>| ())
}

/// A tag was moved.
pub fn moved(tag: &Reference) -> String {
    format!("push     {tag}")
}

/// There is nothing to start from.
pub fn append_to_nothing(list: &Reference) -> String {
    format!("append   {list} is not there yet: a new list begins")
}

/// A tag holds the index already.
pub fn unchanged(tag: &Reference) -> String {
    format!("keep     {tag}  holds this index already")
}

/// A tag would be moved.
pub fn would_move(tag: &Reference) -> String {
    format!("dry run  would push {tag}")
}
