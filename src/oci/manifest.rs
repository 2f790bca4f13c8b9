//! Manifests as received: bytes, their digest and type, and what was parsed from them.

use super::held::Share;
use super::{Descriptor, Digest, Index, Invalid, fields, json, media_type, shown};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// No registry promises to accept more than 4 MiB (distribution spec), so nothing larger is read or
/// pushed.
pub(crate) const LARGEST_MANIFEST: usize = 4 << 20;

/// A manifest of either kind, with the exact bytes that were received.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The type from the body; if it has none, from the response header.
    pub media_type: String,
    /// SHA-256 of `bytes`, or the verified digest that was requested.
    pub digest: Digest,
    /// As received.
    pub bytes: Bytes,
    /// The parsed bytes.
    pub content: Content,
    /// Its part of what a run may hold.
    pub share: Share,
}

/// The two kinds of manifests.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// One image, or another artifact.
    Image(ImageManifest),
    /// An index.
    Index(Index),
}

/// The parts of an image manifest that are read (image spec, manifest.md).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// The config blob.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "json::or_absent")]
    pub layers: Vec<Descriptor>,
    /// Type of the artifact; empty for an image.
    #[serde(default, deserialize_with = "json::or_absent")]
    pub artifact_type: String,
}

impl ImageManifest {
    /// Size of config and layers in bytes, according to their descriptors.
    pub fn download(&self) -> u64 {
        self.layers.iter().fold(self.config.size, |sum, layer| sum.saturating_add(layer.size))
    }
}

impl Manifest {
    /// Parses `bytes` that came with `content_type`; their digest must be verified or computed
    /// already.
    pub fn parse(bytes: Bytes, content_type: &str, digest: Digest) -> Result<Self, Invalid> {
        let (value, weight): (Value, usize) = json::weighed(&bytes, &fields::MANIFEST)?;
        let Value::Object(fields) = &value else {
            return Err(Invalid::new("a manifest must be a JSON object"));
        };
        let media_type = agreed_type(fields, &media_type::without_parameters(content_type))?;
        let invalid = |error: serde_json::Error| {
            let name = media_type::name(&media_type);
            Invalid::new(format!("not a valid {name}: {}", json::told(&error)))
        };
        let content = if media_type::is_index(&media_type) {
            Content::Index(serde_json::from_value(value).map_err(invalid)?)
        } else {
            Content::Image(serde_json::from_value(value).map_err(invalid)?)
        };
        content.check()?;
        let share = Share::of(weight);
        Ok(Self { media_type, digest, bytes, content, share })
    }

    /// What a descriptor says of this manifest that is not so.
    pub(crate) fn contradicts(&self, descriptor: &Descriptor) -> Option<String> {
        descriptor.contradicted_by(&self.media_type, Some(self.bytes.len() as u64))
    }

    /// A descriptor of this manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest.clone(), self.bytes.len() as u64)
    }
}

impl Content {
    /// Refuses descriptors that no client takes.
    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Image(ImageManifest { config, layers, .. }) => {
                [config].into_iter().chain(layers).try_for_each(Descriptor::check)
            }
            Self::Index(Index { manifests, subject, .. }) => {
                if manifests.iter().any(|entry| entry.size == 0) {
                    return Err(Invalid::new("an entry has size 0"));
                }
                manifests.iter().chain(subject).try_for_each(Descriptor::check)
            }
        }
    }
}

/// The type on which header, `mediaType` and fields agree.
fn agreed_type(fields: &serde_json::Map<String, Value>, header: &str) -> Result<String, Invalid> {
    let (list, image) = (
        fields.contains_key("manifests"),
        fields.contains_key("layers") || fields.contains_key("config"),
    );
    if list && image {
        return Err(Invalid::new(
            "it has both the fields of an index and those of an image manifest",
        ));
    }
    let body = fields.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    let known = media_type::is_manifest;
    if media_type::is_schema1(header)
        || media_type::is_schema1(body)
        || fields.get("schemaVersion") == Some(&Value::from(1))
    {
        return Err(Invalid::new(
            "it is a Docker schema 1 manifest, which no index can contain: push the image again with a current client",
        ));
    }
    if fields.get("schemaVersion") != Some(&Value::from(2)) {
        return Err(Invalid::new("its schemaVersion is not 2"));
    }
    let media_type = match (body, header) {
        ("", header) if known(header) => header,
        // The spec allows `mediaType` to be absent; then only the fields say.
        ("", _) if list => media_type::OCI_INDEX,
        ("", _) => media_type::OCI_MANIFEST,
        (body, header) if known(header) && body != header => {
            return Err(Invalid::new(format!(
                "its Content-Type is {header}, but its body says {}",
                shown(body)
            )));
        }
        (body, _) if known(body) => body,
        (body, _) => {
            return Err(Invalid::new(format!(
                "its media type \"{}\" is neither an image nor an index",
                shown(body)
            )));
        }
    };
    if media_type::is_index(media_type) != list {
        return Err(Invalid::new(format!(
            "its media type is {media_type}, but its fields contradict that"
        )));
    }
    Ok(media_type.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, spoilt};

    fn parse(body: &str, header: &str) -> Result<Manifest, Invalid> {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, header, digest)
    }

    #[test]
    fn types_must_agree() {
        let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        assert_eq!(
            parse(index, "application/vnd.oci.image.index.v1+json; charset=utf-8")
                .unwrap()
                .media_type,
            media_type::OCI_INDEX
        );
        assert_eq!(parse(index, "text/plain").unwrap().media_type, media_type::OCI_INDEX);
        assert!(parse(index, media_type::DOCKER_LIST).is_err());
        assert!(parse(index, media_type::OCI_MANIFEST).is_err());
        let bare = r#"{"schemaVersion":2,"manifests":[]}"#;
        assert_eq!(parse(bare, media_type::OCI_INDEX).unwrap().media_type, media_type::OCI_INDEX);
        assert_eq!(parse(bare, "").unwrap().media_type, media_type::OCI_INDEX);
        assert!(parse(bare, media_type::OCI_MANIFEST).is_err());
    }

    #[test]
    fn sizes_that_a_registry_made_up_add_up_to_no_overflow() {
        let blob = |size: u64| {
            format!(r#"{{"mediaType":"x","digest":"sha256:{}","size":{size}}}"#, "0".repeat(64))
        };
        let download = |size: u64| {
            let body = format!(
                r#"{{"schemaVersion":2,"config":{},"layers":[{},{}]}}"#,
                blob(2),
                blob(3),
                blob(size)
            );
            match parse(&body, media_type::OCI_MANIFEST).unwrap().content {
                Content::Image(image) => image.download(),
                Content::Index(_) => unreachable!(),
            }
        };
        let most = i64::MAX.unsigned_abs();
        assert_eq!((download(4), download(most)), (9, most + 5));
    }

    #[test]
    fn what_is_null_is_absent() {
        let bare = format!(r#""mediaType":"x","digest":"sha256:{}","size":2"#, "0".repeat(64));
        let nulls = format!(
            r#"{{{bare},"urls":null,"annotations":null,"data":null,"artifactType":null,"platform":null}}"#
        );
        let platform = format!(
            r#"{{{bare},"annotations":{{"a":null}},"platform":{{"os":"linux","architecture":"arm64","variant":null,"os.version":null,"os.features":null}}}}"#
        );
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":null,"artifactType":null,"subject":null,"annotations":null,"manifests":[{nulls},{platform}]}}"#
        );
        let Content::Index(index) = parse(&index, media_type::OCI_INDEX).unwrap().content else {
            unreachable!()
        };
        let absent: Descriptor = serde_json::from_str(&format!("{{{bare}}}")).unwrap();
        assert_eq!((&index.manifests[0], index.media_type.as_str()), (&absent, ""));
        let entry = &index.manifests[1];
        assert_eq!((entry.title().as_str(), entry.annotations["a"].as_str()), ("linux/arm64", ""));
        let image = format!(
            r#"{{"schemaVersion":2,"config":{nulls},"layers":null,"artifactType":null,"annotations":null}}"#
        );
        let parsed = parse(&image, media_type::OCI_MANIFEST).unwrap();
        assert!(matches!(parsed.content, Content::Image(image) if image.layers.is_empty()));
        let empty = r#"{"schemaVersion":2,"manifests":null}"#;
        assert!(parse(empty, media_type::OCI_INDEX).is_ok());
    }

    #[test]
    fn refuses_confusion() {
        let long = "x".repeat(4000);
        let config =
            format!(r#"{{"mediaType":"x","digest":"sha256:{}","size":2}}"#, "0".repeat(64));
        for (body, why) in [
            (
                format!(r#"{{"schemaVersion":2,"manifests":[],"config":{config},"layers":[]}}"#),
                "both",
            ),
            (r#"{"schemaVersion":1,"name":"x"}"#.to_owned(), "schema 1"),
            (r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#.to_owned(), "twice"),
            (r#"{"manifests":[]}"#.to_owned(), "schemaVersion"),
            (r#"[]"#.to_owned(), "object"),
            (
                r#"{"schemaVersion":2,"mediaType":"application/x","manifests":[]}"#.to_owned(),
                "application/x",
            ),
            (
                format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, config.replace(":2}", ":-2}")),
                "expected u64",
            ),
            (
                format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, config.replace(":2}", ":0}")),
                "size 0",
            ),
            (
                format!(
                    r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                    config.replace(":2}", ":9223372036854775808}")
                ),
                "larger than any",
            ),
            (
                format!(
                    r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#,
                    config.replace(":2}", r#":2,"data":"e30="}"#)
                ),
                "other bytes",
            ),
            (
                format!(
                    r#"{{"schemaVersion":2,"manifests":[],"subject":{}}}"#,
                    config.replace(":2}", r#":2,"data":"e30"}"#)
                ),
                "not base64",
            ),
            (
                format!(
                    r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                    config.replace("digest", "Digest")
                ),
                "one field to some clients",
            ),
            // What is long is not shown, nor cut: it may be a secret.
            (
                format!(r#"{{"schemaVersion":2,"mediaType":"{long}","manifests":[]}}"#),
                "its media type \"a text of 4000 bytes\"",
            ),
            (
                format!(r#"{{"schemaVersion":2,"manifests":"{long}"}}"#),
                "not a valid OCI image index: a value of another type than expected",
            ),
            (
                format!(r#"{{"{long}":1,"{long}":2}}"#),
                "key \"a text of 4000 bytes\" is given twice",
            ),
            (
                r#"{"schemaVersion":2,"mediaType":"a\n\u001b[2Jb","manifests":[]}"#.to_owned(),
                r#"its media type "a\n\u{1b}[2Jb""#,
            ),
        ] {
            let error = parse(&body, "").unwrap_err().to_string();
            assert!(error.contains(why), "{body}: {error}");
            assert!(error.len() < 600 && !error.contains(char::is_control), "{body}: {error}");
        }
    }

    /// Documents with an index and an image, all fields of both set.
    fn whole() -> [Value; 2] {
        let (digest, long) = (Digest::of(b"{}"), format!("sha512:{}", "0".repeat(128)));
        let entry = serde_json::json!({
            "mediaType": media_type::OCI_MANIFEST,
            "digest": digest,
            "size": 2,
            "urls": ["https://x.example"],
            "annotations": {"vnd.docker.reference.type": "attestation-manifest", "a": "<&>"},
            "data": "e30=",
            "platform": {
                "architecture": "ARM64", "os": "macos", "os.version": "1.2+x",
                "os.features": ["b", "a"], "variant": "V8", "features": ["sse"],
            },
            "artifactType": "a/b",
            "x": [1.5, {"y": null}],
        });
        let blob = serde_json::json!({"mediaType": "a/b", "digest": long, "size": 9});
        [
            serde_json::json!({
                "schemaVersion": 2,
                "mediaType": media_type::OCI_INDEX,
                "artifactType": "a/b",
                "manifests": [entry, blob, entry],
                "subject": blob,
                "annotations": {"a": "b"},
                "x": {"y": [1, -1]},
            }),
            serde_json::json!({
                "schemaVersion": 2,
                "mediaType": media_type::DOCKER_MANIFEST,
                "config": blob,
                "layers": [entry, blob],
                "subject": entry,
                "annotations": {"a": "b"},
            }),
        ]
    }

    /// Whatever a registry sends: what is refused is told in a line, what is accepted is what the
    /// rest relies upon.
    #[test]
    fn survives_any_document() {
        let mut random = fastrand::Rng::with_seed(1);
        let whole = whole();
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..700 {
            let rarity = *chosen(&mut random, &[12, 100, 1_000]);
            let document = chosen(&mut random, &whole).clone();
            let bytes = Bytes::from(spoilt(&mut random, &document, rarity));
            let headers = [media_type::OCI_INDEX, media_type::DOCKER_MANIFEST, "", "text/html; x"];
            let header = *chosen(&mut random, &headers);
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let manifest = match Manifest::parse(bytes.clone(), header, Digest::of(&bytes)) {
                Ok(manifest) => manifest,
                Err(Invalid(why)) => {
                    refused += 1;
                    assert!(why.len() < 1000 && !why.contains(char::is_control), "{why}: {shown}");
                    continue;
                }
            };
            accepted += 1;
            assert_eq!(manifest.bytes, bytes);
            assert!(manifest.share.weight() >= bytes.len());
            let (entries, others) = match &manifest.content {
                Content::Index(index) => {
                    assert!(media_type::is_index(&manifest.media_type), "{shown}");
                    // What is edited is written again: other clients must read the same from it.
                    let written = Bytes::from(json::pretty(index).unwrap());
                    let media_type = &manifest.media_type;
                    let again = Manifest::parse(written, media_type, manifest.digest.clone());
                    assert_eq!(again.map(|again| again.content), Ok(manifest.content.clone()));
                    (&index.manifests, index.subject.iter().collect::<Vec<_>>())
                }
                Content::Image(image) => {
                    assert!(media_type::is_image(&manifest.media_type), "{shown}");
                    assert!(image.download() >= image.config.size);
                    (&image.layers, vec![&image.config])
                }
            };
            for descriptor in entries.iter().chain(others) {
                assert!(i64::try_from(descriptor.size).is_ok(), "{shown}");
                assert_eq!(descriptor.digest.as_str().parse(), Ok(descriptor.digest.clone()));
                assert!(descriptor.data.is_empty() || descriptor.size == 2, "{shown}");
                descriptor.title();
            }
            if let Content::Index(index) = &manifest.content {
                assert!(index.manifests.iter().all(|entry| entry.size > 0), "{shown}");
            }
        }
        assert!(accepted > 150 && refused > 150, "{accepted} {refused}");
    }
}
