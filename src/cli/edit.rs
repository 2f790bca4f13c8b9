//! What `annotate` and `remove` share: naming an entry, and changing a list until the change stands.

use super::output;
use super::session::Session;
use crate::advice::{Access, Surroundings};
use crate::compose::{self, Composed};
use crate::edit::{self, Base, Edited, Moved, Named};
use crate::error::{Error, Exit};
use crate::oci::{Descriptor, Digest, Platform, Reference};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::publish::Publishing;
use serde_json::json;

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
    let wrong = |why: String| Error::new(Exit::Inputs, format!("{text} names no entry of {list}: {why}"));
    let reference = text
        .parse::<Reference>()
        .map_err(|why| wrong(format!("it is no digest, no platform and no reference ({why})")))?
        .or_latest();
    if let Some(digest) = reference.digest {
        return Ok(Named::Digest(digest.to_string()));
    }
    let surroundings = Surroundings { helper: session.registry.helper(reference.repository.host()), ..Surroundings::default() };
    let head = session.registry.look(&reference, None).await;
    head.map(|head| Named::Digest(head.digest.to_string()))
        .map_err(|error| Error::of_registry(&error, &format!("read {reference}"), Access::Pull, &surroundings))
}

impl Session {
    /// Changes the entries of the list that a tag holds, and prints what it holds then.
    pub(super) async fn edit(
        &self,
        list: &Reference,
        moved: Moved,
        change: impl Fn(&Base) -> Result<Vec<Descriptor>, Error>,
    ) -> Exit {
        let plan = Plan::to_edit(list);
        let progress = Progress::default();
        progress.start(&plan.targets);
        let surroundings = Surroundings::default();
        let compose =
            |base: &Base| match (&base.manifest, base.index()) {
                (Some(_), Some(_)) => compose::onto(&plan, base, change(base)?),
                (None, _) => Err(Error::new(Exit::Registry, format!("{list} is not there"))
                    .with_fix("check its name; `create` makes a new list")),
                (Some(_), None) => {
                    Err(Error::refused(format!("{list} is one image, no list")).with_fix("`create` makes a list of images"))
                }
            };
        let to = Publishing { registry: &self.registry, plan: &plan, surroundings: &surroundings, progress: &progress };
        // Whatever becomes of its entries, they are where the list is.
        let work = edit::until_settled(&to, moved, |_| (), async |_, _, _| Ok(false), compose);
        match self.finish(&progress, work).await {
            Ok(Edited { composed, changed, .. }) => self.print(list, &composed, changed),
            Err(exit) => exit,
        }
    }

    fn print(&self, list: &Reference, composed: &Composed, changed: bool) -> Exit {
        let image = format!("{list}@{}", composed.digest);
        if self.json {
            let document = json!({"version": 1, "image": image, "digest": composed.digest, "mediaType": composed.media_type, "size": composed.bytes.len(), "changed": changed});
            return output::json(&document, Exit::Done);
        }
        output::bytes(format!("{image}\n").as_bytes(), Exit::Done)
    }
}
