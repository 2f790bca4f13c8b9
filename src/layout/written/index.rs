//! What a layout lists: the images that were written to it under their names, and what refers to
//! them, so that it can be found again.

use crate::layout::error::Error;
use crate::layout::oci;
use crate::oci::referrer::is_tag_of_digest;
use crate::oci::{Annotations, Descriptor, Digest, Index, json, media_type};
use std::collections::HashSet;

/// The file that says which version of the spec the layout follows, and what is in it.
pub(super) const VERSION: &str = "oci-layout";
pub(super) const VERSION_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// What was written in this run.
#[derive(Debug, Default)]
pub(super) struct Listed {
    named: Vec<Descriptor>,
    referrers: Vec<Descriptor>,
    /// What an index in the layout names: it is found there.
    parts: HashSet<Digest>,
}

impl Listed {
    /// Notes what an index names.
    pub(super) fn are_named(&mut self, parts: impl IntoIterator<Item = Digest>) {
        self.parts.extend(parts);
    }

    /// Lists a manifest under a name, or without one.
    pub(super) fn name(&mut self, mut entry: Descriptor, artifact_type: &str, name: Option<&str>) {
        // What an image is for is no type of an artifact.
        if !media_type::is_image_config(artifact_type) {
            artifact_type.clone_into(&mut entry.artifact_type);
        }
        if let Some(name) = name {
            entry.annotations.insert(oci::NAME.to_owned(), name.to_owned());
        }
        self.named.push(entry);
    }

    /// Lists a manifest that refers to another one. Its annotations stay in it: one of them could be
    /// a name.
    pub(super) fn refers(&mut self, entry: &Descriptor) {
        let mut listed = Descriptor::new(&entry.media_type, entry.digest.clone(), entry.size);
        entry.artifact_type.clone_into(&mut listed.artifact_type);
        self.referrers.push(listed);
    }

    /// The bytes of the list, with what was listed before and has another name.
    pub(super) fn onto(&self, old: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let mut index = match old {
            Some(old) => oci::index(old)?,
            None => Index::new(media_type::OCI_INDEX, Vec::new(), Annotations::new()),
        };
        let entries = &mut index.manifests;
        let name = |entry: &Descriptor| entry.annotations.get(oci::NAME).cloned();
        let mut all: Vec<&Descriptor> = self.named.iter().collect();
        // Images first: many tools take the first entry, or show it so.
        all.sort_by_key(|entry| name(entry).is_some_and(|name| is_tag_of_digest(&name)));
        for named in all {
            let is_same = |entry: &Descriptor| match name(named) {
                Some(own) => name(entry).as_ref() == Some(&own),
                None => name(entry).is_none() && entry.digest == named.digest,
            };
            entries.retain(|entry| !is_same(entry));
            entries.push(named.clone());
        }
        let mut referrers: Vec<&Descriptor> =
            self.referrers.iter().filter(|entry| !self.parts.contains(&entry.digest)).collect();
        // Whichever came first.
        referrers.sort_by(|a, b| a.digest.cmp(&b.digest));
        for referrer in referrers {
            if entries.iter().all(|entry| entry.digest != referrer.digest) {
                entries.push(referrer.clone());
            }
        }
        json::pretty(&index).map_err(|error| Error::Unwritten(error.to_string()))
    }
}
