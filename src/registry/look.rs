//! Looks at what is stored without reading it: HEAD, and for manifests GET where HEAD cannot be
//! believed.

use super::Registry;
use super::call::Call;
use super::error::{Error, Kind};
use crate::oci::{Digest, Manifest, Reference, Repository, media_type};
use reqwest::Method;
use tokio::time::Instant;

/// Answer to a HEAD of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Digest of the manifest.
    pub digest: Digest,
    /// Media type without parameters; empty when the registry does not say.
    pub media_type: String,
    /// Bytes; `None` when the registry does not say (proxies answer with none, or 0).
    pub size: Option<u64>,
    /// Whether it was found in a file under another name than the one that was asked for.
    pub is_renamed: bool,
}

impl Head {
    /// What a look at a manifest would tell.
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self {
            digest: manifest.digest.clone(),
            media_type: manifest.media_type.clone(),
            size: Some(manifest.bytes.len() as u64),
            is_renamed: false,
        }
    }
}

impl Registry {
    /// Looks whether a manifest is there, which most registries do not count as a pull.
    pub async fn look(
        &self,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        if reference.repository.file().is_some() {
            return self.look_by_get(reference, deadline).await;
        }
        let rest = format!("manifests/{}", reference.selector());
        let mut call = Call::new(Method::HEAD, &reference.repository, &rest);
        call.terms.deadline = deadline;
        call.terms.gives_way = true;
        match self.call(call).await {
            Ok((answer, _)) => {
                // ECR, among others, does not name the digest: then only the bytes tell.
                if let Ok(digest) = answer.header("docker-content-digest").parse::<Digest>() {
                    return Ok(Head {
                        digest,
                        media_type: media_type::without_parameters(answer.header("content-type")),
                        size: answer.length(),
                        is_renamed: false,
                    });
                }
            }
            // A HEAD that is not allowed, or that some registries and proxies cannot answer; one that
            // was refused and, having no body, does not say why; or one that a cache answers with
            // "not modified", though nobody told it what we have.
            Err(error)
                if matches!(error.status, Some(304 | 400..=599))
                    && !matches!(error.status, Some(401 | 404))
                    && !matches!(error.kind, Kind::Throttled { .. }) => {}
            Err(error) => return Err(error),
        }
        self.look_by_get(reference, deadline).await
    }

    /// Looks as [`Self::look`] does, and confirms a failure by GET: for what must not be wrong.
    pub async fn look_surely(
        &self,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        match self.look(reference, deadline).await {
            Err(error) => self.confirm(error, reference, deadline).await,
            found => found,
        }
    }

    /// Asks by GET what HEAD denied: that it is there, or access to it.
    pub async fn confirm(
        &self,
        failed: Error,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        if !failed.may_be_of_head() {
            return Err(failed);
        }
        self.look_by_get(reference, deadline).await
    }

    /// Looks whether a blob is there; its size in bytes, if the registry says.
    pub async fn blob_size(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<u64>, Error> {
        let rest = format!("blobs/{digest}");
        let (answer, _) = self.call(Call::new(Method::HEAD, repository, &rest)).await?;
        Ok(answer.length())
    }

    async fn look_by_get(
        &self,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        self.manifest(reference, deadline).await.map(|manifest| Head::of(&manifest))
    }
}
