//! A dry run: looks and tells what a real one would do.

use super::compose::Composed;
use super::outcome::DryRun;
use super::progress::TagState;
use super::record;
use super::targets::{self, Held};
use super::transfer::{self, Origins};
use super::work::Work;
use crate::entries::diff;
use crate::error::Error;
use crate::error::advice::Access;
use tracing::info;

/// Of a dry run: looks and tells what a real one would do.
pub(super) async fn left_undone(
    to: &Work<'_>,
    composed: &Composed,
    held: &[Held],
    origins: &Origins,
) -> Result<DryRun, Error> {
    let copies = transfer::would_be_copied(to.plan, composed, held, origins);
    for (repository, images) in &copies {
        info!("{}", record::would_copy(repository, *images));
    }
    let mut changes = Vec::new();
    for (target, held) in to.plan.targets.iter().zip(held) {
        if held.as_ref() == Some(&composed.digest) {
            to.progress.tag(target, TagState::Unchanged);
            info!("{}", targets::unchanged(target));
            continue;
        }
        info!("{}", targets::would_move(target));
        let old = match held {
            None => Vec::new(),
            Some(_) => {
                let read = to.registry.manifest(target, None).await;
                let manifest = read
                    .map_err(|error| to.failed(&error, &format!("read {target}"), Access::Pull))?;
                diff::entries_of(&manifest)
            }
        };
        let changed = diff::entries(&old, &composed.entries);
        for change in &changed {
            info!("         {}", change.line());
        }
        changes.push((target.clone(), changed));
    }
    Ok(DryRun { copies, changes })
}
