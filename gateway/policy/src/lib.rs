//! Who may see what: rules compiled to Cedar.
//!
//! The rules of `access:` ([`AccessRule`]) are compiled once into Cedar policies
//! ([`Policy::compile`]); each question ([`Question`]) is answered by Cedar's own
//! authorizer, and the answer ([`Decision`]) is kept until the next moment at which a
//! rule that was looked at begins or ends.
//!
//! What it is not: it does no I/O, decides by the time it is told, knows no principal
//! beyond its roles, and sees no value. Budgets are counted here ([`Budgets`]) and
//! charged by the pipeline, since only the pipeline knows how many values there are.

mod budget;
mod cache;
mod compile;
mod decide;
mod names;
mod rule;

pub use budget::Budgets;
pub use compile::PolicyError;
pub use decide::{
    Decision, Granted, Missed, Outcome, Policy, Question, ReadDecision, ReadQuestion, Reason,
};
pub use rule::{AccessRule, Budget, Effect, OnBudget, PolicyInput, PurposeRule, Right};
