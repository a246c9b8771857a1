use std::time::{Duration, SystemTime};

use crate::keys::check_name;
use crate::sql::{Transaction, params};
use crate::store::to_millis;
use crate::{Store, StoreError};

/// That a job is one's own for a while. What is written with it carries its fence, so
/// that whoever was overtaken writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What was leased.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Higher than that of every earlier lease of this name.
    pub fence: u64,
    /// Until when, in milliseconds since 1970: by the clock of the PostgreSQL server, or
    /// by the caller's where the store is a file.
    pub until: i64,
}

impl Store {
    /// Takes the lease of this name if nobody holds it, or whoever held it let its time
    /// run out; none if somebody does. A holder that asks again while it holds the lease
    /// gets it anew, with a higher fence. Time is that of the database server where there
    /// is one, and `now` then counts for nothing.
    ///
    /// # Errors
    /// When a name is empty or too long, or the disk says no.
    pub fn lease_acquire(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Option<Lease>, StoreError> {
        check_name("the name of a lease", name)?;
        check_name("the holder of a lease", holder)?;
        let namespace = self.inner.hierarchy.namespace;
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        self.change(|transaction| {
            let now = transaction.now(to_millis(now))?;
            let found = transaction.first(
                "SELECT holder, fence, until FROM leases WHERE namespace = ?1 AND name = ?2",
                params![namespace, name],
            )?;
            let mut fence = 0_i64;
            if let Some(row) = found {
                let (other, until): (String, i64) = (row.get(0)?, row.get(2)?);
                if other != holder && until > now {
                    return Ok(None);
                }
                fence = row.get(1)?;
            }
            let (fence, until) = (fence.saturating_add(1), now.saturating_add(ttl));
            transaction.execute(
                "INSERT INTO leases (namespace, name, holder, fence, until)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (namespace, name) DO UPDATE
                 SET holder = excluded.holder, fence = excluded.fence, until = excluded.until",
                params![namespace, name, holder, fence, until],
            )?;
            let fence = u64::try_from(fence).map_err(|_| StoreError::Altered("leases"))?;
            let (name, holder) = (name.to_owned(), holder.to_owned());
            Ok(Some(Lease { name, holder, fence, until }))
        })
    }

    /// Holds a lease for so long from now. None if it is held no more: then what it was
    /// for has to stop. A lease whose time ran out is renewed if nobody took it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn lease_renew(
        &self,
        lease: &Lease,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Option<Lease>, StoreError> {
        let namespace = self.inner.hierarchy.namespace;
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        self.change(|transaction| {
            if !is_held(transaction, namespace, lease)? {
                return Ok(None);
            }
            let until = transaction.now(to_millis(now))?.saturating_add(ttl);
            transaction.execute(
                "UPDATE leases SET until = ?3 WHERE namespace = ?1 AND name = ?2",
                params![namespace, &lease.name, until],
            )?;
            Ok(Some(Lease { until, ..lease.clone() }))
        })
    }

    /// Gives a lease back, so that another need not wait. `false` if it was held no
    /// more.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn lease_release(&self, lease: &Lease) -> Result<bool, StoreError> {
        let namespace = self.inner.hierarchy.namespace;
        self.change(|transaction| {
            if !is_held(transaction, namespace, lease)? {
                return Ok(false);
            }
            // The row stays: fences go on from it.
            transaction.execute(
                "UPDATE leases SET holder = '', until = 0 WHERE namespace = ?1 AND name = ?2",
                params![namespace, &lease.name],
            )?;
            Ok(true)
        })
    }

    /// The lease of this name as it was last taken, also where its time ran out since;
    /// none if nobody has it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn lease_found(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let namespace = self.inner.hierarchy.namespace;
        self.look(|transaction| {
            let found = transaction.first(
                "SELECT holder, fence, until FROM leases WHERE namespace = ?1 AND name = ?2",
                params![namespace, name],
            )?;
            let Some(row) = found else { return Ok(None) };
            let holder: String = row.get(0)?;
            let fence: i64 = row.get(1)?;
            let fence = u64::try_from(fence).map_err(|_| StoreError::Altered("leases"))?;
            let lease = Lease { name: name.to_owned(), holder, fence, until: row.get(2)? };
            Ok((!lease.holder.is_empty()).then_some(lease))
        })
    }
}

/// Whether nobody took the lease since, nor was it given back. In the transaction that
/// asks this, nobody takes it before the end.
pub(crate) fn is_held(
    transaction: &Transaction<'_>,
    namespace: i64,
    lease: &Lease,
) -> Result<bool, StoreError> {
    // An update of nothing: PostgreSQL keeps others from the row until the end.
    let fence = i64::try_from(lease.fence).unwrap_or(i64::MAX);
    let held = transaction.execute(
        "UPDATE leases SET fence = fence
         WHERE namespace = ?1 AND name = ?2 AND fence = ?3 AND holder = ?4",
        params![namespace, &lease.name, fence, &lease.holder],
    )?;
    Ok(held == 1)
}
