use super::Ranked;
use crate::{DateFormat, SpecError};

/// The format of a specification.
pub(crate) fn build(
    format: DateFormat,
    from: &str,
    to: &str,
) -> Result<Box<dyn Ranked>, SpecError> {
    let _ = (format, from, to);
    Err(SpecError::Invalid("this template is not built yet"))
}
