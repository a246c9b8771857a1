use std::time::SystemTime;

use allonym_keyring::DomainId;

use super::{At, Fence, LARGEST_BATCH, TokenRow, Touch, check_meta};
use crate::leases::{self, Lease};
use crate::sql::{Row, Transaction, params};
use crate::sqlite::Lane;
use crate::store::to_millis;
use crate::{Store, StoreError};

/// Sizes are read before the rows are: neither database reads what is sealed for them.
const SIZES: &str =
    "SELECT token, CAST(length(sealed) + coalesce(length(meta), 0) AS BIGINT) FROM tokens
     WHERE namespace = ?1 AND domain = ?2 AND token <> '' AND token > ?3
     ORDER BY token LIMIT ?4";
const SIZES_BEFORE: &str =
    "SELECT token, CAST(length(sealed) + coalesce(length(meta), 0) AS BIGINT) FROM tokens
     WHERE namespace = ?1 AND domain = ?2 AND token <> '' AND token > ?3 AND token < ?5
     ORDER BY token LIMIT ?4";
const PAGE: &str =
    "SELECT lookup, token, version, sealed, created, expires, disabled, subject, meta FROM tokens
     WHERE namespace = ?1 AND domain = ?2 AND token > ?3 AND token <= ?4
     ORDER BY token";
/// Most bytes of what is sealed in a page of more than one row.
pub(super) const PAGE_BYTES: i64 = 8 << 20;
/// What is deleted is chosen first, and must still be so when it is: another node may
/// change it in between.
const DELETE_SUBJECT: &str = "DELETE FROM tokens WHERE subject = ?3 AND id IN
     (SELECT id FROM tokens WHERE namespace = ?1 AND domain = ?2 AND subject = ?3 LIMIT ?4)
     RETURNING token";
const TIDY: &str = "DELETE FROM tokens WHERE expires <= ?3 AND id IN
     (SELECT id FROM tokens WHERE namespace = ?1 AND domain = ?2 AND expires <= ?3 LIMIT ?4)";

impl Store {
    /// Switches tokens off or on; on disk when this returns. Says for each whether there
    /// is such a token.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no: then nothing changed.
    pub async fn token_set_disabled(
        &self,
        domain: DomainId,
        tokens: Vec<String>,
        disabled: bool,
    ) -> Result<Vec<bool>, StoreError> {
        self.touch(domain, Touch::Disabled(tokens, disabled)).await
    }

    /// Gives tokens another end, in milliseconds since 1970, or none; on disk when this
    /// returns. Says for each whether there is such a token.
    ///
    /// # Errors
    /// As for [`Store::token_set_disabled`].
    pub async fn token_set_expiry(
        &self,
        domain: DomainId,
        tokens: Vec<String>,
        expires: Option<i64>,
    ) -> Result<Vec<bool>, StoreError> {
        self.touch(domain, Touch::Expiry(tokens, expires)).await
    }

    /// Gives each token other metadata (sealed by the caller), or none; on disk when
    /// this returns. Says for each whether there is such a token. The last one holds
    /// where a token is named twice. A reseal of the row replaces it too.
    ///
    /// # Errors
    /// As for [`Store::token_set_disabled`]; when a length is out of bounds.
    pub async fn token_set_meta(
        &self,
        domain: DomainId,
        metas: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<Vec<bool>, StoreError> {
        metas.iter().try_for_each(|(_, meta)| check_meta(meta.as_deref()))?;
        self.touch(domain, Touch::Meta(metas)).await
    }

    /// Deletes tokens with their values; on disk when this returns. Says for each
    /// whether there was such a token.
    ///
    /// # Errors
    /// As for [`Store::token_set_disabled`].
    pub async fn token_delete(
        &self,
        domain: DomainId,
        tokens: Vec<String>,
    ) -> Result<Vec<bool>, StoreError> {
        self.touch(domain, Touch::Delete(tokens)).await
    }

    /// Deletes up to [`Store::LARGEST_BATCH`] tokens about this subject, with their
    /// values, in one transaction; on disk when this returns. Returns the tokens,
    /// sorted. Call it until nothing comes back: only then are there none.
    ///
    /// # Errors
    /// As for [`Store::token_set_disabled`].
    pub async fn token_delete_subject(
        &self,
        domain: DomainId,
        subject: [u8; 16],
    ) -> Result<Vec<String>, StoreError> {
        let delete = move |transaction: &Transaction<'_>, at: At| {
            let of = params![at.namespace, at.domain, &subject, rows(LARGEST_BATCH)];
            let deleted = transaction.query(DELETE_SUBJECT, of)?;
            let mut tokens: Vec<String> =
                deleted.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
            tokens.sort_unstable();
            Ok(Ok(tokens))
        };
        self.change_tokens(domain, LARGEST_BATCH, delete).await
    }

    /// Deletes up to `limit` tokens that ended by `now`; returns how many.
    ///
    /// # Errors
    /// As for [`Store::token_set_disabled`].
    pub async fn token_tidy(
        &self,
        domain: DomainId,
        now: SystemTime,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.tidy(domain, now, limit, None).await
    }

    /// Does what [`Store::token_tidy`] does if nobody took the lease since, and nothing
    /// otherwise.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and as for [`Store::token_set_disabled`].
    pub async fn token_tidy_fenced(
        &self,
        domain: DomainId,
        now: SystemTime,
        limit: usize,
        lease: &Lease,
    ) -> Result<usize, StoreError> {
        self.tidy(domain, now, limit, Some(lease.clone())).await
    }

    /// Up to `limit` rows in the order of their tokens' bytes, after this token or from
    /// the first: fewer where 8 MiB are sealed in fewer. Only after an empty page there
    /// are no more.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_page(
        &self,
        domain: DomainId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<TokenRow>, StoreError> {
        self.page(domain, after, None, limit).await
    }

    /// Does what [`Store::token_page`] does, up to the last row before this token.
    ///
    /// # Errors
    /// As for [`Store::token_page`].
    pub async fn token_page_before(
        &self,
        domain: DomainId,
        after: Option<String>,
        before: String,
        limit: usize,
    ) -> Result<Vec<TokenRow>, StoreError> {
        self.page(domain, after, Some(before), limit).await
    }

    async fn page(
        &self,
        domain: DomainId,
        after: Option<String>,
        before: Option<String>,
        limit: usize,
    ) -> Result<Vec<TokenRow>, StoreError> {
        let limit = rows(limit.clamp(1, LARGEST_BATCH));
        // No token is empty, nor does one hold a NUL: what follows it makes no difference.
        let bare = |token: String| token.split('\0').next().unwrap_or_default().to_owned();
        let (after, before) = (after.map(bare).unwrap_or_default(), before.map(bare));
        let page = move |transaction: &Transaction<'_>, at: At| {
            let sizes = match &before {
                None => transaction.query(SIZES, params![at.namespace, at.domain, &after, limit]),
                Some(before) => {
                    let of = params![at.namespace, at.domain, &after, limit, before];
                    transaction.query(SIZES_BEFORE, of)
                }
            }?;
            let Some(last) = fitting(&sizes, &mut PAGE_BYTES.clone(), true)?.last() else {
                return Ok(Vec::new());
            };
            let last: String = last.get(0)?;
            let rows = transaction.query(PAGE, params![at.namespace, at.domain, &after, &last])?;
            rows.iter().map(TokenRow::from_row).collect()
        };
        self.look_at_tokens(domain, Lane::Scans, page).await
    }

    async fn tidy(
        &self,
        domain: DomainId,
        now: SystemTime,
        limit: usize,
        fence: Fence,
    ) -> Result<usize, StoreError> {
        let (now, limit) = (to_millis(now), limit.min(LARGEST_BATCH));
        let tidy = move |transaction: &Transaction<'_>, at: At| {
            if let Some(lease) = &fence
                && !leases::is_held(transaction, at.namespace, lease)?
            {
                return Ok(Err(StoreError::LeaseLost(lease.name.clone())));
            }
            let of = params![at.namespace, at.domain, now, rows(limit)];
            let deleted = transaction.execute(TIDY, of)?;
            Ok(Ok(usize::try_from(deleted).unwrap_or(usize::MAX)))
        };
        self.change_tokens(domain, limit, tidy).await
    }
}

/// The rows that fit where so many bytes are left, out of rows with their sizes second;
/// in an empty page the first does, whatever its size.
pub(super) fn fitting<'r>(
    sizes: &'r [Row],
    left: &mut i64,
    is_empty: bool,
) -> Result<&'r [Row], StoreError> {
    for (at, row) in sizes.iter().enumerate() {
        let size: i64 = row.get(1)?;
        if size > *left && !(is_empty && at == 0) {
            return Ok(sizes.get(..at).unwrap_or_default());
        }
        *left = left.saturating_sub(size);
    }
    Ok(sizes)
}

fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
