use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::row::token_row;
use super::{At, PutOutcome, TokenRow, Touch, Wanted};
use crate::StoreError;

const INSERT: &str = "INSERT INTO tokens (namespace, domain, token, lookup, version, sealed,
         created, expires, disabled, subject, meta)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
const BY_LOOKUP: &str =
    "SELECT lookup, token, version, sealed, created, expires, disabled, subject, meta
     FROM tokens WHERE namespace = ?1 AND domain = ?2 AND lookup = ?3";
const BY_TOKEN: &str =
    "SELECT lookup, token, version, sealed, created, expires, disabled, subject, meta
     FROM tokens WHERE namespace = ?1 AND domain = ?2 AND token = ?3";

const SET_DISABLED: &str =
    "UPDATE tokens SET disabled = ?4 WHERE namespace = ?1 AND domain = ?2 AND token = ?3";
const SET_EXPIRY: &str =
    "UPDATE tokens SET expires = ?4 WHERE namespace = ?1 AND domain = ?2 AND token = ?3";
const SET_META: &str =
    "UPDATE tokens SET meta = ?4 WHERE namespace = ?1 AND domain = ?2 AND token = ?3";

/// The first version that no longer (or not yet) has a secret. Asked inside the
/// transaction that stores the rows, so a version cannot be destroyed in between.
pub(crate) fn gone(
    transaction: &Connection,
    at: At,
    versions: impl Iterator<Item = u32>,
) -> Result<Option<u32>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT 1 FROM domains d JOIN key_versions v ON v.namespace = d.namespace AND v.key = d.key
         WHERE d.namespace = ?1 AND d.number = ?2 AND v.version = ?3 AND v.wrap IS NOT NULL",
    )?;
    let mut good = None;
    for version in versions {
        if good == Some(version) {
            continue;
        }
        if !statement.exists(params![at.namespace, at.domain, version])? {
            return Ok(Some(version));
        }
        good = Some(version);
    }
    Ok(None)
}

/// Inserts or finds each row in turn. A row that ended by `now` makes way.
pub(crate) fn put(
    transaction: &Connection,
    at: At,
    rows: &[TokenRow],
    now: Option<i64>,
) -> Result<Vec<PutOutcome>, StoreError> {
    let mut insert = transaction.prepare_cached(INSERT)?;
    let mut insert = |row: &TokenRow| insert_one(&mut insert, at, row);
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        if insert(row)? {
            outcomes.push(PutOutcome::Inserted);
            continue;
        }
        let existing = match &row.lookup {
            Some(lookup) => by_lookup(transaction, at, lookup)?,
            None => None,
        };
        let ended = |row: &TokenRow| now.is_some_and(|now| row.ended(now));
        outcomes.push(match existing {
            Some(existing) if ended(&existing) => {
                delete_one(transaction, at, &existing.token)?;
                match insert(row)? {
                    true => PutOutcome::Inserted,
                    false => PutOutcome::TokenTaken,
                }
            }
            Some(existing) => PutOutcome::Existing(existing),
            None => PutOutcome::TokenTaken,
        });
    }
    Ok(outcomes)
}

/// The rows wanted, in one snapshot.
pub(crate) fn find(
    transaction: &Connection,
    at: At,
    wanted: &Wanted,
) -> Result<Vec<Option<TokenRow>>, StoreError> {
    match wanted {
        Wanted::Lookups(lookups) => {
            lookups.iter().map(|lookup| by_lookup(transaction, at, lookup)).collect()
        }
        Wanted::Tokens(tokens) => {
            let mut statement = transaction.prepare_cached(BY_TOKEN)?;
            let mut rows = Vec::with_capacity(tokens.len());
            for token in tokens {
                let found = statement.query_row(params![at.namespace, at.domain, token], read_row);
                rows.push(found.optional()?);
            }
            Ok(rows)
        }
    }
}

/// Replaces what is sealed in each row that still has the version given with it.
pub(crate) fn reseal(
    transaction: &Connection,
    at: At,
    rows: &[(u32, TokenRow)],
) -> Result<usize, StoreError> {
    let mut statement = transaction.prepare_cached(
        "UPDATE tokens SET version = ?5, sealed = ?6, meta = ?7
         WHERE namespace = ?1 AND domain = ?2 AND token = ?3 AND version = ?4",
    )?;
    let mut replaced = 0;
    for (old, row) in rows {
        replaced += statement.execute(params![
            at.namespace,
            at.domain,
            row.token,
            old,
            row.version,
            row.sealed,
            row.meta
        ])?;
    }
    Ok(replaced)
}

/// Changes or deletes each token; says which there are.
pub(crate) fn touch(
    transaction: &Connection,
    at: At,
    touch: &Touch,
) -> Result<Vec<bool>, StoreError> {
    match touch {
        Touch::Disabled(tokens, disabled) => {
            let mut set = transaction.prepare_cached(SET_DISABLED)?;
            let mut set = |token: &String| {
                Ok(set.execute(params![at.namespace, at.domain, token, disabled])? > 0)
            };
            tokens.iter().map(&mut set).collect()
        }
        Touch::Expiry(tokens, expires) => {
            let mut set = transaction.prepare_cached(SET_EXPIRY)?;
            let mut set = |token: &String| {
                Ok(set.execute(params![at.namespace, at.domain, token, expires])? > 0)
            };
            tokens.iter().map(&mut set).collect()
        }
        Touch::Meta(metas) => {
            let mut set = transaction.prepare_cached(SET_META)?;
            let mut set = |(token, meta): &(String, Option<Vec<u8>>)| {
                Ok(set.execute(params![at.namespace, at.domain, token, meta])? > 0)
            };
            metas.iter().map(&mut set).collect()
        }
        Touch::Delete(tokens) => {
            tokens.iter().map(|token| delete_one(transaction, at, token)).collect()
        }
    }
}

fn delete_one(transaction: &Connection, at: At, token: &str) -> Result<bool, StoreError> {
    let mut statement = transaction
        .prepare_cached("DELETE FROM tokens WHERE namespace = ?1 AND domain = ?2 AND token = ?3")?;
    Ok(statement.execute(params![at.namespace, at.domain, token])? > 0)
}

fn insert_one(insert: &mut Statement<'_>, at: At, row: &TokenRow) -> Result<bool, StoreError> {
    let inserted = insert.execute(params![
        at.namespace,
        at.domain,
        row.token,
        row.lookup,
        row.version,
        row.sealed,
        row.created,
        row.expires,
        row.disabled,
        row.subject,
        row.meta
    ])?;
    Ok(inserted == 1)
}

fn by_lookup(
    transaction: &Connection,
    at: At,
    lookup: &[u8; 16],
) -> Result<Option<TokenRow>, StoreError> {
    let mut statement = transaction.prepare_cached(BY_LOOKUP)?;
    let found = statement.query_row(params![at.namespace, at.domain, lookup], read_row);
    Ok(found.optional()?)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    token_row!(row)
}
