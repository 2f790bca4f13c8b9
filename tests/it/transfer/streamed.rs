//! From one registry into another: streamed, checked on the way, taken up where it broke.

use super::{report, step_with_report, tags_last};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST};
use crate::support::images::{Image, PLATFORMS};
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::skopeo;
use crate::support::step::Step;
use serde_json::{Value, json};
use std::time::Duration;

/// What the contract allows for one list, and what the debug build of the tests takes more than the
/// program that is shipped.
const MOST_KIB: u64 = (32 + 8) << 10;

const SIZE: usize = 300_000;

/// Two registries, an image in the first one with a layer of some size.
async fn two() -> (Scene, Scene, Image) {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let image = Image::oci("linux/amd64").layer_size(SIZE);
    image.push(&from.client, "acme/app", "a").await;
    (from, to, image)
}

fn layer(image: &Image) -> String {
    format!("/v2/acme/app/blobs/{}", image.blobs()[1])
}

#[tokio::test]
async fn a_shared_blob_goes_once_and_one_that_is_there_not_at_all() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let images = [
        Image::oci("linux/amd64").more_layer("shared").more_layer("there"),
        Image::oci("linux/arm64").more_layer("shared").more_layer("there"),
    ];
    images[0].push(&from.client, "acme/app", "a").await;
    images[1].push(&from.client, "acme/app", "b").await;
    to.client.put_blob("other/name", b"there").await;
    let sources = format!("{}\n{}", from.full_name("acme/app:a"), from.full_name("acme/app:b"));
    let ran = step_with_report(&to.full_name("other/name:1"), &sources).run().await.ok();
    for image in &images {
        assert!(to.client.holds("other/name", image).await);
    }
    let (shared, there) = (&images[0].blobs()[2], &images[0].blobs()[3]);
    assert_eq!(from.proxy.count("GET", &format!("*{shared}")), 1, "{}", from.proxy.log_text());
    assert_eq!(from.proxy.count("GET", &format!("*{there}")), 0, "{}", from.proxy.log_text());
    assert_eq!(report(&ran)["copied"][0]["blobsUploaded"], 5);
    assert_eq!(report(&ran)["copied"][0]["blobsThere"], 1);
    assert!(tags_last(&ran));
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_where_it_was() {
    for (case, fault, ranges) in [
        ("cut", Fault::Truncate(100_000), true),
        ("cut, and no ranges", Fault::Truncate(100_000), false),
        ("reset before the first byte", Fault::Reset, true),
        ("busy", Fault::Status(503), true),
    ] {
        let (from, to, image) = two().await;
        from.proxy.rule(Rule::on("GET", &layer(&image)).nth(1).then(fault));
        if !ranges {
            from.proxy.rule(
                Rule::on("GET", &layer(&image)).nth(2).then(Fault::DropRequestHeader("Range")),
            );
        }
        step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
            .run()
            .await
            .ok();
        assert!(to.client.holds("acme/app", &image).await, "{case}");
        let gets = from.proxy.entries("GET", &layer(&image));
        assert_eq!(gets.len(), 2, "{case}: {}", from.proxy.log_text());
        if case == "cut" {
            assert_eq!(
                (gets[1].status, gets[1].response_bytes < SIZE),
                (206, true),
                "{case}: {}",
                from.proxy.log_text()
            );
        }
        assert_eq!(
            to.proxy.count("PATCH", "*"),
            2,
            "{case}: the uploads never heard of it: {}",
            to.proxy.log_text()
        );
    }
}

/// Some storage takes no range, or none that is open at its end.
#[tokio::test]
async fn a_part_that_is_refused_is_read_from_the_start() {
    for status in [416, 400, 501] {
        let (from, to, image) = two().await;
        from.proxy.rule(Rule::on("GET", &layer(&image)).nth(1).then(Fault::Truncate(100_000)));
        from.proxy.rule(Rule::on("GET", &layer(&image)).nth(2).then(Fault::Status(status)));
        step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
            .run()
            .await
            .ok();
        assert!(to.client.holds("acme/app", &image).await, "{status}");
        let statuses: Vec<u16> =
            from.proxy.entries("GET", &layer(&image)).iter().map(|get| get.status).collect();
        assert_eq!(statuses, [200, status, 200], "{status}");
    }
}

#[tokio::test]
async fn an_upload_that_breaks_goes_on_where_the_registry_stands() {
    for (case, fault) in [
        ("cut in the middle", Fault::CutUpload(100_000)),
        ("never heard", Fault::Reset),
        ("done, and nobody knows", Fault::ResetAfterForward),
        ("busy", Fault::Status(502)),
    ] {
        let (from, to, image) = two().await;
        // Both blobs suffer. This registry forgets an upload that broke in the middle.
        to.proxy.rule(Rule::on("PATCH", "*").first(2).then(fault));
        step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
            .run()
            .await
            .ok();
        assert!(to.client.holds("acme/app", &image).await, "{case}");
        assert!(
            to.proxy.count("GET", "*/blobs/uploads/*") >= 2,
            "{case}: it asked where it stands: {}",
            to.proxy.log_text()
        );
    }
}

/// Only a registry that keeps the parts of a broken upload can show it: Debian's does not.
#[tokio::test]
async fn an_upload_goes_on_where_the_registry_keeps_its_parts() {
    let (from, _, image) = two().await;
    let keeper = ScriptedServer::answering(move |request, nth| {
        let go_on = [("Location", "/v2/acme/app/blobs/uploads/one")];
        match (request.method.as_str(), request.path()) {
            ("HEAD", path) if !path.contains("/uploads/") => answer(404, &[], ""),
            ("POST", _) => answer(202, &go_on, ""),
            // Neither the first blob nor the second comes through in one piece.
            ("PATCH", _) if request.header("content-range").is_none() => {
                answer(503, &[("Retry-After", "0")], "")
            }
            ("PATCH", _) => answer(202, &go_on, ""),
            ("GET", _) => answer(
                204,
                &[("Range", "0-99"), ("Location", "/v2/acme/app/blobs/uploads/one?part=2")],
                "",
            ),
            // The list itself is not what this is about.
            ("PUT", path) if path.contains("/manifests/") => answer(403, &[], ""),
            ("PUT", _) => answer(201, &[], ""),
            other => panic!("{other:?} at request {nth}"),
        }
    });
    let ran =
        step_with_report(&format!("{}/acme/app:1", keeper.host()), &from.full_name("acme/app:a"))
            .run()
            .await
            .fails(6);
    let patches: Vec<_> =
        keeper.requests().into_iter().filter(|request| request.method == "PATCH").collect();
    let rest: Vec<_> = patches
        .iter()
        .filter_map(|patch| Some((patch.header("content-range")?.to_owned(), patch)))
        .collect();
    assert_eq!((patches.len(), rest.len()), (4, 2), "{}", ran.everything());
    for (range, patch) in rest {
        let end: usize = range.strip_prefix("100-").unwrap().parse().unwrap();
        assert_eq!(patch.body.len(), end - 99, "only what was lacking went again");
        assert!(patch.target.ends_with("?part=2"), "where it was told to go on");
        let whole = [image.config(), image.layer_blob()]
            .into_iter()
            .find(|blob| blob.len() == end + 1)
            .unwrap();
        assert_eq!(patch.body, whole[100..]);
    }
}

#[tokio::test]
async fn a_commit_that_landed_unseen_is_not_repeated() {
    let (from, to, image) = two().await;
    to.proxy.rule(Rule::on("PUT", "*/blobs/uploads/*").first(2).then(Fault::ResetAfterForward));
    step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a")).run().await.ok();
    assert!(to.client.holds("acme/app", &image).await);
    assert_eq!(to.proxy.count("PUT", "*/blobs/uploads/*"), 2, "{}", to.proxy.log_text());
}

#[tokio::test]
async fn an_upload_of_which_the_registry_does_not_say_how_far_it_came_starts_anew() {
    for status in [400, 405] {
        let (from, to, image) = two().await;
        to.proxy.rule(Rule::on("PATCH", "*").nth(1).then(Fault::Reset));
        to.proxy.rule(Rule::on("GET", "*/blobs/uploads/*").then(Fault::Status(status)));
        step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
            .run()
            .await
            .ok();
        assert!(to.client.holds("acme/app", &image).await, "{status}");
        assert_eq!(
            to.proxy.count("POST", "*/blobs/uploads/"),
            3,
            "{status}: {}",
            to.proxy.log_text()
        );
    }
}

#[tokio::test]
async fn an_upload_whose_session_is_lost_starts_anew() {
    let (from, to, image) = two().await;
    to.proxy.rule(
        Rule::on("PUT", "*/blobs/uploads/*")
            .nth(1)
            .then(Fault::Status(404).error("BLOB_UPLOAD_UNKNOWN", "gone")),
    );
    let ran = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
        .run()
        .await
        .ok();
    assert!(to.client.holds("acme/app", &image).await);
    assert_eq!(to.proxy.count("POST", "*/blobs/uploads/"), 3, "{}", to.proxy.log_text());
    let bytes = image.config().len() + image.layer_blob().len();
    assert_eq!(report(&ran)["copied"][0]["bytesUploaded"], bytes, "each byte counts once");
}

#[tokio::test]
async fn bytes_that_were_altered_are_not_taken() {
    let alter = || {
        Fault::AlterBody(|mut body| {
            body.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            body
        })
    };
    let (from, to, image) = two().await;
    from.proxy.rule(Rule::on("GET", &layer(&image)).nth(1).then(alter()));
    step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a")).run().await.ok();
    assert!(to.client.holds("acme/app", &image).await, "bad luck once");

    let (from, to, image) = two().await;
    from.proxy.rule(Rule::on("GET", &layer(&image)).then(alter()));
    let ran = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
        .run()
        .await
        .fails(5);
    assert!(ran.stdout.contains("the content received does not match"), "{}", ran.stdout);
    assert!(to.client.tags("acme/app").await.is_empty());
    assert!(to.client.get_blob("acme/app", &image.blobs()[1]).await.is_none(), "never committed");
}

#[tokio::test]
async fn a_blob_larger_than_its_descriptor_is_cut_off() {
    for length in [true, false] {
        let (from, to, image) = two().await;
        let size = image.layer_blob().len();
        let twice = format!("the blob has {} bytes, but its descriptor says {size}", 2 * size);
        let why = if length { twice } else { format!("is larger than the {size} bytes") };
        from.proxy.rule(
            Rule::on("GET", &layer(&image))
                .then(Fault::AlterBody(|body| [body.clone(), body].concat())),
        );
        if !length {
            from.proxy
                .rule(Rule::on("GET", &layer(&image)).then(Fault::DropHeader("Content-Length")));
        }
        let ran = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
            .run()
            .await
            .fails(5);
        assert!(ran.stdout.contains(&why), "{}", ran.stdout);
        assert_eq!(from.proxy.count("GET", &layer(&image)), 1, "it will not get better");
        assert!(to.client.tags("acme/app").await.is_empty());
    }
}

#[tokio::test]
async fn an_upload_sent_elsewhere_carries_no_login() {
    let (from, to, _) = two().await;
    // Storage likes to quote the signed address that it was asked for.
    let elsewhere = ScriptedServer::answering(|_, _| {
        answer(401, &[("WWW-Authenticate", "Basic realm=\"give\"")], "not /steal?state=signed")
    });
    let location = format!("http://{}/steal?state=signed", elsewhere.host());
    to.proxy.rule(
        Rule::on("POST", "*/blobs/uploads/").then(Fault::Status(202).header("Location", &location)),
    );
    let ran = Step::new()
        .input("tags", &to.full_name("acme/app:1"))
        .input("sources", &from.full_name("acme/app:a"))
        .input("log-level", "trace")
        .input("registry", &to.proxy.host())
        .input("username", "robot")
        .input("password", "canary-password")
        .run()
        .await
        .fails(7);
    assert!(!elsewhere.requests().is_empty());
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()));
    assert!(
        !ran.everything().contains("canary-password") && !ran.everything().contains("state=signed"),
        "{}",
        ran.everything()
    );
}

/// Manifests may be as large as 4 MiB: not all of a list's are held at once.
#[tokio::test]
async fn many_children_with_large_manifests_need_little_memory() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let image = Image::oci("linux/amd64");
    image.push(&from.client, "acme/app", "a").await;
    let mut entries = Vec::new();
    for at in 0..12 {
        let mut manifest: Value = serde_json::from_slice(&image.manifest()).unwrap();
        manifest["annotations"] = json!({"large": "x".repeat(3 << 20), "at": at.to_string()});
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let digest = from.client.put_manifest("acme/app", "", OCI_MANIFEST, &bytes).await;
        let platform =
            json!({"architecture": "amd64", "os": "linux", "variant": format!("v{}", at + 2)});
        entries.push(json!({"mediaType": OCI_MANIFEST, "size": bytes.len(), "digest": digest, "platform": platform}));
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let digest = from
        .client
        .put_manifest("acme/app", "list", OCI_INDEX, &serde_json::to_vec(&index).unwrap())
        .await;
    let (source, tag) = (
        format!("{}/acme/app:list", from.registry.host()),
        format!("{}/acme/app:1", to.registry.host()),
    );
    let ran = step_with_report(&tag, &source).limit(Duration::from_secs(60)).run().await.ok();
    assert_eq!(to.client.get_manifest("acme/app", "1").await.map(|list| list.digest), Some(digest));
    println!("{} KiB", ran.max_rss_kib);
    assert!(ran.max_rss_kib > 0 && ran.max_rss_kib < MOST_KIB, "{} KiB", ran.max_rss_kib);
}

#[tokio::test]
async fn eight_platforms_of_three_large_layers_arrive_in_little_memory() {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    let mut sources = Vec::new();
    for (at, platform) in PLATFORMS.iter().enumerate() {
        let image = (0..3).fold(Image::oci(platform), |image, layer| {
            image.more_layer(vec![u8::try_from(at * 3 + layer).unwrap(); 16 << 20])
        });
        image.push(&from.client, "acme/app", &format!("s{at}")).await;
        sources.push(format!("{}/acme/app:s{at}", from.registry.host()));
    }
    let tag = format!("{}/acme/app:1", to.registry.host());
    let ran = step_with_report(&tag, &sources.join("\n"))
        .limit(Duration::from_secs(110))
        .run()
        .await
        .ok();
    println!("{} KiB, {:?}", ran.max_rss_kib, ran.elapsed);
    assert!(ran.max_rss_kib > 0 && ran.max_rss_kib < MOST_KIB, "{} KiB", ran.max_rss_kib);
    let folder = tempfile::tempdir().unwrap();
    skopeo::copy_all(&tag, folder.path()).await;
}
