use zeroize::Zeroizing;

use super::{Class, Rank, Ranked, window};
use crate::calendar::civil_from_days;
use crate::{DateFormat, FaultRule, SpecError};

/// Days of a window, counted from its first.
struct Dates {
    format: DateFormat,
    first: i64,
    classes: [Class; 1],
}

/// The format of a specification.
pub(crate) fn build(
    format: DateFormat,
    from: &str,
    to: &str,
) -> Result<Box<dyn Ranked>, SpecError> {
    let (first, last) = window::days(from, to)?;
    let size = u128::from(last.abs_diff(first)) + 1;
    let classes = [Class { name: format!("days from {from} to {to}"), size }];
    Ok(Box::new(Dates { format, first, classes }))
}

impl Ranked for Dates {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        let day = parse(self.format, text.as_bytes())?;
        let number = day.checked_sub(self.first).and_then(|number| u128::try_from(number).ok());
        let number = number.filter(|number| self.classes.iter().any(|all| *number < all.size));
        Ok(Rank { class: 0, number: number.ok_or(FaultRule::Range)?, slot: 0 })
    }

    fn unrank(&self, rank: Rank, _like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let number = i64::try_from(rank.number).ok();
        let day = number.and_then(|number| number.checked_add(self.first));
        let (year, month, day) = civil_from_days(day.ok_or(FaultRule::Range)?);
        Ok(Zeroizing::new(match self.format {
            DateFormat::Iso => format!("{year:04}-{month:02}-{day:02}"),
            DateFormat::Compact => format!("{year:04}{month:02}{day:02}"),
            DateFormat::Points => format!("{day:02}.{month:02}.{year:04}"),
            DateFormat::DayFirst => format!("{day:02}/{month:02}/{year:04}"),
            DateFormat::MonthFirst => format!("{month:02}/{day:02}/{year:04}"),
        }))
    }
}

fn parse(format: DateFormat, text: &[u8]) -> Result<i64, FaultRule> {
    let length = if format == DateFormat::Compact { 8 } else { 10 };
    if text.len() != length {
        return Err(FaultRule::Length);
    }
    let (year, month, day) = match (format, text) {
        (DateFormat::Iso, _) => return window::iso(text),
        (DateFormat::Compact, [y1, y2, y3, y4, m1, m2, d1, d2])
        | (DateFormat::Points, [d1, d2, b'.', m1, m2, b'.', y1, y2, y3, y4])
        | (DateFormat::DayFirst, [d1, d2, b'/', m1, m2, b'/', y1, y2, y3, y4])
        | (DateFormat::MonthFirst, [m1, m2, b'/', d1, d2, b'/', y1, y2, y3, y4]) => {
            ([*y1, *y2, *y3, *y4], [*m1, *m2], [*d1, *d2])
        }
        _ => return Err(FaultRule::Structure),
    };
    window::number(&year, &month, &day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_numbered_from_the_first() {
        use DateFormat::{Compact, DayFirst, Iso, MonthFirst, Points};
        for (format, text, expected) in [
            (Iso, "1900-01-01", Ok(0)),
            (Iso, "1900-01-02", Ok(1)),
            (Iso, "2000-02-29", Ok(36_583)),
            (Iso, "2099-12-31", Ok(73_048)),
            (Iso, "2100-01-01", Err(FaultRule::Range)),
            (Iso, "1899-12-31", Err(FaultRule::Range)),
            (Iso, "1900-02-29", Err(FaultRule::Range)),
            (Compact, "20000229", Ok(36_583)),
            (Compact, "2000-02-29", Err(FaultRule::Length)),
            (Compact, "2000022x", Err(FaultRule::Structure)),
            (Points, "29.02.2000", Ok(36_583)),
            (Points, "29/02/2000", Err(FaultRule::Structure)),
            (DayFirst, "29/02/2000", Ok(36_583)),
            (DayFirst, "02/29/2000", Err(FaultRule::Range)),
            (MonthFirst, "02/29/2000", Ok(36_583)),
            (MonthFirst, "29/02/2000", Err(FaultRule::Range)),
            (MonthFirst, "2/29/2000", Err(FaultRule::Length)),
            (Iso, "２000-02-29", Err(FaultRule::Length)),
        ] {
            let dates = build(format, "1900-01-01", "2099-12-31").unwrap();
            let rank = dates.rank(text);
            assert_eq!(rank.map(|rank| rank.number), expected, "{text}");
            if let Ok(rank) = rank {
                assert_eq!(*dates.unrank(rank, text).unwrap(), text);
            }
        }
    }

    #[test]
    fn a_window_is_two_days_in_their_order() {
        for (from, to) in [
            ("2000-01-02", "2000-01-01"),
            ("2001-02-29", "2002-01-01"),
            ("01.01.2000", "2002-01-01"),
            ("", ""),
        ] {
            assert!(build(DateFormat::Iso, from, to).is_err(), "{from} {to}");
        }
        let one = build(DateFormat::Iso, "0001-01-01", "9999-12-31").unwrap();
        assert_eq!(one.classes()[0].size, 3_652_059);
    }
}
