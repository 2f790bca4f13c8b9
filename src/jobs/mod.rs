//! The other jobs of this run in the CI system, and whether those that build the images still can.
//!
//! Finds the system from the environment, polls its API gently and decides what the answer means
//! for the wait. It does not know what is waited for; `resolve` does.

mod ask;
mod github;
mod gitlab;
mod limits;
pub(crate) mod verdict;

use crate::inputs::{Context, Environment, set};
use crate::registry::http::{address, sensitive};
pub use ask::{Jobs, Listing, Look};
use reqwest::header::{HeaderMap, HeaderName};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;
use url::Url;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has not started.
    Pending,
    /// It is running, or in a state that this version does not know.
    Running,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was stopped from outside.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// It was not run.
    Skipped,
}

impl State {
    /// What people read after the name of the job.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "has not started",
            Self::Running => "is running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "was cancelled",
            Self::TimedOut => "timed out",
            Self::Skipped => "was skipped",
        }
    }
}

/// One job, as the CI system lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The system's number for it.
    pub id: u64,
    /// Its name, with the values of a matrix: `build (linux/arm64)`, `caller / build`.
    pub name: String,
    /// Which attempt of the run it belongs to, from 1.
    pub attempt: u64,
    /// Its state.
    pub state: State,
    /// The runner that runs it, as far as the system tells.
    pub runner: String,
    /// Its page, for people.
    pub link: String,
}

/// A CI system with an API that lists jobs. Pure functions read its answers; requests are the same
/// for all systems.
pub trait System: fmt::Debug {
    /// Its name, for people.
    fn name(&self) -> &'static str;
    /// The first page of all jobs of this run.
    fn jobs(&self) -> &Url;
    /// What is sent with each request; the token goes nowhere else.
    fn headers(&self) -> &HeaderMap;
    /// Reads one page.
    fn read(&self, page: &[u8]) -> Result<Vec<Job>, String>;
    /// The job that this process is a part of, if it is sure which one that is.
    fn own<'a>(&self, jobs: &'a [Job]) -> Option<&'a Job>;
    /// The attempt that this process is a part of.
    fn attempt(&self) -> u64;
    /// Whether a job is listed only when those that it needs are done.
    fn lists_late(&self) -> bool;
    /// What to do if the API denies access.
    fn permission(&self) -> &'static str;
}

/// Jobs of a page that are read: both systems are asked for a hundred.
const MOST_OF_A_PAGE: usize = 200;
/// Bytes of names and addresses of a page. A hundred jobs of GitHub have a sixth of it.
const MOST_TEXT: usize = 128 << 10;

/// The jobs of a page as they are listed, no more of them than were asked for.
#[derive(Debug)]
struct Rows<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Jobs<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Jobs<T> {
            type Value = Rows<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of jobs")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut jobs = Vec::new();
                while let Some(job) = items.next_element()? {
                    if jobs.len() == MOST_OF_A_PAGE {
                        return Err(A::Error::custom(format!("more than {MOST_OF_A_PAGE} jobs")));
                    }
                    jobs.push(job);
                }
                Ok(Rows(jobs))
            }
        }
        deserializer.deserialize_seq(Jobs(PhantomData))
    }
}

/// Refuses jobs whose texts are longer than any.
fn bounded(jobs: Vec<Job>) -> Result<Vec<Job>, String> {
    let length = |job: &Job| job.name.len() + job.link.len() + job.runner.len();
    if jobs.iter().map(length).sum::<usize>() > MOST_TEXT {
        return Err("the names of the jobs are longer than any".to_owned());
    }
    Ok(jobs)
}

/// The CI system that this process runs in; `token`: the input. An error says why there is none.
pub fn find(context: &Context<'_>, token: Option<&str>) -> Result<Box<dyn System>, String> {
    let environment = context.environment;
    let is = |name: &str| set(environment, name) == Some("true");
    if is("GITHUB_ACTIONS") || environment.contains_key("GITHUB_RUN_ID") {
        return Ok(Box::new(github::GitHub::new(context, token)?));
    }
    if is("GITLAB_CI") || environment.contains_key("CI_PIPELINE_ID") {
        return Ok(Box::new(gitlab::GitLab::new(context, token)?));
    }
    Err("jobs can only be watched in GitHub Actions and GitLab CI/CD, but neither GITHUB_RUN_ID nor \
         CI_PIPELINE_ID is set: remove watch-jobs, and set `wait` to the longest time a build may take"
        .to_owned())
}

/// A variable that the CI system sets.
fn needed<'a>(environment: &'a Environment, name: &str) -> Result<&'a str, String> {
    let value = environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    value.ok_or_else(|| format!("needs {name}, which the CI system should have set"))
}

/// The address of an API from a variable, with a path of these segments below it.
fn address(
    environment: &Environment,
    name: &str,
    path: &[&str],
    query: &str,
) -> Result<Url, String> {
    let text = needed(environment, name)?;
    let wrong = || {
        format!(
            "{name} must be a web address without a login, not {:?}",
            text.split('@').next_back().unwrap_or_default()
        )
    };
    let mut url: Url = text.parse().map_err(|_| wrong())?;
    // Checked against itself, the rule only says which addresses are allowed at all.
    address::check(&url.clone(), &url).map_err(|_| wrong())?;
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path);
    url.set_query(Some(query));
    url.set_fragment(None);
    Ok(url)
}

/// A header with a token, which no log of the HTTP library shows.
fn secret_header(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), String> {
    let value =
        sensitive(value).ok_or("token contains a character that is not allowed in a token")?;
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secrets;
    use std::path::Path;

    fn found_by(environment: &Environment, token: Option<&str>) -> Result<Box<dyn System>, String> {
        let (folder, secrets) = (Path::new("."), &Secrets::default());
        find(&Context { environment, folder, secrets }, token)
    }

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_system_comes_from_the_environment() {
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", "https://ghe.example/api/v3/"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_RUN_ID", "7"),
        ];
        let found = found_by(&environment(&github), Some("canary-jobs-token")).unwrap();
        assert_eq!(
            found.jobs().as_str(),
            "https://ghe.example/api/v3/repos/acme/app/actions/runs/7/jobs?filter=all&per_page=100"
        );
        assert_eq!(found.headers()["authorization"], "Bearer canary-jobs-token");
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
        let gitlab = [
            ("CI_API_V4_URL", "https://gitlab.example:8443/base/api/v4"),
            ("CI_PROJECT_ID", "12"),
            ("CI_PIPELINE_ID", "34"),
            ("CI_JOB_ID", "56"),
            ("CI_JOB_TOKEN", "canary-job-token"),
        ];
        let found = found_by(&environment(&gitlab), None).unwrap();
        assert_eq!(
            found.jobs().as_str(),
            "https://gitlab.example:8443/base/api/v4/projects/12/pipelines/34/jobs?per_page=100"
        );
        assert_eq!(found.headers()["job-token"], "canary-job-token");
        let found = found_by(&environment(&gitlab), Some("canary-own-token")).unwrap();
        assert_eq!(
            (found.headers().get("job-token"), &found.headers()["private-token"]),
            (None, &"canary-own-token".parse().unwrap())
        );
        for (set, token, why) in [
            (vec![], None, "neither GITHUB_RUN_ID nor"),
            (vec![("CI", "woodpecker")], None, "neither GITHUB_RUN_ID nor"),
            (github[..2].to_vec(), None, "needs GITHUB_REPOSITORY"),
            (gitlab[1..].to_vec(), None, "needs CI_API_V4_URL"),
            (
                [&github[..], &[("GITHUB_API_URL", "https://user:hidden@ghe.example")]].concat(),
                None,
                "a web address without a login, not \"ghe.example\"",
            ),
            (
                [&github[..], &[("GITHUB_API_URL", "file:///etc/passwd")]].concat(),
                None,
                "must be a web address",
            ),
            ([&github[..], &[("GITHUB_REPOSITORY", "app")]].concat(), None, "OWNER/NAME"),
            (github.to_vec(), Some("two\nlines"), "token"),
        ] {
            let error = found_by(&environment(&set), token).map(|_| ()).unwrap_err();
            assert!(error.contains(why) && !error.contains("hidden"), "{set:?}: {error}");
        }
    }
}
