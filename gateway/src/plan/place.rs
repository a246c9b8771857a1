use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allonym_contract::{OnUnprotected, Rules, Tokens, Use};

use super::ClassPlan;

/// A place, compiled: which rule names which class.
pub struct PlacePlan {
    /// What connectors are told.
    pub rules: Arc<Rules>,
    /// For each rule its field.
    pub fields: Vec<FieldPlan>,
    /// What of protected values on a write.
    pub tokens: Tokens,
    /// What of plain values on a read.
    pub on_unprotected: OnUnprotected,
    /// The configuration states that the upstream holds protected values only.
    pub holds_protected_only: bool,
    /// Whether anonymous callers may pass here if their connector admits them: the place
    /// only reads.
    pub only_reads: bool,
}

/// One field of a place.
pub struct FieldPlan {
    /// Its selector, as errors and records name it.
    pub name: String,
    /// The position of its class in the plan.
    pub class: usize,
    /// What the upstream does with it.
    pub usage: Use,
    /// Set once the store remembers which domain this field has.
    pub used: AtomicBool,
    /// No upstream holds anything here: there is no place to remember.
    pub is_local: bool,
}

impl PlacePlan {
    /// The local place of a class: one field, plain values in, what the caller may see out.
    #[must_use]
    pub fn local(name: Arc<str>, class: usize, plan: &ClassPlan) -> Self {
        let rules = Rules { place: name, classes: vec![Arc::clone(&plan.name)] };
        let field = FieldPlan {
            name: "value".to_owned(),
            class,
            usage: Use::Content,
            used: AtomicBool::new(true),
            is_local: true,
        };
        Self {
            rules: Arc::new(rules),
            fields: vec![field],
            tokens: Tokens::Refuse,
            on_unprotected: OnUnprotected::Refuse,
            holds_protected_only: true,
            only_reads: false,
        }
    }
}

/// The name of the place through which local callers (`allonym protect` and `reveal`)
/// reach a class.
#[must_use]
pub fn local_place(class: &str) -> Arc<str> {
    format!("local {class}").into()
}
