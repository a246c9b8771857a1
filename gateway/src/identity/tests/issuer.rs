//! An issuer with a real key, which signs whatever it is told to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::identity::{JwksSource, JwtConfig};

/// The time at which tokens are judged.
pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Seconds after [`now`].
pub(super) fn at(seconds: i64) -> SystemTime {
    let step = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { now() - step } else { now() + step }
}

pub(super) fn claims() -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "payments",
        "sub": "alice",
        "exp": 1_800_000_600,
        "groups": ["billing", "support"],
        "purpose": "chargeback",
        "org": { "tenant": "t1" },
    })
}

pub(super) struct Issuer {
    pub(super) kid: &'static str,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Issuer {
    pub(super) fn rsa(kid: &'static str) -> Self {
        Self { kid, key: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    pub(super) fn p256(kid: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, key: Key::Ec(key) }
    }

    pub(super) fn ed25519(kid: &'static str) -> Self {
        Self { kid, key: Key::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    pub(super) fn alg(&self) -> &'static str {
        match self.key {
            Key::Rsa(_) => "RS256",
            Key::Ec(_) => "ES256",
            Key::Ed(_) => "EdDSA",
        }
    }

    pub(super) fn jwk(&self) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.key {
            Key::Rsa(key) => {
                let key = key.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                let (n, e) =
                    (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": b64(n), "e": b64(e) })
            }
            Key::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]) })
            }
            Key::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().as_ref()) })
            }
        };
        jwk["kid"] = self.kid.into();
        jwk["alg"] = self.alg().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public key as bytes, for those who take it for a shared secret.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match &self.key {
            Key::Rsa(key) => key.public_key().as_ref().to_vec(),
            Key::Ec(key) => key.public_key().as_ref().to_vec(),
            Key::Ed(key) => key.public_key().as_ref().to_vec(),
        }
    }

    /// A token with the usual header.
    pub(super) fn sign_plain(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.alg(), "kid": self.kid, "typ": "JWT" });
        self.sign(&header.to_string(), &claims.to_string())
    }

    pub(super) fn sign(&self, header: &str, claims: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Key::Ec(key) => key.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Key::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(super) fn key_set(issuers: &[&Issuer]) -> String {
    let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(super) fn config(jwks: JwksSource) -> JwtConfig {
    JwtConfig {
        roles_claim: Some("groups".to_owned()),
        purpose_claim: Some("purpose".to_owned()),
        claims: vec!["org.tenant".to_owned(), "org.absent".to_owned()],
        ..JwtConfig::new("https://id.example".to_owned(), "payments".to_owned(), jwks)
    }
}

/// A key set in a file that lives as long as the folder.
pub(super) fn key_set_file(issuers: &[&Issuer]) -> (TempDir, JwtConfig) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, key_set(issuers)).unwrap();
    (folder, config(JwksSource::File(path)))
}
