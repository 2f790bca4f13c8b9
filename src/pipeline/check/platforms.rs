//! One image for each platform, and exactly the platforms that were asked for.

use super::Member;
use crate::entries::platforms::unanswered;
use crate::error::Error;
use crate::error::words::input;
use crate::inputs::table::names;
use crate::oci::Platform;
use crate::oci::named::{Architecture, Name};
use crate::pipeline::resolve::arrived::Skipped;
use crate::plan::Source;

/// Holds the images against the platforms that were asked for, if any; `skipped` are sources that
/// are left out on purpose.
pub(super) fn check(
    asked: &[Platform],
    members: &[Member<'_>],
    skipped: &[Skipped],
) -> Result<(), Error> {
    let images: Vec<&Member<'_>> =
        members.iter().filter(|member| member.entry.attests().is_none()).collect();
    let answered = Answered::of(asked, &images, skipped);
    let failed =
        one_image_a_platform(&images, &answered).and_then(|()| exact_platforms(&images, &answered));
    // Whichever it is, an image that is not what its name says explains it.
    failed.map_err(|error| misnamed(&images, &answered).unwrap_or(error))
}

/// How the images answer what was asked for.
struct Answered<'a> {
    /// Platforms without an image, as far as no skipped source may stand for them.
    missing: Vec<&'a Platform>,
    /// Images that nobody asked for; none where nothing is asked for.
    unexpected: Vec<&'a Member<'a>>,
    /// Skipped sources of which nobody told the platform: any one that is missing may be theirs.
    unnamed: usize,
}

impl<'a> Answered<'a> {
    /// Every platform asked for is answered by one entry, and every image answers one.
    fn of(asked: &'a [Platform], images: &[&'a Member<'a>], skipped: &[Skipped]) -> Self {
        let have: Vec<_> = images.iter().map(|member| member.entry.known_platform()).collect();
        let (mut missing, mut odd) = unanswered(asked, &have);
        if asked.is_empty() {
            odd.clear();
        }
        let unexpected = odd.into_iter().filter_map(|at| images.get(at).copied()).collect();
        let named: Vec<&Platform> =
            skipped.iter().filter_map(|source| source.platform.as_ref()).collect();
        missing.retain(|platform| !named.iter().any(|skipped| skipped.same(platform)));
        Self { missing, unexpected, unnamed: skipped.len() - named.len() }
    }

    fn is_unexpected(&self, member: &Member<'_>) -> bool {
        self.unexpected.iter().any(|other| std::ptr::eq(*other, member))
    }

    fn missing(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|platform| format!("missing:    {platform}"))
    }
}

fn one_image_a_platform(images: &[&Member<'_>], answered: &Answered<'_>) -> Result<(), Error> {
    for (at, member) in images.iter().enumerate() {
        let Some(platform) = member.entry.known_platform() else { continue };
        let twin = images[..at]
            .iter()
            .find(|other| other.entry.known_platform().is_some_and(|other| other.same(platform)));
        let Some(twin) = twin else { continue };
        let missing: Vec<String> = answered.missing().collect();
        let fix = if missing.is_empty() {
            "remove one of them: clients only ever see the first"
        } else {
            "check the platform of each build: one of them seems to be for the wrong one"
        };
        let both = [twin, member].map(|member| format!("image:      {}", describe(member)));
        return Err(Error::refused(format!("two images for {platform}"))
            .with_details(missing.into_iter().chain(both).collect())
            .with_fix(fix));
    }
    Ok(())
}

fn exact_platforms(images: &[&Member<'_>], answered: &Answered<'_>) -> Result<(), Error> {
    let Answered { missing, unexpected, unnamed } = answered;
    if missing.len() <= *unnamed && unexpected.is_empty() {
        return Ok(());
    }
    let too_many = unexpected.iter().map(|member| format!("unexpected: {}", describe(member)));
    let there = images.iter().filter(|member| !answered.is_unexpected(member));
    let there = there.map(|member| format!("ok:         {}", describe(member)));
    let platforms = input(names::platforms);
    Err(Error::refused(format!("the images do not match {platforms}"))
        .with_details(answered.missing().chain(too_many).chain(there).collect())
        .with_fix(format!(
            "check that each build was for the platform that its name says, or correct {platforms}"
        )))
}

/// The error of images that nobody asked for, or of which there are two, where their sources are
/// called after another platform: by the inputs, or by their names.
fn misnamed(images: &[&Member<'_>], answered: &Answered<'_>) -> Option<Error> {
    let wrong: Vec<(&Member<'_>, Platform)> = images
        .iter()
        .filter(|member| answered.is_unexpected(member) || has_twin(images, member))
        .filter_map(|member| {
            let called = Called::of(&member.from.source)?;
            let mut of_source = images.iter().filter(|other| std::ptr::eq(other.from, member.from));
            let fits = of_source
                .any(|other| other.entry.known_platform().is_some_and(|have| called.fits(have)));
            let have = member.entry.known_platform()?;
            (!fits).then(|| (*member, called.platform(&have.os)))
        })
        .collect();
    let (first, platform) = wrong.first()?;
    let is_wrong =
        |member: &Member<'_>| wrong.iter().any(|(other, _)| std::ptr::eq(*other, member));
    let what = match wrong.as_slice() {
        [(Member { entry, from }, platform)] => format!(
            "{} is for {}, not for {platform} as its name says",
            from.source.name,
            entry.title()
        ),
        all => format!("{} images are not for the platforms that their names say", all.len()),
    };
    let fix = match wrong.len() {
        1 => format!(
            "check how it was built: build with `--platform {platform}` or on a machine of \
             that architecture, and push it again"
        ),
        _ => "check how they were built: build each with `--platform` or on a machine of its \
              architecture, and push them again"
            .to_owned(),
    };
    // Without `platforms`, a name is all that tells what is missing.
    let by_name = wrong.iter().map(|(_, platform)| platform).filter(|platform| {
        let is_told = answered.missing.iter().any(|missing| missing.same(platform));
        let is_there = images
            .iter()
            .any(|member| member.entry.known_platform().is_some_and(|have| have.answers(platform)));
        !is_told && !is_there
    });
    let mut details: Vec<String> = answered.missing().collect();
    details.extend(by_name.map(|platform| format!("missing:    {platform}")));
    details.extend(wrong.iter().map(|(member, _)| format!("wrong:      {}", describe(member))));
    details.extend(images.iter().filter(|member| !is_wrong(member)).map(|member| {
        let shares = first.entry.platform == member.entry.platform;
        let is_ok = shares || !answered.is_unexpected(member);
        format!("{} {}", if is_ok { "ok:        " } else { "unexpected:" }, describe(member))
    }));
    Some(Error::refused(what).with_details(details).with_fix(fix))
}

fn has_twin(images: &[&Member<'_>], member: &Member<'_>) -> bool {
    let Some(platform) = member.entry.known_platform() else { return false };
    let others = images.iter().filter(|other| !std::ptr::eq(**other, member));
    others.filter_map(|other| other.entry.known_platform()).any(|other| other.same(platform))
}

/// What a source is called after.
enum Called<'a> {
    /// The inputs say so: expanded from a template, or written in front.
    Stated(&'a Platform),
    /// Its name does.
    Named(Architecture),
}

impl<'a> Called<'a> {
    fn of(source: &'a Source) -> Option<Self> {
        if let Some(platform) = &source.stands_for {
            return Some(Self::Stated(platform));
        }
        let architecture = |name: &str| Name::of(name).architecture.map(Self::Named);
        match &source.reference.tag {
            Some(tag) => {
                architecture(tag).or_else(|| architecture(source.reference.repository.path()))
            }
            // A digest is called after where it was found.
            None => architecture(source.name.split_once(" from ")?.1),
        }
    }

    fn fits(&self, platform: &Platform) -> bool {
        match self {
            Self::Stated(stated) => platform.answers(stated),
            Self::Named(architecture) => architecture.fits(platform),
        }
    }

    fn platform(&self, os: &str) -> Platform {
        match self {
            Self::Stated(stated) => (*stated).clone(),
            Self::Named(architecture) => architecture.on(os),
        }
    }
}

fn describe(Member { entry, from }: &Member<'_>) -> String {
    let stray = from.stray.as_ref();
    let stray =
        stray.map(|stray| format!(" (its config says variant {stray}, which only ARM has)"));
    let (title, digest, name) = (entry.title(), entry.digest.short(), &from.source.name);
    format!("{title} {digest} from {name}{}", stray.unwrap_or_default())
}
