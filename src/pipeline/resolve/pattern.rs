//! A pattern of files that nothing matched when the run was planned: waited for until something does,
//! and then read as the files that it means.

use super::state::NotYet;
use super::waiting::{Next, Waiting};
use super::{Absent, Outcome, Wait, lines};
use crate::error::Error;
use crate::join;
use crate::oci::Reference;
use crate::plan::Source;
use tokio::time::{Instant, sleep_until};
use tracing::info;

impl Wait<'_> {
    /// All that a source brings: one image or index, or those of the files that a pattern means.
    pub(super) async fn source(&self, at: usize, source: &Source) -> Result<Vec<Outcome>, Error> {
        if !source.is_pattern() {
            return self.one(at, source).await.map(|outcome| vec![outcome]);
        }
        let found = self.files(at, source).await;
        if found.is_empty() {
            let source = source.clone();
            return Ok(vec![Err(Absent { at, source, why: NotYet::Missing, near: Vec::new() })]);
        }
        join::all(found.iter().map(|source| self.one(at, source))).await
    }

    /// The files that a pattern means; none when waiting ends.
    async fn files(&self, at: usize, source: &Source) -> Vec<Source> {
        let plan = self.work.plan;
        let mut waiting = Waiting::new(self.deadline, plan.wait_interval, plan.skip_missing);
        let mut over = self.over.subscribe();
        let mut is_first = true;
        loop {
            let is_over = over.borrow_and_update().is_some();
            let found = self.work.registry.files_of(&source.reference.repository).await;
            let found = found.into_iter().map(|repository| {
                let reference = Reference { repository, ..source.reference.clone() };
                Source { is_unordered: true, ..Source::new(reference) }
            });
            let found: Vec<Source> = found.collect();
            if !found.is_empty() {
                return found;
            }
            let now = Instant::now();
            let next = waiting.after(&NotYet::Missing, is_over, now, fastrand::f64());
            let Next::Again(again) = next else { return Vec::new() };
            self.work.progress.waits_for(at, NotYet::Missing.word());
            if std::mem::take(&mut is_first) {
                self.somebody_waits.notify_one();
                let left = self.deadline.saturating_duration_since(now);
                self.work.end_group();
                info!("{}", lines::waiting(&source.name, &NotYet::Missing.state(), left));
            }
            tokio::select! {
                () = sleep_until(again) => {}
                Ok(_) = over.wait_for(Option::is_some), if !is_over => {}
            }
        }
    }
}
