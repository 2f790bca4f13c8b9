//! What people do every day, from the first push to an index that grows.

use super::server::Server;
use crate::support::artifacts::{self, Artifact, BUNDLE, COSIGN, attach, list_tag};
use crate::support::client::{Client, DOCKER_LIST, OCI_INDEX};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::step::Step;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;
type Case = fn(Arc<Server>) -> Ending;

macro_rules! cases {
    ($($name:ident)*) => {
        /// Each case with its name.
        pub const CASES: &[(&str, Case)] = &[
            $((stringify!($name), |server| Box::pin(async move { $name(&server).await }))),*
        ];
    };
}

cases! {
    compose_and_again docker_list built_with_provenance append several_tags by_digest
    other_repository from_another_registry broken_uploads to_another_registry annotate_remove_diff
    late_image never_came overwrite dry_run login wrong_password referrers
}

fn amd64() -> Image {
    Image::oci("linux/amd64")
}

fn arm64() -> Image {
    Image::oci("linux/arm64")
}

async fn push_both(server: &Server, repo: &str) {
    let client = server.client(repo).await;
    amd64().push(&client, repo, "amd64").await;
    arm64().push(&client, repo, "arm64").await;
}

/// The step that puts these tags of one repository together at another one.
fn step(server: &Server, repo: &str, tag: &str, sources: &[&str]) -> Step {
    let sources: Vec<String> =
        sources.iter().map(|source| server.reference(repo, source)).collect();
    server.step().input("tags", &server.reference(repo, tag)).input("sources", &sources.join("\n"))
}

/// The tag holds what the run says, in this format, and a client gets all of it.
async fn holds(server: &Server, repo: &str, tag: &str, media_type: &str, ran: &Ran) -> String {
    let client = server.client(repo).await;
    let held = client.get_manifest(repo, tag).await.expect("the tag is there");
    assert_eq!(held.media_type, media_type);
    assert_eq!(ran.output("digest").as_ref(), Some(&held.digest), "{}", ran.everything());
    server.is_whole(repo, tag).await;
    held.digest
}

async fn digest(server: &Server, repo: &str, tag: &str) -> Option<String> {
    server.client(repo).await.get_manifest(repo, tag).await.map(|held| held.digest)
}

fn platforms(ran: &Ran) -> String {
    ran.output("platforms").expect("an output")
}

async fn compose_and_again(server: &Server) {
    let repo = "acme/compose";
    push_both(server, repo).await;
    let both = || {
        step(server, repo, "1", &["amd64", "arm64"]).input("platforms", "linux/amd64,linux/arm64")
    };
    let ran = both().run().await.ok();
    let first = holds(server, repo, "1", OCI_INDEX, &ran).await;
    assert_eq!(
        (platforms(&ran).as_str(), ran.output("changed").as_deref()),
        ("linux/amd64,linux/arm64", Some("true"))
    );
    let ran = both().run().await.ok();
    assert_eq!(
        (ran.output("digest"), ran.output("changed")),
        (Some(first), Some("false".to_owned()))
    );
}

async fn docker_list(server: &Server) {
    let repo = "acme/docker";
    let client = server.client(repo).await;
    Image::docker("linux/amd64").push(&client, repo, "amd64").await;
    Image::docker("windows(10.0.20348.2700)/amd64").push(&client, repo, "windows").await;
    let ran = step(server, repo, "1", &["amd64", "windows"]).run().await.ok();
    holds(server, repo, "1", DOCKER_LIST, &ran).await;
    assert_eq!(platforms(&ran), "linux/amd64,windows(10.0.20348.2700)/amd64");
}

async fn built_with_provenance(server: &Server) {
    let repo = "acme/built";
    let client = server.client(repo).await;
    for image in [amd64(), arm64()] {
        let tag = image.platform_json()["architecture"].as_str().expect("a text").to_owned();
        BuiltIndex::new(vec![image]).attestations(true).push(&client, repo, &tag).await;
    }
    let ran = step(server, repo, "1", &["amd64", "arm64"]).run().await.ok();
    holds(server, repo, "1", OCI_INDEX, &ran).await;
    let manifest: serde_json::Value =
        serde_json::from_str(&ran.output("manifest").expect("an output")).expect("JSON");
    assert_eq!(manifest["manifests"].as_array().map(Vec::len), Some(4), "{manifest:#}");
}

async fn append(server: &Server) {
    let repo = "acme/append";
    push_both(server, repo).await;
    for (source, expected) in [("amd64", "linux/amd64"), ("arm64", "linux/amd64,linux/arm64")] {
        let ran = step(server, repo, "1", &[source]).input("append", "true").run().await.ok();
        holds(server, repo, "1", OCI_INDEX, &ran).await;
        assert_eq!(platforms(&ran), expected);
    }
    // Another build of a platform takes the place of the first.
    let newer = amd64().seed(1).push(&server.client(repo).await, repo, "newer").await;
    let ran = step(server, repo, "1", &["newer"]).input("append", "true").run().await.ok();
    holds(server, repo, "1", OCI_INDEX, &ran).await;
    assert_eq!(platforms(&ran), "linux/amd64,linux/arm64");
    assert!(ran.output("digests").expect("an output").contains(&newer), "{}", ran.everything());
}

async fn several_tags(server: &Server) {
    let repo = "acme/tags";
    push_both(server, repo).await;
    let tags = ["latest", "1", "1.2", "1.2.3"].map(|tag| server.reference(repo, tag)).join("\n");
    let run = || step(server, repo, "1", &["amd64", "arm64"]).input("tags", &tags).run();
    let ran = run().await.ok();
    for tag in ["1", "1.2", "1.2.3", "latest"] {
        holds(server, repo, tag, OCI_INDEX, &ran).await;
    }
    assert_eq!(
        server.client(repo).await.tags(repo).await,
        ["1", "1.2", "1.2.3", "amd64", "arm64", "latest"]
    );
    assert_eq!(run().await.ok().output("changed").as_deref(), Some("false"));
}

async fn by_digest(server: &Server) {
    let repo = "acme/digests";
    let client = server.client(repo).await;
    // Nothing but these digests refers to them.
    let (first, second) =
        (amd64().push(&client, repo, "").await, arm64().push(&client, repo, "").await);
    let ran = server
        .step()
        .input("tags", &server.reference(repo, "1"))
        .input("digests", &format!("{first}\n{second}"))
        .input("platforms", "linux/amd64,linux/arm64")
        .run()
        .await
        .ok();
    holds(server, repo, "1", OCI_INDEX, &ran).await;
}

async fn other_repository(server: &Server) {
    let (from, to) = ("acme/staging", "acme/released");
    push_both(server, from).await;
    let sources =
        format!("{}\n{}", server.reference(from, "amd64"), server.reference(from, "arm64"));
    let run = || async {
        let tags = server.reference(to, "1");
        server.step().input("tags", &tags).input("sources", &sources).run().await.ok()
    };
    holds(server, to, "1", OCI_INDEX, &run().await).await;
    assert_eq!(run().await.output("changed").as_deref(), Some("false"));
}

/// Bytes that no compression makes fewer.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d ^ seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Layers from next to nothing to more than servers take into memory.
fn heavy() -> Image {
    let sizes = [1, 4 << 10, (1 << 20) + 1, 3 << 20, 24 << 20];
    sizes.into_iter().fold(amd64(), |image, size| image.more_layer(noise(size as u64, size)))
}

async fn from_another_registry(server: &Server) {
    let repo = "acme/brought";
    let source = Registry::start().await;
    let client = Client::new(&source.host());
    heavy().push(&client, repo, "amd64").await;
    arm64().push(&client, repo, "arm64").await;
    let sources = ["amd64", "arm64"].map(|tag| format!("{}/{repo}:{tag}", source.host()));
    let run = || async {
        let tags = server.reference(repo, "1");
        server.step().input("tags", &tags).input("sources", &sources.join("\n")).run().await.ok()
    };
    holds(server, repo, "1", OCI_INDEX, &run().await).await;
    assert_eq!(run().await.output("changed").as_deref(), Some("false"));
}

/// Each server says in its own way how much of a broken upload it has: one that cannot be resumed is
/// begun again, and what it holds in the end is what was sent.
async fn broken_uploads(server: &Server) {
    let source = Registry::start().await;
    let client = Client::new(&source.host());
    let faults = [
        ("reset", Fault::Reset),
        ("cut", Fault::CutUpload(700_000)),
        ("cut-early", Fault::CutUpload(0)),
        ("answer-lost", Fault::ResetAfterForward),
    ];
    for (seed, (name, fault)) in (1..).zip(faults) {
        let repo = format!("acme/{name}");
        // Other bytes each time: some servers have one store for all repositories.
        let layer = noise(seed, 3 << 20);
        let image = amd64().seed(seed).more_layer(layer);
        image.push(&client, &repo, "amd64").await;
        let (proxy, step) = server.behind_proxy().await;
        let writes = format!("/v2/{repo}/blobs/uploads/*");
        proxy.rule(Rule::on("PATCH", &writes).first(3).then(fault.clone()));
        let ran = step
            .input("tags", &format!("{}/{repo}:1", proxy.host()))
            .input("sources", &format!("{}/{repo}:amd64", source.host()))
            .run()
            .await
            .ok();
        holds(server, &repo, "1", OCI_INDEX, &ran).await;
    }
}

async fn to_another_registry(server: &Server) {
    let repo = "acme/taken";
    let client = server.client(repo).await;
    heavy().push(&client, repo, "amd64").await;
    arm64().push(&client, repo, "arm64").await;
    let target = Registry::start().await;
    let name = format!("{}/{repo}:1", target.host());
    let ran = step(server, repo, "1", &["amd64", "arm64"]).input("tags", &name).run().await.ok();
    let client = Client::new(&target.host());
    let held = client.get_manifest(repo, "1").await.expect("the tag is there");
    assert_eq!(ran.output("digest"), Some(held.digest));
    assert!(client.holds(repo, &heavy()).await && client.holds(repo, &arm64()).await);
}

async fn annotate_remove_diff(server: &Server) {
    let repo = "acme/edited";
    push_both(server, repo).await;
    let list = server.reference(repo, "1");
    let sources = [server.reference(repo, "amd64"), server.reference(repo, "arm64")];
    let run = |arguments: Vec<&str>| server.command(&arguments).run();
    let ran = run(vec!["create", &list, &sources[0], &sources[1]]).await.ok();
    let first = digest(server, repo, "1").await.expect("a tag");
    assert_eq!(ran.stdout, format!("{list}@{first}\n"));
    run(vec!["annotate", &list, "linux/arm64", "--annotation", "org.example.built-by=hand"])
        .await
        .ok();
    let before = server.reference(repo, &first);
    let ran = run(vec!["diff", &before, &list]).await.fails(1);
    assert!(ran.stdout.contains("org.example.built-by"), "{}", ran.everything());
    run(vec!["remove", &list, "linux/arm64"]).await.ok();
    server.is_whole(repo, "1").await;
    let ran = run(vec!["inspect", &list, "--json"]).await.ok();
    assert!(ran.stdout.contains("amd64") && !ran.stdout.contains("arm64"), "{}", ran.stdout);
    let ran = run(vec!["inspect", &list, "--raw"]).await.ok();
    let held = server.client(repo).await.get_manifest(repo, "1").await.expect("a tag");
    assert_eq!(ran.stdout.into_bytes(), held.bytes);
}

async fn late_image(server: &Server) {
    let repo = "acme/late";
    let client = server.client(repo).await;
    amd64().push(&client, repo, "amd64").await;
    let running = step(server, repo, "1", &["amd64", "arm64"])
        .input("wait", "40s")
        .input("wait-interval", "200ms")
        .spawn()
        .await;
    running.wait_for_line("not found yet").await;
    arm64().push(&client, repo, "arm64").await;
    let ran = running.wait().await.ok();
    holds(server, repo, "1", OCI_INDEX, &ran).await;
    assert_eq!(platforms(&ran), "linux/amd64,linux/arm64");
}

async fn never_came(server: &Server) {
    let repo = "acme/never";
    let client = server.client(repo).await;
    amd64().push(&client, repo, "amd64").await;
    let ran = step(server, repo, "1", &["amd64", "arm64"]).input("wait", "1s").run().await.fails(3);
    assert!(ran.stdout.contains(&server.reference(repo, "arm64")), "{}", ran.stdout);
    // Of a repository that nobody has pushed to yet, the servers say other things.
    step(server, "acme/nobody", "1", &["amd64"]).run().await.fails(3);
    assert_eq!(digest(server, repo, "1").await, None);
    // By digest.
    let unknown = arm64().digest();
    step(server, repo, "1", &["amd64", &unknown]).run().await.fails(3);
}

async fn overwrite(server: &Server) {
    let repo = "acme/fixed";
    push_both(server, repo).await;
    let run = |sources: &'static [&'static str]| {
        step(server, repo, "1", sources).input("overwrite", "false").run()
    };
    let first = run(&["amd64"]).await.ok().output("digest");
    assert_eq!(run(&["amd64"]).await.ok().output("changed").as_deref(), Some("false"));
    run(&["amd64", "arm64"]).await.fails(5);
    assert_eq!(digest(server, repo, "1").await, first);
}

async fn dry_run(server: &Server) {
    let repo = "acme/dry";
    push_both(server, repo).await;
    let both = || step(server, repo, "1", &["amd64", "arm64"]);
    let ran = both().input("dry-run", "true").run().await.ok();
    assert_eq!(digest(server, repo, "1").await, None);
    assert_eq!(both().run().await.ok().output("digest"), ran.output("digest"));
}

async fn login(server: &Server) {
    let repo = "acme/login";
    push_both(server, repo).await;
    let step = || {
        let (registry, tags) = (server.host(), server.reference(repo, "1"));
        let sources =
            format!("{}\n{}", server.reference(repo, "amd64"), server.reference(repo, "arm64"));
        let step = Step::new().github().input("wait", "0").input("registry", registry);
        step.input("tags", &tags).input("sources", &sources)
    };
    let (user, password) = server.login().unwrap_or(("somebody", "canary-that-nobody-asks-for"));
    let ran = step().input("username", user).input("password", password).run().await.ok();
    holds(server, repo, "1", OCI_INDEX, &ran).await;
}

async fn wrong_password(server: &Server) {
    let repo = "acme/wrong";
    push_both(server, repo).await;
    let step = || {
        let sources =
            format!("{}\n{}", server.reference(repo, "amd64"), server.reference(repo, "arm64"));
        let step = Step::new().github().input("wait", "20s").input("registry", server.host());
        step.input("tags", &server.reference(repo, "1")).input("sources", &sources)
    };
    let wrong = step().input("username", "admin").input("password", "canary-of-a-wrong-password");
    if server.has_its_own("wrong_password") {
        wrong.run().await.ok();
        return;
    }
    let ran = wrong.run().await.fails(6);
    assert!(ran.stdout.contains("password"), "{}", ran.stdout);
    assert!(ran.elapsed.as_secs() < 10, "a wrong password is told at once: {:?}", ran.elapsed);
    step().without("INPUT_REGISTRY").run().await.fails(6);
    assert_eq!(digest(server, repo, "1").await, None);
}

/// Whether the server has the referrers API. Only one of the three does.
fn has_api(server: &Server) -> bool {
    server.name() == "ferro-oci-server"
}

/// What the server lists about a digest: by its API, else by the tag.
async fn listed(client: &Client, repo: &str, subject: &str, has_api: bool) -> Vec<String> {
    let target = format!("/v2/{repo}/referrers/{subject}");
    let answer = client.request("GET", &target, &[], &[]).await;
    assert_eq!(answer.status, if has_api { 200 } else { 404 }, "{}", answer.text());
    if !has_api {
        return artifacts::listed(client, repo, subject).await;
    }
    assert!(!client.tags(repo).await.contains(&list_tag(subject)), "no tag lists anything");
    let list: serde_json::Value = serde_json::from_slice(&answer.body).expect("a list");
    let entries = list["manifests"].as_array().cloned().expect("entries");
    entries.iter().map(|entry| entry["digest"].as_str().expect("a digest").to_owned()).collect()
}

/// Pushes an image that is signed in both ways, at `a`: by digest, and by cosign's tag.
async fn signed(client: &Client, repo: &str, has_api: bool) -> [Artifact; 2] {
    let image = amd64();
    image.push(client, repo, "a").await;
    let bundle = Artifact::about(BUNDLE, image.media_type(), &image.manifest());
    if has_api {
        bundle.push(client, repo, "").await;
    } else {
        attach(client, repo, &image.digest(), &[&bundle]).await;
    }
    let signature = Artifact::tagged(COSIGN, "cosign");
    signature.push(client, repo, &format!("{}.sig", list_tag(&image.digest()))).await;
    [bundle, signature]
}

/// Within the server, into one without the API, and from there: all four ways, with the servers that
/// there are.
async fn referrers(server: &Server) {
    let (here, elsewhere) = ("acme/signed", Registry::start().await);
    let other = Client::new(&elsewhere.host());
    signed(&server.client(here).await, here, has_api(server)).await;
    let [bundle, signature] = signed(&other, here, false).await;
    let ours = |repo: &str, tag: &str| server.reference(repo, tag);
    let theirs = |repo: &str, tag: &str| format!("{}/{repo}:{tag}", elsewhere.host());
    for (repo, source, target) in [
        ("acme/within", ours(here, "a"), ours("acme/within", "1")),
        ("acme/brought-signed", theirs(here, "a"), ours("acme/brought-signed", "1")),
        ("acme/taken-signed", ours(here, "a"), theirs("acme/taken-signed", "1")),
    ] {
        let is_here = target.starts_with(server.host());
        let client = if is_here { server.client(repo).await } else { other.clone() };
        let ran = server.step().input("tags", &target).input("sources", &source).run().await.ok();
        let subject = amd64().digest();
        let listed = listed(&client, repo, &subject, is_here && has_api(server)).await;
        assert_eq!(listed, [bundle.digest()], "{target}: {}", ran.stdout);
        let tag = format!("{}.sig", list_tag(&subject));
        let held = client.get_manifest(repo, &tag).await.expect("the signature");
        assert_eq!(held.bytes, signature.manifest(), "{target}");
        if is_here {
            server.is_whole(repo, &tag).await;
            server.is_whole(repo, &bundle.digest()).await;
        } else {
            assert!(bundle.is_in(&client, repo).await && signature.is_in(&client, repo).await);
        }
    }
}
