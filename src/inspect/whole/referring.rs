//! What refers to an image, to an index and to all that it names: a list of referrers may name what
//! is gone, and whoever verifies a signature then finds none.

use super::part::{Named, Part};
use super::{Check, Fault, Found, Kind, named};
use crate::error::Error;
use crate::join;
use crate::oci::{Descriptor, Digest, Reference, Repository, referrer};
use crate::referrers::{Question, Subject};
use crate::registry::Purpose;
use std::collections::HashSet;

impl Check<'_> {
    /// The referrers that are there; what is wrong with others goes into `found`.
    pub(super) async fn referrers(
        &self,
        reference: &Reference,
        entries: &[Descriptor],
        found: &mut Found,
    ) -> Result<Vec<Part>, Error> {
        let repository = &reference.repository;
        let subjects = subjects(repository, found, entries);
        let levels = Question::new(self.registry, Purpose::Show, false).walk(subjects).await?;
        let all = || levels.iter().flatten();
        let (mut listed, mut seen) = (Vec::new(), HashSet::new());
        for subject in all() {
            let fresh = subject.referrers.iter().filter(|entry| seen.insert(&entry.digest));
            listed.extend(fresh.map(|entry| listed_as(entry, &subject.title)));
        }
        let tags = all().flat_map(|subject| {
            subject.tags.iter().map(|(tag, kind)| (tag, format!("{kind} of {}", subject.title)))
        });
        let tags: Vec<(&String, String)> = tags.collect();
        found.referrers = Some(listed.len() + tags.len());
        let (mut parts, _) = self.parts(reference, listed, found).await?;
        let reads = tags.into_iter().map(|(tag, title)| self.tagged(repository, tag, title));
        for (part, fault) in join::within(self.most, reads).await? {
            parts.extend(part);
            found.faults.extend(fault);
        }
        Ok(parts)
    }

    /// What stands at one of cosign's tags, or what is wrong with it.
    async fn tagged(
        &self,
        repository: &Repository,
        tag: &str,
        title: String,
    ) -> Result<(Option<Part>, Option<Fault>), Error> {
        let place = Reference::tagged(repository, tag);
        match self.registry.shared_manifest(&place).await {
            Ok(manifest) => {
                let named = Named { title, entry: manifest.descriptor(), is_referrer: true };
                Ok((Some(Part::of(Some(named), manifest)), None))
            }
            Err(error) => {
                let kind = super::part::kind_of(&error);
                let kind = kind.ok_or_else(|| Error::cannot_read(&error, &place))?;
                let why = match kind {
                    Kind::Gone => " is gone".to_owned(),
                    _ => format!(": {}", error.reason()),
                };
                let what = format!("{title} {tag}{why}");
                let (entry, part) = (Some(title), "manifest");
                let fault = Fault { kind, entry, part, digest: None, what, is_of_referrer: true };
                Ok((None, Some(fault)))
            }
        }
    }
}

/// What was read itself, and all that it names, each once.
fn subjects<'a>(
    repository: &'a Repository,
    found: &Found,
    entries: &[Descriptor],
) -> Vec<Subject<'a, ()>> {
    let own = if entries.is_empty() { "the image" } else { "the index" };
    let own = Subject::new(&found.digest, repository, own, ());
    let titled = named(entries);
    let mut seen: HashSet<&Digest> = HashSet::from([&found.digest]);
    let others = titled.iter().filter(|named| seen.insert(&named.entry.digest));
    let others =
        others.map(|named| Subject::new(&named.entry.digest, repository, &named.title, ()));
    [own].into_iter().chain(others).collect()
}

fn listed_as(entry: &Descriptor, of: &str) -> Named {
    let kind = match entry.artifact_type.as_str() {
        "" => "referrer",
        artifact_type => referrer::kind(artifact_type),
    };
    let kind = referrer::short_kind(entry).unwrap_or(kind);
    Named { title: format!("{kind} of {of}"), entry: entry.clone(), is_referrer: true }
}
