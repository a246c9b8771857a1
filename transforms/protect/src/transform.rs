use std::sync::Arc;

use allonym_keyring::{KeyVersion, Keyring};
use allonym_record::Value;

use crate::Vaulted;

/// A built method. Whether protecting may wait for a store is visible in the type. A clone is
/// the same method: tables and derived keys are shared.
#[derive(Clone)]
pub enum Method {
    /// Computed from value and key alone.
    Pure(Arc<dyn Transform>),
    /// Looked up in a token store.
    Stored(Arc<Vaulted>),
}

/// A computed method. A batch holds values of one domain; the single value is the
/// special case. Null and empty values stay as they are.
pub trait Transform: Send + Sync {
    /// Replaces plain values by protected ones, under the version that is active in the
    /// context. On a fault some values of the batch may have been replaced already:
    /// the batch is of no further use.
    ///
    /// # Errors
    /// A value outside the template, or no key.
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault>;

    /// Replaces protected values by plain ones.
    ///
    /// # Errors
    /// A value this domain cannot have produced, a key version that is gone, or a
    /// method that has no way back.
    fn reveal(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault>;

    /// What a value shows by itself about being protected. Never guesses: a method
    /// whose output carries no mark answers [`Mark::Unmarked`] for all that fits the template.
    fn mark(&self, value: &Value, context: &Context<'_>) -> Mark;

    /// The forms an operand can have in storage: one for each live version if the
    /// method is deterministic.
    ///
    /// # Errors
    /// The operand is outside the template, or the method is not deterministic.
    fn stored_forms(&self, operand: &Value, context: &Context<'_>) -> Result<Vec<Value>, Fault>;

    /// Whether a protected value can be told from a plain one, by itself or by what stands
    /// beside it.
    fn is_marked(&self) -> bool;

    /// Whether there is a way back.
    fn is_reversible(&self) -> bool;

    /// The version under which [`Transform::protect`] writes in this context: what a
    /// connector keeps beside the values (version modes `sidecar` and `epoch`).
    ///
    /// # Errors
    /// No usable key version, or a method that keeps its version in the value or has none.
    fn writes_under(&self, _context: &Context<'_>) -> Result<KeyVersion, FaultRule> {
        Err(FaultRule::NoVersion)
    }

    /// How many key versions can be live at once, where what marks a value has room for so
    /// many only (version modes `slack` and `reserved`): version v has slot
    /// ((v − 1) mod slots) + 1, and no two live ones may share one.
    fn slots(&self) -> Option<u32> {
        None
    }

    /// How many key versions can be live at once, where values go through tables: with more,
    /// the tables of all versions have no room, and callers could have them made anew
    /// without end. `None` if there are no tables.
    fn most_versions(&self) -> Option<u32> {
        None
    }
}

/// What a method needs besides the values.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The pinned key set: decides which version protects.
    pub pinned: &'a dyn Keyring,
    /// The newest key set: decides what can be revealed and which marks are recognised.
    pub newest: &'a dyn Keyring,
    /// The tenant, where the domain's scope is one.
    pub tenant: Option<&'a str>,
    /// Whom the values are about, where the caller says so: tokens issued now are found
    /// by it when they are to be erased.
    pub subject: Option<&'a str>,
    /// The version of each value of the batch, where the connector knows it beside the
    /// value (version modes `sidecar` and `epoch`); empty where it knows none. For calls
    /// that take one value, the first is that value's.
    pub stated: &'a [Option<KeyVersion>],
}

/// What a value shows by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// It carries this domain's mark, under this live version (`None` where the token
    /// store knows it, and has the last word on whether it is a token at all).
    Protected(Option<KeyVersion>),
    /// It is inside the template and carries no mark, in a domain that marks: plain.
    Plain,
    /// It is inside the template of a domain that does not mark: only the catalogue knows.
    Unmarked,
    /// Neither: outside the template, a mask, a residue, a mark that does not hold.
    Neither(FaultRule),
}

/// A value that cannot be transformed. Says which of the batch and which rule,
/// never what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct Fault {
    /// Its index in the batch.
    pub index: usize,
    /// The rule it breaks.
    pub rule: FaultRule,
}

/// The rules a value can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultRule {
    /// Not text (or a number where the method takes numbers).
    #[error("the value is of a kind this method does not take")]
    Kind,
    /// Longer or shorter than the template admits.
    #[error("the length is outside the template")]
    Length,
    /// A character the template's alphabet does not have.
    #[error("a character is outside the template's alphabet")]
    Alphabet,
    /// The check digits do not hold, or could be read in two ways.
    #[error("the check digits do not hold")]
    CheckDigits,
    /// The structure (country, prefix, separators) is not the template's.
    #[error("the structure is not the template's")]
    Structure,
    /// The value looks like a mask.
    #[error("the value looks like a mask")]
    Masked,
    /// The value carries a mark of another domain, a forged one, or one whose version is gone.
    #[error("the value carries a mark that does not hold here")]
    BadMark,
    /// The value to reveal is not a protected one.
    #[error("the value is not protected")]
    NotProtected,
    /// There is no way back.
    #[error("the method cannot be reversed")]
    Irreversible,
    /// The method gives another value each time, so it cannot be searched.
    #[error("the method cannot be searched")]
    NotSearchable,
    /// The scope needs a tenant the caller does not have.
    #[error("the scope needs a tenant")]
    NoTenant,
    /// The value is outside the range or window the template declares.
    #[error("the value is outside the declared range")]
    Range,
    /// The text is not in Unicode normalisation form C.
    #[error("the text is not in normalisation form C")]
    NotNormalized,
    /// The version is kept beside the value, and nobody said which it is.
    #[error("nothing beside the value says under which key version it is")]
    NoVersion,
    /// The tenant is not one of those that are declared.
    #[error("the tenant is not one of the declared ones")]
    UnknownTenant,
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
    /// The token of the value is switched off.
    #[error("the token is disabled")]
    Disabled,
    /// All tokens of the format are issued.
    #[error("all tokens of this format are issued")]
    Exhausted,
    /// No key version can do it.
    #[error("no usable key version")]
    NoKey,
    /// The protected form cannot be written as the same kind of value.
    #[error("the protected form cannot be written as a number")]
    NotANumber,
}
