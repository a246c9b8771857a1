use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// The write-ahead log is written back at this size: pages changed often are written
/// back once. 4 KiB pages, so 64 MiB.
const LOG_PAGES: i64 = 16_384;
const LOG_BYTES: i64 = LOG_PAGES * 4096;
const READ_ONLY: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// The one connection that writes.
pub(crate) fn writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, 64)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Unavailable("the file system cannot hold a log".to_owned()));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What was deleted (the wrap of a destroyed key) does not stay in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    Ok(connection)
}

/// A connection that reads.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, 64)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// A connection that cannot write, to a store that may be in use: it reads the log too.
pub(crate) fn onlooker(path: &Path) -> Result<Connection, StoreError> {
    set_up(Connection::open_with_flags(path, READ_ONLY)?, 16)
}

/// A connection to a file that nobody writes while it is open and that has no log: it
/// neither locks nor makes anything.
pub(crate) fn still(path: &Path) -> Result<Connection, StoreError> {
    let mut uri = "file:".to_owned();
    // Canonical, so that it never begins with the two slashes of a host name.
    for byte in path.canonicalize()?.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    set_up(Connection::open_with_flags(uri, flags)?, 16)
}

/// A connection to a file nobody else has open: a copy on its way in or out.
pub(crate) fn alone(path: &Path) -> Result<Connection, StoreError> {
    open(path, 16)
}

fn open(path: &Path, cache_mib: i64) -> Result<Connection, StoreError> {
    // Never creates: a file comes from `file::make_private`, with its mode.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    set_up(Connection::open_with_flags(path, flags)?, cache_mib)
}

fn set_up(connection: Connection, cache_mib: i64) -> Result<Connection, StoreError> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "cache_size", -1024 * cache_mib)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}
