use super::{Alphabet, Layout, Template, fit_span, spans};
use crate::{FaultRule, Keep, SpecError};

const INSTEAD: &str = "keep fewer characters, admit longer values only (`lengths: 4..` and more), or use `method: token`";

/// A run of this many X is a mask, not a value, though the alphabet has the letter.
const MASK_RUN: usize = 4;

/// The 62 characters 0-9, A-Z, a-z without separators.
pub(crate) struct Alphanumeric {
    min: usize,
    layouts: Vec<Layout>,
}

impl Alphanumeric {
    pub(crate) fn new(keep: Keep, min: usize, max: usize) -> Result<Self, SpecError> {
        Ok(Self { min, layouts: spans(Alphabet::Base62, keep, min, max, INSTEAD)? })
    }
}

impl Template for Alphanumeric {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        fit_span(text, Alphabet::Base62, self.min, &self.layouts)
    }

    fn looks_masked(&self, text: &str) -> bool {
        crate::mask::has_run_of_x(text, MASK_RUN)
    }
}
