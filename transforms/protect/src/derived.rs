use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use allonym_keyring::{Info, KeyError, KeyVersion, Keyring, Purpose, Secret, derive};

use crate::{Context, Domain, FaultRule};

/// Beyond so many versions in use the oldest is derived anew.
const CACHED: usize = 10_240;
/// So often something is asked for, what belongs to secrets that are gone is dropped.
const SWEEP: usize = 256;

/// What a method derives from a key version, kept while that version's secret lives.
pub(crate) struct Derived<K> {
    domain: Domain,
    specification: [u8; 32],
    cached: RwLock<BTreeMap<KeyVersion, Entry<K>>>,
    asked: AtomicUsize,
}

/// A derived key and the secret it came from. The secret is not kept alive: when its
/// owner wipes it, what was derived from it goes too.
struct Entry<K> {
    secret: Weak<Secret>,
    key: Arc<K>,
}

impl<K> Derived<K> {
    pub(crate) fn new(domain: Domain, specification: [u8; 32]) -> Self {
        Self { domain, specification, cached: RwLock::default(), asked: AtomicUsize::new(0) }
    }

    pub(crate) const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The version that protects, and what `make` derives from it. A version that is
    /// known to be destroyed protects nothing, whatever the pinned set says.
    pub(crate) fn writing(
        &self,
        context: &Context<'_>,
        make: impl FnOnce(&dyn Fn(Purpose) -> Secret) -> Result<K, FaultRule>,
    ) -> Result<(KeyVersion, Arc<K>), FaultRule> {
        let version = context.pinned.active(self.domain.key).map_err(|_| FaultRule::NoKey)?;
        if let Err(KeyError::Destroyed(..)) = context.newest.secret(self.domain.key, version) {
            self.forget(version);
            return Err(FaultRule::NoKey);
        }
        let key = self.get(context.pinned, version, make).map_err(|_| FaultRule::NoKey)?;
        Ok((version, key))
    }

    /// What `make` derives from one version. The keyring is asked each time, so a version
    /// that it no longer gives out is of no use here either, and leaves the cache.
    pub(crate) fn get(
        &self,
        keyring: &dyn Keyring,
        version: KeyVersion,
        make: impl FnOnce(&dyn Fn(Purpose) -> Secret) -> Result<K, FaultRule>,
    ) -> Result<Arc<K>, FaultRule> {
        let secret = keyring.secret(self.domain.key, version).map_err(|error| {
            self.forget(version);
            match error {
                KeyError::NoVersion(..) | KeyError::Destroyed(..) => FaultRule::BadMark,
                KeyError::Unknown(_) | KeyError::Inactive(_) => FaultRule::NoKey,
            }
        })?;
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.sweep();
        }
        let origin = Arc::downgrade(&secret);
        {
            let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = cached.get(&version)
                && entry.secret.ptr_eq(&origin)
            {
                return Ok(Arc::clone(&entry.key));
            }
        }
        let key = Arc::new(make(&|purpose| {
            derive(
                &secret,
                Info {
                    namespace: self.domain.namespace,
                    domain: self.domain.id,
                    purpose,
                    specification: &self.specification,
                },
            )
        })?);
        self.sweep();
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED {
            cached.pop_first();
        }
        cached.insert(version, Entry { secret: origin, key: Arc::clone(&key) });
        Ok(key)
    }

    /// Drops what was derived from secrets that are wiped. Only now and then: with
    /// thousands of versions it takes longer than what it is done beside.
    fn sweep(&self) {
        let gone = |entry: &Entry<K>| entry.secret.strong_count() == 0;
        let any = self.cached.read().unwrap_or_else(PoisonError::into_inner).values().any(gone);
        if any {
            let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
            cached.retain(|_, entry| !gone(entry));
        }
    }

    fn forget(&self, version: KeyVersion) {
        self.cached.write().unwrap_or_else(PoisonError::into_inner).remove(&version);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use allonym_keyring::{DomainId, KeyEntry, KeyId, KeySet, KeyState, NamespaceId};
    use zeroize::Zeroizing;

    use super::*;

    fn keys(versions: &[(u32, u8)]) -> KeySet {
        let versions = versions
            .iter()
            .map(|&(number, byte)| {
                let secret = Arc::new(Secret::new(Zeroizing::new([byte; 32])));
                (KeyVersion::new(number).unwrap(), (KeyState::Active, Some(secret)))
            })
            .collect();
        let entry = KeyEntry { name: "k".to_owned(), versions };
        KeySet::new(HashMap::from([(KeyId::from_bytes([3; 16]), entry)]))
    }

    fn derived() -> Derived<Secret> {
        let domain = Domain {
            namespace: NamespaceId::DEFAULT,
            id: DomainId::from_bytes([7; 16]),
            key: KeyId::from_bytes([3; 16]),
        };
        Derived::new(domain, [0; 32])
    }

    fn get(
        derived: &Derived<Secret>,
        keys: &KeySet,
        version: u32,
    ) -> Result<Arc<Secret>, FaultRule> {
        let version = KeyVersion::new(version).unwrap();
        derived.get(keys, version, |derive| Ok(derive(Purpose::Hash)))
    }

    #[test]
    fn a_derived_key_follows_its_secret() {
        let derived = derived();
        let first = keys(&[(1, 1), (2, 2)]);
        let key = get(&derived, &first, 1).unwrap();
        assert!(Arc::ptr_eq(&key, &get(&derived, &first, 1).unwrap()));
        assert!(*key != *get(&derived, &first, 2).unwrap());
        let other = keys(&[(1, 9)]);
        assert!(*key != *get(&derived, &other, 1).unwrap(), "another secret, the same number");
    }

    #[test]
    fn what_is_gone_leaves_the_cache() {
        let derived = derived();
        let first = keys(&[(1, 1), (2, 2)]);
        get(&derived, &first, 1).unwrap();
        get(&derived, &first, 2).unwrap();
        assert_eq!(derived.cached.read().unwrap().len(), 2);
        drop(first);
        let second = keys(&[(2, 2)]);
        get(&derived, &second, 2).unwrap();
        assert_eq!(derived.cached.read().unwrap().len(), 1);
        assert_eq!(get(&derived, &second, 1).err(), Some(FaultRule::BadMark));
        assert_eq!(get(&derived, &KeySet::default(), 2).err(), Some(FaultRule::NoKey));
        assert_eq!(derived.cached.read().unwrap().len(), 0);
    }
}
