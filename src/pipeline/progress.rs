//! How far a run has come: read by the log of the wait, by the line that a signal leaves behind,
//! and by the report.

use crate::oci::{Reference, Repository};
use crate::pipeline::record::{Copied, Write};
use crate::text;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::debug;

/// What became of one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagState {
    /// Nothing was done to it.
    Untouched,
    /// It names this index already.
    Unchanged,
    /// A write is under way, or its outcome is not known.
    Unknown,
    /// It was moved to this index.
    Moved,
    /// Moving it was refused.
    Failed,
}

impl TagState {
    /// Whether the tag was moved, or may have been.
    pub fn may_have_moved(self) -> bool {
        matches!(self, Self::Moved | Self::Unknown)
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "not moved",
            Self::Unchanged => "unchanged",
            Self::Unknown => "unknown",
            Self::Moved => "moved",
            Self::Failed => "failed",
        }
    }
}

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// The first look is under way.
    Looking,
    /// It is waited for; why, in a word.
    Waiting(&'static str),
    /// It is there, `None` at the first look, or so long after the start.
    Found(Option<Duration>),
    /// It did not come, and the list is made without it; why, in a word.
    LeftOut(&'static str),
}

impl SourceState {
    /// For people.
    pub fn words(self) -> String {
        match self {
            Self::Looking => "checking".to_owned(),
            Self::Waiting(why) => why.to_owned(),
            Self::Found(None) => "found".to_owned(),
            Self::Found(Some(after)) => format!("found after {}", text::duration(after)),
            Self::LeftOut(why) => format!("left out, {why}"),
        }
    }
}

/// Shared by all stages of one list.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
    /// Where there are other lists: told when this one begins to wait.
    others: Option<Arc<Notify>>,
}

#[derive(Debug, Default)]
struct State {
    sources: Vec<(String, SourceState)>,
    jobs: String,
    tags: Vec<(Reference, TagState)>,
    writes: Vec<Write>,
    copied: Vec<Copied>,
}

impl Progress {
    /// Of one list among others; `others` is told when it begins to wait.
    pub fn among(others: Arc<Notify>) -> Self {
        Self { state: Mutex::default(), others: Some(others) }
    }

    /// Whether this list is one of several.
    pub fn among_others(&self) -> bool {
        self.others.is_some()
    }

    /// Starts with tags that nothing was done to.
    pub fn start(&self, tags: &[Reference]) {
        self.lock().tags = tags.iter().map(|tag| (tag.clone(), TagState::Untouched)).collect();
    }

    /// Starts with sources that were not looked at.
    pub fn expect(&self, names: impl Iterator<Item = String>) {
        self.lock().sources = names.map(|name| (name, SourceState::Looking)).collect();
    }

    /// Notes that a source is waited for, by its place among all; why, in a word.
    pub fn waits_for(&self, at: usize, why: &'static str) {
        self.stands(at, SourceState::Waiting(why));
        if let Some(others) = &self.others {
            others.notify_one();
        }
    }

    /// Notes that it has arrived; `after`: unless at the first look.
    pub fn arrived(&self, at: usize, after: Option<Duration>) {
        self.stands(at, SourceState::Found(after));
    }

    /// Notes that nobody waits for it any more; why it is not there, in a word.
    pub fn left_out(&self, at: usize, why: &'static str) {
        self.stands(at, SourceState::LeftOut(why));
    }

    fn stands(&self, at: usize, now: SourceState) {
        if let Some((_, state)) = self.lock().sources.get_mut(at) {
            *state = now;
        }
    }

    /// How all sources stand.
    pub fn sources(&self) -> Vec<(String, SourceState)> {
        self.lock().sources.clone()
    }

    /// Whether the first look at a source is still under way.
    pub fn is_looking(&self) -> bool {
        self.lock().sources.iter().any(|(_, state)| *state == SourceState::Looking)
    }

    /// How many sources are waited for.
    pub fn waits(&self) -> usize {
        self.lock().waiting_for().count()
    }

    /// The sources that are waited for.
    pub fn waiting_for(&self) -> Vec<String> {
        self.lock().waiting_for().cloned().collect()
    }

    /// Notes how far the watched jobs are, one line.
    pub fn jobs(&self, line: String) {
        self.lock().jobs = line;
    }

    /// How far the watched jobs are; empty when none are.
    pub fn jobs_line(&self) -> String {
        self.lock().jobs.clone()
    }

    /// Notes what became of a tag. One that was moved does not count as unchanged when it is looked
    /// at again.
    pub fn tag(&self, tag: &Reference, state: TagState) {
        for (other, old) in &mut self.lock().tags {
            if other == tag && !(*old == TagState::Moved && state == TagState::Unchanged) {
                *old = state;
            }
        }
    }

    /// What became of all tags.
    pub fn tags(&self) -> Vec<(Reference, TagState)> {
        self.lock().tags.clone()
    }

    /// Notes a write that was confirmed.
    pub fn wrote(&self, write: Write) {
        let mut state = self.lock();
        debug!("write {}: {write}", state.writes.len() + 1);
        state.writes.push(write);
    }

    /// All confirmed writes, in their order.
    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    /// Notes that copying into a repository begins; a second time it goes on.
    pub fn copying(&self, copied: Copied) {
        let copies = &mut self.lock().copied;
        match copies.iter_mut().find(|other| other.repository == copied.repository) {
            Some(other) => other.elapsed = None,
            None => copies.push(copied),
        }
    }

    /// Notes what was copied into it.
    pub fn copy(&self, repository: &Repository, change: impl FnOnce(&mut Copied)) {
        if let Some(copied) =
            self.lock().copied.iter_mut().find(|copied| copied.repository == *repository)
        {
            change(copied);
        }
    }

    /// Bytes of blobs that went through this process so far.
    pub fn bytes_poured(&self) -> u64 {
        self.lock().copied.iter().map(|copied| copied.bytes_poured).sum()
    }

    /// What was copied, by repository.
    pub fn copied(&self) -> Vec<Copied> {
        self.lock().copied.clone()
    }

    /// Whether any tag was moved, or may have been.
    pub fn has_moved(&self) -> bool {
        self.lock().tags.iter().any(|(_, state)| state.may_have_moved())
    }

    /// One line that says what was left undone.
    pub fn left_undone(&self) -> String {
        let state = self.lock();
        if state.waiting_for().next().is_some() {
            let waiting: Vec<&str> = state.waiting_for().map(String::as_str).collect();
            let rest = if state.tags.is_empty() { "" } else { "; no tag was moved" };
            return format!("still waiting for {}{rest}", waiting.join(", "));
        }
        if state.tags.iter().all(|(_, tag)| matches!(tag, TagState::Untouched)) {
            return "no tag was moved".to_owned();
        }
        let tags = state.tags.iter().map(|(tag, state)| match state {
            TagState::Unknown => format!("{tag} may or may not have moved"),
            _ => format!("{tag} {}", state.name()),
        });
        tags.collect::<Vec<_>>().join("; ")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting_for(&self) -> impl Iterator<Item = &String> {
        self.sources
            .iter()
            .filter(|(_, state)| matches!(state, SourceState::Waiting(_)))
            .map(|(name, _)| name)
    }
}
