use std::sync::PoisonError;

use allonym_keyring::DomainId;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::worker::Lane;
use crate::{Store, StoreError};

/// Most rows of one request.
const LARGEST_BATCH: usize = 65_536;
const LONGEST_TOKEN: usize = 4096;
const LONGEST_SEALED: usize = 1024 * 1024;
/// Version by version: within one, the index has the rows in their order.
const LOWEST_VERSION: &str = "SELECT min(version) FROM tokens INDEXED BY tokens_by_version
     WHERE namespace = ?1 AND domain = ?2 AND version >= ?3 AND version < ?4";
const OF_VERSION: &str = "SELECT lookup, token, version, sealed, id
     FROM tokens INDEXED BY tokens_by_version
     WHERE namespace = ?1 AND domain = ?2 AND version = ?3 AND id > ?4 ORDER BY id LIMIT ?5";

/// A vaulted token and what it stands for, sealed by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Keyed hash of the value, for convergent tokens.
    pub lookup: Option<[u8; 16]>,
    /// The token; unique in its domain.
    pub token: String,
    /// The key version that sealed the value.
    pub version: u32,
    /// The sealed value: the store neither opens nor interprets it.
    pub sealed: Vec<u8>,
}

/// Where a search for old tokens stands: at this row of this version. The default is
/// before all rows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    version: u32,
    id: i64,
}

/// What became of a row that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is stored now.
    Inserted,
    /// The look-up has a row already: that one holds, nothing was written.
    Existing(TokenRow),
    /// The token belongs to another value: draw another. Nothing was written.
    TokenTaken,
}

impl Store {
    /// For each row in turn, the row that has its look-up already, or this one if it
    /// could be stored; on disk when this returns. Two rows with the same look-up get
    /// the same token, in whatever batches and from whatever tasks they come. When
    /// most values are known, ask [`Store::token_by_lookup`] first: it does not wait
    /// for the writer.
    ///
    /// # Errors
    /// When the domain is not known, a length is out of bounds, or the disk says no:
    /// then nothing of the batch is stored.
    pub async fn token_put(
        &self,
        domain: DomainId,
        rows: Vec<TokenRow>,
    ) -> Result<Vec<PutOutcome>, StoreError> {
        let at = self.numbers(domain)?;
        check_batch(rows.len())?;
        rows.iter().try_for_each(check_row)?;
        let count = rows.len();
        let put = move |transaction: &Transaction<'_>| {
            let gone = gone(transaction, at, rows.iter().map(|row| row.version))?;
            match gone {
                Some(version) => Ok(Err(StoreError::VersionGone { domain, version })),
                None => put(transaction, at, &rows).map(Ok),
            }
        };
        self.inner.workers()?.write(count, put).await?
    }

    /// For each look-up its row, if there is one.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_by_lookup(
        &self,
        domain: DomainId,
        lookups: Vec<[u8; 16]>,
    ) -> Result<Vec<Option<TokenRow>>, StoreError> {
        let at = self.numbers(domain)?;
        check_batch(lookups.len())?;
        let find = move |transaction: &Transaction<'_>| {
            let rows = lookups.iter().map(|lookup| by_lookup(transaction, at, lookup));
            rows.collect()
        };
        self.inner.workers()?.read(Lane::Gets, find).await
    }

    /// For each token its row, if there is one.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_by_token(
        &self,
        domain: DomainId,
        tokens: Vec<String>,
    ) -> Result<Vec<Option<TokenRow>>, StoreError> {
        let at = self.numbers(domain)?;
        check_batch(tokens.len())?;
        let find = move |transaction: &Transaction<'_>| {
            let mut statement = transaction.prepare_cached(
                "SELECT lookup, token, version, sealed FROM tokens
                 WHERE namespace = ?1 AND domain = ?2 AND token = ?3",
            )?;
            let mut rows = Vec::with_capacity(tokens.len());
            for token in &tokens {
                let found = statement.query_row(params![at[0], at[1], token], read_row);
                rows.push(found.optional()?);
            }
            Ok(rows)
        };
        self.inner.workers()?.read(Lane::Gets, find).await
    }

    /// Up to `limit` rows sealed under a version below this one, of the lowest versions
    /// first. An empty answer says that there are none, and costs one look into an index
    /// however many tokens there are. Goes on where the last call stopped, so rows that
    /// stay as they are do not come again before the others came.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_scan_below(
        &self,
        domain: DomainId,
        version: u32,
        limit: usize,
    ) -> Result<Vec<TokenRow>, StoreError> {
        let at = self.numbers(domain)?;
        let limit = limit.clamp(1, LARGEST_BATCH);
        let after = self.resume_scan(domain);
        let scan = move |transaction: &Transaction<'_>| {
            let from = |after| below(transaction, at, version, after, limit);
            let rows = from(after)?;
            if rows.is_empty() && after != Position::default() {
                return from(Position::default());
            }
            Ok(rows)
        };
        let rows = self.inner.workers()?.read(Lane::Scans, scan).await?;
        if let Some((id, row)) = rows.last() {
            let last = Position { version: row.version, id: *id };
            let mut scanned = self.inner.scanned.lock().unwrap_or_else(PoisonError::into_inner);
            scanned.insert(domain, last);
        }
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Replaces version and sealed value of each row whose version is still the given
    /// one; look-ups and tokens stay. On disk when this returns. Returns how many were
    /// replaced.
    ///
    /// # Errors
    /// As for [`Store::token_put`].
    pub async fn token_reseal(
        &self,
        domain: DomainId,
        rows: Vec<(u32, TokenRow)>,
    ) -> Result<usize, StoreError> {
        let at = self.numbers(domain)?;
        check_batch(rows.len())?;
        rows.iter().try_for_each(|(_, row)| check_row(row))?;
        let count = rows.len();
        let reseal = move |transaction: &Transaction<'_>| {
            if let Some(version) = gone(transaction, at, rows.iter().map(|(_, row)| row.version))? {
                return Ok(Err(StoreError::VersionGone { domain, version }));
            }
            let mut statement = transaction.prepare_cached(
                "UPDATE tokens SET version = ?5, sealed = ?6
                 WHERE namespace = ?1 AND domain = ?2 AND token = ?3 AND version = ?4",
            )?;
            let mut replaced = 0;
            for (old, row) in &rows {
                replaced += statement.execute(params![
                    at[0],
                    at[1],
                    row.token,
                    old,
                    row.version,
                    row.sealed
                ])?;
            }
            Ok(Ok(replaced))
        };
        self.inner.workers()?.write(count, reseal).await?
    }

    /// How many tokens a domain has.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_count(&self, domain: DomainId) -> Result<u64, StoreError> {
        let at = self.numbers(domain)?;
        let count = move |transaction: &Transaction<'_>| {
            let count: i64 = transaction.query_row(
                "SELECT count(*) FROM tokens WHERE namespace = ?1 AND domain = ?2",
                at,
                |row| row.get(0),
            )?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        self.inner.workers()?.read(Lane::Scans, count).await
    }

    /// After which row the next scan begins.
    fn resume_scan(&self, domain: DomainId) -> Position {
        let mut scanned = self.inner.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        scanned.remove(&domain).unwrap_or_default()
    }

    /// Namespace and domain, as they are numbered inside the file.
    fn numbers(&self, domain: DomainId) -> Result<[i64; 2], StoreError> {
        Ok([self.inner.hierarchy.namespace, self.number(domain)?])
    }
}

/// The first version that no longer (or not yet) has a secret. Asked inside the
/// transaction that stores the rows, so a version cannot be destroyed in between.
fn gone(
    transaction: &Transaction<'_>,
    at: [i64; 2],
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
        if !statement.exists(params![at[0], at[1], version])? {
            return Ok(Some(version));
        }
        good = Some(version);
    }
    Ok(None)
}

fn put(
    transaction: &Transaction<'_>,
    at: [i64; 2],
    rows: &[TokenRow],
) -> Result<Vec<PutOutcome>, StoreError> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO tokens (namespace, domain, token, lookup, version, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        let inserted = insert.execute(params![
            at[0],
            at[1],
            row.token,
            row.lookup,
            row.version,
            row.sealed
        ])?;
        let existing = match &row.lookup {
            Some(lookup) if inserted == 0 => by_lookup(transaction, at, lookup)?,
            _ => None,
        };
        outcomes.push(match existing {
            _ if inserted == 1 => PutOutcome::Inserted,
            Some(existing) => PutOutcome::Existing(existing),
            None => PutOutcome::TokenTaken,
        });
    }
    Ok(outcomes)
}

fn by_lookup(
    transaction: &Transaction<'_>,
    at: [i64; 2],
    lookup: &[u8; 16],
) -> Result<Option<TokenRow>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT lookup, token, version, sealed FROM tokens
         WHERE namespace = ?1 AND domain = ?2 AND lookup = ?3",
    )?;
    Ok(statement.query_row(params![at[0], at[1], lookup], read_row).optional()?)
}

fn below(
    transaction: &Transaction<'_>,
    at: [i64; 2],
    version: u32,
    mut after: Position,
    limit: usize,
) -> Result<Vec<(i64, TokenRow)>, StoreError> {
    let mut lowest = transaction.prepare_cached(LOWEST_VERSION)?;
    let mut of_version = transaction.prepare_cached(OF_VERSION)?;
    let mut found = Vec::new();
    while found.len() < limit {
        let range = params![at[0], at[1], after.version, version];
        let Some(lowest) = lowest.query_row(range, |row| row.get::<_, Option<u32>>(0))? else {
            break;
        };
        if lowest != after.version {
            after = Position { version: lowest, id: 0 };
        }
        let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        let rows = of_version.query_map(params![at[0], at[1], lowest, after.id, left], |row| {
            Ok((row.get(4)?, read_row(row)?))
        })?;
        for row in rows {
            found.push(row?);
        }
        // The version is below another, so there is one after it.
        after = Position { version: lowest.saturating_add(1), id: 0 };
    }
    Ok(found)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        lookup: row.get(0)?,
        token: row.get(1)?,
        version: row.get(2)?,
        sealed: row.get(3)?,
    })
}

fn check_batch(rows: usize) -> Result<(), StoreError> {
    if rows > LARGEST_BATCH {
        return Err(StoreError::Length { what: "a batch of tokens", limit: LARGEST_BATCH });
    }
    Ok(())
}

fn check_row(row: &TokenRow) -> Result<(), StoreError> {
    if row.token.is_empty() || row.token.len() > LONGEST_TOKEN {
        return Err(StoreError::Length { what: "a token", limit: LONGEST_TOKEN });
    }
    if row.sealed.is_empty() || row.sealed.len() > LONGEST_SEALED {
        return Err(StoreError::Length { what: "a sealed value", limit: LONGEST_SEALED });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use allonym_seal::{FileSeal, Seal};

    use super::*;

    fn row(number: u32) -> TokenRow {
        let mut lookup = [0; 16];
        lookup[..4].copy_from_slice(&number.to_be_bytes());
        let token = format!("token {number}");
        TokenRow { lookup: Some(lookup), token, version: 1, sealed: vec![7; 2000] }
    }

    /// Stops and restores the disk by what SQLite says when one is full or read-only.
    #[tokio::test]
    async fn a_disk_that_says_no_loses_nothing_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let seals: Vec<Box<dyn Seal>> =
            vec![Box::new(FileSeal::create(folder.path().join("seal.key")).unwrap())];
        let path = folder.path().join("store.db");
        let now = SystemTime::now();
        let store = Store::open(&path, &seals, now).unwrap();
        let key = store.ensure_key("contact", None, now).unwrap();
        let domain = store.put_domain("email", "{}", key).unwrap();
        store.token_put(domain, vec![row(0)]).await.unwrap();
        let pragma = |name: &str, value: i64| {
            let connection = store.inner.turn().unwrap();
            let set = connection.pragma_update_and_check(None, name, value, |row| row.get(0));
            set.or_else(|_| connection.pragma_update(None, name, value).map(|()| 0_i64)).unwrap()
        };
        let pages: i64 = {
            let connection = store.inner.turn().unwrap();
            connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
        };
        let mut next = 1;
        for (name, broken, whole) in
            [("max_page_count", pages, i64::from(i32::MAX)), ("query_only", 1, 0)]
        {
            pragma(name, broken);
            let batch: Vec<_> = (next..next + 100).map(row).collect();
            let refused = store.token_put(domain, batch.clone()).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
            let refused = store.put_setting("large", &[0; 500_000]);
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
            let found = store.token_by_token(domain, vec![row(0).token]).await;
            assert_eq!(found, Ok(vec![Some(row(0))]), "reading goes on");
            assert_eq!(store.token_count(domain).await, Ok(u64::from(next)), "all or nothing");
            pragma(name, whole);
            let outcomes = store.token_put(domain, batch).await.unwrap();
            assert!(outcomes.iter().all(|outcome| *outcome == PutOutcome::Inserted));
            next += 100;
        }
        drop(store);
        let store = Store::open(&path, &seals, now).unwrap();
        assert_eq!(store.token_count(domain).await, Ok(201));
    }

    /// However many tokens there are, to find that none is old costs the same.
    #[tokio::test]
    async fn an_idle_scan_is_cheap() {
        let folder = tempfile::tempdir().unwrap();
        let seals: Vec<Box<dyn Seal>> =
            vec![Box::new(FileSeal::create(folder.path().join("seal.key")).unwrap())];
        let now = SystemTime::now();
        let store = Store::open(&folder.path().join("store.db"), &seals, now).unwrap();
        let key = store.ensure_key("contact", None, now).unwrap();
        let domain = store.put_domain("email", "{}", key).unwrap();
        let at = store.numbers(domain).unwrap();
        let rows = (0..5000).map(|number| TokenRow { sealed: vec![7], ..row(number) });
        store.token_put(domain, rows.collect()).await.unwrap();
        let steps = |version: u32| {
            let work = |transaction: &Transaction<'_>| {
                let found = below(transaction, at, version, Position::default(), 10)?.len();
                let steps = [LOWEST_VERSION, OF_VERSION].map(|sql| {
                    let statement = transaction.prepare_cached(sql).unwrap();
                    statement.reset_status(rusqlite::StatementStatus::VmStep)
                });
                Ok((found, steps.iter().sum::<i32>()))
            };
            store.look(work).unwrap()
        };
        let (found, idle) = steps(1);
        assert_eq!(found, 0);
        assert!((1..100).contains(&idle), "{idle} steps");
        let (found, busy) = steps(2);
        assert_eq!(found, 10);
        assert!(busy > idle && busy < 1000, "{busy} steps");
        let old = store.look(|transaction| {
            let version = allonym_keyring::KeyVersion::new(2).unwrap();
            crate::pins::seals_tokens(transaction, &store.inner.hierarchy, key, version)
        });
        assert_eq!(old, Ok(false));
    }

    /// A refused request in a group leaves the others alone.
    #[tokio::test]
    async fn a_refusal_is_of_one_request_only() {
        let folder = tempfile::tempdir().unwrap();
        let seals: Vec<Box<dyn Seal>> =
            vec![Box::new(FileSeal::create(folder.path().join("seal.key")).unwrap())];
        let now = SystemTime::now();
        let store = Store::open(&folder.path().join("store.db"), &seals, now).unwrap();
        let key = store.ensure_key("contact", None, now).unwrap();
        let domain = store.put_domain("email", "{}", key).unwrap();
        let put =
            |number, version| store.token_put(domain, vec![TokenRow { version, ..row(number) }]);
        // While the turn is held the requests wait and are taken together.
        let turn = store.inner.turn().unwrap();
        let release = async {
            tokio::task::yield_now().await;
            drop(turn);
        };
        let (first, refused, last, ()) = tokio::join!(put(1, 1), put(2, 9), put(3, 1), release);
        assert_eq!((first, last), (Ok(vec![PutOutcome::Inserted]), Ok(vec![PutOutcome::Inserted])));
        assert_eq!(refused, Err(StoreError::VersionGone { domain, version: 9 }));
        assert_eq!(store.token_count(domain).await, Ok(2));
    }
}
