use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allonym_keyring::{DomainId, Purpose, Secret};
use allonym_seal::Seal;
use rusqlite::TransactionBehavior;

use crate::file::{self, Scratch, beside};
use crate::hierarchy::{Hierarchy, SealInfo, seal_infos};
use crate::postgres::{Kind, Postgres, PostgresConfig};
use crate::sql::{Transaction, params};
use crate::sqlite::reading::look_in;
use crate::sqlite::{Sqlite, connection};
use crate::vault::Position;
use crate::{StoreError, schema};

/// An open store. Clones share it; when the last one is dropped, its threads end, the
/// log is written back, and another may open it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) backend: Backend,
    pub(crate) hierarchy: Hierarchy,
    /// The numbers of domains inside the store. Domains are never deleted.
    pub(crate) numbers: RwLock<HashMap<DomainId, i64>>,
    /// Where the search for tokens under an old version goes on, by domain.
    pub(crate) scanned: Mutex<HashMap<DomainId, Position>>,
    /// One backup at a time.
    pub(crate) backup: Mutex<()>,
}

/// Where a store is.
pub(crate) enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
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
        let backend = Backend::Sqlite(Sqlite::start(path, connection, lock)?);
        Ok(Self::with(backend, hierarchy, numbers))
    }

    /// Opens the store in a PostgreSQL schema, or makes one where there is none yet; see
    /// [`PostgresConfig`] for what the role may have to do. Any one of the seals opens it;
    /// the others are given a wrap of their own. Others may have it open at the same
    /// time. Blocks, but may be called anywhere, also inside a runtime.
    ///
    /// What was deleted stays in PostgreSQL's files until they are vacuumed, and in its
    /// log and backups as long as those are kept: all of it sealed.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, no seal fits, or a newer release
    /// wrote the store.
    pub fn open_postgres(
        config: &PostgresConfig,
        seals: &[Box<dyn Seal>],
        now: SystemTime,
    ) -> Result<Self, StoreError> {
        if seals.is_empty() {
            return Err(StoreError::NoSeal);
        }
        let postgres = Postgres::new(config, false)?;
        schema::migrate_postgres(&postgres)?;
        let (hierarchy, numbers) = postgres.transact(Kind::Administration, |transaction| {
            if transaction.first("SELECT id FROM store", params![])?.is_none() {
                Hierarchy::create(transaction, seals, now)?;
            }
            let hierarchy = Hierarchy::open(transaction, seals, now)?;
            let numbers = numbers(transaction, hierarchy.namespace)?;
            Ok((hierarchy, numbers))
        })?;
        Ok(Self::with(Backend::Postgres(postgres), hierarchy, numbers))
    }

    /// Opens the store in a PostgreSQL schema to look at it: nothing is made, migrated or
    /// given a wrap, and whatever would change it fails with
    /// [`StoreError::Unavailable`]. A standby will do.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where there is none, [`StoreError::Older`] when it has to
    /// be brought to this release's schema first, and as for [`Store::open_postgres`].
    pub fn open_postgres_read_only(
        config: &PostgresConfig,
        seals: &[Box<dyn Seal>],
    ) -> Result<Self, StoreError> {
        if seals.is_empty() {
            return Err(StoreError::NoSeal);
        }
        let postgres = Postgres::new(config, true)?;
        let found = postgres.transact(Kind::Look, |transaction| look_in(transaction, seals))?;
        let (hierarchy, numbers) = found.ok_or(StoreError::NoStore)?;
        Ok(Self::with(Backend::Postgres(postgres), hierarchy, numbers))
    }

    pub(crate) fn with(
        backend: Backend,
        hierarchy: Hierarchy,
        numbers: HashMap<DomainId, i64>,
    ) -> Self {
        let inner = Inner {
            backend,
            hierarchy,
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
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.change_then(work, then),
            Backend::Postgres(postgres) => {
                let done = postgres.transact(Kind::Administration, work)?;
                then(&done);
                Ok(done)
            }
        }
    }

    /// Looks at the store as it is now. The work may be done more than once.
    pub(crate) fn look<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.look(work),
            Backend::Postgres(postgres) => postgres.transact(Kind::Look, work),
        }
    }

    /// The number a domain has inside the store, if it is known here.
    pub(crate) fn number(&self, domain: DomainId) -> Option<i64> {
        let numbers = self.inner.numbers.read().unwrap_or_else(PoisonError::into_inner);
        numbers.get(&domain).copied()
    }

    /// Remembers the number of a domain.
    pub(crate) fn know(&self, domain: DomainId, number: i64) {
        let mut numbers = self.inner.numbers.write().unwrap_or_else(PoisonError::into_inner);
        numbers.insert(domain, number);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut store = f.debug_struct("Store");
        if let Backend::Sqlite(sqlite) = &self.inner.backend {
            store.field("path", &sqlite.path);
        }
        store.finish_non_exhaustive()
    }
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
        assert_eq!(store.look(schema::found), Ok(Some(schema::newest())));
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
