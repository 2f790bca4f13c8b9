//! What a reference is: its manifest, and what can be learned about the images behind it.
//!
//! What an index says costs one request; its entries are read only where their sizes are wanted, in
//! parallel. Nothing is read twice. Neither judges nor writes.

mod behind;
pub(crate) mod comparison;
pub(crate) mod json;
pub(crate) mod referrers;
pub(crate) mod text;
pub(crate) mod whole;

use crate::entries::{self, Named};
use crate::error::Error;
use crate::oci::image_config::REVISION;
use crate::oci::media_type;
use crate::oci::{
    Annotations, Content, Descriptor, ImageConfig, ImageManifest, Index, Manifest, Platform,
    Reference,
};
use crate::registry::Registry;
pub(crate) use behind::{Behind, Entry, Kind};
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
    pub(crate) attestations: Vec<Entry>,
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
    ) -> impl Iterator<Item = &'a Entry> {
        entries.iter().filter(move |entry| entry.descriptor.attests() == Some(digest))
    }
}

/// Entries of most indexes, attestations among them.
const EXPECTED: usize = 8;

/// Reads what the reference names, or its entry for the platform. `sizes`: also what only the
/// manifests and configs of entries tell.
pub(crate) async fn read(
    registry: &Registry,
    reference: &Reference,
    platform: Option<&Platform>,
    sizes: bool,
) -> Result<Inspected, Error> {
    if sizes && platform.is_none() {
        registry.expect_requests(&reference.repository, EXPECTED);
    }
    let manifest = manifest(registry, reference).await?;
    match (&manifest.content, platform) {
        (Content::Index(index), Some(platform)) => {
            let (entry, attestations, inner) = child(registry, reference, index, platform).await?;
            let repository = &reference.repository;
            let attestations = if sizes {
                behind::read(registry, repository, &attestations).await?
            } else {
                behind::listed(&attestations)
            };
            let picked = Some(Picked { index: manifest, entry, attestations });
            inspected(registry, reference, inner, picked, sizes).await
        }
        (Content::Image(_), Some(platform)) => {
            let read = inspected(registry, reference, manifest, None, sizes).await?;
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
        (_, None) => inspected(registry, reference, manifest, None, sizes).await,
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
    sizes: bool,
) -> Result<Inspected, Error> {
    let (mut annotations, mut subject) = more(&manifest);
    let inside = match &manifest.content {
        Content::Image(content) => {
            Inside::Image(Box::new(image(registry, reference, content).await?))
        }
        Content::Index(index) => {
            annotations.clone_from(&index.annotations);
            subject.clone_from(&index.subject);
            Inside::Index(if sizes {
                behind::read(registry, &reference.repository, &index.manifests).await?
            } else {
                behind::listed(&index.manifests)
            })
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
