use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::StoreError;
use crate::postgres::{Kind, Postgres};
use crate::sql::{Transaction, params};

/// Each brings the schema from its index to the next number. One that was released is
/// never edited: add another.
const MIGRATIONS: &[&str] = &[V1, V2, V3, V4];

/// Namespaces, domains and their rows have small numbers inside the file, since ids of
/// 16 bytes in every token would cost more than the token. Tokens are appended, and only
/// their two indexes are filled at random places: a fifth less work than one clustered
/// table and one index.
const V1: &str = "
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    root_check BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE seals (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    wrap TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE namespaces (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    wrap BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE keys (
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (namespace, id),
    UNIQUE (namespace, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_versions (
    namespace INTEGER NOT NULL,
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    wrap BLOB,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (namespace, key, version),
    FOREIGN KEY (namespace, key) REFERENCES keys (namespace, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE domains (
    number INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    key BLOB NOT NULL,
    generation INTEGER NOT NULL,
    body BLOB NOT NULL,
    wrap BLOB NOT NULL,
    UNIQUE (namespace, id),
    UNIQUE (namespace, name),
    FOREIGN KEY (namespace, key) REFERENCES keys (namespace, id)
) STRICT;
CREATE TABLE places (
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    place TEXT NOT NULL,
    field TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (namespace, place, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    domain INTEGER NOT NULL REFERENCES domains (number),
    token TEXT NOT NULL,
    lookup BLOB,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (namespace, domain, token)
) STRICT;
CREATE UNIQUE INDEX tokens_by_lookup ON tokens (namespace, domain, lookup)
    WHERE lookup IS NOT NULL;
";

const V2: &str = "
CREATE TABLE api_tokens (
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (namespace, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE settings (
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;
";

/// New tokens go to the end of their version, so this index costs an insert one or two
/// per cent, and a search for old ones that finds none one seek.
const V3: &str = "
CREATE INDEX tokens_by_version ON tokens (namespace, domain, version);
";

/// What becomes of a token besides its value: few rows have an end or a subject, so
/// their indexes hold only those that do.
const V4: &str = "
ALTER TABLE tokens ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN expires INTEGER;
ALTER TABLE tokens ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN subject BLOB;
ALTER TABLE tokens ADD COLUMN meta BLOB;
CREATE INDEX tokens_by_subject ON tokens (namespace, domain, subject)
    WHERE subject IS NOT NULL;
CREATE INDEX tokens_by_end ON tokens (namespace, domain, expires)
    WHERE expires IS NOT NULL;
CREATE TABLE counters (
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    domain INTEGER NOT NULL REFERENCES domains (number),
    part BLOB NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (namespace, domain, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
    namespace INTEGER NOT NULL REFERENCES namespaces (number),
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;
";

/// The schema this release writes.
pub(crate) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The schema of a database, or `None` where there is none of ours.
pub(crate) fn version(connection: &Connection) -> Result<Option<u32>, StoreError> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'";
    if connection.query_row(table, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    let found = connection.query_row("SELECT version FROM schema_version", [], |row| row.get(0));
    Ok(found.optional()?)
}

/// The schema of whichever database, or `None` where there is none of ours.
pub(crate) fn found(transaction: &Transaction<'_>) -> Result<Option<u32>, StoreError> {
    if let Transaction::Sqlite(connection) = transaction {
        return version(connection);
    }
    let table = "SELECT tablename::text FROM pg_catalog.pg_tables
         WHERE schemaname = current_schema() AND tablename = 'schema_version'";
    if transaction.first(table, params![])?.is_none() {
        return Ok(None);
    }
    let found = transaction.first("SELECT version FROM schema_version", params![])?;
    found.map(|row| row.get(0)).transpose()
}

/// Brings a PostgreSQL schema to the newest of ours, each step in a transaction of its
/// own. Of several that do so at the same time each waits for the others.
pub(crate) fn migrate_postgres(postgres: &Postgres) -> Result<(), StoreError> {
    let step = |transaction: &Transaction<'_>| {
        let found = found(transaction)?.unwrap_or(0);
        if found > newest() {
            return Err(StoreError::Newer { found, known: newest() });
        }
        let index = usize::try_from(found).unwrap_or(usize::MAX);
        let (Some(step), Transaction::Postgres(bridge)) = (MIGRATIONS.get(index), transaction)
        else {
            return Ok(false);
        };
        bridge.batch(&in_postgres(step))?;
        bridge.batch(
            "CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL);
             DELETE FROM schema_version",
        )?;
        let insert = "INSERT INTO schema_version (version) VALUES (?1)";
        transaction.execute(insert, params![found + 1])?;
        Ok(true)
    };
    while postgres.transact(Kind::Migration, step)? {}
    Ok(())
}

/// A step in the words of PostgreSQL. Texts are compared byte by byte, as SQLite does.
///
/// Its planner cannot be told which index to use. So each index of tokens has a condition
/// that holds for every row, and only the statements it is for name the condition.
fn in_postgres(step: &str) -> String {
    let words = [
        (
            ",\n    UNIQUE (namespace, domain, token)\n) STRICT;",
            "\n);\nCREATE UNIQUE INDEX tokens_by_token ON tokens (namespace, domain, token)
    WHERE token <> '';",
        ),
        (
            "ON tokens (namespace, domain, version);",
            "ON tokens (namespace, domain, version, id) WHERE version > 0;",
        ),
        (") STRICT, WITHOUT ROWID;", ");"),
        (") STRICT;", ");"),
        ("INTEGER PRIMARY KEY", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        ("INTEGER", "bigint"),
        ("BLOB", "bytea"),
        ("TEXT", "text COLLATE \"C\""),
    ];
    words.iter().fold(step.to_owned(), |step, (from, to)| step.replace(from, to))
}

/// Brings a database to the newest schema, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    migrate_to(connection, newest())
}

fn migrate_to(connection: &mut Connection, target: u32) -> Result<(), StoreError> {
    let found = version(connection)?.unwrap_or(0);
    if found > newest() {
        return Err(StoreError::Newer { found, known: newest() });
    }
    for (number, step) in (1..).zip(MIGRATIONS) {
        if number <= found || number > target {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT;
             DELETE FROM schema_version;",
        )?;
        transaction.execute("INSERT INTO schema_version VALUES (?1)", [number])?;
        transaction.commit()?;
    }
    Ok(())
}

/// For tests of the way up: a database with an older schema.
#[cfg(test)]
pub(crate) fn migrate_only_to(connection: &mut Connection, target: u32) {
    migrate_to(connection, target).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(connection: &Connection) -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn every_older_schema_reaches_the_newest() {
        let mut fresh = Connection::open_in_memory().unwrap();
        assert_eq!(version(&fresh), Ok(None));
        migrate(&mut fresh).unwrap();
        for start in 1..=newest() {
            let mut old = Connection::open_in_memory().unwrap();
            migrate_only_to(&mut old, start);
            assert_eq!(version(&old), Ok(Some(start)));
            migrate(&mut old).unwrap();
            assert_eq!(version(&old), Ok(Some(newest())));
            assert_eq!(shape(&old), shape(&fresh), "from {start}");
            migrate(&mut old).unwrap();
        }
    }

    #[test]
    fn a_step_has_only_words_that_both_know() {
        let step = "CREATE TABLE a (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    body BLOB,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE b (id INTEGER) STRICT;";
        let expected = "CREATE TABLE a (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text COLLATE \"C\" NOT NULL,
    body bytea,
    count bigint NOT NULL
);
CREATE TABLE b (id bigint);";
        assert_eq!(in_postgres(step), expected);
        for step in MIGRATIONS {
            let step = in_postgres(step);
            for word in [
                "UNIQUE (namespace, domain, token)",
                "STRICT",
                "ROWID",
                "INTEGER",
                "BLOB",
                "TEXT",
                "AUTOINCREMENT",
            ] {
                assert!(!step.contains(word), "{word} in {step}");
            }
        }
    }

    #[test]
    fn a_newer_schema_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.execute("UPDATE schema_version SET version = 99", []).unwrap();
        let refused = StoreError::Newer { found: 99, known: newest() };
        assert_eq!(migrate(&mut connection), Err(refused));
    }
}
