use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use allonym_keyring::{KeyEntry, KeyId, KeySet, KeyState, KeyVersion, Secret};
use zeroize::Zeroizing;

use crate::hierarchy::Hierarchy;
use crate::sealing::{Row, secret};
use crate::sql::{Transaction, params};
use crate::store::{Backend, from_millis, to_millis};
use crate::{Store, StoreError, pins, restored};

const TABLE: &str = "key_versions";
/// The longest name of anything, in bytes.
const LONGEST_NAME: usize = 512;

/// A key and its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its permanent id.
    pub id: KeyId,
    /// Its name now.
    pub name: String,
    /// Its versions, oldest first.
    pub versions: Vec<VersionInfo>,
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number.
    pub version: KeyVersion,
    /// What it may do.
    pub state: KeyState,
    /// When it was made.
    pub created: SystemTime,
    /// When its state last changed.
    pub changed: SystemTime,
}

/// A version as it is stored, opened.
struct Version {
    info: VersionInfo,
    generation: i64,
    secret: Option<Arc<Secret>>,
}

impl Store {
    /// The key of this name. Makes it with an active version 1 if there is none, or
    /// renames the key that was called `was`. A `was` that names nothing is no error:
    /// the renaming was done before, or this store never had the old name.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when both names are there, or the disk says no.
    pub fn ensure_key(
        &self,
        name: &str,
        was: Option<&str>,
        now: SystemTime,
    ) -> Result<KeyId, StoreError> {
        check_name("the name of a key", name)?;
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let old = was.map(|was| named(transaction, hierarchy, was)).transpose()?.flatten();
            match (named(transaction, hierarchy, name)?, old) {
                (Some(id), Some(other)) if id != other => {
                    Err(StoreError::NameTaken { what: "key", name: name.to_owned() })
                }
                (Some(id), _) => Ok(id),
                (None, Some(id)) => {
                    transaction.execute(
                        "UPDATE keys SET name = ?3 WHERE namespace = ?1 AND id = ?2",
                        params![hierarchy.namespace, id.as_bytes(), name],
                    )?;
                    Ok(id)
                }
                (None, None) => create(transaction, hierarchy, name, now),
            }
        })
    }

    /// All keys, by name, without their secrets.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| {
            let infos = names(transaction, hierarchy)?.into_iter().map(|(id, name)| {
                let versions = versions(transaction, hierarchy, id)?;
                Ok(KeyInfo { id, name, versions: versions.into_iter().map(|v| v.info).collect() })
            });
            infos.collect()
        })
    }

    /// All keys with their secrets, as they are in the store now.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn key_set(&self) -> Result<KeySet, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| key_set(transaction, hierarchy))
    }

    /// Gives a key a new active version and deactivates the one before, in one step.
    ///
    /// # Errors
    /// [`StoreError::RestoredKey`] when the store came from a backup and the key was not
    /// rotated by [`Store::rotate_from`] since; when the key is not known, or the disk
    /// says no.
    pub fn rotate(&self, key: KeyId, now: SystemTime) -> Result<KeyVersion, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let name = name(transaction, hierarchy, key)?;
            if restored::awaits(transaction, hierarchy, key)? {
                return Err(StoreError::RestoredKey { name });
            }
            rotate(transaction, hierarchy, key, KeyVersion::FIRST, now)
        })
    }

    /// Rotates a key to the version after its last, or to this number if that is higher.
    /// Numbers in between stay unused: they belong to versions that were lost when the
    /// store was restored from a backup made before them, and a value protected under
    /// one of them must never be taken for one of another version.
    ///
    /// # Errors
    /// When the key is not known, or the disk says no.
    pub fn rotate_from(
        &self,
        key: KeyId,
        at_least: KeyVersion,
        now: SystemTime,
    ) -> Result<KeyVersion, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let version = rotate(transaction, hierarchy, key, at_least, now)?;
            restored::rotated(transaction, hierarchy, key)?;
            Ok(version)
        })
    }

    /// Destroys the secret of a deactivated version: what it protected can never be
    /// revealed again. Backups made before still hold it. Destroying it twice is the
    /// same as once.
    ///
    /// # Errors
    /// When the version is active, still seals tokens, or is not known.
    pub fn destroy(
        &self,
        key: KeyId,
        version: KeyVersion,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            transaction.lock_versions()?;
            let versions = versions(transaction, hierarchy, key)?;
            if versions.is_empty() {
                return Err(StoreError::UnknownKey(key));
            }
            let found = versions.iter().find(|v| v.info.version == version);
            match found.ok_or(StoreError::UnknownVersion(key, version))?.info.state {
                KeyState::Active => return Err(StoreError::ActiveVersion(key, version)),
                KeyState::Destroyed => return Ok(()),
                KeyState::Deactivated => {}
            }
            if pins::seals_tokens(transaction, hierarchy, key, version)? {
                return Err(StoreError::VersionInUse(key, version));
            }
            transaction.execute(
                "UPDATE key_versions SET generation = generation + 1, wrap = NULL, changed = ?4
                 WHERE namespace = ?1 AND key = ?2 AND version = ?3",
                params![hierarchy.namespace, key.as_bytes(), version.number(), to_millis(now)],
            )?;
            Ok(())
        })?;
        // The log still holds the page as it was.
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.write_back(),
            Backend::Postgres(_) => Ok(()),
        }
    }
}

/// Refuses names that are empty or too long.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), StoreError> {
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(StoreError::Length { what, limit: LONGEST_NAME });
    }
    if name.contains('\0') {
        return Err(StoreError::Nul(what));
    }
    Ok(())
}

/// All keys with their secrets. Opens every wrap, so it also proves that they open.
pub(crate) fn key_set(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<KeySet, StoreError> {
    let mut keys = HashMap::new();
    for (id, name) in names(transaction, hierarchy)? {
        let versions = versions(transaction, hierarchy, id)?
            .into_iter()
            .map(|v| (v.info.version, (v.info.state, v.secret)))
            .collect();
        keys.insert(id, KeyEntry { name, versions });
    }
    Ok(KeySet::new(keys))
}

/// Whether there is a key with this id.
pub(crate) fn exists(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
) -> Result<bool, StoreError> {
    let found = transaction.first(
        "SELECT name FROM keys WHERE namespace = ?1 AND id = ?2",
        params![hierarchy.namespace, key.as_bytes()],
    )?;
    Ok(found.is_some())
}

fn names(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<Vec<(KeyId, String)>, StoreError> {
    let sql = "SELECT id, name FROM keys WHERE namespace = ?1 ORDER BY name";
    let rows = transaction.query(sql, params![hierarchy.namespace])?;
    rows.iter().map(|row| Ok((KeyId::from_bytes(row.get(0)?), row.get(1)?))).collect()
}

fn name(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
) -> Result<String, StoreError> {
    let found = transaction.first(
        "SELECT name FROM keys WHERE namespace = ?1 AND id = ?2",
        params![hierarchy.namespace, key.as_bytes()],
    )?;
    found.ok_or(StoreError::UnknownKey(key))?.get(0)
}

fn named(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
) -> Result<Option<KeyId>, StoreError> {
    let found = transaction.first(
        "SELECT id FROM keys WHERE namespace = ?1 AND name = ?2",
        params![hierarchy.namespace, name],
    )?;
    found.map(|row| row.get(0).map(KeyId::from_bytes)).transpose()
}

fn create(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
    now: SystemTime,
) -> Result<KeyId, StoreError> {
    let id = KeyId::random()?;
    transaction.execute(
        "INSERT INTO keys (namespace, id, name, created) VALUES (?1, ?2, ?3, ?4)",
        params![hierarchy.namespace, id.as_bytes(), name, to_millis(now)],
    )?;
    insert(transaction, hierarchy, id, KeyVersion::FIRST, now)?;
    Ok(id)
}

/// The number after the last one, destroyed versions included, or `at_least`.
fn rotate(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
    at_least: KeyVersion,
    now: SystemTime,
) -> Result<KeyVersion, StoreError> {
    let versions = versions(transaction, hierarchy, key)?;
    let newest = versions.last().ok_or(StoreError::UnknownKey(key))?.info.version;
    let next = newest.next().ok_or(StoreError::VersionsSpent(key))?.max(at_least);
    for version in versions.iter().filter(|v| v.info.state == KeyState::Active) {
        let Some(secret) = &version.secret else {
            continue;
        };
        let generation = version.generation + 1;
        let number = version.info.version;
        let wrap = wrap(hierarchy, key, number, generation, KeyState::Deactivated, secret)?;
        transaction.execute(
            "UPDATE key_versions SET generation = ?4, wrap = ?5, changed = ?6
             WHERE namespace = ?1 AND key = ?2 AND version = ?3",
            params![
                hierarchy.namespace,
                key.as_bytes(),
                number.number(),
                generation,
                wrap,
                to_millis(now)
            ],
        )?;
    }
    insert(transaction, hierarchy, key, next, now)?;
    Ok(next)
}

/// A new active version with a fresh secret.
fn insert(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
    version: KeyVersion,
    now: SystemTime,
) -> Result<(), StoreError> {
    let wrap = wrap(hierarchy, key, version, 1, KeyState::Active, &Secret::random()?)?;
    transaction.execute(
        "INSERT INTO key_versions (namespace, key, version, generation, wrap, created, changed)
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5)",
        params![hierarchy.namespace, key.as_bytes(), version.number(), wrap, to_millis(now)],
    )?;
    Ok(())
}

/// The state is sealed together with the secret: nobody brings an old version back to
/// protecting by changing a column, short of putting its whole earlier row back.
fn wrap(
    hierarchy: &Hierarchy,
    key: KeyId,
    version: KeyVersion,
    generation: i64,
    state: KeyState,
    secret: &Secret,
) -> Result<Vec<u8>, StoreError> {
    let mut body = Zeroizing::new([0; 33]);
    if let Some((first, rest)) = body.split_first_mut() {
        *first = u8::from(state == KeyState::Active);
        rest.copy_from_slice(secret.expose());
    }
    let id = row_id(key, version);
    hierarchy.wraps.seal(Row { table: TABLE, id: &id, generation }, body.as_slice())
}

fn row_id(key: KeyId, version: KeyVersion) -> Vec<u8> {
    [key.as_bytes().as_slice(), &version.number().to_be_bytes()].concat()
}

fn versions(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
) -> Result<Vec<Version>, StoreError> {
    let rows = transaction.query(
        "SELECT version, generation, wrap, created, changed FROM key_versions
         WHERE namespace = ?1 AND key = ?2 ORDER BY version",
        params![hierarchy.namespace, key.as_bytes()],
    )?;
    let mut versions = Vec::new();
    for row in rows {
        let number = KeyVersion::new(row.get(0)?).ok_or(StoreError::Altered(TABLE))?;
        let generation = row.get(1)?;
        let wrap: Option<Vec<u8>> = row.get(2)?;
        let (state, secret) = match wrap {
            None => (KeyState::Destroyed, None),
            Some(wrap) => {
                let id = row_id(key, number);
                let body =
                    hierarchy.wraps.open(Row { table: TABLE, id: &id, generation }, &wrap)?;
                let (active, bytes) = body.split_first().ok_or(StoreError::Altered(TABLE))?;
                let state = if *active == 1 { KeyState::Active } else { KeyState::Deactivated };
                (state, Some(Arc::new(secret(TABLE, bytes)?)))
            }
        };
        let (created, changed) = (from_millis(row.get(3)?), from_millis(row.get(4)?));
        let info = VersionInfo { version: number, state, created, changed };
        versions.push(Version { info, generation, secret });
    }
    Ok(versions)
}
