//! A dry run: checks and tells what a real one would do.

use super::compose::Composed;
use super::lost;
use super::outcome::DryRun;
use super::progress::TagState;
use super::record;
use super::targets::{self, Target, Targets};
use super::transfer::{self, Origins};
use super::work::Work;
use crate::entries::diff;
use crate::error::Error;
use tracing::info;

/// Tells what a real run would do to these targets.
pub(super) async fn left_undone(
    work: &Work<'_>,
    composed: &Composed,
    targets: &Targets,
    origins: &Origins,
) -> Result<DryRun, Error> {
    let copies = transfer::would_be_copied(composed, targets, origins);
    for (repository, images) in &copies {
        info!("{}", record::would_copy(repository, *images));
    }
    let mut changes = Vec::new();
    for target in targets.iter() {
        let Target { tag, held, .. } = target;
        if held.as_ref() == Some(&composed.digest) {
            work.progress.tag(tag, TagState::Unchanged);
            info!("{}", targets::unchanged(tag));
            continue;
        }
        info!("{}", targets::would_move(target));
        let old = match held {
            None => Vec::new(),
            Some(_) => {
                let read = work.registry.manifest(tag, None).await;
                diff::entries_of(&read.map_err(|error| Error::cannot_read(&error, tag))?)
            }
        };
        lost::warn_of(&[tag], &old, composed);
        let changed = diff::entries(&old, &composed.entries);
        for change in &changed {
            info!("         {}", change.line());
        }
        changes.push((tag.clone(), changed));
    }
    Ok(DryRun { copies, changes })
}
