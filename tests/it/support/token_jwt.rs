//! Signed tokens as the distribution registry wants them: ES256, the certificate in `x5c`.
//!
//! Registry 2.8 forgives clocks 60 s (its `Leeway`): a token that must really die is given an `exp`
//! that much earlier.

use super::canary;
use super::certs::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const REGISTRY_LEEWAY: i64 = 60;

/// Signs tokens with a key of its own.
pub struct Signer {
    authority: Authority,
    key: EcdsaKeyPair,
    random: SystemRandom,
}

/// The access that a token grants: repository (or other resource) name and actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `repository`.
    pub kind: String,
    /// `acme/app`.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

impl Access {
    /// Parses `repository:acme/app:pull,push`; the name may hold colons.
    pub fn parse(scope: &str) -> Option<Self> {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions = actions.split(',').filter(|a| !a.is_empty()).map(str::to_owned).collect();
        Some(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }
}

impl Default for Signer {
    fn default() -> Self {
        let authority = Authority::new("test token signer");
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &authority.key_der(),
            &random,
        )
        .expect("rcgen's key is a P-256 key");
        Self { authority, key, random }
    }
}

impl Signer {
    /// What the registry needs in its `rootcertbundle`.
    pub fn certificate(&self) -> String {
        self.authority.pem()
    }

    /// A token that the registry refuses `lifetime` seconds from now (0 or less: at once).
    pub fn sign(
        &self,
        issuer: &str,
        service: &str,
        subject: &str,
        access: &[Access],
        lifetime: i64,
    ) -> String {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let now = i64::try_from(now).expect("a clock before the end of time");
        let access: Vec<Value> = access
            .iter()
            .map(|a| json!({"type": a.kind, "name": a.name, "actions": a.actions}))
            .collect();
        let head =
            json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.authority.der())]});
        let claims = json!({
            "iss": issuer, "sub": subject, "aud": service, "exp": now + lifetime - REGISTRY_LEEWAY, "nbf": now - 5, "iat": now,
            "jti": format!("{:016x}", fastrand::u64(..)), "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("an ECDSA signature");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        canary::issued(&token);
        token
    }
}
