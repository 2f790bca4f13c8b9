//! A tiny, independent registry client for tests that prepare a registry or look at it. One
//! connection a request, no retries; anything unexpected panics with what the registry said. Not
//! the product's code, on purpose.

use super::http1::{Request, Response, Wire};
use super::images::Image;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// `sha256:HEX` of these bytes.
pub fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// Speaks to one registry.
#[derive(Debug, Clone)]
pub struct Client {
    host: String,
    authorization: Option<String>,
    ca: Option<String>,
}

/// A manifest as the registry gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The `Content-Type`.
    pub media_type: String,
    /// Computed from the bytes (and equal to the registry's header, else this panics).
    pub digest: String,
    /// The body.
    pub bytes: Vec<u8>,
}

impl Fetched {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).expect("a manifest is JSON")
    }
}

impl Client {
    /// For `host:port`, anonymous, plain HTTP.
    pub fn new(host: &str) -> Self {
        Self { host: host.to_owned(), authorization: None, ca: None }
    }

    /// The same with a Basic login.
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.authorization =
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self
    }

    /// The same with a ready bearer token.
    pub fn bearer(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// The same over TLS, trusting this authority alone.
    pub fn tls(mut self, ca_pem: &str) -> Self {
        self.ca = Some(ca_pem.to_owned());
        self
    }

    /// One request, whatever the answer.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let target = target
            .split_once("://")
            .map_or(target, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
        let mut all = vec![
            ("Host".to_owned(), self.host.clone()),
            ("Connection".to_owned(), "close".to_owned()),
        ];
        all.extend(self.authorization.iter().map(|a| ("Authorization".to_owned(), a.clone())));
        all.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        if !body.is_empty() || matches!(method, "PUT" | "POST" | "PATCH") {
            all.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        let request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: all,
            body: body.to_vec(),
        };
        let stream = TcpStream::connect(&self.host)
            .await
            .unwrap_or_else(|e| panic!("cannot reach {}: {e}", self.host));
        let answer = match &self.ca {
            None => exchange(stream, &request).await,
            Some(ca) => exchange(secure(stream, ca).await, &request).await,
        };
        answer.unwrap_or_else(|e| panic!("{method} {target} at {}: {e}", self.host))
    }

    /// Uploads a blob in one go; its digest.
    pub async fn put_blob(&self, repo: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let opened = self.request("POST", &format!("/v2/{repo}/blobs/uploads/"), &[], &[]).await;
        expect(&opened, 202, "open an upload");
        let location = opened.header("location").expect("an upload has a Location");
        let glue = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{glue}digest={digest}");
        let done = self
            .request("PUT", &target, &[("Content-Type", "application/octet-stream")], bytes)
            .await;
        expect(&done, 201, "upload a blob");
        digest
    }

    /// Puts a manifest at a tag or digest, or by its digest when `reference` is empty; its digest.
    pub async fn put_manifest(
        &self,
        repo: &str,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> String {
        let digest = sha256(bytes);
        let reference = if reference.is_empty() { &digest } else { reference };
        let target = format!("/v2/{repo}/manifests/{reference}");
        let done = self.request("PUT", &target, &[("Content-Type", media_type)], bytes).await;
        expect(&done, 201, &format!("put {target}"));
        digest
    }

    /// The manifest at a tag or digest, in whichever of the four formats it is; `None` when there
    /// is none.
    pub async fn get_manifest(&self, repo: &str, reference: &str) -> Option<Fetched> {
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let target = format!("/v2/{repo}/manifests/{reference}");
        // While somebody writes what another one reads, distribution answers 500.
        let mut tries = 0;
        let got = loop {
            tries += 1;
            let got = self.request("GET", &target, &[("Accept", &accept)], &[]).await;
            if got.status != 500 || tries == 20 {
                break got;
            }
        };
        if got.status == 404 {
            return None;
        }
        expect(&got, 200, &format!("get {target}"));
        let digest = sha256(&got.body);
        assert_eq!(
            got.header("docker-content-digest"),
            Some(digest.as_str()),
            "the registry's digest of {target}"
        );
        let media_type = got.header("content-type").unwrap_or_default().to_owned();
        Some(Fetched { media_type, digest, bytes: got.body })
    }

    /// A blob's bytes; `None` when it is not there.
    pub async fn get_blob(&self, repo: &str, digest: &str) -> Option<Vec<u8>> {
        let got = self.request("GET", &format!("/v2/{repo}/blobs/{digest}"), &[], &[]).await;
        if got.status == 404 {
            return None;
        }
        expect(&got, 200, &format!("get blob {digest}"));
        Some(got.body)
    }

    /// Whether manifest and blobs of an image are there, byte for byte.
    pub async fn holds(&self, repo: &str, image: &Image) -> bool {
        let manifest = self.get_manifest(repo, &image.digest()).await;
        let mut whole = manifest.is_some_and(|manifest| manifest.bytes == image.manifest());
        for blob in image.blobs() {
            whole &= self.get_blob(repo, &blob).await.is_some_and(|bytes| sha256(&bytes) == blob);
        }
        whole
    }

    /// All tags of a repository, sorted; none when the repository is unknown.
    pub async fn tags(&self, repo: &str) -> Vec<String> {
        let got = self.request("GET", &format!("/v2/{repo}/tags/list"), &[], &[]).await;
        if got.status == 404 {
            return Vec::new();
        }
        expect(&got, 200, "list tags");
        let list: serde_json::Value =
            serde_json::from_slice(&got.body).expect("a tag list is JSON");
        let tags = list["tags"].as_array().cloned().unwrap_or_default();
        let mut tags: Vec<String> =
            tags.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect();
        tags.sort();
        tags
    }

    /// Deletes a manifest by digest, with every tag on it.
    pub async fn delete_manifest(&self, repo: &str, digest: &str) {
        let done =
            self.request("DELETE", &format!("/v2/{repo}/manifests/{digest}"), &[], &[]).await;
        expect(&done, 202, &format!("delete {digest}"));
    }
}

fn expect(answer: &Response, status: u16, what: &str) {
    assert_eq!(
        answer.status,
        status,
        "{what}: the registry said {} {}",
        answer.status,
        answer.text()
    );
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: &Request,
) -> std::io::Result<Response> {
    let mut wire = Wire::new(stream);
    // A server may answer and close before it has read everything: what it said counts, not the
    // broken pipe.
    let sent = wire.send(&request.encode()).await;
    match wire.response(&request.method).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(sent.err().unwrap_or_else(super::http1::gone)),
        Err(e) => Err(sent.err().unwrap_or(e)),
    }
}

async fn secure(stream: TcpStream, ca_pem: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("a PEM certificate"))
        .expect("a usable root");
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("ring speaks the default versions")
    .with_root_certificates(roots)
    .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("an address is a server name");
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .expect("a TLS handshake with the registry")
}
