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

pub(crate) mod cipher;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;
use std::sync::Arc;

use aes::Aes256Enc;
use allonym_keyring::{DomainId, KeyVersion, Keyring, Purpose, Secret};
use allonym_record::Value;
use zeroize::{Zeroize, Zeroizing};

use crate::derived::Derived;
use crate::siv::cipher::{AesSiv, Associated, BLOCK, StringMac};
use crate::{Context, Domain, Fault, FaultRule, Mark, Scope, Transform, header, tweak};

/// Deterministic authenticated encryption to text with the mark `aln1.`.
pub(crate) type Siv = Deterministic<HeaderText>;

/// Deterministic authenticated encryption to one form of text.
pub(crate) struct Deterministic<F> {
    keys: Derived<SivKey>,
    scope: Scope,
    form: PhantomData<F>,
}

/// A form of text, and what keeps its keys apart from those of other forms.
pub(crate) trait Form: Send + Sync {
    /// What the two halves of the key are for: MAC, counter mode.
    const PURPOSES: [Purpose; 2];
    /// Associated before all else, if anything.
    const LABEL: Option<&'static [u8]>;

    /// Whether text begins as this form does.
    fn is_marked(text: &str) -> bool;

    /// The text of header and body.
    fn write(sealed: &[u8]) -> String;

    /// Header and body of a text, into an empty buffer; nothing if it is not well formed.
    fn read(text: &str, sealed: &mut Vec<u8>) -> Option<()>;
}

/// The form of method `siv`.
pub(crate) struct HeaderText;

/// The key of one version, and the domain's part in S2V under it.
struct SivKey {
    cipher: AesSiv<Aes256Enc>,
    label: Option<StringMac>,
    domain: StringMac,
}

/// A key for one batch, with all that is associated.
struct BatchKey {
    key: Arc<SivKey>,
    associated: Associated,
}

impl<F: Form> Deterministic<F> {
    pub(crate) fn new(domain: Domain, specification: [u8; 32], scope: Scope) -> Self {
        Self { keys: Derived::new(domain, specification), scope, form: PhantomData }
    }

    /// The scope as it is associated.
    fn typed_scope(&self, context: &Context<'_>) -> Result<Vec<u8>, FaultRule> {
        tweak::scope(&self.scope, context.tenant)
    }

    fn derive(&self, derive: &dyn Fn(Purpose) -> Secret) -> Result<SivKey, FaultRule> {
        let [mac, counter] = F::PURPOSES.map(derive);
        let cipher = AesSiv::new(mac.expose(), counter.expose()).ok_or(FaultRule::NoKey)?;
        let label = F::LABEL.map(|label| cipher.string(label));
        let domain = cipher.string(&domain_string(self.keys.domain().id));
        Ok(SivKey { cipher, label, domain })
    }

    /// The key that opens what was protected under one version.
    fn opener(
        &self,
        keys: &dyn Keyring,
        version: KeyVersion,
        scope: &[u8],
    ) -> Result<BatchKey, FaultRule> {
        let key = self.keys.get(keys, version, |derive| self.derive(derive))?;
        Ok(BatchKey::new(key, &header::header(version), scope))
    }

    /// The value in a text with the mark, under a version that is live.
    fn open(
        &self,
        text: &str,
        scope: &[u8],
        keys: &dyn Keyring,
        openers: &mut BTreeMap<KeyVersion, BatchKey>,
        buffer: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(KeyVersion, Value), FaultRule> {
        buffer.zeroize();
        F::read(text, buffer).ok_or(FaultRule::BadMark)?;
        let (version, header) = header::version(buffer).ok_or(FaultRule::BadMark)?;
        let opener = match openers.entry(version) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.opener(keys, version, scope)?),
        };
        let value = opener.open(buffer.get_mut(header..).unwrap_or_default());
        Ok((version, value.ok_or(FaultRule::BadMark)?))
    }
}

impl<F: Form> Transform for Deterministic<F> {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = self.typed_scope(context).map_err(failed)?;
        let (version, key) =
            self.keys.writing(context, |derive| self.derive(derive)).map_err(failed)?;
        let header = header::header(version);
        let sealer = BatchKey::new(key, &header, &scope);
        let mut buffer = Zeroizing::new(Vec::new());
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            header::judge(value).map_err(fault)?;
            sealer.seal(&header, value, &mut buffer).map_err(fault)?;
            **value = Value::text(F::write(&buffer));
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let scope = self.typed_scope(context).map_err(|rule| Fault { index: first, rule })?;
        let mut openers = BTreeMap::new();
        let mut buffer = Zeroizing::new(Vec::new());
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            let opened = match &**value {
                Value::Text(text) if F::is_marked(text) => self
                    .open(text, &scope, context.newest, &mut openers, &mut buffer)
                    .map_err(fault)?,
                _ => return Err(fault(FaultRule::NotProtected)),
            };
            **value = opened.1;
        }
        Ok(())
    }

    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        let judged = match value {
            Value::Text(text) if F::is_marked(text) => {
                self.typed_scope(context).and_then(|scope| {
                    let mut buffer = Zeroizing::new(Vec::new());
                    let openers = &mut BTreeMap::new();
                    self.open(text, &scope, context.newest, openers, &mut buffer)
                })
            }
            _ => return header::judge(value).map_or_else(Mark::Neither, |()| Mark::Plain),
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
        header::judge(operand).map_err(fault)?;
        let scope = self.typed_scope(context).map_err(fault)?;
        let live = context.newest.live(self.keys.domain().key);
        if live.is_empty() {
            return Err(fault(FaultRule::NoKey));
        }
        let mut buffer = Zeroizing::new(Vec::new());
        live.iter()
            .map(|&version| {
                let sealer = self.opener(context.newest, version, &scope)?;
                sealer.seal(&header::header(version), operand, &mut buffer)?;
                Ok(Value::text(F::write(&buffer)))
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

impl Form for HeaderText {
    const PURPOSES: [Purpose; 2] = [Purpose::SivMac, Purpose::SivCtr];
    const LABEL: Option<&'static [u8]> = None;

    fn is_marked(text: &str) -> bool {
        text.starts_with(header::SIV)
    }

    fn write(sealed: &[u8]) -> String {
        header::write(header::SIV, sealed)
    }

    fn read(text: &str, sealed: &mut Vec<u8>) -> Option<()> {
        header::read(header::SIV, text, sealed)
    }
}

impl BatchKey {
    fn new(key: Arc<SivKey>, header: &[u8], scope: &[u8]) -> Self {
        let mut associated = key.cipher.associated();
        if let Some(label) = &key.label {
            associated = associated.and(label);
        }
        let associated = associated
            .and(&key.cipher.string(header))
            .and(&key.domain)
            .and(&key.cipher.string(scope));
        Self { key, associated }
    }

    /// Header, synthetic initialisation vector and ciphertext of a value, in a buffer
    /// that holds no plaintext before or after.
    fn seal(
        &self,
        header: &[u8],
        value: &Value,
        buffer: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), FaultRule> {
        buffer.clear();
        buffer.extend_from_slice(header);
        buffer.extend_from_slice(&[0; BLOCK]);
        encode_into(value, buffer).ok_or(FaultRule::Kind)?;
        let sealed = buffer.get_mut(header.len()..).and_then(<[u8]>::split_first_chunk_mut);
        let (vector, text) = sealed.ok_or(FaultRule::Length)?;
        *vector = self.key.cipher.seal(&self.associated, text);
        Ok(())
    }

    /// The value in vector and ciphertext, which are overwritten.
    fn open(&self, sealed: &mut [u8]) -> Option<Value> {
        let (vector, text) = sealed.split_first_chunk_mut::<BLOCK>()?;
        if self.key.cipher.open(&self.associated, *vector, text) { decode(text) } else { None }
    }
}

/// How the domain is associated.
fn domain_string(domain: DomainId) -> [u8; 17] {
    let mut string = [2; 17];
    if let Some((_, id)) = string.split_first_mut() {
        id.copy_from_slice(domain.as_bytes());
    }
    string
}

/// Kind and content as bytes; nothing for null.
pub(crate) fn encode(value: &Value) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    encode_into(value, &mut bytes)?;
    Some(bytes)
}

/// Kind and content, after what is in a buffer already, which must not be plaintext: it
/// may be moved.
pub(crate) fn encode_into(value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
    let (kind, content): (u8, &[u8]) = match value {
        Value::Null => return None,
        Value::Text(content) => (1, content.as_bytes()),
        Value::Number(content) => (2, content.as_bytes()),
        Value::Bool(false) => (3, &[0]),
        Value::Bool(true) => (3, &[1]),
    };
    bytes.reserve(1 + content.len());
    bytes.push(kind);
    bytes.extend_from_slice(content);
    Some(())
}

/// The value that was encoded.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    let (kind, content) = bytes.split_first()?;
    match (kind, content) {
        (1, _) => Some(Value::text(std::str::from_utf8(content).ok()?)),
        (2, _) => Some(Value::number(std::str::from_utf8(content).ok()?)),
        (3, [0]) => Some(Value::Bool(false)),
        (3, [1]) => Some(Value::Bool(true)),
        _ => None,
    }
}
