//! The tags to publish, before anything is written: what they point to, whether they may be moved,
//! whether they may be pushed to.

use super::progress::{Tagged, Was};
use super::work::Work;
use crate::entries;
use crate::error::words::{input, setting};
use crate::error::{Access, Error};
use crate::inputs::table::names;
use crate::join;
use crate::oci::{Content, Descriptor, Digest, Index, Manifest, Reference, Repository, media_type};
use crate::plan::Plan;
use crate::registry::{self, Head, Kind, Registry};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{debug, warn};

/// Bytes of an index of hundreds of entries.
const LARGEST_LIST: u64 = 256 << 10;

/// A tag to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The tag.
    pub tag: Reference,
    /// What it pointed to when it was checked.
    pub held: Option<Digest>,
    /// Whether that has another name there: an archive, which is replaced as a whole.
    pub is_renamed: bool,
    /// The bytes of that, if it is an index of a size that a list of platforms may have.
    pub list: Option<u64>,
}

/// The tags of an index, in the order of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

impl Target {
    pub(super) fn holds(&self, digest: &Digest) -> bool {
        self.held.as_ref() == Some(digest) && !self.is_renamed
    }
}

impl Targets {
    /// Checks what every tag of the index points to now.
    pub async fn check(work: &Work<'_>) -> Result<Self, Error> {
        Self::of(work, &work.plan.targets).await
    }

    /// Checks what each of these tags points to now.
    pub(super) async fn of(work: &Work<'_>, tags: &[Reference]) -> Result<Self, Error> {
        let Work { registry, plan, progress, .. } = *work;
        let looks = tags.iter().map(|tag| async move {
            let may_move = plan.overwrite.allows(tag);
            let look = match registry.look_at_target(tag).await {
                // A plain run does the same whether or not the tag is there.
                Err(error) if !(error.may_be_missing() && may_move) => {
                    registry.confirm(error, tag, None).await
                }
                settled => settled,
            };
            let is_file = tag.repository.file().is_some();
            let list = look.as_ref().ok().filter(|_| !is_file).and_then(size_of_list);
            let is_renamed = look.as_ref().is_ok_and(|head| head.is_renamed);
            let was = match look {
                Ok(head) => Was::Held(head.digest),
                Err(error) if error.may_be_missing() => Was::Nothing,
                Err(error) if error.is_of_file() => {
                    if !(matches!(error.kind, Kind::Broken(_)) && plan.replaces_files) {
                        return Err(taken(&error, tag));
                    }
                    Was::NotKnown
                }
                // Some registries deny what does not exist. The push itself will tell, unless a tag
                // must not be moved.
                Err(error) if matches!(error.kind, Kind::Denied) && may_move => Was::NotKnown,
                // Whoever only wants to see what files would become has no login.
                Err(error) if error.is_denial() && plan.dry_run && plan.is_of_files() => {
                    Was::NotKnown
                }
                Err(error) => {
                    return Err(Error::of_registry(&error, &format!("check {tag}"), Access::Pull));
                }
            };
            progress.holds(tag, &was);
            Ok(Target { tag: tag.clone(), held: was.digest().cloned(), is_renamed, list })
        });
        join::all(looks).await.map(Self)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }

    /// The first one, which names the index.
    pub fn first(&self) -> Option<&Target> {
        self.0.first()
    }

    /// Whether all of them point to this.
    pub fn all_hold(&self, digest: &Digest) -> bool {
        self.0.iter().all(|target| target.holds(digest))
    }

    /// Those that point to something else, or to nothing: what is to be moved.
    pub fn moving<'t>(&'t self, digest: &'t Digest) -> impl Iterator<Item = &'t Target> {
        self.0.iter().filter(move |target| !target.holds(digest))
    }

    /// The repositories in which no tag points to this, and whether any of their tags is in use.
    pub fn lacking<'t>(&'t self, digest: &Digest) -> Vec<(&'t Repository, bool)> {
        let complete: BTreeSet<&Repository> = self
            .0
            .iter()
            .filter(|target| target.holds(digest))
            .map(|target| &target.tag.repository)
            .collect();
        let mut lacking: Vec<(&Repository, bool)> = Vec::new();
        for Target { tag, held, .. } in &self.0 {
            let repository = &tag.repository;
            // A file is written anew.
            let is_used = held.is_some() && repository.file().is_none();
            match lacking.iter_mut().find(|(other, _)| *other == repository) {
                Some((_, in_use)) => *in_use |= is_used,
                None if complete.contains(repository) => {}
                None => lacking.push((repository, is_used)),
            }
        }
        lacking
    }

    /// Those that point to something else than they did `before`.
    pub fn changed_since<'t>(&'t self, before: &'t Self) -> impl Iterator<Item = &'t Target> {
        let both = self.0.iter().zip(&before.0);
        both.filter(|(now, before)| now.held != before.held).map(|(now, _)| now)
    }

    /// The tags that point to another digest and may not move, where the plan says so.
    fn taken<'t>(&'t self, plan: &'t Plan, digest: &'t Digest) -> impl Iterator<Item = &'t Target> {
        let moving = self.moving(digest).filter(|target| target.held.is_some());
        moving.filter(|target| !plan.overwrite.allows(&target.tag))
    }
}

/// Refuses to move tags that point to another digest, where the plan says so. `all`: tags, with what
/// they are to point to; the index is the last.
pub(super) fn refuse_overwriting<'t>(
    plan: &'t Plan,
    all: impl IntoIterator<Item = (&'t Targets, &'t Digest)>,
) -> Result<(), Error> {
    let (mut tags, mut lines, mut last) = (Vec::new(), Vec::new(), None);
    let mut are_renamed = true;
    for (targets, digest) in all {
        for Target { tag, held, is_renamed, .. } in targets.taken(plan, digest) {
            let held = held.as_ref().map(ToString::to_string).unwrap_or_default();
            tags.push(tag);
            lines.push(if *is_renamed {
                format!("{} contains {held} under another name", tag.repository)
            } else {
                format!("{tag} points to {held}")
            });
            are_renamed &= is_renamed;
        }
        last = Some(digest);
    }
    let Some(digest) = last.filter(|_| !tags.is_empty()) else { return Ok(()) };
    let overwrite = input(names::overwrite);
    let (why, or) = match plan.overwrite.with(&tags) {
        None => (format!("{overwrite} is false, and a tag"), String::new()),
        Some(patterns) => (
            format!("a tag that matches no pattern of {overwrite}"),
            format!(", or allow it to move: {}", setting(names::overwrite, &patterns)),
        ),
    };
    if are_renamed {
        let replace = setting(names::overwrite, "true");
        let why = "does not allow replacing an archive that contains an image under another name";
        return Err(Error::refused(format!("{overwrite} {why}"))
            .with_details(lines)
            .with_fix(format!("write another file, or replace it: {replace}")));
    }
    Err(Error::refused(format!("{why} already points to another image"))
        .with_details(lines)
        .with_fix(format!("publish under a new tag{or}; this run's image would be {digest}")))
}

/// A file cannot be written, or is something else than what is written.
fn taken(error: &registry::Error, tag: &Reference) -> Error {
    let refused = Error::cannot_push_to(error, tag);
    if !matches!(error.kind, Kind::Broken(_)) {
        return refused;
    }
    let replace = setting(names::overwrite, "true");
    refused.with_fix(format!("choose another name, or replace what is there: {replace}"))
}

/// The bytes of an index that may be read for its platforms alone; 0 where the registry does not say.
fn size_of_list(head: &Head) -> Option<u64> {
    let size = head.size.unwrap_or_default();
    (media_type::is_index(&head.media_type) && size <= LARGEST_LIST).then_some(size)
}

/// What a tag held when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// As received; `None` when there is no such tag.
    pub manifest: Option<Manifest>,
    /// Its entries; a plain image is its own only entry.
    pub entries: Vec<Descriptor>,
}

impl Base {
    /// Reads what a tag points to now.
    pub async fn read(registry: &Registry, tag: &Reference) -> Result<Self, Error> {
        let manifest = match registry.manifest(tag, None).await {
            Ok(manifest) => manifest,
            Err(error) if error.may_be_missing() => {
                return Ok(Self { manifest: None, entries: Vec::new() });
            }
            Err(error) => return Err(Error::cannot_read(&error, tag)),
        };
        let entries = match &manifest.content {
            Content::Index(index) => index.manifests.clone(),
            Content::Image(image) => {
                let mut config = None;
                if media_type::is_image_config(&image.config.media_type) {
                    let read = registry.config(&tag.repository, &image.config, None).await;
                    config = Some(read.map_err(|error| Error::cannot_read(&error, tag))?);
                }
                let name = tag.to_string();
                let plain = entries::plain_entry(&name, &manifest, image, config.as_deref(), None)?;
                if let Some(stray) = &plain.stray {
                    warn!("{}", entries::without_variant(&name, &plain.entry, stray));
                }
                vec![plain.entry]
            }
        };
        Ok(Self { manifest: Some(manifest), entries })
    }

    /// The index, if the tag points to one.
    pub fn index(&self) -> Option<&Index> {
        match self.manifest.as_ref().map(|manifest| &manifest.content) {
            Some(Content::Index(index)) => Some(index),
            _ => None,
        }
    }

    pub(super) fn held(&self) -> Option<&Digest> {
        self.manifest.as_ref().map(|manifest| &manifest.digest)
    }
}

/// Refuses when pushing was already denied as a token was asked for: then there is no use in
/// waiting, or in trying.
pub(super) fn refuse_without_permission<'t>(
    registry: &Registry,
    tags: impl IntoIterator<Item = &'t Reference>,
) -> Result<(), Error> {
    for tag in tags {
        if let Some(denial) = registry.push_denial(&tag.repository) {
            return Err(Error::cannot_push_to(&denial, tag));
        }
    }
    Ok(())
}

/// Tests before a wait whether all targets may be pushed to, so that nobody waits half an hour to
/// learn of a denial or of a registry that takes no writes: an upload is opened, and cancelled. Other
/// trouble may be over when the wait is.
pub(super) async fn preflight(work: &Work<'_>) -> Result<(), Error> {
    let Work { registry, plan, .. } = *work;
    let places: Vec<Reference> = plan.places().collect();
    refuse_without_permission(registry, &places)?;
    if plan.dry_run {
        return Ok(());
    }
    let homes: BTreeMap<&Repository, &Reference> =
        places.iter().rev().map(|tag| (&tag.repository, tag)).collect();
    let tests = homes.into_iter().map(|(repository, tag)| async move {
        match registry.may_push(repository).await {
            Err(error) if error.is_denial() || error.takes_no_writes() => {
                Err(Error::cannot_push_to(&error, tag))
            }
            Err(error) => {
                debug!("whether {repository} may be pushed to is not known: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    });
    join::all(tests).await.map(|_: Vec<()>| ())
}

/// A tag points to the index now.
pub(super) fn published(tagged: &Tagged) -> String {
    format!("tag      {}  {}", tagged.tag, tagged.words())
}

/// A tag points to the index already.
pub fn unchanged(tag: &Reference) -> String {
    format!("keep     {tag}  already up to date")
}

/// A tag would be moved.
pub(super) fn would_move(target: &Target) -> String {
    let tag = &target.tag;
    match &target.held {
        Some(held) => format!("dry run  would move {tag}  now {held}"),
        None => format!("dry run  would create {tag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use crate::pattern::Pattern;
    use crate::plan::Overwrite;

    fn digest(seed: &str) -> Digest {
        Digest::of(seed.as_bytes())
    }

    /// Targets `HOST/app:TAG` and what each points to; empty is nothing.
    fn targets(all: &[(&str, &str)]) -> Targets {
        let target = |(tag, held): &(&str, &str)| Target {
            tag: tag.parse().unwrap(),
            held: (!held.is_empty()).then(|| digest(held)),
            is_renamed: false,
            list: None,
        };
        Targets(all.iter().map(target).collect())
    }

    fn names<'t>(targets: impl Iterator<Item = &'t Target>) -> String {
        targets.map(|target| target.tag.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_moved_and_where_something_lacks() {
        let all = targets(&[
            ("r.example/a:1", "new"),
            ("r.example/a:2", ""),
            ("r.example/b:1", ""),
            ("r.example/b:2", "old"),
            ("r.example/c:1", ""),
        ]);
        let new = digest("new");
        let moving = "r.example/a:2 r.example/b:1 r.example/b:2 r.example/c:1";
        assert_eq!(names(all.moving(&new)), moving);
        let lacking: Vec<(String, bool)> = all
            .lacking(&new)
            .into_iter()
            .map(|(repository, in_use)| (repository.to_string(), in_use))
            .collect();
        let expected = [("r.example/b".to_owned(), true), ("r.example/c".to_owned(), false)];
        assert_eq!(lacking, expected, "in a one tag points to it, so it is complete");
        assert!(!all.all_hold(&new) && targets(&[("r.example/a:1", "new")]).all_hold(&new));
    }

    #[test]
    fn what_others_changed() {
        let tags = |first, second| targets(&[("r.example/a:1", first), ("r.example/a:2", second)]);
        let before = tags("old", "");
        assert_eq!(names(tags("old", "").changed_since(&before)), "");
        assert_eq!(names(tags("", "x").changed_since(&before)), "r.example/a:1 r.example/a:2");
        assert_eq!(names(tags("new", "").changed_since(&before)), "r.example/a:1");
    }

    #[test]
    fn overwriting_is_refused_where_the_plan_says_so() {
        let mut plan = Plan::to_edit(&"r.example/a:1".parse().unwrap());
        let all = targets(&[("r.example/a:1", "old"), ("r.example/a:2", "")]);
        let refuse = |plan: &Plan, seed: &str| refuse_overwriting(plan, [(&all, &digest(seed))]);
        assert_eq!(refuse(&plan, "new"), Ok(()));
        let taken = format!("r.example/a:1 points to {}", digest("old"));
        let matching = |text: &str| Overwrite::Matching(vec![Pattern::from(text)]);
        for (overwrite, is_refused) in [
            (Overwrite::Nothing, true),
            (matching("1"), false),
            (matching("?"), false),
            (matching("2"), true),
            (matching("r.example/a:1"), true),
        ] {
            plan.overwrite = overwrite;
            let refused = refuse(&plan, "new").err();
            let details = refused.map(|error| (error.exit, error.details));
            let expected = is_refused.then(|| (Exit::Refused, vec![taken.clone()]));
            assert_eq!(details, expected, "{:?}", plan.overwrite);
            assert_eq!(refuse(&plan, "old"), Ok(()), "the same again");
        }
    }
}
