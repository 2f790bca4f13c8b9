//! Changing a list that is in a registry: append, annotate, remove, alone and two at once.

use crate::support::client::{Client, DOCKER_LIST, OCI_INDEX};
use crate::support::images::Image;
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::running::Ran;
use crate::support::step::Step;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;

const PLATFORMS: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/s390x"];

async fn run(arguments: &[&str]) -> Ran {
    Step::new().args(arguments.iter().copied()).run().await
}

async fn entries(client: &Client, tag: &str) -> Vec<Value> {
    let fetched = client.get_manifest("acme/app", tag).await.expect("the tag is there");
    fetched.json()["manifests"].as_array().expect("a list").clone()
}

fn platform(entry: &Value) -> String {
    let part = |name: &str| entry["platform"][name].as_str().unwrap_or_default().to_owned();
    let mut text = format!("{}/{}", part("os"), part("architecture"));
    for (before, name) in [("/", "variant"), (" ", "os.version")] {
        if !part(name).is_empty() {
            text = format!("{text}{before}{}", part(name));
        }
    }
    text
}

async fn platforms(client: &Client, tag: &str) -> Vec<String> {
    entries(client, tag).await.iter().map(platform).collect()
}

#[tokio::test]
async fn append_replaces_in_place_adds_behind_and_takes_attestations_along() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let (amd, arm) = (Image::oci("linux/amd64"), Image::oci("linux/arm64"));
    BuiltIndex::new(vec![amd.clone(), arm.clone()])
        .attestations(true)
        .push(&client, "acme/app", "1")
        .await;
    let newer = BuiltIndex::new(vec![Image::oci("linux/amd64").seed(2)]).attestations(true);
    newer.push(&client, "acme/app", "amd64").await;
    Image::oci("linux/s390x").push(&client, "acme/app", "s390x").await;
    let image = |tag: &str| format!("{}/acme/app:{tag}", registry.host());
    let step = Step::new()
        .input("tags", &image("1"))
        .input("sources", &format!("{}\n{}", image("s390x"), image("amd64")))
        .input("platforms", "linux/amd64,linux/s390x")
        .input("append", "true")
        .github();
    let ran = step.run().await.ok();
    assert_eq!(ran.output("changed").as_deref(), Some("true"));
    let list = entries(&client, "1").await;
    let shown: Vec<String> = list.iter().map(platform).collect();
    assert_eq!(
        shown,
        ["linux/amd64", "linux/arm64", "unknown/unknown", "linux/s390x", "unknown/unknown"]
    );
    assert_eq!(list[0]["digest"], newer.images()[0].digest(), "replaced in its place");
    let attested = |at: usize| {
        list[at]["annotations"]["vnd.docker.reference.digest"].as_str().map(str::to_owned)
    };
    assert_eq!(
        (attested(2), attested(4)),
        (Some(arm.digest()), Some(newer.images()[0].digest())),
        "the old one's attestation went"
    );
    let fetched = client.get_manifest("acme/app", "1").await.expect("the tag is there");
    assert_eq!(ran.output("digest"), Some(fetched.digest.clone()));

    let again =
        run(&["create", &image("1"), &image("s390x"), &image("amd64"), "--amend"]).await.ok();
    assert_eq!(
        again.stdout.trim(),
        format!("{}@{}", image("1"), fetched.digest),
        "a second time changes nothing"
    );
}

#[tokio::test]
async fn append_starts_a_list_from_nothing_and_from_one_image() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    Image::docker("linux/amd64").push(&client, "acme/app", "one").await;
    Image::docker("linux/arm64").push(&client, "acme/app", "arm64").await;
    let image = |tag: &str| format!("{}/acme/app:{tag}", registry.host());
    let ran = run(&["create", &image("new"), &image("arm64"), "--append"]).await.ok();
    assert!(
        ran.stderr
            .contains(&format!("append   {} is not there yet: a new list begins", image("new"))),
        "{}",
        ran.stderr
    );
    assert_eq!(platforms(&client, "new").await, ["linux/arm64"]);
    run(&["create", &image("one"), &image("arm64"), "--append"]).await.ok();
    assert_eq!(platforms(&client, "one").await, ["linux/amd64", "linux/arm64"]);
    assert_eq!(
        client.get_manifest("acme/app", "one").await.expect("there").media_type,
        DOCKER_LIST
    );
}

#[tokio::test]
async fn another_architecture_has_no_variant_of_the_old_one_and_what_the_image_says_is_not_kept_quiet()
 {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    BuiltIndex::new(vec![Image::oci("linux/arm64/v8"), Image::oci("linux/s390x")])
        .push(&client, "acme/app", "1")
        .await;
    let list = format!("{}/acme/app:1", registry.host());
    let ran = run(&["annotate", &list, "linux/arm64", "--arch", "amd64"]).await.ok();
    assert_eq!(platforms(&client, "1").await, ["linux/amd64", "linux/s390x"], "no v8 is left");
    let says = "warning: the image's own config says linux/arm64; a client that asks for linux/amd64 gets it all the same";
    assert!(ran.stderr.contains(says) && ran.stderr.contains("edit     "), "{}", ran.stderr);
    let ran = run(&["inspect", &list, "--platform", "linux/amd64"]).await.ok();
    assert!(
        ran.stdout.contains("listed   as linux/amd64: the list contradicts the image's config"),
        "{}",
        ran.stdout
    );
    let ran = run(&["inspect", &list, "--platform", "linux/amd64", "--json"]).await.ok();
    let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&document["platform"], &document["entryPlatform"]),
        (&"linux/arm64".into(), &"linux/amd64".into())
    );
    let ran = run(&["annotate", &list, "linux/s390x", "--os", "bogus"]).await.ok();
    assert!(
        ran.stderr.contains("warning: bogus/s390x is no platform that Go knows"),
        "{}",
        ran.stderr
    );
    let ran = run(&["annotate", &list, "linux/amd64", "--arch", "arm64"]).await.ok();
    assert!(!ran.stderr.contains("warning"), "back to what it is: {}", ran.stderr);
}

#[tokio::test]
async fn append_makes_no_docker_list_of_what_none_can_hold() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let images = ["linux/amd64", "linux/arm64"].map(Image::docker);
    let noted = BuiltIndex::new(vec![images[0].clone()]).annotation("kept", "yes");
    let mut subject = BuiltIndex::new(vec![images[0].clone()]).json();
    subject["subject"] = images[0].descriptor();
    images[1].push(&client, "acme/app", "arm64").await;
    noted.push(&client, "acme/app", "noted").await;
    client
        .put_manifest("acme/app", "subject", OCI_INDEX, &crate::support::images::pretty(&subject))
        .await;
    let image = |tag: &str| format!("{}/acme/app:{tag}", registry.host());
    for (tag, why) in [("noted", "its annotations"), ("subject", "its subject")] {
        let before = client.get_manifest("acme/app", tag).await.expect("there").digest;
        let ran = run(&["create", &image(tag), &image("arm64"), "--append", "--format", "docker"])
            .await
            .fails(5);
        assert!(ran.stderr.contains(&format!("  the index: {why}\n")), "{}", ran.stderr);
        assert_eq!(client.get_manifest("acme/app", tag).await.expect("there").digest, before);
        run(&["create", &image(tag), &image("arm64"), "--append"]).await.ok();
        assert_eq!(
            client.get_manifest("acme/app", tag).await.expect("there").media_type,
            OCI_INDEX
        );
    }
}

#[tokio::test]
async fn append_in_a_dry_run_tells_and_writes_nothing() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let digest =
        BuiltIndex::new(vec![Image::oci("linux/amd64")]).push(&client, "acme/app", "1").await;
    Image::oci("linux/arm64").push(&client, "acme/app", "arm64").await;
    let image = |tag: &str| format!("{}/acme/app:{tag}", registry.host());
    let ran = run(&["create", &image("1"), &image("arm64"), "--append", "--dry-run"]).await.ok();
    assert!(ran.stderr.contains("+ linux/arm64"), "{}", ran.stderr);
    assert_eq!(client.get_manifest("acme/app", "1").await.expect("there").digest, digest);
    let planned = ran.stdout.trim().rsplit_once('@').expect("a digest").1.to_owned();
    run(&["create", &image("1"), &image("arm64"), "--append"]).await.ok();
    assert_eq!(client.get_manifest("acme/app", "1").await.expect("there").digest, planned);
}

#[tokio::test]
async fn annotate_changes_each_part_of_one_entry() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let (amd, windows) = (Image::oci("linux/amd64"), Image::oci("windows/amd64"));
    BuiltIndex::new(vec![amd.clone(), windows.clone()])
        .annotation("kept", "yes")
        .push(&client, "acme/app", "1")
        .await;
    amd.push(&client, "acme/app", "amd64").await;
    let list = format!("{}/acme/app:1", registry.host());
    let (by_reference, by_digest) =
        (format!("{}/acme/app:amd64", registry.host()), windows.digest());
    for (entry, flags) in [
        (by_reference.as_str(), ["--variant", "v3"]),
        (by_digest.as_str(), ["--os-version", "10.0.20348.2700"]),
        ("windows/amd64", ["--os-features", "win32k,other"]),
        ("linux/amd64/v3", ["--annotation", "org.example.key=a=b"]),
        ("windows/amd64", ["--arch", "arm64"]),
        ("linux/amd64/v3", ["--os", "freebsd"]),
    ] {
        let ran = run(&["annotate", &list, entry, flags[0], flags[1]]).await.ok();
        let now = client.get_manifest("acme/app", "1").await.expect("there");
        assert_eq!(ran.stdout.trim(), format!("{list}@{}", now.digest), "{flags:?}");
    }
    let fetched = client.get_manifest("acme/app", "1").await.expect("there");
    assert_eq!(fetched.json()["annotations"]["kept"], "yes", "what is not about the entry stays");
    let list = entries(&client, "1").await;
    assert_eq!(
        list.iter().map(platform).collect::<Vec<_>>(),
        ["freebsd/amd64/v3", "windows/arm64 10.0.20348.2700"]
    );
    assert_eq!(list[0]["annotations"]["org.example.key"], "a=b");
    assert_eq!(list[1]["platform"]["os.features"], serde_json::json!(["win32k", "other"]));
    assert_eq!(
        (&list[0]["digest"], &list[1]["digest"]),
        (&Value::from(amd.digest()), &Value::from(windows.digest())),
        "children are never rewritten"
    );
}

#[tokio::test]
async fn annotate_clears_with_an_empty_value() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    BuiltIndex::new(vec![Image::oci("linux/arm/v6")]).push(&client, "acme/app", "1").await;
    let list = format!("{}/acme/app:1", registry.host());
    run(&["annotate", &list, "linux/arm/v6", "--variant", "", "--annotation", "a=b"]).await.ok();
    assert_eq!(platforms(&client, "1").await, ["linux/arm"]);
    run(&["annotate", &list, "linux/arm", "--annotation", "a="]).await.ok();
    assert_eq!(entries(&client, "1").await[0].get("annotations"), None);
}

#[tokio::test]
async fn what_annotate_and_remove_refuse() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let windows = ["windows(10.0.17763.1)/amd64", "windows(10.0.20348.1)/amd64"].map(Image::docker);
    DockerList::new([vec![Image::docker("linux/amd64")], windows.to_vec()].concat())
        .push(&client, "acme/app", "1")
        .await;
    Image::oci("linux/amd64").push(&client, "acme/app", "image").await;
    let image = |tag: &str| format!("{}/acme/app:{tag}", registry.host());
    let before = client.get_manifest("acme/app", "1").await.expect("there").digest;
    let (list, plain, absent) = (image("1"), image("image"), image("absent"));
    let no_tag = format!("{}/acme/app", registry.host());
    let by_digest = format!("{list}@{before}");
    for (arguments, status, why) in [
        (
            vec!["annotate", &list, "linux/amd64", "--annotation", "a=b"],
            5,
            "no place for annotations",
        ),
        (
            vec!["annotate", &list, "linux/s390x", "--variant", "v1"],
            5,
            "entry: windows(10.0.17763.1)/amd64",
        ),
        (vec!["annotate", &list, "windows/amd64", "--variant", "v1"], 5, "2 entries"),
        (
            vec![
                "annotate",
                &list,
                "linux/amd64",
                "--os",
                "windows",
                "--os-version",
                "10.0.17763.1",
            ],
            5,
            "already",
        ),
        (vec!["annotate", &list, "linux/amd64"], 2, "nothing to change"),
        (vec!["annotate", &plain, "linux/amd64", "--variant", "v2"], 5, "one image, no list"),
        (vec!["annotate", &absent, "linux/amd64", "--variant", "v2"], 7, "not there"),
        (vec!["remove", &list, "linux/s390x"], 5, "no entry linux/s390x"),
        (
            vec![
                "remove",
                &list,
                "linux/amd64",
                "windows(10.0.17763.1)/amd64",
                "windows(10.0.20348.1)/amd64",
            ],
            5,
            "nothing would be left",
        ),
        (vec!["remove", &absent, "linux/amd64"], 7, "not there"),
        (vec!["remove", "Not A Reference", "linux/amd64"], 2, "LIST"),
        (vec!["remove", &no_tag, "linux/amd64"], 2, "app has no tag: write "),
        (
            vec!["annotate", &by_digest, "linux/amd64", "--variant", "v2"],
            2,
            "a tag to change cannot hold a digest",
        ),
        (vec!["annotate", &list, "linux/amd64", "--arch", ""], 2, "--arch: cannot be empty"),
        (vec!["annotate", &list, "linux/amd64", "--os", " "], 2, "--os: cannot be empty"),
        (
            vec!["annotate", &list, "linux/amd64", "--variant", "v 2"],
            2,
            "--variant: \"v 2\" can be no part of a platform",
        ),
        (
            vec!["annotate", &list, "linux/amd64", "--os-features", "a,b\u{1b}"],
            2,
            "--os-features: \"b\\u{1b}\"",
        ),
        (
            vec!["annotate", &list, "linux/amd64", "--annotation", "a=1", "--annotation", "a=2"],
            2,
            "--annotation: a has two values",
        ),
        (
            vec!["annotate", &list, "linux/amd64", "--annotation", "a"],
            2,
            "--annotation: no KEY=VALUE",
        ),
    ] {
        let ran = run(&arguments).await.fails(status);
        assert!(ran.stderr.contains(why) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(client.get_manifest("acme/app", "1").await.expect("there").digest, before);
}

#[tokio::test]
async fn remove_takes_entries_out_with_their_attestations() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let images: Vec<Image> = PLATFORMS.iter().map(|platform| Image::oci(platform)).collect();
    BuiltIndex::new(images.clone()).attestations(true).push(&client, "acme/app", "1").await;
    let list = format!("{}/acme/app:1", registry.host());
    let ran = run(&["remove", &list, "linux/amd64", &images[2].digest(), "--json"]).await.ok();
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((report["version"].as_u64(), report["changed"].as_bool()), (Some(1), Some(true)));
    assert_eq!(platforms(&client, "1").await, ["linux/arm64", "unknown/unknown"]);
}

#[tokio::test]
async fn annotate_refuses_when_the_tag_moves_meanwhile() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    BuiltIndex::new(vec![Image::oci("linux/amd64")]).push(&client, "acme/app", "1").await;
    let proxy = FaultProxy::before(&registry).await;
    let look = proxy.gate("HEAD", "/v2/acme/app/manifests/1");
    look.hold();
    let list = format!("{}/acme/app:1", proxy.host());
    let running =
        Step::new().args(["annotate", &list, "linux/amd64", "--variant", "v2"]).spawn().await;
    look.wait_for_hits(1).await;
    let other = BuiltIndex::new(vec![Image::oci("linux/amd64").seed(9)])
        .push(&client, "acme/app", "1")
        .await;
    look.release();
    let ran = running.wait().await.fails(5);
    assert!(ran.stderr.contains("moved by somebody else"), "{}", ran.stderr);
    assert_eq!(client.get_manifest("acme/app", "1").await.expect("there").digest, other);
    assert_eq!(proxy.count("PUT", "*"), 0);
}

#[tokio::test]
async fn append_merges_with_what_another_writer_did_meanwhile() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let images: Vec<Image> = PLATFORMS.iter().map(|platform| Image::oci(platform)).collect();
    BuiltIndex::new(vec![images[0].clone()]).push(&client, "acme/app", "1").await;
    images[2].push(&client, "acme/app", "s390x").await;
    let proxy = FaultProxy::before(&registry).await;
    let put = proxy.gate("PUT", "/v2/acme/app/manifests/1");
    put.hold();
    let (list, source) =
        (format!("{}/acme/app:1", proxy.host()), format!("{}/acme/app:s390x", proxy.host()));
    let running = Step::new().args(["create", &list, &source, "--append"]).spawn().await;
    put.wait_for_hits(1).await;
    // The other writer's push arrives first and is overwritten by ours; it will look again, as ours
    // does.
    let other = format!("{}/acme/app:1", registry.host());
    images[1].push(&client, "acme/app", "arm64").await;
    let arm64 = format!("{}/acme/app:arm64", registry.host());
    let rival = Step::new().args(["create", &other, &arm64, "--append"]).spawn().await;
    crate::support::wait::until("the rival's push", || async {
        platforms(&client, "1").await.len() == 2
    })
    .await;
    put.release();
    running.wait().await.ok();
    rival.wait().await.ok();
    let mut shown = platforms(&client, "1").await;
    shown.sort();
    assert_eq!(shown, PLATFORMS);
}

/// Runs two commands at once on one tag, 50 times, and holds what the tag shows against how they
/// ended.
async fn two_at_once<F>(
    registry: &Registry,
    client: &Client,
    commands: impl Fn(&str) -> [Vec<String>; 2],
    shows: F,
) where
    F: Fn(&[Value], usize) -> bool,
{
    const ROUNDS: usize = 50;
    // Other content in each round: the registry's file store is not safe against two writers of the
    // same bytes.
    for round in 0..ROUNDS {
        let images =
            ["linux/amd64", "linux/arm64"].map(|platform| Image::oci(platform).seed(round as u64));
        BuiltIndex::new(images.to_vec()).push(client, "acme/app", &format!("r{round}")).await;
    }
    let rounds = stream::iter(0..ROUNDS).map(|round| {
        let (shows, tag) = (&shows, format!("r{round}"));
        let [one, two] = commands(&format!("{}/acme/app:{tag}", registry.host()));
        async move {
            let (one, two) = tokio::join!(Step::new().args(one).run(), Step::new().args(two).run());
            let list = entries(client, &tag).await;
            for (at, ran) in [one, two].iter().enumerate() {
                match ran.status {
                    0 => {
                        assert!(
                            shows(&list, at),
                            "round {round}, writer {at} ended well and is lost: {list:#?}\n{}",
                            ran.stderr
                        );
                    }
                    5 | 8 => assert!(
                        ran.stderr.contains("somebody else")
                            || ran.stderr.contains("does not come to rest"),
                        "{}",
                        ran.stderr
                    ),
                    other => panic!("exit {other}: {}", ran.stderr),
                }
            }
        }
    });
    rounds.buffer_unordered(5).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn two_annotates_at_once_lose_nothing_silently() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let commands = |list: &str| {
        let command = |platform: &str, value: &str| {
            ["annotate", list, platform, "--annotation", value].map(str::to_owned).to_vec()
        };
        [command("linux/amd64", "writer=one"), command("linux/arm64", "writer=two")]
    };
    let shows = |list: &[Value], at: usize| list[at]["annotations"]["writer"] == ["one", "two"][at];
    two_at_once(&registry, &client, commands, shows).await;
}

#[tokio::test]
async fn two_appends_at_once_lose_nothing_silently() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    for (tag, platform) in [("s390x", "linux/s390x"), ("ppc64le", "linux/ppc64le")] {
        Image::oci(platform).push(&client, "acme/app", tag).await;
    }
    let host = registry.host();
    let commands = |list: &str| {
        ["s390x", "ppc64le"].map(|tag| {
            [
                "create".to_owned(),
                list.to_owned(),
                format!("{host}/acme/app:{tag}"),
                "--append".to_owned(),
            ]
            .to_vec()
        })
    };
    let shows = |list: &[Value], at: usize| {
        list.iter().any(|entry| platform(entry) == ["linux/s390x", "linux/ppc64le"][at])
    };
    two_at_once(&registry, &client, commands, shows).await;
    assert_eq!(client.get_manifest("acme/app", "r0").await.expect("there").media_type, OCI_INDEX);
}
