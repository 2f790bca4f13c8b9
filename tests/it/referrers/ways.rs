//! All four ways between registries with the referrers API and registries without, in one table;
//! what comes along is read back by an independent client as well.

use super::{APP, BUILD, about, between, built, deeds};
use crate::support::artifacts::{ATTESTATION, Artifact, BUNDLE, COSIGN, list_tag, listed, listing};
use crate::support::client::{Client, OCI_INDEX};
use crate::support::images::Image;
use crate::support::referrers_api::ReferrersApi;
use crate::support::scene::Scene;
use crate::support::skopeo;

/// Pushes what refers to an image: two artifacts by digest, and what cosign keeps under its tags.
async fn sign(scene: &Scene, image: &Image, has_api: bool) -> (Vec<Artifact>, Vec<Artifact>) {
    // Through the proxy, where the API is.
    let client = Client::new(&scene.proxy.host());
    let by_digest = vec![about(BUNDLE, image), about(ATTESTATION, image)];
    for artifact in &by_digest {
        artifact.push(&client, BUILD, "").await;
    }
    let tag = list_tag(&image.digest());
    if !has_api {
        let list = listing(&by_digest.iter().collect::<Vec<_>>());
        client.put_manifest(BUILD, &tag, OCI_INDEX, &list).await;
    }
    let mut by_tag = Vec::new();
    for ending in ["sig", "att", "sbom"] {
        let artifact = Artifact::tagged(COSIGN, ending);
        artifact.push(&client, BUILD, &format!("{tag}.{ending}")).await;
        by_tag.push(artifact);
    }
    (by_digest, by_tag)
}

#[tokio::test]
async fn between_registries_with_the_api_and_without() {
    for (from_api, to_api, attestations) in [
        (true, true, "keep"),
        (true, false, "keep"),
        (false, true, "keep"),
        (false, false, "keep"),
        (true, true, "discover"),
        (true, false, "discover"),
        (false, true, "discover"),
        (false, false, "discover"),
    ] {
        let case = format!("API: {from_api}, {to_api}; attestations: {attestations}");
        let (from, image) = built().await;
        let to = Scene::empty().await;
        if from_api {
            ReferrersApi::of(&from.proxy);
        }
        let api = to_api.then(|| ReferrersApi::of(&to.proxy));
        let (by_digest, by_tag) = sign(&from, &image, from_api).await;
        let run = || between(&from, &to).input("attestations", attestations).run();
        let ran = run().await.ok();

        let there = match &api {
            Some(api) => api.listed(APP, &image.digest()),
            None => listed(&to.client, APP, &image.digest()).await,
        };
        assert_eq!(there.len(), by_digest.len(), "{case}: {there:?}");
        for artifact in &by_digest {
            assert!(there.contains(&artifact.digest()), "{case}");
            assert!(artifact.is_in(&to.client, APP).await, "{case}");
            let put = format!("/v2/{APP}/manifests/{}", artifact.digest());
            assert_eq!(to.proxy.count("PUT", &put), 1, "{case}: {}", to.proxy.log_text());
        }
        let tag = list_tag(&image.digest());
        let tags = to.client.tags(APP).await;
        assert_eq!(tags.contains(&tag), !to_api, "{case}: {tags:?}");
        let index = to.client.get_manifest(APP, "1").await.expect("the tag").json();
        let entries = index["manifests"].as_array().map_or(0, Vec::len);
        assert_eq!(entries, if attestations == "discover" { 2 } else { 1 }, "{case}");
        assert_eq!(deeds(&ran).last().map(String::as_str), Some("move-tag"), "{case}");

        let folder = tempfile::tempdir().expect("a folder");
        let read = async |reference: &str, name: &str| {
            let glue = if reference.contains(':') { '@' } else { ':' };
            let reference = format!("{}/{APP}{glue}{reference}", to.registry.host());
            skopeo::copy_all(&reference, &folder.path().join(name)).await;
            skopeo::inspect_raw(&reference).await
        };
        read("1", "index").await;
        for (at, artifact) in by_digest.iter().enumerate() {
            let raw = read(&artifact.digest(), &format!("digest{at}")).await;
            assert_eq!(raw.trim_end().as_bytes(), artifact.manifest(), "{case}");
        }
        for (artifact, ending) in by_tag.iter().zip(["sig", "att", "sbom"]) {
            let raw = read(&format!("{tag}.{ending}"), ending).await;
            assert_eq!(raw.trim_end().as_bytes(), artifact.manifest(), "{case}");
        }
        // All is there, and the next run writes nothing.
        let ran = run().await.ok();
        assert_eq!(deeds(&ran), Vec::<String>::new(), "{case}: {}", ran.stdout);
    }
}
