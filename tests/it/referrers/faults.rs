//! What goes wrong on the way of what refers to images: what passes costs a moment and loses
//! nothing, what lasts moves no tag.

use super::{APP, BUILD, about, between, built, tags};
use crate::support::artifacts::{ATTESTATION, Artifact, BUNDLE, COSIGN, attach, list_tag, listed};
use crate::support::images::Image;
use crate::support::rules::{Fault, Rule, matches};
use crate::support::running::Ran;
use crate::support::scene::Scene;
use futures_util::StreamExt as _;
use futures_util::stream;
use std::sync::Arc;

/// Runs at once.
const TOGETHER: usize = 6;

/// An image that is signed in both ways and attested, where it comes from and where it goes.
struct Way {
    from: Scene,
    to: Scene,
    image: Image,
    bundle: Artifact,
    attestation: Artifact,
    signature: Artifact,
}

/// A request that has to do with what refers to an image.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// The question at the source's API.
    List,
    /// The tag that lists instead.
    ListTag,
    /// One of them at the source.
    Read,
    /// An attestation that the index takes in.
    Attestation,
    /// The question at the target's API.
    TheirList,
    /// A blob of one.
    Blob,
    /// One by its digest.
    Push,
    /// The tag that lists them at the target.
    PushList,
    /// Cosign's tag.
    PushTag,
}

const ALL: [At; 9] = [
    At::List,
    At::ListTag,
    At::Read,
    At::Attestation,
    At::TheirList,
    At::Blob,
    At::Push,
    At::PushList,
    At::PushTag,
];

impl Way {
    async fn new() -> Self {
        let (from, image) = built().await;
        let (bundle, attestation) = (about(BUNDLE, &image), about(ATTESTATION, &image));
        attach(&from.client, BUILD, &image.digest(), &[&bundle, &attestation]).await;
        let signature = Artifact::tagged(COSIGN, "cosign");
        let tag = list_tag(&image.digest());
        signature.push(&from.client, BUILD, &format!("{tag}.sig")).await;
        Self { from, to: Scene::empty().await, image, bundle, attestation, signature }
    }

    /// The requests that this is about: at which proxy, with which method and path.
    fn at(&self, at: At) -> (&Scene, &'static str, String) {
        let (source, target) = (format!("/v2/{BUILD}"), format!("/v2/{APP}"));
        let (subject, tag) = (self.image.digest(), list_tag(&self.image.digest()));
        let (bundle, attestation) = (self.bundle.digest(), self.attestation.digest());
        match at {
            At::List => (&self.from, "GET", format!("{source}/referrers/{subject}")),
            At::ListTag => (&self.from, "GET", format!("{source}/manifests/{tag}")),
            At::Read => (&self.from, "GET", format!("{source}/manifests/{bundle}")),
            At::Attestation => (&self.from, "GET", format!("{source}/manifests/{attestation}")),
            At::TheirList => (&self.to, "GET", format!("{target}/referrers/{subject}")),
            At::Blob => (&self.to, "PUT", format!("{target}/blobs/uploads/*")),
            At::Push => (&self.to, "PUT", format!("{target}/manifests/{bundle}")),
            At::PushList => (&self.to, "PUT", format!("{target}/manifests/{tag}")),
            At::PushTag => (&self.to, "PUT", format!("{target}/manifests/{tag}.sig")),
        }
    }

    async fn run(&self) -> Ran {
        between(&self.from, &self.to).input("attestations", "discover").run().await
    }

    async fn is_whole(&self, case: &str) {
        let Self { to, image, .. } = self;
        for artifact in [&self.bundle, &self.attestation, &self.signature] {
            assert!(artifact.is_in(&to.client, APP).await, "{case}: {artifact:?}");
        }
        let mut there = listed(&to.client, APP, &image.digest()).await;
        let mut expected = vec![self.bundle.digest(), self.attestation.digest()];
        there.sort();
        expected.sort();
        assert_eq!(there, expected, "{case}");
        let tag = format!("{}.sig", list_tag(&image.digest()));
        let held = to.client.get_manifest(APP, &tag).await.expect("cosign's tag");
        assert_eq!(held.digest, self.signature.digest(), "{case}");
        let index = to.client.get_manifest(APP, "1").await.expect("the tag").json();
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2), "{case}");
    }
}

#[tokio::test]
async fn what_passes_costs_a_moment_at_every_request() {
    let faults = [Fault::Status(500), Fault::Reset, Fault::ResetAfterForward];
    let cases = ALL.into_iter().flat_map(|at| faults.clone().map(|fault| (at, fault)));
    let runs = cases.map(|(at, fault)| async move {
        let case = format!("{at:?}: {fault:?}");
        let way = Way::new().await;
        let (scene, method, path) = way.at(at);
        scene.proxy.rule(Rule::on(method, &path).nth(1).then(fault));
        way.run().await.ok();
        way.is_whole(&case).await;
    });
    stream::iter(runs).buffer_unordered(TOGETHER).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn what_lasts_moves_no_tag_and_the_next_run_completes() {
    let cases = ALL.into_iter().flat_map(|at| {
        [(Fault::Status(500), 7), (Fault::Reset, 7), (Fault::Status(403), 6)]
            .map(|(fault, exit)| (at, fault, exit))
    });
    let runs = cases.map(|(at, fault, exit)| async move {
        let is_denied = exit == 6;
        let case = format!("{at:?}: {fault:?}");
        let way = Way::new().await;
        let (scene, method, path) = way.at(at);
        scene.proxy.follow(Some(Arc::new(move |request, _, _| {
            if matches(method, &path, request) { vec![fault.clone()] } else { Vec::new() }
        })));
        let ran = way.run().await;
        // It is the API that nobody may use; the tag lists them.
        if is_denied && matches!(at, At::List | At::TheirList) {
            ran.ok();
            return;
        }
        let ran = ran.fails(exit);
        let way_out = ["`referrers: leave`", "`attestations: keep`"];
        let is_told = way_out.iter().any(|way_out| ran.stdout.contains(way_out));
        assert!(is_told || at == At::Blob, "{case}: {}", ran.stdout);
        assert!(tags(&way.to).await.is_empty(), "{case}");
        scene.proxy.follow(None);
        way.run().await.ok();
        way.is_whole(&case).await;
    });
    stream::iter(runs).buffer_unordered(TOGETHER).collect::<Vec<()>>().await;
}
