//! The report in JSON, version 1; `docs/report-json.md` describes it. It is written on failure too.
//! Fields may be added within a version, never changed.

use crate::error::{Audience, Error, Exit, Told};
use crate::oci::Digest;
use crate::pipeline::outcome::{self, Listed, Report};
use crate::pipeline::progress::{TagState, Tagged};
use crate::pipeline::record::{self, Action};
use crate::report::Ending;
use crate::report::filter::Filter;
use crate::secret::Secrets;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::io::{self, Write};

const VERSION: u8 = 1;

/// Writes the document: without secrets, and without characters that could command a terminal. Parts
/// of it are made as they are written.
pub(crate) fn write(
    document: &impl Serialize,
    secrets: &Secrets,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut filter = Filter::to(to, secrets);
    serde_json::to_writer_pretty(&mut filter, document)?;
    filter.write_all(b"\n")?;
    filter.flush()
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Document<'a> {
    One(OfIndex<'a>),
    Several(Several<'a>),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum OfIndex<'a> {
    Published(Box<Published<'a>>),
    Failed(Failed<'a>),
}

/// The report of an index that was published. One of several has no `version` and `warnings` of its
/// own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Published<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u8>,
    status: &'static str,
    exit: u8,
    digest: &'a Digest,
    media_type: &'a str,
    size: usize,
    image: String,
    changed: bool,
    tags: Vec<Tag<'a>>,
    platforms: Vec<Platform>,
    sources: Vec<Source<'a>>,
    copied: Vec<Copied>,
    writes: Vec<Written<'a>>,
    skipped: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a [String]>,
    elapsed_seconds: f64,
    manifest: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Told>,
}

/// The report of an index that failed, or of a command.
#[derive(Debug, Serialize)]
pub(crate) struct Failed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u8>,
    status: &'static str,
    exit: u8,
    error: Told,
    changed: bool,
    tags: Vec<Tag<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes: Option<Vec<Written<'a>>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Several<'a> {
    version: u8,
    status: &'static str,
    exit: u8,
    changed: bool,
    lists: InTurn<'a>,
    warnings: &'a [String],
    elapsed_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Told>,
}

/// The lists of a run, each made when it is written: of a thousand, one is in memory.
#[derive(Debug)]
struct InTurn<'a>(Ending<'a>);

impl Serialize for InTurn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ending) = self;
        serializer.collect_seq(ending.run.lists.iter().map(|list| Named::of(ending, list)))
    }
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
    #[serde(flatten)]
    report: OfIndex<'a>,
}

#[derive(Debug, Serialize)]
struct Tag<'a> {
    reference: String,
    state: &'static str,
    was: Option<&'a Digest>,
    platform: Option<String>,
    digest: Option<&'a Digest>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Platform {
    platform: String,
    digest: String,
    download_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    name: &'a str,
    digest: &'a str,
    platforms: Vec<String>,
    created: Option<&'a str>,
    revisions: &'a [String],
    arrived_after_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Copied {
    repository: String,
    from: Vec<String>,
    images: usize,
    images_there: usize,
    referrers: Vec<Referred>,
    referrers_there: usize,
    blobs_mounted: usize,
    blobs_uploaded: usize,
    blobs_there: usize,
    bytes_uploaded: u64,
    elapsed_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Referred {
    subject: String,
    digest: String,
    kind: String,
    tag: Option<String>,
}

#[derive(Debug, Serialize)]
struct Written<'a> {
    action: &'static str,
    #[serde(rename = "where")]
    place: &'a str,
    digest: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    why: &'a str,
}

pub(crate) fn run<'a>(ending: &Ending<'a>) -> Document<'a> {
    match ending.run.lists.as_slice() {
        [list] => Document::One(of_index(ending, list, ending.exit, Some(ending.warnings))),
        _ => Document::Several(several(ending)),
    }
}

pub(crate) fn failure<'a>(error: &Error, audience: Audience, warnings: &'a [String]) -> Failed<'a> {
    Failed {
        version: Some(VERSION),
        status: "failed",
        exit: error.exit as u8,
        error: error.told(audience),
        changed: false,
        tags: Vec::new(),
        warnings: Some(warnings),
        writes: None,
    }
}

fn several<'a>(ending: &Ending<'a>) -> Several<'a> {
    let Ending { run, exit, late, warnings, audience, .. } = *ending;
    let changed = run.lists.iter().any(|list| match &list.ended {
        Ok(report) => report.changed,
        Err(_) => has_moved(&list.tags),
    });
    let dry_run = run.reports().all(|report| report.dry_run.is_some());
    Several {
        version: VERSION,
        status: status(exit, dry_run, changed),
        exit: exit as u8,
        changed,
        lists: InTurn(Ending { late: None, ..*ending }),
        warnings,
        elapsed_seconds: run.elapsed.as_secs_f64(),
        error: late.map(|error| error.told(audience)),
    }
}

impl<'a> Named<'a> {
    fn of(ending: &Ending<'a>, list: &'a Listed) -> Self {
        let own = list.ended.as_ref().map_or_else(|error| error.exit, |_| Exit::Done);
        Self { name: list.called(), report: of_index(ending, list, own, None) }
    }
}

/// `exit`: how the index ended; `warnings`: those of the run, if this is its only index.
fn of_index<'a>(
    ending: &Ending<'a>,
    list: &'a Listed,
    exit: Exit,
    warnings: Option<&'a [String]>,
) -> OfIndex<'a> {
    let Ending { late, audience, .. } = *ending;
    let told = |error: &Error| error.told(audience);
    let version = warnings.map(|_| VERSION);
    let writes = list.writes.iter().map(Written::of).collect();
    match &list.ended {
        Ok(report) => {
            let published = Published::of(report, exit, writes);
            let error = late.map(told);
            OfIndex::Published(Box::new(Published { version, warnings, error, ..published }))
        }
        Err(error) => OfIndex::Failed(Failed {
            version,
            status: if list.is_left_alone() { "held-back" } else { "failed" },
            exit: exit as u8,
            error: told(late.unwrap_or(error)),
            changed: has_moved(&list.tags),
            tags: tags(&list.tags),
            warnings,
            writes: Some(writes),
        }),
    }
}

fn status(exit: Exit, dry_run: bool, changed: bool) -> &'static str {
    match (exit, dry_run, changed) {
        (Exit::Done, true, _) => "dry-run",
        (Exit::Done, false, true) => "published",
        (Exit::Done, false, false) => "unchanged",
        _ => "failed",
    }
}

fn has_moved(tags: &[Tagged]) -> bool {
    tags.iter().any(|tagged| tagged.state == TagState::Moved)
}

fn tags(tags: &[Tagged]) -> Vec<Tag<'_>> {
    tags.iter()
        .map(|tagged| Tag {
            reference: tagged.tag.to_string(),
            state: tagged.word(),
            was: tagged.was.digest(),
            platform: tagged.own.as_ref().map(|own| own.platform.to_string()),
            digest: tagged.own.as_ref().map(|own| &own.digest),
        })
        .collect()
}

impl<'a> Published<'a> {
    /// Leaves out the fields of the run.
    fn of(report: &'a Report, exit: Exit, writes: Vec<Written<'a>>) -> Self {
        let platform = |(platform, digest): (String, String)| Platform {
            download_bytes: report.download(&digest),
            platform,
            digest,
        };
        let composed = &report.composed;
        Self {
            version: None,
            status: status(exit, report.dry_run.is_some(), report.changed),
            exit: exit as u8,
            digest: &composed.digest,
            media_type: &composed.media_type,
            size: composed.bytes.len(),
            image: report.image(),
            changed: report.changed,
            tags: tags(&report.tags),
            platforms: report.platforms().into_iter().map(platform).collect(),
            sources: report.sources.iter().map(Source::of).collect(),
            copied: report.copied.iter().map(Copied::of).collect(),
            writes,
            skipped: report.skipped.iter().map(|skipped| skipped.name.as_str()).collect(),
            warnings: None,
            elapsed_seconds: report.elapsed.as_secs_f64(),
            manifest: serde_json::from_slice(&composed.bytes).unwrap_or(Value::Null),
            error: None,
        }
    }
}

impl<'a> Source<'a> {
    fn of(source: &'a outcome::SourceReport) -> Self {
        Self {
            name: &source.name,
            digest: &source.digest,
            platforms: source.platforms.iter().map(ToString::to_string).collect(),
            created: source.created.as_deref(),
            revisions: &source.revisions,
            arrived_after_seconds: source.after.map(|after| after.as_secs_f64()),
        }
    }
}

impl Copied {
    fn of(copied: &record::Copied) -> Self {
        Self {
            repository: copied.repository.to_string(),
            from: copied.from.iter().map(ToString::to_string).collect(),
            images: copied.images,
            images_there: copied.images_there,
            referrers: copied.referrers.iter().map(Referred::of).collect(),
            referrers_there: copied.referrers_there,
            blobs_mounted: copied.blobs_mounted,
            blobs_uploaded: copied.blobs_uploaded,
            blobs_there: copied.blobs_there,
            bytes_uploaded: copied.bytes_poured,
            elapsed_seconds: copied.lasted().as_secs_f64(),
        }
    }
}

impl Referred {
    fn of(referred: &record::Referred) -> Self {
        let record::Referred { subject, digest, kind, tag } = referred.clone();
        Self { subject: subject.to_string(), digest: digest.to_string(), kind, tag }
    }
}

impl<'a> Written<'a> {
    fn of(write: &'a record::Write) -> Self {
        let (from, bytes) = match &write.action {
            Action::Mount { from } => (Some(from.to_string()), None),
            Action::Upload { from, bytes } => (Some(from.to_string()), Some(*bytes)),
            Action::Manifest | Action::ReferrerTag | Action::Index | Action::Tag => (None, None),
        };
        Self {
            action: write.action.name(),
            place: &write.place,
            digest: &write.digest,
            from,
            bytes,
            why: &write.why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::outcome::Run;
    use crate::report::examples;
    use crate::text::documented::{fields, paths};
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../docs/report-json.md");

    fn document(run: &Run, exit: Exit, late: Option<&Error>) -> Value {
        let secrets = Secrets::default();
        let ending = Ending {
            run,
            exit,
            late,
            warnings: &["careful".to_owned()],
            secrets: &secrets,
            audience: Audience::default(),
        };
        serde_json::to_value(super::run(&ending)).unwrap()
    }

    fn published(run: &Run) -> Value {
        document(run, Exit::Done, None)
    }

    #[test]
    fn every_field_is_documented_and_the_other_way_round() {
        assert_eq!(
            paths(&published(&examples::success())),
            fields(PAGE, &["## Of an index: the input `json-file`, `create --json`"])
        );
        let failed = fields(PAGE, &["## Of an index that failed"]);
        let of_writes = |path: &String| path.starts_with("writes[]");
        let document = document(&examples::failure(), Exit::NotArrived, None);
        let shown: BTreeSet<String> =
            paths(&document).into_iter().filter(|path| !of_writes(path)).collect();
        assert_eq!(shown, failed);
        let error = examples::not_arrived();
        let of_command = serde_json::to_value(failure(&error, Audience::default(), &[])).unwrap();
        let left_out = ["tags[].", "writes"];
        let expected: BTreeSet<String> = failed
            .into_iter()
            .filter(|path| !left_out.iter().any(|left| path.starts_with(left)))
            .collect();
        assert_eq!(paths(&of_command), expected);
    }

    #[test]
    fn several_indexes_have_a_report_each() {
        let document = document(&examples::several(), Exit::NotArrived, None);
        let own = |path: &String| !path.starts_with("lists[].") || path == "lists[].name";
        let shown: BTreeSet<String> = paths(&document).into_iter().filter(own).collect();
        assert_eq!(shown, fields(PAGE, &["## Of several indexes: `spec`"]));
        let keys = |document: &Value| -> Vec<String> {
            let fields = document.as_object().unwrap().keys();
            let of_run = ["name", "version", "warnings"];
            fields.filter(|name| !of_run.contains(&name.as_str())).cloned().collect()
        };
        assert_eq!(keys(&document["lists"][0]), keys(&published(&examples::success())));
        let failed = examples::failure();
        let failed = self::document(&failed, Exit::NotArrived, None);
        assert_eq!(keys(&document["lists"][2]), keys(&failed));
    }

    #[test]
    fn status_and_exit() {
        let late = examples::not_written();
        for (run, exit, late, status, changed) in [
            (examples::success(), Exit::Done, None, "published", true),
            (examples::incomplete(), Exit::Done, None, "published", true),
            (examples::unchanged(), Exit::Done, None, "unchanged", false),
            (examples::dry_run(), Exit::Done, None, "dry-run", true),
            (examples::failure(), Exit::NotArrived, None, "failed", false),
            (examples::partial(), Exit::Partial, None, "failed", true),
            (examples::several(), Exit::NotArrived, None, "failed", true),
            (examples::success(), Exit::Partial, Some(&late), "failed", true),
        ] {
            let shown = document(&run, exit, late);
            assert_eq!(
                (&shown["status"], &shown["exit"], &shown["changed"]),
                (&Value::from(status), &Value::from(exit as u8), &Value::from(changed))
            );
            if shown["status"] != "failed" {
                let skipped = run.reports().map(|report| report.skipped.len()).sum();
                assert_eq!(shown["skipped"].as_array().map(Vec::len), Some(skipped));
            }
            if let Some(late) = late {
                assert_eq!(shown["error"]["what"], Value::from(late.what.as_str()));
            }
        }
        let several = document(&examples::several(), Exit::NotArrived, None);
        let exits: Vec<&Value> =
            several["lists"].as_array().unwrap().iter().map(|list| &list["exit"]).collect();
        assert_eq!(exits, [0, 0, 3]);
    }

    #[test]
    fn secrets_and_control_characters_do_not_get_out() {
        let secrets = Secrets::default();
        secrets.keep("canary-\"password");
        let error = Error::refused("canary-\"password\u{1b}[31m\u{9b}");
        let mut shown = Vec::new();
        write(&failure(&error, Audience::default(), &[]), &secrets, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains(r#""what": "***\u001b[31m\u009b""#), "{shown}");
        assert!(shown.ends_with("}\n"), "{shown}");
    }
}
