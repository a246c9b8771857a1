use std::time::SystemTime;

use allonym_keyring::{KeyId, KeyVersion};
use serde::{Deserialize, Serialize};

use crate::hierarchy::Hierarchy;
use crate::sql::{Transaction, params};
use crate::store::{from_millis, to_millis};
use crate::vault::counters;
use crate::{Store, StoreError, admin};

/// The [`Record`] of the last restore.
const RESTORED: &str = "store/restored";

/// More leases of one name than can have been given out since a backup.
const FENCES: i64 = 1 << 32;

/// That a store was made out of a backup, and with which versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredInfo {
    /// When it was restored.
    pub at: SystemTime,
    /// The highest version of each key in the backup. Higher ones may have been made
    /// after it, and have protected values that this store cannot reveal.
    pub versions: Vec<(KeyId, KeyVersion)>,
    /// Keys that were not rotated by [`Store::rotate_from`] since.
    pub unrotated: Vec<KeyId>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Milliseconds since 1970.
    at: i64,
    versions: Vec<(KeyId, KeyVersion)>,
    unrotated: Vec<KeyId>,
}

impl Store {
    /// Whether this store was made out of a backup, and with which key versions.
    ///
    /// # Errors
    /// When the disk says no, or the record was altered.
    pub fn restored_since(&self) -> Result<Option<RestoredInfo>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        let record = self.look(|transaction| read(transaction, hierarchy))?;
        Ok(record.map(|Record { at, versions, unrotated }| RestoredInfo {
            at: from_millis(at),
            versions,
            unrotated,
        }))
    }
}

/// Records that the store was restored now, in place of what an earlier restore left.
/// Nobody holds a lease of the time before it, nor one given out after the backup.
pub(crate) fn record(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    now: SystemTime,
) -> Result<(), StoreError> {
    let rows = transaction.query(
        "SELECT key, max(version) FROM key_versions WHERE namespace = ?1 GROUP BY key ORDER BY key",
        params![hierarchy.namespace],
    )?;
    let mut versions = Vec::new();
    for row in rows {
        let version = KeyVersion::new(row.get(1)?).ok_or(StoreError::Altered("key_versions"))?;
        versions.push((KeyId::from_bytes(row.get(0)?), version));
    }
    transaction.execute(
        "UPDATE leases SET holder = '', until = 0, fence = fence + ?2 WHERE namespace = ?1",
        params![hierarchy.namespace, FENCES],
    )?;
    counters::forget(transaction, hierarchy.namespace)?;
    let unrotated = versions.iter().map(|(key, _)| *key).collect();
    write(transaction, hierarchy, &Record { at: to_millis(now), versions, unrotated })
}

/// Whether the key waits to be rotated to a named number.
pub(crate) fn awaits(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
) -> Result<bool, StoreError> {
    Ok(read(transaction, hierarchy)?.is_some_and(|record| record.unrotated.contains(&key)))
}

/// Records that the key was rotated to a named number.
pub(crate) fn rotated(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
) -> Result<(), StoreError> {
    match read(transaction, hierarchy)? {
        Some(mut record) if record.unrotated.contains(&key) => {
            record.unrotated.retain(|other| *other != key);
            write(transaction, hierarchy, &record)
        }
        _ => Ok(()),
    }
}

fn read(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<Option<Record>, StoreError> {
    let Some(value) = admin::setting(transaction, hierarchy, RESTORED)? else {
        return Ok(None);
    };
    serde_json::from_slice(&value).map(Some).map_err(|_| StoreError::Altered("settings"))
}

fn write(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    record: &Record,
) -> Result<(), StoreError> {
    let text = serde_json::to_vec(record).map_err(|_| StoreError::Cipher)?;
    admin::put_setting(transaction, hierarchy, RESTORED, &text)
}
