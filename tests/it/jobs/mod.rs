//! `watch-jobs`: a builder that failed is not waited for, before GitHub's API and GitLab's.

mod pauses;

use crate::support::jobs_api::{FakeJob, JobsApi, TOKEN, job, link};
use crate::support::running::Ran;
use crate::support::scene::{BOTH, REPO, Scene};
use crate::support::step::Step;

/// The waiting step of the scene that watches these jobs too.
fn watching_step(scene: &Scene, api: &JobsApi, watch: &str) -> Step {
    api.known_to(scene.waiting_step())
        .input("watch-jobs", watch)
        .input("wait-interval", "200ms")
        .input("wait", "30s")
}

/// It ended with 4, named the job and its address, and moved nothing.
#[track_caller]
fn ended_for(ran: Ran, what: &str, link: &str) -> Ran {
    let ran = ran.fails(4);
    let title =
        ran.commands().into_iter().find(|command| command.name == "error").expect("an annotation");
    assert!(title.data.starts_with(what), "{}", title.data);
    assert!(ran.stdout.contains(link), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("no tag was moved") && !ran.stdout.contains("tag      "),
        "{}",
        ran.stdout
    );
    ran.never_says(TOKEN);
    ran
}

#[tokio::test]
async fn a_job_that_fails_ends_the_wait_within_one_poll() {
    for (conclusion, what) in [
        ("failure", "job build (linux/arm64) failed"),
        ("cancelled", "job build (linux/arm64) was cancelled"),
        ("timed_out", "job build (linux/arm64) timed out"),
        ("skipped", "job build (linux/arm64) was skipped"),
    ] {
        let scene = Scene::with_amd64().await;
        let jobs = |state: &str| {
            vec![
                job("build (linux/amd64)", "success"),
                job("test", "failure"),
                job("build (linux/arm64)", state),
            ]
        };
        let api = JobsApi::github(jobs("in_progress"));
        let running =
            watching_step(&scene, &api, "build (*)").input("log-level", "trace").spawn().await;
        running.wait_for_line("jobs     2 watched: 1 succeeded, 1 is running").await;
        let before = api.requests().len();
        api.set(jobs(conclusion));
        let ran = ended_for(
            running.wait().await,
            what,
            &format!("job: build (linux/arm64) {} {}", &what[24..], link(3)),
        );
        assert_eq!(api.requests().len(), before + 1, "the next poll");
        assert!(
            ran.stdout.contains(&format!("found: {}", scene.reference("amd64"))),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stdout.contains(&format!("not found: {}", scene.reference("arm64"))),
            "{}",
            ran.stdout
        );
        assert_eq!(scene.client.tags(REPO).await, ["amd64"]);
    }
}

#[tokio::test]
async fn all_pages_attempts_and_names_that_come_late() {
    let scene = Scene::with_amd64().await;
    let many: Vec<FakeJob> = (0..240).map(|n| job(&format!("test ({n})"), "success")).collect();
    let with = |more: &[FakeJob]| [many.as_slice(), more].concat();
    let earlier =
        [job("call / build arm64", "failure"), job("call / build arm64", "queued").attempt(2)];
    // The first listing has nothing to watch in it.
    let api = JobsApi::github(with(&[]));
    let running =
        watching_step(&scene, &api, "call / build*").env("GITHUB_RUN_ATTEMPT", "2").spawn().await;
    running.wait_for_line("jobs     0 watched, none is listed yet").await;
    api.set(with(&earlier));
    running.wait_for_line("job      call / build arm64  has not started").await;
    api.set(with(&[earlier[0].clone(), job("call / build arm64", "failure").attempt(2)]));
    ended_for(running.wait().await, "job call / build arm64 failed", &link(242));
    let requests = api.requests();
    assert_eq!(requests.len() % 3, 0, "three pages each time");
    let asked: Vec<&str> = requests[..3].iter().map(|request| request.query()).collect();
    assert_eq!(
        asked,
        [
            "filter=all&per_page=100",
            "filter=all&per_page=100&page=2",
            "filter=all&per_page=100&page=3"
        ]
    );
    // The first two pages did not change.
    let known = requests[3..].iter().all(|request| request.header("if-none-match").is_some());
    assert!(known, "ETags are sent back");
}

#[tokio::test]
async fn when_all_is_there_the_jobs_are_looked_at_once() {
    let scene = Scene::with_both().await;
    for (state, status) in [("failure", 4), ("skipped", 4), ("success", 0), ("in_progress", 0)] {
        let api = JobsApi::github(vec![job("build", state), job("deploy", "queued")]);
        let ran = watching_step(&scene, &api, "build").run().await.fails(status);
        assert_eq!(api.requests().len(), 1, "{state}");
        assert_eq!(scene.digest("1").await.is_some(), status == 0, "{state}: {}", ran.stdout);
    }
    // Images that came late: their job may have failed since it was looked at last.
    let scene = Scene::with_amd64().await;
    let api = JobsApi::github(vec![job("build", "in_progress")]);
    let running = watching_step(&scene, &api, "build").spawn().await;
    running.wait_for_line("jobs     1 watched: 1 is running").await;
    api.set(vec![job("build", "failure")]);
    // And the API fails just then: what it said before is no answer to that.
    api.fault(502, &[]);
    scene.push_arm64().await;
    ended_for(running.wait().await, "job build failed", &link(1));
    assert_eq!(scene.digest("1").await, None);
}

/// A name with a slip in it watches nobody; whoever wrote it believes otherwise.
#[tokio::test]
async fn a_name_that_no_job_has_is_a_warning() {
    let scene = Scene::with_both().await;
    let api =
        JobsApi::github(vec![job("build (amd64)", "success"), job("build (arm64)", "failure")]);
    let ran = watching_step(&scene, &api, "biuld (*)").run().await.ok();
    let warnings: Vec<String> = ran
        .commands()
        .into_iter()
        .filter(|command| command.name == "warning")
        .map(|command| command.data)
        .collect();
    let expected = "watch-jobs: no job is called \"biuld (*)\"; the jobs of this run are build (amd64), build (arm64)";
    assert_eq!(warnings, [expected]);
}

#[tokio::test]
async fn gitlab_with_the_job_token() {
    let scene = Scene::with_amd64().await;
    let many: Vec<FakeJob> = (0..5).map(|n| job(&format!("test {n}"), "success")).collect();
    let with = |state: &str| {
        [&[job("manifest", "running")], many.as_slice(), &[job("build: [arm64, linux]", state)]]
            .concat()
    };
    let api = JobsApi::gitlab(with("created")).page(3);
    let plain = || {
        let sources = scene.references(&BOTH);
        let inputs = [
            ("TAGS", scene.reference("1")),
            ("SOURCES", sources),
            ("WATCH_JOBS", "build: *\nmanifest".to_owned()),
            ("WAIT", "30s".to_owned()),
        ];
        inputs.into_iter().fold(Step::new(), |step, (name, value)| {
            step.env(&format!("MANIFEST_ACTION_{name}"), value)
        })
    };
    let running = api.known_to(plain()).spawn().await;
    running.wait_for_line("jobs     1 watched: 1 has not started").await;
    api.set(with("failed"));
    let ran = running.wait().await.fails(4);
    let said = format!(
        "error: job build: [arm64, linux] failed\n  job: build: [arm64, linux] failed {}\n",
        link(7)
    );
    assert!(ran.stdout.contains(&said), "{}", ran.stdout);
    ran.never_says(TOKEN);
    assert_eq!(api.requests()[0].header("job-token"), Some(TOKEN));
    assert_eq!(api.requests()[0].header("private-token"), None);
    // An explicit token is one of a user.
    let ran =
        api.known_to(plain()).env("MANIFEST_ACTION_TOKEN", "canary-own-token").run().await.fails(4);
    let last = api.requests().pop().unwrap();
    assert_eq!(
        (last.header("private-token"), last.header("job-token")),
        (Some("canary-own-token"), None)
    );
    ran.never_says("canary-own-token");
    let ran = api
        .known_to(plain())
        .env("CI_JOB_TOKEN", "another")
        .env("MANIFEST_ACTION_WAIT", "0")
        .run()
        .await
        .fails(3);
    assert!(ran.stdout.contains("→ 401") && ran.stdout.contains("read_api"), "{}", ran.stdout);
}

#[tokio::test]
async fn it_is_a_flag_and_needs_a_ci_system() {
    let scene = Scene::with_both().await;
    let api = JobsApi::github(vec![job("build", "failure")]);
    let arguments = [
        "create".to_owned(),
        scene.reference("1"),
        scene.reference("amd64"),
        "--watch-jobs=build".to_owned(),
    ];
    let ran = Step::new().args(&arguments).run().await.fails(2);
    assert!(
        ran.stderr
            .contains("watch-jobs: jobs can only be watched in GitHub Actions and GitLab CI/CD"),
        "{}",
        ran.stderr
    );
    let ran = Step::new().github().without("GITHUB_RUN_ID").args(&arguments).run().await.fails(2);
    assert!(ran.stderr.contains("watch-jobs: needs GITHUB_RUN_ID"), "{}", ran.stderr);
    assert_eq!(scene.proxy.requests(), 0);
    let ran = api
        .known_to(Step::new().github())
        .args(&arguments)
        .args([&format!("--token={TOKEN}")])
        .run()
        .await
        .fails(4);
    assert!(ran.stderr.contains("error: job build failed"), "{}", ran.stderr);
}

#[tokio::test]
async fn many_lists_share_the_looks() {
    let scene = Scene::with_both().await;
    let api = JobsApi::github(vec![job("good", "success"), job("bad", "failure")]);
    let list = |tag: &str, job: &str| {
        format!(
            "  - tags: {}\n    sources: {}\n    watch-jobs: [{job}]\n",
            scene.reference(tag),
            scene.reference("amd64")
        )
    };
    let lists = format!("indexes:\n{}{}{}", list("1", "good"), list("2", "bad"), list("3", "good"));
    let ran = api
        .known_to(Step::new().github())
        .file("lists.yaml", lists)
        .input("spec", "lists.yaml")
        .run()
        .await
        .fails(4);
    assert!(ran.stdout.contains("failed   1 of 3 indexes"), "{}", ran.stdout);
    assert_eq!(api.requests().len(), 1);
    for tag in ["1", "2", "3"] {
        assert_eq!(scene.digest(tag).await, None, "they go together: {tag}");
    }
}
