//! The media types of manifests, and what they mean.

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Schema 2.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer of schema 2.
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// All four exact types in one header: distribution ignores wildcards and answers 404 for a type
/// that is not listed. There is no schema 1 type, so that no registry converts a manifest to it.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// An image index or a Docker manifest list.
pub(crate) fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

pub(crate) fn is_image(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// What a registry keeps as a manifest.
pub(crate) fn is_manifest(media_type: &str) -> bool {
    is_index(media_type) || is_image(media_type)
}

/// One of Docker's own types. If all entries have one, buildx writes a Docker manifest list.
pub(crate) fn is_docker(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.")
}

/// Docker's schema 1, which no index can contain.
pub(crate) fn is_schema1(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

/// The config of an image that runs.
pub(crate) fn is_image_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}

/// A layer that is downloaded from elsewhere and never stored in a registry (image spec, layer.md).
pub(crate) fn is_foreign_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
        || media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
}

/// The name that people use for it.
pub(crate) fn name(media_type: &str) -> &str {
    match media_type {
        OCI_INDEX => "OCI image index",
        DOCKER_LIST => "Docker manifest list",
        OCI_MANIFEST => "OCI image manifest",
        DOCKER_MANIFEST => "Docker image manifest",
        other => other,
    }
}

/// A `Content-Type` without its parameters, in lowercase.
pub(crate) fn without_parameters(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        const RESTRICTED: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
        let kinds: [fn(&str) -> bool; 6] =
            [is_index, is_image, is_docker, is_schema1, is_image_config, is_foreign_layer];
        for (media_type, [index, image, docker, schema1, config, foreign]) in [
            (OCI_INDEX, [true, false, false, false, false, false]),
            (OCI_MANIFEST, [false, true, false, false, false, false]),
            (DOCKER_LIST, [true, false, true, false, false, false]),
            (DOCKER_MANIFEST, [false, true, true, false, false, false]),
            (OCI_CONFIG, [false, false, false, false, true, false]),
            (DOCKER_CONFIG, [false, false, true, false, true, false]),
            (SCHEMA1, [false, false, true, true, false, false]),
            (FOREIGN, [false, false, true, false, false, true]),
            (RESTRICTED, [false, false, false, false, false, true]),
            ("application/vnd.cncf.helm.config.v1+json", [false; 6]),
            ("", [false; 6]),
        ] {
            let expected = [index, image, docker, schema1, config, foreign];
            assert_eq!(kinds.map(|kind| kind(media_type)), expected, "{media_type}");
        }
        for media_type in [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST] {
            assert!(ACCEPT.split(", ").any(|accepted| accepted == media_type), "{media_type}");
            assert_ne!(name(media_type), media_type);
        }
        assert!(!ACCEPT.contains("manifest.v1+prettyjws") && !ACCEPT.contains('*'));
        assert_eq!(name("a/b"), "a/b");
    }

    #[test]
    fn a_content_type_without_its_parameters() {
        for (header, media_type) in [
            ("Application/JSON; charset=utf-8", "application/json"),
            (" a/b ", "a/b"),
            ("a/b;", "a/b"),
            ("", ""),
        ] {
            assert_eq!(without_parameters(header), media_type, "{header:?}");
        }
    }
}
