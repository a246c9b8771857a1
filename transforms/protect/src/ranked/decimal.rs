use super::Ranked;
use crate::SpecError;

/// The format of a specification.
pub(crate) fn build(from: i64, to: i64, scale: u8) -> Result<Box<dyn Ranked>, SpecError> {
    let _ = (from, to, scale);
    Err(SpecError::Invalid("this template is not built yet"))
}
