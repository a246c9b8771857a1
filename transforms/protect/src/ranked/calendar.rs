//! Days of the proleptic Gregorian calendar, years 0001 to 9999.

use std::ops::RangeInclusive;

use crate::{FaultRule, SpecError};

/// The years there are.
const YEARS: RangeInclusive<i64> = 1..=9999;

/// The number of a day, counted from 1970-01-01; `None` if there is no such day.
pub(super) fn day(year: i64, month: i64, day: i64) -> Option<i64> {
    if !YEARS.contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=last(year, month)).contains(&day)
    {
        return None;
    }
    // Years that begin in March end with the leap day, so that months have fixed places.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(before + (month * 153 + 2) / 5 + day - 1 - EPOCH)
}

/// Year, month and day of a day's number.
pub(super) fn civil(number: i64) -> (i64, i64, i64) {
    let number = number + EPOCH;
    let era = number.div_euclid(ERA);
    let of_era = number.rem_euclid(ERA);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (year * 365 + year / 4 - year / 100);
    let month = (of_year * 5 + 2) / 153;
    let day = of_year - (month * 153 + 2) / 5 + 1;
    let year = year + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The first and the last day of a window that is written as `YYYY-MM-DD`.
pub(super) fn window(from: &str, to: &str) -> Result<(i64, i64), SpecError> {
    let (Ok(first), Ok(last)) = (iso(from.as_bytes()), iso(to.as_bytes())) else {
        return Err(SpecError::Invalid(
            "the first and the last day must be written as `YYYY-MM-DD`, and there must be such days",
        ));
    };
    if first > last {
        return Err(SpecError::Invalid("the last day comes before the first"));
    }
    Ok((first, last))
}

/// The number of a day that is written as `YYYY-MM-DD`.
pub(super) fn iso(text: &[u8]) -> Result<i64, FaultRule> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return Err(if text.len() == 10 { FaultRule::Structure } else { FaultRule::Length });
    };
    number(&[y1, y2, y3, y4], &[m1, m2], &[d1, d2])
}

/// The number of a day whose parts are written so.
pub(super) fn number(year: &[u8], month: &[u8], of_month: &[u8]) -> Result<i64, FaultRule> {
    let (year, month, of_month) = (digits(year)?, digits(month)?, digits(of_month)?);
    day(year, month, of_month).ok_or(FaultRule::Range)
}

/// The number that digits are; there are too few for an overflow.
pub(super) fn digits(text: &[u8]) -> Result<i64, FaultRule> {
    text.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + i64::from(digit - b'0')),
        _ => Err(FaultRule::Structure),
    })
}

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days in 400 years.
const ERA: i64 = 146_097;

/// The last day of a month.
const fn last(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_a_number_and_every_number_a_day() {
        let mut expected = day(1, 1, 1).unwrap();
        for year in YEARS {
            for month in 1..=12 {
                for of_month in 1..=last(year, month) {
                    assert_eq!(day(year, month, of_month), Some(expected));
                    assert_eq!(civil(expected), (year, month, of_month));
                    expected += 1;
                }
                assert_eq!(day(year, month, last(year, month) + 1), None);
            }
        }
        assert_eq!(expected - day(1, 1, 1).unwrap(), 3_652_059);
    }

    #[test]
    fn known_days() {
        for (text, number) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2026-11-23", 20_780),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(iso(text.as_bytes()), Ok(number), "{text}");
        }
        for (text, rule) in [
            ("1900-02-29", FaultRule::Range),
            ("2023-02-29", FaultRule::Range),
            ("0000-01-01", FaultRule::Range),
            ("2023-13-01", FaultRule::Range),
            ("2023-00-01", FaultRule::Range),
            ("2023-04-31", FaultRule::Range),
            ("2023-04-00", FaultRule::Range),
            ("2023/04/01", FaultRule::Structure),
            ("2023-4-001", FaultRule::Structure),
            ("+023-04-01", FaultRule::Structure),
            ("2023-04-1", FaultRule::Length),
            ("2023-04-01 ", FaultRule::Length),
            ("", FaultRule::Length),
        ] {
            assert_eq!(iso(text.as_bytes()), Err(rule), "{text}");
        }
    }
}
