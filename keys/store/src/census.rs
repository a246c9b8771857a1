use std::collections::BTreeMap;

use allonym_seal::WrappedRoot;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::StoreError;
use crate::sql::{Cell, Row, Transaction, params};

/// What a database holds: two with the same census hold the same rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Census {
    /// Rows of each table.
    pub(crate) counts: BTreeMap<String, u64>,
    /// SHA-256 over every value of every row, in order.
    pub(crate) digest: [u8; 32],
}

/// What a store held when it was copied.
pub(crate) struct Moment {
    pub(crate) census: Census,
    pub(crate) wraps: Vec<WrappedRoot>,
    /// See [`keys_and_domains`].
    pub(crate) state: [u8; 32],
}

/// A census of rows that come one by one, table by table in the order of their names.
#[derive(Default)]
pub(crate) struct Counting {
    counts: BTreeMap<String, u64>,
    digest: Sha256,
    table: String,
}

impl Counting {
    pub(crate) fn begin(&mut self, table: &str) {
        table.clone_into(&mut self.table);
        self.counts.insert(table.to_owned(), 0);
        hash(&mut self.digest, b't', table.as_bytes());
    }

    pub(crate) fn row(&mut self, row: &Row) {
        if let Some(count) = self.counts.get_mut(&self.table) {
            *count += 1;
        }
        row.0.iter().for_each(|cell| hash_cell(&mut self.digest, cell));
    }

    pub(crate) fn end(self) -> Census {
        Census { counts: self.counts, digest: self.digest.finalize().into() }
    }
}

impl Census {
    /// Reads all rows. In one transaction it sees one moment.
    pub(crate) fn take(connection: &Connection) -> Result<Self, StoreError> {
        let mut counts = BTreeMap::new();
        let mut digest = Sha256::new();
        for table in tables(connection)? {
            let rows = hash_table(connection, &table, &mut digest)?;
            counts.insert(table, rows);
        }
        Ok(Self { counts, digest: digest.finalize().into() })
    }

    /// Rows of one table.
    pub(crate) fn count(&self, table: &str) -> u64 {
        self.counts.get(table).copied().unwrap_or(0)
    }
}

/// SHA-256 over which keys, key versions and domains there are and how often each was
/// changed: every change of one of them raises its generation or its name.
pub(crate) fn keys_and_domains(transaction: &Transaction<'_>) -> Result<[u8; 32], StoreError> {
    let mut digest = Sha256::new();
    for rows in [
        "SELECT namespace, id, name FROM keys ORDER BY 1, 2",
        "SELECT namespace, key, version, generation FROM key_versions ORDER BY 1, 2, 3",
        "SELECT namespace, id, generation FROM domains ORDER BY 1, 2",
    ] {
        hash(&mut digest, b't', b"");
        for row in transaction.query(rows, params![])? {
            row.0.iter().for_each(|cell| hash_cell(&mut digest, cell));
        }
    }
    Ok(digest.finalize().into())
}

pub(crate) fn tables(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// In every table the key is the first columns, at most three: the rows come in order
/// without being sorted.
pub(crate) fn order(columns: usize) -> &'static str {
    ["1", "1, 2", "1, 2, 3"].get(columns.clamp(1, 3) - 1).copied().unwrap_or("1")
}

fn hash_table(
    connection: &Connection,
    table: &str,
    digest: &mut Sha256,
) -> Result<u64, StoreError> {
    let quoted = table.replace('"', "\"\"");
    let columns = connection.prepare(&format!("SELECT * FROM \"{quoted}\""))?.column_count();
    let order = order(columns);
    hash(digest, b't', table.as_bytes());
    hash_rows(connection, &format!("SELECT * FROM \"{quoted}\" ORDER BY {order}"), digest)
}

/// Hashes what a statement selects, and counts the rows.
fn hash_rows(connection: &Connection, sql: &str, digest: &mut Sha256) -> Result<u64, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut counted = 0;
    while let Some(row) = rows.next()? {
        counted += 1;
        for column in 0..columns {
            match row.get_ref(column)? {
                ValueRef::Null => hash(digest, b'n', b""),
                ValueRef::Integer(number) => hash(digest, b'i', &number.to_be_bytes()),
                ValueRef::Real(number) => hash(digest, b'r', &number.to_be_bytes()),
                ValueRef::Text(text) => hash(digest, b's', text),
                ValueRef::Blob(bytes) => hash(digest, b'b', bytes),
            }
        }
    }
    Ok(counted)
}

/// Hashes a value, of whichever database.
fn hash_cell(digest: &mut Sha256, cell: &Cell) {
    match cell {
        Cell::Null => hash(digest, b'n', b""),
        Cell::Int(number) => hash(digest, b'i', &number.to_be_bytes()),
        Cell::Text(text) => hash(digest, b's', text.as_bytes()),
        Cell::Blob(bytes) => hash(digest, b'b', bytes),
    }
}

fn hash(digest: &mut Sha256, tag: u8, content: &[u8]) {
    digest.update([tag]);
    digest.update(u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(content);
}
