use std::collections::BTreeMap;
use std::time::SystemTime;

use allonym_keyring::Keyring;
use allonym_protect::{TokenDomain, TokenError};
use allonym_store::{Lease, StoreError, TokenRow};

use crate::claims::is_claim;
use crate::sealing::Sealer;
use crate::settings::millis;
use crate::vault::{ROWS, Sealers, VaultStore, reseal_row, store_failed};

/// What is known of a token besides its value.
pub type Metadata = BTreeMap<String, String>;

/// Most entries of metadata, longest name in bytes, and most bytes of it as JSON.
const ENTRIES: usize = 32;
const LONGEST_NAME: usize = 64;
const LONGEST: usize = 4096;
/// How often metadata is written anew because the row was resealed meanwhile.
const ROUNDS: usize = 8;

/// How a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// When it was issued, in milliseconds since 1970; 0 where that was not recorded.
    pub created: i64,
    /// When it ends, in milliseconds since 1970.
    pub expires: Option<i64>,
    /// Whether its time is over.
    pub expired: bool,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The number of the key version that its value is sealed under.
    pub version: u32,
}

/// Why metadata was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The token store.
    #[error(transparent)]
    Store(#[from] TokenError),
    /// Too much of it.
    #[error("metadata has at most 32 entries, names of 1 to 64 bytes and 4,096 bytes as JSON")]
    Size,
}

impl VaultStore {
    /// Switches tokens off or on: one that is off does not reveal, and its value gets no
    /// other. Says for each whether there is such a token.
    ///
    /// # Errors
    /// When the store is away, or does not know the domain.
    pub async fn set_disabled(
        &self,
        domain: &TokenDomain,
        tokens: &[&str],
        disabled: bool,
    ) -> Result<Vec<bool>, TokenError> {
        let id = domain.domain.id;
        let mut done = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(ROWS) {
            let set = self.store.token_set_disabled(id, named(part), disabled).await;
            done.extend(self.changed(domain, part, set)?);
        }
        Ok(done)
    }

    /// Gives tokens another end, or none. Says for each whether there is such a token.
    ///
    /// # Errors
    /// As for [`VaultStore::set_disabled`].
    pub async fn set_expiry(
        &self,
        domain: &TokenDomain,
        tokens: &[&str],
        expires: Option<SystemTime>,
    ) -> Result<Vec<bool>, TokenError> {
        let (id, expires) = (domain.domain.id, expires.map(millis));
        let mut done = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(ROWS) {
            let set = self.store.token_set_expiry(id, named(part), expires).await;
            done.extend(self.changed(domain, part, set)?);
        }
        Ok(done)
    }

    /// Deletes tokens with their values, whomever they are about. Says for each whether
    /// there was such a token.
    ///
    /// # Errors
    /// As for [`VaultStore::set_disabled`].
    pub async fn delete(
        &self,
        domain: &TokenDomain,
        tokens: &[&str],
    ) -> Result<Vec<bool>, TokenError> {
        let id = domain.domain.id;
        let mut done = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(ROWS) {
            let deleted = self.store.token_delete(id, named(part)).await;
            done.extend(self.changed(domain, part, deleted)?);
        }
        Ok(done)
    }

    /// Deletes up to `limit` tokens whose time is over; returns how many: 0 says that it
    /// is done.
    ///
    /// # Errors
    /// As for [`VaultStore::set_disabled`].
    pub async fn tidy(&self, domain: &TokenDomain, limit: usize) -> Result<usize, TokenError> {
        self.tidy_under(domain, limit, None).await
    }

    /// The same, under a lease if one is given: nothing is deleted once another has taken
    /// it. A failure is counted in [`VaultStore::outage`].
    ///
    /// # Errors
    /// As for [`VaultStore::set_disabled`]; when the lease is lost.
    pub async fn tidy_under(
        &self,
        domain: &TokenDomain,
        limit: usize,
        lease: Option<&Lease>,
    ) -> Result<usize, TokenError> {
        let (id, now) = (domain.domain.id, (self.settings.clock)());
        let tidied = match lease {
            Some(lease) => self.store.token_tidy_fenced(id, now, limit, lease).await,
            None => self.store.token_tidy(id, now, limit).await,
        };
        self.outages.note_own(tidied.map_err(store_failed))
    }

    /// How each token stands, if there is one.
    ///
    /// # Errors
    /// As for [`VaultStore::set_disabled`].
    pub async fn states(
        &self,
        domain: &TokenDomain,
        tokens: &[&str],
    ) -> Result<Vec<Option<TokenState>>, TokenError> {
        let now = self.settings.now();
        let state = |row: Option<TokenRow>| {
            row.map(|row| TokenState {
                created: row.created,
                expires: row.expires,
                expired: row.ended(now),
                disabled: row.disabled,
                version: row.version,
            })
        };
        Ok(self.rows(domain, tokens).await?.into_iter().map(state).collect())
    }

    /// What is known of each token besides its value: `None` where there is no such
    /// token, and nothing where nothing is known.
    ///
    /// # Errors
    /// As for [`VaultStore::set_disabled`]; when what is stored does not open.
    pub async fn metadata(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Option<Metadata>>, TokenError> {
        let rows = self.rows(domain, tokens).await?;
        let mut sealers = Sealers::new(domain, keys);
        let open = |(token, row): (&&str, Option<TokenRow>)| {
            row.map(|row| open_metadata(&mut sealers, token, &row)).transpose()
        };
        tokens.iter().zip(rows).map(open).collect()
    }

    /// Puts what is known of each token in the place of what was. Says for each whether
    /// there is such a token. The value is sealed again under the active version.
    ///
    /// # Errors
    /// [`MetadataError::Size`] before anything is written, and as for
    /// [`VaultStore::metadata`].
    pub async fn set_metadata(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        metadata: &[(&str, Metadata)],
    ) -> Result<Vec<bool>, MetadataError> {
        let written = metadata.iter().map(|(_, metadata)| write_metadata(metadata));
        let written: Vec<Option<Vec<u8>>> = written.collect::<Result<_, _>>()?;
        let mut done = Vec::with_capacity(metadata.len());
        for ((token, _), meta) in metadata.iter().zip(written) {
            done.push(self.set_one(domain, keys, token, meta.as_deref()).await?);
        }
        Ok(done)
    }

    /// Replaces the whole row, if it is still sealed under the version that it was
    /// read under: so a reseal at the same time loses neither.
    async fn set_one(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        token: &str,
        meta: Option<&[u8]>,
    ) -> Result<bool, TokenError> {
        let known = self.domains.of(&self.store, domain)?;
        let new = Sealer::new(domain, keys, keys.active(domain.domain.key)?)?;
        for _ in 0..ROUNDS {
            let Some(Some(row)) = self.rows(domain, &[token]).await?.pop() else {
                return Ok(false);
            };
            let old = row.version;
            let bare = TokenRow { meta: None, ..row };
            let row = reseal_row(&known.lookup, &mut Sealers::new(domain, keys), &new, bare)?;
            let meta = meta.map(|meta| new.seal_meta(token, meta)).transpose()?;
            let row = TokenRow { meta, ..row };
            let replaced = self.store.token_reseal(domain.domain.id, vec![(old, row)]).await;
            if replaced.map_err(store_failed)? == 1 {
                return Ok(true);
            }
        }
        Err(TokenError::Unavailable("the token changes".into()))
    }

    /// The rows of tokens; claims are none.
    pub(crate) async fn rows(
        &self,
        domain: &TokenDomain,
        tokens: &[&str],
    ) -> Result<Vec<Option<TokenRow>>, TokenError> {
        let mut found = Vec::with_capacity(tokens.len());
        for part in tokens.chunks(ROWS) {
            let rows = self.store.token_by_token(domain.domain.id, named(part)).await;
            found.extend(rows.map_err(store_failed)?);
        }
        Ok(found)
    }

    /// Forgets what changed, or may have.
    fn changed(
        &self,
        domain: &TokenDomain,
        tokens: &[&str],
        done: Result<Vec<bool>, StoreError>,
    ) -> Result<Vec<bool>, TokenError> {
        let known = self.domains.of(&self.store, domain)?;
        self.cache.forget(known.number, tokens);
        done.map_err(store_failed)
    }
}

/// Tokens as the store is asked for them. What is no token is asked for by a name that
/// nothing has.
fn named(tokens: &[&str]) -> Vec<String> {
    let name = |token: &&str| if is_claim(token) { String::new() } else { (*token).to_owned() };
    tokens.iter().map(name).collect()
}

/// What is known of the token of a row.
pub(crate) fn open_metadata(
    sealers: &mut Sealers<'_>,
    token: &str,
    row: &TokenRow,
) -> Result<Metadata, TokenError> {
    let Some(sealed) = &row.meta else {
        return Ok(Metadata::new());
    };
    let opened = sealers.of(row.version)?.open_meta(token, sealed)?;
    serde_json::from_slice(&opened).map_err(|_| TokenError::Altered)
}

/// Metadata as it is sealed: nothing where there is none.
pub(crate) fn write_metadata(metadata: &Metadata) -> Result<Option<Vec<u8>>, MetadataError> {
    let named = metadata.keys().all(|name| (1..=LONGEST_NAME).contains(&name.len()));
    let json = serde_json::to_vec(metadata).map_err(|_| MetadataError::Size)?;
    if metadata.len() > ENTRIES || !named || json.len() > LONGEST {
        return Err(MetadataError::Size);
    }
    Ok((!metadata.is_empty()).then_some(json))
}
