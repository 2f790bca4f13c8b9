//! How far a run has come: read by the log of the wait, by the line that a signal leaves behind,
//! and by the report.

use crate::oci::{Digest, Platform, Reference, Repository};
use crate::pipeline::record::{Copied, Write};
use crate::text;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tracing::debug;

/// What whoever reads of a failure asks first.
pub const NO_TAG_MOVED: &str = "no tag was moved";
/// The same of lists that go together.
pub const NO_TAG_OF_ANY_MOVED: &str = "no tag of any index was moved";
/// What to do after a failure between two tags, when its cause is gone.
pub const RUN_AGAIN: &str = "run it again: finished tags are left alone";

/// What became of a tag.
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
}

/// What a tag pointed to before this run wrote to it: the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Was {
    /// Nobody looked, or the look was denied.
    NotKnown,
    /// There was no such tag.
    Nothing,
    /// This.
    Held(Digest),
}

impl Was {
    /// The digest, if there was one and it is known.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Held(digest) => Some(digest),
            Self::NotKnown | Self::Nothing => None,
        }
    }
}

/// A platform that has a tag of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfPlatform {
    /// The platform.
    pub platform: Platform,
    /// What the tag is to point to.
    pub digest: Digest,
}

/// A tag of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The tag.
    pub tag: Reference,
    /// What became of it.
    pub state: TagState,
    /// What it pointed to before.
    pub was: Was,
    /// Which platform it is for, if it is not a tag of the index.
    pub own: Option<OfPlatform>,
}

impl Tagged {
    /// What it is to point to; `index`: the digest of that.
    pub fn digest<'a>(&'a self, index: &'a Digest) -> &'a Digest {
        self.own.as_ref().map_or(index, |own| &own.digest)
    }

    /// What became of it, in a word.
    pub fn word(&self) -> &'static str {
        match (self.state, &self.was) {
            (TagState::Untouched, _) => "left",
            (TagState::Unchanged, _) => "unchanged",
            (TagState::Unknown, _) => "unknown",
            (TagState::Moved, Was::Nothing) => "created",
            (TagState::Moved, _) => "moved",
            (TagState::Failed, _) => "failed",
        }
    }

    /// The digest to go back to, where the tag does not point to it any more, or perhaps not.
    pub fn before(&self) -> Option<&Digest> {
        self.was.digest().filter(|_| self.state.may_have_moved())
    }

    /// For people, with the way back.
    pub fn words(&self) -> String {
        format!("{}{}", self.word(), self.and_before())
    }

    /// The same, for a list of tags.
    pub fn line(&self) -> String {
        format!("{}: {}", self.tag, self.words())
    }

    fn and_before(&self) -> String {
        self.before().map(|digest| format!(", was {digest}")).unwrap_or_default()
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
    tags: Vec<Tagged>,
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
        self.lock().tags = tags.iter().map(|tag| untouched(tag, None)).collect();
    }

    /// Adds tags of a platform, which nothing was done to.
    pub fn add(&self, tags: &[Reference], own: &OfPlatform) {
        self.lock().tags.extend(tags.iter().map(|tag| untouched(tag, Some(own.clone()))));
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

    /// Notes what a tag points to, until this run may have written to it.
    pub fn holds(&self, tag: &Reference, was: &Was) {
        for tagged in self.lock().tags.iter_mut().filter(|tagged| tagged.tag == *tag) {
            if !tagged.state.may_have_moved() {
                tagged.was = was.clone();
            }
        }
    }

    /// Notes what became of a tag. One that was moved does not count as unchanged when it is looked
    /// at again.
    pub fn tag(&self, tag: &Reference, state: TagState) {
        for tagged in self.lock().tags.iter_mut().filter(|tagged| tagged.tag == *tag) {
            if !(tagged.state == TagState::Moved && state == TagState::Unchanged) {
                tagged.state = state;
            }
        }
    }

    /// What became of all tags.
    pub fn tags(&self) -> Vec<Tagged> {
        self.lock().tags.clone()
    }

    /// What became of one of them.
    pub fn tagged(&self, tag: &Reference) -> Option<Tagged> {
        self.lock().tags.iter().find(|tagged| tagged.tag == *tag).cloned()
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
        self.lock().tags.iter().any(|tagged| tagged.state.may_have_moved())
    }

    /// One line that says what was left undone.
    pub fn left_undone(&self) -> String {
        let state = self.lock();
        if state.waiting_for().next().is_some() {
            let waiting: Vec<&str> = state.waiting_for().map(String::as_str).collect();
            let rest = if state.tags.is_empty() { "" } else { "; no tag was moved" };
            return format!("still waiting for {}{rest}", waiting.join(", "));
        }
        if state.tags.iter().all(|tagged| tagged.state == TagState::Untouched) {
            return NO_TAG_MOVED.to_owned();
        }
        let tags = state.tags.iter().map(|tagged| match tagged.state {
            TagState::Unknown => {
                format!("{} may or may not have moved{}", tagged.tag, tagged.and_before())
            }
            _ => format!("{} {}", tagged.tag, tagged.words()),
        });
        tags.collect::<Vec<_>>().join("; ")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn untouched(tag: &Reference, own: Option<OfPlatform>) -> Tagged {
    Tagged { tag: tag.clone(), state: TagState::Untouched, was: Was::NotKnown, own }
}

impl State {
    fn waiting_for(&self) -> impl Iterator<Item = &String> {
        self.sources
            .iter()
            .filter(|(_, state)| matches!(state, SourceState::Waiting(_)))
            .map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(seed: &str) -> Digest {
        Digest::of(seed.as_bytes())
    }

    #[test]
    fn what_became_of_a_tag_and_the_way_back() {
        let old = digest("old");
        let held = || Was::Held(digest("old"));
        for (state, was, word, back) in [
            (TagState::Untouched, Was::NotKnown, "left", false),
            (TagState::Untouched, held(), "left", false),
            (TagState::Unchanged, held(), "unchanged", false),
            (TagState::Moved, held(), "moved", true),
            (TagState::Moved, Was::Nothing, "created", false),
            (TagState::Moved, Was::NotKnown, "moved", false),
            (TagState::Unknown, held(), "unknown", true),
            (TagState::Unknown, Was::Nothing, "unknown", false),
            (TagState::Failed, held(), "failed", false),
        ] {
            let tagged = Tagged { tag: "r.example/a:1".parse().unwrap(), state, was, own: None };
            let words = if back { format!("{word}, was {old}") } else { word.to_owned() };
            assert_eq!((tagged.word(), tagged.words()), (word, words), "{tagged:?}");
        }
    }

    #[test]
    fn what_a_tag_held_is_noted_until_it_is_written_to() {
        let (progress, tag) = (Progress::default(), "r.example/a:1".parse().unwrap());
        progress.start(std::slice::from_ref(&tag));
        let was = || progress.tagged(&tag).unwrap().was;
        assert_eq!(was(), Was::NotKnown);
        for held in ["old", "of another writer"].map(|seed| Was::Held(digest(seed))) {
            progress.holds(&tag, &held);
            assert_eq!(was(), held, "the last look before the write counts");
        }
        let before = was();
        for state in [TagState::Unknown, TagState::Moved] {
            progress.tag(&tag, state);
            progress.holds(&tag, &Was::Held(digest("ours")));
            assert_eq!(was(), before);
        }
        let line = format!("r.example/a:1 moved, was {}", before.digest().unwrap());
        assert_eq!(progress.left_undone(), line);
    }
}
