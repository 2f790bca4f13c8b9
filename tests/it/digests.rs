//! The input `digests`: every form gives the same list, and what would lose an architecture is
//! refused unasked.

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;
use serde_json::json;

/// Two images that have no tag; their digests, in the order of their platforms.
async fn two(scene: &Scene) -> [String; 2] {
    [scene.push(&amd64(), "").await, scene.push(&arm64(), "").await]
}

fn metadata(name: &str, digest: &str) -> serde_json::Value {
    json!({
        "buildx.build.provenance": {"buildType": "https://mobyproject.org/buildkit@v1"},
        "buildx.build.ref": "builder/builder0/abc",
        "containerimage.config.digest": format!("sha256:{}", "0".repeat(64)),
        "containerimage.digest": digest,
        "image.name": name,
    })
}

fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

fn says_that_nothing_tells_how_many(ran: &Ran) -> usize {
    ran.commands()
        .iter()
        .filter(|command| {
            command.name == "warning" && command.data.contains("a missing digest cannot be noticed")
        })
        .count()
}

#[tokio::test]
async fn every_form_gives_the_same_list() {
    let scene = Scene::empty().await;
    let [one, two] = two(&scene).await;
    let name = format!("{0}/{REPO}:1,{0}/{REPO}:latest", scene.proxy.host());
    let bake = json!({"app-one": metadata(&name, &one), "app-two": metadata(&name, &two), "buildx.build.warnings": {}});
    let build = [metadata(&name, &one), metadata("", &two)].map(|file| file.to_string());
    let outputs =
        json!({"digest-1": one, "version": "1.2.3", "digest-2": two, "pushed": "true"}).to_string();
    let lines = format!("# of the two jobs\n{one}\n\n{two}\n");
    let full = format!("{},{}", scene.reference(&one), scene.reference(&two));
    let array = json!([one, two]).to_string();
    type Files<'a> = Vec<(String, &'a str)>;
    let jobs = json!({
        "amd64": {"result": "success", "outputs": {"digest": one, "version": "1.2.3"}},
        "arm64": {"result": "success", "outputs": {"digest": two}},
    });
    let (jobs, bake_text) = (jobs.to_string(), bake.to_string());
    let builds = format!("[{}, {}]", build[0], build[1]);
    let named = format!("{}\n", scene.reference(&two));
    let held = || {
        vec![
            ("held/linux-arm64.txt".to_owned(), named.as_str()),
            ("held/kaniko".to_owned(), one.as_str()),
            ("held/.hidden".to_owned(), "x"),
        ]
    };
    let forms: [(&str, &str, Files<'_>); 15] = [
        ("lines", &lines, vec![]),
        ("references", &full, vec![]),
        ("job outputs", &outputs, vec![]),
        ("array", &array, vec![]),
        ("jobs", &jobs, vec![]),
        ("text of bake's metadata", &bake_text, vec![]),
        ("texts of build metadata", &builds, vec![]),
        ("files that hold digests", "held", held()),
        ("the same by a pattern", "held/*", held()),
        ("one by one", "held/linux-arm64.txt, held/kaniko", held()),
        (
            "folder",
            "digests",
            vec![(format!("digests/{}", hex(&two)), ""), (format!("digests/{}", hex(&one)), "")],
        ),
        (
            "folder with algorithms",
            "./d",
            vec![
                (format!("d/sha256-{}", hex(&one)), ""),
                (format!("d/sha256-{}", hex(&two)), ""),
                ("d/.keep".into(), ""),
            ],
        ),
        (
            "build metadata",
            "meta/*.json",
            vec![("meta/b.json".into(), &build[1]), ("meta/a.json".into(), &build[0])],
        ),
        (
            "files",
            "meta/1.json,meta/2.json",
            vec![("meta/1.json".into(), &build[0]), ("meta/2.json".into(), &build[1])],
        ),
        ("bake", "bake.json", vec![]),
    ];
    let mut composed = Vec::new();
    for (form, value, files) in forms {
        let mut step = scene.step("1").input("digests", value).file("bake.json", bake.to_string());
        for (path, content) in files {
            step = step.file(&path, content);
        }
        let ran = step.input("dry-run", "true").run().await.ok();
        assert_eq!(says_that_nothing_tells_how_many(&ran), 1, "{form}: {}", ran.stdout);
        composed.push((form, ran.output("digest").expect("an output")));
    }
    assert!(composed.iter().all(|(_, digest)| *digest == composed[0].1), "{composed:?}");

    // It is the list that the two make as sources, and a run that writes publishes it.
    let ran = scene.step_of(&[&one, &two]).run().await.ok();
    assert_eq!(ran.output("digest").as_ref(), Some(&composed[0].1));
    assert_eq!(
        scene.entries("1").await.iter().map(|entry| entry["digest"].clone()).collect::<Vec<_>>(),
        [json!(one), json!(two)]
    );
}

/// What digests, files and keys are called, and which is given first, changes nothing.
#[tokio::test]
async fn entries_are_in_the_order_of_their_platforms() {
    let scene = Scene::empty().await;
    let attested = BuiltIndex::new(vec![arm64()]).attestations(true);
    let arm64 = attested.push(&scene.client, REPO, "").await;
    let mut digests = vec![arm64.clone()];
    for platform in ["linux/s390x", "linux/arm/v7", "linux/amd64", "linux/arm/v6"] {
        digests.push(scene.push(&Image::oci(platform), "").await);
    }
    let by_text = "linux/amd64,linux/arm/v6,linux/arm/v7,linux/arm64,linux/s390x";
    let run = async |digests: &[String], platforms: &str| {
        let step = scene.step("1").input("digests", &digests.join("\n"));
        let ran = step.input("platforms", platforms).run().await.ok();
        (ran.output("platforms").expect("an output"), ran.output("digest").expect("an output"))
    };
    let first = run(&digests, "").await;
    assert_eq!(first.0, by_text);
    digests.reverse();
    assert_eq!(run(&digests, "").await, first);

    let asked = "linux/arm64/v8,linux/s390x,linux/arm/v7,linux/amd64,linux/arm/v6";
    let second = run(&digests, asked).await;
    assert_eq!(second.0, asked.replace("/v8", ""));
    digests.swap(1, 3);
    assert_eq!(run(&digests, asked).await, second);
    // An index keeps its own order: its attestation is where it was.
    let titles: Vec<String> = scene.entries("1").await.iter().map(platform_of).collect();
    assert_eq!(titles[..3], ["linux/arm64", "unknown/unknown", "linux/s390x"]);

    // What is appended follows what is there.
    let appended = scene.push(&Image::oci("linux/386"), "").await;
    let step = scene.step("1").input("append", "true");
    step.input("digests", &[arm64, appended].join(",")).run().await.ok();
    let titles: Vec<String> = scene.entries("1").await.iter().map(platform_of).collect();
    assert_eq!(
        titles,
        [
            "linux/arm64",
            "unknown/unknown",
            "linux/s390x",
            "linux/arm",
            "linux/amd64",
            "linux/arm",
            "linux/386"
        ]
    );

    // `sources` are taken as they are given.
    let step = scene.step("2").input("sources", &scene.references(&digests));
    let given = step.input("platforms", asked).run().await.ok();
    assert_ne!(given.output("platforms").as_deref(), Some(&*second.0));
}

fn platform_of(entry: &serde_json::Value) -> String {
    let part = |name: &str| entry["platform"][name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", part("os"), part("architecture"))
}

#[tokio::test]
async fn the_warning_is_gone_with_platforms() {
    let scene = Scene::empty().await;
    let digests = two(&scene).await.join(",");
    let ran = scene
        .step("1")
        .input("digests", &digests)
        .input("platforms", "linux/amd64,linux/arm64")
        .run()
        .await
        .ok();
    assert_eq!(says_that_nothing_tells_how_many(&ran), 0, "{}", ran.stdout);
}

#[tokio::test]
async fn a_platform_in_front_or_as_a_key_is_held_against_the_image() {
    let scene = Scene::empty().await;
    let digest = scene.push(&Image::oci("linux/arm"), "").await;
    for value in [format!("linux/arm/v6={digest}"), json!({"linux/arm/v6": digest}).to_string()] {
        let ran = scene.step("1").input("digests", &value).run().await.ok();
        assert_eq!(ran.output("platforms").as_deref(), Some("linux/arm/v6"), "{value}");
    }
    for value in [format!("linux/amd64={digest}"), json!({"linux/amd64": digest}).to_string()] {
        let ran = scene.step("1").input("digests", &value).run().await.fails(5);
        assert!(
            ran.stdout.contains("is for linux/arm/v7, but the inputs say linux/amd64"),
            "{}",
            ran.stdout
        );
    }
}

/// `toJSON(needs)`: a job may have lost its digest, or build no image at all.
#[tokio::test]
async fn a_job_without_a_digest_is_named_with_its_result() {
    let scene = Scene::empty().await;
    let [one, two] = two(&scene).await;
    let job = |result: &str, digest: &str| json!({"result": result, "outputs": {"digest": digest}});
    let lost = json!({"amd64": job("success", &one), "arm64": job("failure", "")}).to_string();
    let step = |jobs: &str| scene.step("1").input("digests", jobs);
    let ran = step(&lost).run().await.fails(2);
    let told = "job arm64 (result: failure) has no digest among its outputs: see its log";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());

    let both = "linux/amd64,linux/arm64";
    let ran = step(&lost).input("platforms", both).run().await.fails(5);
    for told in ["missing:    linux/arm64", "no digest:  job arm64 (result: failure)"] {
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
    }
    assert_eq!(scene.state().await.len(), 0);

    let none = json!({"result": "success", "outputs": {"version": "1"}});
    let prepared =
        json!({"prepare": none, "amd64": job("success", &one), "arm64": job("success", &two)});
    let ran = step(&prepared.to_string()).input("platforms", both).run().await.ok();
    assert_eq!(ran.output("platforms").as_deref(), Some(both));
    assert!(!ran.stdout.contains("no digest:"), "{}", ran.stdout);
}

/// What a file is named by is held against its image, as `PLATFORM=` is.
#[tokio::test]
async fn a_file_that_is_named_by_a_platform_is_held_against_the_image() {
    let scene = Scene::empty().await;
    let [one, _] = two(&scene).await;
    let step = scene.step("1").input("digests", "d").file("d/linux-arm64.digest", &one);
    let ran = step.run().await.fails(5);
    let told = format!(
        "{} from d/linux-arm64.digest is for linux/amd64, but the inputs say linux/arm64",
        &one[..19]
    );
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
}

/// Bake's distribution pattern declares an output for each of a hundred jobs, and few are written.
#[tokio::test]
async fn empty_outputs_beside_platforms_are_left_out_and_completeness_decides() {
    let scene = Scene::empty().await;
    let digests = two(&scene).await;
    let mut outputs: serde_json::Map<String, serde_json::Value> =
        (0..100).map(|at| (format!("digest_{at}"), json!(""))).collect();
    outputs.insert("digest_7".to_owned(), json!(digests[0]));
    outputs.insert("digest_9".to_owned(), json!(null));
    outputs.insert("digest_93".to_owned(), json!(digests[1]));
    let outputs = json!(outputs).to_string();
    let step = || scene.step("1").input("digests", &outputs);
    let both = "linux/amd64,linux/arm64";
    let ran = step().input("platforms", both).run().await.ok();
    assert_eq!(ran.output("platforms").map(|all| all.split(',').count()), Some(2));
    let three = "linux/amd64,linux/arm64,linux/s390x";
    let ran = step().input("platforms", three).input("wait", "0").run().await.fails(5);
    assert!(ran.stdout.contains("linux/s390x"), "{}", ran.stdout);
    let ran = step().run().await.fails(2);
    assert!(ran.stdout.contains("\"digest_0\" is empty"), "{}", ran.stdout);
}

#[tokio::test]
async fn what_would_lose_an_architecture_is_refused_before_any_request() {
    let scene = Scene::empty().await;
    let [one, two] = two(&scene).await;
    let ours = metadata(&scene.reference("1"), &one).to_string();
    let theirs = metadata(&format!("{}/{REPO}-api:1", scene.proxy.host()), &two).to_string();
    let step = || {
        let step = scene
            .step("1")
            .file("empty/.gitkeep", "")
            .file("apps/app.json", &ours)
            .file("apps/app-api.json", &theirs);
        step.file("nested/digests-amd64/x", "")
            .file("unpushed.json", r#"{"buildx.build.ref": "x"}"#)
    };
    let empty_output = json!({"amd64": one, "arm64": ""}).to_string();
    let null_output = json!({"amd64": one, "arm64": null}).to_string();
    let nested_output = json!({"amd64": {"outputs": {"digest": one}}}).to_string();
    let short = format!("{one}\n{}", &two[..40]);
    let bad_name: fn(Step) -> Step = |step| step.file("empty/not-a-digest", "");
    let as_it_is: fn(Step) -> Step = |step| step;
    for (value, change, words) in [
        (empty_output.as_str(), as_it_is, ["digests", "\"arm64\" is empty"]),
        (&null_output, as_it_is, ["digests", "\"arm64\" is empty"]),
        (&nested_output, as_it_is, ["digests", "\"amd64\" is nested"]),
        ("{}", as_it_is, ["digests", "contains no digest"]),
        ("empty", as_it_is, ["digests, line 1", "the folder empty is empty"]),
        ("empty", bad_name, ["digests, line 1", "empty/not-a-digest: is empty"]),
        ("nested", as_it_is, ["digests, line 1", "nested/digests-amd64 is a folder"]),
        ("apps/*.json", as_it_is, ["digests, line 1: apps/app-api.json", "acme/app-api:1"]),
        ("unpushed.json", as_it_is, ["digests, line 1: unpushed.json", "was the image pushed?"]),
        (
            "none/*.json",
            as_it_is,
            ["digests, line 1", "none/*.json: not a digest, and no such file"],
        ),
        (&short, as_it_is, ["digests, line 2", "64 hex digits"]),
    ] {
        let ran = change(step()).input("digests", value).run().await.fails(2);
        for word in words {
            assert!(ran.stdout.contains(word), "{value}: {word:?} is missing:\n{}", ran.stdout);
        }
        assert_eq!(ran.raw_output_file().as_deref(), Some(""), "{value}");
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}
