//! Waits of minutes, under a paused clock: how often the program looks, and when it stops.

use crate::support::jobs_api::{FakeJob, JobsApi, TOKEN, job};
use crate::support::log::Log;
use crate::support::paused_clock::PausedClock;
use crate::support::proxy::FaultProxy;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{BOTH, REPO, Scene, manifest};
use manifest_action::app::{self, Invocation};
use manifest_action::error::{Error, Exit};
use manifest_action::inputs::{Context, Environment, Findings};
use manifest_action::secret::Secrets;
use std::path::Path;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(250);

fn environment(api: Option<&FaultProxy>, attempt: &str) -> Environment {
    let mut environment = Environment::new();
    if let Some(api) = api {
        for (name, value) in [
            ("GITHUB_API_URL", format!("http://{}/api", api.host()).as_str()),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_RUN_ID", "1001"),
            ("GITHUB_RUN_ATTEMPT", attempt),
            ("RUNNER_NAME", "here"),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    environment
}

/// How a run in this process ended: its exit status and error, and when.
struct Ended {
    exit: Exit,
    error: Option<Error>,
    after: Duration,
}

async fn run(
    clock: &PausedClock,
    inputs: &[(&str, String)],
    environment: &Environment,
    event: impl AsyncFnMut(Duration),
) -> Ended {
    let level = ("log-level", "error".to_owned());
    let pairs = inputs
        .iter()
        .chain([&level])
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let context = Context { environment, folder: Path::new("."), secrets: &Secrets::default() };
    let invocation = Invocation::create(pairs, Findings::default(), context);
    let before = clock.elapsed();
    let ended = clock.run(STEP, app::compose_lists(invocation), event).await;
    let error = ended.run.lists.into_iter().next().and_then(|list| list.ended.err());
    Ended { exit: ended.exit, error, after: clock.elapsed() - before }
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_cost_few_requests_and_a_line_a_minute() {
    let scene = Scene::with_amd64().await;
    let api = JobsApi::github(vec![job("build (x)", "in_progress"), job("build (y)", "success")]);
    let proxy = FaultProxy::before_addr(&api.host()).await;
    let clock = PausedClock::before(&[&scene.proxy, &proxy]).await;
    let tags: Vec<String> = (0..8).map(|n| format!("late{n}")).collect();
    let inputs = [
        ("tags", scene.reference("1")),
        ("sources", tags.iter().map(|tag| scene.reference(tag)).collect::<Vec<_>>().join("\n")),
        ("watch-jobs", "build (*)".to_owned()),
        ("token", TOKEN.to_owned()),
    ];
    let log = Log::begin();
    let ended = run(&clock, &inputs, &environment(Some(&proxy), "1"), async |_| {}).await;
    let log = log.end();
    assert_eq!(ended.exit, Exit::NotArrived);
    assert!(
        ended.after >= Duration::from_secs(600) && ended.after < Duration::from_secs(603),
        "{:?}",
        ended.after
    );
    for tag in &tags {
        let (gets, heads) =
            (scene.proxy.count("GET", &manifest(tag)), scene.proxy.count("HEAD", &manifest(tag)));
        assert_eq!(gets, 2, "no manifest is read between the first look and the last");
        assert!((60..=70).contains(&heads), "{tag}: {heads} looks");
    }
    let asked = api.requests().len();
    assert!((15..=30).contains(&asked), "{asked} requests to the job API");
    assert_eq!(log.matches("not found yet; checking for up to 10m").count(), 8, "{log}");
    assert_eq!(log.matches("waiting  8 of 8 missing after ").count(), 9, "{log}");
    let line = format!(
        "waiting  8 of 8 missing after 3m, 7m left: {} not found, {} not found",
        scene.reference("late0"),
        scene.reference("late1")
    );
    assert!(log.contains(&line), "{log}");
    assert_eq!(log.matches("jobs     2 watched: 1 is running, 1 succeeded").count(), 1, "{log}");
    // What it says in the end.
    let error = ended.error.unwrap();
    assert_eq!(error.what, "8 of 8 images did not arrive within 10m");
    assert!(error.details.contains(&format!("not found: {}", scene.reference("late7"))), "{error}");
    assert!(
        error.details.iter().any(|line| line.starts_with("job: build (x) is running https://")),
        "{error}"
    );
    assert!(
        error.details.contains(&"no tag was moved".to_owned()) && error.fix.is_some(),
        "{error}"
    );
}

/// The amd64 image is there, the arm64 image is not; jobs change at these seconds.
async fn watched(
    attempt: &str,
    more: &[(&str, &str)],
    jobs: &[(u64, Vec<FakeJob>)],
) -> (Scene, Ended) {
    let scene = Scene::with_amd64().await;
    let api = JobsApi::github(Vec::new());
    let proxy = FaultProxy::before_addr(&api.host()).await;
    let clock = PausedClock::before(&[&scene.proxy, &proxy]).await;
    let mut inputs = vec![
        ("tags", scene.reference("1")),
        ("sources", scene.references(&BOTH)),
        ("watch-jobs", "build".to_owned()),
        ("token", TOKEN.to_owned()),
        ("wait", "150s".to_owned()),
    ];
    for (name, value) in more {
        inputs.retain(|(other, _)| other != name);
        inputs.push((name, (*value).to_owned()));
    }
    let mut next = jobs.iter().peekable();
    let ended = run(&clock, &inputs, &environment(Some(&proxy), attempt), async |now| {
        while let Some((_, jobs)) = next.next_if(|(at, _)| now >= Duration::from_secs(*at)) {
            api.set(jobs.clone());
        }
    })
    .await;
    (scene, ended)
}

#[track_caller]
fn ended_within(ended: &Ended, exit: Exit, from: u64, to: u64) {
    let seconds = ended.after.as_secs_f64();
    assert!(
        ended.exit == exit && seconds >= from as f64 && seconds <= to as f64,
        "{:?} after {seconds} s: {:?}",
        ended.exit,
        ended.error
    );
}

#[tokio::test(start_paused = true)]
async fn jobs_that_are_done_without_an_image_end_the_wait_a_minute_later() {
    let done = vec![job("build", "success"), job("other", "in_progress")];
    let (scene, ended) =
        watched("1", &[], &[(0, vec![job("build", "in_progress")]), (20, done)]).await;
    // Seen at the next poll, at the latest half a minute later.
    ended_within(&ended, Exit::NotArrived, 80, 115);
    let error = ended.error.unwrap();
    assert!(
        error.what.contains("1 of 2 images not found after 1m")
            && error.what.contains("though all watched jobs were done 1m"),
        "{error}"
    );
    assert!(
        error.details.iter().any(|line| line.starts_with("job: build succeeded https://")),
        "{error}"
    );
    assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
    // The same with `missing: skip`: the list is made without it.
    let (scene, ended) =
        watched("1", &[("missing", "skip")], &[(0, vec![job("build", "success")])]).await;
    ended_within(&ended, Exit::Done, 60, 63);
    assert!(scene.digest("1").await.is_some());
    // One of a matrix is done, and another one may still be listed: what it needs is at work. Then
    // it is.
    let jobs = |more: &[FakeJob]| {
        [&[job("build-amd64", "success"), job("Publish", "in_progress").runner("here")], more]
            .concat()
    };
    let steps = [
        (0, jobs(&[job("test-arm64", "in_progress")])),
        (90, jobs(&[job("test-arm64", "success"), job("build-arm64", "skipped")])),
    ];
    for (missing, exit) in [("skip", Exit::Done), ("fail", Exit::JobFailed)] {
        let (_, ended) =
            watched("1", &[("missing", missing), ("watch-jobs", "build-*")], &steps).await;
        ended_within(&ended, exit, 90, 135);
    }
    // A job that nobody has listed yet, and one that waits to be run again, end nothing.
    let (_, ended) = watched("1", &[], &[(0, vec![job("other", "success")])]).await;
    ended_within(&ended, Exit::NotArrived, 150, 152);
    assert!(
        ended.error.unwrap().details.contains(
            &"job: no job is called \"build\"; the jobs of this run are other".to_owned()
        )
    );
    let again = vec![job("build", "success"), job("build", "queued").attempt(2)];
    let (_, ended) = watched("2", &[], &[(0, vec![job("build", "success")]), (30, again)]).await;
    ended_within(&ended, Exit::NotArrived, 150, 152);
}

/// A slip in `watch-jobs` is told in the middle of the wait, and not again at its end.
#[tokio::test(start_paused = true)]
async fn a_name_that_no_job_has_is_told_once_after_a_minute() {
    for (other, yet) in
        [("success", ""), ("in_progress", "; it may still be listed when others end")]
    {
        let log = Log::begin();
        let jobs = [(0, vec![job("build (arm64)", other)])];
        let (_, ended) = watched("1", &[("watch-jobs", "biuld (*)")], &jobs).await;
        let log = log.end();
        ended_within(&ended, Exit::NotArrived, 150, 152);
        let told: Vec<&str> =
            log.lines().filter(|line| line.contains("no job is called")).collect();
        let expected = format!(
            "watch-jobs: after 1m, no job is called \"biuld (*)\"; the jobs of this run are build \
             (arm64){yet}"
        );
        assert!(told.len() == 1 && told[0].ends_with(&expected), "{told:?}");
        let before = log.lines().position(|line| line.contains("no job is called")).unwrap();
        let waiting = |line: &&str| line.contains("waiting ");
        assert!(log.lines().skip(before).any(|line| waiting(&line)), "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_earlier_attempt_counts_after_a_minute_without_a_newer_one() {
    let before = vec![job("build", "failure")];
    let (_, ended) = watched("2", &[], &[(0, before.clone())]).await;
    ended_within(&ended, Exit::JobFailed, 60, 92);
    let again = |state: &str| [before.clone(), vec![job("build", state).attempt(2)]].concat();
    let (_, ended) = watched("2", &[], &[(0, before.clone()), (20, again("in_progress"))]).await;
    ended_within(&ended, Exit::NotArrived, 150, 152);
    let (_, ended) = watched(
        "2",
        &[],
        &[(0, before.clone()), (20, again("in_progress")), (100, again("failure"))],
    )
    .await;
    ended_within(&ended, Exit::JobFailed, 100, 131);
}

/// The failed jobs are run again: first one that the build needs. Till that is done, the build is
/// listed as it ended before.
#[tokio::test(start_paused = true)]
async fn what_was_skipped_or_done_before_may_be_run_again() {
    let own = || job("Publish", "in_progress").attempt(2).runner("here");
    let at_work =
        |build: &str| vec![job("build", build), job("prepare", "in_progress").attempt(2), own()];
    for (build, missing) in
        [("skipped", "skip"), ("skipped", "fail"), ("success", "skip"), ("failure", "fail")]
    {
        let then = |state: &str| {
            vec![
                job("build", build),
                job("prepare", "success").attempt(2),
                job("build", state).attempt(2),
                own(),
            ]
        };
        let steps = [(0, at_work(build)), (80, then("in_progress")), (110, then("failure"))];
        let (scene, ended) = watched("2", &[("missing", missing)], &steps).await;
        ended_within(&ended, Exit::JobFailed, 110, 145);
        assert_eq!(scene.digest("1").await, None, "{build} {missing}");
    }
    // With nobody at work who could lead to it, what is listed counts after a minute.
    let (_, ended) =
        watched("2", &[("missing", "skip")], &[(0, vec![job("build", "skipped"), own()])]).await;
    ended_within(&ended, Exit::Done, 60, 110);
}

/// GitHub lists a matrix, or a workflow that is called, under its bare name when all of it is
/// skipped.
#[tokio::test(start_paused = true)]
async fn what_is_skipped_as_a_whole_is_seen() {
    for (watch, listed) in [
        ("build (*)", "build"),
        ("build (linux/arm64)", "build (${{ matrix.platform }})"),
        ("images / build*", "images"),
    ] {
        let (_, ended) =
            watched("1", &[("watch-jobs", watch)], &[(0, vec![job(listed, "skipped")])]).await;
        ended_within(&ended, Exit::JobFailed, 0, 3);
        assert_eq!(ended.error.unwrap().what, format!("job {listed} was skipped"));
    }
}

/// What cannot be seen may well be there: it is not left out.
#[tokio::test(start_paused = true)]
async fn missing_skip_leaves_out_what_is_missing_and_not_what_is_in_doubt() {
    for fault in [Fault::Status(500), Fault::Reset] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("*", &manifest("arm64")).then(fault));
        let clock = PausedClock::before(&[&scene.proxy]).await;
        let sources = scene.references(&BOTH);
        let inputs = [
            ("tags", scene.reference("1")),
            ("sources", sources),
            ("wait", "20s".to_owned()),
            ("missing", "skip".to_owned()),
        ];
        let ended = run(&clock, &inputs, &environment(None, ""), async |_| {}).await;
        ended_within(&ended, Exit::Registry, 19, 23);
        let error = ended.error.unwrap();
        assert!(error.what.contains(&scene.reference("arm64")), "{error}");
        assert!(
            error.to_string().contains("leaves out only what is known not to exist"),
            "{error}"
        );
        assert_eq!(scene.digest("1").await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_given_a_minute() {
    let scene = Scene::with_both().await;
    scene
        .proxy
        .rule(Rule::on("*", &manifest("arm64")).then(Fault::Status(403).error("DENIED", "no")));
    let clock = PausedClock::before(&[&scene.proxy]).await;
    let sources = scene.references(&BOTH);
    let inputs = [("tags", scene.reference("1")), ("sources", sources)];
    let ended = run(&clock, &inputs, &environment(None, ""), async |_| {}).await;
    ended_within(&ended, Exit::Denied, 60, 62);
    assert_eq!(scene.digest("1").await, None);
}
