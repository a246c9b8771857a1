use std::path::Path;

use rusqlite::Connection;

use super::{Kind, Postgres};
use crate::census::{self, Census, Counting};
use crate::hierarchy::wraps;
use crate::sql::{Param, Row, Transaction};
use crate::sqlite::connection;
use crate::{StoreError, file, schema};

/// Rows that are fetched at a time.
const FETCHED: usize = 500;
/// Values of one statement; PostgreSQL takes 65,535.
const VALUES: usize = 30_000;
/// Rows of one statement, so that the largest of them stay within a message.
const INSERTED: usize = 250;
/// All tables, each after those it refers to.
const TABLES: [&str; 12] = [
    "store",
    "seals",
    "namespaces",
    "keys",
    "key_versions",
    "domains",
    "places",
    "tokens",
    "api_tokens",
    "settings",
    "counters",
    "leases",
];
/// Columns that number their rows themselves.
const NUMBERED: [(&str, &str); 4] =
    [("seals", "id"), ("namespaces", "number"), ("domains", "number"), ("tokens", "id")];

/// Copies everything as it is at one moment into a new file, and says what it is. What
/// is secret in it is sealed already; the file is for the owner only all the same.
pub(crate) fn copy(postgres: &Postgres, to: &Path) -> Result<census::Moment, StoreError> {
    postgres.transact(Kind::Look, |transaction| {
        let found = schema::found(transaction)?.unwrap_or_default();
        if found != schema::newest() {
            return Err(StoreError::Newer { found, known: schema::newest() });
        }
        let scratch = file::Scratch::new(to.to_owned());
        file::make_private(scratch.path())?;
        let mut copy = connection::alone(scratch.path())?;
        schema::migrate(&mut copy)?;
        copy.execute_batch("PRAGMA foreign_keys = OFF; BEGIN; DELETE FROM schema_version")?;
        let mut counting = Counting::default();
        for table in census::tables(&copy)? {
            counting.begin(&table);
            copy_table(transaction, &copy, &table, &mut counting)?;
        }
        copy.execute_batch("COMMIT")?;
        copy.close().map_err(|(_, error)| error)?;
        scratch.keep();
        let state = census::keys_and_domains(transaction)?;
        let wraps = wraps(transaction)?.into_iter().map(|(_, wrap)| wrap).collect();
        Ok(census::Moment { census: counting.end(), wraps, state })
    })
}

/// Puts everything a file holds into a schema that holds nothing yet, in this
/// transaction, and compares every row.
pub(crate) fn fill(
    transaction: &Transaction<'_>,
    from: &Connection,
    census: &Census,
) -> Result<(), StoreError> {
    let Transaction::Postgres(bridge) = transaction else {
        return Err(StoreError::Database("a dump goes into PostgreSQL".to_owned()));
    };
    for table in TABLES {
        if transaction.first(&format!("SELECT 1::bigint FROM {table} LIMIT 1"), &[])?.is_some() {
            return Err(StoreError::SchemaInUse);
        }
    }
    for table in TABLES {
        fill_table(transaction, from, table)?;
    }
    for (table, column) in NUMBERED {
        bridge.batch(&format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'),
                 coalesce(max({column}), 1), max({column}) IS NOT NULL) FROM {table}"
        ))?;
    }
    let mut counting = Counting::default();
    for table in census::tables(from)? {
        counting.begin(&table);
        each_row(transaction, from, &table, |row| {
            counting.row(row);
            Ok(())
        })?;
    }
    if counting.end() != *census {
        return Err(StoreError::BackupDiffers("other rows"));
    }
    Ok(())
}

fn copy_table(
    transaction: &Transaction<'_>,
    copy: &Connection,
    table: &str,
    counting: &mut Counting,
) -> Result<(), StoreError> {
    let columns = columns(copy, table)?;
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let insert =
        format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    let mut insert = copy.prepare(&insert)?;
    each_row(transaction, copy, table, |row| {
        counting.row(row);
        insert.execute(rusqlite::params_from_iter(row.0.iter().map(Param::from)))?;
        Ok(())
    })
}

/// All rows of a table in PostgreSQL, in the order of a census.
fn each_row(
    transaction: &Transaction<'_>,
    shape: &Connection,
    table: &str,
    mut each: impl FnMut(&Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Transaction::Postgres(bridge) = transaction else {
        return Err(StoreError::Database("a dump comes out of PostgreSQL".to_owned()));
    };
    let columns = columns(shape, table)?;
    let order = census::order(columns.len());
    let columns = columns.join(", ");
    bridge.batch(&format!(
        "DECLARE dump NO SCROLL CURSOR FOR SELECT {columns} FROM {table} ORDER BY {order}"
    ))?;
    loop {
        let rows = bridge.fetch(&format!("FETCH FORWARD {FETCHED} FROM dump"))?;
        rows.iter().try_for_each(&mut each)?;
        if rows.len() < FETCHED {
            return bridge.batch("CLOSE dump");
        }
    }
}

fn fill_table(
    transaction: &Transaction<'_>,
    from: &Connection,
    table: &str,
) -> Result<(), StoreError> {
    let columns = columns(from, table)?;
    let most = INSERTED.min(VALUES / columns.len().max(1)).max(1);
    let mut statement = from.prepare(&format!("SELECT {} FROM {table}", columns.join(", ")))?;
    let mut rows = statement.query([])?;
    loop {
        let mut values = Vec::new();
        let mut count = 0;
        while count < most {
            let Some(row) = rows.next()? else { break };
            values.extend(Row::from_sqlite(row, columns.len())?.0);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        let row = |first: usize| {
            let places = (1..=columns.len()).map(|place| format!("?{}", first + place));
            format!("({})", places.collect::<Vec<_>>().join(", "))
        };
        let places: Vec<String> = (0..count).map(|number| row(number * columns.len())).collect();
        let sql =
            format!("INSERT INTO {table} ({}) VALUES {}", columns.join(", "), places.join(", "));
        let params: Vec<Param<'_>> = values.iter().map(Param::from).collect();
        transaction.execute(&sql, &params)?;
    }
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
    Ok(statement.column_names().map(str::to_owned).collect())
}
