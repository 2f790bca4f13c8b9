//! Random faults: every request of a run may go wrong, as a seed says. Each run ends in time with
//! the right list, or with an error and no tag moved, or it says truly which tags moved; and the
//! next run, undisturbed, completes.
//!
//! A failing seed is named with the proxy's log. `FAULT_SEED=17` plays that one alone, with the log
//! of the run; `FAULT_SEEDS=20000` plays so many.

use super::in_process::{self, Inputs};
use crate::support::client::{Client, OCI_INDEX, sha256};
use crate::support::fast_clock::with_fast_clock;
use crate::support::http1::Request;
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Schedule};
use crate::support::wait::until;
use fastrand::Rng;
use futures_util::future::LocalBoxFuture;
use manifest_action::app::Ended;
use manifest_action::error::Exit;
use manifest_action::pipeline::progress::{TagState, Tagged};
use serde_json::json;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SEEDS: u64 = 500;
/// Runs at once: most of each is waiting.
const AT_ONCE: usize = 12;
const TIMES: u32 = 60;
/// A minute for the sources, one for each of the registry's lags, and what hangs in between. By the
/// run's clock.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What faults are played on. A setup of another kind needs another of these and nothing else.
struct Setup {
    inputs: Inputs,
    /// All that the run goes through.
    proxies: Vec<FaultProxy>,
    targets: Vec<Target>,
    /// The digests that the list must hold, in order.
    children: Vec<String>,
}

/// A tag that is to be moved, and what it held before.
struct Target {
    /// Which list it is of.
    list: usize,
    client: Client,
    repository: String,
    tag: String,
    before: Option<String>,
}

impl Target {
    async fn now(&self) -> Option<String> {
        self.client.get_manifest(&self.repository, &self.tag).await.map(|found| found.digest)
    }
}

/// Makes a setup for a seed from the registries that all seeds share.
type Prepare = for<'a> fn(&'a [Registry], u64) -> LocalBoxFuture<'a, Setup>;

#[test]
fn five_hundred_runs_in_which_anything_may_go_wrong() {
    play_all(1, SEEDS, |registries, seed| Box::pin(one_repository(&registries[0], seed)));
}

/// The same on the way into another repository of the registry, where blobs are mounted, and into
/// another registry.
#[test]
fn a_hundred_runs_that_copy_while_anything_may_go_wrong() {
    play_all(2, 100, |registries, seed| Box::pin(elsewhere(registries, seed)));
}

/// The same with three lists that go together: all of their tags move, or none, or each is named.
#[test]
fn a_hundred_runs_of_three_lists_while_anything_may_go_wrong() {
    play_all(1, 100, |registries, seed| Box::pin(three_lists(&registries[0], seed)));
}

const BASE: &str = "seeds/base";

fn images() -> [Image; 2] {
    ["linux/amd64", "linux/arm64"].map(Image::oci)
}

/// Two images in one repository, one tag or three; some tags hold another list before. `latest`
/// needs a repository of its own for each seed, which costs time; the others have their own tags in
/// a common one.
async fn one_repository(registry: &Registry, seed: u64) -> Setup {
    let client = Client::new(&registry.host());
    let [amd64, arm64] = images();
    let with_latest = seed % 5 == 1;
    let repository = if with_latest { format!("seeds/s{seed}") } else { BASE.to_owned() };
    if with_latest {
        for (image, tag) in [(&amd64, "a"), (&arm64, "b")] {
            for blob in [image.config(), image.layer_blob()] {
                let target =
                    format!("/v2/{repository}/blobs/uploads/?mount={}&from={BASE}", sha256(&blob));
                assert_eq!(client.request("POST", &target, &[], &[]).await.status, 201, "a mount");
            }
            client.put_manifest(&repository, tag, image.media_type(), &image.manifest()).await;
        }
    }
    let proxy = FaultProxy::before_addr(&registry.host()).await;
    let name = |tag: &str| format!("{}/{repository}:{tag}", proxy.host());
    let tags: Vec<String> = match seed % 5 {
        1 => ["1", "1.2", "latest"].map(str::to_owned).to_vec(),
        2 | 3 => ["0", "1", "1.2"].map(|tag| format!("s{seed}-{tag}")).to_vec(),
        _ => vec![format!("s{seed}-1")],
    };
    let mut targets = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        let holds = (seed / 5 + at as u64).is_multiple_of(3);
        // Bytes of its own: while one request writes what another reads, distribution has no answer
        // for that other one.
        let was = json!({"tag": tag, "seed": seed.to_string()});
        let children = [arm64.descriptor()];
        let old = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, "annotations": was});
        let old = old.to_string().into_bytes();
        if holds {
            client.put_manifest(&repository, tag, OCI_INDEX, &old).await;
        }
        let before = holds.then(|| sha256(&old));
        targets.push(Target {
            list: 0,
            client: client.clone(),
            repository: repository.clone(),
            tag: tag.clone(),
            before,
        });
    }
    let inputs = vec![
        ("tags", tags.iter().map(|tag| name(tag)).collect::<Vec<_>>().join("\n")),
        ("sources", format!("{}\n{}", name("a"), name("b"))),
        ("wait", "1m".to_owned()),
        ("wait-interval", "5s".to_owned()),
        // No two seeds publish the same bytes.
        ("annotations", format!("org.example.seed={seed}")),
    ];
    Setup { inputs, proxies: vec![proxy], targets, children: vec![amd64.digest(), arm64.digest()] }
}

/// Two images, to be listed in two repositories that have neither, of which one is in another
/// registry.
async fn elsewhere(registries: &[Registry], seed: u64) -> Setup {
    let (mut proxies, mut targets, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    for (registry, repository) in
        registries.iter().zip([format!("seeds/m{seed}"), format!("seeds/e{seed}")])
    {
        let proxy = FaultProxy::before_addr(&registry.host()).await;
        tags.push(format!("{}/{repository}:1", proxy.host()));
        targets.push(Target {
            list: 0,
            client: Client::new(&registry.host()),
            repository,
            tag: "1".to_owned(),
            before: None,
        });
        proxies.push(proxy);
    }
    let name = |tag: &str| format!("{}/{BASE}:{tag}", proxies[0].host());
    let inputs = vec![
        ("tags", tags.join("\n")),
        ("sources", format!("{}\n{}", name("a"), name("b"))),
        ("wait", "1m".to_owned()),
        ("wait-interval", "5s".to_owned()),
        ("annotations", format!("org.example.seed={seed}")),
    ];
    let children = images().iter().map(Image::digest).collect();
    Setup { inputs, proxies, targets, children }
}

/// Three lists of the same images, told apart by an annotation: one in the repository of the images,
/// one in another, one with `latest`.
async fn three_lists(registry: &Registry, seed: u64) -> Setup {
    let client = Client::new(&registry.host());
    let proxy = FaultProxy::before_addr(&registry.host()).await;
    let name = |tag: &str| format!("{}/{BASE}:{tag}", proxy.host());
    let sources = format!("[{}, {}]", name("a"), name("b"));
    let (here, other) = (BASE.to_owned(), format!("seeds/t{seed}"));
    let lists = [
        vec![(here, format!("t{seed}-1"))],
        vec![(other.clone(), "1".to_owned())],
        vec![(other.clone(), "1.2".to_owned()), (other, "latest".to_owned())],
    ];
    let (mut spec, mut targets) = ("indexes:\n".to_owned(), Vec::new());
    for (list, places) in lists.into_iter().enumerate() {
        let tags: Vec<String> = places
            .iter()
            .map(|(repository, tag)| format!("{}/{repository}:{tag}", proxy.host()))
            .collect();
        let _ = write!(
            spec,
            "  - tags: [{}]\n    sources: {sources}\n    annotations: {{org.example.seed: {seed}-{list}}}\n",
            tags.join(", ")
        );
        targets.extend(places.into_iter().map(|(repository, tag)| Target {
            list,
            client: client.clone(),
            repository,
            tag,
            before: None,
        }));
    }
    let inputs =
        vec![("spec", spec), ("wait", "1m".to_owned()), ("wait-interval", "5s".to_owned())];
    let children = images().iter().map(Image::digest).collect();
    Setup { inputs, proxies: vec![proxy], targets, children }
}

fn play_all(registries: usize, seeds: u64, prepare: Prepare) {
    let runtime = runtime();
    let registries: Vec<Registry> = runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..registries {
            let registry = Registry::in_memory().await;
            for (image, tag) in images().iter().zip(["a", "b"]) {
                image.push(&Client::new(&registry.host()), BASE, tag).await;
            }
            all.push(registry);
        }
        all
    });
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("FAULT_SEED") {
        let verdict = play(&registries, prepare, seed, "debug");
        println!("seed {seed}: {verdict:?}");
        assert!(verdict.is_ok(), "seed {seed} fails");
        return;
    }
    let (next, failed, ends) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let seeds = number("FAULT_SEEDS").unwrap_or(seeds);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let seed @ 0.. = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds
                {
                    let verdict = catch_unwind(AssertUnwindSafe(|| {
                        play(&registries, prepare, seed, "error")
                    }));
                    match verdict.unwrap_or_else(|_| Err("it panicked, see above".to_owned())) {
                        Ok(exit) => ends.lock().expect("no panic while locked").push(exit),
                        Err(why) => failed.lock().expect("no panic while locked").push((seed, why)),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic while locked");
    let mut text = String::new();
    for (seed, why) in &failed {
        let _ = writeln!(text, "FAULT_SEED={seed}: {why}");
    }
    assert!(failed.is_empty(), "{} of {seeds} seeds fail:\n{text}", failed.len());
    // A schedule under which nothing, or everything, goes wrong would prove little.
    let ends = ends.into_inner().expect("no panic while locked");
    let count = |exit: Exit| ends.iter().filter(|end| **end == exit).count();
    let counts = [Exit::Done, Exit::Registry, Exit::Partial].map(|exit| (exit, count(exit)));
    println!("how they ended: {counts:?}");
    assert!(seeds < SEEDS || counts.iter().all(|(_, count)| *count > 0), "{counts:?}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Plays one seed; how the disturbed run ended, or what is wrong with that.
fn play(
    registries: &[Registry],
    prepare: Prepare,
    seed: u64,
    log_level: &str,
) -> Result<Exit, String> {
    let runtime = runtime();
    let mut setup = runtime.block_on(prepare(registries, seed));
    setup.inputs.push(("log-level", log_level.to_owned()));
    for (at, proxy) in setup.proxies.iter().enumerate() {
        proxy.follow(Some(schedule(seed, at)));
    }
    // The pauses are as random as the faults.
    fastrand::seed(seed);
    let inputs = setup.inputs.clone();
    let ended = with_fast_clock(TIMES, async {
        tokio::time::timeout(LONGEST, in_process::run(inputs)).await.ok()
    });
    setup.proxies.iter().for_each(|proxy| proxy.follow(None));
    let logs: String = setup.proxies.iter().map(FaultProxy::log_text).collect();
    let verdict = match &ended {
        Some(ended) => runtime.block_on(judge(&setup, ended)).map(|()| ended.exit),
        None => Err(format!("still running after {LONGEST:?}")),
    };
    let said = ended
        .map(|ended| {
            let errors = ended.run.lists.into_iter().filter_map(|list| list.ended.err());
            errors.map(|error| error.to_string()).collect::<Vec<_>>().join("\n")
        })
        .unwrap_or_default();
    verdict.map_err(|why| format!("{why}\n{said}\n{logs}"))
}

/// Holds what the run said, and what stands in the registries, against what an undisturbed run
/// makes of it.
async fn judge(setup: &Setup, ended: &Ended) -> Result<(), String> {
    // What the run has given up may still be under way between proxy and registry.
    for proxy in &setup.proxies {
        until("all requests are over", || async {
            proxy.log().iter().all(|entry| entry.until.is_some())
        })
        .await;
    }
    let mut now = Vec::new();
    for target in &setup.targets {
        now.push(target.now().await);
    }
    let again = in_process::run(setup.inputs.clone()).await;
    if again.exit != Exit::Done {
        return Err(format!("the next run fails: {:?}", again.run.lists[0].ended.as_ref().err()));
    }
    let right: Vec<String> =
        again.run.reports().map(|report| report.composed.digest.to_string()).collect();
    for target in &setup.targets {
        let found = target
            .client
            .get_manifest(&target.repository, &target.tag)
            .await
            .ok_or("a tag is missing")?;
        let json = found.json();
        let entries = json["manifests"].as_array().cloned().unwrap_or_default();
        let children: Vec<&str> =
            entries.iter().filter_map(|entry| entry["digest"].as_str()).collect();
        if found.digest != right[target.list]
            || children != setup.children
            || found.media_type != OCI_INDEX
        {
            return Err(format!("{} of the next run is not the right list: {json}", target.tag));
        }
        for image in images() {
            if !target.client.holds(&target.repository, &image).await {
                return Err(format!("{} lacks a part of {}", target.repository, image.digest()));
            }
        }
    }
    let states: Vec<&Tagged> = ended.run.lists.iter().flat_map(|list| &list.tags).collect();
    let told = states
        .iter()
        .map(|tagged| format!("{} {}", tagged.tag, tagged.words()))
        .collect::<Vec<_>>()
        .join(", ");
    let wrong = |target: &Target, what: &str| {
        Err(format!("{:?}: {} {what}; told: {told}", ended.exit, target.tag))
    };
    let mut moved = 0;
    for ((target, now), tagged) in setup.targets.iter().zip(&now).zip(&states) {
        let is_new = now.as_ref() == Some(&right[target.list]);
        let is_old = *now == target.before;
        moved += usize::from(is_new);
        if !is_new && !is_old {
            return wrong(target, &format!("holds {now:?}"));
        }
        if target.tag == "latest" && is_new && moved != setup.targets.len() {
            return wrong(target, "moved though not all others had");
        }
        match (ended.exit, tagged.state) {
            (Exit::Done, TagState::Moved | TagState::Unchanged)
            | (Exit::Partial, TagState::Moved | TagState::Unchanged) => {
                if !is_new {
                    return wrong(target, "has not moved");
                }
            }
            (
                Exit::Partial | Exit::Registry | Exit::NotArrived,
                TagState::Failed | TagState::Untouched,
            ) => {
                if !is_old {
                    return wrong(target, "has moved");
                }
            }
            (Exit::Partial, TagState::Unknown) => {}
            _ => return wrong(target, "is told so under this exit status"),
        }
    }
    if ended.exit == Exit::Partial
        && states
            .iter()
            .all(|tagged| matches!(tagged.state, TagState::Failed | TagState::Untouched))
    {
        return Err(format!("published in part, and nothing was: {told}"));
    }
    Ok(())
}

/// What goes wrong with each request: a matter of the seed, the proxy, the request and how often it
/// came, and of nothing that depends on the order in which things happen to be done.
fn schedule(seed: u64, proxy: usize) -> Schedule {
    let mut temper = Rng::with_seed(seed);
    // From a bad day to a very bad one.
    let chance = temper.f64() * 0.6;
    let often = temper.usize(1..6);
    // Now and then something that never works: writes of one kind, or reads of one source.
    let never = match temper.u8(0..10) {
        0 => Some(("PUT", ["1", "1.2", "latest"][temper.usize(0..3)])),
        1 => Some(("GET", "/b")),
        2 => Some(("HEAD", "1")),
        _ => None,
    };
    Arc::new(move |request: &Request, subject: &str, nth: usize| {
        let always = never
            .is_some_and(|(method, end)| request.method == method && request.path().ends_with(end));
        let mut hasher = DefaultHasher::new();
        (seed, proxy, subject, nth).hash(&mut hasher);
        let mut rng = Rng::with_seed(hasher.finish());
        if always || (nth <= often && rng.f64() < chance) {
            vec![fault(request, &mut rng, always)]
        } else {
            Vec::new()
        }
    })
}

fn fault(request: &Request, rng: &mut Rng, never_works: bool) -> Fault {
    let is_manifest = request.path().contains("/manifests/");
    let read = matches!(request.method.as_str(), "GET" | "HEAD");
    let seconds = rng.u8(0..4).to_string();
    let status = [500, 502, 503, 504][rng.usize(0..4)];
    match rng.u8(0..24) {
        0..=3 => Fault::Reset,
        4..=7 => Fault::Status(status),
        8 | 9 => Fault::Status(429),
        10 => Fault::Status(429).header("Retry-After", &seconds),
        11 => Fault::Status(503).header("Retry-After", &seconds),
        12 => Fault::Status(429).header("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"),
        _ if never_works => Fault::Status(status).error("UNAVAILABLE", "never"),
        13 | 14 => Fault::Delay(Duration::from_millis(rng.u64(1..20))),
        15..=17 => Fault::ResetAfterForward,
        18 if !read => Fault::HangAfterForward,
        18 => Fault::Hang,
        19 | 20 if read && is_manifest => Fault::Stale,
        21 if read => Fault::Status(404).error("MANIFEST_UNKNOWN", "not yet"),
        21 => Fault::Status(404).error("MANIFEST_BLOB_UNKNOWN", "not yet"),
        22 => Fault::Stall(rng.usize(0..40)),
        _ => Fault::Truncate(rng.usize(0..200)),
    }
}
