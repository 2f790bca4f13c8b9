//! `watch-jobs` where ten seconds have to pass: pauses of an API, and jobs that are done while a
//! registry may still show late what they pushed.

use super::{ended_for, watching_step};
use crate::support::jobs_api::{JobsApi, TOKEN, job, link};
use crate::support::scene::Scene;
use std::time::Duration;

#[tokio::test]
async fn an_api_that_does_not_let_us_in_is_one_warning() {
    let scene = Scene::with_amd64().await;
    let api = JobsApi::github(vec![]);
    for status in [401, 403, 404] {
        api.fault(status, &[]);
        let before = api.requests().len();
        let ran = watching_step(&scene, &api, "build").input("wait", "2s").run().await.fails(3);
        let warnings: Vec<_> =
            ran.commands().into_iter().filter(|command| command.name == "warning").collect();
        assert_eq!(warnings.len(), 1, "{}", ran.stdout);
        let text = &warnings[0].data;
        assert!(text.contains(&format!("/actions/runs/1001/jobs → {status}")), "{text}");
        assert!(
            text.contains("permissions: actions: read")
                && text.contains("only the registry is polled"),
            "{text}"
        );
        assert_eq!(api.requests().len(), before + 1, "not asked again");
    }
    // What goes on then is as without the input.
    scene.push_arm64().await;
    api.fault(403, &[]);
    watching_step(&scene, &api, "build").run().await.ok();
}

#[tokio::test]
async fn an_api_that_is_asked_too_much_is_left_alone() {
    for (status, headers) in [
        (429, vec![("Retry-After", "3")]),
        (403, vec![("Retry-After", "3"), ("x-ratelimit-remaining", "0")]),
        // GitHub's primary limit; long past, so the pause is the usual minute.
        (403, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")]),
    ] {
        let scene = Scene::with_amd64().await;
        let api = JobsApi::github(vec![job("build", "failure")]);
        api.fault(status, &headers);
        let usual = headers[0].0 != "Retry-After";
        let running = watching_step(&scene, &api, "build").input("wait", "4s").spawn().await;
        running
            .wait_for_line(&format!(
                "rate limited by GitHub for {};",
                if usual { "1m" } else { "3 s" }
            ))
            .await;
        let ran = running.wait().await;
        assert!(ran.elapsed > Duration::from_secs(3), "{:?}", ran.elapsed);
        assert_eq!(api.requests().len(), if usual { 1 } else { 2 }, "not before the pause is over");
        ran.fails(if usual { 3 } else { 4 });
    }
}

#[tokio::test]
async fn an_api_in_trouble_is_asked_again_and_stops_nothing() {
    let scene = Scene::with_amd64().await;
    let api = JobsApi::github(vec![job("build", "failure")]);
    api.fault(502, &[]);
    api.fault(200, &[]); // Not a list of jobs.
    let ran = watching_step(&scene, &api, "build").run().await;
    let ran = ended_for(ran, "job build failed", &link(1));
    assert_eq!(ran.stdout.matches("cannot list the jobs of this run").count(), 1, "{}", ran.stdout);
    assert_eq!(api.requests().len(), 3);
    // A redirect is not followed, and an address that answers nothing is given up when all is
    // there.
    let scene = Scene::with_both().await;
    let elsewhere = JobsApi::github(vec![job("build", "failure")]);
    let location = format!("http://{}/api/repos/acme/app/actions/runs/1001/jobs", elsewhere.host());
    api.fault(301, &[("Location", &location)]);
    watching_step(&scene, &api, "build").run().await.ok().never_says(TOKEN);
    assert!(elsewhere.requests().is_empty(), "the token goes nowhere else");
    let ran = watching_step(&scene, &api, "build")
        .env("GITHUB_API_URL", "http://127.0.0.1:9")
        .run()
        .await
        .ok();
    assert!(ran.stdout.contains("cannot list the jobs of this run"), "{}", ran.stdout);
}

#[tokio::test]
async fn the_own_job_is_not_waited_for() {
    let scene = Scene::with_amd64().await;
    let jobs = vec![
        job("Publish", "failure").runner("here"),
        job("Publish", "in_progress").attempt(2).runner("here"),
        job("build", "skipped").attempt(2),
    ];
    let api = JobsApi::github(jobs);
    // Only if the own job does not count, all others are done.
    let ran = watching_step(&scene, &api, "*")
        .env("GITHUB_RUN_ATTEMPT", "2")
        .input("missing", "skip")
        .run()
        .await
        .ok();
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64"));
    // Not at once: a registry may show late what a job has pushed.
    assert!((10..30).contains(&ran.elapsed.as_secs()), "{:?}", ran.elapsed);
}

#[tokio::test]
async fn with_missing_skip_a_skipped_job_ends_the_wait_and_not_the_run() {
    let scene = Scene::with_amd64().await;
    let jobs = |amd64: &str| vec![job("amd64", amd64), job("arm64", "skipped")];
    let api = JobsApi::github(jobs("in_progress"));
    let running = watching_step(&scene, &api, "a*64").input("missing", "skip").spawn().await;
    // One may still push.
    running.wait_for_line("jobs     2 watched: 1 is running, 1 was skipped").await;
    running.wait_for_line("arm64  not found yet; checking for up to").await;
    api.set(jobs("success"));
    let ran = running.wait().await.ok();
    assert!(
        ran.stdout.contains("is left out (`missing: skip`): not found, as their jobs were skipped"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.output("platforms").as_deref(), Some("linux/amd64"));
    // A job that failed is no job that was skipped.
    api.set(vec![job("arm64", "failure")]);
    ended_for(
        watching_step(&scene, &api, "a*64").input("missing", "skip").run().await,
        "job arm64 failed",
        &link(1),
    );
}
