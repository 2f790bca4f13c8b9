//! Bounded memory, whatever the sizes.

use super::{archive, copy, layout};
use crate::support::client::{OCI_MANIFEST, sha256};
use crate::support::images::OCI_CONFIG;
use crate::support::scripted::{ScriptedServer, answer};
use serde_json::json;
use std::fs;
use tempfile::tempdir;

const LAYER: usize = 256 << 20;
/// What the contract allows for one list, and what the debug build takes more.
const MOST_KIB: u64 = (32 + 8) << 10;

#[tokio::test]
async fn a_layer_of_256_mib_takes_no_more_memory() {
    let layer = vec![7; LAYER];
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]}});
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(&config), "size": config.len()},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": sha256(&layer),
            "size": layer.len(),
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let digest = sha256(&manifest);
    let (own, layer_path) = (sha256(&config), sha256(&layer));
    let server = ScriptedServer::answering(move |request, _| {
        let path = request.path();
        let is = |end: &str| path.ends_with(end);
        match request.method.as_str() {
            "GET" | "HEAD" if is("/manifests/1") || is(&digest) => {
                answer(200, &[("Content-Type", OCI_MANIFEST)], manifest.clone())
            }
            "GET" if is(&own) => answer(200, &[], config.clone()),
            "GET" if is(&layer_path) => answer(200, &[], layer.clone()),
            _ => answer(404, &[], ""),
        }
    });
    let folder = tempdir().unwrap();
    let source = format!("{}/acme/app:1", server.host());
    for list in [archive(folder.path(), "a.tar"), layout(folder.path(), "a")] {
        let ran = copy(&[&source, &list]).run().await.ok();
        assert!(ran.max_rss_kib < MOST_KIB, "{list}: {} KiB", ran.max_rss_kib);
    }
    assert!(fs::metadata(folder.path().join("a.tar")).unwrap().len() > LAYER as u64);
    let out = archive(folder.path(), "b.tar");
    let ran = copy(&[&archive(folder.path(), "a.tar"), &out]).run().await.ok();
    assert!(ran.max_rss_kib < MOST_KIB, "from a file: {} KiB", ran.max_rss_kib);
}
