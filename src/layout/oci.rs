//! OCI image layouts (image spec, image-layout.md): which images are in one, and their blobs.

use super::docker;
use super::error::Error;
use super::members::Members;
use crate::oci::manifest::LARGEST_MANIFEST;
use crate::oci::referrer::Referring;
use crate::oci::{Content, Descriptor, Digest, ImageManifest, Index, Manifest, media_type};

/// The file that lists the images.
pub(super) const INDEX: &str = "index.json";
/// The name that containerd gives, and with it Docker and `BuildKit`: a full reference.
const FULL_NAME: &str = "io.containerd.image.name";
/// The name of the spec: a tag, or whatever else its writer likes.
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";

/// What the layout names.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) entry: Descriptor,
    pub(super) names: Vec<String>,
}

/// All that the layout names; `None`: it is of another form.
pub(super) fn roots(members: &Members) -> Result<Option<Vec<Root>>, Error> {
    let Some(text) = members.whole(INDEX, LARGEST_MANIFEST as u64)? else { return Ok(None) };
    let index = index(text)?;
    if index.manifests.len() > super::MOST_IMAGES {
        return Err(super::too_many());
    }
    let name = |entry: &Descriptor, key: &str| entry.annotations.get(key).cloned();
    let roots = index.manifests.into_iter().map(|entry| {
        let names = [FULL_NAME, NAME].into_iter().filter_map(|key| name(&entry, key)).collect();
        Root { entry, names }
    });
    let mut roots: Vec<Root> = roots.collect();
    if roots.iter().any(|root| !root.entry.annotations.contains_key(FULL_NAME)) {
        add_names_of_docker(members, &mut roots)?;
    }
    Ok(Some(roots))
}

/// The list of images, from its bytes.
pub(super) fn index(text: Vec<u8>) -> Result<Index, Error> {
    let digest = Digest::of(&text);
    let invalid = |error| Error::broken(format!("{INDEX} is not that of an OCI layout: {error}"));
    match Manifest::parse(text.into(), media_type::OCI_INDEX, digest).map_err(invalid)?.content {
        Content::Index(index) => Ok(index),
        Content::Image(_) => Err(Error::broken(format!("{INDEX} is not an index"))),
    }
}

/// `docker save` without containerd names images in its own index only.
fn add_names_of_docker(members: &Members, roots: &mut [Root]) -> Result<(), Error> {
    let Some(items) = docker::items(members)? else { return Ok(()) };
    for root in roots.iter_mut().filter(|root| media_type::is_image(&root.entry.media_type)) {
        let Content::Image(image) = manifest(members, &root.entry.digest, None)?.content else {
            continue;
        };
        let of = items.iter().filter(|item| item.is_of(&image.config.digest));
        root.names.extend(of.flat_map(|item| item.repo_tags.iter().cloned()));
    }
    Ok(())
}

/// Name of the member that is this blob.
pub(super) fn blob(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// A manifest, whose blobs are there if it is an image. `entry`: what names it, if that is known.
pub(super) fn manifest(
    members: &Members,
    digest: &Digest,
    entry: Option<&Descriptor>,
) -> Result<Manifest, Error> {
    let bytes = members.whole(&blob(digest), LARGEST_MANIFEST as u64)?;
    let bytes =
        bytes.ok_or_else(|| members.absent(Error::broken(format!("{digest} is not in it"))))?;
    if !digest.matches(&bytes) {
        return Err(Error::broken(format!("its member {} has another digest", blob(digest))));
    }
    let media_type = entry.map(|entry| entry.media_type.as_str()).unwrap_or_default();
    let manifest = Manifest::parse(bytes.into(), media_type, digest.clone())
        .map_err(|error| Error::broken(format!("{digest}: {error}")))?;
    if let Some(why) = entry.and_then(|entry| manifest.contradicts(entry)) {
        return Err(Error::broken(format!("{INDEX} and {digest} do not agree: {why}")));
    }
    if let Content::Image(image) = &manifest.content {
        check_blobs(members, &manifest.digest, image)?;
    }
    Ok(manifest)
}

/// Looks whether all that an image names is there, with the size that it names.
fn check_blobs(members: &Members, digest: &Digest, image: &ImageManifest) -> Result<(), Error> {
    let config = [("config", &image.config)];
    for (kind, named) in config.into_iter().chain(image.layers.iter().map(|of| ("layer", of))) {
        if media_type::is_foreign_layer(&named.media_type) {
            continue;
        }
        match members.size(&blob(&named.digest))? {
            Some(size) if size == named.size => {}
            Some(size) => {
                return Err(Error::broken(format!(
                    "the {kind} {} has {size} bytes; {} says {}",
                    named.digest,
                    digest.short(),
                    named.size
                )));
            }
            None => {
                return Err(members.absent(Error::broken(format!(
                    "the {kind} {} of {} is not in it",
                    named.digest,
                    digest.short()
                ))));
            }
        }
    }
    Ok(())
}

/// What refers to this digest among all that the layout names.
pub(super) fn referrers(
    members: &Members,
    roots: &[Root],
    subject: &Digest,
) -> Result<Vec<Descriptor>, Error> {
    let mut referrers: Vec<Descriptor> = Vec::new();
    for root in roots {
        if let Some(referring) = referring(members, root)?
            && referring.subject.as_ref() == Some(subject)
            && referrers.iter().all(|other| other.digest != referring.entry.digest)
        {
            referrers.push(referring.entry);
        }
    }
    Ok(referrers)
}

/// What it refers to, if it can.
pub(super) fn referring(members: &Members, root: &Root) -> Result<Option<Referring>, Error> {
    if !media_type::is_manifest(&root.entry.media_type) {
        return Ok(None);
    }
    let manifest = manifest(members, &root.entry.digest, Some(&root.entry))?;
    let referring = Referring::of(&manifest);
    referring.map(Some).map_err(|error| Error::broken(format!("{}: {error}", root.entry.digest)))
}
