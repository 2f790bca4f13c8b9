//! The distribution API: its verbs. Rooms below have HTTP (`http`), retries and limits
//! (`attempts`), logins and tokens (`login`), what a call is (`call`), blobs (`blobs`) and what lists
//! share (`shared`, `seen`).
//!
//! Every received byte is checked against its digest. Nothing here knows what a run is about.

mod asked;
mod attempts;
mod blobs;
mod call;
mod elsewhere;
mod error;
mod files;
pub(crate) mod http;
mod login;
mod look;
mod outgoing;
mod referrers;
mod said;
mod seen;
mod shared;
mod slots;
mod tags;

use crate::inputs::Environment;
use crate::layout::{Layouts, Outgoing};
use crate::oci::{Descriptor, Digest, Held, Invalid, Manifest, Reference, Repository};
use crate::secret::Secrets;
pub use asked::Asked;
use attempts::Attempts;
pub use blobs::{BlobOutcome, CopyError};
use bytes::Bytes;
use call::{Call, LOOK_FOR_A_PUSH};
pub use elsewhere::{Elsewhere, Role};
pub use error::{Error, HelperCause, HelperFailure, Kind};
use futures_util::FutureExt as _;
use http::Transport;
pub use http::{ProxyError, ProxyTrouble, TlsError, TlsTrouble};
pub(crate) use login::from_base64;
use login::{Auth, Lookup};
pub use login::{AuthFile, Credential, HandedOver, Login, Logins, Writable, canonical_host};
pub use look::Head;
pub use referrers::Stored;
pub(crate) use referrers::{MOST_REFERRERS, Purpose, entries};
use reqwest::Method;
pub use said::Said;
pub use seen::News;
use shared::Cache;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
pub(crate) use tags::Tags;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Bytes. Configs are small; a larger one belongs to no image that we can judge.
const LARGEST_CONFIG: u64 = 4 << 20;

/// One request of so many is a question beside copies. An image has three blobs or more to copy.
const QUESTIONS: usize = 4;

/// How registries are reached in a run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Logins, in the order in which they count.
    pub logins: Logins,
    /// Repositories that will be pushed to: their first token asks for that at once.
    pub writable: Writable,
    /// Hosts with plain HTTP, as people write them.
    pub plain_http: HashSet<String>,
    /// PEM certificates to trust beside the system's.
    pub certificates: Option<Vec<u8>>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Where the paths of files that hold images start.
    pub folder: PathBuf,
    /// Secrets of this run: logins, and what token servers and credential helpers give.
    pub secrets: Secrets,
    /// Variables of the credential helpers that are run, PATH among them; without it, none is found.
    pub helper_environment: Environment,
}

/// Client of all registries, with what the run has learned about them.
#[derive(Debug)]
pub struct Registry {
    transport: Transport,
    attempts: Attempts,
    auth: Auth,
    cache: Cache,
    held: Held,
    layouts: Layouts,
    outgoing: Outgoing,
    tags: tags::Listings,
    /// Permits of questions that are asked beside copies: a part of all requests, so that the copies
    /// do not wait for them.
    beside: Semaphore,
    /// Repositories whose blobs will be mounted into others.
    mounted: HashSet<Repository>,
    /// Requests about those blobs, by what was read so far.
    mounts: AtomicUsize,
}

impl Registry {
    /// Sets up TLS; sends nothing.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let layouts = Layouts::new(&settings.folder);
        Ok(Self {
            transport: Transport::new(
                settings.certificates.as_deref(),
                settings.plain_http,
                settings.concurrency,
            )?,
            mounted: settings.writable.values().flatten().cloned().collect(),
            auth: Auth::new(
                settings.writable,
                Lookup::new(settings.logins, settings.helper_environment, settings.secrets.clone()),
            ),
            beside: Semaphore::new((settings.concurrency / QUESTIONS).max(1)),
            attempts: Attempts::new(settings.concurrency, settings.secrets),
            cache: Cache::default(),
            held: Held::default(),
            outgoing: Outgoing::beside(&layouts),
            layouts,
            tags: tags::Listings::default(),
            mounts: AtomicUsize::new(0),
        })
    }

    /// Whether the registry ever answered in this run.
    pub fn has_answered(&self, host: &str) -> bool {
        self.attempts.has_answered(host)
    }

    /// How the last try at the registry failed, unless one has succeeded since; without its request,
    /// which may have been about anything.
    pub fn last_trouble(&self, host: &str) -> Option<Error> {
        self.attempts.last_trouble(host)
    }

    /// Why pushing to the repository was refused when a token was asked for, if it was.
    pub fn push_denial(&self, repository: &Repository) -> Option<Error> {
        self.auth.push_denial(repository).map(|denial| self.with_helper(denial))
    }

    /// Says that about so many requests will go to a registry at once, before it is known of each:
    /// connections are opened meanwhile.
    pub(crate) fn expect_requests(&self, repository: &Repository, count: usize) {
        if repository.file().is_none() {
            self.transport.open_early(repository.host(), count);
        }
    }

    /// Reads a manifest, by digest if the reference has one.
    pub async fn manifest(
        &self,
        reference: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Manifest, Error> {
        if reference.repository.file().is_some() {
            return self.manifest_of_file(reference).await;
        }
        let rest = format!("manifests/{}", reference.selector());
        let mut call = Call::new(Method::GET, &reference.repository, &rest);
        call.terms.expect = reference.digest.as_ref();
        call.terms.deadline = deadline;
        let (answer, request) = self.call(call).await?;
        let digest = reference.digest.clone().unwrap_or_else(|| Digest::of(&answer.body));
        Manifest::parse(answer.body.clone(), answer.header("content-type"), digest)
            .and_then(|manifest| self.hold(manifest))
            .inspect(|manifest| self.expect_mounts(&reference.repository, manifest))
            .map_err(|invalid| request.error_of(invalid.into(), &answer))
    }

    /// Counts a manifest among what is held; what is only kept for other lists makes room for it.
    fn hold(&self, mut manifest: Manifest) -> Result<Manifest, Invalid> {
        if manifest.share.count_in(&self.held).is_err() {
            self.cache.seen.clear();
            manifest.share.count_in(&self.held)?;
        }
        Ok(manifest)
    }

    /// Reads a config blob, checked against its descriptor.
    pub async fn config(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        deadline: Option<Instant>,
    ) -> Result<Bytes, Error> {
        if repository.file().is_some() {
            return self.blob_of_file(repository, descriptor, LARGEST_CONFIG).await;
        }
        let rest = format!("blobs/{}", descriptor.digest);
        let mut call = Call::new(Method::GET, repository, &rest);
        call.limit = usize::try_from(descriptor.size.min(LARGEST_CONFIG)).unwrap_or(usize::MAX);
        call.terms.expect = Some(&descriptor.digest);
        call.terms.deadline = deadline;
        let too_large = descriptor.size > LARGEST_CONFIG;
        let (answer, request) = self.call(call).await?;
        if too_large || answer.body.len() as u64 != descriptor.size {
            let what = format!(
                "the config has {} bytes, but its descriptor says {}",
                answer.body.len(),
                descriptor.size
            );
            return Err(request.error_of(Kind::TooLarge(what), &answer));
        }
        Ok(answer.body)
    }

    /// Pushes a manifest by its digest, tried once where the server fails: for one that may be refused
    /// as if the server failed. Another push does no harm.
    pub async fn offer_manifest(
        &self,
        place: &Reference,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Stored, Error> {
        if place.repository.file().is_some() {
            let digest = Digest::of(bytes);
            return self.manifest_into_file(place, media_type, bytes, &digest).await;
        }
        let rest = format!("manifests/{}", place.selector());
        let mut call = Call::new(Method::PUT, &place.repository, &rest);
        call.body = Some((media_type, bytes.clone()));
        call.terms.gives_way = true;
        self.call(call).await.map(|(answer, _)| Stored::by(&answer))
    }

    /// Stores a manifest under a tag or its digest. A push whose outcome is unclear is looked at
    /// before it is repeated.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: &Bytes,
        digest: &Digest,
    ) -> Result<Stored, Error> {
        if reference.repository.file().is_some() {
            return self.manifest_into_file(reference, media_type, bytes, digest).await;
        }
        let rest = format!("manifests/{}", reference.selector());
        let landed = || {
            async {
                self.look_surely(reference, Some(Instant::now() + LOOK_FOR_A_PUSH))
                    .await
                    .is_ok_and(|head| head.digest == *digest)
            }
            .boxed_local()
        };
        let mut call = Call::new(Method::PUT, &reference.repository, &rest);
        call.body = Some((media_type, bytes.clone()));
        call.terms.landed = Some(&landed);
        let (answer, request) = self.call(call).await?;
        match answer.header("docker-content-digest") {
            stored if stored.is_empty() || stored == digest.as_str() => Ok(Stored::by(&answer)),
            stored => Err(request.error_of(
                Kind::DigestMismatch(format!("the registry stored {stored} instead of {digest}")),
                &answer,
            )),
        }
    }
}
