use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use allonym_keyring::{DomainId, KeyVersion, Keyring};
use allonym_protect::{Candidate, TokenDomain, TokenError, TokenStore};
use allonym_store::{PutOutcome, Store, StoreError, TokenRow};
use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::sealing::{Lookup, Sealer};

/// How many rows go to the store at a time.
const ROWS: usize = 8192;

/// Vaulted tokens in the store.
pub struct VaultStore {
    store: Store,
    /// The look-up key of each domain used so far, with the specification it is for.
    lookups: RwLock<HashMap<DomainId, Known>>,
}

#[derive(Clone)]
struct Known {
    specification: [u8; 32],
    lookup: Arc<Lookup>,
}

impl VaultStore {
    /// Keeps tokens in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, lookups: RwLock::default() }
    }

    /// The look-up key of a domain, which its secret is asked for once.
    fn lookup(&self, domain: &TokenDomain) -> Result<Arc<Lookup>, TokenError> {
        let id = domain.domain.id;
        let known = self.lookups.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(known) = known
            && known.specification == domain.specification
        {
            return Ok(known.lookup);
        }
        let secret = self.store.domain_secret(id).map_err(store_failed)?;
        let lookup = Arc::new(Lookup::new(domain, &secret)?);
        let known = Known { specification: domain.specification, lookup: Arc::clone(&lookup) };
        self.lookups.write().unwrap_or_else(PoisonError::into_inner).insert(id, known);
        Ok(lookup)
    }

    /// At most [`ROWS`] candidates.
    async fn tokens(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        batch: &[Candidate],
        insert: bool,
    ) -> Result<Vec<Option<String>>, TokenError> {
        let lookup = self.lookup(domain)?;
        let found_by = batch
            .iter()
            .map(|candidate| candidate.lookup.as_ref().map(|value| lookup.of(value)).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let mut tokens = self.known(domain, &lookup, &found_by).await?;
        let missing = || batch.iter().zip(&found_by).zip(&tokens);
        if !insert || missing().all(|(_, token)| token.is_some()) {
            return Ok(tokens);
        }
        let sealer = Sealer::new(domain, keys, keys.active(domain.domain.key)?)?;
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let created = i64::try_from(since).unwrap_or(i64::MAX);
        let mut rows = Vec::new();
        for ((candidate, found_by), _) in missing().filter(|(_, token)| token.is_none()) {
            let token = candidate.token.clone();
            let sealed = sealer.seal(&lookup, *found_by, &token, &candidate.value)?;
            let version = sealer.version().number();
            rows.push(TokenRow {
                lookup: *found_by,
                token,
                version,
                sealed,
                created,
                ..TokenRow::default()
            });
        }
        let put = self.store.token_put(domain.domain.id, rows, now).await.map_err(store_failed)?;
        let mut put = put.into_iter();
        for (candidate, token) in batch.iter().zip(&mut tokens).filter(|(_, token)| token.is_none())
        {
            *token = Some(match put.next() {
                Some(PutOutcome::Inserted) => candidate.token.clone(),
                // Another was quicker, or the value is in the batch twice.
                Some(PutOutcome::Existing(row)) => bound(&lookup, row)?,
                Some(PutOutcome::TokenTaken) => return Err(TokenError::Taken),
                None => return Err(store_failed(StoreError::Altered("tokens"))),
            });
        }
        Ok(tokens)
    }

    /// The stored tokens; none where there is no look-up.
    async fn known(
        &self,
        domain: &TokenDomain,
        lookup: &Lookup,
        found_by: &[Option<[u8; 16]>],
    ) -> Result<Vec<Option<String>>, TokenError> {
        let asked: Vec<[u8; 16]> = found_by.iter().flatten().copied().collect();
        if asked.is_empty() {
            return Ok(vec![None; found_by.len()]);
        }
        let rows = self.store.token_by_lookup(domain.domain.id, asked).await;
        let mut rows = rows.map_err(store_failed)?.into_iter();
        let find = |found_by: &Option<[u8; 16]>| {
            let row = found_by.and_then(|_| rows.next().flatten());
            row.map(|row| bound(lookup, row)).transpose()
        };
        found_by.iter().map(find).collect()
    }

    /// At most [`ROWS`] tokens.
    async fn values(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, TokenError> {
        let asked = tokens.iter().map(|token| (*token).to_owned()).collect();
        let rows = self.store.token_by_token(domain.domain.id, asked).await;
        let rows = rows.map_err(store_failed)?;
        if rows.len() != tokens.len() {
            return Err(TokenError::Altered);
        }
        let mut sealers = Sealers { domain, keys, made: BTreeMap::new() };
        let open = |(token, row): (&&str, Option<TokenRow>)| {
            // Bound to the token that was asked for, whatever the row calls itself.
            row.map(|row| sealers.of(row.version)?.open(token, &row.sealed)).transpose()
        };
        tokens.iter().zip(rows).map(open).collect()
    }
}

/// The sealers a batch needs: one for each key version in it.
struct Sealers<'a> {
    domain: &'a TokenDomain,
    keys: &'a dyn Keyring,
    made: BTreeMap<u32, Sealer<'a>>,
}

impl<'a> Sealers<'a> {
    fn of(&mut self, version: u32) -> Result<&Sealer<'a>, TokenError> {
        use std::collections::btree_map::Entry;
        match self.made.entry(version) {
            Entry::Occupied(made) => Ok(made.into_mut()),
            Entry::Vacant(room) => {
                let version = KeyVersion::new(version).ok_or(TokenError::Altered)?;
                Ok(room.insert(Sealer::new(self.domain, self.keys, version)?))
            }
        }
    }
}

#[async_trait]
impl TokenStore for VaultStore {
    async fn tokens_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        batch: Vec<Candidate>,
        insert: bool,
    ) -> Result<Vec<Option<String>>, TokenError> {
        let mut tokens = Vec::with_capacity(batch.len());
        for part in batch.chunks(ROWS) {
            tokens.extend(self.tokens(domain, keys, part, insert).await?);
        }
        Ok(tokens)
    }

    async fn values_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, TokenError> {
        let mut values = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(ROWS) {
            values.extend(self.values(domain, keys, part).await?);
        }
        Ok(values)
    }

    /// Rows that another reseals at the same time count too.
    async fn reseal(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        limit: usize,
    ) -> Result<usize, TokenError> {
        let id = domain.domain.id;
        let active = keys.active(domain.domain.key)?;
        let limit = limit.clamp(1, ROWS);
        let rows = self.store.token_scan_below(id, active.number(), limit).await;
        let rows = rows.map_err(store_failed)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let lookup = self.lookup(domain)?;
        let new = Sealer::new(domain, keys, active)?;
        let mut sealers = Sealers { domain, keys, made: BTreeMap::new() };
        let mut resealed = Vec::with_capacity(rows.len());
        for row in rows {
            lookup.holds(row.lookup, &row.token, &row.sealed)?;
            let value = sealers.of(row.version)?.open(&row.token, &row.sealed)?;
            let sealed = new.seal(&lookup, row.lookup, &row.token, &value)?;
            resealed.push((row.version, TokenRow { version: active.number(), sealed, ..row }));
        }
        let count = resealed.len();
        self.store.token_reseal(id, resealed).await.map_err(store_failed)?;
        Ok(count)
    }
}

/// The token of a row that was found by its look-up, if the two were stored together.
fn bound(lookup: &Lookup, row: TokenRow) -> Result<String, TokenError> {
    lookup.holds(row.lookup, &row.token, &row.sealed)?;
    Ok(row.token)
}

fn store_failed(error: StoreError) -> TokenError {
    match error {
        StoreError::Altered(_) => TokenError::Altered,
        other => TokenError::Unavailable(other.to_string()),
    }
}
