use std::sync::Arc;

use allonym_record::Selector;

/// Where something stands in the configuration file; lines and columns count from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Location {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A place as a connector's configuration describes it: what the plan is made from.
#[derive(Clone, Debug)]
pub struct PlaceSpec {
    /// `connector place`, for instance `payments-api GET /v1/charges/{id}`.
    pub name: Arc<str>,
    /// Where it stands.
    pub location: Location,
    /// The fields; a field's position is its rule number.
    pub fields: Vec<FieldSpec>,
    /// What happens to a value that is already protected when it is written.
    pub tokens: Tokens,
    /// What happens on a read to a plain value where a protected one should be.
    pub on_unprotected: OnUnprotected,
    /// The configuration states that the upstream holds protected values only here:
    /// needed for classes whose protected values carry no mark.
    pub holds_protected_only: bool,
}

/// One field of a place.
#[derive(Clone, Debug)]
pub struct FieldSpec {
    /// Where the value is.
    pub selector: Selector,
    /// What it is.
    pub class: String,
    /// Where the rule stands in the configuration.
    pub location: Location,
    /// What the upstream does with it.
    pub usage: Use,
}

/// What a value is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// It is stored (and may be read back).
    Content,
    /// It is only looked up.
    Search,
}

/// On a write: what of values that are already protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tokens {
    /// Refused: send the field only when it changes.
    #[default]
    Refuse,
    /// Passed on as they are, for principals with the right `write_token`.
    Accept,
    /// Nothing but protected values is accepted here.
    Only,
}

/// On a read: what of a plain value where a protected one should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnUnprotected {
    /// Judged by the policy like any other value, and counted.
    #[default]
    ByAccess,
    /// The answer is refused.
    Refuse,
}

/// The rules that hold at a place.
#[derive(Debug)]
pub struct Rules {
    /// The place.
    pub place: Arc<str>,
    /// For each rule the class it names.
    pub classes: Vec<Arc<str>>,
}
