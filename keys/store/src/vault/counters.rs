use std::ops::Range;

use allonym_keyring::DomainId;

use super::At;
use crate::sql::{Transaction, params};
use crate::sqlite::Lane;
use crate::{Store, StoreError};

/// The row of a domain that says where its new counters begin. Of a store that was made
/// out of a backup nobody knows yet: then it holds -1 less what it held before. No counter
/// has this part: a part is a keyed hash.
const FLOOR: [u8; 16] = [0; 16];
/// More than any format has, and few enough to be added up.
const MOST_SKIPPED: i64 = 1 << 61;

impl Store {
    /// The next `need` numbers of a counter, below `limit`, and up to `ahead` more: none,
    /// and the counter stays as it is, when fewer than `need` are left. Whoever gets them
    /// is the only one that ever does, in whatever process; on disk when this returns.
    /// Numbers that are not used after all are left out for good.
    ///
    /// # Errors
    /// [`StoreError::CountersUnknown`] after a restore; when the domain is not known, or
    /// the disk says no.
    pub async fn counter_take(
        &self,
        domain: DomainId,
        part: [u8; 16],
        need: u64,
        ahead: u64,
        limit: u64,
    ) -> Result<Range<u64>, StoreError> {
        let [need, ahead, limit] =
            [need, ahead, limit].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let take = move |transaction: &Transaction<'_>, at: At| {
            let Some(floor) = floor(transaction, at)? else {
                return Ok(Err(StoreError::CountersUnknown(domain)));
            };
            let counter = params![at.namespace, at.domain, &part, floor];
            let fresh = "INSERT INTO counters (namespace, domain, part, next)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
            transaction.execute(fresh, counter)?;
            // The row is this transaction's before the number is read.
            let own = "UPDATE counters SET next = next
                 WHERE namespace = ?1 AND domain = ?2 AND part = ?3 RETURNING next";
            let row = transaction.first(own, params![at.namespace, at.domain, &part])?;
            let next: i64 = row.ok_or(StoreError::Altered("counters"))?.get(0)?;
            let left = limit.saturating_sub(next).max(0);
            let count = if left < need { 0 } else { need.saturating_add(ahead).min(left) };
            let end = next.saturating_add(count);
            let put = "UPDATE counters SET next = ?4
                 WHERE namespace = ?1 AND domain = ?2 AND part = ?3";
            transaction.execute(put, params![at.namespace, at.domain, &part, end])?;
            let number =
                |number: i64| u64::try_from(number).map_err(|_| StoreError::Altered("counters"));
            Ok(Ok(number(next)?..number(end)?))
        };
        self.change_tokens(domain, 1, take).await
    }

    /// How many numbers of a counter were taken or left out.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn counter_used(&self, domain: DomainId, part: [u8; 16]) -> Result<u64, StoreError> {
        let used = move |transaction: &Transaction<'_>, at: At| {
            let sql =
                "SELECT next FROM counters WHERE namespace = ?1 AND domain = ?2 AND part = ?3";
            let row = transaction.first(sql, params![at.namespace, at.domain, &part])?;
            row.map_or(Ok(0), |row| row.get(0))
        };
        self.look_at_tokens(domain, Lane::Gets, used).await
    }

    /// Moves the counters of a domain, every one of them, new ones too, `skip` numbers
    /// further on, and lets them go on if they wait after a restore. `skip` is at least
    /// what was taken of any since the backup: a number that came twice would give one
    /// token to two values. Asked again, it moves them again. Whether the domain waited.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn counters_resume(&self, domain: DomainId, skip: u64) -> Result<bool, StoreError> {
        let skip = i64::try_from(skip).unwrap_or(i64::MAX).min(MOST_SKIPPED);
        let resume = move |transaction: &Transaction<'_>, at: At| {
            let held = floor_row(transaction, at)?;
            // A sum that does not fit is as good as the end of every counter.
            let others = "UPDATE counters
                 SET next = CASE WHEN next > 9223372036854775807 - ?4 THEN 9223372036854775807 ELSE next + ?4 END
                 WHERE namespace = ?1 AND domain = ?2 AND part <> ?3";
            let row = params![at.namespace, at.domain, &FLOOR, skip];
            transaction.execute(others, row)?;
            let before = if held < 0 { -1 - held } else { held };
            let floor = before.saturating_add(skip);
            let own = "INSERT INTO counters (namespace, domain, part, next) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (namespace, domain, part) DO UPDATE SET next = excluded.next";
            transaction.execute(own, params![at.namespace, at.domain, &FLOOR, floor])?;
            Ok(Ok(held < 0))
        };
        self.change_tokens(domain, 1, resume).await
    }

    /// The domains whose counters wait after a restore, for [`Store::counters_resume`].
    /// Domains without counters are among them.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn counters_waiting(&self) -> Result<Vec<DomainId>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| {
            let sql = "SELECT domains.id FROM counters
                 JOIN domains ON domains.number = counters.domain
                 WHERE counters.namespace = ?1 AND counters.part = ?2 AND counters.next < 0
                 ORDER BY domains.id";
            let rows = transaction.query(sql, params![hierarchy.namespace, &FLOOR])?;
            rows.iter().map(|row| Ok(DomainId::from_bytes(row.get(0)?))).collect()
        })
    }
}

/// Records that the numbers taken since a backup are not known, in any domain.
pub(crate) fn forget(transaction: &Transaction<'_>, namespace: i64) -> Result<(), StoreError> {
    let numbers =
        transaction.query("SELECT number FROM domains WHERE namespace = ?1", params![namespace])?;
    for number in numbers {
        let number: i64 = number.get(0)?;
        // It may have been restored before, and have gone on since.
        let put = "INSERT INTO counters (namespace, domain, part, next) VALUES (?1, ?2, ?3, -1)
             ON CONFLICT (namespace, domain, part) DO UPDATE
             SET next = CASE WHEN counters.next < 0 THEN counters.next ELSE -1 - counters.next END";
        transaction.execute(put, params![namespace, number, &FLOOR])?;
    }
    Ok(())
}

/// Where new counters begin; `None` while nobody knows.
fn floor(transaction: &Transaction<'_>, at: At) -> Result<Option<i64>, StoreError> {
    let floor = floor_row(transaction, at)?;
    Ok((floor >= 0).then_some(floor))
}

/// What the row of the floor holds, 0 where there is none.
fn floor_row(transaction: &Transaction<'_>, at: At) -> Result<i64, StoreError> {
    let sql = "SELECT next FROM counters WHERE namespace = ?1 AND domain = ?2 AND part = ?3";
    let row = transaction.first(sql, params![at.namespace, at.domain, &FLOOR])?;
    row.map_or(Ok(0), |row| row.get(0))
}
