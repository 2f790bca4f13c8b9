//! By the tag that lists them, as the registry here has no API for it.

use super::{APP, BUILD, about, between, built, deeds, report, step, tags};
use crate::support::artifacts::{Artifact, BUNDLE, SPDX, attach, list_tag, listed};
use crate::support::client::OCI_MANIFEST;
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::step::Step;
use futures_util::future::join_all;

#[tokio::test]
async fn what_refers_to_an_image_comes_along_before_the_tag_moves() {
    let (scene, image) = built().await;
    let (bundle, sbom) = (about(BUNDLE, &image), about(SPDX, &image));
    attach(&scene.client, BUILD, &image.digest(), &[&bundle, &sbom]).await;
    let ran = step(&scene).run().await.ok();
    assert!(bundle.is_in(&scene.client, APP).await && sbom.is_in(&scene.client, APP).await);
    let there = listed(&scene.client, APP, &image.digest()).await;
    assert_eq!(there.len(), 2);
    assert!(there.contains(&bundle.digest()) && there.contains(&sbom.digest()));
    let line = format!("copied   {}  2 referrers ({SPDX}, {BUNDLE})", scene.full_name(APP));
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    assert!(ran.summary().contains("1 image, 2 referrers"), "{}", ran.summary());
    assert!(!ran.stdout.contains("are not copied"), "{}", ran.stdout);
    let copied = &report(&ran)["copied"][0];
    let kinds: Vec<&str> = copied["referrers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|referred| {
            assert_eq!(referred["subject"], image.digest());
            referred["kind"].as_str().unwrap()
        })
        .collect();
    assert!(kinds.contains(&BUNDLE) && kinds.contains(&SPDX), "{copied:#}");
    let deeds = deeds(&ran);
    assert_eq!(deeds.last().map(String::as_str), Some("move-tag"), "{deeds:?}");
    assert_eq!(deeds.iter().filter(|deed| *deed == "push-referrer-tag").count(), 1, "{deeds:?}");

    // Its entry says what the artifact is.
    let list = scene.client.get_manifest(APP, &list_tag(&image.digest())).await.unwrap();
    let entry = &list.json()["manifests"][0];
    assert!([BUNDLE, SPDX].contains(&entry["artifactType"].as_str().unwrap()));
    assert_eq!(entry["annotations"]["org.opencontainers.image.created"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn also_where_the_image_is_there_already_and_what_the_target_lists_is_kept() {
    let (from, image) = built().await;
    let to = Scene::empty().await;
    between(&from, &to).run().await.ok();
    assert!(listed(&to.client, APP, &image.digest()).await.is_empty());
    // Signed since, at both places.
    let (theirs, ours) = (about(SPDX, &image), about(BUNDLE, &image));
    attach(&to.client, APP, &image.digest(), &[&theirs]).await;
    attach(&from.client, BUILD, &image.digest(), &[&ours]).await;
    let other = Image::oci("linux/arm64");
    other.push(&from.client, BUILD, "b").await;
    let sources = format!("{}:a\n{}:b", from.full_name(BUILD), from.full_name(BUILD));
    let ran = between(&from, &to).input("sources", &sources).run().await.ok();
    assert!(ran.stdout.contains("1 image already there"), "{}", ran.stdout);
    assert!(ours.is_in(&to.client, APP).await);
    assert_eq!(listed(&to.client, APP, &image.digest()).await, [theirs.digest(), ours.digest()]);

    // Another tag: all is there, and nothing is written but the tag.
    let tags = format!("{0}:1\n{0}:2", to.full_name(APP));
    let ran = between(&from, &to).input("sources", &sources).input("tags", &tags).run().await.ok();
    assert_eq!(deeds(&ran), ["move-tag"], "{}", ran.stdout);
    assert_eq!(report(&ran)["copied"][0]["referrersThere"], 1);
}

#[tokio::test]
async fn of_images_attestations_and_the_index_that_is_published_as_it_is() {
    let scene = Scene::empty().await;
    let index = BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm64")])
        .attestations(true);
    index.push(&scene.client, BUILD, "a").await;
    let manifests = index.json()["manifests"].as_array().cloned().unwrap();
    let mut artifacts = Vec::new();
    for entry in &manifests {
        let digest = entry["digest"].as_str().unwrap();
        let manifest = scene.client.get_manifest(BUILD, digest).await.unwrap();
        let artifact = Artifact::about(BUNDLE, OCI_MANIFEST, &manifest.bytes);
        attach(&scene.client, BUILD, digest, &[&artifact]).await;
        artifacts.push(artifact);
    }
    let whole = scene.client.get_manifest(BUILD, "a").await.unwrap();
    let of_index = Artifact::about(SPDX, &whole.media_type, &whole.bytes);
    attach(&scene.client, BUILD, &whole.digest, &[&of_index]).await;
    let ran = step(&scene).run().await.ok();
    for artifact in artifacts.iter().chain([&of_index]) {
        assert!(artifact.is_in(&scene.client, APP).await, "{artifact:?}");
    }
    assert_eq!(listed(&scene.client, APP, &whole.digest).await, [of_index.digest()]);
    let deeds = deeds(&ran);
    let first = |deed: &str| deeds.iter().position(|other| other == deed).unwrap();
    assert!(
        first("push-index") < first("push-referrer-tag"),
        "what it refers to is there: {deeds:?}"
    );
    assert_eq!(deeds.last().unwrap(), "move-tag");

    // Taken apart, the index is another one.
    let tag = scene.full_name("acme/part:1");
    let source = format!("linux/amd64={}:a", scene.full_name(BUILD));
    step(&scene).input("tags", &tag).input("sources", &source).run().await.ok();
    assert!(artifacts[0].is_in(&scene.client, "acme/part").await);
    assert!(!of_index.is_in(&scene.client, "acme/part").await);
}

/// Also of what is published as it is: one image, or a platform under a tag of its own.
#[tokio::test]
async fn of_single_images_and_of_platforms_under_their_own_tags() {
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&bundle]).await;
    let ran = step(&scene).input("prefer-index", "false").run().await.ok();
    assert_eq!(ran.output("digest"), Some(image.digest()));
    assert_eq!(listed(&scene.client, APP, &image.digest()).await, [bundle.digest()]);

    // Of the index that a builder made of one platform, in a repository that has only that.
    let index = BuiltIndex::new(vec![Image::oci("linux/arm64")]).attestations(true);
    index.push(&scene.client, BUILD, "b").await;
    let whole = scene.client.get_manifest(BUILD, "b").await.unwrap();
    let of_index = Artifact::about(SPDX, &whole.media_type, &whole.bytes);
    attach(&scene.client, BUILD, &whole.digest, &[&of_index]).await;
    let sources = format!("{0}:a\n{0}:b", scene.full_name(BUILD));
    let ran = step(&scene)
        .input("sources", &sources)
        .input("platform-tags", &scene.full_name("acme/{arch}:1"))
        .run()
        .await
        .ok();
    assert!(of_index.is_in(&scene.client, "acme/arm64").await, "{}", ran.stdout);
    assert_eq!(listed(&scene.client, "acme/arm64", &whole.digest).await, [of_index.digest()]);
    assert_eq!(listed(&scene.client, "acme/amd64", &image.digest()).await, [bundle.digest()]);
    assert!(!of_index.is_in(&scene.client, APP).await, "there it is taken apart");
}

#[tokio::test]
async fn referrers_of_referrers_three_deep() {
    let (scene, image) = built().await;
    let mut chain = vec![about(SPDX, &image)];
    for _ in 0..3 {
        let last = chain.last().unwrap();
        chain.push(Artifact::about(BUNDLE, OCI_MANIFEST, &last.manifest()));
    }
    attach(&scene.client, BUILD, &image.digest(), &[&chain[0]]).await;
    for pair in chain.windows(2) {
        attach(&scene.client, BUILD, &pair[0].digest(), &[&pair[1]]).await;
    }
    step(&scene).run().await.ok();
    let mut there = Vec::new();
    for artifact in &chain {
        there.push(artifact.is_in(&scene.client, APP).await);
    }
    assert_eq!(there, [true, true, true, false]);
    assert_eq!(listed(&scene.client, APP, &chain[1].digest()).await, [chain[2].digest()]);
}

#[tokio::test]
async fn leave_leaves_them_and_says_where() {
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&bundle]).await;
    let ran = step(&scene).input("referrers", "leave").run().await.ok();
    assert!(!bundle.is_in(&scene.client, APP).await);
    let from = scene.full_name(BUILD);
    let note = format!("signatures and other referrers are not copied; they remain in {from}");
    assert!(ran.stdout.contains(&note), "{}", ran.stdout);
    assert!(ran.summary().contains(&format!("they remain in `{from}`")), "{}", ran.summary());
    assert_eq!(scene.proxy.count("GET", "*/referrers/*"), 0);
    assert_eq!(scene.proxy.count("GET", "*/tags/list"), 0);
    assert_eq!(report(&ran)["copied"][0]["referrers"].as_array().map(Vec::len), Some(0));
    // A flag and a key of `spec`, too.
    let name = |tag: &str| scene.full_name(&format!("{APP}:{tag}"));
    let source = format!("{from}:a");
    let flags = ["create", "--referrers=leave", &name("2"), &source];
    let ran = Step::new().args(flags).run().await.ok();
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    let spec = format!(
        "indexes:\n- tags: {}\n  sources: {source}\n  referrers: leave\n",
        scene.full_name("acme/other:1")
    );
    Step::new().github().input("spec", &spec).run().await.ok();
    assert!(!bundle.is_in(&scene.client, "acme/other").await);
    Step::new().github().input("spec", &spec.replace("leave", "copy")).run().await.ok();
    assert!(!bundle.is_in(&scene.client, "acme/other").await, "no tag moved");
    let ran = step(&scene).input("referrers", "both").run().await.fails(2);
    assert!(
        ran.stdout.contains("referrers: must be copy or leave, not \"both\""),
        "{}",
        ran.stdout
    );
}

#[tokio::test]
async fn one_that_cannot_be_copied_moves_no_tag_and_the_way_out_is_told() {
    let way_out = "`referrers: leave` publishes without signatures and other referrers";
    for (case, status, exit) in [("gone", 404, 7), ("denied", 403, 6), ("altered", 200, 5)] {
        let (scene, image) = built().await;
        let bundle = about(BUNDLE, &image);
        attach(&scene.client, BUILD, &image.digest(), &[&bundle]).await;
        let manifest = format!("/v2/{BUILD}/manifests/{}", bundle.digest());
        let fault = match status {
            200 => Fault::alter(|mut bytes| {
                bytes.push(b' ');
                bytes
            }),
            status => Fault::Status(status),
        };
        scene.proxy.rule(Rule::on("GET", &manifest).then(fault));
        let ran = step(&scene).run().await.fails(exit);
        assert!(ran.stdout.contains(way_out), "{case}: {}", ran.stdout);
        assert!(ran.stdout.contains("it refers to linux/amd64"), "{case}: {}", ran.stdout);
        assert!(tags(&scene).await.is_empty(), "{case}");
    }
    // What the target does not take.
    let (scene, image) = built().await;
    let bundle = about(BUNDLE, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&bundle]).await;
    let place = format!("/v2/{APP}/manifests/{}", bundle.digest());
    scene.proxy.rule(Rule::on("PUT", &place).then(Fault::Status(403)));
    let ran = step(&scene).run().await.fails(6);
    assert!(ran.stdout.contains(way_out), "{}", ran.stdout);
    assert!(tags(&scene).await.is_empty());
}

/// A client that does not look again writes its list over ours: ours is listed again, beside theirs.
#[tokio::test]
async fn what_another_writer_lists_at_the_same_time_is_not_lost() {
    let (scene, image) = built().await;
    let (ours, theirs) = (about(BUNDLE, &image), about(SPDX, &image));
    attach(&scene.client, BUILD, &image.digest(), &[&ours]).await;
    let list = format!("/v2/{APP}/manifests/{}", list_tag(&image.digest()));
    let read_back = scene.proxy.gate("GET", &list);
    read_back.hold_from(3);
    let running = step(&scene).spawn().await;
    read_back.wait_for_hits(3).await;
    attach(&scene.client, APP, &image.digest(), &[&theirs]).await;
    read_back.release();
    running.wait().await.ok();
    let listed = listed(&scene.client, APP, &image.digest()).await;
    assert_eq!(listed, [theirs.digest(), ours.digest()]);
}

/// Two runs that bring what refers to one image: both lists are in the one that is left.
#[tokio::test]
async fn two_runs_at_once_lose_nothing() {
    let scene = Scene::empty().await;
    let image = Image::oci("linux/amd64");
    let artifacts = [about(BUNDLE, &image), about(SPDX, &image)];
    let mut steps = Vec::new();
    for (at, artifact) in artifacts.iter().enumerate() {
        let repository = format!("acme/build{at}");
        image.push(&scene.client, &repository, "a").await;
        attach(&scene.client, &repository, &image.digest(), &[artifact]).await;
        steps.push(
            step(&scene)
                .input("tags", &scene.full_name(&format!("{APP}:{at}")))
                .input("sources", &scene.full_name(&format!("{repository}:a"))),
        );
    }
    join_all(steps.into_iter().map(Step::run)).await.into_iter().for_each(|ran| drop(ran.ok()));
    let listed = listed(&scene.client, APP, &image.digest()).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
}
