use std::sync::Arc;

use crate::{DateFormat, Domain, Scope, ShiftPer, SpecError, Transform};

/// The method of a domain.
pub(crate) fn build(
    format: DateFormat,
    days: u32,
    per: ShiftPer,
    domain: Domain,
    specification: [u8; 32],
    scope: Scope,
) -> Result<Arc<dyn Transform>, SpecError> {
    let _ = (format, days, per, domain, specification, scope);
    Err(SpecError::Invalid("this method is not built yet"))
}
