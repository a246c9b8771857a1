use super::Ranked;
use crate::SpecError;

/// The format of a specification.
pub(crate) fn build() -> Result<Box<dyn Ranked>, SpecError> {
    Err(SpecError::Invalid("this template is not built yet"))
}
