use allonym_keyring::{DomainId, Info, NamespaceId, Purpose, Secret, derive};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Cost, SealError};

/// The format of wraps made now.
const FORMAT: u32 = 1;

/// A root key, wrapped by one seal. Safe to store and to copy.
///
/// The cipher is AES-256-GCM-SIV (RFC 8452); its AAD binds every other field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedRoot {
    format: u32,
    kind: SealKind,
    /// Key check value of the sealing key: a wrong key is told from an altered wrap,
    /// and the wrap opens under one key only (GCM-SIV by itself commits to none).
    #[serde(with = "encoded")]
    id: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kdf: Option<Kdf>,
    #[serde(with = "encoded")]
    nonce: Vec<u8>,
    #[serde(with = "encoded")]
    ciphertext: Vec<u8>,
}

impl WrappedRoot {
    /// What kind of seal made it.
    #[must_use]
    pub fn kind(&self) -> SealKind {
        self.kind
    }

    /// Key check value of the sealing key, 32 bytes: equal for all wraps of one key
    /// file, different for each wrap by a passphrase (its salt is in it).
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    pub(crate) fn kdf(&self) -> Option<&Kdf> {
        self.kdf.as_ref()
    }

    /// Wraps `root` under the key of a seal.
    pub(crate) fn close(
        sealing: &Secret,
        kind: SealKind,
        kdf: Option<Kdf>,
        root: &Secret,
    ) -> Result<Self, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        let id = key(sealing, Purpose::KeyCheck).expose().to_vec();
        let mut wrapped =
            Self { format: FORMAT, kind, id, kdf, nonce: nonce.to_vec(), ciphertext: Vec::new() };
        let mut buffer = Zeroizing::new(Vec::with_capacity(48));
        buffer.extend_from_slice(root.expose());
        cipher(sealing)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(wrapped.aad()),
                &mut *buffer,
            )
            .map_err(|_| SealError::Memory)?;
        wrapped.ciphertext = buffer.to_vec();
        Ok(wrapped)
    }

    /// The root key, if `sealing` is the key it was wrapped under.
    pub(crate) fn open(&self, sealing: &Secret) -> Result<Secret, SealError> {
        let check: [u8; 32] = self.id.as_slice().try_into().map_err(|_| SealError::Altered)?;
        if key(sealing, Purpose::KeyCheck) != Secret::new(Zeroizing::new(check)) {
            return Err(SealError::WrongKey);
        }
        let nonce =
            Nonce::try_assume_unique_for_key(&self.nonce).map_err(|_| SealError::Altered)?;
        let mut buffer = Zeroizing::new(self.ciphertext.clone());
        let opened = cipher(sealing)?
            .open_in_place(nonce, Aad::from(self.aad()), &mut buffer)
            .map_err(|_| SealError::Altered)?;
        let mut root = Zeroizing::new([0; 32]);
        if opened.len() != root.len() {
            return Err(SealError::Altered);
        }
        root.copy_from_slice(opened);
        Ok(Secret::new(root))
    }

    /// Refuses wraps of another format or another kind of seal.
    pub(crate) fn expect(&self, kind: SealKind) -> Result<(), SealError> {
        if self.format != FORMAT {
            return Err(SealError::Format(self.format));
        }
        if self.kind != kind {
            return Err(SealError::WrongKey);
        }
        Ok(())
    }

    /// Typed and length-prefixed, so that no two wraps share an AAD by being cut
    /// differently.
    fn aad(&self) -> Vec<u8> {
        let mut aad = Vec::with_capacity(128);
        let mut part = |tag: u8, content: &[u8]| {
            aad.push(tag);
            aad.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
            aad.extend_from_slice(content);
        };
        part(0, b"allonym-seal");
        part(1, &self.format.to_be_bytes());
        part(2, self.kind.label().as_bytes());
        part(3, &self.id);
        if let Some(kdf) = &self.kdf {
            part(4, &kdf.salt);
            part(5, &kdf.cost.memory_kib.to_be_bytes());
            part(6, &kdf.cost.passes.to_be_bytes());
            part(7, &kdf.cost.lanes.to_be_bytes());
        }
        aad
    }
}

/// The kinds of seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SealKind {
    /// A key file.
    File,
    /// A passphrase, stretched by Argon2id.
    Passphrase,
}

impl SealKind {
    const fn label(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Passphrase => "passphrase",
        }
    }
}

/// How a passphrase becomes a key: Argon2id, version 1.3 (RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kdf {
    #[serde(with = "encoded")]
    pub(crate) salt: Vec<u8>,
    #[serde(flatten)]
    pub(crate) cost: Cost,
}

fn key(sealing: &Secret, purpose: Purpose) -> Secret {
    derive(
        sealing,
        Info {
            namespace: NamespaceId::DEFAULT,
            domain: DomainId::from_bytes([0; 16]),
            purpose,
            specification: b"seal",
        },
    )
}

fn cipher(sealing: &Secret) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM_SIV, key(sealing, Purpose::KeyWrap).expose())
        .map(LessSafeKey::new)
        .map_err(|_| SealError::Memory)
}

mod encoded {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(|_| serde::de::Error::custom("not base64"))
    }
}
