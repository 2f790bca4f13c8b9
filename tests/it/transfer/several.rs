//! Into several repositories and registries in one run: each complete before any tag moves.

use super::{report, step_with_report, tags_last, writes};
use crate::support::images::Image;
use crate::support::request_log::Entry;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::skopeo;

#[tokio::test]
async fn a_list_over_three_registries_where_the_third_refuses_its_tag() {
    let (first, second, third) = (Scene::empty().await, Scene::empty().await, Scene::empty().await);
    let (amd64, arm64) = (Image::oci("linux/amd64"), Image::oci("linux/arm64"));
    // Sources from two registries, of which neither holds both.
    amd64.push(&first.client, "acme/app", "amd64").await;
    arm64.push(&second.client, "acme/app", "arm64").await;
    third.proxy.rule(
        Rule::on("PUT", "/v2/acme/mirror/manifests/1")
            .then(Fault::Status(403).error("DENIED", "immutable")),
    );
    let tags = format!(
        "{}\n{}\n{}",
        first.full_name("acme/app:1"),
        second.full_name("acme/app:1"),
        third.full_name("acme/mirror:1")
    );
    let sources =
        format!("{}\n{}", first.full_name("acme/app:amd64"), second.full_name("acme/app:arm64"));
    let ran = step_with_report(&tags, &sources).input("log-level", "debug").run().await.fails(8);
    assert!(
        ran.stdout.contains(&format!("{}: failed", third.full_name("acme/mirror:1"))),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains(&format!("{}: created", first.full_name("acme/app:1"))),
        "{}",
        ran.stdout
    );
    assert!(tags_last(&ran), "{:?}", writes(&ran));
    // The proxies saw the same: whatever was written anywhere was there before a tag was asked to
    // move anywhere.
    let written: Vec<Entry> = [&first, &second, &third]
        .iter()
        .flat_map(|scene| scene.proxy.log())
        .filter(Entry::writes)
        .collect();
    let (moves, others): (Vec<&Entry>, Vec<&Entry>) =
        written.iter().partition(|entry| entry.path.ends_with("/manifests/1"));
    let first_move = moves.iter().map(|entry| entry.at).min().expect("tags were moved");
    assert!(moves.len() == 3 && others.len() > 10);
    assert!(
        others.iter().all(|entry| entry.until.is_some_and(|until| until <= first_move)),
        "{written:#?}"
    );
    let report = report(&ran);
    let reported = report["writes"].as_array().expect("writes");
    let of = |deed: &str| {
        reported
            .iter()
            .find(|write| write["action"] == deed)
            .unwrap_or_else(|| panic!("{deed}: {report:#}"))
    };
    let upload = of("upload-blob");
    assert!(upload["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{upload}");
    assert!(upload["from"].as_str().is_some_and(|from| from.ends_with("/acme/app")), "{upload}");
    assert!(
        upload["why"].as_str().is_some_and(
            |why| why.starts_with("the image for linux/a") && why.ends_with("names it")
        )
    );
    assert!(
        upload["where"]
            .as_str()
            .zip(upload["digest"].as_str())
            .is_some_and(|(place, digest)| place.ends_with(digest))
    );
    assert_eq!(of("push-index")["why"], "it must be in every repository before a tag moves");
    assert_eq!(of("move-tag")["why"], "all that it names is complete");
    let told = ran.stdout.lines().filter(|line| line.starts_with("debug: write ")).count();
    assert_eq!(told, reported.len(), "the log has the same record");
    let indexes = writes(&ran).iter().filter(|(deed, _)| deed == "push-index").count();
    assert_eq!(indexes, 3, "the index was everywhere first");
    let states: Vec<String> = report["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["created", "created", "failed"]);
    assert!(third.client.tags("acme/mirror").await.is_empty());
    for (scene, repository) in
        [(&first, "acme/app"), (&second, "acme/app"), (&third, "acme/mirror")]
    {
        assert!(
            scene.client.holds(repository, &amd64).await
                && scene.client.holds(repository, &arm64).await,
            "complete all the same"
        );
    }
    third.proxy.finish();

    // The next run, with the third one healed, completes it and leaves the others alone.
    let tags = format!(
        "{}\n{}\n{}/acme/mirror:1",
        first.full_name("acme/app:1"),
        second.full_name("acme/app:1"),
        third.registry.host()
    );
    let ran = step_with_report(&tags, &sources).run().await.ok();
    assert_eq!(
        writes(&ran).iter().filter(|(deed, _)| deed == "move-tag").count(),
        1,
        "{:?}",
        writes(&ran)
    );
    let folder = tempfile::tempdir().unwrap();
    skopeo::copy_all(&format!("{}/acme/mirror:1", third.registry.host()), folder.path()).await;
}

#[tokio::test]
async fn a_child_that_cannot_be_copied_leaves_every_tag_as_it_was() {
    let (first, second) = (Scene::empty().await, Scene::empty().await);
    let images = [Image::oci("linux/amd64"), Image::oci("linux/arm64")];
    images[0].push(&first.client, "acme/app", "a").await;
    images[1].push(&first.client, "acme/app", "b").await;
    let broken = format!("/v2/acme/app/blobs/{}", images[1].blobs()[1]);
    first.proxy.rule(Rule::on("GET", &broken).then(Fault::Status(404)));
    let tags = format!("{}\n{}", first.full_name("acme/app:1"), second.full_name("acme/app:1"));
    let sources = format!("{}\n{}", first.full_name("acme/app:a"), first.full_name("acme/app:b"));
    let ran = step_with_report(&tags, &sources).run().await.fails(7);
    assert!(
        ran.stdout.contains("cannot read") && ran.stdout.contains(&images[1].blobs()[1]),
        "{}",
        ran.stdout
    );
    assert_eq!(first.client.tags("acme/app").await, ["a", "b"]);
    assert!(second.client.tags("acme/app").await.is_empty());
    assert_eq!(first.proxy.count("PUT", "*"), 0);
}

#[tokio::test]
async fn append_takes_what_the_first_tag_holds_to_the_others() {
    let (first, second) = (Scene::empty().await, Scene::empty().await);
    let (amd64, arm64) = (Image::oci("linux/amd64"), Image::oci("linux/arm64"));
    amd64.push(&first.client, "acme/app", "amd64").await;
    arm64.push(&second.client, "acme/build", "arm64").await;
    step_with_report(&first.full_name("acme/app:1"), &first.full_name("acme/app:amd64"))
        .run()
        .await
        .ok();
    let tags = format!("{}\n{}", first.full_name("acme/app:1"), second.full_name("acme/app:1"));
    let ran = step_with_report(&tags, &second.full_name("acme/build:arm64"))
        .input("append", "true")
        .run()
        .await
        .ok();
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64,linux/arm64"));
    for scene in [&first, &second] {
        assert!(
            scene.client.holds("acme/app", &amd64).await
                && scene.client.holds("acme/app", &arm64).await
        );
        assert_eq!(
            Some(scene.client.get_manifest("acme/app", "1").await.unwrap().digest),
            ran.output("digest")
        );
    }
}
