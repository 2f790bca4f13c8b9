//! Giving up: what was there, what was not, how long, what the jobs said, what to do.

use super::state::NotYet;
use super::state::Over;
use super::story;
use super::{Absent, Wait};
use crate::error::advice::Place;
use crate::error::{Error, Exit};
use crate::pipeline::resolve::arrived::Arrived;
use crate::text::duration;
use std::time::Duration;

impl Wait<'_> {
    /// The error of a run whose sources did not all come. `jobs`: what the watched jobs said.
    pub(super) fn gave_up(
        &self,
        absent: &[Absent],
        arrived: &[Arrived],
        after: &[Option<Duration>],
        jobs: Vec<String>,
    ) -> Error {
        let of = format!("{} of {} sources", absent.len(), self.plan.sources.len());
        let over = self.over.borrow().clone();
        let what = match &over {
            Some(Over(why)) => {
                format!("{of} are not there after {}, {why}", duration(self.started.elapsed()))
            }
            None if self.plan.wait.is_zero() => format!("{of} are not there"),
            None => format!("{of} did not arrive within {}", duration(self.plan.wait)),
        };
        let mut details: Vec<String> = absent
            .iter()
            .map(|Absent { source, why, .. }| story::absent(&source.name, why.word(), why.reason()))
            .collect();
        details.extend(
            arrived.iter().zip(after).map(|(arrived, after)| story::there(arrived, *after)),
        );
        details.extend(jobs);
        let stale = absent.iter().any(|absent| matches!(absent.why, NotYet::Stale { .. }));
        let longer = if self.surroundings.place == Place::CommandLine {
            "give a longer --wait"
        } else {
            "raise `wait`"
        };
        let fix = match over {
            _ if stale => {
                "a stale image is of another build: did its job run for this commit? Else correct `expect-labels`".to_owned()
            }
            Some(_) => "compare the names under which the jobs push their images with the sources above".to_owned(),
            None => format!(
                "look at the jobs that build them: did they fail, or push under another name? If they only take longer, {longer}"
            ),
        };
        Error::new(Exit::NotArrived, what).with_details(details).with_fix(fix)
    }
}
