use allonym_record::Value;

use crate::mask::irreversible;
use crate::{Context, Fault, FaultRule, Mark, Transform};

/// One-way: a constant text takes the place of every value.
pub(crate) struct Replace {
    pub(crate) with: String,
}

impl Transform for Replace {
    fn protect(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        for value in batch.iter_mut().filter(|value| !value.is_empty()) {
            **value = Value::text(self.with.as_str());
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
