use super::{Alphabet, Layout, Template, fit_span, spans};
use crate::{FaultRule, Keep, SpecError};

const INSTEAD: &str =
    "keep fewer digits, admit longer values only (`lengths: 6..` and more), or use `method: token`";

/// Decimal digits without separators.
pub(crate) struct Digits {
    min: usize,
    layouts: Vec<Layout>,
}

impl Digits {
    pub(crate) fn new(keep: Keep, min: usize, max: usize) -> Result<Self, SpecError> {
        Ok(Self { min, layouts: spans(Alphabet::Decimal, keep, min, max, INSTEAD)? })
    }
}

impl Template for Digits {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        fit_span(text, Alphabet::Decimal, self.min, &self.layouts)
    }

    fn takes_numbers(&self) -> bool {
        true
    }
}
