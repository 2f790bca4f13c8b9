//! `attestations: discover`: provenance and SBOMs that hang on plain images, taken into the index.

use super::{APP, BUILD, about, built, deeds, step, tags};
use crate::support::artifacts::{ATTESTATION, Artifact, BUNDLE, attach, list_tag, listed, listing};
use crate::support::client::{OCI_INDEX, OCI_MANIFEST};
use crate::support::images::{Image, PLATFORMS};
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, bare_step_at};
use crate::support::skopeo::skopeo;
use crate::support::step::Step;
use serde_json::{Value, json};
use std::time::Duration;

/// The step that publishes `a` in the repository where it is.
fn here(scene: &Scene) -> Step {
    let name = |tag: &str| scene.full_name(&format!("{BUILD}:{tag}"));
    step(scene).input("tags", &name("1")).input("sources", &name("a")).discovering()
}

trait Discovering {
    fn discovering(self) -> Self;
}

impl Discovering for Step {
    fn discovering(self) -> Self {
        self.input("attestations", "discover")
    }
}

fn list_of(subject: &str) -> String {
    format!("/v2/*/referrers/{subject}")
}

fn answer(artifacts: &[&Artifact]) -> Fault {
    Fault::Status(200).header("Content-Type", OCI_INDEX).body(listing(artifacts))
}

/// Whether a tag points to an index of these entries; which.
async fn entries(scene: &Scene, repository: &str, tag: &str) -> Vec<Value> {
    let held = scene.client.get_manifest(repository, tag).await.expect("a tag");
    held.json()["manifests"].as_array().cloned().expect("an index")
}

fn digests(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["digest"].as_str().expect("a digest")).collect()
}

/// The entry of an attestation, as buildx writes it.
fn entry(attestation: &Artifact, image: &Image) -> Value {
    json!({
        "mediaType": OCI_MANIFEST,
        "digest": attestation.digest(),
        "size": attestation.manifest().len(),
        "annotations": {
            "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
            "vnd.docker.reference.digest": image.digest(),
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    })
}

/// What an image has is asked for once by all lists of a run.
#[tokio::test]
async fn lists_of_one_image_ask_once() {
    let (scene, image) = built().await;
    let attestation = about(ATTESTATION, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
    let name = |tag: &str| scene.full_name(&format!("{BUILD}:{tag}"));
    let list = |tag: &str| format!("- {{tags: '{}', sources: '{}'}}\n", name(tag), name("a"));
    let lists = format!("indexes:\n{}{}{}", list("1"), list("2"), list("3"));
    let step = Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml");
    step.discovering().run().await.ok();
    for tag in ["1", "2", "3"] {
        assert_eq!(entries(&scene, BUILD, tag).await[1..], [entry(&attestation, &image)], "{tag}");
    }
    let tag = format!("/v2/{BUILD}/manifests/{}", list_tag(&image.digest()));
    let own = format!("/v2/{BUILD}/manifests/{}", attestation.digest());
    for path in [list_of(&image.digest()), tag, own] {
        assert_eq!(scene.proxy.count("GET", &path), 1, "{path}: {}", scene.proxy.log_text());
    }
}

/// By its fallback tag, as Debian's registry has no API; a signature stays a referrer.
#[tokio::test]
async fn what_attests_a_plain_image_goes_into_the_index_behind_it() {
    let (scene, image) = built().await;
    let (attestation, bundle) = (about(ATTESTATION, &image), about(BUNDLE, &image));
    attach(&scene.client, BUILD, &image.digest(), &[&bundle, &attestation]).await;
    let dry = here(&scene).input("dry-run", "true").run().await.ok();
    let ran = here(&scene).run().await.ok();
    let held = entries(&scene, BUILD, "1").await;
    assert_eq!(held[0]["digest"], image.digest());
    assert_eq!(held[1..], [entry(&attestation, &image)]);
    assert!(ran.stdout.contains("1 attestation"), "{}", ran.stdout);
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64"));
    assert_eq!(dry.output("digest"), ran.output("digest"), "a dry run gives the same");
    // Again, nothing changes; and the other words are as they were.
    let ran = here(&scene).run().await.ok();
    assert_eq!(ran.output("changed").as_deref(), Some("false"));
    for word in ["keep", "drop"] {
        here(&scene).input("attestations", word).run().await.ok();
        assert_eq!(entries(&scene, BUILD, "1").await.len(), 1, "{word}");
    }
    assert_eq!(scene.proxy.count("GET", "*/referrers/*"), 3, "{}", scene.proxy.log_text());
}

/// Behind all images, in the order of the sources; of one image, sorted by digest, however the
/// registry lists them.
#[tokio::test]
async fn the_order_is_the_same_whatever_is_listed_first() {
    let scene = Scene::empty().await;
    let images = [Image::oci("linux/arm64"), Image::oci("linux/amd64")];
    let mut attestations = Vec::new();
    for (at, image) in images.iter().enumerate() {
        image.push(&scene.client, BUILD, &format!("s{at}")).await;
        let mut own = [1, 2].map(|number| about(ATTESTATION, image).with(number));
        own.sort_by_key(Artifact::digest);
        for attestation in &own {
            attestation.push(&scene.client, BUILD, "").await;
        }
        attestations.push(own);
    }
    let expected: Vec<String> = images
        .iter()
        .map(Image::digest)
        .chain(attestations.iter().flatten().map(Artifact::digest))
        .collect();
    let sources = [0, 1].map(|at| scene.full_name(&format!("{BUILD}:s{at}"))).join("\n");
    for is_sorted in [true, false] {
        for (image, own) in images.iter().zip(&attestations) {
            let list = if is_sorted { [&own[0], &own[1]] } else { [&own[1], &own[0]] };
            let rule = Rule::on("GET", &list_of(&image.digest())).nth(1);
            scene.proxy.rule(rule.then(answer(&list)));
        }
        here(&scene).input("sources", &sources).run().await.ok();
        assert_eq!(digests(&entries(&scene, BUILD, "1").await), expected);
    }
}

/// What the question costs: nothing but itself, where there is nothing; with what is found, one
/// round trip. Over HTTP/1.1 more questions than connections are 2 for those that are added.
#[tokio::test]
async fn the_question_takes_no_time_and_what_is_found_one_round_trip() {
    for (count, found, trips) in [(1, 0, 6), (1, 1, 7), (7, 0, 8), (7, 3, 9)] {
        let scene = Scene::empty().await.with_distance(Duration::from_millis(150));
        let images: Vec<Image> = PLATFORMS[..count].iter().map(|name| Image::oci(name)).collect();
        let sources = scene.push_all(&images).await;
        for (at, image) in images.iter().enumerate() {
            let attestation = about(ATTESTATION, image);
            attestation.push(&scene.client, REPO, "").await;
            // A signature is asked for by nobody.
            let bundle = about(BUNDLE, image);
            let list = if at < found { vec![&bundle, &attestation] } else { vec![&bundle] };
            scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(answer(&list)));
        }
        let run = bare_step_at(&scene.proxy.host(), &sources).discovering();
        run.run().await.ok();
        // Two answers that come at once: the connection of the second may not be free in time.
        let last = scene.proxy.log().iter().map(|entry| entry.connection).max();
        let added = 2 * usize::from(count == 1 && last > Some(2));
        let cost = (scene.proxy.requests(), scene.proxy.round_trips() - added);
        assert_eq!(cost, (3 * count + 3 + found, trips), "{}", scene.proxy.log_text());
        assert_eq!(entries(&scene, REPO, "1").await.len(), count + found);
    }
}

/// Into another repository the attestation comes as a part of the index, and once: its list comes
/// along as well.
#[tokio::test]
async fn it_is_copied_once_and_listed() {
    let (scene, image) = built().await;
    let (attestation, bundle) = (about(ATTESTATION, &image), about(BUNDLE, &image));
    attach(&scene.client, BUILD, &image.digest(), &[&bundle, &attestation]).await;
    let ran = step(&scene).discovering().run().await.ok();
    assert_eq!(entries(&scene, APP, "1").await[1], entry(&attestation, &image));
    assert!(attestation.is_in(&scene.client, APP).await && bundle.is_in(&scene.client, APP).await);
    let put = format!("/v2/{APP}/manifests/{}", attestation.digest());
    assert_eq!(scene.proxy.count("PUT", &put), 1, "{}", scene.proxy.log_text());
    let there = listed(&scene.client, APP, &image.digest()).await;
    assert!(there.len() == 2 && there.contains(&attestation.digest()), "{there:?}");
    assert_eq!(deeds(&ran).last().map(String::as_str), Some("move-tag"));
    // Without the referrers it is a part of the index all the same.
    let tag = scene.full_name("acme/bare:1");
    let ran = step(&scene).discovering().input("referrers", "leave").input("tags", &tag);
    ran.run().await.ok();
    assert!(attestation.is_in(&scene.client, "acme/bare").await);
    assert!(!bundle.is_in(&scene.client, "acme/bare").await);
    assert!(listed(&scene.client, "acme/bare", &image.digest()).await.is_empty());
    // A platform under a tag of its own is the image alone.
    let own = scene.full_name("acme/{arch}:1");
    step(&scene).discovering().input("platform-tags", &own).run().await.ok();
    let single = scene.client.get_manifest("acme/amd64", "1").await.expect("a tag");
    assert_eq!(single.digest, image.digest());
}

/// From an OCI layout, whose roots may refer to its images.
#[tokio::test]
async fn what_attests_an_image_in_a_file_goes_into_the_index_too() {
    let (scene, image) = built().await;
    let (attestation, bundle) = (about(ATTESTATION, &image), about(BUNDLE, &image));
    let folder = tempfile::tempdir().expect("a folder");
    let layout = format!("oci:{}:a", folder.path().display());
    let from = format!("docker://{}/{BUILD}:a", scene.registry.host());
    skopeo(&["copy", "--preserve-digests", "--src-tls-verify=false", &from, &layout]).await;
    attestation.add_to(folder.path());
    bundle.add_to(folder.path());
    let step = step(&scene).discovering().input("sources", &layout);
    step.run().await.ok();
    let held = entries(&scene, APP, "1").await;
    assert_eq!(held[1..], [entry(&attestation, &image)]);
    assert!(attestation.is_in(&scene.client, APP).await && bundle.is_in(&scene.client, APP).await);
    assert_eq!(listed(&scene.client, APP, &image.digest()).await.len(), 2);
}

/// A source that is an index brings its own, and nothing is asked of it.
#[tokio::test]
async fn what_a_source_brings_is_not_there_twice() {
    let (scene, image) = built().await;
    let attestation = about(ATTESTATION, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
    here(&scene).run().await.ok();
    let index = scene.client.get_manifest(BUILD, "1").await.expect("a tag");
    let (asked, name) = (list_of("*"), |tag: &str| scene.full_name(&format!("{BUILD}:{tag}")));
    let before = scene.proxy.count("GET", &asked);
    let two = here(&scene).input("tags", &name("2")).input("sources", &name("1"));
    two.run().await.ok();
    assert_eq!(scene.client.get_manifest(BUILD, "2").await.expect("a tag").bytes, index.bytes);
    assert_eq!(scene.proxy.count("GET", &asked), before, "of an index nothing is asked");
    for sources in [["1", "a"], ["a", "1"]] {
        let sources = sources.map(name).join("\n");
        here(&scene).input("tags", &name("3")).input("sources", &sources).run().await.ok();
        let held = entries(&scene, BUILD, "3").await;
        assert_eq!(digests(&held), [image.digest(), attestation.digest()], "{sources}");
    }
    // One image as it is has no index that could name an attestation.
    let bare = here(&scene).input("tags", &name("4")).input("prefer-index", "false");
    let before = scene.proxy.count("GET", &asked);
    let ran = bare.run().await.ok();
    assert_eq!(ran.output("digest"), Some(image.digest()));
    assert_eq!(scene.proxy.count("GET", &asked), before);
}

/// The attestation of an image that is replaced goes with it; of an index that is picked from, that
/// of the platform stays.
#[tokio::test]
async fn append_replaces_an_image_with_its_attestation() {
    let (scene, old) = built().await;
    let new = Image::oci("linux/amd64").seed(1);
    new.push(&scene.client, BUILD, "b").await;
    let attestations = [&old, &new].map(|image| about(ATTESTATION, image));
    for (image, attestation) in [&old, &new].into_iter().zip(&attestations) {
        attach(&scene.client, BUILD, &image.digest(), &[attestation]).await;
    }
    let index = BuiltIndex::new(vec![Image::oci("linux/arm64"), Image::oci("linux/s390x")]);
    index.attestations(true).push(&scene.client, BUILD, "built").await;
    let name = |tag: &str| scene.full_name(&format!("{BUILD}:{tag}"));
    let appending = |source: &str| here(&scene).input("sources", source).input("append", "true");
    appending(&name("a")).run().await.ok();
    assert_eq!(
        digests(&entries(&scene, BUILD, "1").await),
        [old.digest(), attestations[0].digest()]
    );
    appending(&format!("linux/arm64={}", name("built"))).run().await.ok();
    appending(&name("b")).run().await.ok();
    let held = entries(&scene, BUILD, "1").await;
    assert_eq!(held.len(), 4, "{held:#?}");
    assert_eq!(held[0]["digest"], new.digest());
    assert_eq!(held[3], entry(&attestations[1], &new));
    let again = appending(&name("b")).run().await.ok();
    assert_eq!(again.output("changed").as_deref(), Some("false"));
}

/// A Docker list has no place for it; Docker images have one in an OCI index.
#[tokio::test]
async fn a_docker_list_is_refused_only_where_something_is_found() {
    let scene = Scene::empty().await;
    let image = Image::docker("linux/amd64");
    image.push(&scene.client, BUILD, "a").await;
    here(&scene).input("format", "docker").run().await.ok();
    let attestation = about(ATTESTATION, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
    let ran = here(&scene).input("format", "docker").run().await.fails(5);
    assert!(ran.stdout.contains("`format: docker` is not possible"), "{}", ran.stdout);
    assert!(ran.stdout.contains("`attestations: drop`"), "{}", ran.stdout);
    here(&scene).run().await.ok();
    assert_eq!(entries(&scene, BUILD, "1").await[1], entry(&attestation, &image));
}

async fn refused(ran: Ran, scene: &Scene, case: &str) {
    let way_out = "`attestations: keep` publishes those that the sources hold";
    assert!(ran.stdout.contains(way_out), "{case}: {}", ran.stdout);
    assert!(tags(scene).await.is_empty(), "{case}");
}

/// At once, though the run would wait for images.
#[tokio::test]
async fn one_that_is_listed_and_cannot_be_had_moves_no_tag() {
    let altered = || {
        Fault::alter(|mut bytes| {
            bytes.push(b' ');
            bytes
        })
    };
    for (case, fault, exit) in [
        ("gone", Fault::Status(404), 7),
        ("denied", Fault::Status(403), 6),
        ("altered", altered(), 5),
    ] {
        let (scene, image) = built().await;
        let attestation = about(ATTESTATION, &image);
        attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
        let place = format!("/v2/{BUILD}/manifests/{}", attestation.digest());
        scene.proxy.rule(Rule::on("GET", &place).then(fault));
        let ran = step(&scene).discovering().input("wait", "5m").run().await.fails(exit);
        refused(ran, &scene, case).await;
    }
    // An entry of a list that says something else than the attestation is.
    let (scene, image) = built().await;
    let attestation = about(ATTESTATION, &image);
    attestation.push(&scene.client, BUILD, "").await;
    let mut wrong = attestation.descriptor();
    wrong["size"] = json!(attestation.manifest().len() + 1);
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [wrong]});
    let fault = Fault::Status(200).header("Content-Type", OCI_INDEX).body(list.to_string());
    scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(fault));
    let ran = step(&scene).discovering().run().await.fails(5);
    assert!(ran.stdout.contains("is not what is listed"), "{}", ran.stdout);
    refused(ran, &scene, "wrong size").await;
}

#[tokio::test]
async fn a_list_that_cannot_be_had_moves_no_tag_and_a_denied_one_is_told() {
    let broken = Fault::Status(200).header("Content-Type", OCI_INDEX).body("{\"schemaVersion\":2");
    for (case, fault, exit) in [("fails", Fault::Status(500), 7), ("no JSON", broken, 5)] {
        let (scene, image) = built().await;
        scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(fault));
        let ran = step(&scene).discovering().run().await.fails(exit);
        assert!(ran.stdout.contains("cannot list what refers to"), "{case}: {}", ran.stdout);
        refused(ran, &scene, case).await;
    }
    let (scene, image) = built().await;
    let attestation = about(ATTESTATION, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
    scene.proxy.rule(Rule::on("GET", &list_of(&image.digest())).then(Fault::Status(403)));
    let ran = here(&scene).run().await.ok();
    assert!(ran.stdout.contains("the registry denies its list of referrers"), "{}", ran.stdout);
    assert_eq!(entries(&scene, BUILD, "1").await.len(), 2);
}

/// A registry that is in trouble for a moment is waited for, as with all that is read of a source.
#[tokio::test]
async fn trouble_with_the_list_is_waited_for() {
    let (scene, image) = built().await;
    let attestation = about(ATTESTATION, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
    let rule = Rule::on("GET", &list_of(&image.digest())).first(7);
    scene.proxy.rule(rule.then(Fault::Status(503)));
    let step = here(&scene).input("wait", "5m").input("wait-interval", "100ms");
    step.run().await.ok();
    assert_eq!(entries(&scene, BUILD, "1").await.len(), 2);
}

/// Whoever may write a list cannot have anything else taken into an index.
#[tokio::test]
async fn what_is_listed_and_is_no_attestation_of_the_image_stays_outside() {
    let (scene, image) = built().await;
    let stray = about(ATTESTATION, &Image::oci("linux/s390x"));
    let untyped = about(ATTESTATION, &image);
    let lies = about(BUNDLE, &image);
    for artifact in [&stray, &untyped, &lies] {
        artifact.push(&scene.client, BUILD, "").await;
    }
    let (mut without, mut lying) = (untyped.descriptor(), lies.descriptor());
    without.as_object_mut().unwrap().remove("artifactType");
    lying["artifactType"] = json!(ATTESTATION);
    let manifests = [stray.descriptor(), without, lying];
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let tag = list_tag(&image.digest());
    scene.client.put_manifest(BUILD, &tag, OCI_INDEX, list.to_string().as_bytes()).await;
    let ran = here(&scene).run().await.ok();
    let warning = format!("@{} is listed under {}", stray.digest(), image.digest());
    assert!(ran.stdout.contains(&warning), "{}", ran.stdout);
    assert_eq!(
        digests(&entries(&scene, BUILD, "1").await),
        [image.digest(), untyped.digest()],
        "the type that the manifest says counts"
    );
    // More than anybody attests.
    let many: Vec<Value> = (0..257)
        .map(|at: u32| {
            let digest = crate::support::client::sha256(&at.to_be_bytes());
            json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 9})
        })
        .collect();
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": many});
    let fault = Fault::Status(200).header("Content-Type", OCI_INDEX).body(list.to_string());
    scene.proxy.rule(Rule::on("GET", &format!("/v2/{BUILD}/manifests/{tag}")).then(fault));
    let ran = here(&scene).run().await.fails(5);
    assert!(ran.stdout.contains("more than 256 attestations are listed"), "{}", ran.stdout);
}

/// A key of `spec`, for each index; and a flag.
#[tokio::test]
async fn each_index_of_a_spec_has_its_own_way() {
    let (scene, image) = built().await;
    let attestation = about(ATTESTATION, &image);
    attach(&scene.client, BUILD, &image.digest(), &[&attestation]).await;
    let name = |tag: &str| scene.full_name(&format!("{BUILD}:{tag}"));
    let index =
        |tag: &str, more: &str| format!("- tags: {}\n  sources: {}\n{more}", name(tag), name("a"));
    let spec = format!("indexes:\n{}{}", index("1", ""), index("2", "  attestations: keep\n"));
    Step::new().github().input("spec", &spec).discovering().run().await.ok();
    assert_eq!(entries(&scene, BUILD, "1").await.len(), 2);
    assert_eq!(entries(&scene, BUILD, "2").await.len(), 1);
    let flags = ["create", "--attestations", "discover", &name("3"), &name("a")];
    Step::new().args(flags).run().await.ok();
    assert_eq!(entries(&scene, BUILD, "3").await.len(), 2);
}
