//! Certificates made for one test: an authority, and what it signs for 127.0.0.1 and localhost.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// A certificate authority that only this test knows.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl Identity {
    /// A certificate for these names that is its own issuer and says that it is an authority, as
    /// `openssl req -x509` makes it.
    pub fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().expect("a P-256 key");
        let mut params = names_of(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let certificate = params.self_signed(&key).expect("a self-signed certificate");
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// What a server needs to show it.
    pub fn tls(&self) -> rustls::ServerConfig {
        let certificate =
            CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a PEM certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a PEM key");
        rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key")
    }
}

impl Authority {
    /// A fresh one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().expect("a P-256 key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a self-signed authority") }
    }

    /// Its own certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate in DER.
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// Its private key in PKCS#8 DER (ECDSA P-256).
    pub fn key_der(&self) -> Vec<u8> {
        self.issuer.key().serialize_der()
    }

    /// A server certificate for these names; addresses count as such.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(names, |_| {})
    }

    /// The same, and nobody may trust it any more.
    pub fn expired(&self, names: &[&str]) -> Identity {
        self.sign(names, expire)
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().expect("a P-256 key");
        let mut params = names_of(names);
        change(&mut params);
        let certificate =
            params.signed_by(&key, &self.issuer).expect("a signed server certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn names_of(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    CertificateParams::new(names).expect("names that a certificate can have")
}

/// Makes a certificate one that nobody may trust any more.
pub fn expire(params: &mut CertificateParams) {
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}
