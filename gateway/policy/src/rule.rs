use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Everything a policy is made from.
#[derive(Clone, Debug, Default)]
pub struct PolicyInput {
    /// The rules, in file order; a rule's position is its number.
    pub rules: Vec<AccessRule>,
    /// The data classes there are; a rule that names another one is an error.
    pub classes: Vec<String>,
    /// The purposes that count; any other purpose satisfies no rule.
    pub purposes: Vec<String>,
    /// Which revision of the configuration this is.
    pub revision: u64,
}

/// One entry of `access:`.
#[derive(Clone, Debug, Default)]
pub struct AccessRule {
    /// Whom it is about.
    pub role: String,
    /// For each right the data classes it is about.
    pub rights: BTreeMap<Right, Vec<String>>,
    /// Which purpose has to be stated.
    pub purpose: PurposeRule,
    /// How many values a minute.
    pub budget: Budget,
    /// What happens when the budget is spent.
    pub on_budget: OnBudget,
    /// The places it is about; everywhere, if absent.
    pub places: Option<Vec<String>>,
    /// From when on it applies; always, if absent.
    pub not_before: Option<SystemTime>,
    /// The first moment at which it no longer applies; never, if absent.
    pub valid_until: Option<SystemTime>,
    /// Whether it gives or takes.
    pub effect: Effect,
}

/// What a principal may do with a data class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Reads values in plain.
    Reveal,
    /// Reads values in part.
    Mask,
    /// Looks records up by the value of a protected field.
    Search,
    /// Writes plain values, which become protected ones.
    Write,
    /// Writes values that are already protected, as they are.
    WriteToken,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Reveal, Self::Mask, Self::Search, Self::Write, Self::WriteToken];

    /// The word in the configuration, and the name of the Cedar action.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reveal => "reveal",
            Self::Mask => "mask",
            Self::Search => "search",
            Self::Write => "write",
            Self::WriteToken => "write_token",
        }
    }
}

/// Which purpose has to be stated for a rule to apply.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum PurposeRule {
    /// None.
    #[default]
    None,
    /// Any of the declared ones.
    Required,
    /// One of these, which must be declared ones.
    OneOf(Vec<String>),
}

/// How many values a minute a principal may use a rule for; no limit, where absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Values written, plain or protected.
    pub write: Option<u64>,
    /// Operands looked up.
    pub search: Option<u64>,
    /// Values revealed in plain.
    pub reveal: Option<u64>,
}

impl Budget {
    /// The limit a minute for a right. Masked reads have none: they are what is left
    /// to a caller who has spent the right to plain ones.
    #[must_use]
    pub const fn limit(&self, right: Right) -> Option<u64> {
        match right {
            Right::Write | Right::WriteToken => self.write,
            Right::Search => self.search,
            Right::Reveal => self.reveal,
            Right::Mask => None,
        }
    }
}

/// What happens when a budget is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBudget {
    /// The rule does not apply, and the next best outcome holds.
    #[default]
    NextBest,
    /// The crossing is refused.
    Refuse,
}

/// Whether a rule gives or takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It gives rights.
    #[default]
    Permit,
    /// It takes rights, whatever other rules give.
    Forbid,
}
