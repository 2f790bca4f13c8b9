//! GitHub Actions: `GET /repos/OWNER/NAME/actions/runs/ID/jobs`, on github.com and on GitHub
//! Enterprise.
//!
//! Source: docs.github.com/en/rest/actions/workflow-jobs. `filter=all`, because `latest` has listed
//! only the jobs of a re-run where others of the run had succeeded before.

use super::{Job, Rows, State, System, address, bounded, needed, secret_header};
use crate::inputs::Context;
use crate::oci::json;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use url::Url;

/// A run of a workflow.
#[derive(Debug)]
pub(super) struct GitHub {
    jobs: Url,
    headers: HeaderMap,
    attempt: u64,
    runner: String,
    job_id: String,
}

impl GitHub {
    /// The run that the environment names.
    pub(super) fn new(context: &Context<'_>, token: Option<&str>) -> Result<Self, String> {
        let Context { environment, secrets, .. } = *context;
        let repository = needed(environment, "GITHUB_REPOSITORY")?;
        let (owner, name) = match repository.split_once('/') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
                (owner, name)
            }
            _ => return Err(format!("GITHUB_REPOSITORY is {repository:?}, not OWNER/NAME")),
        };
        let path = [
            "repos",
            owner,
            name,
            "actions",
            "runs",
            needed(environment, "GITHUB_RUN_ID")?,
            "jobs",
        ];
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
        if let Some(token) = token {
            secret_header(
                &mut headers,
                AUTHORIZATION,
                &format!("Bearer {}", secrets.keep(token).expose()),
            )?;
        }
        let set = |name: &str| environment.get(name).cloned().unwrap_or_default();
        Ok(Self {
            jobs: address(environment, "GITHUB_API_URL", &path, "filter=all&per_page=100")?,
            headers,
            attempt: set("GITHUB_RUN_ATTEMPT").parse().unwrap_or(1),
            runner: set("RUNNER_NAME"),
            job_id: set("GITHUB_JOB"),
        })
    }
}

#[derive(Deserialize)]
struct Page {
    jobs: Rows<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: u64,
    name: String,
    // Gitea leaves it out.
    run_attempt: Option<u64>,
    status: Option<String>,
    conclusion: Option<String>,
    runner_name: Option<String>,
    html_url: Option<String>,
}

impl System for GitHub {
    fn name(&self) -> &'static str {
        "GitHub"
    }

    fn jobs(&self) -> &Url {
        &self.jobs
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn read(&self, page: &[u8]) -> Result<Vec<Job>, String> {
        let page: Page = serde_json::from_slice(page).map_err(|error| json::told(&error))?;
        let job = |listed: Row| Job {
            id: listed.id,
            name: listed.name,
            attempt: listed.run_attempt.unwrap_or(1),
            state: state(
                listed.status.as_deref().unwrap_or_default(),
                listed.conclusion.as_deref(),
            ),
            runner: listed.runner_name.unwrap_or_default(),
            link: listed.html_url.unwrap_or_default(),
        };
        bounded(page.jobs.0.into_iter().map(job).collect())
    }

    /// `GITHUB_JOB` is the key in the workflow file, which the API does not list, and a name may be
    /// anything. But a runner runs one job at a time: ours is the one that is running, in this
    /// attempt, on our runner. If several runners share a name, the key must decide; if it cannot,
    /// our job stays unknown.
    fn own<'a>(&self, jobs: &'a [Job]) -> Option<&'a Job> {
        let here = |job: &&Job| {
            job.attempt == self.attempt && job.state == State::Running && job.runner == self.runner
        };
        let mut candidates: Vec<&Job> = jobs.iter().filter(here).collect();
        if self.runner.is_empty() || candidates.len() > 1 {
            candidates.retain(|job| is_of_key(&job.name, &self.job_id));
        }
        match candidates.as_slice() {
            [own] => Some(own),
            _ => None,
        }
    }

    fn attempt(&self) -> u64 {
        self.attempt
    }

    fn lists_late(&self) -> bool {
        true
    }

    fn permission(&self) -> &'static str {
        "add `permissions: actions: read` to the job, and set `token: ${{ github.token }}` if it is not the default"
    }
}

/// Whether a job without a name of its own could be called so: by its key, with the values of a
/// matrix, inside a caller.
fn is_of_key(name: &str, key: &str) -> bool {
    let last = name.rsplit(" / ").next().unwrap_or_default();
    !key.is_empty()
        && last.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
}

fn state(status: &str, conclusion: Option<&str>) -> State {
    match (conclusion, status) {
        (Some("success" | "neutral"), _) => State::Succeeded,
        (Some("failure" | "startup_failure" | "action_required" | "stale"), _) => State::Failed,
        (Some("cancelled"), _) => State::Cancelled,
        (Some("timed_out"), _) => State::TimedOut,
        (Some("skipped"), _) => State::Skipped,
        (_, "queued" | "waiting" | "requested" | "pending") => State::Pending,
        _ => State::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, spoilt};
    use crate::secret::Secrets;
    use std::path::Path;

    fn github(runner: &str, job_id: &str) -> GitHub {
        let environment = [
            ("GITHUB_API_URL", "https://api.github.com"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_RUN_ID", "1"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("RUNNER_NAME", runner),
            ("GITHUB_JOB", job_id),
        ];
        let environment =
            &environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (folder, secrets) = (Path::new("."), &Secrets::default());
        GitHub::new(&Context { environment, folder, secrets }, None).unwrap()
    }

    #[test]
    fn states() {
        for (status, conclusion, expected) in [
            ("queued", None, State::Pending),
            ("waiting", None, State::Pending),
            ("in_progress", None, State::Running),
            ("completed", Some("success"), State::Succeeded),
            ("completed", Some("neutral"), State::Succeeded),
            ("completed", Some("failure"), State::Failed),
            ("completed", Some("startup_failure"), State::Failed),
            ("completed", Some("cancelled"), State::Cancelled),
            ("completed", Some("timed_out"), State::TimedOut),
            ("completed", Some("skipped"), State::Skipped),
            // What is not known ends nothing.
            ("completed", Some("brand_new"), State::Running),
            ("completed", None, State::Running),
        ] {
            assert_eq!(state(status, conclusion), expected, "{status} {conclusion:?}");
        }
    }

    #[test]
    fn a_page() {
        let page = br#"{"total_count":1,"jobs":[{"id":9,"run_id":1,"run_attempt":2,"name":"build (linux/arm64)",
            "status":"completed","conclusion":"failure","runner_name":null,"html_url":"https://x/9","steps":[{"name":"x"}]}]}"#;
        let job = Job {
            id: 9,
            name: "build (linux/arm64)".to_owned(),
            attempt: 2,
            state: State::Failed,
            runner: String::new(),
            link: "https://x/9".to_owned(),
        };
        assert_eq!(github("", "").read(page), Ok(vec![job]));
        assert!(github("", "").read(b"<html>").is_err());
        let long = format!(r#"{{"jobs":"{}"}}"#, "x".repeat(4000));
        let why = github("", "").read(long.as_bytes()).unwrap_err();
        assert!(why.starts_with("a value of another type than expected at line 1"), "{why}");
    }

    #[test]
    fn the_own_job() {
        let job = |id, name: &str, attempt, state, runner: &str| Job {
            id,
            name: name.to_owned(),
            attempt,
            state,
            runner: runner.to_owned(),
            link: String::new(),
        };
        let jobs = [
            job(1, "Publish it", 1, State::Failed, "r1"),
            job(2, "Publish it", 2, State::Running, "r1"),
            job(3, "build", 2, State::Running, "r2"),
            job(4, "build 2", 2, State::Succeeded, "r1"),
            job(5, "call / merge (x)", 2, State::Running, "same"),
            job(6, "call / other", 2, State::Running, "same"),
            job(7, "alone", 2, State::Running, ""),
        ];
        for (runner, job_id, expected) in [
            ("r1", "publish", Some(2)),
            ("r2", "publish", Some(3)),
            ("r3", "publish", None),
            ("same", "merge", Some(5)),
            ("same", "mer", None),
            ("same", "publish", None),
            ("", "alone", Some(7)),
            ("", "", None),
        ] {
            let own = github(runner, job_id).own(&jobs).map(|job| job.id);
            assert_eq!(own, expected, "{runner} {job_id}");
        }
    }

    #[test]
    fn survives_any_page() {
        let row = serde_json::json!({
            "id": 9, "name": "build (linux/arm64)", "run_attempt": 2, "status": "completed",
            "conclusion": "failure", "runner_name": "r1", "html_url": "https://x/9", "steps": [{}],
        });
        let whole = serde_json::json!({"total_count": 2, "jobs": [row, row, row]});
        let mut random = fastrand::Rng::with_seed(1);
        let (system, mut accepted) = (github("r1", "build"), 0);
        for _ in 0..3_000 {
            let rarity = *chosen(&mut random, &[20, 200]);
            match system.read(&spoilt(&mut random, &whole, rarity)) {
                Ok(jobs) => {
                    accepted += 1;
                    assert!(jobs.len() <= 200);
                    system.own(&jobs);
                }
                Err(why) => {
                    assert!(why.len() < 400 && !why.contains(char::is_control), "{why}");
                }
            }
        }
        assert!(accepted > 500, "{accepted}");
    }
}
