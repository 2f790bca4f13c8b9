//! The guards between what arrived and what is composed: nothing that they refuse can be published.

use crate::entries::{self, images};
use crate::error::Error;
use crate::error::words::input;
use crate::inputs::table::names;
use crate::oci::manifest::Content;
use crate::oci::{Descriptor, Manifest, Platform};
use crate::pipeline::resolve::arrived::{Arrived, Skipped};
use crate::plan::Plan;
use crate::text::brief;

/// Entries that passed all guards, in the order of the index.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub(crate) entries: Vec<Descriptor>,
    /// The one source, if it is an index and all its entries stand as they were.
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
    let all: Vec<Member<'_>> = arrived
        .iter()
        .flat_map(|from| from.entries.iter().map(move |entry| Member { entry, from }))
        .collect();
    for from in arrived {
        entries::refuse_odd_platforms(&from.source.name, &from.entries)?;
    }
    let distinct = without_repetitions(all)?;
    let kept = attestations(plan, distinct, arrived.len() == 1, &mut warnings);
    one_image_a_platform(&kept)?;
    if !plan.platforms.is_empty() {
        exact_platforms(&plan.platforms, &kept, skipped)?;
    }
    for member in &kept {
        if member.entry.known_platform().is_some_and(|platform| !platform.is_usual()) {
            warnings.push(format!(
                "{} is for {}, a platform that Go does not know",
                member.from.source.name,
                member.entry.title()
            ));
        }
    }
    warnings.extend(one_revision(arrived));
    let entries: Vec<Descriptor> = kept.into_iter().map(|member| member.entry.clone()).collect();
    if images(&entries).next().is_none() {
        return Err(Error::refused("there is no image to put in"));
    }
    let unchanged = match arrived {
        [Arrived { manifest: Manifest { content: Content::Index(index), .. }, .. }]
            if index.manifests == entries =>
        {
            arrived.first().map(|only| only.manifest.clone())
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
        let twin = distinct.iter().find(|other| other.entry.digest == member.entry.digest);
        match twin {
            Some(twin) if plain(twin) && plain(&member) => {
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
            Some(twin) if same_platform(twin.entry, member.entry) => {}
            _ => distinct.push(member),
        }
    }
    Ok(distinct)
}

/// By meaning: one source may write `arm64` where another writes `arm64/v8`.
fn same_platform(one: &Descriptor, other: &Descriptor) -> bool {
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
        Some(_) if !plan.keep_attestations => false,
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

fn one_image_a_platform(members: &[Member<'_>]) -> Result<(), Error> {
    for (at, member) in members.iter().enumerate() {
        let Some(platform) = member.entry.known_platform() else { continue };
        let twin = members[..at]
            .iter()
            .find(|other| other.entry.known_platform().is_some_and(|other| other.same(platform)));
        if let Some(twin) = twin {
            return Err(Error::refused(format!("two images for {platform}"))
                .with_details(vec![describe(twin), describe(member)])
                .with_fix("remove one of them: clients only ever see the first"));
        }
    }
    Ok(())
}

/// Every platform asked for is answered by one entry, and every image answers one.
fn exact_platforms(
    asked: &[Platform],
    members: &[Member<'_>],
    skipped: &[Skipped],
) -> Result<(), Error> {
    let mut open: Vec<&Platform> = asked.iter().collect();
    let images: Vec<&Member<'_>> =
        members.iter().filter(|member| member.entry.attests().is_none()).collect();
    let mut extra: Vec<&Member<'_>> = images.clone();
    // Equal ones first, so that `windows/amd64` does not take the entry of a
    // `windows(10.0.…)/amd64` asked for beside it.
    let rules: [fn(&Platform, &Platform) -> bool; 2] = [Platform::same, Platform::answers];
    for rule in rules {
        extra.retain(|member| {
            let at = member
                .entry
                .known_platform()
                .and_then(|have| open.iter().position(|want| rule(have, want)));
            at.map(|at| open.remove(at)).is_none()
        });
    }
    let named: Vec<&Platform> =
        skipped.iter().filter_map(|source| source.platform.as_ref()).collect();
    open.retain(|platform| !named.iter().any(|skipped| skipped.same(platform)));
    // A skipped source whose platform nobody told may be any one of those that are missing.
    let unnamed = skipped.len() - named.len();
    if open.len() <= unnamed && extra.is_empty() {
        return Ok(());
    }
    let missing = open.iter().map(|platform| format!("missing:    {platform}"));
    let too_many = extra.iter().map(|member| format!("unexpected: {}", describe(member)));
    let there = images
        .iter()
        .filter(|member| !extra.iter().any(|other| std::ptr::eq(**member, *other)))
        .map(|member| format!("ok:         {}", describe(member)));
    let platforms = input(names::platforms);
    Err(Error::refused(format!("the images do not match {platforms}"))
        .with_details(missing.chain(too_many).chain(there).collect())
        .with_fix(format!(
            "check that each build was for the platform that its name says, or correct {platforms}"
        )))
}

fn describe(member: &Member<'_>) -> String {
    format!(
        "{} {} from {}",
        member.entry.title(),
        member.entry.digest.short(),
        member.from.source.name
    )
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
