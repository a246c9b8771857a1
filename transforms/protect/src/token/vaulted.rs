use std::sync::{Arc, OnceLock};
use std::time::Duration;

use allonym_record::Value;
use zeroize::Zeroizing;

use super::entry::{pack, pack_text, unpack};
use super::sequence::{SequenceKeys, writable};
use super::shape::Shape;
use super::{Candidate, Found, Issue, Owner, TokenDomain, TokenError, TokenStore};
use crate::{Canonical, Context, Fault, FaultRule, Mark, Scope, SpecError, TokenTemplate};

/// The `token` method: a surrogate that says nothing of the value, looked up in a store.
/// Null and empty values stay as they are.
pub struct Vaulted {
    pub(super) domain: TokenDomain,
    pub(super) shape: Shape,
    pub(super) random: bool,
    canonical: Canonical,
    scope: Scope,
    ttl: Option<Duration>,
    pub(super) store: Arc<dyn TokenStore>,
    /// What format-preserving tokens are made with, once it was asked for.
    pub(super) sequence_keys: OnceLock<SequenceKeys>,
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

impl Vaulted {
    /// The method of a domain.
    ///
    /// # Errors
    /// When the template's tokens could not be told, or it has room for fewer than 100
    /// of them.
    pub fn new(
        domain: TokenDomain,
        template: &TokenTemplate,
        random: bool,
        canonical: Canonical,
        scope: Scope,
        store: Arc<dyn TokenStore>,
    ) -> Result<Self, SpecError> {
        let shape = Shape::new(template)?;
        let sequence_keys = OnceLock::new();
        Ok(Self { domain, shape, random, canonical, scope, ttl: None, store, sequence_keys })
    }

    /// The same, and tokens that are issued from now on are good for so long.
    #[must_use]
    pub fn with_ttl(self, ttl: Option<Duration>) -> Self {
        Self { ttl, ..self }
    }

    /// Replaces plain values by their tokens; what has none gets one. Nothing of the
    /// batch is replaced on a fault.
    ///
    /// # Errors
    /// A value outside the template or with a mark of its own, one whose token is
    /// switched off ([`FaultRule::Disabled`]) or cannot be written as the number the
    /// value is ([`FaultRule::NotANumber`]), no token left ([`FaultRule::Exhausted`]), or
    /// no store or key.
    pub async fn protect(
        &self,
        batch: &mut [&mut Value],
        context: &Context<'_>,
    ) -> Result<(), VaultedFault> {
        let values: Vec<&Value> = batch.iter().map(|value| &**value).collect();
        let tokens = self.tokens(&values, context, true).await?;
        for (value, token) in batch.iter_mut().zip(tokens) {
            if let Some(token) = token {
                **value = self.written(value, token);
            }
        }
        Ok(())
    }

    /// Replaces tokens by their values, each of the kind it was (where the token has the
    /// format of the value: of the kind the token is). Nothing of the batch is replaced
    /// on a fault.
    ///
    /// # Errors
    /// [`FaultRule::BadMark`] for a token that is not stored in this domain (and tenant),
    /// [`FaultRule::NotProtected`] for what is no token, [`FaultRule::Expired`] and
    /// [`FaultRule::Disabled`] for one that reveals no more, [`FaultRule::NotANumber`]
    /// for a number that stands for digits with a leading 0, or no store or key.
    pub async fn reveal(
        &self,
        batch: &mut [&mut Value],
        context: &Context<'_>,
    ) -> Result<(), VaultedFault> {
        let mut wanted = Vec::with_capacity(batch.len());
        for (index, value) in batch.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            let failed = |rule| Fault { index, rule };
            match self.mark(value) {
                Mark::Protected(_) | Mark::Unmarked => {}
                Mark::Neither(rule) => return Err(failed(rule).into()),
                Mark::Plain => return Err(failed(FaultRule::NotProtected).into()),
            }
            wanted.push((index, self.shape.issued(value.as_str().unwrap_or_default())));
        }
        let tokens: Vec<&str> = wanted.iter().map(|(_, token)| token.as_str()).collect();
        let unknown = if self.is_marked() { FaultRule::BadMark } else { FaultRule::NotProtected };
        let mut revealed = Vec::with_capacity(wanted.len());
        for ((index, _), found) in wanted.iter().zip(self.values(&tokens, context).await?) {
            let value = match found {
                Stands::For(value) => self.kept_kind(batch.get(*index), value),
                Stands::ForNothing => Err(unknown),
                Stands::Expired => Err(FaultRule::Expired),
                Stands::Disabled => Err(FaultRule::Disabled),
            };
            revealed.push((*index, value.map_err(|rule| Fault { index: *index, rule })?));
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
            .map(|(operand, token)| match token {
                None => (*operand).clone(),
                Some(token) => self.written(operand, token),
            })
            .collect())
    }

    /// For each value whether it is a token of this domain (and tenant), exactly as it
    /// was issued. One whose time is over is none; one that is switched off is.
    ///
    /// # Errors
    /// No store or key.
    pub async fn is_stored(
        &self,
        values: &[&Value],
        context: &Context<'_>,
    ) -> Result<Vec<bool>, VaultedFault> {
        let issued = |value: &&Value| -> Option<String> {
            let token = self.issued(value)?;
            (value.as_str() == Some(&token)).then_some(token)
        };
        let tokens: Vec<Option<String>> = values.iter().map(issued).collect();
        let asked: Vec<&str> = tokens.iter().flatten().map(String::as_str).collect();
        let mut found = self.values(&asked, context).await?.into_iter();
        let known = |token: &Option<String>| {
            let found = token.as_ref().and_then(|_| found.next());
            matches!(found, Some(Stands::For(_) | Stands::Disabled))
        };
        Ok(tokens.iter().map(known).collect())
    }

    /// What a value shows by itself. `Protected` says that it has the form of a token;
    /// whether it is one, the store says.
    #[must_use]
    pub fn mark(&self, value: &Value) -> Mark {
        self.shape.mark(value)
    }

    /// Whether a token can be told from a plain value by itself.
    #[must_use]
    pub const fn is_marked(&self) -> bool {
        self.shape.is_marked()
    }

    /// Whether equal values have equal tokens, so that they can be searched.
    #[must_use]
    pub const fn is_searchable(&self) -> bool {
        !self.random
    }

    /// Whose tokens they are.
    #[must_use]
    pub const fn domain(&self) -> &TokenDomain {
        &self.domain
    }

    /// The claim that names the tenant of a caller; `None` for a global scope.
    #[must_use]
    pub fn tenant_claim(&self) -> Option<&str> {
        match &self.scope {
            Scope::Global => None,
            Scope::Tenant(claim) => Some(claim),
        }
    }

    /// The token that a value has the form of, as it was issued, whatever became of its
    /// case on the way; `None` for what can be no token of this domain.
    #[must_use]
    pub fn issued(&self, value: &Value) -> Option<String> {
        match self.mark(value) {
            Mark::Protected(_) | Mark::Unmarked if !value.is_empty() => {
                value.as_str().map(|token| self.shape.issued(token))
            }
            _ => None,
        }
    }

    /// A value with a token from elsewhere, as the store takes it; `tenant` is empty for
    /// a global scope.
    ///
    /// # Errors
    /// When the value is outside the template, the token is none that this domain could
    /// read, it is the value itself, or there is a tenant too few or too many.
    pub fn entry(&self, value: &Value, token: &str, tenant: &str) -> Result<Candidate, FaultRule> {
        if tenant.is_empty() != matches!(self.scope, Scope::Global) {
            return Err(FaultRule::NoTenant);
        }
        if value.is_empty() {
            return Err(FaultRule::Kind);
        }
        match self.mark(value) {
            Mark::Plain | Mark::Unmarked => {}
            Mark::Protected(_) => return Err(FaultRule::BadMark),
            Mark::Neither(rule) => return Err(rule),
        }
        if self.issued(&Value::text(token)).as_deref() != Some(token)
            || value.as_str() == Some(token)
        {
            return Err(FaultRule::BadMark);
        }
        Ok(self.candidate(value, tenant, token.to_owned()))
    }

    /// The value and tenant of what the store keeps; `None` if it was never an entry.
    #[must_use]
    pub fn opened(stored: &[u8]) -> Option<(Value, &str)> {
        unpack(stored)
    }

    /// The values of a batch that are to get tokens, and where they stand in it.
    pub(super) fn wanted<'v>(
        &self,
        values: &[&'v Value],
    ) -> Result<Vec<(usize, &'v Value)>, Fault> {
        let mut wanted = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            match self.mark(value) {
                Mark::Plain | Mark::Unmarked => wanted.push((index, *value)),
                Mark::Protected(_) => return Err(Fault { index, rule: FaultRule::BadMark }),
                Mark::Neither(rule) => return Err(Fault { index, rule }),
            }
        }
        Ok(wanted)
    }

    /// How the values of a request get tokens.
    pub(super) fn issue<'a>(
        &self,
        context: &Context<'a>,
        insert: bool,
    ) -> Result<(Issue<'a>, &'a str), FaultRule> {
        let tenant = self.tenant(context)?;
        let subject = context.subject.filter(|subject| !subject.is_empty());
        let owner = subject.map(|subject| Owner { tenant, subject });
        Ok((Issue { insert, ttl: self.ttl, owner }, tenant))
    }

    pub(super) fn candidate(&self, value: &Value, tenant: &str, token: String) -> Candidate {
        let packed = match (self.shape.sequence(), value.as_str()) {
            (Some(_), Some(text)) => pack_text(text, tenant),
            _ => pack(value, tenant),
        };
        let lookup = match (self.random, self.canonical, value) {
            (true, ..) => None,
            (false, Canonical::Lower, Value::Text(text)) => {
                Some(pack_text(&Zeroizing::new(text.to_lowercase()), tenant))
            }
            (false, ..) => Some(packed.clone()),
        };
        Candidate { lookup, value: packed, token }
    }

    /// The value of each token.
    async fn values(
        &self,
        tokens: &[&str],
        context: &Context<'_>,
    ) -> Result<Vec<Stands>, VaultedFault> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = self.tenant(context).map_err(|rule| Fault { index: 0, rule })?;
        let found = self.store.values_for(&self.domain, context.newest, tokens).await?;
        if found.len() != tokens.len() {
            return Err(TokenError::Altered.into());
        }
        let mut values = Vec::with_capacity(found.len());
        for found in found {
            values.push(match found {
                Found::Unknown => Stands::ForNothing,
                Found::Expired => Stands::Expired,
                Found::Disabled => Stands::Disabled,
                Found::Value(bytes) => {
                    let (value, owner) = unpack(&bytes).ok_or(TokenError::Altered)?;
                    if owner == tenant { Stands::For(value) } else { Stands::ForNothing }
                }
            });
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

    /// A token in the place of a value.
    fn written(&self, value: &Value, token: String) -> Value {
        match self.shape.sequence() {
            Some(_) => value.with(token),
            None => Value::text(token),
        }
    }

    /// A revealed value as it is written in the place of its token.
    fn kept_kind(&self, token: Option<&&mut Value>, value: Value) -> Result<Value, FaultRule> {
        match (self.shape.sequence(), token, value.as_str()) {
            (Some(_), Some(token), Some(characters)) => {
                writable(token, characters)?;
                Ok(token.with(characters.to_owned()))
            }
            _ => Ok(value),
        }
    }
}

/// What a token stands for, to one tenant.
enum Stands {
    For(Value),
    ForNothing,
    Expired,
    Disabled,
}
