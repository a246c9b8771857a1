mod claims;
pub(crate) mod counters;
mod row;
mod scan;
mod sqlite;
mod upkeep;

use std::time::SystemTime;

use allonym_keyring::DomainId;

use crate::leases::{self, Lease};
use crate::postgres::Kind;
use crate::sql::{Transaction, params};
use crate::sqlite::Lane;
use crate::store::{Backend, to_millis};
use crate::{Store, StoreError};

pub use claims::SubjectChange;
pub use row::TokenRow;
pub(crate) use scan::Position;

/// Most rows of one request.
const LARGEST_BATCH: usize = 65_536;
pub(crate) const LONGEST_TOKEN: usize = 4096;
const LONGEST_SEALED: usize = 1024 * 1024;

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

/// Namespace and domain, as they are numbered inside the store.
#[derive(Clone, Copy)]
pub(crate) struct At {
    pub(crate) namespace: i64,
    pub(crate) domain: i64,
}

/// The lease that has to be held for a change, if any.
pub(crate) type Fence = Option<Lease>;

/// What is done to tokens by name.
pub(crate) enum Touch {
    Disabled(Vec<String>, bool),
    Expiry(Vec<String>, Option<i64>),
    Meta(Vec<(String, Option<Vec<u8>>)>),
    Delete(Vec<String>),
}

/// What rows are asked for by.
pub(crate) enum Wanted {
    Lookups(Vec<[u8; 16]>),
    Tokens(Vec<String>),
}

impl Store {
    /// The most rows, tokens or look-ups that one call takes, and the most that a call
    /// with a limit gives.
    pub const LARGEST_BATCH: usize = LARGEST_BATCH;

    /// For each row in turn, the row that has its look-up already, or this one if it
    /// could be stored; on disk when this returns. Two rows with the same look-up get
    /// the same token, in whatever batches and from whatever tasks they come. A row
    /// that ended by `now` is replaced by one with the same look-up, and its token is
    /// gone, even where the new one is [`PutOutcome::TokenTaken`]. When most values are
    /// known, ask [`Store::token_by_lookup`] first: it does not wait for the writer.
    ///
    /// # Errors
    /// When the domain is not known, a length is out of bounds, or the disk says no:
    /// then nothing of the batch is stored.
    pub async fn token_put(
        &self,
        domain: DomainId,
        rows: Vec<TokenRow>,
        now: SystemTime,
    ) -> Result<Vec<PutOutcome>, StoreError> {
        self.put(domain, rows, Some(to_millis(now))).await
    }

    /// Like [`Store::token_put`] for rows from elsewhere: nothing is replaced, not even
    /// a row that ended. [`PutOutcome::Existing`] may have the same token or another.
    ///
    /// # Errors
    /// As for [`Store::token_put`].
    pub async fn token_import(
        &self,
        domain: DomainId,
        rows: Vec<TokenRow>,
    ) -> Result<Vec<PutOutcome>, StoreError> {
        self.put(domain, rows, None).await
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
        check_batch(lookups.len())?;
        self.find(domain, Wanted::Lookups(lookups)).await
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
        check_batch(tokens.len())?;
        self.find(domain, Wanted::Tokens(tokens)).await
    }

    /// Replaces version, sealed value and metadata of each row whose version is still
    /// the given one; everything else of it stays. On disk when this returns. Returns
    /// how many were replaced.
    ///
    /// # Errors
    /// As for [`Store::token_put`].
    pub async fn token_reseal(
        &self,
        domain: DomainId,
        rows: Vec<(u32, TokenRow)>,
    ) -> Result<usize, StoreError> {
        self.reseal(domain, rows, None).await
    }

    /// Does what [`Store::token_reseal`] does if nobody took the lease since, and
    /// nothing otherwise.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and as for [`Store::token_put`].
    pub async fn token_reseal_fenced(
        &self,
        domain: DomainId,
        rows: Vec<(u32, TokenRow)>,
        lease: &Lease,
    ) -> Result<usize, StoreError> {
        self.reseal(domain, rows, Some(lease.clone())).await
    }

    /// How many tokens a domain has.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_count(&self, domain: DomainId) -> Result<u64, StoreError> {
        self.token_count_from(domain, "").await
    }

    /// How many tokens a domain has from this one on, in the order of their bytes.
    ///
    /// # Errors
    /// When the domain is not known, or the disk says no.
    pub async fn token_count_from(&self, domain: DomainId, from: &str) -> Result<u64, StoreError> {
        let from = from.to_owned();
        let count = move |transaction: &Transaction<'_>, at: At| {
            let sql = "SELECT count(*) FROM tokens
                 WHERE namespace = ?1 AND domain = ?2 AND token >= ?3";
            let row = transaction.first(sql, params![at.namespace, at.domain, &from])?;
            row.map_or(Ok(0), |row| row.get(0))
        };
        self.look_at_tokens(domain, Lane::Scans, count).await
    }

    async fn put(
        &self,
        domain: DomainId,
        rows: Vec<TokenRow>,
        now: Option<i64>,
    ) -> Result<Vec<PutOutcome>, StoreError> {
        let at = self.at(domain).await?;
        check_batch(rows.len())?;
        rows.iter().try_for_each(check_row)?;
        let sqlite = match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Postgres(postgres) => return postgres.put(at, domain, rows, now).await,
        };
        let count = rows.len();
        let put = move |transaction: &rusqlite::Transaction<'_>| {
            let gone = sqlite::gone(transaction, at, rows.iter().map(|row| row.version))?;
            match gone {
                Some(version) => Ok(Err(StoreError::VersionGone { domain, version })),
                None => sqlite::put(transaction, at, &rows, now).map(Ok),
            }
        };
        sqlite.workers()?.write(count, put).await?
    }

    async fn find(
        &self,
        domain: DomainId,
        wanted: Wanted,
    ) -> Result<Vec<Option<TokenRow>>, StoreError> {
        let at = self.at(domain).await?;
        let sqlite = match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Postgres(postgres) => return postgres.find(at, wanted).await,
        };
        let find =
            move |transaction: &rusqlite::Transaction<'_>| sqlite::find(transaction, at, &wanted);
        sqlite.workers()?.read(Lane::Gets, find).await
    }

    /// Changes or deletes tokens by name.
    async fn touch(&self, domain: DomainId, touch: Touch) -> Result<Vec<bool>, StoreError> {
        check_batch(touch.len())?;
        let at = self.at(domain).await?;
        let sqlite = match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Postgres(postgres) => return postgres.touch(at, touch).await,
        };
        let count = touch.len();
        let work =
            move |transaction: &rusqlite::Transaction<'_>| sqlite::touch(transaction, at, &touch);
        sqlite.workers()?.write(count, work).await
    }

    async fn reseal(
        &self,
        domain: DomainId,
        rows: Vec<(u32, TokenRow)>,
        fence: Fence,
    ) -> Result<usize, StoreError> {
        let at = self.at(domain).await?;
        check_batch(rows.len())?;
        rows.iter().try_for_each(|(_, row)| check_row(row))?;
        let sqlite = match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Postgres(postgres) => return postgres.reseal(at, domain, rows, fence).await,
        };
        let count = rows.len();
        let reseal = move |transaction: &rusqlite::Transaction<'_>| {
            if let Some(lease) = &fence
                && !leases::is_held(&Transaction::Sqlite(transaction), at.namespace, lease)?
            {
                return Ok(Err(StoreError::LeaseLost(lease.name.clone())));
            }
            let gone = sqlite::gone(transaction, at, rows.iter().map(|(_, row)| row.version))?;
            match gone {
                Some(version) => Ok(Err(StoreError::VersionGone { domain, version })),
                None => sqlite::reseal(transaction, at, &rows).map(Ok),
            }
        };
        sqlite.workers()?.write(count, reseal).await?
    }

    /// Changes tokens by statements that every database understands. An error is one of
    /// the database and undoes what was to be committed together; a refusal of this
    /// request alone is the inner one.
    async fn change_tokens<T: Send + 'static>(
        &self,
        domain: DomainId,
        rows: usize,
        work: impl Fn(&Transaction<'_>, At) -> Result<Result<T, StoreError>, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let at = self.at(domain).await?;
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.workers()?.write(rows, in_file(work, at)).await?,
            Backend::Postgres(postgres) => {
                let work = move |transaction: &Transaction<'_>| work(transaction, at)?;
                postgres.transact_apart(Kind::Tokens, work).await
            }
        }
    }

    /// Looks at tokens by statements that every database understands, in one snapshot.
    async fn look_at_tokens<T: Send + 'static>(
        &self,
        domain: DomainId,
        lane: Lane,
        work: impl Fn(&Transaction<'_>, At) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let at = self.at(domain).await?;
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.workers()?.read(lane, in_file(work, at)).await,
            Backend::Postgres(postgres) => {
                let work = move |transaction: &Transaction<'_>| work(transaction, at);
                postgres.transact_apart(Kind::Look, work).await
            }
        }
    }

    /// Namespace and domain, as they are numbered inside the store.
    async fn at(&self, domain: DomainId) -> Result<At, StoreError> {
        let namespace = self.inner.hierarchy.namespace;
        if let Some(domain) = self.number(domain) {
            return Ok(At { namespace, domain });
        }
        // Another node may have made it.
        if let Backend::Postgres(postgres) = &self.inner.backend
            && let Some(number) = postgres.number(namespace, domain).await?
        {
            self.know(domain, number);
            return Ok(At { namespace, domain: number });
        }
        Err(StoreError::UnknownDomain(domain))
    }
}

impl Touch {
    fn len(&self) -> usize {
        match self {
            Self::Disabled(tokens, _) | Self::Expiry(tokens, _) | Self::Delete(tokens) => {
                tokens.len()
            }
            Self::Meta(metas) => metas.len(),
        }
    }
}

/// The same work, for a store in a file.
fn in_file<T>(
    work: impl Fn(&Transaction<'_>, At) -> T,
    at: At,
) -> impl Fn(&rusqlite::Transaction<'_>) -> T {
    move |transaction| work(&Transaction::Sqlite(transaction), at)
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
    if row.token.contains('\0') {
        return Err(StoreError::Nul("a token"));
    }
    if row.sealed.is_empty() || row.sealed.len() > LONGEST_SEALED {
        return Err(StoreError::Length { what: "a sealed value", limit: LONGEST_SEALED });
    }
    check_meta(row.meta.as_deref())
}

fn check_meta(meta: Option<&[u8]>) -> Result<(), StoreError> {
    if meta.is_some_and(|meta| meta.is_empty() || meta.len() > LONGEST_SEALED) {
        return Err(StoreError::Length { what: "sealed metadata", limit: LONGEST_SEALED });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use std::path::Path;

    use allonym_keyring::KeyId;
    use allonym_seal::{FileSeal, Seal};

    use super::*;

    /// A new store in a folder, with what opens it, and a domain for tokens.
    pub(super) struct Made {
        pub(super) store: Store,
        pub(super) seals: Vec<Box<dyn Seal>>,
        pub(super) key: KeyId,
        pub(super) domain: DomainId,
    }

    impl Made {
        pub(super) fn new(folder: &Path, now: SystemTime) -> Self {
            let seals: Vec<Box<dyn Seal>> =
                vec![Box::new(FileSeal::create(folder.join("seal.key")).unwrap())];
            let store = Store::open(&folder.join("store.db"), &seals, now).unwrap();
            let key = store.ensure_key("contact", None, now).unwrap();
            let domain = store.put_domain("email", "{}", key).unwrap();
            Self { store, seals, key, domain }
        }
    }

    fn row(number: u32) -> TokenRow {
        let mut lookup = [0; 16];
        lookup[..4].copy_from_slice(&number.to_be_bytes());
        let token = format!("token {number}");
        let sealed = vec![7; 2000];
        TokenRow { lookup: Some(lookup), token, version: 1, sealed, ..TokenRow::default() }
    }

    /// Stops and restores the disk by what SQLite says when one is full or read-only.
    #[tokio::test]
    async fn a_disk_that_says_no_loses_nothing_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let now = SystemTime::now();
        let Made { store, seals, domain, .. } = Made::new(folder.path(), now);
        store.token_put(domain, vec![row(0)], now).await.unwrap();
        let Backend::Sqlite(sqlite) = &store.inner.backend else { panic!("not in a file") };
        let pragma = |name: &str, value: i64| {
            let connection = sqlite.turn().unwrap();
            let set = connection.pragma_update_and_check(None, name, value, |row| row.get(0));
            set.or_else(|_| connection.pragma_update(None, name, value).map(|()| 0_i64)).unwrap()
        };
        let pages: i64 = {
            let connection = sqlite.turn().unwrap();
            connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap()
        };
        let mut next = 1;
        for (name, broken, whole) in
            [("max_page_count", pages, i64::from(i32::MAX)), ("query_only", 1, 0)]
        {
            pragma(name, broken);
            let batch: Vec<_> = (next..next + 100).map(row).collect();
            let refused = store.token_put(domain, batch.clone(), now).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
            let refused = store.put_setting("large", &[0; 500_000]);
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{name}: {refused:?}");
            let found = store.token_by_token(domain, vec![row(0).token]).await;
            assert_eq!(found, Ok(vec![Some(row(0))]), "reading goes on");
            assert_eq!(store.token_count(domain).await, Ok(u64::from(next)), "all or nothing");
            pragma(name, whole);
            let outcomes = store.token_put(domain, batch, now).await.unwrap();
            assert!(outcomes.iter().all(|outcome| *outcome == PutOutcome::Inserted));
            next += 100;
        }
        drop(store);
        let store = Store::open(&path, &seals, now).unwrap();
        assert_eq!(store.token_count(domain).await, Ok(201));
    }

    /// A refused request in a group leaves the others alone.
    #[tokio::test]
    async fn a_refusal_is_of_one_request_only() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let Made { store, domain, .. } = Made::new(folder.path(), now);
        let put = |number, version| {
            store.token_put(domain, vec![TokenRow { version, ..row(number) }], now)
        };
        // While the turn is held the requests wait and are taken together.
        let Backend::Sqlite(sqlite) = &store.inner.backend else { panic!("not in a file") };
        let turn = sqlite.turn().unwrap();
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
