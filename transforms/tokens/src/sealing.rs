use std::sync::Arc;

use allonym_keyring::{Info, KeyVersion, Keyring, Purpose, Secret, derive};
use allonym_protect::{Owner, TokenDomain, TokenError};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// A sealed value is this byte, 16 bytes that bind look-up and token, the nonce, the
/// ciphertext with its tag. A stored format.
const FORMAT: u8 = 1;
const BINDING: usize = 16;
const HEADER: usize = 1 + BINDING + NONCE_LEN;
/// Sealed metadata is this byte, the nonce, the ciphertext with its tag. A stored format.
const META_FORMAT: u8 = 1;

/// A key that stays the same for the domain's life.
pub(crate) fn fixed_key(domain: &TokenDomain, secret: &Secret, purpose: Purpose) -> Secret {
    derive(secret, info(domain, purpose))
}

/// What finds the tokens about a data subject, under a key that is fixed for the
/// domain's life: the tenant's length in four bytes, the tenant, the subject. A stored
/// format.
pub(crate) fn subject_hash(key: &Secret, owner: Owner<'_>) -> Result<[u8; 16], TokenError> {
    let mut mac = mac(key)?;
    let length = u32::try_from(owner.tenant.len()).unwrap_or(u32::MAX);
    mac.update(&length.to_be_bytes());
    mac.update(owner.tenant.as_bytes());
    mac.update(owner.subject.as_bytes());
    first_half(mac)
}

/// The look-up key of a domain: the same for the domain's life.
pub(crate) struct Lookup(Hmac<Sha256>);

impl Lookup {
    pub(crate) fn new(domain: &TokenDomain, secret: &Secret) -> Result<Self, TokenError> {
        mac(&fixed_key(domain, secret, Purpose::TokenLookup)).map(Self)
    }

    /// What a value is found by.
    pub(crate) fn of(&self, value: &[u8]) -> Result<[u8; 16], TokenError> {
        let mut mac = self.0.clone();
        mac.update(&[0]);
        mac.update(value);
        first_half(mac)
    }

    /// Whether a row's token is the one that was stored with its look-up. Without this
    /// an edit of the file could give a value the token of another.
    pub(crate) fn holds(
        &self,
        lookup: Option<[u8; 16]>,
        token: &str,
        sealed: &[u8],
    ) -> Result<(), TokenError> {
        let given = match sealed.split_first() {
            Some((&FORMAT, rest)) => rest.get(..BINDING).ok_or(TokenError::Altered)?,
            _ => return Err(TokenError::Altered),
        };
        self.bound(lookup, token).verify_truncated_left(given).map_err(|_| TokenError::Altered)
    }

    fn binding(&self, lookup: Option<[u8; 16]>, token: &str) -> Result<[u8; 16], TokenError> {
        first_half(self.bound(lookup, token))
    }

    fn bound(&self, lookup: Option<[u8; 16]>, token: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        match lookup {
            Some(lookup) => {
                mac.update(&[1]);
                mac.update(&lookup);
            }
            None => mac.update(&[2]),
        }
        mac.update(token.as_bytes());
        mac
    }
}

/// Seals and opens values of a domain under one key version.
pub(crate) struct Sealer<'a> {
    domain: &'a TokenDomain,
    version: KeyVersion,
    secret: Arc<Secret>,
    key: RandomizedNonceKey,
}

impl<'a> Sealer<'a> {
    pub(crate) fn new(
        domain: &'a TokenDomain,
        keys: &dyn Keyring,
        version: KeyVersion,
    ) -> Result<Self, TokenError> {
        let secret = keys.secret(domain.domain.key, version)?;
        let key = aead(&derive(&secret, info(domain, Purpose::TokenSeal)))?;
        Ok(Self { domain, version, secret, key })
    }

    pub(crate) const fn version(&self) -> KeyVersion {
        self.version
    }

    /// Seals a value as the content of the row of a token.
    pub(crate) fn seal(
        &self,
        lookup: &Lookup,
        found_by: Option<[u8; 16]>,
        token: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let mut sealed = Vec::with_capacity(HEADER + value.len() + 16);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&lookup.binding(found_by, token)?);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(value);
        let (header, content) = sealed.split_at_mut(HEADER);
        let aad = Aad::from(self.aad(LABEL, token));
        let Ok((nonce, tag)) = self.key.seal_in_place_separate_tag(aad, content) else {
            sealed.zeroize();
            return Err(cipher_failed());
        };
        for (place, byte) in header.iter_mut().skip(1 + BINDING).zip(nonce.as_ref()) {
            *place = *byte;
        }
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The value in the row of a token.
    pub(crate) fn open(
        &self,
        token: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let (header, content) = sealed.split_at_checked(HEADER).ok_or(TokenError::Altered)?;
        if header.first() != Some(&FORMAT) {
            return Err(TokenError::Altered);
        }
        let nonce = header.get(1 + BINDING..).unwrap_or_default();
        open(&self.key, nonce, self.aad(LABEL, token), content)
    }

    /// Seals what is known of a token besides its value.
    pub(crate) fn seal_meta(&self, token: &str, meta: &[u8]) -> Result<Vec<u8>, TokenError> {
        let mut sealed = Zeroizing::new(Vec::with_capacity(1 + NONCE_LEN + meta.len() + 16));
        sealed.push(META_FORMAT);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(meta);
        let (header, content) = sealed.split_at_mut(1 + NONCE_LEN);
        let aad = Aad::from(self.aad(META_LABEL, token));
        let (nonce, tag) = self
            .meta_key()?
            .seal_in_place_separate_tag(aad, content)
            .map_err(|_| cipher_failed())?;
        for (place, byte) in header.iter_mut().skip(1).zip(nonce.as_ref()) {
            *place = *byte;
        }
        sealed.extend_from_slice(tag.as_ref());
        Ok(std::mem::take(&mut *sealed))
    }

    /// What is known of a token besides its value.
    pub(crate) fn open_meta(
        &self,
        token: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let (&format, rest) = sealed.split_first().ok_or(TokenError::Altered)?;
        let (nonce, content) = rest.split_at_checked(NONCE_LEN).ok_or(TokenError::Altered)?;
        if format != META_FORMAT {
            return Err(TokenError::Altered);
        }
        open(&self.meta_key()?, nonce, self.aad(META_LABEL, token), content)
    }

    fn meta_key(&self) -> Result<RandomizedNonceKey, TokenError> {
        aead(&derive(&self.secret, info(self.domain, Purpose::TokenMeta)))
    }

    /// What a sealed value is bound to: each part with its tag and length.
    fn aad(&self, label: &[u8], token: &str) -> Vec<u8> {
        let domain = &self.domain.domain;
        let mut aad = Vec::with_capacity(128);
        let mut part = |tag: u8, content: &[u8]| {
            aad.push(tag);
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
            aad.extend_from_slice(&length.to_be_bytes());
            aad.extend_from_slice(content);
        };
        part(0, label);
        part(1, domain.namespace.as_bytes());
        part(2, domain.id.as_bytes());
        part(3, token.as_bytes());
        part(4, &self.version.number().to_be_bytes());
        aad
    }
}

const LABEL: &[u8] = b"allonym-token-1";
const META_LABEL: &[u8] = b"allonym-token-meta-1";

fn open(
    key: &RandomizedNonceKey,
    nonce: &[u8],
    aad: Vec<u8>,
    content: &[u8],
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| TokenError::Altered)?;
    let mut value = Zeroizing::new(content.to_vec());
    let opened = key.open_in_place(nonce, Aad::from(aad), &mut value);
    let length = opened.map_err(|_| TokenError::Altered)?.len();
    value.truncate(length);
    Ok(value)
}

fn aead(key: &Secret) -> Result<RandomizedNonceKey, TokenError> {
    RandomizedNonceKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| cipher_failed())
}

fn mac(key: &Secret) -> Result<Hmac<Sha256>, TokenError> {
    Hmac::new_from_slice(key.expose()).map_err(|_| cipher_failed())
}

fn info(domain: &TokenDomain, purpose: Purpose) -> Info<'_> {
    Info {
        namespace: domain.domain.namespace,
        domain: domain.domain.id,
        purpose,
        specification: &domain.specification,
    }
}

fn first_half(mac: Hmac<Sha256>) -> Result<[u8; 16], TokenError> {
    let bytes = mac.finalize().into_bytes();
    bytes.first_chunk().copied().ok_or_else(cipher_failed)
}

fn cipher_failed() -> TokenError {
    TokenError::Unavailable("the cipher failed".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use allonym_keyring::{DomainId, KeyEntry, KeyId, KeySet, KeyState, NamespaceId};
    use allonym_protect::Domain;
    use std::collections::{BTreeMap, HashMap};
    use std::sync::Arc;

    fn secret(byte: u8) -> Secret {
        Secret::new(Zeroizing::new([byte; 32]))
    }

    fn domain(id: u8, specification: u8) -> TokenDomain {
        TokenDomain {
            domain: Domain {
                namespace: NamespaceId::DEFAULT,
                id: DomainId::from_bytes([id; 16]),
                key: KeyId::from_bytes([9; 16]),
            },
            specification: [specification; 32],
        }
    }

    fn keys() -> KeySet {
        let versions =
            [(1, KeyState::Deactivated), (2, KeyState::Active)].map(|(number, state)| {
                let secret = Some(Arc::new(secret(1)));
                (KeyVersion::new(number).unwrap(), (state, secret))
            });
        let entry = KeyEntry { name: "contact".into(), versions: BTreeMap::from(versions) };
        KeySet::new(HashMap::from([(KeyId::from_bytes([9; 16]), entry)]))
    }

    /// Published vector: another one would find no stored token again.
    #[test]
    fn the_look_up_is_a_stored_format() {
        let lookup = Lookup::new(&domain(7, 1), &secret(1)).unwrap();
        let hex =
            |bytes: [u8; 16]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(lookup.of(b"t\0\0\0\0a@b.c").unwrap()), "01136c3125d77f60f1276368ce79b169");
        assert_eq!(
            hex(lookup.binding(Some([3; 16]), "tok_1").unwrap()),
            "6223962af46dc4fd9f417a2482b431e9"
        );
    }

    /// Published vectors: another hash would find nothing that is to be erased.
    #[test]
    fn the_subject_is_a_stored_format() {
        for (tenant, expected) in
            [("", "3c3a5e9e4dc517a7fc7afb6f1d7ef30f"), ("a", "ec6c0e257e03acae0b1fea9a28f448bf")]
        {
            let hash = subject_hash(&secret(1), Owner { tenant, subject: "customer-17" }).unwrap();
            assert_eq!(crate::claims::hex(&hash), expected);
        }
    }

    #[test]
    fn a_sealed_value_opens_in_its_own_row_only() {
        let (here, keys, one) = (domain(7, 1), keys(), KeyVersion::FIRST);
        let lookup = Lookup::new(&here, &secret(1)).unwrap();
        let sealer = Sealer::new(&here, &keys, one).unwrap();
        let sealed = sealer.seal(&lookup, Some([3; 16]), "tok_1", b"value").unwrap();
        assert_eq!(**sealer.open("tok_1", &sealed).unwrap(), *b"value");
        assert_eq!(lookup.holds(Some([3; 16]), "tok_1", &sealed), Ok(()));
        assert!(sealed.windows(5).all(|window| window != b"value"));

        let check = |sealer: &Sealer<'_>, token: &str, sealed: &[u8]| {
            assert_eq!(sealer.open(token, sealed).err(), Some(TokenError::Altered));
        };
        check(&sealer, "tok_2", &sealed);
        // Both versions have one secret here, so only the binding tells them apart.
        check(&Sealer::new(&here, &keys, one.next().unwrap()).unwrap(), "tok_1", &sealed);
        for other in [domain(8, 1), domain(7, 2)] {
            check(&Sealer::new(&other, &keys, one).unwrap(), "tok_1", &sealed);
        }
        for (at, _) in sealed.iter().enumerate() {
            let mut wrong = sealed.clone();
            wrong[at] ^= 1;
            let opens = sealer.open("tok_1", &wrong).is_ok();
            let bound = lookup.holds(Some([3; 16]), "tok_1", &wrong).is_ok();
            assert!(!opens || !bound, "byte {at}");
            check(&sealer, "tok_1", &sealed[..at]);
        }
        for (found_by, token) in
            [(Some([4; 16]), "tok_1"), (None, "tok_1"), (Some([3; 16]), "tok_2")]
        {
            assert_eq!(lookup.holds(found_by, token, &sealed), Err(TokenError::Altered));
        }
    }
}
