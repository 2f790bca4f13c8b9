//! A transfer takes its time: what others do meanwhile, and tokens that grow old.

use super::step_with_report;
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::Scene;
use crate::support::token::TokenServer;
use std::time::Duration;

/// An image in one registry, and another registry into which it is to be copied.
async fn two() -> (Scene, Scene) {
    let (from, to) = (Scene::empty().await, Scene::empty().await);
    Image::oci("linux/amd64").push(&from.client, "acme/app", "a").await;
    (from, to)
}

#[tokio::test]
async fn a_tag_that_is_taken_during_a_transfer_is_not_overwritten_unseen() {
    for (overwrite, exit) in [("false", 5), ("true", 0)] {
        let (from, to) = two().await;
        let uploads = to.proxy.gate("PATCH", "*");
        uploads.hold();
        let step = step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a"))
            .input("overwrite", overwrite);
        let running = step.spawn().await;
        uploads.wait_for_hits(1).await;
        let other = Image::oci("linux/riscv64").push(&to.client, "acme/app", "1").await;
        uploads.release();
        let ran = running.wait().await.fails(exit);
        assert!(ran.stdout.contains(&other), "{}", ran.stdout);
        let now = to.client.get_manifest("acme/app", "1").await.expect("a tag").digest;
        assert_eq!(now == other, exit == 5);
    }
}

#[tokio::test]
async fn append_merges_with_what_came_during_a_transfer() {
    let (from, to) = two().await;
    for (platform, tag) in [("linux/arm64", "arm64"), ("linux/s390x", "s390x")] {
        Image::oci(platform).push(&to.client, "acme/app", tag).await;
    }
    let append = |source: String| {
        step_with_report(&to.full_name("acme/app:1"), &source).input("append", "true")
    };
    append(to.full_name("acme/app:arm64")).run().await.ok();
    let uploads = to.proxy.gate("PATCH", "*");
    uploads.hold();
    let running = append(from.full_name("acme/app:a")).spawn().await;
    uploads.wait_for_hits(1).await;
    append(to.full_name("acme/app:s390x")).run().await.ok();
    uploads.release();
    let ran = running.wait().await.ok();
    assert_eq!(
        ran.output("platforms").as_deref(),
        Some("linux/arm64,linux/s390x,linux/amd64"),
        "{}",
        ran.stdout
    );
}

/// With few places a copy has all of them when its token has to be renewed, and others stand in
/// line for the same token.
#[tokio::test]
async fn tokens_are_renewed_however_few_requests_may_be_under_way() {
    for concurrency in ["1", "2"] {
        // The registry takes a token for a second longer, which is what a request may be under way.
        let tokens = TokenServer::new().user("ci", "correct-horse").anonymous_pull(false);
        let tokens = tokens.lifetime(2).real_lifetime(4).start().await;
        let to = Scene::with_tokens(&tokens, &tokens.realm()).await;
        let from = Scene::empty().await;
        let mut sources = Vec::new();
        for platform in ["linux/amd64", "linux/arm64", "linux/s390x"] {
            let tag = platform.replace('/', "-");
            Image::oci(platform).push(&from.client, "acme/app", &tag).await;
            sources.push(from.full_name(&format!("acme/app:{tag}")));
        }
        // A token does not live for two blobs.
        to.proxy.rule(Rule::on("PATCH", "*").then(Fault::Delay(Duration::from_millis(1200))));
        step_with_report(&to.full_name("acme/app:1"), &sources.join("\n"))
            .input("concurrency", concurrency)
            .input("registry", &to.proxy.host())
            .input("username", "ci")
            .input("password", "correct-horse")
            .limit(Duration::from_secs(40))
            .run()
            .await
            .ok();
        assert!(to.digest("1").await.is_some());
        assert!(tokens.requests().len() > 3, "{}", to.proxy.log_text());
        to.proxy.finish();
    }
}

/// Go's servers say in words where a redirect leads; that text may be longer than the blob.
#[tokio::test]
async fn a_redirect_may_say_more_than_the_blob_that_it_leads_to() {
    let (from, to) = two().await;
    let storage = FaultProxy::before(&from.registry).await;
    for blob in Image::oci("linux/amd64").blobs() {
        let path = format!("/v2/acme/app/blobs/{blob}");
        let elsewhere = format!("http://{}{path}", storage.host());
        let words = format!("<a href=\"{elsewhere}\">Temporary Redirect</a>.{}", " ".repeat(2000));
        from.proxy.rule(
            Rule::on("GET", &path)
                .then(Fault::Status(307).header("Location", &elsewhere).body(words)),
        );
    }
    step_with_report(&to.full_name("acme/app:1"), &from.full_name("acme/app:a")).run().await.ok();
    assert!(to.client.holds("acme/app", &Image::oci("linux/amd64")).await);
    assert_eq!(
        storage.count("GET", "*/blobs/*"),
        3,
        "the config when it is read, and both blobs when they are copied"
    );
}
