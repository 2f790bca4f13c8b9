//! `platform-tags`: each platform under a tag of its own, as it is, beside the index.

use crate::as_it_is::{report, writes};
use crate::support::client::{Client, OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{BOTH, REPO, Scene, amd64, arm64, manifest};
use crate::support::skopeo;
use crate::support::step::Step;
use crate::support::token::TokenServer;
use serde_json::{Value, json};

/// The step that publishes both images at `1` and each at tags of its own.
fn step(scene: &Scene, own: &[&str]) -> Step {
    let step = scene.step_of(&BOTH).input("json-file", "report.json");
    step.input("platform-tags", &scene.references(own))
}

fn changed(ran: &Ran) -> Option<String> {
    ran.output("changed")
}

/// Whether nothing was written.
fn wrote_nothing(scene: &Scene) -> bool {
    !scene.proxy.log().iter().any(|entry| entry.writes())
}

#[tokio::test]
async fn each_platform_gets_its_image_byte_for_byte() {
    let scene = Scene::with_both().await;
    let ran = step(&scene, &["1-{arch}"]).run().await.ok();
    for (tag, image) in [("1-amd64", amd64()), ("1-arm64", arm64())] {
        let found = scene.at(tag).await;
        assert_eq!((found.bytes, &*found.media_type), (image.manifest(), image.media_type()));
    }
    let index = ran.output("digest").unwrap();
    assert_eq!(
        (scene.at("1").await.digest, &*scene.at("1").await.media_type),
        (index.clone(), OCI_INDEX)
    );
    let image = |tag: &str, digest: &str| format!("{}@{digest}", scene.reference(tag));
    let images = [
        image("1", &index),
        image("1-amd64", &amd64().digest()),
        image("1-arm64", &arm64().digest()),
    ];
    assert_eq!(ran.output("images"), Some(images.join("\n")));
    let by_digest = format!("{}@{index}", scene.full_name(REPO));
    assert_eq!(
        (ran.output("image"), ran.output("refs")),
        (Some(by_digest.clone()), Some(by_digest))
    );
    let tags = report(&ran)["tags"].clone();
    let tag = |tag: &str, platform: Value, digest: Value| {
        let reference = scene.reference(tag);
        json!({"reference": reference, "state": "created", "was": null, "platform": platform, "digest": digest})
    };
    let own = |platform: &str, image: Image| (json!(platform), json!(image.digest()));
    let (amd64, arm64) = (own("linux/amd64", amd64()), own("linux/arm64", arm64()));
    let expected = [
        tag("1", Value::Null, Value::Null),
        tag("1-amd64", amd64.0, amd64.1),
        tag("1-arm64", arm64.0, arm64.1),
    ];
    assert_eq!(tags, json!(expected));
    for line in ["| `1-amd64` | created |", "| `1-arm64` | created |", "| `1` | created |"] {
        assert!(ran.summary().contains(line), "{}", ran.summary());
    }
    let deeds = writes(&ran);
    assert_eq!((&*deeds[0], &*deeds[3]), (&*format!("push-index {index}"), "move-tag 1"));
    for tag in ["1-amd64", "1-arm64"] {
        let told = format!("tag      {}  created", scene.reference(tag));
        assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    }

    let before = scene.proxy.requests();
    let again = step(&scene, &["1-{arch}"]).run().await.ok();
    assert_eq!(
        (changed(&again), again.output("images")),
        (Some("false".into()), ran.output("images"))
    );
    let log = scene.proxy.log();
    assert!(log[before..].iter().all(|entry| !entry.writes()), "{}", scene.proxy.log_text());
    // One of them alone is put back.
    scene.push(&Image::oci("linux/s390x"), "1-arm64").await;
    let ran = step(&scene, &["1-{arch}"]).run().await.ok();
    assert_eq!(
        (changed(&ran), writes(&ran)),
        (Some("true".into()), vec!["move-tag 1-arm64".to_owned()])
    );
}

#[tokio::test]
async fn bare_tags_go_to_every_repository_and_placeholders_are_as_platforms_has_them() {
    let scene = Scene::empty().await;
    scene.push(&amd64(), "amd64").await;
    scene.push(&Image::oci("linux/arm/v7"), "arm").await;
    let step = |platforms: &str, own: &str| {
        let step =
            scene.step_of(&["amd64", "arm"]).input("tags", "2").input("platforms", platforms);
        let images = [REPO, "acme/mirror"].map(|name| scene.full_name(name));
        step.input("images", &images.join(",")).input("platform-tags", own)
    };
    let tags = async || scene.client.tags("acme/mirror").await.join(" ");
    step("", "2-{arch}-{variant}, {platform}").run().await.ok();
    assert_eq!(tags().await, "2 2-amd64 2-arm-v7 linux-amd64 linux-arm-v7");
    step("linux/x86_64, linux/arm", "3-{arch}-{variant}").run().await.ok();
    assert_eq!(tags().await, "2 2-amd64 2-arm-v7 3-arm 3-x86_64 linux-amd64 linux-arm-v7");
    let mirrored = scene.client.get_manifest("acme/mirror", "3-arm").await.expect("a tag");
    assert_eq!(mirrored.digest, Image::oci("linux/arm/v7").digest());
    assert!(scene.client.holds("acme/mirror", &Image::oci("linux/arm/v7")).await);
}

#[tokio::test]
async fn an_index_of_one_platform_stays_whole_and_of_several_the_image_counts() {
    let scene = Scene::empty().await;
    let alone = BuiltIndex::new(vec![amd64()]).attestations(true);
    alone.push(&scene.client, REPO, "alone").await;
    let several = BuiltIndex::new(vec![arm64(), Image::docker("linux/s390x")]).attestations(true);
    several.push(&scene.client, REPO, "several").await;
    let run = async |sources: &[&str], attestations: &str| {
        let step = scene.step_of(sources).input("attestations", attestations);
        step.input("platform-tags", &scene.reference("1-{arch}")).run().await.ok()
    };
    let ran = run(&["alone", "several"], "keep").await;
    let digest = async |tag: &str| scene.at(tag).await.digest;
    assert_eq!(digest("1-amd64").await, alone.digest());
    assert_eq!(digest("1-arm64").await, arm64().digest());
    assert_eq!(scene.at("1-s390x").await.bytes, Image::docker("linux/s390x").manifest());
    // The outputs are of the images all the same.
    let digests: Value = serde_json::from_str(&ran.output("digests").unwrap()).unwrap();
    assert_eq!(digests["linux/amd64"], json!(amd64().digest()));
    run(&["alone", "several"], "drop").await;
    assert_eq!(digest("1-amd64").await, amd64().digest());
    run(&["linux/arm64=several", "alone"], "keep").await;
    assert_eq!(digest("1-arm64").await, arm64().digest());
    // A single source too, which is published as it is.
    run(&["alone"], "keep").await;
    assert_eq!((digest("1").await, digest("1-amd64").await), (alone.digest(), alone.digest()));
}

#[tokio::test]
async fn a_repository_for_each_architecture_gets_what_it_needs_and_no_more() {
    let scene = Scene::empty().await;
    let built = BuiltIndex::new(vec![amd64()]).attestations(true);
    built.push(&scene.client, REPO, "a").await;
    scene.push(&arm64(), "b").await;
    let step = scene.step_of(&["a", "b"]).input("json-file", "report.json");
    let ran = step.input("platform-tags", &scene.full_name("acme/{arch}/app:2")).run().await.ok();
    let found = async |repository: &str| {
        let found = scene.client.get_manifest(repository, "2").await.expect("a tag");
        found.digest
    };
    assert_eq!(found("acme/amd64/app").await, built.digest());
    assert_eq!(found("acme/arm64/app").await, arm64().digest());
    for (repository, image, other) in
        [("acme/amd64/app", amd64(), arm64()), ("acme/arm64/app", arm64(), amd64())]
    {
        assert!(scene.client.holds(repository, &image).await, "{repository}");
        assert!(!scene.client.holds(repository, &other).await, "{repository}");
    }
    let attestation = &built.attestation_digests()[0];
    assert!(scene.client.get_manifest("acme/amd64/app", attestation).await.is_some());
    // All of it is complete, by digest, before the first tag moves.
    let deeds = writes(&ran);
    let first = deeds.iter().position(|deed| deed.starts_with("move-tag")).unwrap();
    assert_eq!(deeds[first..], ["move-tag 2", "move-tag 2", "move-tag 1"]);
    assert!(deeds[..first].contains(&format!("push-index {}", built.digest())), "{deeds:?}");
    let folder = tempfile::tempdir().unwrap();
    let reference = format!("{}/acme/amd64/app:2", scene.registry.host());
    skopeo::copy_all(&reference, folder.path()).await;
}

#[tokio::test]
async fn another_registry_gets_them_too() {
    let (from, to) = (Scene::with_both().await, Scene::empty().await);
    let own = [from.reference("1-{arch}"), to.reference("1-{arch}")].join("\n");
    let ran = step(&from, &[]).input("platform-tags", &own).run().await.ok();
    for image in [amd64(), arm64()] {
        let platform = image.platform_json();
        let tag = format!("1-{}", platform["architecture"].as_str().unwrap());
        assert_eq!(to.at(&tag).await.bytes, image.manifest());
        assert!(to.client.holds(REPO, &image).await);
    }
    assert_eq!(to.digest("1").await, None, "the index is not asked for there");
    assert_eq!(ran.output("refs").unwrap().lines().count(), 1);
}

#[tokio::test]
async fn they_move_first_and_latest_and_its_kin_last() {
    let scene = Scene::with_both().await;
    let tags = scene.references(&["latest", "1"]);
    let ran = step(&scene, &["latest-{arch}", "1-{arch}"]).input("tags", &tags).run().await.ok();
    let deeds = writes(&ran);
    let order: Vec<&str> = deeds.iter().filter_map(|deed| deed.strip_prefix("move-tag ")).collect();
    let wave = |from: usize, to: usize| {
        let mut wave = order[from..to].to_vec();
        wave.sort_unstable();
        wave
    };
    assert_eq!(wave(0, 2), ["1-amd64", "1-arm64"]);
    assert_eq!(order[2], "1");
    assert_eq!(wave(3, 5), ["latest-amd64", "latest-arm64"]);
    assert_eq!(order[5..], ["latest"]);
}

#[tokio::test]
async fn one_that_fails_holds_back_the_tags_of_the_index() {
    let scene = Scene::with_both().await;
    let denied = Fault::Status(400).error("TAG_INVALID", "no");
    scene.proxy.rule(Rule::on("PUT", &manifest("1-arm64")).then(denied));
    let ran = step(&scene, &["1-{arch}"]).run().await;
    assert!([7, 8].contains(&ran.status), "{}", ran.everything());
    assert_eq!((scene.digest("1").await, scene.digest("1-arm64").await), (None, None));
    let tags = report(&ran)["tags"].clone();
    assert_eq!((&tags[0]["state"], &tags[2]["state"]), (&json!("left"), &json!("failed")));
}

#[tokio::test]
async fn a_tag_that_may_not_move_stops_all_before_anything_is_written() {
    let scene = Scene::with_both().await;
    let old = scene.push(&Image::oci("linux/s390x"), "1-arm64").await;
    for overwrite in ["false", "1, latest"] {
        let ran = step(&scene, &["1-{arch}"]).input("overwrite", overwrite).run().await.fails(5);
        let held = format!("{} points to {old}", scene.reference("1-arm64"));
        assert!(ran.stdout.contains(&held), "{}", ran.stdout);
    }
    assert!(wrote_nothing(&scene), "{}", scene.proxy.log_text());
    step(&scene, &["1-{arch}"]).input("overwrite", "1-a*").run().await.ok();
    assert_eq!(scene.at("1-arm64").await.digest, arm64().digest());
}

#[tokio::test]
async fn two_platforms_for_one_tag_are_refused_before_any_write() {
    let scene = Scene::empty().await;
    let images = [Image::oci("linux/arm/v6"), Image::oci("linux/arm/v7")];
    let sources = scene.push_all(&images).await;
    let step = |own: &str| scene.step_of(&sources).input("platform-tags", &scene.reference(own));
    let ran = step("1-{arch}").run().await.fails(5);
    let line = format!("{}: linux/arm/v6 and linux/arm/v7", scene.reference("1-arm"));
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    let ran = step("{variant}").input("tags", &scene.reference("v7")).run().await.fails(5);
    let line = format!("{}: linux/arm/v7 and the index", scene.reference("v7"));
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    // Where platforms are known, before any request.
    let before = scene.proxy.requests();
    let ran = step("1-{arch}").input("platforms", "linux/arm/v6,linux/arm/v7").run().await.fails(2);
    let why = format!(
        "linux/arm/v6 and linux/arm/v7 both give {}: the template needs {{variant}}",
        scene.reference("1-arm")
    );
    assert!(ran.stdout.contains(&format!("platform-tags, line 1: {why}")), "{}", ran.stdout);
    assert_eq!(scene.proxy.requests(), before);
    assert!(wrote_nothing(&scene), "{}", scene.proxy.log_text());
    step("1-{arch}{variant}").run().await.ok();
    assert_eq!(scene.at("1-armv6").await.digest, images[0].digest());
}

#[tokio::test]
async fn append_gives_tags_only_to_what_it_adds() {
    let scene = Scene::with_both().await;
    let step = |source: &str| {
        let step = scene.step_of(&[source]).input("append", "true");
        step.input("platform-tags", &scene.reference("1-{arch}"))
    };
    step("amd64").run().await.ok();
    let ran = step("arm64").run().await.ok();
    assert_eq!(scene.entries("1").await.len(), 2);
    let images = ran.output("images").unwrap();
    assert!(images.contains("1-arm64@") && !images.contains("1-amd64"), "{images}");
    assert_eq!(scene.at("1-amd64").await.digest, amd64().digest());
    let again = step("arm64").run().await.ok();
    assert_eq!(changed(&again), Some("false".to_owned()));
    // The index is as it shall be, and only the platform's tag is not.
    scene.push(&amd64(), "1-arm64").await;
    let dry = step("arm64").input("dry-run", "true").run().await.ok();
    assert_eq!(changed(&dry), Some("true".to_owned()));
    assert_eq!(changed(&step("arm64").run().await.ok()), Some("true".to_owned()));
    assert_eq!(scene.at("1-arm64").await.digest, arm64().digest());
}

#[tokio::test]
async fn a_dry_run_tells_what_would_move_and_a_skipped_platform_gets_none() {
    let scene = Scene::with_amd64().await;
    let tagged = scene.push(&Image::oci("linux/s390x"), "1-amd64").await;
    let skipping = || step(&scene, &["1-{arch}"]).input("missing", "skip");
    let dry = skipping().input("dry-run", "true").run().await.ok();
    let line = format!("dry run  would move {}  now {tagged}", scene.reference("1-amd64"));
    assert!(dry.stdout.contains(&line), "{}", dry.stdout);
    assert_eq!(changed(&dry), Some("true".to_owned()));
    assert!(wrote_nothing(&scene), "{}", scene.proxy.log_text());
    let ran = skipping().run().await.ok();
    assert_eq!(ran.output("images"), dry.output("images"));
    assert_eq!(
        (scene.at("1-amd64").await.digest, scene.digest("1-arm64").await),
        (amd64().digest(), None)
    );
    let again = skipping().input("dry-run", "true").run().await.ok();
    assert_eq!(changed(&again), Some("false".to_owned()));
}

#[tokio::test]
async fn lists_of_a_file_have_their_own() {
    let scene = Scene::with_pairs(&["a", "b"]).await;
    let list = |name: &str, own: &str| {
        let [tag, sources] = [name, &format!("{name}-{{arch}}")].map(|tag| scene.reference(tag));
        format!(
            "  - tags: {tag}\n    sources: {sources}\n    platform-tags: {}\n",
            scene.reference(own)
        )
    };
    let run = |lists: [String; 2]| {
        let file = format!("indexes:\n{}", lists.concat());
        let step = Step::new().github().file("lists.yaml", file).input("spec", "lists.yaml");
        step.input("platforms", "linux/amd64,linux/arm64").input("wait", "0")
    };
    let ran = run([list("a", "x-{arch}"), list("b", "x-{arch}")]).run().await.fails(2);
    let told =
        format!("platform-tags: {} is also published by index 1", scene.reference("x-amd64"));
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    let beside = run([list("a", "x-{arch}"), list("b", "y-{arch}")]);
    let ran = beside.input("platform-tags", &scene.reference("z-{arch}")).run().await.fails(2);
    assert!(ran.stdout.contains("platform-tags: cannot be combined with spec"), "{}", ran.stdout);
    let ran = run([list("a", "x-{arch}"), list("b", "y-{arch}")]).run().await.ok();
    assert_eq!(ran.output("images").unwrap().lines().count(), 6);
    for (tag, source) in [("x-amd64", "a-amd64"), ("y-arm64", "b-arm64")] {
        assert_eq!(scene.at(tag).await.digest, scene.at(source).await.digest);
    }
}

#[tokio::test]
async fn the_command_line_has_them_too() {
    let scene = Scene::with_both().await;
    let arguments = ["create", "--platform-tags", &scene.reference("2-{arch}")].map(str::to_owned);
    let sources = BOTH.map(|name| scene.reference(name));
    let step = Step::new().args(arguments).args([scene.reference("2")]).args(sources);
    let ran = step.run().await.ok();
    let printed = format!("{}@{}\n", scene.reference("2"), scene.at("2").await.digest);
    assert_eq!(ran.stdout, printed);
    assert_eq!(sha256(&scene.at("2-arm64").await.bytes), arm64().digest());
}

/// What an image says that it is for does not choose which registry is talked to.
#[tokio::test]
async fn no_image_leads_to_another_registry() {
    let scene = Scene::empty().await;
    scene.push(&Image::oci("linux/evil.example"), "built").await;
    let step = scene.step_of(&["built"]).input("platform-tags", "{arch}/app:1");
    let ran = step.run().await.fails(5);
    let words = "evil.example/app:1 is at another registry than docker.io";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    assert!(wrote_nothing(&scene), "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn lists_that_go_together_move_none_before_all_are_complete() {
    let scene = Scene::with_pairs(&["a"]).await;
    let list = |name: &str| {
        let [tag, sources, own] =
            [name, &format!("{name}-{{arch}}"), &format!("own-{name}-{{arch}}")]
                .map(|tag| scene.reference(tag));
        format!("  - tags: {tag}\n    sources: {sources}\n    platform-tags: {own}\n")
    };
    let step = || {
        let file = format!("indexes:\n{}{}", list("a"), list("b"));
        let step = Step::new().github().file("lists.yaml", file).input("spec", "lists.yaml");
        step.input("platforms", "linux/amd64,linux/arm64").input("wait", "0")
    };
    let state = scene.state().await;
    step().run().await.fails(3);
    assert_eq!(scene.state().await, state);
    for (seed, arch) in [(5, "amd64"), (6, "arm64")] {
        scene.push(&Image::oci(&format!("linux/{arch}")).seed(seed), &format!("b-{arch}")).await;
    }
    let before = scene.proxy.log().len();
    step().run().await.ok();
    let log = scene.proxy.log();
    let puts = log[before..].iter().filter(|entry| entry.method == "PUT");
    let names: Vec<&str> = puts.filter_map(|put| put.path.rsplit('/').next()).collect();
    let place = |name: &str| names.iter().position(|put| *put == name).expect("a put");
    // The indexes, then all tags of platforms, then those of the indexes.
    assert!(names[..2].iter().all(|name| name.starts_with("sha256:")), "{names:?}");
    for own in ["own-a-amd64", "own-a-arm64", "own-b-amd64", "own-b-arm64"] {
        assert!((2..6).contains(&place(own)), "{names:?}");
    }
    assert_eq!(place("a").min(place("b")), 6, "{names:?}");
}

#[tokio::test]
async fn one_image_as_it_is_has_them_as_well() {
    let scene = Scene::with_amd64().await;
    let step = scene.step_of(&["amd64"]).input("prefer-index", "false");
    let own = scene.references(&["1-{arch}"]);
    let ran = step.input("platform-tags", &own).run().await.ok();
    let digest = Some(amd64().digest());
    assert_eq!((scene.digest("1").await, scene.digest("1-amd64").await), (digest.clone(), digest));
    assert_eq!(ran.output("images").unwrap().lines().count(), 2);
}

/// Also where nobody knows before the images are there which repositories will be pushed to.
#[tokio::test]
async fn a_token_is_asked_for_wherever_they_go() {
    for (platforms, is_known) in [("linux/amd64,linux/arm64", true), ("", false)] {
        let tokens =
            TokenServer::new().user("ci", "correct-horse").anonymous_pull(false).start().await;
        let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
        scene.push_both().await;
        let step = step(&scene, &[]).input("platforms", platforms);
        let step = step.input("platform-tags", &scene.full_name("acme/{arch}/app:1"));
        let step = step.input("username", "ci").input("password", "correct-horse");
        step.run().await.ok();
        let all = "repository:acme/arm64/app:pull,push";
        let client = Client::new(&scene.registry.host()).bearer(&tokens.mint(all));
        let found = client.get_manifest("acme/arm64/app", "1").await.expect("a tag");
        assert_eq!(found.digest, arm64().digest());
        let scopes: Vec<Vec<String>> =
            tokens.requests().into_iter().map(|request| request.scopes).collect();
        let mounts = vec![all.to_owned(), format!("repository:{REPO}:pull")];
        assert_eq!(scopes.contains(&mounts), is_known, "{scopes:?}");
    }
}
