//! What a check found: lines, errors, and JSON, version 1; `docs/report-json.md` describes it.

use super::{Fault, Kind, Outcome};
use crate::error::words::input;
use crate::error::{Audience, Error, Exit, Told};
use crate::inputs::table::names;
use crate::oci::{Digest, Reference};
use crate::registry;
use crate::text::{count, size};
use serde::Serialize;

/// Lines of one error at most; the JSON has all.
const MOST_LINES: usize = 50;

impl Outcome {
    /// A line for each reference.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let (digest, state) = match &self.found {
            Err(error) if is_missing(error) => (None, "not found".to_owned()),
            Err(_) => (None, "not checked".to_owned()),
            Ok(found) if found.faults.is_empty() => {
                let platforms = Some(found.platforms.len()).filter(|number| *number > 0);
                let platforms = platforms.map(|number| format!("{}, ", count(number, "platform")));
                let (blobs, bytes) = (count(found.blobs, "blob"), size(found.bytes));
                let platforms = platforms.unwrap_or_default();
                let referrers = match found.referrers {
                    None => String::new(),
                    Some(0) => ", no referrers".to_owned(),
                    Some(number) => format!(", {}", count(number, "referrer")),
                };
                (Some(&found.digest), format!("whole: {platforms}{blobs}, {bytes}{referrers}"))
            }
            Ok(found) => {
                let faults = count(found.faults.len(), "problem");
                (Some(&found.digest), format!("not whole: {faults}"))
            }
        };
        self.references
            .iter()
            .map(move |reference| format!("{}  {state}", pinned(reference, digest)))
    }

    /// Why it does not hold, if so. `in_file`: whether a file says what was published, so that what
    /// is not there is a fault of the registry's content, not of the name.
    pub(crate) fn error(&self, in_file: bool) -> Option<Error> {
        match &self.found {
            Err(error) if in_file && is_missing(error) => {
                Some(Error { exit: Exit::Refused, ..error.clone() })
            }
            Err(error) => Some(error.clone()),
            Ok(found) if found.faults.is_empty() => None,
            Ok(found) => {
                let lines = found.faults.iter().take(MOST_LINES).map(|fault| fault.what.clone());
                let more = found.faults.len().saturating_sub(MOST_LINES);
                let more = (more > 0).then(|| format!("and {more} more"));
                let error = Error::refused(format!("{} is not whole", self.called()))
                    .with_details(lines.chain(more).collect());
                Some(error.with_fix(fix(&found.faults)))
            }
        }
    }

    fn called(&self) -> String {
        match self.references.as_slice() {
            [] => String::new(),
            [only] => only.to_string(),
            [first, others @ ..] => format!("{first}, also {}", count(others.len(), "other tag")),
        }
    }
}

fn fix(faults: &[Fault]) -> String {
    let any = |kind| faults.iter().any(|fault| fault.kind == kind);
    if faults.iter().all(|fault| fault.is_of_referrer) {
        "clean-up jobs that delete untagged manifests are the usual cause: let them keep what refers to \
         images that tags need, then sign and attest again"
            .to_owned()
    } else if any(Kind::Gone) {
        "clean-up jobs that delete untagged images are the usual cause: let them keep what tags need, \
         then build and publish it again"
            .to_owned()
    } else if any(Kind::Altered) || any(Kind::Unreadable) {
        "build and publish it again: clients refuse what is not as stated".to_owned()
    } else if any(Kind::OtherDigest) {
        "publish it again under all its tags".to_owned()
    } else {
        format!("publish it again with these platforms, or correct {}", input(names::platforms))
    }
}

pub(super) fn is_missing(error: &Error) -> bool {
    let kind = error.cause.as_ref().map(|cause| &cause.error.kind);
    matches!(kind, Some(registry::Kind::NotFound))
}

fn pinned(reference: &Reference, digest: Option<&Digest>) -> Reference {
    let digest = digest.or(reference.digest.as_ref()).cloned();
    Reference { digest, ..reference.clone() }
}

#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    version: u8,
    exit: u8,
    whole: bool,
    references: Vec<OfReference<'a>>,
    warnings: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfReference<'a> {
    reference: String,
    image: Option<String>,
    digest: Option<&'a Digest>,
    media_type: Option<&'a str>,
    whole: bool,
    platforms: Vec<String>,
    blobs: usize,
    bytes: u64,
    referrers: Option<usize>,
    problems: Vec<OfFault<'a>>,
    error: Option<Told>,
}

#[derive(Debug, Serialize)]
struct OfFault<'a> {
    kind: &'static str,
    entry: Option<&'a str>,
    part: &'static str,
    digest: Option<&'a Digest>,
    what: &'a str,
}

impl<'a> Document<'a> {
    /// `checked`: all outcomes, each with its error.
    pub(crate) fn of(
        checked: &'a [(Outcome, Option<Error>)],
        exit: Exit,
        audience: Audience,
        warnings: &'a [String],
    ) -> Self {
        let references = checked.iter().flat_map(|(outcome, error)| {
            let told = move || error.as_ref().map(|error| error.told(audience));
            let of = move |reference| OfReference::of(outcome, reference, told());
            outcome.references.iter().map(of)
        });
        Self {
            version: 1,
            exit: exit as u8,
            whole: exit == Exit::Done,
            references: references.collect(),
            warnings,
        }
    }
}

impl<'a> OfReference<'a> {
    fn of(outcome: &'a Outcome, reference: &Reference, error: Option<Told>) -> Self {
        let found = outcome.found.as_ref().ok();
        let digest = found.map(|found| &found.digest);
        Self {
            reference: reference.to_string(),
            image: digest.map(|digest| pinned(reference, Some(digest)).to_string()),
            digest,
            media_type: found.map(|found| found.media_type.as_str()),
            whole: error.is_none(),
            platforms: found
                .map(|found| found.platforms.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            blobs: found.map_or(0, |found| found.blobs),
            bytes: found.map_or(0, |found| found.bytes),
            referrers: found.and_then(|found| found.referrers),
            problems: found
                .map(|found| found.faults.iter().map(OfFault::of).collect())
                .unwrap_or_default(),
            error,
        }
    }
}

impl<'a> OfFault<'a> {
    fn of(fault: &'a Fault) -> Self {
        let kind = match fault.kind {
            Kind::Gone => "gone",
            Kind::Altered => "altered",
            Kind::Unreadable => "unreadable",
            Kind::Missing => "missing-platform",
            Kind::Unexpected => "unexpected-platform",
            Kind::OtherDigest => "other-digest",
        };
        let (entry, digest) = (fault.entry.as_deref(), fault.digest.as_ref());
        Self { kind, entry, part: fault.part, digest, what: &fault.what }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Found;
    use super::*;
    use crate::text::documented::{fields, paths};

    fn outcome(faults: Vec<Fault>) -> Outcome {
        let mut found = Found::new(Digest::of(b""), "a/b".to_owned());
        found.platforms.push("linux/amd64".parse().unwrap());
        found.faults = faults;
        Outcome { references: vec!["r.example/a:1".parse().unwrap()], found: Ok(found) }
    }

    fn fault(kind: Kind) -> Fault {
        let (entry, digest) = (Some("linux/arm64".to_owned()), Some(Digest::of(b"x")));
        let what = "it is so".to_owned();
        Fault { kind, entry, part: "layer", digest, what, is_of_referrer: false }
    }

    #[test]
    fn every_field_is_documented_and_the_other_way_round() {
        let outcome = outcome(vec![fault(Kind::Gone)]);
        let error = outcome.error(false).map(|error| error.with_fix("x"));
        let checked = [(outcome, error)];
        let warnings = ["x".to_owned()];
        let document = Document::of(&checked, Exit::Refused, Audience::default(), &warnings);
        assert_eq!(
            paths(&serde_json::to_value(document).unwrap()),
            fields(include_str!("../../../docs/report-json.md"), &["## Of `check`"])
        );
    }

    #[test]
    fn advice_is_about_the_worst() {
        for (kinds, advice) in [
            (&[Kind::Missing, Kind::OtherDigest, Kind::Altered, Kind::Gone][..], "clean-up jobs"),
            (&[Kind::Missing, Kind::OtherDigest, Kind::Altered], "build and publish"),
            (&[Kind::Unreadable], "build and publish"),
            (&[Kind::Missing, Kind::OtherDigest], "under all its tags"),
            (&[Kind::Missing, Kind::Unexpected], "correct"),
        ] {
            let faults: Vec<Fault> = kinds.iter().map(|kind| fault(*kind)).collect();
            assert!(fix(&faults).contains(advice), "{kinds:?}: {}", fix(&faults));
        }
    }

    #[test]
    fn an_error_has_no_more_lines_than_anybody_reads() {
        let faults = (0..60).map(|_| fault(Kind::Gone)).collect();
        let error = outcome(faults).error(false).unwrap();
        assert_eq!(error.details.len(), 51);
        assert_eq!(error.details.last().unwrap(), "and 10 more");
        assert!(outcome(Vec::new()).error(true).is_none());
    }
}
