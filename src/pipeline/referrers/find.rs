//! What refers to the manifests of a list: which are asked about, and what the answers mean.

use super::{Found, Subject, way_out};
use crate::error::Error;
use crate::oci::{Descriptor, Digest, Repository};
use crate::pipeline::lots::Lot;
use crate::pipeline::targets::Target;
use crate::pipeline::transfer::Origins;
use crate::pipeline::work::Work;
use crate::referrers::Question;
use crate::registry::Purpose;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Asks what refers to all that the list holds in a repository which is not its source's: where a
/// tag will move, and images are copied or were. Nothing where nobody wants to know.
pub(in crate::pipeline) async fn find<'a>(
    work: &Work<'_>,
    lots: &[Lot<'a>],
    origins: &'a Origins,
) -> Result<Found<'a>, Error> {
    if !work.plan.copy_referrers {
        return Ok(Found::default());
    }
    let question = Question::new(work.registry, Purpose::Copy, origins.waited);
    let subjects = subjects(lots, origins, work.plan.seek_referrers);
    let levels = question.walk(subjects).await.map_err(way_out)?;
    Ok(Found { levels, children: children(lots) })
}

/// The manifests whose referrers come along: what the list names, and itself where it was published
/// elsewhere as it is. `always`: even where no tag moves.
fn subjects<'a>(lots: &[Lot<'a>], origins: &'a Origins, always: bool) -> Vec<Subject<'a>> {
    let mut subjects: Vec<Subject<'a>> = Vec::new();
    for Lot { composed, targets, .. } in lots {
        // A file is written as a whole or not at all.
        let is_asked = |target: &Target| always && target.tag.repository.file().is_none();
        let is_meant = |target: &&Target| is_asked(target) || !target.holds(&composed.digest);
        let targets = targets.iter().filter(is_meant);
        let targets: BTreeSet<&'a Repository> =
            targets.map(|target| &target.tag.repository).collect();
        let title = |entry: &Descriptor| match entry.known_platform() {
            // It is published as it is.
            None if composed.is_image() => "the artifact".to_owned(),
            _ => entry.title(),
        };
        let of_entries = composed.entries.iter().map(|entry| (&entry.digest, title(entry)));
        for (digest, title) in of_entries.chain([(&composed.digest, "the index".to_owned())]) {
            for &target in &targets {
                if let Some(from) = origins.nearest(digest, target) {
                    add(&mut subjects, Subject::new(digest, from, &title, vec![target]));
                }
            }
        }
    }
    subjects
}

/// What the lists name, by the repositories in which their tags move.
fn children<'a>(lots: &[Lot<'a>]) -> HashMap<&'a Repository, HashSet<Digest>> {
    let mut children: HashMap<&'a Repository, HashSet<Digest>> = HashMap::new();
    for Lot { composed, targets, .. } in lots {
        for target in targets.moving(&composed.digest) {
            let there = children.entry(&target.tag.repository).or_default();
            there.extend(composed.entries.iter().map(|entry| entry.digest.clone()));
        }
    }
    children
}

/// Adds one, or its target to the same one.
fn add<'a>(subjects: &mut Vec<Subject<'a>>, subject: Subject<'a>) {
    let is_same =
        |other: &&mut Subject<'_>| other.digest == subject.digest && other.from == subject.from;
    match subjects.iter_mut().find(is_same) {
        Some(known) => {
            let new = subject.own.into_iter();
            let new: Vec<_> = new.filter(|target| !known.own.contains(target)).collect();
            known.own.extend(new);
        }
        None => subjects.push(subject),
    }
}
