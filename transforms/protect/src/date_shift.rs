//! One-way: a date moves by a keyed number of days. Byte-exact:
//!
//! ```text
//!   mac    = HMAC-SHA-256(date shift key, typed)
//!   typed  = scope as in a tweak; then, per value, the date as a text part "YYYY-MM-DD"
//!   n      = floor(first 8 bytes of mac, big-endian, * 2 * days / 2^64)
//!   offset = n - days, if n < days; n - days + 1 otherwise
//! ```
//!
//! So the offset is one of -days to days but never 0, each as likely as another to within
//! 2^-51. The active key version decides: a rotation gives other offsets.

use std::sync::Arc;

use allonym_keyring::{Purpose, Secret};
use allonym_record::Value;
use hmac::Mac as _;
use zeroize::Zeroizing;

use crate::calendar::Date;
use crate::derived::Derived;
use crate::mask::irreversible;
use crate::tweak::{self, Part, Prf};
use crate::{
    Context, DateFormat, Domain, Fault, FaultRule, Mark, Scope, ShiftPer, SpecError, Transform,
};

/// Most days a date moves: ten years.
const MOST_DAYS: u32 = 3650;

/// The method of a domain.
pub(crate) fn build(
    format: DateFormat,
    days: u32,
    per: ShiftPer,
    domain: Domain,
    specification: [u8; 32],
    scope: Scope,
) -> Result<Arc<dyn Transform>, SpecError> {
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(SpecError::Invalid("`days` of method `date_shift` is one of 1 to 3650"));
    }
    let keys = Derived::new(domain, specification);
    Ok(Arc::new(DateShift { format, days, per, keys, scope }))
}

/// A date moves by a keyed number of days.
struct DateShift {
    format: DateFormat,
    days: u32,
    per: ShiftPer,
    keys: Derived<Prf>,
    scope: Scope,
}

impl DateShift {
    /// By how many days what was written down moves.
    fn offset(&self, prf: &Prf, typed: &[u8]) -> i64 {
        let mac = prf.clone().chain_update(typed).finalize().into_bytes();
        let random = mac.first_chunk().copied().map_or(0, u64::from_be_bytes);
        offset(random, self.days)
    }

    fn shifted(&self, value: &Value, date: Date, offset: i64) -> Result<Value, FaultRule> {
        let shifted = Date::from_days(date.days() + offset).ok_or(FaultRule::Range)?;
        let text = Zeroizing::new(self.format.write(shifted));
        match value {
            // A number has no leading zero.
            Value::Number(_) if text.starts_with('0') => Err(FaultRule::NotANumber),
            Value::Number(_) => Ok(Value::Number(text)),
            _ => Ok(Value::Text(text)),
        }
    }
}

impl Transform for DateShift {
    fn protect(&self, batch: &mut [&mut Value], context: &Context<'_>) -> Result<(), Fault> {
        let Some(first) = batch.iter().position(|value| !value.is_empty()) else {
            return Ok(());
        };
        let failed = |rule| Fault { index: first, rule };
        let scope = tweak::scope(&self.scope, context.tenant).map_err(failed)?;
        let (_, prf) = self.keys.writing(context, derive).map_err(failed)?;
        let for_all = self.offset(&prf, &scope);
        let mut typed = Zeroizing::new(Vec::with_capacity(scope.len() + 11));
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            let fault = |rule| Fault { index, rule };
            let date = self.format.of(value).map_err(fault)?;
            let offset = match self.per {
                ShiftPer::Domain => for_all,
                ShiftPer::Value => {
                    let canonical = Zeroizing::new(DateFormat::Iso.write(date));
                    typed.clear();
                    typed.extend_from_slice(&scope);
                    tweak::append_part(Part::Text, canonical.as_bytes(), &mut typed);
                    self.offset(&prf, &typed)
                }
            };
            **value = self.shifted(value, date, offset).map_err(fault)?;
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

fn derive(derive: &dyn Fn(Purpose) -> Secret) -> Result<Prf, FaultRule> {
    Ok(tweak::prf(&derive(Purpose::DateShift)))
}

/// One of -days to days but 0, in proportion to a number of 64 bits.
fn offset(random: u64, days: u32) -> i64 {
    let choices = u128::from(days) * 2;
    let at = ((u128::from(random) * choices) >> 64) as i64;
    let days = i64::from(days);
    if at < days { at - days } else { at - days + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_but_none_is_as_likely() {
        for days in [1_u32, 2, 30, MOST_DAYS] {
            let part = u64::MAX / u64::from(days * 2) + 1;
            let offsets: Vec<i64> =
                (0..u64::from(days) * 2).map(|at| offset(at * part + part / 2, days)).collect();
            let expected: Vec<i64> =
                (-i64::from(days)..=i64::from(days)).filter(|offset| *offset != 0).collect();
            assert_eq!(offsets, expected);
            assert_eq!(offset(0, days), -i64::from(days));
            assert_eq!(offset(u64::MAX, days), i64::from(days));
        }
    }
}
