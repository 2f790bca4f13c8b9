//! What the jobs mean for the wait: a pure decision.

use super::{Job, State};
use crate::pattern::Pattern;
use std::collections::HashMap;
use std::time::Duration;

/// How long a newer attempt that is not listed yet may still repair a failure of an earlier one,
/// and how long an image may take to become visible after its job is done.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// What is known when the decision is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The names that are watched.
    pub(crate) patterns: &'a [Pattern],
    /// All jobs of the run, of all attempts.
    pub(crate) jobs: &'a [Job],
    /// The job that this process is a part of.
    pub(crate) own: Option<&'a Job>,
    /// The attempt that this process is a part of.
    pub(crate) attempt: u64,
    /// How long jobs have been watched.
    pub(crate) watched: Duration,
    /// Whether a skipped job is not a failure.
    pub(crate) skip: bool,
    /// Whether the system lists a job only when those that it needs are done.
    pub(crate) lists_late: bool,
}

impl Known<'_> {
    /// Whether a name is meant for a job. A job that is skipped as a whole is listed under the name
    /// that it has in the workflow file: `build`, or `build (${{ matrix.platform }})`, where `build
    /// (linux/arm64)` was never made.
    pub(crate) fn is_for(pattern: &Pattern, job: &Job) -> bool {
        if job.state != State::Skipped || pattern.matches(&job.name) {
            return pattern.matches(&job.name);
        }
        match job.name.split_once("${{") {
            Some((start, _)) => !start.is_empty() && pattern.text().starts_with(start),
            None => {
                let rest = pattern.text().strip_prefix(job.name.as_str()).unwrap_or_default();
                rest.starts_with(" (") || rest.starts_with(" / ")
            }
        }
    }

    /// Whether jobs may still be listed late: those that need one that is at work.
    pub(crate) fn may_list_more(&self) -> bool {
        self.lists_late && self.others_at_work()
    }

    /// Whether another job of this attempt has not ended: jobs that need it may not be listed yet.
    fn others_at_work(&self) -> bool {
        let is_other = |job: &&Job| self.own.is_none_or(|own| own.id != job.id);
        let is_at_work = |job: &&Job| matches!(job.state, State::Pending | State::Running);
        self.jobs.iter().filter(is_other).any(|job| job.attempt >= self.attempt && is_at_work(&job))
    }
}

/// What the jobs mean for the wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// There is still something to wait for, as far as is known.
    GoOn,
    /// These jobs failed.
    Failed(Vec<&'a Job>),
    /// All watched jobs are done; so many of them were skipped.
    Done {
        /// How many were skipped.
        skipped: usize,
    },
}

/// The jobs that are watched: of every name those of its newest attempt, without our own.
pub(crate) fn watched<'a>(known: &Known<'a>) -> Vec<&'a Job> {
    let mut newest: HashMap<&str, u64> = HashMap::new();
    for job in known.jobs {
        let attempt = newest.entry(&job.name).or_default();
        *attempt = job.attempt.max(*attempt);
    }
    let is_newest = |job: &&Job| newest.get(job.name.as_str()) == Some(&job.attempt);
    let is_other = |job: &&Job| known.own.is_none_or(|own| own.id != job.id);
    let is_meant = |job: &&Job| known.patterns.iter().any(|pattern| Known::is_for(pattern, job));
    known.jobs.iter().filter(is_newest).filter(is_other).filter(is_meant).collect()
}

/// Whether a job in this state will not build an image any more. `skip`: whether a skipped job is
/// not a failure.
pub(crate) fn is_bad(state: State, skip: bool) -> bool {
    match state {
        State::Failed | State::Cancelled | State::TimedOut => true,
        State::Skipped => !skip,
        State::Pending | State::Running | State::Succeeded => false,
    }
}

/// Decides what the jobs mean for the wait.
pub(crate) fn decide<'a>(known: &Known<'a>) -> Verdict<'a> {
    let jobs = watched(known);
    let bad = |job: &Job| is_bad(job.state, known.skip);
    let is_earlier = |job: &Job| job.attempt < known.attempt;
    // If our own job is unknown, the one that is running may be ours.
    let may_come_again =
        known.watched < GRACE || known.own.is_some() && known.lists_late && known.others_at_work();
    let failed: Vec<&Job> = jobs
        .iter()
        .copied()
        .filter(|job| bad(job) && !(is_earlier(job) && may_come_again))
        .collect();
    if !failed.is_empty() {
        return Verdict::Failed(failed);
    }
    let all_listed =
        known.patterns.iter().all(|pattern| jobs.iter().any(|job| Known::is_for(pattern, job)));
    let all_done =
        jobs.iter().all(|job| matches!(job.state, State::Succeeded | State::Skipped) && !bad(job));
    // A name with a wildcard may match more jobs than are listed, and a job of an earlier attempt
    // may be run again.
    let may_run_again = jobs.iter().any(|job| is_earlier(job));
    let more_may_come = may_run_again || known.patterns.iter().any(Pattern::is_wild);
    let is_early = may_run_again && known.watched < GRACE;
    if all_listed
        && all_done
        && !is_early
        && !(more_may_come && known.lists_late && known.others_at_work())
    {
        let skipped = jobs.iter().filter(|job| job.state == State::Skipped).count();
        return Verdict::Done { skipped };
    }
    Verdict::GoOn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, mixed};
    use State::{Cancelled, Failed, Pending, Running, Skipped, Succeeded, TimedOut};

    fn verdict(
        patterns: &[&str],
        jobs: &[(&str, u64, State)],
        own: Option<usize>,
        watched: u64,
        skip: bool,
    ) -> String {
        let patterns: Vec<Pattern> =
            patterns.iter().map(|pattern| Pattern::from(*pattern)).collect();
        let jobs: Vec<Job> = jobs
            .iter()
            .zip(1..)
            .map(|((name, attempt, state), id)| Job {
                id,
                name: (*name).to_owned(),
                attempt: *attempt,
                state: *state,
                runner: String::new(),
                link: String::new(),
            })
            .collect();
        let own = own.map(|at| &jobs[at]);
        let watched = Duration::from_secs(watched);
        match decide(&Known {
            patterns: &patterns,
            jobs: &jobs,
            own,
            attempt: 2,
            watched,
            skip,
            lists_late: true,
        }) {
            Verdict::GoOn => "go on".to_owned(),
            Verdict::Done { skipped } => format!("done, {skipped} skipped"),
            Verdict::Failed(jobs) => jobs
                .iter()
                .map(|job| format!("{} {}", job.name, job.state.word()))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    #[test]
    fn jobs_that_may_still_be_listed() {
        let patterns = [Pattern::from("biuld")];
        for (state, lists_late, expected) in [
            (Some(Succeeded), true, false),
            (Some(Running), true, true),
            (Some(Running), false, false),
            (None, true, false),
        ] {
            let job = |state| Job {
                id: 1,
                name: "build".to_owned(),
                attempt: 1,
                state,
                runner: String::new(),
                link: String::new(),
            };
            let jobs: Vec<Job> = state.map(job).into_iter().collect();
            let known = Known {
                patterns: &patterns,
                jobs: &jobs,
                own: None,
                attempt: 1,
                watched: GRACE,
                skip: false,
                lists_late,
            };
            assert_eq!(known.may_list_more(), expected, "{jobs:?}");
        }
    }

    #[test]
    fn by_table() {
        for (case, patterns, jobs, own, watched, skip, expected) in [
            ("nothing is listed yet", &["a"][..], &[][..], None, 900, false, "go on"),
            (
                "one of two is not listed yet",
                &["a", "b"],
                &[("a", 2, Succeeded)],
                None,
                900,
                false,
                "go on",
            ),
            ("at work", &["a"], &[("a", 2, Running)], None, 0, false, "go on"),
            ("waits to begin", &["a"], &[("a", 2, Pending)], None, 900, false, "go on"),
            ("failed", &["a"], &[("a", 2, Failed), ("b", 2, Running)], None, 0, false, "a failed"),
            (
                "another one failed",
                &["a"],
                &[("a", 2, Running), ("b", 2, Failed)],
                None,
                900,
                false,
                "go on",
            ),
            ("cancelled", &["a"], &[("a", 2, Cancelled)], None, 0, true, "a was cancelled"),
            ("timed out", &["a"], &[("a", 2, TimedOut)], None, 0, true, "a timed out"),
            ("skipped", &["a"], &[("a", 2, Skipped)], None, 0, false, "a was skipped"),
            (
                "skipped, and may be",
                &["*"],
                &[("a", 2, Skipped), ("b", 2, Succeeded)],
                None,
                0,
                true,
                "done, 1 skipped",
            ),
            (
                "skipped, another at work",
                &["*"],
                &[("a", 2, Skipped), ("b", 2, Running)],
                None,
                900,
                true,
                "go on",
            ),
            (
                "two of a matrix",
                &["b (*)"],
                &[("b (x)", 2, Failed), ("b (y)", 2, Failed), ("b", 2, Failed)],
                None,
                0,
                false,
                "b (x) failed, b (y) failed",
            ),
            (
                "done",
                &["a", "b*"],
                &[("a", 2, Succeeded), ("b1", 1, Succeeded)],
                None,
                60,
                false,
                "done, 0 skipped",
            ),
            (
                "done before, and may be run again",
                &["a"],
                &[("a", 1, Succeeded)],
                None,
                59,
                false,
                "go on",
            ),
            (
                "done before, and another is at work",
                &["a"],
                &[("a", 1, Succeeded), ("p", 2, Running)],
                None,
                900,
                false,
                "go on",
            ),
            (
                "skipped before, and another is at work",
                &["a"],
                &[("a", 1, Skipped), ("p", 2, Running)],
                None,
                900,
                true,
                "go on",
            ),
            (
                "failed before, and another is at work",
                &["a"],
                &[("a", 1, Failed), ("p", 2, Running), ("me", 2, Running)],
                Some(2),
                900,
                false,
                "go on",
            ),
            (
                "failed before, and only we are at work",
                &["a"],
                &[("a", 1, Failed), ("me", 2, Running)],
                Some(1),
                60,
                false,
                "a failed",
            ),
            (
                "failed before, and maybe we are at work",
                &["a"],
                &[("a", 1, Failed), ("p", 2, Running)],
                None,
                60,
                false,
                "a failed",
            ),
            (
                "more may match",
                &["b-*"],
                &[("b-x", 2, Succeeded), ("t", 2, Running)],
                None,
                900,
                false,
                "go on",
            ),
            (
                "no more can match",
                &["b-x"],
                &[("b-x", 2, Succeeded), ("t", 2, Running)],
                None,
                0,
                false,
                "done, 0 skipped",
            ),
            (
                "a matrix skipped as a whole",
                &["b (*)"],
                &[("b", 2, Skipped)],
                None,
                0,
                false,
                "b was skipped",
            ),
            (
                "the same by its template",
                &["b (arm64)"],
                &[("b (${{ matrix.x }})", 2, Skipped)],
                None,
                0,
                false,
                "b (${{ matrix.x }}) was skipped",
            ),
            (
                "the same in the middle",
                &["b-arm64"],
                &[("b-${{ matrix.x }}", 2, Skipped)],
                None,
                0,
                true,
                "done, 1 skipped",
            ),
            (
                "a called workflow skipped as a whole",
                &["c / b*"],
                &[("c", 2, Skipped)],
                None,
                0,
                true,
                "done, 1 skipped",
            ),
            (
                "another one is skipped",
                &["bb (*)"],
                &[("b", 2, Skipped)],
                None,
                900,
                false,
                "go on",
            ),
            (
                "a newer attempt runs",
                &["a"],
                &[("a", 1, Failed), ("a", 2, Running)],
                None,
                900,
                false,
                "go on",
            ),
            (
                "a newer attempt, listed first",
                &["a"],
                &[("a", 2, Succeeded), ("a", 1, Failed)],
                None,
                900,
                false,
                "done, 0 skipped",
            ),
            (
                "a newer attempt failed",
                &["a"],
                &[("a", 1, Succeeded), ("a", 2, Failed)],
                None,
                0,
                false,
                "a failed",
            ),
            (
                "an earlier attempt failed just now",
                &["a"],
                &[("a", 1, Failed)],
                None,
                59,
                false,
                "go on",
            ),
            ("an earlier attempt failed", &["a"], &[("a", 1, Failed)], None, 60, false, "a failed"),
            (
                "an earlier attempt was skipped",
                &["a"],
                &[("a", 1, Skipped)],
                None,
                60,
                false,
                "a was skipped",
            ),
            (
                "two of one name",
                &["a"],
                &[("a", 2, Succeeded), ("a", 2, Failed)],
                None,
                0,
                false,
                "a failed",
            ),
            (
                "all but our own",
                &["*"],
                &[("a", 2, Succeeded), ("me", 2, Running)],
                Some(1),
                0,
                false,
                "done, 0 skipped",
            ),
            (
                "our own failed before",
                &["*"],
                &[("me", 1, Failed), ("me", 2, Running), ("a", 2, Succeeded)],
                Some(1),
                900,
                false,
                "done, 0 skipped",
            ),
            ("only our own", &["*"], &[("me", 2, Running)], Some(0), 900, false, "go on"),
            (
                "another of our name",
                &["me"],
                &[("me", 2, Running), ("me", 2, Running)],
                Some(0),
                0,
                false,
                "go on",
            ),
        ] {
            assert_eq!(verdict(patterns, jobs, own, watched, skip), expected, "{case}");
        }
    }

    /// Whatever the jobs are called: those that failed are jobs that are watched.
    #[test]
    fn survives_any_jobs() {
        let pieces = ["build", " (", "arm64", ")", "${{ x }}", " / ", "*", "?", "é", "\n"];
        let states = [Pending, Running, Succeeded, Failed, Cancelled, TimedOut, Skipped];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let names: Vec<String> =
                (0..random.usize(1..6)).map(|_| mixed(&mut random, &pieces, 4)).collect();
            let jobs: Vec<(&str, u64, State)> = names
                .iter()
                .map(|name| (name.as_str(), random.u64(1..4), *chosen(&mut random, &states)))
                .collect();
            let pattern = mixed(&mut random, &pieces, 4);
            let own = random.bool().then_some(0);
            let told = verdict(&[&pattern], &jobs, own, random.u64(0..200), random.bool());
            assert!(!told.is_empty(), "{pattern} {jobs:?}");
        }
    }
}
