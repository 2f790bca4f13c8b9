//! Changes to an index that is in a registry: read, change, write, until the tag points to what the
//! change gives.
//!
//! Registries have no compare-and-swap, so two writers can meet. The tag is read again right before
//! it is written, and once more after a pause: what another writer did in the meantime is merged
//! into, or refused, never lost silently. What remains possible: a writer whose push takes longer
//! than the other's pause, between its last check and its arrival.

use super::compose::Composed;
use super::lots::{Beside, Single};
use super::targets::{Base, Targets};
use super::transfer::Origins;
use super::work::{Rounds, Work};
use super::write::{self, Goods, Stock};
use crate::error::{Error, Exit};
use crate::oci::Reference;
use tokio::time::Instant;
use tracing::{info, warn};

/// What to do when another writer moved the tag between our first look and our first write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The change is made to what is there now.
    Merge,
    /// The change was meant for what was there before.
    Refuse,
}

/// A change to what the first target points to.
pub trait Change {
    /// What to do when another writer was there first.
    fn when_moved(&self) -> Moved;

    /// The index that the change makes of it.
    fn onto(&self, base: &Base) -> Result<Composed, Error>;

    /// Where what the index names comes from; nowhere else than from where it is.
    fn origins(&self, _: &Base) -> Origins {
        Origins::default()
    }

    /// The platforms that get tags of their own.
    fn singles(&self) -> &[Single] {
        &[]
    }

    /// Tells what the change makes of it.
    fn tell(&self, base: &Base, composed: &Composed);
}

/// How an edit ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// What the tags point to now; in a dry run, what they would point to.
    pub composed: Composed,
    /// What the targets pointed to at the last check.
    pub targets: Targets,
    /// Whether anything was written.
    pub changed: bool,
}

/// Reads what the first target points to, changes it, writes it to all targets; again, until there
/// is nothing to change.
pub async fn until_settled(work: &Work<'_>, change: &impl Change) -> Result<Edited, Error> {
    let Work { registry, plan, .. } = *work;
    let Some(first) = plan.targets.first() else {
        return Err(Error::defect("an edit without a target"));
    };
    let (mut changed, mut told) = (false, None);
    let mut rounds = Rounds::new();
    while rounds.another() {
        let began = Instant::now();
        let base = Base::read(registry, first).await?;
        let composed = change.onto(&base)?;
        if told.as_ref() != Some(&composed.digest) {
            change.tell(&base, &composed);
            told = Some(composed.digest.clone());
        }
        let is_as_read = |targets: &Targets| {
            targets.first().and_then(|first| first.held.as_ref()) == base.held()
        };
        let singles = change.singles();
        let (targets, beside) =
            tokio::try_join!(Targets::check(work), Beside::check(work, singles))?;
        let all_hold = targets.all_hold(&composed.digest) && beside.all_hold();
        let mut is_moved = !is_as_read(&targets);
        if all_hold || (plan.dry_run && !is_moved) {
            write::refuse_overwriting(work, &beside.and(&composed, &targets))?;
            if changed {
                info!("verify   read back as pushed");
            }
            let changed = changed || !all_hold;
            return Ok(Edited { composed, targets, changed });
        }
        if !is_moved {
            let look_again =
                async |_: &Targets| Ok(Some(Targets::check(work).await?).filter(is_as_read));
            let origins = change.origins(&base);
            let goods = Goods { composed: &composed, stock: Stock { singles, origins: &origins } };
            let written = write::to_targets(work, goods, targets, look_again).await?;
            (is_moved, changed) = (written.is_none(), changed || written.is_some());
        }
        if is_moved && !changed && change.when_moved() == Moved::Refuse {
            return Err(refused(first));
        }
        if is_moved {
            info!(
                "edit     {first} was moved by somebody else in the meantime; the change is made \
                 to what it points to now"
            );
        }
        rounds.pause(began).await;
    }
    if changed {
        warn!("{first}: what was written last may have been overwritten by another writer");
    }
    Err(Error::new(Exit::Partial, format!("{first} keeps changing: others are writing it"))
        .with_fix(
            "let one after the other change a tag (in CI: a concurrency group), then run this again",
        ))
}

fn refused(tag: &Reference) -> Error {
    Error::refused(format!("{tag} was moved by somebody else while it was being changed"))
        .with_fix("check it, and run this again if the change still makes sense")
}
