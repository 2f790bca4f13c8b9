//! A dry run: checks and tells what a real one would do.

use super::lost;
use super::lots::{self, Beside};
use super::outcome::DryRun;
use super::progress::TagState;
use super::record;
use super::targets::{self, Target, Targets};
use super::transfer;
use super::work::Work;
use super::write::{Goods, Stock};
use crate::entries::diff;
use crate::error::Error;
use tracing::info;

/// Tells what a real run would do to these targets.
pub(super) async fn left_undone(
    work: &Work<'_>,
    Goods { composed, stock: Stock { singles, origins } }: Goods<'_>,
    targets: &Targets,
) -> Result<DryRun, Error> {
    let beside = Beside::check(work, singles).await?;
    let lots = beside.and(composed, targets);
    let copies = transfer::would_be_copied(&lots::needs(&lots), origins);
    for (repository, images) in &copies {
        info!("{}", record::would_copy(repository, *images));
    }
    let mut changes = Vec::new();
    let all = lots.iter().flat_map(|lot| lot.targets.iter().map(move |target| (lot, target)));
    for (lot, target) in all {
        let Target { tag, held, .. } = target;
        if target.holds(&lot.composed.digest) {
            work.progress.tag(tag, TagState::Unchanged);
            info!("{}", targets::unchanged(tag));
            continue;
        }
        info!("{}", targets::would_move(target));
        if lot.is_single() {
            continue;
        }
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
