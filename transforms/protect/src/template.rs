//! Templates: which characters of a value change, which stay, and which are check digits.
//!
//! A template never changes a value's length. It gives each value that fits a [`Layout`]:
//! the positions that are enciphered, as numeral strings, and the ranges that stay in
//! clear and enter the tweak. Check digits are in neither; they are made anew.

mod alphanumeric;
mod digits;
mod iban;
mod pan;
mod phone;

use std::ops::Range;

use allonym_ff1::{domain_size, larger_half_bytes};

use crate::tweak::{self, Part, TweakRule};
use crate::{FaultRule, Keep, SpecError, TemplateSpec};

/// Fewest values an enciphered string must have (SP 800-38G Rev. 1 2PD, section 5).
const SMALLEST_DOMAIN: u128 = 1_000_000;

/// Longest value of a template with configured lengths, in characters.
const LONGEST: usize = 256;

/// A format.
pub(crate) trait Template: Send + Sync {
    /// All layouts there are.
    fn layouts(&self) -> &[Layout];

    /// Which layout a value has; it is inside the template but for its check digits.
    fn fit(&self, text: &str) -> Result<usize, FaultRule>;

    /// Whether digits written as a number fit too.
    fn takes_numbers(&self) -> bool {
        false
    }

    /// Whether a value that fits is a mask all the same.
    fn looks_masked(&self, _text: &str) -> bool {
        false
    }

    /// How many versions the check digits can carry: slots 1 to this number.
    fn slots(&self) -> u32 {
        0
    }

    /// How far the check digits of a value that fits are from the valid ones: 0 if valid.
    fn slot(&self, _text: &[u8]) -> Result<u32, FaultRule> {
        Ok(0)
    }

    /// Makes the check digits the valid ones moved by `slot`.
    fn set_slot(&self, _text: &mut [u8], _slot: u32) {}
}

/// The template of a specification.
pub(crate) fn build(spec: &TemplateSpec) -> Result<Box<dyn Template>, SpecError> {
    Ok(match *spec {
        TemplateSpec::Pan { keep, min, max } => Box::new(pan::Pan::new(keep, min, max)?),
        TemplateSpec::Digits { keep, min, max } => Box::new(digits::Digits::new(keep, min, max)?),
        TemplateSpec::Alphanumeric { keep, min, max } => {
            Box::new(alphanumeric::Alphanumeric::new(keep, min, max)?)
        }
        TemplateSpec::Phone => Box::new(phone::Phone::new()),
        TemplateSpec::Iban => Box::new(iban::Iban::new()),
        _ => return Err(SpecError::Invalid("this template is not built yet")),
    })
}

/// Where the parts of a value are.
pub(crate) struct Layout {
    /// What is enciphered: each run on its own.
    pub(crate) runs: Vec<Run>,
    /// What stays in clear, in the order in which it stands.
    pub(crate) kept: Vec<(Part, Range<usize>)>,
}

/// Characters that are enciphered together.
pub(crate) struct Run {
    pub(crate) alphabet: Alphabet,
    pub(crate) tweak: TweakRule,
    positions: Vec<usize>,
}

/// The characters of a numeral string, in the order of their numerals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Alphabet {
    /// 0-9.
    Decimal,
    /// 0-9, A-Z.
    Base36,
    /// 0-9, A-Z, a-z.
    Base62,
}

impl Layout {
    /// Writes down what stays in clear, after the scope.
    pub(crate) fn append_kept(&self, text: &[u8], typed: &mut Vec<u8>) -> Result<(), FaultRule> {
        for (part, range) in &self.kept {
            let content = text.get(range.clone()).ok_or(FaultRule::Length)?;
            tweak::append_part(*part, content, typed);
        }
        Ok(())
    }
}

impl Run {
    fn new(alphabet: Alphabet, positions: Vec<usize>) -> Self {
        let tweak = TweakRule::new(larger_half_bytes(alphabet.radix(), positions.len()));
        Self { alphabet, tweak, positions }
    }

    /// How many characters are enciphered.
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// How many values that are; all there are in a `u128` if more.
    fn domain_size(&self) -> u128 {
        domain_size(self.alphabet.radix(), self.len()).unwrap_or(u128::MAX)
    }

    /// Appends the numerals of a value.
    pub(crate) fn read(&self, text: &[u8], numerals: &mut Vec<u16>) -> Result<(), FaultRule> {
        for &position in &self.positions {
            let symbol = *text.get(position).ok_or(FaultRule::Length)?;
            numerals.push(self.alphabet.numeral(symbol).ok_or(FaultRule::Alphabet)?);
        }
        Ok(())
    }

    /// Puts numerals in the place of those of a value.
    pub(crate) fn write(&self, numerals: &[u16], text: &mut [u8]) -> Result<(), FaultRule> {
        for (&position, &numeral) in self.positions.iter().zip(numerals) {
            let symbol = self.alphabet.symbol(numeral).ok_or(FaultRule::Alphabet)?;
            *text.get_mut(position).ok_or(FaultRule::Length)? = symbol;
        }
        Ok(())
    }
}

impl Alphabet {
    /// How many characters it has.
    pub(crate) const fn radix(self) -> u32 {
        match self {
            Self::Decimal => 10,
            Self::Base36 => 36,
            Self::Base62 => 62,
        }
    }

    /// The numeral of a character; `None` if the alphabet does not have it.
    pub(crate) const fn numeral(self, symbol: u8) -> Option<u16> {
        let numeral = match symbol {
            b'0'..=b'9' => symbol - b'0',
            b'A'..=b'Z' => symbol - b'A' + 10,
            b'a'..=b'z' => symbol - b'a' + 36,
            _ => return None,
        };
        if (numeral as u32) < self.radix() { Some(numeral as u16) } else { None }
    }

    /// The character of a numeral; `None` from the radix on.
    pub(crate) const fn symbol(self, numeral: u16) -> Option<u8> {
        if numeral as u32 >= self.radix() {
            return None;
        }
        let numeral = numeral as u8;
        Some(match numeral {
            0..=9 => b'0' + numeral,
            10..=35 => b'A' + numeral - 10,
            _ => b'a' + numeral - 36,
        })
    }
}

/// One layout for each length from `min` to `max`, with something kept at either end.
fn spans(
    alphabet: Alphabet,
    keep: Keep,
    min: usize,
    max: usize,
    instead: &'static str,
) -> Result<Vec<Layout>, SpecError> {
    if min == 0 || min > max || max > LONGEST {
        return Err(SpecError::Invalid("lengths must be from 1 to 256, the shortest first"));
    }
    let part = if alphabet == Alphabet::Decimal { Part::Digits } else { Part::Text };
    (min..=max)
        .map(|length| {
            let end = length.saturating_sub(keep.last);
            let run = Run::new(alphabet, (keep.first..end).collect());
            enough(length, run.len(), run.domain_size(), instead)?;
            Ok(Layout { runs: vec![run], kept: kept(part, keep.first, end..length) })
        })
        .collect()
}

/// The kept parts at either end, where there are any.
fn kept(part: Part, first: usize, last: Range<usize>) -> Vec<(Part, Range<usize>)> {
    [0..first, last]
        .into_iter()
        .filter(|range| !range.is_empty())
        .map(|range| (part, range))
        .collect()
}

/// Refuses a length at which too little is enciphered.
fn enough(length: usize, free: usize, size: u128, instead: &'static str) -> Result<(), SpecError> {
    if size < SMALLEST_DOMAIN {
        return Err(SpecError::DomainTooSmall { length, free, size, instead });
    }
    Ok(())
}

/// The layout of a value of one alphabet whose length is from `min` on.
fn fit_span(
    text: &str,
    alphabet: Alphabet,
    min: usize,
    layouts: &[Layout],
) -> Result<usize, FaultRule> {
    if !text.bytes().all(|symbol| alphabet.numeral(symbol).is_some()) {
        return Err(FaultRule::Alphabet);
    }
    text.len().checked_sub(min).filter(|index| *index < layouts.len()).ok_or(FaultRule::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabets_map_both_ways() {
        for (alphabet, symbols) in [
            (Alphabet::Decimal, "0123456789"),
            (Alphabet::Base36, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            (Alphabet::Base62, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        ] {
            assert_eq!(symbols.len(), alphabet.radix() as usize);
            for (numeral, symbol) in symbols.bytes().enumerate() {
                let numeral = u16::try_from(numeral).unwrap();
                assert_eq!(alphabet.numeral(symbol), Some(numeral));
                assert_eq!(alphabet.symbol(numeral), Some(symbol));
            }
            let known = (0..=u8::MAX).filter(|symbol| alphabet.numeral(*symbol).is_some()).count();
            assert_eq!(known, symbols.len());
            assert_eq!(alphabet.symbol(alphabet.radix() as u16), None);
        }
    }
}
