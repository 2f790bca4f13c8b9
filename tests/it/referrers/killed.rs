//! Our process killed at every write on the way into another repository, with what refers to the
//! image: no tag moves before all is there, nothing that was listed gets lost, and the next run
//! completes.

use super::{APP, BUILD, about, between, built};
use crate::support::artifacts::{Artifact, BUNDLE, COSIGN, SPDX, attach, list_tag, listed};
use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::referrers_api::ReferrersApi;
use crate::support::rules::Fault;
use crate::support::scene::Scene;
use crate::support::wait::PATIENCE;
use futures_util::StreamExt as _;
use futures_util::stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// Runs that are killed at once.
const TOGETHER: usize = 6;

/// What is brought: the image, what refers to it by digest, and what cosign tags.
struct Signed {
    from: Scene,
    image: Image,
    bundle: Artifact,
    signature: Artifact,
}

impl Signed {
    async fn new() -> Self {
        let (from, image) = built().await;
        let (bundle, signature) = (about(BUNDLE, &image), Artifact::tagged(COSIGN, "cosign"));
        attach(&from.client, BUILD, &image.digest(), &[&bundle]).await;
        let tag = list_tag(&image.digest());
        signature.push(&from.client, BUILD, &format!("{tag}.sig")).await;
        Self { from, image, bundle, signature }
    }
}

/// A repository into which it is brought, behind a proxy of its own.
struct Place<'a> {
    signed: &'a Signed,
    to: &'a Scene,
    proxy: FaultProxy,
    api: Option<ReferrersApi>,
    repository: String,
    /// What the tag pointed to before.
    before: String,
    /// What was listed about the image before.
    theirs: Artifact,
}

impl<'a> Place<'a> {
    async fn new(signed: &'a Signed, to: &'a Scene, name: &str, has_api: bool) -> Self {
        let repository = format!("{APP}-{name}");
        let before = Image::oci("linux/s390x").push(&to.client, &repository, "1").await;
        let theirs = about(SPDX, &signed.image);
        let proxy = FaultProxy::before(&to.registry).await;
        let api = has_api.then(ReferrersApi::default);
        let place = Self { signed, to, proxy, api, repository, before, theirs };
        // Not the image: a list may be there before what it is about.
        match &place.api {
            Some(api) => {
                place.proxy.follow(Some(api.schedule()));
                place.theirs.push(&Client::new(&place.proxy.host()), &place.repository, "").await;
            }
            None => {
                let digest = signed.image.digest();
                attach(&to.client, &place.repository, &digest, &[&place.theirs]).await;
            }
        }
        place
    }

    /// Hangs at the n-th write, when it arrives or when the registry has done it; tells when it has
    /// come that far. `usize::MAX` counts all writes.
    fn hang_at(&self, nth: usize, done: bool) -> (Arc<AtomicUsize>, watch::Receiver<bool>) {
        let (writes, (tell, told)) = (Arc::new(AtomicUsize::new(0)), watch::channel(false));
        let (api, counter) = (self.api.clone(), writes.clone());
        self.proxy.follow(Some(Arc::new(move |request, _, _| {
            let listed = || api.as_ref().map(|api| api.faults(request)).unwrap_or_default();
            if ["GET", "HEAD"].contains(&request.method.as_str()) {
                return listed();
            }
            let this = counter.fetch_add(1, Ordering::SeqCst) + 1;
            if this < nth {
                return listed();
            }
            if this > nth || !done {
                tell.send_replace(true);
                return vec![Fault::Hang];
            }
            let (mut faults, tell) = (listed(), tell.clone());
            faults.push(Fault::alter(move |body| {
                tell.send_replace(true);
                body
            }));
            faults.push(Fault::HangAfterForward);
            faults
        })));
        (writes, told)
    }

    fn step(&self) -> crate::support::step::Step {
        let tag = format!("{}/{}:1", self.proxy.host(), self.repository);
        // One after the other, so that what is cut off is the last that was done.
        between(&self.signed.from, self.to).input("tags", &tag).input("concurrency", "1")
    }

    async fn listed(&self) -> Vec<String> {
        let digest = self.signed.image.digest();
        match &self.api {
            Some(api) => api.listed(&self.repository, &digest),
            None => listed(&self.to.client, &self.repository, &digest).await,
        }
    }

    /// Whether the tag points to what it did.
    async fn stands(&self) -> bool {
        let held = self.to.client.get_manifest(&self.repository, "1").await;
        held.expect("the tag").digest == self.before
    }

    async fn is_whole(&self, case: &str) {
        let Signed { image, bundle, signature, .. } = self.signed;
        let (client, repository) = (&self.to.client, &self.repository);
        assert!(client.holds(repository, image).await, "{case}");
        for artifact in [bundle, signature, &self.theirs] {
            assert!(artifact.is_in(client, repository).await, "{case}: {artifact:?}");
        }
        assert_eq!(self.listed().await, [self.theirs.digest(), bundle.digest()], "{case}");
        let tag = format!("{}.sig", list_tag(&image.digest()));
        let held = client.get_manifest(repository, &tag).await.expect("cosign's tag");
        assert_eq!(held.digest, signature.digest(), "{case}");
    }
}

async fn killed_at(
    signed: &Signed,
    to: &Scene,
    has_api: bool,
    (nth, done): (usize, bool),
    last: usize,
) {
    let case = format!("write {nth} of {last}, done: {done}, API: {has_api}");
    let place = Place::new(signed, to, &format!("{nth}-{done}-{has_api}"), has_api).await;
    let (writes, mut told) = place.hang_at(nth, done);
    let running = place.step().spawn().await;
    let come = tokio::time::timeout(PATIENCE, told.wait_for(|told| *told)).await;
    come.unwrap_or_else(|_| panic!("{case}: {}", place.proxy.log_text())).expect("a proxy");
    running.signal("KILL").await;
    assert_eq!(running.wait().await.status, -9, "{case}");
    assert_eq!(writes.load(Ordering::SeqCst), nth, "{case}");
    assert_eq!(place.stands().await, nth < last || !done, "{case}");
    assert!(place.listed().await.contains(&place.theirs.digest()), "{case}");
    place.proxy.follow(place.api.as_ref().map(ReferrersApi::schedule));
    let ran = place.step().run().await.ok();
    let held = to.client.get_manifest(&place.repository, "1").await.expect("the tag");
    assert_eq!(Some(held.digest), ran.output("digest"), "{case}");
    place.is_whole(&case).await;
}

async fn killed_at_every_write(has_api: bool) {
    let (signed, to) = (&Signed::new().await, &Scene::empty().await);
    let place = Place::new(signed, to, "whole", has_api).await;
    let (writes, _) = place.hang_at(usize::MAX, false);
    place.step().run().await.ok();
    place.is_whole("not killed").await;
    let last = writes.load(Ordering::SeqCst);
    assert!(last > 12, "{}", place.proxy.log_text());
    let all = (1..=last).flat_map(|nth| [(nth, false), (nth, true)]);
    let killed = all.map(|at| killed_at(signed, to, has_api, at, last));
    stream::iter(killed).buffer_unordered(TOGETHER).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn a_kill_at_any_write_moves_no_tag_where_tags_list_referrers() {
    killed_at_every_write(false).await;
}

#[tokio::test]
async fn a_kill_at_any_write_moves_no_tag_where_the_registry_lists_referrers() {
    killed_at_every_write(true).await;
}
