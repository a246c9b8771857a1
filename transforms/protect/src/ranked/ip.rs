use super::Ranked;
use crate::SpecError;

/// IPv4 addresses of which the first `keep` bits stay.
pub(crate) fn build_v4(keep: u8) -> Result<Box<dyn Ranked>, SpecError> {
    let _ = keep;
    Err(SpecError::Invalid("this template is not built yet"))
}

/// IPv6 addresses of which the first `keep` bits stay.
pub(crate) fn build_v6(keep: u8) -> Result<Box<dyn Ranked>, SpecError> {
    let _ = keep;
    Err(SpecError::Invalid("this template is not built yet"))
}
