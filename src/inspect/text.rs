//! What a reference is, for people: the important facts first, then a block for every entry.

use crate::inspect::{Behind, Entry, Image, Inside, Inspected, Kind, Picked, referrers};
use crate::oci::{Reference, media_type};
use crate::text::escape::visible;
use crate::text::style::{Look, Style, pairs, wrapped};
use crate::text::{ago, count, exact, size};
use std::collections::HashSet;
use std::time::SystemTime;

/// The column where values start. A whole SHA-256 digest fits behind it.
const VALUES: usize = 9;
/// Columns between the longest title of an entry and what stands behind it.
const GAP: usize = 4;

/// `now`: what ages are counted to.
pub(crate) fn text(inspected: &Inspected, style: Style, now: SystemTime) -> String {
    let mut page = Page { out: String::new(), style, now };
    page.out.push_str(&style.paint(Look::Title, &inspected.reference.to_string()));
    page.out.push('\n');
    // Alone on its line, for people to paste.
    let pinned = Reference::at(&inspected.reference.repository, &inspected.manifest.digest);
    if pinned != inspected.reference {
        page.out.push_str(&format!("{pinned}\n"));
    }
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
    if let Some(referrers) = &inspected.referrers {
        page.out.push_str(&referrers::text::text(referrers, style));
    }
    page.out
}

struct Page {
    out: String,
    style: Style,
    now: SystemTime,
}

impl Page {
    fn field(&mut self, label: &str, value: &str) {
        self.field_as(Look::Label, label, value);
    }

    /// Only the label is coloured. The value may be foreign text, so escape sequences in it are
    /// made visible.
    fn field_as(&mut self, look: Look, label: &str, value: &str) {
        let start = self.style.paint(look, &format!("{label:<VALUES$}"));
        self.out.push_str(&wrapped(&start, VALUES, value, self.style.columns));
    }

    fn manifest(&mut self, inspected: &Inspected) {
        let manifest = &inspected.manifest;
        self.field("type", media_type::name(&manifest.media_type));
        self.field("size", &exact(manifest.bytes.len() as u64));
        if let Some(picked) = &inspected.picked {
            self.field("entry of", media_type::name(&picked.index.media_type));
            self.field("", picked.index.digest.as_str());
        }
        if let Some(subject) = &inspected.subject {
            self.field("subject", subject.digest.as_str());
        }
    }

    /// How long ago that was, and when.
    fn age(&self, created: &str) -> String {
        let then = humantime::parse_rfc3339(created).ok();
        match then.and_then(|then| ago(then, self.now)) {
            Some(age) => format!("{age} ({created})"),
            None => created.to_owned(),
        }
    }

    fn image(&mut self, image: &Image) {
        if let Some(kind) = &image.artifact_type {
            self.field("artifact", kind);
        }
        let is_stacked =
            image.artifact_type.is_none() && !image.layers.iter().any(|l| l.statement().is_some());
        if let Some(platform) = &image.platform {
            self.field("platform", &platform.to_string());
        } else if is_stacked {
            self.field("platform", "not stated in its config");
        }
        let parts = count(image.layers.len(), "layer");
        self.field("download", &format!("{}: config and {parts}", size(image.download)));
        if let Some(created) = &image.created {
            self.field("created", &self.age(created));
        }
        if !image.layers.is_empty() {
            let heading = if is_stacked { "layers, lowest first" } else { "layers" };
            self.out.push_str(&self.style.paint(Look::Label, heading));
            self.out.push('\n');
        }
        for layer in &image.layers {
            self.field(&size(layer.size), layer.digest.as_str());
            if let Some(statement) = layer.statement() {
                self.field("", statement);
            }
        }
    }

    /// A platform in the index that contradicts the image's config.
    fn listed(&mut self, picked: Option<&Picked>, image: &Image) {
        if let (Some(listed), Some(built)) =
            (picked.and_then(|picked| picked.entry.known_platform()), &image.platform)
            && !built.runs_as(listed)
        {
            let text = format!("as {listed}: the index contradicts the image's config");
            self.field_as(Look::Changed, "listed", &text);
        }
    }

    fn pairs(&mut self, heading: &str, values: &crate::oci::Annotations) {
        if !values.is_empty() {
            self.out.push_str(&self.style.paint(Look::Label, heading));
            self.out.push('\n');
            self.out.push_str(&pairs(2, values, self.style.columns));
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
        let kind = kind_of_all(&others);
        let what = match (kind, others.len()) {
            (Some(kind), number) => count(number, kind),
            (None, 1) => "1 entry".to_owned(),
            (None, number) => format!("{number} entries"),
        };
        self.out.push_str(&format!("\n{what}{more}\n"));
        let titles: Vec<String> =
            others.iter().map(|entry| visible(&title(entry)).into_owned()).collect();
        let width = titles.iter().map(|title| title.chars().count()).max().unwrap_or_default();
        let mut shown = HashSet::new();
        for (entry, title) in others.iter().zip(&titles) {
            self.entry(entry, title, width);
            self.details(entry, kind.is_none());
            let digest = entry.descriptor.digest.as_str();
            // Two entries may be the same image; its attestations are shown below the first.
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
                self.attestation("  ", entry);
            }
        }
    }

    /// `width`: of the longest title.
    fn entry(&mut self, entry: &Entry, title: &str, width: usize) {
        let (look, note) = match &entry.behind {
            Some(Behind::Image { download, .. }) => {
                (None, format!("{} to download", size(*download)))
            }
            Some(Behind::Index(1)) => (None, "an index of 1 entry".to_owned()),
            Some(Behind::Index(number)) => (None, format!("an index of {number} entries")),
            Some(Behind::Attestation(_)) | None => (None, String::new()),
            Some(Behind::Unread(why)) => {
                (Some(Look::Removed), format!("not read: {}", visible(why)))
            }
        };
        let before = if note.is_empty() {
            String::new()
        } else if width + GAP + note.chars().count() <= self.style.columns {
            " ".repeat(width.saturating_sub(title.chars().count()) + GAP)
        } else {
            "\n  ".to_owned()
        };
        let note = look.map_or_else(|| note.clone(), |look| self.style.paint(look, &note));
        let title = self.style.paint(Look::Title, title);
        self.out.push_str(&format!("\n{title}{before}{note}\n  {}\n", entry.descriptor.digest));
    }

    /// What neither the title of the entry nor the heading of all has said.
    fn details(&mut self, entry: &Entry, with_kind: bool) {
        let descriptor = &entry.descriptor;
        let bytes = exact(descriptor.size);
        if with_kind {
            let kind = media_type::name(&descriptor.media_type);
            self.out.push_str(&wrapped("  ", 2, &format!("{kind}, {bytes}"), self.style.columns));
        } else {
            self.detail("manifest", &bytes);
        }
        if let Some(Behind::Image { created: Some(created), .. }) = &entry.behind {
            self.detail("created", &self.age(created));
        }
        self.detail("artifact", &descriptor.artifact_type);
        if let Some(platform) = descriptor.known_platform() {
            let title = platform.to_string();
            let said = |part: &str| title.split(['(', '+', ')', '/']).any(|said| said == part);
            let unsaid = |part: &str| if said(part) { String::new() } else { part.to_owned() };
            let features: Vec<&str> = platform
                .os_features
                .iter()
                .map(String::as_str)
                .filter(|part| !said(part))
                .collect();
            self.detail("OS version", &unsaid(&platform.os_version));
            self.detail("OS features", &features.join(", "));
            self.detail("variant", &unsaid(&platform.variant));
        }
        self.out.push_str(&pairs(2, &descriptor.annotations, self.style.columns));
    }

    fn detail(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            let start = format!("  {}", self.style.paint(Look::Label, &format!("{label:<12}")));
            self.out.push_str(&wrapped(&start, 14, value, self.style.columns));
        }
    }

    fn attestation(&mut self, indent: &str, entry: &Entry) {
        let label = self.style.paint(Look::Label, "attestation");
        let Entry { descriptor, .. } = entry;
        let mut parts = entry.statements().join(", ");
        if let Some(why) = entry.problem() {
            parts = format!("not read: {why}");
        }
        let before = if parts.is_empty() { "" } else { ", " };
        let text = format!("{before}{parts}, {}", exact(descriptor.size));
        let width = indent.len() + "attestation".len();
        let start = format!("{indent}{label}");
        self.out.push_str(&wrapped(&start, width, &text, self.style.columns));
        self.out.push_str(&format!("{indent}  {}\n", descriptor.digest));
    }
}

/// What all entries are, if it has a name and is one for all.
fn kind_of_all<'a>(entries: &[&'a Entry]) -> Option<&'a str> {
    let mut kinds = entries.iter().map(|entry| entry.descriptor.media_type.as_str());
    let first = kinds.next()?;
    let has_plural = media_type::is_image(first) || first == media_type::DOCKER_LIST;
    (has_plural && kinds.all(|kind| kind == first)).then(|| media_type::name(first))
}

fn title(entry: &Entry) -> String {
    match entry.descriptor.known_platform() {
        Some(_) => entry.descriptor.title(),
        None if entry.kind() == Kind::Index => "index".to_owned(),
        None => entry.descriptor.title(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::examples;
    use crate::text::style::COLUMNS;
    use insta::assert_snapshot;

    /// Three days after the images of the examples were built.
    fn now() -> SystemTime {
        humantime::parse_rfc3339("2026-05-04T13:00:00Z").unwrap()
    }

    fn shown(inspected: &Inspected) -> String {
        let text = text(inspected, Style::PLAIN, now());
        // What has no space cannot be broken.
        let fits = |line: &str| line.chars().count() <= COLUMNS || !line.contains(' ');
        assert!(text.lines().all(fits), "{text}");
        text
    }

    #[test]
    fn index() {
        assert_snapshot!(shown(&examples::index()), @"
        ghcr.io/acme/app:1.2
        ghcr.io/acme/app@sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2
        type     OCI image index
        size     88 bytes
        annotations
          org.opencontainers.image.version: 1.2

        5 entries, 2 attestations

        linux/amd64                              31.4 MB to download
          sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942
          OCI image manifest, 480 bytes
          created     3 days ago (2026-05-01T12:00:00Z)
          attestation, SBOM, provenance, 566 bytes
            sha256:83dffdd349d4cc9d7ba20d00225f65a316722f432acfc89e6f381ac470b0118d

        linux/arm/v7                             28.9 MB to download
          sha256:35df9beb9b1c4fe630707bc51e4360b94b506b4e6d5372d5d0d52a385350621b
          OCI image manifest, 480 bytes
          org.example.note: built on a Raspberry Pi

        windows(10.0.20348.2700+win32k)/amd64    120.0 MB to download
          sha256:a6ed72cb8bdaf6b6b4efb56f025f20a83648cb2e268f247600b1f5465dfbaf96
          Docker image manifest, 480 bytes

        index                                    an index of 2 entries
          sha256:233562de1a0288b139c4fa40b7d189f806e906eeb048517aeb67f34ac0e2faf1
          OCI image index, 1.2 MB

        artifact                                 not read: not in the registry
          sha256:cc57fc1903e444cf6a726490b43b27ee9f87facc037f86872201847c565b45fb
          OCI image manifest, 480 bytes
          artifact    application/vnd.cncf.helm.config.v1+json

        attestations of images that are not in this index
          attestation, 566 bytes
            sha256:8a4f3a6a5eb2ef53a8df3181c23a68800b814955c8746dcf922c97890114ed53
        ");
    }

    #[test]
    fn image() {
        assert_snapshot!(shown(&examples::image()), @"
        ghcr.io/acme/app:1.2
        ghcr.io/acme/app@sha256:11a0fd800a468624c6cc474cc096dbe9476973fbcc3f7c87598e7c52562dbac0
        type     OCI image manifest
        size     207 bytes
        platform linux/arm64
        download 31.4 MB: config and 2 layers
        created  3 days ago (2026-05-01T12:00:00Z)
        layers, lowest first
        30.0 MB  sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed
        1.4 MB   sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3
        annotations
          org.opencontainers.image.version: 1.2
        labels
          org.opencontainers.image.revision: 0123456789abcdef0123456789abcdef01234567
          org.opencontainers.image.source: https://github.com/acme/app
        ");
    }

    #[test]
    fn artifact() {
        assert_snapshot!(shown(&examples::artifact()), @"
        ghcr.io/acme/app:1.2
        ghcr.io/acme/app@sha256:11a0fd800a468624c6cc474cc096dbe9476973fbcc3f7c87598e7c52562dbac0
        type     OCI image manifest
        size     207 bytes
        subject  sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a
        artifact application/vnd.dev.sigstore.bundle.v0.3+json
        download 1.5 kB: config and 1 layer
        layers
        1.5 kB   sha256:1a2fc26dc7ea5a2a4748b7cb2b1ef193d96ab2c99f93092f69e63075b28d1278
        ");
    }

    #[test]
    fn attestation() {
        assert_snapshot!(shown(&examples::attesting()), @"
        ghcr.io/acme/app:1.2
        ghcr.io/acme/app@sha256:11a0fd800a468624c6cc474cc096dbe9476973fbcc3f7c87598e7c52562dbac0
        type     OCI image manifest
        size     207 bytes
        download 12.2 kB: config and 3 layers
        layers
        9.5 kB   sha256:d36d2cda655530e1d09866eff9d11bd00174b54375683502215d1c8731352949
                 SBOM
        2.1 kB   sha256:6f94cc499cd18ded6d779157a0ace941555bea2f8e2b4052bf999761d7efc25b
                 provenance
        400 B    sha256:78e4abe8c665a243d5863359357f1c28e6de2faa3600694c98e320c94e5fdb3e
                 https://openvex.dev/ns/v0.2.0
        ");
    }

    #[test]
    fn entries_of_one_kind() {
        let mut index = examples::index();
        let Inside::Index(entries) = &mut index.inside else { unreachable!() };
        entries.truncate(2);
        assert_snapshot!(shown(&index), @"
        ghcr.io/acme/app:1.2
        ghcr.io/acme/app@sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2
        type     OCI image index
        size     88 bytes
        annotations
          org.opencontainers.image.version: 1.2

        2 OCI image manifests

        linux/amd64     31.4 MB to download
          sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942
          manifest    480 bytes
          created     3 days ago (2026-05-01T12:00:00Z)

        linux/arm/v7    28.9 MB to download
          sha256:35df9beb9b1c4fe630707bc51e4360b94b506b4e6d5372d5d0d52a385350621b
          manifest    480 bytes
          org.example.note: built on a Raspberry Pi
        ");
    }

    /// Without sizes, all that the index says is there.
    #[test]
    fn what_one_request_tells() {
        let mut index = examples::index();
        let Inside::Index(entries) = &mut index.inside else { unreachable!() };
        for entry in entries {
            entry.behind = None;
        }
        let page = shown(&index);
        let (_, entries) = page.split_once("\n\n").unwrap();
        assert_snapshot!(entries, @"
        5 entries, 2 attestations

        linux/amd64
          sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942
          OCI image manifest, 480 bytes
          attestation, provenance, 566 bytes
            sha256:83dffdd349d4cc9d7ba20d00225f65a316722f432acfc89e6f381ac470b0118d

        linux/arm/v7
          sha256:35df9beb9b1c4fe630707bc51e4360b94b506b4e6d5372d5d0d52a385350621b
          OCI image manifest, 480 bytes
          org.example.note: built on a Raspberry Pi

        windows(10.0.20348.2700+win32k)/amd64
          sha256:a6ed72cb8bdaf6b6b4efb56f025f20a83648cb2e268f247600b1f5465dfbaf96
          Docker image manifest, 480 bytes

        index
          sha256:233562de1a0288b139c4fa40b7d189f806e906eeb048517aeb67f34ac0e2faf1
          OCI image index, 1.2 MB

        artifact
          sha256:cc57fc1903e444cf6a726490b43b27ee9f87facc037f86872201847c565b45fb
          OCI image manifest, 480 bytes
          artifact    application/vnd.cncf.helm.config.v1+json

        attestations of images that are not in this index
          attestation, 566 bytes
            sha256:8a4f3a6a5eb2ef53a8df3181c23a68800b814955c8746dcf922c97890114ed53
        ");
    }

    #[test]
    fn picked_entry() {
        assert_snapshot!(shown(&examples::picked()), @"
        ghcr.io/acme/app:1.2
        ghcr.io/acme/app@sha256:11a0fd800a468624c6cc474cc096dbe9476973fbcc3f7c87598e7c52562dbac0
        type     OCI image manifest
        size     207 bytes
        entry of OCI image index
                 sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2
        platform linux/arm64
        download 31.4 MB: config and 2 layers
        created  3 days ago (2026-05-01T12:00:00Z)
        layers, lowest first
        30.0 MB  sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed
        1.4 MB   sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3
        listed   as linux/arm/v7: the index contradicts the image's config
        annotations
          org.opencontainers.image.version: 1.2
        labels
          org.opencontainers.image.revision: 0123456789abcdef0123456789abcdef01234567
          org.opencontainers.image.source: https://github.com/acme/app
        annotations of its entry
          org.example.note: built on a Raspberry Pi

        attestation, 566 bytes
          sha256:d1e45c8978d33483e58d198fc707f3371ad50cad88db30301809801f1b8ffeba
        ");
    }

    #[test]
    fn colour_changes_nothing_else() {
        let coloured = text(&examples::picked(), Style { colour: true, ..Style::PLAIN }, now());
        assert!(coloured.contains("\u{1b}[33mlisted   \u{1b}[0mas linux/arm/v7"), "{coloured:?}");
        let plain = coloured.split('\u{1b}').map(|part| match part.split_once('m') {
            Some((code, rest)) if code.starts_with('[') => rest,
            _ => part,
        });
        assert_eq!(plain.collect::<String>(), shown(&examples::picked()));
    }
}
