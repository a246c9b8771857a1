use std::collections::HashMap;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use allonym_keyring::DomainId;
use allonym_seal::Seal;
use rusqlite::Connection;

use super::{Sqlite, connection};
use crate::file::beside;
use crate::hierarchy::{Hierarchy, unseal, wraps};
use crate::sql::Transaction;
use crate::store::Backend;
use crate::store::numbers;
use crate::{Store, StoreError, schema};

/// How often to look again when the store was written meanwhile.
const TRIES: usize = 5;

impl Store {
    /// Opens a store to look at it: whether another has it open or not, nothing is made,
    /// migrated, locked or given a wrap. Whatever would change it, and whatever is
    /// asynchronous, fails with [`StoreError::Unavailable`]. Any one of the seals opens
    /// it. Of a store that crashed the log is read too; only there may SQLite make the
    /// index of that log (`-shm`) if it is missing.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`] also where there is no file, [`StoreError::Older`] when
    /// it has to be brought to this release's schema first, [`StoreError::Newer`]; when
    /// no seal fits, or the disk says no.
    pub fn open_read_only(path: &Path, seals: &[Box<dyn Seal>]) -> Result<Self, StoreError> {
        if seals.is_empty() {
            return Err(StoreError::NoSeal);
        }
        if metadata(path)?.is_none() {
            return Err(StoreError::NotAStore(path.to_owned()));
        }
        let (hierarchy, numbers) = look(path, |connection| {
            let transaction = &Transaction::Sqlite(connection);
            let not_a_store = StoreError::NotAStore(path.to_owned());
            look_in(transaction, seals)?.ok_or(not_a_store)
        })?;
        let backend = Backend::Sqlite(Sqlite { path: path.to_owned(), writing: None });
        Ok(Self::with(backend, hierarchy, numbers))
    }
}

/// The keys of a store, and the numbers of its domains.
type Opened = (Hierarchy, HashMap<DomainId, i64>);

/// Opens a store that is not changed for it; none where there is no store.
pub(crate) fn look_in(
    transaction: &Transaction<'_>,
    seals: &[Box<dyn Seal>],
) -> Result<Option<Opened>, StoreError> {
    let known = schema::newest();
    match schema::found(transaction)? {
        None => return Ok(None),
        Some(found) if found > known => return Err(StoreError::Newer { found, known }),
        Some(found) if found < known => return Err(StoreError::Older { found, known }),
        Some(_) => {}
    }
    let wraps = wraps(transaction)?;
    let (root, _) = unseal(seals, wraps.iter().map(|(_, wrap)| wrap))?;
    let hierarchy = Hierarchy::with_root(transaction, root)?;
    let numbers = numbers(transaction, hierarchy.namespace)?;
    Ok(Some((hierarchy, numbers)))
}

/// Looks at a store that is not open here.
///
/// A store at rest has no log, and is read without SQLite's locks, which would put files
/// beside it. That is sound only while nobody writes, so it is looked at again when it
/// changed meanwhile.
pub(crate) fn look<T>(
    path: &Path,
    work: impl Fn(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 0..TRIES {
        let rest = at_rest(path)?;
        if rest.is_none() {
            return work(&*connection::onlooker(path)?.transaction()?);
        }
        // An error, too, may come of a change.
        let found =
            connection::still(path).and_then(|mut connection| work(&*connection.transaction()?));
        if at_rest(path)? == rest {
            return found;
        }
    }
    Err(StoreError::InUse(path.to_owned()))
}

/// Length and time of the file, if there is no log with anything in it. A store writes
/// to its log before it writes to its file.
fn at_rest(path: &Path) -> Result<Option<(u64, SystemTime)>, StoreError> {
    for log in ["-wal", "-journal"] {
        if metadata(&beside(path, log))?.is_some_and(|log| log.len() > 0) {
            return Ok(None);
        }
    }
    match metadata(path)? {
        None => Err(StoreError::NotAStore(path.to_owned())),
        Some(file) => Ok(Some((file.len(), file.modified()?))),
    }
}

fn metadata(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
