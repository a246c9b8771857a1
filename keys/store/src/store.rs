use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allonym_keyring::{DomainId, Purpose, Secret};
use allonym_seal::Seal;
use rusqlite::{Connection, TransactionBehavior};

use crate::file::{self, Scratch, beside};
use crate::hierarchy::{Hierarchy, SealInfo, seal_infos};
use crate::sql::{Transaction, params};
use crate::turn::{Taken, Turn};
use crate::vault::Position;
use crate::worker::Workers;
use crate::{StoreError, connection, reading, schema};

/// An open store. Clones share it; when the last one is dropped, its threads end, the
/// log is written back, and another may open it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) hierarchy: Hierarchy,
    /// None where the store is opened for reading only.
    pub(crate) writing: Option<Writing>,
    /// The numbers of domains inside the file. Domains are never deleted.
    pub(crate) numbers: RwLock<HashMap<DomainId, i64>>,
    /// Where the search for tokens under an old version goes on, by domain.
    pub(crate) scanned: Mutex<HashMap<DomainId, Position>>,
    /// One backup at a time.
    pub(crate) backup: Mutex<()>,
}

/// What a store that may change has beside its file.
pub(crate) struct Writing {
    pub(crate) write: Arc<Turn>,
    workers: Workers,
    /// Held until everything else is closed.
    _lock: File,
}

impl Store {
    /// Opens a store, or makes one where there is no file. Any one of the seals opens
    /// it; the others are given a wrap of their own.
    ///
    /// # Errors
    /// When another has it open, no seal fits, a newer release wrote it, or the disk
    /// says no.
    pub fn open(path: &Path, seals: &[Box<dyn Seal>], now: SystemTime) -> Result<Self, StoreError> {
        if seals.is_empty() {
            return Err(StoreError::NoSeal);
        }
        file::make_folder(path)?;
        let lock = file::lock(path)?;
        if !path.exists() {
            create(path, seals, now)?;
        }
        file::close_to_others(path)?;
        let mut connection = connection::writer(path)?;
        if schema::version(&connection)?.is_none() {
            return Err(StoreError::NotAStore(path.to_owned()));
        }
        schema::migrate(&mut connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let hierarchy = Hierarchy::open(&Transaction::Sqlite(&transaction), seals, now)?;
        let numbers = numbers(&Transaction::Sqlite(&transaction), hierarchy.namespace)?;
        transaction.commit()?;
        let write = Arc::new(Turn::new(connection));
        let workers = Workers::start(path, Arc::clone(&write))?;
        let writing = Writing { write, workers, _lock: lock };
        Ok(Self::with(path, hierarchy, numbers, Some(writing)))
    }

    pub(crate) fn with(
        path: &Path,
        hierarchy: Hierarchy,
        numbers: HashMap<DomainId, i64>,
        writing: Option<Writing>,
    ) -> Self {
        let inner = Inner {
            path: path.to_owned(),
            hierarchy,
            writing,
            numbers: RwLock::new(numbers),
            scanned: Mutex::default(),
            backup: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The seals that open this store, oldest first.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn seals(&self) -> Result<Vec<SealInfo>, StoreError> {
        self.look(seal_infos)
    }

    /// A key of the namespace for one purpose, the same each time: to hash API tokens
    /// with, for instance. None of them is a key that the store itself seals with.
    #[must_use]
    pub fn subkey(&self, purpose: Purpose) -> Secret {
        self.inner.hierarchy.subkey(purpose)
    }

    /// Changes the store: all of `work` or nothing, and on disk when this returns.
    pub(crate) fn change<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.change_then(work, |_| ())
    }

    /// Changes the store, and does what belongs to it in memory before anybody can see
    /// the change through this store.
    pub(crate) fn change_then<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
        then: impl FnOnce(&T),
    ) -> Result<T, StoreError> {
        let mut connection = self.inner.turn()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&Transaction::Sqlite(&transaction))?;
        transaction.commit()?;
        then(&done);
        Ok(done)
    }

    /// Looks at the store as it is now. The work may be done more than once.
    pub(crate) fn look<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(writing) = &self.inner.writing else {
            return reading::look(&self.inner.path, |connection| {
                work(&Transaction::Sqlite(connection))
            });
        };
        let mut connection = writing.write.take();
        let transaction = connection.transaction()?;
        work(&Transaction::Sqlite(&transaction))
    }

    /// The number a domain has inside the file.
    pub(crate) fn number(&self, domain: DomainId) -> Result<i64, StoreError> {
        let numbers = self.inner.numbers.read().unwrap_or_else(PoisonError::into_inner);
        numbers.get(&domain).copied().ok_or(StoreError::UnknownDomain(domain))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Inner {
    /// The connection that writes, when it is one's turn.
    pub(crate) fn turn(&self) -> Result<Taken<'_>, StoreError> {
        Ok(self.writing()?.write.take())
    }

    /// The threads behind the asynchronous interface.
    pub(crate) fn workers(&self) -> Result<&Workers, StoreError> {
        Ok(&self.writing()?.workers)
    }

    /// Refuses where the store is opened for reading only.
    pub(crate) fn writing(&self) -> Result<&Writing, StoreError> {
        let refused = || StoreError::Unavailable("opened for reading only".to_owned());
        self.writing.as_ref().ok_or_else(refused)
    }
}

impl Drop for Writing {
    /// The log is written back for tidiness; what was acknowledged is safe without.
    fn drop(&mut self) {
        self.workers.stop();
        let connection = self.write.take();
        let _ = write_back(&connection);
    }
}

/// Empties the write-ahead log into the file.
pub(crate) fn write_back(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Milliseconds since 1970, as times are stored. What no store can have seen counts as
/// the nearest end.
pub(crate) fn to_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time of so many milliseconds since 1970.
pub(crate) fn from_millis(millis: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Makes a store under another name first: under its own name there is never half a one.
fn create(path: &Path, seals: &[Box<dyn Seal>], now: SystemTime) -> Result<(), StoreError> {
    if beside(path, "-wal").exists() {
        // The log of a store whose file was taken away holds acknowledged values.
        return Err(StoreError::NotAStore(path.to_owned()));
    }
    let fresh = Scratch::new(beside(path, ".new"));
    file::make_private(fresh.path())?;
    let mut connection = connection::alone(fresh.path())?;
    schema::migrate(&mut connection)?;
    let transaction = connection.transaction()?;
    Hierarchy::create(&Transaction::Sqlite(&transaction), seals, now)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    file::rename(fresh.path(), path)
}

/// The numbers of all domains inside the file.
pub(crate) fn numbers(
    transaction: &Transaction<'_>,
    namespace: i64,
) -> Result<HashMap<DomainId, i64>, StoreError> {
    let sql = "SELECT id, number FROM domains WHERE namespace = ?1";
    let rows = transaction.query(sql, params![namespace])?;
    rows.iter().map(|row| Ok((DomainId::from_bytes(row.get(0)?), row.get(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use allonym_seal::FileSeal;

    use super::*;

    #[test]
    fn a_store_of_the_first_schema_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let seals: Vec<Box<dyn Seal>> =
            vec![Box::new(FileSeal::create(folder.path().join("seal.key")).unwrap())];
        file::make_private(&path).unwrap();
        let mut connection = connection::alone(&path).unwrap();
        schema::migrate_only_to(&mut connection, 1);
        let transaction = connection.transaction().unwrap();
        Hierarchy::create(&Transaction::Sqlite(&transaction), &seals, UNIX_EPOCH).unwrap();
        transaction.commit().unwrap();
        assert_eq!(schema::version(&connection), Ok(Some(1)));
        drop(connection);
        let store = Store::open(&path, &seals, UNIX_EPOCH).unwrap();
        let key = store.ensure_key("pan", None, UNIX_EPOCH).unwrap();
        store.put_setting("anchor", b"here").unwrap();
        drop(store);
        let store = Store::open(&path, &seals, UNIX_EPOCH).unwrap();
        assert_eq!(store.setting("anchor").unwrap().unwrap().as_slice(), b"here");
        assert_eq!(store.keys().unwrap()[0].id, key);
        let connection = store.inner.turn().unwrap();
        assert_eq!(schema::version(&connection), Ok(Some(schema::newest())));
    }

    #[test]
    fn times_are_kept_to_the_millisecond() {
        let check = |time: SystemTime, kept: SystemTime| {
            assert_eq!(from_millis(to_millis(time)), kept);
        };
        let time = UNIX_EPOCH + Duration::from_millis(1_795_392_000_123);
        check(time, time);
        check(time + Duration::from_micros(7), time);
        check(UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH);
        assert_eq!(from_millis(i64::MIN), UNIX_EPOCH);
    }
}
