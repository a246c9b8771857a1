use allonym_record::Value;

use crate::mask::irreversible;
use crate::{Context, Fault, FaultRule, Mark, Transform};

/// One-way: the value becomes null.
pub(crate) struct Redact;

impl Transform for Redact {
    fn protect(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        for value in batch.iter_mut().filter(|value| !value.is_empty()) {
            **value = Value::Null;
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        irreversible(batch)
    }

    fn mark(&self, _: &Value, _: &Context<'_>) -> Mark {
        Mark::Unmarked
    }

    fn stored_forms(&self, _: &Value, _: &Context<'_>) -> Result<Vec<Value>, Fault> {
        Err(Fault { index: 0, rule: FaultRule::NotSearchable })
    }

    fn is_marked(&self) -> bool {
        false
    }

    fn is_reversible(&self) -> bool {
        false
    }
}
