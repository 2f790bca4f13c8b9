//! Whom to trust: the system's roots, or Mozilla's where it has none, and the certificates of
//! `ca-file`.

use reqwest::Certificate;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::{Arc, OnceLock};
use tracing::warn;

/// Variables that name another store than the system's.
const STORES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// TLS that trusts the certificates of this PEM file too.
pub(super) fn tls_config(extra_certificates: Option<&[u8]>) -> anyhow::Result<ClientConfig> {
    let mut roots = system_roots().clone();
    let stated = parse_certificates(extra_certificates.unwrap_or_default())?;
    for certificate in &stated {
        roots.add(certificate.clone())?;
    }
    let chains = WebPkiServerVerifier::builder(Arc::new(roots)).build()?;
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { chains, stated }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's store, read once: whoever runs many lists in one process would read hundreds of
/// files each time.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            // An image FROM scratch has no store, and nobody who expects one.
            if let Some(name) = STORES.into_iter().find(|name| std::env::var_os(name).is_some()) {
                let why = found.errors.first().map(|error| format!(": {error}"));
                warn!(
                    "{name} leads to no certificate, so the roots of Mozilla are trusted{}",
                    why.unwrap_or_default()
                );
            }
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}

/// Certificates of a PEM file; an error when it is broken or one cannot be a trust root.
pub(crate) fn parse_certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>()?;
    for certificate in &certificates {
        Certificate::from_der(certificate)?;
    }
    Ok(certificates)
}

/// Checks chains as usual, and takes a server's certificate that is itself one of `ca-file`, as
/// OpenSSL and Go do: `openssl req -x509` makes one that says it is an authority, and whoever
/// saved what a server shows has one without its issuer.
#[derive(Debug)]
struct Verifier {
    chains: Arc<WebPkiServerVerifier>,
    /// The certificates of `ca-file`.
    stated: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // The times of a certificate are checked before these two are found, its name after.
            Err(error)
                if (is_an_authority(&error) || is_of_unknown_issuer(&error))
                    && self.stated.iter().any(|stated| stated == end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether a server's own certificate says that it is an authority (`CA:TRUE`).
fn is_an_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn is_of_unknown_issuer(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::damage;

    #[test]
    fn survives_any_file() {
        let own = rcgen::generate_simple_self_signed(vec!["r.example".to_owned()]).unwrap();
        let pem = format!("# x\n{0}{0}", own.cert.pem());
        assert_eq!(parse_certificates(pem.as_bytes()).unwrap().len(), 2);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..3_000 {
            let mut file = pem.clone().into_bytes();
            (0..random.usize(1..4)).for_each(|_| damage(&mut random, &mut file));
            for certificate in parse_certificates(&file).unwrap_or_default() {
                assert!(certificate.len() <= pem.len());
            }
        }
    }
}
