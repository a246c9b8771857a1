//! One-way: what is kept of both ends is joined, so that nothing tells how much there was
//! between them.

use std::sync::Arc;

use allonym_record::Value;
use zeroize::Zeroizing;

use crate::mask::irreversible;
use crate::{Context, Fault, FaultRule, Keep, Mark, SpecError, Transform, header};

/// The method of a domain.
pub(crate) fn build(keep: Keep) -> Result<Arc<dyn Transform>, SpecError> {
    if keep == Keep::default() {
        return Err(SpecError::Invalid(
            "method `truncate` keeps nothing: say `keep: { first: … }` or `{ last: … }`, or use `method: redact`",
        ));
    }
    Ok(Arc::new(Truncate { keep }))
}

/// Only the kept ends of a text are left. A value that is not longer than what is kept
/// would pass whole, so it is refused.
struct Truncate {
    keep: Keep,
}

impl Truncate {
    fn truncated(&self, value: &Value) -> Result<Value, FaultRule> {
        header::judge(value)?;
        match value {
            Value::Text(text) => Ok(Value::Text(self.ends(text)?)),
            Value::Number(written) if !written.bytes().all(|symbol| symbol.is_ascii_digit()) => {
                Err(FaultRule::Alphabet)
            }
            Value::Number(written) => {
                let left = self.ends(written)?;
                if left.len() > 1 && left.starts_with('0') {
                    return Err(FaultRule::NotANumber);
                }
                Ok(Value::Number(left))
            }
            Value::Null | Value::Bool(_) => Err(FaultRule::Kind),
        }
    }

    fn ends(&self, text: &str) -> Result<Zeroizing<String>, FaultRule> {
        let length = text.chars().count();
        if length <= self.keep.first.saturating_add(self.keep.last) {
            return Err(FaultRule::Length);
        }
        // A buffer that grew would leave pieces of the value behind.
        let mut left = Zeroizing::new(String::with_capacity(text.len()));
        left.extend(text.chars().take(self.keep.first));
        left.extend(text.chars().skip(length - self.keep.last));
        Ok(left)
    }
}

impl Transform for Truncate {
    fn protect(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            **value = self.truncated(value).map_err(|rule| Fault { index, rule })?;
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
