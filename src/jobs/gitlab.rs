//! GitLab CI/CD: `GET /projects/ID/pipelines/ID/jobs`, on gitlab.com and on self-managed servers.
//!
//! Source: docs.gitlab.com/api/jobs. A job that was retried is listed once, in its current state.
//! The job token may read it since GitLab 18.3.

use super::{Job, Rows, State, System, address, bounded, needed, secret_header};
use crate::inputs::{Context, set};
use crate::oci::json;
use reqwest::header::{HeaderMap, HeaderName};
use serde::Deserialize;
use url::Url;

/// A pipeline.
#[derive(Debug)]
pub(super) struct GitLab {
    jobs: Url,
    headers: HeaderMap,
    job: Option<u64>,
}

impl GitLab {
    /// The pipeline that the environment names.
    pub(super) fn new(context: &Context<'_>, token: Option<&str>) -> Result<Self, String> {
        let Context { environment, secrets, .. } = *context;
        let path = [
            "projects",
            needed(environment, "CI_PROJECT_ID")?,
            "pipelines",
            needed(environment, "CI_PIPELINE_ID")?,
            "jobs",
        ];
        let job_token = set(environment, "CI_JOB_TOKEN");
        let (name, token) = match token {
            Some(token) if Some(token) != job_token => ("private-token", Some(token)),
            _ => ("job-token", job_token),
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            secret_header(
                &mut headers,
                HeaderName::from_static(name),
                secrets.keep(token).expose(),
            )?;
        }
        Ok(Self {
            jobs: address(environment, "CI_API_V4_URL", &path, "per_page=100")?,
            headers,
            job: environment.get("CI_JOB_ID").and_then(|id| id.parse().ok()),
        })
    }
}

#[derive(Deserialize)]
struct Row {
    id: u64,
    name: String,
    status: String,
    web_url: Option<String>,
}

impl System for GitLab {
    fn name(&self) -> &'static str {
        "GitLab"
    }

    fn jobs(&self) -> &Url {
        &self.jobs
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn read(&self, page: &[u8]) -> Result<Vec<Job>, String> {
        let jobs: Rows<Row> = serde_json::from_slice(page).map_err(|error| json::told(&error))?;
        let job = |listed: Row| Job {
            id: listed.id,
            name: listed.name,
            attempt: 1,
            state: state(&listed.status),
            runner: String::new(),
            link: listed.web_url.unwrap_or_default(),
        };
        bounded(jobs.0.into_iter().map(job).collect())
    }

    fn own<'a>(&self, jobs: &'a [Job]) -> Option<&'a Job> {
        jobs.iter().find(|job| Some(job.id) == self.job)
    }

    fn attempt(&self) -> u64 {
        1
    }

    fn lists_late(&self) -> bool {
        false
    }

    fn permission(&self) -> &'static str {
        "job tokens can read jobs since GitLab 18.3; for older versions, set `token` to one with the scope `read_api`"
    }
}

fn state(status: &str) -> State {
    match status {
        "success" => State::Succeeded,
        "failed" => State::Failed,
        "canceled" | "canceling" => State::Cancelled,
        "skipped" => State::Skipped,
        // Somebody may still start a `manual` job.
        "created"
        | "pending"
        | "preparing"
        | "scheduled"
        | "waiting_for_resource"
        | "waiting_for_callback"
        | "manual" => State::Pending,
        _ => State::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::spoilt;
    use crate::secret::Secrets;
    use std::path::Path;

    #[test]
    fn any_page_and_the_own_job() {
        let environment = [
            ("CI_API_V4_URL", "https://gitlab.com/api/v4"),
            ("CI_PROJECT_ID", "1"),
            ("CI_PIPELINE_ID", "2"),
            ("CI_JOB_ID", "4"),
        ];
        let environment =
            &environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (folder, secrets) = (Path::new("."), &Secrets::default());
        let gitlab = GitLab::new(&Context { environment, folder, secrets }, None).unwrap();
        let page = br#"[{"id":4,"name":"manifest","status":"running","stage":"deploy","web_url":"https://x/4"},
            {"id":3,"name":"build: [arm64]","status":"failed","allow_failure":true,"web_url":"https://x/3"}]"#;
        let jobs = gitlab.read(page).unwrap();
        let shown: Vec<_> =
            jobs.iter().map(|job| (job.name.as_str(), job.state, job.link.as_str())).collect();
        let expected = [
            ("manifest", State::Running, "https://x/4"),
            ("build: [arm64]", State::Failed, "https://x/3"),
        ];
        assert_eq!(shown, expected);
        assert_eq!(gitlab.own(&jobs).map(|job| job.id), Some(4));
        assert!(gitlab.read(br#"{"message":"404"}"#).is_err());
        let why = gitlab.read(format!(r#""{}""#, "x".repeat(4000)).as_bytes()).unwrap_err();
        assert!(why.starts_with("a value of another type than expected at line 1"), "{why}");
        let row = serde_json::json!({
            "id": 4, "name": "x", "status": "running", "web_url": "https://x/4", "stage": null,
        });
        let whole = serde_json::json!([row, row]);
        let (mut random, mut accepted) = (fastrand::Rng::with_seed(1), 0);
        for _ in 0..3_000 {
            match gitlab.read(&spoilt(&mut random, &whole, 20)) {
                Ok(jobs) => accepted += usize::from(gitlab.own(&jobs).is_some()),
                Err(why) => {
                    assert!(why.len() < 400 && !why.contains(char::is_control), "{why}");
                }
            }
        }
        assert!(accepted > 500, "{accepted}");
        for (status, expected) in [
            ("created", State::Pending),
            ("manual", State::Pending),
            ("running", State::Running),
            ("success", State::Succeeded),
            ("canceled", State::Cancelled),
            ("canceling", State::Cancelled),
            ("skipped", State::Skipped),
            ("brand_new", State::Running),
        ] {
            assert_eq!(state(status), expected, "{status}");
        }
    }
}
