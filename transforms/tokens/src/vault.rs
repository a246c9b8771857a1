use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use allonym_keyring::{DomainId, KeyVersion, Keyring, Purpose, Secret};
use allonym_protect::{
    Candidate, Found, Issue, Issued, Numbers, TokenDomain, TokenError, TokenStore,
};
use allonym_store::{Lease, PutOutcome, Store, StoreError, TokenRow};
use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::cache::{Cache, CacheCounts, KnownToken, KnownValue, Moment};
use crate::claims::{Claim, is_claim, spent_of};
use crate::counters::{Counters, Pressure};
use crate::domains::{Domains, Known};
use crate::outages::{Outage, Outages};
use crate::rounds::note_stored;
use crate::sealing::{Lookup, Sealer, fixed_key, subject_hash};
use crate::settings::Settings;

/// How many rows go to the store at a time.
pub(crate) const ROWS: usize = 8192;
/// How often a batch is begun anew because tokens it found were deleted meanwhile.
pub(crate) const ROUNDS: usize = 8;

/// Vaulted tokens in the store.
pub struct VaultStore {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) domains: Domains,
    pub(crate) cache: Cache,
    counters: Counters,
    pub(crate) outages: Outages,
}

/// One batch of values that want tokens.
struct Batch<'a> {
    domain: &'a TokenDomain,
    known: &'a Known,
    keys: &'a dyn Keyring,
    candidates: &'a [Candidate],
    /// What each is found by.
    found_by: Vec<Option<[u8; 16]>>,
    insert: bool,
    ttl: Option<Duration>,
    subject: Option<[u8; 16]>,
    /// Candidates that were stored before the batch was begun anew.
    stored: HashSet<String>,
    now: i64,
    moment: Moment,
}

impl VaultStore {
    /// Keeps tokens in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with(store, Settings::default())
    }

    /// Keeps tokens in this store, in this way.
    #[must_use]
    pub fn with(store: Store, settings: Settings) -> Self {
        let cache = Cache::new(settings.cache);
        let (domains, counters) = (Domains::default(), Counters::default());
        Self { store, settings, domains, cache, counters, outages: Outages::default() }
    }

    /// How often the memory in front of the store had what was asked for.
    #[must_use]
    pub fn cache_counts(&self) -> CacheCounts {
        self.cache.counts()
    }

    /// How often the store failed whoever asked for tokens or values, or a reseal or a
    /// tidying, and how it did last: nobody else is told.
    #[must_use]
    pub fn outage(&self) -> Outage {
        self.outages.so_far()
    }

    /// The counters of format-preserving tokens of which four fifths are used, as far
    /// as this process took numbers from them; in no order.
    #[must_use]
    pub fn pressure(&self) -> Vec<Pressure> {
        self.counters.pressure()
    }

    /// Does what [`TokenStore::reseal`] does, under a lease if one is given: nothing is
    /// resealed once another has taken it.
    ///
    /// # Errors
    /// As for [`TokenStore::reseal`]; when the lease is lost.
    pub async fn reseal_under(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        limit: usize,
        lease: Option<&Lease>,
    ) -> Result<usize, TokenError> {
        self.outages.note_own(self.reseal_some(domain, keys, limit, lease).await)
    }

    async fn reseal_some(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        limit: usize,
        lease: Option<&Lease>,
    ) -> Result<usize, TokenError> {
        let id = domain.domain.id;
        let active = keys.active(domain.domain.key)?;
        let limit = limit.clamp(1, ROWS);
        let rows = self.store.token_scan_below(id, active.number(), limit).await;
        let rows = rows.map_err(store_failed)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let known = self.domains.of(&self.store, domain)?;
        let new = Sealer::new(domain, keys, active)?;
        let mut sealers = Sealers::new(domain, keys);
        let mut resealed = Vec::with_capacity(rows.len());
        for row in rows {
            resealed.push((row.version, reseal_row(&known.lookup, &mut sealers, &new, row)?));
        }
        let tokens: Vec<String> = resealed.iter().map(|(_, row)| row.token.clone()).collect();
        let done = match lease {
            Some(lease) => self.store.token_reseal_fenced(id, resealed, lease).await,
            None => self.store.token_reseal(id, resealed).await,
        };
        done.map_err(store_failed)?;
        self.cache.forget_values(known.number, &tokens);
        Ok(tokens.len())
    }

    /// Moves the counters of a domain `skip` numbers on, and lets them go on if they wait
    /// after a restore; whether they did. What this process holds is left out: it may
    /// have been issued before.
    ///
    /// # Errors
    /// When the store is away, or does not know the domain.
    pub async fn resume(&self, domain: DomainId, skip: u64) -> Result<bool, TokenError> {
        self.counters.forget(domain);
        let resumed = self.store.counters_resume(domain, skip).await.map_err(store_failed);
        self.counters.forget(domain);
        resumed
    }

    async fn issue(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        batch: &[Candidate],
        issue: Issue<'_>,
    ) -> Result<Vec<Issued>, TokenError> {
        let known = self.domains.of(&self.store, domain)?;
        let owner = issue.owner.map(|owner| subject_hash(&known.subject, owner));
        let subject = owner.transpose()?;
        let mut tokens = Vec::with_capacity(batch.len());
        for part in batch.chunks(ROWS) {
            let hash = |candidate: &Candidate| {
                candidate.lookup.as_ref().map(|value| known.lookup.of(value)).transpose()
            };
            let mut batch = Batch {
                domain,
                known: &known,
                keys,
                candidates: part,
                found_by: part.iter().map(hash).collect::<Result<_, _>>()?,
                insert: issue.insert,
                ttl: issue.ttl,
                subject,
                stored: HashSet::new(),
                now: 0,
                moment: self.cache.moment(),
            };
            let mut round = 0;
            tokens.extend(loop {
                (batch.now, batch.moment) = (self.settings.now(), self.cache.moment());
                match self.tokens(&mut batch).await? {
                    Some(issued) => break issued,
                    None if round < ROUNDS => round += 1,
                    None => return Err(TokenError::Unavailable("its tokens change".into())),
                }
            });
        }
        Ok(tokens)
    }

    /// The tokens of a batch; none if some that were found are gone again.
    async fn tokens(&self, batch: &mut Batch<'_>) -> Result<Option<Vec<Issued>>, TokenError> {
        let mut issued = self.remembered(batch);
        let mut claims = Vec::new();
        self.look_up(batch, &mut issued, &mut claims).await?;
        if batch.insert {
            self.insert(batch, &mut issued, &mut claims).await?;
            // A batch that names nobody is never begun anew.
            if batch.subject.is_some() {
                batch.note_stored(&issued)?;
            }
        }
        if !self.claim((batch.domain, batch.keys), claims).await? {
            return Ok(None);
        }
        Ok(Some(issued.into_iter().map(|issued| issued.unwrap_or(Issued::Absent)).collect()))
    }

    /// What the cache knows, where the subject is known to be the token's own too. A
    /// token that another node deleted a moment ago may be searched for, but a value
    /// must not be given it: it would be lost.
    fn remembered(&self, batch: &Batch<'_>) -> Vec<Option<Issued>> {
        if batch.insert && self.store.is_shared() {
            return vec![None; batch.found_by.len()];
        }
        let number = batch.known.number;
        let find = |found_by: &Option<[u8; 16]>| {
            let known = self.cache.token(number, found_by.as_ref()?, batch.now)?;
            (!batch.claims(known.subject)).then_some(Issued::Token(known.token))
        };
        batch.found_by.iter().map(find).collect()
    }

    async fn look_up(
        &self,
        batch: &Batch<'_>,
        issued: &mut [Option<Issued>],
        claims: &mut Vec<Claim>,
    ) -> Result<(), TokenError> {
        let open = batch.found_by.iter().zip(&mut *issued);
        let open = open.filter(|(_, issued)| issued.is_none());
        let (asked, slots): (Vec<[u8; 16]>, Vec<_>) =
            open.filter_map(|(found_by, slot)| Some(((*found_by)?, slot))).unzip();
        if asked.is_empty() {
            return Ok(());
        }
        let rows = self.store.token_by_lookup(batch.domain.domain.id, asked).await;
        for (row, slot) in rows.map_err(store_failed)?.into_iter().zip(slots) {
            if let Some(row) = row {
                *slot = self.existing(batch, row, claims)?;
            }
        }
        Ok(())
    }

    async fn insert(
        &self,
        batch: &Batch<'_>,
        issued: &mut [Option<Issued>],
        claims: &mut Vec<Claim>,
    ) -> Result<(), TokenError> {
        let TokenDomain { domain, .. } = batch.domain;
        let open = batch.candidates.iter().zip(&batch.found_by).zip(issued);
        let open: Vec<_> = open.filter(|(_, issued)| issued.is_none()).collect();
        let open = self.not_spent(batch, open).await?;
        if open.is_empty() {
            return Ok(());
        }
        let sealer = Sealer::new(batch.domain, batch.keys, batch.keys.active(domain.key)?)?;
        let ttl = batch.ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let mut rows = Vec::with_capacity(open.len());
        for ((candidate, found_by), _) in &open {
            let token = candidate.token.clone();
            rows.push(TokenRow {
                lookup: **found_by,
                version: sealer.version().number(),
                sealed: sealer.seal(&batch.known.lookup, **found_by, &token, &candidate.value)?,
                token,
                created: batch.now,
                expires: ttl.map(|ttl| batch.now.saturating_add(ttl)),
                subject: batch.subject,
                ..TokenRow::default()
            });
        }
        let now = (self.settings.clock)();
        let put = self.store.token_put(domain.id, rows, now).await.map_err(store_failed)?;
        if put.len() != open.len() {
            return Err(store_failed(StoreError::Altered("tokens")));
        }
        for (((candidate, _), slot), outcome) in open.into_iter().zip(put) {
            *slot = Some(match outcome {
                PutOutcome::Inserted => Issued::Token(candidate.token.clone()),
                // Another was quicker, or the value is in the batch twice.
                PutOutcome::Existing(row) => {
                    // One that ended since makes way the next time.
                    self.existing(batch, row, claims)?.unwrap_or(Issued::Taken)
                }
                PutOutcome::TokenTaken => Issued::Taken,
            });
        }
        Ok(())
    }

    /// Without those whose token came from elsewhere once: it is taken for good.
    async fn not_spent<'b, 's>(
        &self,
        batch: &Batch<'_>,
        open: Vec<Open<'b, 's>>,
    ) -> Result<Vec<Open<'b, 's>>, TokenError> {
        let spent = |((candidate, _), _): &Open<'_, '_>| spent_of(&candidate.token);
        let asked: Vec<String> = open.iter().filter_map(spent).collect();
        if asked.is_empty() {
            return Ok(open);
        }
        let rows = self.store.token_by_token(batch.domain.domain.id, asked).await;
        let mut rows = rows.map_err(store_failed)?.into_iter();
        let mut left = Vec::with_capacity(open.len());
        for open in open {
            if spent(&open).is_some() && rows.next().flatten().is_some() {
                *open.1 = Some(Issued::Taken);
            } else {
                left.push(open);
            }
        }
        Ok(left)
    }

    /// What the row of a value says; nothing if its time is over.
    fn existing(
        &self,
        batch: &Batch<'_>,
        row: TokenRow,
        claims: &mut Vec<Claim>,
    ) -> Result<Option<Issued>, TokenError> {
        batch.known.lookup.holds(row.lookup, &row.token, &row.sealed)?;
        if row.disabled {
            return Ok(Some(Issued::Disabled));
        }
        if row.ended(batch.now) {
            return Ok(None);
        }
        let TokenRow { token, subject, expires, lookup, .. } = row;
        if batch.claims(subject) {
            claims.push(Claim { token: token.clone(), subject, by: batch.subject });
        } else if let Some(lookup) = lookup {
            let known = KnownToken { token: token.clone(), subject, expires, since: batch.now };
            self.cache.know_token(batch.moment, batch.known.number, &lookup, known);
        }
        Ok(Some(Issued::Token(token)))
    }

    /// At most [`ROWS`] tokens.
    async fn values(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Found>, TokenError> {
        let known = self.domains.of(&self.store, domain)?;
        let (now, moment, key) = (self.settings.now(), self.cache.moment(), domain.domain.key);
        let has = |version| keys.secret(key, version).is_ok();
        let find = |token: &&str| self.cache.value(known.number, token, now, has).map(Found::Value);
        let mut found: Vec<Option<Found>> = tokens.iter().map(find).collect();
        let open = tokens.iter().zip(&mut found).filter(|(_, found)| found.is_none());
        let (asked, slots): (Vec<String>, Vec<_>) =
            open.map(|(token, slot)| ((*token).to_owned(), slot)).unzip();
        let mut sealers = Sealers::new(domain, keys);
        if !asked.is_empty() {
            let rows = self.store.token_by_token(domain.domain.id, asked.clone()).await;
            let rows = rows.map_err(store_failed)?;
            if rows.len() != asked.len() {
                return Err(TokenError::Altered);
            }
            for ((token, row), slot) in asked.iter().zip(rows).zip(slots) {
                *slot = Some(match row {
                    None => Found::Unknown,
                    Some(_) if is_claim(token) => Found::Unknown,
                    Some(row) if row.disabled => Found::Disabled,
                    Some(row) if row.ended(now) => Found::Expired,
                    Some(row) => {
                        // Bound to the token that was asked for, whatever the row calls
                        // itself.
                        let sealer = sealers.of(row.version)?;
                        let value = sealer.open(token, &row.sealed)?;
                        let (version, expires) = (sealer.version(), row.expires);
                        let value_of = value.clone();
                        let open = KnownValue { value: value_of, version, expires, since: now };
                        self.cache.know_value(moment, known.number, token, open);
                        Found::Value(value)
                    }
                });
            }
        }
        Ok(found.into_iter().map(|found| found.unwrap_or(Found::Unknown)).collect())
    }
}

impl Batch<'_> {
    fn note_stored(&mut self, issued: &[Option<Issued>]) -> Result<(), TokenError> {
        note_stored(&mut self.stored, self.candidates, issued)
    }

    /// Whether somebody is named whom the token is not about yet.
    fn claims(&self, subject: Option<[u8; 16]>) -> bool {
        self.insert && self.subject.is_some() && self.subject != subject
    }
}

/// The sealers a batch needs: one for each key version in it.
pub(crate) struct Sealers<'a> {
    domain: &'a TokenDomain,
    keys: &'a dyn Keyring,
    made: BTreeMap<u32, Sealer<'a>>,
}

impl<'a> Sealers<'a> {
    pub(crate) fn new(domain: &'a TokenDomain, keys: &'a dyn Keyring) -> Self {
        Self { domain, keys, made: BTreeMap::new() }
    }

    pub(crate) fn of(&mut self, version: u32) -> Result<&Sealer<'a>, TokenError> {
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
        issue: Issue<'_>,
    ) -> Result<Vec<Issued>, TokenError> {
        self.outages.note(self.issue(domain, keys, &batch, issue).await)
    }

    async fn values_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Found>, TokenError> {
        let mut values = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(ROWS) {
            values.extend(self.outages.note(self.values(domain, keys, part).await)?);
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
        self.reseal_under(domain, keys, limit, None).await
    }

    async fn fixed_key(
        &self,
        domain: &TokenDomain,
        purpose: Purpose,
    ) -> Result<Secret, TokenError> {
        let secret = self.store.domain_secret(domain.domain.id).map_err(store_failed)?;
        Ok(fixed_key(domain, &secret, purpose))
    }

    async fn numbers(
        &self,
        domain: &TokenDomain,
        wanted: &[Numbers],
    ) -> Result<Vec<Vec<u64>>, TokenError> {
        self.outages.note(self.counters.take(&self.store, domain.domain.id, wanted).await)
    }

    fn give_back(&self, domain: &TokenDomain, part: [u8; 16], numbers: Vec<u64>) {
        self.counters.give_back(domain.domain.id, part, numbers);
    }
}

/// A candidate without a token, how it is looked up, and where its outcome goes.
type Open<'b, 's> = ((&'b Candidate, &'b Option<[u8; 16]>), &'s mut Option<Issued>);

/// A row with all that is sealed in it under another version.
pub(crate) fn reseal_row(
    lookup: &Lookup,
    old: &mut Sealers<'_>,
    new: &Sealer<'_>,
    row: TokenRow,
) -> Result<TokenRow, TokenError> {
    lookup.holds(row.lookup, &row.token, &row.sealed)?;
    let old = old.of(row.version)?;
    let value = old.open(&row.token, &row.sealed)?;
    let sealed = new.seal(lookup, row.lookup, &row.token, &value)?;
    let open = |meta: &Vec<u8>| old.open_meta(&row.token, meta);
    let meta: Option<Zeroizing<Vec<u8>>> = row.meta.as_ref().map(open).transpose()?;
    let meta = meta.map(|meta| new.seal_meta(&row.token, &meta)).transpose()?;
    Ok(TokenRow { version: new.version().number(), sealed, meta, ..row })
}

pub(crate) fn store_failed(error: StoreError) -> TokenError {
    match error {
        StoreError::Altered(_) => TokenError::Altered,
        StoreError::CountersUnknown(_) => TokenError::Waiting,
        other => TokenError::Unavailable(other.to_string()),
    }
}
