use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::{KeyId, KeyState, KeyVersion, Secret};

/// Where key material comes from. In memory: it never waits, so a value can be
/// revealed while the store is away.
pub trait Keyring: Send + Sync {
    /// The version that protects new values.
    ///
    /// # Errors
    /// When the key is not known, or none of its versions is active.
    fn active(&self, key: KeyId) -> Result<KeyVersion, KeyError>;

    /// The secret of one version, to reveal what it protected (or to protect, if
    /// it is the active one).
    ///
    /// # Errors
    /// When the key or the version is not known, or the version is destroyed.
    fn secret(&self, key: KeyId, version: KeyVersion) -> Result<Arc<Secret>, KeyError>;

    /// The versions that can still reveal, oldest first. Empty if the key is not known.
    /// Costs the same however many there are: it is asked for every batch.
    fn live(&self, key: KeyId) -> &[KeyVersion];
}

/// Why there is no key material. Names the key, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The keyring holds no such key.
    #[error("key {0} is not known")]
    Unknown(KeyId),
    /// The key has no such version.
    #[error("key {0} has no version {1}")]
    NoVersion(KeyId, KeyVersion),
    /// The version was destroyed: what it protected cannot be revealed any more.
    #[error("version {1} of key {0} is destroyed")]
    Destroyed(KeyId, KeyVersion),
    /// No version of the key may protect.
    #[error("key {0} has no active version")]
    Inactive(KeyId),
}

/// All keys of a namespace at one moment. Immutable: a rotation makes a new one.
#[derive(Default)]
pub struct KeySet {
    keys: HashMap<KeyId, (KeyEntry, Vec<KeyVersion>)>,
}

/// One key: its name now, and its versions.
pub struct KeyEntry {
    /// The name the configuration uses.
    pub name: String,
    /// State and, unless destroyed, secret of each version.
    pub versions: BTreeMap<KeyVersion, (KeyState, Option<Arc<Secret>>)>,
}

impl KeySet {
    /// The set of these keys.
    #[must_use]
    pub fn new(keys: HashMap<KeyId, KeyEntry>) -> Self {
        let live = |(key, entry): (KeyId, KeyEntry)| {
            let live = entry.live();
            (key, (entry, live))
        };
        Self { keys: keys.into_iter().map(live).collect() }
    }

    /// The id of the key with this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<KeyId> {
        self.iter().find(|(_, entry)| entry.name == name).map(|(id, _)| id)
    }

    /// One key.
    #[must_use]
    pub fn entry(&self, key: KeyId) -> Option<&KeyEntry> {
        self.keys.get(&key).map(|(entry, _)| entry)
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (KeyId, &KeyEntry)> {
        self.keys.iter().map(|(id, (entry, _))| (*id, entry))
    }
}

impl KeyEntry {
    fn live(&self) -> Vec<KeyVersion> {
        self.versions
            .iter()
            .filter(|(_, (state, secret))| *state != KeyState::Destroyed && secret.is_some())
            .map(|(version, _)| *version)
            .collect()
    }
}

impl Keyring for KeySet {
    fn active(&self, key: KeyId) -> Result<KeyVersion, KeyError> {
        let entry = self.entry(key).ok_or(KeyError::Unknown(key))?;
        entry
            .versions
            .iter()
            .rev()
            .find(|(_, (state, _))| *state == KeyState::Active)
            .map(|(version, _)| *version)
            .ok_or(KeyError::Inactive(key))
    }

    fn secret(&self, key: KeyId, version: KeyVersion) -> Result<Arc<Secret>, KeyError> {
        let entry = self.entry(key).ok_or(KeyError::Unknown(key))?;
        match entry.versions.get(&version) {
            None => Err(KeyError::NoVersion(key, version)),
            Some((KeyState::Destroyed, _) | (_, None)) => Err(KeyError::Destroyed(key, version)),
            Some((_, Some(secret))) => Ok(Arc::clone(secret)),
        }
    }

    fn live(&self, key: KeyId) -> &[KeyVersion] {
        self.keys.get(&key).map_or(&[], |(_, live)| live)
    }
}
