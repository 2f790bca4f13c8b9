//! Digests are looked for in the repositories of all targets, in their order: the first that has one
//! counts, whatever is wrong with the others.

use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;
use crate::support::token::TokenServer;

const MIRROR: &str = "acme/mirror";

/// Publishes these digests at both names, and looks for them once.
fn step(targets: &[String; 2], digests: &[&str]) -> Step {
    let tags = targets.each_ref().map(|name| format!("{name}:1")).join("\n");
    let step = Step::new().github().input("tags", &tags).input("wait", "0");
    step.input("digests", &digests.join("\n"))
}

/// Two repositories of the scene's registry.
fn two_of(scene: &Scene) -> [String; 2] {
    [scene.full_name(REPO), scene.full_name(MIRROR)]
}

fn manifest(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/manifests/{digest}")
}

fn says(ran: &Ran, texts: &[&str]) {
    for text in texts {
        assert!(ran.stdout.contains(text), "{text:?} is missing:\n{}", ran.stdout);
    }
}

/// Both tags hold the same index, and both repositories have both images.
async fn is_complete(places: [(&Client, &str); 2]) {
    let mut indexes = Vec::new();
    for (client, repository) in places {
        indexes.push(client.get_manifest(repository, "1").await.expect("an index").bytes);
        for image in [amd64(), arm64()] {
            assert!(client.holds(repository, &image).await, "{repository}");
        }
    }
    assert_eq!(indexes[0], indexes[1]);
}

#[tokio::test]
async fn the_first_repository_that_has_it_counts() {
    let scene = Scene::empty().await;
    let one = amd64().push(&scene.client, REPO, "").await;
    amd64().push(&scene.client, MIRROR, "").await;
    let two = arm64().push(&scene.client, MIRROR, "").await;
    let ran = step(&two_of(&scene), &[&one, &two]).run().await.ok();
    is_complete([(&scene.client, REPO), (&scene.client, MIRROR)]).await;
    says(&ran, &["2 blobs mounted"]);
    let asked =
        |repository: &str, digest: &str| scene.proxy.count("GET", &manifest(repository, digest));
    let log = scene.proxy.log_text();
    assert_eq!([asked(REPO, &one), asked(REPO, &two), asked(MIRROR, &two)], [1, 1, 1], "{log}");
    assert_eq!(asked(MIRROR, &one), 0, "the first has it: {log}");
}

#[tokio::test]
async fn a_digest_with_a_repository_is_looked_for_there_alone() {
    let scene = Scene::empty().await;
    let digest = arm64().push(&scene.client, MIRROR, "").await;
    let names = two_of(&scene);
    let here = format!("{}@{digest}", names[0]);
    let ran = step(&names, &[&here]).run().await.fails(3);
    says(&ran, &[&format!("not found: {}; looked in {}\n", &digest[..19], names[0])]);
    assert_eq!(scene.proxy.count("*", &manifest(MIRROR, &digest)), 0);
    let there = format!("{}@{digest}", names[1]);
    step(&names, &[&there]).run().await.ok();
}

/// Each registry asks for a login of its own, and images go from one to the other.
#[tokio::test]
async fn two_registries_have_their_own_logins() {
    let mut scenes = Vec::new();
    for (user, password) in [("first", "canary-one"), ("second", "canary-two")] {
        let registry = Registry::htpasswd(user, password).await;
        let client = Client::new(&registry.host()).basic(user, password);
        scenes.push(Scene::of(registry, client).await);
    }
    let (first, second) = (&scenes[0], &scenes[1]);
    let one = amd64().push(&first.client, REPO, "").await;
    let two = arm64().push(&second.client, MIRROR, "").await;
    let names = [first.full_name(REPO), second.full_name(MIRROR)];
    let logins = format!(
        "{}=first:canary-one\n{}=second:canary-two",
        first.proxy.host(),
        second.proxy.host()
    );
    let ran = step(&names, &[&one, &two]).input("credentials", &logins).run().await.ok();
    is_complete([(&first.client, REPO), (&second.client, MIRROR)]).await;
    ran.never_says("canary-one").never_says("canary-two");
    let asked = manifest(MIRROR, &one);
    assert_eq!(second.proxy.count("GET", &asked), 0, "{}", second.proxy.log_text());
}

/// What is in the second repository is mounted into the first: a token is for both.
#[tokio::test]
async fn the_token_of_each_repository_is_for_the_other_too() {
    let tokens = TokenServer::new().user("ci", "correct-horse").anonymous_pull(false).start().await;
    let registry = Registry::token(&tokens).await;
    let all = "repository:acme/mirror:pull,push repository:acme/app:pull,push";
    let client = Client::new(&registry.host()).bearer(&tokens.mint(all));
    let scene = Scene::of(registry, client).await;
    let one = amd64().push(&scene.client, REPO, "").await;
    let two = arm64().push(&scene.client, MIRROR, "").await;
    let step = step(&two_of(&scene), &[&one, &two]);
    let ran = step.input("username", "ci").input("password", "correct-horse").run().await.ok();
    is_complete([(&scene.client, REPO), (&scene.client, MIRROR)]).await;
    assert_eq!(ran.stdout.matches("2 blobs mounted").count(), 2, "{}", ran.stdout);
    assert_eq!(tokens.requests().len(), 2, "one token for each repository");
}

#[tokio::test]
async fn a_digest_may_come_late_in_any_of_them() {
    let scene = Scene::empty().await;
    let one = amd64().push(&scene.client, REPO, "").await;
    let two = arm64().digest();
    let looks = scene.proxy.gate("HEAD", &manifest(MIRROR, &two));
    let step = step(&two_of(&scene), &[&one, &two]).input("wait", "60s");
    let running = step.input("wait-interval", "100ms").spawn().await;
    looks.wait_for_answers(2).await;
    arm64().push(&scene.client, MIRROR, "").await;
    let ran = running.wait().await.ok();
    says(&ran, &["not found yet; checking for up to 1m"]);
    is_complete([(&scene.client, REPO), (&scene.client, MIRROR)]).await;
    // Asked in their order, every time.
    let (first, second) = (manifest(REPO, &two), manifest(MIRROR, &two));
    let log = scene.proxy.log();
    let order: Vec<bool> = log
        .iter()
        .filter(|entry| matches!(entry.method.as_str(), "GET" | "HEAD"))
        .filter(|entry| entry.path == first || entry.path == second)
        .map(|entry| entry.path == first)
        .collect();
    assert!(order.chunks(2).take(3).all(|pair| pair == [true, false]), "{order:?}");
}

#[tokio::test]
async fn one_that_denies_does_not_keep_the_next_from_being_asked() {
    for status in [401, 403] {
        let scene = Scene::empty().await;
        let digests = [
            amd64().push(&scene.client, MIRROR, "").await,
            arm64().push(&scene.client, MIRROR, "").await,
        ];
        let denied = Fault::Status(status).error("DENIED", "not yours");
        scene.proxy.rule(Rule::on("GET", &manifest(REPO, "sha256:*")).then(denied));
        step(&two_of(&scene), &[&digests[0], &digests[1]]).run().await.ok();
        is_complete([(&scene.client, REPO), (&scene.client, MIRROR)]).await;
    }
}

/// Neither one that fails again and again nor one that never answers is waited for.
#[tokio::test]
async fn one_in_trouble_does_not_keep_the_next_from_being_asked() {
    let scene = Scene::empty().await;
    let one = amd64().push(&scene.client, MIRROR, "").await;
    let two = arm64().push(&scene.client, MIRROR, "").await;
    scene.proxy.rule(Rule::on("GET", &manifest(REPO, &one)).then(Fault::Status(503)));
    scene.proxy.rule(Rule::on("GET", &manifest(REPO, &two)).then(Fault::Hang));
    for wait in ["0", "1m"] {
        step(&two_of(&scene), &[&one, &two]).input("wait", wait).run().await.ok();
        is_complete([(&scene.client, REPO), (&scene.client, MIRROR)]).await;
    }
}

/// What nobody knows is worse than a denial, and a denial worse than what is not there.
#[tokio::test]
async fn where_none_has_it_the_worst_is_told_and_all_are_named() {
    let digest = arm64().digest();
    let not_found = "not found";
    for (first, second, wait, status, told) in [
        (None, None, "0", 3, "1 of 1 image not found"),
        (None, None, "1s", 3, "1 of 1 image did not arrive within 1 s"),
        (Some(403), None, "0", 6, "not yours"),
        (None, Some(403), "1s", 6, "not yours"),
        (Some(503), None, "1s", 7, "cannot tell whether 1 of 1 image exists"),
        (None, Some(503), "1s", 7, "cannot tell whether 1 of 1 image exists"),
        (Some(403), Some(503), "1s", 7, "cannot tell whether 1 of 1 image exists"),
    ] {
        let scene = Scene::empty().await;
        for (status, repository) in [(first, REPO), (second, MIRROR)] {
            let Some(status) = status else { continue };
            let fault = Fault::Status(status).error("DENIED", "not yours");
            scene.proxy.rule(Rule::on("*", &manifest(repository, &digest)).then(fault));
        }
        let names = two_of(&scene);
        let ran = step(&names, &[&digest]).input("wait", wait).run().await.fails(status);
        says(&ran, &[told, &format!("looked in {}, {}", names[0], names[1])]);
        assert_eq!(ran.stdout.contains(not_found), status == 3, "{}", ran.stdout);
        assert_eq!(scene.client.tags(REPO).await, [""; 0]);
    }
}

/// Registries that never answer are more likely misspelt than late, however many there are.
#[tokio::test]
async fn registries_that_never_answer_end_the_wait() {
    let names = ["a.invalid/acme/app", "b.invalid/acme/app"].map(str::to_owned);
    let ran = step(&names, &[&arm64().digest()]).input("wait", "10m").run().await.fails(7);
    let short = &arm64().digest()[..19];
    says(
        &ran,
        &[&format!("cannot read {short}: "), "looked in a.invalid/acme/app, b.invalid/acme/app"],
    );
}

/// What is known of a digest is the same everywhere.
#[tokio::test]
async fn a_check_that_fails_is_not_tried_elsewhere() {
    let scene = Scene::empty().await;
    let image = Image::oci("linux/amd64").label("revision", "old");
    let digest = image.push(&scene.client, REPO, "").await;
    image.push(&scene.client, MIRROR, "").await;
    let step = step(&two_of(&scene), &[&digest]).input("expect-labels", "revision=new");
    let ran = step.run().await.fails(5);
    says(&ran, &["label revision is \"old\", expected \"new\""]);
    assert_eq!(scene.proxy.count("*", &manifest(MIRROR, &digest)), 0);
}
