//! What a reference is, for people: the important first, then a block for every entry. Fits 80
//! columns.

use crate::inspect::{Behind, Entry, Image, Inside, Inspected, Picked};
use crate::oci::{Descriptor, media_type};
use crate::text::escape::visible;
use crate::text::style::{Look, Style, pairs, wrapped};
use crate::text::{count, size};
use std::collections::HashSet;

/// The column where values start: then a whole SHA-256 digest fits.
const VALUES: usize = 9;

/// The whole text.
pub fn text(inspected: &Inspected, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    page.out.push_str(&style.paint(Look::Title, &inspected.reference.to_string()));
    page.out.push('\n');
    page.manifest(inspected);
    match &inspected.inside {
        Inside::Image(image) => {
            page.image(image);
            page.listed(inspected.picked.as_ref(), image);
        }
        Inside::Index(_) => {}
    }
    page.pairs("annotations", &inspected.annotations);
    if let Inside::Image(image) = &inspected.inside {
        page.pairs("labels", &image.labels);
    }
    if let Some(picked) = &inspected.picked {
        page.pairs("annotations of its entry", &picked.entry.annotations);
        if !picked.attestations.is_empty() {
            page.out.push('\n');
        }
        picked.attestations.iter().for_each(|entry| page.attestation("", entry));
    }
    if let Inside::Index(entries) = &inspected.inside {
        page.entries(entries);
    }
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn field(&mut self, label: &str, value: &str) {
        let start = self.style.paint(Look::Label, &format!("{label:<VALUES$}"));
        self.out.push_str(&wrapped(&start, VALUES, value));
    }

    fn manifest(&mut self, inspected: &Inspected) {
        let manifest = &inspected.manifest;
        self.field("type", media_type::name(&manifest.media_type));
        if media_type::name(&manifest.media_type) != manifest.media_type {
            self.field("", &manifest.media_type);
        }
        self.field("digest", manifest.digest.as_str());
        self.field("size", &exact(manifest.bytes.len() as u64));
        if let Some(picked) = &inspected.picked {
            self.field("entry of", media_type::name(&picked.index.media_type));
            self.field("", picked.index.digest.as_str());
        }
        if let Some(subject) = &inspected.subject {
            self.field("subject", subject.digest.as_str());
        }
    }

    fn image(&mut self, image: &Image) {
        if let Some(kind) = &image.artifact_type {
            self.field("artifact", kind);
        }
        if let Some(platform) = &image.platform {
            self.field("platform", &platform.to_string());
        } else if image.artifact_type.is_none() {
            self.field("platform", "not stated in its config");
        }
        let parts = count(image.layers.len(), "layer");
        self.field("download", &format!("{}: config and {parts}", size(image.download)));
        if let Some(created) = &image.created {
            self.field("created", created);
        }
        if let Some(revision) = image.revision() {
            self.field("revision", revision);
        }
    }

    /// What the list says of an image that says something else of itself.
    fn listed(&mut self, picked: Option<&Picked>, image: &Image) {
        if let (Some(listed), Some(built)) =
            (picked.and_then(|picked| picked.entry.known_platform()), &image.platform)
            && !built.runs_as(listed)
        {
            let text = format!("as {listed}: the index contradicts the image's config");
            self.field("listed", &self.style.paint(Look::Changed, &text));
        }
    }

    fn pairs(&mut self, heading: &str, values: &crate::oci::Annotations) {
        if !values.is_empty() {
            self.out.push_str(&self.style.paint(Look::Label, heading));
            self.out.push('\n');
            self.out.push_str(&pairs(2, values));
        }
    }

    fn entries(&mut self, entries: &[Entry]) {
        let attestations =
            entries.iter().filter(|entry| entry.descriptor.attests().is_some()).count();
        let more = if attestations == 0 {
            String::new()
        } else {
            format!(", {}", count(attestations, "attestation"))
        };
        let others: Vec<&Entry> =
            entries.iter().filter(|entry| entry.descriptor.attests().is_none()).collect();
        let what = if others.len() == 1 { "entry" } else { "entries" };
        self.out.push_str(&format!("\n{} {what}{more}\n", others.len()));
        let titles: Vec<String> =
            others.iter().map(|entry| visible(&title(entry)).into_owned()).collect();
        let width = titles.iter().map(|title| title.chars().count()).max().unwrap_or_default();
        let mut shown = HashSet::new();
        for (entry, title) in others.iter().zip(&titles) {
            self.entry(entry, title, width);
            let digest = entry.descriptor.digest.as_str();
            // Two entries may be one image: its attestations stand below the first.
            if shown.insert(digest) {
                Inspected::attestations_of(entries, digest)
                    .for_each(|entry| self.attestation("  ", entry));
            }
        }
        let lost: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.descriptor.attests().is_some_and(|of| !shown.contains(of)))
            .collect();
        if !lost.is_empty() {
            let heading = self
                .style
                .paint(Look::Changed, "attestations of images that are not in this index");
            self.out.push_str(&format!("\n{heading}\n"));
            for entry in lost {
                self.attestation("  ", &entry.descriptor);
            }
        }
    }

    fn entry(&mut self, entry: &Entry, title: &str, width: usize) {
        let descriptor = &entry.descriptor;
        let gap = " ".repeat(width.saturating_sub(title.chars().count()) + 4);
        let note = match &entry.behind {
            Behind::Image(bytes) => format!("{} to download", size(*bytes)),
            Behind::Index(1) => "an index of 1 entry".to_owned(),
            Behind::Index(number) => format!("an index of {number} entries"),
            Behind::Attestation => String::new(),
            Behind::Unread(why) => {
                self.style.paint(Look::Removed, &format!("not read: {}", visible(why)))
            }
        };
        self.out.push_str(&format!(
            "\n{}{gap}{note}\n  {}\n",
            self.style.paint(Look::Title, title),
            descriptor.digest
        ));
        self.out.push_str(&wrapped(
            "  ",
            2,
            &format!("{}, {}", media_type::name(&descriptor.media_type), exact(descriptor.size)),
        ));
        if !descriptor.artifact_type.is_empty() {
            self.detail("artifact", &descriptor.artifact_type);
        }
        if let Some(platform) = descriptor.known_platform() {
            self.detail("OS version", &platform.os_version);
            self.detail("OS features", &platform.os_features.join(", "));
            self.detail("variant", &platform.variant);
        }
        self.out.push_str(&pairs(2, &descriptor.annotations));
    }

    fn detail(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            let start = format!("  {}", self.style.paint(Look::Label, &format!("{label:<12}")));
            self.out.push_str(&wrapped(&start, 14, value));
        }
    }

    fn attestation(&mut self, indent: &str, entry: &Descriptor) {
        let label = self.style.paint(Look::Label, "attestation");
        self.out.push_str(&format!(
            "{indent}{label}, {}\n{indent}  {}\n",
            exact(entry.size),
            entry.digest
        ));
    }
}

fn title(entry: &Entry) -> String {
    match entry.descriptor.known_platform() {
        Some(_) => entry.descriptor.title(),
        None if matches!(entry.behind, Behind::Index(_)) => "index".to_owned(),
        None => entry.descriptor.title(),
    }
}

/// To the byte where that is short, because people compare it.
fn exact(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{bytes} bytes") } else { size(bytes) }
}
