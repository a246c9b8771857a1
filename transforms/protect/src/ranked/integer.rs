use zeroize::Zeroizing;

use super::{Class, Rank, Ranked};
use crate::{FaultRule, SpecError};

/// Most digits of a fixed width.
const WIDEST: usize = 19;
/// Most ranges for protected values.
const MOST_RANGES: usize = 1_000;

/// Integers of a range, counted from its lowest. Protected values may have ranges of
/// their own, one for each slot.
struct Integers {
    /// Where the range of each slot begins; that of slot 0 is the plain one.
    starts: Vec<i64>,
    width: Option<usize>,
    classes: [Class; 1],
}

/// The format of a specification.
pub(crate) fn build(
    from: i64,
    to: i64,
    width: Option<usize>,
    reserved: &[i64],
) -> Result<Box<dyn Ranked>, SpecError> {
    if from > to {
        return Err(SpecError::Invalid("the highest integer is below the lowest"));
    }
    let span = to.abs_diff(from);
    let starts: Vec<i64> = std::iter::once(from).chain(reserved.iter().copied()).collect();
    let lowest = starts.iter().min().copied().unwrap_or(from);
    let highest = disjoint(&starts, span)?;
    if let Some(width) = width {
        let fits = u32::try_from(width)
            .ok()
            .filter(|_| (1..=WIDEST).contains(&width))
            .and_then(|width| 10_u64.checked_pow(width))
            .is_some_and(|end| u64::try_from(highest).is_ok_and(|highest| highest < end));
        if lowest < 0 || !fits {
            return Err(SpecError::Invalid(
                "with a `width` integers are 0 or more, and none has more digits than that (at most 19)",
            ));
        }
    }
    let size = u128::from(span) + 1;
    let classes = [Class { name: format!("integers from {from} to {to}"), size }];
    Ok(Box::new(Integers { starts, width, classes }))
}

/// The highest integer of all ranges, none of which may meet another.
fn disjoint(starts: &[i64], span: u64) -> Result<i64, SpecError> {
    if starts.len() > MOST_RANGES {
        return Err(SpecError::Invalid("there can be at most 999 reserved ranges"));
    }
    let mut ascending = starts.to_vec();
    ascending.sort_unstable();
    let mut highest = None;
    for start in ascending {
        if highest.is_some_and(|highest| start <= highest) {
            return Err(SpecError::Invalid(
                "reserved ranges are as large as the plain one, and none may meet it or another",
            ));
        }
        highest = Some(
            start
                .checked_add_unsigned(span)
                .ok_or(SpecError::Invalid("a reserved range goes beyond what 64 bits hold"))?,
        );
    }
    highest.ok_or(SpecError::Invalid("there is no range"))
}

impl Ranked for Integers {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        let value = match self.width {
            None => parse(text)?,
            Some(width) => parse_wide(text, width)?,
        };
        self.starts
            .iter()
            .zip(0..)
            .find_map(|(start, slot)| {
                let number = u128::try_from(i128::from(value) - i128::from(*start)).ok()?;
                let inside = self.classes.iter().any(|all| number < all.size);
                inside.then_some(Rank { class: 0, number, slot })
            })
            .ok_or(FaultRule::Range)
    }

    fn unrank(&self, rank: Rank, _like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let slot = usize::try_from(rank.slot).ok();
        let start = slot.and_then(|slot| self.starts.get(slot)).ok_or(FaultRule::Range)?;
        let number = u64::try_from(rank.number).map_err(|_| FaultRule::Range)?;
        let value = start.checked_add_unsigned(number).ok_or(FaultRule::Range)?;
        Ok(Zeroizing::new(match self.width {
            None => value.to_string(),
            Some(width) => format!("{value:0width$}"),
        }))
    }

    fn takes_numbers(&self) -> bool {
        self.width.is_none()
    }

    fn slots(&self) -> u32 {
        u32::try_from(self.starts.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }
}

/// An integer in its only form: no leading zeros, no `+`, no `-0`.
pub(super) fn parse(text: &str) -> Result<i64, FaultRule> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() {
        return Err(FaultRule::Structure);
    }
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(FaultRule::Alphabet);
    }
    if digits.starts_with('0') && text != "0" {
        return Err(FaultRule::Structure);
    }
    text.parse().map_err(|_| FaultRule::Range)
}

fn parse_wide(text: &str, width: usize) -> Result<i64, FaultRule> {
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(FaultRule::Alphabet);
    }
    if text.len() != width {
        return Err(FaultRule::Length);
    }
    text.parse().map_err(|_| FaultRule::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(integers: &dyn Ranked, text: &str, expected: Result<(u128, u32), FaultRule>) {
        let rank = integers.rank(text);
        assert_eq!(rank.map(|rank| (rank.number, rank.slot)), expected, "{text}");
        if let Ok(rank) = rank {
            assert_eq!(*integers.unrank(rank, text).unwrap(), text);
        }
    }

    #[test]
    fn an_integer_has_one_form() {
        let all = build(-100, 99_999, None, &[]).unwrap();
        check(&*all, "-100", Ok((0, 0)));
        check(&*all, "-1", Ok((99, 0)));
        check(&*all, "0", Ok((100, 0)));
        check(&*all, "99999", Ok((100_099, 0)));
        for text in ["-0", "00", "01", "-01", "", "-"] {
            check(&*all, text, Err(FaultRule::Structure));
        }
        for text in ["+1", "1.0", "1e3", " 1", "1 ", "--1", "١", "0x1"] {
            check(&*all, text, Err(FaultRule::Alphabet));
        }
        for text in ["-101", "100000", "9223372036854775808", "-99999999999999999999999"] {
            check(&*all, text, Err(FaultRule::Range));
        }
        let widest = build(i64::MIN, i64::MAX, None, &[]).unwrap();
        assert_eq!(widest.classes()[0].size, 1 << 64);
        check(&*widest, "-9223372036854775808", Ok((0, 0)));
        check(&*widest, "9223372036854775807", Ok((u128::from(u64::MAX), 0)));
    }

    #[test]
    fn a_width_fixes_the_digits() {
        let wide = build(0, 9_999_999, Some(7), &[]).unwrap();
        check(&*wide, "0000000", Ok((0, 0)));
        check(&*wide, "0000042", Ok((42, 0)));
        check(&*wide, "9999999", Ok((9_999_999, 0)));
        check(&*wide, "42", Err(FaultRule::Length));
        check(&*wide, "00000042", Err(FaultRule::Length));
        check(&*wide, "-000042", Err(FaultRule::Alphabet));
        assert!(!wide.takes_numbers());
        check(
            &*build(0, i64::MAX, Some(19), &[]).unwrap(),
            "9999999999999999999",
            Err(FaultRule::Range),
        );
        for (from, to, width) in [(0, 10, 1), (-1, 9, 1), (0, 9, 0), (0, 9, 20), (0, i64::MAX, 18)]
        {
            assert!(build(from, to, Some(width), &[]).is_err(), "{from} {to} {width}");
        }
        assert!(build(0, 9, Some(1), &[10]).is_err(), "protected values have no more digits");
        assert!(build(10, 9, None, &[]).is_err());
    }

    #[test]
    fn slots_have_ranges_of_their_own() {
        let some = build(1_000, 1_999, None, &[5_000, -4_000, 2_000]).unwrap();
        assert_eq!(some.slots(), 3);
        check(&*some, "1000", Ok((0, 0)));
        check(&*some, "5999", Ok((999, 1)));
        check(&*some, "6000", Err(FaultRule::Range));
        check(&*some, "4999", Err(FaultRule::Range));
        check(&*some, "-3999", Ok((1, 2)));
        check(&*some, "2000", Ok((0, 3)));
        for reserved in [&[1_500][..], &[1_000], &[501], &[5_000, 5_999], &[5_000, 5_000]] {
            assert!(build(1_000, 1_999, None, reserved).is_err(), "{reserved:?}");
        }
        assert!(build(0, 999, None, &[i64::MAX - 998]).is_err());
        assert!(build(0, 999, None, &[i64::MAX - 999, i64::MIN]).is_ok());
    }
}
