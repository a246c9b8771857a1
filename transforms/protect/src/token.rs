use std::sync::Arc;

use allonym_keyring::Keyring;
use allonym_record::Value;
use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{Canonical, Context, Domain, Fault, FaultRule, Mark, Scope, TokenTemplate};

mod shape;

use shape::Shape;

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

/// The `token` method: a surrogate that says nothing of the value, looked up in a store.
/// Null and empty values stay as they are.
pub struct Vaulted {
    domain: TokenDomain,
    shape: Shape,
    random: bool,
    canonical: Canonical,
    scope: Scope,
    store: Arc<dyn TokenStore>,
}

/// Why a batch has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultedFault {
    /// A value of the batch.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The token store.
    #[error(transparent)]
    Store(#[from] TokenError),
}

/// How often a token that is taken is drawn again. One draw in 2^80 / (stored tokens)
/// meets another, so a second is already a sign of something else.
const DRAWS: usize = 4;
/// The longest value that is kept, in bytes.
const LONGEST: usize = 256 * 1024;

impl Vaulted {
    /// The method of a domain.
    #[must_use]
    pub fn new(
        domain: TokenDomain,
        template: TokenTemplate,
        random: bool,
        canonical: Canonical,
        scope: Scope,
        store: Arc<dyn TokenStore>,
    ) -> Self {
        let shape = match template {
            TokenTemplate::Email { token_domain } => {
                Shape::Email { suffix: format!("@{}", token_domain.to_ascii_lowercase()) }
            }
            _ => Shape::Plain,
        };
        Self { domain, shape, random, canonical, scope, store }
    }

    /// Replaces plain values by their tokens; what has none gets one. Nothing of the
    /// batch is replaced on a fault.
    ///
    /// # Errors
    /// A value outside the template or with a mark of its own, or no store or key.
    pub async fn protect(
        &self,
        batch: &mut [&mut Value],
        context: &Context<'_>,
    ) -> Result<(), VaultedFault> {
        let values: Vec<&Value> = batch.iter().map(|value| &**value).collect();
        let tokens = self.tokens(&values, context, true).await?;
        for (value, token) in batch.iter_mut().zip(tokens) {
            if let Some(token) = token {
                **value = Value::text(token);
            }
        }
        Ok(())
    }

    /// Replaces tokens by their values, each of the kind it was. Nothing of the batch is
    /// replaced on a fault.
    ///
    /// # Errors
    /// [`FaultRule::BadMark`] for a token that is not stored in this domain (and tenant),
    /// [`FaultRule::NotProtected`] for what is no token, or no store or key.
    pub async fn reveal(
        &self,
        batch: &mut [&mut Value],
        context: &Context<'_>,
    ) -> Result<(), VaultedFault> {
        let mut wanted = Vec::with_capacity(batch.len());
        for (index, value) in batch.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            let failed = |rule| Fault { index, rule };
            match self.mark(value) {
                Mark::Protected(_) => {}
                Mark::Neither(rule) => return Err(failed(rule).into()),
                Mark::Plain | Mark::Unmarked => return Err(failed(FaultRule::NotProtected).into()),
            }
            // Mail systems change the case of addresses; a token is in lower case.
            wanted.push((index, value.as_str().unwrap_or_default().to_ascii_lowercase()));
        }
        let tokens: Vec<&str> = wanted.iter().map(|(_, token)| token.as_str()).collect();
        let values = self.values(&tokens, context).await?;
        let mut revealed = Vec::with_capacity(values.len());
        for ((index, _), value) in wanted.iter().zip(values) {
            let failed = Fault { index: *index, rule: FaultRule::BadMark };
            revealed.push((*index, value.ok_or(failed)?));
        }
        for (index, value) in revealed {
            if let Some(slot) = batch.get_mut(index) {
                **slot = value;
            }
        }
        Ok(())
    }

    /// The form each operand has in storage. Looks up and never stores: an operand
    /// without an entry gives a well-formed token that is not stored.
    ///
    /// # Errors
    /// [`FaultRule::NotSearchable`] for random tokens, otherwise as [`Vaulted::protect`].
    pub async fn stored_forms(
        &self,
        operands: &[&Value],
        context: &Context<'_>,
    ) -> Result<Vec<Value>, VaultedFault> {
        if self.random {
            return Err(Fault { index: 0, rule: FaultRule::NotSearchable }.into());
        }
        let tokens = self.tokens(operands, context, false).await?;
        let forms = operands.iter().zip(tokens);
        Ok(forms
            .map(|(operand, token)| token.map_or_else(|| (*operand).clone(), Value::text))
            .collect())
    }

    /// For each value whether it is a token of this domain (and tenant), exactly as it
    /// was issued.
    ///
    /// # Errors
    /// No store or key.
    pub async fn is_stored(
        &self,
        values: &[&Value],
        context: &Context<'_>,
    ) -> Result<Vec<bool>, VaultedFault> {
        let issued = |value: &Value| {
            matches!(self.mark(value), Mark::Protected(_))
                && value
                    .as_str()
                    .is_some_and(|text| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
        };
        let tokens: Vec<&str> = values
            .iter()
            .filter(|value| issued(value))
            .filter_map(|value| value.as_str())
            .collect();
        let mut found = self.values(&tokens, context).await?.into_iter();
        Ok(values.iter().map(|value| issued(value) && found.next().flatten().is_some()).collect())
    }

    /// What a value shows by itself. `Protected` says that it has the form of a token;
    /// whether it is one, the store says.
    #[must_use]
    pub fn mark(&self, value: &Value) -> Mark {
        if value.is_empty() {
            return Mark::Plain;
        }
        if value.as_str().is_some_and(|content| content.len() > LONGEST) {
            return Mark::Neither(FaultRule::Length);
        }
        match (&self.shape, value) {
            (_, Value::Text(text)) => self.shape.mark(text),
            (Shape::Plain, _) => Mark::Plain,
            (Shape::Email { .. }, _) => Mark::Neither(FaultRule::Kind),
        }
    }

    /// Whether equal values have equal tokens, so that they can be searched.
    #[must_use]
    pub const fn is_searchable(&self) -> bool {
        !self.random
    }

    /// The token of each value that is not empty: the stored one, or (with `insert`)
    /// one stored now, or (without) one that is not stored.
    async fn tokens(
        &self,
        values: &[&Value],
        context: &Context<'_>,
        insert: bool,
    ) -> Result<Vec<Option<String>>, VaultedFault> {
        let mut wanted = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            match self.mark(value) {
                Mark::Plain | Mark::Unmarked => wanted.push((index, *value)),
                Mark::Protected(_) => {
                    return Err(Fault { index, rule: FaultRule::BadMark }.into());
                }
                Mark::Neither(rule) => return Err(Fault { index, rule }.into()),
            }
        }
        let mut tokens = vec![None; values.len()];
        let Some(&(first, _)) = wanted.first() else {
            return Ok(tokens);
        };
        let tenant = self.tenant(context).map_err(|rule| Fault { index: first, rule })?;
        for _ in 0..DRAWS {
            let drawn = self.shape.draw(wanted.len())?;
            let fresh = wanted.iter().zip(&drawn);
            let batch = fresh
                .map(|((_, value), token)| self.candidate(value, tenant, token.clone()))
                .collect();
            let found = self.store.tokens_for(&self.domain, context.pinned, batch, insert).await;
            let found = match found {
                Err(TokenError::Taken) => continue,
                found => found?,
            };
            if found.len() != wanted.len() || (insert && found.contains(&None)) {
                return Err(TokenError::Altered.into());
            }
            for (((index, _), found), drawn) in wanted.iter().zip(found).zip(drawn) {
                if let Some(token) = tokens.get_mut(*index) {
                    *token = Some(found.unwrap_or(drawn));
                }
            }
            return Ok(tokens);
        }
        Err(TokenError::Taken.into())
    }

    /// The value of each token; `None` where it is not one of this domain and tenant.
    async fn values(
        &self,
        tokens: &[&str],
        context: &Context<'_>,
    ) -> Result<Vec<Option<Value>>, VaultedFault> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = self.tenant(context).map_err(|rule| Fault { index: 0, rule })?;
        let sealed = self.store.values_for(&self.domain, context.newest, tokens).await?;
        if sealed.len() != tokens.len() {
            return Err(TokenError::Altered.into());
        }
        let mut values = Vec::with_capacity(sealed.len());
        for bytes in sealed {
            let Some(bytes) = bytes else {
                values.push(None);
                continue;
            };
            let (value, owner) = unpack(&bytes).ok_or(TokenError::Altered)?;
            values.push((owner == tenant).then_some(value));
        }
        Ok(values)
    }

    fn tenant<'a>(&self, context: &Context<'a>) -> Result<&'a str, FaultRule> {
        match &self.scope {
            Scope::Global => Ok(""),
            Scope::Tenant(_) => {
                context.tenant.filter(|tenant| !tenant.is_empty()).ok_or(FaultRule::NoTenant)
            }
        }
    }

    fn candidate(&self, value: &Value, tenant: &str, token: String) -> Candidate {
        let packed = pack(value, tenant);
        let lookup = match (self.random, self.canonical, value) {
            (true, ..) => None,
            (false, Canonical::Lower, Value::Text(text)) => {
                Some(pack(&Value::text(text.to_lowercase()), tenant))
            }
            (false, ..) => Some(packed.clone()),
        };
        Candidate { lookup, value: packed, token }
    }
}

/// What is sealed and looked up: the kind, the tenant's length in four bytes and the
/// tenant, the characters. Each value of each tenant has bytes of its own.
fn pack(value: &Value, tenant: &str) -> Zeroizing<Vec<u8>> {
    let (kind, content) = match value {
        Value::Null => (b'0', ""),
        Value::Bool(true) => (b'b', "true"),
        Value::Bool(false) => (b'b', "false"),
        Value::Number(written) => (b'n', written.as_str()),
        Value::Text(text) => (b't', text.as_str()),
    };
    let mut packed = Zeroizing::new(Vec::with_capacity(5 + tenant.len() + content.len()));
    packed.push(kind);
    packed.extend_from_slice(&u32::try_from(tenant.len()).unwrap_or(u32::MAX).to_be_bytes());
    packed.extend_from_slice(tenant.as_bytes());
    packed.extend_from_slice(content.as_bytes());
    packed
}

/// The value and tenant of packed bytes.
fn unpack(packed: &[u8]) -> Option<(Value, &str)> {
    let (kind, rest) = packed.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (tenant, content) = rest.split_at_checked(length)?;
    let content = std::str::from_utf8(content).ok()?;
    let value = match kind {
        b't' => Value::text(content),
        b'n' => Value::number(content),
        b'b' => Value::Bool(content.parse().ok()?),
        _ => return None,
    };
    Some((value, std::str::from_utf8(tenant).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_each_kind_and_tenant_are_packed_apart() {
        for value in [Value::text("12"), Value::number("12"), Value::Bool(true), Value::Bool(false)]
        {
            assert_eq!(unpack(&pack(&value, "t")), Some((value, "t")));
        }
        assert_ne!(pack(&Value::text("bc"), "a"), pack(&Value::text("c"), "ab"));
        for broken in
            [&b""[..], b"t", b"t\0\0\0\x02a", b"x\0\0\0\0a", b"t\0\0\0\0\xff", b"b\0\0\0\0yes"]
        {
            assert!(unpack(broken).is_none(), "{broken:?}");
        }
    }
}
