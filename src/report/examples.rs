//! Runs that the tests of every format report on.

use crate::entries::diff::Change;
use crate::error::words::input;
use crate::error::{Error, Exit};
use crate::oci::descriptor::{REFERENCE_DIGEST, REFERENCE_TYPE};
use crate::oci::{Descriptor, Digest, Index, Platform, Reference, json, media_type};
use crate::pipeline::compose::Composed;
use crate::pipeline::outcome::{Awaited, DryRun, Listed, Report, Run, SourceReport};
use crate::pipeline::progress::{SourceState, TagState, Tagged, Was};
use crate::pipeline::record::{Action, Coming, Copied, Referred, Write};
use crate::pipeline::resolve::arrived::Skipped;
use std::collections::BTreeSet;
use std::time::Duration;

const APP: &str = "ghcr.io/acme/app";
const CACHE: &str = "ghcr.io/acme/cache";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn reference(tag: &str) -> Reference {
    format!("{APP}:{tag}").parse().unwrap()
}

fn digest(seed: &str) -> Digest {
    Digest::of(seed.as_bytes())
}

fn held() -> Was {
    Was::Held(digest("the release before"))
}

fn tagged(tag: &str, state: TagState, was: Was) -> Tagged {
    Tagged { tag: reference(tag), state, was, own: None }
}

fn image(platform: &str) -> Descriptor {
    let digest = Digest::of(platform.as_bytes());
    let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest, 480);
    entry.platform = platform.parse().ok();
    entry
}

fn attestation(of: &Descriptor) -> Descriptor {
    let mut entry = image("unknown/unknown");
    entry.digest = Digest::of(of.digest.as_str().as_bytes());
    entry.annotations.insert(REFERENCE_TYPE.into(), "attestation-manifest".into());
    entry.annotations.insert(REFERENCE_DIGEST.into(), of.digest.to_string());
    entry
}

fn composed() -> Composed {
    let (amd64, arm64) = (image("linux/amd64"), image("linux/arm64"));
    index_of(vec![amd64.clone(), arm64, attestation(&amd64)])
}

fn index_of(entries: Vec<Descriptor>) -> Composed {
    let index = Index::new(media_type::OCI_INDEX, entries.clone(), Default::default());
    let bytes = json::pretty(&index).unwrap();
    Composed {
        media_type: media_type::OCI_INDEX.to_owned(),
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
        entries,
        warnings: Vec::new(),
    }
}

fn source(platform: &str, after: Option<Duration>) -> SourceReport {
    let parsed: Platform = platform.parse().unwrap();
    SourceReport {
        name: format!("{CACHE}:1.4.0-{}", parsed.architecture),
        digest: Digest::of(platform.as_bytes()).to_string(),
        platforms: vec![parsed],
        download: after.is_none().then_some(31_400_000),
        created: Some("2026-05-01T12:00:00Z".into()),
        revisions: vec!["0123456789abcdef0123456789abcdef01234567".into()],
        after,
    }
}

fn copied() -> Copied {
    Copied {
        images: 2,
        images_there: 1,
        referrers: vec![Referred {
            subject: Digest::of(b"linux/amd64"),
            digest: Digest::of(b"signature"),
            kind: "cosign signature".into(),
            tag: Some("sha256-baf0239e48ff.sig".into()),
        }],
        referrers_there: 1,
        blobs_there: 3,
        blobs_mounted: 4,
        blobs_uploaded: 1,
        bytes_poured: 8_000_000,
        elapsed: Some(seconds(4)),
        ..Copied::into(&APP.parse().unwrap(), vec![CACHE.parse().unwrap()])
    }
}

fn writes() -> Vec<Write> {
    let from = || CACHE.parse().unwrap();
    let write = |action, place: &str, why: &str| Write {
        action,
        place: format!("{APP}{place}"),
        digest: Digest::of(place.as_bytes()),
        why: why.to_owned(),
    };
    vec![
        write(Action::Mount { from: from() }, "@sha256:1", "layer of linux/amd64"),
        write(
            Action::Upload { from: from(), bytes: 8_000_000 },
            "@sha256:2",
            "layer of linux/arm64",
        ),
        write(Action::Tag, ":1.4.0", "the index is complete"),
    ]
}

fn report() -> Report {
    Report {
        composed: composed(),
        tags: vec![
            tagged("1.4.0", TagState::Moved, Was::Nothing),
            tagged("1", TagState::Moved, held()),
        ],
        sources: vec![source("linux/amd64", None), source("linux/arm64", Some(seconds(95)))],
        copied: vec![copied()],
        referrers_left_in: BTreeSet::new(),
        skipped: Vec::new(),
        dry_run: None,
        changed: true,
        waited: seconds(95),
        elapsed: Duration::from_millis(102_500),
    }
}

fn left_out() -> Skipped {
    Skipped {
        name: format!("{CACHE}:1.4.0-s390x"),
        platform: "linux/s390x".parse().ok(),
        word: "missing",
    }
}

fn listed(tag: &str, ended: Result<Report, Error>) -> Listed {
    let tags = match &ended {
        Ok(report) => report.tags.clone(),
        Err(_) => vec![tagged(tag, TagState::Untouched, Was::Nothing)],
    };
    let name = reference(tag).to_string();
    let (given, sources, held_back) = (None, Vec::new(), false);
    Listed { name, given, tags, sources, writes: writes(), held_back, ended }
}

fn run(lists: Vec<Listed>) -> Run {
    Run { lists, elapsed: Duration::from_millis(102_500) }
}

/// Two platforms, one of them late, copied from another repository.
pub(super) fn success() -> Run {
    run(vec![listed("1.4.0", Ok(report()))])
}

/// The same without an image that did not arrive.
pub(super) fn incomplete() -> Run {
    run(vec![listed("1.4.0", Ok(Report { skipped: vec![left_out()], ..report() }))])
}

/// The same with nothing to change.
pub(super) fn unchanged() -> Run {
    let was = Was::Held(composed().digest);
    let tags = vec![tagged("1.4.0", TagState::Unchanged, was)];
    let (copied, waited) = (Vec::new(), Duration::ZERO);
    let sources = vec![source("linux/amd64", None), source("linux/arm64", None)];
    let report = Report { tags, copied, waited, sources, changed: false, ..report() };
    run(vec![listed("1.4.0", Ok(report))])
}

/// Nothing is written.
pub(super) fn dry_run() -> Run {
    let (name, digest) = ("linux/arm64".to_owned(), Digest::of(b"linux/arm64").to_string());
    let changes = vec![Change::Added(name, digest)];
    let dry_run = DryRun {
        copies: vec![Coming {
            repository: APP.parse().unwrap(),
            from: BTreeSet::new(),
            images: 2,
            referrers: 3,
            kinds: BTreeSet::from(["cosign signature".to_owned()]),
        }],
        changes: vec![(reference("1.4.0"), changes.clone()), (reference("1"), changes)],
    };
    let tags = vec![
        tagged("1.4.0", TagState::Untouched, Was::Nothing),
        tagged("1", TagState::Untouched, held()),
    ];
    let report = Report { tags, dry_run: Some(dry_run), copied: Vec::new(), ..report() };
    let list = listed("1.4.0", Ok(report));
    run(vec![Listed { writes: Vec::new(), ..list }])
}

/// One image did not arrive.
pub(super) fn not_arrived() -> Error {
    Error {
        details: vec![format!("not found: {CACHE}:1.4.0-arm64"), "no tag was moved".into()],
        ..Error::new(Exit::NotArrived, "1 of 2 images did not arrive within 10m")
            .with_fix(format!("raise {}", input("wait")))
    }
}

fn awaited(architecture: &str, state: SourceState) -> Awaited {
    let name = format!("{CACHE}:1.4.0-{architecture}");
    Awaited { name, platform: format!("linux/{architecture}").parse().ok(), state }
}

/// One image did not arrive, and no tag was moved.
pub(super) fn failure() -> Run {
    let sources = vec![
        awaited("amd64", SourceState::Found(Some(seconds(42)))),
        awaited("arm64", SourceState::Waiting("not found")),
    ];
    let list = listed("1.4.0", Err(not_arrived()));
    run(vec![Listed { sources, ..list }])
}

/// One tag was moved, the next was not.
pub(super) fn partial() -> Run {
    let tags = vec![
        tagged("1.4.0", TagState::Moved, held()),
        tagged("1", TagState::Failed, held()),
        tagged("latest", TagState::Untouched, held()),
    ];
    let error = Error::new(Exit::Partial, "cannot push to ghcr.io/acme/app:1: permission denied")
        .with_details(tags.iter().map(Tagged::line).collect())
        .with_fix("give the job `permissions: packages: write`");
    let list = listed("1.4.0", Err(error));
    run(vec![Listed { tags, ..list }])
}

/// Eight platforms, the last after forty minutes.
pub(super) fn long_wait() -> Run {
    let arrivals = [
        ("linux/amd64", None, 31_400_000),
        ("linux/arm64", Some(60), 29_800_000),
        ("linux/arm/v7", Some(245), 27_900_000),
        ("linux/386", Some(301), 30_200_000),
        ("linux/ppc64le", Some(1_120), 33_600_000),
        ("linux/s390x", Some(1_205), 31_100_000),
        ("linux/riscv64", Some(2_010), 30_600_000),
        ("windows(10.0.20348.2700)/amd64", Some(2_394), 118_200_000),
    ];
    let entries = arrivals.iter().map(|(platform, ..)| image(platform)).collect();
    let of = |(platform, after, bytes): &(&str, Option<u64>, u64)| SourceReport {
        download: Some(*bytes),
        ..source(platform, after.map(seconds))
    };
    let report = Report {
        composed: index_of(entries),
        tags: vec![
            tagged("1.4.0", TagState::Moved, Was::Nothing),
            tagged("latest", TagState::Moved, held()),
        ],
        sources: arrivals.iter().map(of).collect(),
        copied: Vec::new(),
        waited: seconds(2_394),
        ..report()
    };
    run(vec![listed("1.4.0", Ok(report))])
}

/// Three indexes: published, published without a platform, failed.
pub(super) fn several() -> Run {
    let second = Report {
        tags: vec![tagged("1.4.0-slim", TagState::Moved, held())],
        skipped: vec![left_out()],
        ..report()
    };
    run(vec![
        listed("1.4.0", Ok(report())),
        listed("1.4.0-slim", Ok(second)),
        Listed {
            sources: vec![awaited("arm64", SourceState::Waiting("not found"))],
            ..listed("1.4.0-debug", Err(not_arrived()))
        },
    ])
}

/// All were published, and an output file could not be written.
pub(super) fn not_written() -> Error {
    Error::new(Exit::Partial, format!("{}: No space left on device", super::files::NOT_WRITTEN))
}
