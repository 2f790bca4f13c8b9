//! A wrong list is never published: random orders of arrival, labels, moves, platforms, failures of
//! jobs and requests, other writers. A model of a dozen lines says what must come of it.
//!
//! `SEED=n cargo nextest run wrong_lists` runs one case alone; a failure names its seed.

use crate::support::client::Client;
use crate::support::images::Image;
use crate::support::jobs_api::{JobsApi, TOKEN, job};
use crate::support::paused_clock::PausedClock;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use manifest_action::app::{self, Invocation};
use manifest_action::error::Exit;
use manifest_action::inputs::{Context, Environment, Findings};
use manifest_action::secret::Secrets;
use std::path::Path;
use std::time::Duration;

const PLATFORMS: [&str; 4] = ["linux/amd64", "linux/arm64", "linux/riscv64", "linux/s390x"];
const STEP: Duration = Duration::from_secs(1);
/// How far apart events are, in seconds: longer than all that it takes to see one.
const APART: u64 = 6;
/// Cases of a usual run; `SEED` reaches more.
const CASES: u64 = 40;

#[derive(Debug, Clone, PartialEq)]
enum Event {
    /// An image is pushed under a source's tag.
    Push { source: usize, fresh: bool, right_platform: bool },
    /// The job that builds them ends so.
    JobFails(&'static str),
    /// From now on the registry fails whoever asks for a source.
    Trouble { source: usize },
    /// Somebody else publishes under the target.
    Taken,
}

#[derive(Debug)]
struct Case {
    /// Seconds; it ends right before an event, so that the one before it was seen.
    wait: u64,
    sources: usize,
    skip: bool,
    overwrite: bool,
    /// Looks at the configs that find nothing at first, as right after a push.
    late_configs: usize,
    events: Vec<(u64, Event)>,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let sources = random.usize(2..=4);
        let mut events = Vec::new();
        for source in 0..sources {
            // Mostly something stale first, then the right one, then it is moved.
            for fresh in [random.f32() < 0.2, random.f32() < 0.8, random.f32() < 0.9] {
                let right_platform = random.f32() < 0.97 || !fresh;
                events.push(Event::Push { source, fresh, right_platform });
            }
        }
        let skip = random.f32() < 0.5;
        if random.f32() < 0.25 {
            // A job that is skipped is a failure only where nothing may be left out.
            let ends = ["failure", "cancelled", "timed_out", "skipped"];
            events.push(Event::JobFails(ends[random.usize(0..if skip { 3 } else { 4 })]));
        }
        if random.f32() < 0.4 {
            events.push(Event::Trouble { source: random.usize(0..sources) });
        }
        if random.f32() < 0.3 {
            events.push(Event::Taken);
        }
        random.shuffle(&mut events);
        let start = random.u64(0..=8);
        let count = events.len() as u64;
        let events =
            events.into_iter().zip(0..).map(|(event, at)| (start + at * APART, event)).collect();
        let wait = start + APART * random.u64(3..count + 2) - 1;
        Self {
            wait,
            sources,
            skip,
            overwrite: random.f32() < 0.7,
            late_configs: random.usize(1..=2),
            events,
        }
    }

    fn image(&self, at: usize) -> Image {
        let Event::Push { source, fresh, right_platform } = &self.events[at].1 else {
            panic!("no push")
        };
        let platform = if *right_platform { PLATFORMS[*source] } else { "linux/ppc64le" };
        // Every push is of other bytes.
        Image::oci(platform).label("commit", if *fresh { "new" } else { "old" }).seed(at as u64 + 1)
    }

    /// What each source is accepted as, and when: the first fresh image that is there, and can be
    /// seen.
    fn accepted(&self) -> Vec<Option<(u64, usize)>> {
        let first = |source| {
            let mut pushes = self.events.iter().enumerate().filter(|(_, (at, event))| {
                *at <= self.wait
                    && matches!(event, Event::Push { source: of, fresh: true, .. } if *of == source)
            });
            let in_trouble = self.in_trouble(source).unwrap_or(u64::MAX);
            pushes
                .next()
                .filter(|(_, (time, _))| *time < in_trouble)
                .map(|(at, (time, _))| (*time, at))
        };
        (0..self.sources).map(first).collect()
    }

    fn at(&self, is_wanted: impl Fn(&Event) -> bool) -> Option<u64> {
        self.events.iter().find(|(_, event)| is_wanted(event)).map(|(at, _)| *at)
    }

    /// When the registry begins to fail whoever asks for this source, if that is before waiting
    /// ends.
    fn in_trouble(&self, source: usize) -> Option<u64> {
        self.at(|event| *event == Event::Trouble { source }).filter(|at| *at <= self.wait)
    }

    /// The exit statuses that are right, and the images that are published when it is 0.
    fn expected(&self) -> (Vec<Exit>, Vec<usize>) {
        let accepted = self.accepted();
        let images: Vec<usize> = accepted.iter().flatten().map(|(_, at)| *at).collect();
        let all_there = accepted
            .iter()
            .map(|accepted| accepted.map(|(time, _)| time))
            .collect::<Option<Vec<u64>>>();
        let over = all_there.map_or(self.wait, |times| times.into_iter().max().unwrap_or_default());
        let wrong =
            |at: &usize| !matches!(self.events[*at].1, Event::Push { right_platform: true, .. });
        let refused = images.iter().filter(|at| wrong(at)).map(|at| self.events[*at].0).min();
        let failed = self.at(|event| matches!(event, Event::JobFails(_))).filter(|at| *at < over);
        let in_doubt =
            |source: usize| accepted[source].is_none() && self.in_trouble(source).is_some();
        let exits = match (refused, failed) {
            // Seen at the next poll of the API, which may come first or last.
            (Some(refused), Some(failed)) if failed < refused => {
                vec![Exit::JobFailed, Exit::Refused]
            }
            (Some(_), _) => vec![Exit::Refused],
            (None, Some(_)) => vec![Exit::JobFailed],
            // Nobody knows whether it is there; so it is not left out either.
            (None, None) if (0..self.sources).any(in_doubt) => vec![Exit::Registry],
            (None, None) if images.len() < self.sources && (!self.skip || images.is_empty()) => {
                vec![Exit::NotArrived]
            }
            (None, None)
                if !self.overwrite
                    && self.at(|event| *event == Event::Taken).is_some_and(|at| at <= over) =>
            {
                vec![Exit::Refused]
            }
            (None, None) => vec![Exit::Done],
        };
        (exits, images)
    }
}

async fn check(registry: &Registry, seed: u64) {
    let case = Case::random(seed);
    let (client, repo) = (Client::new(&registry.host()), format!("wrong/lists{seed}"));
    let api = JobsApi::github(vec![job("build", "in_progress")]);
    let api_proxy = FaultProxy::before_addr(&api.host()).await;
    let proxy = FaultProxy::before(registry).await;
    let clock = PausedClock::before(&[&proxy, &api_proxy]).await;
    proxy.rule(Rule::on("GET", "*/blobs/*").first(case.late_configs).then(Fault::Status(404)));
    let name = |tag: &str| format!("{}/{repo}:{tag}", proxy.host());
    let sources: Vec<String> =
        (0..case.sources).map(|n| format!("{}={}", PLATFORMS[n], name(&format!("s{n}")))).collect();
    let inputs = [
        ("tags", name("1")),
        ("sources", sources.join("\n")),
        ("expect-labels", "commit=new".to_owned()),
        ("watch-jobs", "build".to_owned()),
        ("token", TOKEN.to_owned()),
        ("wait", format!("{}s", case.wait)),
        ("wait-interval", "1s".to_owned()),
        ("missing", if case.skip { "skip" } else { "fail" }.to_owned()),
        ("overwrite", case.overwrite.to_string()),
        ("log-level", "error".to_owned()),
    ];
    let environment: Environment = [
        ("GITHUB_API_URL", format!("http://{}/api", api_proxy.host())),
        ("GITHUB_REPOSITORY", "acme/app".to_owned()),
        ("GITHUB_RUN_ID", "1001".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let pairs = inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (environment, secrets) = (&environment, &Secrets::default());
    let context = Context { environment, folder: Path::new("."), secrets };
    let work = app::compose_lists(Invocation::create(pairs, Findings::default(), context));
    let other = Image::oci("linux/mips64le");
    let mut next = case.events.iter().enumerate().peekable();
    let ended = clock
        .run(STEP, work, async |now| {
            while let Some((at, (_, event))) =
                next.next_if(|(_, (time, _))| now >= Duration::from_secs(*time))
            {
                match event {
                    Event::Push { source, .. } => {
                        case.image(at).push(&client, &repo, &format!("s{source}")).await;
                    }
                    Event::JobFails(how) => api.set(vec![job("build", how)]),
                    Event::Trouble { source } => {
                        proxy.rule(
                            Rule::on("*", &format!("*/manifests/s{source}"))
                                .then(Fault::Status(500))
                                .optional(),
                        );
                    }
                    Event::Taken => {
                        other.push(&client, &repo, "1").await;
                    }
                }
            }
        })
        .await;
    // A rule must be hit, and not every case gets as far as a config.
    Client::new(&proxy.host()).request("GET", &format!("/v2/{repo}/blobs/any"), &[], &[]).await;
    let (exits, images) = case.expected();
    let log = || {
        let asked = proxy.log().into_iter().filter(|entry| entry.path.starts_with("/v2/"));
        asked
            .map(|entry| format!("{} {} {}", entry.status, entry.method, entry.path))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let context = || {
        format!(
            "SEED={seed}: {:?}, expected {exits:?} of {images:?}\n{case:#?}\n{}",
            ended.exit,
            log()
        )
    };
    assert!(exits.contains(&ended.exit), "{}", context());
    let tag = client.get_manifest(&repo, "1").await;
    if ended.exit == Exit::Done {
        let list = tag.unwrap_or_else(|| panic!("nothing is published: {}", context())).json();
        let entries: Vec<&str> = list["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["digest"].as_str().unwrap())
            .collect();
        let expected: Vec<String> = images.iter().map(|at| case.image(*at).digest()).collect();
        assert_eq!(entries, expected, "{}", context());
        for digest in entries {
            assert!(client.get_manifest(&repo, digest).await.is_some(), "complete: {}", context());
        }
    } else {
        // As it was, or as the other writer left it.
        let held = tag.map(|tag| tag.digest);
        assert!(held.is_none() || held == Some(other.digest()), "a tag moved: {}", context());
        assert_eq!(proxy.count("PUT", "*"), 0, "{}", context());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_list_is_never_published() {
    let registry = Registry::start().await;
    let seeds: Vec<u64> = match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..CASES).collect(),
    };
    for seed in seeds {
        check(&registry, seed).await;
    }
}

#[test]
fn the_cases_are_worth_it() {
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..CASES {
        let (exits, images) = Case::random(seed).expected();
        *counts.entry((format!("{exits:?}"), images.len())).or_insert(0) += 1;
    }
    let with = |exit: &str| {
        counts
            .iter()
            .filter(|((exits, _), _)| exits.contains(exit))
            .map(|(_, count)| count)
            .sum::<i32>()
    };
    for (exit, least) in
        [("Done", 3), ("NotArrived", 3), ("JobFailed", 3), ("Refused", 3), ("Registry", 1)]
    {
        assert!(with(exit) >= least, "{exit}: {counts:#?}");
    }
}
