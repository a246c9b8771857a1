pub(crate) mod connection;
pub(crate) mod reading;
mod turn;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;
use crate::file::Lock;
use crate::sql::Transaction;
use turn::{Taken, Turn};
pub(crate) use worker::{Lane, Workers};

/// A store in a file.
pub(crate) struct Sqlite {
    pub(crate) path: PathBuf,
    /// None where the store is opened for reading only.
    pub(crate) writing: Option<Writing>,
}

/// What a store that may change has beside its file.
pub(crate) struct Writing {
    pub(crate) write: Arc<Turn>,
    workers: Workers,
    /// Held until everything else is closed.
    _lock: Lock,
}

impl Sqlite {
    /// Starts the threads of a store whose file this connection writes.
    pub(crate) fn start(
        path: &Path,
        connection: Connection,
        lock: Lock,
    ) -> Result<Self, StoreError> {
        let write = Arc::new(Turn::new(connection));
        let workers = Workers::start(path, Arc::clone(&write))?;
        let writing = Some(Writing { write, workers, _lock: lock });
        Ok(Self { path: path.to_owned(), writing })
    }

    /// Changes the store, and does what belongs to it in memory before anybody can see
    /// the change through this store.
    pub(crate) fn change_then<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
        then: impl FnOnce(&T),
    ) -> Result<T, StoreError> {
        let mut connection = self.turn()?;
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
        let Some(writing) = &self.writing else {
            return reading::look(&self.path, |connection| work(&Transaction::Sqlite(connection)));
        };
        let mut connection = writing.write.take();
        let transaction = connection.transaction()?;
        work(&Transaction::Sqlite(&transaction))
    }

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

    /// Empties the write-ahead log into the file.
    pub(crate) fn write_back(&self) -> Result<(), StoreError> {
        write_back(&*self.turn()?)
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

fn write_back(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}
