use std::sync::PoisonError;

use allonym_keyring::DomainId;

use super::upkeep::{PAGE_BYTES, fitting};
use super::{At, LARGEST_BATCH, TokenRow};
use crate::sql::{Transaction, params};
use crate::sqlite::Lane;
use crate::{Store, StoreError};

/// Version by version: within one, the index has the rows in their order.
const LOWEST_VERSION: &str = "SELECT min(version) FROM tokens INDEXED BY tokens_by_version
     WHERE namespace = ?1 AND domain = ?2 AND version > 0 AND version >= ?3
         AND version < ?4";
const SIZES: &str = "SELECT id, CAST(length(sealed) + coalesce(length(meta), 0) AS BIGINT)
     FROM tokens INDEXED BY tokens_by_version
     WHERE namespace = ?1 AND domain = ?2 AND version > 0 AND version = ?3 AND id > ?4
     ORDER BY id LIMIT ?5";
const OF_VERSION: &str =
    "SELECT lookup, token, version, sealed, created, expires, disabled, subject, meta, id
     FROM tokens INDEXED BY tokens_by_version
     WHERE namespace = ?1 AND domain = ?2 AND version > 0 AND version = ?3 AND id > ?4
         AND id <= ?5
     ORDER BY id";

/// Where a search for old tokens stands: at this row of this version. The default is
/// before all rows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    version: u32,
    id: i64,
}

impl Store {
    /// Up to `limit` rows sealed under a version below this one, of the lowest versions
    /// first: fewer where 8 MiB are sealed in fewer. An empty answer says that there are none, and costs one look into an index
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
        let limit = limit.clamp(1, LARGEST_BATCH);
        let after = self.resume_scan(domain);
        let scan = move |transaction: &Transaction<'_>, at: At| {
            let from = |after| below(transaction, at, version, after, limit);
            let rows = from(after)?;
            if rows.is_empty() && after != Position::default() {
                return from(Position::default());
            }
            Ok(rows)
        };
        let rows = self.look_at_tokens(domain, Lane::Scans, scan).await?;
        if let Some((id, row)) = rows.last() {
            let last = Position { version: row.version, id: *id };
            let mut scanned = self.inner.scanned.lock().unwrap_or_else(PoisonError::into_inner);
            scanned.insert(domain, last);
        }
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// After which row the next scan begins.
    fn resume_scan(&self, domain: DomainId) -> Position {
        let mut scanned = self.inner.scanned.lock().unwrap_or_else(PoisonError::into_inner);
        scanned.remove(&domain).unwrap_or_default()
    }
}

fn below(
    transaction: &Transaction<'_>,
    at: At,
    version: u32,
    mut after: Position,
    limit: usize,
) -> Result<Vec<(i64, TokenRow)>, StoreError> {
    let (mut found, mut bytes) = (Vec::new(), PAGE_BYTES);
    while found.len() < limit {
        let range = params![at.namespace, at.domain, after.version, version];
        let lowest = transaction.first(LOWEST_VERSION, range)?;
        let lowest = lowest.map(|row| row.get::<Option<u32>>(0)).transpose()?;
        let Some(lowest) = lowest.flatten() else {
            break;
        };
        if lowest != after.version {
            after = Position { version: lowest, id: 0 };
        }
        let left = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        let of = params![at.namespace, at.domain, lowest, after.id, left];
        let sizes = transaction.query(SIZES, of)?;
        let fit = fitting(&sizes, &mut bytes, found.is_empty())?;
        if let Some(last) = fit.last() {
            let last: i64 = last.get(0)?;
            let of = params![at.namespace, at.domain, lowest, after.id, last];
            for row in transaction.query(OF_VERSION, of)? {
                found.push((row.get(9)?, TokenRow::from_row(&row)?));
            }
        }
        if fit.len() < sizes.len() {
            break;
        }
        // The version is below another, so there is one after it.
        after = Position { version: lowest.saturating_add(1), id: 0 };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::tests::Made;
    use super::*;

    /// However many tokens there are, to find that none is old costs the same.
    #[tokio::test]
    async fn an_idle_scan_is_cheap() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let Made { store, key, domain, .. } = Made::new(folder.path(), now);
        let at = store.at(domain).await.unwrap();
        let rows = (0..5000).map(|number| TokenRow {
            token: format!("token {number}"),
            version: 1,
            sealed: vec![7],
            ..TokenRow::default()
        });
        store.token_put(domain, rows.collect(), now).await.unwrap();
        let steps = |version: u32| {
            let work = |transaction: &Transaction<'_>| {
                let found = below(transaction, at, version, Position::default(), 10)?.len();
                let Transaction::Sqlite(connection) = transaction else {
                    panic!("not in a file");
                };
                let steps = [LOWEST_VERSION, SIZES, OF_VERSION].map(|sql| {
                    let statement = connection.prepare_cached(sql).unwrap();
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
}
