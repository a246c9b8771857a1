mod draw;
mod entry;
mod sequence;
mod settle;
mod shape;
mod vaulted;

use std::time::Duration;

use allonym_keyring::{Keyring, Purpose, Secret};
use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{Domain, SpecError, TokenTemplate};

pub(crate) use shape::is_token;
pub use vaulted::{Vaulted, VaultedFault};

/// How many tokens there are for values of each length with the same kept parts, where
/// tokens have the format of their values.
pub(crate) fn rooms(template: &TokenTemplate) -> Result<Vec<(usize, u64)>, SpecError> {
    let shape = shape::Shape::new(template)?;
    Ok(shape.sequence().map_or_else(Vec::new, |sequence| sequence.rooms().collect()))
}

/// Where vaulted tokens live. Everything is batched: one round trip for a batch.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// For each value its token: found by the canonical value's keyed hash, or (if
    /// `issue.insert`) stored now under the candidate token, sealed with the active key
    /// version of `keys`. What is acknowledged survives a crash. Two callers with the
    /// same value get the same token. Without `issue.insert` nothing is ever written.
    ///
    /// # Errors
    /// When the store is away, full, or a key is missing. Some of the batch may then be
    /// stored all the same; asked again, it is found.
    async fn tokens_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        batch: Vec<Candidate>,
        issue: Issue<'_>,
    ) -> Result<Vec<Issued>, TokenError>;

    /// For each token its value, as it was given to `tokens_for`.
    ///
    /// # Errors
    /// When the store is away, or a sealed value does not open.
    async fn values_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Found>, TokenError>;

    /// Seals up to `limit` values that are under an older version again under the active
    /// one, with what else is known of them; tokens stay. Returns how many were resealed:
    /// 0 says it is done.
    ///
    /// # Errors
    /// As above.
    async fn reseal(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        limit: usize,
    ) -> Result<usize, TokenError>;

    /// A key of the domain that stays the same for its life, whatever its key versions.
    ///
    /// # Errors
    /// When the store is away, or does not know the domain.
    async fn fixed_key(&self, domain: &TokenDomain, purpose: Purpose)
    -> Result<Secret, TokenError>;

    /// For each counter the next numbers, which nobody else is ever given. Fewer than
    /// asked for say that the counter has fewer left than are missing, and keeps them:
    /// who needs less asks again for less.
    ///
    /// # Errors
    /// When the store is away, or does not know the domain.
    async fn numbers(
        &self,
        domain: &TokenDomain,
        wanted: &[Numbers],
    ) -> Result<Vec<Vec<u64>>, TokenError>;

    /// Takes back numbers under which surely nothing was stored, to give them to another.
    fn give_back(&self, domain: &TokenDomain, part: [u8; 16], numbers: Vec<u64>);
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

/// How a batch of values gets tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Issue<'a> {
    /// Whether a value without a token gets one.
    pub insert: bool,
    /// How long a token that is issued now is good for; `None`: for ever.
    pub ttl: Option<Duration>,
    /// Whom the values are about.
    pub owner: Option<Owner<'a>>,
}

/// Whom a value is about: the same name is another person with another tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The tenant; empty for a global scope.
    pub tenant: &'a str,
    /// The data subject, as the caller names it.
    pub subject: &'a str,
}

/// What became of a value that wants a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issued {
    /// Its token, which is stored.
    Token(String),
    /// It has none, and was not to get one.
    Absent,
    /// It has one that is switched off.
    Disabled,
    /// It has none, and the candidate token is another value's: draw another.
    Taken,
}

/// What a token stands for.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// The value, as it was given to `tokens_for`.
    Value(Zeroizing<Vec<u8>>),
    /// It is not stored in this domain.
    Unknown,
    /// Its time is over.
    Expired,
    /// It is switched off.
    Disabled,
}

/// How many numbers of a counter are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Which counter: a keyed hash of the preserved parts and the length.
    pub part: [u8; 16],
    /// How many.
    pub count: u64,
    /// All numbers are below this.
    pub limit: u64,
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
    /// The store was made out of a backup, and nobody said yet which numbers were issued
    /// since.
    #[error(
        "the token store was made out of a backup: say how many tokens may have been issued \
         since (`allonym tokens resume CLASS --skip N`)"
    )]
    Waiting,
    /// A sealed value does not open: it was altered, or moved from another row.
    #[error("a stored value does not open: it was altered")]
    Altered,
    /// A key is missing.
    #[error(transparent)]
    Key(#[from] allonym_keyring::KeyError),
    /// Every token that was drawn is taken already.
    #[error("the token is taken")]
    Taken,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(value) => write!(f, "Value({} bytes)", value.len()),
            Self::Unknown => f.write_str("Unknown"),
            Self::Expired => f.write_str("Expired"),
            Self::Disabled => f.write_str("Disabled"),
        }
    }
}
