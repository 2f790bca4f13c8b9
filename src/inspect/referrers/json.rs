//! Referrers in the JSON of `inspect`.

use super::Referrer;
use crate::oci::Digest;
use crate::oci::referrer::{CREATED, Signer};
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfReferrer<'a> {
    subject: &'a Digest,
    of: &'a str,
    kind: Option<&'a str>,
    artifact_type: Option<&'a str>,
    media_type: Option<&'a str>,
    digest: Option<&'a Digest>,
    size: Option<u64>,
    tag: Option<&'a str>,
    created: Option<&'a str>,
    statements: &'a [String],
    signed_with: Vec<SignedWith<'a>>,
    problem: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedWith<'a> {
    kind: &'static str,
    sha256: Option<&'a str>,
}

impl<'a> OfReferrer<'a> {
    pub(crate) fn of(referrer: &'a Referrer) -> Self {
        let entry = referrer.entry.as_ref();
        let artifact_type =
            entry.map(|entry| entry.artifact_type.as_str()).filter(|kind| !kind.is_empty());
        let created = entry.and_then(|entry| entry.annotations.get(CREATED));
        Self {
            subject: &referrer.subject,
            of: &referrer.of,
            kind: referrer.kind.as_deref().or(artifact_type),
            artifact_type,
            media_type: entry.map(|entry| entry.media_type.as_str()),
            digest: entry.map(|entry| &entry.digest),
            size: entry.map(|entry| entry.size),
            tag: referrer.tag.as_deref(),
            created: created.map(String::as_str),
            statements: &referrer.statements,
            signed_with: referrer.signers.iter().map(SignedWith::of).collect(),
            problem: referrer.problem.as_deref(),
        }
    }
}

impl<'a> SignedWith<'a> {
    fn of(signer: &'a Signer) -> Self {
        match signer {
            Signer::Key => Self { kind: "key", sha256: None },
            Signer::Certificate(sha256) => Self { kind: "certificate", sha256: sha256.as_deref() },
        }
    }
}
