use super::{Alphabet, Layout, Run, Template, enough, fit_span, kept};
use crate::tweak::Part;
use crate::{FaultRule, Keep, SpecError, luhn};

const INSTEAD: &str = "keep fewer digits, admit longer card numbers only (first 8 needs `lengths: 15..19`), or use `method: token`";

/// A payment card number (ISO/IEC 7812-1): digits without separators, the last of which
/// is the Luhn check digit. It is never enciphered, and never kept as it was: digits kept
/// at the end are those before it.
pub(crate) struct Pan {
    min: usize,
    layouts: Vec<Layout>,
}

impl Pan {
    pub(crate) fn new(keep: Keep, min: usize, max: usize) -> Result<Self, SpecError> {
        if min < 8 || min > max || max > 19 {
            return Err(SpecError::Invalid(
                "lengths of card numbers must be from 8 to 19, the shortest first",
            ));
        }
        let layouts = (min..=max).map(|length| layout(keep, length)).collect::<Result<_, _>>()?;
        Ok(Self { min, layouts })
    }
}

impl Template for Pan {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        fit_span(text, Alphabet::Decimal, self.min, &self.layouts)
    }

    fn takes_numbers(&self) -> bool {
        true
    }

    fn slots(&self) -> u32 {
        9
    }

    fn slot(&self, text: &[u8]) -> Result<u32, FaultRule> {
        luhn::distance(text).ok_or(FaultRule::Length)
    }

    fn set_slot(&self, text: &mut [u8], slot: u32) {
        luhn::set_distance(text, slot);
    }
}

fn layout(keep: Keep, length: usize) -> Result<Layout, SpecError> {
    let end = length.saturating_sub(keep.last.max(1));
    let run = Run::new(Alphabet::Decimal, (keep.first..end).collect());
    // Who sees the last digits of a card elsewhere (a receipt) sees its check digit with
    // them, and the check digit gives away one more.
    let given_away = if keep.last > 0 { 10 } else { 1 };
    enough(length, run.len(), run.domain_size() / u128::from(given_away), INSTEAD)?;
    let kept = kept(Part::Digits, keep.first, end..length - 1);
    Ok(Layout { given_away, ..Layout::new(format!("length {length}"), vec![run], kept) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(first: usize, last: usize, min: usize, max: usize) -> Result<Pan, SpecError> {
        Pan::new(Keep { first, last }, min, max)
    }

    #[test]
    fn the_slot_is_the_distance_from_the_valid_check_digit() {
        let pan = new(6, 0, 13, 19).unwrap();
        for (number, expected) in [
            ("4929120000006466", 0),
            ("4111111111111111", 0),
            ("4111111111111112", 1),
            ("4111111111111110", 9),
            ("378282246310005", 0),
            ("4222222222222", 0),
            ("79927398713", 0), // the standard's example
        ] {
            assert_eq!(pan.slot(number.as_bytes()), Ok(expected), "{number}");
            for slot in 0..=9 {
                let mut moved = number.as_bytes().to_vec();
                pan.set_slot(&mut moved, slot);
                assert_eq!(pan.slot(&moved), Ok(slot));
            }
        }
    }

    #[test]
    fn the_domain_is_computed_for_every_length() {
        let small = |first, last, min, max, at, free, size| {
            let expected = SpecError::DomainTooSmall { length: at, free, size, instead: INSTEAD };
            assert_eq!(new(first, last, min, max).err(), Some(expected));
        };
        small(6, 0, 12, 19, 12, 5, 100_000);
        small(8, 0, 13, 19, 13, 4, 10_000);
        small(8, 0, 14, 19, 14, 5, 100_000);
        small(6, 4, 16, 16, 16, 6, 100_000);
        small(8, 4, 16, 19, 16, 4, 1_000);
        small(20, 0, 13, 13, 13, 0, 1);
        for (first, last, min) in [(6, 0, 13), (8, 0, 15), (0, 0, 8), (0, 4, 13), (6, 4, 17)] {
            assert!(new(first, last, min, 19).is_ok(), "{first} {last} {min}");
        }
        for (min, max) in [(7, 19), (16, 20), (17, 16)] {
            assert!(matches!(new(0, 0, min, max).err(), Some(SpecError::Invalid(_))));
        }
    }

    #[test]
    fn the_check_digit_is_in_no_part() {
        let pan = new(6, 4, 17, 19).unwrap();
        let layout = &pan.layouts()[0];
        assert_eq!(layout.kept, [(Part::Digits, 0..6), (Part::Digits, 13..16)]);
        assert_eq!(layout.runs[0].positions(), (6..13).collect::<Vec<_>>());
    }
}
