//! The APIs that list the jobs of a run, GitHub's and GitLab's, of their documented shape: pages
//! with `Link`, `ETags` and 304, attempts, rate limits, and a token without which nobody is let in.
//!
//! GitHub: docs.github.com/en/rest/actions/workflow-jobs · GitLab: docs.gitlab.com/api/jobs

use super::client::sha256;
use super::http1::{Request, Response};
use super::scripted::ScriptedServer;
use super::step::Step;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What the API takes.
pub const TOKEN: &str = "canary-token-of-the-run";

/// One job as the API lists it.
#[derive(Debug, Clone)]
pub struct FakeJob {
    name: String,
    state: String,
    attempt: u64,
    runner: String,
}

/// A job of the first attempt: `queued`, `in_progress`, or a conclusion (GitHub); a status
/// (GitLab).
pub fn job(name: &str, state: &str) -> FakeJob {
    FakeJob { name: name.to_owned(), state: state.to_owned(), attempt: 1, runner: String::new() }
}

impl FakeJob {
    /// Of another attempt of the run.
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.attempt = attempt;
        self
    }

    /// What it runs on.
    pub fn runner(mut self, runner: &str) -> Self {
        self.runner = runner.to_owned();
        self
    }

    fn github(&self, id: usize) -> Value {
        let done = !matches!(self.state.as_str(), "queued" | "waiting" | "in_progress");
        json!({
            "id": id,
            "run_id": 1001,
            "run_attempt": self.attempt,
            "node_id": "CR_x",
            "html_url": link(id),
            "status": if done { "completed" } else { &self.state },
            "conclusion": if done { json!(self.state) } else { Value::Null },
            "name": self.name,
            "steps": [{"name": "Set up job", "status": "completed", "conclusion": "success", "number": 1}],
            "labels": ["ubuntu-24.04"],
            "runner_name": if self.runner.is_empty() { Value::Null } else { json!(self.runner) },
        })
    }

    fn gitlab(&self, id: usize) -> Value {
        json!({
            "id": id,
            "name": self.name,
            "status": self.state,
            "stage": "build",
            "allow_failure": false,
            "web_url": link(id),
            "pipeline": {"id": 34, "project_id": 12},
        })
    }
}

/// Where people look at the n-th job, from 1.
pub fn link(id: usize) -> String {
    format!("https://ci.example/acme/app/jobs/{id}")
}

#[derive(Debug)]
struct State {
    jobs: Vec<FakeJob>,
    page: usize,
    faults: VecDeque<Response>,
}

/// A running API.
pub struct JobsApi {
    server: ScriptedServer,
    state: Arc<Mutex<State>>,
    gitlab: bool,
}

impl JobsApi {
    /// GitHub's, of the run that [`Step::github`] sets.
    pub fn github(jobs: Vec<FakeJob>) -> Self {
        Self::new(jobs, false)
    }

    /// GitLab's, of pipeline 34 in project 12.
    pub fn gitlab(jobs: Vec<FakeJob>) -> Self {
        Self::new(jobs, true)
    }

    fn new(jobs: Vec<FakeJob>, gitlab: bool) -> Self {
        let state = Arc::new(Mutex::new(State { jobs, page: 100, faults: VecDeque::new() }));
        let served = Arc::clone(&state);
        let server = ScriptedServer::answering(move |request, _| {
            answer(&mut served.lock().expect("no panic while locked"), request, gitlab)
        });
        Self { server, state, gitlab }
    }

    /// Lists so many jobs a page, whatever is asked for: 100 unless told.
    pub fn page(self, size: usize) -> Self {
        self.lock().page = size;
        self
    }

    /// From now on these are the jobs.
    pub fn set(&self, jobs: Vec<FakeJob>) {
        self.lock().jobs = jobs;
    }

    /// The next request gets this answer.
    pub fn fault(&self, status: u16, headers: &[(&str, &str)]) {
        self.lock().faults.push_back(Response::new(status, headers, r#"{"message":"no"}"#));
    }

    /// All that was asked.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// A step that knows this API and its token.
    pub fn known_to(&self, step: Step) -> Step {
        let url = format!("http://{}/api", self.host());
        if self.gitlab {
            return step
                .env("GITLAB_CI", "true")
                .env("CI_API_V4_URL", url)
                .env("CI_PROJECT_ID", "12")
                .env("CI_PIPELINE_ID", "34")
                .env("CI_JOB_ID", "1")
                .env("CI_JOB_TOKEN", TOKEN);
        }
        step.env("GITHUB_API_URL", url).env("RUNNER_NAME", "here").input("token", TOKEN)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }
}

fn answer(state: &mut State, request: &Request, gitlab: bool) -> Response {
    if let Some(fault) = state.faults.pop_front() {
        return fault;
    }
    let path = if gitlab {
        "/api/projects/12/pipelines/34/jobs"
    } else {
        "/api/repos/acme/app/actions/runs/1001/jobs"
    };
    let let_in = if gitlab {
        request.header("job-token") == Some(TOKEN)
            || request.header("private-token") == Some("canary-own-token")
    } else {
        request.header("authorization") == Some(&format!("Bearer {TOKEN}"))
    };
    if !let_in {
        return Response::new(401, &[], r#"{"message":"401 Unauthorized"}"#);
    }
    if request.path() != path {
        return Response::new(404, &[], r#"{"message":"404 Not Found"}"#);
    }
    let query = |name: &str| {
        request.query().split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    // GitHub lists only the newest attempt unless it is asked for all.
    let newest = state.jobs.iter().map(|job| job.attempt).max().unwrap_or(1);
    let all = gitlab || query("filter") == Some("all");
    let number: usize = query("page").map_or(1, |page| page.parse().expect("a page is a number"));
    let per_page = query("per_page")
        .map_or(30, |size| size.parse().expect("a size is a number"))
        .min(state.page);
    let jobs: Vec<Value> = state
        .jobs
        .iter()
        .zip(1..)
        .filter(|(job, _)| all || job.attempt == newest)
        .map(|(job, id)| if gitlab { job.gitlab(id) } else { job.github(id) })
        .collect();
    let shown: Vec<Value> =
        jobs.iter().skip((number - 1) * per_page).take(per_page).cloned().collect();
    let body =
        if gitlab { json!(shown) } else { json!({"total_count": jobs.len(), "jobs": shown}) }
            .to_string();
    let etag = format!("W/\"{}\"", &sha256(body.as_bytes())[7..39]);
    // As GitHub spells it: another path than the one that was asked for, and no address to trust.
    let next = format!(
        "<https://api.invalid/repositories/1/jobs?filter=all&per_page={per_page}&page={}>; rel=\"next\"",
        number + 1
    );
    let mut headers =
        vec![("ETag", etag.as_str()), ("x-ratelimit-remaining", "990"), ("x-ratelimit-reset", "1")];
    if number * per_page < jobs.len() {
        headers.push(("Link", &next));
    }
    if request.header("if-none-match") == Some(&etag) {
        headers.push(("Content-Length", "0"));
        return Response { status: 304, ..Response::new(304, &headers, "") };
    }
    Response::new(200, &headers, body)
}
