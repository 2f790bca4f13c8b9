//! A dry run: checks and tells what a real one would do.

use super::lost;
use super::lots::{self, Beside};
use super::outcome::DryRun;
use super::progress::{TagState, Was};
use super::record;
use super::referrers;
use super::targets::{self, Target, Targets};
use super::transfer;
use super::work::Work;
use super::write::{Goods, Stock};
use crate::entries::diff;
use crate::error::Error;
use crate::oci::Reference;
use tracing::{info, warn};

/// Tells what a real run would do to these targets.
pub(super) async fn left_undone(
    work: &Work<'_>,
    Goods { composed, stock: Stock { singles, origins } }: Goods<'_>,
    targets: &Targets,
) -> Result<DryRun, Error> {
    let beside = Beside::check(work, singles).await?;
    let lots = beside.and(composed, targets);
    let mut copies = transfer::would_be_copied(&lots::needs(&lots), origins);
    referrers::find(work, &lots, origins).await?.count_in(&mut copies);
    for coming in &copies {
        info!("{}", record::would_copy(coming));
    }
    let (mut changes, mut unknown) = (Vec::new(), Vec::new());
    let all = lots.iter().flat_map(|lot| lot.targets.iter().map(move |target| (lot, target)));
    for (lot, target) in all {
        let Target { tag, held, .. } = target;
        if target.holds(&lot.composed.digest) {
            work.progress.tag(tag, TagState::Unchanged);
            info!("{}", targets::unchanged(tag));
            continue;
        }
        info!("{}", targets::would_move(target));
        if work.plan.is_of_files() && is_unknown(work, tag) {
            unknown.push(tag.to_string());
        }
        if lot.is_single() {
            continue;
        }
        let old = match held {
            None => Vec::new(),
            Some(held) => {
                // Boxed: lists that wait hold room for all that this future may hold.
                let read = if target.is_renamed {
                    let place = Reference::at(&tag.repository, held);
                    Box::pin(async move { work.registry.manifest(&place, None).await }).await
                } else {
                    work.registry.manifest(tag, None).await
                };
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
    if !unknown.is_empty() {
        warn!(
            "what {} may point to now is not known, since the registry wants a login; a run that \
             publishes needs it",
            unknown.join(", ")
        );
    }
    Ok(DryRun { copies, changes })
}

/// Whether the registry denied the look at a tag; its state then says so.
fn is_unknown(work: &Work<'_>, tag: &Reference) -> bool {
    let is_unknown = work.progress.tagged(tag).is_some_and(|tagged| tagged.was == Was::NotKnown);
    if is_unknown {
        work.progress.tag(tag, TagState::Unknown);
    }
    is_unknown
}
