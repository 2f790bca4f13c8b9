//! The exact bytes of an index, written out: the same for everybody who composes it, whatever
//! arrived first.

use crate::support::client::{DOCKER_LIST, OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::scene::{REPO, Scene};

/// Publishes, and holds bytes and digest against what is written here.
async fn publishes(scene: &Scene, sources: &[&str], inputs: &[(&str, &str)], golden: &str) {
    let step =
        inputs.iter().fold(scene.step_of(sources), |step, (name, value)| step.input(name, value));
    let ran = step.run().await.ok();
    let list = scene.at("1").await;
    assert_eq!(String::from_utf8_lossy(&list.bytes), golden);
    assert_eq!(ran.output("digest"), Some(sha256(golden.as_bytes())));
}

#[tokio::test]
async fn three_plain_oci_images() {
    let scene = Scene::empty().await;
    let images = [Image::oci("linux/amd64"), Image::oci("linux/arm64/v8"), Image::oci("linux/arm")];
    scene.push_all(&images).await;
    let [amd64, arm64, arm] = images.map(|image| (image.digest(), image.manifest().len()));
    let golden = format!(
        r#"{{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "amd64",
        "os": "linux"
      }}
    }},
    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "arm64",
        "os": "linux"
      }}
    }},
    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "arm",
        "os": "linux",
        "variant": "v7"
      }}
    }}
  ]
}}"#,
        amd64.0, amd64.1, arm64.0, arm64.1, arm.0, arm.1
    );
    publishes(&scene, &["s0", "s1", "s2"], &[], &golden).await;
}

#[tokio::test]
async fn three_builder_made_indexes() {
    let scene = Scene::empty().await;
    let mut inserts = Vec::new();
    for (tag, platform) in [("s0", "linux/amd64"), ("s1", "linux/arm64/v8"), ("s2", "linux/arm")] {
        let image = Image::oci(platform);
        let built = BuiltIndex::new(vec![image.clone()]).attestations(true);
        built.push(&scene.client, REPO, tag).await;
        let attestation = &built.attestation_digests()[0];
        let size = scene.at(attestation).await.bytes.len();
        inserts.push((image.digest(), image.manifest().len(), attestation.clone(), size));
    }
    // Entries of an index stay as they were: `v8` stands, a bare `arm` stays bare.
    let [amd64, arm64, arm] = &inserts[..] else { panic!("three sources") };
    let attestation = |(image, _, attestation, size): &(String, usize, String, usize)| {
        format!(
            r#"    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{attestation}",
      "size": {size},
      "annotations": {{
        "vnd.docker.reference.digest": "{image}",
        "vnd.docker.reference.type": "attestation-manifest"
      }},
      "platform": {{
        "architecture": "unknown",
        "os": "unknown"
      }}
    }}"#
        )
    };
    let golden = format!(
        r#"{{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "amd64",
        "os": "linux"
      }}
    }},
{},
    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8"
      }}
    }},
{},
    {{
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "arm",
        "os": "linux"
      }}
    }},
{}
  ]
}}"#,
        amd64.0,
        amd64.1,
        attestation(amd64),
        arm64.0,
        arm64.1,
        attestation(arm64),
        arm.0,
        arm.1,
        attestation(arm)
    );
    publishes(&scene, &["s0", "s1", "s2"], &[], &golden).await;
}

#[tokio::test]
async fn docker_images() {
    let scene = Scene::empty().await;
    let images = [
        Image::docker("linux/amd64"),
        Image::docker("windows(10.0.20348.2700)/amd64").os_feature("win32k"),
    ];
    scene.push_all(&images).await;
    let [linux, windows] = images.map(|image| (image.digest(), image.manifest().len()));
    let golden = format!(
        r#"{{
  "schemaVersion": 2,
  "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
  "manifests": [
    {{
      "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "amd64",
        "os": "linux"
      }}
    }},
    {{
      "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
      "digest": "{}",
      "size": {},
      "platform": {{
        "architecture": "amd64",
        "os": "windows",
        "os.version": "10.0.20348.2700",
        "os.features": [
          "win32k"
        ]
      }}
    }}
  ]
}}"#,
        linux.0, linux.1, windows.0, windows.1
    );
    publishes(&scene, &["s0", "s1"], &[], &golden).await;
}

#[tokio::test]
async fn annotations_are_escaped_as_go_does() {
    let scene = Scene::empty().await;
    let image = Image::docker("linux/amd64");
    scene.push(&image, "s0").await;
    let annotations = "b=1 < 2 && \"3\" > \\ \u{2028}é\nmanifest-descriptor:<k>=&\na=x";
    let golden = format!(
        r#"{{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {{
      "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
      "digest": "{}",
      "size": {},
      "annotations": {{
        "\u003ck\u003e": "\u0026"
      }},
      "platform": {{
        "architecture": "amd64",
        "os": "linux"
      }}
    }}
  ],
  "annotations": {{
    "a": "x",
    "b": "1 \u003c 2 \u0026\u0026 \"3\" \u003e \\ \u2028é"
  }}
}}"#,
        image.digest(),
        image.manifest().len()
    );
    publishes(&scene, &["s0"], &[("annotations", annotations)], &golden).await;
}

#[tokio::test]
async fn one_index_alone_is_published_byte_for_byte() {
    let built = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64/v8")])
        .attestations(true);
    let built = built.annotation("org.opencontainers.image.title", "a <b>");
    let list = DockerList::new(vec![Image::docker("linux/amd64"), Image::docker("linux/arm64/v8")]);
    let squeezed = format!("{}\n", serde_json::to_string(&built.json()).expect("JSON")).replacen(
        '{',
        "{\"x-own\": 1.50, ",
        1,
    );
    let three = String::from_utf8(list.bytes()).expect("JSON is UTF-8");
    assert!(three.contains("\n   \"manifests\": ["), "three spaces, as Docker writes");

    let scene = Scene::empty().await;
    built.push(&scene.client, REPO, "built").await;
    list.push(&scene.client, REPO, "list").await;
    scene.put("squeezed", OCI_INDEX, squeezed.as_bytes()).await;
    for (source, media_type, bytes) in [
        ("built", OCI_INDEX, built.bytes()),
        (&built.digest(), OCI_INDEX, built.bytes()),
        ("list", DOCKER_LIST, list.bytes()),
        ("squeezed", OCI_INDEX, squeezed.into_bytes()),
    ] {
        let golden = String::from_utf8(bytes).expect("JSON is UTF-8");
        // What a rerun of the same inputs adds nothing to.
        publishes(
            &scene,
            &[source],
            &[("platforms", "linux/arm64,linux/amd64"), ("attestations", "keep")],
            &golden,
        )
        .await;
        assert_eq!(scene.at("1").await.media_type, media_type);
    }
}

#[tokio::test]
async fn the_order_of_arrival_changes_nothing() {
    let mut digests = Vec::new();
    for late in ["s0", "s1", "s2"] {
        let scene = Scene::empty().await;
        scene.push_all(&["linux/amd64", "linux/arm64", "linux/arm/v7"].map(Image::oci)).await;
        let gate = scene.proxy.gate("GET", &format!("*/manifests/{late}"));
        gate.hold();
        let running = scene.step_of(&["s0", "s1", "s2"]).spawn().await;
        for early in ["s0", "s1", "s2"].into_iter().filter(|tag| *tag != late) {
            running.wait_for_line(&format!("found    {}", scene.reference(early))).await;
        }
        gate.release();
        let ran = running.wait().await.ok();
        digests.push(ran.output("digest").expect("an output"));
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}
