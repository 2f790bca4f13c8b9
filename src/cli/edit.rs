//! What `annotate` and `remove` share: naming an entry, and changing a list until the change
//! stands.

use super::output;
use super::session::{FILES, Session};
use crate::entries::{Named, diff};
use crate::error::{Error, Exit};
use crate::oci::{Descriptor, Digest, Platform, Reference, in_file};
use crate::pipeline::compose::{self, Composed};
use crate::pipeline::edit::{self, Change, Edited, Moved};
use crate::pipeline::progress::Progress;
use crate::pipeline::targets::{self, Base};
use crate::pipeline::together::Seat;
use crate::pipeline::work::Work;
use crate::plan::Plan;
use serde::Serialize;
use tracing::info;

/// An entry as the user names it: a digest, a platform, or a reference to the image.
pub(super) async fn named(session: &Session, list: &Reference, text: &str) -> Result<Named, Error> {
    if let Ok(digest) = text.parse::<Digest>() {
        return Ok(Named::Digest(digest.to_string()));
    }
    // `linux/amd64` could be a repository of Docker Hub, too; nobody means that here.
    if let Ok(platform) = text.parse::<Platform>()
        && platform.is_usual()
    {
        return Ok(Named::Platform(platform));
    }
    let wrong = |why: String| {
        Error::new(Exit::Inputs, format!("{text} does not name an entry of {list}: {why}"))
    };
    if let Some(why) = half_a_name(text) {
        return Err(wrong(why));
    }
    let reference = text
        .parse::<Reference>()
        .map_err(|why| wrong(format!("it is not a digest, a platform or a reference ({why})")))?
        .or_latest();
    if let Some(digest) = reference.digest {
        return Ok(Named::Digest(digest.to_string()));
    }
    let look = async {
        let head = session.registry.look_surely(&reference, None).await;
        head.map_err(|error| Error::cannot_read(&error, &reference))
    };
    let head = session.until_stopped(&Progress::default(), look).await?;
    Ok(Named::Digest(head.digest.to_string()))
}

/// Why a text that could be an image of Docker Hub is more likely a slip.
fn half_a_name(text: &str) -> Option<String> {
    if let Some(meant) = text.parse::<Platform>().ok().and_then(|platform| platform.meant()) {
        return Some(format!("did you mean {meant}?"));
    }
    if in_file::split(text).is_some() {
        return Some(FILES.to_owned());
    }
    let is_hex =
        |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_hexdigit());
    match text.strip_prefix("sha256:") {
        Some(_) => Some("a digest is sha256: and all of its 64 hex digits".to_owned()),
        None if text.len() >= 7 && is_hex(text) => {
            Some(format!("if it is a digest, write all of sha256:{text}…"))
        }
        None if !text.contains(['/', ':', '@']) => Some(format!(
            "if it is a platform, write linux/{text}; if an image of Docker Hub, library/{text}:TAG"
        )),
        None => None,
    }
}

/// A change to the entries of an index that exists.
struct OfEntries<'a, F> {
    plan: &'a Plan,
    list: &'a Reference,
    moved: Moved,
    change: F,
}

impl<F: Fn(&Base) -> Result<Vec<Descriptor>, Error>> Change for OfEntries<'_, F> {
    fn when_moved(&self) -> Moved {
        self.moved
    }

    fn onto(&self, base: &Base) -> Result<Composed, Error> {
        let list = self.list;
        match (&base.manifest, base.index()) {
            (Some(_), Some(_)) => compose::onto(self.plan, base, (self.change)(base)?),
            (None, _) => Err(Error::new(Exit::Registry, format!("{list} does not exist"))
                .with_fix("check its name; `create` makes a new index")),
            (Some(_), None) => {
                Err(Error::refused(format!("{list} is a single image, not an index"))
                    .with_fix("`create` makes an index of images"))
            }
        }
    }

    fn tell(&self, base: &Base, composed: &Composed) {
        diff::tell(&base.entries, &composed.entries);
    }
}

impl Session {
    /// Changes the entries of the index that a tag points to, and prints what it points to then.
    pub(super) async fn edit(
        &self,
        list: &Reference,
        moved: Moved,
        change: impl Fn(&Base) -> Result<Vec<Descriptor>, Error>,
    ) -> Exit {
        let (plan, progress, seat) = (Plan::to_edit(list), Progress::default(), Seat::alone());
        progress.start(&plan.targets);
        let (plan, progress, seat) = (&plan, &progress, &seat);
        let work = Work { registry: &self.registry, plan, progress, seat, console: None };
        let change = OfEntries { plan, list, moved, change };
        match self.finish(progress, edit::until_settled(&work, &change)).await {
            Ok(Edited { composed, changed, .. }) => {
                if !changed {
                    info!("{}", targets::unchanged(list));
                }
                self.print(list, &composed, changed)
            }
            Err(exit) => exit,
        }
    }

    fn print(&self, list: &Reference, composed: &Composed, changed: bool) -> Exit {
        let image = format!("{list}@{}", composed.digest);
        if self.json {
            return self.print_json(&Document::of(&image, composed, changed), Exit::Done);
        }
        output::bytes(format!("{image}\n").as_bytes(), Exit::Done)
    }
}

/// What a change made of the index, in JSON, version 1; `docs/report-json.md` describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: u8,
    image: &'a str,
    digest: &'a Digest,
    media_type: &'a str,
    size: usize,
    changed: bool,
}

impl<'a> Document<'a> {
    fn of(image: &'a str, composed: &'a Composed, changed: bool) -> Self {
        Self {
            version: 1,
            image,
            digest: &composed.digest,
            media_type: &composed.media_type,
            size: composed.bytes.len(),
            changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::documented::{fields, paths};

    #[test]
    fn every_field_is_documented_and_the_other_way_round() {
        let digest = &Digest::of(b"");
        let (image, media_type, size, changed) = ("", "", 0, true);
        let document = Document { version: 1, image, digest, media_type, size, changed };
        assert_eq!(
            paths(&serde_json::to_value(document).unwrap()),
            fields(include_str!("../../docs/report-json.md"), &["## Of `annotate` and `remove`"])
        );
    }

    #[test]
    fn slips_are_no_images_of_docker_hub() {
        for (text, expected) in [
            ("arm64", Some("linux/arm64")),
            ("linux/amd46", Some("did you mean linux/amd64?")),
            ("arm64/v8", Some("did you mean linux/arm64/v8?")),
            ("36a38182b8f8", Some("sha256:36a38182b8f8…")),
            ("sha256:36a3", Some("64 hex digits")),
            ("app:1", None),
            ("acme/app", None),
            ("r.example/app@sha256:36a3", None),
        ] {
            let why = half_a_name(text);
            assert_eq!(why.is_some(), expected.is_some(), "{text}");
            assert!(why.unwrap_or_default().contains(expected.unwrap_or_default()), "{text}");
        }
    }
}
