use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use allonym_keyring::{DomainId, Purpose, Secret};
use allonym_protect::{TokenDomain, TokenError};
use allonym_store::Store;

use crate::sealing::{Lookup, fixed_key};
use crate::vault::store_failed;

/// The keys that stay the same for a domain's life, of each domain used so far.
#[derive(Default)]
pub(crate) struct Domains {
    known: RwLock<HashMap<DomainId, Arc<Known>>>,
    next: AtomicU64,
}

/// What the secret of a domain gives.
pub(crate) struct Known {
    specification: [u8; 32],
    /// Which domain it is in the cache: another specification is another domain.
    pub(crate) number: u64,
    pub(crate) lookup: Lookup,
    pub(crate) subject: Secret,
}

impl Domains {
    /// The keys of a domain, whose secret is asked for once.
    pub(crate) fn of(&self, store: &Store, domain: &TokenDomain) -> Result<Arc<Known>, TokenError> {
        let id = domain.domain.id;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known
            && known.specification == domain.specification
        {
            return Ok(known);
        }
        let secret = store.domain_secret(id).map_err(store_failed)?;
        let known = Arc::new(Known {
            specification: domain.specification,
            number: self.next.fetch_add(1, Ordering::Relaxed),
            lookup: Lookup::new(domain, &secret)?,
            subject: fixed_key(domain, &secret, Purpose::TokenSubject),
        });
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, Arc::clone(&known));
        Ok(known)
    }
}
