use std::sync::Arc;

use allonym_keyring::{DomainId, KeyId, KeyVersion, Keyring};
use allonym_record::Value;
use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{Canonical, Context, Domain, Fault, Mark, TokenTemplate};

/// Where vaulted tokens live. Everything is batched: one round trip for a batch.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// For each value its token: found by the canonical value's keyed hash, or (if
    /// `insert`) stored now under the candidate token, sealed with the active key version
    /// of `keys`. What is acknowledged survives a crash. Two callers with the same value
    /// get the same token. With `insert: false` nothing is ever written and `None` says
    /// that there is no entry.
    ///
    /// # Errors
    /// When the store is away, full, or a key is missing.
    async fn tokens_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        batch: Vec<Candidate>,
        insert: bool,
    ) -> Result<Vec<Option<String>>, TokenError>;

    /// For each token its value (as it was given to `tokens_for`), or `None` for a token
    /// that is not stored in this domain.
    ///
    /// # Errors
    /// When the store is away, or a sealed value does not open.
    async fn values_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Option<Zeroizing<Vec<u8>>>>, TokenError>;

    /// Seals up to `limit` values that are under an older version again under the active
    /// one; tokens stay. Returns how many were resealed: 0 says it is done.
    ///
    /// # Errors
    /// As above.
    async fn reseal(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        limit: usize,
    ) -> Result<usize, TokenError>;
}

/// A value that wants a token.
pub struct Candidate {
    /// What is looked up: the canonical form, with scope; `None` for random tokens.
    pub lookup: Option<Zeroizing<Vec<u8>>>,
    /// What is sealed and given back on reveal.
    pub value: Zeroizing<Vec<u8>>,
    /// The token it gets if it has none yet.
    pub token: String,
}

/// A vaulted domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenDomain {
    /// Whose world, which domain, which key.
    pub domain: Domain,
    /// Digest of its specification.
    pub specification: [u8; 32],
}

/// Why the token store did not answer. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The store cannot be reached, is full, or read-only.
    #[error("the token store is not available: {0}")]
    Unavailable(String),
    /// A sealed value does not open: it was altered, or moved from another row.
    #[error("a stored value does not open: it was altered")]
    Altered,
    /// A key is missing.
    #[error(transparent)]
    Key(#[from] allonym_keyring::KeyError),
    /// The candidate token is taken already: draw another.
    #[error("the token is taken")]
    Taken,
}
