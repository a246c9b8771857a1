use unicode_normalization::char::{canonical_combining_class, is_public_assigned};
use unicode_normalization::{IsNormalized, is_nfc, is_nfc_quick};
use zeroize::Zeroizing;

use super::found::{self, Symbol};
use super::{LONGEST, Layout, Run, SMALLEST_DOMAIN, Template, enough};
use crate::{FaultRule, Keep, SpecError};

const INSTEAD: &str =
    "keep fewer characters, admit longer values only (`lengths:`), or use `method: token`";

/// A run of this many X is a mask, not a value, where the alphabet has the letter.
const MASK_RUN: usize = 4;

/// They stand for hidden characters.
const MASKS: [char; 2] = ['*', '•'];

/// Characters of a declared alphabet. Those to pass stay where they stand, and both ends
/// stay as far as they are kept.
pub(crate) struct Declared {
    alphabet: Ranges,
    pass: Vec<char>,
    keep: Keep,
    min: usize,
    max: usize,
    /// How many characters the first of the layouts enciphers.
    fewest: usize,
    layouts: Vec<Layout>,
}

/// An alphabet as ranges of code points, in ascending order. The numeral of a character is
/// the number of those before it.
struct Ranges {
    ranges: Vec<Range>,
    radix: u32,
}

struct Range {
    first: u32,
    last: u32,
    /// The numeral of the first.
    numeral: u32,
}

impl Declared {
    pub(crate) fn new(
        alphabet: &str,
        pass: &str,
        keep: Keep,
        min: usize,
        max: usize,
    ) -> Result<Self, SpecError> {
        let alphabet = Ranges::new(alphabet)?;
        let pass: Vec<char> = pass.chars().collect();
        check_pass(&pass, &alphabet)?;
        if min == 0 || min > max || max > LONGEST {
            return Err(SpecError::Invalid("lengths must be from 1 to 256, the shortest first"));
        }
        let kept = keep.first.saturating_add(keep.last);
        let radix = alphabet.radix;
        let layout =
            |length| Layout::found(format!("{length} characters enciphered"), radix, length);
        let size = |length| layout(length).smallest().map_or(0, Run::domain_size);
        let shortest = min.saturating_sub(kept);
        enough(min, shortest, size(shortest), INSTEAD)?;
        // Characters that pass leave fewer to encipher, down to the fewest that are enough.
        let mut lengths = if pass.is_empty() { shortest..=shortest } else { 1..=shortest };
        let fewest = lengths.find(|length| size(*length) >= SMALLEST_DOMAIN).unwrap_or(shortest);
        let layouts = (fewest..=max.saturating_sub(kept)).map(layout).collect();
        Ok(Self { alphabet, pass, keep, min, max, fewest, layouts })
    }

    /// What becomes of each character of a text of so many characters; those of neither
    /// alphabet stay, which only [`Template::fit`] may see.
    fn symbols<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Symbol> + 'a {
        let end = text.chars().count().saturating_sub(self.keep.last);
        text.chars().enumerate().map(move |(at, character)| {
            if at < self.keep.first || at >= end {
                return Symbol::Stays;
            }
            self.alphabet.numeral(character).map_or(Symbol::Stays, Symbol::Numeral)
        })
    }
}

impl Template for Declared {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        if !text.is_ascii() && !is_nfc(text) {
            return Err(FaultRule::NotNormalized);
        }
        let known = |character| {
            self.alphabet.numeral(character).is_some() || self.pass.contains(&character)
        };
        if !text.chars().all(known) {
            return Err(FaultRule::Alphabet);
        }
        if !(self.min..=self.max).contains(&text.chars().count()) {
            return Err(FaultRule::Length);
        }
        let enciphered =
            self.symbols(text).filter(|symbol| matches!(symbol, Symbol::Numeral(_))).count();
        let layout = enciphered.checked_sub(self.fewest);
        layout.filter(|index| *index < self.layouts.len()).ok_or(FaultRule::Length)
    }

    fn looks_masked(&self, text: &str) -> bool {
        crate::mask::has_run_of_x(text, MASK_RUN)
    }

    fn read(&self, _: &Run, text: &str, numerals: &mut Vec<u16>) -> Result<(), FaultRule> {
        found::read(self.symbols(text), numerals);
        Ok(())
    }

    fn write(
        &self,
        _: &Run,
        numerals: &[u16],
        _slot: Option<u32>,
        text: &mut Zeroizing<String>,
    ) -> Result<(), FaultRule> {
        let character = |numeral| self.alphabet.character(numeral);
        *text = found::write(text, self.symbols(text), numerals, character)?;
        Ok(())
    }

    fn append_kept(&self, _: &Layout, text: &str, typed: &mut Vec<u8>) -> Result<(), FaultRule> {
        found::append_kept(text, self.symbols(text), typed)
    }
}

impl Ranges {
    /// Takes pairs of characters, the first and the last of each range.
    fn new(pairs: &str) -> Result<Self, SpecError> {
        let characters: Vec<char> = pairs.chars().collect();
        let (mut ranges, mut radix, mut next) = (Vec::new(), 0_u32, 0_u32);
        for pair in characters.chunks(2) {
            let [first, last] = *pair else {
                return Err(SpecError::Invalid("an alphabet is pairs of characters"));
            };
            if u32::from(first) < next || last < first {
                return Err(SpecError::Invalid(
                    "the ranges of an alphabet must be in the order of their code points, and none may meet another",
                ));
            }
            if !(first..=last).all(is_stable) {
                return Err(SpecError::Invalid(
                    "an alphabet may not have combining marks, unassigned characters or any that change under normalisation form C",
                ));
            }
            let skipped = (first..=last).count();
            let count = u32::try_from(skipped).unwrap_or(u32::MAX);
            if u64::from(count) != u64::from(u32::from(last) - u32::from(first)) + 1 {
                return Err(SpecError::Invalid("a range of an alphabet may not span surrogates"));
            }
            ranges.push(Range { first: first.into(), last: last.into(), numeral: radix });
            radix = radix.saturating_add(count);
            next = u32::from(last) + 1;
        }
        if !(2..=65_536).contains(&radix) {
            return Err(SpecError::Invalid("an alphabet has from 2 to 65536 characters"));
        }
        let alphabet = Self { ranges, radix };
        check_masks(|character| alphabet.numeral(character).is_some())?;
        Ok(alphabet)
    }

    fn numeral(&self, character: char) -> Option<u16> {
        let code = u32::from(character);
        let after = self.ranges.partition_point(|range| range.first <= code);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        let offset = code.checked_sub(range.first).filter(|_| code <= range.last)?;
        u16::try_from(range.numeral + offset).ok()
    }

    fn character(&self, numeral: u16) -> Option<char> {
        let numeral = u32::from(numeral);
        let after = self.ranges.partition_point(|range| range.numeral <= numeral);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        let code = range.first.checked_add(numeral - range.numeral)?;
        char::from_u32(code).filter(|_| code <= range.last)
    }
}

/// Whether a character can be in the alphabet of a string, or pass in one: combining marks,
/// unassigned characters, those that change under normalisation form C, and those that stand
/// for hidden ones (`*`, `•`) cannot.
#[must_use]
pub fn can_be_in_alphabet(character: char) -> bool {
    is_stable(character) && !MASKS.contains(&character)
}

/// Whether text of such characters, in any order, is in normalisation form C: it is if
/// none is a combining mark or can be composed with the one before it (UAX #15, section 9).
fn is_stable(character: char) -> bool {
    canonical_combining_class(character) == 0
        && is_nfc_quick(std::iter::once(character)) == IsNormalized::Yes
        && is_public_assigned(character)
}

fn check_pass(pass: &[char], alphabet: &Ranges) -> Result<(), SpecError> {
    if pass.iter().any(|character| alphabet.numeral(*character).is_some()) {
        return Err(SpecError::Invalid("a character that passes cannot be in the alphabet too"));
    }
    if !pass.iter().all(|character| is_stable(*character)) {
        return Err(SpecError::Invalid(
            "combining marks, unassigned characters and those that change under normalisation form C cannot pass",
        ));
    }
    check_masks(|character| pass.contains(&character))
}

fn check_masks(has: impl Fn(char) -> bool) -> Result<(), SpecError> {
    if MASKS.into_iter().any(has) {
        return Err(SpecError::Invalid(
            "`*` and `•` stand for hidden characters: neither can be in an alphabet or pass",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(alphabet: &str, pass: &str, keep: (usize, usize)) -> Declared {
        let keep = Keep { first: keep.0, last: keep.1 };
        Declared::new(alphabet, pass, keep, 1 + keep.first + keep.last + 5, 40).unwrap()
    }

    #[test]
    fn numerals_are_the_order_of_the_alphabet() {
        let alphabet = Ranges::new("09AZaz\u{c4}\u{c4}\u{4e00}\u{9fa5}\u{1f600}\u{1f640}").unwrap();
        assert_eq!(alphabet.radix, 10 + 26 + 26 + 1 + 20_902 + 65);
        for (character, numeral) in
            [('0', 0), ('9', 9), ('A', 10), ('z', 61), ('Ä', 62), ('一', 63), ('\u{1f600}', 20_965)]
        {
            assert_eq!(alphabet.numeral(character), Some(numeral), "{character}");
            assert_eq!(alphabet.character(numeral), Some(character));
        }
        for other in [' ', '/', ':', '@', '[', 'ä', '\u{9fa6}', '\u{1f641}', '\0'] {
            assert_eq!(alphabet.numeral(other), None, "{other}");
        }
        assert_eq!(alphabet.character(20_965 + 65), None);
        assert_eq!(alphabet.character(u16::MAX), None);
    }

    #[test]
    fn an_alphabet_that_cannot_be_had_is_refused() {
        let check = |alphabet: &str, pass: &str, expected: &str| {
            let refused = Declared::new(alphabet, pass, Keep::default(), 20, 40).err();
            assert!(refused.unwrap().to_string().contains(expected), "{alphabet:?} {pass:?}");
        };
        check("", "", "from 2 to 65536");
        check("aa", "", "from 2 to 65536");
        check("09A", "", "pairs");
        check("90", "", "order of their code points");
        check("az09", "", "order of their code points");
        check("azmz", "", "order of their code points");
        check("aaaa", "", "order of their code points");
        check("az\u{300}\u{301}", "", "combining marks");
        check("az\u{1161}\u{1165}", "", "combining marks"); // Hangul vowels compose.
        check("az\u{212b}\u{212b}", "", "combining marks"); // The ångström sign is an Å.
        check("az\u{378}\u{378}", "", "unassigned");
        check("09", "5", "in the alphabet too");
        check("09", "\u{301}", "cannot pass");
        check("!/", "", "hidden characters");
        check("09", "*", "hidden characters");
        check("\u{4e00}\u{9fa5}\u{ac00}\u{d7a3}\u{20000}\u{2a6dd}", "", "65536");
        let short = Declared::new("09", "", Keep { first: 2, last: 3 }, 10, 12).err();
        assert!(matches!(short, Some(SpecError::DomainTooSmall { length: 10, free: 5, .. })));
        let nothing = Declared::new("09", "", Keep { first: usize::MAX, last: 3 }, 10, 12).err();
        assert!(matches!(nothing, Some(SpecError::DomainTooSmall { free: 0, .. })));
    }

    #[test]
    fn what_fits_and_what_stays() {
        /// How many characters are enciphered, and what stays, with its position.
        type Expected<'a> = Result<(usize, &'a [(u8, &'a str)]), FaultRule>;
        let check = |declared: &Declared, text: &str, expected: Expected<'_>| {
            let judged = declared.fit(text);
            assert_eq!(
                judged.map(|index| declared.layouts[index].runs[0].len()),
                expected.map(|(length, _)| length),
                "{text}"
            );
            let Ok((_, kept)) = expected else { return };
            let mut typed = Vec::new();
            declared.append_kept(&declared.layouts[0], text, &mut typed).unwrap();
            let mut wanted = Vec::new();
            for (position, part) in kept {
                crate::tweak::append_placed(*position, part, &mut wanted);
            }
            assert_eq!(typed, wanted, "{text}");
        };
        let ends = declared("09AZ", "-.", (2, 1));
        check(&ends, "AB-123-456Z", Ok((6, &[(0, "AB-"), (6, "-"), (10, "Z")])));
        check(&ends, "AB123456Z", Ok((6, &[(0, "AB"), (8, "Z")])));
        check(&ends, "A-123456-", Ok((6, &[(0, "A-"), (8, "-")])));
        check(&ends, "AB12-.-.Z", Err(FaultRule::Length));
        check(&ends, "AB12345Z", Err(FaultRule::Length));
        check(&ends, "ab123456Z", Err(FaultRule::Alphabet));
        check(&ends, "AB123456z", Err(FaultRule::Alphabet));
        let open = declared("09az\u{e4}\u{e4}", " ", (0, 0));
        check(&open, "abcdä9", Ok((6, &[])));
        check(&open, " abc dä9 ", Ok((6, &[(0, " "), (4, " "), (8, " ")])));
        check(&open, "abcda\u{308}9", Err(FaultRule::NotNormalized));
        check(&open, "abcdÄ9", Err(FaultRule::Alphabet));
        check(&open, "abcd\u{e9}9", Err(FaultRule::Alphabet));
    }
}
