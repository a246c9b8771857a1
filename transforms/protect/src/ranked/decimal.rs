use zeroize::Zeroizing;

use super::{Class, Rank, Ranked};
use crate::{FaultRule, SpecError};

/// Most digits after the point: what 64 bits hold has 19 digits.
const MOST_DECIMALS: u8 = 18;

/// Decimals of a range, counted from its lowest in units of the last digit.
struct Decimals {
    from: i64,
    decimals: usize,
    /// Units in one.
    one: u64,
    classes: [Class; 1],
}

/// The format of a specification.
pub(crate) fn build(from: i64, to: i64, scale: u8) -> Result<Box<dyn Ranked>, SpecError> {
    if from > to {
        return Err(SpecError::Invalid("the highest decimal is below the lowest"));
    }
    if !(1..=MOST_DECIMALS).contains(&scale) {
        return Err(SpecError::Invalid(
            "a decimal has from 1 to 18 digits after the point; without any it is `template: integer`",
        ));
    }
    let size = u128::from(to.abs_diff(from)) + 1;
    let name = format!("decimals with {scale} digits after the point");
    let (decimals, one) = (usize::from(scale), 10_u64.pow(u32::from(scale)));
    Ok(Box::new(Decimals { from, decimals, one, classes: [Class { name, size }] }))
}

impl Ranked for Decimals {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        let units = i128::from(self.parse(text)?);
        let number = u128::try_from(units - i128::from(self.from)).ok();
        let number = number.filter(|number| self.classes.iter().any(|all| *number < all.size));
        Ok(Rank { class: 0, number: number.ok_or(FaultRule::Range)?, slot: 0 })
    }

    /// Programs that read and write a number drop the zeros it ends with (10.5, 10): it is the
    /// same number all the same.
    fn rank_number(&self, written: &str) -> Result<Rank, FaultRule> {
        let part = written.split_once('.').map(|(_, part)| part.len());
        if part.is_some_and(|length| length == 0 || length >= self.decimals) {
            return self.rank(written);
        }
        let missing = self.decimals - part.unwrap_or(0);
        let mut full = Zeroizing::new(String::with_capacity(written.len() + 1 + missing));
        full.push_str(written);
        full.push_str(if part.is_none() { "." } else { "" });
        full.extend(std::iter::repeat_n('0', missing));
        self.rank(&full)
    }

    fn unrank(&self, rank: Rank, _like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let number = u64::try_from(rank.number).map_err(|_| FaultRule::Range)?;
        let units = self.from.checked_add_unsigned(number).ok_or(FaultRule::Range)?;
        let sign = if units < 0 { "-" } else { "" };
        let (whole, part) = (units.unsigned_abs() / self.one, units.unsigned_abs() % self.one);
        let width = self.decimals;
        Ok(Zeroizing::new(format!("{sign}{whole}.{part:0width$}")))
    }

    fn takes_numbers(&self) -> bool {
        true
    }
}

impl Decimals {
    /// The units of a decimal in its only form: all digits after the point, no zeros too
    /// many before it, no `-` before nothing but zeros.
    fn parse(&self, text: &str) -> Result<i64, FaultRule> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if !digits.bytes().all(|symbol| symbol.is_ascii_digit() || symbol == b'.') {
            return Err(FaultRule::Alphabet);
        }
        let (whole, part) = digits.split_once('.').ok_or(FaultRule::Structure)?;
        if whole.is_empty() || (whole.starts_with('0') && whole != "0") || part.contains('.') {
            return Err(FaultRule::Structure);
        }
        if part.len() != self.decimals {
            return Err(FaultRule::Length);
        }
        let whole: i128 = whole.parse().map_err(|_| FaultRule::Range)?;
        let part: i128 = part.parse().map_err(|_| FaultRule::Range)?;
        let units =
            whole.checked_mul(i128::from(self.one)).and_then(|whole| whole.checked_add(part));
        match units.ok_or(FaultRule::Range)? {
            0 if negative => Err(FaultRule::Structure),
            units => {
                i64::try_from(if negative { -units } else { units }).map_err(|_| FaultRule::Range)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_one_form() {
        let amounts = build(-5_000, 1_000_000, 2).unwrap();
        for (text, expected) in [
            ("-50.00", Ok(0)),
            ("-0.01", Ok(4_999)),
            ("0.00", Ok(5_000)),
            ("0.50", Ok(5_050)),
            ("10000.00", Ok(1_005_000)),
            ("10000.01", Err(FaultRule::Range)),
            ("-50.01", Err(FaultRule::Range)),
            ("99999999999999999999999999999999999999999.00", Err(FaultRule::Range)),
            ("-0.00", Err(FaultRule::Structure)),
            ("00.50", Err(FaultRule::Structure)),
            (".50", Err(FaultRule::Structure)),
            ("1", Err(FaultRule::Structure)),
            ("1.2.3", Err(FaultRule::Structure)),
            ("", Err(FaultRule::Structure)),
            ("-", Err(FaultRule::Structure)),
            ("1.5", Err(FaultRule::Length)),
            ("1.", Err(FaultRule::Length)),
            ("1.500", Err(FaultRule::Length)),
            ("+1.50", Err(FaultRule::Alphabet)),
            ("1.5e1", Err(FaultRule::Alphabet)),
            ("1,50", Err(FaultRule::Alphabet)),
        ] {
            let rank = amounts.rank(text);
            assert_eq!(rank.map(|rank| rank.number), expected, "{text}");
            if let Ok(rank) = rank {
                assert_eq!(*amounts.unrank(rank, text).unwrap(), text);
            }
        }
        for (number, expected) in [
            ("0", Ok(5_000)),
            ("-50", Ok(0)),
            ("10000", Ok(1_005_000)),
            ("1.5", Ok(5_150)),
            ("-0.5", Ok(4_950)),
            ("1.50", Ok(5_150)),
            ("10001", Err(FaultRule::Range)),
            ("1.500", Err(FaultRule::Length)),
            ("1.", Err(FaultRule::Length)),
            ("-0", Err(FaultRule::Structure)),
            ("-0.0", Err(FaultRule::Structure)),
            ("01", Err(FaultRule::Structure)),
            ("1.2.", Err(FaultRule::Structure)),
            ("", Err(FaultRule::Structure)),
            ("15e1", Err(FaultRule::Alphabet)),
            ("1.e", Err(FaultRule::Alphabet)),
        ] {
            let rank = amounts.rank_number(number);
            assert_eq!(rank.map(|rank| rank.number), expected, "{number}");
        }
        let widest = build(i64::MIN, i64::MAX, 18).unwrap();
        for text in ["-9.223372036854775808", "9.223372036854775807", "0.000000000000000000"] {
            let rank = widest.rank(text).unwrap();
            assert_eq!(*widest.unrank(rank, text).unwrap(), text);
        }
        for (from, to, scale) in [(1, 0, 2), (0, 1, 0), (0, 1, 19)] {
            assert!(build(from, to, scale).is_err());
        }
    }
}
