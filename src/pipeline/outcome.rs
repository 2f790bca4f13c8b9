//! How lists end, as data: what is reported of them, or why they failed.

use super::compose::Composed;
use super::progress::{SourceState, Tagged};
use super::record::{Coming, Copied, Write};
use super::resolve::arrived::{Arrived, Skipped};
use crate::entries::diff::Change;
use crate::error::{Error, Exit};
use crate::oci::{Content, Platform, Reference, Repository};
use crate::text::{duration, some};
use std::collections::BTreeSet;
use std::time::Duration;

/// One list of a run, and how it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its first tag.
    pub name: String,
    /// The name that a `spec` gives it.
    pub given: Option<String>,
    /// What became of each tag, in the order of the plan.
    pub tags: Vec<Tagged>,
    /// How each source stands, in the order of the plan.
    pub sources: Vec<Awaited>,
    /// What was written for it, in this order.
    pub writes: Vec<Write>,
    /// Whether it was given up only because another one, which it goes together with, failed.
    pub held_back: bool,
    /// What it has to say, or why it failed.
    pub ended: Result<Report, Error>,
}

impl Listed {
    /// What later jobs and reports call it: the name that a `spec` gives it, else its first tag.
    pub fn called(&self) -> &str {
        self.given.as_deref().unwrap_or(&self.name)
    }

    /// Whether nothing was wrong with it, and none of its tags was moved: only another one failed.
    pub fn is_left_alone(&self) -> bool {
        self.held_back && !self.tags.iter().any(|tagged| tagged.state.may_have_moved())
    }

    /// The images that had not arrived when it was given up.
    pub fn lacking(&self) -> Vec<String> {
        let lacks = |source: &&Awaited| matches!(source.state, SourceState::Waiting(_));
        self.sources.iter().filter(lacks).map(|source| source.name.clone()).collect()
    }
}

/// A source as the wait left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// As messages call it.
    pub name: String,
    /// The platform that it is to bring, if the inputs say so.
    pub platform: Option<Platform>,
    /// How it stands.
    pub state: SourceState,
}

/// All lists of a run, in the order of the plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// The lists.
    pub lists: Vec<Listed>,
    /// From start to end.
    pub elapsed: Duration,
}

impl Run {
    /// A run that ended before any list was known.
    pub fn that_never_began(error: Error) -> Self {
        let (tags, sources, writes) = (Vec::new(), Vec::new(), Vec::new());
        let (name, given) = (String::new(), None);
        let held_back = false;
        let list = Listed { name, given, tags, sources, writes, held_back, ended: Err(error) };
        Self { lists: vec![list], elapsed: Duration::ZERO }
    }

    /// The highest exit status of all lists.
    pub fn exit(&self) -> Exit {
        self.lists
            .iter()
            .filter_map(|list| list.ended.as_ref().err())
            .map(|error| error.exit)
            .max()
            .unwrap_or(Exit::Done)
    }

    /// Whether any tag was moved, or may have been.
    pub fn has_moved(&self) -> bool {
        let mut tags = self.lists.iter().flat_map(|list| &list.tags);
        tags.any(|tagged| tagged.state.may_have_moved())
    }

    /// What was published under names that a `spec` gives.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Report)> {
        let lists = self.lists.iter();
        lists.filter_map(|list| Some((list.given.as_deref()?, list.ended.as_ref().ok()?)))
    }

    /// Those that ended well.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.lists.iter().filter_map(|list| list.ended.as_ref().ok())
    }
}

/// What a successful list has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The index.
    pub composed: Composed,
    /// What became of each tag, in the order of the plan; then of those of single platforms.
    pub tags: Vec<Tagged>,
    /// The sources, in the order of the plan.
    pub sources: Vec<SourceReport>,
    /// What was copied, by repository.
    pub copied: Vec<Copied>,
    /// The repositories where what refers to copied images was left, since that was asked.
    pub referrers_left_in: BTreeSet<Repository>,
    /// The sources that were left out.
    pub skipped: Vec<Skipped>,
    /// Where nothing was written because that was asked: what would have been.
    pub dry_run: Option<DryRun>,
    /// Whether a tag moved, or would have.
    pub changed: bool,
    /// How long it waited for its sources.
    pub waited: Duration,
    /// From start to end.
    pub elapsed: Duration,
}

impl Report {
    /// Each repository of the index's tags by digest, as often as there are such tags.
    pub fn refs(&self) -> impl Iterator<Item = String> {
        let of_index = self.tags.iter().filter(|tagged| tagged.own.is_none());
        let repositories = of_index.map(|tagged| &tagged.tag.repository);
        repositories.map(|place| Reference::at(place, &self.composed.digest).to_string())
    }

    /// The first tag's repository by digest, ready to be signed.
    pub fn image(&self) -> String {
        self.refs().next().unwrap_or_default()
    }

    /// What a client on this platform downloads, in bytes, if it is known without asking for it.
    pub fn download(&self, digest: &str) -> Option<u64> {
        self.sources
            .iter()
            .find(|source| source.digest == digest)
            .and_then(|source| source.download)
    }

    /// The entries that are images: platform and digest, in index order.
    pub fn platforms(&self) -> Vec<(String, String)> {
        let images = self.composed.entries.iter();
        images
            .filter_map(|entry| {
                Some((entry.known_platform()?.to_string(), entry.digest.to_string()))
            })
            .collect()
    }
}

/// What a dry run leaves undone.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// What would be copied into which repositories, where it is not there already.
    pub copies: Vec<Coming>,
    /// The tags that would move, and how their entries would change.
    pub changes: Vec<(Reference, Vec<Change>)>,
}

/// What a run has to say of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// As messages call it.
    pub name: String,
    /// The digest that it was pinned to.
    pub digest: String,
    /// The platforms that it brought.
    pub platforms: Vec<Platform>,
    /// What a client downloads, in bytes, where its manifest was read: config and layers as they
    /// are stored.
    pub download: Option<u64>,
    /// When its images were built, the latest time, as far as their configs were read.
    pub created: Option<String>,
    /// The commits that they say they were built from.
    pub revisions: Vec<String>,
    /// When it was there: `None` at the first look.
    pub after: Option<Duration>,
}

impl From<Arrived> for SourceReport {
    fn from(arrived: Arrived) -> Self {
        let platforms = arrived.entries.iter().filter_map(|entry| entry.known_platform().cloned());
        Self {
            created: arrived.created().map(str::to_owned),
            revisions: arrived.revisions().into_iter().map(str::to_owned).collect(),
            digest: arrived.manifest.digest.to_string(),
            platforms: platforms.collect(),
            download: match &arrived.manifest.content {
                Content::Image(image) => Some(image.download()),
                Content::Index(_) => None,
            },
            after: arrived.after,
            name: arrived.source.name,
        }
    }
}

/// The end.
pub fn done(report: &Report) -> String {
    let what = match (report.dry_run.is_some(), report.changed) {
        (_, false) => "  nothing to change",
        (true, true) => "  nothing was written, this was a dry run",
        (false, true) => "",
    };
    format!("done     {}{what}  in {}", report.image(), duration(report.elapsed))
}

/// What a list that another one stopped still waited for.
pub fn still_waiting(list: &Listed) -> Option<String> {
    let lacking = list.lacking();
    let is_told = list.held_back && !lacking.is_empty();
    is_told.then(|| format!("left     {}  was still waiting for {}", list.name, some(&lacking)))
}

/// The end of several lists.
pub fn all_done(run: &Run) -> String {
    let lists = || run.lists.iter().filter(|list| list.ended.is_err());
    let failed: Vec<String> =
        lists().filter(|list| !list.is_left_alone()).map(|list| list.name.clone()).collect();
    let left = lists().count() - failed.len();
    let (all, elapsed) = (run.lists.len(), duration(run.elapsed));
    if failed.is_empty() {
        return format!("done     {all} of {all} indexes  in {elapsed}");
    }
    let others = match left {
        0 => String::new(),
        1 => "; the other index was held back".to_owned(),
        _ => format!("; {left} others were held back"),
    };
    format!("failed   {} of {all} indexes  in {elapsed}: {}{others}", failed.len(), some(&failed))
}
