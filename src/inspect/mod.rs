//! What a reference is: its manifest, and what can be learned about the images behind it.
//!
//! Reads entries in parallel and nothing twice. Neither judges nor writes.

pub(crate) mod comparison;
pub(crate) mod json;
pub(crate) mod referrers;
pub(crate) mod text;
pub(crate) mod whole;

use crate::entries::nested::MOST_ENTRIES;
use crate::entries::{self, Named};
use crate::error::Error;
use crate::join;
use crate::oci::image_config::REVISION;
use crate::oci::{
    Annotations, Content, Descriptor, ImageConfig, ImageManifest, Index, Manifest, Platform,
    Reference,
};
use crate::oci::{Repository, media_type};
use crate::registry::{self, Kind, Registry};
use referrers::Referrer;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inspected {
    pub(crate) reference: Reference,
    /// The index it was picked from, if a platform was asked for.
    pub(crate) picked: Option<Picked>,
    pub(crate) manifest: Manifest,
    /// The manifest's own, not those of its entry in an index.
    pub(crate) annotations: Annotations,
    pub(crate) subject: Option<Descriptor>,
    pub(crate) inside: Inside,
    /// What refers to it and to what it names, if that was asked for.
    pub(crate) referrers: Option<Vec<Referrer>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picked {
    pub(crate) index: Manifest,
    pub(crate) entry: Descriptor,
    pub(crate) attestations: Vec<Descriptor>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Inside {
    Image(Box<Image>),
    Index(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    /// As its config says.
    pub(crate) platform: Option<Platform>,
    /// RFC 3339, as its config says.
    pub(crate) created: Option<String>,
    pub(crate) labels: Annotations,
    pub(crate) config: Descriptor,
    /// Lowest first.
    pub(crate) layers: Vec<Descriptor>,
    /// What a client downloads, in bytes: config and layers.
    pub(crate) download: u64,
    /// `None` for an image that runs.
    pub(crate) artifact_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) descriptor: Descriptor,
    pub(crate) behind: Behind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behind {
    /// An image, or another artifact: what a client downloads, in bytes.
    Image(u64),
    /// An index with this number of entries.
    Index(usize),
    Attestation,
    /// It was not read, for this reason.
    Unread(String),
}

impl Image {
    /// The commit it was built from, if a label says so.
    pub(crate) fn revision(&self) -> Option<&str> {
        self.labels.get(REVISION).map(String::as_str)
    }
}

impl Inspected {
    pub(crate) fn attestations_of<'a>(
        entries: &'a [Entry],
        digest: &'a str,
    ) -> impl Iterator<Item = &'a Descriptor> {
        entries
            .iter()
            .map(|entry| &entry.descriptor)
            .filter(move |entry| entry.attests() == Some(digest))
    }
}

/// Reads what the reference names, or its entry for the platform.
pub(crate) async fn read(
    registry: &Registry,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<Inspected, Error> {
    let manifest = manifest(registry, reference).await?;
    match (&manifest.content, platform) {
        (Content::Index(index), Some(platform)) => {
            let (entry, attestations, inner) = child(registry, reference, index, platform).await?;
            inspected(
                registry,
                reference,
                inner,
                Some(Picked { index: manifest, entry, attestations }),
            )
            .await
        }
        (Content::Image(_), Some(platform)) => {
            let read = inspected(registry, reference, manifest, None).await?;
            let have = match &read.inside {
                Inside::Image(image) => image.platform.clone(),
                Inside::Index(_) => None,
            };
            match have {
                Some(have) if have.answers(platform) => Ok(read),
                Some(have) => Err(Error::refused(format!(
                    "{reference} is a single image for {have}, not for {platform}"
                ))),
                None => Err(Error::refused(format!(
                    "{reference} does not say which platform it is for"
                ))),
            }
        }
        (_, None) => inspected(registry, reference, manifest, None).await,
    }
}

pub(crate) async fn manifest(
    registry: &Registry,
    reference: &Reference,
) -> Result<Manifest, Error> {
    registry.manifest(reference, None).await.map_err(|error| Error::cannot_read(&error, reference))
}

/// The entry for a platform, its attestations and its manifest.
pub(crate) async fn child(
    registry: &Registry,
    reference: &Reference,
    index: &Index,
    platform: &Platform,
) -> Result<(Descriptor, Vec<Descriptor>, Manifest), Error> {
    let (entry, attestations) = pick(reference, index, platform)?;
    let manifest = manifest(registry, &Reference::at(&reference.repository, &entry.digest)).await?;
    Ok((entry, attestations, manifest))
}

async fn inspected(
    registry: &Registry,
    reference: &Reference,
    manifest: Manifest,
    picked: Option<Picked>,
) -> Result<Inspected, Error> {
    let (mut annotations, mut subject) = more(&manifest);
    let inside = match &manifest.content {
        Content::Image(content) => {
            Inside::Image(Box::new(image(registry, reference, content).await?))
        }
        Content::Index(index) => {
            annotations.clone_from(&index.annotations);
            subject.clone_from(&index.subject);
            Inside::Index(all(registry, &reference.repository, index).await?)
        }
    };
    Ok(Inspected {
        reference: reference.clone(),
        picked,
        manifest,
        annotations,
        subject,
        inside,
        referrers: None,
    })
}

/// What manifest and config say about an image.
pub(crate) async fn image(
    registry: &Registry,
    reference: &Reference,
    manifest: &ImageManifest,
) -> Result<Image, Error> {
    let is_image = media_type::is_image_config(&manifest.config.media_type);
    let config = if is_image {
        let read = registry.config(&reference.repository, &manifest.config, None).await;
        let bytes =
            read.map_err(|error| Error::cannot_read(&error, format!("the config of {reference}")))?;
        ImageConfig::parse(&bytes).map_err(|why| {
            Error::refused(format!("cannot read the config of {reference}: {why}"))
        })?
    } else {
        ImageConfig::default()
    };
    let artifact_type = match (manifest.artifact_type.as_str(), is_image) {
        ("", true) => None,
        ("", false) => Some(manifest.config.media_type.clone()),
        (artifact, _) => Some(artifact.to_owned()),
    };
    Ok(Image {
        platform: Some(config.platform).filter(Platform::is_known),
        created: config.created,
        labels: config.config.map(|runtime| runtime.labels).unwrap_or_default(),
        config: manifest.config.clone(),
        layers: manifest.layers.clone(),
        download: manifest.download(),
        artifact_type,
    })
}

/// Reads the manifests of all entries in parallel, but not those of attestations: registries count
/// each as a pull.
async fn all(
    registry: &Registry,
    repository: &Repository,
    index: &Index,
) -> Result<Vec<Entry>, Error> {
    let too_many = index.manifests.len() > MOST_ENTRIES;
    let reads = index.manifests.iter().map(|descriptor| async move {
        let kind = &descriptor.media_type;
        let behind = if descriptor.attests().is_some() {
            Behind::Attestation
        } else if too_many {
            Behind::Unread(format!("more than {MOST_ENTRIES} entries"))
        } else if media_type::is_image(kind) || media_type::is_index(kind) {
            behind(registry, repository, descriptor).await?
        } else {
            Behind::Unread("neither an image nor an index".to_owned())
        };
        Ok(Entry { descriptor: descriptor.clone(), behind })
    });
    join::all(reads).await
}

async fn behind(
    registry: &Registry,
    repository: &Repository,
    descriptor: &Descriptor,
) -> Result<Behind, Error> {
    let child = Reference::at(repository, &descriptor.digest);
    match registry.manifest(&child, None).await {
        Ok(Manifest { content: Content::Image(image), .. }) => Ok(Behind::Image(image.download())),
        Ok(Manifest { content: Content::Index(index), .. }) => {
            Ok(Behind::Index(index.manifests.len()))
        }
        Err(registry::Error { kind: Kind::NotFound, .. }) => {
            Ok(Behind::Unread("not in the registry".to_owned()))
        }
        Err(registry::Error { kind: Kind::Malformed(why), .. }) => Ok(Behind::Unread(why)),
        Err(error) => Err(Error::cannot_read(&error, child)),
    }
}

/// An image manifest's annotations and subject, which the pipeline does not need. An invalid one
/// does not hide the others.
fn more(manifest: &Manifest) -> (Annotations, Option<Descriptor>) {
    let fields: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let pairs = fields.get("annotations").and_then(Value::as_object).into_iter().flatten();
    let annotations =
        pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    (
        annotations,
        fields.get("subject").and_then(|subject| serde_json::from_value(subject.clone()).ok()),
    )
}

/// The entry for a platform, and its attestations.
fn pick(
    reference: &Reference,
    index: &Index,
    platform: &Platform,
) -> Result<(Descriptor, Vec<Descriptor>), Error> {
    let named = Named::Platform(platform.clone());
    let at = entries::find(&reference.to_string(), &index.manifests, &named)?;
    let entry = &index.manifests[at];
    let attests = |other: &&Descriptor| other.attests() == Some(entry.digest.as_str());
    Ok((entry.clone(), index.manifests.iter().filter(attests).cloned().collect()))
}

#[cfg(test)]
mod examples;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn manifest(media_type: &str, fields: &str) -> Manifest {
        let body = format!(r#"{{"schemaVersion":2,{fields}}}"#);
        let digest = Digest::of(body.as_bytes());
        Manifest::parse(body.into(), media_type, digest).unwrap()
    }

    #[test]
    fn mistakes_in_annotations_and_subject_hide_nothing_else() {
        let blob = |seed: &[u8]| {
            serde_json::to_string(&Descriptor::new("a/b", Digest::of(seed), 1)).unwrap()
        };
        let (config, subject) = (blob(b"config"), blob(b"subject"));
        for (more_fields, keys, has_subject) in [
            (String::new(), &[][..], false),
            (
                format!(r#","annotations":{{"b":"2","a":"1"}},"subject":{subject}"#),
                &["a", "b"][..],
                true,
            ),
            (r#","annotations":{"a":"1","b":2},"subject":{}"#.to_owned(), &["a"][..], false),
            (r#","annotations":null,"subject":null"#.to_owned(), &[][..], false),
        ] {
            let fields = format!(r#""config":{config}{more_fields}"#);
            let (annotations, subject) = more(&manifest(media_type::OCI_MANIFEST, &fields));
            assert_eq!(annotations.keys().collect::<Vec<_>>(), keys, "{more_fields}");
            assert_eq!(subject.is_some(), has_subject, "{more_fields}");
        }
    }

    #[test]
    fn an_entry_is_picked_with_what_attests_it() {
        let Inside::Index(entries) = examples::index().inside else { unreachable!() };
        let manifests = entries.into_iter().map(|entry| entry.descriptor).collect();
        let index = Index::new(media_type::OCI_INDEX, manifests, Annotations::new());
        let reference: Reference = "ghcr.io/acme/app:1.2".parse().unwrap();
        for (platform, attestations) in [("linux/amd64", 1), ("linux/arm", 0)] {
            let platform: Platform = platform.parse().unwrap();
            let (entry, attesting) = pick(&reference, &index, &platform).unwrap();
            assert!(entry.platform.as_ref().unwrap().same(&platform));
            assert_eq!(attesting.len(), attestations);
        }
        let error = pick(&reference, &index, &"linux/s390x".parse().unwrap()).unwrap_err();
        assert_eq!(error.what, "ghcr.io/acme/app:1.2 has no entry for linux/s390x");
        assert_eq!(error.details.len(), 5, "{error}");
    }
}
