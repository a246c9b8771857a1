use super::Ranked;
use crate::SpecError;

/// The format of a specification.
pub(crate) fn build(
    from: i64,
    to: i64,
    width: Option<usize>,
    reserved: &[i64],
) -> Result<Box<dyn Ranked>, SpecError> {
    let _ = (from, to, width, reserved);
    Err(SpecError::Invalid("this template is not built yet"))
}
