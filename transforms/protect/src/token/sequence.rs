//! Format-preserving tokens: a counter, enciphered between the kept ends of the value.
//! A stored format.
//!
//! ```text
//!   typed  = 00 first last length    the parts of `crate::tweak`; an end of which
//!                                    nothing is kept has no part, the length of the
//!                                    value is its decimal digits as a digits part
//!   part   = leftmost 16 bytes of HMAC-SHA-256(part key, typed): one counter for each
//!   free   = the positions between the kept ends (and before the check digit)
//!   tweak  = of `typed`, by the rule of `crate::tweak`, under the domain's tweak key
//!   token  = kept ends, FF1(sequence key, tweak, counter as numerals of `free`, the
//!            highest first), for a card the check digit: valid + 1 mod 10 where it
//!            `fails`, else valid
//! ```
//!
//! All three keys are derived from the domain's own secret, which no rotation changes,
//! so a number never gives two tokens and two numbers never give one. A token says
//! nothing of its value but what is kept; with both ends kept and few characters between
//! them it is one of few, which is what `token` is for: FF1 here only hides the order in
//! which tokens were issued, and the floor of 10^6 for enciphered values does not apply.

use std::ops::Range;

use allonym_ff1::{Ff1, domain_size, larger_half_bytes};
use allonym_keyring::Secret;
use allonym_record::Value;
use hmac::Mac as _;

use crate::luhn;
use crate::mask::{has_mask_symbol, has_run_of_x};
use crate::template::Alphabet;
use crate::tweak::{self, Part, Prf, TweakRule};
use crate::{FaultRule, Keep, Luhn, Mark, SpecError};

/// Longest value of a template with configured lengths, in characters.
const LONGEST: usize = 256;
/// Fewest tokens that one counter must have room for (SP 800-38G, section 5.1).
const SMALLEST: u64 = 100;
/// A run of this many X is a mask, not a value, though the alphabet has the letter.
const MASK_RUN: usize = 4;

/// A format.
pub(super) struct Sequence {
    alphabet: Alphabet,
    /// The check digit of tokens, for cards.
    luhn: Option<Luhn>,
    min: usize,
    /// One for each length from `min` on.
    spans: Vec<Span>,
}

/// Where the parts of a value of one length are.
pub(super) struct Span {
    length: usize,
    free: Range<usize>,
    last: Range<usize>,
    tweak: TweakRule,
    limit: u64,
}

/// What the domain's secret gives.
pub(super) struct SequenceKeys {
    engine: Ff1,
    tweak: Prf,
    part: Prf,
    /// How often the engine was used.
    #[cfg(test)]
    pub(super) used: std::sync::atomic::AtomicUsize,
}

/// What tokens of values with the same preserved parts have in common.
pub(super) struct Group<'a> {
    span: &'a Span,
    tweak: Vec<u8>,
    /// Which counter is theirs.
    pub(super) part: [u8; 16],
}

impl Sequence {
    /// Card numbers (ISO/IEC 7812-1).
    pub(super) fn pan(keep: Keep, min: usize, max: usize, luhn: Luhn) -> Result<Self, SpecError> {
        if min < 8 || min > max || max > 19 {
            return Err(SpecError::Invalid(
                "lengths of card numbers must be from 8 to 19, the shortest first",
            ));
        }
        // The check digit is never kept as it was: digits kept at the end are before it.
        Self::new(Alphabet::Decimal, Some(luhn), keep, min..=max, 1)
    }

    /// Decimal digits.
    pub(super) fn digits(keep: Keep, min: usize, max: usize) -> Result<Self, SpecError> {
        Self::spanning(Alphabet::Decimal, keep, min, max)
    }

    /// The 62 characters 0-9, A-Z, a-z.
    pub(super) fn alphanumeric(keep: Keep, min: usize, max: usize) -> Result<Self, SpecError> {
        Self::spanning(Alphabet::Base62, keep, min, max)
    }

    /// How many tokens one counter has, for each length.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (usize, u64)> {
        self.spans.iter().map(|span| (span.length, span.limit))
    }

    fn spanning(alphabet: Alphabet, keep: Keep, min: usize, max: usize) -> Result<Self, SpecError> {
        if min == 0 || min > max || max > LONGEST {
            return Err(SpecError::Invalid("lengths must be from 1 to 256, the shortest first"));
        }
        Self::new(alphabet, None, keep, min..=max, 0)
    }

    fn new(
        alphabet: Alphabet,
        luhn: Option<Luhn>,
        keep: Keep,
        lengths: std::ops::RangeInclusive<usize>,
        check_digits: usize,
    ) -> Result<Self, SpecError> {
        let min = *lengths.start();
        let radix = alphabet.radix();
        let spans = lengths.map(|length| {
            let end = length.saturating_sub(keep.last.max(check_digits));
            let free = end.saturating_sub(keep.first);
            // Counters are numbers that every database can hold.
            let room = domain_size(radix, free).and_then(|size| i64::try_from(size).ok());
            let limit = room.unwrap_or(i64::MAX).unsigned_abs();
            if limit < SMALLEST {
                return Err(SpecError::Invalid(
                    "at some length fewer than 100 tokens are left between the kept ends: keep less, or admit longer values only",
                ));
            }
            let tweak = TweakRule::new(larger_half_bytes(radix, free));
            Ok(Span { length, free: keep.first..end, last: end..length - check_digits, tweak, limit })
        });
        Ok(Self { alphabet, luhn, min, spans: spans.collect::<Result<_, _>>()? })
    }

    /// Whether a token shows that it is one.
    pub(super) const fn is_marked(&self) -> bool {
        matches!(self.luhn, Some(Luhn::Fails))
    }

    /// What a value shows by itself.
    pub(super) fn mark(&self, value: &Value) -> Mark {
        match self.fit(value) {
            Err(rule) => Mark::Neither(rule),
            Ok(text) => match (self.luhn, self.distance(text)) {
                (None, _) | (Some(Luhn::Valid), 0) => Mark::Unmarked,
                (Some(Luhn::Fails), 0) => Mark::Plain,
                (Some(Luhn::Fails), 1) => Mark::Protected(None),
                (Some(_), _) => Mark::Neither(FaultRule::CheckDigits),
            },
        }
    }

    /// The characters of a value that is inside the template but for its check digit.
    fn fit<'a>(&self, value: &'a Value) -> Result<&'a str, FaultRule> {
        let text = match value {
            Value::Text(text) => text,
            Value::Number(text) if self.alphabet == Alphabet::Decimal => text,
            _ => return Err(FaultRule::Kind),
        };
        if !text.bytes().all(|symbol| self.alphabet.numeral(symbol).is_some()) {
            let masked = has_mask_symbol(text) || has_run_of_x(text, 2);
            return Err(if masked { FaultRule::Masked } else { FaultRule::Alphabet });
        }
        self.span(text)?;
        if self.looks_masked(text) {
            return Err(FaultRule::Masked);
        }
        writable(value, text)?;
        Ok(text)
    }

    fn looks_masked(&self, text: &str) -> bool {
        self.alphabet == Alphabet::Base62 && has_run_of_x(text, MASK_RUN)
    }

    fn span(&self, text: &str) -> Result<&Span, FaultRule> {
        let index = text.len().checked_sub(self.min).ok_or(FaultRule::Length)?;
        self.spans.get(index).ok_or(FaultRule::Length)
    }

    /// How far the check digit is from the valid one.
    fn distance(&self, text: &str) -> u32 {
        match self.luhn {
            Some(_) => luhn::distance(text.as_bytes()).unwrap_or_default(),
            None => 0,
        }
    }

    /// What the tokens of values with these preserved parts have in common.
    pub(super) fn group(&self, keys: &SequenceKeys, text: &str) -> Result<Group<'_>, FaultRule> {
        let span = self.span(text)?;
        let kind = if self.alphabet == Alphabet::Decimal { Part::Digits } else { Part::Text };
        let mut typed = vec![0];
        for kept in [0..span.free.start, span.last.clone()] {
            let content = text.as_bytes().get(kept).ok_or(FaultRule::Length)?;
            if !content.is_empty() {
                tweak::append_part(kind, content, &mut typed);
            }
        }
        tweak::append_part(Part::Digits, span.length.to_string().as_bytes(), &mut typed);
        let mut tweak = Vec::with_capacity(8);
        span.tweak.append(&typed, &keys.tweak, &mut tweak);
        let hashed = keys.part.clone().chain_update(&typed).finalize().into_bytes();
        let part = hashed.first_chunk().copied().ok_or(FaultRule::NoKey)?;
        Ok(Group { span, tweak, part })
    }

    /// The token of a number, between the kept ends of a value.
    pub(super) fn token(
        &self,
        keys: &SequenceKeys,
        group: &Group<'_>,
        text: &str,
        number: u64,
    ) -> Result<String, FaultRule> {
        #[cfg(test)]
        keys.used.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let radix = u64::from(self.alphabet.radix());
        let mut rest = number;
        let mut numerals = vec![0_u16; group.span.free.len()];
        for numeral in numerals.iter_mut().rev() {
            *numeral = (rest % radix) as u16;
            rest /= radix;
        }
        keys.engine.encrypt(&group.tweak, &mut numerals).map_err(|_| FaultRule::Length)?;
        let mut token = text.as_bytes().to_vec();
        let free = token.get_mut(group.span.free.clone()).ok_or(FaultRule::Length)?;
        for (place, numeral) in free.iter_mut().zip(numerals) {
            *place = self.alphabet.symbol(numeral).ok_or(FaultRule::Alphabet)?;
        }
        match self.luhn {
            None => {}
            Some(Luhn::Valid) => luhn::set_distance(&mut token, 0),
            Some(Luhn::Fails) => luhn::set_distance(&mut token, 1),
        }
        String::from_utf8(token).map_err(|_| FaultRule::Alphabet)
    }

    /// Whether a token can stand for this value: it is another text, no mask, and no
    /// number with a zero before it where the value is a number.
    pub(super) fn suits(&self, value: &Value, token: &str) -> bool {
        value.as_str() != Some(token) && self.suits_some(matches!(value, Value::Number(_)), token)
    }

    /// Whether a token can stand for some values: for numbers, or for texts.
    pub(super) fn suits_some(&self, numbers: bool, token: &str) -> bool {
        let is_writable = !numbers || !token.starts_with('0');
        is_writable && !self.looks_masked(token)
    }
}

impl Group<'_> {
    /// All numbers are below this.
    pub(super) const fn limit(&self) -> u64 {
        self.span.limit
    }
}

impl SequenceKeys {
    pub(super) fn new(
        alphabet_of: &Sequence,
        sequence: &Secret,
        tweak: &Secret,
        part: &Secret,
    ) -> Result<Self, FaultRule> {
        let engine = Ff1::new(sequence.expose(), alphabet_of.alphabet.radix());
        let engine = engine.map_err(|_| FaultRule::NoKey)?;
        Ok(Self {
            engine,
            tweak: tweak::prf(tweak),
            part: tweak::prf(part),
            #[cfg(test)]
            used: std::sync::atomic::AtomicUsize::new(0),
        })
    }
}

/// Refuses characters that cannot be written as a number, where the value is one: no
/// format can write a leading 0 back.
pub(super) fn writable(value: &Value, characters: &str) -> Result<(), FaultRule> {
    match value {
        Value::Number(_) if characters.starts_with('0') => Err(FaultRule::NotANumber),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use zeroize::Zeroizing;

    fn keep(first: usize, last: usize) -> Keep {
        Keep { first, last }
    }

    fn keys(sequence: &Sequence) -> SequenceKeys {
        let [one, two, three] = [1, 2, 3].map(|byte| Secret::new(Zeroizing::new([byte; 32])));
        SequenceKeys::new(sequence, &one, &two, &three).unwrap()
    }

    fn token(sequence: &Sequence, text: &str, number: u64) -> String {
        let keys = keys(sequence);
        let group = sequence.group(&keys, text).unwrap();
        sequence.token(&keys, &group, text, number).unwrap()
    }

    #[test]
    fn every_number_gives_another_token_of_the_format() {
        for (sequence, text) in [
            (Sequence::digits(keep(0, 0), 2, 2), "47"),
            (Sequence::digits(keep(2, 1), 6, 9), "482917"),
            (Sequence::pan(keep(6, 4), 12, 19, Luhn::Valid), "492912000645"),
            (Sequence::pan(keep(6, 0), 9, 19, Luhn::Fails), "492912006"),
            (Sequence::alphanumeric(keep(1, 0), 3, 3), "aB9"),
        ] {
            let sequence = sequence.unwrap();
            let keys = keys(&sequence);
            let group = sequence.group(&keys, text).unwrap();
            let mut seen = HashSet::new();
            for number in 0..group.limit() {
                let token = sequence.token(&keys, &group, text, number).unwrap();
                assert_eq!(token.len(), text.len());
                assert!(token.starts_with(&text[..group.span.free.start]));
                assert_eq!(token[group.span.last.clone()], text[group.span.last.clone()]);
                let mark =
                    if sequence.is_marked() { Mark::Protected(None) } else { Mark::Unmarked };
                assert_eq!(sequence.mark(&Value::text(&*token)), mark, "{token}");
                assert!(seen.insert(token));
            }
            assert_eq!(seen.len() as u64, group.limit());
        }
    }

    #[test]
    fn each_length_and_preserved_part_has_a_counter_of_its_own() {
        let sequence = Sequence::digits(keep(2, 1), 6, 9).unwrap();
        let keys = keys(&sequence);
        let part = |text: &str| sequence.group(&keys, text).unwrap().part;
        assert_eq!(part("120003"), part("129993"));
        let others = ["120003", "1200003", "130003", "120004", "210003", "12000003"];
        let parts: HashSet<_> = others.iter().map(|text| part(text)).collect();
        assert_eq!(parts.len(), others.len());
    }

    #[test]
    fn the_room_is_bounded_by_what_databases_count_to() {
        let sequence = Sequence::digits(keep(0, 0), 18, 256).unwrap();
        let limit = |length| {
            let text = "7".repeat(length);
            sequence.group(&keys(&sequence), &text).unwrap().limit()
        };
        assert_eq!((limit(18), limit(19)), (10_u64.pow(18), i64::MAX as u64));
        assert_eq!(limit(256), i64::MAX as u64);
        assert_ne!(token(&sequence, &"7".repeat(256), 0), token(&sequence, &"7".repeat(256), 1));
    }

    #[test]
    fn templates_without_room_cannot_be_had() {
        let check = |sequence: Result<Sequence, SpecError>, had: bool| {
            assert_eq!(sequence.is_ok(), had);
        };
        check(Sequence::pan(keep(6, 4), 16, 16, Luhn::Fails), true);
        check(Sequence::pan(keep(6, 4), 12, 16, Luhn::Fails), true);
        check(Sequence::pan(keep(6, 4), 11, 16, Luhn::Fails), false);
        check(Sequence::pan(keep(8, 4), 16, 19, Luhn::Valid), true);
        check(Sequence::pan(keep(0, 0), 7, 19, Luhn::Valid), false);
        check(Sequence::pan(keep(0, 0), 8, 20, Luhn::Valid), false);
        check(Sequence::pan(keep(usize::MAX, usize::MAX), 16, 16, Luhn::Valid), false);
        check(Sequence::digits(keep(0, 0), 1, 9), false);
        check(Sequence::digits(keep(0, 0), 2, 257), false);
        check(Sequence::digits(keep(0, 0), 9, 2), false);
        check(Sequence::digits(keep(3, 4), 9, 9), true);
        check(Sequence::digits(keep(4, 4), 9, 9), false);
        check(Sequence::alphanumeric(keep(1, 1), 4, 4), true);
        check(Sequence::alphanumeric(keep(1, 1), 3, 4), false);
    }

    #[test]
    fn only_a_value_of_the_format_fits() {
        let pan = Sequence::pan(keep(6, 4), 13, 19, Luhn::Fails).unwrap();
        let valid = Sequence::pan(keep(6, 4), 13, 19, Luhn::Valid).unwrap();
        let digits = Sequence::digits(keep(0, 0), 4, 6).unwrap();
        let text = Sequence::alphanumeric(keep(0, 0), 4, 8).unwrap();
        let check = |sequence: &Sequence, value: Value, expected: Mark| {
            assert_eq!(sequence.mark(&value), expected, "{value:?}");
        };
        let neither = Mark::Neither;
        check(&pan, Value::text("4929120000006466"), Mark::Plain);
        check(&pan, Value::number("4929120000006466"), Mark::Plain);
        check(&pan, Value::text("4929120000006467"), Mark::Protected(None));
        check(&pan, Value::text("4929120000006468"), neither(FaultRule::CheckDigits));
        check(&pan, Value::text("492912******6466"), neither(FaultRule::Masked));
        check(&pan, Value::text("4929 1200 0000 6466"), neither(FaultRule::Alphabet));
        check(&pan, Value::text("492912000000"), neither(FaultRule::Length));
        check(&pan, Value::Bool(true), neither(FaultRule::Kind));
        check(&valid, Value::text("4929120000006466"), Mark::Unmarked);
        check(&valid, Value::text("4929120000006467"), neither(FaultRule::CheckDigits));
        check(&digits, Value::number("0123"), neither(FaultRule::NotANumber));
        check(&digits, Value::text("0123"), Mark::Unmarked);
        check(&digits, Value::number("-123"), neither(FaultRule::Alphabet));
        check(&digits, Value::number("1e5"), neither(FaultRule::Alphabet));
        check(&digits, Value::text("123"), neither(FaultRule::Length));
        check(&text, Value::text("aB9z"), Mark::Unmarked);
        check(&text, Value::number("1234"), neither(FaultRule::Kind));
        check(&text, Value::text("XXXX1"), neither(FaultRule::Masked));
        check(&text, Value::text("ä234"), neither(FaultRule::Alphabet));
    }

    #[test]
    fn a_token_suits_what_can_be_written_and_is_not_itself() {
        let digits = Sequence::digits(keep(0, 0), 4, 4).unwrap();
        let text = Sequence::alphanumeric(keep(0, 0), 4, 8).unwrap();
        assert!(digits.suits(&Value::text("1234"), "0234"));
        assert!(!digits.suits(&Value::number("1234"), "0234"));
        assert!(!digits.suits(&Value::number("1234"), "1234"));
        assert!(!text.suits(&Value::text("abcd"), "XXXX"));
    }

    /// Published vectors: another token for a number could be issued twice.
    #[test]
    fn the_sequence_is_a_stored_format() {
        let pan = Sequence::pan(keep(6, 4), 16, 16, Luhn::Fails).unwrap();
        let digits = Sequence::digits(keep(0, 0), 9, 9).unwrap();
        let text = Sequence::alphanumeric(keep(2, 0), 8, 8).unwrap();
        for (sequence, value, number, part, expected) in [
            (&pan, "4929120000006466", 0, "289b63e885d6f9161314cd3554a7dcfc", "4929125003866460"),
            (
                &pan,
                "4929120000006466",
                999_999,
                "289b63e885d6f9161314cd3554a7dcfc",
                "4929123357726463",
            ),
            (&digits, "123456789", 7, "0868dbc9c2f088bbff985dc765c0522c", "917765517"),
            (&text, "abCD1234", 1, "42856563b1b314d7493b35592f73f855", "ab1Otpgf"),
        ] {
            let keys = keys(sequence);
            let group = sequence.group(&keys, value).unwrap();
            let hex: String = group.part.iter().map(|byte| format!("{byte:02x}")).collect();
            let token = sequence.token(&keys, &group, value, number).unwrap();
            assert_eq!((hex.as_str(), token.as_str()), (part, expected));
        }
    }
}
