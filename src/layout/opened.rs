//! A folder or archive that was looked into: which image is meant, and its parts.

use super::archive::Heavy;
use super::docker::{self, Item};
use super::error::Error;
use super::members::Members;
use super::oci::{self, Root};
use super::packed::Source;
use crate::oci::referrer::{Referring, is_tag_of_digest};
use crate::oci::{Content, Descriptor, Digest, Form, Manifest, Reference, media_type};
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Names of images that a message quotes.
const MOST_NAMED: usize = 10;

pub(super) struct Layout {
    members: Members,
    contents: Contents,
}

enum Contents {
    Oci(Vec<Root>),
    Docker(Vec<Item>, Made),
}

/// Images that were made already, by their place in the archive.
type Made = Mutex<Vec<(usize, Arc<docker::Image>)>>;

/// An image in the place of another one.
pub(crate) struct Held {
    pub(crate) entry: Descriptor,
    /// Whether it has another name than the one that was asked for.
    pub(crate) is_renamed: bool,
}

impl Layout {
    pub(super) fn open(form: Form, path: &Path, heavy: &Arc<Heavy>) -> Result<Self, Error> {
        let members = Members::open(path, form == Form::Oci, heavy)?;
        let contents = match (oci::roots(&members)?, form) {
            (Some(roots), _) => Contents::Oci(roots),
            (None, Form::DockerArchive) => match docker::items(&members)? {
                Some(items) => Contents::Docker(items, Made::default()),
                None => {
                    return Err(members.absent(no_images("neither index.json nor manifest.json")));
                }
            },
            (None, Form::OciArchive) if members.size(docker::INDEX)?.is_some() => {
                let why = "holds no OCI layout, but what docker save writes: write docker-archive: in \
                           front of it";
                return Err(Error::Unclear(why.to_owned()));
            }
            (None, Form::Oci | Form::OciArchive) => {
                return Err(members.absent(no_images("no index.json")));
            }
        };
        Ok(Self { members, contents })
    }

    /// Whether its blobs can only be read one after the other.
    pub(super) fn is_packed(&self) -> bool {
        self.members.is_packed() || self.is_heavy()
    }

    /// Whether reading a blob takes as much memory as [`Heavy`] says.
    pub(super) fn is_heavy(&self) -> bool {
        self.members.is_heavy() || self.has_zstd()
    }

    /// Whether an image that was made has layers in zstd.
    fn has_zstd(&self) -> bool {
        let Contents::Docker(_, made) = &self.contents else { return false };
        let made = made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().flat_map(|(_, image)| &image.blobs).any(|blob| blob.was_zstd)
    }

    /// A whole blob, of which one byte more than this many may be read.
    pub(super) fn whole(&self, digest: &Digest, most: u64) -> Result<Vec<u8>, Error> {
        let _alone = self.members.alone(self.has_zstd());
        let mut bytes = Vec::new();
        self.reader(digest, 0)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The manifest that is meant: by digest, by name, or the only one.
    pub(super) fn manifest(&self, wanted: &Wanted) -> Result<Manifest, Error> {
        match (&self.contents, &wanted.digest) {
            (Contents::Oci(_), Some(digest)) => oci::manifest(&self.members, digest, None),
            (Contents::Oci(roots), None) => {
                let Root { entry, .. } = self.root(roots, wanted.name.as_deref())?;
                oci::manifest(&self.members, &entry.digest, Some(entry))
            }
            (Contents::Docker(items, made), None) => {
                let at = item(items, wanted.name.as_deref())?;
                parsed(&*self.made(items, made, at)?)
            }
            (Contents::Docker(items, made), Some(digest)) => {
                for at in 0..items.len() {
                    let image = self.made(items, made, at)?;
                    if image.digest == *digest {
                        return parsed(&image);
                    }
                }
                Err(Error::broken(format!("{digest} is not in it")))
            }
        }
    }

    /// A blob, from one of its bytes on.
    pub(super) fn reader(&self, digest: &Digest, from: u64) -> Result<Source, Error> {
        let reader = match &self.contents {
            Contents::Oci(_) => self.members.reader(&oci::blob(digest), from)?,
            Contents::Docker(_, made) => match blob(made, digest) {
                Some(blob) => blob.reader(&self.members, from)?,
                None => None,
            },
        };
        reader.ok_or_else(|| self.members.absent(Error::broken(format!("{digest} is not in it"))))
    }

    /// Where a blob begins: those that are read in this order need one pass.
    pub(super) fn place(&self, digest: &Digest) -> u64 {
        match &self.contents {
            Contents::Oci(_) => self.members.place(&oci::blob(digest)),
            Contents::Docker(_, made) => {
                blob(made, digest).map_or(u64::MAX, |blob| self.members.place(&blob.member))
            }
        }
    }

    /// What refers to a digest.
    pub(super) fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        match &self.contents {
            Contents::Oci(roots) => oci::referrers(&self.members, roots, subject),
            Contents::Docker(..) => Ok(Vec::new()),
        }
    }

    /// The image of this name, with all that it names, before another one takes its place. Of a layout
    /// that would be replaced as a whole: else any image.
    pub(super) fn held(
        &self,
        name: Option<&str>,
        is_replaced: bool,
    ) -> Result<Option<Held>, Error> {
        let Contents::Oci(roots) = &self.contents else { return Ok(None) };
        let own = |root: &&Root| match name {
            Some(name) => root.names.iter().any(|own| is_same(own, name)),
            None => root.names.is_empty(),
        };
        let mut held = roots.iter().find(own);
        let is_renamed = held.is_none() && name.is_some();
        if held.is_none() && is_replaced {
            held = roots.first();
        }
        let Some(root) = held else { return Ok(None) };
        let manifest = oci::manifest(&self.members, &root.entry.digest, Some(&root.entry))?;
        if let Content::Index(index) = &manifest.content {
            for entry in &index.manifests {
                oci::manifest(&self.members, &entry.digest, Some(entry))?;
            }
        }
        Ok(Some(Held { entry: root.entry.clone(), is_renamed }))
    }

    /// The names of all that it names.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.contents {
            Contents::Oci(roots) => roots.iter().flat_map(|root| root.names.clone()).collect(),
            Contents::Docker(items, _) => {
                items.iter().flat_map(|item| item.repo_tags.clone()).collect()
            }
        }
    }

    fn made(&self, items: &[Item], made: &Made, at: usize) -> Result<Arc<docker::Image>, Error> {
        // Held all the time: two that want the same image must not both make it.
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, image)) = made.iter().find(|(other, _)| *other == at) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(docker::image(&self.members, &items[at])?);
        made.push((at, Arc::clone(&image)));
        Ok(image)
    }

    /// The image of this name, or the only one. What refers to another manifest is none.
    fn root<'a>(&self, roots: &'a [Root], name: Option<&str>) -> Result<&'a Root, Error> {
        if let Some(name) = name {
            let named = roots.iter().filter(|root| root.names.iter().any(|own| is_same(own, name)));
            let named: Vec<&Root> = named.collect();
            return match differing(&named).as_slice() {
                [one] => Ok(one),
                [] => Err(no_such_name(name, &self.names())),
                _ => Err(Error::Unclear(format!("has several images named {name}"))),
            };
        }
        let all: Vec<&Root> = roots.iter().collect();
        let all = differing(&all);
        if let [one] = all.as_slice() {
            return Ok(one);
        }
        let mut images = Vec::new();
        // What cosign tags belongs to an image, and names none.
        let is_of_digest = |root: &&Root| {
            !root.names.is_empty() && root.names.iter().all(|name| is_tag_of_digest(name))
        };
        for root in all.into_iter().filter(|root| !is_of_digest(root)) {
            let refers = oci::referring(&self.members, root)?;
            if refers.is_some_and(|Referring { subject, .. }| subject.is_none()) {
                images.push(root);
            }
        }
        match images.as_slice() {
            [one] => Ok(one),
            [] => Err(no_images("an index.json without images")),
            several => Err(which(several.len(), &self.names())),
        }
    }
}

/// What is asked of a layout.
pub(super) struct Wanted {
    name: Option<String>,
    digest: Option<Digest>,
}

impl From<&Reference> for Wanted {
    fn from(Reference { tag, digest, .. }: &Reference) -> Self {
        Self { name: tag.clone(), digest: digest.clone() }
    }
}

/// The blob of an image that was made.
fn blob(made: &Made, digest: &Digest) -> Option<docker::Blob> {
    let made = made.lock().unwrap_or_else(PoisonError::into_inner);
    made.iter().flat_map(|(_, image)| &image.blobs).find(|blob| blob.digest == *digest).cloned()
}

fn parsed(image: &docker::Image) -> Result<Manifest, Error> {
    let bytes = image.manifest.clone().into();
    Manifest::parse(bytes, media_type::DOCKER_MANIFEST, image.digest.clone())
        .map_err(|error| Error::broken(format!("cannot be made an image: {error}")))
}

/// Those with different digests.
fn differing<'a>(roots: &[&'a Root]) -> Vec<&'a Root> {
    let mut differing: Vec<&Root> = Vec::new();
    for root in roots {
        if differing.iter().all(|other| other.entry.digest != root.entry.digest) {
            differing.push(root);
        }
    }
    differing
}

/// The image of this name in an archive of Docker's, or the only one.
fn item(items: &[Item], name: Option<&str>) -> Result<usize, Error> {
    let names = || items.iter().flat_map(|item| item.repo_tags.clone()).collect::<Vec<_>>();
    match name {
        None if items.len() == 1 => Ok(0),
        None => Err(which(items.len(), &names())),
        Some(name) => items
            .iter()
            .position(|item| item.repo_tags.iter().any(|own| is_same(own, name)))
            .ok_or_else(|| no_such_name(name, &names())),
    }
}

/// Whether two names mean the same: `acme/app:v1` is `docker.io/acme/app:v1`.
fn is_same(own: &str, name: &str) -> bool {
    let full = |name: &str| name.parse::<Reference>().map(Reference::or_latest);
    own == name || matches!((full(own), full(name)), (Ok(own), Ok(name)) if own == name)
}

fn no_images(found: &str) -> Error {
    Error::Unclear(format!("holds no images: there is {found} in it"))
}

fn no_such_name(name: &str, names: &[String]) -> Error {
    let has = if names.is_empty() {
        "its images have no names".to_owned()
    } else {
        format!("it has {}", listed(names))
    };
    Error::Unclear(format!("has no image named {name}; {has}"))
}

fn which(number: usize, names: &[String]) -> Error {
    if names.is_empty() {
        return Error::Unclear(format!(
            "holds {number} images without names: choose one by its digest, with @sha256:… behind \
             the file"
        ));
    }
    Error::Unclear(format!(
        "holds {number} images: choose one by its name, with :NAME behind the file; it has {}",
        listed(names)
    ))
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> =
        names.iter().take(MOST_NAMED).map(|name| crate::oci::shown(name).into_owned()).collect();
    let more = names.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} others") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
