//! Changes to a list that is in a registry: read, change, write, until the tag holds what the
//! change gives.
//!
//! Registries have no compare-and-swap, so two writers can meet. The tag is read again right before
//! it is written, and once more after a pause: what another writer did meanwhile is merged into, or
//! refused, never lost silently. What remains possible: a writer whose push takes longer than the
//! other's pause, between its last look and its arrival.

use super::compose::Composed;
use super::publish;
use super::targets::{self, Base, Held};
use super::work::Work;
use crate::error::{Error, Exit};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// After a write: long enough for a writer that looked just before it to have written, too.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How much longer than ours the other writer's look and write may take.
const SLOWER_WRITER: u32 = 4;
/// Rounds until somebody has to look: with growing pauses about a minute.
const MOST_ROUNDS: u32 = 12;

/// What to do when another writer moved the tag between our first look and our first write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The change is made to what is there now.
    Merge,
    /// The change was meant for what was there before.
    Refuse,
}

/// How an edit ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// What the tags hold now; in a dry run, what they would hold.
    pub composed: Composed,
    /// What the targets held at the last look, in the order of the plan.
    pub held: Vec<Held>,
    /// Whether anything was written.
    pub changed: bool,
}

/// Reads what the first target holds, changes it, writes it to all targets; again, until there is
/// nothing to change. `tell` hears of each list that the change gives; `transfer` brings there what
/// it names, and says whether that took time.
pub async fn until_settled(
    to: &Work<'_>,
    moved: Moved,
    tell: impl Fn(&Base, &Composed),
    transfer: impl AsyncFn(&Base, &Composed, &[Held]) -> Result<bool, Error>,
    change: impl Fn(&Base) -> Result<Composed, Error>,
) -> Result<Edited, Error> {
    let Work { registry, plan, surroundings, .. } = *to;
    let Some(first) = plan.targets.first() else {
        return Err(Error::defect("an edit without a target"));
    };
    let (mut changed, mut told) = (false, None);
    for round in 0..MOST_ROUNDS {
        let began = Instant::now();
        let base = targets::read(registry, first, surroundings).await?;
        let composed = change(&base)?;
        if told.as_ref() != Some(&composed.digest) {
            tell(&base, &composed);
            told = Some(composed.digest.clone());
        }
        let mut held = targets::look_at_targets(registry, plan, surroundings).await?;
        let mut moved_meanwhile = held.first() != Some(&base.held());
        let settled = held.iter().all(|held| held.as_ref() == Some(&composed.digest));
        if !settled && !moved_meanwhile {
            targets::refuse_overwriting(plan, &composed.digest, &held)?;
            if !plan.dry_run && transfer(&base, &composed, &held).await? {
                held = targets::look_at_targets(registry, plan, surroundings).await?;
                moved_meanwhile = held.first() != Some(&base.held());
            }
        }
        if settled || (plan.dry_run && !moved_meanwhile) {
            if changed {
                info!("verify   read back as pushed");
            }
            return Ok(Edited { composed, held, changed });
        }
        if moved_meanwhile {
            if moved == Moved::Refuse && !changed {
                return Err(Error::refused(format!(
                    "{first} was moved by somebody else while it was being changed"
                ))
                .with_fix("look at it again, and run this again if the change still makes sense"));
            }
            info!(
                "edit     {first} was moved by somebody else meanwhile; the change is made to what it holds now"
            );
        } else {
            targets::refuse_overwriting(plan, &composed.digest, &held)?;
            publish::tags(to, &composed, &held).await?;
            changed = true;
        }
        // Where all is slow, the other writer is slow as well.
        sleep(pause(round, fastrand::f64()).max(SLOWER_WRITER * began.elapsed())).await;
    }
    if changed {
        warn!("{first}: what was written last may have been overwritten by another writer");
    }
    Err(Error::new(
        Exit::Partial,
        format!("{first} does not come to rest: others keep writing it, or the registry shows old content"),
    )
    .with_fix("let one job after the other change a tag (a concurrency group), then run this again"))
}

/// Jittered upwards, so that two writers that met once do not meet for ever.
fn pause(round: u32, chance: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << round.min(10)).min(LONGEST_PAUSE).mul_f64(1.0 + chance)
}
