//! Windows of days, and days written as digits.

use crate::calendar::Date;
use crate::{FaultRule, SpecError};

/// The first and the last day of a window that is written as `YYYY-MM-DD`.
pub(super) fn days(from: &str, to: &str) -> Result<(i64, i64), SpecError> {
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
    let (year, month, of_month) = (year.try_into(), month.try_into(), of_month.try_into());
    match (year, month, of_month) {
        (Ok(year), Ok(month), Ok(of_month)) => Date::new(year, month, of_month),
        _ => None,
    }
    .map(Date::days)
    .ok_or(FaultRule::Range)
}

/// The number that digits are; there are too few for an overflow.
pub(super) fn digits(text: &[u8]) -> Result<i64, FaultRule> {
    text.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + i64::from(digit - b'0')),
        _ => Err(FaultRule::Structure),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::tests::KNOWN_DAYS;

    #[test]
    fn known_days() {
        for (text, number) in KNOWN_DAYS {
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
