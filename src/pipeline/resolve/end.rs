//! Giving up: what was there, what was not, how long, what the jobs said, what to do. A wait has two
//! different ends: the registry says that an image is not there, or nobody knows.

use super::arrived::Arrived;
use super::lines;
use super::state::{NotYet, Over, WrongLabel};
use super::{Absent, Wait};
use crate::error::words::{input, setting};
use crate::error::{Error, Exit};
use crate::inputs::table::names;
use crate::plan::Source;
use crate::text::{count, duration};

impl Wait<'_> {
    /// The error of a run whose sources did not all come. `jobs`: what the watched jobs said.
    pub(super) fn gave_up(
        &self,
        absent: &[Absent],
        arrived: &[Arrived],
        jobs: Vec<String>,
    ) -> Error {
        if let Some(error) = self.nobody_knows(absent, arrived, &jobs) {
            return error;
        }
        let plan = self.work.plan;
        let of = format!("{} of {}", absent.len(), count(plan.sources.len(), "image"));
        let are_others = absent.iter().all(|absent| absent.why.label().is_some());
        let missing = if are_others { "without the right labels" } else { "not found" };
        let over = self.over.borrow().clone();
        let what = match &over {
            Some(Over(why)) => {
                format!("{of} {missing} after {}, {why}", duration(self.started.elapsed()))
            }
            None if plan.wait.is_zero() => format!("{of} {missing}"),
            None => format!("{of} did not arrive within {}", duration(plan.wait)),
        };
        let mut details: Vec<String> = absent.iter().map(lines::absent).collect();
        details.extend(arrived.iter().map(lines::there));
        details.extend(jobs);
        let fix = match (about_labels(absent), over) {
            (Some(fix), _) => fix,
            (None, Some(_)) => {
                "compare the names that the jobs push with the images above".to_owned()
            }
            (None, None) => self.what_to_do(absent),
        };
        Error::new(Exit::NotArrived, what).with_details(details).with_fix(fix)
    }

    /// Advice where images did not come and nobody knows why.
    fn what_to_do(&self, absent: &[Absent]) -> String {
        let is_file = |absent: &Absent| absent.source.reference.repository.file().is_some();
        if absent.iter().all(is_file) {
            return "check the paths: are these files made, or downloaded to this folder, before this \
                    step?"
                .to_owned();
        }
        let is_near = absent.iter().any(|absent| !absent.near.is_empty());
        let first = if is_near { "if a similar tag is meant, correct the name; else " } else { "" };
        if self.work.plan.wait.is_zero() {
            let longer = setting(names::wait, "10m");
            return format!(
                "{first}check the names above; if their builds have not ended, set {longer}"
            );
        }
        let sooner =
            if self.is_unshortened() { format!("; {}", lines::shorter()) } else { String::new() };
        format!(
            "{first}look at the builds of these images: did they fail or push under another name? \
             If they need more time, raise {}{sooner}",
            input(names::wait)
        )
    }

    /// The error of a run in which a source was met by nothing but trouble: whether it is there,
    /// nobody knows, so the jobs that build it are not to blame.
    fn nobody_knows(
        &self,
        absent: &[Absent],
        arrived: &[Arrived],
        jobs: &[String],
    ) -> Option<Error> {
        let unknown: Vec<&Absent> = absent.iter().filter(|absent| !absent.why.is_known()).collect();
        let trouble = unknown.iter().find_map(|absent| match &absent.why {
            NotYet::Trouble(error) => Some((error, &absent.source.name)),
            _ => None,
        });
        let silent = |absent: &&Absent| match &absent.why {
            NotYet::Silent(host) => Some(host.clone()),
            _ => None,
        };
        let host = unknown.iter().find_map(silent).unwrap_or_default();
        unknown.first()?;
        let (cause, why) = match trouble {
            Some((error, name)) => {
                let why = match error.elsewhere {
                    Some(_) => error.reason(),
                    None => format!("{} ({})", error.reason(), error.host),
                };
                (Error::cannot_read(error, name), why)
            }
            None => (
                Error::new(Exit::Registry, "").with_fix(format!(
                    "is {host} slow, or down? Try again later, or raise {}",
                    input(names::wait)
                )),
                format!("no answer in time ({host})"),
            ),
        };
        let what = format!(
            "cannot tell whether {} of {} {} after {}: {why}",
            unknown.len(),
            count(self.work.plan.sources.len(), "image"),
            if unknown.len() == 1 { "exists" } else { "exist" },
            duration(self.started.elapsed()),
        );
        let details = absent.iter().map(lines::absent).chain(arrived.iter().map(lines::there));
        let details = details.chain(jobs.iter().cloned()).collect();
        Some(Error { what, details, ..cause })
    }
}

/// Advice where labels are why images did not come.
fn about_labels(absent: &[Absent]) -> Option<String> {
    let labels: Vec<&WrongLabel> = absent.iter().filter_map(|absent| absent.why.label()).collect();
    let correct = format!("correct {}", input(names::expect_labels));
    if let Some(how) = labels.iter().find_map(|label| label.how_to_set()) {
        return Some(format!("the label is missing: {how}. Build again with it, or {correct}"));
    }
    (!labels.is_empty()).then(|| {
        format!(
            "the image is from another build: did the build run for this commit? If so, {correct}"
        )
    })
}

/// The error of a source that is denied for good.
pub(super) fn denied(why: &NotYet, source: &Source) -> Error {
    let NotYet::Denied(error) = why else { return Error::defect("a denial that is none") };
    let hint = "some registries answer like this for an image that does not exist yet".to_owned();
    let details = [hint].into_iter().chain(source.looked_in()).collect();
    Error::cannot_read(error, &source.name).with_details(details)
}

/// With `missing: skip` too: what may be there is not left out.
pub(super) fn cannot_leave_out(Absent { source, why, .. }: &Absent) -> Error {
    let error = match why {
        NotYet::Trouble(error) => Error::cannot_read(error, &source.name),
        _ => Error::new(
            Exit::Registry,
            format!("cannot tell whether {} exists: {}", source.name, why.state()),
        ),
    };
    let hint =
        format!("{} leaves out only what is known not to exist", setting(names::missing, "skip"));
    error.with_details([hint].into_iter().chain(source.looked_in()).collect())
}
