//! What the configuration means: names resolved, methods built, places compiled.
//!
//! A [`Plan`] is immutable and holds no key material; a [`crate::pipeline::Pipeline`]
//! is a plan with a pinned key set.

mod access;
mod callers;
mod class;
mod compile;
mod domains;
mod pins;
mod place;
mod rotation;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::HashMap;
use std::sync::Arc;

use allonym_policy::Policy;

use crate::identity::Identifier;

pub use callers::Callers;
pub use class::{ClassPlan, Protected, Stored, is_foreign, is_marked};
pub use compile::{Draft, check_pins};
pub use domains::{DomainReport, Quota, SizeReport};
pub use place::{FieldPlan, PlacePlan, local_place};
pub use rotation::{check_rotation, rotation_word};
pub use warnings::{Warning, installation_warnings};

/// One compiled configuration.
pub struct Plan {
    /// Counts up with every reload.
    pub revision: u64,
    /// The data classes; everything else refers to them by position.
    pub classes: Vec<ClassPlan>,
    /// The places of all connectors by name, and one local place for each class.
    pub places: HashMap<Arc<str>, PlacePlan>,
    /// Who may see what.
    pub policy: Policy,
    /// Budgets and what follows when one is spent, for each access rule in file order.
    pub rules: Vec<RulePlan>,
    /// The purposes that count.
    pub purposes: Vec<String>,
    /// Who is who, for each connector.
    pub identifiers: HashMap<String, Identifier>,
    /// Roles of local users (of the control socket).
    pub local_users: HashMap<String, LocalUser>,
    /// What a reviewer should know.
    pub warnings: Vec<Warning>,
}

/// What an access rule says besides what it permits.
#[derive(Clone, Debug)]
pub struct RulePlan {
    /// Its role.
    pub role: String,
    /// Values a minute and principal; `None` is the default for writes and searches, and
    /// no limit for reveals.
    pub write: Option<u64>,
    /// The same for searches.
    pub search: Option<u64>,
    /// The same for plain reveals.
    pub reveal: Option<u64>,
    /// Refuse (429) when the budget is spent, instead of falling to the next best outcome.
    pub refuse_when_spent: bool,
}

impl RulePlan {
    /// Values a minute a principal may have protected or searched if no budget is
    /// written: enough for an application, while the code book of 10^9 values takes ten
    /// weeks of a principal that nobody looks at.
    pub const DEFAULT_PER_MINUTE: u64 = 10_000;
}

/// What a user of the control socket is, besides an operator.
#[derive(Clone, Debug)]
pub struct LocalUser {
    /// The role of `access:`.
    pub role: String,
    /// The purpose that is fixed for this user.
    pub purpose: Option<String>,
}

impl Plan {
    /// The class with this name.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&ClassPlan> {
        self.classes.iter().find(|class| &*class.name == name)
    }

    /// Size, leaks, quota and versions of every transformation, in file order.
    #[must_use]
    pub fn domains(&self) -> Vec<DomainReport> {
        domains::reports(&self.classes)
    }

    /// The names of the classes a key protects.
    #[must_use]
    pub fn classes_of_key(&self, key: &str) -> Vec<String> {
        let has = |class: &&ClassPlan| class.method_of().is_some_and(|p| p.key_name == key);
        self.classes.iter().filter(has).map(|class| class.name.to_string()).collect()
    }
}
