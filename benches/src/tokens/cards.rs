//! Tokens of cards that keep their first 6 and last 4 digits: numbers of counters, one for
//! each pair of ends.

use std::cell::Cell;
use std::sync::Arc;

use allonym_keyring::{KeySet, NamespaceId};
use allonym_protect::{
    Canonical, Context, Domain, Keep, Luhn, Scope, TokenDomain, TokenTemplate, Vaulted,
};
use allonym_record::Value;
use allonym_tokens::{CacheSettings, Settings, VaultStore};
use tokio::runtime::Runtime;

use super::{BATCH, Vault};
use crate::Outcome;

/// Cards of which none was seen before.
pub(super) struct Cards {
    runtime: Arc<Runtime>,
    method: Vaulted,
    keys: Arc<KeySet>,
    pairs: u64,
    next: Cell<u64>,
}

impl Cards {
    /// In a domain of their own in the store of `vault`, of so many pairs of ends, at most
    /// 100,000.
    pub(super) fn new(vault: &Vault, pairs: u64) -> Outcome<Self> {
        let key = vault.backend.ensure_key("contact", None, std::time::SystemTime::now())?;
        let id = vault.backend.put_domain(&format!("cards.{pairs}"), "{}", key)?;
        let domain = Domain { namespace: NamespaceId::DEFAULT, id, key };
        let domain = TokenDomain { domain, specification: [8; 32] };
        let keep = Keep { first: 6, last: 4 };
        let template = TokenTemplate::Pan { keep, min: 16, max: 16, luhn: Luhn::Fails };
        let settings = Settings { cache: CacheSettings::OFF, ..Settings::default() };
        let store = Arc::new(VaultStore::with(vault.backend.clone(), settings));
        let method =
            Vaulted::new(domain, &template, false, Canonical::Exact, Scope::Global, store)?;
        let (runtime, keys) = (Arc::clone(&vault.runtime), Arc::clone(&vault.keys));
        Ok(Self { runtime, method, keys, pairs, next: Cell::new(0) })
    }

    /// The next batch gets tokens.
    pub(super) fn insert(&self) -> Outcome<()> {
        let first = self.next.replace(self.next.get() + BATCH);
        let plain: Vec<Value> = (first..first + BATCH).map(|at| self.card(at)).collect();
        let mut values = plain.clone();
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        let keys = &*self.keys;
        let context =
            Context { pinned: keys, newest: keys, tenant: None, subject: None, stated: &[] };
        self.runtime.block_on(self.method.protect(&mut batch, &context))?;
        if values.iter().zip(&plain).all(|(token, card)| token != card) {
            Ok(())
        } else {
            Err("a card got no token".into())
        }
    }

    /// Neighbours have different ends, where there are several.
    fn card(&self, number: u64) -> Value {
        let (pair, free) = (number % self.pairs, number / self.pairs);
        let body = format!("4929{:02}{free:06}{:03}", pair % 100, pair / 100);
        let sum: u32 = body
            .bytes()
            .rev()
            .enumerate()
            .map(|(at, digit)| match (u32::from(digit & 0xf), at % 2) {
                (digit, 0) => digit * 2 / 10 + digit * 2 % 10,
                (digit, _) => digit,
            })
            .sum();
        Value::text(format!("{body}{}", (10 - sum % 10) % 10))
    }
}
