//! Templates: which characters of a value change, which stay, and which are check digits.
//!
//! A template never changes how many characters a value has. It gives each value that fits
//! a [`Layout`]: the characters that are enciphered, as numeral strings, and those that stay
//! in clear and enter the tweak. Check digits are in neither; they are made anew.
//!
//! Most layouts fix the positions of both. Where a value decides them (an address, a text
//! with separators), a layout fixes only how many characters are enciphered, and the
//! template finds them.

mod alphanumeric;
mod digits;
mod email;
mod found;
mod iban;
mod pan;
mod phone;
mod string;

use std::ops::Range;

use allonym_ff1::{domain_size, larger_half_bytes};
use zeroize::{Zeroize, Zeroizing};

use crate::tweak::{self, Part, TweakRule};
use crate::{FaultRule, Keep, SpecError, TemplateSpec};

pub use string::can_be_in_alphabet;

/// Fewest values an enciphered string must have (SP 800-38G Rev. 1 2PD, section 5).
pub(crate) const SMALLEST_DOMAIN: u128 = 1_000_000;

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

    /// Appends the numerals of a run of a value that has this layout.
    fn read(&self, run: &Run, text: &str, numerals: &mut Vec<u16>) -> Result<(), FaultRule> {
        run.read(text.as_bytes(), numerals)
    }

    /// Puts numerals in the place of those of a run, and if it is the last one makes the
    /// check digits anew.
    fn write(
        &self,
        run: &Run,
        numerals: &[u16],
        slot: Option<u32>,
        text: &mut Zeroizing<String>,
    ) -> Result<(), FaultRule> {
        edit(text, |bytes| {
            run.write(numerals, bytes)?;
            if let Some(slot) = slot {
                self.set_slot(bytes, slot);
            }
            Ok(())
        })
    }

    /// Writes down what stays in clear, after the scope.
    fn append_kept(
        &self,
        layout: &Layout,
        text: &str,
        typed: &mut Vec<u8>,
    ) -> Result<(), FaultRule> {
        layout.append_kept(text.as_bytes(), typed)
    }
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
        TemplateSpec::String { ref alphabet, ref pass, keep, min, max } => {
            Box::new(string::Declared::new(alphabet, pass, keep, min, max)?)
        }
        TemplateSpec::Email { part } => Box::new(email::Email::new(part)),
        _ => return Err(SpecError::Invalid("this template is a ranked one")),
    })
}

/// Where the parts of a value are.
pub(crate) struct Layout {
    /// What its values have in common, as reports name it: `length 16`.
    pub(crate) name: String,
    /// By how many times whoever knows a check digit from elsewhere has fewer values left.
    pub(crate) given_away: u32,
    /// What is enciphered: each run on its own.
    pub(crate) runs: Vec<Run>,
    /// What stays in clear, in the order in which it stands.
    pub(crate) kept: Vec<(Part, Range<usize>)>,
}

/// Characters that are enciphered together.
pub(crate) struct Run {
    pub(crate) radix: u32,
    pub(crate) tweak: TweakRule,
    length: usize,
    place: Place,
}

/// Where the characters of a run are.
enum Place {
    /// At the same positions in every value of the layout.
    At(Alphabet, Vec<usize>),
    /// Where the template finds them.
    Found,
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
    fn new(name: String, runs: Vec<Run>, kept: Vec<(Part, Range<usize>)>) -> Self {
        Self { name, given_away: 1, runs, kept }
    }

    /// How many characters of one alphabet are enciphered, wherever they are.
    fn found(name: String, radix: u32, length: usize) -> Self {
        Self::new(name, vec![Run::of(radix, length, Place::Found)], Vec::new())
    }

    /// The run with the fewest values: it decides how well the whole is protected.
    pub(crate) fn smallest(&self) -> Option<&Run> {
        self.runs.iter().min_by(|one, other| one.bits().total_cmp(&other.bits()))
    }

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
        Self::of(alphabet.radix(), positions.len(), Place::At(alphabet, positions))
    }

    fn of(radix: u32, length: usize, place: Place) -> Self {
        Self { radix, tweak: TweakRule::new(larger_half_bytes(radix, length)), length, place }
    }

    /// How many characters are enciphered.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// How many values that are; `None` if they are more than a `u128` holds.
    pub(crate) fn size(&self) -> Option<u128> {
        domain_size(self.radix, self.length)
    }

    /// The logarithm to base 2 of how many values that are.
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
    pub(crate) fn bits(&self) -> f64 {
        f64::from(self.radix).log2() * self.length as f64
    }

    /// How many values that are; all there are in a `u128` if more.
    fn domain_size(&self) -> u128 {
        self.size().unwrap_or(u128::MAX)
    }

    /// The positions that are the same in every value of the layout.
    fn positions(&self) -> &[usize] {
        match &self.place {
            Place::At(_, positions) => positions,
            Place::Found => &[],
        }
    }

    /// Appends the numerals of a value.
    fn read(&self, text: &[u8], numerals: &mut Vec<u16>) -> Result<(), FaultRule> {
        let Place::At(alphabet, positions) = &self.place else {
            return Err(FaultRule::Structure);
        };
        for &position in positions {
            let symbol = *text.get(position).ok_or(FaultRule::Length)?;
            numerals.push(alphabet.numeral(symbol).ok_or(FaultRule::Alphabet)?);
        }
        Ok(())
    }

    /// Puts numerals in the place of those of a value.
    fn write(&self, numerals: &[u16], text: &mut [u8]) -> Result<(), FaultRule> {
        let Place::At(alphabet, positions) = &self.place else {
            return Err(FaultRule::Structure);
        };
        for (&position, &numeral) in positions.iter().zip(numerals) {
            let symbol = alphabet.symbol(numeral).ok_or(FaultRule::Alphabet)?;
            *text.get_mut(position).ok_or(FaultRule::Length)? = symbol;
        }
        Ok(())
    }
}

/// Changes the characters of a text where they are: no copy of them is left behind.
fn edit(
    text: &mut Zeroizing<String>,
    change: impl FnOnce(&mut [u8]) -> Result<(), FaultRule>,
) -> Result<(), FaultRule> {
    let mut bytes = std::mem::take(&mut **text).into_bytes();
    let changed = change(&mut bytes);
    match String::from_utf8(bytes) {
        Ok(edited) => **text = edited,
        Err(error) => {
            error.into_bytes().zeroize();
            return Err(FaultRule::Alphabet);
        }
    }
    changed
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
            let kept = kept(part, keep.first, end..length);
            Ok(Layout::new(format!("length {length}"), vec![run], kept))
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
