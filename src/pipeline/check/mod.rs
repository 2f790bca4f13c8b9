//! The guards between what arrived and what is composed: nothing that they refuse can be published.

mod order;
mod platforms;

use crate::entries::{self, images};
use crate::error::Error;
use crate::error::words::input;
use crate::inputs::table::names;
use crate::oci::manifest::Content;
use crate::oci::{Descriptor, Manifest};
use crate::pipeline::resolve::arrived::{Arrived, Skipped};
use crate::plan::{Attestations, Plan};
use crate::text::brief;

/// Entries that passed all guards, in the order of the index.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub(crate) entries: Vec<Descriptor>,
    /// The one source, if it can be published as it is: an index all of whose entries stand as they
    /// were; or an image, where the plan wants no index of it.
    pub(crate) unchanged: Option<Manifest>,
    pub(crate) warnings: Vec<String>,
}

/// An entry and the source that it came from.
struct Member<'a> {
    entry: &'a Descriptor,
    from: &'a Arrived,
}

/// Holds what arrived against the plan; `skipped` are the sources that are left out on purpose.
pub fn sources(plan: &Plan, arrived: &[Arrived], skipped: &[Skipped]) -> Result<Checked, Error> {
    let mut warnings = Vec::new();
    let ordered = order::by_platform(&plan.platforms, arrived);
    let member = |from, entry| Member { entry, from };
    let brought = ordered.iter().flat_map(|from| from.entries.iter().map(|one| member(*from, one)));
    // Behind all images, where buildx puts them.
    let found =
        ordered.iter().flat_map(|from| from.discovered.iter().map(|one| member(*from, one)));
    let all: Vec<Member<'_>> = brought.chain(found).collect();
    for from in arrived {
        entries::refuse_odd_platforms(&from.source.name, &from.entries)?;
    }
    let distinct = without_repetitions(all)?;
    let kept = attestations(plan, distinct, arrived.len() == 1, &mut warnings);
    platforms::check(&plan.platforms, &kept, skipped).map_err(|error| {
        // One of these may have built what is missing.
        let jobs = plan.without_digest.iter().map(|job| format!("no digest:  {job}"));
        Error { details: error.details.into_iter().chain(jobs).collect(), ..error }
    })?;
    warnings.extend(kept.iter().filter_map(|member| odd_platform(member, plan)));
    warnings.extend(one_revision(arrived));
    let entries: Vec<Descriptor> = kept.into_iter().map(|member| member.entry.clone()).collect();
    if images(&entries).next().is_none() {
        return Err(Error::refused("there is no image to put in"));
    }
    let unchanged = match arrived {
        [Arrived { manifest, .. }] => {
            let is_as_it_was = match &manifest.content {
                Content::Index(index) => index.manifests == entries,
                Content::Image(_) => plan.keeps_one_image(),
            };
            is_as_it_was.then(|| manifest.clone())
        }
        _ => None,
    };
    Ok(Checked { entries, unchanged, warnings })
}

/// Drops an entry that two sources bring alike. Two plain images with one digest are refused: where
/// two were built, one has got lost.
fn without_repetitions(all: Vec<Member<'_>>) -> Result<Vec<Member<'_>>, Error> {
    let mut distinct: Vec<Member<'_>> = Vec::new();
    for member in all {
        let plain = |member: &Member<'_>| matches!(member.from.manifest.content, Content::Image(_));
        let mut twins = distinct.iter().filter(|other| other.entry.digest == member.entry.digest);
        match twins.clone().find(|twin| plain(twin) && plain(&member)) {
            Some(twin) => {
                return Err(Error::refused(
                    "two sources are the same image, so one architecture is missing",
                )
                .with_details(vec![
                    format!("image: {} ({})", member.entry.digest, member.entry.title()),
                    format!("from:  {}", twin.from.source.name),
                    format!("and:   {}", member.from.source.name),
                ])
                .with_fix(
                    "check that every build pushes its own tag and passes on its own digest",
                ));
            }
            None if twins.any(|twin| says_the_same(twin.entry, member.entry)) => {}
            None => distinct.push(member),
        }
    }
    Ok(distinct)
}

/// Platforms by meaning: one source may write `arm64` where another writes `arm64/v8`. `BuildKit`
/// makes one attestation for several images of a build without a name, which has no subject.
fn says_the_same(one: &Descriptor, other: &Descriptor) -> bool {
    if one.attests() != other.attests() {
        return false;
    }
    match (&one.platform, &other.platform) {
        (Some(one), Some(other)) => one.same(other),
        (one, other) => one == other,
    }
}

/// Drops attestations when asked, and those whose image is not in the list, unless a lone source
/// stays as it is.
fn attestations<'a>(
    plan: &Plan,
    members: Vec<Member<'a>>,
    alone: bool,
    warnings: &mut Vec<String>,
) -> Vec<Member<'a>> {
    let digests: Vec<String> =
        members.iter().map(|member| member.entry.digest.to_string()).collect();
    let mut keep = |member: &Member<'_>| match member.entry.attests() {
        None => true,
        Some(_) if plan.attestations == Attestations::Drop => false,
        Some(of) if alone || digests.iter().any(|digest| digest == of) => true,
        Some(of) => {
            warnings.push(format!(
                "{}: an attestation is left out: the image {of} that it describes is not in the index",
                member.from.source.name
            ));
            false
        }
    };
    members.into_iter().filter(|member| keep(member)).collect()
}

/// What is odd about the platform of an image, though it stops nothing.
fn odd_platform(Member { entry, from }: &Member<'_>, plan: &Plan) -> Option<String> {
    let (name, platform) = (&from.source.name, entry.known_platform()?);
    if let Some(stray) = from.stray.as_ref().filter(|_| plan.keeps_one_image()) {
        return Some(format!(
            "{name}: its config says variant {stray}, which only ARM has, so no client takes it; \
             build it again for {platform}"
        ));
    }
    if let Some(stray) = &from.stray {
        return Some(entries::without_variant(name, entry, stray));
    }
    if let Some(stray) = platform.stray_variant() {
        // An entry of an index is copied as it stands.
        return Some(format!(
            "{name} has an entry for {platform}, but only ARM has a variant {stray}, so no client \
             takes it; build it again for {}",
            platform.without_stray_variant()
        ));
    }
    (!platform.is_usual())
        .then(|| format!("{name} is for {platform}, a platform that Go does not know"))
}

/// Images of two commits in one list are allowed, and hardly ever meant.
fn one_revision(arrived: &[Arrived]) -> Option<String> {
    let mut revisions: Vec<(&str, &str)> = Vec::new();
    for from in arrived {
        for revision in from.revisions() {
            if revisions.iter().all(|(other, _)| *other != revision) {
                revisions.push((revision, &from.source.name));
            }
        }
    }
    if revisions.len() < 2 {
        return None;
    }
    let each: Vec<String> = revisions
        .iter()
        .map(|(revision, name)| format!("{name} from {}", brief(revision)))
        .collect();
    Some(format!(
        "the images were built from different commits: {}; {} can prevent that",
        each.join(", "),
        input(names::expect_labels)
    ))
}
